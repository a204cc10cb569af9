"""The solvable hierarchical model of arXiv:2605.14567 and its layer-wise spectral estimator.

A room for each part of the story: ``engine`` (the moment matrix, fast), ``model`` (what is to be learned), ``theory``
(what mathematics expects), ``learn`` (the estimators), ``related`` (other solvable models) and ``chapters`` (what
serves the notebooks). A room's first lines say what it is for and hand on its public names; those below are the
shortest way in.
"""

__version__ = "0.1.0"

from hierlib.learn.estimator import HierarchicalSpectralRegressor
from hierlib.model.compositions import TreeTarget
from hierlib.model.target import HierarchicalTarget
from hierlib.theory.asymptotics import predict

__all__ = ["HierarchicalSpectralRegressor", "HierarchicalTarget", "TreeTarget", "predict"]
