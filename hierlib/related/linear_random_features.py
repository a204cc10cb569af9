r"""Ridge regression on random linear features of power-law data: exact law, best ridge, simulation.

The model of Maloney, Roberts and Sully, solved at every ridge by Zhang. Latents :math:`x \sim N(0,
\mathrm{diag}\,\lambda)` in :math:`\mathbb{R}^M`, labels :math:`y = w\cdot x` plus noise of variance
:math:`\sigma^2`, features :math:`\varphi = u x` with :math:`u_{aI} \sim N(0, 1/N)`, and the minimiser of
:math:`\sum_t (y_t - \theta\cdot\varphi_t)^2 + \delta\|\theta\|^2` over T samples. The law costs O(M) a root-finding
step, the simulation one singular value decomposition of a T by N matrix a draw.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq, minimize_scalar
from sklearn.linear_model import Ridge

from hierlib.checks import check_array, check_integer, check_real

__all__ = [
    "Prediction",
    "RiskEstimate",
    "best_ridge",
    "degrees_of_freedom",
    "mean_risk",
    "power_law_best_df1",
    "power_law_mse",
    "power_law_root",
    "power_law_spectrum",
    "predict",
    "ridge_risk",
    "simulate",
]


class Prediction(NamedTuple):
    r"""Solution of the law at one :math:`(N, T, \delta)`.

    Attributes
    ----------
    ridge : float
        :math:`\delta`, in the units of a squared feature times the number of samples.
    root : float
        :math:`g`, the effective ridge that the latents see, in the units of :math:`\lambda`.
    kappa : float
        :math:`\kappa = g (N - z)/N`, the effective ridge that the features see.
    df1, df2 : float
        Effective degrees of freedom :math:`z(g)` and :math:`p(g)`: the latents resolved.
    test_mse : float
        Mean squared error on a fresh sample, label noise included, in the units of :math:`y^2`.
    train_mse : float
        Mean squared residual on the training sample.
    """

    ridge: float
    root: float
    kappa: float
    df1: float
    df2: float
    test_mse: float
    train_mse: float


class RiskEstimate(NamedTuple):
    """Means over simulated draws, with their standard errors.

    Attributes
    ----------
    test_mse, test_mse_sem : float
        Mean squared error on a fresh sample, and its standard error over the draws.
    train_mse, train_mse_sem : float
        Mean squared training residual, and its standard error over the draws.
    """

    test_mse: float
    test_mse_sem: float
    train_mse: float
    train_mse_sem: float


def power_law_spectrum(n_latents: int, alpha: float, *, scale: float = 1.0) -> np.ndarray:
    r"""Return the variances of the latents, :math:`\lambda_I = \lambda_1 I^{-(1+\alpha)}`.

    Parameters
    ----------
    n_latents : int
        Number of latents :math:`M \geq 1`.
    alpha : float
        Exponent :math:`\alpha > 0`.
    scale : float
        Largest variance :math:`\lambda_1 > 0`.

    Returns
    -------
    ndarray, shape (n_latents,)
        Decreasing variances.

    Raises
    ------
    ValueError
        If an argument lies outside its range.

    References
    ----------
    Maloney, Roberts and Sully, arXiv:2210.16859.

    Examples
    --------
    >>> from hierlib.related.linear_random_features import power_law_spectrum
    >>> power_law_spectrum(4, 1.0).round(4)
    array([1.    , 0.25  , 0.1111, 0.0625])
    """
    n_latents = check_integer("n_latents", n_latents, low=1, high=10**8)
    alpha = check_real("alpha", alpha, low=0.0, open_low=True)
    scale = check_real("scale", scale, low=0.0, open_low=True)
    return scale * np.arange(1, n_latents + 1, dtype=float) ** (-1.0 - alpha)


def degrees_of_freedom(root: float, spectrum: ArrayLike) -> tuple[float, float]:
    r"""Compute the effective degrees of freedom: how many latents an effective ridge resolves.

    .. math::

        z(g) = \sum_I \frac{\lambda_I}{\lambda_I + g}, \qquad
        p(g) = \sum_I \Bigl(\frac{\lambda_I}{\lambda_I + g}\Bigr)^2 .

    Parameters
    ----------
    root : float
        Effective ridge :math:`g \geq 0`.
    spectrum : array_like, shape (n_latents,)
        Positive variances :math:`\lambda_I`.

    Returns
    -------
    df1 : float
        :math:`z(g)`, between 0 and the number of latents, decreasing in :math:`g`.
    df2 : float
        :math:`p(g) \leq z(g)`.

    Raises
    ------
    ValueError
        If the root is negative or a variance is not positive.

    Examples
    --------
    >>> from hierlib.related.linear_random_features import degrees_of_freedom
    >>> degrees_of_freedom(1.0, [1.0, 3.0])
    (1.25, 0.8125)
    """
    root = check_real("root", root, low=0.0)
    return _counts(root, _check_spectrum(spectrum))


def predict(
    n_features: int,
    n_samples: int,
    ridge: float,
    spectrum: ArrayLike,
    *,
    noise: float = 0.0,
    teacher: ArrayLike | None = None,
) -> Prediction:
    r"""Solve the law for the test and training error of ridge regression on random linear features.

    With :math:`g` the root of :math:`\delta = g (T - z)(N - z)/N` that has :math:`z(g) < \min(N, T)`,
    :math:`\kappa = g (N - z)/N` and :math:`v_I^2 = \lambda_I w_I^2`,

    .. math::

        \mathrm{MSE} = \frac{\sum_I \Bigl(\frac{g}{\lambda_I + g}
            - \frac{\kappa \lambda_I}{(\lambda_I + g)^2} \frac{N}{N - p}\Bigr) v_I^2 + \sigma^2}
            {1 - \frac{p (N - 2 z) + z^2}{T (N - p)}},
        \qquad \mathrm{MSE}_{\rm train} = \Bigl(1 - \frac{z}{T}\Bigr)^2 \mathrm{MSE}.

    Parameters
    ----------
    n_features : int
        Number of random features :math:`N \geq 1`.
    n_samples : int
        Number of training samples :math:`T \geq 1`.
    ridge : float
        Ridge :math:`\delta \geq 0`: the ``alpha`` of :class:`sklearn.linear_model.Ridge` without intercept.
        0 means the limit from above.
    spectrum : array_like, shape (n_latents,)
        Positive variances :math:`\lambda_I`, in any order.
    noise : float
        Variance :math:`\sigma^2 \geq 0` of the label noise.
    teacher : array_like, shape (n_latents,), optional
        Coefficients :math:`w_I`; by default the mean over isotropic teachers of unit variance, :math:`w_I^2 = 1`.

    Returns
    -------
    Prediction
        Root, counts and errors. The test error is infinite at the interpolation peak: no ridge and ``n_features
        == n_samples < n_latents``, or no ridge, noise, and ``n_samples == n_latents <= n_features``.

    Raises
    ------
    ValueError
        If an argument lies outside its range.

    Notes
    -----
    Leading order in large N and T at fixed ratios: the error at finite size is of relative order 1/min(N, T). The
    root is bracketed, and found in :math:`\log g` to a relative accuracy of 1e-13; O(M) a step, about 50 steps.

    References
    ----------
    Zhang, arXiv:2405.19398 (every ridge); Maloney, Roberts and Sully, arXiv:2210.16859 (best ridge and
    ridgeless). The form above is derived in this book, *Fixed Features* and *Every Ridge*.

    Examples
    --------
    >>> from hierlib.related.linear_random_features import power_law_spectrum, predict
    >>> law = predict(50, 200, 0.0, power_law_spectrum(2000, 0.5))
    >>> round(law.df1, 6), round(law.test_mse, 4)
    (50.0, 0.608)
    """
    n_features, n_samples, variances, signal, noise = _check_problem(n_features, n_samples, spectrum, noise, teacher)
    ridge = check_real("ridge", ridge, low=0.0)
    root = _solve_root(n_features, n_samples, ridge, variances)
    return _evaluate(root, n_features, n_samples, variances, signal, noise)._replace(ridge=ridge)


def best_ridge(
    n_features: int,
    n_samples: int,
    spectrum: ArrayLike,
    *,
    noise: float = 0.0,
    teacher: ArrayLike | None = None,
) -> Prediction:
    r"""Find the ridge with the smallest predicted test error.

    Minimises the error of :func:`predict` over :math:`\delta \geq 0`, through
    :math:`\delta(g) = g (T - z)(N - z)/N`: the error is explicit in :math:`g`.

    Parameters
    ----------
    n_features, n_samples : int
        Numbers of features :math:`N` and of samples :math:`T`, at least 1.
    spectrum : array_like, shape (n_latents,)
        Positive variances.
    noise : float
        Variance of the label noise.
    teacher : array_like, shape (n_latents,), optional
        Coefficients :math:`w_I`; by default isotropic of unit variance.

    Returns
    -------
    Prediction
        The law at the best ridge, which its field ``ridge`` holds.

    Raises
    ------
    ValueError
        If an argument lies outside its range.

    Notes
    -----
    A scan of 80 values of :math:`\log g` and a bounded refinement around the best one, about 110 sums of M terms.

    Examples
    --------
    >>> from hierlib.related.linear_random_features import best_ridge, power_law_spectrum
    >>> best = best_ridge(100, 100, power_law_spectrum(2000, 0.5))
    >>> round(best.ridge, 2), round(best.test_mse, 3)
    (0.46, 0.498)
    """
    n_features, n_samples, variances, signal, noise = _check_problem(n_features, n_samples, spectrum, noise, teacher)
    problem = (n_features, n_samples, variances, signal, noise)
    ridgeless = _evaluate(_solve_root(n_features, n_samples, 0.0, variances), *problem)
    # Above the largest variance times 1e3 the predictor is zero for every purpose.
    low = np.log(max(ridgeless.root, 1e-8 * variances.min()))
    grid = np.linspace(low, np.log(1e3 * variances.max()), 80)
    errors = [_evaluate(float(np.exp(point)), *problem).test_mse for point in grid]
    centre = int(np.argmin(errors[1:])) + 1
    found = minimize_scalar(
        lambda point: _evaluate(float(np.exp(point)), *problem).test_mse,
        bounds=(grid[centre - 1], grid[min(centre + 1, grid.size - 1)]),
        method="bounded",
        options={"xatol": 1e-10},
    )
    best = _evaluate(float(np.exp(found.x)), *problem)
    return best if best.test_mse < ridgeless.test_mse else ridgeless


def power_law_root(df1: float, alpha: float, *, scale: float = 1.0) -> float:
    r"""Invert the degrees of freedom of an unlimited power-law spectrum, :math:`z(g) = n`.

    .. math::

        z(g) = \rho\,(\lambda_1/g)^{1/(1+\alpha)}, \qquad
        g = \lambda_1 (\rho/n)^{1+\alpha}, \qquad
        \rho = \frac{\pi/(1+\alpha)}{\sin(\pi/(1+\alpha))},

    the sum over :math:`I` replaced by an integral from 0 to infinity.

    Parameters
    ----------
    df1 : float
        Degrees of freedom :math:`n > 0`.
    alpha : float
        Exponent :math:`\alpha > 0`.
    scale : float
        Largest variance :math:`\lambda_1 > 0`.

    Returns
    -------
    float
        Effective ridge :math:`g`.

    Raises
    ------
    ValueError
        If an argument is not positive.

    Notes
    -----
    The sum over M latents is smaller than the integral by 1/2 (Euler-Maclaurin) and by
    :math:`\lambda_1 M^{-\alpha}/(\alpha g)` (the missing tail), to leading order in each.

    Examples
    --------
    >>> from hierlib.related.linear_random_features import power_law_root
    >>> round(power_law_root(100.0, 1.0), 7)  # (pi/2)**2 / 100**2
    0.0002467
    """
    df1 = check_real("df1", df1, low=0.0, open_low=True)
    alpha = check_real("alpha", alpha, low=0.0, open_low=True)
    scale = check_real("scale", scale, low=0.0, open_low=True)
    angle = np.pi / (1.0 + alpha)
    return float(scale * (angle / np.sin(angle) / df1) ** (1.0 + alpha))


def power_law_mse(n_features: float, n_samples: float, df1: float, alpha: float, *, scale: float = 1.0) -> float:
    r"""Evaluate the noiseless law on an unlimited power-law spectrum at given degrees of freedom.

    .. math::

        \mathrm{MSE} = \frac{g(z)\, z}{1 + \alpha}\,
            \frac{N T}{N T - \frac{\alpha}{1+\alpha} (N + T) z + \frac{\alpha-1}{\alpha+1} z^2},

    with :math:`g(z)` of :func:`power_law_root` and an isotropic teacher of unit variance. At
    :math:`z = \min(N, T)` (no ridge) this is :math:`g(z)\, N T/|N - T|`.

    Parameters
    ----------
    n_features, n_samples : float
        Numbers of features :math:`N` and of samples :math:`T`, at least 1; real, as the law is.
    df1 : float
        Degrees of freedom :math:`z`, ``0 < df1 <= min(n_features, n_samples)``.
    alpha : float
        Exponent :math:`\alpha > 0`.
    scale : float
        Largest variance :math:`\lambda_1 > 0`.

    Returns
    -------
    float
        Test mean squared error; infinite at ``df1 == n_features == n_samples``.

    Raises
    ------
    ValueError
        If an argument lies outside its range.

    References
    ----------
    This book, *Fixed Features*.

    Examples
    --------
    >>> from hierlib.related.linear_random_features import power_law_mse
    >>> round(power_law_mse(50, 200, 50, 0.5), 3)
    0.709
    """
    n_features = check_real("n_features", n_features, low=1.0)
    n_samples = check_real("n_samples", n_samples, low=1.0)
    df1 = check_real("df1", df1, low=0.0, high=min(n_features, n_samples), open_low=True)
    root = power_law_root(df1, alpha, scale=scale)
    if df1 == n_features == n_samples:
        return float("inf")
    product = n_features * n_samples
    share = alpha / (1.0 + alpha)
    denominator = product - share * (n_features + n_samples) * df1 + (2.0 * share - 1.0) * df1**2
    return float(root * df1 * product / denominator / (1.0 + alpha))


def power_law_best_df1(n_features: float, n_samples: float, alpha: float) -> float:
    r"""Compute the degrees of freedom at the best ridge, on an unlimited power-law spectrum without noise.

    The minimum of :func:`power_law_mse` over :math:`z` solves :math:`N T - (N + T) z + c z^2 = 0`:

    .. math::

        z^* = \frac{2 N T}{N + T + \sqrt{(N + T)^2 - 4 c N T}}, \qquad
        c = 1 - \frac{2}{\alpha (1 + \alpha)},

    and the ridge follows as :math:`\delta^* = g(z^*) (T - z^*)(N - z^*)/N`.

    Parameters
    ----------
    n_features, n_samples : float
        Numbers of features :math:`N` and of samples :math:`T`, at least 1.
    alpha : float
        Exponent :math:`\alpha > 0`.

    Returns
    -------
    float
        :math:`z^* < \min(N, T)`.

    Raises
    ------
    ValueError
        If an argument lies outside its range.

    References
    ----------
    This book, *Fixed Features*.

    Examples
    --------
    >>> from hierlib.related.linear_random_features import power_law_best_df1
    >>> round(power_law_best_df1(100, 100, 1.0), 6)  # c = 0: N T / (N + T)
    50.0
    """
    n_features = check_real("n_features", n_features, low=1.0)
    n_samples = check_real("n_samples", n_samples, low=1.0)
    alpha = check_real("alpha", alpha, low=0.0, open_low=True)
    product, total = n_features * n_samples, n_features + n_samples
    coefficient = 1.0 - 2.0 / (alpha * (1.0 + alpha))
    return float(2.0 * product / (total + np.sqrt(total**2 - 4.0 * coefficient * product)))


def ridge_risk(
    projection: ArrayLike,
    latents: ArrayLike,
    labels: ArrayLike,
    ridge: float,
    spectrum: ArrayLike,
    teachers: ArrayLike,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Fit ridge regression to given latents and labels, and return its exact errors.

    The fit is scikit-learn's; the test error needs no test sample, because the latents are Gaussian:
    :math:`\sum_I \lambda_I (w_I - (u^\top\theta)_I)^2`, label noise of the test sample not included.

    Parameters
    ----------
    projection : array_like, shape (n_features, n_latents)
        The matrix :math:`u`.
    latents : array_like, shape (n_samples, n_latents)
        Training inputs.
    labels : array_like, shape (n_samples, n_targets)
        One column a teacher.
    ridge : float
        :math:`\delta \geq 0`; 0 gives the minimum-norm solution.
    spectrum : array_like, shape (n_latents,)
        Positive variances of the latents.
    teachers : array_like, shape (n_latents, n_targets)
        Coefficients :math:`w`, one column a teacher.

    Returns
    -------
    test_mse : ndarray, shape (n_targets,)
        Population error of each fit against its noiseless teacher.
    train_mse : ndarray, shape (n_targets,)
        Mean squared training residual of each fit.

    Raises
    ------
    ValueError
        If a shape does not match or an argument lies outside its range.

    Notes
    -----
    One singular value decomposition: O(N T min(N, T)).

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.related.linear_random_features import ridge_risk
    >>> eye = np.eye(2)  # theta = 1/(1 + ridge) on each latent
    >>> test_mse, train_mse = ridge_risk(eye, eye, eye, 1.0, [1.0, 3.0], eye)
    >>> test_mse.round(2), train_mse.round(3)
    (array([0.25, 0.75]), array([0.125, 0.125]))
    """
    variances = _check_spectrum(spectrum)
    ridge = check_real("ridge", ridge, low=0.0)
    projection = check_array("projection", projection, shape=(None, variances.size))
    latents = check_array("latents", latents, shape=(None, variances.size))
    labels = check_array("labels", labels, shape=(latents.shape[0], None))
    teachers = check_array("teachers", teachers, shape=(variances.size, labels.shape[1]))
    features = latents @ projection.T
    # The singular value decomposition also gives the minimum-norm limit at ridge 0, which Cholesky cannot.
    fit = Ridge(alpha=ridge, fit_intercept=False, solver="svd").fit(features, labels)
    theta = np.reshape(fit.coef_, (labels.shape[1], projection.shape[0]))
    test_mse = variances @ (teachers - projection.T @ theta.T) ** 2
    train_mse = np.mean((labels - features @ theta.T) ** 2, axis=0)
    return test_mse, train_mse


