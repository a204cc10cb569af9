"""The foot of every page says which version and which commit it was built from."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from _tools.build import edition
from browser import PAGES, SITE
from selenium.webdriver.common.by import By

import hierlib

ROOT = Path(__file__).parents[1]
UNSIGNED = '<main>text</main>\n<p class="edition">hierlib 1.2.3</p>\n'


def line(page):
    (found,) = re.findall(r'<p class="edition">(.*)</p>', page.read_text())
    return found


@pytest.mark.parametrize("page", PAGES)
def test_page_names_the_version_and_a_commit_of_this_repository(page):
    if not SITE.is_dir():
        pytest.skip("needs a rendered book (make book)")
    link = r', <a href="(?P<address>[^"]+)/commit/(?P<name>\w{40})">commit (?P<short>\w{7})</a>(, with changes)?'
    found = re.fullmatch(rf"hierlib (?P<version>[\w.]+)({link})?", line(SITE / page))
    assert found["version"] == hierlib.__version__
    if edition.commit(ROOT) is None:
        assert found["name"] is None
    else:
        assert found["name"].startswith(found["short"])
        assert found["address"] == yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]
        assert git(ROOT, "cat-file", "-t", found["name"]) == "commit"


def test_line_is_seen_at_the_foot_of_a_page(browser, server):
    browser.get(server + PAGES[0])
    foot = browser.find_element(By.CSS_SELECTOR, "footer p.edition")
    browser.execute_script("arguments[0].scrollIntoView()", foot)
    assert foot.is_displayed()
    assert foot.text.startswith(f"hierlib {hierlib.__version__}")
    assert foot.size["height"] < 30  # one line


def git(root, *arguments):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    done = subprocess.run(["git", *identity, *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def book(tmp_path):
    """A folder with two unsigned pages, and no repository."""
    for name in ("index.html", "book/page.html"):
        page = tmp_path / "_build/html" / name
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(UNSIGNED)
    (tmp_path / "_config.yml").write_text("repository: {url: https://example.org/r}\n")
    (tmp_path / ".gitignore").write_text("_build/\ninside/\n")
    return tmp_path


def commit(root):
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "Start")
    return git(root, "rev-parse", "HEAD")


def test_pages_follow_the_commit_and_are_the_same_however_they_came_to_it(book):
    page = book / "_build/html/book/page.html"
    first = commit(book)
    edition.sign(book)
    assert line(page) == f'hierlib 1.2.3, <a href="https://example.org/r/commit/{first}">commit {first[:7]}</a>'
    second = commit(book)
    assert second != first
    edition.sign(book)
    again = page.read_text()
    page.write_text(UNSIGNED)
    edition.sign(book)
    assert page.read_text() == again == (book / "_build/html/index.html").read_text()
    assert second in again
    assert first not in again


def test_changes_that_are_not_committed_are_mentioned_until_they_are(book):
    page = book / "_build/html/index.html"
    commit(book)
    (book / "_config.yml").write_text("repository: {}\n")
    edition.sign(book)
    assert line(page).endswith(", with changes")
    name = commit(book)
    edition.sign(book)
    assert line(page) == f"hierlib 1.2.3, commit {name[:7]}"


def test_signing_keeps_the_times_by_which_the_build_finds_pages_of_another_command(book):
    page = book / "_build/html/index.html"
    os.utime(page, ns=(10**18, 10**18))
    commit(book)
    edition.sign(book)
    assert line(page) != "hierlib 1.2.3"
    assert page.stat().st_mtime_ns == 10**18


def test_without_a_repository_of_its_own_a_book_names_the_version_alone(book):
    edition.sign(book)
    assert line(book / "_build/html/index.html") == "hierlib 1.2.3"
    # An archive that was unpacked somewhere in another repository.
    commit(book)
    unpacked = book / "inside"
    (unpacked / "_build/html").mkdir(parents=True)
    (unpacked / "_build/html/index.html").write_text(UNSIGNED)
    edition.sign(unpacked)
    assert line(unpacked / "_build/html/index.html") == "hierlib 1.2.3"
