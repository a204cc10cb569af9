"""Read what a chapter says of its parameters, and write the page that lists them all, ``book/parameters.md``.

A chapter's source has the defaults in its cell `parameters`, the meanings in the table above that cell, and the
allowed values in the call of `hierlib.chapters.parameters.check_parameters` right below. The page is made from these,
with the run times of ``book/run_times.csv``; ``make refresh`` writes it, ``make book`` renders it as it would be
written.
"""

from __future__ import annotations

import ast
import csv
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import jupytext

from _tools.build import contents

PAGE = "book/parameters"
INTRODUCTION = Path(__file__).with_name("parameters_introduction.md")
RUN_TIMES = "book/run_times.csv"
COMMAND_WIDTH = 64


@dataclass(frozen=True)
class Parameter:
    """One parameter of a chapter: what its table, its default and its check say."""

    name: str
    meaning: str
    stated: tuple[str, str]  # default and allowed values in the words of the table
    default: object
    spec: object  # as `check_parameters` takes it
    increasing: bool = False

    @property
    def kind(self) -> str:
        """Type of the value, in words."""
        return _kind(self.spec)

    @property
    def allowed(self) -> str:
        """Allowed values, in the words of the tables."""
        return _allowed(self.spec) + (", increasing" if self.increasing else "")


@dataclass(frozen=True)
class Chapter:
    """A chapter's name (``prediction``), label, title and parameters."""

    name: str
    page: str  # path of its file without suffix, ``book/foundations/prediction``
    label: str
    title: str
    parameters: tuple[Parameter, ...]

    @property
    def command(self) -> str:
        """Papermill's command line with every parameter at its default, in lines that fit a page."""
        lines = [f"papermill {self.page}.ipynb out.ipynb"]
        for option in (_option(parameter.name, parameter.default) for parameter in self.parameters):
            if len(lines) == 1 or len(lines[-1]) + len(option) > COMMAND_WIDTH:
                lines.append(f"    {option}")
            else:
                lines[-1] += f" {option}"
        return " \\\n".join(lines)


def read_chapter(root: Path, name: str) -> Chapter:
    """Read a chapter's parameters; a ValueError says which part is missing."""
    path = contents.chapter_file(root, name)
    cells = jupytext.read(path).cells
    found = [i for i, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", [])]
    if len(found) != 1:
        msg = f"{path.name} must have one cell tagged `parameters`, got {len(found)}."
        raise ValueError(msg)
    position = found[0]
    defaults = {
        statement.targets[0].id: ast.literal_eval(statement.value)
        for statement in ast.parse(cells[position].source).body
    }
    specs = _specs(cells[position + 1].source, path.name)
    claimed, increasing = specs.pop("defaults", None), specs.pop("increasing", ())
    if claimed != defaults:
        msg = f"{path.name}: check_parameters must be given defaults={defaults}, got {claimed}."
        raise ValueError(msg)
    prose = "\n".join(cell.source for cell in cells[:position] if cell.cell_type == "markdown")
    rows = _table(prose)
    for where, names in {"the table": rows, "check_parameters": specs}.items():
        if list(names) != list(defaults):
            msg = f"{path.name}: {where} must have the parameters {list(defaults)}, in this order, got {list(names)}."
            raise ValueError(msg)
    label, title = re.search(r"^\((ch-[a-z0-9-]+)\)=\n# (.+)$", path.read_text(), flags=re.MULTILINE).groups()
    parameters = (
        Parameter(n, rows[n][0], tuple(rows[n][1:]), defaults[n], specs[n], n in increasing) for n in defaults
    )
    page = path.relative_to(root).with_suffix("").as_posix()
    return Chapter(name, page, label, title, tuple(parameters))


def _specs(cell: str, name: str) -> dict[str, object]:
    # Below it the same cell may refuse what would take too long (`check_cost`).
    match ast.parse(cell).body:
        case [ast.Expr(ast.Call(func=ast.Name("check_parameters"), keywords=keywords)), *_]:
            return {keyword.arg: _evaluate(keyword.value) for keyword in keywords}
    msg = f"{name}: the cell below the parameters must be a call of check_parameters, got {cell!r}."
    raise ValueError(msg)


def _evaluate(node: ast.expr) -> object:
    match node:  # 2 * [(1.0, 3.0)] is the one thing that is no literal
        case ast.BinOp(ast.Constant(count), ast.Mult(), ast.List(items)):
            return count * [ast.literal_eval(item) for item in items]
    return ast.literal_eval(node)


def _table(prose: str) -> dict[str, list[str]]:
    rows = {}
    for line in prose.splitlines():
        if row := re.match(r"\| `(\w+)` \|(.*)\|$", line):
            rows[row[1]] = [cell.strip() for cell in re.split(r"(?<!\\)\|", row[2])]
    return rows


def _kind(spec: object) -> str:
    if isinstance(spec, list):
        return f"list of {_kind(spec[0])}s"
    if isinstance(spec[0], str):
        return "string"
    return "number" if any(isinstance(bound, float) for bound in spec) else "integer"


def _allowed(spec: object) -> str:
    if isinstance(spec, list):
        count = f"at least {len(spec)} values, " if len(spec) > 1 else ""
        return f"{count}each {_allowed(spec[0])}"
    if isinstance(spec[0], str):
        return ", ".join(f"`{choice}`" for choice in spec)
    low, high = (bound if bound is None or isinstance(bound, int) else f"{bound:g}" for bound in spec)
    if high is None:
        return f"at least {low}"
    return f"at most {high}" if low is None else f"{low} to {high}"


def _option(name: str, value: object) -> str:
    if isinstance(value, list):
        return "-y " + shlex.quote(f"{name}: {value}")
    return f"-p {name} {shlex.quote(str(value))}"


def run_times(root: Path) -> dict[str, str]:
    """Measured seconds of processor time by chapter."""
    path = root / RUN_TIMES
    if not path.is_file():
        return {}
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return {row["chapter"]: row["seconds"] for row in csv.DictReader(lines)}


def page(root: Path, names: list[str]) -> str:
    """Text of ``book/parameters.md`` for these chapters."""
    times = run_times(root)
    return "\n".join([INTRODUCTION.read_text(), *(_section(read_chapter(root, name), times) for name in names)])


def _section(chapter: Chapter, times: dict[str, str]) -> str:
    measured = f"{times[chapter.name]} s" if chapter.name in times else "not measured"
    rows = [f"| `{p.name}` | {p.meaning} | {p.kind} | {p.default} | {p.allowed} |" for p in chapter.parameters]
    return "\n".join(
        [
            f"## {chapter.title}",
            "",
            f"Chapter {{ref}}`{chapter.label}`. Processor time at the defaults: {measured}.",
            "",
            "| parameter | meaning | type | default | allowed |",
            "|---|---|---|---|---|",
            *rows,
            "",
            "```console",
            chapter.command,
            "```",
            "",
        ]
    )


def write_page(root: Path, names: list[str], target: Path) -> bool:
    """Write ``book/parameters.md`` in the folder `target` if it is out of date; return whether it was."""
    path, text = target / f"{PAGE}.md", page(root, names)
    if path.is_file() and path.read_text() == text:
        return False
    path.write_text(text)
    return True
