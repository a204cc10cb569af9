r"""Multitask sparse parity: skills given in advance, learned in the order of their frequency.

The model of Nam, Fonseca, Lee, Mingard and Louis. A sample shows one skill, :math:`k` with probability
:math:`P_k \propto k^{-(\alpha+1)}`, and its label is :math:`S g_k = \pm S`, the parity of the bits in a set that
belongs to the skill. A learner's strength on a skill is :math:`R_k = \mathbb{E}[f g_k \mid k]`, its loss
:math:`\frac12 \sum_k P_k (S - R_k)^2`. Closed forms cost O(skills); training costs O(steps x sample size).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import quad
from scipy.special import expit, gamma
from sklearn.neural_network import MLPRegressor

from hierlib.checks import check_array, check_choice, check_integer, check_real

__all__ = [
    "SparseParityTask",
    "asymptotic_loss",
    "best_allocation",
    "crossing_time",
    "data_loss",
    "fit_one_shot",
    "parameter_loss",
    "skill_loss",
    "skill_probabilities",
    "skill_strength",
    "train_multilinear",
    "train_network",
]


def skill_probabilities(n_skills: int, alpha: float) -> np.ndarray:
    r"""Return the frequencies of the skills, :math:`P_k = k^{-(\alpha+1)}/\sum_{j \leq n_s} j^{-(\alpha+1)}`.

    Parameters
    ----------
    n_skills : int
        Number of skills :math:`n_s \geq 1`.
    alpha : float
        Exponent :math:`\alpha > 0`.

    Returns
    -------
    ndarray, shape (n_skills,)
        Decreasing probabilities that sum to 1.

    Raises
    ------
    ValueError
        If an argument lies outside its range.

    Examples
    --------
    >>> from hierlib.related.multitask_parity import skill_probabilities
    >>> skill_probabilities(3, 1.0).round(4)
    array([0.7347, 0.1837, 0.0816])
    """
    n_skills = check_integer("n_skills", n_skills, low=1, high=10**8)
    alpha = check_real("alpha", alpha, low=0.0, open_low=True)
    weights = np.arange(1, n_skills + 1, dtype=float) ** (-1.0 - alpha)
    return weights / weights.sum()


class SparseParityTask:
    r"""The multitask sparse parity problem, to sample from.

    A sample is a skill :math:`k \sim P`, uniform bits :math:`b \in \{0, 1\}^{n_b}`, and the label
    :math:`S g_k(b) = S \prod_{j \in \mathcal{J}_k} (-1)^{b_j}`, with :math:`\mathcal{J}_k` a random set of
    `parity_size` positions.

    Parameters
    ----------
    n_skills : int
        Number of skills :math:`n_s`, at least 1.
    alpha : float
        Exponent of the frequencies, :math:`P_k \propto k^{-(\alpha+1)}`, positive.
    n_bits : int
        Number of skill bits :math:`n_b`, from 1 to 62.
    parity_size : int
        Bits that enter a parity, from 1 to `n_bits`.
    target : float
        Amplitude :math:`S > 0` of the labels.
    seed : int
        Seed of the sets :math:`\mathcal{J}_k`.

    Attributes
    ----------
    probabilities : ndarray, shape (n_skills,)
        The frequencies :math:`P_k`.
    subsets : ndarray of int, shape (n_skills, parity_size)
        The sets :math:`\mathcal{J}_k`; two skills may share one.

    Raises
    ------
    ValueError
        If an argument lies outside its range.

    References
    ----------
    Michaud, Liu, Girit and Tegmark, arXiv:2303.13506 (the task); Nam et al., arXiv:2404.17563 (this form).

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.related.multitask_parity import SparseParityTask
    >>> task = SparseParityTask(n_skills=5, alpha=0.6, n_bits=8, parity_size=3)
    >>> skills, bits, labels = task.sample(1000, rng=np.random.default_rng(0))
    >>> bool(np.all(labels == task.target * task.parity(skills, bits))), task.encode(skills, bits).shape
    (True, (1000, 13))
    """

    def __init__(
        self,
        *,
        n_skills: int,
        alpha: float,
        n_bits: int = 16,
        parity_size: int = 3,
        target: float = 1.0,
        seed: int = 0,
    ) -> None:
        self.n_bits = check_integer("n_bits", n_bits, low=1, high=62)
        self.parity_size = check_integer("parity_size", parity_size, low=1, high=self.n_bits)
        self.target = check_real("target", target, low=0.0, open_low=True)
        self.probabilities = skill_probabilities(n_skills, alpha)
        self.n_skills = self.probabilities.size
        rng = np.random.default_rng(check_integer("seed", seed, low=0))
        self.subsets = rng.permuted(np.tile(np.arange(self.n_bits), (self.n_skills, 1)), axis=1)[:, : self.parity_size]

    def sample(self, n_samples: int, *, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw independent samples.

        Parameters
        ----------
        n_samples : int
            Number of samples, at least 1.
        rng : numpy.random.Generator
            Source of all draws.

        Returns
        -------
        skills : ndarray of int, shape (n_samples,)
            Index of each sample's skill, from 0.
        bits : ndarray of int, shape (n_samples, n_bits)
            Uniform zeros and ones.
        labels : ndarray, shape (n_samples,)
            Plus or minus the target amplitude.
        """
        n_samples = check_integer("n_samples", n_samples, low=1)
        skills = rng.choice(self.n_skills, size=n_samples, p=self.probabilities)
        bits = rng.integers(0, 2, size=(n_samples, self.n_bits), dtype=np.int8)
        return skills, bits, self.target * self.parity(skills, bits)

    def parity(self, skills: np.ndarray, bits: np.ndarray) -> np.ndarray:
        """Evaluate each sample's skill function.

        Parameters
        ----------
        skills : ndarray of int, shape (n_samples,)
            Skill indices, from 0.
        bits : ndarray of int, shape (n_samples, n_bits)
            Zeros and ones.

        Returns
        -------
        ndarray, shape (n_samples,)
            Values 1.0 and -1.0.
        """
        chosen = np.take_along_axis(bits, self.subsets[skills], axis=1)
        return 1.0 - 2.0 * (chosen.sum(axis=1) % 2)

    def encode(self, skills: np.ndarray, bits: np.ndarray) -> np.ndarray:
        """Write samples as inputs of a network: the skill one-hot, then the bits as signs.

        Parameters
        ----------
        skills : ndarray of int, shape (n_samples,)
            Skill indices, from 0.
        bits : ndarray of int, shape (n_samples, n_bits)
            Zeros and ones.

        Returns
        -------
        ndarray, shape (n_samples, n_skills + n_bits)
            Entries 0 and 1, then 1 for a zero bit and -1 for a one.
        """
        inputs = np.zeros((len(skills), self.n_skills + self.n_bits))
        inputs[np.arange(len(skills)), skills] = 1.0
        inputs[:, self.n_skills :] = 1.0 - 2.0 * bits
        return inputs


