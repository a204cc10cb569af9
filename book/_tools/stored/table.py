"""Write tables of stored results under their provenance: comments that ``pandas.read_csv(comment="#")`` skips.

The commands that recompute one share a frame, `keep`: points are computed and kept one after the other, and the table
is written again whenever some of them are there.
"""

from __future__ import annotations

import csv
import io
import platform
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import scipy
import sklearn

import hierlib
from _tools.build import lifetime

ROOT = Path(__file__).resolve().parents[3]


def write(
    name: str, fields: list[str], rows: list[list], *, command: str, notes: list[str], folder: Path = ROOT / "book/data"
) -> None:
    """Write ``<folder>/<name>.csv`` with the command, the versions, the machine and further notes above it."""
    text = io.StringIO()
    text.write(
        f"# command: {command}\n"
        f"# versions: hierlib {hierlib.__version__}, numpy {np.__version__}, scipy {scipy.__version__}, "
        f"scikit-learn {sklearn.__version__}, Python {platform.python_version()}\n"
        f"# machine: {platform.machine()} {platform.system()}, {processor()}\n"
    )
    text.writelines(f"# {note}\n" for note in notes)
    table = csv.writer(text, lineterminator="\n")
    table.writerow(fields)
    table.writerows(rows)
    path = folder / f"{name}.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text.getvalue())


def keep(name: str, fields: list[str], states: Callable[[], Iterable[tuple[list[list], list[str]]]]) -> int:
    """Write every state of a table, its rows and notes, as ``make <name>-data``; return the exit status."""

    def main() -> None:
        for rows, notes in states():
            write(name, fields, rows, command=f"make {name}-data", notes=notes)

    return lifetime.supervise(main, kept="Finished points are kept: the same command goes on from there.")


def processor() -> str:
    """Model of the processor, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
