"""Name the library's version at the foot of every page; `book/_tools/build/edition.py` adds the commit."""

from __future__ import annotations

import hierlib


def name_version(app, config):
    """Fill the footer that the theme leaves to the book."""
    config.html_theme_options["extra_footer"] = f'<p class="edition">hierlib {hierlib.__version__}</p>'


def setup(app):
    """Register the hook."""
    app.connect("config-inited", name_version)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
