"""Real data: how many features a data set shows, and how well the spectral method finds them.

``alignment`` predicts from one half of the data how the eigenvectors of another one will agree with it, and finds what
noise alone does by permuting labels; ``report`` makes both one call for a table of unknown data, which ``tables``
prepares; ``quadratic`` are the baselines that regress on products of inputs; ``digits`` loads ten thousand pictures.
"""

from hierlib.learn.real.alignment import AlignmentConstants, alignment_constants, permutation_edges
from hierlib.learn.real.digits import load_digits_10k
from hierlib.learn.real.quadratic import QuadraticRidge, QuarticWhitening
from hierlib.learn.real.report import FeatureReport, feature_report

__all__ = [
    "AlignmentConstants",
    "FeatureReport",
    "QuadraticRidge",
    "QuarticWhitening",
    "alignment_constants",
    "feature_report",
    "load_digits_10k",
    "permutation_edges",
]
