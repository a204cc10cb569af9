"""Figures hold the data they were given."""

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

from hierlib.plotting import draw_learning_curve, draw_spectrum, draw_target, sequence_colors, set_style


@pytest.fixture
def ax():
    with mpl.rc_context():
        set_style()
        yield Figure().subplots()


def test_style_is_the_default_after_it_was_set():
    with mpl.rc_context():
        set_style()
        assert mpl.rcParams["axes.grid"]
        assert mpl.rcParams["savefig.dpi"] == 200


def test_colours_are_distinct_and_ordered_by_lightness():
    lightness = sequence_colors(6)[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert np.all(np.diff(lightness) > 0.05)


def test_target_shows_every_weight_with_its_width_and_sign(ax):
    weights = np.array([0.8, -0.4, 0.2])
    draw_target(ax, weights)
    to_sum = [line for line in ax.lines if list(line.get_xdata()) == [2, 3]]
    widths = np.array([line.get_linewidth() for line in to_sum])
    assert_allclose(widths - 0.5, 4 * np.abs(weights) / 0.8)
    assert [line.get_linestyle() for line in to_sum] == ["-", ":", "-"]


def test_spectrum_integrates_to_one_and_marks_the_spikes(ax):
    eigenvalues, spikes = np.linspace(-1, 1, 500), np.array([0.9, -0.8])
    draw_spectrum(ax, eigenvalues, spikes, bins=10)
    assert_allclose(sum(bar.get_width() * bar.get_height() for bar in ax.patches), 1)
    assert_allclose(ax.collections[0].get_offsets()[:, 0], spikes)
    assert ax.get_yscale() == "log"


def test_learning_curve_shows_mean_and_standard_error_over_seeds(ax):
    values = xr.DataArray([[1.0, 2.0], [3.0, 6.0]], dims=("seed", "alpha"), coords={"alpha": [1.5, 2.0]})
    draw_learning_curve(ax, values, color="C0", label="mean")
    (container,) = ax.containers
    assert_allclose(container.lines[0].get_xydata(), [[1.5, 2], [2, 4]])
    segments = np.array(container.lines[2][0].get_segments())
    # Standard deviations of (1, 3) and (2, 6) over the root of two seeds: 1 and 2.
    assert_allclose(segments[:, :, 1], [[1, 3], [2, 6]])
