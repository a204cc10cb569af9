"""Which pages the book has, in which order: ``_toc.yml`` alone says so, names and folders of files do not."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

# A page in a folder of its own part is a chapter, executed; the others are text.
CHAPTER = re.compile(r"book/[a-z]+/\w+")


def table_of_contents(root: Path) -> list[str]:
    """List the pages of ``_toc.yml`` in reading order, as paths without suffix."""
    toc = yaml.safe_load((root / "_toc.yml").read_text())
    entries = [entry for part in toc.get("parts", [toc]) for entry in part.get("chapters", [])]
    return [toc["root"], *(entry["file"] for entry in entries)]


def chapters(root: Path) -> list[str]:
    """Names of the executed chapters, as in ``prediction``, in reading order."""
    return [Path(page).name for page in table_of_contents(root) if CHAPTER.fullmatch(page)]


def chapter_file(root: Path, name: str, suffix: str = ".md") -> Path:
    """Path of a chapter's source, or of its notebook; a ValueError if there is no such chapter."""
    for page in table_of_contents(root):
        if CHAPTER.fullmatch(page) and Path(page).name == name:
            return root / f"{page}{suffix}"
    msg = f"no such chapter: {name}"
    raise ValueError(msg)
