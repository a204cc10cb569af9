import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar

from hierlib.related.linear_random_features import (
    best_ridge,
    degrees_of_freedom,
    mean_risk,
    power_law_best_df1,
    power_law_mse,
    power_law_root,
    power_law_spectrum,
    predict,
    ridge_risk,
    simulate,
)

SPECTRUM = power_law_spectrum(400, 0.7)
SIZES = [(30, 80), (80, 30), (50, 50), (1, 60), (60, 1)]


def isotropic_mse(law, n_features, n_samples, noise):
    """The law for an isotropic teacher of unit variance in its N <-> T symmetric form."""
    z, p, product = law.df1, law.df2, n_features * n_samples
    denominator = product - p * (n_features + n_samples) + 2 * p * z - z**2
    return (law.root * product * (z - p) + noise * n_samples * (n_features - p)) / denominator


@pytest.mark.parametrize("alpha", [0.3, 1.0, 2.5])
def test_spectrum_falls_by_its_exponent(alpha):
    spectrum = power_law_spectrum(64, alpha, scale=3.0)
    assert_allclose(spectrum[0], 3.0)
    assert_allclose(np.log2(spectrum[31] / spectrum[63]), 1 + alpha)


@pytest.mark.parametrize("root", [1e-4, 0.1, 7.0])
def test_second_degrees_of_freedom_are_the_derivative_of_the_first(root):
    # p = z + g z'(g); central difference, relative error h^2.
    step = 1e-5
    slope = (
        degrees_of_freedom(root * (1 + step), SPECTRUM)[0] - degrees_of_freedom(root * (1 - step), SPECTRUM)[0]
    ) / (2 * step)
    df1, df2 = degrees_of_freedom(root, SPECTRUM)
    assert_allclose(df2, df1 + slope, rtol=1e-6)


def test_all_latents_are_resolved_without_ridge():
    assert degrees_of_freedom(0.0, SPECTRUM) == (400.0, 400.0)


@pytest.mark.parametrize("sizes", [*SIZES, (500, 30), (500, 600)])
@pytest.mark.parametrize("ridge", [1e-10, 1e-3, 1.0, 1e4])
def test_root_solves_its_equation_on_the_right_branch(sizes, ridge):
    n_features, n_samples = sizes
    law = predict(n_features, n_samples, ridge, SPECTRUM)
    assert 0 < law.df1 < min(n_features, n_samples)
    assert_allclose((law.df1, law.df2), degrees_of_freedom(law.root, SPECTRUM), rtol=1e-12)
    # min(N, T) - z loses the digits that the two share: eps N / (N - z), for ridges far below the spectrum.
    gap = 1 - law.df1 / min(n_features, n_samples)
    solved = law.root * (n_samples - law.df1) * (n_features - law.df1) / n_features
    assert_allclose(solved, ridge, rtol=1e-12 + 1e-13 / gap)
    assert_allclose(law.kappa, law.root * (1 - law.df1 / n_features), rtol=1e-12 + 1e-13 / gap)
    assert law.ridge == ridge


@pytest.mark.parametrize("n_features", [40, 90])
@pytest.mark.parametrize("n_samples", [40, 90])
@pytest.mark.parametrize(("ridge", "noise"), [(0.05, 0.0), (0.5, 0.2)])
def test_law_lies_within_standard_errors_of_scikit_learn(n_features, n_samples, ridge, noise):
    rng = np.random.default_rng([n_features, n_samples])
    law = predict(n_features, n_samples, ridge, SPECTRUM, noise=noise)
    run = simulate(n_features, n_samples, ridge, SPECTRUM, noise=noise, rng=rng, n_draws=48)
    # Four standard errors (about 1 % each) and the O(1/N) of a leading-order law.
    allowance = 0.5 / min(n_features, n_samples)
    assert abs(run.test_mse / law.test_mse - 1) < 4 * run.test_mse_sem / law.test_mse + allowance
    assert abs(run.train_mse / law.train_mse - 1) < 4 * run.train_mse_sem / law.train_mse + allowance


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_law_holds_for_one_fixed_teacher(seed):
    rng = np.random.default_rng(seed)
    teacher = np.arange(1, 401) ** -0.5
    law = predict(60, 90, 0.1, SPECTRUM, noise=0.05, teacher=teacher)
    run = simulate(60, 90, 0.1, SPECTRUM, noise=0.05, teacher=teacher, rng=rng, n_draws=48, n_teachers=8)
    assert abs(run.test_mse / law.test_mse - 1) < 4 * run.test_mse_sem / law.test_mse + 0.5 / 60


