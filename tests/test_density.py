"""Oracles: exact eigenvalues, Gauss quadrature's exactness, and the semicircle."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from hierlib import HierarchicalTarget
from hierlib.engine.density import SpectralMeasure, lanczos_rules, spectral_measure
from hierlib.engine.moment import MomentOperator


def symmetric(dim, seed):
    matrix = np.random.default_rng(seed).standard_normal((dim, dim))
    return (matrix + matrix.T) / np.sqrt(2 * dim)


def probes(dim, n_probes, seed):
    """Return the probe vectors: the documented law, uniform on the sphere, from the documented generator."""
    vectors = np.random.default_rng(seed).standard_normal((dim, n_probes))
    return vectors / np.linalg.norm(vectors, axis=0)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("n_steps", [1, 2, 5])
def test_rules_integrate_moments_of_each_probe_exactly(n_steps, seed):
    matrix = symmetric(30, seed)
    measure = spectral_measure(matrix, rng=np.random.default_rng(seed), n_probes=3, n_steps=n_steps)
    vectors = probes(30, 3, seed)
    assert measure.nodes.shape == measure.weights.shape == (3, n_steps)
    assert np.all(measure.weights >= 0)
    power = vectors
    for order in range(2 * n_steps):
        # Moments <v, A^k v> of a matrix of norm below 2.3.
        exact = np.sum(vectors * power, axis=0)
        assert_allclose(np.sum(measure.weights * measure.nodes**order, axis=1), exact, rtol=0, atol=1e-12 * 3**order)
        power = matrix @ power
    beyond = np.sum(measure.weights * measure.nodes ** (2 * n_steps), axis=1)
    assert np.all(np.abs(beyond - np.sum(vectors * power, axis=0)) > 1e-6)


def test_rules_of_given_vectors_integrate_functions_of_the_matrix():
    matrix = symmetric(40, 1)
    start = np.column_stack([3 * np.random.default_rng(2).standard_normal((40, 2)), np.zeros(40)])
    nodes, weights = lanczos_rules(matrix, start, n_steps=30)
    values, vectors = np.linalg.eigh(matrix)
    # Analytic outside of 5, twice the norm: thirty steps are exact to rounding.
    exact = np.sum((vectors.T @ start[:, :2]) ** 2 / (5 - values[:, None]) ** 2, axis=0) / np.sum(start**2, axis=0)[:2]
    found = np.sum(weights / (5 - nodes) ** 2, axis=1)
    assert_allclose(found[:2], exact, rtol=1e-12)
    assert_allclose(found[2], 1 / 25)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_full_krylov_spaces_give_the_exact_spectrum(seed):
    matrix = symmetric(25, seed)
    measure = spectral_measure(matrix, rng=np.random.default_rng(seed), n_probes=2, n_steps=25)
    values, vectors = np.linalg.eigh(matrix)
    # Full reorthogonalisation: no ghosts, every eigenvalue once, with the probe's squared component as its weight.
    assert_allclose(measure.nodes, np.tile(values, (2, 1)), rtol=0, atol=1e-10)
    assert_allclose(measure.weights, (vectors.T @ probes(25, 2, seed)).T ** 2, rtol=0, atol=1e-8)


def test_outliers_are_found_once_whatever_the_number_of_steps():
    matrix = np.diag(np.r_[np.linspace(-1, 1, 300), 4.0, -3.0])
    nodes = spectral_measure(matrix, rng=np.random.default_rng(0), n_steps=80).nodes
    assert_allclose(np.sum(nodes > 1.01, axis=1), 1)
    assert_allclose(np.sum(nodes < -1.01, axis=1), 1)
    assert_allclose(nodes[:, [0, -1]], np.tile([-3.0, 4.0], (8, 1)), rtol=0, atol=1e-9)


@pytest.mark.parametrize("n_steps", [3, 6])
def test_krylov_spaces_that_end_early_keep_their_rule(n_steps):
    # Two eigenvalues: the space ends after two steps.
    measure = spectral_measure(np.diag([1.0, 1.0, 1.0, 3.0, 3.0, 3.0]), rng=np.random.default_rng(0), n_steps=n_steps)
    assert_allclose(measure.weights.sum(axis=1), 1, rtol=1e-10)
    for order in range(4):
        exact = np.sum(probes(6, 8, 0) ** 2 * np.array([1.0, 1, 1, 3, 3, 3])[:, None] ** order, axis=0)
        assert_allclose(np.sum(measure.weights * measure.nodes**order, axis=1), exact, rtol=1e-8)


def test_zero_operators_have_all_weight_at_zero():
    measure = spectral_measure(np.zeros((5, 5)), rng=np.random.default_rng(0), n_steps=3)
    assert_array_equal(measure.nodes, 0)
    assert_allclose(measure.weights.sum(axis=1), 1)


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
@pytest.mark.parametrize("spectrum", [[7.0] * 40, [7.0] + [5.0] * 39, [5.0] * 20 + [7.0] * 20])
def test_nodes_stay_in_the_numerical_range_when_krylov_spaces_end_early(spectrum, scale):
    basis = np.linalg.qr(np.random.default_rng(1).standard_normal((40, 40)))[0]
    matrix = (basis * (scale * np.array(spectrum))) @ basis.T
    measure = spectral_measure(matrix, rng=np.random.default_rng(0), n_steps=12)
    assert_allclose(measure.weights.sum(axis=1), 1, rtol=1e-12)
    assert measure.nodes.min() > scale * (min(spectrum) - 1e-10)
    assert measure.nodes.max() < scale * (max(spectrum) + 1e-10)
    # All weight is on eigenvalues.
    distances = np.abs(measure.nodes[..., None] / scale - np.unique(spectrum)).min(axis=-1)
    assert_allclose(distances[measure.weights > 1e-10], 0, rtol=0, atol=1e-8)


def test_operators_that_return_no_numbers_are_refused():
    with pytest.raises(ValueError, match=r"^operator must return finite numbers"):
        spectral_measure(np.full((4, 4), np.nan), rng=np.random.default_rng(0), n_steps=2)
    with pytest.raises(ValueError, match=r"^rng must be a numpy\.random\.Generator, got 0\."):
        spectral_measure(np.eye(4), rng=0, n_steps=2)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_density_of_a_wigner_matrix_is_the_semicircle(seed):
    measure = spectral_measure(symmetric(600, seed), rng=np.random.default_rng(seed), n_probes=12)
    points = np.linspace(-1.5, 1.5, 7)
    mean, error = measure.density(points, bandwidth=0.15)
    semicircle = np.sqrt(4 - points**2) / (2 * np.pi)
    # Kernel bias bandwidth^2/2 times the second derivative (below 0.6 here); matrix fluctuations are O(1/600).
    assert np.all(np.abs(mean - semicircle) < 5 * error + 0.01)
    assert np.all(error < 0.03)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_density_covers_the_exact_one_of_a_moment_matrix_within_its_error(seed):
    X, y = HierarchicalTarget(12, n_features=3, link="tanh", seed=seed).sample(2000, seed)
    operator = MomentOperator((X, y), dtype="float64")
    values = np.linalg.eigvalsh(operator.to_dense())
    width = 0.1
    points = np.linspace(values[5], values[-5], 9)
    exact = np.exp(-0.5 * ((points[:, None] - values) / width) ** 2).mean(axis=1) / (width * np.sqrt(2 * np.pi))
    mean, error = spectral_measure(operator, rng=np.random.default_rng(seed), n_probes=20, n_steps=30).density(
        points, width
    )
    # Nine points, three seeds, an error estimated from 20 probes (Student's t): 5 standard errors.
    assert np.all(np.abs(mean - exact) < 5 * error)


def test_densities_are_mixtures_with_the_error_of_their_mean():
    measure = SpectralMeasure(
        nodes=np.array([[0.0, 1.0], [0.0, 3.0], [2.0, 2.0]]), weights=np.array([[0.5, 0.5], [0.2, 0.8], [1, 0]])
    )
    points = np.linspace(-8, 11, 4001)
    mean, error = measure.density(points, bandwidth=0.5)
    assert_allclose(np.trapezoid(mean, points), 1, rtol=1e-10)
    assert_allclose(np.trapezoid(points * mean, points), (0.5 + 2.4 + 2) / 3, rtol=1e-10)
    second = (0.5 + 0.8 * 9 + 4) / 3 + 0.5**2
    assert_allclose(np.trapezoid(points**2 * mean, points), second, rtol=1e-10)
    single = [
        SpectralMeasure(n[None].repeat(2, 0), w[None].repeat(2, 0)).density(points, 0.5)[0]
        for n, w in zip(measure.nodes, measure.weights, strict=True)
    ]
    assert_allclose(error, np.std(single, axis=0, ddof=1) / np.sqrt(3), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_probes": 1}, r"n_probes must be an integer >= 2, got 1\."),
        ({"n_steps": 0}, r"n_steps must be an integer >= 1 and <= 50, got 0\."),
        ({"n_steps": 51}, r"n_steps must be an integer >= 1 and <= 50, got 51\."),
    ],
)
def test_numbers_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match="^" + message):
        spectral_measure(np.eye(50), rng=np.random.default_rng(0), **options)


def test_points_and_bandwidths_out_of_range_are_refused():
    measure = spectral_measure(np.eye(3), rng=np.random.default_rng(0), n_steps=1)
    with pytest.raises(ValueError, match=r"^bandwidth must be a finite number > 0, got 0\."):
        measure.density([0.0], 0)
    with pytest.raises(ValueError, match=r"^points must have shape \(any\), got \(1, 1\)\."):
        measure.density([[0.0]], 1.0)
