r"""Fully connected networks of rectified linear units, trained by gradient descent while somebody watches.

.. math:: f(x) = W_L\,\sigma(W_{L-1} \cdots \sigma(W_1 x + b_1) \cdots) + b_L, \qquad \sigma(z) = \max(z, 0),

on half the squared error summed over the outputs. Training time is the number of steps times their size. A step on B
samples costs some 6 B operations a weight; nothing is stored but the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from hierlib.checks import check_array, check_callable, check_generator, check_integer, check_real

__all__ = ["ReluNetwork", "half_times", "learning_curves", "shuffled_batches"]

# The Jacobian of a batch holds one number a sample, output and input.
JACOBIAN_BATCH = 500


class ReluNetwork:
    r"""A fully connected network with random weights of variance :math:`\sigma^2/\mathrm{fan\,in}`, and biases 0.

    Parameters
    ----------
    widths : sequence of int
        Number of inputs, of units in each hidden layer (one at least), and of outputs.
    scale : float, default 1.0
        :math:`\sigma`, positive. The smaller, the longer the first, linear stage of training, in which each unit grows
        exponentially.
    rng : numpy.random.Generator
        Source of the weights.

    Attributes
    ----------
    weights : list of ndarray, shapes (fan_in, fan_out)
        A matrix a layer.
    biases : list of ndarray, shapes (fan_out,)
        A vector a layer.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.learn.networks import ReluNetwork
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 3))
    >>> network = ReluNetwork((3, 32, 1), rng=rng)
    >>> for _ in range(500):
    ...     network.descend(X, np.abs(X[:, :1]), 0.1)
    >>> bool(np.mean((network.predict(X) - np.abs(X[:, :1])) ** 2) < 0.02)
    True
    """

    def __init__(self, widths: Sequence[int], *, scale: float = 1.0, rng: np.random.Generator) -> None:
        if not isinstance(widths, list | tuple) or len(widths) < 3:
            msg = f"widths must be a list of inputs, one hidden layer or more, and outputs, got {widths!r}."
            raise ValueError(msg)
        sizes = [check_integer(f"widths[{k}]", size, low=1) for k, size in enumerate(widths)]
        check_real("scale", scale, low=0, open_low=True)
        check_generator(rng)
        self.weights = [
            scale / np.sqrt(fan_in) * rng.standard_normal((fan_in, fan_out)) for fan_in, fan_out in pairwise(sizes)
        ]
        self.biases = [np.zeros(fan_out) for fan_out in sizes[1:]]

    def activations(self, X: ArrayLike) -> list[np.ndarray]:
        """Compute the hidden units' values, an ndarray of shape (n_samples, width) a layer.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_inputs)
            Inputs.
        """
        return self._forward(self._inputs(X))[1:-1]

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Compute the outputs, ndarray of shape (n_samples, n_outputs).

        Parameters
        ----------
        X : array_like, shape (n_samples, n_inputs)
            Inputs.
        """
        return self._forward(self._inputs(X))[-1]

    def descend(self, X: np.ndarray, Y: np.ndarray, step: float) -> None:
        r"""Move all weights and biases against the gradient of :math:`\frac1{2n}\sum_\mu\|f(x_\mu)-y_\mu\|^2`.

        Parameters
        ----------
        X : ndarray, shape (n_samples, n_inputs)
            Inputs.
        Y : ndarray, shape (n_samples, n_outputs)
            Labels.
        step : float
            Size of the step.

        Notes
        -----
        Called thousands of times in a row, it does not check its arguments.
        """
        values = self._forward(X)
        slope = (values[-1] - Y) / len(X)
        for layer in range(len(self.weights) - 1, -1, -1):
            below = values[layer]
            # The slope below is of the weights before the step.
            next_slope = (slope @ self.weights[layer].T) * (below > 0) if layer else slope
            self.weights[layer] -= step * (below.T @ slope)
            self.biases[layer] -= step * slope.sum(axis=0)
            slope = next_slope

    def gradient_outer_product(self, X: ArrayLike) -> np.ndarray:
        r"""Average :math:`\sum_c \nabla f_c(x)\nabla f_c(x)^\top` over a sample: what the outputs depend on.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_inputs)
            Inputs, at least one.

        Returns
        -------
        ndarray, shape (n_inputs, n_inputs)
            Symmetric, without negative eigenvalues.

        Raises
        ------
        ValueError
            If the inputs do not fit the network, or there are none.

        Notes
        -----
        Cost: one product of Jacobian and weights a layer; the Jacobians of 500 samples at a time are held.

        References
        ----------
        Radhakrishnan, Beaglehole, Pandit, Belkin, Science 383 (2024) 1461.
        """
        X = self._inputs(X)
        if not len(X):
            msg = "X must have at least one row, got none."
            raise ValueError(msg)
        total = np.zeros((X.shape[1], X.shape[1]))
        for start in range(0, len(X), JACOBIAN_BATCH):
            hidden = self._forward(X[start : start + JACOBIAN_BATCH])[1:-1]
            jacobian = self.weights[-1].T[None]
            for values, weights in zip(hidden[::-1], self.weights[-2::-1], strict=True):
                jacobian = (jacobian * (values > 0)[:, None, :]) @ weights.T
            rows = jacobian.reshape(-1, X.shape[1])
            total += rows.T @ rows
        return total / len(X)

    def _inputs(self, X: ArrayLike) -> np.ndarray:
        return check_array("X", X, shape=(None, len(self.weights[0])))

    def _forward(self, X: np.ndarray) -> list[np.ndarray]:
        """Compute inputs, hidden layers and outputs."""
        values = [X]
        for weights, biases in zip(self.weights[:-1], self.biases[:-1], strict=True):
            values.append(np.maximum(values[-1] @ weights + biases, 0))
        values.append(values[-1] @ self.weights[-1] + self.biases[-1])
        return values


