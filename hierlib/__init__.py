"""The solvable hierarchical model of arXiv:2605.14567 and its layer-wise spectral estimator.

The names below are the public interface; every module's first lines say which equations it implements.
"""

__version__ = "0.1.0"

from hierlib.spectral import HierarchicalSpectralRegressor
from hierlib.target import HierarchicalTarget

__all__ = ["HierarchicalSpectralRegressor", "HierarchicalTarget"]
