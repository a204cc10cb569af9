"""What is to be learned, and how well it was (``metrics``).

``target`` is the hierarchical target of the paper, ``compositions`` other functions of the same features; what they
share is in ``base``.
"""

from hierlib.model.base import Target
from hierlib.model.compositions import (
    CompositeTarget,
    HermiteLayer,
    Indices,
    QuadraticForm,
    Tree,
    TreeTarget,
    rank_one_directions,
)
from hierlib.model.metrics import alignment, feature_overlap, normalized_mse, principal_angles, subspace_overlap
from hierlib.model.target import HierarchicalTarget

__all__ = [
    "CompositeTarget",
    "HermiteLayer",
    "HierarchicalTarget",
    "Indices",
    "QuadraticForm",
    "Target",
    "Tree",
    "TreeTarget",
    "alignment",
    "feature_overlap",
    "normalized_mse",
    "principal_angles",
    "rank_one_directions",
    "subspace_overlap",
]