def test_isotropic_average_is_the_mean_over_teachers():
    # The law is linear in v_I^2, so the mean over unit teachers e_I, times M, is the isotropic average.
    spectrum = power_law_spectrum(5, 0.5)
    single = [predict(3, 4, 0.2, spectrum, teacher=row).test_mse for row in np.eye(5)]
    assert_allclose(sum(single), predict(3, 4, 0.2, spectrum).test_mse)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize(("ridge", "noise"), [(1e-3, 0.0), (0.3, 0.0), (0.3, 0.4)])
def test_isotropic_law_has_its_symmetric_form(sizes, ridge, noise):
    law = predict(*sizes, ridge, SPECTRUM, noise=noise)
    # 1 - z/min(N, T) is down to 1e-3 here: three digits lost.
    assert_allclose(law.test_mse, isotropic_mse(law, *sizes, noise), rtol=1e-10)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("ridge", [0.01, 1.0, 30.0])
def test_law_is_dual_under_exchange_of_features_and_samples(sizes, ridge):
    n_features, n_samples = sizes
    law = predict(n_features, n_samples, ridge, SPECTRUM)
    dual = predict(n_samples, n_features, ridge * n_features / n_samples, SPECTRUM)
    # Brackets are found to 1e-14 in log g; the error amplifies it by at most min(N, T)/(min(N, T) - z).
    assert_allclose((dual.root, dual.df1, dual.test_mse), (law.root, law.df1, law.test_mse), rtol=1e-11)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_duality_holds_draw_by_draw_for_the_teacher_average(seed):
    rng = np.random.default_rng(seed)
    n_features, n_samples, ridge = 12, 20, 0.3
    spectrum = power_law_spectrum(40, 0.5)
    first, second = rng.standard_normal((n_features, 40)), rng.standard_normal((n_samples, 40))
    eye = np.eye(40)

    def total_error(features, samples, ridge):
        latents = samples * np.sqrt(spectrum)
        return ridge_risk(features / np.sqrt(len(features)), latents, latents, ridge, spectrum, eye)[0].sum()

    dual = total_error(second, first, ridge * n_features / n_samples)
    assert_allclose(dual, total_error(first, second, ridge), rtol=1e-11)
    # The exchange without its rescaled ridge is not a symmetry.
    assert abs(total_error(second, first, ridge) / dual - 1) > 1e-3


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_unlimited_features_give_ridge_regression_on_the_latents(noise):
    law = predict(10**9, 50, 0.4, SPECTRUM, noise=noise)
    g, z, p = law.root, law.df1, law.df2
    assert_allclose(g * (50 - z), 0.4, rtol=1e-6)
    bias = np.sum(SPECTRUM * (g / (SPECTRUM + g)) ** 2)
    assert_allclose(law.test_mse, (bias + noise) / (1 - p / 50), rtol=1e-6)


def test_unlimited_samples_leave_the_error_of_the_features():
    # At T -> infinity without ridge the best linear predictor on N features: z = N, error g N.
    law = predict(50, 10**9, 0.0, SPECTRUM, noise=0.1)
    assert_allclose(law.df1, 50, rtol=1e-12)
    assert_allclose(law.test_mse, 50 * law.root + 0.1, rtol=1e-6)


