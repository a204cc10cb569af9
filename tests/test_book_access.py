"""Every page is accessible and light: axe-core in both colour modes, the weight of a page, data to download."""

import gzip
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pandas as pd
import pytest
from browser import PAGES, SITE, planted, served
from bs4 import BeautifulSoup

AXE = (Path(find_spec("axe_playwright_python").origin).parent / "axe.min.js").read_text()
# MathJax's own output, thousands of elements a page, carries its speech text; of the tokens of code and signatures, as
# many, one of each kind in each kind of block tells its colours. With all of them axe takes six times as long.
THIN_OUT = """
const done = arguments[arguments.length - 1];
const ready = window.MathJax?.startup?.promise ?? Promise.resolve();
ready.then(() => {
  document.querySelectorAll('mjx-container').forEach(mathematics => mathematics.remove());
  const seen = new Set();
  for (const token of document.querySelectorAll('.highlight pre span[class], .sig span[class], code span.pre')) {
    const kind = `${token.className} in ${token.closest('[class*=highlight-], .sig, code')?.className}`;
    if (seen.has(kind)) token.replaceWith(...token.childNodes);
    else seen.add(kind);
  }
  done();
});
"""
RUN_AXE = """
const done = arguments[arguments.length - 1];
const options = {resultTypes: ['violations'], ...(arguments[0] ? {runOnly: [arguments[0]]} : {})};
// A button's colour takes a moment to follow the mode: axe must not see it on its way.
Promise.allSettled(document.getAnimations().map(animation => animation.finished))
  .then(() => axe.run(options))
  .then(result => done(result.violations.map(
    rule => [rule.impact, rule.id, rule.nodes.slice(0, 3).map(node => node.html.slice(0, 200))])));
"""
LOAD_ALL = """
const done = arguments[arguments.length - 1];
const images = [...document.images];
images.forEach(image => { image.loading = 'eager'; });
Promise.all([window.MathJax?.startup?.promise, ...images.map(image => image.decode().catch(() => null))]).then(
  () => done(performance.getEntriesByType('resource').map(entry => entry.name)));
"""
HEAVIEST_PAGE = 2 * 2**20
COMPRESSED = {".css", ".html", ".js", ".json", ".svg"}  # by any server, on the way


def violations(browser, url):
    """Serious accessibility faults of a page, in the light and, for what colours decide, in the dark mode."""
    browser.get(url)
    browser.execute_async_script(THIN_OUT)
    browser.execute_script(AXE)
    found = []
    for mode, rule in (("light", None), ("dark", "color-contrast")):
        browser.execute_script(
            "for (const key of ['mode', 'theme']) document.documentElement.dataset[key] = arguments[0]", mode
        )
        found += [(mode, *fault) for fault in browser.execute_async_script(RUN_AXE, rule)]
    return [fault for fault in found if fault[1] in ("serious", "critical")]


@pytest.fixture(autouse=True)
def patience(browser):
    browser.set_script_timeout(120)


@pytest.mark.parametrize("page", PAGES)
def test_page_has_no_serious_accessibility_fault(browser, server, page):
    assert violations(browser, server + page) == []


@pytest.mark.parametrize(
    ("fragment", "rule"),
    [
        ('<img src="../_static/plus.png">', "image-alt"),
        ('<p style="color: #aaa; background: #fff">pale</p>', "color-contrast"),
        ('<p style="color: #222">black on white only</p>', "color-contrast"),
        ('<input type="range">', "label"),
    ],
)
def test_planted_accessibility_fault_is_found(browser, server, fragment, rule):
    with served(planted(fragment)) as page:
        assert rule in {fault[2] for fault in violations(browser, server + page)}


def weight(path):
    content = path.read_bytes()
    return len(gzip.compress(content)) if path.suffix in COMPRESSED else len(content)


@pytest.mark.parametrize("page", PAGES)
def test_page_loads_less_than_two_mebibytes(browser, server, page):
    browser.get(server + page)
    names = {unquote(urlsplit(name).path).lstrip("/") for name in browser.execute_async_script(LOAD_ALL)}
    files = [SITE / page, *(SITE / name for name in names if (SITE / name).is_file())]
    assert sum(map(weight, files)) < HEAVIEST_PAGE


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith(("book/foundations", "book/theorems"))])
def test_captions_offer_the_data_behind_their_figures(page):
    soup = BeautifulSoup((SITE / page).read_text(), "html.parser")
    links = soup.select("figcaption a.figure-data")
    assert links
    for link in links:
        table = pd.read_csv((SITE / page).parent / link["href"], comment="#")
        assert list(table.columns) == ["panel", "series", "x", "y", "error_low", "error_high", "value"]
        assert len(table)
