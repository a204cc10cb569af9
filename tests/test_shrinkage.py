"""Leave-one-out features against refits and fresh samples; the predicted noise bulk against spectra."""

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import brentq

from hierlib import HierarchicalTarget
from hierlib.engine.hermite import HermiteFeatures
from hierlib.engine.moment import MomentOperator, label_weights
from hierlib.theory.asymptotics import noise_edges, remainder_coefficient
from hierlib.theory.shrinkage import (
    SampleBulk,
    edge_distance,
    effective_weights,
    leave_one_out,
    lower_harmonics,
    observed_alignment,
    shrink,
)

SEEDS = [1, 2, 3]


def spectrum(X, weights, degree, normalize):
    operator = MomentOperator((X, weights), degree=degree, normalize=normalize, dtype="float64", n_jobs=1)
    return np.linalg.eigh(operator.to_dense())


def learned(target, n, seed, transform, normalize):
    """Eigenvalues of the target's features, their eigenvectors as rows, effective weights, and the data."""
    X, y = target.sample(n, seed)
    weights = label_weights(y, transform)
    values, vectors = spectrum(X, weights, target.q, normalize)
    index = ((target.directions @ vectors) ** 2).argmax(axis=1)
    norms = None if normalize else np.sum(X**2, axis=1)
    return values[index], vectors[:, index].T, effective_weights(weights, target.d, target.q, norms), X, y


# Leave-one-out features


@pytest.mark.parametrize("normalize", [False, True])
def test_leave_one_out_features_are_those_of_fits_without_the_sample(normalize):
    # One feature, D = 78, n = 50 D. A removed sample changes F^T G F from n s by sqrt(2/D) of itself, so the
    # correction (itself up to 0.2 of h) is exact to a few percent of its size.
    target = HierarchicalTarget(12, n_features=1, seed=2)
    z, rows, v, X, y = learned(target, 50 * 78, 1, "tanh", normalize)
    weights = label_weights(y, "tanh")
    h = target.features.project(X, rows)
    corrected = leave_one_out(h, v, SampleBulk(v, 12, 2).resolvent(z))
    chosen = np.argsort(-np.abs(h[:, 0] * v))[:20]  # where the correction is largest
    refitted = np.empty(20)
    for row, index in enumerate(chosen):
        without = np.delete(np.arange(len(y)), index)
        _, vectors = spectrum(X[without], weights[without], 2, normalize)
        direction = vectors[:, ((rows @ vectors) ** 2).argmax()]
        refitted[row] = target.features.project(X[[index]], direction[None])[0, 0] * np.sign(direction @ rows[0])
    change = np.abs(h[chosen, 0] - refitted)
    assert change.mean() > 0.05 * np.abs(refitted).mean()
    assert np.abs(corrected[chosen, 0] - refitted).mean() < 0.35 * change.mean()


@pytest.mark.parametrize(
    ("shape", "transform", "normalize"),
    [
        ({"d": 300, "q": 1}, None, False),
        ({"d": 300, "q": 1}, "tanh", False),
        ({"d": 24, "q": 2}, "tanh", True),
        ({"d": 24, "q": 2}, "tanh", False),
        ({"d": 12, "q": 3}, "tanh", True),
    ],
)
def test_moments_of_leave_one_out_features_agree_with_a_fresh_sample(shape, transform, normalize):
    # Slope through the origin of the moments on the sample against those of 30 000 fresh inputs, over features and
    # seeds: 1, where plain features give well above it. Its standard error from the scatter about the line.
    plain, corrected, fresh = [], [], []
    for seed in SEEDS:
        target = HierarchicalTarget(n_features=3, gamma=0.2, seed=seed, **shape)
        z, rows, v, X, y = learned(target, 16 * target.dim, seed, transform, normalize)
        h = target.features.project(X, rows)
        X_new, y_new = target.sample(30_000, 100 + seed)
        loo = leave_one_out(h, v, SampleBulk(v, target.d, target.q).resolvent(z))
        # At d = 12 cubic features are far from homogeneous: their part of degree 1 has a share of about q^2/d.
        assert_allclose(np.mean(loo**2), 1, rtol=0, atol=0.05 if target.q < 3 else 0.15)
        for moments, features, labels in (
            (plain, h, y),
            (corrected, loo, y),
            (fresh, target.features.project(X_new, rows), y_new),
        ):
            moments.append((labels - labels.mean()) @ features**2 / len(labels))
    plain, corrected, fresh = (np.concatenate(moments) for moments in (plain, corrected, fresh))

    def slope(moments):
        value = moments @ fresh / (fresh @ fresh)
        return value, np.sqrt(np.mean((moments - value * fresh) ** 2) / (fresh @ fresh))

    (biased, _), (value, error) = slope(plain), slope(corrected)
    assert biased > 1.2
    assert abs(value - 1) < 3 * error + 0.04


