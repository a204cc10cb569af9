"""The map of the paper and the boxes of the chapters say the same."""

import re
from pathlib import Path

import pytest
from _tools.build import contents

ROOT = Path(__file__).parents[1]
BOOK = ROOT / "book"
SOURCES = [contents.chapter_file(ROOT, name) for name in contents.chapters(ROOT)]
BOX = re.compile(r"^```\{admonition\} In the paper\n:class: seealso\n(.*?)^```$", re.DOTALL | re.MULTILINE)
RANGE = re.compile(r"\(([A-D]|\d)\.(\d+)\)?(?: to |–|-)\(?\1\.(\d+)\)")
NUMBER = r"(?:[A-D]\.)?\d+(?:\.\d+)?"
NAMED = re.compile(rf"(Algorithm|Assumption|Corollary|Figure|Lemma|Theorem)s? ({NUMBER}(?:(?:,| and|, and) {NUMBER})*)")


def items(text):
    """Numbered statements, equations and figures that a text names, with ranges and lists written out."""
    text = RANGE.sub(lambda m: " ".join(f"({m[1]}.{number})" for number in range(int(m[2]), int(m[3]) + 1)), text)
    named = {f"{kind} {number}" for kind, numbers in NAMED.findall(text) for number in re.findall(NUMBER, numbers)}
    return named | set(re.findall(r"\((?:[A-D]|\d)\.\d+\)", text))


def mapped():
    """Items of the paper that the map places into each chapter."""
    rows = [line.split("|")[1:3] for line in (BOOK / "map.md").read_text().splitlines() if line.startswith("| ")]
    places = {}
    for paper, book in rows:
        for chapter in re.findall(r"\{(?:num)?ref\}`(?:[^`]*<)?(ch-[a-z-]+)>?`", book):
            places.setdefault(chapter, set()).update(items(paper))
    return places


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_box_of_a_chapter_names_what_the_map_places_there(source):
    text = source.read_text()
    label = re.search(r"^\((ch-[a-z-]+)\)=$", text, re.MULTILINE)[1]
    (box,) = BOX.findall(text)
    assert items(box) == mapped().get(label, set())


def test_ranges_lists_and_names_are_read():
    text = "Lemmas C.1 and C.2, equations (2.5), (D.8) to (D.10), (D.1 to D.2); Figure 4, left; Appendix D, Section 2.1"
    equations = {"(2.5)", "(D.1)", "(D.2)", "(D.8)", "(D.9)", "(D.10)"}
    assert items(text) == {"Lemma C.1", "Lemma C.2", "Figure 4"} | equations
