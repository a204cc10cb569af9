"""Tests of the trained networks: gradients by finite differences, gradients of inputs, the law of the first stage."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from hierlib.learn.networks import JACOBIAN_BATCH, ReluNetwork, half_times, learning_curves, shuffled_batches

SHAPES = [(3, 5, 1), (4, 6, 5, 2), (2, 1, 3, 1, 3)]


def sample(network, n, seed):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, len(network.weights[0]))), rng.standard_normal((n, len(network.biases[-1])))


def loss(network, X, Y):
    return np.sum((network.predict(X) - Y) ** 2) / 2 / len(X)


def shift(network, seed):
    """Biases other than zero, so that their part in every formula counts."""
    rng = np.random.default_rng(seed)
    for bias in network.biases:
        bias += 0.3 * rng.standard_normal(bias.shape)
    return network


@pytest.mark.parametrize("widths", SHAPES)
@pytest.mark.parametrize("seed", [1, 2])
def test_step_is_the_gradient_of_half_the_squared_error(widths, seed):
    network = shift(ReluNetwork(widths, rng=np.random.default_rng(seed)), seed)
    X, Y = sample(network, 20, seed)
    before = [array.copy() for array in (*network.weights, *network.biases)]
    slopes = []
    for array in (*network.weights, *network.biases):
        slope = np.empty_like(array)
        for place in np.ndindex(array.shape):
            old = array[place]
            values = []
            for new in (old + 1e-6, old - 1e-6):
                array[place] = new
                values.append(loss(network, X, Y))
            array[place] = old
            slope[place] = (values[0] - values[1]) / 2e-6
        slopes.append(slope)
    network.descend(X, Y, 0.5)
    for array, old, slope in zip((*network.weights, *network.biases), before, slopes, strict=True):
        # Central differences: rounding over the step of 1e-6.
        assert_allclose((old - array) / 0.5, slope, atol=1e-8)


@pytest.mark.parametrize("widths", SHAPES)
def test_gradients_of_the_inputs_are_those_of_finite_differences(widths):
    network = shift(ReluNetwork(widths, rng=np.random.default_rng(3)), 3)
    X, _ = sample(network, 30, 4)
    d = widths[0]
    jacobian = np.array(
        [(network.predict(X + 1e-6 * e) - network.predict(X - 1e-6 * e)) / 2e-6 for e in np.eye(d)]
    )  # d, n, k outputs
    expected = np.einsum("ank,bnk->ab", jacobian, jacobian) / len(X)
    assert_allclose(network.gradient_outer_product(X), expected, atol=1e-7)


def test_gradients_of_a_large_sample_are_those_of_its_parts():
    network = ReluNetwork((3, 8, 2), rng=np.random.default_rng(0))
    X, _ = sample(network, JACOBIAN_BATCH + 70, 1)
    parts = [network.gradient_outer_product(part) for part in (X[:JACOBIAN_BATCH], X[JACOBIAN_BATCH:])]
    expected = np.average(parts, axis=0, weights=[JACOBIAN_BATCH, 70])
    assert_allclose(network.gradient_outer_product(X), expected, rtol=1e-12)


def test_activations_are_hidden_layers_that_the_outputs_are_linear_in():
    network = shift(ReluNetwork((3, 5, 4, 2), rng=np.random.default_rng(5)), 5)
    X, _ = sample(network, 10, 6)
    first, last = network.activations(X)
    assert first.shape == (10, 5)
    assert (first >= 0).all()
    assert_allclose(last @ network.weights[-1] + network.biases[-1], network.predict(X))


def test_small_network_of_any_scale_is_the_same_function_up_to_powers_of_the_scale():
    """Without biases a network of two layers is homogeneous of degree 2 in its weights."""
    X = np.random.default_rng(0).standard_normal((5, 3))
    one, small = (ReluNetwork((3, 6, 2), scale=scale, rng=np.random.default_rng(1)) for scale in (1.0, 0.1))
    assert_allclose(small.predict(X), 0.01 * one.predict(X))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_first_weights_have_the_scale_that_was_asked_for(seed):
    weights = ReluNetwork((400, 200, 1), scale=0.5, rng=np.random.default_rng(seed)).weights[0]
    error = 0.25 / 400 * np.sqrt(2 / weights.size)
    assert abs(np.mean(weights**2) - 0.25 / 400) < 5 * error


def test_unit_along_a_feature_grows_at_the_rate_of_its_weight():
    r"""While outputs are small, output weight and length grow like exp(t |lambda| / (2 sqrt(pi)))."""
    # A fine trapezoidal rule, as Gauss quadrature stumbles over the kink at 0.
    z = np.linspace(0, 10, 20_001)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    weight = -0.6
    rate = np.trapezoid(weight * (z**2 - 1) / np.sqrt(2) * z * density, z)
    assert_allclose(rate, weight / (2 * np.sqrt(np.pi)), rtol=1e-6)
    X = np.concatenate([z, -z])[:, None]
    network = ReluNetwork((1, 1, 1), rng=np.random.default_rng(0))
    network.weights[0][:], network.weights[1][:] = 1e-3, -1e-3
    # Weighted by the density through the labels: the network itself is too small to matter.
    Y = weight * (X**2 - 1) / np.sqrt(2) * np.concatenate([density, density])[:, None] * len(X) * (z[1] - z[0])
    for _ in range(400):
        network.descend(X, Y, 0.01)
    assert_allclose(network.weights[0] / 1e-3, np.exp(4 * abs(rate)), rtol=5e-3)
    assert_allclose(network.weights[1] / -1e-3, np.exp(4 * abs(rate)), rtol=5e-3)


@pytest.mark.parametrize("size", [1, 3, 7])
def test_every_round_deals_each_sample_at_most_once_in_whole_batches(size):
    X = np.arange(7.0)[:, None]
    batches = shuffled_batches(X, 2 * X, size, rng=np.random.default_rng(0))
    for _ in range(3):
        dealt = [next(batches) for _ in range(7 // size)]
        values = np.concatenate([x for x, _ in dealt])[:, 0]
        assert len(values) == len(set(values)) == 7 // size * size
        assert all(len(x) == size for x, _ in dealt)
        assert_array_equal(np.concatenate([y for _, y in dealt])[:, 0], 2 * values)


def test_curves_are_what_is_measured_after_that_many_steps():
    networks = [ReluNetwork((2, 4, 1), rng=np.random.default_rng(0)) for _ in range(2)]
    X, Y = sample(networks[0], 12, 1)
    curves = learning_curves(networks[0], [(X, Y)] * 9, lambda network: network.predict(X), counts=[1, 4, 9], step=0.1)
    assert curves.shape == (3, 12)
    for step in range(1, 10):
        networks[1].descend(X, Y, 0.1)
        if step in (1, 4, 9):
            assert_array_equal(curves[[1, 4, 9].index(step)], networks[1].predict(X)[:, 0])


def test_half_times_of_powers_of_the_logarithm_are_exact():
    times = np.array([1.0, 3.0, 9.0, 27.0])
    curves = np.stack([np.log(times), 2 * np.log(times), -np.log(times), np.ones(4)], axis=1)
    assert_allclose(half_times(times, curves, level=1.0), [np.e, np.exp(0.5), np.inf, 1.0])


def test_half_time_is_the_first_of_several_crossings():
    assert_allclose(half_times([1, 10, 100, 1000], [[0.0], [1.0], [0.0], [1.0]]), [10**0.5])


def test_half_time_of_a_curve_that_touches_the_level_is_that_point():
    assert_allclose(half_times([1, 2, 4], [[0.1], [0.5], [0.5]]), [2.0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widths": (3, 2)}, "widths must be a list of inputs, one hidden layer or more, and outputs"),
        ({"widths": 3}, "widths must be a list"),
        ({"widths": (3, 0, 1)}, r"widths\[1\] must be an integer >= 1, got 0"),
        ({"widths": (3, 2.5, 1)}, r"widths\[1\] must be an integer"),
        ({"scale": 0}, "scale must be a finite number > 0, got 0"),
        ({"scale": np.nan}, "scale must be a finite number > 0"),
        ({"rng": 3}, "rng must be a numpy.random.Generator, got 3"),
    ],
)
def test_network_that_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ReluNetwork(**({"widths": (3, 2, 1), "rng": np.random.default_rng(0)} | arguments))


@pytest.mark.parametrize("X", [np.ones((2, 4)), np.ones(3), [[np.nan, 0.0, 0.0]], "x"])
def test_inputs_that_do_not_fit_are_refused(X):
    network = ReluNetwork((3, 2, 1), rng=np.random.default_rng(0))
    for method in (network.predict, network.activations, network.gradient_outer_product):
        with pytest.raises(ValueError, match="X must"):
            method(X)


def test_gradients_of_no_inputs_are_refused():
    with pytest.raises(ValueError, match="X must have at least one row"):
        ReluNetwork((3, 2, 1), rng=np.random.default_rng(0)).gradient_outer_product(np.empty((0, 3)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "size must be an integer >= 1 and <= 4, got 0"),
        ({"size": 5}, "size must be an integer >= 1 and <= 4, got 5"),
        ({"X": np.ones(4)}, "X must have shape"),
        ({"Y": np.ones((3, 1))}, r"Y must have shape \(4, any\), got \(3, 1\)"),
        ({"rng": None}, "rng must be"),
    ],
)
def test_batches_that_make_no_sense_are_refused_at_once(arguments, message):
    allowed = {"X": np.ones((4, 2)), "Y": np.ones((4, 1)), "size": 2, "rng": np.random.default_rng(0)}
    with pytest.raises(ValueError, match=message):
        shuffled_batches(**(allowed | arguments))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"measure": 3}, "measure must be callable, got 3"),
        ({"counts": []}, "counts must increase and hold one number at least"),
        ({"counts": [2, 2]}, r"counts must increase .*, got \[2, 2\]"),
        ({"counts": [0, 2]}, "counts must be an integer >= 1, got 0"),
        ({"counts": [1.5]}, "counts must be an integer"),
        ({"counts": None}, "counts must be an integer"),
        ({"step": 0.0}, "step must be a finite number > 0"),
        ({"counts": [1, 9]}, "batches must be at least 9, got 3"),
        ({"batches": [(np.ones((2, 2)), np.ones((2, 1)))]}, "X of a batch must have shape"),
        ({"batches": [(np.ones((2, 3)), np.ones(2))]}, "Y of a batch must have shape"),
        ({"batches": [(np.full((2, 3), np.nan), np.ones((2, 1)))]}, "X of a batch must be finite"),
        ({"step": 1e200, "counts": [3]}, "step must be small enough"),
    ],
)
def test_training_that_makes_no_sense_is_refused(arguments, message):
    X, Y = np.random.default_rng(0).standard_normal((2, 5, 3))
    allowed = {"batches": [(X, Y[:, :1])] * 3, "measure": lambda network: network.biases[0], "counts": [1], "step": 0.1}
    with pytest.raises(ValueError, match=message):
        learning_curves(ReluNetwork((3, 2, 1), rng=np.random.default_rng(0)), **(allowed | arguments))


@pytest.mark.parametrize(
    ("times", "curves", "message"),
    [
        ([], np.empty((0, 2)), "times must be positive and increase"),
        ([0, 1], np.ones((2, 1)), "times must be positive and increase"),
        ([2, 1], np.ones((2, 1)), "times must be positive and increase"),
        ([1, 2], np.ones((3, 1)), r"curves must have shape \(2, any\)"),
        ([1, 2], [[np.nan], [1.0]], "curves must be finite"),
    ],
)
def test_times_that_make_no_sense_are_refused(times, curves, message):
    with pytest.raises(ValueError, match=message):
        half_times(times, curves)
