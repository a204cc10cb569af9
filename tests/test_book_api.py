"""The library's page documents every room, and every module that a room hands something on from."""

import ast
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import hierlib

PAGE = (Path(__file__).parents[1] / "book/api.md").read_text()
ROOMS = [f"hierlib.{room.name}" for room in pkgutil.iter_modules(hierlib.__path__) if room.ispkg]
DOCUMENTED = re.findall(r"^\.\. automodule:: (\S+)$", PAGE, flags=re.MULTILINE)


def handed_on(room):
    """Modules that the first lines of a room import something from."""
    source = Path(importlib.import_module(room).__file__).read_text()
    imports = [node for node in ast.parse(source).body if isinstance(node, ast.ImportFrom)]
    names = {node.module for node in imports} - {room}
    return names | {f"{room}.{alias.name}" for node in imports if node.module == room for alias in node.names}


MODULES = sorted(name for room in ROOMS for name in handed_on(room))


def test_page_documents_exactly_the_rooms_and_the_modules_that_they_hand_on():
    assert sorted(DOCUMENTED) == sorted(ROOMS + MODULES)


@pytest.mark.parametrize("name", ROOMS + MODULES)
def test_every_name_that_is_handed_on_exists_and_has_a_docstring(name):
    module = importlib.import_module(name)
    assert module.__doc__
    assert [public for public in module.__all__ if not getattr(module, public).__doc__] == []


@pytest.mark.parametrize("room", ROOMS)
def test_nothing_inside_a_room_is_named_with_an_underscore(room):
    modules = pkgutil.iter_modules(importlib.import_module(room).__path__)
    assert [module.name for module in modules if module.name.startswith("_")] == []
