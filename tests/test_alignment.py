"""Tests of the alignment constants and of the permuted labels, against loops, simulations and each other."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.decomposition import PCA

from hierlib import HierarchicalTarget
from hierlib.engine.hermite import HermiteFeatures
from hierlib.engine.moment import label_weights
from hierlib.learn.real import AlignmentConstants, alignment, alignment_constants, load_digits_10k, permutation_edges


def sample(n=1500, d=20, seed=1):
    return HierarchicalTarget(d=d, q=1, n_features=3, gamma=0.5, seed=0).sample(n, seed=seed)


def by_hand(X, y, k, degree=1):
    """The formula of the constants, written out."""
    F, w = HermiteFeatures(X.shape[1], degree).transform(X), label_weights(y, "tanh")
    values, vectors = np.linalg.eigh(F.T @ np.diag(w) @ F / len(F))
    order = np.argsort(-np.abs(values))
    values, h = values[order], F @ vectors[:, order]
    constants = [
        sum(np.var(w * h[:, i] * h[:, j]) / (values[i] - values[j]) ** 2 for j in range(k, F.shape[1]))
        for i in range(k)
    ]
    return values[:k], vectors[:, order[:k]].T, constants


@pytest.mark.parametrize(("degree", "d"), [(1, 20), (2, 6)])
def test_constants_are_the_formula_written_out(degree, d):
    X, y = HierarchicalTarget(d=d, q=degree, n_features=2, seed=0).sample(800, seed=1)
    found = alignment_constants(X, y, 2, degree)
    values, directions, constants = by_hand(X, y, 2, degree)
    assert_allclose(found.eigenvalues, values, rtol=1e-10)
    assert_allclose(np.abs(np.sum(found.directions * directions, axis=1)), 1, atol=1e-10)
    assert_allclose(found.constants, constants, rtol=1e-8)
    assert found.n_reference == 800


def test_constants_of_many_dimensions_are_those_of_all_eigenvectors(monkeypatch):
    X, y = sample(n=3000, d=60)
    dense = alignment_constants(X, y, 3)
    monkeypatch.setattr(alignment, "MAX_DENSE_DIM", 10)
    monkeypatch.setattr(alignment, "SLICE_SIZE", 60_000)
    random = alignment_constants(X, y, 3)
    # The largest relative error that 32 random vectors can have is sqrt(2/32) = 0.25, a single eigenvalue's.
    assert_allclose(random.constants, dense.constants, rtol=0.2)
    assert_allclose(random.eigenvalues, dense.eigenvalues, rtol=1e-6)
    assert_allclose(np.sum(random.directions * dense.directions, axis=1), 1, atol=1e-5)
    assert not np.array_equal(random.constants, alignment_constants(X, y, 3, random_state=1).constants)


def test_fewer_samples_than_features_leave_nothing_to_mix(monkeypatch):
    X, y = sample(n=4, d=60)
    monkeypatch.setattr(alignment, "MAX_DENSE_DIM", 10)
    # Four samples span four directions; what is left of them is rounding.
    assert_allclose(alignment_constants(X, y, 4).constants, 0, atol=1e-9)


def test_slices_of_the_sample_change_nothing(monkeypatch):
    X, y = sample()
    whole = alignment_constants(X, y, 2)
    monkeypatch.setattr(alignment, "SLICE_SIZE", 1000)
    assert_allclose(alignment_constants(X, y, 2).constants, whole.constants, rtol=1e-10)


def test_rotations_of_the_inputs_turn_the_directions_and_nothing_else():
    X, y = sample()
    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((20, 20)))[0]
    one, other = alignment_constants(X, y, 3), alignment_constants(X @ Q, y, 3)
    assert_allclose(other.constants, one.constants, rtol=1e-8)
    assert_allclose(np.abs(np.sum(other.directions * (one.directions @ Q), axis=1)), 1, atol=1e-10)


@pytest.mark.parametrize("unit", [1e-300, -3.0, 1e300])
@pytest.mark.parametrize("transform", [None, "tanh"])
def test_unit_of_the_labels_does_not_matter_to_the_constants(unit, transform):
    X, y = sample()
    one, other = (alignment_constants(X, z, 2, label_transform=transform) for z in (y, unit * y))
    assert_allclose(other.constants, one.constants, rtol=1e-8)


def test_function_of_two_classes_is_a_factor():
    X, y = sample()
    plain, bounded = (alignment_constants(X, y > 1, 3, label_transform=transform) for transform in (None, "tanh"))
    assert_allclose(plain.constants, bounded.constants, rtol=1e-8)
    assert np.ptp(plain.eigenvalues / bounded.eigenvalues) < 1e-10


def test_prediction_is_the_mean_alignment_of_fresh_samples_with_the_reference():
    target = HierarchicalTarget(d=20, q=1, n_features=2, gamma=0.5, seed=0)
    n, predicted, measured = 4000, [], []
    for seed in range(10):
        reference = alignment_constants(*target.sample(4000, seed=2 * seed), 2)
        directions = alignment_constants(*target.sample(n, seed=2 * seed + 1), 2).directions
        predicted.append(reference.alignments(n))
        measured.append(np.sum((reference.directions @ directions.T) ** 2, axis=1))
    difference = np.subtract(measured, predicted)
    error = difference.std(axis=0, ddof=1) / np.sqrt(len(difference))
    # The next order is the square of the first, some 0.03, and its sign is that of the measured.
    assert np.all(np.abs(difference.mean(axis=0)) < 4 * error + 2 * (1 - np.mean(predicted, axis=0)) ** 2)
    assert np.all(np.mean(predicted, axis=0) > 0.9)


def test_digits_of_the_other_half_agree_as_predicted():
    X, y = load_digits_10k()
    F = PCA(50, whiten=True, random_state=0).fit_transform(X)
    difference, of_noise = [], []
    for c in range(10):
        reference = alignment_constants(F[:5000], y[:5000] == c, 3)
        for n in (700, 2000, 5000):
            other = alignment_constants(F[5000 : 5000 + n], y[5000 : 5000 + n] == c, 3).directions
            predicted = reference.alignments(n)
            measured = np.sum((reference.directions @ other.T) ** 2, axis=1)
            difference.extend((measured - predicted)[predicted > 0.7])
            # What noise alone would do: D E[W^2] / theta^2 in the place of the constant.
            weights = label_weights(y[:5000] == c, "tanh")
            naive = 1 - 50 * np.mean(weights**2) / reference.eigenvalues**2 * (1 / n + 1 / 5000)
            of_noise.extend((measured - naive)[naive > 0.7])
    assert len(difference) > 50
    # Single draws scatter by some 0.08 around their mean, one in ten of them by a multiple of it.
    assert np.sqrt(np.mean(np.square(difference))) < 0.13 < np.sqrt(np.mean(np.square(of_noise)))
    assert abs(np.mean(difference)) < 0.04 < -0.5 * np.mean(of_noise)


def test_alignments_are_first_order_and_never_negative():
    constants = AlignmentConstants(np.ones(2), np.eye(2, 5), np.array([10.0, 1000.0]), 1000)
    assert_allclose(constants.alignments(100), [1 - 10 * 0.011, 0])
    assert_allclose(constants.alignments(100, fresh=True), [0.9, 0])
    assert constants.alignments([[100, 200], [300, 400]]).shape == (2, 2, 2)
    for n in (0, -1, [10, 0]):
        with pytest.raises(ValueError, match="n must be positive"):
            constants.alignments(n)


def test_all_directions_together_are_known_exactly():
    X, y = sample(d=5)
    assert_allclose(alignment_constants(X, y, 5).constants, 0)
    # Of all inputs but a constant zero, too.
    X = np.column_stack([X, np.zeros((len(X), 2))])
    assert_allclose(alignment_constants(X, y, 5).constants, 0, atol=1e-12)


def test_equal_eigenvalues_have_no_direction():
    signs = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    X, y = np.tile(signs, (50, 1)) * np.repeat(1 + np.arange(2.0), 100)[:, None], np.repeat([0.0, 1.0], 100)
    found = alignment_constants(X, y, 1)
    assert found.constants[0] > 1e20
    assert found.alignments(10**6)[0] == 0


@pytest.mark.parametrize("law", ["normal", "heavy"])
def test_labels_without_relation_leave_the_interval_as_often_as_the_level_says(law):
    n_trials, level, outside = 150, 0.9, 0
    for seed in range(n_trials):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((40, 4)) if law == "normal" else rng.standard_t(2, size=(40, 4))
        y = rng.standard_normal(40)
        low, high = permutation_edges(X, y, level=level, n_permutations=19, random_state=seed)
        values = np.linalg.eigvalsh((X * label_weights(y, "tanh")[:, None]).T @ X / 40)
        outside += values[0] < low or values[-1] > high
    # Both ends have their own 5 %; both at once are left rarely.
    assert abs(outside / n_trials - 0.1) < 4 * np.sqrt(0.1 * 0.9 / n_trials)


def test_interval_is_that_of_the_predicted_edge_for_normal_inputs():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((4000, 60)), rng.choice([-1.0, 1.0], 4000)
    interval = permutation_edges(X, y, label_transform=None)
    # The edge of the bulk is 2 sqrt(D/n) for labels of variance 1; the extremes are up to D^(-2/3) beyond.
    assert_allclose(np.abs(interval), 2 * np.sqrt(60 / 4000), rtol=0.1)


def test_interval_of_many_dimensions_is_that_of_all_eigenvalues(monkeypatch):
    X, y = sample(n=400, d=30)
    options = {"level": 0.8, "n_permutations": 9, "random_state": 3}
    dense = permutation_edges(X, y, **options)
    monkeypatch.setattr(alignment, "MAX_DENSE_DIM", 10)
    assert_allclose(permutation_edges(X, y, **options), dense, rtol=1e-4)


def test_eigenvalue_that_every_permutation_has_is_inside():
    # Three labels of one kind: the moment matrix of whitened inputs has a multiple eigenvalue, in any order.
    X = PCA(whiten=True).fit_transform(np.random.default_rng(0).standard_normal((500, 8)))
    y = np.arange(500) < 3
    low, _ = permutation_edges(X, y, label_transform=None)
    values = np.linalg.eigvalsh((X * label_weights(y)[:, None]).T @ X / 500)
    assert values[0] > low


GOOD = {"X": np.random.default_rng(0).standard_normal((30, 4)), "y": np.arange(30.0), "k": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": GOOD["X"][:, 0]}, r"X must have shape"),
        ({"X": np.where(GOOD["X"] > 2, np.nan, GOOD["X"])}, "X must be finite"),
        ({"X": GOOD["X"][:1], "y": [1.0]}, "X must have at least two rows"),
        ({"X": np.zeros((30, 0))}, "X must have at least two rows and a column"),
        ({"X": 1e120 * GOOD["X"]}, "X must be small enough"),
        ({"y": np.ones(30)}, "y must vary, got 1.0 for all 30"),
        ({"y": np.ones(29)}, "y must have shape"),
        ({"y": ["a"] * 30}, "y must be an array of real numbers"),
        ({"k": 0}, "k must be an integer >= 1 and <= 4, got 0"),
        ({"k": 5}, "k must be an integer >= 1 and <= 4, got 5"),
        ({"degree": 0}, "degree must be an integer >= 1, got 0"),
        ({"label_transform": "log"}, "label_transform must be one of"),
        ({"n_jobs": 0}, "n_jobs must be"),
        ({"random_state": -1}, "random_state must be"),
    ],
)
def test_bad_input_to_the_constants_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        alignment_constants(**(GOOD | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"level": 1.0}, "level must be"),
        ({"level": 0.99, "n_permutations": 198}, "n_permutations must be an integer >= 199, got 198"),
        ({"y": np.ones(30)}, "y must vary"),
        ({"degree": 1.5}, "degree must be"),
        ({"random_state": "x"}, "random_state must be"),
    ],
)
def test_bad_input_to_the_permutations_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        permutation_edges(**({name: GOOD[name] for name in "Xy"} | change))
