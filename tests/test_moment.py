"""Oracles: the matrix by its definition, exact symmetries, and splits of the data that must not matter."""

import tracemalloc
from itertools import pairwise

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import ThreadpoolController

from hierlib import HierarchicalTarget
from hierlib.engine import moment
from hierlib.engine.hermite import HermiteFeatures
from hierlib.engine.moment import DataSet, MomentOperator, collect_labels, label_weights, map_batches

SIZES = [(9, 1), (8, 2), (45, 2), (5, 3), (4, 4)]
EPS = {"float32": 1.2e-7, "float64": 2.3e-16}


def written_out(X, weights, q, normalize):
    """The moment matrix by its definition, from formed features in double precision."""
    if normalize:
        X = X * np.sqrt(X.shape[1]) / np.linalg.norm(X, axis=1, keepdims=True)
    F = HermiteFeatures(X.shape[1], q).transform(X)
    return (F.T @ (weights[:, None] * F) - weights.sum() * np.eye(F.shape[1])) / len(X), F


def data_set(n, d, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal(n)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(("d", "q"), SIZES)
def test_products_equal_those_of_the_formed_matrix_to_rounding(d, q, normalize, dtype):
    # More than one tile and more than one batch, neither of them full at the end.
    n = 2 * moment.ARRAY_BATCH + 3
    X, y = data_set(n, d)
    dense, F = written_out(X, y, q, normalize)
    V = np.random.default_rng(1).standard_normal((F.shape[1], 3))
    operator = MomentOperator((X, y), degree=q, normalize=normalize, dtype=dtype)
    # Rounding of a sum of n terms of random sign: relative to the sum of their moduli over n, with room for the
    # cancellation of He_q's terms.
    scale = (np.abs(F).T @ (np.abs(y)[:, None] * (np.abs(F) @ np.abs(V)))) / n
    tol = 10 * q * EPS[dtype] * scale.max()
    assert_allclose(operator @ V, dense @ V, rtol=0, atol=tol)
    assert_allclose(operator @ V[:, 0], dense @ V[:, 0], rtol=0, atol=tol)
    assert_allclose(operator.to_dense(), dense, rtol=0, atol=tol)
    assert_allclose(operator.T @ V, dense @ V, rtol=0, atol=tol)
    assert operator.shape == dense.shape
    assert operator.dtype == np.float64


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_are_double_precision_in_single_precision_products(dtype):
    # Equal samples: summing 2 * 10^5 equal terms in float32 would lose up to 200 000 * 1e-7 / 2 = 1e-2 of the sum;
    # tiles of 512 summed in double lose the rounding of one product.
    X, y = np.tile([[0.3, 0.7]], (200_000, 1)), np.full(200_000, 0.1)
    dense, _ = written_out(X[:1], y[:1], 2, False)
    operator = MomentOperator((X, y), dtype=dtype)
    assert_allclose(operator @ np.eye(3), dense, rtol=0, atol=20 * EPS[dtype])
    assert_allclose(operator.to_dense(), dense, rtol=0, atol=20 * EPS[dtype])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("d", "q"), [(20, 2), (6, 3), (300, 1)])
def test_arrays_streams_and_lists_of_batches_give_the_same_operator(d, q, dtype):
    target = HierarchicalTarget(d, q, n_features=2)
    n = 9000
    X, y = target.sample(n, 1)
    splits = [[0, n], [0, 1, 100, 100, 4000, n], [*range(0, n, 700), n]]
    data = [target.stream(n, 1)]
    data += [[(X[a:b], y[a:b]) for a, b in pairwise(split)] for split in splits]
    V = np.random.default_rng(1).standard_normal((target.dim, 2))
    expected = MomentOperator((X, y), degree=q, dtype=dtype) @ V
    for batches in data:
        operator = MomentOperator(batches, degree=q, dtype=dtype)
        assert_allclose(operator.weights, y, rtol=1e-12, atol=1e-12)
        # Another split gives other tiles: equal up to rounding of sums over 512 terms, here relative to the result.
        assert_allclose(operator @ V, expected, rtol=0, atol=100 * EPS[dtype] * np.abs(expected).max())


