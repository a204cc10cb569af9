"""Write the page of a grid of runs: a row a run, the figures side by side, the printed output; one HTML file."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path

import nbformat
from PIL import Image

from _tools.build.notebook import claims
from _tools.grid.points import Point

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


@dataclass(frozen=True)
class Row:
    """One run on the page: its point, its notebook if it is finished, and what else there is to say."""

    point: Point
    notebook: nbformat.NotebookNode | None
    remark: str = ""


def read(path: Path) -> nbformat.NotebookNode | None:
    """Read an executed notebook; None if there is none, or no whole one."""
    try:
        notebook = nbformat.read(path, as_version=4)
    # The last two: nbformat on what is no JSON, and on JSON that is no notebook.
    except (OSError, nbformat.ValidationError, ValueError, AttributeError):
        return None
    return notebook if notebook.cells and "parameters" in notebook.metadata.get("papermill", {}) else None


def rows(wanted: list[Point], others: list[tuple[Point, str]], failures: dict[str, str], folder: Path) -> list[Row]:
    """One row a run: the points of this grid, and the `others` that the folder holds with a remark on each."""
    found = []
    for point, remark in [*((point, "") for point in wanted), *others]:
        notebook = read(folder / point.notebook)
        if notebook is None:
            failed = read(folder / point.failed)
            remark = "; ".join(
                filter(None, [failures.get(point.key) or (failed and error(failed)) or "not run", remark])
            )
        found.append(Row(point, notebook, remark))
    return sorted(found, key=lambda row: row.point.chapter)


def render(runs: list[Row], folder: Path) -> str:
    """HTML of all runs: of those that have a notebook in the folder their results, of the others why not."""
    body = [
        f"<h1>{len(runs)} runs</h1>",
        f"<p>{summary(runs)}.</p>",
        *(
            part
            for name, group in groupby(runs, key=lambda row: row.point.chapter)
            for part in _chapter(name, [*group], folder)
        ),
    ]
    return HEAD.format(title=f"{len(runs)} runs", style=STYLE) + "\n".join(body) + "\n</body>\n</html>\n"


def summary(runs: list[Row]) -> str:
    """How many runs are done, and in how many of them a claim of the chapter was missed."""
    done = [row.notebook for row in runs if row.notebook is not None]
    missed = sum(bool((claims(notebook) or {}).get("missed")) for notebook in done)
    return f"{len(done)} of {len(runs)} runs done" + (f", claims missed in {missed}" if missed else "")


def error(notebook: nbformat.NotebookNode) -> str:
    """Say what stopped a notebook."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "; ".join(f"{o.ename}: {o.evalue}" for o in outputs if o.output_type == "error") or "did not end"


def _chapter(name: str, runs: list[Row], folder: Path) -> list[str]:
    # In the order in which they were given; grids in one folder may set different parameters.
    names = list(dict.fromkeys(name for row in runs for name in row.point.parameters))
    header = "".join(f'<th scope="col">{escape(text)}</th>' for text in [*names, "claims", "result"])
    parts = [
        f"<h2>{escape(name)}</h2>",
        f"<table>\n<tr>{header}</tr>",
        *(_row(row, names, folder) for row in runs),
        "</table>",
    ]
    finished = [(row.point, row.notebook) for row in runs if row.notebook is not None]
    parts += _strips(finished)
    for point, notebook in finished:
        if text := printed(notebook):
            parts.append(
                f"<details><summary>Printed with {_setting(point)}</summary><pre>{escape(text)}</pre></details>"
            )
    return parts


def _row(row: Row, names: list[str], folder: Path) -> str:
    values = [str(row.point.parameters.get(name, "default")) for name in names]
    file = row.point.failed if row.notebook is None else row.point.notebook
    link = f'<a href="{file}">{file}</a>' if (folder / file).is_file() else ""
    result = " ".join(filter(None, [link, escape(row.remark)]))
    cells = [*map(escape, values), escape(_verdicts(row.notebook)), result]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _verdicts(notebook: nbformat.NotebookNode | None) -> str:
    found = None if notebook is None else claims(notebook)
    if found is None:
        return "-"
    named = [f"{verdict}: {', '.join(found[verdict])}" for verdict in ("missed", "untested") if found[verdict]]
    return "; ".join([f"{len(found['met'])} met", *named])


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
