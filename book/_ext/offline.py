"""Make the rendered pages complete and light: mathematics from an installed package, nothing from other hosts."""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path

# The component that Sphinx loads, its fonts, and the extensions that it loads on demand: 2 of the wheel's 24 MB.
MATHJAX_PARTS = ("tex-mml-chtml.js", "output/chtml/fonts", "input/tex/extensions")


def use_local_mathjax(app):
    """Point the pages at the copy that `copy_mathjax` makes."""
    app.config.mathjax_path = "mathjax/tex-mml-chtml.js"


def copy_mathjax(app, exception):
    """Copy MathJax beside the other static files once the pages are written."""
    if exception is not None or app.builder.format != "html":
        return
    source = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent / "static/mathjax"
    target = Path(app.outdir) / "_static/mathjax"
    for part in MATHJAX_PARTS:
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, dirs_exist_ok=True)
        else:
            (target / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / part, target / part)


def drop_thebe(app, pagename, templatename, context, doctree):
    """Leave out the scripts of sphinx-thebe: unused here, written twice by the theme, and they name a CDN."""
    context["script_files"] = [
        script
        for script in context.get("script_files", [])
        if "thebe" not in f"{getattr(script, 'filename', script)}{getattr(script, 'attributes', '')}".lower()
    ]


def mend_pages(app, exception):
    """Leave out the script of Font Awesome, 1.5 MB a page, and the role of a list that holds no list items.

    The theme loads the same icons as a font, too; the bibliography's entries are no items to a screen reader.
    """
    if exception is not None or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        text = page.read_text()
        without = re.sub(r'\s*<script src="[^"]*fontawesome/[^"]*/js/all\.min\.js[^"]*"></script>', "", text)
        without = without.replace('<div role="list" class="citation-list">', '<div class="citation-list">')
        if without != text:
            page.write_text(without)


def setup(app):
    """Register the hooks."""
    app.connect("builder-inited", use_local_mathjax)
    app.connect("build-finished", copy_mathjax)
    app.connect("build-finished", mend_pages)
    app.connect("html-page-context", drop_thebe, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
