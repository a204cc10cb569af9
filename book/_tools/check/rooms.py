"""Draw the rooms of the library and what they import, as the imports are, into ``CONTRIBUTING.md``: ``make rooms``."""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[3]
PAGE = "CONTRIBUTING.md"
BEGIN, END = "```mermaid\n", "```\n"
PACKAGE = "hierlib"


def picture() -> str:
    """Return the rooms with their modules, and an arrow from each room to those that it imports."""
    graph = grimp.build_graph(PACKAGE)
    # What has no room of its own, the checks of arguments, stands beside them.
    rooms = sorted(graph.find_children(PACKAGE))
    lines = ["flowchart TD"]
    for room in rooms:
        name = room.removeprefix(f"{PACKAGE}.")
        modules = sorted(child.removeprefix(f"{room}.") for child in graph.find_children(room))
        lines.append(f'    {name}["{"<br>".join([f"<b>{name}</b>", *modules])}"]')
    for importer, imported in product(rooms, rooms):
        if importer != imported and graph.direct_import_exists(importer=importer, imported=imported, as_packages=True):
            lines.append(f"    {importer.removeprefix(f'{PACKAGE}.')} --> {imported.removeprefix(f'{PACKAGE}.')}")
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """Return the page with the picture of today."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + picture() + END + rest.partition(END)[2]


def main(root: Path = ROOT) -> int:
    """Draw the picture into the page; return the exit status."""
    path = root / PAGE
    path.write_text(page(path.read_text()))
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
