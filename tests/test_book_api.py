"""The library's page documents every public module."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import hierlib

PAGE = (Path(__file__).parents[1] / "book/api.md").read_text()
MODULES = [
    module.name
    for module in pkgutil.walk_packages(hierlib.__path__, "hierlib.")
    if not module.ispkg and not any(part.startswith("_") for part in module.name.split("."))
]


def test_page_documents_exactly_the_public_modules():
    assert sorted(re.findall(r"^\.\. automodule:: (\S+)$", PAGE, flags=re.MULTILINE)) == sorted(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_every_name_that_a_module_exports_exists_and_has_a_docstring(name):
    module = importlib.import_module(name)
    assert module.__doc__
    assert [public for public in module.__all__ if not getattr(module, public).__doc__] == []
