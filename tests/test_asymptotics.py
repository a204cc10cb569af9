"""Sharp constants: laws against exact distributions, formulas against their limits, predictions against simulation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations_with_replacement
from math import comb

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import eval_gegenbauer
from scipy.stats import chi2

from hierlib import HierarchicalTarget
from hierlib.theory import bulk, readout
from hierlib.theory import weight_law as weight_laws
from hierlib.theory.asymptotics import (
    TargetParameters,
    bulk_density,
    critical_sample_sizes,
    noise_edges,
    predict,
    remainder_coefficient,
)
from hierlib.theory.bulk import Bulk, build_model
from hierlib.theory.label_transforms import lowest_threshold_transform
from hierlib.theory.perturbation import population_remainder
from hierlib.theory.remainder import RemainderLaw, remainder_law, remainder_skewness
from hierlib.theory.weight_law import WeightLaw, chi_square_sum_law, label_grid, radial_rule, radial_scale, weight_law

MIXED = np.array([1.0, -1.0, 1.0, -1.0]) * np.arange(1, 5) ** -0.5
MIXED = MIXED / np.linalg.norm(MIXED)


def power_law(count, gamma):
    weights = np.where(np.arange(count) % 2, -1.0, 1.0) * np.arange(1, count + 1) ** -gamma
    return weights / np.linalg.norm(weights)


# Laws ---------------------------------------------------------------------------------------------------------------


def test_sum_of_two_equal_features_is_exponential_and_its_reweighting_a_gamma_law():
    # 0.5 (h1^2 + h2^2) ~ Exp(1); weighted by h1^2 it has 2 extra half-degrees: density (x + ...) of a mixture with
    # survival (1 + x) e^-x, since E[h1^2 | S] = S by symmetry.
    support, law, reweighted = chi_square_sum_law(np.array([0.5, 0.5]))
    step = support[1] - support[0]
    for x in (0.5, 2.0, 10.0, 25.0):
        beyond = support > x - 0.5 * step
        cut = support[beyond][0] - 0.5 * step
        # Hat-shaped cells: relative error of a tail is a few step^2 (3e-6) plus rounding 1e-14 e^x.
        assert_allclose(law[beyond].sum(), np.exp(-cut), rtol=1e-4)
        assert_allclose(reweighted[0, beyond].sum(), (1 + cut) * np.exp(-cut), rtol=1e-4)


@pytest.mark.parametrize("weights", [np.array([1.0]), MIXED, power_law(30, 1.2), -power_law(9, 0.0)])
def test_chi_square_sum_keeps_mass_and_mean_exactly_and_variance_to_the_grid_step(weights):
    support, law, reweighted = chi_square_sum_law(weights)
    step = support[1] - support[0]
    assert law.sum() == pytest.approx(1, abs=1e-12)
    assert_allclose(reweighted.sum(axis=1), 1, atol=1e-12)
    assert law @ support == pytest.approx(weights.sum(), abs=1e-10)
    # E[h_i^2 S] = sum + 2 lambda_i.
    assert_allclose(reweighted @ support, weights.sum() + 2 * weights, atol=1e-10)
    # Each hat-split adds at most step^2/4 to the variance 2 sum lambda^2.
    excess = law @ (support - weights.sum()) ** 2 - 2 * np.sum(weights**2)
    assert 0 <= excess + 1e-10 <= weights.size * step**2 / 4 + 2e-10


def test_single_feature_tail_matches_chi_square_down_to_1e_12():
    support, law, _ = chi_square_sum_law(np.array([1.0]))
    step = support[1] - support[0]
    for x in (5.0, 20.0, 45.0):
        cut = support[support > x][0] - 0.5 * step
        assert law[support > x].sum() == pytest.approx(chi2.sf(cut, 1), rel=1e-3)


@pytest.mark.parametrize(("d", "degree"), [(20, 2), (26, 3), (10_000, 2)])
def test_radial_rule_integrates_powers_of_the_radius_exactly(d, degree):
    scale, probability, mean_power = radial_scale(d, degree)
    # E (r^2)^k = prod_{j<k} (1 + 2j/d) for a chi-square over d.
    first, second = (np.prod(1 + 2 * np.arange(k * degree) / d) for k in (1, 2))
    assert mean_power == pytest.approx(first)
    assert probability @ scale == pytest.approx(1)
    assert probability @ scale**2 == pytest.approx(second / first**2)


@pytest.mark.parametrize(("d", "degree"), [(3, 2), (12, 2), (26, 3), (40, 4)])
def test_remainder_coefficient_is_the_excess_fourth_moment_of_the_gegenbauer_polynomial(d, degree):
    def moment(power):
        return quad(lambda t: eval_gegenbauer(degree, d / 2 - 1, t) ** power * (1 - t * t) ** ((d - 3) / 2), -1, 1)[0]

    fourth = moment(4) * moment(0) / moment(2) ** 2
    assert remainder_coefficient(d, degree) == pytest.approx((fourth - 3) / 2, rel=1e-6)


def test_third_moment_of_the_remainder_tends_to_that_of_the_quadratic_kernel_and_is_finite_at_any_d():
    # (He_2^2 / 2)'s coefficient on He_2 / sqrt(2) is 2 sqrt(2), over sqrt(N_2) = d / sqrt(2): 16 sqrt(2 / D).
    dim = comb(10**5 + 1, 2)
    assert remainder_skewness(10**5, 2) == pytest.approx(16 * np.sqrt(2 / dim), rel=1e-3)
    assert 0 < remainder_skewness(10**6, 4) < 1e-3  # of order 1/d


def test_remainder_of_degree_two_has_the_transform_of_its_spectrum():
    # Quadrature over the semicircle (radius 2), and R(g) = G^-1(g) - 1/g for the Stieltjes transform G.
    d = 10**5
    dim = comb(d + 1, 2)
    t = 2 * np.cos(np.pi * np.arange(1, 400) / 400)
    weight = np.sin(np.pi * np.arange(1, 400) / 400) ** 2 / 200
    spectrum = 2 * (t[:, None] ** 2 + t**2 + t[:, None] * t - 2)  # times 1/d

    def stieltjes(z):
        return weight @ (1 / (z - spectrum)) @ weight

    law = remainder_law(d, 2, dim)
    for z in (21.0, 30.0, 100.0, -6.0, -20.0):
        g = stieltjes(z)
        value, _ = law.shift(np.array([d * g]), np.ones((1, 1)), np.zeros((1, 1)))
        # Eight free cumulants are matched: at the end of the spectrum, 20/d, the others add up to a hundredth of z.
        assert d * value[0] + 1 / g == pytest.approx(z, rel=0.01)


def test_remainder_law_has_the_exact_cumulants_that_are_known():
    for degree, d in ((2, 40), (3, 40)):
        assert remainder_law(d, degree, 1000).variance == pytest.approx(remainder_coefficient(d, degree) / 1000)
    for degree, d, error in ((2, 10**4, 1e-3), (3, 40, 1e-9)):  # degree 2 takes the limit's shape, right to O(1/d)
        law = remainder_law(d, degree, 1000)
        assert law.masses @ law.sizes == pytest.approx(remainder_skewness(d, degree) / 1000, rel=error)


def test_slope_of_the_shift_is_its_derivative():
    law = remainder_law(30, 2, 465)
    s, step = np.array([0.7, -1.1]), 1e-6

    def phi(s):
        return np.stack([1 + 0.3 * s, -0.5 + 0.1 * s**2])

    phi_slope = np.stack([0.3 + 0 * s, 0.2 * s])
    low, high = (law.shift(2 * (s + h), phi(s + h), phi_slope)[0] for h in (-step, step))
    # The mean resolvent is 2 s.
    assert_allclose(2 * law.shift(2 * s, phi(s), phi_slope / 2)[1], (high - low) / (2 * step), rtol=1e-6)


def test_ends_of_the_bulk_without_noise_are_those_of_the_exact_remainder():
    target = HierarchicalTarget(60, 2, gamma=0.8, n_features=4, seed=1)
    target.weights = np.abs(target.weights) * np.array([1, -1, 1, -1])
    upper = np.triu_indices(60)
    known = np.vstack([target.directions, (upper[0] == upper[1]) / np.sqrt(60)])  # the features, and the radius
    away = np.eye(target.dim) - known.T @ np.linalg.solve(known @ known.T, known)
    rest = away @ (population_remainder(target.directions, target.weights) @ away)
    ends = np.linalg.eigvalsh(rest - np.trace(rest) / target.dim * np.eye(target.dim))[[0, -1]]
    ends *= 60 * 62 / (64 * 66)  # eighth moments on the sphere over those of the normal law
    # The outermost eigenvalue of one draw; variance and third moment alone give 0.6 of either end.
    assert_allclose(predict(target, 10**9, normalize=True).bulk_edges, ends, rtol=0.15)


def test_sizes_of_less_than_one_eigenvalue_are_counted_one_by_one():
    law = remainder_law(40, 2, 820)
    assert law.rare.tolist() == [False, False, False, True]
    g, phi = np.array([0.5, 0.9, 1.1, 2.0]) / law.sizes[-1], np.ones((2, 4))
    assert_allclose(law.count(g, phi), 2 * law.numbers[-1] * np.array([0, 0, 1, 1]))
    assert law.exhausted(g, phi).tolist() == [False, False, False, True]
    assert not remainder_law(100, 2, 5050).rare.any()


@pytest.mark.parametrize("d", [5, 40])
def test_sizes_of_degree_two_are_brought_from_the_normal_law_to_the_sphere(d):
    # Both have the same fourth moments there, (E r^4)^2 over E r^8, and two features at norm 1 have 2/d.
    radius, probability = radial_rule(d)
    ratio = (probability @ radius**2) ** 2 / (probability @ radius**4)
    assert_allclose(remainder_law(d, 2, 1000).sizes, remainder_law(10**9, 2, 1000).sizes * 1e9 / d * ratio, rtol=1e-6)
    # The largest size, times d, of the limit: the moments of its measure in closed form, kappa_3 over kappa_2.
    law = remainder_law(10**9, 2, 1000)
    assert law.masses @ law.sizes / law.variance == pytest.approx(16 * np.sqrt(2) / 6 / 1e9 * np.sqrt(2), rel=1e-6)


def test_a_size_is_rare_below_one_eigenvalue_and_reached_at_its_pole():
    assert_allclose(RemainderLaw(np.array([2.0, 1.0]), np.array([4.0, 5.0]), 10).numbers, [10 * 2 / 16, 10 / 25])
    law = RemainderLaw(np.array([1.05, 0.95]), np.ones(2), 1)
    assert law.rare.tolist() == [False, True]
    g = np.array([0.95, 1.05])
    assert law.exhausted(g, np.ones((1, 2))).tolist() == [False, True]
    assert_allclose(law.count(g, np.ones((1, 2))), [0, 0.95])


def test_weight_of_a_feature_is_spread_by_the_imaginary_part_of_its_level():
    # d1 = 1, label h^2 - 1: the density at the pole is a chi-square's.
    law = TargetParameters(np.array([np.sqrt(2)]), d=400, q=1)
    bulk = build_model(law, None, radial=False, remainder=False, normalize=False).bulk(4000)
    pole = 8.0
    places, parts = bulk.spread(0, 1, 1 / pole, bulk.levels(np.array([1 / pole]))[0][0], 0.5)
    assert parts.sum() == pytest.approx(1)
    # Averaged over a window of 3 % of the pole, over which the density changes by an eighth.
    half = 0.5 * np.pi * (1 + pole) * pole**2 * chi2(1).pdf(1 + pole)
    inner = places[places < places[-1]]
    # Of 32 equally probable values the inner quartile is the mean of the 8th and the 9th.
    assert places[-1] - np.mean(np.sort(inner)[7:9]) == pytest.approx(half, rel=0.03)
    # Each of the 32 has its whole part inside; outside less, the less the farther out, where samples are fewer.
    outer = parts[:-1][places[:-1] > places[-1]]
    assert_allclose(parts[:-1][places[:-1] < places[-1]], 1 / 32)
    assert np.all(np.diff(outer, prepend=1 / 32) < 0)
    assert parts[-1] > 0.05  # what is left of them
    bounded = build_model(law, "tanh", radial=False, remainder=False, normalize=False).bulk(4000)
    assert_allclose(bounded.spread(0, 1, 0.5, 1.0, 0.5)[1], [1.0])


@pytest.mark.parametrize(("degree", "limit"), [(1, 0), (2, 6), (3, 45)])
def test_remainder_coefficient_tends_to_the_hermite_value(degree, limit):
    # E He_2^4 = 60, E He_3^4 = 3348: (60/4 - 3)/2 = 6, (3348/36 - 3)/2 = 45; corrections are O(1/d).
    assert remainder_coefficient(10**7, degree) == pytest.approx(limit, rel=1e-4)


# Limits and identities ----------------------------------------------------------------------------------------------


def test_thresholds_of_the_identity_link_are_d_over_twice_the_squared_weight():
    # theta_i = sqrt(2) lambda_i, E y^2 = 1. The grids enlarge E y^2 by less than 1e-4.
    prediction = predict(TargetParameters(MIXED, d=3000, q=1), n=10**6)
    assert_allclose(prediction.strengths, np.sqrt(2) * MIXED, rtol=1e-6)
    assert_allclose(prediction.thresholds, (3000 - 4) / (2 * MIXED**2), rtol=2e-4)


def test_misalignment_at_large_n_over_d_is_the_first_order_perturbation_formula():
    # 1 - cos^2 = (D - d1)/n E[W^2 h^2]/theta^2, with E[y^2 h_i^2] = 1 + 4 lambda_i^2 for the identity link.
    ratio = 1e5
    dim = 2000
    prediction = predict(TargetParameters(MIXED, d=dim, q=1), n=int(ratio * dim))
    expected = (dim - 4) / (ratio * dim) * (1 + 4 * MIXED**2) / (2 * MIXED**2)
    # The next order is relatively sqrt(D/n)/theta ~ 1 %.
    assert_allclose(1 - prediction.alignments, expected, rtol=0.02)


@pytest.mark.parametrize("transform", [np.tanh, np.sign])
def test_bulk_density_has_the_cumulants_of_a_compound_free_poisson_law(transform):
    # Free cumulants of (1/n) sum W f f^T are E[W^k]/delta^(k-1); the first three are ordinary cumulants.
    target, ratio = TargetParameters(MIXED, d=10**4, q=1), 5
    y = (np.random.default_rng(1).chisquare(1, (400_000, 4)) - 1) @ MIXED / np.sqrt(2)
    w = transform(y) - transform(y).mean()  # the identity link standardises y by itself
    z = np.linspace(-1.6, 1.9, 351)
    rho = bulk_density(target, ratio * 10**4, z, transform)
    mean = np.trapezoid(rho * z, z)
    assert np.trapezoid(rho, z) == pytest.approx(1, abs=1e-3)  # square-root edges on a grid of step 0.01
    assert mean == pytest.approx(0, abs=5e-3)
    assert np.trapezoid(rho * (z - mean) ** 2, z) == pytest.approx(np.mean(w**2) / ratio, rel=0.01)
    assert np.trapezoid(rho * (z - mean) ** 3, z) == pytest.approx(np.mean(w**3) / ratio**2, abs=3e-3)


def test_bulk_density_vanishes_outside_the_predicted_edges_and_not_inside():
    target, n = TargetParameters(MIXED, d=2000, q=1), 16_000
    edges = predict(target, n, np.tanh).bulk_edges
    z = np.linspace(-1, 1, 201)
    rho = bulk_density(target, n, z, np.tanh)
    outside = (z < edges[0] - 0.02) | (z > edges[1] + 0.02)
    inside = (z > edges[0] + 0.02) & (z < edges[1] - 0.02)
    assert rho[outside].max() < 0.05 < 0.2 < rho[inside].min()


def test_flipping_every_sign_of_the_weights_mirrors_the_spectrum_of_an_odd_link():
    plus, minus = (predict(TargetParameters(w, d=40, q=2), 20_000, np.tanh) for w in (MIXED, -MIXED))
    assert_allclose(plus.eigenvalues, -minus.eigenvalues[:, ::-1], atol=1e-6)
    assert_allclose(plus.alignments, minus.alignments, atol=1e-6)
    assert_allclose(plus.bulk_edges, -minus.bulk_edges[::-1], atol=1e-6)


def test_hermite_model_tends_to_its_gaussian_equivalent_at_large_d():
    d = 10**5
    dim = comb(d + 1, 2)
    hermite = predict(TargetParameters(MIXED, d=d, q=2), 12 * dim, np.tanh)
    gaussian = predict(TargetParameters(MIXED, d=dim, q=1), 12 * dim, np.tanh)
    # The radius changes E[v^2] by O(1/d) = 1e-4 relatively.
    assert_allclose(hermite.alignments, gaussian.alignments, atol=3e-4)
    assert_allclose(hermite.eigenvalues, gaussian.eigenvalues, atol=3e-4)


def test_without_radius_the_hermite_model_is_its_gaussian_equivalent():
    hermite = predict(TargetParameters(MIXED, d=30, q=2), 6000, np.tanh, radial=False)
    gaussian = predict(TargetParameters(MIXED, d=465, q=1), 6000, np.tanh)
    assert_allclose(hermite.alignments, gaussian.alignments)


def test_features_of_equal_weight_are_predicted_equal():
    prediction = predict(TargetParameters(np.full(9, 1 / 3), d=500, q=1), 20_000, np.tanh)
    assert_allclose(prediction.eigenvalues[:, 1], prediction.eigenvalues[0, 1])
    assert prediction.alignments[0] > 0.5


@pytest.mark.parametrize(("d", "degree"), [(26, 3), (30, 2)])
def test_alignment_is_the_residue_at_the_root_of_the_feature_equation(d, degree):
    # Functions of s from the law itself: no smoothed pole (tanh keeps 1 - v s > 0.3 on the sphere), slopes by
    # central differences, root by bisection.
    target = TargetParameters(MIXED, d=d, q=degree)
    n = 40 * target.dim
    noise_dim = target.dim - 4
    ratio, coefficient = n / noise_dim, remainder_coefficient(d, degree) / noise_dim
    rest = remainder_law(d, degree, noise_dim)
    cells = label_grid(MIXED, d, degree, lambda t: t, radial=True)
    law = weight_law(cells, np.tanh(cells.standardized), normalize=True)
    v, masses = law.values, law.masses
    prediction = predict(target, n, np.tanh, normalize=True)

    def parts(s):
        kernel = v / (1 - v * s)
        phi = law.reweighted @ kernel - masses @ kernel
        g = ratio * s
        shift = sum(f**2 * np.sum((rest.masses * g / (1 - rest.sizes * f * g))[~rest.rare]) for f in phi)
        return 1 / g + masses @ kernel + shift, phi

    for i, side in enumerate((1, -1, 1, -1)):

        def gap(s, i=i):
            level, phi = parts(s)
            feature = level - 1 / (ratio * s) + phi[i] + 2 * coefficient * ratio * s * phi[i] ** 2
            return level - feature

        edge = 0.6 / np.sqrt(ratio * (masses @ v**2))
        s = brentq(gap, side * 1e-3 * edge, side * edge)
        step = 1e-5 * s
        slope, level_slope = ((f(s + step) - f(s - step)) / (2 * step) for f in (gap, lambda s: parts(s)[0]))
        column = 0 if side < 0 else 1
        # The kernel's window, 0.03^4/0.3^4 = 1e-4, is the larger error.
        assert prediction.eigenvalues[i, column] == pytest.approx(parts(s)[0], rel=3e-4)
        assert prediction.outlier_alignments[i, column] == pytest.approx(level_slope / slope, abs=4e-4)


def test_laws_of_many_features_are_a_product_of_narrow_matrices():
    weights = np.arange(1, 201.0) ** -0.8 * np.where(np.arange(200) % 3, 1, -1)
    cells = label_grid(weights / np.linalg.norm(weights), 2000, 2, np.tanh, radial=True)
    law = weight_law(cells, None, normalize=False)
    assert [part.shape for part in law.factors] == [(201, weight_laws._SPAN), (weight_laws._SPAN, law.values.size)]
    functions = np.sin(np.outer(law.values, [0.1, 1.0, 10.0]))
    assert_allclose(law.averages(functions), law.stacked @ functions, rtol=0, atol=1e-13)


def test_tables_that_differ_in_one_label_have_laws_of_their_own():
    cells = label_grid(MIXED, 40, 2, np.tanh, radial=True)
    labels = cells.labels.copy()
    labels[0, 1] += 1.0  # not among those that are hashed
    key = (MIXED.tobytes(), 40, 2, 0, "grid")
    table, same, other = (
        bulk._Table(key, replace(cells, labels=one), None) for one in (cells.labels, +cells.labels, labels)
    )
    assert table == same
    assert hash(table) == hash(same) == hash(other)
    assert table != other
    assert table != bulk._Table(key, cells, labels)


def test_density_does_not_depend_on_the_steps_of_its_continuation(monkeypatch):
    z = np.linspace(-0.6, 0.6, 40)
    usual = bulk_density(TargetParameters(MIXED, d=40, q=2), 3000, z, np.tanh)
    monkeypatch.setattr("hierlib.theory.bulk._HEIGHTS", 120)
    assert usual.max() > 0.1
    assert_allclose(bulk_density(TargetParameters(MIXED, d=40, q=2), 3000, z, np.tanh), usual, rtol=0, atol=1e-9)


def test_laws_over_a_sample_stay_whole():
    rng = np.random.default_rng(0)
    law = weight_laws.sample_law(*rng.standard_normal((2, 500)), rng.standard_normal((120, 500)) ** 2)
    assert law.factors is None
    assert_allclose(law.averages(law.values), law.stacked @ law.values)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weight_law._SUM_GRID", 2**15),
        ("weight_law.WEIGHT_GRID", 2**12),
        ("weight_law._RADIAL_NODES", 48),
        ("weight_law._LOG_TAIL", 60.0),
        ("weight_law._NEGLIGIBLE", 1e-20),
        ("bulk._WINDOW", 0.02),
        ("bulk._SCAN", 200),
        ("bulk._ROWS", 64),
        ("bulk._CAUCHY", np.tan(np.pi * ((np.arange(64) + 0.5) / 64 - 0.5))),
        ("bulk._OUTSIDE", np.append(np.geomspace(1e-3, 0.999, 400), 1.0)),
        ("bulk._CELL", 0.00125),
        ("bulk._TABLE", 257),
        ("asymptotics._QUANTILES", np.polynomial.legendre.leggauss(64)[0] / 2 + 0.5),
        ("asymptotics._CERTAIN", 12.0),
        ("readout._POINTS", 2**15),
        ("readout._COORDINATES", 2**22),
        ("readout._BINS", 32),
    ],
)
def test_refining_a_grid_moves_predictions_within_their_error(monkeypatch, name, value):
    # Labels with samples at the pole; bounded weights for what regularises the pole itself, and for the radius.
    bounded = name.endswith(("_WINDOW", "_RADIAL_NODES"))

    def found():
        for remembered in (readout._normal_points, bulk._remembered_law, weight_laws._remembered_sum_law):
            remembered.cache_clear()
        if bounded:
            return predict(TargetParameters(MIXED, d=40, q=2), 9000, np.tanh, normalize=True)
        return predict(TargetParameters(MIXED, d=800, q=1), 9600)

    usual = found()
    monkeypatch.setattr(f"hierlib.theory.{name}", value)
    if name.endswith("_QUANTILES"):
        masses = np.polynomial.legendre.leggauss(64)[1] / 2
        monkeypatch.setattr("hierlib.theory.asymptotics._QUANTILE_MASSES", masses)
    finer = found()
    # The numerical errors that `predict` documents; twice that where chances of a few samples decide.
    errors = dict.fromkeys(("outlier_alignments", "eigenvalues", "bulk_edges"), 1e-3)
    errors |= {"alignments": 2e-3} | dict.fromkeys(("retention", "mse_holdout", "mse_same_sample"), 5e-3)
    for kind, error in errors.items():
        assert_allclose(getattr(finer, kind), getattr(usual, kind), rtol=0, atol=error)


# Two points: weights -1 and 1 as often, one feature, and a semicircle as its remainder: all in closed form ----------

DELTA, EXCESS, VARIANCE, SAMPLES = 30.0, 0.2, 2e-3, 30_000


def two_points():
    values, masses = np.array([-1.0, 1.0]), np.full(2, 0.5)
    reweighted = masses + EXCESS * values
    law = WeightLaw(values, masses, reweighted[None], masses * values, (reweighted * values)[None])
    return Bulk(law, DELTA, SAMPLES, RemainderLaw(np.array([VARIANCE]), np.zeros(1)))


def phi(s):
    return 2 * EXCESS / (1 - s * s)


def psi(s):
    return 1 / (DELTA * s) + s / (1 - s * s) + VARIANCE * DELTA * s * phi(s) ** 2


def slope(f, s):
    """Derivative of an analytic function by a complex step."""
    return f(s + 1e-20j).imag / 1e-20


def upper_edge():
    return brentq(lambda s: slope(psi, s), 0.02, 0.9)


def inside(depths):
    """Solve psi(s) = z below the imaginary axis at the given depths under the upper edge."""
    edge = upper_edge()
    curvature = (slope(psi, edge * 1.0001) - slope(psi, edge * 0.9999)) / (2e-4 * edge)
    s = edge - 1j * np.sqrt(2 * depths / curvature)
    for _ in range(30):
        s = s - (psi(s) - psi(edge) + depths) / ((psi(s + 1e-6) - psi(s - 1e-6)) / 2e-6)
    return s


def test_edges_and_levels_of_two_points():
    bulk, edge = two_points(), upper_edge()
    # The edge is interpolated, the kernel is 1/x up to (0.03/x)^4 = 1e-5.
    assert_allclose([bulk.edges[-1], bulk.edges[1]], [-edge, edge], rtol=1e-3)
    s = np.array([-0.9, 0.3, 0.8]) * edge
    assert_allclose(bulk.levels(s)[0], psi(s), rtol=1e-4)
    assert_allclose(bulk.levels(s)[1], slope(psi, s), rtol=1e-4)
    assert bulk.level + 2 * VARIANCE * bulk.level**2 == pytest.approx(1, rel=1e-12)
    visible = DELTA * edge * phi(edge) / bulk.level
    assert_allclose(bulk.visibility(), [[-visible, visible]], rtol=1e-3)


def test_outlier_of_two_points_is_the_root_with_the_residue_of_its_equation():
    bulk = two_points()
    s = brentq(lambda s: DELTA * s * phi(s) + 2 * VARIANCE * (DELTA * s * phi(s)) ** 2 - 1, 1e-6, upper_edge())
    fall = -slope(psi, s)
    rise = slope(lambda s: psi(s) - 1 / (DELTA * s) + phi(s) + 2 * VARIANCE * DELTA * s * phi(s) ** 2, s)
    (root,), (alignment,) = bulk.outliers(1)
    assert root == pytest.approx(s, rel=1e-5)
    assert alignment == pytest.approx(fall / (fall + rise), rel=1e-4)
    assert bulk.outliers(-1)[1] == 0


def test_noise_inside_the_edge_of_two_points_is_that_of_the_exact_resolvent():
    bulk, edge = two_points(), upper_edge()
    root = np.linspace(0, 0.1, 201)  # of the depth, in which the density is smooth
    s = inside(root**2 * psi(edge))
    density = -DELTA * s.imag / np.pi
    x = DELTA * s * phi(s)
    weight = -(DELTA * s / (1 - x - 2 * VARIANCE * x**2)).imag / np.pi
    end = 0.99 * psi(edge)
    number, share = (np.trapezoid(f * 2 * root, root) * psi(edge) for f in (density, weight))
    # Next orders in the depth, a hundredth of the edge.
    assert bulk.noise_count(1, np.array([end]))[0] == pytest.approx(SAMPLES / DELTA * number, rel=0.02)
    assert bulk.edge_alignment(1, end)[0] == pytest.approx(share, rel=0.03)
    z = psi(edge) * (1 - np.array([0.0, 0.3, 0.5, 0.7]) ** 2)
    exact = -DELTA * inside(psi(edge) - z[1:]).imag / np.pi
    assert_allclose(bulk.density(z)[1:], exact, rtol=1e-3)


def test_samples_beyond_the_pole_of_two_points_are_counted():
    counts = two_points().tail_count(np.array([0.9, 1.01, 1.2]), 1)
    assert_allclose(counts, SAMPLES * np.array([0, 0.5, 0.5]))
    assert_allclose(two_points().tail_count(np.array([-0.9, -1.01]), -1), SAMPLES * np.array([0, 0.5]))


# Thresholds ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transform", [np.tanh, np.sign])
def test_each_outlier_appears_at_its_critical_sample_size_with_vanishing_alignment(transform):
    target = TargetParameters(MIXED, d=4000, q=1)
    critical = critical_sample_sizes(target, transform)
    for i, size in enumerate(critical):
        below, above = (
            predict(target, round(size * factor), transform).outlier_alignments[i] for factor in (0.98, 1.02)
        )
        assert below.max() == 0
        # Alignment grows linearly from 0: a slope of order one in log n gives 0.02.
        assert 0 < above.max() < 0.06


def test_critical_sample_sizes_tend_to_the_limit_for_many_weak_features():
    # lambda = 1/10: the threshold sits near n/D = 50, where the first correction is of relative order sqrt(D/n).
    target = TargetParameters(np.full(100, 0.1), d=10**5, q=1)
    limit = predict(target, 10**6, np.tanh).thresholds
    assert_allclose(critical_sample_sizes(target, np.tanh), limit, rtol=0.15)


def test_remainder_hides_a_feature_weaker_than_its_edge_at_any_sample_size():
    # theta_i^2 < (c/D) sum theta^2: lambda_2 = 0.02, while c/D sum = 4.9/1830 = 0.05^2.
    weights = np.array([np.sqrt(1 - 0.02**2), 0.02])
    target = TargetParameters(weights, d=60, q=2)
    critical = critical_sample_sizes(target, np.tanh)
    assert np.isfinite(critical[0])
    assert np.isinf(critical[1])
    assert np.isfinite(critical_sample_sizes(target, np.tanh, remainder=False)).all()


def test_below_every_threshold_nothing_leaves_the_bulk_and_the_error_is_one():
    prediction = predict(TargetParameters(power_law(8, 0.0), d=2000, q=1), 1500, np.tanh)
    assert_allclose(prediction.outlier_alignments, 0)
    # Eight directions of noise hold 8/2000 of any other direction, and a few times as much of these.
    assert np.all((prediction.alignments > 8 / 2000) & (prediction.alignments < 0.03))
    assert np.isnan(prediction.eigenvalues).all()
    assert prediction.mse_holdout == 1.0
    assert 0.9 < prediction.mse_same_sample < 1.01


@pytest.mark.parametrize("kept", [2, 20])
def test_kept_noise_holds_its_share_of_a_direction_that_the_label_hardly_sees(kept):
    prediction = predict(TargetParameters(np.array([1.0, 1e-4]), d=2000, q=1), 20_000, np.tanh, n_features=kept)
    assert prediction.alignments[0] > 0.8
    assert prediction.alignments[1] == pytest.approx((kept - 1) / 1998, rel=0.01)


def test_alignment_at_and_below_the_threshold_is_that_of_the_outermost_noise():
    dim, n, seeds = 300, 3000, 6
    weights = power_law(12, 0.4)
    prediction = predict(TargetParameters(weights, d=dim, q=1), n, np.tanh)
    found = []
    for seed in range(seeds):
        features, y = gaussian_sample(weights, dim, n, np.random.default_rng(seed))
        values, vectors = np.linalg.eigh(moment_matrix(features, np.tanh(y)))
        found.append(np.sum(vectors[:12, np.argsort(-np.abs(values))[:12]] ** 2, axis=1))
    hidden = prediction.outlier_alignments.max(axis=1) < 0.2
    assert hidden.sum() >= 4
    mean = np.mean(found, axis=0)
    error = np.std(found, axis=0, ddof=1) / np.sqrt(seeds)
    # The edge's own fluctuations, of relative order D^(-1/3) = 0.15, are left out.
    assert np.all(
        np.abs(mean - prediction.alignments)[hidden] < 4 * error[hidden] + 0.15 * prediction.alignments[hidden]
    )
    assert np.mean(mean[hidden]) > 3 * np.mean(prediction.outlier_alignments.max(axis=1)[hidden])


def test_strong_feature_of_unbounded_labels_is_found_before_its_own_samples_turn_its_equation_back():
    # Large labels come with a large first feature, so that phi_1 falls again beyond the pole of its samples.
    weights = power_law(7, 0.4)
    prediction = predict(TargetParameters(weights, d=60, q=1), 701)
    assert prediction.outlier_alignments[0].max() > 0.6
    assert prediction.outlier_alignments.max() < 1


def test_slope_of_the_level_is_its_derivative():
    bulk = build_model(TargetParameters(MIXED, d=26, q=3), None, radial=True, remainder=True, normalize=False).bulk(
        10**6
    )
    s = np.array([0.3, 0.9]) * bulk.edges[1]
    step = 1e-5 * s
    numerical = (bulk.levels(s + step)[0] - bulk.levels(s - step)[0]) / (2 * step)
    assert_allclose(bulk.levels(s)[1], numerical, rtol=1e-6)


def test_noise_count_outside_the_bulk_is_the_number_of_samples_beyond_the_pole():
    target = TargetParameters(np.array([1.0]), d=1000, q=1)
    bulk = build_model(target, None, radial=True, remainder=True, normalize=False).bulk(10**4)
    s = 1 / np.array([4.0, 6.0, 9.0])
    # v = (h^2 - 1)/sqrt(2); cells of v are 0.5 % wide there, where its tail falls by 1 % of its argument.
    assert_allclose(bulk.tail_count(s, 1), 10**4 * chi2.sf(1 + np.sqrt(2) / s, 1), rtol=0.05)


@pytest.mark.parametrize("side", [-1, 1])
def test_noise_count_inside_the_bulk_integrates_its_density(side):
    target, n = TargetParameters(MIXED, d=1000, q=1), 8000
    bulk = build_model(target, np.tanh, radial=False, remainder=False, normalize=False).bulk(n)
    edge = predict(target, n, np.tanh).bulk_edges[(side + 1) // 2]
    for depth in (0.02, 0.04):
        z = np.linspace(edge - side * depth, edge + side * 0.02, 121)
        expected = 996 * abs(np.trapezoid(bulk.density(z), z))
        # The square-root law is the leading order in the depth: 10 % at 0.04, an eighth of the edge.
        assert bulk.noise_count(side, z[:1])[0] == pytest.approx(expected, rel=0.12)


@pytest.mark.parametrize("n", [1, 30, 400, 10**7, 10**13])
@pytest.mark.parametrize("transform", [None, np.tanh])
def test_predictions_stay_ordered_from_one_sample_to_the_floor_of_the_remainder(n, transform):
    target = TargetParameters(MIXED, d=60, q=2)
    prediction = predict(target, n, transform)
    assert prediction.bulk_edges[0] < 0 < prediction.bulk_edges[1]
    if n <= 400:
        assert_allclose(prediction.alignments, 0, atol=0.02)
    else:
        # Large n: 1 - cos^2 = c/D (2 + sum theta^2/theta_i^2) to leading order in 1/D; v^2/delta adds under 1 %, the
        # higher cumulants of the remainder up to a fourth on the side of the strongest feature.
        coefficient = remainder_coefficient(60, 2) / (target.dim - 4)
        squares = prediction.strengths**2
        expected = coefficient * (2 + squares.sum() / squares)
        assert_allclose(1 - prediction.alignments, expected, rtol=0.25)
        assert predict(target, n, transform, remainder=False).alignments.min() > 0.99


def test_a_steep_link_keeps_the_grid_of_weights_fine():
    # exp(t/4) reaches 1e6 on cells of probability 1e-16; it is nearly linear where the labels are.
    steep = TargetParameters(MIXED, d=860, q=1, link_function=lambda t: np.exp(t / 4))
    plain = TargetParameters(MIXED, d=860, q=1)
    alignments = [predict(target, 30_000, np.tanh).alignments for target in (steep, plain)]
    assert_allclose(*alignments, atol=0.08)


# Transforms, ranking ------------------------------------------------------------------------------------------------


def test_edge_ranking_keeps_negative_outliers_that_modulus_ranking_loses():
    # Positive weights with one weak negative one: the bulk reaches farther up than the negative outlier lies below 0.
    weights = np.array([0.9, 0.7, -0.45])
    target = TargetParameters(weights / np.linalg.norm(weights), d=26, q=3)
    n = 14 * target.dim
    modulus, edge = (predict(target, n, np.tanh, normalize=True, ranking=r) for r in ("modulus", "edge"))
    assert_allclose(modulus.outlier_alignments, edge.outlier_alignments)
    assert -modulus.eigenvalues[2, 0] < modulus.bulk_edges[1]
    assert modulus.alignments[2] < 0.05
    assert edge.alignments[2] > 0.3


def test_keeping_fewer_directions_keeps_the_strongest_features():
    target = TargetParameters(MIXED, d=2000, q=1)
    prediction = predict(target, 60_000, np.tanh, n_features=2)
    assert_allclose(prediction.retention.sum(axis=1), [1, 1, 0, 0], atol=1e-6)
    assert predict(target, 60_000, np.tanh).mse_holdout < prediction.mse_holdout


def test_unbounded_labels_bury_a_feature_under_counted_noise_eigenvalues():
    target = TargetParameters(power_law(7, 0.4), d=60, q=2)
    raw = predict(target, 44_574)
    bounded = predict(target, 44_574, np.tanh)
    # The outlier of feature 5 exists in both, but only single samples with unbounded v lie above it.
    assert raw.outlier_alignments[4].max() > 0.5
    assert raw.noise_counts[4].min() > 7
    assert raw.alignments[4] < 0.03
    assert bounded.noise_counts[4].min() < 0.1
    assert bounded.alignments[4] > 0.5


# Errors -------------------------------------------------------------------------------------------------------------


def test_errors_of_the_identity_link_match_their_closed_forms():
    prediction = predict(TargetParameters(power_law(7, 0.4), d=1830, q=1), 60_000)
    weights = power_law(7, 0.4) * prediction.alignments
    eigenvalues = np.nansum(prediction.eigenvalues, axis=1)
    # All seven are kept with certainty but the last; 2**14 Sobol points give 0.005.
    assert prediction.retention.sum(axis=1).min() > 0.95
    assert prediction.mse_holdout == pytest.approx(1 - np.sum(weights**2), abs=0.01)
    expected = 1 - (eigenvalues @ weights) ** 2 / np.sum(eigenvalues**2)
    assert prediction.mse_same_sample == pytest.approx(expected, abs=0.01)


def test_hidden_features_enter_the_same_sample_error_with_the_weight_of_the_edge():
    target = TargetParameters(np.full(16, 0.25), d=2000, q=1)
    prediction = predict(target, 12_000, np.tanh, n_features=16)
    assert_allclose(prediction.outlier_alignments, 0, atol=1e-6)
    assert prediction.mse_same_sample == pytest.approx(1, abs=0.01)
    few = predict(TargetParameters(MIXED, d=2000, q=1), 12_000, np.tanh, n_features=4)
    many = predict(TargetParameters(MIXED, d=2000, q=1), 12_000, np.tanh, n_features=40)
    assert many.mse_same_sample > few.mse_same_sample + 0.05
    assert many.mse_holdout <= few.mse_holdout + 0.01


# Simulation ---------------------------------------------------------------------------------------------------------


def moment_matrix(features, labels):
    weighted = features * (labels - labels.mean())[:, None]
    return features.T @ weighted / len(labels)


def gaussian_sample(weights, dim, n, rng):
    """Gaussian-equivalent model whose directions are the first coordinates."""
    features = rng.standard_normal((n, dim))
    return features, (features[:, : weights.size] ** 2 - 1) @ weights / np.sqrt(2)


@pytest.mark.parametrize(("transform", "ratio"), [(np.tanh, 12), (np.sign, 25), (None, 25)])
def test_prediction_matches_the_gaussian_equivalent_model(transform, ratio):
    dim, seeds = 300, range(6)
    prediction = predict(TargetParameters(MIXED, d=dim, q=1), ratio * dim, transform)
    alignments, eigenvalues = [], []
    for seed in seeds:
        features, y = gaussian_sample(MIXED, dim, ratio * dim, np.random.default_rng(seed))
        values, vectors = np.linalg.eigh(moment_matrix(features, y if transform is None else transform(y)))
        nearest = np.argmax(vectors[:4] ** 2, axis=1)
        kept = np.argsort(-np.abs(values))[:4]
        alignments.append(np.sum(vectors[:4, kept] ** 2, axis=1))
        eigenvalues.append(values[nearest])
    # Four standard errors of the mean over six seeds, plus finite-D terms of order 1/dim^(2/3) = 0.02.
    error = np.std(alignments, axis=0, ddof=1) / np.sqrt(len(seeds))
    assert np.all(np.abs(np.mean(alignments, axis=0) - prediction.alignments) < 4 * error + 0.02)
    found, expected = np.mean(eigenvalues, axis=0), np.nansum(prediction.eigenvalues, axis=1)
    error = np.std(eigenvalues, axis=0, ddof=1) / np.sqrt(len(seeds))
    assert np.all(np.abs(found - expected) < 4 * error + 0.01)


@pytest.mark.parametrize("transform", [None, np.tanh])
def test_predicted_errors_match_the_gaussian_equivalent_model(transform):
    dim, n, weights = 200, 4000, power_law(3, 0.5)
    prediction = predict(TargetParameters(weights, d=dim, q=1), n, transform)
    same, fresh = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        features, y = gaussian_sample(weights, dim, n, rng)
        values, vectors = np.linalg.eigh(moment_matrix(features, y if transform is None else transform(y)))
        kept = vectors[:, np.argsort(-np.abs(values))[:3]]
        others, y_others = gaussian_sample(weights, dim, 20_000, rng)
        test, y_test = gaussian_sample(weights, dim, 20_000, rng)
        for errors, (x, labels) in ((same, (features, y)), (fresh, (others, y_others))):
            second_layer = np.mean(labels[:, None] * ((x @ kept) ** 2 - 1), axis=0)
            errors.append(1 - np.corrcoef(((test @ kept) ** 2) @ second_layer, y_test)[0, 1] ** 2)
    for errors, expected in ((same, prediction.mse_same_sample), (fresh, prediction.mse_holdout)):
        # Standard errors of eight seeds, 0.01 for the quadrature and the linear readout used here.
        assert abs(np.mean(errors) - expected) < 4 * np.std(errors, ddof=1) / np.sqrt(8) + 0.01


def quadratic_features(X):
    pairs = list(combinations_with_replacement(range(X.shape[1]), 2))
    first, second = np.array(pairs).T
    features = X[:, first] * X[:, second]
    diagonal = first == second
    features[:, diagonal] = (features[:, diagonal] - 1) / np.sqrt(2)
    return features


@pytest.mark.parametrize("normalize", [False, True])
def test_finite_d_corrections_bring_the_prediction_to_the_hermite_model(normalize):
    d, n, weights = 30, 16_000, power_law(4, 0.4)
    dim = comb(d + 1, 2)
    found = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((n, d))
        directions = np.linalg.qr(rng.standard_normal((dim, 4)))[0]
        features = quadratic_features(X)
        y = ((features @ directions) ** 2 - 1) @ weights / np.sqrt(2)
        t = np.tanh((y - y.mean()) / y.std())
        if normalize:
            features = quadratic_features(X * np.sqrt(d) / np.linalg.norm(X, axis=1, keepdims=True))
        values, vectors = np.linalg.eigh(moment_matrix(features, t))
        kept = vectors[:, np.argsort(-np.abs(values))[:8]]  # some more than 4: no competition with the bulk's edge
        found.append(np.sum((directions.T @ kept) ** 2, axis=1))
    target = TargetParameters(weights, d=d, q=2)
    full, no_remainder, gaussian = (
        np.mean(predict(target, n, np.tanh, normalize=normalize, **options).outlier_alignments.sum(axis=1))
        for options in ({}, {"remainder": False}, {"radial": False})
    )
    mean, error = np.mean(found), np.std(np.mean(found, axis=1), ddof=1) / 2
    # d = 30 is small: the neglected powers of 1/d leave 0.05. Each correction moves towards the simulation.
    assert abs(mean - full) < 4 * error + 0.05
    assert mean < full < no_remainder < gaussian


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_remainder_is_the_variance_of_the_exact_population_matrix_around_its_spikes(seed):
    # For y = (h^2 - 1)/sqrt(2) with h = x^T M x - tr M, 2 tr M^2 = 1, the fourth cumulants give E[y F F^T] exactly:
    # on symmetric B it adds (8/sqrt 2)(M^2 B + B M^2 + M B M) to the spike.
    d = 24
    rng = np.random.default_rng(seed)
    M = rng.standard_normal((d, d))
    M = M + M.T
    M /= np.sqrt(2 * np.sum(M**2))
    eye = np.eye(d)
    operator = 8 * (np.kron(M @ M, eye) + np.kron(eye, M @ M) + np.kron(M, M)) / np.sqrt(2)
    first, second = np.array(list(combinations_with_replacement(range(d), 2))).T
    basis = np.zeros((first.size, d, d))
    basis[np.arange(first.size), first, second] += 0.5
    basis[np.arange(first.size), second, first] += 0.5
    basis /= np.sqrt(np.sum(basis**2, axis=(1, 2)))[:, None, None]
    basis = basis.reshape(first.size, -1)
    direction = basis @ M.ravel() * np.sqrt(2)
    matrix = basis @ operator @ basis.T + np.sqrt(2) * np.outer(direction, direction)
    values, vectors = np.linalg.eigh(matrix)
    spike = np.argmax((vectors.T @ direction) ** 2)

    prediction = predict(TargetParameters(np.array([1.0]), d=d, q=2), 10**9)
    strength = prediction.strengths[0]
    dim = first.size
    rest = np.delete(values, spike)
    spread = np.std(rest)
    # Leading order in 1/d: 15 % at d = 24, including the fluctuations of one direction.
    assert spread == pytest.approx(strength * np.sqrt(remainder_coefficient(d, 2) / dim), rel=0.15)
    assert values[spike] == pytest.approx(np.nanmax(prediction.eigenvalues), rel=0.05)
    # Third moments fluctuate more.
    third = np.mean((rest - rest.mean()) ** 3)
    assert third == pytest.approx(strength**3 * remainder_skewness(d, 2) / dim, rel=0.5)


@pytest.mark.parametrize(("transform", "normalize"), [(np.tanh, True), (np.tanh, False), (None, False)])
def test_prediction_given_a_large_sample_is_the_prediction_from_the_law(transform, normalize):
    target = HierarchicalTarget(40, n_features=3, gamma=0.5, seed=1)
    n = 30_000
    X, _ = target.sample(n, seed=2)
    law = predict(target, n, transform, normalize=normalize)
    given = predict(target, n, transform, normalize=normalize, sample=X)
    # Sampling errors of strengths are a few times n^(-1/2) = 0.006; the features' own excess kurtosis adds O(1/d).
    atol = 0.05 if transform else 0.2
    assert_allclose(given.strengths, law.strengths, atol=atol)
    assert_allclose(given.alignments, law.alignments, atol=2 * atol)
    assert given.mse_holdout == pytest.approx(law.mse_holdout, abs=2 * atol)


def test_prediction_given_the_sample_explains_what_heavy_tails_do_to_it():
    # Quadratic link, Gaussian features, few samples: which of them are large decides what is found.
    law_errors, given_errors = [], []
    for seed in range(4):
        target = HierarchicalTarget(120, q=1, n_features=4, gamma=0.4, link="quadratic", seed=seed)
        X, y = target.sample(4000, seed=10 + seed)
        values, vectors = np.linalg.eigh(moment_matrix(X, y))
        kept = np.argsort(-np.abs(values))[:4]
        measured = np.sum((target.directions @ vectors[:, kept]) ** 2, axis=1)
        law_errors.append(measured - predict(target, 4000).alignments)
        given_errors.append(measured - predict(target, 4000, sample=X).alignments)
    assert np.mean(np.square(given_errors)) < 0.7 * np.mean(np.square(law_errors))


# Number of features -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transform", [np.tanh, None])
def test_noise_leaves_its_edges_no_more_often_than_allowed(transform):
    dim, n, seeds, outside = 100, 1000, 60, 0
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        features = rng.standard_normal((n, dim))
        labels = rng.chisquare(1, (n, 3)) @ [0.6, -0.5, 0.4]  # independent of the features
        labels = labels if transform is None else transform(labels)
        values = np.linalg.eigvalsh(moment_matrix(features, labels))
        low, high = noise_edges(labels - labels.mean(), dim, level=0.9)
        outside += values[0] < low or values[-1] > high
    # Expected 6 for bounded labels, fewer for unbounded ones (no spurious outlier lies exactly where it may);
    # 13 is 3 binomial standard deviations more.
    assert outside <= 13


def test_noise_edges_count_the_features_and_approach_the_bulk():
    dim, n = 300, 12_000
    features, y = gaussian_sample(MIXED, dim, n, np.random.default_rng(0))
    labels = np.tanh(y) - np.tanh(y).mean()
    values = np.linalg.eigvalsh(moment_matrix(features, labels))
    low, high = noise_edges(labels, dim)
    assert np.sum((values < low) | (values > high)) == 4
    bulk = predict(TargetParameters(MIXED, d=dim, q=1), n, np.tanh).bulk_edges
    # Tracy-Widom margin: 2 D^(-2/3) = 0.04 of the edge.
    assert_allclose([low, high], bulk, rtol=0.06)
    assert low < bulk[0]
    assert high > bulk[1]


# Refusals -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"n": 0}, "n must be an integer >= 1 and <= 10+, got 0"),
        ({"label_transform": "sign"}, "label_transform must be one of 'tanh', got 'sign'"),
        ({"sample": np.ones((100, 9))}, "sample needs a target that computes its features, .* got TargetParameters"),
        ({"target": HierarchicalTarget(9), "sample": np.ones((99, 9))}, r"sample must have shape \(100, 9\)"),
        ({"ranking": "size"}, "ranking must be one of 'modulus', 'edge', got 'size'"),
        ({"n": 10**400}, "n must be an integer >= 1 and <= 10+, got 10"),
        ({"n_features": 10**6}, "n_features must be an integer >= 1 and <= 45, got 1000000"),
        ({"target": HierarchicalTarget(9), "n": 1, "sample": np.ones((1, 9))}, "labels of sample must not be constant"),
        ({"label_transform": 3}, "label_transform must be callable, got 3"),
        ({"label_transform": lambda y: y + 1j}, "label_transform must map an array to finite values that are real"),
        ({"target": TargetParameters(np.ones(1), 9, 2, np.sqrt)}, "link_function must map an array to finite values"),
        ({"target": TargetParameters(np.ones(1), 9, 2, None)}, "link_function must be callable, got None"),
        ({"target": TargetParameters(np.ones(1), 10**10, 2)}, "d and q must give D <= 10+, got d = 10000000000, q = 2"),
        (
            {"target": TargetParameters(np.array([1.0, 1e-200]), 9, 2)},
            "weights must hold .* 1e-100 to 1e\\+100 in size",
        ),
        ({"target": 3}, "target must have the attributes weights, d, q and link_function, got a int"),
        ({"n_features": 0}, "n_features must be an integer >= 1 and <= 45, got 0"),
        ({"target": TargetParameters(np.array([]), d=9, q=2)}, "weights must hold at least one number and no zero"),
        ({"target": TargetParameters(np.array([1.0, 0.0]), d=9, q=2)}, "no zero"),
        ({"target": TargetParameters(np.ones(9) / 3, d=9, q=1)}, "weights must number fewer than D = 9, got 9"),
        (
            {"target": TargetParameters(np.ones(1), d=1, q=1)},
            "d must be an integer >= 2 and <= 1000000000000000000, got 1",
        ),
        ({"target": TargetParameters(np.ones(1), d=9, q=0)}, "q must be an integer >= 1 and <= 30, got 0"),
        ({"label_transform": lambda y: y.sum()}, "label_transform must map an array to finite values"),
        ({"label_transform": np.zeros_like}, "label_transform must not be constant"),
        ({"label_transform": lambda y: np.full_like(y, np.nan)}, "label_transform must map"),
        ({"target": TargetParameters(np.ones(1), 9, 2, lambda h: h[:1])}, "link_function must map an array"),
    ],
)
def test_predict_refuses(changes, match):
    arguments = {"target": TargetParameters(np.array([1.0]), d=9, q=2), "n": 100} | changes
    with pytest.raises(ValueError, match=match):
        predict(**arguments)


def test_other_functions_refuse_bad_input():
    target = TargetParameters(np.array([1.0]), d=9, q=2)
    with pytest.raises(ValueError, match="z must hold at least two different points"):
        bulk_density(target, 100, np.ones(3))
    with pytest.raises(ValueError, match="n must be an integer >= 1"):
        bulk_density(target, 0, np.arange(3.0))
    with pytest.raises(ValueError, match="sample_weights must have both signs"):
        noise_edges(np.ones(5), 3)
    with pytest.raises(ValueError, match="level must be a finite number > 0 and < 1, got 1"):
        noise_edges(np.array([-1.0, 1.0]), 3, level=1)


# Exchangeable features ----------------------------------------------------------------------------------------------

LAW_LINKS = {"identity": lambda t: t, "tanh": np.tanh, "even": lambda t: t**2, "quadratic": lambda t: t**2 + t - 1}


@given(
    sizes=st.lists(st.sampled_from([1.0, 0.8, 0.799999, 0.5]), min_size=1, max_size=5),
    signs=st.lists(st.sampled_from([-1.0, 1.0]), min_size=5, max_size=5),
    link=st.sampled_from(list(LAW_LINKS)),
    transform=st.sampled_from([None, "tanh"]),
    ratio=st.sampled_from([0.5, 3, 30, 500]),
    ranking=st.sampled_from(["modulus", "edge"]),
    kept=st.integers(1, 7),
)
@example([1.0] * 4, [1.0] * 5, "identity", "tanh", 500, "modulus", 1)
@example([1.0] * 4, [1.0, -1.0, 1.0, -1.0, 1.0], "even", "tanh", 500, "modulus", 3)
def test_overlap_of_kept_directions_is_at_most_their_number_and_the_same_for_features_that_are(
    sizes, signs, link, transform, ratio, ranking, kept
):
    weights = np.array(sizes) * signs[: len(sizes)]
    target = TargetParameters(weights / np.linalg.norm(weights), 300, 1, LAW_LINKS[link])
    prediction = predict(target, int(ratio * 300), transform, ranking=ranking, n_features=kept)
    assert np.all((prediction.alignments >= 0) & (prediction.alignments <= 1))
    assert prediction.alignments.sum() <= kept * (1 + 1e-12)
    assert np.all((prediction.retention >= 0) & (prediction.retention <= 1 + 1e-12))
    # An even link does not see a change of all signs.
    balanced = link == "even" and sorted(weights) == sorted(-weights)
    alike = np.abs(weights) if balanced else weights
    for value in np.unique(alike):
        # The transform that adds the features leaves 1e-16 of a law whose tails have 1e-10 of a threshold's slope.
        assert np.ptp(prediction.alignments[alike == value]) < 1e-7


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_features_of_nearly_equal_weight_are_kept_like_features_of_equal_weight(kept):
    def alignments(apart):
        weights = 0.5 * (1 + apart * np.arange(4))
        return predict(TargetParameters(weights, 60, 2), 10**6, "tanh", n_features=kept).alignments

    equal = alignments(0.0)
    assert_allclose(equal, kept / 4 * alignments(0.0).sum() / kept, rtol=1e-9)
    # Ranks follow eigenvalues that fluctuate by 1e-3 from sample to sample: a difference of 1e-9 is a millionth of it.
    assert_allclose(alignments(1e-9), equal, atol=1e-5)
    assert_allclose(alignments(1e-6), equal, atol=1e-2)
    assert np.sort(alignments(0.3))[-kept:].min() > 0.9


def test_equal_features_are_kept_as_often_as_in_samples():
    dim, n, seeds, weights = 100, 4000, 40, np.array([0.7, 0.685, 0.2])
    prediction = predict(TargetParameters(weights, dim, 1), n, np.tanh, n_features=1)
    found = []
    for seed in range(seeds):
        features, y = gaussian_sample(weights, dim, n, np.random.default_rng(seed))
        standard = y / np.sqrt(np.sum(weights**2))
        values, vectors = np.linalg.eigh(moment_matrix(features, np.tanh(standard)))
        found.append(vectors[:3, np.argmax(np.abs(values))] ** 2)
    error = np.std(found, axis=0, ddof=1) / np.sqrt(seeds)
    assert np.all(np.abs(np.mean(found, axis=0) - prediction.alignments) < 4 * error + 0.02)
    assert 0.4 < prediction.alignments[1] / prediction.alignments[0] < 1


@given(order=st.permutations(range(5)), link=st.sampled_from(list(LAW_LINKS)), kept=st.integers(1, 6))
def test_predictions_follow_a_permutation_of_the_weights(order, link, kept):
    weights, order = np.array([0.6, -0.5, 0.4, 0.4, -0.3]), list(order)
    straight, mixed = (
        predict(TargetParameters(w, 200, 1, LAW_LINKS[link]), 20_000, n_features=kept)
        for w in (weights, weights[order])
    )
    for name in ("strengths", "alignments", "retention", "eigenvalues"):
        assert_allclose(getattr(mixed, name), getattr(straight, name)[order], rtol=1e-6, atol=1e-7)
    assert mixed.mse_holdout == pytest.approx(straight.mse_holdout, abs=1e-7)
    assert mixed.mse_same_sample == pytest.approx(straight.mse_same_sample, abs=1e-7)


# Rounding and scale -------------------------------------------------------------------------------------------------


@given(
    signs=st.lists(st.sampled_from([-1.0, 1.0]), min_size=1, max_size=5),
    gamma=st.sampled_from([0.0, 0.4, 0.8]),
    problem=st.sampled_from([(60, 2), (26, 3), (400, 1)]),
    link=st.sampled_from(["identity", "tanh", "even"]),
    transform=st.sampled_from([None, "tanh"]),
    ratio=st.integers(1, 200),
    ulps=st.sampled_from([-3, -1, 1, 3]),
)
@example([1.0, -1.0, 1.0, -1.0], 0.4, (60, 2), "identity", None, 24, 1)
@example([-1.0], 0.0, (400, 1), "identity", None, 1, -3)  # where the grid ended with the rounding of empty cells
def test_prediction_moves_by_rounding_when_the_weights_do(signs, gamma, problem, link, transform, ratio, ulps):
    weights = np.array(signs) * np.arange(1, len(signs) + 1) ** -gamma
    weights /= np.linalg.norm(weights)
    first, second = (
        predict(TargetParameters(w, *problem, LAW_LINKS[link]), ratio * 1830, transform)
        for w in (weights, weights * (1 + ulps * 2.0**-52))
    )
    visible = np.abs(first.strengths) > 1e-6  # an even link does not see a single feature's sign, but for rounding
    for name in ("bulk_edges", "strengths", "eigenvalues", "outlier_alignments", "retention", "alignments"):
        assert_allclose(getattr(second, name), getattr(first, name), rtol=1e-9, atol=1e-9)
    assert_allclose(second.thresholds[visible], first.thresholds[visible], rtol=1e-8)
    assert_allclose(second.noise_counts, first.noise_counts, rtol=1e-9, atol=1e-9)
    assert_allclose([second.mse_holdout, second.mse_same_sample], [first.mse_holdout, first.mse_same_sample], atol=1e-9)


def test_noise_count_is_continuous_where_the_pole_crosses_an_atom():
    model = build_model(TargetParameters(MIXED, 60, 2), None, radial=True, remainder=True, normalize=False)
    bulk = model.bulk(44_574)
    atom = model.law.values[np.argmin(np.abs(44_574 * np.cumsum(model.law.masses[::-1])[::-1] - 20))]
    below, at, above = bulk.tail_count(np.array([1 - 1e-12, 1.0, 1 + 1e-12]) / atom, 1)
    assert at > 1
    assert_allclose([below, above], at, rtol=1e-9)
    # All mass is beyond a pole past the smallest weight, none beyond one past the largest.
    ends = bulk.tail_count(np.array([1 / model.law.values[-1], 1e6 / model.law.values[-1]]), 1)
    assert_allclose(ends[0], 0, atol=1e-12)
    assert ends[1] == pytest.approx(44_574 * model.law.masses[model.law.values > 0].sum(), rel=1e-2)


@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e-30, 1e30, 1e150, 1e290])
@pytest.mark.parametrize("transform", [None, "tanh"])
def test_labels_times_a_factor_have_the_same_alignments_and_eigenvalues_times_it(scale, transform):
    def scaled(factor):
        return TargetParameters(MIXED, 40, 2, lambda t: factor * (np.tanh(t) + 0.2 * t))

    plain, other = (predict(scaled(c), 12_000, transform) for c in (1.0, scale))
    unit = scale if transform is None else 1.0
    for name in ("bulk_edges", "eigenvalues", "strengths"):
        assert_allclose(getattr(other, name) / unit, getattr(plain, name), rtol=1e-6)
    for name in ("alignments", "retention", "thresholds", "mse_holdout", "mse_same_sample"):
        assert_allclose(getattr(other, name), getattr(plain, name), rtol=1e-6, atol=1e-9)
    z = np.linspace(-1, 1, 41)
    assert_allclose(
        bulk_density(scaled(scale), 12_000, z * unit, transform) * unit,
        bulk_density(scaled(1.0), 12_000, z, transform),
        rtol=1e-6,
        atol=1e-9,
    )


@pytest.mark.parametrize("scale", [1e-200, 1e-20, 1e20, 1e200])
def test_label_transform_times_a_factor_has_eigenvalues_times_it(scale):
    target = TargetParameters(MIXED, 40, 2)
    plain, other = (predict(target, 12_000, lambda y, c=c: c * np.tanh(y)) for c in (1.0, scale))
    assert_allclose(other.eigenvalues / scale, plain.eigenvalues, rtol=1e-9)
    assert_allclose(other.alignments, plain.alignments, rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1e-100, 1e100, 1e200])
def test_noise_edges_scale_with_the_weights(scale):
    weights = np.random.default_rng(0).standard_normal(500) ** 3
    # Weights near 1e-310 have four digits.
    error = 1e-3 if scale < 1e-307 else 1e-9
    assert_allclose(noise_edges(scale * weights, 100) / scale, noise_edges(weights, 100), rtol=error)


@pytest.mark.parametrize(
    "flat", [np.ones_like, lambda t: 1.0 + 1e-14 * t, lambda t: 1e9 + 1e-3 * np.tanh(t), lambda t: np.full_like(t, 0.1)]
)
def test_functions_that_are_constant_up_to_rounding_are_refused(flat):
    with pytest.raises(ValueError, match="link_function must not be constant"):
        predict(TargetParameters(MIXED, 40, 2, flat), 1000)
    with pytest.raises(ValueError, match="label_transform must not be constant"):
        predict(TargetParameters(MIXED, 40, 2), 1000, flat)


# What is remembered -------------------------------------------------------------------------------------------------


def test_functions_may_change_between_predictions():
    steepness = 0.1

    def curve(t):
        return np.tanh(steepness * t)

    def every():
        linked, target = TargetParameters(MIXED, 60, 2, curve), TargetParameters(MIXED, 60, 2)
        z = np.linspace(-1, 1, 21)
        return [
            *(f(*given) for f, given in ((critical_sample_sizes, (linked,)), (critical_sample_sizes, (target, curve)))),
            *(predict(*given).alignments for given in ((linked, 40_000), (target, 40_000, curve))),
            *(bulk_density(*given) for given in ((linked, 40_000, z), (target, 40_000, z, curve))),
            lowest_threshold_transform(linked, 0)(z),
        ]

    before = every()
    steepness = 5.0
    after = every()
    fresh = predict(TargetParameters(MIXED, 60, 2, lambda t: np.tanh(5.0 * t)), 40_000).alignments
    assert_allclose(after[2], fresh)
    assert all(np.abs(a - b).max() > 1e-3 for a, b in zip(after, before, strict=True))


@dataclass
class Steep:
    """A link without a hash: a dataclass with equality."""

    factor: float

    def __call__(self, t):
        return np.tanh(self.factor * t)


@pytest.mark.parametrize("link", [np.polynomial.Polynomial([0, 1, 0.1]), Steep(2.0)])
def test_functions_need_no_hash(link):
    found = predict(TargetParameters(MIXED, 60, 2, link), 20_000, link).alignments
    assert_allclose(
        found, predict(TargetParameters(MIXED, 60, 2, lambda t: link(t)), 20_000, lambda t: link(t)).alignments
    )


def test_law_is_computed_once_for_all_sizes_of_a_target(monkeypatch):
    computed = []
    monkeypatch.setattr("hierlib.theory.bulk.weight_law", lambda *a, **k: computed.append(1) or weight_law(*a, **k))
    for n in (1000, 2000, 4000):
        predict(TargetParameters(MIXED, 41, 2, lambda t: t + 0.1234 * t**3), n, lambda y: np.tanh(1.1 * y))
    assert len(computed) == 1


# Fewer samples than dimensions --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ratio", "transform", "points"),  # 201 have zero among them, 200 have not
    [
        (0.1, "tanh", 201),
        (0.1, np.sign, 200),
        (0.5, "tanh", 200),
        (0.5, np.sign, 201),
        (0.9, "tanh", 201),
        (0.9, np.sign, 200),
    ],
)
def test_bulk_density_integrates_to_one_less_the_kernel_with_fewer_samples_than_dimensions(ratio, transform, points):
    target, n = TargetParameters(MIXED, 1004, 1), round(1000 * ratio)
    low, high = predict(target, n, transform).bulk_edges * 1.3
    part = np.linspace(0, 1, points) ** 2  # dense at zero, where the density is steep
    z = (
        np.concatenate([low * part[:0:-1], high * part])
        if points % 2
        else np.concatenate([low * part[:0:-1], high * part[1:]])
    )
    # Square-root edges and the steep middle on a grid of 400 points cost 0.15 %.
    assert np.trapezoid(bulk_density(target, n, z, transform), z) == pytest.approx(ratio, rel=0.005)
