"""Figures of executed chapters: shown at the size they were drawn for, with the data behind them in the caption.

A notebook's figure comes with a ``text/csv`` table (`hierlib.chapters.figure_data`); it is written beside the pages and
linked from the caption. Images are drawn at twice the resolution of a screen, which their own dots per inch tell.
"""

from __future__ import annotations

import json
from pathlib import Path

from docutils import nodes
from PIL import Image

SCREEN_DPI = 100  # what a figure's size in inches means on a page
FOLDER = "_static/figures"


def tables(notebook: Path) -> dict[str, str]:
    """Tables of a notebook's named figures, by the figure's name."""
    found = {}
    for cell in json.loads(notebook.read_text())["cells"]:
        name = cell["metadata"].get("mystnb", {}).get("figure", {}).get("name")
        for output in cell.get("outputs", []):
            if name and "text/csv" in output.get("data", {}):
                found[name] = "".join(output["data"]["text/csv"])
    return found


def finish_figures(app, doctree):
    """Set the width of a chapter's images and link the data of its figures."""
    source = Path(app.env.doc2path(app.env.docname))
    if source.suffix != ".ipynb":
        return
    for image in doctree.findall(nodes.image):
        path = Path(app.srcdir) / image["uri"].lstrip("/")
        if path.suffix == ".png" and path.is_file() and "width" not in image:
            with Image.open(path) as picture:
                dpi = picture.info.get("dpi", (SCREEN_DPI, SCREEN_DPI))[0]
                image["width"] = f"{round(picture.width * SCREEN_DPI / dpi)}px"
    named = tables(source)
    for figure in doctree.findall(nodes.figure):
        for name in set(figure["names"]) & set(named):
            address = "../" * app.env.docname.count("/") + f"{FOLDER}/{name}.csv"
            link = f' <a class="figure-data" href="{address}" download aria-label="data of this figure, CSV">data</a>'
            for caption in figure.findall(nodes.caption):
                caption += nodes.raw("", link, format="html")


def write_tables(app, exception):
    """Write the tables that the captions link to."""
    if exception is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for docname in app.env.found_docs:
        source = Path(app.env.doc2path(docname))
        if source.suffix == ".ipynb":
            for name, text in tables(source).items():
                (folder / f"{name}.csv").write_text(text)


def setup(app):
    """Register the two hooks."""
    # After MyST-NB has written the images of the page.
    app.connect("doctree-read", finish_figures, priority=900)
    app.connect("build-finished", write_tables)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
