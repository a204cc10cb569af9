"""The rendered book in a headless browser: a server of its pages, and Chromium with every other host unresolvable."""

import contextlib
import functools
import http.server
import os
import shutil
import threading
from pathlib import Path

import build_book
import pytest
from selenium import webdriver

ROOT = Path(__file__).parents[1]
SITE = ROOT / "_build/html"
PAGES = [f"{page}.html" for page in build_book.table_of_contents(ROOT)] + ["genindex.html", "search.html"]
BROWSER = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
DRIVER = shutil.which("chromedriver")
PLANTED: dict[str, str] = {}  # pages served although the site does not have them


class OverlayHandler(http.server.SimpleHTTPRequestHandler):
    """Serve the site, and in front of it the planted pages."""

    def do_GET(self):
        page = PLANTED.get(self.path.lstrip("/"))
        if page is None:
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        return self.wfile.write(page.encode())

    def log_message(self, *_):
        """Keep the test report free of access logs."""


@pytest.fixture(scope="module")
def server():
    handler = functools.partial(OverlayHandler, directory=SITE)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}/"
        httpd.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser():
    missing = []
    if BROWSER is None or DRIVER is None:
        missing.append("no Chromium with its driver (Debian: apt-get install chromium chromium-driver)")
    if not (ROOT / "_build/html.stamp").is_file():
        missing.append("no rendered book (make book)")
    if missing:
        reason = f"browser tests need: {'; '.join(missing)}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in (
        "--headless=new",
        "--no-sandbox",  # containers run as root; only our own pages are opened
        "--disable-dev-shm-usage",
        "--window-size=1300,1000",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))
    driver.set_script_timeout(20)
    yield driver
    driver.quit()


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
