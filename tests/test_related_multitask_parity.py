import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp

from hierlib.related.multitask_parity import (
    SparseParityTask,
    asymptotic_loss,
    best_allocation,
    crossing_time,
    data_loss,
    fit_one_shot,
    parameter_loss,
    skill_loss,
    skill_probabilities,
    skill_strength,
    train_multilinear,
    train_network,
)

PROBABILITIES = skill_probabilities(200, 0.6)


@pytest.mark.parametrize("alpha", [0.3, 1.0, 2.0])
def test_probabilities_are_a_normalised_power_law(alpha):
    probabilities = skill_probabilities(50, alpha)
    assert_allclose(probabilities.sum(), 1)
    assert_allclose(np.log2(probabilities[15] / probabilities[31]), 1 + alpha)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_samples_follow_the_skill_frequencies(seed):
    task = SparseParityTask(n_skills=5, alpha=0.6, n_bits=6, parity_size=3, target=2.0)
    skills, bits, labels = task.sample(40_000, rng=np.random.default_rng(seed))
    counts, means = np.bincount(skills, minlength=5), 40_000 * task.probabilities
    # Binomial standard errors, five of them.
    assert (abs(counts - means) < 5 * np.sqrt(means)).all()
    assert (abs(bits.mean(axis=0) - 0.5) < 5 * 0.5 / np.sqrt(40_000)).all()
    assert_allclose(abs(labels), 2.0)


def test_parity_is_the_product_of_the_signs_in_the_subset():
    task = SparseParityTask(n_skills=3, alpha=1.0, n_bits=7, parity_size=4)
    assert all(len(set(row)) == 4 for row in task.subsets.tolist())
    skills, bits, labels = task.sample(300, rng=np.random.default_rng(0))
    direct = [np.prod([(-1.0) ** int(b[j]) for j in task.subsets[k]]) for k, b in zip(skills, bits, strict=True)]
    assert_allclose(task.parity(skills, bits), direct)
    assert_allclose(labels, direct)
    inputs = task.encode(skills, bits)
    assert_allclose(inputs[:, :3].argmax(axis=1), skills)
    assert_allclose(inputs[:, :3].sum(axis=1), 1)
    assert_allclose(inputs[:, 3:], (-1.0) ** bits)


def test_loss_of_a_learner_is_the_weighted_sum_over_its_skills():
    task = SparseParityTask(n_skills=6, alpha=0.6, target=1.5)
    strengths = np.array([1.5, 1.2, 0.7, 0.0, -0.3, 2.0])
    skills, bits, labels = task.sample(50_000, rng=np.random.default_rng(1))
    sampled = 0.5 * (strengths[skills] * task.parity(skills, bits) - labels) ** 2
    value = skill_loss(strengths, task.probabilities, target=1.5)
    assert abs(sampled.mean() - value) < 5 * sampled.std() / np.sqrt(50_000)


@pytest.mark.parametrize(("target", "rate", "initial"), [(1.0, 1.0, 0.01), (2.0, 0.3, 0.5), (0.5, 2.0, 0.4)])
def test_strength_solves_the_gradient_flow(target, rate, initial):
    probabilities = np.array([0.5, 0.2, 0.05])
    times = np.array([0.0, 2.0, 10.0, 40.0])

    def flow(_, parameters):
        first, second = parameters.reshape(2, 3)
        push = rate * probabilities * (target - first * second)
        return np.concatenate([push * second, push * first])

    start = np.full(6, np.sqrt(initial))
    solution = solve_ivp(flow, (0, 40), start, t_eval=times, rtol=1e-10, atol=1e-12)
    products = solution.y[:3] * solution.y[3:]
    strengths = skill_strength(times, probabilities, target=target, rate=rate, initial=initial)
    # The integrator's local tolerance, with room for its accumulation.
    assert_allclose(strengths, products.T, rtol=1e-7)


def test_strength_reaches_the_target_and_never_passes_it():
    strengths = skill_strength(np.geomspace(1e-3, 1e9, 60), PROBABILITIES, target=3.0)
    assert (np.diff(strengths, axis=0) >= 0).all()
    assert (np.diff(strengths, axis=1) <= 0).all()
    assert_allclose(strengths[-1], 3.0)
    assert_allclose(skill_strength(0.0, PROBABILITIES, target=3.0), 0.01)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_one_shot_learner_has_the_predicted_mean_loss(seed):
    task = SparseParityTask(n_skills=60, alpha=0.6, target=2.0)
    rng = np.random.default_rng(seed)
    losses = [skill_loss(fit_one_shot(task, 50, rng=rng), task.probabilities, target=2.0) for _ in range(400)]
    predicted = data_loss(50, task.probabilities, target=2.0)
    assert abs(np.mean(losses) - predicted) < 4 * np.std(losses) / np.sqrt(400)


def test_one_shot_learner_knows_what_it_saw_and_nothing_else():
    task = SparseParityTask(n_skills=60, alpha=0.6, target=2.0)
    strengths = fit_one_shot(task, 30, rng=np.random.default_rng(0))
    seen = np.unique(task.sample(30, rng=np.random.default_rng(0))[0])
    assert_allclose(strengths[seen], 2.0)
    assert strengths.sum() == 2.0 * len(seen)


