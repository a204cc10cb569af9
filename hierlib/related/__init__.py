"""Other solvable models of scaling laws, to run beside the hierarchical one.

``linear_random_features`` fixes the representation, ``multitask_parity`` gives the skills in advance; ``fits`` measures
exponents. Nothing here imports the estimators of the hierarchical model.
"""

from hierlib.related import fits, linear_random_features, multitask_parity

__all__ = ["fits", "linear_random_features", "multitask_parity"]
