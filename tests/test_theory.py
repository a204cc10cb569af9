"""Oracles: sums written out, limits approached at their stated rate, and inverses of one another."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.special import zeta

from hierlib import theory

SMALL = {"dim": 1830, "n_features": 7, "gamma": 0.4}
ROUNDING = 1e-12  # Sums of at most 10^6 positive terms in double precision.


@pytest.mark.parametrize("gamma", [0.0, 0.3, 0.5, 1.0, 2.5])
@pytest.mark.parametrize("n_features", [1, 2, 40])
def test_weights_have_unit_norm_under_the_normalization(n_features, gamma):
    weights = theory.normalization(n_features, gamma) * np.arange(1, n_features + 1) ** -gamma
    assert_allclose(np.sum(weights**2), 1.0, rtol=ROUNDING)


@pytest.mark.parametrize(("gamma", "rate"), [(0.0, None), (0.2, 0.6), (0.4, 0.2), (0.5, None), (0.8, 0.6), (1.5, 2.0)])
def test_normalization_tends_to_its_rate_at_the_stated_speed(gamma, rate):
    n_features = np.array([10**3, 10**5])
    ratio = [theory.normalization(d1, gamma) / theory.normalization_rate(d1, gamma) for d1 in n_features]
    error = np.abs(np.array(ratio) - 1)
    if rate is None:  # gamma = 0 is exact; gamma = 1/2 leaves 1/(4 d1 log d1).
        assert error[1] < 1e-6
    else:  # Relative error c d1^-|2 gamma - 1| (1 + o(1)): a hundredfold d1 divides it by 100^rate, within 15 %.
        assert_allclose(error[0] / error[1], 100**rate, rtol=0.15)


@pytest.mark.parametrize("gamma", [0.2, 0.46, 0.49])
def test_delocalised_normalization_leaves_a_constant_and_half_of_the_last_term(gamma):
    # Euler-Maclaurin: sum_{i <= d1} i^-2g = d1^(1 - 2g)/(1 - 2g) + zeta(2g) + d1^-2g/2 - g d1^(-2g - 1)/6 + ...
    n_features = np.array([100, 1000])
    exact, rate = (
        np.array([f(d1, gamma) ** -2 for d1 in n_features]) for f in (theory.normalization, theory.normalization_rate)
    )
    rest = exact - rate - n_features ** (-2 * gamma) / 2
    # Left over: gamma d1^(-2 gamma - 1)/6, and the rounding of sums and powers of order 100.
    assert_allclose(rest[0], rest[1], atol=gamma * 100.0 ** (-2 * gamma - 1) / 6 + 1e-11)


def test_known_zeta_values_fix_the_localised_normalization():
    assert_allclose(theory.normalization_rate(10, 1.0) ** -2, np.pi**2 / 6, rtol=ROUNDING)
    assert_allclose(theory.normalization_rate(10, 2.0) ** -2, np.pi**4 / 90, rtol=ROUNDING)


@pytest.mark.parametrize("gamma", [0.2, 0.8])
def test_eigenvalue_is_the_correlation_of_label_and_squared_feature(gamma):
    # E[y (h_k^2 - 1)] by product Gauss-Hermite quadrature on three features: exact for these polynomials.
    nodes, weights = np.polynomial.hermite_e.hermegauss(4)
    h = np.stack(np.meshgrid(nodes, nodes, nodes, indexing="ij"))
    mass = np.einsum("i,j,k->ijk", weights, weights, weights) / (2 * np.pi) ** 1.5
    strength = theory.normalization(3, gamma) * np.arange(1, 4.0) ** -gamma
    y = np.einsum("i,i...->...", strength, h**2 - 1) / np.sqrt(2)
    theta = [np.sum(mass * y * (h[k] ** 2 - 1)) for k in range(3)]
    assert_allclose(theory.eigenvalue([1, 2, 3], n_features=3, gamma=gamma), theta, rtol=ROUNDING)
    # The same quadrature gives the numerator of the sharp alignment error, E[y^2 h_k^2] D / (2 n theta_k^2).
    leak = [np.sum(mass * y**2 * h[k] ** 2) / (2 * theta[k] ** 2) for k in range(3)]
    error = theory.alignment_error([1, 2, 3], 500, dim=10, n_features=3, gamma=gamma, sharp=True)
    assert_allclose(error, 10 / 500 * np.array(leak), rtol=ROUNDING)


@pytest.mark.parametrize("n_features", [1, 2, 8])
@pytest.mark.parametrize("gamma", [0.1, 0.4, 1.5])  # at 1.5 the kernel is the last of two features' neighbour
def test_eigengap_is_the_smallest_distance_in_the_full_spectrum(gamma, n_features):
    k = np.arange(1, n_features + 1)
    spectrum = np.append(theory.eigenvalue(k, n_features=n_features, gamma=gamma), 0.0)
    distance = np.abs(spectrum[:, None] - spectrum) + np.diag(np.full(n_features + 1, np.inf))
    expected = distance.min(axis=1)[:n_features]
    assert_allclose(theory.eigengap(k, n_features=n_features, gamma=gamma), expected, rtol=1e-10)


@pytest.mark.parametrize("gamma", [0.2, 0.8])
def test_eigengap_loses_a_factor_k_over_gamma_on_the_eigenvalue(gamma):
    k = np.array([10, 100, 1000])
    gap, theta = (f(k, n_features=10**4, gamma=gamma) for f in (theory.eigengap, theory.eigenvalue))
    # 1 - (1 + 1/k)^-gamma = gamma/k (1 - (gamma + 1)/(2k) + ...)
    assert_allclose(theta / gap * gamma / k, 1 + (gamma + 1) / (2 * k), rtol=2e-3)


@pytest.mark.parametrize("sharp", [False, True])
def test_noise_norm_falls_as_the_square_root_of_the_sampling_ratio(sharp):
    assert_allclose(theory.noise_norm(400, dim=100, sharp=sharp), 1.0 if sharp else 0.5, rtol=ROUNDING)
    assert_allclose(theory.noise_norm(4, dim=1, sharp=sharp), 1.0 if sharp else 0.5, rtol=ROUNDING)
    assert_allclose(theory.noise_norm([100, 900], dim=900, sharp=sharp), (1 + sharp) * np.array([3, 1]), rtol=ROUNDING)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_sharp_noise_norm_is_the_edge_of_a_gaussian_symmetric_matrix(seed):
    # Entries of variance 1/n: the edge is 2 sqrt(D/n); at D = 400 it fluctuates by D^(-2/3), about 2 %.
    dim, n = 400, 10_000
    half = np.random.default_rng(seed).standard_normal((dim, dim))
    norm = np.linalg.norm((half + half.T) / np.sqrt(2 * n), ord=2)
    assert_allclose(norm, theory.noise_norm(n, dim=dim, sharp=True), rtol=0.05)


def test_thresholds_are_the_formula_of_the_paper():
    i = np.arange(1, 8)
    expected = 1830 * i**0.8 * np.sum(i**-0.8)
    assert_allclose(theory.recovery_threshold(i, **SMALL), expected, rtol=ROUNDING)


@pytest.mark.parametrize("gamma", [0.2, 0.5, 1.3])
def test_sharp_threshold_is_where_the_eigenvalue_leaves_the_bulk(gamma):
    # theta sqrt(n/D) = 1, the transition of a spiked Gaussian symmetric matrix.
    parameters = {"n_features": 9, "gamma": gamma}
    i = np.arange(1, 10)
    n = theory.recovery_threshold(i, dim=300, sharp=True, **parameters)
    half_edge = theory.noise_norm(n, dim=300, sharp=True) / 2
    assert_allclose(theory.eigenvalue(i, **parameters), half_edge, rtol=ROUNDING)
    assert_allclose(n, theory.recovery_threshold(i, dim=300, **parameters) / 2, rtol=ROUNDING)


@pytest.mark.parametrize("sharp", [False, True])
@pytest.mark.parametrize("gamma", [0.0, 0.2, 0.5, 1.0])
def test_count_steps_by_one_at_each_threshold(gamma, sharp):
    parameters = {"dim": 500, "n_features": 12, "gamma": gamma, "sharp": sharp, "strict": False}
    i = np.arange(1, 13)
    threshold = theory.recovery_threshold(i, **parameters)
    above = i if gamma else np.full(12, 12)  # one common cliff
    assert_allclose(theory.recovered_count(threshold, **parameters), above)
    assert_allclose(theory.recovered_count(threshold * (1 - 1e-9), **parameters), above - 1 if gamma else 0)
    assert [theory.recovered_count(n, **parameters) for n in threshold] == list(above)


@pytest.mark.parametrize("sharp", [False, True])
@pytest.mark.parametrize("gamma", [0.2, 0.5, 1.0])
def test_count_is_the_integer_part_of_its_rate_between_thresholds(gamma, sharp):
    parameters = {"dim": 500, "n_features": 30, "gamma": gamma, "sharp": sharp}
    first, last = theory.recovery_threshold([1, 30], **parameters)
    n = np.geomspace(first * 1.001, last * 0.999, 200)
    rate = theory.recovered_count_rate(n, **parameters)
    assert_allclose(theory.recovered_count(n, **parameters), np.floor(rate))
    assert_allclose(theory.recovered_count_rate([first, last], **parameters), [1, 30], rtol=ROUNDING)
    for outside in (0.95 * first, 1.05 * last):
        with pytest.raises(ValueError, match="n must lie between"):
            theory.recovered_count_rate(outside, **parameters)


def test_count_grows_as_the_power_of_the_corollary():
    n = np.array([1e5, 1e7])
    count = theory.recovered_count(n, dim=100, n_features=10**5, gamma=0.8)
    # Counts of tens to thousands: rounding down moves the slope by at most 1/(count log(100)).
    assert_allclose(np.log(count[1] / count[0]) / np.log(100), 1 / (2 * 0.8), atol=1 / (count[0] * np.log(100)))


@pytest.mark.parametrize("gamma", [0.0, 0.3, 0.5, 1.2])
def test_tail_is_the_sum_of_squared_weights_left(gamma):
    weights = theory.normalization(25, gamma) * np.arange(1, 26) ** -gamma
    left = [np.sum(weights[m:] ** 2) for m in range(26)]
    assert_allclose(theory.weight_tail(np.arange(26), n_features=25, gamma=gamma), left, rtol=1e-11, atol=0)


@pytest.mark.parametrize("gamma", [0.2, 0.4, 0.8, 1.5])
def test_tail_tends_to_its_rate_for_many_features(gamma):
    # gamma < 1/2: the sums' own corrections, relative to d1^(1 - 2 gamma).
    # gamma > 1/2: (gamma - 1/2)/m from the first term, (m/d1)^(2 gamma - 1) from the missing end.
    n_features = 10**6
    m = np.array([3 * 10**4, 3 * 10**5]) if gamma < 0.5 else np.array([100, 300])
    exact = theory.weight_tail(m, n_features=n_features, gamma=gamma)
    rate = theory.weight_tail_rate(m, n_features=n_features, gamma=gamma)
    tolerance = n_features ** (2 * gamma - 1) if gamma < 0.5 else gamma / m[0] + (m[1] / n_features) ** (2 * gamma - 1)
    assert_allclose(exact / rate, 1, atol=tolerance)


@pytest.mark.parametrize("gamma", [0.52, 0.8, 1.5])
def test_tail_rate_is_the_remainder_of_the_zeta_function_when_localised(gamma):
    m = np.array([100, 1000])
    remainder = zeta(2 * gamma, m + 1) / zeta(2 * gamma)
    # Euler-Maclaurin: relative error (gamma - 1/2)/m to leading order.
    ratio = theory.weight_tail_rate(m, n_features=10**6, gamma=gamma) / remainder
    assert_allclose(ratio - 1, (gamma - 0.5) / m, rtol=0.03)


def test_tail_tends_to_its_logarithmic_rate_at_one_half():
    # Harmonic numbers are log m + Euler's constant + 1/(2 m).
    m, n_features = np.array([10**2, 10**4]), 10**6
    exact = theory.weight_tail(m, n_features=n_features, gamma=0.5)
    rate = theory.weight_tail_rate(m, n_features=n_features, gamma=0.5)
    assert_allclose(exact - rate, 0, atol=1 / (2 * m[0] * np.log(n_features)))


@pytest.mark.parametrize("sharp", [False, True])
def test_error_is_the_tail_beyond_the_count(sharp):
    n = np.geomspace(500, 50_000, 40)
    count = theory.recovered_count(n, sharp=sharp, **SMALL)
    tail = theory.weight_tail(count, n_features=7, gamma=0.4)
    assert_allclose(theory.mse_tail(n, sharp=sharp, **SMALL), tail, rtol=ROUNDING)
    assert count[0] == 0
    assert tail[0] == 1
    assert count[-1] == 7
    assert tail[-1] == 0


@pytest.mark.parametrize("sharp", [False, True])
@pytest.mark.parametrize("gamma", [0.1, 0.2, 0.3, 0.8, 1.0, 1.5])
def test_error_tends_to_the_power_law_with_its_constant(gamma, sharp):
    parameters = {"dim": 100, "n_features": 10**6, "gamma": gamma, "sharp": sharp}
    count = np.array([10**5, 3 * 10**5]) if gamma < 0.5 else np.array([300, 1000])
    n = theory.recovery_threshold(count, **parameters)
    exact, rate = theory.mse_tail(n, **parameters), theory.mse_rate(n, **parameters)
    # Steps of one feature in `count`, the zeta tail beyond d1, and the sum's own correction to Z_gamma.
    correction = 1e6 ** (2 * gamma - 1) if gamma < 0.5 else 1 / 300 + 1e-3 ** (2 * gamma - 1)
    assert_allclose(exact / rate, 1, atol=3 * correction)


@pytest.mark.parametrize("gamma", [0.2, 0.3, 0.8, 1.5])
def test_error_rate_has_the_exponent_of_the_theorem(gamma):
    parameters = {"dim": 100, "n_features": 10**6, "gamma": gamma}
    n = np.array([1e5, 1e6])
    rate = theory.mse_rate(n, **parameters)
    quantity = 1 - rate if gamma < 0.5 else rate
    # 1 - MSE is formed by a subtraction from 1, which costs digits when it is small.
    assert_allclose(np.log10(quantity[1] / quantity[0]), theory.mse_exponent(gamma), rtol=1e-4)


@pytest.mark.parametrize("gamma", [0.0, 0.4, 1.0])
def test_partial_error_is_the_sum_over_features_of_what_each_leaves(gamma):
    parameters = {"dim": 300, "n_features": 9, "gamma": gamma, "strict": False}
    weights = theory.normalization(9, gamma) * np.arange(1, 10) ** -gamma
    n = np.geomspace(100, 1e6, 50)
    # 1 - cos^2 is twice 1 - |cos|, to leading order.
    loss = 2 * theory.alignment_error(np.arange(1, 10), n[:, None], sharp=True, **parameters)
    explained = np.clip(1 - loss, 0, None) ** 2 @ weights**2
    # 1 - MSE is a sum of terms of order 1 that cancel where little is explained.
    assert_allclose(theory.mse_partial(n, **parameters), 1 - explained, atol=1e-12, rtol=1e-10)
    assert isinstance(theory.mse_partial(5000, **parameters), float)
    assert theory.mse_partial(n.reshape(5, 10), **parameters).shape == (5, 10)


@pytest.mark.parametrize("gamma", [0.1, 0.3, 0.5, 0.8, 1.5])
def test_partial_recovery_factor_is_the_integral_over_the_recovered_features(gamma):
    # In units of the tail (gamma > 1/2) or of the recovered weight (gamma < 1/2); they meet at 1/2.
    if gamma < 0.5:
        share = quad(lambda x: x ** (-2 * gamma) * (1 - x ** (2 * gamma)) ** 2, 0, 1)[0]
        expected = (1 - 2 * gamma) * share
    else:
        share = quad(lambda x: 2 - x ** (2 * gamma), 0, 1)[0]
        expected = 1 + (2 * gamma - 1) * share
    assert_allclose(theory.partial_recovery_factor(gamma), expected, rtol=1e-7)


@pytest.mark.parametrize("gamma", [0.1, 0.2, 0.3, 0.8, 1.0, 1.5])
def test_partial_error_tends_to_its_factor_times_the_power_law(gamma):
    parameters = {"dim": 100, "n_features": 10**6, "gamma": gamma}
    count = np.array([10**5, 3 * 10**5]) if gamma < 0.5 else np.array([300, 1000])
    n = theory.recovery_threshold(count, sharp=True, **parameters)
    exact, rate = theory.mse_partial(n, **parameters), theory.mse_rate(n, sharp=True, **parameters)
    if gamma < 0.5:
        exact, rate = 1 - exact, 1 - rate
    factor = theory.partial_recovery_factor(gamma)
    # As for the tail: the sum's own correction, here beside the factor times the sum, and the end of the sum. The own
    # share of the recovered features is (4 gamma^2 - 1)/gamma^2 < 4 over m of the whole.
    correction = 1e5 ** (2 * gamma - 1) / factor if gamma < 0.5 else 4 / 300 + 1e-3 ** (2 * gamma - 1)
    assert_allclose(exact / rate / factor, 1, atol=1.5 * correction)


@pytest.mark.parametrize("gamma", [0.2, 0.4, 0.6, 1.5])
def test_local_exponent_joins_the_corners_of_the_staircase(gamma):
    parameters = {"dim": 100, "n_features": 30, "gamma": gamma}
    m = np.arange(1, 29)
    n = theory.recovery_threshold(np.arange(1, 30), **parameters)
    error = theory.mse_tail(n, **parameters)
    quantity = 1 - error if gamma < 0.5 else error
    expected = np.diff(np.log(quantity)) / np.diff(np.log(n))
    assert_allclose(theory.local_exponent(m, n_features=30, gamma=gamma), expected, rtol=1e-9)


@pytest.mark.parametrize("gamma", [0.2, 0.3, 0.8, 1.5])
def test_local_exponent_tends_to_the_theorem(gamma):
    n_features, m = 10**6, (3 * 10**5 if gamma < 0.5 else 300)
    correction = m ** (2 * gamma - 1) if gamma < 0.5 else 1 / m + (m / n_features) ** (2 * gamma - 1)
    ratio = theory.local_exponent(m, n_features=n_features, gamma=gamma) / theory.mse_exponent(gamma)
    assert_allclose(ratio, 1, atol=2 * correction)


@pytest.mark.parametrize("exponent", [-1.5, -0.5, 2.0])
def test_decade_slopes_and_stretch_of_a_pure_power_law_are_its_exponent_and_all_sizes_inside(exponent):
    n = np.geomspace(3, 3e5, 26)  # five a decade
    centres, slopes = theory.decade_slopes(n, 7 * n**exponent)
    assert_allclose(slopes, exponent, rtol=1e-12)
    # Half a decade is two and a half steps: three sizes at either end have none around them.
    assert_allclose(centres, n[3:-3], rtol=1e-12)
    assert_allclose(theory.visible_stretch(n, 7 * n**exponent, exponent), n[[3, -4]], rtol=1e-12)


def test_stretch_is_the_longest_of_several_and_ends_where_half_a_decade_reaches_over_a_corner():
    # Slopes -1/2, 0, -1/2 over two, one and four decades. Within 10 % a decade may hold a tenth of the flat part.
    log_n = np.linspace(0, 7, 701)
    log_f = np.interp(log_n, [0, 2, 3, 7], [0, -1, -1, -3])
    first, last = np.log10(theory.visible_stretch(10**log_n, 10**log_f, -0.5))
    assert first == pytest.approx(3 + 0.5 - 0.1, abs=0.011)  # the spacing
    assert last == pytest.approx(7 - 0.5, abs=0.011)


def test_exponent_that_a_curve_shows_nowhere_has_a_stretch_of_no_length():
    n = np.geomspace(1, 1e4, 41)
    first, last = theory.visible_stretch(n, np.exp(-n / 1e4), -3.0)
    assert first == last
    slopes = theory.decade_slopes(n, np.exp(-n / 1e4))
    assert first == slopes[0][np.argmin(np.abs(slopes[1] + 3))]


@pytest.mark.parametrize(("gamma", "exponent"), [(0.25, 1.0), (0.4, 0.25), (0.6, -1 / 6), (1.0, -0.5), (2.0, -0.75)])
def test_exponent_takes_the_values_of_the_paper(gamma, exponent):
    assert_allclose(theory.mse_exponent(gamma), exponent, rtol=ROUNDING)


def test_assumption_admits_any_link_up_to_one_half():
    size = {"dim": 9, "n_features": 2, "gamma": 0.499}
    assert theory.recovery_threshold(2, link="tanh", **size) == theory.recovery_threshold(2, **size)


def test_alignment_error_is_the_threshold_over_the_sample_size():
    k, n = np.arange(1, 8), 1e5
    assert_allclose(theory.alignment_error(k, n, **SMALL), theory.recovery_threshold(k, **SMALL) / n, rtol=ROUNDING)
    table = theory.alignment_error(k[:, None], [1e5, 2e5], **SMALL)
    assert table.shape == (7, 2)
    assert_allclose(table[:, 0] / table[:, 1], 2, rtol=ROUNDING)


def test_scalars_give_scalars_and_arrays_keep_their_shape():
    assert isinstance(theory.recovery_threshold(3, **SMALL), float)
    assert isinstance(theory.recovered_count(5000, **SMALL), int)
    assert isinstance(theory.mse_tail(5000.0, **SMALL), float)
    assert isinstance(theory.weight_tail(0, n_features=3, gamma=0.2), float)
    assert theory.recovered_count([[5000], [6000]], **SMALL).shape == (2, 1)
    assert theory.recovery_threshold(np.ones((2, 3), dtype=int), **SMALL).shape == (2, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda **s: theory.recovery_threshold(1, dim=9, n_features=2, gamma=0.0, **s), "gamma must be > 0"),
        (
            lambda **s: theory.recovery_threshold(1, dim=9, n_features=2, gamma=0.5, link="tanh", **s),
            "gamma must be < 1/2",
        ),
        (
            lambda **s: theory.recovered_count(5, dim=9, n_features=2, gamma=0.7, link=np.tanh, **s),
            "gamma must be < 1/2",
        ),
        (lambda **s: theory.mse_exponent(0.5, **s), "gamma must differ from 1/2"),
        (lambda **s: theory.mse_exponent(0.8, link="tanh", **s), "gamma must be < 1/2"),
        (lambda **s: theory.mse_rate(1000, dim=1000, n_features=9, gamma=0.8, **s), r"n must lie between"),
        (lambda **s: theory.mse_rate(1e6, dim=1000, n_features=9, gamma=0.8, **s), r"n must lie between"),
        (lambda **s: theory.recovered_count_rate(1, dim=1000, n_features=9, gamma=0.8, **s), r"n must lie between"),
        (lambda **s: theory.recovered_count_rate(1e6, dim=1000, n_features=9, gamma=0.8, **s), r"n must lie between"),
        (lambda **s: theory.alignment_error(9, 1e3, dim=1000, n_features=9, gamma=0.8, **s), "n must be at least"),
    ],
)
def test_formulas_outside_their_theorem_need_an_explicit_request(call, message):
    with pytest.raises(ValueError, match=message):
        call()
    assert np.isfinite(call(strict=False))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.normalization(0, 0.4), "n_features must be an integer >= 1 and <= 100000000, got 0"),
        (lambda: theory.normalization_rate(3, -0.1), "gamma must be a finite number >= 0"),
        (lambda: theory.recovery_threshold(8, **SMALL), "i must hold integers >= 1 and <= n_features = 7, got 8"),
        (lambda: theory.recovery_threshold(1.0, **SMALL), "i must hold integers"),
        (lambda: theory.eigengap([0, 1], n_features=2, gamma=1.0), "k must hold integers"),
        (lambda: theory.weight_tail(-1, n_features=2, gamma=1.0), "m must hold integers >= 0"),
        (lambda: theory.weight_tail_rate(0, n_features=2, gamma=1.0), "m must be positive"),
        (lambda: theory.recovered_count(0, **SMALL), "n must hold positive finite sample sizes, got 0"),
        (lambda: theory.recovered_count("many", **SMALL), "n must be an array of real numbers"),
        (lambda: theory.noise_norm([10, np.nan], dim=3), "n must be finite"),
        (lambda: theory.noise_norm(10, dim=0), "dim must be an integer >= 1"),
        (lambda: theory.recovery_threshold(1, sharp=True, link="tanh", **SMALL), "sharp must be False"),
        (lambda: theory.recovery_threshold(1, link=3, **SMALL), "link must be a name or a callable"),
        (lambda: theory.mse_exponent(0.0, strict=False), "gamma must be a finite number > 0"),
        (lambda: theory.mse_rate(5, dim=2, n_features=9, gamma=0.5, strict=False), "gamma must differ from 1/2"),
        (lambda: theory.local_exponent(5, n_features=9, gamma=0.5), "gamma must differ from 1/2"),
        (lambda: theory.local_exponent(8, n_features=9, gamma=1.0), "m must hold integers >= 1 and <= n_features = 7"),
        (lambda: theory.partial_recovery_factor(0.0), "gamma must be a finite number > 0"),
        (lambda: theory.mse_partial(0, **SMALL), "n must hold positive finite sample sizes, got 0"),
        (lambda: theory.decade_slopes([1, 10, 100], [1, 0.5, 0]), "values must hold positive finite numbers"),
        (lambda: theory.decade_slopes([1, 100, 10], [1, 1, 1]), "n must increase and have one size for each"),
        (lambda: theory.decade_slopes([1, 100], [1, 1, 1]), "n must increase and have one size for each"),
        (lambda: theory.decade_slopes([1, 5, 9], [1, 1, 1]), "n must hold sizes with half a decade on either side"),
        (lambda: theory.visible_stretch([1, 10, 100], [1, 1, 1], 0.0), "exponent must not be zero"),
        (
            lambda: theory.visible_stretch([1, 10, 100], [1, 1, 1], 1.0, tolerance=0),
            "tolerance must be a finite number",
        ),
    ],
)
def test_bad_input_is_refused_with_its_name_and_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()