def test_losses_start_at_the_variance_of_the_labels_and_fall():
    assert_allclose(data_loss(0, PROBABILITIES, target=2.0), 2.0)
    assert_allclose(parameter_loss(0, PROBABILITIES, target=2.0), 2.0)
    assert (np.diff(data_loss([0, 1, 10, 1000], PROBABILITIES)) < 0).all()
    assert_allclose(data_loss(2, PROBABILITIES), 0.5 * PROBABILITIES @ (1 - PROBABILITIES) ** 2)
    assert parameter_loss(200, PROBABILITIES) == 0.0
    assert_allclose(parameter_loss([3], PROBABILITIES, target=2.0), 2.0 * PROBABILITIES[3:].sum())


@pytest.mark.parametrize("alpha", [0.6, 1.0, 2.0])
@pytest.mark.parametrize("initial", [0.01, 1.5])
def test_asymptotic_losses_are_the_sums_over_many_skills(alpha, initial):
    probabilities = skill_probabilities(10**6, alpha)
    head, options = probabilities[0], {"target": 2.0, "initial": initial, "rate": 0.3}
    # Amounts at which about 2000 skills are learned: the sum differs from its integral by about
    # 1/2000, and the tail beyond 10^6 skills weighs (2000 / 10^6)^alpha of the whole.
    rtol = 2e-3 + 2 * 500.0**-alpha
    n_learned = 2000
    amount = 1 / probabilities[n_learned - 1]
    exact = data_loss(amount, probabilities, target=2.0)
    assert_allclose(asymptotic_loss("data", amount, alpha, head=head, target=2.0), exact, rtol=rtol)
    exact = parameter_loss(n_learned, probabilities, target=2.0)
    assert_allclose(asymptotic_loss("parameters", n_learned, alpha, head=head, target=2.0), exact, rtol=rtol)
    exact = skill_loss(skill_strength(amount, probabilities, **options), probabilities, target=2.0)
    assert_allclose(asymptotic_loss("time", amount, alpha, head=head, **options), exact, rtol=rtol)


@pytest.mark.parametrize("compute", [1.0, 300.0, 5e4, 1e9])
def test_best_allocation_is_the_best_of_all(compute):
    options = {"target": 1.5, "initial": 0.02, "rate": 0.7}
    losses = []
    for n_parameters in range(1, 201):
        strengths = skill_strength(compute / n_parameters, PROBABILITIES, **options)
        strengths[n_parameters:] = 0.0
        losses.append(skill_loss(strengths, PROBABILITIES, target=1.5))
    n_parameters, time, loss = best_allocation(compute, PROBABILITIES, **options)
    assert_allclose(loss, min(losses), rtol=1e-9, atol=1e-15)
    assert_allclose(losses[n_parameters - 1], loss, rtol=1e-9, atol=1e-15)
    assert_allclose(n_parameters * time, compute)


def test_best_allocation_keeps_the_shape_of_its_budgets():
    numbers, times, losses = best_allocation([[10.0, 1e3], [1e4, 1e5]], PROBABILITIES)
    assert numbers.shape == times.shape == losses.shape == (2, 2)
    assert_allclose(losses[1, 0], best_allocation(1e4, PROBABILITIES)[2])


@pytest.mark.parametrize("level", [0.25, 0.5, 0.9])
def test_crossing_time_inverts_the_closed_form(level):
    times = np.geomspace(1.0, 1e3, 2000)
    probabilities = np.array([0.5, 0.05])
    measured = crossing_time(times, skill_strength(times, probabilities, initial=0.02), level=level)
    exact = np.log(49 * level / (1 - level)) / (2 * probabilities)
    # Linear interpolation over steps of 0.35 % in time: the error is of second order in the step.
    assert_allclose(measured, exact, rtol=1e-4)