@pytest.mark.parametrize("kind", ["arrays", "stream", "batches"])
@pytest.mark.parametrize("q", [1, 2, 3])
def test_number_of_workers_does_not_change_a_bit(q, kind):
    target = HierarchicalTarget(8, q, n_features=2)
    X, y = target.sample(20_000, 1)
    data = {
        "arrays": (X, y),
        "stream": target.stream(20_000, 1),
        "batches": [(X[a : a + 1500], y[a : a + 1500]) for a in range(0, 20_000, 1500)],
    }[kind]
    V = np.random.default_rng(1).standard_normal((target.dim, 3))
    products = [MomentOperator(data, degree=q, n_jobs=n_jobs) @ V for n_jobs in (1, 2, 5, -1)]
    for other in products[1:]:
        assert_array_equal(products[0], other)


def test_processes_give_the_bits_of_threads():
    stream = HierarchicalTarget(6, n_features=2).stream(20_000, 1)
    operator, V = MomentOperator(stream, n_jobs=2), np.eye(21)[:, :2]
    threads = operator @ V
    with joblib.parallel_config(backend="loky"):
        assert_array_equal(operator @ V, threads)


@given(seed=st.integers(0, 2**32 - 1), q=st.integers(1, 3), n=st.integers(1, 30))
def test_operator_is_symmetric_linear_in_the_labels_and_blind_to_the_order_of_samples(seed, q, n):
    rng = np.random.default_rng(seed)
    X, y = data_set(n, 4, seed)
    dense = MomentOperator((X, y), degree=q, dtype="float64").to_dense()
    tol = 1e-12 * (1 + np.abs(dense).max())
    assert_allclose(dense, dense.T, rtol=0, atol=tol)
    order, other = rng.permutation(n), rng.standard_normal(n)
    assert_allclose(MomentOperator((X[order], y[order]), degree=q, dtype="float64").to_dense(), dense, rtol=0, atol=tol)
    parts = [MomentOperator((X, w), degree=q, dtype="float64").to_dense() for w in (other, 2 * y - other)]
    assert_allclose(parts[0] + parts[1], 2 * dense, rtol=0, atol=1e-11 * (1 + sum(np.abs(p).max() for p in parts)))


@pytest.mark.parametrize("q", [1, 2, 3, 4])
def test_reflections_and_relabellings_of_the_inputs_conjugate_the_operator(q):
    rng = np.random.default_rng(q)
    (X, y), order, signs = data_set(40, 4), rng.permutation(4), rng.choice([-1.0, 1.0], 4)
    tuples = HermiteFeatures(4, q).index_tuples
    position = {tuple(t): j for j, t in enumerate(tuples.tolist())}
    source = [position[tuple(sorted(order[t]))] for t in tuples]
    parity = np.prod(signs[tuples], axis=1)
    dense = MomentOperator((X, y), degree=q, dtype="float64").to_dense()
    moved = MomentOperator((X[:, order] * signs, y), degree=q, dtype="float64").to_dense()
    assert_allclose(moved, parity[:, None] * dense[np.ix_(source, source)] * parity, atol=1e-11 * np.abs(dense).max())


@pytest.mark.parametrize("q", [1, 2, 3])
def test_normalised_operator_does_not_see_the_norms_of_the_inputs(q):
    X, y = data_set(50, 5)
    scale = np.random.default_rng(1).uniform(0.1, 10, (50, 1))
    dense = [MomentOperator((Z, y), degree=q, normalize=True, dtype="float64").to_dense() for Z in (X, scale * X)]
    assert_allclose(dense[0], dense[1], rtol=0, atol=1e-12 * np.abs(dense[0]).max())


def test_normalised_features_of_a_zero_input_are_those_of_zero():
    operator = MomentOperator((np.zeros((1, 2)), np.ones(1)), normalize=True, dtype="float64")
    assert_allclose(operator.to_dense(), written_out(np.zeros((1, 2)), np.ones(1), 2, False)[0], atol=1e-15)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_expected_matrix_is_diagonal_in_the_directions_of_the_gaussian_equivalent_model(seed):
    # E C = sqrt(2) sum_i lambda_i A_i A_i^T exactly. Entries of C in the basis A have variance below E[y^2 h^4]/n,
    # which is 3 + O(lambda^2) at most 60 (a single feature); 36 entries, 3 seeds, 5 standard errors from the sample.
    target = HierarchicalTarget(4, q=1, n_features=3, seed=seed)
    X, y = target.sample(40_000, seed)
    A = np.vstack([target.directions, np.linalg.svd(target.directions)[2][3:]])
    rotated = A @ (MomentOperator((X, y), degree=1) @ A.T)
    h = X @ A.T
    error = np.sqrt(np.einsum("m,mi,mj->ij", y**2, h**2, h**2) / len(y) ** 2)
    assert np.all(np.abs(rotated - np.diag(np.append(np.sqrt(2) * target.weights, 0))) < 5 * error)


