"""What every pytest run shares: one BLAS thread a process, and how stored notebooks are compared."""

import os
from pathlib import Path

ROOT = Path(__file__).parent

# pytest-xdist runs one process a core; kernels and child processes inherit this.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

# Not modules of doctests: one is a Sphinx extension, the others are run by Make.
collect_ignore = ["book/_ext", "book/_tools"]


def pytest_configure(config):
    """Run notebooks in this environment, with the checkout importable and the repository's sanitising rules."""
    if getattr(config.option, "nbval", False):
        config.option.nbval_current_env = True
        # A path in pyproject.toml would be read relative to wherever pytest is started.
        config.option.nbval_sanitize_with = config.option.nbval_sanitize_with or str(ROOT / "tests/nbval_sanitize.cfg")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
