"""Pack the sources, the executed notebooks and the rendered pages into one file for a long-term archive.

``_build/hierlib-<version>.zip`` holds the tracked files of the current commit, the pages under ``html/``, the book as
PDF if there is one, the commit's name and the sums of all of these. Equal content gives an equal file: entries
are sorted and carry the date of ``CITATION.cff`` and no trace of the machine.
"""

from __future__ import annotations

import sys
import tempfile
import zipfile
from pathlib import Path

import yaml

from _tools.build import build_book
from _tools.build.edition import git
from _tools.publish import checksums

ROOT = Path(__file__).resolve().parents[3]


def members(root: Path) -> dict[str, Path]:
    """Files of the archive by their name in it; a ValueError if they do not belong to one commit and a whole book."""
    if changed := git(root, "status", "--porcelain", "--untracked-files=no"):
        msg = f"tracked files must be as committed, but these differ:\n{changed}"
        raise ValueError(msg)
    missing = [str(page) for page in build_book.rendered(root) if not page.is_file()]
    if missing or not (root / "_build/html.stamp").is_file():
        msg = f"_build/html must hold the whole book (make book), missing: {', '.join(missing) or 'its stamp'}."
        raise ValueError(msg)
    tracked = {name: root / name for name in git(root, "ls-files", "-z").split("\0") if name}
    html = {f"html/{name}": path for name, path in checksums.files_under(root / "_build/html").items()}
    return {**tracked, **html, **{path.name: path for path in (root / "_build").glob("*.pdf")}}


def write(root: Path) -> Path:
    """Write the archive and return its path."""
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    folder = f"hierlib-{citation['version']}"
    target = root / f"_build/{folder}.zip"
    partial = target.with_suffix(".partial")
    date = citation["date-released"].timetuple()[:6]
    with tempfile.TemporaryDirectory() as scratch:
        commit, sums = Path(scratch) / "COMMIT", Path(scratch) / checksums.NAME
        commit.write_text(git(root, "rev-parse", "HEAD"))
        files = {**members(root), "COMMIT": commit}
        sums.write_text(checksums.listing(files))
        files[checksums.NAME] = sums
        with zipfile.ZipFile(partial, "w") as archive:
            for name in sorted(files):
                entry = zipfile.ZipInfo(f"{folder}/{name}", date)
                entry.create_system = 3  # Unix, whatever the machine
                executable = files[name].stat().st_mode & 0o100
                entry.external_attr = (0o100755 if executable else 0o100644) << 16
                archive.writestr(entry, files[name].read_bytes(), zipfile.ZIP_DEFLATED, 9)
    partial.replace(target)
    return target


def main(*, root: Path = ROOT) -> int:
    """Write the archive; return the exit status."""
    try:
        target = write(root)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{target} ({target.stat().st_size / 2**20:.0f} MiB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
