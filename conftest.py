"""What every pytest run shares: one thread a process, and how stored notebooks are compared."""

import os
from pathlib import Path

ROOT = Path(__file__).parent

# pytest-xdist runs one process a core; kernels and child processes inherit this.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT"):
    os.environ.setdefault(variable, "1")

# Not modules of doctests: one is a Sphinx extension, the others are run by Make.
collect_ignore = ["book/_ext", "book/_tools"]


def pytest_configure(config):
    """Run notebooks in this environment, with the checkout importable and the repository's sanitising rules."""
    if getattr(config.option, "nbval", False):
        config.option.nbval_current_env = True
        # A path in pyproject.toml would be read relative to wherever pytest is started.
        config.option.nbval_sanitize_with = config.option.nbval_sanitize_with or str(ROOT / "tests/nbval_sanitize.cfg")
        keep_history_in_nbval()
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))


def pytest_collection_modifyitems(config, items):
    """Execute the longest notebooks first, so that no core waits long at the end."""
    if getattr(config.option, "nbval", False):
        from _tools.build.chapter_parameters import run_times

        times = run_times(ROOT)
        items.sort(key=lambda item: -float(times.get(item.path.stem, 0)))


def keep_history_in_nbval():
    """Run cells with history, as Jupyter and papermill do: IPython looks there for a silencing final semicolon."""
    from nbval.kernel import RunningKernel

    def execute_cell_input(self, cell_input, allow_stdin=None):
        return self.kc.execute(cell_input, store_history=True, allow_stdin=allow_stdin, stop_on_error=False)

    RunningKernel.execute_cell_input = execute_cell_input
