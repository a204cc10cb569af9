"""The printed book: one file with every chapter, bookmarks, links inside, and a link on the front page."""

import re
import unicodedata

import pypdfium2
import pytest
from _tools.build import build_book, headless, print_book
from browser import SITE
from bs4 import BeautifulSoup, SoupStrainer
from pypdf import PdfReader

PDF = SITE / print_book.PDF


def letters(text):
    # Fonts have one glyph for "fi".
    return re.sub(r"[^a-z]", "", unicodedata.normalize("NFKC", text).lower())


@pytest.fixture(scope="module")
def reader():
    if not (headless.browser_paths() and SITE.is_dir()):
        pytest.skip("needs Chromium with its driver and a rendered book (make book)")
    assert PDF.is_file()
    return PdfReader(PDF)


@pytest.fixture(scope="module")
def texts(reader):
    """Text of every sheet, by a compiled reader: pypdf takes a minute."""
    with pypdfium2.PdfDocument(PDF) as document:
        return [page.get_textpage().get_text_range() for page in document]


def test_front_page_offers_the_file_exactly_where_it_exists():
    if not SITE.is_dir():
        pytest.skip("needs a rendered book (make book)")
    assert (print_book.LINK_MARK in (SITE / print_book.FRONT).read_text()) == PDF.is_file()


def test_every_page_of_the_book_is_printed_under_its_bookmark(reader, texts):
    bookmarks = [entry for item in reader.outline for entry in (item if isinstance(item, list) else [item])]
    found = {bookmark.title: reader.get_destination_page_number(bookmark) for bookmark in bookmarks}
    pages = print_book.table_of_contents(build_book.ROOT)
    only_titles = SoupStrainer("h1")
    soups = [BeautifulSoup((SITE / page).read_text(), "html.parser", parse_only=only_titles) for page, _ in pages]
    titles = [soup.h1.get_text().replace("#", "") for soup in soups]
    assert {letters(title) for title in titles} <= {letters(title) for title in found}
    for title, number in found.items():
        if letters(title) in {letters(text) for text in titles}:
            assert letters(title) in letters(texts[number])


def test_no_sheet_is_blank_and_there_are_as_many_as_a_book_has(reader, texts):
    assert 60 < len(reader.pages) < 600
    blank = [
        number
        for number, (page, text) in enumerate(zip(reader.pages, texts, strict=True), start=1)
        if len(letters(text)) < 15 and not page.images
    ]
    assert not blank


def test_mathematics_is_typeset_and_no_link_leads_to_the_printing_server(reader, texts):
    assert r"\frac" not in "".join(texts)
    addresses = [
        str(link.get_object().get("/A", {}).get("/URI", ""))
        for page in reader.pages
        for link in page.get("/Annots", [])
    ]
    assert not [address for address in addresses if "127.0.0.1" in address]


def test_without_a_browser_nothing_is_printed(tmp_path, monkeypatch):
    monkeypatch.setattr(print_book, "browser_paths", lambda: None)
    assert print_book.print_book(tmp_path) is None