def mean_risk(projection: ArrayLike, latents: ArrayLike, ridge: float, spectrum: ArrayLike) -> float:
    r"""Average the test error of given features and latents over every noiseless teacher :math:`w \sim N(0, I)`.

    With :math:`\Theta` the ridge fit of all latents at once, one column a latent,

    .. math::

        \mathrm{MSE} = \bigl\| \Lambda^{1/2} (I - u^\top \Theta) \bigr\|_F^2 .

    Parameters
    ----------
    projection : array_like, shape (n_features, n_latents)
        The matrix :math:`u`.
    latents : array_like, shape (n_samples, n_latents)
        Training inputs.
    ridge : float
        :math:`\delta > 0`.
    spectrum : array_like, shape (n_latents,)
        Positive variances of the latents.

    Returns
    -------
    float
        Population error, the mean over teachers.

    Raises
    ------
    ValueError
        If a shape does not match or an argument lies outside its range.

    Notes
    -----
    One linear system of size N, and products of N x M matrices: far cheaper for small fits than :func:`ridge_risk`, and
    without the scatter of a few teachers. From this book.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.related.linear_random_features import mean_risk
    >>> eye = np.eye(2)  # theta = 1/(1 + ridge) on each latent
    >>> mean_risk(eye, eye, 1.0, [1.0, 3.0])
    1.0
    """
    variances = _check_spectrum(spectrum)
    ridge = check_real("ridge", ridge, low=0.0, open_low=True)
    projection = check_array("projection", projection, shape=(None, variances.size))
    latents = check_array("latents", latents, shape=(None, variances.size))
    features = latents @ projection.T
    theta = np.linalg.solve(features.T @ features + ridge * np.eye(projection.shape[0]), features.T @ latents)
    # The square written out, so that no M x M matrix is needed.
    weighted = projection * variances
    return float(
        variances.sum() - 2.0 * np.sum(theta * weighted) + np.sum((weighted @ projection.T) * (theta @ theta.T))
    )