def test_weights_replace_labels_and_head_keeps_the_first_samples():
    X, y = data_set(5000, 6)
    w = np.tanh(y)
    V = np.eye(21)[:, :2]
    weighted = MomentOperator((X, y), w, dtype="float64", normalize=True)
    assert_array_equal(weighted @ V, MomentOperator((X, w), dtype="float64", normalize=True) @ V)
    first = weighted.head(3000)
    expected = written_out(X[:3000], w[:3000], 2, True)[0] @ V
    assert_allclose(first @ V, expected, atol=1e-12)
    assert_allclose(first.to_dense() @ V, expected, atol=1e-12)
    # Weights fewer than the samples select the first ones, of a stream too, and within a batch.
    stream = HierarchicalTarget(6, n_features=2).stream(20_000, 1)
    X, _ = HierarchicalTarget(6, n_features=2).sample(10_000, 1)
    short = MomentOperator(stream, np.ones(10_000), dtype="float64")
    assert_allclose(short @ V, written_out(X, np.ones(10_000), 2, False)[0] @ V, atol=1e-11)
    assert short.head(10_000).product_dtype == np.float64


def test_samples_read_counts_every_pass():
    operator = MomentOperator(data_set(100, 3))
    assert operator.samples_read == 0
    operator @ np.eye(6)
    operator @ np.ones(6)
    assert operator.samples_read == 200


def test_labels_are_collected_in_order_from_every_kind_of_data():
    target = HierarchicalTarget(5, link=lambda t: t > 0)
    stream, (X, y) = target.stream(20_000, 1), target.sample(20_000, 1)
    for data in (stream, (X, y), [(X[:3], y[:3]), (X[3:], y[3:])], (X, y > 0)):
        n_inputs, labels = collect_labels(data)
        assert n_inputs == 5
        assert labels.dtype == np.float64
        assert_array_equal(labels, y)


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_mapped_batches_come_in_order_with_their_weights(n_jobs):
    X = np.arange(10_000.0)[:, None]
    parts = list(map_batches(lambda x, w: np.c_[x, w], (X, X[:, 0]), -X[:, 0], whole=True, n_jobs=n_jobs))
    assert len(parts) > 1
    assert_array_equal(np.concatenate(parts), np.c_[X, -X])


class Changing:
    """A data set whose passes hold the given numbers of samples, the last number from then on."""

    def __init__(self, *sizes, batch=40):
        self.sizes, self.batch, self.passes = sizes, batch, 0

    def __iter__(self):
        size = self.sizes[min(self.passes, len(self.sizes) - 1)]
        self.passes += 1
        X, y = data_set(size, 3)
        return iter([(X[a : a + self.batch], y[a : a + self.batch]) for a in range(0, size, self.batch)])


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("later", [60, 120, 141])
def test_streams_that_change_their_length_are_refused(later, n_jobs):
    # Passes: dimension (twice: iter() and the first batch), labels, products.
    operator = MomentOperator(Changing(100, 100, 100, later), n_jobs=n_jobs)
    with pytest.raises(
        ValueError, match=rf"^data must yield the same samples on every pass: expected 100, got {later}\."
    ):
        operator @ np.ones(6)
    with pytest.raises(ValueError, match=rf"expected 100, got {later}\."):
        operator.to_dense()


class Passes:
    """A data set with given batches for each pass, the last ones from then on."""

    def __init__(self, *passes):
        self.passes, self.read = passes, -3  # Not counted: the check that it is no iterator, and the first batch.

    def __iter__(self):
        self.read += 1
        return iter(self.passes[min(max(self.read, 0), len(self.passes) - 1)])


def batches_of(X, y, *edges):
    return [(X[a:b], y[a:b]) for a, b in pairwise(edges)]


