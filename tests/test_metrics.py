"""Oracles: planted angles, projectors written out, random subspaces, and scikit-learn's R^2."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import r2_score

from hierlib import HierarchicalTarget
from hierlib.model.metrics import alignment, feature_overlap, normalized_mse, principal_angles, subspace_overlap

ANGLES = np.array([1.2, 0.7, 1e-6])


def planted(seed=0, dim=9):
    """Return true directions and learned ones at the planted angles from them, one to one."""
    basis = np.linalg.qr(np.random.default_rng(seed).standard_normal((dim, 6)))[0].T
    return np.cos(ANGLES)[:, None] * basis[:3] + np.sin(ANGLES)[:, None] * basis[3:], basis[:3]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_planted_angles_are_measured(seed):
    learned, true = planted(seed)
    assert_allclose(principal_angles(learned, true), ANGLES, rtol=1e-8)
    assert_allclose(alignment(learned, true), np.cos(ANGLES) ** 2, rtol=0, atol=1e-14)
    assert_allclose(subspace_overlap(learned, true), np.mean(np.cos(ANGLES) ** 2), rtol=0, atol=1e-14)


@given(seed=st.integers(0, 2**32 - 1), n_learned=st.integers(1, 5), n_true=st.integers(1, 5))
def test_measures_equal_projectors_written_out_and_depend_on_row_spaces_alone(seed, n_learned, n_true):
    rng = np.random.default_rng(seed)
    learned, true = rng.standard_normal((n_learned, 7)), rng.standard_normal((n_true, 7))
    projectors = [rows.T @ np.linalg.pinv(rows.T) for rows in (learned, true)]
    overlap = np.trace(projectors[0] @ projectors[1]) / n_true
    cosines = np.array([u @ projectors[0] @ u / (u @ u) for u in true])
    # Gaussian matrices of at most 5 x 7 have condition number below about 1e3.
    assert_allclose(subspace_overlap(learned, true), overlap, rtol=0, atol=1e-9)
    assert_allclose(alignment(learned, true), cosines, rtol=0, atol=1e-9)
    assert_allclose(np.sum(np.cos(principal_angles(learned, true)) ** 2) / n_true, overlap, rtol=0, atol=1e-9)
    # Sign, scale, order, and any invertible mixing of the learned rows.
    mixing = np.linalg.qr(rng.standard_normal((n_learned, n_learned)))[0] * rng.uniform(0.1, 10, n_learned)
    scales = rng.choice([-1, 1], n_true) * rng.uniform(0.1, 10, n_true)
    assert_allclose(subspace_overlap(mixing @ learned, scales[:, None] * true), overlap, rtol=0, atol=1e-9)
    assert_allclose(alignment(mixing @ learned, scales[:, None] * true), cosines, rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_subspaces_overlap_by_the_ratio_of_dimensions(seed):
    rng = np.random.default_rng(seed)
    true = rng.standard_normal((3, 20))
    learned = rng.standard_normal((500, 4, 20))
    overlaps = np.array([subspace_overlap(rows, true) for rows in learned])
    alignments = np.array([alignment(rows, true) for rows in learned])
    for values in (overlaps, *alignments.T):
        assert abs(values.mean() - 4 / 20) < 4.5 * values.std() / np.sqrt(500)


@pytest.mark.parametrize("q", [1, 2, 3])
def test_overlap_of_features_tends_to_that_of_directions(q):
    target = HierarchicalTarget(6, q, n_features=3, seed=q)
    X, _ = target.sample(40_000, 1)
    learned = target.directions + 0.3 * np.random.default_rng(q).standard_normal(target.directions.shape)
    expected = subspace_overlap(learned, target.directions)
    assert expected < 0.95
    measured = feature_overlap(target.features.project(X, learned) + 5, target.latent(X) - 3)
    # Covariances of 40 000 samples of degree-q polynomials: standard error about sqrt(E h^4 / n), h^4 up to some tens.
    assert abs(measured - expected) < 0.03


def test_features_that_span_the_same_space_overlap_fully_and_uncorrelated_ones_not():
    rng = np.random.default_rng(0)
    h = rng.standard_normal((50, 2))
    assert_allclose(feature_overlap(h @ np.array([[2.0, 1.0], [0.0, -3.0]]) + 7, h), 1, rtol=1e-12)
    centred = h - h.mean(axis=0)
    other = rng.standard_normal((50, 2))
    other -= other.mean(axis=0)
    other -= centred @ np.linalg.pinv(centred) @ other
    assert_allclose(feature_overlap(other, h), 0, rtol=0, atol=1e-25)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 50))
def test_normalised_error_is_one_minus_r_squared(seed, n):
    rng = np.random.default_rng(seed)
    y, prediction = 3 * rng.standard_normal(n) + 10, rng.standard_normal(n)
    assert_allclose(normalized_mse(y, prediction), 1 - r2_score(y, prediction), rtol=1e-9)
    assert normalized_mse(y, y) == 0
    assert_allclose(normalized_mse(y, np.full(n, y.mean())), 1, rtol=1e-12)


@pytest.mark.parametrize("scale", [2.0**-900, 2.0**900])
def test_errors_and_overlaps_do_not_see_the_size_of_their_arguments(scale):
    rng = np.random.default_rng(0)
    y, prediction = rng.standard_normal((2, 50))
    # Powers of two change no rounding.
    assert normalized_mse(scale * y, scale * prediction) == normalized_mse(y, prediction)
    A, B = rng.standard_normal((2, 3, 8))
    rows = np.array([[scale], [1.0], [1e-12]])
    for measure in (subspace_overlap, alignment, principal_angles):
        assert_allclose(measure(rows * A, rows[::-1] * B), measure(A, B), rtol=1e-12)
    assert_allclose(feature_overlap(scale * A.T, B.T), feature_overlap(A.T, B.T), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["int8", "float16", "float32"])
def test_errors_and_overlaps_do_not_depend_on_the_type_of_equal_numbers(dtype):
    rng = np.random.default_rng(0)
    A, B = rng.integers(-120, 120, (2, 3, 8))
    for measure in (subspace_overlap, alignment, principal_angles):
        assert_array_equal(measure(A.astype(dtype), B.astype(dtype)), measure(A * 1.0, B * 1.0))
    assert feature_overlap(A.T.astype(dtype), B.T.astype(dtype)) == feature_overlap(A.T * 1.0, B.T * 1.0)
    assert normalized_mse(A[0].astype(dtype), A[1].astype(dtype)) == normalized_mse(A[0] * 1.0, A[1] * 1.0)


def test_small_angles_are_resolved_beyond_the_rounding_of_cosines():
    angle = 1e-9
    learned = np.array([[np.cos(angle), np.sin(angle), 0.0]])
    assert_allclose(principal_angles(learned, np.eye(3)[:1]), [angle], rtol=1e-6)


@pytest.mark.parametrize("measure", [subspace_overlap, alignment, principal_angles])
def test_direction_matrices_that_do_not_fit_are_refused(measure):
    good = np.eye(3)[:2]
    cases = [
        (np.ones((2, 4)), good, r"learned must have shape \(any, 3\), got \(2, 4\)\."),
        (np.ones(3), good, r"learned must have shape \(any, 3\), got \(3,\)\."),
        (good, np.ones(3), r"true must have shape \(any, any\), got \(3,\)\."),
        (good * np.nan, good, r"learned must be finite"),
        (np.ones((2, 3)), good, r"learned must have linearly independent rows, got .* of shape \(2, 3\)\."),
        (np.r_[np.eye(3), good], good, r"learned must have linearly independent rows, got .* of shape \(5, 3\)\."),
    ]
    for learned, true, message in cases:
        with pytest.raises(ValueError, match="^" + message):
            measure(learned, true)


def test_true_directions_and_features_that_do_not_fit_are_refused():
    good = np.eye(3)[:2]
    with pytest.raises(ValueError, match=r"^true must have nonzero rows, got zero in row 1\."):
        alignment(good, np.array([[1.0, 0, 0], [0, 0, 0]]))
    for measure in (subspace_overlap, principal_angles):
        with pytest.raises(ValueError, match=r"^true must have linearly independent rows"):
            measure(good, np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"^learned must have shape"):
        feature_overlap(np.ones((4, 2)), np.random.default_rng(0).standard_normal((5, 2)))
    with pytest.raises(ValueError, match=r"^true must have shape \(any, any\), got \(4,\)\."):
        feature_overlap(np.ones((4, 2)), np.ones(4))


@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        ([1.0, 2.0], [1.0], r"y_pred must have shape \(2\), got \(1,\)\."),
        ([[1.0, 2.0]], [1.0, 2.0], r"y_true must have shape \(any\), got \(1, 2\)\."),
        ([1.0, np.nan], [1.0, 2.0], r"y_true must be finite"),
        ([1.0, 2.0], [np.inf, 2.0], r"y_pred must be finite"),
        ([3.0, 3.0], [1.0, 2.0], r"y_true must not be constant, got 3\.0 everywhere\."),
    ],
)
def test_labels_that_do_not_fit_are_refused(y_true, y_pred, message):
    with pytest.raises(ValueError, match="^" + message):
        normalized_mse(y_true, y_pred)
