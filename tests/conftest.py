"""Fixtures that several test modules share."""

from browser import browser, server

__all__ = ["browser", "server"]
