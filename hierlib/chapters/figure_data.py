"""The numbers behind a Matplotlib figure as a table: what every figure of the book offers for download.

Points of lines, error bars, scatters, histograms and meshes are read back from the axes, so that the table holds what
was drawn and nothing has to be written twice. In a notebook `offer` adds the table to each figure's output.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection, QuadMesh
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

__all__ = ["FIRST_LINE", "figure_data", "offer"]

FIRST_LINE = "# data of the figure, one row a drawn point"
_FIELDS = ["panel", "series", "x", "y", "error_low", "error_high", "value"]
_DIGITS = 5


def figure_data(figure: Figure) -> str:
    """Write the points drawn in a figure as comma-separated values.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        With any number of panels.

    Returns
    -------
    str
        Comment lines with the labels of each panel's axes, a header, and a row a point: panel (from 1), series (its
        name in the legend, or its place), x, y, the ends of the error bar where there is one, the value shown by a
        colour. A line across the whole panel has no number in that direction. Five digits.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from hierlib.chapters.figure_data import figure_data
    >>> figure = Figure()
    >>> ax = figure.add_subplot(xlabel="n", ylabel="error")
    >>> _ = ax.errorbar([10, 100], [0.5, 0.1], [0.02, 0.01], label="simulation")
    >>> print(figure_data(figure))
    # data of the figure, one row a drawn point
    # panel 1: x = n; y = error
    panel,series,x,y,error_low,error_high,value
    1,simulation,10,0.5,0.48,0.52,
    1,simulation,100,0.1,0.09,0.11,
    <BLANKLINE>
    """
    text = io.StringIO()
    text.write(FIRST_LINE + "\n")
    panels = [ax for ax in figure.axes if ax.axison and ax.get_label() != "<colorbar>"]
    for number, ax in enumerate(panels, start=1):
        title = f" ({_one_line(ax.get_title())})" if ax.get_title() else ""
        text.write(f"# panel {number}{title}: x = {_axis_label(ax, 'x', panels)}; y = {_axis_label(ax, 'y', panels)}\n")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(_FIELDS)
    for number, ax in enumerate(panels, start=1):
        for place, (name, rows) in enumerate(_series(ax), start=1):
            label = name if name and not name.startswith("_") else f"series {place}"
            for row in rows:
                padded = [*row, *[np.nan] * (len(_FIELDS) - 2 - len(row))]
                table.writerow([number, label, *("" if np.isnan(x) else f"{x:.{_DIGITS}g}" for x in padded)])
    return text.getvalue()


def offer() -> None:
    """Let a running notebook attach `figure_data` to every figure that it shows; elsewhere do nothing.

    Examples
    --------
    >>> from hierlib.chapters.figure_data import offer
    >>> offer()
    """
    try:
        from IPython import get_ipython
        from IPython.core.formatters import BaseFormatter
        from traitlets import ObjectName, Unicode
    except ImportError:  # the library does not need IPython
        return
    shell = get_ipython()
    if shell is None:
        return

    class TableFormatter(BaseFormatter):
        format_type = Unicode("text/csv")
        print_method = ObjectName("_repr_csv_")

        # Not `for_type`: Matplotlib's own set-up, which may come later, takes figures off every formatter.
        def __call__(self, shown):
            has_data = isinstance(shown, Figure) and any(ax.axison for ax in shown.axes)  # a diagram has none
            return figure_data(shown) if has_data else None

    shell.display_formatter.formatters["text/csv"] = TableFormatter(parent=shell.display_formatter)


def _axis_label(ax: Axes, name: str, panels: list[Axes]) -> str:
    # Of panels side by side, only the outermost one may carry the label.
    siblings = getattr(ax, f"get_shared_{name}_axes")().get_siblings(ax)
    labels = (getattr(one, f"get_{name}label")() for one in (ax, *siblings, *panels))
    return _one_line(next(filter(None, labels), "unlabelled"))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _series(ax: Axes) -> Iterator[tuple[str, np.ndarray]]:
    """Names and points, rows of as many fields from x on as there are, in the order of drawing."""
    used: set[int] = set()
    for container in ax.containers:
        used.update(map(id, container.get_children()))
        if isinstance(container, ErrorbarContainer):
            yield str(container.get_label()), _error_rows(container)
        elif isinstance(container, BarContainer):
            bars = [(bar.get_x() + bar.get_width() / 2, bar.get_y() + bar.get_height()) for bar in container.patches]
            yield str(container.patches[0].get_label()), np.array(bars)
    for line in ax.lines:
        if id(line) not in used:
            yield str(line.get_label()), _line_rows(line)
    for patch in ax.patches:
        if isinstance(patch, StepPatch):
            values, edges, _ = patch.get_data()
            yield str(patch.get_label()), np.stack([(edges[:-1] + edges[1:]) / 2, values], axis=1)
    for collection in ax.collections:
        if id(collection) not in used:
            yield str(collection.get_label()), _collection_rows(collection)


def _line_rows(line: Any) -> np.ndarray:
    rows = np.array(line.get_data(orig=False), dtype=float)
    # `axhline` and its like span the panel in fractions of it, which are no data.
    in_data = line.get_transform().contains_branch_seperately(line.axes.transData)
    rows[~np.array(in_data)] = np.nan
    return rows.T


def _error_rows(container: ErrorbarContainer) -> np.ndarray:
    line, _, bars = cast(Any, container.lines)
    # An error that is not a number, such as that of a single run, leaves an empty segment.
    drawn = bars[0].get_segments()
    segments = np.array([segment if len(segment) else np.full((2, 2), np.nan) for segment in drawn]).reshape(-1, 2, 2)
    centres = segments.mean(axis=1) if line is None else _line_rows(line)
    return np.hstack(
        [centres, segments[:, :, 1].min(axis=1, keepdims=True), segments[:, :, 1].max(axis=1, keepdims=True)]
    )


def _collection_rows(collection: Any) -> np.ndarray:
    if isinstance(collection, PathCollection):
        return np.ma.filled(collection.get_offsets(), np.nan)
    if isinstance(collection, LineCollection):
        return np.concatenate([np.empty((0, 2)), *collection.get_segments()])
    if isinstance(collection, QuadMesh):
        corners = np.asarray(collection.get_coordinates())
        centres = ((corners[:-1, :-1] + corners[1:, 1:]) / 2).reshape(-1, 2)
        values = np.ma.filled(cast(Any, collection.get_array()), np.nan).reshape(-1, 1)
        return np.hstack([centres, np.full_like(centres, np.nan), values])
    return np.concatenate([np.empty((0, 2)), *(path.vertices for path in collection.get_paths())])