def simulate(
    n_features: int,
    n_samples: int,
    ridge: float,
    spectrum: ArrayLike,
    *,
    rng: np.random.Generator,
    noise: float = 0.0,
    teacher: ArrayLike | None = None,
    n_draws: int = 16,
    n_teachers: int = 16,
) -> RiskEstimate:
    r"""Estimate the errors of :func:`predict` by drawing features, samples and labels.

    Every draw has its own features :math:`u` and its own sample, which `n_teachers` teachers with their own label noise
    share; a draw counts as one observation, the mean over its teachers.

    Parameters
    ----------
    n_features, n_samples : int
        Numbers of features and of training samples, at least 1.
    ridge : float
        :math:`\delta \geq 0`.
    spectrum : array_like, shape (n_latents,)
        Positive variances.
    rng : numpy.random.Generator
        Source of all draws.
    noise : float
        Variance of the label noise, counted in the test error as in the labels.
    teacher : array_like, shape (n_latents,), optional
        Fixed coefficients; by default every teacher is drawn from N(0, I).
    n_draws : int
        Independent draws, at least 2.
    n_teachers : int
        Label vectors a draw, at least 1.

    Returns
    -------
    RiskEstimate
        Means and standard errors over the draws.

    Raises
    ------
    ValueError
        If an argument lies outside its range.

    Notes
    -----
    A draw costs a product of T x M and M x N matrices and one singular value decomposition of T x N.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.related.linear_random_features import power_law_spectrum, predict, simulate
    >>> spectrum = power_law_spectrum(300, 0.5)
    >>> estimate = simulate(40, 60, 0.5, spectrum, rng=np.random.default_rng(0))
    >>> law = predict(40, 60, 0.5, spectrum)
    >>> abs(estimate.test_mse - law.test_mse) < 4 * estimate.test_mse_sem
    True
    """
    n_features, n_samples, variances, _, noise = _check_problem(n_features, n_samples, spectrum, noise, teacher)
    n_draws = check_integer("n_draws", n_draws, low=2)
    n_teachers = check_integer("n_teachers", n_teachers, low=1)
    errors = np.empty((n_draws, 2))
    for draw in range(n_draws):
        projection = rng.standard_normal((n_features, variances.size)) / np.sqrt(n_features)
        latents = rng.standard_normal((n_samples, variances.size)) * np.sqrt(variances)
        if teacher is None:
            teachers = rng.standard_normal((variances.size, n_teachers))
        else:
            teachers = np.repeat(np.asarray(teacher, dtype=float)[:, None], n_teachers, axis=1)
        labels = latents @ teachers + np.sqrt(noise) * rng.standard_normal((n_samples, n_teachers))
        test_mse, train_mse = ridge_risk(projection, latents, labels, ridge, variances, teachers)
        errors[draw] = test_mse.mean() + noise, train_mse.mean()
    mean, sem = errors.mean(axis=0), errors.std(axis=0, ddof=1) / np.sqrt(n_draws)
    return RiskEstimate(float(mean[0]), float(sem[0]), float(mean[1]), float(sem[1]))


