r"""The population moment matrix for inputs of any law: the part of recovery that no sample size changes.

For orthonormal centred features, the identity link and :math:`M=\sum_i\lambda_iA_iA_i^\top`,

.. math:: \mathbb E\hat C = \sqrt2\,\bigl(M+\tfrac12K_4[M]\bigr), \qquad
          K_4[B]_{ab} = \sum_{cd}\kappa(F_a,F_b,F_c,F_d)\,B_{cd},

with the joint fourth cumulants of the features. Not in the paper; the chapter *Other Inputs* derives it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from hierlib.checks import check_array, check_integer
from hierlib.engine.inputs import InputLaw, input_law
from hierlib.theory.perturbation import population_remainder

__all__ = ["population_matrix"]


def population_matrix(
    inputs: str | InputLaw, directions: ArrayLike, weights: ArrayLike, *, degree: int = 1
) -> np.ndarray:
    r"""Return :math:`\mathbb E\hat C`, the moment matrix of infinitely many samples weighted by y, identity link.

    At degree 1 independent entries with excess kurtosis :math:`\kappa_4` have
    :math:`K_4[B]=\kappa_4\,\mathrm{diag}\,B`. A direction with s entries of equal size has its eigenvalue
    :math:`\sqrt2\lambda` times :math:`1+\kappa_4/(2s)`, and there are s - 1 more eigenvalues,
    :math:`\sqrt2\lambda\kappa_4/(2s)`. On the sphere
    :math:`K_4[B]=-\frac2{d+2}\,(\mathrm{tr}(B)\,I+2B)`.

    Parameters
    ----------
    inputs : str or InputLaw
        Law of the inputs, as for `hierlib.engine.inputs.input_law`.
    directions : array_like, shape (n_features, dim)
        The :math:`A_i`, unit vectors.
    weights : array_like, shape (n_features,)
        The :math:`\lambda_i`.
    degree : int, default 1
        Degree q of the features; 2 for Gaussian inputs alone.

    Returns
    -------
    ndarray, shape (dim, dim)
        Symmetric.

    Raises
    ------
    ValueError
        If the shapes do not fit, rows of `directions` are not of norm 1, or the cumulants of the features are not
        known: those of degree 2 need eight moments of the law.

    Notes
    -----
    Cost: O(n_features dim^2).

    References
    ----------
    This book, chapter *Other Inputs*; for Gaussian inputs see
    `hierlib.theory.perturbation.population_remainder`.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.theory.population import population_matrix
    >>> spread = np.full((1, 4), 0.5)
    >>> (np.linalg.eigvalsh(population_matrix("rademacher", spread, [1.0])) / np.sqrt(2)).round(3)
    array([-0.25, -0.25, -0.25,  0.75])
    """
    law = input_law(inputs)
    degree = check_integer("degree", degree, low=1, high=2)
    rows = check_array("directions", directions, shape=(None, None)).astype(float)
    weights = check_array("weights", weights, shape=(len(rows),)).astype(float)
    norms = np.linalg.norm(rows, axis=1)
    if not np.allclose(norms, 1, rtol=0, atol=1e-6):
        worst = norms[np.abs(norms - 1).argmax()]
        msg = f"directions must have rows of norm 1, as the label's mean is 0 for these only, got norm {worst:.6g}."
        raise ValueError(msg)
    if degree == 2 and not law.gaussian:
        msg = (
            "degree must be 1 unless inputs are 'gauss': fourth cumulants of features of degree 2 need eight moments "
            f"of the law, got degree 2 and inputs {law.name!r}."
        )
        raise ValueError(msg)
    matrix, dim = (rows.T * weights) @ rows, rows.shape[1]
    if degree == 2:
        return np.sqrt(2) * matrix + population_remainder(rows, weights) @ np.eye(dim)
    if law.spherical:
        cumulants = -2 / (dim + 2) * (np.trace(matrix) * np.eye(dim) + 2 * matrix)
    else:
        cumulants = law.excess_kurtosis * np.diag(np.diag(matrix))
    return np.sqrt(2) * (matrix + cumulants / 2)