def test_crossing_time_is_unknown_outside_the_record():
    measured = crossing_time([1, 2, 3], [[0.9, 0.1, 0.2], [0.1, 0.2, 0.7], [0.9, 0.3, 0.1]])
    assert np.isnan(measured[:2]).all()
    assert_allclose(measured[2], 2.0**0.6)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_training_on_one_sample_is_gradient_flow_at_its_own_frequencies(seed):
    task = SparseParityTask(n_skills=4, alpha=0.6, target=1.2)
    skills = task.sample(500, rng=np.random.default_rng(seed))[0]
    frequencies = np.bincount(skills, minlength=4) / 500
    errors = []
    for n_steps in (400, 800):
        rng = np.random.default_rng(seed)
        rate = 12.0 / n_steps
        trained = train_multilinear(
            task, [n_steps // 2, n_steps], sample_size=500, rng=rng, learning_rate=rate, fresh=False
        )
        exact = skill_strength([6.0, 12.0], frequencies, target=1.2)
        errors.append(abs(trained - exact).max())
    # Euler's method: the error is first order in the step.
    assert errors[1] < 0.02
    assert 1.7 < errors[0] / errors[1] < 2.3


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_online_training_follows_the_closed_form_on_average(seed):
    task = SparseParityTask(n_skills=4, alpha=0.6)
    rng = np.random.default_rng(seed)
    runs = [train_multilinear(task, [150, 300], sample_size=100, rng=rng, learning_rate=0.02) for _ in range(24)]
    mean, sem = np.mean(runs, axis=0), np.std(runs, axis=0, ddof=1) / np.sqrt(24)
    # Four standard errors and the first-order bias of the step.
    assert (abs(mean - skill_strength([3.0, 6.0], task.probabilities)) < 4 * sem + 0.02).all()


def test_training_with_few_parameters_leaves_the_other_skills():
    task = SparseParityTask(n_skills=6, alpha=0.6)
    strengths = train_multilinear(task, [6000], sample_size=40, n_parameters=2, rng=np.random.default_rng(0))[0]
    loss = skill_loss(strengths, task.probabilities)
    assert_allclose(loss, parameter_loss(2, task.probabilities), rtol=1e-6)
    assert_allclose(strengths[2:], 0.0)


def test_a_skill_outside_the_sample_is_never_learned():
    task = SparseParityTask(n_skills=50, alpha=0.6)
    seen = np.unique(task.sample(20, rng=np.random.default_rng(3))[0])
    strengths = train_multilinear(
        task, [4000], sample_size=20, rng=np.random.default_rng(3), fresh=False, learning_rate=0.3
    )[0]
    unseen = np.setdiff1d(np.arange(50), seen)
    assert_allclose(strengths[unseen], 0.01)
    assert_allclose(strengths[seen], 1.0, rtol=1e-3)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_network_learns_frequent_skills_first(seed):
    task = SparseParityTask(n_skills=3, alpha=1.5, n_bits=5, parity_size=2, seed=seed)
    history = train_network(task, [100, 1200], width=32, sample_size=32, seed=seed)
    assert history.shape == (2, 3)
    assert history[0, 0] > history[0, 2]
    # Stochastic gradient descent keeps a small fluctuation around the target.
    assert abs(history[1, 0] - 1) < 0.1


def test_network_is_determined_by_its_seed():
    task = SparseParityTask(n_skills=2, alpha=1.0, n_bits=3, parity_size=1)
    first, again, other = (train_network(task, [50], width=8, seed=seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).all()


def test_task_refuses_impossible_input():
    for arguments, match in (
        ({"n_skills": 0, "alpha": 1.0}, "n_skills must be an integer >= 1 and <= 100000000, got 0"),
        ({"n_skills": 3, "alpha": -1.0}, "alpha must be a finite number > 0.*, got -1.0"),
        ({"n_skills": 3, "alpha": 1.0, "n_bits": 63}, "n_bits must be"),
        ({"n_skills": 3, "alpha": 1.0, "n_bits": 4, "parity_size": 5}, "parity_size must be .* <= 4, got 5"),
        ({"n_skills": 3, "alpha": 1.0, "target": 0.0}, "target must be"),
        ({"n_skills": 3, "alpha": 1.0, "seed": -1}, "seed must be"),
    ):
        with pytest.raises(ValueError, match=match):
            SparseParityTask(**arguments)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: skill_strength(-1.0, [0.5]), "time must be >= 0"),
        (lambda: skill_strength(1.0, [0.5], initial=1.0), "initial must lie strictly between"),
        (lambda: skill_strength(1.0, [0.7, 0.7]), "probabilities must be"),
        (lambda: skill_strength(1.0, []), "probabilities must be"),
        (lambda: skill_loss([0.5], [0.5, 0.5]), "strengths must have 2 entries"),
        (lambda: skill_loss(0.5, [0.5]), "strengths must have 1 entries"),
        (lambda: data_loss(-1, [0.5]), "n_samples must be finite and >= 0"),
        (lambda: parameter_loss(1.5, [0.5]), "n_parameters must hold integers"),
        (lambda: parameter_loss(2, [0.5]), "n_parameters must hold integers from 0 to 1"),
        (lambda: asymptotic_loss("money", 1.0, 1.0, head=0.5), "resource must be one of"),
        (lambda: asymptotic_loss("data", 0.0, 1.0, head=0.5), "amount must be positive"),
        (lambda: best_allocation(-1.0, [0.5]), "compute must be positive"),
        (lambda: crossing_time([2.0, 1.0], [[0.1], [0.9]]), "times must increase from above 0"),
        (lambda: crossing_time([1.0, 2.0], [[0.1]]), r"strengths must have shape \(2, any\)"),
        (
            lambda: train_multilinear(
                SparseParityTask(n_skills=2, alpha=1.0), [3, 1], sample_size=4, rng=np.random.default_rng(0)
            ),
            "record_steps must be increasing",
        ),
        (
            lambda: train_network(SparseParityTask(n_skills=2, alpha=1.0, n_bits=17), [1]),
            "task.n_bits must be an integer <= 16, got 17",
        ),
        (lambda: train_network(SparseParityTask(n_skills=2, alpha=1.0), []), "record_steps must be"),
    ],
)
def test_refusals_name_the_argument(call, match):
    with pytest.raises(ValueError, match=match):
        call()
