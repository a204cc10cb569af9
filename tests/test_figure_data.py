"""The table behind a figure holds what was drawn."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from numpy.testing import assert_allclose

from hierlib.chapters.figure_data import FIRST_LINE, figure_data, offer


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def table(ax):
    return pd.read_csv(io.StringIO(figure_data(ax.figure)), comment="#")


def test_error_bars_are_written_with_their_ends(ax):
    ax.errorbar([1, 2], [3, 4], [0.5, 0.25], fmt="o", label="seeds")
    rows = table(ax)
    assert list(rows["series"]) == ["seeds", "seeds"]
    assert_allclose(rows[["x", "y", "error_low", "error_high"]], [[1, 3, 2.5, 3.5], [2, 4, 3.75, 4.25]])


def test_unknown_errors_are_left_blank(ax):
    ax.errorbar([1, 2], [3, 4], [np.nan, 0.25], fmt="o")
    rows = table(ax)
    assert rows[["error_low", "error_high"]].isna().all(axis=1).tolist() == [True, False]
    assert_allclose(rows[["x", "y"]], [[1, 3], [2, 4]])


def test_error_bars_without_markers_keep_their_centres(ax):
    ax.errorbar([1, 2], [3, 4], 1.0, fmt="none")
    assert_allclose(table(ax)[["x", "y"]], [[1, 3], [2, 4]])


def test_error_bars_without_points_have_no_rows(ax):
    ax.errorbar([], [], [], fmt="o")
    assert len(table(ax)) == 0


def test_error_bar_lines_are_not_repeated_as_lines(ax):
    ax.errorbar([1, 2], [3, 4], [0.5, 0.25], fmt="o-", capsize=2)
    assert len(table(ax)) == 2


def test_line_across_the_panel_has_one_number(ax):
    ax.axhline(0.5, label="level")
    rows = table(ax)
    assert rows["x"].isna().all()
    assert_allclose(rows["y"], 0.5)


def test_histogram_scatter_and_steps_are_written_as_points(ax):
    counts, _, _ = ax.hist([0.1, 0.2, 0.9], bins=2, range=(0, 1), label="counts")
    ax.scatter([5, 6], [7, 8], label="dots")
    ax.stairs([1.0, 2.0], [0, 1, 2], label="steps")
    rows = table(ax).set_index("series")
    assert_allclose(rows.loc["counts", ["x", "y"]], np.c_[[0.25, 0.75], counts])
    assert_allclose(rows.loc["dots", ["x", "y"]], [[5, 7], [6, 8]])
    assert_allclose(rows.loc["steps", ["x", "y"]], [[0.5, 1], [1.5, 2]])


def test_mesh_is_written_with_its_values(ax):
    ax.pcolormesh([0, 1], [0, 2], [[1.0, 2.0], [3.0, 4.0]], shading="nearest")
    assert_allclose(table(ax)[["x", "y", "value"]], [[0, 0, 1], [1, 0, 2], [0, 2, 3], [1, 2, 4]])


def test_colour_bar_is_no_panel_and_empty_collections_have_no_points(ax):
    image = ax.pcolormesh([0, 1], [0, 1], [[1.0, 2.0], [3.0, 4.0]], shading="nearest")
    ax.contour([0, 1], [0, 1], [[1.0, 2.0], [3.0, 4.0]], levels=[9.0, 10.0])
    ax.figure.colorbar(image, ax=ax)
    assert len(table(ax)) == 4


def test_segments_and_areas_are_written_as_their_corners(ax):
    ax.hlines(1.0, 0, 2)
    ax.fill_between([0, 1], [0, 0], [1, 2])
    rows = table(ax)
    assert_allclose(rows.loc[rows["series"] == "series 1", ["x", "y"]], [[0, 1], [2, 1]])
    corners = rows.loc[rows["series"] == "series 2", ["x", "y"]].drop_duplicates()
    assert set(map(tuple, corners.to_numpy())) == {(0, 0), (1, 0), (1, 2), (0, 1)}


def test_panels_side_by_side_share_the_outer_label():
    figure, axes = plt.subplots(1, 2, sharey=True)
    axes[0].set(xlabel="a", ylabel="height", title="left\nside")
    axes[1].set(xlabel="b")
    lines = figure_data(figure).splitlines()
    plt.close(figure)
    assert lines[0] == FIRST_LINE
    assert lines[1:3] == ["# panel 1 (left side): x = a; y = height", "# panel 2: x = b; y = height"]


def test_notebook_shows_figures_with_their_table_and_diagrams_without(ax):
    ax.plot([1, 2])
    shell = InteractiveShell.instance()
    try:
        offer()
        bundle, _ = shell.display_formatter.format(ax.figure)
        assert bundle["text/csv"] == figure_data(ax.figure)
        ax.axis("off")
        assert "text/csv" not in shell.display_formatter.format(ax.figure)[0]
        assert "text/csv" not in shell.display_formatter.format(3.0)[0]
    finally:
        InteractiveShell.clear_instance()
