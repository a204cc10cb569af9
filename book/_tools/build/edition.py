"""Say at the foot of the rendered pages which commit they were built from.

Not Sphinx but `sign` writes it, into finished pages: a commit that changes no page costs no new rendering, and the
pages of a commit are the same however the build came to it. Without git, as in an unpacked archive, the version stays
alone.
"""

from __future__ import annotations

import os
import re
import subprocess
from html import escape
from pathlib import Path

import yaml

# What book/_ext/footer.py wrote, with or without an earlier commit.
LINE = re.compile(r'(<p class="edition">hierlib [^,<]+)[^\n]*</p>')
SHOWN_DIGITS = 7  # fixed: git's own abbreviation grows with the repository


def git(root: Path, *arguments: str) -> str:
    """Output of a git command in the repository."""
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout


def commit(root: Path) -> tuple[str, bool] | None:
    """Name of the current commit, and whether tracked files differ from it; None where `root` is no repository."""
    try:
        folder, name = git(root, "rev-parse", "--show-toplevel", "HEAD").splitlines()
        changed = bool(git(root, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return None
    # Not the commit of a repository in which an archive was unpacked.
    return (name, changed) if Path(folder).samefile(root) else None


def addition(root: Path) -> str:
    """HTML that follows the version: the commit, linked where the repository's address is configured."""
    found = commit(root)
    if found is None:
        return ""
    name, changed = found
    text = f"commit {name[:SHOWN_DIGITS]}"
    address = yaml.safe_load((root / "_config.yml").read_text()).get("repository", {}).get("url")
    if address:
        text = f'<a href="{escape(address)}/commit/{name}">{text}</a>'
    return f", {text}" + (", with changes" if changed else "")


def sign(root: Path) -> None:
    """Write the commit into all rendered pages."""
    following = addition(root)
    for page in (root / "_build/html").rglob("*.html"):
        text = page.read_text()
        signed = LINE.sub(lambda found: f"{found[1]}{following}</p>", text)
        if signed != text:
            rewrite(page, signed)


def rewrite(page: Path, text: str) -> None:
    """Write a rendered page and keep its times, which tell the build that no other command wrote it."""
    times = page.stat()
    page.write_text(text)
    os.utime(page, ns=(times.st_atime_ns, times.st_mtime_ns))