def test_alignments_are_estimated_from_the_sample_alone():
    # Gaussian features, D = 400, n = 20 D: the estimate fluctuates with the fourth moments of h over n, some percent.
    estimates, truth = [], []
    for seed in SEEDS:
        target = HierarchicalTarget(400, 1, n_features=3, gamma=0.4, seed=seed)
        z, rows, v, X, _ = learned(target, 8000, seed, "tanh", False)
        s = SampleBulk(v, 400, 1).resolvent(z)
        radius = np.sqrt(np.sum(X**2, axis=1) / 400)
        estimates.append(observed_alignment(X @ rows.T / radius[:, None], v, s, 400))
        truth.append(np.max((rows @ target.directions.T) ** 2, axis=1))
    assert np.ptp(truth) > 0.1
    assert_allclose(estimates, truth, rtol=0, atol=0.08)
    assert_allclose(np.mean(estimates), np.mean(truth), rtol=0, atol=0.02)


def test_shrunk_eigenvalues_are_moments_of_a_fresh_sample():
    # For weights y, E[y (h_hat^2 - 1)] = c^2 theta; n = 60 D, where theta = 1/(delta s) holds to a few percent.
    target = HierarchicalTarget(200, 1, n_features=2, gamma=0.3, seed=1)
    z, rows, v, _, _ = learned(target, 12_000, 1, None, False)
    s = SampleBulk(v, 200, 1).resolvent(z)
    alignments = np.max((rows @ target.directions.T) ** 2, axis=1)
    X_new, y_new = target.sample(100_000, 2)
    fresh = (y_new - y_new.mean()) @ (X_new @ rows.T) ** 2 / len(y_new)
    assert_allclose(shrink(s, alignments, 60), fresh, rtol=0.1)
    assert np.all(np.abs(z) > 1.05 * np.abs(fresh))


def test_the_population_remainder_lowers_estimated_alignments_for_hermite_features_alone():
    h, v, s = np.ones((5, 2)), np.array([1.0, -1.0, 1.0, -1.0, 1.0]), np.array([0.1, -0.2])
    assert_allclose(observed_alignment(h, v, s, 50), 1 - 0.1 * s**2, rtol=1e-12)
    floor = 1.5 / 50 * np.array([2 + 1 + 0.25, 2 + 4 + 1])
    assert_allclose(observed_alignment(h, v, s, 50, 1.5), 1 - 0.1 * s**2 - floor, rtol=1e-12)
    assert_allclose(observed_alignment(h, 100 * v, s, 50), 0)


# The bulk


def test_resolvent_is_the_trace_over_the_noise_eigenvalues():
    rng = np.random.default_rng(0)
    n, dim = 4000, 400
    X, v = rng.standard_normal((n, dim)), rng.choice([-1.0, 0.5, 0.7], size=n)
    v -= v.mean()
    noise = np.linalg.eigvalsh(X.T @ (X * v[:, None]) / n)
    z = np.array([1.1 * noise[0], 2 * noise[0], 1.1 * noise[-1], 3 * noise[-1], 1e3])
    trace = np.sum(1 / (z[:, None] - noise), axis=1) / n
    assert_allclose(SampleBulk(v, dim, 1).resolvent(z), trace, rtol=0.02)


