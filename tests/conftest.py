"""Fixtures that several test modules share, and how many inputs a property test draws."""

from browser import browser, server
from hypothesis import settings

__all__ = ["browser", "server"]

# The same inputs in every run; `--hypothesis-profile thorough` draws new ones, fifty times as many.
settings.register_profile("ci", max_examples=25, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=50 * 25, deadline=None, derandomize=False)
settings.load_profile("ci")