@pytest.mark.parametrize("sizes", [(30, 80), (80, 30)])
def test_ridgeless_error_has_its_closed_form(sizes):
    n_features, n_samples = sizes
    clean, noisy = (predict(*sizes, 0.0, SPECTRUM, noise=noise) for noise in (0.0, 0.5))
    assert_allclose(clean.test_mse, clean.root * 30 * 80 / 50, rtol=1e-10)
    inflation = 80 / 50 if n_features < n_samples else 30 * (80 - clean.df2) / (50 * (30 - clean.df2))
    assert_allclose(noisy.test_mse - clean.test_mse, 0.5 * inflation, rtol=1e-10)
    assert_allclose(clean.train_mse, (1 - 30 / n_samples) ** 2 * clean.test_mse, atol=1e-20)


def test_ridgeless_error_is_infinite_at_the_interpolation_peak():
    peak = predict(50, 50, 0.0, SPECTRUM)
    assert peak.test_mse == np.inf
    assert peak.train_mse == 0.0
    assert predict(50, 50, 1e-4, SPECTRUM).test_mse < np.inf
    # A ridge lost in the rounding of z counts as none.
    assert predict(50, 50, 1e-40, SPECTRUM).test_mse == np.inf


def test_error_is_least_squares_once_all_latents_are_resolved():
    small = power_law_spectrum(20, 1.0)
    assert predict(20, 30, 0.0, small).test_mse == 0.0
    law = predict(25, 30, 0.0, small, noise=0.2)
    assert_allclose((law.test_mse, law.train_mse), (0.2 * 30 / 10, 0.2 * 10 / 30))
    assert predict(25, 20, 0.0, small, noise=0.2).test_mse == np.inf
    # Continuous as the ridge vanishes: the bias is O(ridge^2), the variance's change O(ridge).
    assert_allclose(predict(25, 30, 1e-9, small, noise=0.2).test_mse, law.test_mse, rtol=1e-6)


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("sizes", [*SIZES, (500, 450)])
def test_best_ridge_beats_every_other_ridge(sizes, noise):
    best = best_ridge(*sizes, SPECTRUM, noise=noise)
    others = [predict(*sizes, ridge, SPECTRUM, noise=noise).test_mse for ridge in np.geomspace(1e-6, 1e3, 60)]
    assert best.test_mse <= min(others) * (1 + 1e-12)
    assert_allclose(predict(*sizes, best.ridge, SPECTRUM, noise=noise).test_mse, best.test_mse, rtol=1e-9)


def test_best_ridge_is_none_where_every_latent_is_resolved():
    assert best_ridge(30, 30, power_law_spectrum(20, 1.0)).ridge == 0.0


def test_best_ridge_serves_a_fixed_teacher():
    teacher = np.zeros(400)
    teacher[0] = 1.0
    best = best_ridge(40, 60, SPECTRUM, noise=0.3, teacher=teacher)
    found = minimize_scalar(
        lambda x: predict(40, 60, np.exp(x), SPECTRUM, noise=0.3, teacher=teacher).test_mse,
        bounds=(-8, 8),
        method="bounded",
    )
    assert_allclose(best.test_mse, found.fun, rtol=1e-8)


def test_best_error_falls_with_features_and_samples():
    grid = [5, 20, 80, 320]
    errors = np.array([[best_ridge(n, t, SPECTRUM, noise=0.1).test_mse for t in grid] for n in grid])
    assert (np.diff(errors, axis=0) < 0).all()
    assert (np.diff(errors, axis=1) < 0).all()


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_power_law_root_inverts_the_sum_up_to_its_known_corrections(alpha):
    n_latents, df1 = 100_000, 60.0
    root = power_law_root(df1, alpha, scale=2.0)
    total = degrees_of_freedom(root, power_law_spectrum(n_latents, alpha, scale=2.0))[0]
    # Euler-Maclaurin 1/2 and the missing tail; the next terms are O(g) and O(tail^2).
    assert_allclose(total, df1 - 0.5 - 2.0 * n_latents**-alpha / (alpha * root), atol=0.02)


