"""The search of the rendered book finds pages in a browser without network."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait


def search(browser, server, words):
    """Type words into the search page; return the pages that it lists, best first."""
    browser.get(server + "search.html")
    (field,) = [box for box in browser.find_elements(By.CSS_SELECTOR, "input[name=q]") if box.is_displayed()]
    field.send_keys(words + Keys.ENTER)
    # Pages are listed one after the other, and the heading changes when the last one is there.
    heading = 'return document.querySelector("#search-results > h2")?.innerText'
    WebDriverWait(browser, 20).until(lambda driver: driver.execute_script(heading) == "Search Results")
    links = browser.find_elements(By.CSS_SELECTOR, "#search-results ul.search > li > a")
    return [link.get_attribute("href").removeprefix(server).partition("?")[0].partition("#")[0] for link in links]


@pytest.mark.parametrize(
    ("words", "page"),
    [
        ("staircase", "book/theorems/thresholds.html"),
        ("harmonic", "book/beyond/depth.html"),
        ("Gegenbauer", "book/beyond/sharp_constants.html"),
        ("recovery_threshold", "book/api.html"),
        ("Silverstein", "book/bibliography.html"),
    ],
)
def test_search_finds_the_page_of_a_word(browser, server, words, page):
    assert page in search(browser, server, words)


def test_search_asks_no_other_host_and_finds_nothing_where_there_is_nothing(browser, server):
    browser.get_log("browser")
    assert search(browser, server, "xylophone") == []
    requests = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name for name in requests if not name.startswith((server, "data:", "blob:"))] == []
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_search_finds_a_definition_in_the_glossary_alone(browser, server):
    # The word is in the definition of a term that a chapter uses, and so in a tooltip of that chapter.
    assert search(browser, server, "subtasks") == ["book/glossary.html"]
