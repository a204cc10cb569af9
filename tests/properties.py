"""How many inputs a property test draws: a plugin of pytest, for runs without this folder's fixtures too."""

from hypothesis import settings

# The same inputs in every run; `--hypothesis-profile thorough` draws new ones, fifty times as many.
settings.register_profile("ci", max_examples=25, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=50 * 25, deadline=None, derandomize=False)
settings.load_profile("ci")
