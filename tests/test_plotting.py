"""Figures hold the data they were given, in colours that stay distinct."""

from itertools import combinations, pairwise

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from colorspacious import cspace_convert, deltaE
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

from hierlib.chapters.plotting import draw_learning_curve, draw_spectrum, draw_target, sequence_colors, set_style


@pytest.fixture
def ax():
    with mpl.rc_context():
        set_style()
        yield Figure().subplots()


def test_style_is_the_default_after_it_was_set():
    with mpl.rc_context():
        set_style()
        assert mpl.rcParams["axes.grid"]
        assert mpl.rcParams["figure.dpi"] == 200


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


@pytest.mark.parametrize("deficiency", ["none", "deuteranomaly", "protanomaly", "tritanomaly"])
def test_colors_stay_distinct_under_complete_color_blindness(deficiency):
    def seen(colors):
        space = {"name": "sRGB1+CVD", "cvd_type": deficiency, "severity": 100}
        return colors if deficiency == "none" else np.clip(cspace_convert(colors, space, "sRGB1"), 0, 1)

    def difference(pair):
        return float(deltaE(*pair, input_space="sRGB1"))

    with mpl.rc_context():
        set_style()
        cycle = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    named = seen(np.array([mpl.colors.to_rgb(color) for color in cycle]))
    # Units of CAM02-UCS: about 1 is just noticeable side by side, so these are apart across a figure.
    assert min(map(difference, combinations(named, 2))) > 8
    assert min(map(difference, pairwise(seen(sequence_colors(8)[:, :3])))) > 8
