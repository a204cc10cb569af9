"""One visual style for the book: theory is a line, simulation is markers with error bars.

Colour encodes the feature index or the exponent gamma on one perceptually uniform map. A figure function
takes data and an Axes, draws, and returns the Axes.
"""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from cycler import cycler

__all__ = ["sequence_colors", "set_style"]

_COLOR_MAP = "viridis"
_STYLE = {
    "figure.figsize": (6.4, 3.8),
    "figure.dpi": 100,
    "savefig.dpi": 200,
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

    Examples
    --------
    >>> from hierlib.plotting import set_style
    >>> set_style()
    """
    mpl.rcParams.update(_STYLE)


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
    >>> from hierlib.plotting import sequence_colors
    >>> sequence_colors(3).shape
    (3, 4)
    """
    return mpl.colormaps[_COLOR_MAP](np.linspace(0.0, 0.9, count))
