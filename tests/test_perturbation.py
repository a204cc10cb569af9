"""Oracles: exact eigendecompositions, closed-form filters, brute-force moments, and scaling in the noise."""

from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from hierlib.model.target import HierarchicalTarget
from hierlib.theory import perturbation as pt

SEEDS = pytest.mark.parametrize("seed", [1, 2, 3])


def symmetric(rng, dim):
    half = rng.standard_normal((dim, dim))
    return (half + half.T) / np.sqrt(8 * dim)  # operator norm near 1


def low_rank(rng, theta, dim):
    """Orthonormal rows and the symmetric matrix with these rows and eigenvalues theta."""
    rows = np.linalg.qr(rng.standard_normal((dim, len(theta))))[0].T
    return rows, rows.T * theta @ rows


@SEEDS
@pytest.mark.parametrize("dim", [1, 2, 12])
def test_resolvent_inverts_the_shifted_matrix(dim, seed):
    matrix = symmetric(np.random.default_rng(seed), dim)
    z = 0.3 + 0.5j
    # Distance to the spectrum at least 0.5: condition number below 10.
    assert_allclose(pt.resolvent(matrix, z) @ (z * np.eye(dim) - matrix), np.eye(dim), atol=1e-13)


@SEEDS
def test_neumann_error_falls_with_the_power_of_the_ratio_inside_its_radius(seed):
    rng = np.random.default_rng(seed)
    _, population = low_rank(rng, np.array([1.0, 0.7]), 20)
    noise, z = symmetric(rng, 20), 1.0 + 0.15j
    noise *= pt.convergence_radius(population, noise, z) / 1.5
    assert_allclose(pt.convergence_radius(population, noise, z), 1.5, rtol=1e-10)
    exact = pt.resolvent(population + noise, z)
    error = [np.linalg.norm(pt.neumann_series(population, noise, z, order=m) - exact) for m in (20, 50)]
    # Geometric with ratio 1/radius up to a factor that oscillates with complex eigenvalues: slope within a tenth.
    assert_allclose(np.log(error[0] / error[1]) / 30, np.log(1.5), rtol=0.1)


@SEEDS
def test_neumann_series_diverges_outside_its_radius_and_converges_just_inside(seed):
    rng = np.random.default_rng(seed)
    _, population = low_rank(rng, np.array([1.0, 0.7]), 15)
    noise, z = symmetric(rng, 15), 1.0 + 0.15j
    radius = pt.convergence_radius(population, noise, z)
    for factor, converges in ((0.9, True), (1.1, False)):
        scaled = factor * radius * noise
        exact = pt.resolvent(population + scaled, z)
        error = [np.linalg.norm(pt.neumann_series(population, scaled, z, order=m) - exact) for m in (50, 100)]
        assert (error[1] < error[0]) == converges


def test_convergence_radius_is_one_for_scalars_at_equal_size_and_infinite_without_noise():
    assert_allclose(pt.convergence_radius([[1.0]], [[0.25]], 1.25), 1.0, rtol=1e-14)
    assert pt.convergence_radius([[1.0]], [[0.0]], 2.0) == np.inf


@SEEDS
def test_norm_condition_is_sufficient_for_convergence(seed):
    rng = np.random.default_rng(seed)
    _, population = low_rank(rng, np.array([1.0, 0.6, -0.5]), 25)
    noise, z = symmetric(rng, 25), 0.9 + 0.2j
    distance = np.abs(z - np.linalg.eigvalsh(population)).min()
    assert pt.convergence_radius(population, noise, z) >= distance / np.linalg.norm(noise, ord=2) * (1 - 1e-12)


@SEEDS
def test_contour_integral_is_the_exact_projector_to_ten_digits(seed):
    rng = np.random.default_rng(seed)
    _, population = low_rank(rng, np.array([2.0, 1.0, -1.0]), 30)
    matrix = population + 0.1 * symmetric(rng, 30)
    values, vectors = np.linalg.eigh(matrix)
    inside = vectors[:, np.abs(values - 1.0) < 0.5]
    assert inside.shape[1] == 1
    # Eigenvalues stay 0.1 from their places: w <= 0.2 inside, >= 1.8 outside, and 1.8^-64 = 5e-17.
    projector = pt.spectral_projector(matrix, center=1.0, radius=0.5)
    assert_allclose(projector, inside @ inside.T, atol=1e-10)


