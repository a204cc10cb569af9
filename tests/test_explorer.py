"""The explorer's tables, decoded and interpolated here on their own, give what the theory gives point by point."""

import base64

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.interpolate import BarycentricInterpolator

from hierlib import theory
from hierlib.chapters.explorer import _encode, explorer_tables, feature_curves, label_transform, positive_weights
from hierlib.model.target import LINKS
from hierlib.theory import asymptotics
from hierlib.theory.asymptotics import TargetParameters

LARGE = 10**7  # dimension: the tables are the limit of many dimensions at fixed n/D
MAX_FEATURES = 4


def target(d1, gamma, link):
    return TargetParameters(positive_weights(d1, gamma), d=LARGE, q=1, link_function=LINKS[link])


def options(link):
    return {"label_transform": label_transform(link), "radial": False}


def decode(table):
    integers = np.frombuffer(base64.b64decode(table["data"]), "<i2").reshape(table["shape"])
    return integers * table["step"]


@pytest.fixture(scope="module")
def tables():
    return explorer_tables(MAX_FEATURES)


@pytest.mark.parametrize(("d1", "gamma"), [(1, 0.3), (5, 0.0), (8, 0.4), (6, 1.1)])
@pytest.mark.parametrize("link", LINKS)
def test_curves_agree_with_the_theory_solved_at_each_size(d1, gamma, link):
    problem, noise_dim = target(d1, gamma, link), LARGE - d1
    critical = asymptotics.critical_sample_sizes(problem, **options(link)) / noise_dim
    for ratio in (0.8, 0.2):
        n = round(critical[0] / ratio * noise_dim)
        ratios = np.minimum(critical * noise_dim / n, 1)
        curves = feature_curves(d1, gamma, link, ratios)
        prediction = asymptotics.predict(problem, n, ranking="edge", **options(link))
        assert_allclose(curves.thresholds, critical, rtol=2e-3)  # its own interpolation is good to 1e-3
        above = ratios < 0.98
        assert_allclose(np.diag(curves.alignments)[above], prediction.alignments[above], atol=3e-3)
        expected = np.nansum(prediction.eigenvalues, axis=1)
        assert_allclose(np.diag(curves.eigenvalues)[above], expected[above], atol=3e-3)


def test_curves_start_from_zero_at_the_threshold_and_end_at_the_population():
    curves = feature_curves(3, 0.5, "identity", [0.0, 1.0])
    assert_allclose(curves.alignments, [[1, 0]] * 3, atol=1e-9)
    strengths = asymptotics.predict(target(3, 0.5, "identity"), LARGE, "tanh", radial=False).strengths
    # Neighbouring atoms of the law are merged: a second-order effect of their spacing, 1/300 of the range.
    assert_allclose(curves.eigenvalues[:, 0], strengths, rtol=1e-4)


def test_bounded_link_has_the_curves_of_the_identity_with_bounded_labels():
    first, second = (feature_curves(5, 0.7, link, [0.1, 0.5, 0.9]) for link in ("identity", "tanh"))
    assert_allclose(first.alignments, second.alignments, atol=1e-4)
    assert_allclose(first.thresholds, second.thresholds, rtol=1e-4)


@given(
    d1=st.integers(1, MAX_FEATURES),
    gamma=st.floats(0, 1.2),
    link=st.sampled_from(list(LINKS)),
    delta=st.floats(2.5, 3000),
)
@example(d1=2, gamma=1.0, link="identity", delta=2.5)
def test_interpolated_tables_agree_with_the_theory_between_their_nodes(tables, d1, gamma, link, delta):
    law, rows = int(link == "quadratic"), slice(d1 * (d1 - 1) // 2, d1 * (d1 + 1) // 2)
    at_gamma = [
        BarycentricInterpolator(tables["gamma_nodes"], decode(tables[name])[law, rows], axis=1)(gamma)
        for name in ("threshold", "alignment", "eigenvalue")
    ]
    thresholds, problem = np.exp(at_gamma[0]), target(d1, gamma, link)
    n = round(delta * (LARGE - d1))
    prediction = asymptotics.predict(problem, n, ranking="edge", **options(link))
    ratios = thresholds / delta
    for i in np.flatnonzero(ratios < 0.98):
        alignment, eigenvalue = (
            BarycentricInterpolator(tables["ratio_nodes"], values[i])(ratios[i]) for values in at_gamma[1:]
        )
        assert (1 - ratios[i]) * alignment == pytest.approx(prediction.alignments[i], abs=5e-3)
        assert eigenvalue == pytest.approx(np.nansum(prediction.eigenvalues[i]), abs=5e-3)
    # The tables hold what stands out; that the noise kept in its place overlaps a little is no part of them.
    assert_allclose(prediction.outlier_alignments[ratios > 1.02], 0, atol=1e-12)
    edges = BarycentricInterpolator(tables["gamma_nodes"], decode(tables["edge"])[law, d1 - 1])(gamma)
    scale = delta**-0.5
    assert_allclose(
        BarycentricInterpolator(tables["scale_nodes"], edges)(scale) * scale, prediction.bulk_edges, rtol=3e-3
    )


def test_listed_numbers_are_those_of_the_library(tables):
    assert tables["dim"][1][tables["d"].index(10)] == 55
    assert tables["n_features"][tables["d"].index(16)][tables["eps"].index(0.5)] == 4
    assert max(map(max, tables["n_features"])) == MAX_FEATURES
    stop = tables["gamma"].index(0.8)
    assert tables["exponent"][stop] == pytest.approx(theory.mse_exponent(0.8))
    rate = theory.mse_rate(300.0, dim=100, n_features=3, gamma=0.8, strict=False)
    assert np.exp(tables["guide"][2][stop]) * 3 ** tables["exponent"][stop] == pytest.approx(rate, rel=1e-3)
    tail = BarycentricInterpolator(tables["fine_gamma_nodes"], decode(tables["tail"])[5:9], axis=1)(0.7)
    assert_allclose(tail, theory.weight_tail(np.arange(4), n_features=3, gamma=0.7), atol=2e-4)


def test_tables_are_the_same_text_when_made_again(tables):
    assert explorer_tables(MAX_FEATURES) == tables


def test_tables_are_the_same_text_when_rounding_differs(tables, monkeypatch):
    # What another processor does to the weights, times a few; a digit of the tables is 1e-4.
    monkeypatch.setattr(
        "hierlib.chapters.explorer.positive_weights", lambda *size: positive_weights(*size) * (1 + 1e-15)
    )
    assert explorer_tables(MAX_FEATURES) == tables


def test_values_out_of_range_are_refused():
    with pytest.raises(ValueError, match="max_features must be"):
        explorer_tables(21)
    with pytest.raises(ValueError, match="ratios must lie between 0 and 1"):
        feature_curves(2, 0.4, "identity", [1.5])
    with pytest.raises(ValueError, match="link must be one of"):
        label_transform("cubic")
    with pytest.raises(ValueError, match=r"step 0\.1 is too small"):
        _encode(np.array([4000.0]), 0.1)
