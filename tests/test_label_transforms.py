"""Optimal label transforms: closed form of one feature, the largest predicted overlap, the smallest threshold."""

import copy
import pickle

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from hierlib import HierarchicalSpectralRegressor
from hierlib.asymptotics import TargetParameters, predict
from hierlib.label_transforms import lowest_threshold_transform, optimal_label_transform

MIXED = np.array([0.7, -0.5, 0.4, -0.3])


def power_law(signs, gamma):
    weights = np.array([1.0 if sign == "+" else -1.0 for sign in signs]) * np.arange(1, len(signs) + 1) ** -gamma
    return weights / np.linalg.norm(weights)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("feature", [3])
def test_lowest_threshold_transform_has_the_smallest_threshold_and_is_stationary(normalize, feature):
    target = TargetParameters(MIXED, d=30, q=2)
    best = lowest_threshold_transform(target, feature, normalize=normalize)

    def threshold(transform):
        return predict(target, 5000, transform, normalize=normalize).thresholds[feature]

    reference = threshold(best)
    for other in (None, np.tanh, np.sign, lambda y: np.clip(y, -1, 2)):
        assert reference < threshold(other)
    # Stationary: moving along any bump changes the threshold at second order, 0.01^2 times O(10), never downwards.
    for centre in (-1.0, 1.5):
        for sign in (-0.01, 0.01):
            moved = threshold(lambda y, c=centre, a=sign: best(y) + a * np.exp(-((y - c) ** 2)))
            assert -1e-4 < moved / reference - 1 < 2e-3


def test_lowest_threshold_transform_of_one_feature_inverts_the_link():
    target = TargetParameters(np.array([-1.0]), d=50, q=1, link_function=np.tanh)
    transform = lowest_threshold_transform(target, feature=0)
    nodes = np.random.default_rng(0).standard_normal(10**6)
    y = np.tanh(-(nodes**2 - 1) / np.sqrt(2))
    h_squared = np.array([0.5, 1.0, 1.5])  # y = tanh(-(h^2 - 1)/sqrt(2))
    standardised = (np.tanh(-(h_squared - 1) / np.sqrt(2)) - y.mean()) / y.std()
    # Bins of width 1/100 of the label, and 1/1000 from its sampled mean and deviation.
    assert_allclose(transform(standardised), h_squared - 1, atol=0.03)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_optimal_transform_of_one_feature_is_one_less_the_inverse_of_its_conditional_square(sign):
    target = TargetParameters(np.array([sign]), d=50, q=1)
    transform = optimal_label_transform(target, 600)
    h_squared = np.linspace(1.0, 6.0, 11)  # the label is sign (h^2 - 1)/sqrt(2), standardised already
    found = transform(sign * (h_squared - 1) / np.sqrt(2))
    # The factor and the constant do nothing to the weights' eigenvectors. Bins of h^2 are 0.05 wide: 1/h^2 to 0.03.
    slope, constant = np.polyfit(1 / h_squared, found, 1)
    assert sign * slope < 0
    assert_allclose(found, slope / h_squared + constant, atol=0.03 * abs(slope))
    assert_allclose(constant, -slope, rtol=0.05)


@pytest.mark.parametrize(
    ("signs", "gamma", "q", "link", "normalize", "ranking", "ratio"),
    [
        ("++-+", 0.4, 2, lambda t: t, True, "edge", 24),
        ("++++", 0.8, 2, lambda t: t, True, "modulus", 8),
        ("+-+-", 0.0, 1, np.tanh, False, "modulus", 12),
        ("+-+", 0.8, 3, lambda t: t**2 + t - 1, True, "edge", 16),
        ("+-", 1.2, 2, lambda t: t, False, "edge", 16),
    ],
)
def test_optimal_transform_overlaps_at_least_as_much_as_others(signs, gamma, q, link, normalize, ranking, ratio):
    target = TargetParameters(power_law(signs, gamma), d=30, q=q, link_function=link)
    n = ratio * target.dim
    options = {"normalize": normalize, "ranking": ranking}

    def overlap(transform):
        return predict(target, n, transform, **options).alignments.mean()

    best = overlap(optimal_label_transform(target, n, **options))
    single = [lowest_threshold_transform(target, i, normalize=normalize) for i in (0, len(signs) - 1)]
    # The function returned is piecewise linear and cut at the outermost 1e-5 of the labels.
    assert best >= max(map(overlap, (None, np.tanh, lambda y: np.clip(y, -2, 2), *single))) - 0.002


def test_optimal_transform_is_nearly_stationary_for_the_overlap():
    target = TargetParameters(power_law("++-+", 0.4), d=2000, q=1)
    n = 16 * target.dim
    best = optimal_label_transform(target, n, ranking="edge")
    overlap, plain = (predict(target, n, T, ranking="edge").alignments.mean() for T in (best, np.tanh))
    assert overlap > plain + 0.005
    for centre in (-1.0, 2.0):
        for size in (-0.1, 0.1):
            bump = lambda y, c=centre, a=size: best(y) + a * np.exp(-((y - c) ** 2))  # noqa: E731
            moved = predict(target, n, bump, ranking="edge")
            # To first order in v s: what is left to gain is a part of what was gained over tanh.
            assert moved.alignments.mean() < overlap + 0.25 * (overlap - plain)


def test_optimal_transform_is_bounded_where_no_feature_explains_the_label():
    # Equal signs: the smallest labels come from small features alone, and 1 - 1/E[h^2 | y] falls without limit.
    target = TargetParameters(power_law("+++", 0.4), d=40, q=2)
    for ranking in ("modulus", "edge"):
        values = optimal_label_transform(target, 12 * target.dim, normalize=True, ranking=ranking)(
            np.linspace(-3, 12, 99)
        )
        assert values[0] == values.min()
        assert -values.min() <= 5.001 * values.max()
        assert predict(target, 12 * target.dim, np.tanh, normalize=True, ranking=ranking).alignments.mean() > 0.2


def test_label_transforms_refuse_bad_input():
    target = TargetParameters(np.array([1.0]), d=9, q=2)
    with pytest.raises(ValueError, match="feature must be an integer >= 0 and <= 0, got 1"):
        lowest_threshold_transform(target, 1)
    with pytest.raises(ValueError, match=r"n must be an integer >= 1 and <= 10+, got 0"):
        optimal_label_transform(target, 0)
    with pytest.raises(ValueError, match="ranking must be one of 'modulus', 'edge', got 'size'"):
        optimal_label_transform(target, 100, ranking="size")


def test_transforms_can_be_stored_sent_and_cloned():
    target = TargetParameters(power_law("+-+", 0.4), d=30, q=2)
    y = np.linspace(-3, 3, 50)
    for transform in (lowest_threshold_transform(target, 0), optimal_label_transform(target, 5 * target.dim)):
        estimator = HierarchicalSpectralRegressor(2, label_transform=transform)
        for copied in (
            pickle.loads(pickle.dumps(transform)),
            copy.deepcopy(transform),
            clone(estimator).label_transform,
            joblib.Parallel(n_jobs=2)(joblib.delayed(_returned)(transform) for _ in range(2))[1],
        ):
            assert_array_equal(copied(y), transform(y))
        assert len(pickle.dumps(transform)) < 20_000
        assert repr(transform).startswith("PiecewiseLinear(")


def _returned(transform):
    return transform
