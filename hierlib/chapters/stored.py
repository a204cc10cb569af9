"""Stored results of the larger runs: the tables of ``book/data``, for the chapters that draw them.

Each table is a CSV file under a few comment lines with its provenance: the command that recomputes it, versions,
machine and seeds. The tables belong to the repository, not to the package: they are there where the package was
installed from a clone with ``--editable``, as the book's environment has it.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from hierlib.checks import check_choice

__all__ = ["load_table"]

_REPOSITORY = "https://github.com/hierlib/hierlib"
_FOLDER = Path(__file__).parents[2] / "book" / "data"


def load_table(name: str) -> pd.DataFrame:
    """Load a stored table.

    Parameters
    ----------
    name : str
        Name of a file in ``book/data``, without ``.csv``.

    Returns
    -------
    pandas.DataFrame
        One row a run; the file's comment lines say what the columns hold.

    Raises
    ------
    ValueError
        If there is no such table; the message lists those that there are.
    FileNotFoundError
        If hierlib was installed without its repository, which has the tables.

    Examples
    --------
    >>> from hierlib.chapters.stored import load_table
    >>> load_table("depth").columns.tolist()
    ['learner', 'd', 'n', 'seed', 'mse', 'seconds', 'mebibytes']
    """
    if not _FOLDER.is_dir():
        msg = (
            f"no folder {_FOLDER}: the stored tables are in the repository and not in the installed package. "
            f"Clone {_REPOSITORY} and install from there: pip install --editable CLONE."
        )
        raise FileNotFoundError(msg)
    check_choice("name", name, tuple(sorted(path.stem for path in _FOLDER.glob("*.csv"))))
    return pd.read_csv(_FOLDER / f"{name}.csv", comment="#")
