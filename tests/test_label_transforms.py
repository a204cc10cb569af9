"""Optimal label transforms: closed form of one feature, the largest predicted overlap, the smallest threshold."""

import copy
import pickle

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from hierlib import HierarchicalSpectralRegressor
from hierlib.theory.asymptotics import TargetParameters, predict
from hierlib.theory.bulk import Bulk, build_model
from hierlib.theory.label_transforms import (
    _moments_given_label,
    _responses,
    lowest_threshold_transform,
    optimal_label_transform,
)
from hierlib.theory.weight_law import WeightLaw

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


def test_moments_given_the_label_add_up_to_those_of_the_whole_law():
    target = TargetParameters(MIXED, d=30, q=2)
    moments = _moments_given_label(target, radial=True, normalize=False)
    # E R = E h^2 = 1, and E R^2 = (1 + 4/d)(1 + 6/d)/(1 + 2/d) for R = r^4/(1 + 2/d); the radius does not see h.
    square = (1 + 4 / 30) * (1 + 6 / 30) / (1 + 2 / 30)
    assert_allclose(moments.signal @ moments.chance, 0, atol=1e-6)
    assert_allclose(moments.noise @ moments.chance, square, rtol=1e-6)
    assert moments.scale @ moments.chance == pytest.approx(square, rel=1e-6)
    # Bins of equal width in whose middle the points are: the mean of the label, 0, is theirs to second order.
    step = np.diff(moments.points).min()
    assert abs(moments.chance @ moments.points) < 0.02 * step
    # The tails begin where the outermost bins end; cells of the label hold a few percent of a tail.
    cells = build_model(target, None, radial=True, remainder=False, normalize=False).cells
    y, masses = cells.standardized, cells.masses
    assert masses[y > moments.points[-1] + step / 2].sum() == pytest.approx(1e-5, rel=0.04)
    assert masses[y < moments.points[0] - step / 2].sum() == pytest.approx(1e-5, rel=0.04)


def test_response_of_a_feature_is_its_outlier_or_the_edge_of_its_sign():
    # Weights -1 and 1 as often, E[h^2 - 1 | v] = e v: phi(s) = 2 e/(1 - s^2) and 1/(delta s) = phi(s) at the outlier.
    delta, excess = 30.0, np.array([0.2, -1e-3])
    values, masses = np.array([-1.0, 1.0]), np.full(2, 0.5)
    reweighted = masses + excess[:, None] * values
    bulk = Bulk(WeightLaw(values, masses, reweighted, masses * values, reweighted * values), delta, 30_000)
    s, aligned, kappa = _responses(bulk)
    root = np.sqrt((0.2 * delta) ** 2 + 1) - 0.2 * delta
    assert_allclose(s, [root, bulk.edges[-1]], rtol=1e-4)
    assert aligned[0] > 0.5
    assert aligned[1] == 0
    slopes = 4 * excess * s / (1 - s**2) ** 2
    assert_allclose(kappa, 1 / (1 + delta * s**2 * slopes), rtol=1e-4)


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