def test_eigenvalues_inside_the_bulk_get_the_value_of_the_nearer_edge():
    bulk = SampleBulk(np.tile([-1.0, 1.0], 500), 100, 1)
    inside = bulk.resolvent(np.array([0.01, -0.01]))
    assert inside[0] > 0 > inside[1]
    assert np.all(np.abs(bulk.resolvent(np.array([5.0, -5.0]))) < 0.5 * np.abs(inside))


def test_interval_is_that_of_the_asymptotics_for_gaussian_features():
    v = np.tanh(np.random.default_rng(1).standard_normal(3000))
    v -= v.mean()
    assert_allclose(SampleBulk(v, 150, 1).interval(0.9), noise_edges(v, 150, 0.9), rtol=1e-6)


def test_resolvent_solves_the_equation_of_the_bulk_with_the_largest_remainder():
    # Weights -1 and 1: E v/(1 - vs) = s/(1 - s^2) and E v^2/(1 - vs) = 1/(1 - s^2).
    d, n = 10, 2200
    dim = 55
    z = np.array([-2.0, -0.9, 0.9, 1.3, 4.0])
    s = SampleBulk(np.tile([-1.0, 1.0], n // 2), d, 2).resolvent(z)
    remainder = 2 * remainder_coefficient(d, 2) / dim / (1 - s**2) ** 2 * (n * s / dim)
    assert_allclose(dim / (n * s) + s / (1 - s**2) + remainder, z, rtol=1e-5)
    assert remainder[1] < -0.05


@pytest.mark.parametrize(("level", "quantile"), [(0.9, 0.97932), (0.98, 2.02345)])  # of Tracy and Widom's law, beta = 1
def test_interval_of_two_weights_is_the_edge_and_the_quantile_at_its_scale(level, quantile):
    dim, n = 300, 3000
    v = np.tile([-1.0, 1.0], n // 2)
    # psi(s) = D/(ns) + s/(1 - s^2), written as 1/(1 - s) - 1/(1 + s) over 2.
    s = brentq(lambda s: (1 + s**2) / (1 - s**2) ** 2 - dim / (n * s**2), 0.01, 0.9)
    curvature = 2 * dim / (n * s**3) + (1 - s) ** -3 - (1 + s) ** -3
    scale = (curvature / 2) ** (1 / 3) * n ** (-2 / 3)
    end = dim / (n * s) + s / (1 - s**2) + quantile * scale
    # The gamma law is right to 0.01, the curvature by differences to 0.1 %.
    for ends in (SampleBulk(v, dim, 1).interval(level), noise_edges(v, dim, level)):
        assert_allclose(ends, [-end, end], rtol=0, atol=0.015 * scale)


def test_interval_reaches_to_the_outlier_of_a_single_large_weight():
    dim, n = 200, 4000
    v = np.append(np.tile([-1.0, 1.0], n // 2), 60.0)
    for side in (-1, 1):
        for ends in (SampleBulk(side * v, dim, 1).interval(), noise_edges(side * v, dim)):
            # psi(1/60) without the sample itself: D/n * 60, and the rest less than 0.1.
            assert ends[(side + 1) // 2] == pytest.approx(side * 60 * dim / n, rel=0.05)


@pytest.mark.parametrize("normalize", [False, True])
def test_pure_noise_stays_inside_the_interval(normalize):
    # Labels that have nothing to do with x, 60 data sets: at level 0.9 about 6 leave it, 5 sigma of the binomial is 18.
    left = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        X, v = rng.standard_normal((800, 12)), rng.choice([-1.0, 1.0], size=800)
        v -= v.mean()
        values, _ = spectrum(X, v, 2, normalize)
        weights = effective_weights(v, 12, 2, None if normalize else np.sum(X**2, axis=1))
        left += np.any(edge_distance(values, SampleBulk(weights, 12, 2).interval(0.9)) > 0)
    assert left <= 18


@pytest.mark.parametrize("seed", SEEDS)
def test_remainder_of_the_population_matrix_is_not_counted_as_features(seed):
    # d = 24, n = 100 D: without it dozens of eigenvalues lie outside.
    target = HierarchicalTarget(24, n_features=4, seed=seed)
    X, y = target.sample(30_000, seed)
    weights = label_weights(y, "tanh")
    values, vectors = spectrum(X, weights, 2, True)
    v = effective_weights(weights, 24, 2)
    outside = edge_distance(values, SampleBulk(v, 24, 2).interval()) > 0
    assert np.sum(edge_distance(values, noise_edges(v, 300)) > 0) > 20
    assert 2 <= outside.sum() <= 4
    assert np.all(np.sum((target.directions @ vectors[:, outside]) ** 2, axis=0) > 0.5)


def test_bessels_bound_holds_for_the_strengths_of_any_transform():
    # sum_i theta_i^2 <= 2 E v^2, with equality for the labels of a target with link identity.
    target = HierarchicalTarget(200, 1, n_features=4, seed=1)
    X, y = target.sample(200_000, 1)
    h = target.latent(X)
    for transform, low in ((None, 0.9), ("tanh", 0.5), (np.sign, 0.3)):
        weights = label_weights(y, transform)
        strengths = weights @ (h**2 - 1) / len(y)
        assert low < strengths @ strengths / (2 * weights.var()) < 1.05


# Weights and distances


@pytest.mark.parametrize(("d", "degree"), [(5, 1), (8, 2), (6, 3)])
def test_effective_weights_are_those_of_features_of_unit_second_moment(d, degree):
    # Features over the root of R have constant norm to leading order: |F|^2 = D R exactly for degree 1.
    X = np.random.default_rng(2).standard_normal((100_000, d))
    ratio = effective_weights(np.ones(len(X)), d, degree, np.sum(X**2, axis=1))
    assert_allclose(ratio.mean(), 1, rtol=0, atol=5 * ratio.std() / np.sqrt(len(X)))
    squares = np.sum(HermiteFeatures(d, degree).transform(X) ** 2, axis=1) / HermiteFeatures(d, degree).dim
    assert np.corrcoef(ratio, squares)[0, 1] > 0.98
    if degree == 1:
        assert_allclose(ratio, squares, rtol=1e-12)
    sphere = np.sqrt(d) * X / np.linalg.norm(X, axis=1, keepdims=True)
    normalised = effective_weights(np.ones(len(X)), d, degree)
    assert_allclose(normalised, effective_weights(np.ones(len(X)), d, degree, np.sum(sphere**2, axis=1)), rtol=1e-10)


def test_distances_are_positive_outside_and_taken_from_the_nearer_end():
    assert_allclose(edge_distance(np.array([-3.0, -1.0, 0.0, 1.5, 4.0]), np.array([-1.0, 2.0])), [2, 0, -1, -0.5, 2])


@pytest.mark.parametrize("power", [-1000, -300, 300, 1000])
def test_levels_scale_with_the_weights(power):
    # Powers of two change no rounding.
    v, z = np.random.default_rng(0).standard_normal(3000), np.array([-3.0, 0.1, 2.5])
    one, other = SampleBulk(v, 20, 2), SampleBulk(2.0**power * v, 20, 2)
    assert_array_equal(other.edges, 2.0**power * one.edges)
    assert_array_equal(other.interval(), 2.0**power * one.interval())
    s = one.resolvent(z)
    assert_array_equal(other.resolvent(2.0**power * z), s / 2.0**power)
    h = np.random.default_rng(1).standard_normal((3000, 3))
    assert_array_equal(
        observed_alignment(h, 2.0**power * v, s / 2.0**power, 210, 1.0), observed_alignment(h, v, s, 210, 1.0)
    )
    assert_array_equal(leave_one_out(h, 2.0**power * v, s / 2.0**power), leave_one_out(h, v, s))


@pytest.mark.parametrize("dtype", ["int8", "float16", "float32"])
def test_results_do_not_depend_on_the_type_of_equal_numbers(dtype):
    w, norms, h = np.array([100, -90, 50, -60]), np.array([90, 80, 100, 120]), np.full((4, 1), 100)
    assert_array_equal(
        effective_weights(w.astype(dtype), 2, 3, norms.astype(dtype)), effective_weights(w * 1.0, 2, 3, norms * 1.0)
    )
    assert_array_equal(SampleBulk(w.astype(dtype), 5, 2).interval(), SampleBulk(w * 1.0, 5, 2).interval())
    s = np.array([1])
    assert_array_equal(leave_one_out(h.astype(dtype), w.astype(dtype), s.astype(dtype)), leave_one_out(h, w * 1.0, s))
    assert_array_equal(
        observed_alignment(h.astype(dtype), w.astype(dtype), s.astype(dtype), 9), observed_alignment(h, w, s, 9)
    )


@pytest.mark.parametrize(("d", "q"), [(2, 3), (3, 3), (4, 3), (4, 4), (3, 6), (5, 2)])
def test_lower_harmonics_are_the_largest_second_moments_on_the_sphere(d, q):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200_000 // HermiteFeatures(d, q).dim, d))
    X *= np.sqrt(d) / np.linalg.norm(X, axis=1, keepdims=True)
    F = HermiteFeatures(d, q).transform(X)
    largest = np.linalg.eigvalsh(F.T @ F / len(F))[-1] * np.prod(1 + 2 * np.arange(q) / d)
    # The largest of D sample eigenvalues lies up to (1 + sqrt(D/n))^2 higher.
    assert lower_harmonics(d, q) - 0.1 < largest < lower_harmonics(d, q) * (1 + np.sqrt(F.shape[1] / len(F))) ** 2 + 0.1


def test_lower_harmonics_vanish_in_high_dimensions():
    assert_allclose([lower_harmonics(d, q) for d, q in ((1, 1), (1, 2), (4, 3), (12, 4), (120, 8))], 1, rtol=1e-12)
    assert lower_harmonics(60, 4) == 1


def test_small_dimensions_have_no_remainder():
    assert remainder_coefficient(2, 2) < 0
    v = np.tile([-1.0, 1.0], 50)
    for d in (1, 2, 3):
        assert np.isfinite(SampleBulk(v, d, 2).interval()).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SampleBulk(np.ones(5), 4, 1), "weights must have both signs."),
        (lambda: SampleBulk(np.ones((5, 1)), 4, 1), "weights must have shape (any), got (5, 1)."),
        (lambda: SampleBulk(np.array([-1.0, 1.0]), 0, 1), "d must be an integer >= 1, got 0."),
        (lambda: SampleBulk(np.array([-1.0, 1.0]), 4, 0), "degree must be an integer >= 1, got 0."),
        (
            lambda: SampleBulk(np.array([-1.0, 1.0]), 4, 1).interval(1.0),
            "level must be a finite number > 0 and < 1, got 1.0.",
        ),
        (lambda: effective_weights(np.ones(3), 4, 1, np.ones(2)), "squared_norms must have shape (3), got (2,)."),
        (lambda: edge_distance([0.0], [0.0, 1.0, 2.0]), "interval must have shape (2), got (3,)."),
        (lambda: observed_alignment(np.ones((3, 1)), np.ones(2), np.ones(1), 5), "weights must have shape (3)"),
        (lambda: shrink(np.ones(1), np.ones(1), 0.0), "delta must be a finite number > 0, got 0.0."),
    ],
)
def test_arguments_out_of_range_are_refused(call, message):
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        call()