@pytest.mark.parametrize(("sizes", "alpha"), [((200, 800), 0.8), ((300, 300), 1.0), ((400, 150), 1.5)])
def test_power_law_forms_agree_with_the_law_on_a_long_spectrum(sizes, alpha):
    spectrum = power_law_spectrum(300_000, alpha)
    # The 1/2 of Euler-Maclaurin shifts z by 1/(2 z), hence the error by about (1 + alpha)/(2 z); plus the tail.
    best, df1 = best_ridge(*sizes, spectrum), power_law_best_df1(*sizes, alpha)
    rtol = (1 + alpha) / df1 + 0.01
    assert_allclose(best.df1, df1, rtol=rtol)
    assert_allclose(best.test_mse, power_law_mse(*sizes, df1, alpha), rtol=rtol)
    ridge = power_law_root(df1, alpha) * (sizes[1] - df1) * (sizes[0] - df1) / sizes[0]
    # The minimum is flat, so its place is known less well than its depth.
    assert_allclose(best.ridge, ridge, rtol=3 * rtol)
    if sizes[0] != sizes[1]:
        exact = predict(*sizes, 0.0, spectrum).test_mse
        assert_allclose(exact, power_law_mse(*sizes, min(sizes), alpha), rtol=rtol)


@pytest.mark.parametrize("alpha", [0.4, 1.0, 3.0])
@pytest.mark.parametrize("sizes", [(40, 100), (70, 70), (200, 30)])
def test_best_degrees_of_freedom_minimise_the_power_law_form(sizes, alpha):
    found = minimize_scalar(
        lambda df1: np.log(power_law_mse(*sizes, df1, alpha, scale=0.3)),
        bounds=(0.1, min(sizes) * (1 - 1e-9)),
        method="bounded",
        options={"xatol": 1e-9},
    )
    # A minimum is located to the square root of rounding.
    assert_allclose(power_law_best_df1(*sizes, alpha), found.x, rtol=1e-6)
    constant = 1 - 2 / (alpha * (1 + alpha))
    n_features, n_samples = sizes
    residual = n_features * n_samples - (n_features + n_samples) * found.x + constant * found.x**2
    assert abs(residual) < 1e-5 * n_features * n_samples


@pytest.mark.parametrize("sizes", [(40, 100), (200, 30)])
def test_power_law_form_is_the_ridgeless_law_at_full_degrees_of_freedom(sizes):
    value = power_law_mse(*sizes, min(sizes), 0.8)
    assert_allclose(value, power_law_root(min(sizes), 0.8) * sizes[0] * sizes[1] / abs(sizes[0] - sizes[1]))
    assert power_law_mse(50, 50, 50, 0.8) == np.inf


def test_ridge_risk_is_the_error_on_fresh_samples():
    rng = np.random.default_rng(4)
    spectrum = power_law_spectrum(30, 0.5)
    projection, teachers = rng.standard_normal((10, 30)) / np.sqrt(10), rng.standard_normal((30, 3))
    latents = rng.standard_normal((15, 30)) * np.sqrt(spectrum)
    labels = latents @ teachers
    test_mse, train_mse = ridge_risk(projection, latents, labels, 0.2, spectrum, teachers)
    features = latents @ projection.T
    theta = np.linalg.solve(features.T @ features + 0.2 * np.eye(10), features.T @ labels)
    assert_allclose(train_mse, np.mean((labels - features @ theta) ** 2, axis=0), rtol=1e-10)
    fresh = rng.standard_normal((200_000, 30)) * np.sqrt(spectrum)
    sampled = (fresh @ (teachers - projection.T @ theta)) ** 2
    # Relative standard error of a mean of squared Gaussians: sqrt(2/n) = 0.3 %.
    assert_allclose(test_mse, sampled.mean(axis=0), rtol=5 * np.sqrt(2 / 200_000))


