"""Fixtures that several test modules share, and how many inputs a property test draws."""

import properties
from browser import browser, server

__all__ = ["browser", "properties", "server"]
