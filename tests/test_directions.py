"""Tests of first- and second-order directions: exact cases, dense references, and what leaves them alone."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from hierlib.engine.krylov import largest_modulus
from hierlib.engine.moment import MomentOperator
from hierlib.learn.directions import first_order_directions, second_order_directions
from hierlib.model.metrics import subspace_overlap


@pytest.fixture
def classes():
    """Inputs whose mean depends on the class, and centred one-hot labels."""
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=900)
    means = rng.standard_normal((4, 6))
    return rng.standard_normal((900, 6)) + means[labels], np.eye(4)[labels], labels


def test_first_order_of_classes_spans_the_differences_of_their_means(classes):
    X, Y, labels = classes
    strengths, outputs, directions = first_order_directions(X, Y)
    assert len(strengths) == 3
    means = np.array([X[labels == c].mean(axis=0) for c in range(4)]) - X.mean(axis=0)
    # Three of the four: weighted by the sizes of the classes they add up to zero.
    assert_allclose(subspace_overlap(directions, means[:3]), 1.0, rtol=1e-10)
    moments = (Y - Y.mean(axis=0)).T @ X / len(X)
    assert_allclose((outputs.T * strengths) @ directions, moments, atol=1e-12)


def test_first_order_is_all_that_the_best_linear_fit_depends_on(classes):
    X, Y, _ = classes
    centred = X - X.mean(axis=0)
    white = centred @ np.linalg.inv(np.linalg.cholesky(centred.T @ centred / len(X))).T
    _, _, directions = first_order_directions(white, Y)
    slopes = np.linalg.lstsq(white, Y - Y.mean(axis=0), rcond=None)[0]
    assert_allclose(slopes.T @ directions.T @ directions, slopes.T, atol=1e-12)


def test_second_order_of_one_output_is_that_of_the_moment_operator(classes):
    X, Y, _ = classes
    y = Y[:, 1] - Y[:, 1].mean()
    values, rows = second_order_directions(X, y, 2)
    reference = largest_modulus(
        MomentOperator((X, y), degree=1, dtype="float64", n_jobs=1), 2, tol=1e-10, rng=np.random.default_rng(3)
    )
    assert_allclose(values, reference.eigenvalues, rtol=1e-8)
    assert_allclose(np.abs(np.sum(rows * reference.eigenvectors.T, axis=1)), 1.0, rtol=1e-8)


def test_second_order_of_several_outputs_is_the_singular_value_decomposition_of_their_stack(classes):
    X, Y, _ = classes
    stack = np.concatenate([(X * y[:, None]).T @ X / len(X) for y in (Y - Y.mean(axis=0)).T])
    strengths, rows = second_order_directions(X, Y, 5)
    _, singular, right = np.linalg.svd(stack)
    assert_allclose(strengths, singular[:5], rtol=1e-10)
    assert_allclose(np.abs(np.sum(rows * right[:5], axis=1)), 1.0, rtol=1e-8)


def test_one_column_and_one_vector_give_the_same_directions(classes):
    X, Y, _ = classes
    values, rows = second_order_directions(X, Y[:, 0], 3)
    strengths, same = second_order_directions(X, Y[:, :1], 3)
    assert_allclose(strengths, np.abs(values))
    assert_allclose(np.abs(np.sum(rows * same, axis=1)), 1.0)


def test_flipped_signs_leave_second_order_alone(classes):
    X, Y, _ = classes
    signs = np.random.default_rng(1).choice([-1.0, 1.0], size=(len(X), 1))
    assert_allclose(second_order_directions(signs * X, Y, 4)[0], second_order_directions(X, Y, 4)[0])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_directions_turn_with_the_inputs(classes, seed):
    X, Y, _ = classes
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((6, 6)))[0]
    for find in (lambda X: first_order_directions(X, Y)[2], lambda X: second_order_directions(X, Y, 3)[1]):
        assert_allclose(np.abs(np.sum((find(X) @ turn.T) * find(X @ turn.T), axis=1)), 1.0, rtol=1e-8)


@pytest.mark.parametrize("unit", [1e-100, 1e100])
def test_units_of_labels_and_inputs_do_not_matter(classes, unit):
    X, Y, _ = classes
    strengths, _, directions = first_order_directions(X, Y)
    for rescaled, factor in ((first_order_directions(X, unit * Y), unit), (first_order_directions(unit * X, Y), unit)):
        assert_allclose(rescaled[0], factor * strengths, rtol=1e-8)
        assert_allclose(np.abs(np.sum(rescaled[2] * directions, axis=1)), 1.0, rtol=1e-8)


def test_planted_square_is_found_with_its_sign():
    X = np.random.default_rng(2).standard_normal((20_000, 5))
    u = np.array([0.6, 0.0, 0.8, 0.0, 0.0])
    values, rows = second_order_directions(X, -((X @ u) ** 2), 1)
    # E (1 - h^2)(h^2 - 1) = -2; the standard error of its mean is sqrt(60 - 4)/sqrt(n).
    assert abs(values[0] + 2) < 5 * np.sqrt(56 / len(X))
    assert (rows[0] @ u) ** 2 > 0.99


@pytest.mark.parametrize(
    ("X", "Y", "message"),
    [
        (np.ones(3), np.ones((3, 1)), "X must have shape"),
        (np.empty((0, 3)), np.empty((0, 1)), "X must have samples and inputs"),
        (np.ones((3, 2)), np.ones((2, 1)), r"Y must have shape \(3, any\), got \(2, 1\)"),
        (np.ones((3, 2)), [[np.inf]] * 3, "Y must be finite"),
        (np.eye(3), np.ones((3, 2)), "Y must be correlated with X"),
        (np.ones((3, 2)), np.eye(3), "Y must be correlated with X"),
    ],
)
def test_samples_without_first_order_are_refused(X, Y, message):
    with pytest.raises(ValueError, match=message):
        first_order_directions(X, Y)


def test_vector_of_labels_has_no_output_directions_and_is_refused():
    with pytest.raises(ValueError, match=r"Y must have shape \(3, any\), got \(3,\)"):
        first_order_directions(np.eye(3), np.ones(3))


@pytest.mark.parametrize("k", [0, 4, 1.5, None])
def test_number_of_directions_is_between_one_and_the_inputs(k):
    with pytest.raises(ValueError, match="k must be an integer >= 1 and <= 3"):
        second_order_directions(np.eye(3), np.arange(3.0), k)


@pytest.mark.parametrize("Y", [np.ones(2), np.ones((3, 1, 1)), ["a", "b", "c"]])
def test_labels_that_do_not_fit_are_refused(Y):
    with pytest.raises(ValueError, match="Y must"):
        second_order_directions(np.eye(3), Y, 1)