@pytest.mark.parametrize("sizes", [(1, 1, 1), (3, 8, 5), (8, 3, 5), (6, 6, 20)])
@pytest.mark.parametrize("ridge", [1e-3, 2.0])
def test_mean_risk_is_the_sum_of_the_risks_of_all_single_latents(sizes, ridge):
    n_features, n_samples, n_latents = sizes
    rng = np.random.default_rng(5)
    spectrum = power_law_spectrum(n_latents, 0.5)
    projection, latents = rng.standard_normal((n_features, n_latents)), rng.standard_normal((n_samples, n_latents))
    each = ridge_risk(projection, latents, latents, ridge, spectrum, np.eye(n_latents))[0]
    # Normal equations lose twice the digits that the condition number takes: about (1e2)^2/1e-3 = 1e7.
    assert_allclose(mean_risk(projection, latents, ridge, spectrum), each.sum(), rtol=1e-8)


def test_mean_risk_refuses_no_ridge_and_wrong_shapes():
    with pytest.raises(ValueError, match="ridge must be"):
        mean_risk(np.eye(2), np.eye(2), 0.0, [1.0, 0.5])
    with pytest.raises(ValueError, match="latents must have shape"):
        mean_risk(np.eye(2), np.eye(3), 1.0, [1.0, 0.5])


def test_ridge_risk_without_ridge_interpolates():
    rng = np.random.default_rng(5)
    spectrum, eye = power_law_spectrum(30, 0.5), np.eye(30)
    latents = rng.standard_normal((8, 30))
    train_mse = ridge_risk(rng.standard_normal((12, 30)), latents, latents, 0.0, spectrum, eye)[1]
    assert train_mse.max() < 1e-20


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((0, 5, 0.1, SPECTRUM), "n_features must be an integer >= 1 and <= 1000000000000000, got 0"),
        ((5, 0, 0.1, SPECTRUM), "n_samples must be an integer >= 1 and <= 1000000000000000, got 0"),
        ((5, 2.5, 0.1, SPECTRUM), "n_samples must be an integer >= 1 and <= 1000000000000000, got 2.5"),
        ((5, 5, -0.1, SPECTRUM), "ridge must be a finite number >= 0.*, got -0.1"),
        ((5, 5, 0.1, [1.0, 0.0]), r"spectrum must hold positive variances.*, got \[1.0, 0.0\]"),
        ((5, 5, 0.1, []), "spectrum must hold positive variances"),
        ((5, 5, 0.1, [[1.0]]), "spectrum must have shape"),
    ],
)
def test_law_refuses_impossible_input(arguments, match):
    with pytest.raises(ValueError, match=match):
        predict(*arguments)


def test_refusals_name_the_argument():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="noise must be"):
        predict(5, 5, 0.1, SPECTRUM, noise=-1.0)
    with pytest.raises(ValueError, match=r"teacher must have shape \(400\)"):
        best_ridge(5, 5, SPECTRUM, teacher=[1.0])
    with pytest.raises(ValueError, match="root must be"):
        degrees_of_freedom(-1.0, SPECTRUM)
    with pytest.raises(ValueError, match="alpha must be"):
        power_law_spectrum(5, 0.0)
    with pytest.raises(ValueError, match="df1 must be"):
        power_law_root(0.0, 1.0)
    with pytest.raises(ValueError, match="df1 must be"):
        power_law_mse(5, 9, 6, 1.0)
    with pytest.raises(ValueError, match="n_features must be"):
        power_law_best_df1(0.5, 9, 1.0)
    with pytest.raises(ValueError, match="n_draws must be"):
        simulate(5, 5, 0.1, SPECTRUM, rng=rng, n_draws=1)
    with pytest.raises(ValueError, match="labels must have shape"):
        ridge_risk(np.eye(2), np.eye(2), np.ones((3, 1)), 0.1, [1.0, 1.0], np.ones((2, 1)))
