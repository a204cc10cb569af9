"""The estimators: Algorithm 1 of the paper and what it is compared with.

``estimator`` is the layer-wise spectral estimator, with its ``pilot`` for the learned label transform and its
``second_layer``; ``baselines`` are learners without hierarchy, of the pieces in ``shallow``; ``sweep`` runs grids of
fits. ``real`` is for data that no model has drawn.
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
from hierlib.learn.real.alignment import AlignmentConstants, alignment_constants, permutation_edges
from hierlib.learn.real.digits import load_digits_10k
from hierlib.learn.real.quadratic import QuadraticRidge, QuarticWhitening
from hierlib.learn.real.report import FeatureReport, feature_report
from hierlib.learn.sweep import learning_curve, learning_point, run

__all__ = [
    "LEARNERS",
    "AdaptedHead",
    "AlignmentConstants",
    "BoundedNystroem",
    "DegreeTwoProjection",
    "FeatureReport",
    "HermiteMap",
    "HierarchicalSpectralRegressor",
    "InvariantKernelRidge",
    "QuadraticRidge",
    "QuarticWhitening",
    "RandomFeatures",
    "alignment_constants",
    "compare_point",
    "degree_energies",
    "feature_report",
    "invariant_kernel",
    "learning_curve",
    "learning_point",
    "load_digits_10k",
    "make_learner",
    "permutation_edges",
    "run",
    "sample_energy",
]
