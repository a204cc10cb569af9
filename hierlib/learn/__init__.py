"""The estimators: Algorithm 1 of the paper and what it is compared with.

``estimator`` is the layer-wise spectral estimator, with its ``pilot`` for the learned label transform and its
``second_layer``; ``input_whitening`` goes before it where inputs are correlated; ``baselines`` are learners without
hierarchy, of the pieces in ``shallow``; ``sweep`` runs grids of fits.
"""

from hierlib.learn.baselines import (
    LEARNERS,
    AdaptedHead,
    BoundedNystroem,
    DegreeTwoProjection,
    HermiteMap,
    InvariantKernelRidge,
    RandomFeatures,
    compare_point,
    degree_energies,
    invariant_kernel,
    make_learner,
    sample_energy,
)
from hierlib.learn.estimator import HierarchicalSpectralRegressor
from hierlib.learn.input_whitening import InputWhitening, tyler_scatter
from hierlib.learn.sweep import learning_curve, learning_point, run

__all__ = [
    "LEARNERS",
    "AdaptedHead",
    "BoundedNystroem",
    "DegreeTwoProjection",
    "HermiteMap",
    "HierarchicalSpectralRegressor",
    "InputWhitening",
    "InvariantKernelRidge",
    "RandomFeatures",
    "compare_point",
    "degree_energies",
    "invariant_kernel",
    "learning_curve",
    "learning_point",
    "make_learner",
    "run",
    "sample_energy",
    "tyler_scatter",
]