CHANGES = {
    "reversed": lambda X, y: batches_of(X, y, 0, 40, 80, 100)[::-1],
    "other order inside a batch": lambda X, y: batches_of(
        X[[*range(99, 97, -1), *range(98)]], y[[*range(99, 97, -1), *range(98)]], 0, 100
    ),
    "one label": lambda X, y: batches_of(X, np.r_[y[:70], y[70] + 1e-12, y[71:]], 0, 40, 80, 100),
    "nan": lambda X, y: batches_of(X, np.r_[y[:70], np.nan, y[71:]], 0, 40, 80, 100),
    "shorter": lambda X, y: batches_of(X, y, 0, 40, 80),
    "longer": lambda X, y: [*batches_of(X, y, 0, 40, 80, 100), (X[:1], y[:1])],
}


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("change", CHANGES)
def test_streams_whose_samples_change_between_passes_are_refused(change, n_jobs):
    X, y = data_set(100, 3)
    first, other = batches_of(X, y, 0, 40, 80, 100), CHANGES[change](X, y)
    message = r"^data must yield the same samples on every pass: (label \d+ was|expected 100, got)"
    with pytest.raises(ValueError, match=message):
        MomentOperator(Passes(first, other), n_jobs=n_jobs) @ np.ones(6)
    with pytest.raises(ValueError, match=message):
        MomentOperator(Passes(first, other), n_jobs=n_jobs).to_dense()
    samples = DataSet(Passes(first, other))
    collect_labels(samples)
    with pytest.raises(ValueError, match=message):
        list(map_batches(lambda X, w: w, samples, y, n_jobs=n_jobs))
    # With weights of its own an operator remembers the labels of the first product.
    operator = MomentOperator(Passes(first, first, other), 1 + np.arange(100.0), n_jobs=n_jobs)
    assert_array_equal(operator @ np.ones(6), operator @ np.ones(6))
    if change != "longer":  # More samples than weights are not read.
        with pytest.raises(ValueError, match=message):
            operator @ np.ones(6)
        with pytest.raises(ValueError, match=message):
            operator.head(90) @ np.ones(6)


def test_heads_compare_the_samples_that_they_read():
    X, y = data_set(100, 3)
    first = batches_of(X, y, 0, 40, 80, 100)
    changed = batches_of(X, np.r_[y[:90], -y[90:]], 0, 40, 80, 100)
    operator = MomentOperator(Passes(first, changed), np.ones(100))
    operator.head(30) @ np.ones(6)
    operator.head(60) @ np.ones(6)
    operator @ np.ones(6)
    with pytest.raises(ValueError, match=r"label 90 was"):
        MomentOperator(Passes(first, changed)) @ np.ones(6)


def test_missing_labels_are_the_same_on_every_pass():
    X, y = data_set(100, 3)
    y[::7] = np.nan
    operator = MomentOperator(batches_of(X, y, 0, 40, 100), np.ones(100))
    assert_array_equal(operator @ np.ones(6), operator @ np.ones(6))


def test_the_split_into_batches_is_free_to_change():
    X, y = data_set(100, 3)
    splits = [batches_of(X, y, *edges) for edges in ((0, 40, 80, 100), (0, 100), (0, 3, 3, 99, 100))]
    operator = MomentOperator(Passes(splits[0], *splits), dtype="float64")
    expected = MomentOperator((X, y), dtype="float64") @ np.ones(6)
    for _ in splits:
        assert_allclose(operator @ np.ones(6), expected, rtol=0, atol=1e-13 * np.abs(expected).max())


class Refilled:
    """A data set that reads every batch into the same memory."""

    def __init__(self, X, y, size=64):
        self.X, self.y, self.size = X, y, size

    def __iter__(self):
        memory, labels = np.empty((self.size, self.X.shape[1]), self.X.dtype), np.empty(self.size)
        for start in range(0, len(self.X), self.size):
            n = len(self.y[start : start + self.size])
            memory[:n], labels[:n] = self.X[start : start + n], self.y[start : start + n]
            yield memory[:n], labels[:n]
            memory[:], labels[:] = np.nan, np.nan


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_memory_that_a_stream_fills_again_does_not_change_a_bit(dtype, backend):
    X, y = data_set(1000, 4)
    X = X.astype(dtype)
    batches = batches_of(X, y, *range(0, 1000, 64), 1000)
    expected = MomentOperator(batches, n_jobs=1) @ np.eye(10)
    assert_array_equal(collect_labels(Refilled(X, y))[1], y)
    with joblib.parallel_config(backend=backend):
        for n_jobs in (1, 2):
            assert_array_equal(MomentOperator(Refilled(X, y), n_jobs=n_jobs) @ np.eye(10), expected)
            # Results that are views of a batch, kept by the caller.
            parts = list(map_batches(lambda X, w: X, Refilled(X, y), y, n_jobs=1))
            assert_array_equal(np.concatenate(parts), X)


