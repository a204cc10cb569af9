"""A term of the glossary shows its definition in the rendered book, to pointer, keyboard and screen reader."""

import pytest
from browser import PAGES, SITE
from bs4 import BeautifulSoup
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

CHAPTERS = [page for page in PAGES if page.count("/") == 2]


@pytest.fixture
def term(browser, server):
    """Link and definition of the first term of a chapter, with the pointer elsewhere."""
    browser.get(server + CHAPTERS[0])
    ActionChains(browser).move_to_element(browser.find_element(By.CSS_SELECTOR, "article h1")).perform()
    link = browser.find_element(By.CSS_SELECTOR, "article .term > a")
    definition = browser.find_element(By.ID, link.get_attribute("aria-describedby"))
    assert not definition.is_displayed()
    return link, definition


@pytest.mark.usefixtures("browser")  # skips where there is no rendered book
@pytest.mark.parametrize("page", CHAPTERS)
def test_every_term_of_a_chapter_is_described_by_its_definition(page):
    soup = BeautifulSoup((SITE / page).read_text(), "html.parser")
    links = [span.parent for span in soup.select("span.std-term")]
    assert links
    for link in links:
        (tip,) = soup.find_all(id=link["aria-describedby"])
        assert tip["role"] == "tooltip"
        assert tip.get_text(strip=True)
        assert not tip.find_all("a")


def test_definition_shows_under_the_pointer_and_stays_while_the_pointer_is_on_it(browser, term):
    link, definition = term
    ActionChains(browser).move_to_element(link).perform()
    assert definition.is_displayed()
    ActionChains(browser).move_to_element(definition).perform()
    assert definition.is_displayed()
    ActionChains(browser).move_to_element(browser.find_element(By.CSS_SELECTOR, "article h1")).perform()
    assert not definition.is_displayed()


def test_definition_shows_when_the_keyboard_reaches_its_term_and_goes_with_escape(browser, term):
    link, definition = term
    browser.execute_script("document.querySelector('article h1 a').focus()")
    for _ in range(60):  # sliders and links come before the first term
        if browser.switch_to.active_element == link:
            break
        ActionChains(browser).send_keys(Keys.TAB).perform()
    assert browser.switch_to.active_element == link
    assert definition.is_displayed()
    ActionChains(browser).send_keys(Keys.ESCAPE).perform()
    assert not definition.is_displayed()
    # Away and back: it is there again.
    ActionChains(browser).send_keys(Keys.TAB).key_down(Keys.SHIFT).send_keys(Keys.TAB).key_up(Keys.SHIFT).perform()
    assert definition.is_displayed()


@pytest.mark.parametrize("width", [1300, 768, 390])
def test_definition_lies_within_the_window(browser, server, width):
    screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    try:
        browser.get(server + CHAPTERS[0])
        for link in browser.find_elements(By.CSS_SELECTOR, "article .term > a"):
            browser.execute_script("arguments[0].scrollIntoView({block: 'center'}); arguments[0].focus()", link)
            tip = link.get_attribute("aria-describedby")
            box = browser.execute_script("return document.getElementById(arguments[0]).getBoundingClientRect()", tip)
            assert box["width"] > 0
            assert box["left"] >= 0
            assert box["right"] <= width
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