def _counts(root: float, variances: np.ndarray) -> tuple[float, float]:
    resolved = variances / (variances + root)
    return float(resolved.sum()), float((resolved**2).sum())


def _solve_root(n_features: int, n_samples: int, ridge: float, variances: np.ndarray) -> float:
    """Root g of ridge = g (T - z)(N - z)/N with z(g) < min(N, T), by bracketing in log g."""
    smaller, total = min(n_features, n_samples), float(variances.sum())

    def excess_count(log_root: float) -> float:
        return _counts(np.exp(log_root), variances)[0] - smaller

    def excess_ridge(log_root: float) -> float:
        root = np.exp(log_root)
        count = _counts(root, variances)[0]
        return root * (n_samples - count) * (n_features - count) / n_features - ridge

    floor = 0.0
    if smaller < variances.size:
        # z falls from M at g = 0 to below min(N, T): 0.5 lambda_min (M/n - 1) is a lower bound of its crossing.
        start = 0.5 * variances.min() * (variances.size / smaller - 1.0)
        floor = np.exp(brentq(excess_count, np.log(start), np.log(2 * total / smaller), xtol=1e-14))
    if ridge == 0.0:
        return float(floor)
    # (T - z)(N - z)/N <= T bounds the root from below; z <= sum(lambda)/g bounds it from above.
    low = np.log(max(floor, 0.5 * ridge / n_samples))
    high = np.log(max(8.0 * ridge / n_samples, 2.0 * total / smaller))
    if excess_ridge(low) >= 0.0:  # a ridge below the rounding of z: the ridgeless limit
        return float(floor)
    return float(np.exp(brentq(excess_ridge, low, high, xtol=1e-14)))