DTYPES = ["bool", "int8", "uint8", "int16", "int64", "float16", "float32", ">f8", "longdouble"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("q", [1, 2, 3])
def test_results_do_not_depend_on_the_type_of_equal_numbers(dtype, q):
    # Squares of these leave int8, and their sums of squares of squares float16.
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (300, 4)) * (1 if dtype == "bool" else rng.integers(1, 90, (300, 4)))
    y, V = rng.integers(0, 2, 300) * (1 if dtype == "bool" else 100), np.ones((HermiteFeatures(4, q).dim, 2))
    for normalize in (False, True):
        expected = MomentOperator((X.astype(float), y.astype(float)), degree=q, normalize=normalize) @ V
        typed = X.astype(dtype), y.astype(dtype)
        for data in (typed, [typed], Passes([typed])):
            operator = MomentOperator(data, degree=q, normalize=normalize)
            assert_array_equal(operator @ V, expected)
            assert_array_equal(operator @ V.astype(dtype), expected)
    features = HermiteFeatures(4, q)
    if dtype != "float32":  # Kept in single precision.
        assert_array_equal(features.transform(X.astype(dtype)), features.transform(X.astype(float)))
        assert_array_equal(features.project(X.astype(dtype), V.T), features.project(X.astype(float), V.T))


def test_complex_columns_are_multiplied_part_by_part_in_one_pass():
    rng = np.random.default_rng(0)
    operator = MomentOperator(data_set(300, 4), dtype="float64")
    dense, V = operator.to_dense(), rng.standard_normal((10, 3)) + 1j * rng.standard_normal((10, 3))
    before = operator.samples_read
    tol = 1e-13 * np.abs(dense @ V).max()
    assert_allclose(operator @ V, dense @ V, rtol=0, atol=tol)
    assert operator.samples_read == before + 300
    for product in (operator.matvec(V[:, 0]), operator.rmatvec(V[:, 0]), operator.H @ V[:, 0], operator.T @ V[:, 0]):
        assert_allclose(product, dense @ V[:, 0], rtol=0, atol=tol)
    assert_allclose((operator * 1j) @ V, 1j * dense @ V, rtol=0, atol=tol)
    assert_allclose(operator @ V.astype("complex64"), dense @ V.astype("complex64"), rtol=0, atol=tol)


def test_products_with_no_columns_have_none():
    operator = MomentOperator(data_set(20, 3))
    assert (operator @ np.empty((6, 0))).shape == (6, 0)
    assert (operator @ np.empty((6, 0), dtype=complex)).shape == (6, 0)
    assert HermiteFeatures(3, 2).project(np.ones((4, 3)), np.empty((0, 6))).shape == (4, 0)
    assert operator.samples_read == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("power", [-980, -200, 200, 900])
def test_products_are_homogeneous_in_labels_and_columns(power, dtype):
    # Powers of two change no rounding.
    (X, y), V = data_set(300, 4), np.random.default_rng(1).standard_normal((10, 2))
    expected = MomentOperator((X, y), dtype=dtype) @ V
    assert_array_equal(MomentOperator((X, 2.0**power * y), dtype=dtype) @ V, 2.0**power * expected)
    assert_array_equal(MomentOperator((X, y), dtype=dtype) @ (2.0**power * V), 2.0**power * expected)


@pytest.mark.parametrize("scale", [1e-310, 1e-300, 1e-30, 1e30, 1e300])
@pytest.mark.parametrize("q", [1, 2, 3])
def test_normalised_products_do_not_see_the_size_of_the_inputs(q, scale):
    X, y = data_set(300, 4)
    V = np.ones((HermiteFeatures(4, q).dim, 1))
    expected = MomentOperator((X, y), degree=q, normalize=True) @ V
    found = MomentOperator((scale * X, y), degree=q, normalize=True) @ V
    # Single-precision products of inputs that agree to rounding, of double precision or of subnormal numbers.
    assert_allclose(found, expected, rtol=0, atol=100 * EPS["float32"] * np.abs(expected).max())
    small = np.float32(min(max(scale, 1e-30), 1e30)) * X.astype("float32")
    found = MomentOperator((small, y), degree=q, normalize=True) @ V
    assert_allclose(found, expected, rtol=0, atol=100 * EPS["float32"] * np.abs(expected).max())