@pytest.mark.parametrize("n_nodes", [2, 6, 32])
def test_trapezoidal_rule_is_the_stated_filter_of_each_eigenvalue(n_nodes):
    eigenvalues = np.array([-2.0, 0.1, 0.9, 1.0, 1.6])
    w = (eigenvalues - 0.8) / 0.4
    projector = pt.spectral_projector(np.diag(eigenvalues), center=0.8, radius=0.4, n_nodes=n_nodes)
    assert_allclose(projector, np.diag(1 / (1 + w**n_nodes)), atol=1e-14)


def test_gaps_are_distances_in_the_spectrum_with_its_kernel():
    theta = np.array([0.9, 0.7, -0.65, 0.2])
    expected = [min(abs(t - s) for s in (*theta, 0.0) if s != t) for t in theta]
    assert_allclose(pt.spectral_gaps(theta), expected, rtol=1e-14)
    assert_allclose(pt.spectral_gaps([-0.3]), 0.3)


@SEEDS
@pytest.mark.parametrize("size", [0.05, 0.5, 1.0])
def test_davis_kahan_holds_for_random_noise_of_any_size(size, seed):
    rng = np.random.default_rng(seed)
    theta = np.array([1.0, 0.8, 0.5])
    rows, population = low_rank(rng, theta, 12)
    noise = size * 0.3 * symmetric(rng, 12)
    bound = pt.davis_kahan_bound(np.linalg.norm(noise, ord=2), pt.spectral_gaps(theta))
    for u, limit in zip(rows, bound, strict=True):
        cosine = u @ pt.nearest_eigenvector(population + noise, u)
        assert np.sqrt(1 - min(cosine, 1.0) ** 2) <= limit + 1e-7  # the sine of a rounded cosine


@pytest.mark.parametrize("gap", [0.3, 2.0])
def test_davis_kahan_constant_is_attained_where_noise_exchanges_two_eigenvectors(gap):
    population = np.diag([gap, 0.0])
    noise = np.diag([-1.0, 1.0]) * gap / 2 * (1 + 1e-9)
    top = np.linalg.eigh(population + noise)[1][:, -1]
    assert_allclose(abs(top[1]), 1.0)  # the sine of the angle to the first axis
    assert_allclose(pt.davis_kahan_bound(gap / 2, gap), 1.0)
    # A constant below 2 would promise less than this angle; one above 2 would be looser than needed.
    assert_allclose(pt.davis_kahan_bound(gap / 4, gap), 0.5)
    assert_allclose(pt.davis_kahan_bound(5 * gap, gap), 1.0)  # no sine is larger


@SEEDS
@pytest.mark.parametrize("k", [0, 1, 2])
def test_remainder_of_the_first_order_formula_is_second_order(k, seed):
    rng = np.random.default_rng(seed)
    theta = np.array([1.0, -0.8, 0.5])
    rows, population = low_rank(rng, theta, 15)
    noise = symmetric(rng, 15)
    remainder = []
    for t in (1e-3, 1e-4):
        terms = pt.first_order(theta, rows, t * noise, k)
        exact = pt.nearest_eigenvector(population + t * noise, rows[k])
        remainder.append(np.linalg.norm(exact - rows[k] - terms.mixing - terms.leakage))
    # A wrong constant in either term leaves a first-order remainder: ratio 10, not 100. Third order moves it by 1 %.
    assert_allclose(remainder[0] / remainder[1], 100, rtol=0.03)


@SEEDS
def test_the_two_terms_are_orthogonal_and_their_sum_is_the_full_perturbation_series(seed):
    rng = np.random.default_rng(seed)
    theta = np.array([1.0, 0.6])
    rows, _ = low_rank(rng, theta, 8)
    noise = symmetric(rng, 8)
    mixing, leakage = pt.first_order(theta, rows, noise, 1)
    assert_allclose([mixing @ leakage, mixing @ rows[1], leakage @ rows[1], leakage @ rows[0]], 0, atol=1e-14)
    # The textbook sum over a full eigenbasis, kernel included.
    basis = np.linalg.qr(np.column_stack([rows.T, rng.standard_normal((8, 6))]))[0].T
    basis[:2] = rows
    spectrum = np.append(theta, np.zeros(6))
    textbook = sum((basis[j] @ noise @ rows[1]) / (spectrum[1] - spectrum[j]) * basis[j] for j in range(8) if j != 1)
    assert_allclose(mixing + leakage, textbook, atol=1e-13)


