"""One visual style for the book: theory is a line, simulation is markers with error bars.

Colour encodes the feature index or the exponent gamma on one perceptually uniform map. A figure function
takes data and an Axes, draws, and returns the Axes.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from hierlib.chapters.figure_data import offer

__all__ = ["draw_learning_curve", "draw_spectrum", "draw_target", "sequence_colors", "set_style"]

_COLOR_MAP = "viridis"
_STYLE: dict[Any, Any] = {
    "figure.figsize": (6.4, 3.8),
    "figure.dpi": 200,
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    # Okabe-Ito: eight colours that stay distinct under the common colour-vision deficiencies.
    "axes.prop_cycle": cycler(
        color=["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#F0E442"]
    ),
}


def set_style() -> None:
    """Make the book's style the default of every figure drawn from here on (Matplotlib ``rcParams``).

    In a notebook, every figure shown from here on brings its data with it (`hierlib.chapters.figure_data.offer`).

    Examples
    --------
    >>> from hierlib.chapters.plotting import set_style
    >>> set_style()
    """
    mpl.rcParams.update(_STYLE)
    offer()


def sequence_colors(count: int) -> np.ndarray:
    """Colours of an ordered family (feature indices, values of gamma), dark to light.

    Parameters
    ----------
    count : int
        Number of colours.

    Returns
    -------
    ndarray, shape (count, 4)
        RGBA; the lightest tenth of the map is left out, it would not show on white.

    Examples
    --------
    >>> from hierlib.chapters.plotting import sequence_colors
    >>> sequence_colors(3).shape
    (3, 4)
    """
    return mpl.colormaps[_COLOR_MAP](np.linspace(0.0, 0.9, count))


def draw_target(ax: Axes, weights: np.ndarray) -> Axes:
    """Draw the target as a diagram: inputs, Hermite features, hidden features, their weighted sum, label.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw; its frame is hidden.
    weights : array_like, shape (n_features,)
        The weights of the hidden features; line widths show their moduli, solid lines are positive.

    Returns
    -------
    matplotlib.axes.Axes
        The same axes.

    References
    ----------
    Paper, Figure 1 left.
    """
    weights = np.asarray(weights)
    colors = sequence_colors(len(weights))
    layers: list[tuple[float, np.ndarray, Any, str, str]] = [
        (0.0, np.linspace(-1, 1, 4), "#56B4E9", "$x$", "input, $\\mathbb{R}^d$"),
        (1.0, np.linspace(-1.4, 1.4, 9), "#BBBBBB", "$F(x)$", "Hermite features,\n$\\mathbb{R}^D$"),
        (2.0, np.linspace(1.1, -1.1, len(weights)), colors, "$h^{(1)}$", "hidden features,\n$\\mathbb{R}^{d_1}$"),
        (3.0, np.zeros(1), "#E69F00", "$h^{(2)}$", "weighted sum\nof squares"),
        (3.8, np.zeros(1), "#D55E00", "$y$", "label,\n$g(h^{(2)})$"),
    ]
    for (x0, low, *_), (x1, high, *_) in pairwise(layers[:3]):
        for a in low:
            ax.plot([x0, x1], [np.full(len(high), a), high], color="0.85", linewidth=0.5, zorder=0)
    for height, weight, color in zip(layers[2][1], weights, colors, strict=True):
        width = 0.5 + 4 * abs(weight) / np.abs(weights).max()
        ax.plot([2, 3], [height, 0], color=color, linewidth=width, linestyle="-" if weight > 0 else ":", zorder=0)
    ax.plot([3, 3.8], [0, 0], color="0.4", linewidth=1.5, zorder=0)
    for x, heights, color, symbol, caption in layers:
        ax.scatter(np.full(len(heights), x), heights, s=110, c=color, edgecolors="0.2", linewidths=0.6)
        ax.text(x, 1.75, symbol, ha="center", va="bottom", fontsize=13)
        ax.text(x, -1.75, caption, ha="center", va="top", fontsize=9)
    ax.set(xlim=(-0.5, 4.3), ylim=(-2.5, 2.3))
    ax.axis("off")
    return ax


def draw_spectrum(ax: Axes, eigenvalues: np.ndarray, spikes: np.ndarray, bins: int = 60) -> Axes:
    """Draw the density of eigenvalues on a logarithmic axis and mark some of them.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    eigenvalues : array_like, shape (dim,)
        All eigenvalues; the histogram integrates to 1.
    spikes : array_like, shape (n_features,)
        Eigenvalues to mark with triangles below the axis of the histogram, coloured in their order.
    bins : int, default 60
        Number of bins of the histogram.

    Returns
    -------
    matplotlib.axes.Axes
        The same axes.

    References
    ----------
    Paper, Figure 2 right.
    """
    ax.hist(eigenvalues, bins=bins, density=True, color="0.75", log=True)
    ax.yaxis.set_major_locator(LogLocator())
    ax.yaxis.set_minor_formatter(NullFormatter())
    floor = ax.get_ylim()[0]
    ax.scatter(spikes, np.full(len(spikes), floor * 1.5), marker="^", s=40, c=sequence_colors(len(spikes)), zorder=3)
    ax.set(xlabel="eigenvalue of $\\hat C$", ylabel="density")
    return ax


def draw_learning_curve(ax: Axes, values: xr.DataArray, *, color, label: str) -> Axes:
    """Draw the mean over seeds of a swept quantity, with its standard error, joined by a thin line.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    values : xarray.DataArray
        Dimensions ``seed`` (at least two) and one other, whose coordinate is the horizontal axis.
    color : Matplotlib colour
        Of markers and line.
    label : str
        Name in the legend.

    Returns
    -------
    matplotlib.axes.Axes
        The same axes.
    """
    mean, error = values.mean("seed"), values.std("seed", ddof=1) / np.sqrt(values.sizes["seed"])
    (dimension,) = mean.dims
    ax.errorbar(mean[dimension], mean, error, fmt="o-", color=color, label=label, linewidth=0.8, capsize=2)
    return ax
