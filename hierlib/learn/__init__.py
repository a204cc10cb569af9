"""The estimators: Algorithm 1 of the paper and what it is compared with.

``estimator`` is the layer-wise spectral estimator, with its ``pilot`` for the learned label transform and its
``second_layer``; ``baselines`` are learners without hierarchy, of the pieces in ``shallow``; ``sweep`` runs grids of
fits; ``networks`` are trained by gradient descent and watched, ``directions`` are what they are compared with.
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
from hierlib.learn.networks import ReluNetwork, half_times, learning_curves, shuffled_batches
from hierlib.learn.sweep import learning_curve, learning_point, run

__all__ = [
    "LEARNERS",
    "AdaptedHead",
    "BoundedNystroem",
    "DegreeTwoProjection",
    "HermiteMap",
    "HierarchicalSpectralRegressor",
    "InvariantKernelRidge",
    "RandomFeatures",
    "ReluNetwork",
    "compare_point",
    "degree_energies",
    "first_order_directions",
    "half_times",
    "invariant_kernel",
    "learning_curve",
    "learning_curves",
    "learning_point",
    "make_learner",
    "run",
    "sample_energy",
    "second_order_directions",
    "shuffled_batches",
]