def skill_strength(
    time: ArrayLike,
    probabilities: ArrayLike,
    *,
    target: float = 1.0,
    initial: ArrayLike = 0.01,
    rate: float = 1.0,
) -> np.ndarray:
    r"""Evaluate the strengths of the multilinear model under gradient flow.

    .. math::

        f = \sum_k a_k b_k g_k, \quad a_k = b_k, \qquad
        R_k(t) = \frac{S}{1 + (S/R_k(0) - 1)\, e^{-2 \eta P_k S t}},

    the solution of :math:`\dot R_k = 2 \eta P_k R_k (S - R_k)`.

    Parameters
    ----------
    time : array_like, shape (n_times,) or scalar
        Times :math:`t \geq 0`.
    probabilities : array_like, shape (n_skills,)
        Frequencies :math:`P_k \geq 0`.
    target : float
        Amplitude :math:`S > 0`.
    initial : array_like, shape (n_skills,) or scalar
        Strengths :math:`R_k(0)`, between 0 and `target`, both excluded.
    rate : float
        Learning rate :math:`\eta > 0`; :math:`\eta t` is the number of steps times the step size.

    Returns
    -------
    ndarray, shape (n_times, n_skills)
        Strengths; without the first axis for a scalar time.

    Raises
    ------
    ValueError
        If an argument lies outside its range.

    References
    ----------
    Nam et al., arXiv:2404.17563.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.related.multitask_parity import skill_strength
    >>> half = np.log(99) / (2 * 0.5)  # where a skill of frequency 1/2 has half its strength
    >>> skill_strength([0.0, half], [0.5]).round(6)
    array([[0.01],
           [0.5 ]])
    """
    times = check_array("time", time, shape=None)
    if (times < 0).any():
        msg = f"time must be >= 0, got {time!r}."
        raise ValueError(msg)
    frequencies = _check_probabilities(probabilities)
    target = check_real("target", target, low=0.0, open_low=True)
    rate = check_real("rate", rate, low=0.0, open_low=True)
    start = check_array("initial", initial, shape=None)
    if start.shape not in ((), (1,), frequencies.shape) or not ((start > 0) & (start < target)).all():
        msg = f"initial must lie strictly between 0 and target = {target}, one for all or one a skill, got {initial!r}."
        raise ValueError(msg)
    # expit is the same sigmoid, without overflow at either end.
    growth = 2.0 * rate * target * np.multiply.outer(times, frequencies)
    return np.asarray(target * expit(growth - np.log(target / start - 1.0)))


