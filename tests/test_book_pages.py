"""The rendered book in a headless browser, served locally with every other host unresolvable.

A page passes when its console is silent, its mathematics is typeset, its images are there and described, its links
and anchors lead somewhere, and nothing was asked of another host. Planted faults show that each check can fail.
"""

import functools
from urllib.parse import unquote, urlsplit

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


def faults(browser, origin, page):
    """List what is wrong with a page, as kind and detail."""
    browser.get_log("browser")  # drop what earlier pages left
    browser.get(origin + page)
    try:
        seen = browser.execute_async_script(INSPECT)
    except TimeoutException:
        return [("mathematics", "MathJax did not finish")]
    found = [("image", source) for source in seen["broken"]]
    found += [("description", alt) for alt in seen["alts"] if not alt or alt.endswith((".png", ".svg"))]
    found += [("mathematics", text) for text in seen["raw"] + seen["red"]]
    found += [("link", link) for link in seen["links"] if dead_link(link, origin, page, seen["ids"])]
    found += [("request", name) for name in seen["requests"] if not name.startswith((origin, "data:", "blob:"))]
    noise = ("INFO", "DEBUG")  # the theme tells which colour mode it took
    found += [("console", entry["message"]) for entry in browser.get_log("browser") if entry["level"] not in noise]
    return found


@pytest.mark.parametrize("page", PAGES)
def test_page_is_without_faults_in_a_browser_without_network(browser, server, page):
    assert faults(browser, server, page) == []


def excess_width(browser, url, *, width=375):
    """Pixels by which a page is wider than a phone."""
    screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    try:
        browser.get(url)
        browser.execute_async_script(INSPECT)
        return browser.execute_script("return document.documentElement.scrollWidth") - width
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("page", PAGES)
def test_page_fits_the_width_of_a_phone(browser, server, page):
    assert excess_width(browser, server + page) <= 0


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
    with served(planted("")) as page:
        assert faults(browser, server, page) == []
    with served(planted(fragment)) as page:
        assert kind in {found for found, _ in faults(browser, server, page)}


def test_page_whose_mathematics_is_not_typeset_is_found(browser, server):
    formula = r'<span class="math notranslate nohighlight">\(x\)</span>'
    without_mathjax = planted(formula).replace("mathjax/tex-mml-chtml.js", "mathjax/missing.js")
    with served(without_mathjax) as page:
        assert "mathematics" in {kind for kind, _ in faults(browser, server, page)}


def test_page_that_is_wider_than_a_phone_is_found(browser, server):
    with served(planted('<div style="width: 600px">wide</div>')) as page:
        assert excess_width(browser, server + page) > 0
