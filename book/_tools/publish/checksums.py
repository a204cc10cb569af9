"""SHA-256 sums in the form that ``sha256sum --check`` reads. Uses the standard library alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

NAME = "SHA256SUMS"


def listing(files: Mapping[str, Path]) -> str:
    """Write one line for each file under its name, sorted by name."""
    lines = (f"{hashlib.sha256(files[name].read_bytes()).hexdigest()}  {name}\n" for name in sorted(files))
    return "".join(lines)


def files_under(folder: Path) -> dict[str, Path]:
    """All files of a folder but its sums, by relative name."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    found.pop(NAME, None)
    return found


def seal(folder: Path) -> None:
    """Write the sums of a folder into it."""
    (folder / NAME).write_text(listing(files_under(folder)))


def verify(folder: Path) -> None:
    """Raise a ValueError that names the files of a sealed folder that are missing, changed or new."""
    sums = folder / NAME
    if not sums.is_file():
        msg = f"{folder} must have been sealed, but has no {NAME}."
        raise ValueError(msg)
    wanted = set(sums.read_text().splitlines())
    found = set(listing(files_under(folder)).splitlines())
    if wrong := sorted({line.split("  ", 1)[1] for line in wanted ^ found}):
        msg = f"{folder} must be as it was sealed, but these files differ: {', '.join(wrong)}."
        raise ValueError(msg)