def _evaluate(
    root: float,
    n_features: int,
    n_samples: int,
    variances: np.ndarray,
    signal: np.ndarray,
    noise: float,
) -> Prediction:
    count, squared = _counts(root, variances)
    count = min(count, n_features, n_samples)  # at the lower end of the bracket rounding can exceed it
    ridge = root * (n_samples - count) * (n_features - count) / n_features
    if root == 0.0:
        # All latents are resolved: least squares on them, whose error is the noise's alone.
        inflation = n_samples / (n_samples - count) if n_samples > count else np.inf
        test_mse = noise * inflation if noise > 0.0 else 0.0
        train_mse = noise * (1.0 - count / n_samples)
        return Prediction(0.0, 0.0, 0.0, count, squared, float(test_mse), train_mse)
    kappa = root * (n_features - count) / n_features
    gap = n_features - squared
    bias = root / (variances + root) - kappa * variances / (variances + root) ** 2 * n_features / gap
    leverage = (squared * (n_features - 2.0 * count) + count**2) / (n_samples * gap)
    # At the interpolation peak the root's rounding leaves a remainder of either sign: it stands for zero.
    peak = 1.0 - leverage <= 64.0 * np.finfo(float).eps
    test_mse = np.inf if peak else (float(bias @ signal) + noise) / (1.0 - leverage)
    train_mse = 0.0 if peak else (1.0 - count / n_samples) ** 2 * test_mse
    return Prediction(ridge, root, kappa, count, squared, float(test_mse), float(train_mse))


def _check_spectrum(spectrum: ArrayLike) -> np.ndarray:
    variances = check_array("spectrum", spectrum, shape=(None,))
    if variances.size == 0 or not (variances > 0).all():
        msg = f"spectrum must hold positive variances, at least one, got {spectrum!r}."
        raise ValueError(msg)
    return variances


def _check_problem(
    n_features: int, n_samples: int, spectrum: ArrayLike, noise: float, teacher: ArrayLike | None
) -> tuple[int, int, np.ndarray, np.ndarray, float]:
    """Validate a problem; the fourth value is v_I^2 = lambda_I w_I^2."""
    n_features = check_integer("n_features", n_features, low=1, high=10**15)
    n_samples = check_integer("n_samples", n_samples, low=1, high=10**15)
    variances = _check_spectrum(spectrum)
    noise = check_real("noise", noise, low=0.0)
    if teacher is None:
        return n_features, n_samples, variances, variances, noise
    coefficients = check_array("teacher", teacher, shape=(variances.size,))
    return n_features, n_samples, variances, variances * coefficients**2, noise
