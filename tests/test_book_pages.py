"""The rendered book in a headless browser, served locally with every other host unresolvable.

A page passes when its console is silent, its mathematics is typeset, its images are there and described, its links
and anchors lead somewhere, and nothing was asked of another host; when it fits a phone, is light, and axe-core finds no
serious fault in either colour mode. Each page is opened once for all of this. Planted faults show that each check can
fail.
"""

import functools
import gzip
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pandas as pd
import pytest
from browser import PAGES, SITE, planted, served
from bs4 import BeautifulSoup
from selenium.common.exceptions import TimeoutException

# What a reader sees once scripts have run: MathJax replaces every .math element by a mjx-container.
INSPECT = """
const done = arguments[arguments.length - 1];
const ready = window.MathJax?.startup?.promise ?? Promise.resolve();
const images = [...document.images];
images.forEach(image => { image.loading = 'eager'; });
Promise.all([ready, ...images.map(image => image.decode().catch(() => null))]).then(() => done({
  broken: images.filter(image => image.naturalWidth === 0).map(image => image.getAttribute('src')),
  alts: images.map(image => image.alt),
  raw: [...document.querySelectorAll('.math')].filter(math => !math.querySelector('mjx-container'))
    .map(math => math.textContent.slice(0, 80)),
  red: [...document.querySelectorAll('mjx-merror, mjx-container [style*="color: red"]')]
    .map(math => (math.getAttribute('data-mjx-error') || math.textContent).slice(0, 80)),
  links: [...document.querySelectorAll('a[href]')].map(link => link.href),
  ids: [...document.querySelectorAll('[id], a[name]')].flatMap(tag => [tag.id, tag.name]),
  requests: performance.getEntriesByType('resource').map(entry => entry.name),
}));
"""


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
# Contrast takes axe most of its time, and is the same for texts of one kind: of the same tags, classes and colours up
# to the page's root. It looks at a few of each.
MARK_TEXTS = """
const kinds = new Map(), ids = new Map([[document.documentElement, 0]]), counts = new Map();
for (const element of document.querySelectorAll('body, body *')) {
  const style = getComputedStyle(element);
  const kind = [ids.get(element.parentElement), element.tagName, element.getAttribute('class'), style.color,
    style.background, style.opacity, style.fontSize, style.fontWeight, element.checkVisibility()].join();
  if (!kinds.has(kind)) kinds.set(kind, kinds.size + 1);
  ids.set(element, kinds.get(kind));
  const speaks = element.matches('button, input, select, textarea')
    || [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim());
  if (speaks) counts.set(kinds.get(kind), (counts.get(kinds.get(kind)) ?? 0) + 1);
  element.toggleAttribute('data-contrast', speaks && counts.get(kinds.get(kind)) <= 3);
}
axe.configure({rules: [{id: 'color-contrast', selector: '[data-contrast]'}]});
"""
RUN_AXE = """
const done = arguments[arguments.length - 1];
const options = {resultTypes: ['violations'], ...(arguments[0] ? {runOnly: [arguments[0]]} : {})};
// A button's colour takes a moment to follow the mode: axe must not see it on its way.
Promise.allSettled(document.getAnimations().map(animation => animation.finished))
  .then(() => { MARK_TEXTS return axe.run(options); })
  .then(result => done(result.violations.map(
    rule => [rule.impact, rule.id, rule.nodes.slice(0, 3).map(node => node.html.slice(0, 200))])));
""".replace("MARK_TEXTS", MARK_TEXTS)
HEAVIEST_PAGE = 2 * 2**20
COMPRESSED = {".css", ".html", ".js", ".json", ".svg"}  # by any server, on the way
PHONE = {"width": 375, "height": 800, "deviceScaleFactor": 1, "mobile": True}
# Two frames later the page is laid out for its new width.
REFLOW = "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done));"


@dataclass(frozen=True)
class Visit:
    """What one visit to a page tells."""

    faults: list  # kind and detail
    weight: int  # bytes that a browser asks for, as a server sends them
    excess_width: int  # pixels by which it is wider than a phone
    violations: list  # serious accessibility faults: mode, impact, rule, examples


@functools.cache
def anchors(path):
    """Ids in a rendered file."""
    soup = BeautifulSoup(path.read_text(), "html.parser")
    return {tag["id"] for tag in soup.find_all(id=True)} | {
        tag["name"] for tag in soup.find_all("a", attrs={"name": True})
    }


def dead_link(link, origin, page, ids):
    """Whether a link from a page with these ids leads to no file of the site, or to no element of it."""
    if not link.startswith(origin):
        # Another host is a click away, not a request: only its form is checked.
        return urlsplit(link).scheme not in ("http", "https", "mailto")
    parts = urlsplit(link)
    if parts.path == f"/{page}":
        return bool(parts.fragment) and unquote(parts.fragment) not in ids
    path = SITE / unquote(parts.path).lstrip("/")
    path = path / "index.html" if path.is_dir() else path
    if not path.is_file():
        return True
    return bool(parts.fragment) and path.suffix == ".html" and unquote(parts.fragment) not in anchors(path)


def opened(browser, origin, page):
    """Open a page; return what is on it and what it wrote to the console, or None if it did not finish."""
    browser.get_log("browser")  # drop what earlier pages left
    browser.get(origin + page)
    try:
        seen = browser.execute_async_script(INSPECT)
    except TimeoutException:
        return None
    noise = ("INFO", "DEBUG")  # the theme tells which colour mode it took
    messages = [entry["message"] for entry in browser.get_log("browser") if entry["level"] not in noise]
    return seen | {"messages": messages}


