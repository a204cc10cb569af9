"""Tests of the stored tables."""

from pathlib import Path

import pytest

from hierlib.chapters import stored
from hierlib.chapters.stored import load_table

FILES = sorted((Path(__file__).parents[1] / "book/data").glob("*.csv"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_table_is_whole_and_below_its_provenance(path):
    lines = path.read_text().splitlines()
    comments = [line for line in lines if line.startswith("#")]
    assert lines[: len(comments)] == comments
    assert any(line.startswith("# command: ") for line in comments)
    assert any(line.startswith("# versions: ") for line in comments)
    table = load_table(path.stem)
    assert list(table.columns) == lines[len(comments)].split(",")
    assert len(table) == len(lines) - len(comments) - 1
    assert path.stat().st_size < 2**20


def test_unknown_table_is_refused_with_the_names_of_those_that_exist():
    with pytest.raises(ValueError, match=r"name must be one of .*'depth'.*, got 'none'"):
        load_table("none")


def test_package_without_its_repository_says_where_the_tables_are(monkeypatch, tmp_path):
    monkeypatch.setattr(stored, "_FOLDER", tmp_path / "book/data")
    with pytest.raises(
        FileNotFoundError, match=r"no folder .*book/data: .* Clone https://\S+ and install .*--editable"
    ):
        load_table("depth")
