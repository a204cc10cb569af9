r"""Print the rendered book to one PDF with Chromium, and offer it on the front page.

Every page is opened in the headless browser, its mathematics typeset and its solutions unfolded, and printed under
the style sheet of the pages (``book/_static/print.css``). The parts are merged under a title page with contents, page
numbers and bookmarks; links between pages lead inside the file. Without Chromium there is no PDF and no link to it.
"""

from __future__ import annotations

import html
import io
import sys
from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urldefrag

import yaml
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, NameObject
from selenium import webdriver

from _tools.build import lifetime
from _tools.build.edition import rewrite
from _tools.build.headless import browser_paths, chromium, served

ROOT = Path(__file__).resolve().parents[3]
PDF = "_static/hierlib-book.pdf"  # below the rendered pages
FRONT = "book/index.html"
LINK_MARK = '<p class="book-pdf">'
PAPER = {"paperWidth": 8.27, "paperHeight": 11.69}  # inches: A4
MARGINS = {"marginTop": 0.7, "marginBottom": 0.8, "marginLeft": 0.75, "marginRight": 0.75}

# Solutions and their cells are opened; the folded source of figures is left out.
PREPARE = """
const done = arguments[arguments.length - 1];
document.documentElement.dataset.theme = 'light';
for (const folded of document.querySelectorAll('details')) {
  const cell = folded.closest('.cell');
  if (cell?.matches('.tag_hide-input:not(.tag_hide-output)')) folded.remove();
  else folded.open = true;
}
document.querySelectorAll('.toggle-hidden').forEach(box => box.classList.remove('toggle-hidden'));
const images = [...document.images];
images.forEach(image => { image.loading = 'eager'; });
const ready = window.MathJax?.startup?.promise ?? Promise.resolve();
Promise.all([ready, document.fonts.ready, ...images.map(image => image.decode().catch(() => null))])
  .then(() => done(document.querySelector('article h1')?.textContent.replace('#', '').trim() ?? document.title));
"""

TITLE_STYLE = """
body { font: 11pt/1.5 Georgia, serif; margin: 0; }
h1 { font-size: 26pt; line-height: 1.2; margin: 5cm 0 0.4cm; }
.under { color: #555; margin-bottom: 1cm; } .contents { break-before: page; font-size: 10pt; line-height: 1.35; }
.part { font-weight: bold; margin: 0.5cm 0 0.1cm; }
.row { display: flex; gap: 0.5em; } .dots { border-bottom: 1px dotted #999; flex: 1; margin-bottom: 0.35em; }
"""
NUMBER_STYLE = """
body { font: 9pt Georgia, serif; color: #444; margin: 0; }
div { height: 9.9in; position: relative; break-after: page; } div:last-child { break-after: auto; }
span { position: absolute; bottom: -0.2in; left: 0; right: 0; text-align: center; }
"""


@dataclass
class Part:
    """A printed page of the book: its address below the site, its heading and its sheets."""

    page: str
    caption: str
    title: str
    reader: PdfReader


def print_current(session: webdriver.Chrome, scale: float) -> PdfReader:
    """Print the page that the browser shows."""
    settings = {"printBackground": True, "scale": scale, "preferCSSPageSize": False, **PAPER, **MARGINS}
    return PdfReader(io.BytesIO(b64decode(session.execute_cdp_cmd("Page.printToPDF", settings)["data"])))


def print_markup(session: webdriver.Chrome, style: str, body: str) -> PdfReader:
    """Print a page that is not part of the site."""
    session.get("about:blank")
    markup = f"<!doctype html><meta charset='utf-8'><style>{style}</style>{body}"
    session.execute_script("document.open(); document.write(arguments[0]); document.close();", markup)
    return print_current(session, 1.0)


def table_of_contents(root: Path) -> list[tuple[str, str]]:
    """List the pages with the caption of their part."""
    toc = yaml.safe_load((root / "_toc.yml").read_text())
    chapters = [(entry["file"], part["caption"]) for part in toc["parts"] for entry in part["chapters"]]
    return [(f"{page}.html", caption) for page, caption in [(toc["root"], ""), *chapters]]


def print_parts(session: webdriver.Chrome, origin: str, pages: list[tuple[str, str]]) -> list[Part]:
    """Print the pages in reading order."""
    parts = []
    for page, caption in pages:
        session.get(origin + page)
        title = session.execute_async_script(PREPARE)
        parts.append(Part(page, caption, title, print_current(session, 0.8)))
    return parts