def skill_loss(strengths: ArrayLike, probabilities: ArrayLike, *, target: float = 1.0) -> Any:
    r"""Evaluate the loss of a learner with given strengths, :math:`\frac12 \sum_k P_k (S - R_k)^2`.

    Parameters
    ----------
    strengths : array_like, shape (..., n_skills)
        Strengths :math:`R_k`.
    probabilities : array_like, shape (n_skills,)
        Frequencies :math:`P_k \geq 0`.
    target : float
        Amplitude :math:`S > 0`.

    Returns
    -------
    float or ndarray
        The shape of `strengths` without its last axis.

    Raises
    ------
    ValueError
        If a shape does not match or an argument lies outside its range.

    Examples
    --------
    >>> from hierlib.related.multitask_parity import skill_loss
    >>> float(skill_loss([1.0, 0.5], [0.8, 0.2]))
    0.025
    """
    frequencies = _check_probabilities(probabilities)
    target = check_real("target", target, low=0.0, open_low=True)
    values = check_array("strengths", strengths, shape=None)
    if values.ndim == 0 or values.shape[-1] != frequencies.size:
        msg = f"strengths must have {frequencies.size} entries on its last axis, got shape {values.shape}."
        raise ValueError(msg)
    return 0.5 * (target - values) ** 2 @ frequencies


def data_loss(n_samples: ArrayLike, probabilities: ArrayLike, *, target: float = 1.0) -> Any:
    r"""Evaluate the mean loss of the one-shot learner, :math:`\frac12 S^2 \sum_k P_k (1 - P_k)^D`.

    A skill is learned perfectly from its first sample, and :math:`(1 - P_k)^D` is the chance not to see it.

    Parameters
    ----------
    n_samples : array_like
        Sample sizes :math:`D \geq 0`.
    probabilities : array_like, shape (n_skills,)
        Frequencies :math:`P_k`, at most 1.
    target : float
        Amplitude :math:`S > 0`.

    Returns
    -------
    float or ndarray
        The shape of `n_samples`.

    Raises
    ------
    ValueError
        If an argument lies outside its range.

    References
    ----------
    Nam et al., arXiv:2404.17563.

    Examples
    --------
    >>> from hierlib.related.multitask_parity import data_loss
    >>> data_loss([0, 1, 2], [0.5, 0.5])
    array([0.5  , 0.25 , 0.125])
    """
    frequencies = _check_probabilities(probabilities)
    target = check_real("target", target, low=0.0, open_low=True)
    sizes = check_array("n_samples", n_samples, shape=None)
    if not (sizes >= 0).all():
        msg = f"n_samples must be finite and >= 0, got {n_samples!r}."
        raise ValueError(msg)
    return 0.5 * target**2 * ((1.0 - frequencies) ** sizes[..., None] @ frequencies)


