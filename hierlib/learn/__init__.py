"""The estimators: Algorithm 1 of the paper and what it is compared with.

``estimator`` is the layer-wise spectral estimator, with its ``pilot`` for the learned label transform and its
``second_layer``; ``input_whitening`` goes before it where inputs are correlated; ``baselines`` are learners without
hierarchy, of the pieces in ``shallow``; ``sweep`` runs grids of fits. ``real`` is for data that no model has drawn;
``networks`` are trained by gradient descent and watched, and ``directions`` are what they are compared with.
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
from hierlib.learn.directions import first_order_directions, second_order_directions
from hierlib.learn.estimator import HierarchicalSpectralRegressor
from hierlib.learn.input_whitening import InputWhitening, tyler_scatter
from hierlib.learn.networks import ReluNetwork, half_times, learning_curves, shuffled_batches
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
    "InputWhitening",
    "InvariantKernelRidge",
    "QuadraticRidge",
    "QuarticWhitening",
    "RandomFeatures",
    "ReluNetwork",
    "alignment_constants",
    "compare_point",
    "degree_energies",
    "feature_report",
    "first_order_directions",
    "half_times",
    "invariant_kernel",
    "learning_curve",
    "learning_curves",
    "learning_point",
    "load_digits_10k",
    "make_learner",
    "permutation_edges",
    "run",
    "sample_energy",
    "second_order_directions",
    "shuffled_batches",
    "tyler_scatter",
]
