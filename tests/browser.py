"""The rendered book in a headless browser: a server of its pages, and Chromium with every other host unresolvable."""

import contextlib
import os
from pathlib import Path

import pytest
from _tools.build import contents, headless

ROOT = Path(__file__).parents[1]
SITE = ROOT / "_build/html"
PAGES = [f"{page}.html" for page in contents.table_of_contents(ROOT)] + ["genindex.html", "search.html"]
PLANTED: dict[str, str] = {}  # pages served although the site does not have them


class OverlayHandler(headless.QuietHandler):
    """Serve the site, and in front of it the planted pages."""

    def do_GET(self):
        page = PLANTED.get(self.path.lstrip("/"))
        if page is None:
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        return self.wfile.write(page.encode())


@pytest.fixture(scope="module")
def server():
    with headless.served(SITE, OverlayHandler) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    paths, missing = headless.browser_paths(), []
    if paths is None:
        missing.append("no Chromium with its driver (Debian: apt-get install chromium chromium-driver)")
    if not (ROOT / "_build/html.stamp").is_file():
        missing.append("no rendered book (make book)")
    if missing:
        reason = f"browser tests need: {'; '.join(missing)}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with headless.chromium(*paths, width=1300, height=1000) as driver:
        driver.set_script_timeout(20)
        yield driver


def planted(fragment, *, page=PAGES[0]):
    """Put a fragment of HTML at the end of a page's article."""
    html = (SITE / page).read_text()
    assert "</article>" in html
    return html.replace("</article>", fragment + "</article>", 1)


@contextlib.contextmanager
def served(html):
    name = "book/planted.html"
    PLANTED[name] = html
    try:
        yield name
    finally:
        del PLANTED[name]
