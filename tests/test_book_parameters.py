"""Chapters run under other sensible parameters: what papermill is for."""

import warnings
from pathlib import Path

import papermill
import pytest

ROOT = Path(__file__).parents[1]

# A chapter, and parameters that differ from its defaults.
CASES: list[tuple[str, dict]] = [
    ("01_target", {"q": 3, "d": 20, "n_samples": 8000}),
    ("02_spikes", {"d": 24, "gamma": 0.0, "ratios": [1, 20]}),
    ("03_prediction", {"d": 20, "gamma": 0.8, "alphas": [1.6, 2.2], "n_seeds": 2}),
    ("04_thresholds", {"d": 20, "gamma": 0.3, "seed": 0, "n_data": 2}),
    ("05_perturbation", {"dim": 200, "gamma": 0.9, "n_seeds": 2, "operator_dim": 80}),
    ("08_depth", {"d": 7, "n": 250, "gamma": 0.0}),
    ("10_visible", {"d": 18, "n_features": 3, "gamma": 0.0, "ratio": 24, "n_seeds": 2, "n_null": 10}),
    ("12_fixed_features", {"alpha": 0.5, "n_latents": 1000, "n_draws": 8}),
    ("13_every_ridge", {"alpha": 1.2, "n_latents": 500, "n_draws": 8}),
]


@pytest.mark.parametrize(("chapter", "parameters"), CASES, ids=lambda value: str(value).replace(" ", ""))
def test_chapter_runs_under_other_parameters(chapter, parameters, tmp_path):
    notebook = ROOT / f"book/{chapter}.ipynb"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # third parties', in papermill and the kernel's client
        # papermill only warns of a name that the chapter does not have.
        assert set(parameters) <= set(papermill.inspect_notebook(notebook))
        papermill.execute_notebook(
            notebook, tmp_path / "out.ipynb", parameters=parameters, progress_bar=False, cwd=tmp_path
        )