def parameter_loss(n_parameters: ArrayLike, probabilities: ArrayLike, *, target: float = 1.0) -> Any:
    r"""Evaluate the loss with room for the N most frequent skills only, :math:`\frac12 S^2 \sum_{k>N} P_k`.

    Parameters
    ----------
    n_parameters : array_like of int
        Numbers of skills that fit, from 0 to the number of skills.
    probabilities : array_like, shape (n_skills,)
        Frequencies :math:`P_k`, decreasing.
    target : float
        Amplitude :math:`S > 0`.

    Returns
    -------
    float or ndarray
        The shape of `n_parameters`.

    Raises
    ------
    ValueError
        If an argument lies outside its range.

    Examples
    --------
    >>> from hierlib.related.multitask_parity import parameter_loss
    >>> parameter_loss([0, 1, 2], [0.75, 0.25])
    array([0.5  , 0.125, 0.   ])
    """
    frequencies = _check_probabilities(probabilities)
    target = check_real("target", target, low=0.0, open_low=True)
    check_array("n_parameters", n_parameters, shape=None)
    kept = np.asarray(n_parameters)
    if kept.dtype.kind not in "iu" or (kept < 0).any() or (kept > frequencies.size).any():
        msg = f"n_parameters must hold integers from 0 to {frequencies.size}, got {n_parameters!r}."
        raise ValueError(msg)
    # Summed from the small end, so that a tail far below 1 keeps its digits.
    tail = np.append(np.cumsum(frequencies[::-1])[::-1], 0.0)
    return 0.5 * target**2 * tail[kept]


def asymptotic_loss(
    resource: str,
    amount: ArrayLike,
    alpha: float,
    *,
    head: float,
    target: float = 1.0,
    initial: float = 0.01,
    rate: float = 1.0,
) -> Any:
    r"""Evaluate the power law that one scarce resource leaves, for unlimited skills :math:`P_k = A k^{-(1+\alpha)}`.

    .. math::

        L(t) &= \frac{S^2}{2} \frac{A^{1/(1+\alpha)}}{1+\alpha}\, (2 \eta S t)^{-\alpha/(1+\alpha)}
                \int_0^\infty \frac{v^{-1/(1+\alpha)}}{(1 + e^v/c_0)^2}\, dv,
                \qquad c_0 = S/R(0) - 1, \\
        L(D) &= \frac{S^2}{2} \frac{A^{1/(1+\alpha)}}{1+\alpha}\,
                \Gamma\!\Bigl(\frac{\alpha}{1+\alpha}\Bigr)\, D^{-\alpha/(1+\alpha)}, \qquad
        L(N) = \frac{S^2}{2} \frac{A}{\alpha}\, N^{-\alpha}.

    Parameters
    ----------
    resource : {"time", "data", "parameters"}
        What is scarce.
    amount : array_like
        Positive values of :math:`t`, :math:`D` or :math:`N`.
    alpha : float
        Exponent :math:`\alpha > 0`.
    head : float
        :math:`A = P_1 > 0`.
    target : float
        Amplitude :math:`S > 0`.
    initial : float
        For time only: :math:`R(0)`, strictly between 0 and `target`.
    rate : float
        For time only: learning rate :math:`\eta > 0`.

    Returns
    -------
    float or ndarray
        The shape of `amount`.

    Raises
    ------
    ValueError
        If an argument lies outside its range.

    Notes
    -----
    Sums over skills replaced by integrals: good where many skills are learned and many are left.

    References
    ----------
    Nam et al., arXiv:2404.17563, for the exponents; constants: this book, *Skills That Are Given*.

    Examples
    --------
    >>> from hierlib.related.multitask_parity import asymptotic_loss
    >>> asymptotic_loss("parameters", [10, 100], 1.0, head=0.6).round(5)
    array([0.03 , 0.003])
    """
    resource = check_choice("resource", resource, ("time", "data", "parameters"))
    alpha = check_real("alpha", alpha, low=0.0, open_low=True)
    head = check_real("head", head, low=0.0, open_low=True)
    target = check_real("target", target, low=0.0, open_low=True)
    initial = check_real("initial", initial, low=0.0, high=target, open_low=True, open_high=True)
    rate = check_real("rate", rate, low=0.0, open_low=True)
    amounts = check_array("amount", amount, shape=None)
    if not (amounts > 0).all():
        msg = f"amount must be positive and finite, got {amount!r}."
        raise ValueError(msg)
    if resource == "parameters":
        return 0.5 * target**2 * head / alpha * amounts**-alpha
    power = 1.0 / (1.0 + alpha)
    prefactor = 0.5 * target**2 * head**power * power
    if resource == "data":
        return prefactor * gamma(1.0 - power) * amounts ** (power - 1.0)
    odds = target / initial - 1.0
    # v = s^(1 + 1/alpha) removes the end-point singularity of v^(-power).
    stretch = 1.0 / (1.0 - power)
    upper = (np.log(odds) + 40.0 if odds > 1.0 else 40.0) ** (1.0 / stretch)
    integral = stretch * quad(lambda s: expit(np.log(odds) - s**stretch) ** 2, 0.0, upper, limit=200)[0]
    return prefactor * integral * (2.0 * rate * target * amounts) ** (power - 1.0)


