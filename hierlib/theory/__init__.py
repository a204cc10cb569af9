"""What mathematics expects, without a simulation: from orders of magnitude to two digits.

``thresholds`` and ``rates`` are the paper's, with the finite sums beside every limit; ``perturbation`` is the resolvent
expansion of its proofs. The rest is this book's: ``asymptotics`` predicts a spectrum, alignments and errors at finite
n/D and d, from the law of the sample weights (``weight_law``), the bulk of noise (``bulk``), the part of the population
matrix that is no spike (``remainder``) and the scalar readout (``readout``); ``whitening`` does so relative to the
sample's second moments, ``population`` at infinitely many samples for any law of the inputs, ``shrinkage`` for one
sample without knowing the target; ``label_transforms`` finds the labels' best function. Knows no target class and no
estimator.
"""

from hierlib.theory.asymptotics import (
    Prediction,
    TargetParameters,
    bulk_density,
    critical_sample_sizes,
    noise_edges,
    predict,
    remainder_coefficient,
)
from hierlib.theory.label_transforms import lowest_threshold_transform, optimal_label_transform
from hierlib.theory.perturbation import (
    EigenvalueShift,
    FirstOrder,
    MeanSquares,
    convergence_radius,
    davis_kahan_bound,
    expected_first_order,
    expected_shift,
    first_order,
    nearest_eigenvector,
    neumann_series,
    population_remainder,
    resolvent,
    spectral_gaps,
    spectral_projector,
)
from hierlib.theory.population import population_matrix
from hierlib.theory.rates import (
    local_exponent,
    mse_exponent,
    mse_partial,
    mse_rate,
    mse_tail,
    partial_recovery_factor,
    weight_tail,
    weight_tail_rate,
)
from hierlib.theory.shrinkage import (
    SampleBulk,
    edge_distance,
    effective_weights,
    leave_one_out,
    lower_harmonics,
    observed_alignment,
    shrink,
)
from hierlib.theory.thresholds import (
    alignment_error,
    decade_slopes,
    eigengap,
    eigenvalue,
    noise_norm,
    normalization,
    normalization_rate,
    recovered_count,
    recovered_count_rate,
    recovery_threshold,
    visible_stretch,
)
from hierlib.theory.whitening import WhitenedOutliers, whitened_outliers

__all__ = [
    "EigenvalueShift",
    "FirstOrder",
    "MeanSquares",
    "Prediction",
    "SampleBulk",
    "TargetParameters",
    "WhitenedOutliers",
    "alignment_error",
    "bulk_density",
    "convergence_radius",
    "critical_sample_sizes",
    "davis_kahan_bound",
    "decade_slopes",
    "edge_distance",
    "effective_weights",
    "eigengap",
    "eigenvalue",
    "expected_first_order",
    "expected_shift",
    "first_order",
    "leave_one_out",
    "local_exponent",
    "lower_harmonics",
    "lowest_threshold_transform",
    "mse_exponent",
    "mse_partial",
    "mse_rate",
    "mse_tail",
    "nearest_eigenvector",
    "neumann_series",
    "noise_edges",
    "noise_norm",
    "normalization",
    "normalization_rate",
    "observed_alignment",
    "optimal_label_transform",
    "partial_recovery_factor",
    "population_matrix",
    "population_remainder",
    "predict",
    "recovered_count",
    "recovered_count_rate",
    "recovery_threshold",
    "remainder_coefficient",
    "resolvent",
    "shrink",
    "spectral_gaps",
    "spectral_projector",
    "visible_stretch",
    "weight_tail",
    "weight_tail_rate",
    "whitened_outliers",
]
