"""Oracles: exact Gauss-Hermite quadrature, Monte Carlo error bars, numpy's Hermite series, and the formed matrix."""

import math
from itertools import combinations_with_replacement, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.polynomial.hermite_e import hermegauss, hermeval
from numpy.testing import assert_allclose, assert_array_equal

from hierlib.engine.hermite import HermiteFeatures
from hierlib.engine.kernels import tile_width

# (d, q) with every branch: q = 1, the quadratic kernel with one and several row blocks, and the recursion.
SIZES = [(1, 1), (7, 1), (1, 2), (5, 2), (49, 2), (1, 3), (4, 3), (31, 3), (1, 4), (4, 4), (3, 5)]


def written_out(X, q):
    """Features by their definition, one product of numpy's Hermite polynomials for each multiset of indices."""
    d = X.shape[1]
    columns = []
    for indices in combinations_with_replacement(range(d), q):
        feature = np.ones(len(X))
        for i in set(indices):
            power = indices.count(i)
            feature = feature * hermeval(X[:, i], [0] * power + [1]) / math.sqrt(math.factorial(power))
        columns.append(feature)
    return np.stack(columns, axis=1)


@given(d=st.integers(1, 12), q=st.integers(1, 5))
def test_dimension_counts_the_multisets_of_indices(d, q):
    features = HermiteFeatures(d, q)
    assert features.dim == math.comb(d + q - 1, q) == len(list(combinations_with_replacement(range(d), q)))
    assert features.transform(np.zeros((2, d))).shape == (2, features.dim)


@pytest.mark.parametrize(("d", "q"), [(3, 1), (3, 2), (2, 4), (1, 3)])
def test_index_tuples_are_sorted_and_lexicographic(d, q):
    tuples = [tuple(t) for t in HermiteFeatures(d, q).index_tuples.tolist()]
    assert tuples == sorted({tuple(sorted(t)) for t in product(range(d), repeat=q)})


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("d", "q"), SIZES)
def test_features_equal_their_definition_in_the_documented_order(d, q, seed):
    X = np.random.default_rng(seed).standard_normal((20, d))
    oracle = written_out(X, q)
    # q products and a recurrence of q steps, each at rounding of the largest term.
    assert_allclose(HermiteFeatures(d, q).transform(X), oracle, rtol=0, atol=1e-14 * q * np.abs(oracle).max())


@pytest.mark.parametrize(("d", "q"), [(1, 1), (1, 6), (2, 1), (2, 2), (2, 3), (2, 4), (3, 2), (3, 3), (4, 2)])
def test_features_are_centred_and_orthonormal_under_exact_quadrature(d, q):
    # q + 1 nodes a coordinate integrate polynomials of degree 2 q + 1 exactly; products of features have degree 2 q.
    nodes, weights = hermegauss(q + 1)
    X = np.array(list(product(nodes, repeat=d)))
    mass = np.prod(list(product(weights / np.sqrt(2 * np.pi), repeat=d)), axis=1)
    F = HermiteFeatures(d, q).transform(X)
    tol = 1e-13 * (q + 1) ** d  # Rounding of (q + 1)^d terms, each below about 1.
    assert_allclose(mass @ F, 0, atol=tol)
    assert_allclose(F.T @ (mass[:, None] * F), np.eye(F.shape[1]), atol=tol)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("d", "q"), [(6, 1), (6, 2), (4, 3), (3, 4)])
def test_features_are_orthonormal_under_gaussian_inputs_within_error_bars(d, q, seed):
    n = 20_000
    F = HermiteFeatures(d, q).transform(np.random.default_rng(seed).standard_normal((n, d)))
    second, fourth = F.T @ F / n, (F**2).T @ F**2 / n
    error = np.sqrt((fourth - second**2) / n)
    # 231 entries at most and heavy tails (products of eight Gaussians): 6 standard errors.
    assert np.all(np.abs(second - np.eye(F.shape[1])) < 6 * error)
    assert np.all(np.abs(F.mean(axis=0)) < 6 * F.std(axis=0) / np.sqrt(n))


@pytest.mark.parametrize(("dtype", "eps"), [("float32", 1.2e-7), ("float64", 2.3e-16)])
@pytest.mark.parametrize("tiles", [0, 1, 2])
@pytest.mark.parametrize("more", [0, 1, 7])
@pytest.mark.parametrize(("d", "q"), SIZES)
def test_projections_equal_those_of_formed_features(d, q, tiles, more, dtype, eps):
    n = tiles * tile_width(d) + more if d < 10 else 50 * tiles
    rng = np.random.default_rng(d + 10 * q)
    features = HermiteFeatures(d, q)
    X, A = rng.standard_normal((n, d)).astype(dtype), rng.standard_normal((3, features.dim)).astype(dtype)
    projections = features.project(X, A)
    assert projections.dtype == np.dtype(dtype)
    assert projections.shape == (n, 3)
    formed = features.transform(X.astype(float))
    # Rounding relative to the sum of moduli of the terms; the quadratic kernel's x_i^2 and 1 cancel, hence + dim.
    scale = np.abs(formed) @ np.abs(A.T.astype(float)) + features.dim
    assert np.all(np.abs(projections - formed @ A.T.astype(float)) <= 20 * q * eps * scale)