def shuffled_batches(
    X: ArrayLike, Y: ArrayLike, size: int, *, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Deal a sample out in batches, again and again without end, each time in a new order.

    Parameters
    ----------
    X : array_like, shape (n_samples, d)
        Inputs.
    Y : array_like, shape (n_samples, n_outputs)
        Labels.
    size : int
        Samples in a batch, at most n_samples. What does not fill a batch is left out in this round.
    rng : numpy.random.Generator
        Source of the orders.

    Returns
    -------
    iterator of (ndarray, ndarray)
        Batches of inputs and labels.

    Raises
    ------
    ValueError
        If an argument is out of range or the lengths differ.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.learn.networks import shuffled_batches
    >>> X = np.arange(4.0)[:, None]
    >>> batches = shuffled_batches(X, -X, 2, rng=np.random.default_rng(0))
    >>> sorted(float(x) for _ in range(2) for x in next(batches)[0][:, 0])
    [0.0, 1.0, 2.0, 3.0]
    """
    X = check_array("X", X, shape=(None, None))
    Y = check_array("Y", Y, shape=(len(X), None))
    check_integer("size", size, low=1, high=len(X))
    check_generator(rng)
    # The loop is a function of its own, so that arguments are refused here and not at the first batch.
    return _deal(X, Y, size, rng)


def _deal(X: np.ndarray, Y: np.ndarray, size: int, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    while True:
        order = rng.permutation(len(X))
        for start in range(0, len(X) - size + 1, size):
            chosen = order[start : start + size]
            yield X[chosen], Y[chosen]


def learning_curves(
    network: ReluNetwork,
    batches: Iterable[tuple[np.ndarray, np.ndarray]],
    measure: Callable[[ReluNetwork], ArrayLike],
    *,
    counts: Sequence[int],
    step: float,
) -> np.ndarray:
    """Train a network in place, and measure it after given numbers of steps.

    Parameters
    ----------
    network : ReluNetwork
        What is trained.
    batches : iterable of (X, Y)
        A batch a step, of shapes (n_samples, n_inputs) and (n_samples, n_outputs); at least as many as steps.
    measure : callable
        Numbers of interest, the same count each time.
    counts : sequence of int
        Numbers of steps, increasing, at least 1.
    step : float
        Size of a step, positive; times the number of steps it is the training time.

    Returns
    -------
    ndarray, shape (len(counts), n_measured)
        The measured numbers.

    Raises
    ------
    ValueError
        If an argument is out of range, a batch does not fit the network, there are too few, or training diverges.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.learn.networks import ReluNetwork, learning_curves, shuffled_batches
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((500, 2))
    >>> network = ReluNetwork((2, 16, 1), rng=rng)
    >>> error = lambda trained: [np.mean((trained.predict(X) - X[:, :1]) ** 2)]
    >>> batches = shuffled_batches(X, X[:, :1], 50, rng=rng)
    >>> first, last = learning_curves(network, batches, error, counts=[1, 300], step=0.1)
    >>> bool(last < first / 10)
    True
    """
    check_callable("measure", measure)
    check_real("step", step, low=0, open_low=True)
    marks = [check_integer("counts", count, low=1) for count in np.atleast_1d(np.asarray(counts, dtype=object))]
    if not marks or any(after <= before for before, after in pairwise(marks)):
        msg = f"counts must increase and hold one number at least, got {counts!r}."
        raise ValueError(msg)
    n_inputs, n_outputs = len(network.weights[0]), len(network.biases[-1])
    supply = iter(batches)
    found = []
    done = 0
    with np.errstate(over="ignore", invalid="ignore"):
        for count in marks:
            for _ in range(count - done):
                try:
                    X, Y = next(supply)
                except StopIteration:
                    msg = f"batches must be at least {marks[-1]}, got {done}."
                    raise ValueError(msg) from None
                X = check_array("X of a batch", X, shape=(None, n_inputs))
                network.descend(X, check_array("Y of a batch", Y, shape=(len(X), n_outputs)), step)
                done += 1
            if not all(np.isfinite(weights).all() for weights in network.weights):
                msg = f"step must be small enough for these batches: training diverged with {step}."
                raise ValueError(msg)
            found.append(np.asarray(measure(network), dtype=float).ravel())
    return np.array(found)


def half_times(times: ArrayLike, curves: ArrayLike, *, level: float = 0.5) -> np.ndarray:
    """Read off when curves first reach a level, on a straight line in the logarithm of time between two points.

    Parameters
    ----------
    times : array_like, shape (n_times,)
        Positive, increasing.
    curves : array_like, shape (n_times, n_curves)
        Values at these times.
    level : float, default 0.5
        What is to be reached.

    Returns
    -------
    ndarray, shape (n_curves,)
        Infinite for a curve that does not reach the level; the first of the times, an upper bound, for one that is
        there from the start.

    Raises
    ------
    ValueError
        If an argument is out of range or shapes differ.

    Examples
    --------
    >>> from hierlib.learn.networks import half_times
    >>> half_times([1, 10, 100], [[0.0, 0.0], [0.25, 0.1], [0.75, 0.2]]).round(1)
    array([31.6,  inf])
    """
    times = check_array("times", times, shape=(None,))
    curves = check_array("curves", curves, shape=(len(times), None))
    check_real("level", level)
    if not len(times) or times[0] <= 0 or (np.diff(times) <= 0).any():
        msg = f"times must be positive and increase, got {times}."
        raise ValueError(msg)
    there = curves >= level
    after = np.argmax(there, axis=0)
    before = np.maximum(after - 1, 0)
    columns = np.arange(curves.shape[1])
    low, high = curves[before, columns], curves[after, columns]
    rise = np.where(after > before, high - low, 1.0)
    share = np.where((after > before) & there.any(axis=0), (level - low) / np.where(rise == 0, 1.0, rise), 1.0)
    found = times[before] * (times[after] / times[before]) ** share
    return np.where(there.any(axis=0), found, np.inf)
