"""The directive ``live-figure``: the explorer for one target, with sliders for gamma and n, as a numbered figure.

Its tables are those of the explorer's chapter, read from the executed notebook and cut down to the target, so that the
page carries some kilobytes instead of all of them. Options: the target (``d``, ``q``, ``eps``), where the sliders start
(``gamma``, and ``ratio`` for n/D), and the panels and facts to show (``book/_static/explorer.js`` has their names).
The content is the caption.
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

CHAPTER = "book/foundations/explorer"
# The link is the first one in the tables, the identity.
KEPT = (
    *("gamma", "exponent", "delta_range", "feature_knots", "gamma_knots", "recovered_knots", "colors"),
    *("gamma_nodes", "fine_gamma_nodes", "ratio_nodes"),
)
VIEW = """<div id="explorer-view" data-gamma="{gamma}" data-ratio="{ratio}" data-panels="{panels}" data-facts="{facts}">
<p>{fallback}</p></div>
<script type="application/json" id="explorer-tables">{tables}</script>
<link rel="stylesheet" href="{static}/explorer.css"><script src="{static}/explorer.js" defer></script>"""
FALLBACK = "This figure has two sliders and needs JavaScript; its caption says what it draws."


def read_tables(notebook: Path) -> dict[str, Any]:
    """Find the tables in the outputs of the explorer's chapter."""
    for cell in json.loads(notebook.read_text())["cells"]:
        for output in cell.get("outputs", []):
            page = "".join(output.get("data", {}).get("text/html", []))
            if found := re.search(r'id="explorer-tables">(.*?)</script>', page, re.DOTALL):
                return json.loads(found[1])
    msg = f"{notebook} has no tables of the explorer: execute it (make refresh)."
    raise ValueError(msg)


def rows(table: dict[str, Any], start: int, count: int) -> dict[str, Any]:
    """Cut `count` rows out of a table of 16-bit integers, along its first axis."""
    data, length = base64.b64decode(table["data"]), table["shape"][0]
    size = len(data) // length
    cut = base64.b64encode(data[start * size : (start + count) * size]).decode()
    return table | {"shape": [count, *table["shape"][1:]], "data": cut}


def one_law(table: dict[str, Any], start: int, count: int) -> dict[str, Any]:
    """Cut out rows of the second axis, at the first place of the first."""
    flat = rows(table | {"shape": [table["shape"][0] * table["shape"][1], *table["shape"][2:]]}, start, count)
    return flat | {"shape": [1, *flat["shape"]]}


def one_target(tables: dict[str, Any], d: int, q: int, eps: float) -> dict[str, Any]:
    """Keep what the panels without a spectrum need for one target with the identity as its link."""
    row, degree, column = tables["d"].index(d), tables["q"].index(q), tables["eps"].index(eps)
    n_features = tables["n_features"][row][column]
    before = n_features * (n_features - 1) // 2  # rows of smaller targets, one a feature
    return {name: tables[name] for name in KEPT} | {
        "d": [d],
        "q": [q],
        "eps": [eps],
        "dim": [[tables["dim"][degree][row]]],
        "n_features": [[n_features]],
        "fewest_features": n_features,
        "links": tables["links"][:1],
        "guide": [tables["guide"][n_features - 1]],
        "threshold": one_law(tables["threshold"], before, n_features),
        "alignment": one_law(tables["alignment"], before, n_features),
        "order": rows(tables["order"], before, n_features),
        "tail": rows(tables["tail"], before + n_features - 1, n_features + 1),
        "readout": rows(tables["readout"], 0, 1),
    }


class LiveFigure(SphinxDirective):
    """A figure whose picture the browser draws."""

    has_content = True
    option_spec = {  # noqa: RUF012
        "name": directives.unchanged_required,
        "d": int,
        "q": int,
        "eps": float,
        "gamma": float,
        "ratio": float,
        "panels": directives.unchanged_required,
        "facts": directives.unchanged_required,
    }

    def run(self):
        """Build the figure."""
        notebook = Path(self.env.srcdir) / f"{CHAPTER}.ipynb"
        self.env.note_dependency(str(notebook))
        tables = one_target(read_tables(notebook), self.options["d"], self.options["q"], self.options["eps"])
        text = VIEW.format(
            tables=json.dumps(tables, separators=(",", ":")),
            static="../" * self.env.docname.count("/") + "_static",
            fallback=FALLBACK,
            **{name: self.options[name] for name in ("gamma", "ratio", "panels", "facts")},
        )
        caption, messages = self.parse_inline(" ".join(self.content), lineno=self.content_offset)
        figure = nodes.figure("", nodes.raw("", text, format="html"), nodes.caption("", "", *caption))
        self.set_source_info(figure)
        self.add_name(figure)
        return [figure, *messages]


def setup(app):
    """Register the directive."""
    app.add_directive("live-figure", LiveFigure)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