@pytest.mark.parametrize(("d", "q"), SIZES)
def test_weighted_sums_of_tiles_equal_those_of_formed_features(d, q):
    rng = np.random.default_rng(0)
    features = HermiteFeatures(d, q)
    X, weights, V = rng.standard_normal((50, d)), rng.standard_normal(50), rng.standard_normal((features.dim, 4))
    kernel = features.kernel(4)
    packed, sums = kernel.pack(V), kernel.zero_sums()
    for part in (slice(0, 20), slice(20, 50)):
        kernel.add_product(sums, packed, np.ascontiguousarray(X[part].T), weights[part])
    formed = features.transform(X)
    expected = formed.T @ (weights[:, None] * (formed @ V))
    assert_allclose(kernel.unpack(sums), expected, rtol=0, atol=1e-12 * max(1, np.abs(expected).max()))


def test_blocks_of_rows_are_laid_out_without_the_index_pairs_in_any_dimension():
    # The index pairs would be 8 TB: a layout that forms them fails.
    d = 10**6
    blocks = HermiteFeatures(d, 2).kernel(2).row_blocks
    starts, stops = np.array(blocks).T
    assert (starts[0], stops[-1]) == (0, d)
    assert_array_equal(starts[1:], stops[:-1])
    assert (stops > starts).all()


@pytest.mark.parametrize(("d", "q"), [(4, 1), (5, 2), (4, 3), (3, 4)])
@given(seed=st.integers(0, 2**32 - 1))
def test_features_transform_with_a_relabelling_and_reflection_of_the_inputs(d, q, seed):
    # Exactly: x_i -> s_i x_p(i) permutes the multisets and multiplies a feature by the product of its signs.
    rng = np.random.default_rng(seed)
    X, order, signs = rng.standard_normal((6, d)), rng.permutation(d), rng.choice([-1.0, 1.0], size=d)
    features = HermiteFeatures(d, q)
    position = {tuple(t): j for j, t in enumerate(features.index_tuples.tolist())}
    source = [position[tuple(sorted(order[t]))] for t in features.index_tuples]
    parity = np.prod(signs[features.index_tuples], axis=1)
    # Equal up to the order of the multiplications.
    moved = features.transform(X[:, order] * signs)
    assert_allclose(moved, parity * features.transform(X)[:, source], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("q", [1, 2, 3, 4])
def test_sums_over_features_square_are_rotation_invariant(q):
    # The degree-q Hermite space is invariant under rotations: sum_a F_a(x) F_a(x') depends on x, x' by inner products.
    rng = np.random.default_rng(q)
    features, X = HermiteFeatures(4, q), rng.standard_normal((10, 4))
    rotation = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    F, turned = features.transform(X), features.transform(X @ rotation)
    assert_allclose(F @ F.T, turned @ turned.T, rtol=0, atol=1e-12 * np.abs(F @ F.T).max())


def test_integers_and_lists_are_inputs_too():
    features = HermiteFeatures(2, 2)
    assert_array_equal(features.transform([[1, 2]]), features.transform(np.array([[1.0, 2.0]])))
    assert repr(features) == "HermiteFeatures(n_inputs=2, degree=2)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 2), r"n_inputs must be an integer >= 1, got 0\."),
        ((2.0, 2), r"n_inputs must be an integer >= 1, got 2\.0\."),
        ((2, 0), r"degree must be an integer >= 1, got 0\."),
        ((2, -1), r"degree must be an integer >= 1, got -1\."),
        ((2, True), r"degree must be an integer >= 1, got True\."),
    ],
)
def test_sizes_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        HermiteFeatures(*arguments)


@pytest.mark.parametrize(
    ("X", "A", "message"),
    [
        (np.ones((4, 2)), np.ones((1, 6)), r"X must have shape \(any, 3\), got \(4, 2\)\."),
        (np.ones(3), np.ones((1, 6)), r"X must have shape \(any, 3\), got \(3,\)\."),
        (np.full((1, 3), np.nan), np.ones((1, 6)), r"X must be finite, got NaN"),
        (np.ones((4, 3)), np.ones((1, 5)), r"directions must have shape \(any, 6\), got \(1, 5\)\."),
        (np.ones((4, 3)), np.full((1, 6), np.inf), r"directions must be finite"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(X, A, message):
    features = HermiteFeatures(3, 2)
    with pytest.raises(ValueError, match=message):
        features.project(X, A)
    if message.startswith("X"):
        with pytest.raises(ValueError, match=message):
            features.transform(X)
