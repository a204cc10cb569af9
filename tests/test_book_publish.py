"""Only tested pages are published, beside the earlier versions; the archive is complete and deterministic."""

import hashlib
import json
import shutil
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from _tools.publish import archive, checksums
from _tools.publish import site as publish

import hierlib

ROOT = Path(__file__).parents[1]
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/book.yml").read_text())
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())
ZENODO = json.loads((ROOT / ".zenodo.json").read_text())


def write_files(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def html(tmp_path):
    """A sealed book of two pages."""
    folder = tmp_path / "html"
    write_files(folder, {"index.html": "front", "book/page.html": "one", ".buildinfo": "hidden"})
    checksums.seal(folder)
    return folder


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_versions_stay_beside_each_other_and_the_newest_state_replaces_the_last(html, tmp_path):
    site = tmp_path / "site"
    for version in ("latest", "v0.9", "v0.10.1"):
        publish.add(html, site, version)
    (html / "book/page.html").write_text("two")
    (html / ".buildinfo").unlink()
    checksums.seal(html)
    publish.add(html, site, "latest")
    assert tree(site / "latest") == tree(html)
    assert (site / "v0.9/book/page.html").read_text() == "one"
    assert json.loads((site / "versions.json").read_text()) == ["latest", "v0.10.1", "v0.9"]
    assert "url=latest/" in (site / "index.html").read_text()
    assert 'href="v0.10.1/"' in (site / "versions.html").read_text()
    assert {path.name for path in site.iterdir() if path.name.startswith(".")} == {".nojekyll"}


def damage_change(html):
    (html / "book/page.html").write_text("other")


def damage_missing(html):
    (html / "book/page.html").unlink()


def damage_new(html):
    (html / "book/new.html").touch()


def damage_unsealed(html):
    (html / checksums.NAME).unlink()


def damage_empty(html):
    (html / "index.html").unlink()
    checksums.seal(html)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_change, "differ: book/page.html"),
        (damage_missing, "differ: book/page.html"),
        (damage_new, "differ: book/new.html"),
        (damage_unsealed, "no SHA256SUMS"),
        (damage_empty, "no index.html"),
    ],
)
def test_pages_that_are_not_what_was_tested_do_not_replace_a_good_version(html, tmp_path, damage, message, capsys):
    site = tmp_path / "site"
    publish.add(html, site, "latest")
    before = tree(site)
    damage(html)
    assert publish.main(["add", str(html), str(site), "latest"]) == 1
    assert message in capsys.readouterr().err
    assert tree(site) == before


@pytest.mark.parametrize("version", ["", "main", "v", "v1/..", "../latest", "1.0"])
def test_version_of_another_form_is_refused(html, tmp_path, version):
    with pytest.raises(ValueError, match="version must be"):
        publish.add(html, tmp_path / "site", version)


