"""The label-weighted moment matrix, fast: features, passes over data that need not fit in memory, eigenpairs, spectra.

``hermite`` evaluates and projects the features of degree q, ``streams`` draws samples as they are read, ``moment``
applies the matrix (2.6) to vectors in one pass, ``krylov`` finds its eigenpairs, ``density`` its spectrum. ``kernels``
and ``parallel`` are the blocked products and the workers under them. Knows labels, not where they come from.
"""

from hierlib.engine.density import SpectralMeasure, lanczos_rules, spectral_measure
from hierlib.engine.hermite import HermiteFeatures
from hierlib.engine.krylov import Eigenpairs, block_width, checked_product, largest_modulus
from hierlib.engine.moment import DataSet, MomentOperator, collect_labels, label_weights, map_batches
from hierlib.engine.streams import VirtualSample

__all__ = [
    "DataSet",
    "Eigenpairs",
    "HermiteFeatures",
    "MomentOperator",
    "SpectralMeasure",
    "VirtualSample",
    "block_width",
    "checked_product",
    "collect_labels",
    "label_weights",
    "lanczos_rules",
    "largest_modulus",
    "map_batches",
    "spectral_measure",
]
