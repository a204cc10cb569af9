"""Oracles: the model's defining sums, moments known in closed form, and Monte Carlo with its error bars."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from hierlib import HierarchicalTarget

SEEDS = [1, 2, 3]


def standard_errors(values, expected):
    """Distance of a sample mean from its expected value in standard errors."""
    return np.abs(values.mean(axis=0) - expected) / (values.std(axis=0) / np.sqrt(len(values)))


@given(d=st.integers(2, 15), q=st.integers(1, 3), gamma=st.floats(0, 3), seed=st.integers(0, 2**32 - 1), data=st.data())
def test_weights_are_a_signed_unit_power_law_and_directions_are_orthonormal(d, q, gamma, seed, data):
    n_features = data.draw(st.integers(1, min(6, math.comb(d + q - 1, q))))
    target = HierarchicalTarget(d, q, gamma=gamma, seed=seed, n_features=n_features)
    moduli = np.abs(target.weights)
    assert_allclose(moduli / moduli[0], np.arange(1, n_features + 1) ** -gamma, rtol=1e-12)
    assert_allclose(np.sum(target.weights**2), 1, rtol=1e-12)
    # QR of a well-conditioned (dim x 6 at most, or square Gaussian) matrix: orthonormal to rounding whatever R.
    assert_allclose(target.directions @ target.directions.T, np.eye(n_features), atol=1e-13)


def test_signs_are_fair_and_vary_with_the_seed_independently_of_the_directions():
    targets = [HierarchicalTarget(2, 1, gamma=0, n_features=2, seed=seed) for seed in range(400)]
    weights = np.array([target.weights for target in targets])
    # 800 fair coins: 4 standard deviations of their mean.
    assert abs(np.sign(weights).mean()) < 4 / np.sqrt(800)
    assert abs(np.mean(np.sign(weights[:, 0] * weights[:, 1]))) < 4 / np.sqrt(400)
    directions = np.sign([target.directions.ravel() for target in targets])
    assert np.all(np.abs(np.sign(weights).T @ directions / 400) < 4 / np.sqrt(400))


def test_orthonormal_directions_are_haar_distributed():
    # Haar on O(2) has mean zero and E[A_11 A_22] = E[cos^2] E[det] = 0; LAPACK's QR without the sign correction fails.
    A = np.array([HierarchicalTarget(2, 1, n_features=2, seed=seed).directions for seed in range(600)])
    assert np.all(standard_errors(A, 0) < 4.5)
    assert standard_errors(A[:, 0, 0] * A[:, 1, 1], 0) < 4.5
    assert standard_errors(A[:, 0, 0] ** 2, 0.5) < 4.5


def test_gaussian_directions_are_independent_unit_vectors():
    directions = HierarchicalTarget(30, directions="gaussian", n_features=20).directions
    gram = directions @ directions.T
    assert_allclose(np.diag(gram), 1, rtol=1e-14)
    # E<A_i, A_j>^2 = 1/D over 190 pairs, which are uncorrelated with relative variance 2.
    pairs = gram[np.triu_indices(20, 1)] ** 2 * directions.shape[1]
    assert abs(pairs.mean() - 1) < 4 * np.sqrt(2 / 190)


@pytest.mark.parametrize(
    ("d", "eps", "n_features"),
    [
        (60, 0.5, 7),
        (64, 0.5, 8),
        (125, 1 / 3, 5),
        (216, 1 / 3, 6),
        (120, 0.5, 10),
        (50, 0.01, 1),
        (3, 1.5, 5),
        (1, 9.0, 1),
    ],
)
def test_number_of_features_is_the_floor_of_d_to_the_eps(d, eps, n_features):
    target = HierarchicalTarget(d, eps=eps)
    assert target.n_features == n_features
    assert target.directions.shape == (n_features, d * (d + 1) // 2) == (n_features, target.dim)


@pytest.mark.parametrize("q", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("link", "formula"),
    [
        ("identity", lambda t: t),
        ("tanh", lambda t: (np.exp(t) - np.exp(-t)) / (np.exp(t) + np.exp(-t))),
        ("quadratic", lambda t: t * t + t - 1),
        (np.sin, np.sin),
    ],
)
def test_labels_equal_the_defining_sums(link, formula, q):
    target = HierarchicalTarget(5, q, link=link, n_features=3, seed=q)
    X = np.random.default_rng(q).standard_normal((40, 5))
    F = target.features.transform(X)
    h2 = np.zeros(40)
    for weight, direction in zip(target.weights, target.directions, strict=True):
        h2 += weight * (np.sum(direction * F, axis=1) ** 2 - 1) / math.sqrt(2)
    assert_allclose(target.latent(X), F @ target.directions.T, atol=1e-12)
    # tanh by exponentials overflows beyond 350; h2 is some tens at most here.
    assert_allclose(target.label(X), formula(h2), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("gamma", [0.0, 0.4, 1.0])
def test_gaussian_equivalent_labels_are_standardised_and_see_each_feature_with_root_two_lambda(gamma, seed):
    target = HierarchicalTarget(8, gamma=gamma, n_features=4, seed=seed).gaussian_equivalent()
    X, y = target.sample(40_000, seed)
    h = target.latent(X)
    # 4 + 1 + 1 + 4 + 6 claims, three seeds and gammas: 5 standard errors.
    assert np.all(standard_errors(h**2, 1) < 5)
    assert standard_errors(y, 0) < 5
    assert standard_errors(y**2, 1) < 5
    assert np.all(standard_errors(y[:, None] * (h**2 - 1), np.sqrt(2) * target.weights) < 5)
    i, j = np.triu_indices(4, 1)
    assert np.all(standard_errors(y[:, None] * h[:, i] * h[:, j], 0) < 5)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("d", "q"), [(30, 1), (12, 2), (7, 3)])
def test_first_layer_has_mean_zero_and_unit_covariance_under_gaussian_inputs(d, q, seed):
    target = HierarchicalTarget(d, q, n_features=3, seed=seed)
    h = target.latent(target.sample(30_000, seed)[0])
    i, j = np.triu_indices(3)
    assert np.all(standard_errors(h, 0) < 5)
    assert np.all(standard_errors(h[:, i] * h[:, j], (i == j).astype(float)) < 5)


def test_gaussian_equivalent_keeps_weights_directions_and_link_on_inputs_in_feature_space():
    target = HierarchicalTarget(6, 3, link="tanh", seed=4)
    equivalent = target.gaussian_equivalent()
    assert (equivalent.q, equivalent.d, equivalent.dim) == (1, target.dim, target.dim)
    assert (target.q, target.d) == (3, 6)
    X = np.random.default_rng(0).standard_normal((9, 6))
    assert_allclose(equivalent.label(target.features.transform(X)), target.label(X), rtol=1e-12, atol=1e-12)


def test_equal_seeds_give_equal_bits_and_other_seeds_other_numbers():
    first, again, other = (HierarchicalTarget(9, seed=seed) for seed in (5, 5, 6))
    assert_array_equal(first.weights, again.weights)
    assert_array_equal(first.directions, again.directions)
    assert not np.array_equal(first.directions, other.directions)
    for a, b in zip(first.sample(300, 7), again.sample(300, 7), strict=True):
        assert_array_equal(a, b)
    assert not np.array_equal(first.sample(300, 7)[0], first.sample(300, 8)[0])


def test_inputs_do_not_depend_on_the_target_and_are_independent_of_its_directions():
    assert_array_equal(
        HierarchicalTarget(9, seed=0).sample(50, 1)[0], HierarchicalTarget(9, q=1, seed=3).sample(50, 1)[0]
    )
    # The same seed for both must not reuse the same numbers, in any batch: random rows have cosines of order 1/sqrt(d).
    d = 2**15
    target = HierarchicalTarget(d, q=1, n_features=1, seed=1, directions="gaussian")
    X = target.sample(3 * 64, 1)[0]
    assert np.all(np.abs(X @ target.directions[0]) / np.linalg.norm(X, axis=1) < 5 / np.sqrt(d))


@pytest.mark.parametrize("seed", SEEDS)
def test_inputs_are_independent_standard_normals_across_batches(seed):
    X = HierarchicalTarget(2**15, q=1, n_features=1).stream(3 * 64, seed)
    batches = [batch for batch, _ in X]
    assert [len(batch) for batch in batches] == [64, 64, 64]
    numbers = np.stack([batch.ravel() for batch in batches])
    m = numbers.shape[1]
    assert np.all(np.abs(numbers.mean(axis=1)) < 5 / np.sqrt(m))
    assert np.all(np.abs(numbers @ numbers.T / m - np.eye(3)) < 5 * np.sqrt(2 / m))


@given(n=st.integers(1, 300), more=st.integers(0, 300))
def test_samples_are_prefixes_of_larger_samples(n, more):
    # A product with fewer rows may round its labels differently.
    target = HierarchicalTarget(300, q=1, n_features=2)
    (X, y), (longer, labels) = target.sample(n, 3), target.sample(n + more, 3)
    assert_array_equal(X, longer[:n])
    assert_allclose(y, labels[:n], rtol=0, atol=1e-13 * np.abs(labels).max() * 300)


@pytest.mark.parametrize("n", [1, 64, 65, 130])
def test_streams_yield_the_sample_again_and_again_whatever_the_number_of_workers(n):
    target = HierarchicalTarget(2**15, q=1, n_features=1)
    X, y = target.sample(n, 1)
    stream = target.stream(n, 1)
    passes = [stream, stream, stream.batches(n_jobs=1), stream.batches(n_jobs=2), stream.batches()]
    for batches in passes:
        parts = list(batches)
        assert len(parts) == len(stream) == math.ceil(n / 64)
        assert_array_equal(np.concatenate([part for part, _ in parts]), X)
        assert_array_equal(np.concatenate([labels for _, labels in parts]), y)


def test_batches_hold_sixteen_mebibytes_at_most_and_sixty_four_rows_at_least():
    sizes = {
        d: HierarchicalTarget(d, q=1, n_features=1).stream(10_000, 0).input_batches[0].rows for d in (4, 2**10, 2**17)
    }
    assert sizes == {4: 8192, 2**10: 2**21 // 2**10, 2**17: 64}


def test_targets_and_streams_survive_pickling():
    target = HierarchicalTarget(7, link="quadratic", seed=2)
    stream = pickle.loads(pickle.dumps(target.stream(100, 1)))
    for a, b in zip(next(iter(stream)), target.sample(100, 1), strict=True):
        assert_array_equal(a, b)


def test_repr_names_what_distinguishes_a_target():
    text = repr(HierarchicalTarget(7, q=3, gamma=0.25, link="tanh", seed=2, n_features=5))
    assert text == "HierarchicalTarget(d=7, q=3, n_features=5, gamma=0.25, link='tanh', seed=2)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"d": 0}, r"d must be an integer >= 1, got 0\."),
        ({"d": 2.5}, r"d must be an integer >= 1, got 2\.5\."),
        ({"q": 0}, r"q must be an integer >= 1 and <= 30, got 0\."),
        ({"eps": 0}, r"eps must be a finite number > 0, got 0\."),
        ({"eps": float("nan")}, r"eps must be a finite number > 0, got nan\."),
        ({"eps": 1.9}, r"eps must give floor\(d\*\*eps\) <= D = 55, got 1\.9 and d = 10\."),
        ({"eps": 5000.0}, r"eps must give floor\(d\*\*eps\) <= D = 55, got 5000\.0 and d = 10\."),
        ({"gamma": -0.1}, r"gamma must be a finite number >= 0, got -0\.1\."),
        ({"gamma": float("inf")}, r"gamma must be a finite number >= 0, got inf\."),
        ({"link": "sin"}, r"link must be one of 'identity', 'tanh', 'quadratic', got 'sin'\."),
        ({"directions": "haar"}, r"directions must be one of 'orthonormal', 'gaussian', got 'haar'\."),
        ({"seed": -1}, r"seed must be an integer >= 0, got -1\."),
        ({"n_features": 0}, r"n_features must be an integer >= 1 and <= 55, got 0\."),
        ({"n_features": 56}, r"n_features must be an integer >= 1 and <= 55, got 56\."),
    ],
)
def test_parameters_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match="^" + message):
        HierarchicalTarget(**{"d": 10} | arguments)


def test_inputs_samples_and_links_that_do_not_fit_are_refused():
    target = HierarchicalTarget(4)
    with pytest.raises(ValueError, match=r"^X must have shape \(any, 4\), got \(2, 5\)\."):
        target.label(np.ones((2, 5)))
    with pytest.raises(ValueError, match=r"^h1 must have shape \(any, 2\), got \(2, 3\)\."):
        target.second_layer(np.ones((2, 3)))
    for read in (target.sample, target.stream):
        with pytest.raises(ValueError, match=r"^n must be an integer >= 1 and <= 10+, got 0\."):
            read(0, 1)
        with pytest.raises(ValueError, match=r"^seed must be an integer >= 0, got -1\."):
            read(1, -1)
    with pytest.raises(
        ValueError, match=r"^link must map an array to an array of the same shape, got \(\) from \(2,\)\."
    ):
        HierarchicalTarget(4, link=np.sum).label(np.ones((2, 4)))


@pytest.mark.parametrize(
    ("link", "match"),
    [
        (np.sqrt, "link must give finite labels, got nan at h2 = -"),
        (lambda t: np.exp(1000 * t**2), "link must give finite labels, got inf at h2 = "),
        (lambda t: t + 1j, "link must give real numbers, got dtype complex128"),
        (lambda t: np.full(t.shape, "a"), "link must give real numbers, got dtype <U1"),
    ],
)
def test_labels_that_are_no_finite_real_numbers_are_refused_by_the_links_name(link, match):
    target = HierarchicalTarget(6, link=link)
    with pytest.raises(ValueError, match=match):
        target.sample(100, seed=0)
    with pytest.raises(ValueError, match=match):
        next(iter(target.stream(100, seed=0)))
    with pytest.raises(ValueError, match=match):
        target.label(np.random.default_rng(0).standard_normal((100, 6)))
