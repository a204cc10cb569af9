"""The label-weighted moment matrix, fast: features, passes over data that need not fit in memory, eigenpairs, spectra.

``hermite`` evaluates and projects the features of degree q, ``inputs`` those of other laws than the Gaussian one,
``streams`` draws samples as they are read, ``moment`` applies the matrix (2.6) to vectors in one pass, ``krylov`` finds
its eigenpairs, ``pencil`` those relative to the features' second moments, ``density`` its spectrum, ``tensor`` unfolds
the third moment. ``kernels`` and ``parallel`` are the blocked products and the workers under them. Knows labels, not
where they come from.
"""

from hierlib.engine.density import SpectralMeasure, lanczos_rules, spectral_measure
from hierlib.engine.hermite import HermiteFeatures
from hierlib.engine.inputs import InputLaw, PolynomialFeatures, features_of_law, input_law
from hierlib.engine.krylov import Eigenpairs, block_width, checked_product, largest_modulus
from hierlib.engine.moment import DataSet, MomentOperator, collect_labels, label_weights, map_batches
from hierlib.engine.pencil import leading_pencil
from hierlib.engine.streams import VirtualSample
from hierlib.engine.tensor import unfolded_third_moment

__all__ = [
    "DataSet",
    "Eigenpairs",
    "HermiteFeatures",
    "InputLaw",
    "MomentOperator",
    "PolynomialFeatures",
    "SpectralMeasure",
    "VirtualSample",
    "block_width",
    "checked_product",
    "collect_labels",
    "features_of_law",
    "input_law",
    "label_weights",
    "lanczos_rules",
    "largest_modulus",
    "leading_pencil",
    "map_batches",
    "spectral_measure",
    "unfolded_third_moment",
]
