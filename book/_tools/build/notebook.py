"""Execute one notebook, and read which claims it says were met."""

from __future__ import annotations

from pathlib import Path

import nbformat
import papermill
from jupyter_core.utils import ensure_event_loop

from hierlib.chapters.claims import MIME_TYPE

CELL_TIMEOUT = 6 * 3600  # seconds after which a cell counts as hung
KERNEL_STARTS = 3
# One thread of the BLAS and one of joblib's: as many notebooks run as there are cores, and more would only wait.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT")


def run_notebook(
    source: nbformat.NotebookNode | Path,
    target: Path | None,
    folder: Path | None = None,
    parameters: dict | None = None,
    timeout: int = CELL_TIMEOUT,
) -> nbformat.NotebookNode:
    """Execute a notebook, in a folder if given; where its kernel does not come up, start another one.

    A cell that runs longer than `timeout` seconds is a TimeoutError.
    """
    options = {"progress_bar": False, "extra_arguments": ["--log-level=CRITICAL"], "execution_timeout": timeout}
    if folder is not None:
        # The kernel's folder alone: papermill's own option changes that of the process, which threads share.
        options["resources"] = {"metadata": {"path": str(folder)}}

    def run() -> nbformat.NotebookNode:
        try:
            return papermill.execute_notebook(source, target, parameters=parameters, **options)
        finally:
            # The kernel's client leaves open the one that it made for this thread.
            ensure_event_loop().close()

    for _ in range(KERNEL_STARTS - 1):
        try:
            return run()
        except RuntimeError as error:
            # Between the choice of a kernel's ports and their use another process may have taken one.
            if "Kernel died before replying" not in str(error):
                raise
    return run()


def claims(notebook: nbformat.NotebookNode) -> dict[str, list[str]] | None:
    """Labels of the claims that were met, missed and not tested; None where the chapter did not get to say."""
    for cell in reversed(notebook.cells):
        for output in cell.get("outputs", []):
            if MIME_TYPE in output.get("data", {}):
                return output["data"][MIME_TYPE]
    return None
