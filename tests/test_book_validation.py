"""Stored simulations agree with predictions within the stated accuracy; an error of ten per cent would show."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from _tools.stored import validation as validation_data

from hierlib import theory
from hierlib.theory.asymptotics import TargetParameters, predict

TABLE = Path(__file__).parents[1] / "book" / "data" / "validation.csv"
LAW = ["d", "q", "gamma", "link", "signs", "setting", "n"]


def residuals(d, q, *, n_scale=1.0):
    """Measured less predicted alignments of the features found with bounded labels, identity link."""
    table = pd.read_csv(TABLE, comment="#")
    table = table[(table["quantity"] == "alignment") & (table["setting"] == "bounded") & (table["link"] == "identity")]
    found = []
    for (_, _, gamma, _, signs, _, n), rows in table[(table["d"] == d) & (table["q"] == q)].groupby(LAW, sort=False):
        weights = np.where(np.array(list(signs)) == "+", 1.0, -1.0) * np.arange(1, len(signs) + 1) ** -gamma
        target = TargetParameters(weights / np.linalg.norm(weights), d=d, q=q)
        p = predict(target, round(n_scale * n), np.tanh, normalize=q > 1)
        chosen = (p.retention.max(axis=1) > 0.99) & (p.alignments > 0.5)
        found.extend((rows["mean"].to_numpy() - p.alignments)[chosen])
    return np.array(found)


@pytest.mark.parametrize(("d", "q", "aim"), [(250, 1, 0.02), (820, 1, 0.02), (60, 2, 0.02), (120, 2, 0.01)])
def test_alignments_of_found_features_agree_with_stored_simulations(d, q, aim):
    found = residuals(d, q)
    assert len(found) >= 10
    assert np.abs(found).mean() < aim


@pytest.mark.parametrize("d", [250, 820])
@pytest.mark.parametrize("n_scale", [0.9, 1.1])
def test_stored_simulations_would_betray_a_constant_off_by_ten_per_cent(d, n_scale):
    right, wrong = residuals(d, 1), residuals(d, 1, n_scale=n_scale)
    # An alignment moves by (1 - c^2)/10, some 0.015 on average, in one direction.
    assert abs(right.mean()) < 0.005 < abs(wrong.mean())
    assert np.mean(wrong**2) > 1.5 * np.mean(right**2)


def test_grid_covers_every_degree_exponent_and_link_with_five_seeds_from_below_the_first_threshold():
    blocks = validation_data.blocks()
    assert min(block.n_seeds for block in blocks) >= 5
    assert {block.d for block in blocks} >= {40, 60, 120, 250}
    for q in (1, 2, 3):
        assert {block.gamma for block in blocks if block.q == q} == {0.0, 0.4, 0.8, 1.2}
        assert {block.link for block in blocks if block.q == q} == {"identity", "tanh", "quadratic"}
        assert {block.setting for block in blocks if block.q == q} == {"paper", "bounded"}
    for d, q in {(block.d, block.q) for block in blocks}:
        laws = [block for block in blocks if (block.d, block.q) == (d, q)]
        dim = TargetParameters(np.ones(1), d=d, q=q).dim
        first = [
            theory.recovery_threshold(1, dim=dim, n_features=len(b.signs), gamma=b.gamma, sharp=True, strict=False)
            for b in laws
        ]
        assert any(min(b.sizes()) < n for b, n in zip(laws, first, strict=True))


def test_stored_points_are_kept_when_others_are_missing(monkeypatch):
    monkeypatch.setattr(validation_data, "rows", lambda block, sizes: ({}, 0.0))
    block = validation_data.Block(40, 1, 0.0, "tanh", "+-", "paper", (2.0,))  # not in the table
    grid = [*validation_data.blocks(), block]
    monkeypatch.setattr(validation_data, "blocks", lambda: grid)
    ((rows, _),) = validation_data.states()
    assert rows == pd.read_csv(TABLE, comment="#", dtype=str).to_numpy().tolist()