@pytest.mark.parametrize("scale", [1e12, 1e60, 1e300])
def test_inputs_whose_features_overflow_are_refused(scale):
    X, y = data_set(300, 4)
    for operator in (MomentOperator((scale * X, y)), MomentOperator([(scale * X, y)], y)):
        with pytest.raises(ValueError, match=r"^X must be small enough for products of features of degree 2"):
            operator @ np.ones(10)
        with pytest.raises(ValueError, match=r"^X must be small enough"):
            operator.to_dense()
    with pytest.raises(ValueError, match=r"^columns must be finite"):
        operator @ np.full(10, np.nan)


def test_empty_batches_are_passed_over_wherever_they_are():
    X, y = data_set(100, 3)
    empty = [(X[:0], y[:0]), (np.empty(0), []), ([], [])]
    expected = MomentOperator([(X, y)]) @ np.ones(6)
    for data in ([*empty, (X, y)], [(X, y), *empty], [*empty, *batches_of(X, y, 0, 100), *empty]):
        assert_array_equal(MomentOperator(data) @ np.ones(6), expected)
        assert len(list(map_batches(lambda X, w: w, data, y))) == 1
    with pytest.raises(ValueError, match=r"^data must hold at least one sample"):
        MomentOperator(empty)


def test_tuples_of_batches_are_batches():
    X, y = data_set(100, 3)
    expected = MomentOperator((X, y)) @ np.ones(6)
    for edges in ((0, 100), (0, 50, 100), (0, 30, 60, 100)):
        batches = batches_of(X, y, *edges)
        for data in (tuple(batches), tuple(map(list, batches)), batches):
            assert_allclose(MomentOperator(data) @ np.ones(6), expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    # Nested lists of two rows are an array.
    assert_array_equal(collect_labels(([[1.0, 2.0], [3.0, 4.0]], [5.0, 6.0]))[1], [5.0, 6.0])


@pytest.mark.parametrize("transform", [np.ones_like, np.zeros_like, lambda t: np.cos(t) ** 2 + np.sin(t) ** 2])
def test_label_transforms_that_tell_no_labels_apart_are_refused(transform):
    y = np.random.default_rng(0).standard_normal(100)
    with pytest.raises(ValueError, match=r"^label_transform must tell labels apart, got "):
        label_weights(y, transform)
    with pytest.raises(
        ValueError, match=r"^label_transform must map .* finite numbers, got shape \(100,\) of complex128"
    ):
        label_weights(y, lambda t: t + 1j)


@pytest.mark.parametrize("scale", [1e-320, 1e-300, 1e-50, 1e38, 1e300])
def test_transformed_labels_have_no_unit_and_raw_ones_keep_theirs(scale):
    y = np.random.default_rng(0).standard_normal(100)
    # A subnormal 1e-320 has 11 bits.
    rtol = 1e-2 if scale < 1e-310 else 1e-13
    assert_allclose(label_weights(scale * y, "tanh"), label_weights(y, "tanh"), rtol=0, atol=rtol)
    assert_allclose(label_weights(scale * y) / scale, label_weights(y), rtol=0, atol=3 * rtol)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((np.ones((4, 3)),), r"data must be a tuple \(X, y\) or an iterable of batches \(X, y\), got a tuple of 1\."),
        ((np.ones((4, 3)), np.ones(4), np.ones(4)), r"data must be a tuple \(X, y\) or .*, got a tuple of 3\."),
        ([np.ones((4, 3)), np.ones(4)], r"data must yield pairs \(X, y\), got a ndarray\."),
        ([(np.ones((4, 3)),)], r"data must yield pairs \(X, y\), got a tuple of 1\."),
        (np.ones((4, 3)), r"data must yield pairs \(X, y\), got a ndarray\."),
        ([(np.ones((4, 3)), list("abcd"))], r"y must be an array of real numbers"),
        ([(np.ones((4, 3)) + 1j, np.ones(4))], r"X must be an array of real numbers, got dtype complex128"),
        ([], r"data must hold at least one sample, got an empty data set\."),
        ((np.ones((0, 3)), np.ones(0)), r"data must hold at least one sample, got an empty data set\."),
        ([(np.ones((0, 3)), np.ones(0))], r"data must hold at least one sample, got an empty data set\."),
        (
            iter([(np.ones((2, 3)), np.ones(2))]),
            r"data must be iterable more than once, got a list_iterator; pass a list",
        ),
        ((b for b in [1]), r"data must be iterable more than once, got a generator; pass a list"),
        ((np.ones((4, 3)), np.ones(3)), r"y must have as many entries as X has rows, got 3 and 4\."),
        ([(np.ones((4, 3)), np.ones(3))], r"y must have shape \(4\), got \(3,\)\."),
        ((np.ones((4, 3)), np.ones((4, 1))), r"y must have shape \(4\), got \(4, 1\)\."),
        (
            [(np.ones((4, 3)), np.ones(4)), (np.ones((4, 2)), np.ones(4))],
            r"X must have shape \(any, 3\), got \(4, 2\)\.",
        ),
        ((np.ones(4), np.ones(4)), r"X must have shape \(any, any\), got \(4,\)\."),
        ((np.full((4, 3), np.nan), np.ones(4)), r"X must be finite, got NaN"),
        ([(np.ones((1, 3)), np.ones(1)), (np.full((1, 3), np.inf), np.ones(1))], r"X must be finite, got NaN or inf"),
        ((np.ones((2, 3)), [1.0, np.inf]), r"y must be finite, got NaN or infinite"),
        (
            HierarchicalTarget(3, link=lambda t: t * np.nan).stream(10, 1),
            r"link must give finite labels, got nan at h2",
        ),
    ],
)
def test_data_that_cannot_be_used_are_refused(data, message):
    with pytest.raises(ValueError, match="^" + message):
        MomentOperator(data)