def test_nearest_eigenvector_has_unit_norm_and_follows_the_reference_sign():
    matrix = np.diag([1.0, 2.0, 3.0])
    assert_allclose(pt.nearest_eigenvector(matrix, [0.1, -5.0, 0.1]), [0, -1, 0], atol=1e-15)


@SEEDS
def test_mean_squares_match_independent_moment_matrices_within_their_error(seed):
    target = HierarchicalTarget(d=12, q=1, n_features=3, gamma=0.5, seed=seed)
    theta, n, repeats = np.sqrt(2) * target.weights, 200, 600
    X, y = target.sample(n * repeats, seed=seed)
    signal = (target.directions.T * theta) @ target.directions
    lengths = np.empty((repeats, 2, 3))
    for r, (x, label) in enumerate(zip(np.split(X, repeats), np.split(y, repeats), strict=True)):
        noise = (x.T * label) @ x / n - label.mean() * np.eye(12) - signal
        for k in range(3):
            lengths[r, :, k] = [v @ v for v in pt.first_order(theta, target.directions, noise, k)]
    expected = np.array(pt.expected_first_order(target.weights, n=n, dim=12))
    standard_error = lengths.std(axis=0, ddof=1) / np.sqrt(repeats)
    # 18 comparisons: 4.5 standard errors are passed by chance less than once in 5000 runs.
    assert np.all(np.abs(lengths.mean(axis=0) - expected) < 4.5 * standard_error)


def test_mean_squares_are_fourth_moments_by_quadrature():
    nodes, mass = np.polynomial.hermite_e.hermegauss(4)
    h = np.stack(np.meshgrid(nodes, nodes, nodes, indexing="ij"))
    mass = np.einsum("i,j,k->ijk", mass, mass, mass) / (2 * np.pi) ** 1.5
    weights = np.array([0.8, -0.48, 0.36])
    y = np.einsum("i,i...->...", weights, h**2 - 1) / np.sqrt(2)
    fourth = np.einsum("abc,jabc,kabc->jk", mass * y**2, h**2, h**2)
    gaps = 2 * (weights[:, None] - weights) ** 2 + np.diag(np.full(3, np.inf))
    mixing, leakage = pt.expected_first_order(weights, n=50, dim=10)
    assert_allclose(mixing, (fourth / gaps).sum(axis=0) / 50, rtol=1e-12)
    second = np.einsum("abc,kabc->k", mass * y**2, h**2)
    assert_allclose(leakage, 7 / 50 * second / (2 * weights**2), rtol=1e-12)


def test_mean_shifts_are_moments_by_quadrature():
    # Degree 8 in each feature: five nodes integrate it exactly.
    nodes, mass = np.polynomial.hermite_e.hermegauss(5)
    h = np.stack(np.meshgrid(nodes, nodes, nodes, indexing="ij"))
    mass = np.einsum("i,j,k->ijk", mass, mass, mass) / (2 * np.pi) ** 1.5
    weights = np.array([0.8, -0.48, 0.36])
    theta = np.sqrt(2) * weights
    y = np.einsum("i,i...->...", weights, h**2 - 1) / np.sqrt(2)
    fourth = np.einsum("abc,jabc,kabc->jk", mass * y**2, h**2, h**2)
    shift = pt.expected_shift(weights, n=50, dim=10)
    for k in range(3):
        others = [j for j in range(3) if j != k]
        repelled = sum(fourth[k, j] / (theta[k] - theta[j]) for j in others) / 50
        assert_allclose(shift.repulsion[k], repelled, rtol=1e-12)
    for power, part in ((1, shift.round_trip), (2, shift.skewness)):
        moment = np.einsum("abc,kabc->k", mass * y ** (power + 1), h**2)
        assert_allclose(part, (7 / 50 / theta) ** power * moment, rtol=1e-12)