def faults(seen, origin, page):
    """List what is wrong with a page, as kind and detail."""
    if seen is None:
        return [("mathematics", "MathJax did not finish")]
    found = [("image", source) for source in seen["broken"]]
    found += [("description", alt) for alt in seen["alts"] if not alt or alt.endswith((".png", ".svg"))]
    found += [("mathematics", text) for text in seen["raw"] + seen["red"]]
    found += [("link", link) for link in seen["links"] if dead_link(link, origin, page, seen["ids"])]
    found += [("request", name) for name in seen["requests"] if not name.startswith((origin, "data:", "blob:"))]
    return found + [("console", message) for message in seen["messages"]]


def page_weight(seen, origin, page):
    """Bytes of a page and of all that it asked for."""
    names = {unquote(urlsplit(name).path).lstrip("/") for name in seen["requests"] if name.startswith(origin)}
    return sum(weight(path) for path in [SITE / page, *(SITE / name for name in names)] if path.is_file())


def look(browser, origin, page):
    """Open a page and look at it in every way, the one that takes it apart last."""
    seen = opened(browser, origin, page)
    wrong = faults(seen, origin, page)
    loaded = page_weight(seen, origin, page) if seen else 0
    return Visit(wrong, loaded, excess_width(browser), violations(browser))


def weight(path):
    content = path.read_bytes()
    return len(gzip.compress(content)) if path.suffix in COMPRESSED else len(content)


def excess_width(browser):
    """Pixels by which the open page is wider than a phone."""
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    try:
        browser.execute_async_script(REFLOW)
        return browser.execute_script("return document.documentElement.scrollWidth") - PHONE["width"]
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_async_script(REFLOW)


def violations(browser):
    """Serious accessibility faults of the open page, in the light and, for what colours decide, in the dark mode."""
    browser.set_script_timeout(120)
    browser.execute_async_script(THIN_OUT)
    browser.execute_script(AXE)
    found = []
    for mode, rule in (("light", None), ("dark", "color-contrast")):
        browser.execute_script(
            "for (const key of ['mode', 'theme']) document.documentElement.dataset[key] = arguments[0]", mode
        )
        found += [(mode, *fault) for fault in browser.execute_async_script(RUN_AXE, rule)]
    return [fault for fault in found if fault[1] in ("serious", "critical")]


@pytest.fixture(scope="module")
def visit(browser, server):
    """Look at a page, once for all tests."""
    return functools.cache(lambda page: look(browser, server, page))


@pytest.mark.parametrize("page", PAGES)
def test_page_is_without_faults_in_a_browser_without_network(visit, page):
    assert visit(page).faults == []


@pytest.mark.parametrize("page", PAGES)
def test_page_fits_the_width_of_a_phone(visit, page):
    assert visit(page).excess_width <= 0


@pytest.mark.parametrize("page", PAGES)
def test_page_has_no_serious_accessibility_fault(visit, page):
    assert visit(page).violations == []


@pytest.mark.parametrize("page", PAGES)
def test_page_loads_less_than_two_mebibytes(visit, page):
    assert 0 < visit(page).weight < HEAVIEST_PAGE


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith(("book/foundations", "book/theorems"))])
def test_captions_offer_the_data_behind_their_figures(page):
    soup = BeautifulSoup((SITE / page).read_text(), "html.parser")
    links = soup.select("figcaption a.figure-data")
    assert links
    for link in links:
        table = pd.read_csv((SITE / page).parent / link["href"], comment="#")
        assert list(table.columns) == ["panel", "series", "x", "y", "error_low", "error_high", "value"]
        assert len(table)


@pytest.mark.parametrize(
    ("fragment", "kind"),
    [
        ('<img src="missing.png" alt="a missing image">', "image"),
        ('<img src="../_static/plus.png">', "description"),
        ('<img src="../_static/plus.png" alt="../_static/plus.png">', "description"),
        (r'<span class="math notranslate nohighlight">\(\undefinedmacro{x}\)</span>', "mathematics"),
        (r'<span class="math notranslate nohighlight">\(\frac{1}{\)</span>', "mathematics"),
        ('<span class="math notranslate nohighlight">x</span>', "mathematics"),
        ('<a href="missing.html">a page</a>', "link"),
        ('<a href="index.html#missing-anchor">an anchor</a>', "link"),
        ('<a href="#missing-anchor">an anchor</a>', "link"),
        ('<img src="https://example.org/picture.png" alt="a picture">', "request"),
        ('<script src="https://example.org/script.js"></script>', "request"),
        ("<script>undefinedFunction();</script>", "console"),
        ("<script>const twice = 1;</script><script>const twice = 2;</script>", "console"),
    ],
)
def test_planted_fault_is_found(browser, server, fragment, kind):
    with served(planted(fragment)) as page:
        assert kind in {found for found, _ in faults(opened(browser, server, page), server, page)}


def test_page_with_nothing_planted_is_without_faults(browser, server):
    with served(planted("")) as page:
        assert faults(opened(browser, server, page), server, page) == []


def test_page_whose_mathematics_is_not_typeset_is_found(browser, server):
    formula = r'<span class="math notranslate nohighlight">\(x\)</span>'
    without_mathjax = planted(formula).replace("mathjax/tex-mml-chtml.js", "mathjax/missing.js")
    with served(without_mathjax) as page:
        assert "mathematics" in {kind for kind, _ in faults(opened(browser, server, page), server, page)}


def test_page_that_is_wider_than_a_phone_is_found(browser, server):
    with served(planted('<div style="width: 600px">wide</div>')) as page:
        opened(browser, server, page)
        assert excess_width(browser) > 0


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
        opened(browser, server, page)
        assert rule in {fault[2] for fault in violations(browser)}