def best_allocation(
    compute: ArrayLike,
    probabilities: ArrayLike,
    *,
    target: float = 1.0,
    initial: float = 0.01,
    rate: float = 1.0,
) -> tuple[Any, Any, Any]:
    r"""Split a compute budget :math:`C = N t` between parameters and time so that the loss is smallest.

    .. math::

        L(N, t) = \frac12 \sum_{k \leq N} P_k (S - R_k(t))^2 + \frac12 S^2 \sum_{k > N} P_k .

    Parameters
    ----------
    compute : array_like
        Positive budgets :math:`C`.
    probabilities : array_like, shape (n_skills,)
        Frequencies :math:`P_k`, decreasing.
    target, initial, rate : float
        As in :func:`skill_strength`.

    Returns
    -------
    n_parameters : int or ndarray of int
        Best :math:`N`, from a coarse-to-fine search on :math:`\log N`.
    time : float or ndarray
        :math:`t = C/N`.
    loss : float or ndarray
        The loss there.

    Raises
    ------
    ValueError
        If an argument lies outside its range.

    References
    ----------
    Nam et al., arXiv:2404.17563.

    Examples
    --------
    >>> from hierlib.related.multitask_parity import best_allocation, skill_probabilities
    >>> n_parameters, time, loss = best_allocation(1e4, skill_probabilities(1000, 1.0))
    >>> n_parameters, round(loss, 4)
    (15, 0.0212)
    """
    frequencies = _check_probabilities(probabilities)
    budgets = check_array("compute", compute, shape=None)
    if not (budgets > 0).all():
        msg = f"compute must be positive and finite, got {compute!r}."
        raise ValueError(msg)
    tail = parameter_loss(np.arange(frequencies.size + 1), frequencies, target=target)

    def loss_at(n_parameters: int, budget: float) -> float:
        kept = frequencies[:n_parameters]
        strengths = skill_strength(budget / n_parameters, kept, target=target, initial=initial, rate=rate)
        return float(skill_loss(strengths, kept, target=target) + tail[n_parameters])

    best = np.empty((budgets.size, 2))
    for row, budget in enumerate(budgets.ravel()):
        candidates = np.arange(1, frequencies.size + 1)
        # Coarse to fine: forty candidates on a logarithmic grid, then the interval around the best one.
        while True:
            step = np.unique(np.geomspace(candidates[0], candidates[-1], 40).round().astype(int))
            losses = [loss_at(int(number), budget) for number in step]
            centre = int(np.argmin(losses))
            low, high = step[max(centre - 1, 0)], step[min(centre + 1, step.size - 1)]
            if step.size == candidates.size:
                break
            candidates = np.arange(low, high + 1)
        best[row] = step[centre], losses[centre]
    if budgets.ndim == 0:
        return int(best[0, 0]), float(budgets / best[0, 0]), float(best[0, 1])
    numbers = best[:, 0].reshape(budgets.shape)
    return numbers.astype(int), budgets / numbers, best[:, 1].reshape(budgets.shape)


def fit_one_shot(task: SparseParityTask, n_samples: int, *, rng: np.random.Generator) -> np.ndarray:
    r"""Fit the skill strengths to one sample by least squares of minimum norm.

    :math:`R_k` is the mean of :math:`y g_k` over the samples that show skill k, and 0 for a skill never seen.

    Parameters
    ----------
    task : SparseParityTask
        The task to draw the sample from.
    n_samples : int
        Sample size :math:`D \geq 1`.
    rng : numpy.random.Generator
        Source of the sample.

    Returns
    -------
    ndarray, shape (n_skills,)
        Strengths.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.related.multitask_parity import SparseParityTask, fit_one_shot
    >>> task = SparseParityTask(n_skills=4, alpha=1.0)
    >>> fit_one_shot(task, 1000, rng=np.random.default_rng(0))
    array([1., 1., 1., 1.])
    """
    skills, bits, labels = task.sample(n_samples, rng=rng)
    seen = np.bincount(skills, minlength=task.n_skills)
    agreement = np.bincount(skills, weights=labels * task.parity(skills, bits), minlength=task.n_skills)
    return agreement / np.maximum(seen, 1)


