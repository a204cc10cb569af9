"""The points of a grid: chapters with the parameters that are set, named by all that their outputs depend on."""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import dataclass
from pathlib import Path

from _tools.build import build_book, chapter_parameters
from hierlib.chapters.parameters import check_parameters


@dataclass(frozen=True)
class Point:
    """One chapter with the parameters that the grid sets."""

    chapter: str
    parameters: dict
    key: str

    @property
    def notebook(self) -> str:
        """File name of the executed notebook."""
        return f"{self.chapter}-{self.key}.ipynb"

    @property
    def failed(self) -> str:
        """File name of the notebook up to the cell that failed."""
        return f"{self.chapter}-{self.key}.failed.ipynb"


def points(root: Path, names: list[str], grid: dict[str, list]) -> list[Point]:
    """Every combination for every chapter; a ValueError if a chapter does not have or not allow what is asked."""
    found = []
    for name in names:
        chapter = chapter_parameters.read_chapter(root, name)
        defaults = {parameter.name: parameter.default for parameter in chapter.parameters}
        specs = {parameter.name: parameter.spec for parameter in chapter.parameters}
        increasing = [parameter.name for parameter in chapter.parameters if parameter.increasing]
        source = build_book.chapter_digest(root, name)
        for values in itertools.product(*grid.values()):
            parameters = dict(zip(grid, values, strict=True))
            try:
                check_parameters({**defaults, **parameters}, increasing=increasing, **specs)
            except ValueError as error:
                msg = f"{name}: {error}"
                raise ValueError(msg) from None
            found.append(Point(name, parameters, digest(source, parameters)))
    return list({point.key: point for point in found}.values())


def digest(source: str, parameters: dict) -> str:
    """Name of a run, by all that its outputs depend on."""
    return hashlib.sha256(json.dumps([source, parameters], sort_keys=True).encode()).hexdigest()[:12]