@pytest.mark.parametrize(
    ("weights", "options", "message"),
    [
        ([], {}, r"weights must hold at least one sample, got 0\."),
        (np.ones((10, 1)), {}, r"weights must have shape \(any\), got \(10, 1\)\."),
        ([np.nan] * 10, {}, r"weights must be finite"),
        (None, {"degree": 0}, r"degree must be an integer >= 1, got 0\."),
        (None, {"n_jobs": 0}, r"n_jobs must be an integer other than 0 \(-1: all cores\), got 0\."),
        (None, {"n_jobs": 1.5}, r"n_jobs must be an integer, got 1\.5\."),
        (None, {"dtype": "float16"}, r"dtype must be one of 'float32', 'float64', got 'float16'\."),
    ],
)
def test_arguments_out_of_range_are_refused(weights, options, message):
    with pytest.raises(ValueError, match="^" + message):
        MomentOperator(data_set(10, 3), weights, **options)


def test_heads_and_dense_matrices_out_of_range_are_refused():
    X, y = data_set(10, 3)
    with pytest.raises(ValueError, match=r"^n_samples must be an integer >= 1 and <= 10, got 11\."):
        MomentOperator((X, y)).head(11)
    # More weights than samples: nothing to weight.
    with pytest.raises(ValueError, match=r"expected 11, got 10\."):
        MomentOperator((X, y), np.ones(11)) @ np.ones(6)
    with pytest.raises(ValueError, match=r"^dim must be <= 20000 to form the matrix, got 45150 \(15 GiB\)\."):
        MomentOperator(data_set(2, 300)).to_dense()


def test_overlapping_readers_leave_the_blas_as_they_found_it():
    controller = ThreadpoolController()

    def threads():
        return [library["num_threads"] for library in controller.info() if library["user_api"] == "blas"]

    target = HierarchicalTarget(d=8, seed=0)
    before = threads()
    first, second = (target.stream(30_000, seed).batches(n_jobs=2) for seed in (1, 2))
    next(first)
    next(second)
    first.close()
    second.close()
    assert threads() == before


def test_nan_is_found_in_any_row_when_weights_are_given():
    X = np.zeros((5000, 4))
    X[4321, 2] = np.nan
    with pytest.raises(ValueError, match="X must be finite"):
        MomentOperator((X, np.ones(5000)), np.ones(5000))


def test_memory_of_a_pass_over_a_stream_does_not_grow_with_the_sample():
    target, V = HierarchicalTarget(12, n_features=2), np.eye(78)[:, :2]

    def peak(n):
        operator = MomentOperator(target.stream(n, 1), np.ones(n), n_jobs=1)
        tracemalloc.start()
        operator @ V
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    # Both hold a batch of 8192 samples; ten of them in double precision would be 8 MB more.
    assert peak(80_000) < peak(16_000) + 500_000