def crossing_time(times: ArrayLike, strengths: ArrayLike, *, level: float = 0.5) -> np.ndarray:
    r"""Find when each skill first reaches a level, by interpolation in :math:`\log t`.

    Parameters
    ----------
    times : array_like, shape (n_times,)
        Positive, increasing times.
    strengths : array_like, shape (n_times, n_skills)
        Strengths at these times.
    level : float
        The level to reach.

    Returns
    -------
    ndarray, shape (n_skills,)
        First crossing times; NaN where the level is never reached, or was already at the first time.

    Raises
    ------
    ValueError
        If the shapes do not match or the times do not increase from above 0.

    Examples
    --------
    >>> from hierlib.related.multitask_parity import crossing_time
    >>> crossing_time([1.0, 100.0], [[0.0, 0.0], [1.0, 0.2]]).round(6)
    array([10., nan])
    """
    stops = check_array("times", times, shape=(None,))
    values = check_array("strengths", strengths, shape=(stops.size, None))
    level = check_real("level", level)
    if stops.size < 2 or stops[0] <= 0 or (np.diff(stops) <= 0).any():
        msg = f"times must increase from above 0, at least two of them, got {times!r}."
        raise ValueError(msg)
    reached = values >= level
    after = np.maximum(reached.argmax(axis=0), 1)
    columns = np.arange(values.shape[1])
    low, high = values[after - 1, columns], values[after, columns]
    known = reached.any(axis=0) & ~reached[0]
    share = np.divide(level - low, high - low, out=np.full(low.shape, np.nan), where=known)
    return np.exp(np.log(stops[after - 1]) + share * np.log(stops[after] / stops[after - 1]))


def train_multilinear(
    task: SparseParityTask,
    record_steps: Sequence[int],
    *,
    sample_size: int,
    rng: np.random.Generator,
    learning_rate: float = 0.1,
    initial: float = 0.01,
    n_parameters: int | None = None,
    fresh: bool = True,
) -> np.ndarray:
    r"""Train :math:`f = \sum_k a_k b_k g_k` by gradient descent on samples of the task.

    Each step descends :math:`\frac{1}{2B} \sum_\mu (f_\mu - y_\mu)^2` over a sample of size B, from
    :math:`a_k = b_k = \sqrt{R(0)}`.

    Parameters
    ----------
    task : SparseParityTask
        The task to draw samples from.
    record_steps : sequence of int
        Increasing numbers of steps, at least 0, after which to record the strengths.
    sample_size : int
        Samples B of a step, at least 1.
    rng : numpy.random.Generator
        Source of the samples.
    learning_rate : float
        Step size :math:`\eta > 0`; stable well below ``1/target``.
    initial : float
        :math:`R(0)`, strictly between 0 and the task's target.
    n_parameters : int, optional
        Train the first skills only, the others stay 0; all by default.
    fresh : bool
        Draw a new sample at each step; if False, one sample serves all steps.

    Returns
    -------
    ndarray, shape (len(record_steps), n_skills)
        Strengths :math:`R_k = a_k b_k`.

    Raises
    ------
    ValueError
        If an argument lies outside its range.

    Notes
    -----
    O(steps x (B x n_bits + n_skills)). Gradient flow is the limit of small :math:`\eta` and large B.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.related.multitask_parity import SparseParityTask, train_multilinear
    >>> task = SparseParityTask(n_skills=2, alpha=1.0)
    >>> strengths = train_multilinear(task, [0, 2000], sample_size=50, rng=np.random.default_rng(0))
    >>> strengths.round(2)
    array([[0.01, 0.01],
           [1.  , 1.  ]])
    """
    steps = _check_steps(record_steps)
    sample_size = check_integer("sample_size", sample_size, low=1)
    learning_rate = check_real("learning_rate", learning_rate, low=0.0, open_low=True)
    initial = check_real("initial", initial, low=0.0, high=task.target, open_low=True, open_high=True)
    kept = task.n_skills if n_parameters is None else n_parameters
    kept = check_integer("n_parameters", kept, low=1, high=task.n_skills)
    first = np.where(np.arange(task.n_skills) < kept, np.sqrt(initial), 0.0)
    second = first.copy()
    history = np.empty((len(steps), task.n_skills))
    skills, bits, labels = task.sample(sample_size, rng=rng)
    done = 0
    for row, stop in enumerate(steps):
        for _ in range(stop - done):
            if fresh:
                skills, bits, labels = task.sample(sample_size, rng=rng)
            signs = task.parity(skills, bits)
            residual = labels - (first * second)[skills] * signs
            push = np.bincount(skills, weights=residual * signs, minlength=task.n_skills) / sample_size
            first, second = first + learning_rate * push * second, second + learning_rate * push * first
        done = stop
        history[row] = first * second
    return history