def git(folder, *arguments):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    return subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def clone(tmp_path):
    """A clone of a repository that has the publishing scripts and no published pages yet."""
    origin, folder = tmp_path / "origin.git", tmp_path / "clone"
    git(tmp_path, "init", "--bare", str(origin))
    git(tmp_path, "clone", str(origin), str(folder))
    for name in (".ci/publish", "book/_tools/publish/site.py", "book/_tools/publish/checksums.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / ".gitignore").write_text("_build/\n")
    git(folder, "add", "--all")
    git(folder, "commit", "--message", "Start")
    git(folder, "push", "origin", "HEAD:main")
    return folder


def test_script_keeps_all_versions_on_the_branch_of_pages_and_fails_on_a_damaged_artefact(clone):
    page = clone / "_build/html/index.html"
    for version, text in (("latest", "one"), ("v1.0", "one"), ("latest", "two")):
        write_files(clone, {"_build/html/index.html": text, "_build/html/_static/style.css": ""})
        publish.main(["seal", str(clone / "_build/html")])
        subprocess.run([".ci/publish", version], cwd=clone, check=True)
    page.write_text("damaged")
    assert subprocess.run([".ci/publish", "latest"], cwd=clone, capture_output=True, check=False).returncode != 0
    git(clone, "fetch", "origin", "gh-pages")
    names = git(clone, "ls-tree", "-r", "--name-only", "FETCH_HEAD").splitlines()
    assert {"latest/_static/style.css", "v1.0/index.html", "index.html", ".nojekyll"} <= set(names)
    assert ".ci/publish" not in names
    assert git(clone, "show", "FETCH_HEAD:latest/index.html") == "two"
    assert git(clone, "show", "FETCH_HEAD:v1.0/index.html") == "one"
    assert git(clone, "log", "-1", "--format=%s", "FETCH_HEAD").startswith("Publish latest from ")
    assert git(clone, "worktree", "list").count("\n") == 1


def test_workflow_publishes_the_artefact_that_was_tested_and_builds_nothing_else():
    test, deploy = WORKFLOW["jobs"]["test"]["steps"], WORKFLOW["jobs"]["publish"]["steps"]
    runs = [step.get("run") or step.get("name") or step["uses"].split("@")[0] for step in test]
    assert runs[-3:] == [".ci/run", "python -m _tools.publish.site seal _build/html", "actions/upload-artifact"]
    upload, download = test[-1]["with"], deploy[1]["with"]
    assert (download["name"], download["path"]) == (upload["name"], upload["path"])
    assert upload["include-hidden-files"]  # or the sums would not agree
    actions = [(step.get("uses") or step["run"]).split("@")[0].split()[0] for step in deploy]
    assert actions == ["actions/checkout", "actions/download-artifact", ".ci/publish"]


def test_workflow_publishes_after_the_tests_from_main_and_tags_only():
    job = WORKFLOW["jobs"]["publish"]
    assert job["needs"] == "test"
    for part in ("github.event_name != 'pull_request'", "refs/heads/main", "refs/tags/v"):
        assert part in job["if"]
    assert not job["concurrency"]["cancel-in-progress"]
    assert WORKFLOW["permissions"] == {"contents": "read"}


@pytest.fixture
def repository(tmp_path):
    """A committed repository with a rendered book."""
    root = tmp_path / "repository"
    files = {
        "_toc.yml": "root: book/index\nchapters: [{file: book/part/one}]\n",
        "CITATION.cff": "version: 1.2.3\ndate-released: 2026-11-23\n",
        ".gitignore": "_build/\n",
        "book/part/one.md": "source",
        "book/part/one.ipynb": "{}",
        ".ci/run": "#!/bin/bash\n",
        "_build/html/index.html": "front",
        "_build/html/book/index.html": "index",
        "_build/html/book/part/one.html": "one",
        "_build/html.stamp": "stamp",
        "_build/book.pdf": "%PDF",
        "_build/chapters/one.ipynb": "{}",
        "untracked.txt": "of nobody",
    }
    write_files(root, files)
    (root / ".ci/run").chmod(0o755)
    git(root, "init")
    git(root, "add", ".ci", ".gitignore", "_toc.yml", "CITATION.cff", "book")
    git(root, "commit", "--message", "Start")
    return root


def test_archive_holds_sources_notebooks_pages_and_pdf_with_their_checksums(repository, tmp_path):
    target = archive.write(repository)
    with zipfile.ZipFile(target) as packed:
        packed.extractall(tmp_path)
        assert packed.getinfo("hierlib-1.2.3/.ci/run").external_attr >> 16 == 0o100755
    folder = tmp_path / "hierlib-1.2.3"
    checksums.verify(folder)
    tracked = {"_toc.yml", "CITATION.cff", ".gitignore", ".ci/run", "book/part/one.md", "book/part/one.ipynb"}
    pages = {"html/index.html", "html/book/index.html", "html/book/part/one.html"}
    assert set(tree(folder)) == tracked | pages | {"book.pdf", "COMMIT", checksums.NAME}
    assert (folder / "COMMIT").read_text() == git(repository, "rev-parse", "HEAD")
    line = f"{hashlib.sha256(b'%PDF').hexdigest()}  book.pdf"
    assert line in (folder / checksums.NAME).read_text().splitlines()


def test_archive_made_again_later_and_elsewhere_is_identical(repository, tmp_path):
    first = archive.write(repository).read_bytes()
    copy = tmp_path / "elsewhere/copy"
    shutil.copytree(repository, copy, copy_function=shutil.copyfile)  # new times and permissions
    (copy / ".ci/run").chmod(0o700)
    (copy / "_build/hierlib-1.2.3.zip").unlink()
    assert archive.write(copy).read_bytes() == first


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("book/part/one.md", "these differ"),
        ("_build/html/book/part/one.html", "missing: "),
        ("_build/html.stamp", "stamp"),
    ],
)
def test_archive_of_uncommitted_changes_or_of_half_a_book_is_refused(repository, path, message, capsys):
    (repository / path).unlink()
    assert archive.main(root=repository) == 1
    assert message in capsys.readouterr().err
    assert not (repository / "_build/hierlib-1.2.3.zip").exists()


def test_citation_archive_and_package_agree():
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert ZENODO["title"] == CITATION["title"]
    assert ZENODO["upload_type"] == CITATION["type"]
    assert ZENODO["version"] == CITATION["version"] == package["version"] == hierlib.__version__
    assert ZENODO["license"] == CITATION["license"] == package["license"]
    assert ZENODO["publication_date"] == CITATION["date-released"].isoformat()
    assert [creator["name"] for creator in ZENODO["creators"]] == [author["name"] for author in CITATION["authors"]]
    related = {entry["identifier"] for entry in ZENODO["related_identifiers"]}
    paper = {entry["value"] for entry in CITATION["preferred-citation"]["identifiers"]}
    assert related == {CITATION["repository-code"], *paper}
