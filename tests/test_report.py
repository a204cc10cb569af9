"""Tests of the report on a table of data: what it counts, what it says of the next feature, and every kind of table."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose

from hierlib import HierarchicalTarget
from hierlib.learn.real import feature_report, tables


def gaussian(n=2000, d=12, seed=0):
    """Inputs, and labels of three features."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    A = np.linalg.qr(rng.standard_normal((d, d)))[0][:3]
    return X, ((X @ A.T) ** 2 - 1) @ np.array([1.0, -0.7, 0.5]), A


X, Y, A = gaussian()


def mixed(X, seed=1):
    return X @ (np.eye(X.shape[1]) + np.random.default_rng(seed).standard_normal((X.shape[1],) * 2))


def with_columns(X, **columns):
    X = X.copy()
    for name, values in columns.items():
        X[:, int(name[1:])] = values
    return X


def test_features_are_counted_and_their_inputs_are_named():
    found = feature_report(X, Y)
    assert found.n_features == 3
    assert found.warnings == ["strengths fall faster after feature 3 than the power law of those before."]
    # Whitened by the sample, a direction of unit length is its correlations with the inputs, to 1/sqrt(n).
    overlaps = (found.directions @ A.T) ** 2
    assert_allclose(np.diag(overlaps), found.table["alignment"], atol=0.05)
    leading = found.table["inputs"][1].split()[0]
    assert leading == f"x{np.abs(found.directions[0]).argmax()}"
    assert found.table.shape == (3, 6)
    assert found.interval[0] < 0 < found.interval[1]
    assert len(found.eigenvalues) == 12


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_labels_without_relation_show_features_as_rarely_as_the_level_says(level):
    n_trials, found = 60, 0
    for seed in range(n_trials):
        rng = np.random.default_rng(seed)
        found += feature_report(rng.standard_t(4, size=(80, 3)), rng.exponential(size=80), level=level).n_features > 0
    share = 1 - level
    assert abs(found / n_trials - share) < 4 * np.sqrt(share * level / n_trials)


@pytest.mark.parametrize("gamma", [0.8, 1.2])
def test_next_feature_shows_near_the_sample_size_that_was_said(gamma):
    logs = []
    for seed in range(5):
        target = HierarchicalTarget(d=16, q=1, n_features=8, gamma=gamma, seed=seed)
        found = feature_report(*target.sample(700, seed=50 + seed))
        assert 700 < found.n_next <= found.n_next_range[1]
        if np.isfinite(found.n_next) and found.n_features < 7:
            sizes = 700 * np.geomspace(1, 4, 7)[1:]
            counts = [feature_report(*target.sample(int(n), seed=90 + seed)).n_features for n in sizes]
            shown = [n for n, count in zip(sizes, counts, strict=True) if count > found.n_features]
            logs.append(np.log(found.n_next / (shown[0] if shown else 2 * sizes[-1])))
    # Right within a factor of two, in the mean.
    assert len(logs) >= 2
    assert abs(np.mean(logs)) < np.log(2)


KINDS = {
    "correlated": (mixed(X), Y, None),
    "collinear": (np.column_stack([X, X[:, :3], X[:, :2].sum(axis=1)]), Y, "16 columns have 12 independent directions"),
    "constant columns": (
        np.column_stack([X, np.full(len(X), 7), np.zeros(len(X))]),
        Y,
        "constant columns are left out: x12, x13",
    ),
    "heavy columns": (
        np.sign(X) * np.abs(X) ** 3,
        Y,
        "heavy-tailed columns .* normal scores: x0, x1, x2, x3, x4 and 7",
    ),
    "an outlier": (np.where(np.arange(len(X))[:, None] == 5, 1e6, X), Y, "heavy-tailed"),
    "heavy labels": (X, Y + 0.1 * np.random.default_rng(0).standard_cauchy(len(X)), None),
    "exponential labels": (X, np.exp(5 * Y), None),
    "two classes": (X, Y > 0, None),
    "whole numbers": ((10 * X).astype(np.int16), (10 * Y).astype(int), None),
    "single precision": (X.astype(np.float32), Y.astype(np.float32), None),
    "large": (X * 1e300, Y * 1e300, None),
    "small": (X * 1e-300, Y * 1e-300, None),
    "far from zero": (X + 1e8, Y - 1e8, None),
    "of all sizes": (X * 10.0 ** np.arange(-150, 150, 25), Y, None),
    "frame": (pd.DataFrame(X, columns=list("abcdefghijkl")).assign(flag=X[:, 0] > 0), pd.Series(Y), None),
    "nullable frame": (
        pd.DataFrame(X).assign(whole=pd.array(np.arange(len(X)) % 7, dtype="Int64")),
        pd.DataFrame({"y": pd.array(Y, dtype="Float64")}),
        None,
    ),
    "column of labels": (X, Y[:, None], None),
    "lists": (X.tolist(), Y.tolist(), None),
}