def train_network(
    task: SparseParityTask,
    record_steps: Sequence[int],
    *,
    width: int = 128,
    sample_size: int = 128,
    learning_rate: float = 0.2,
    seed: int = 0,
) -> np.ndarray:
    r"""Train a two-layer ReLU network on the task by online gradient descent, and record its skills.

    All weights move by plain stochastic gradient descent on :math:`\frac{1}{2B} \sum_\mu (f_\mu - y_\mu)^2`, with a
    fresh sample a step; scikit-learn's :class:`~sklearn.neural_network.MLPRegressor` does the gradients.

    Parameters
    ----------
    task : SparseParityTask
        The task; at most 16 bits, because the strengths are exact averages over all bit strings.
    record_steps : sequence of int
        Increasing numbers of steps, at least 1, after which to record the strengths.
    width : int
        Hidden units, at least 1.
    sample_size : int
        Samples of a step, at least 1.
    learning_rate : float
        Step size, positive.
    seed : int
        Seed of the initial weights and of the samples.

    Returns
    -------
    ndarray, shape (len(record_steps), n_skills)
        Strengths :math:`R_k = \mathbb{E}[f g_k \mid k]`.

    Raises
    ------
    ValueError
        If an argument lies outside its range.

    Examples
    --------
    >>> from hierlib.related.multitask_parity import SparseParityTask, train_network
    >>> task = SparseParityTask(n_skills=2, alpha=1.0, n_bits=4, parity_size=1)
    >>> train_network(task, [1, 400]).round(1)
    array([[0.3, 0.2],
           [1. , 1. ]])
    """
    steps = _check_steps(record_steps, low=1)
    width = check_integer("width", width, low=1)
    sample_size = check_integer("sample_size", sample_size, low=1)
    learning_rate = check_real("learning_rate", learning_rate, low=0.0, open_low=True)
    seed = check_integer("seed", seed, low=0)
    check_integer("task.n_bits", task.n_bits, high=16)
    rng = np.random.default_rng(seed)
    network = MLPRegressor(
        hidden_layer_sizes=(width,),
        solver="sgd",
        momentum=0.0,
        alpha=0.0,
        learning_rate_init=learning_rate,
        batch_size=sample_size,
        random_state=seed,
    )
    strings = (np.arange(2**task.n_bits)[:, None] >> np.arange(task.n_bits)) & 1
    every_skill = np.repeat(np.arange(task.n_skills), len(strings))
    every_string = np.tile(strings, (task.n_skills, 1))
    probe, signs = task.encode(every_skill, every_string), task.parity(every_skill, every_string)
    history = np.empty((len(steps), task.n_skills))
    done = 0
    for row, stop in enumerate(steps):
        for _ in range(stop - done):
            skills, bits, labels = task.sample(sample_size, rng=rng)
            network.partial_fit(task.encode(skills, bits), labels)
        done = stop
        history[row] = (network.predict(probe) * signs).reshape(task.n_skills, -1).mean(axis=1)
    return history


def _check_probabilities(probabilities: ArrayLike) -> np.ndarray:
    frequencies = check_array("probabilities", probabilities, shape=(None,))
    if frequencies.size == 0 or (frequencies < 0).any() or frequencies.sum() > 1.0 + 1e-9:
        msg = f"probabilities must be >= 0, at least one, and sum to at most 1, got {probabilities!r}."
        raise ValueError(msg)
    return frequencies


def _check_steps(record_steps: Sequence[int], *, low: int = 0) -> list[int]:
    steps = [check_integer("record_steps", step, low=low) for step in np.asarray(record_steps).tolist()]
    if not steps or sorted(steps) != steps:
        msg = f"record_steps must be increasing integers, at least one, got {record_steps!r}."
        raise ValueError(msg)
    return steps
