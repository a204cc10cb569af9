"""What serves the notebooks only.

A chapter checks its ``parameters`` first and its ``claims`` as it goes, reads tables that are ``stored``, draws with
``plotting`` and offers what a figure shows as ``figure_data``; ``explorer`` computes the tables behind the interactive
page.
"""

from hierlib.chapters.claims import ClaimsNotMet, check_claim, open_ledger, report_claims
from hierlib.chapters.explorer import FeatureCurves, explorer_tables, feature_curves, label_transform, positive_weights
from hierlib.chapters.figure_data import FIRST_LINE, figure_data, offer
from hierlib.chapters.parameters import check_cost, check_parameters
from hierlib.chapters.plotting import draw_learning_curve, draw_spectrum, draw_target, sequence_colors, set_style
from hierlib.chapters.stored import load_table

__all__ = [
    "FIRST_LINE",
    "ClaimsNotMet",
    "FeatureCurves",
    "check_claim",
    "check_cost",
    "check_parameters",
    "draw_learning_curve",
    "draw_spectrum",
    "draw_target",
    "explorer_tables",
    "feature_curves",
    "figure_data",
    "label_transform",
    "load_table",
    "offer",
    "open_ledger",
    "positive_weights",
    "report_claims",
    "sequence_colors",
    "set_style",
]
