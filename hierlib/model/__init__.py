"""What is to be learned: the hierarchical target of the paper (``target``), and how well it was (``metrics``)."""

from hierlib.model.metrics import alignment, feature_overlap, normalized_mse, principal_angles, subspace_overlap
from hierlib.model.target import HierarchicalTarget

__all__ = [
    "HierarchicalTarget",
    "alignment",
    "feature_overlap",
    "normalized_mse",
    "principal_angles",
    "subspace_overlap",
]
