"""Put the pages that were tested into the folder of all published versions. Uses the standard library alone.

    python -m _tools.publish.site seal _build/html              # right after the tests
    python -m _tools.publish.site add _build/html SITE latest   # or v1.2.0

``SITE/<version>`` is replaced as a whole and only by pages that are what was sealed; other versions stay as they are.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from pathlib import Path

from _tools.publish import checksums

LATEST = "latest"
VERSION = re.compile(r"latest|v\d+(\.\d+)*")
PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>{redirect}
</head>
<body>
<h1>{title}</h1>
<ul>
{items}
</ul>
</body>
</html>
"""


def add(html: Path, site: Path, version: str) -> None:
    """Make sealed pages the given version of a site; a ValueError leaves the site as it was."""
    if not VERSION.fullmatch(version):
        msg = f"version must be 'latest' or of the form v1.2.3, got {version!r}."
        raise ValueError(msg)
    checksums.verify(html)
    if not (html / "index.html").is_file():
        msg = f"{html} must hold a rendered book, but has no index.html."
        raise ValueError(msg)
    site.mkdir(parents=True, exist_ok=True)
    partial = site / f".{version}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(html, partial)
    shutil.rmtree(site / version, ignore_errors=True)
    partial.rename(site / version)
    write_entrance(site)


def versions(site: Path) -> list[str]:
    """List the published versions: the latest state first, then the releases, newest first."""
    found = [path.name for path in site.iterdir() if path.is_dir() and VERSION.fullmatch(path.name)]
    return sorted(found, key=lambda name: (name == LATEST, [int(n) for n in re.findall(r"\d+", name)]), reverse=True)


def write_entrance(site: Path) -> None:
    """List the versions, for readers and for programs, and lead the front page to the first of them."""
    names = versions(site)
    items = "\n".join(f'<li><a href="{name}/">{name}</a></li>' for name in names)
    redirect = f'\n<meta http-equiv="refresh" content="0; url={names[0]}/">'
    title = "Scaling laws from sequential feature recovery: versions"
    (site / "versions.json").write_text(json.dumps(names) + "\n")
    (site / "versions.html").write_text(PAGE.format(title=title, redirect="", items=items))
    (site / "index.html").write_text(PAGE.format(title=title, redirect=redirect, items=items))
    (site / ".nojekyll").touch()  # or GitHub Pages would leave out the folders that start with an underscore


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in ("seal", "add"):
        commands.add_parser(command).add_argument("html", type=Path)
    commands.choices["add"].add_argument("site", type=Path)
    commands.choices["add"].add_argument("version")
    options = parser.parse_args(arguments)
    if options.command == "seal":
        checksums.seal(options.html)
        return 0
    try:
        add(options.html, options.site, options.version)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