@pytest.mark.parametrize("seed", [1, 2])
def test_eigenvalues_move_by_the_expected_shift_less_its_first_order_under_weak_noise(seed):
    dim, n, repeats = 40, 6000, 60
    weights = np.array([0.8, 0.6])
    theta, rng = np.sqrt(2) * weights, np.random.default_rng(seed)
    moved = np.empty((repeats, 2))
    for row in moved:
        F = rng.standard_normal((n, dim))
        y = (F[:, :2] ** 2 - 1) @ weights / np.sqrt(2)
        matrix = (F.T * y) @ F / n - y.mean() * np.eye(dim)
        row[:] = np.linalg.eigvalsh(matrix)[:-3:-1] - np.diag(matrix)[:2]
    expected = np.sum(pt.expected_shift(weights, n=n, dim=dim), axis=0)
    # Two comparisons at 4.5 standard errors, and the fourth order with E y^4 <= 15.
    allowed = 4.5 * moved.std(axis=0, ddof=1) / np.sqrt(repeats) + 15 * (dim / n / theta) ** 3
    assert np.all(np.abs(moved.mean(axis=0) - expected) < allowed)
    # The test can tell: the shift itself is three times what is allowed.
    assert np.all(np.abs(expected) > 3 * allowed)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_population_remainder_is_exact_against_product_quadrature(d):
    target = HierarchicalTarget(d=d, q=2, n_features=min(3, d * (d + 1) // 2), gamma=0.4, seed=d)
    # Degree 8 in each variable: five Gauss-Hermite nodes integrate it exactly.
    nodes, mass = np.polynomial.hermite_e.hermegauss(5)
    X = np.stack(np.meshgrid(*[nodes] * d, indexing="ij")).reshape(d, -1).T
    weight = np.prod(np.stack(np.meshgrid(*[mass / mass.sum()] * d, indexing="ij")), axis=0).ravel()
    features = np.column_stack(
        [
            (X[:, i] ** 2 - 1) / np.sqrt(2) if i == j else X[:, i] * X[:, j]
            for i, j in combinations_with_replacement(range(d), 2)
        ]
    )
    y = target.second_layer(features @ target.directions.T)
    population = (features.T * (weight * y)) @ features - (weight @ y) * np.eye(target.dim)
    rank_part = (target.directions.T * np.sqrt(2) * target.weights) @ target.directions
    remainder = pt.population_remainder(target.directions, target.weights)
    assert_allclose(remainder @ np.eye(target.dim), population - rank_part, atol=1e-12)
    assert_allclose(remainder.T @ np.eye(target.dim), remainder @ np.eye(target.dim), atol=1e-13)


@SEEDS
def test_fourth_cumulant_of_quadratic_forms_is_four_times_the_sum_of_three_products(seed):
    # For h = <A, F>, g = <B, F>: E[(h^2 - 1) g^2] - 2 <A, B>^2 = 4 <B, A^2 B + B A^2 + A B A>, the map K_i of the book.
    d, rng = 3, np.random.default_rng(seed)
    A, B = (half + half.T for half in rng.standard_normal((2, d, d)))
    A, B = A / np.linalg.norm(A), B / np.linalg.norm(B)
    # Degree 8 in each variable: five Gauss-Hermite nodes integrate it exactly.
    nodes, mass = np.polynomial.hermite_e.hermegauss(5)
    X = np.stack(np.meshgrid(*[nodes] * d, indexing="ij")).reshape(d, -1).T
    weight = np.prod(np.stack(np.meshgrid(*[mass / mass.sum()] * d, indexing="ij")), axis=0).ravel()
    h, g = ((np.sum(X @ form * X, axis=1) - np.trace(form)) / np.sqrt(2) for form in (A, B))
    cumulant = weight @ ((h**2 - 1) * g**2) - 2 * np.sum(A * B) ** 2
    image = A @ A @ B + B @ A @ A + A @ B @ A
    # Moments up to 100 are summed: rounding below 1e-12.
    assert_allclose(4 * np.sum(B * image), cumulant, atol=1e-12)
    rows, columns = np.triu_indices(d)
    a, b = (form[rows, columns] * np.where(rows == columns, 1.0, np.sqrt(2)) for form in (A, B))
    assert_allclose(np.sqrt(2) * b @ (pt.population_remainder(a[None], [1.0]) @ b), cumulant, atol=1e-12)


def test_population_remainder_of_one_square_stays_on_its_input_in_many_dimensions():
    # A = e_0 e_0^T: K maps e_0 e_0^T to three times itself and e_0 e_j^T + e_j e_0^T to itself, others to zero.
    d = 40
    remainder = pt.population_remainder(np.eye(d * (d + 1) // 2)[:1], [1.0])
    diagonal = np.zeros(d * (d + 1) // 2)
    diagonal[:d] = 2 * np.sqrt(2) * np.append(3.0, np.ones(d - 1))
    assert_allclose(remainder @ np.eye(d * (d + 1) // 2), np.diag(diagonal), atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pt.resolvent([[1.0, 2.0]], 0.5), "matrix must be square"),
        (lambda: pt.resolvent(np.empty((0, 0)), 0.5), "matrix must be square and not empty"),
        (lambda: pt.resolvent([[1.0, 2.0], [0.0, 1.0]], 0.5), "matrix must be symmetric"),
        (lambda: pt.resolvent([[1.0]], 1.0), "z must lie outside the spectrum of matrix"),
        (lambda: pt.neumann_series([[1.0]], np.eye(2), 2.0, order=1), r"noise must have shape \(1, 1\)"),
        (lambda: pt.neumann_series([[1.0]], [[1.0]], 2.0, order=-1), "order must be an integer >= 0"),
        (lambda: pt.spectral_projector([[1.0]], center=1.0, radius=0.0), "radius must be a finite number > 0"),
        (lambda: pt.spectral_projector([[1.0]], center=1.0, radius=1.0, n_nodes=7), "n_nodes must be even, got 7"),
        (lambda: pt.davis_kahan_bound(-1.0, 1.0), "noise_norm must be >= 0"),
        (lambda: pt.davis_kahan_bound(1.0, 0.0), "gap must be > 0"),
        (lambda: pt.first_order([1.0], [[1.0, 0.0]], np.eye(3), 0), r"noise must have shape \(2, 2\)"),
        (lambda: pt.first_order([1.0], [[1.0, 1.0]], np.eye(2), 0), "eigenvectors must have orthonormal rows"),
        (lambda: pt.first_order([1.0], [[1.0, 0.0]], np.eye(2), 1), "k must be an integer >= 0 and <= 0"),
        (lambda: pt.first_order([1.0, 1.0], np.eye(2), np.eye(2), 0), "eigenvalues must be non-zero and simple"),
        (lambda: pt.first_order([0.0], [[1.0, 0.0]], np.eye(2), 0), "eigenvalues must be non-zero and simple"),
        (lambda: pt.expected_first_order([0.6, 0.6], n=9, dim=3), "weights must be non-zero and distinct"),
        (lambda: pt.expected_first_order([1.0, 0.5], n=9, dim=3), "weights must have norm 1"),
        (lambda: pt.expected_first_order([1.0], n=0, dim=3), "n must be a finite number > 0"),
        (lambda: pt.expected_shift([0.6, 0.6], n=9, dim=3), "weights must be non-zero and distinct"),
        (lambda: pt.expected_shift([0.8, 0.6], n=9, dim=1), "dim must be an integer >= 2"),
        (lambda: pt.population_remainder(np.eye(4), np.ones(4)), "directions must have d"),
    ],
)
def test_bad_input_is_refused_with_its_name_and_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@given(seed=st.integers(0, 2**32 - 1), sizes=st.lists(st.integers(1, 3), min_size=1, max_size=4))
def test_nearest_eigenvector_is_the_projection_on_the_eigenspace_of_a_repeated_eigenvalue(seed, sizes):
    rng = np.random.default_rng(seed)
    values = np.repeat(np.arange(len(sizes)) - 1.0, sizes)
    basis = np.linalg.qr(rng.standard_normal((values.size, values.size)))[0]
    matrix = basis * values @ basis.T
    reference = rng.standard_normal(values.size)
    parts = [basis[:, values == value] @ (basis[:, values == value].T @ reference) for value in np.unique(values)]
    closest = max(parts, key=np.linalg.norm)
    lengths = np.sort([np.linalg.norm(part) for part in parts])
    assume(len(lengths) == 1 or lengths[-1] > lengths[-2] * (1 + 1e-6))
    # Eigenvectors are computed to eps over the distance 1 of eigenvalues.
    found = pt.nearest_eigenvector((matrix + matrix.T) / 2, reference)
    assert_allclose(found, closest / np.linalg.norm(closest), atol=1e-12)


def test_nearest_eigenvector_of_distinct_eigenvalues_is_one_of_them():
    # A gap of 1e-12 is two hundred times what counts as none.
    found = pt.nearest_eigenvector(np.diag([1.0, 1.0 + 1e-12]), [1.0, 0.9])
    assert_allclose(found, [1, 0], atol=1e-3)
    assert_allclose(pt.nearest_eigenvector(np.eye(3), [3e-200, 0.0, 4e-200]), [0.6, 0, 0.8])
    with pytest.raises(ValueError, match="reference must not be zero"):
        pt.nearest_eigenvector(np.eye(2), [0.0, 0.0])
