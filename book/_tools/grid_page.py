"""Write the page of a grid of runs: a row a run, the figures side by side, the printed output; one HTML file."""

from __future__ import annotations

import base64
import io
from html import escape
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from PIL import Image

if TYPE_CHECKING:
    from run_grid import Point

THUMBNAIL = (640, 640)  # pixels: twice the size they are shown at
STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 1rem auto; max-width: 75rem; padding: 0 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid #8888; padding: .25rem .75rem; text-align: left; vertical-align: top; }
.strip { display: flex; gap: 1rem; overflow-x: auto; }
figure { margin: 0; } figcaption { font-size: .875rem; }
img { background: white; max-width: 320px; }
pre { overflow-x: auto; }
""".strip()
HEAD = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
"""


def render(points: list[Point], failures: dict[str, str], folder: Path) -> str:
    """HTML of all points: of those that have a notebook in the folder their results, of the others why not."""
    chapters = [(name, list(group)) for name, group in groupby(points, key=lambda point: point.chapter)]
    done = sum((folder / point.notebook).is_file() for point in points)
    body = [
        f"<h1>{len(points)} runs</h1>",
        f"<p>{done} done, {len(failures)} failed, {len(points) - done - len(failures)} not run.</p>",
        *(part for name, group in chapters for part in _chapter(name, group, failures, folder)),
    ]
    return HEAD.format(title=f"{len(points)} runs", style=STYLE) + "\n".join(body) + "\n</body>\n</html>\n"


def _chapter(name: str, points: list[Point], failures: dict[str, str], folder: Path) -> list[str]:
    finished = {
        point.key: nbformat.read(folder / point.notebook, as_version=4)
        for point in points
        if (folder / point.notebook).is_file()
    }
    names = list(points[0].parameters)
    rows = [_row(point, point.key in finished, failures, folder) for point in points]
    header = "".join(f'<th scope="col">{escape(text)}</th>' for text in [*names, "result"])
    parts = [f"<h2>{escape(name)}</h2>", f"<table>\n<tr>{header}</tr>", *rows, "</table>"]
    parts += _strips([(point, finished[point.key]) for point in points if point.key in finished])
    for point in points:
        if point.key in finished and (text := printed(finished[point.key])):
            summary = f"Printed with {_setting(point)}"
            parts.append(f"<details><summary>{summary}</summary><pre>{escape(text)}</pre></details>")
    return parts


def _row(point: Point, done: bool, failures: dict[str, str], folder: Path) -> str:
    values = "".join(f"<td>{escape(str(value))}</td>" for value in point.parameters.values())
    if done:
        result = f'<a href="{point.notebook}">{point.notebook}</a>'
    elif point.key in failures:
        result = escape(failures[point.key])
        if (folder / point.failed).is_file():
            result += f' (<a href="{point.failed}">{point.failed}</a>)'
    else:
        result = "not run"
    return f"<tr>{values}<td>{result}</td></tr>"


def _strips(runs: list[tuple[Point, nbformat.NotebookNode]]) -> list[str]:
    """One strip a figure: the same figure of all runs."""
    strips: dict[str, list[str]] = {}
    captions: dict[str, str] = {}
    for point, notebook in runs:
        for name, caption, description, picture in figures(notebook):
            captions.setdefault(name, caption)
            strips.setdefault(name, []).append(
                f'<figure><a href="{point.notebook}"><img src="{_thumbnail(picture)}" alt="{escape(description)}"></a>'
                f"<figcaption>{_setting(point)}</figcaption></figure>"
            )
    parts = []
    for name, strip in strips.items():
        parts += [
            f"<h3>{escape(captions[name])}</h3>",
            f'<div class="strip" tabindex="0" role="group" aria-label="{escape(name)}">',
            *strip,
            "</div>",
        ]
    return parts


def figures(notebook: nbformat.NotebookNode) -> list[tuple[str, str, str, bytes]]:
    """Name, caption, description and PNG of each figure."""
    found = []
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                rendering = cell.metadata.get("mystnb", {})
                name = rendering.get("figure", {}).get("name", f"cell-{number}")
                caption = rendering.get("figure", {}).get("caption", name)
                description = rendering.get("image", {}).get("alt", caption)
                found.append((name, caption, description, base64.b64decode(output["data"]["image/png"])))
    return found


def printed(notebook: nbformat.NotebookNode) -> str:
    """All that the cells print."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")


def _setting(point: Point) -> str:
    return escape(", ".join(f"{name} = {value}" for name, value in point.parameters.items()) or "the defaults")


def _thumbnail(picture: bytes) -> str:
    with Image.open(io.BytesIO(picture)) as image:
        image.thumbnail(THUMBNAIL)
        small = io.BytesIO()
        image.save(small, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(small.getvalue()).decode()