@pytest.mark.parametrize("kind", KINDS)
def test_features_are_found_whatever_the_table_looks_like(kind):
    inputs, labels, warning = KINDS[kind]
    found = feature_report(inputs, labels)
    assert found.n_features == 3
    assert np.isfinite(found.table.drop(columns="inputs").to_numpy()).all()
    assert str(found).startswith("3 of ")
    if warning:
        assert pd.Series(found.warnings).str.contains(warning).any()


def noise(n=2000, d=5):
    return np.random.default_rng(7).standard_normal((n, d))


@pytest.mark.parametrize(
    ("inputs", "labels", "warning"),
    [
        (noise(60, 200), noise(60)[:, 0], "first 6 principal components are used, which have"),
        (noise(), np.arange(2000) < 3, "one value makes up 99.9% of y"),
        (noise(), np.arange(2000) % 4, "y has 4 values"),
        (noise(), noise()[:, 0], "is linear in the inputs"),
        (np.repeat(noise(100), 20, axis=0), np.random.default_rng(0).permutation(2000), None),
        (np.repeat(noise(100), 20, axis=0), np.repeat(noise(100)[:, 0], 20), "1900 rows are copies"),
        ((noise() < -2.5).astype(float), np.random.default_rng(0).standard_normal(2000), "normal scores"),
    ],
)
def test_doubts_are_reported(inputs, labels, warning):
    found = feature_report(inputs, labels)
    assert found.n_features == 0 or warning == "1900 rows are copies"
    if warning:
        assert pd.Series(found.warnings).str.contains(warning).any()


def test_features_along_heavy_tails_and_flat_spectra_are_named():
    rng = np.random.default_rng(0)
    tails = rng.laplace(size=(3000, 6)) * rng.choice([1, 2.0], size=(3000, 1))
    found = feature_report(tails, np.abs(tails[:, 0]))
    assert pd.Series(found.warnings).str.contains("heavy tails along feature").any()
    # Fifteen equal features, at the sample size where half of them show.
    found = feature_report(*HierarchicalTarget(d=30, q=1, n_features=15, gamma=0.0, seed=0).sample(900, seed=1))
    weak = found.table.index[found.table["constant"] > 450]
    assert len(weak)
    assert pd.Series(found.warnings).str.contains(f"direction of feature {weak[0]}").any()


def test_every_direction_may_show_a_feature():
    found = feature_report(X[:, :1], X[:, 0] ** 2)
    assert (found.n_features, found.n_next) == (1, np.inf)
    assert found.warnings == ["every direction shows a feature: there is no next one."]


def test_many_rows_and_wide_tables_are_cut(monkeypatch):
    monkeypatch.setattr(tables, "MAX_COST", 199 * 1000 * (12**2 + 20 * 12 + 100))
    found = feature_report(X, Y)
    assert found.n_samples == 1000
    assert found.warnings[0] == "1000 of 2000 rows are used, chosen at random."
    left_out = np.setdiff1d(np.arange(len(X)), np.random.default_rng(1).choice(len(X), 1000, replace=False))
    rare = np.arange(len(X)) == left_out[0]
    with pytest.raises(ValueError, match="y must vary among the 1000 rows that are used, got 0 for all"):
        feature_report(X, rare, random_state=1)


