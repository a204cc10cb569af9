"""The environment installs on every Python that is allowed; the package says what it lacks without its repository."""

import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from _tools.build.edition import git
from _tools.build.notebook import CELL_TIMEOUT
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# The oldest that is allowed, Debian 12's, and the first of each later series that is declared.
VERSIONS = ["3.11.0", "3.11.2", *(f"{name.split()[-1]}.0" for name in PROJECT["classifiers"] if ":: 3.1" in name)]
# Of axe-playwright-python only the JavaScript is used; papermill's readers of remote files are not.
NOT_NEEDED = {("axe-playwright-python", "playwright"), ("papermill", "aiohttp")}


def pins():
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in lines}


PINS = pins()


def test_pins_are_what_is_installed():
    assert {name: importlib.metadata.version(name) for name in PINS} == PINS


@pytest.mark.parametrize("version", VERSIONS)
def test_every_pin_can_be_installed_on_every_python_that_is_allowed(version):
    assert version in SpecifierSet(PROJECT["requires-python"])
    needed = {name: importlib.metadata.metadata(name).get("Requires-Python") or "" for name in PINS}
    assert [name for name, spec in needed.items() if version not in SpecifierSet(spec)] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_every_dependency_of_a_pin_is_pinned_to_a_version_that_it_allows(version):
    """As `pip check` says it for one Python: the pins are installed without looking for others."""
    python = {"python_full_version": version, "python_version": ".".join(version.split(".")[:2])}
    waiting, wrong = [(name, "") for name in PINS], set()
    for name, extra in waiting:
        for requirement in map(Requirement, importlib.metadata.requires(name) or []):
            if requirement.marker is not None and not requirement.marker.evaluate({**python, "extra": extra}):
                continue
            needed = canonicalize_name(requirement.name)
            if PINS.get(needed, "none") not in requirement.specifier:
                wrong.add((name, needed))
            waiting += [(needed, e) for e in requirement.extras if needed in PINS and (needed, e) not in waiting]
    assert wrong <= NOT_NEEDED


def test_packages_that_the_commands_on_the_pages_need_are_pinned():
    assert {"jupyterlab", "nbconvert", "papermill", "jupyter-book", "nbval"} <= set(PINS)
    page = (ROOT / "book/parameters.md").read_text()
    assert "\njupyter lab book/" in page
    assert "jupyter nbconvert " in page
    assert "six hours" in page
    assert CELL_TIMEOUT == 6 * 3600


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A committed copy of the repository, and a folder with the package installed from it."""
    folder = tmp_path_factory.mktemp("package")
    copy, target = folder / "copy", folder / "target"
    for name in git(ROOT, "ls-files", "hierlib", "pyproject.toml", "README.md", "LICENSE", ".gitignore").splitlines():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    git(copy, "init", "--quiet")
    git(copy, "add", "--all")
    git(copy, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "--quiet", "--message", "Start")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target"]
    subprocess.run([*pip, str(target), "."], cwd=copy, check=True)
    return copy, target


def test_installation_leaves_no_trace_in_git(installed):
    copy, _ = installed
    assert git(copy, "status", "--porcelain") == ""


def test_installed_package_has_every_module_and_its_types(installed):
    copy, target = installed
    sources = {path.relative_to(copy) for path in (copy / "hierlib").rglob("*") if path.is_file()}
    found = {path.relative_to(target) for path in (target / "hierlib").rglob("*") if path.is_file()}
    assert {path for path in found if path.suffix != ".pyc"} == sources
    (metadata,) = target.glob("hierlib-*.dist-info/METADATA")
    assert "Classifier: Programming Language :: Python :: 3.11\n" in metadata.read_text()


def test_installed_package_says_where_the_stored_tables_are(installed, tmp_path):
    _, target = installed
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); "
        "from hierlib.chapters.stored import load_table; load_table('depth')"
    )
    command = [sys.executable, "-I", "-c", code, str(target)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    message = done.stderr.splitlines()[-1]
    assert message.startswith(f"FileNotFoundError: no folder {target}/book/data: ")
    assert PROJECT["urls"]["Homepage"] in message


@pytest.mark.parametrize(
    ("fails_on", "message"),
    [("ensurepip", "apt-get install python3-venv"), ("version_info", "Python 3.11 or newer is needed")],
)
@pytest.mark.parametrize("target", ["environment", "test-python"])
def test_make_says_what_a_python_lacks_and_makes_nothing(tmp_path, target, fails_on, message):
    # Debian's Python without its package python3-venv, and an older one.
    fake = tmp_path / "python3"
    said = 'echo "Python 3.11 or newer is needed" >&2;' if fails_on == "version_info" else ""
    fake.write_text(f'#!/bin/sh\ncase "$*" in *{fails_on}*) {said} exit 1;; *) exec {sys.executable} "$@";; esac\n')
    fake.chmod(0o755)
    command = ["make", "--no-print-directory", target, f"PYTHON={fake}", f"VENV={tmp_path}/venv"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert message in done.stderr
    assert not (tmp_path / "venv").exists()


def test_checks_of_other_pythons_name_tests_that_exist_and_run_in_ci():
    names = re.search(r"CORE_TESTS := .*?,\\\n\t(.*)\)\)\n", (ROOT / "Makefile").read_text())[1].split()
    assert [name for name in names if not (ROOT / f"tests/test_{name}.py").is_file()] == []
    script = (ROOT / ".ci/run").read_text()
    assert "test-python PYTHON=" in script
    assert "oldest=/usr/bin/python3.11\n" in script


def test_releases_of_the_metadata_are_those_of_the_project():
    assert PROJECT["urls"]["Homepage"] == re.search(r"url: (\S+)", (ROOT / "_config.yml").read_text())[1]
