"""List every comparison of a prediction with a measurement, and whether a prediction wrong by a quarter would fail it.

``make mutate`` prints it. `hierlib.chapters.claims.check_claim` repeats each comparison with the prediction multiplied
by 1.25 and by 0.8 under the same tolerance; the result is in the last output of every executed notebook, which is read
here. The exit status is 1 if a wrong prediction would pass that is not listed below with the data that could tell.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat

from _tools.build import contents
from _tools.build.notebook import claims
from hierlib.chapters.claims import WRONG_FACTORS

ROOT = Path(__file__).resolve().parents[3]

# Claim and quantity of a comparison that cannot tell a quarter, and what could.
BLIND = {
    ("claim-every-ridge-excess", "exponent of the relative excess in N"): (
        "at x 0.8; theory gives the order alone, and 6000 draws each at N = 16, 32, 64 would tell"
    ),
}


@dataclass(frozen=True)
class Comparison:
    """A check of a chapter that has a prediction other than zero."""

    chapter: str
    claim: str
    quantity: str
    noticed: tuple[bool, ...]

    @property
    def excuse(self) -> str | None:
        """What data could tell, where these cannot."""
        return BLIND.get((self.claim, self.quantity))

    @property
    def passes(self) -> bool:
        """Whether every wrong prediction is noticed, or the reason why not is given."""
        return all(self.noticed) or self.excuse is not None


def comparisons(root: Path, names: list[str]) -> Iterator[Comparison]:
    """Read the comparisons of the stored notebooks, chapter after chapter."""
    for name in names:
        path = contents.chapter_file(root, name, ".ipynb")
        found = claims(nbformat.read(path, as_version=4))
        if found is None:
            msg = f"{path} has no list of claims: make refresh."
            raise ValueError(msg)
        for check in found["checks"]:
            if check["noticed"] is not None:
                yield Comparison(name, check["claim"], check["quantity"], tuple(check["noticed"]))


def main(root: Path = ROOT) -> int:
    """Print the table; return the exit status."""
    found = list(comparisons(root, contents.chapters(root)))
    for one in found:
        words = (
            f"x {factor} {'fails' if n else 'PASSES'}" for factor, n in zip(WRONG_FACTORS, one.noticed, strict=True)
        )
        reason = f"  ({one.excuse})" if one.excuse else ""
        print(f"{one.chapter} {one.claim}, {one.quantity}: {', '.join(words)}{reason}")
    excused = sum(one.excuse is not None for one in found)
    bad = [one for one in found if not one.passes]
    print(
        f"{len(found)} comparisons: {len(found) - excused - len(bad)} notice both, {excused} explained, {len(bad)} not"
    )
    unused = set(BLIND) - {(one.claim, one.quantity) for one in found if not all(one.noticed)}
    if unused:
        print(f"explained but noticed or gone: {sorted(unused)}")
    return int(bool(bad) or bool(unused))


if __name__ == "__main__":
    sys.exit(main())