def test_leading_components_of_large_tables_are_those_of_small_ones(monkeypatch):
    wide = mixed(np.hstack([X, noise(2000, 20)]))
    whole = feature_report(wide, Y)
    monkeypatch.setattr(tables, "MAX_EXACT", 10)
    randomized = feature_report(wide, Y)
    assert randomized.n_features == whole.n_features
    monkeypatch.setattr(tables, "MAX_DIRECTIONS", 20)
    assert pd.Series(feature_report(wide, Y).warnings).str.contains("first 20 principal components").any()
    assert_allclose(randomized.eigenvalues, whole.eigenvalues, atol=1e-6)


def test_more_columns_than_rows_are_whitened_by_the_rows():
    # Copies of one column are the first principal component.
    wide = noise(500, 550)
    wide[:, 1:100] = wide[:, :1] + 0.1 * wide[:, 1:100]
    found = feature_report(wide, wide[:, 0] ** 2)
    assert found.n_features == 1
    assert np.abs(found.directions[0, :100]).min() > 0.8


def test_report_prints_and_draws_what_it_found():
    some = feature_report(*HierarchicalTarget(d=12, q=1, n_features=6, gamma=0.6, seed=0).sample(250, seed=1))
    none = feature_report(noise(), noise()[::-1, 0])
    assert "One more: about " in str(some)
    assert str(none).startswith("0 of 5 directions")
    assert "One more: no sign of it; more than 2,000 samples." in str(none)
    # A curve a feature, these data, and the next feature where there is a sign of it.
    assert len(some.plot()[1].lines) == some.n_features + 2
    assert len(none.plot()[1].lines) == 1
    plt.close("all")


@pytest.mark.parametrize(
    ("inputs", "labels", "message"),
    [
        (np.where(X[3, 2] == X, np.nan, X), Y, "X must be finite, got NaN or infinite entries in 'x2'"),
        (np.where(X < 3, X, np.inf), Y, "X must be finite, .* more: fill the gaps"),
        (pd.DataFrame(X).assign(name="a"), Y, r"X must have columns of numbers, got 'name' \(.*\): encode or drop"),
        (pd.DataFrame(X).assign(kind=pd.Categorical(["a"] * 2000)), Y, "got 'kind' .category"),
        (pd.DataFrame(X).assign(gap=pd.array([pd.NA] * 2000, dtype="Int64")), Y, "entries in 'gap'"),
        (X, np.where(Y > 5, np.nan, Y), "y must be finite"),
        (X, np.array(["a", "b"] * 1000), "y must be an array of real numbers"),
        (X, np.ones(2000), "y must vary, got 1 for all 2000 rows"),
        (X, Y[1:], "y must have shape"),
        (X, pd.Series(Y + 1j), "y must be an array of real numbers, got dtype complex128"),
        (X, np.column_stack([Y, Y]), "y must have shape"),
        (X[:29], Y[:29], "X must have at least 30 rows, got 29"),
        (np.ones((50, 3)), Y[:50], "X must have columns that vary, got 3 constant ones"),
        (np.zeros((50, 0)), Y[:50], "X must have columns that vary, got 0"),
        (X[:, 0], Y, "X must have shape"),
        (X + 1j, Y, "X must be an array of real numbers"),
        (pd.DataFrame(X).assign(turn=1j), Y, "got 'turn' .complex128"),
        (np.ma.masked_greater(X, 3), Y, "X must have no masked entries"),
        (X, np.ma.masked_greater(Y, 3), "y must have no masked entries"),
        (None, Y, "X must be an array of real numbers"),
    ],
)
def test_tables_that_cannot_be_answered_are_refused_with_the_reason(inputs, labels, message):
    with pytest.raises(ValueError, match=message):
        feature_report(inputs, labels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"level": 0.4}, "level must be"),
        ({"level": 1}, "level must be"),
        ({"random_state": -1}, "random_state must be"),
    ],
)
def test_bad_options_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        feature_report(X, Y, **change)
