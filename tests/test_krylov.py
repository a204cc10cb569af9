"""Oracles: numpy's dense eigensolver, and residuals computed from scratch."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from hierlib import HierarchicalSpectralRegressor
from hierlib.engine.krylov import MAX_COLUMNS, block_width, by_modulus, largest_modulus


def symmetric(eigenvalues, seed=0):
    """Return a matrix with the given spectrum and random eigenvectors, and these vectors."""
    dim = len(eigenvalues)
    basis = np.linalg.qr(np.random.default_rng(seed).standard_normal((dim, dim)))[0]
    return (basis * eigenvalues) @ basis.T, basis


def spiked(dim, spikes, seed=0):
    bulk = np.random.default_rng(seed + 1).uniform(-1, 1, dim - len(spikes))
    return symmetric(np.r_[spikes, bulk], seed)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("k", [1, 2, 4, 5])
def test_pairs_equal_the_dense_ones_of_largest_modulus(k, seed):
    spikes = [3.0, -2.5, 2.0, -1.8, 1.5]
    matrix, basis = spiked(150, spikes, seed)
    tol = 1e-7
    pairs = largest_modulus(matrix, k, rng=np.random.default_rng(seed), tol=tol, max_products=200)
    assert pairs.converged
    # Ritz values are accurate to residual^2 / gap, vectors to residual / gap; gaps exceed 0.1.
    assert_allclose(pairs.eigenvalues, spikes[:k], rtol=0, atol=1e-12)
    assert_allclose(np.abs(np.sum(pairs.eigenvectors * basis[:, :k], axis=0)), 1, rtol=0, atol=1e-11)
    assert_allclose(pairs.eigenvectors.T @ pairs.eigenvectors, np.eye(k), rtol=0, atol=1e-12)


@pytest.mark.parametrize("tol", [0.3, 1e-2, 1e-5])
def test_iteration_stops_at_the_first_step_whose_residuals_meet_the_tolerance(tol):
    spikes = [3.0, -2.5, 2.0]
    matrix, _ = spiked(150, spikes)

    def run(max_products):
        return largest_modulus(matrix, 3, rng=np.random.default_rng(0), tol=tol, max_products=max_products)

    pairs = run(100)
    residuals = np.linalg.norm(matrix @ pairs.eigenvectors - pairs.eigenvectors * pairs.eigenvalues, axis=0)
    assert_allclose(pairs.residuals, residuals, rtol=0, atol=1e-13)
    assert pairs.converged
    assert residuals.max() <= tol * np.abs(pairs.eigenvalues[-1])
    if pairs.n_products > 1:
        before = run(pairs.n_products - 1)
        assert not before.converged
        assert before.n_products == pairs.n_products - 1
        assert before.residuals.max() > tol * np.abs(before.eigenvalues[-1])


def test_products_are_counted_and_take_narrow_blocks():
    matrix, _ = spiked(200, [3.0, -2.5, 2.0])
    widths = []

    def multiply(block):
        widths.append(block.shape[1])
        return matrix @ block

    operator = LinearOperator(matrix.shape, matvec=multiply, matmat=multiply, dtype=float)
    pairs = largest_modulus(operator, 3, rng=np.random.default_rng(0), tol=1e-6)
    assert len(widths) == pairs.n_products
    assert widths[0] == block_width(3)
    assert max(widths) <= block_width(3)


def test_restarts_lose_no_progress():
    # Slow convergence: many more blocks than fit into the basis.
    spikes = [1.10, -1.07, 1.05]
    matrix, basis = symmetric(np.r_[spikes, np.linspace(-1, 1, 597)])
    pairs = largest_modulus(matrix, 3, rng=np.random.default_rng(0), tol=1e-6, max_products=500)
    assert pairs.n_products * block_width(3) > 2 * MAX_COLUMNS * 3
    assert pairs.converged
    assert_allclose(pairs.eigenvalues, spikes, rtol=0, atol=1e-9)
    assert_allclose(np.abs(np.sum(pairs.eigenvectors * basis[:, :3], axis=0)), 1, rtol=0, atol=1e-8)


def test_basis_never_exceeds_its_bound(monkeypatch):
    matrix, _ = symmetric(np.linspace(-1, 1, 300))
    sizes, qr = [], np.linalg.eigh

    def record(a):
        sizes.append(len(a))
        return qr(a)

    monkeypatch.setattr(np.linalg, "eigh", record)
    largest_modulus(matrix, 3, rng=np.random.default_rng(0), tol=1e-12, max_products=40)
    assert MAX_COLUMNS * 3 < max(sizes) <= MAX_COLUMNS * 3 + block_width(3)


def test_true_eigenvectors_as_start_converge_at_once_and_near_ones_sooner():
    matrix, basis = spiked(200, [3.0, -2.5, 2.0])

    def count(start, tol=1e-6):
        return largest_modulus(matrix, 3, rng=np.random.default_rng(0), start=start, tol=tol).n_products

    near = basis[:, :3] + 1e-4 * np.random.default_rng(1).standard_normal((200, 3))
    assert count(basis[:, :3]) == 1
    assert count(basis[:, :20]) == 1  # More columns than pairs.
    assert count(near) < count(None)


@given(seed=st.integers(0, 2**32 - 1), dim=st.integers(1, MAX_COLUMNS + block_width(1)), k=st.integers(1, 40))
def test_small_problems_are_solved_exactly(seed, dim, k):
    k = min(k, dim)
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((dim, dim))
    matrix = matrix + matrix.T
    pairs = largest_modulus(aslinearoperator(matrix), k, rng=rng)
    values = np.linalg.eigvalsh(matrix)
    tol = 1e-12 * dim * max(1, np.abs(values).max())
    assert_allclose(np.abs(pairs.eigenvalues), np.sort(np.abs(values))[::-1][:k], rtol=0, atol=tol)
    assert_allclose(matrix @ pairs.eigenvectors, pairs.eigenvectors * pairs.eigenvalues, rtol=0, atol=tol)
    assert np.all(pairs.residuals <= tol)
    assert (pairs.converged, pairs.n_products) == (True, 1)


@pytest.mark.parametrize("dim", [10, 120])
def test_another_ranking_selects_other_pairs(dim):
    matrix, _ = symmetric(np.r_[-3.0, 2.0, 1.5, np.linspace(-0.9, 0.9, dim - 3)])
    lowest = largest_modulus(matrix, 2, rng=np.random.default_rng(0), tol=1e-7, max_products=200, rank=np.argsort)
    assert_allclose(lowest.eigenvalues, [-3.0, -0.9], rtol=0, atol=1e-8)
    positive = largest_modulus(
        matrix, 2, rng=np.random.default_rng(0), tol=1e-7, max_products=200, rank=lambda v: np.argsort(-v)
    )
    assert_allclose(positive.eigenvalues, [2.0, 1.5], rtol=0, atol=1e-8)


@st.composite
def repeated_spectra(draw):
    """Spectra of a few values, each repeated up to six times and some with their negatives, above a bulk."""
    values = []
    for modulus in draw(st.lists(st.sampled_from([1.0, 1.5, 2.0, 3.0]), min_size=1, max_size=4, unique=True)):
        values += [modulus] * draw(st.integers(1, 6)) + [-modulus] * draw(st.integers(0, 4))
    dim = draw(st.integers(len(values) + 30, 160))
    rest = dim - len(values)
    bulk = draw(st.sampled_from([np.zeros(rest), np.linspace(-0.4, 0.4, rest), np.resize([-0.4, 0.0, 0.4], rest)]))
    return np.r_[values, bulk], draw(st.integers(1, (dim - 3) // (MAX_COLUMNS + 1))), draw(st.integers(0, 99))


@given(repeated_spectra())
@example((np.r_[np.full(3, 2.0), np.full(3, -2.0), [1.0] * 2, np.zeros(70)], 6, 0))
@example((np.r_[np.full(5, 2.0), [1.5] * 2, np.zeros(109)], 5, 25))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_every_copy_of_a_repeated_eigenvalue_is_found(case):
    spectrum, k, seed = case
    matrix, _ = symmetric(spectrum, seed)
    pairs = largest_modulus(matrix, k, rng=np.random.default_rng(seed), tol=1e-6, max_products=500)
    assert pairs.converged
    # Errors of Ritz values are residuals squared over gaps: below 1e-11 here.
    expected = np.sort(np.abs(np.linalg.eigvalsh(matrix)))[::-1][:k]
    assert_allclose(np.abs(pairs.eigenvalues), expected, rtol=0, atol=1e-10)
    assert_allclose(pairs.eigenvectors.T @ pairs.eigenvectors, np.eye(k), rtol=0, atol=1e-10)


def test_a_full_factorial_design_shows_three_features_of_either_sign():
    # Z takes each of 2^12 sign patterns once. E v F F^T exchanges z_0 z_1 with the constant part of the squares, and
    # products with z_0 for those with z_1: among the eigenvalues are 2 and -2, three times each, and none is larger.
    Z = np.array(np.meshgrid(*[[-1.0, 1.0]] * 12)).reshape(12, -1).T
    model = HierarchicalSpectralRegressor(6).fit(Z, Z[:, 0] * Z[:, 1] + Z[:, 2] * Z[:, 3] + Z[:, 4] * Z[:, 5])
    assert model.converged_
    assert_allclose(np.sort(model.eigenvalues_), [-2, -2, -2, 2, 2, 2], rtol=0, atol=1e-5)


@pytest.mark.parametrize("rank", [0, 1, 3])
@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
def test_vectors_are_orthonormal_and_values_in_the_numerical_range_at_low_rank(rank, scale):
    spectrum = np.r_[[5.0, -3.0, 2.0][:rank], np.zeros(300 - rank)]
    matrix, _ = symmetric(scale * spectrum)
    for start in (None, np.zeros((300, 1)), np.ones((300, 4))):
        pairs = largest_modulus(matrix, 5, rng=np.random.default_rng(0), start=start, tol=1e-6)
        assert pairs.converged
        assert_allclose(pairs.eigenvalues[: rank or 1], scale * spectrum[: rank or 1], rtol=1e-10)
        assert_allclose(pairs.eigenvalues[rank:], 0, rtol=0, atol=scale * 1e-12)
        assert_allclose(pairs.eigenvectors.T @ pairs.eigenvectors, np.eye(5), rtol=0, atol=1e-10)


def test_pairs_scale_with_the_operator():
    matrix, _ = spiked(150, [3.0, -2.5, 2.0])
    runs = [largest_modulus(2.0**p * matrix, 3, rng=np.random.default_rng(0)) for p in (0, -900, 900)]
    for p, pairs in zip((0, -900, 900), runs, strict=True):
        # LAPACK rescales small and large matrices, with rounding errors that nine products amplify a little.
        assert_allclose(pairs.eigenvalues, 2.0**p * runs[0].eigenvalues, rtol=1e-12)
        assert_allclose(pairs.eigenvectors, runs[0].eigenvectors, rtol=0, atol=1e-9)
        assert pairs.n_products == runs[0].n_products


def test_single_eigenvalues_cost_no_second_run():
    # As above the bulk of a random matrix, equally strong spikes differ by more than their errors.
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((300, 300)) / np.sqrt(600)
    matrix = noise + noise.T + symmetric(np.r_[4.0, 4.0, -4.0, np.zeros(297)])[0]
    widths = []
    operator = LinearOperator(
        matrix.shape, matvec=matrix.dot, dtype=float, matmat=lambda V: widths.append(V) or matrix @ V
    )
    assert largest_modulus(operator, 7, rng=rng).converged
    assert max(V.shape[1] for V in widths) == block_width(7)


@pytest.mark.parametrize("dim", [1, 20, 200])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_operators_that_return_no_numbers_are_refused(dim, bad):
    matrix = np.eye(dim)
    matrix[-1, -1] = bad
    with (
        np.errstate(invalid="ignore"),
        pytest.raises(ValueError, match=r"^operator must return finite numbers, got NaN"),
    ):
        largest_modulus(matrix, 1, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"^operator @ columns must be an array of real numbers, got dtype complex128"):
        largest_modulus(1j * np.eye(dim), 1, rng=np.random.default_rng(0))


def test_moduli_are_ranked_largest_first_and_ties_by_position():
    assert_array_equal(by_modulus(np.array([1.0, -3.0, 2.0, 3.0])), [1, 3, 2, 0])


def test_zero_operators_converge_at_once():
    pairs = largest_modulus(np.zeros((60, 60)), 2, rng=np.random.default_rng(0))
    assert pairs.converged
    assert_array_equal(pairs.eigenvalues, 0)


def test_equal_generators_give_equal_bits():
    matrix, _ = spiked(100, [3.0, -2.5])
    runs = [largest_modulus(matrix, 2, rng=np.random.default_rng(s)).eigenvectors for s in (4, 4, 5)]
    assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"operator": np.ones((3, 4))}, r"operator must be square, got shape \(3, 4\)\."),
        ({"k": 0}, r"k must be an integer >= 1 and <= 100, got 0\."),
        ({"k": 101}, r"k must be an integer >= 1 and <= 100, got 101\."),
        ({"tol": 0.0}, r"tol must be a finite number > 0, got 0\.0\."),
        ({"tol": np.nan}, r"tol must be a finite number > 0, got nan\."),
        ({"max_products": 0}, r"max_products must be an integer >= 1, got 0\."),
        ({"rng": 0}, r"rng must be a numpy\.random\.Generator, got 0\."),
        ({"rounding": -1.0}, r"rounding must be a finite number >= 0, got -1\.0\."),
        ({"start": np.ones((99, 2))}, r"start must have shape \(100, any\), got \(99, 2\)\."),
        ({"start": np.full((100, 2), np.nan)}, r"start must be finite"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match="^" + message):
        largest_modulus(**{"operator": np.eye(100), "k": 2, "rng": np.random.default_rng(0)} | arguments)


def test_a_narrow_start_is_filled_up_so_that_all_pairs_are_returned():
    matrix, basis = spiked(200, [3.0, -2.5, 2.0])
    pairs = largest_modulus(matrix, 8, rng=np.random.default_rng(0), start=basis[:, :1], max_products=4)
    assert pairs.eigenvalues.shape == (8,)
    assert pairs.eigenvectors.shape == (200, 8)
