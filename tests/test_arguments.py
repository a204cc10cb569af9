"""What no function of the theory takes: every argument of each, replaced by things that are no numbers it allows."""

import numpy as np
import pytest

from hierlib import HierarchicalTarget, theory
from hierlib.chapters import explorer
from hierlib.learn.input_whitening import tyler_scatter
from hierlib.related import fits, linear_random_features, multitask_parity
from hierlib.theory import asymptotics, label_transforms, perturbation
from hierlib.theory.asymptotics import TargetParameters
from hierlib.theory.population import population_matrix
from hierlib.theory.whitening import whitened_outliers

BAD = {
    "huge": 10**400,
    "negative": -(10**400),
    "endless": 10**5000,
    "nan": np.nan,
    "infinite": np.inf,
    "complex": 1 + 1j,
    "complex array": np.array([0.5, 0.2j]),
    "text": "x",
    "none": None,
    "empty": [],
    "ragged": [[1.0], [1.0, 2.0]],
    "deep": np.ones((2, 2, 2)),
    "object": object(),
}
# Of another kind than a number.
LEFT = {"link", "target", "ranking"}
# None may be the default, and a seed an integer of any size.
ALLOWED = {
    "n_features": {"none"},
    "teacher": {"none"},
    "z": {"complex"},
    "n_parameters": {"none"},
    "whiten": {"none"},
    "seed": {"huge", "endless"},
}
BROADCAST = {"i", "k", "m", "n", "n_samples", "compute", "time", "strengths", "n_parameters", "noise_norm", "gap"}

