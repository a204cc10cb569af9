"""What a reader needs to start a chapter on Binder or Colab, as far as it can be tested without them."""

import os
import re
import subprocess
import tomllib
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import build_book
import pytest
import yaml
from browser import SITE
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
BINDER = ROOT / ".binder"
REPOSITORY = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]
PACKAGE = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins():
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and not line.startswith("#")]
    return {requirement.name: requirement for requirement in map(Requirement, lines)}


def test_binder_installs_the_pins_of_this_repository_and_nothing_else():
    (line,) = (BINDER / "requirements.txt").read_text().splitlines()
    option, path = line.split()
    assert option == "-r"
    assert (BINDER / path).resolve() == ROOT / "requirements.txt"
    pinned = pins()
    assert all(str(requirement.specifier).startswith("==") for requirement in pinned.values())
    # What the library needs, what postBuild needs without a network of its own, and what Binder opens.
    for dependency in map(Requirement, PACKAGE["dependencies"]):
        (version,) = pinned[dependency.name].specifier
        assert version.version in dependency.specifier
    assert {"setuptools", "ipykernel"} <= set(pinned)


def test_binder_runs_an_allowed_python_and_installs_the_clone_itself():
    language, version = (BINDER / "runtime.txt").read_text().strip().split("-")
    assert language == "python"
    assert f"{version}.0" in SpecifierSet(PACKAGE["requires-python"])
    script = BINDER / "postBuild"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)
    assert "--editable ." in script.read_text()


@pytest.mark.parametrize("chapter", build_book.chapters(ROOT))
def test_rocket_opens_the_notebook_of_its_chapter(chapter):
    page = SITE / f"book/{chapter}.html"
    if not page.is_file():
        pytest.skip("needs a rendered book (make book)")
    (address,) = set(re.findall(r'https://mybinder\.org/[^"]*', page.read_text()))
    parts = urlsplit(address.replace("&amp;", "&"))
    assert parts.path == f"/v2/gh{urlsplit(REPOSITORY['url']).path}/{REPOSITORY['branch']}"
    (opened,) = parse_qs(parts.query)["urlpath"]
    assert opened == f"lab/tree/book/{chapter}.ipynb"
    assert (ROOT / opened.removeprefix("lab/tree/")).is_file()


def test_cell_for_colab_clones_this_repository_and_installs_it():
    text = (ROOT / "book/parameters.md").read_text()
    (clone,) = re.findall(r"^!git clone .*?(https://\S+?)(?:\.git)?$", text, re.MULTILINE)
    (install,) = re.findall(r"^%pip install .*$", text, re.MULTILINE)
    assert clone == REPOSITORY["url"]
    assert f"./{clone.rsplit('/', 1)[1]}" in install
