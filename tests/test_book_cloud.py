"""What a reader needs to start a chapter on Binder or Colab, as far as it can be tested without them."""

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from _tools.build import contents
from browser import SITE
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from hierlib.chapters.stored import load_table

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


@pytest.mark.parametrize("chapter", contents.chapters(ROOT))
def test_rocket_opens_the_notebook_of_its_chapter(chapter):
    notebook = contents.chapter_file(ROOT, chapter, ".ipynb").relative_to(ROOT)
    page = SITE / notebook.with_suffix(".html")
    if not page.is_file():
        pytest.skip("needs a rendered book (make book)")
    (address,) = set(re.findall(r'https://mybinder\.org/[^"]*', page.read_text()))
    parts = urlsplit(address.replace("&amp;", "&"))
    assert parts.path == f"/v2/gh{urlsplit(REPOSITORY['url']).path}/{REPOSITORY['branch']}"
    (opened,) = parse_qs(parts.query)["urlpath"]
    assert opened == f"lab/tree/{notebook.as_posix()}"
    assert (ROOT / notebook).is_file()


def cell_for_colab():
    """The documented cell: what is cloned where, and what is installed."""
    text = (ROOT / "book/parameters.md").read_text()
    ((address, folder),) = re.findall(r"^!git clone --depth 1 (https://\S+) (\S+)$", text, re.MULTILINE)
    (install,) = re.findall(r"^%pip install (.*)$", text, re.MULTILINE)
    return address, folder, install.split()


def test_cell_for_colab_clones_this_repository_and_installs_it():
    address, folder, install = cell_for_colab()
    assert address == REPOSITORY["url"]
    assert install == ["--editable", f"./{folder}"]


def test_library_is_found_from_the_folder_in_which_the_cell_for_colab_was_run(tmp_path):
    """The cell, from this clone and without a network, in an environment that has everything but the library."""
    _, folder, install = cell_for_colab()
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", ROOT.as_uri(), folder], cwd=tmp_path, check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv/bin/python"
    command = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
    (site / "requirements.pth").write_text(sysconfig.get_path("purelib"))
    offline = ["--quiet", "--no-deps", "--no-build-isolation", "--ignore-installed"]
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", *offline, *install]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(pip, cwd=tmp_path, env=environment, check=True)
    # The kernel of the notebook that is opened there has this folder in its path.
    code = (
        "import hierlib\nfrom hierlib import HierarchicalTarget\nfrom hierlib.chapters.stored import load_table\n"
        "print(hierlib.__file__)\nprint(len(load_table('depth')))"
    )
    done = subprocess.run([python, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    where, rows = done.stdout.split()
    assert Path(where) == tmp_path / folder / "hierlib/__init__.py"
    assert int(rows) == len(load_table("depth"))
