"""Imports of the library and of the book's tools run one way, and the picture of the rooms is that of the imports."""

from pathlib import Path

from _tools.check import rooms
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).parents[1]


def test_imports_run_one_way(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == EXIT_STATUS_SUCCESS


def test_picture_of_the_rooms_is_that_of_the_imports():
    text = (ROOT / rooms.PAGE).read_text()
    assert rooms.page(text) == text, "make rooms draws it again"
