"""Every symbol of the chapters' formulas is in the table of notation, with the meaning that it has there."""

import re
from pathlib import Path

import pytest
from _tools.build import contents

ROOT = Path(__file__).parents[1]
BOOK = ROOT / "book"
SOURCES = [contents.chapter_file(ROOT, name) for name in contents.chapters(ROOT)]
# Letters under an accent or in another alphabet are symbols of their own.
ACCENTS = "hat|tilde|bar|dot|mathcal|mathbb|mathbf"
# Words in formulas are no symbols.
WORDS = r"\\(?:text|mathrm|operatorname|begin|end|label)\s*\{[^{}]*\}|\{\\rm [^{}]*\}"
# What needs no explanation: layout, relations, operations and functions of school, indices, and the numbers e and pi.
LAYOUT = r"""
    \quad \qquad \, \frac \dfrac \tfrac \binom \displaystyle \underbrace \phantom \mathrm
    \big \bigl \bigr \Big \Bigl \Bigr \bigg \biggl \biggr \left \right
    \langle \rangle \lVert \rVert \lfloor \rfloor \dots
"""
RELATIONS = r"""
    \le \ge \ne \neq \ll \gg \lesssim \gtrsim \to \longrightarrow \mapsto \leftrightarrow \Longleftrightarrow \mid
    \pm \cdot \times \sum \prod \int \oint \partial \sqrt \min \max \log \exp \sin \cos \tanh \infty \pi
"""
STANDARD = {*LAYOUT.split(), *RELATIONS.split(), "e", "i", "j", "k", "l", "mathbb E", "mathbb R"}


def formulas(markdown):
    """List the formulas of a page, without code."""
    prose = re.sub(r"^```\{code-cell\}.*?^```$|`[^`$\n]*`", "", markdown, flags=re.DOTALL | re.MULTILINE)
    displays = r"\$\$(.*?)\$\$"
    inline = r"(?<!\\)\$(.+?)(?<!\\)\$"
    return re.findall(displays, prose, re.DOTALL) + re.findall(
        inline, re.sub(displays, "", prose, flags=re.DOTALL), re.DOTALL
    )


def symbols(formula):
    r"""Letters and commands of a formula, an accent with its letter: ``hat C``, ``\theta``, ``x``."""
    formula = re.sub(WORDS, " ", formula)
    accented = rf"\\({ACCENTS})(?![A-Za-z])\s*\{{?\s*(\\[A-Za-z]+|[A-Za-z])"
    found = {" ".join(pair) for pair in re.findall(accented, formula)}
    return found | set(re.findall(r"\\[A-Za-z]+|[A-Za-z]", re.sub(accented, " ", formula)))


def used(markdown):
    return {symbol for formula in formulas(markdown) for symbol in symbols(formula)} - STANDARD


def explained(page, label):
    """Symbols in the first columns of the tables, but for those of other chapters: a table's section names its own."""
    found = set()
    for section in re.split(r"^#+ ", page, flags=re.MULTILINE):
        chapters = re.findall(r"\{ref\}`(ch-[a-z-]+)`", section)
        if not chapters or label in chapters:
            rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("|")]
            found |= used(" ".join(rows))
    return found


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_every_symbol_of_a_chapter_is_in_the_table_of_notation(source):
    text = source.read_text()
    label = re.search(r"^\((ch-[a-z-]+)\)=$", text, re.MULTILINE)[1]
    missing = used(text) - explained((BOOK / "notation.md").read_text(), label)
    assert not missing, (
        f"explain {sorted(missing)} in book/notation.md, in a section that names {label} or in a common one"
    )


def test_symbols_are_told_from_words_accents_and_code():
    page = r"""Of $\hat C_{\mathrm{op}} \simeq \E x^2 \dots s$ and `$HOME`
```{code-cell}
print(r"$\beta$")
```
$$ \tilde{h}_i = \frac{\alpha}{2} \text{ if } $$ (eq-x)
"""
    assert used(page) == {"hat C", r"\simeq", r"\E", "s", "x", "tilde h", r"\alpha"}


def test_symbol_of_another_chapter_does_not_count():
    page = "## Common\n\n| $x$ | input |\n\n### One\n\nIn {ref}`ch-one`:\n\n| $y$ | label |\n"
    assert explained(page, "ch-one") == {"x", "y"}
    assert explained(page, "ch-two") == {"x"}
