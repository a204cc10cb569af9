"""Oracles: the tensor itself at small size, and the mean in closed form."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from hierlib.engine import tensor
from hierlib.engine.tensor import unfolded_third_moment


@pytest.mark.parametrize("rows", [3, 1024])
def test_products_of_the_unfolded_tensor_are_those_of_the_tensor(rows, monkeypatch):
    monkeypatch.setattr(tensor, "_ROWS", rows)
    rng = np.random.default_rng(0)
    F, w = rng.standard_normal((8, 4)), rng.standard_normal(8)
    second = np.einsum("mi,mj->mij", F, F) - np.eye(4)
    single = np.einsum("m,mi,mjk->mijk", w, F, second)
    full, own = single.sum(axis=0), np.einsum("maij,mbij->ab", single, single)
    assert_allclose(unfolded_third_moment(F, w), (np.einsum("aij,bij->ab", full, full) - own) / 64, atol=1e-12)


def test_mean_is_six_times_the_squared_weights():
    rng = np.random.default_rng(1)
    runs = []
    for _ in range(40):
        F = rng.standard_normal((400, 6))
        h = F[:, :2]
        runs.append(np.diag(unfolded_third_moment(F, (h**3 - 3 * h) @ [0.8, -0.6] / np.sqrt(6))))
    error = np.std(runs, axis=0, ddof=1) / np.sqrt(len(runs))
    expected = 6 * (1 - 1 / 400) * np.array([0.64, 0.36, 0, 0, 0, 0])
    assert np.all(np.abs(np.mean(runs, axis=0) - expected) < 4 * error)


@pytest.mark.parametrize(
    ("F", "weights", "message"),
    [
        (np.ones(3), np.ones(3), r"F must have shape \(any, any\)"),
        (np.ones((3, 2)), np.ones(2), r"weights must have shape \(3\)"),
        (np.full((3, 2), np.nan), np.ones(3), "F must be finite"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(F, weights, message):
    with pytest.raises(ValueError, match=message):
        unfolded_third_moment(F, weights)
