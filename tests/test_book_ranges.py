"""Every chapter runs at the ends of its documented ranges: the table says so, and a quick part of it is repeated."""

import json
from pathlib import Path

import pytest
from _tools.build import chapter_parameters, contents
from _tools.build.chapter_parameters import Parameter
from _tools.check import ranges

ROOT = Path(__file__).parents[1]
CHAPTERS = contents.chapters(ROOT)
STORED = ranges.stored(ROOT)
QUICK = 20  # seconds of processor time in the table: what a setting may take that is run again with every test


def settings(name):
    return ranges.settings(chapter_parameters.read_chapter(ROOT, name))


def parameter(name, default, spec, *, increasing=False):
    return Parameter(name, "", ("", ""), default, spec, increasing)


def test_ends_are_those_of_the_range():
    assert ranges.ends(parameter("d", 32, (16, 60))) == [16, 60]
    assert ranges.ends(parameter("link", "tanh", ("identity", "tanh"))) == ["identity", "tanh"]


def test_lists_are_shortest_at_the_low_end_and_reach_the_high_end():
    assert ranges.ends(parameter("dims", [50, 100, 400], 2 * [(30, 400)])) == [[30, 31], [50, 100, 400]]
    assert ranges.ends(parameter("alphas", [1.6, 2.0, 2.4], 2 * [(1.0, 3.0)])) == [[1.0, 1.05], [1.6, 2.0, 3.0]]


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_range_but_that_of_a_seed_has_two_ends(name):
    for one in chapter_parameters.read_chapter(ROOT, name).parameters:
        bounds = one.spec[0] if isinstance(one.spec, list) else one.spec
        assert one.name == "seed" or None not in bounds, one


@pytest.mark.parametrize("name", CHAPTERS)
def test_random_settings_are_inside_the_ranges_and_always_the_same(name):
    chapter = chapter_parameters.read_chapter(ROOT, name)
    drawn = ranges.settings(chapter)[-ranges.N_RANDOM :]
    assert drawn == ranges.settings(chapter)[-ranges.N_RANDOM :]
    for setting in drawn:
        for one in chapter.parameters:
            bounds = one.spec[0] if isinstance(one.spec, list) else one.spec
            values = setting[one.name] if isinstance(one.spec, list) else [setting[one.name]]
            for value in values:
                if isinstance(bounds[0], str):
                    assert value in bounds
                else:
                    assert bounds[0] <= value
                    assert bounds[1] is None or value <= bounds[1]


@pytest.mark.parametrize("name", CHAPTERS)
def test_table_holds_settings_of_today_and_none_crashed(name):
    wanted = {(name, json.dumps(setting)) for setting in settings(name)}
    found = {point for point in STORED if point[0] == name}
    assert found == wanted, "make ranges computes what is missing, and leaves out what is gone"
    crashed = {point: STORED[point][4] for point in found if STORED[point][4].startswith("crashed")}
    assert not crashed


@pytest.mark.parametrize("name", CHAPTERS)
def test_an_end_of_a_range_alone_takes_at_most_five_minutes(name):
    for setting in settings(name)[: -ranges.N_RANDOM]:
        row = STORED[name, json.dumps(setting)]
        assert row[4] == "finished", row
        assert float(row[2]) <= 300, row


def quickest(name):
    """The row of a chapter that took least, if the table has any."""
    rows = (row for point, row in STORED.items() if point[0] == name)
    return min(rows, key=lambda row: float(row[2]), default=None)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", [name for name in CHAPTERS if (row := quickest(name)) and float(row[2]) <= QUICK])
def test_chapter_runs_at_its_quickest_setting_as_the_table_says(name, tmp_path, monkeypatch):
    monkeypatch.setattr(ranges, "SCRATCH", tmp_path)
    stored = quickest(name)
    row = ranges.run(ROOT, name, json.loads(stored[1]))
    # All but seconds and memory.
    assert [row[0], row[1], *row[4:]] == [stored[0], stored[1], *stored[4:]]


SOURCE = """\
---
jupytext:
  text_representation: {extension: .md, format_name: myst}
kernelspec: {display_name: Python 3, language: python, name: python3}
---

```{code-cell}
from hierlib.chapters.claims import check_claim, report_claims
from hierlib.chapters.parameters import check_cost, check_parameters
```

```{code-cell}
:tags: [parameters]
n = 3
```

```{code-cell}
check_parameters(globals(), defaults={"n": 3}, n=(0, 8))
check_cost(seconds=1000.0 * n, reduce="n") if n > 6 else None
```

```{code-cell}
check_claim("claim-n", "n", 6 // n, 2, tolerance=0, because="division is exact")
report_claims()
```
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("n", "outcome", "missed"),
    [
        (3, "finished", ""),
        (2, "finished", "claim-n"),
        (0, "crashed: ZeroDivisionError: integer division or modulo by zero", ""),
        (7, "refused: n must be smaller: these values would take 7000 seconds on one core, and 1800 are allowed.", ""),
    ],
)
def test_row_tells_a_result_a_refusal_and_a_crash_apart(n, outcome, missed, tmp_path, monkeypatch):
    (tmp_path / "book/part").mkdir(parents=True)
    (tmp_path / "book/part/chapter.md").write_text(SOURCE)
    (tmp_path / "_toc.yml").write_text("root: book/index\nchapters: [{file: book/part/chapter}]\n")
    monkeypatch.setattr(ranges, "SCRATCH", tmp_path)
    row = dict(zip(ranges.FIELDS, ranges.run(tmp_path, "chapter", {"n": n}), strict=True))
    assert (row["outcome"], row["missed"], row["untested"]) == (outcome, missed, "")
    assert float(row["seconds"]) > 0
    assert 30 < row["mebibytes"] < 4000
