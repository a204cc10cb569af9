"""Oracles: orthonormality under each law, the features' formula written out, Gaussian draws and features unchanged."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from hierlib import HierarchicalSpectralRegressor, HierarchicalTarget, predict
from hierlib.engine.hermite import HermiteFeatures
from hierlib.engine.inputs import InputLaw, PolynomialFeatures, features_of_law, input_law
from hierlib.engine.moment import MomentOperator
from hierlib.model.metrics import alignment
from hierlib.theory.asymptotics import TargetParameters


def exponential(rng, shape):
    return rng.exponential(2.0, shape)


def coin(rng, shape):
    return (rng.random(shape) < 0.2).astype(float)


EXPONENTIAL = InputLaw("exponential", exponential, (2.0, 4.0, 16.0, 96.0))
COIN = InputLaw("coin", coin, (0.2, 0.16, 0.096, 0.16 * (1 - 6 * 0.16)))
LAWS = ["rademacher", "uniform", "laplace", "student12", "sphere", EXPONENTIAL, COIN]
every_law = pytest.mark.parametrize("law", LAWS, ids=lambda law: getattr(law, "name", law))


@every_law
def test_draws_have_the_cumulants_of_their_law(law):
    law = input_law(law)
    X = law.draw(np.random.default_rng(0), (60_000, 5))
    for values, expected in ((X, 0.0), (X**2, 1.0), (X**3, law.skewness)):
        rows = values.mean(axis=1)
        assert abs(rows.mean() - expected) <= 5 * rows.std() / np.sqrt(len(rows)) + 1e-12
    radius = np.sum(X**2, axis=1) / np.sqrt(5)
    # The variance of a variance: five standard errors of the square.
    square = (radius - np.sqrt(5)) ** 2
    assert abs(square.mean() - law.radius_variance) <= 5 * square.std() / np.sqrt(len(square)) + 1e-12


@every_law
def test_features_are_orthonormal_and_centred_under_their_law(law):
    features = features_of_law(law, 4, 2)
    X = input_law(law).draw(np.random.default_rng(1), (200_000, 4))
    F = features.transform(X)
    products = F[:, :, None] * F[:, None, :]
    for values, expected in ((F, np.zeros(features.dim)), (products, np.eye(features.dim))):
        error = values.std(axis=0) / np.sqrt(len(values))
        assert np.all(np.abs(values.mean(axis=0) - expected) <= 5.5 * error + 1e-12)


def test_features_of_a_skew_law_are_its_polynomials():
    X = np.random.default_rng(0).standard_normal((7, 3))
    features = PolynomialFeatures(3, 2, EXPONENTIAL)
    i, j = features.index_tuples.T
    square = (X**2 - 2 * X - 1) / np.sqrt(6 + 2 - 4)
    expected = np.where(i == j, square[:, i], X[:, i] * X[:, j])
    assert_allclose(features.transform(X), expected, atol=1e-13)
    assert_array_equal(features.index_tuples, HermiteFeatures(3, 2).index_tuples)


@pytest.mark.parametrize(("law", "missing"), [("rademacher", 6), (COIN, 6), ("sphere", 1), ("uniform", 0)])
def test_features_that_are_null_on_a_law_are_left_out(law, missing):
    assert HierarchicalTarget(6, inputs=law).dim == 21 - missing


def test_sphere_features_are_orthogonal_to_the_sum_of_squares():
    # Along a ray only that sum changes by a constant: x_i^2 -> x_i^2 + c shifts no feature.
    features = features_of_law("sphere", 5, 2)
    X = np.random.default_rng(0).standard_normal((3, 5))
    shifted = np.sqrt(X**2 + 0.7)
    squares = slice(10, None)
    assert_allclose(features.transform(shifted)[:, squares], features.transform(X)[:, squares], atol=1e-12)


@every_law
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_agree_with_the_features_written_out(law, dtype):
    target = HierarchicalTarget(7, inputs=law, n_features=2, seed=3)
    X, y = target.sample(300, seed=1)
    operator = MomentOperator((X, y), inputs=law, dtype=dtype, n_jobs=1)
    F = target.features.transform(X)
    dense = (F * y[:, None]).T @ F / len(y) - y.mean() * np.eye(target.dim)
    V = np.random.default_rng(0).standard_normal((target.dim, 3))
    tolerance = 1e-12 if dtype == "float64" else 3e-5
    scale = np.abs(dense).max()
    assert_allclose(operator @ V, dense @ V, atol=tolerance * scale * np.sqrt(target.dim) * 10)
    assert_allclose(operator.to_dense(), dense, atol=tolerance * scale)
    weighted, second = operator.pencil(V)
    centred = dense + y.mean() * (np.eye(target.dim) - F.T @ F / len(y))
    assert_allclose(weighted, centred @ V, atol=tolerance * scale * np.sqrt(target.dim) * 10)
    assert_allclose(second, F.T @ F @ V / len(y), atol=tolerance * 100)
    assert_allclose(target.latent(X), F @ target.directions.T, atol=1e-11)


def test_products_on_torch_arrays_are_those_of_numpy():
    torch = pytest.importorskip("torch")
    X, y = HierarchicalTarget(6, inputs=EXPONENTIAL).sample(200, seed=0)
    V = np.random.default_rng(0).standard_normal((21, 2))
    here = MomentOperator((X, y), inputs=EXPONENTIAL, dtype="float64")
    there = MomentOperator((torch.tensor(X), torch.tensor(y)), inputs=EXPONENTIAL, dtype="float64")
    assert_allclose(there @ V, here @ V, atol=1e-11)
    assert_allclose(there.pencil(V), here.pencil(V), atol=1e-11)


def test_stream_and_sample_are_the_same_draws_of_the_law():
    target = HierarchicalTarget(30, inputs="laplace")
    X, y = target.sample(9000, seed=5)
    batches = list(target.stream(9000, seed=5))
    assert_array_equal(np.concatenate([batch for batch, _ in batches]), X)
    assert_array_equal(np.concatenate([labels for _, labels in batches]), y)
    assert_array_equal(target.sample(100, seed=5)[0], X[:100])


def test_gaussian_law_by_name_changes_nothing():
    plain, named = HierarchicalTarget(8, seed=2), HierarchicalTarget(8, seed=2, inputs="gauss")
    for one, other in zip(plain.sample(50, seed=1), named.sample(50, seed=1), strict=True):
        assert_array_equal(one, other)
    assert type(named.features) is HermiteFeatures
    assert repr(plain) == repr(named)
    assert "laplace" in repr(HierarchicalTarget(8, inputs="laplace"))
    assert HierarchicalTarget(8, inputs="laplace").gaussian_equivalent().radius_variance == 2
    assert HierarchicalTarget(8, q=3, inputs=input_law("gauss")).dim == 120


def test_law_that_is_named_gauss_by_a_user_is_not_the_gaussian_one():
    law = InputLaw("gauss", exponential, (2.0, 4.0, 16.0, 96.0))
    assert type(features_of_law(law, 4, 2)) is PolynomialFeatures
    assert repr(law) == "InputLaw('gauss')"


@pytest.mark.parametrize("law", ["rademacher", "laplace", "sphere"])
def test_estimator_finds_features_of_its_law_at_degree_two(law):
    target = HierarchicalTarget(14, n_features=2, gamma=0.2, seed=1, inputs=law)
    X, y = target.sample(60 * target.dim, seed=2)
    model = HierarchicalSpectralRegressor(
        2, label_transform="tanh", normalize=True, ranking="edge", inputs=law, n_jobs=1
    ).fit(X, y)
    expected = predict(target, len(y), "tanh", normalize=True, ranking="edge").alignments
    # One sample at d = 14, where neglected powers of 1/d are 0.07.
    assert_allclose(alignment(model.components_, target.directions), expected, atol=0.12)
    assert_allclose(model.transform(X), target.features.project(X, model.components_), atol=1e-10)


def test_prediction_at_degree_one_does_not_know_the_law():
    signs = np.array([1.0, -1.0, 1.0])
    weights = {law: HierarchicalTarget(50, q=1, n_features=3, seed=0, inputs=law) for law in ("gauss", "laplace")}
    for target in weights.values():
        target.weights = signs / np.sqrt(3)
    one, other = (predict(target, 900, "tanh") for target in weights.values())
    assert_array_equal(one.alignments, other.alignments)


def test_prediction_takes_radius_and_number_of_features_from_the_law():
    weights = np.array([0.8, -0.6])
    hypercube = HierarchicalTarget(40, n_features=2, inputs="rademacher")
    hypercube.weights = weights
    found = predict(hypercube, 15_000, "tanh")
    same = TargetParameters(weights, 40, 2, radius_variance=0.0)
    assert_allclose(found.thresholds / (780 - 2), predict(same, 15_000, "tanh").thresholds / (820 - 2), rtol=1e-12)
    # No radius: raw and normalised inputs are the same.
    assert_array_equal(found.alignments, predict(hypercube, 15_000, "tanh", normalize=True).alignments)
    means = [
        predict(TargetParameters(weights, 40, 2, radius_variance=v), 15_000, "tanh").alignments.mean()
        for v in (0.0, 0.8, 2.0, 5.0)
    ]
    assert np.all(np.diff(means) < 0)
    assert predict(TargetParameters(weights, 40, 2), 15_000, "tanh").alignments.mean() == means[2]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("student4", r"fourth moment.*got 'student4'"),
        ("student-1", r"fourth moment"),
        ("studentinf", r"inputs must be one of"),
        ("studentx", r"inputs must be one of"),
        ("cauchy", r"inputs must be one of .*'sphere'.* got 'cauchy'"),
        (3, r"inputs must be one of"),
        (None, r"inputs must be one of"),
    ],
)
def test_laws_that_do_not_exist_or_have_no_fourth_moment_are_refused(inputs, message):
    for build in (
        lambda: HierarchicalTarget(8, inputs=inputs),
        lambda: MomentOperator((np.eye(3), np.ones(3)), inputs=inputs),
        lambda: HierarchicalSpectralRegressor(inputs=inputs).fit(np.eye(3), np.arange(3.0)),
    ):
        with pytest.raises(ValueError, match=message):
            build()


@pytest.mark.parametrize(
    ("cumulants", "message"),
    [
        ((0, 1, 0, np.inf), "without a fourth moment"),
        ((0, 1, np.nan, 3), "four finite numbers"),
        ((0, 1, 0), "four finite numbers"),
        (None, "four finite numbers"),
        ("abcd", "four finite numbers"),
        ((0, 0, 0, 0), r"cumulants\[1\] must be .* > 0"),
        ((0, -1, 0, 0), r"cumulants\[1\]"),
        ((0, 1, 0, -2.5), "cumulants must be those of a law"),
        ((0, 1, 2, 1), "cumulants must be those of a law"),
    ],
)
def test_cumulants_that_no_law_has_are_refused(cumulants, message):
    with pytest.raises(ValueError, match=message):
        InputLaw("law", exponential, cumulants)


def test_samplers_that_cannot_be_used_are_refused():
    with pytest.raises(ValueError, match="sampler must be callable"):
        InputLaw("law", "normal")
    for sampler, message in (
        (lambda rng, shape: rng.standard_normal(3), r"draws of sampler must have shape \(10, 4\)"),
        (lambda rng, shape: np.full(shape, np.nan), "draws of sampler must be finite"),
        (lambda rng, shape: np.full(shape, "x"), "draws of sampler must be an array of real numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            HierarchicalTarget(4, inputs=InputLaw("law", sampler)).sample(10, seed=0)


def test_degrees_without_known_polynomials_are_refused_with_the_reason():
    with pytest.raises(ValueError, match=r"degree must be 1 or 2 with inputs 'laplace'.*2 q moments"):
        HierarchicalTarget(8, q=3, inputs="laplace")
    with pytest.raises(ValueError, match="d must be at least 2 with inputs 'sphere'"):
        HierarchicalTarget(1, q=2, inputs="sphere")
    assert HierarchicalTarget(8, q=1, inputs="laplace").dim == 8
    assert "laplace" in repr(features_of_law("laplace", 4, 2))


@pytest.mark.parametrize("bad", [-1.0, np.nan, "x", None])
def test_radius_variance_that_is_no_variance_is_refused(bad):
    with pytest.raises(ValueError, match="radius_variance"):
        predict(TargetParameters(np.array([1.0]), 10, 2, radius_variance=bad), 100)
