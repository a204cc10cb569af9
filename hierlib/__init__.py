"""The solvable hierarchical model of arXiv:2605.14567 and its layer-wise spectral estimator.

The names below are the public interface; every module's first lines say which equations it implements.
"""

__version__ = "0.1.0"

from hierlib.learn.estimator import HierarchicalSpectralRegressor
from hierlib.model.target import HierarchicalTarget
from hierlib.theory.asymptotics import predict

__all__ = ["HierarchicalSpectralRegressor", "HierarchicalTarget", "predict"]