def contents(title: str, parts: list[Part], first: list[int]) -> str:
    """Write the title page and the contents."""
    rows, caption = [], None
    for part, number in zip(parts, first, strict=True):
        if part.caption and part.caption != caption:
            rows.append(f"<div class=part>{html.escape(part.caption)}</div>")
        caption = part.caption
        rows.append(f"<div class=row><span>{html.escape(part.title)}</span><span class=dots></span>{number}</div>")
    under = "A runnable edition of arXiv:2605.14567, with the library hierlib"
    listed = f"<div class=contents><h2>Contents</h2>{''.join(rows)}</div>"
    return f"<h1>{html.escape(title)}</h1><p class=under>{under}</p>{listed}"


def assemble(session: webdriver.Chrome, title: str, parts: list[Part], origin: str) -> PdfWriter:
    """Merge title page, parts and page numbers; set bookmarks and links."""
    lengths = [len(part.reader.pages) for part in parts]
    front = len(print_markup(session, TITLE_STYLE, contents(title, parts, lengths)).pages)
    first = [front + sum(lengths[:k]) + 1 for k in range(len(parts))]
    writer = PdfWriter()
    writer.append(print_markup(session, TITLE_STYLE, contents(title, parts, first)), import_outline=False)
    for part in parts:
        writer.append(part.reader, import_outline=False)
    numbers = "".join(f"<div><span>{k if k > 1 else ''}</span></div>" for k in range(1, len(writer.pages) + 1))
    for page, number in zip(writer.pages, print_markup(session, NUMBER_STYLE, numbers).pages, strict=True):
        page.merge_page(number)

    writer.add_outline_item("Contents", page_number=1 if front > 1 else 0)
    above: dict[str, object] = {}
    for part, number in zip(parts, first, strict=True):
        if part.caption and part.caption not in above:
            above[part.caption] = writer.add_outline_item(part.caption, page_number=number - 1, bold=True)
        writer.add_outline_item(part.title, page_number=number - 1, parent=above.get(part.caption))
    link_inside(writer, origin, {part.page: number - 1 for part, number in zip(parts, first, strict=True)})
    writer.add_metadata({"/Title": title, "/Subject": "Runnable edition of arXiv:2605.14567"})
    writer.compress_identical_objects()
    return writer


def link_inside(writer: PdfWriter, origin: str, starts: dict[str, int]) -> None:
    """Let links to the local server lead to the first sheet of their page; drop those to pages that are not printed."""
    for sheet in writer.pages:
        kept = ArrayObject()
        for reference in sheet.get("/Annots", ArrayObject()):
            link = reference.get_object()
            address = str(link.get("/A", {}).get("/URI", ""))
            if address.startswith(origin):
                start = starts.get(urldefrag(address.removeprefix(origin)).url)
                if start is None:
                    continue
                del link["/A"]
                target = writer.pages[start].indirect_reference
                link[NameObject("/Dest")] = ArrayObject([target, NameObject("/Fit")])
            kept.append(reference)
        if "/Annots" in sheet:
            sheet[NameObject("/Annots")] = kept


def offer(site: Path) -> None:
    """Put the download link below the heading of the front page, whose time stamp stays."""
    page = site / FRONT
    text = page.read_text()
    if LINK_MARK not in text:
        size = (site / PDF).stat().st_size / 2**20
        link = f'{LINK_MARK}<a href="../{PDF}" download>Download the book as PDF</a> ({size:.1f} MB)</p>'
        rewrite(page, text.replace("</h1>", f"</h1>\n{link}", 1))


def print_book(root: Path) -> int | None:
    """Print the rendered book; return the number of sheets, or None without a browser."""
    paths = browser_paths()
    if paths is None:
        return None
    site = root / "_build/html"
    title = yaml.safe_load((root / "_config.yml").read_text())["title"]
    with served(site) as origin, chromium(*paths, width=1000, height=1300) as session:
        parts = print_parts(session, origin, table_of_contents(root))
        writer = assemble(session, title, parts, origin)
    temporary = (site / PDF).with_suffix(".part")
    writer.write(temporary)
    temporary.replace(site / PDF)
    offer(site)
    return len(writer.pages)


def main() -> int:
    """Print the book of this checkout."""
    sheets = print_book(ROOT)
    if sheets is None:
        print("No PDF: needs Chromium and its driver (Debian: apt-get install chromium chromium-driver).")
        return 1
    print(f"{ROOT / '_build/html' / PDF}: {sheets} pages")
    return 0


if __name__ == "__main__":
    sys.exit(lifetime.supervise(main, kept="The pages are as they were."))
