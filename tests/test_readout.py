"""The scalar readout in closed form, and by samples of its own."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from hierlib.theory.readout import in_sample_weights, readout_error
from hierlib.theory.weight_law import WeightLaw


def model(weights, *, link=lambda t: t, d=100, degree=1, mean_power=1.0, radial=False):
    cells = SimpleNamespace(scale=np.ones(1 + radial), mean_power=mean_power, exponent=0)
    return SimpleNamespace(weights=np.array(weights), cells=cells, link=link, d=d, degree=degree, composed=False)


def error(target, aligned, weights, lost=()):
    feature = np.arange(len(aligned))
    return readout_error(target, feature, np.array(aligned), np.array(weights), np.array(lost, dtype=float))


def test_in_sample_weight_mixes_the_feature_and_noise_as_the_direction_does():
    values = np.array([-1.0, 1.0])
    law = WeightLaw(values, np.full(2, 0.5), np.full((1, 2), 0.5), np.array([-0.3, 0.2]), np.array([[0.1, 0.4]]))
    kernel = 1 / (1 - 0.5 * values) ** 2
    noise, signal = kernel @ law.label_masses, kernel @ law.label_reweighted[0]
    found = in_sample_weights(law, np.array([0]), np.array([0.3]), kernel[None])
    assert_allclose(found, 0.7 * noise + 0.3 * signal, rtol=1e-12)


@pytest.mark.parametrize("aligned", [0.3, 0.7, 0.95])
def test_error_of_one_feature_is_the_part_of_its_square_that_is_not_explained(aligned):
    # E[h^2 - 1 | h_hat] = c^2 (h_hat^2 - 1), linear; moments are matched exactly, pieces cost 2 coefficients in 1024.
    assert error(model([1.0]), [aligned], [1.0]) == pytest.approx(1 - aligned**2, abs=2e-3)


@pytest.mark.parametrize("aligned", [0.5, 0.9])
def test_direction_of_noise_with_the_same_weight_halves_what_is_explained(aligned):
    # By symmetry the sum of two squares tells half of itself about either.
    assert error(model([1.0]), [aligned], [1.0], [1.0]) == pytest.approx(1 - aligned**2 / 2, abs=2e-3)


def test_nothing_kept_explains_nothing():
    assert error(model([1.0, 0.5]), [], []) == 1.0


def test_link_and_radius_are_those_of_a_sample():
    # Independent draws, and the mean over 200 bins of equal counts as the best function.
    d, degree, aligned = 6, 2, 0.8
    rng = np.random.default_rng(0)
    h, noise = rng.standard_normal((2, 400_000))
    radius = (rng.chisquare(d, 400_000) / d) ** degree / ((d + 2) / d)
    y = np.sin(2.5 * (radius * h**2 - 1) / np.sqrt(2))
    x = radius * (np.sqrt(aligned) * h + np.sqrt(1 - aligned) * noise) ** 2
    bins = y[np.argsort(x)].reshape(200, -1)
    expected = bins.var(axis=1).mean() / y.var()
    target = model([1.0], link=lambda t: np.sin(2.5 * t), d=d, degree=degree, mean_power=(d + 2) / d, radial=True)
    # Sixteen straight pieces on 2^14 points follow the waves of the label to a few tenths of a per cent.
    assert error(target, [aligned], [1.0]) == pytest.approx(expected, abs=0.004)