TARGET = TargetParameters(np.array([0.8, -0.6]), d=6, q=2)
SIZES = {"n_features": 4, "gamma": 0.3}
PAIR = {"population": np.eye(2), "noise": np.eye(2) * 0.1, "z": 3.0}
SPECTRUM = {"spectrum": [1.0, 0.5, 0.2]}
SKILLS = {"probabilities": [0.6, 0.4]}
CALLS = [
    (theory.normalization, SIZES),
    (theory.normalization_rate, SIZES),
    (theory.eigenvalue, SIZES | {"i": 1}),
    (theory.eigengap, SIZES | {"k": 1}),
    (theory.noise_norm, {"n": 10, "dim": 5}),
    (theory.recovery_threshold, SIZES | {"i": 1, "dim": 5}),
    (theory.alignment_error, SIZES | {"k": 1, "n": 1000, "dim": 5}),
    (theory.recovered_count, SIZES | {"n": 1000, "dim": 5}),
    (theory.recovered_count_rate, SIZES | {"n": 20, "dim": 5}),
    (theory.weight_tail, SIZES | {"m": 1}),
    (theory.weight_tail_rate, SIZES | {"m": 1}),
    (theory.mse_tail, SIZES | {"n": 1000, "dim": 5}),
    (theory.mse_partial, SIZES | {"n": 1000, "dim": 5}),
    (theory.partial_recovery_factor, {"gamma": 0.3}),
    (theory.mse_rate, SIZES | {"n": 15, "dim": 5}),
    (theory.mse_exponent, {"gamma": 0.3}),
    (theory.local_exponent, SIZES | {"m": 1}),
    (perturbation.resolvent, {"matrix": np.eye(2), "z": 3.0}),
    (perturbation.neumann_series, PAIR | {"order": 2}),
    (perturbation.convergence_radius, PAIR),
    (perturbation.spectral_projector, {"matrix": np.eye(2), "center": 1.0, "radius": 0.5, "n_nodes": 4}),
    (perturbation.spectral_gaps, {"eigenvalues": [2.0, 1.0]}),
    (perturbation.davis_kahan_bound, {"noise_norm": 0.1, "gap": 1.0}),
    (perturbation.first_order, {"eigenvalues": [2.0], "eigenvectors": np.eye(2)[:1], "noise": np.eye(2), "k": 0}),
    (perturbation.nearest_eigenvector, {"matrix": np.eye(2), "reference": [1.0, 0.0]}),
    (perturbation.expected_first_order, {"weights": [0.8, -0.6], "n": 100.0, "dim": 5}),
    (perturbation.population_remainder, {"directions": [[1.0]], "weights": [1.0]}),
    (asymptotics.predict, {"target": TARGET, "n": 100, "n_features": 2, "ranking": "edge"}),
    (asymptotics.critical_sample_sizes, {"target": TARGET}),
    (asymptotics.bulk_density, {"target": TARGET, "n": 100, "z": [0.0, 1.0]}),
    (asymptotics.noise_edges, {"sample_weights": [-1.0, 1.0, 0.5], "dim": 4, "level": 0.9}),
    (asymptotics.remainder_coefficient, {"d": 5, "degree": 2}),
    (label_transforms.optimal_label_transform, {"target": TARGET, "n": 300, "ranking": "edge"}),
    (label_transforms.lowest_threshold_transform, {"target": TARGET, "feature": 0}),
    (explorer.positive_weights, SIZES),
    (explorer.label_transform, {"link": "tanh"}),
    (explorer.feature_curves, SIZES | {"link": "tanh", "ratios": [0.5]}),
    (fits.fit_power_law, {"x": [1.0, 2.0, 3.0], "y": [1.0, 2.0, 3.0], "sem": [0.1, 0.1, 0.1]}),
    (linear_random_features.power_law_spectrum, {"n_latents": 4, "alpha": 1.0, "scale": 1.0}),
    (linear_random_features.degrees_of_freedom, SPECTRUM | {"root": 0.1}),
    (linear_random_features.predict, SPECTRUM | {"n_features": 2, "n_samples": 3, "ridge": 0.1, "noise": 0.1}),
    (linear_random_features.best_ridge, SPECTRUM | {"n_features": 2, "n_samples": 3, "noise": 0.1}),
    (linear_random_features.power_law_root, {"df1": 2.0, "alpha": 1.0, "scale": 1.0}),
    (linear_random_features.power_law_mse, {"n_features": 9.0, "n_samples": 9.0, "df1": 2.0, "alpha": 1.0}),
    (linear_random_features.power_law_best_df1, {"n_features": 9.0, "n_samples": 9.0, "alpha": 1.0}),
    (
        linear_random_features.ridge_risk,
        SPECTRUM
        | {"ridge": 0.1, "projection": np.ones((2, 3)), "latents": np.eye(3), "labels": np.ones((3, 1))}
        | {"teachers": np.ones((3, 1))},
    ),
    (multitask_parity.skill_probabilities, {"n_skills": 3, "alpha": 1.0}),
    (multitask_parity.skill_strength, SKILLS | {"time": [1.0], "target": 1.0, "rate": 1.0, "initial": 0.1}),
    (multitask_parity.skill_loss, SKILLS | {"strengths": [0.1, 0.2], "target": 1.0}),
    (multitask_parity.data_loss, SKILLS | {"n_samples": 3, "target": 1.0}),
    (multitask_parity.parameter_loss, SKILLS | {"n_parameters": 1, "target": 1.0}),
    (multitask_parity.best_allocation, SKILLS | {"compute": 100.0}),
    (multitask_parity.crossing_time, {"times": [1.0, 2.0], "strengths": [[0.1], [0.9]], "level": 0.5}),
    (HierarchicalTarget, {"d": 5, "q": 2, "eps": 0.5, "gamma": 0.3, "seed": 0, "n_features": 2, "inputs": "uniform"}),
    (population_matrix, {"inputs": "gauss", "directions": [[1.0]], "weights": [1.0], "degree": 2}),
    (whitened_outliers, {"weights": [1.0, -1.0, 0.5], "squares": np.ones((3, 1)), "n": 100, "dim": 5}),
    (tyler_scatter, {"X": np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), "tol": 1e-3, "max_iterations": 90}),
    (asymptotics.predict, {"target": TARGET, "n": 100, "whiten": "sample"}),
    (HierarchicalTarget(5).sample, {"n": 3, "seed": 0}),
    (HierarchicalTarget(5).stream, {"n": 3, "seed": 0}),
    (HierarchicalTarget(5).label, {"X": np.ones((2, 5))}),
    (HierarchicalTarget(5).second_layer, {"h1": np.ones((2, 2))}),
]
CASES = [
    pytest.param(function, given, name, id=f"{function.__qualname__}-{name}")
    for function, given in CALLS
    for name in given
    if name not in LEFT
]


@pytest.mark.parametrize(("function", "given", "name"), CASES)
def test_what_is_no_allowed_number_is_refused_by_name(function, given, name):
    function(**given)
    for kind, value in BAD.items():
        if kind in ALLOWED.get(name, ()):
            continue
        if kind in {"deep", "empty"} and name in BROADCAST:
            continue
        # Of no entries, what is said may be that another argument has more.
        with pytest.raises(ValueError, match=f"{name}|must have shape" if kind == "empty" else name):
            function(**given | {name: value})
