r"""How much of the target was recovered: overlaps, alignments and normalised error (paper, appendix A).

All measures of directions depend on the row spaces (or single rows) of the matrices alone: neither sign, nor scale,
nor the order of the learned rows matters. Cost: a QR factorisation of matrices of shape (n_features, dim).
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import svdvals

from hierlib.checks import check_array
from hierlib.engine.scaling import column_norms, power_of_two, varies

__all__ = ["alignment", "feature_overlap", "normalized_mse", "principal_angles", "subspace_overlap"]


def subspace_overlap(learned: np.ndarray, true: np.ndarray) -> float:
    r"""Share of the true row space that the learned one contains.

    .. math:: q = \|Q^\top \hat Q\|_F^2 / d_1,

    with orthonormal bases of the two row spaces; the mean squared cosine of their principal angles when both have
    d1 dimensions. A random learned space of d1 dimensions gives d1/D on average.

    Parameters
    ----------
    learned : array_like, shape (n_learned, dim)
        Learned directions, linearly independent.
    true : array_like, shape (n_features, dim)
        True directions, linearly independent.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If the shapes do not fit or the rows of a matrix are linearly dependent.

    References
    ----------
    Paper, equation (A.2), on the directions A (see `feature_overlap` for its form on the features).

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.model.metrics import subspace_overlap
    >>> round(subspace_overlap(np.eye(4)[[0, 2]], np.eye(4)[[0, 1]]), 3)
    0.5
    """
    learned, true = _pair(learned, true)
    return float(np.sum((_basis("true", true).T @ _basis("learned", learned)) ** 2) / len(true))


def feature_overlap(learned: np.ndarray, true: np.ndarray) -> float:
    r"""Subspace overlap of the feature matrices themselves, rather than of the directions.

    The column spaces of the centred :math:`h^{(1)}(x_\mu)` and :math:`\hat h^{(1)}(x_\mu)` over a sample
    replace the row spaces of A and its estimate. Tends to `subspace_overlap` as the number of samples grows, since
    the Hermite features are orthonormal.

    Parameters
    ----------
    learned : array_like, shape (n_samples, n_learned)
        Learned features of a sample.
    true : array_like, shape (n_samples, n_features)
        True features of the same sample.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If the shapes do not fit or columns are linearly dependent.

    References
    ----------
    Paper, equation (A.2), on the features.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.model.metrics import feature_overlap
    >>> h = np.array([[1.0, 2.0], [0.0, 1.0], [3.0, 1.0], [1.0, 5.0]])
    >>> round(feature_overlap(-2 * h, h), 3)
    1.0
    """
    true = check_array("true", true, shape=(None, None)).astype(float)
    learned = check_array("learned", learned, shape=(len(true), None)).astype(float)
    return subspace_overlap((learned - learned.mean(axis=0)).T, (true - true.mean(axis=0)).T)


def alignment(learned: np.ndarray, true: np.ndarray) -> np.ndarray:
    r"""Squared cosine between each true direction and the learned row space.

    .. math:: \cos^2\theta_i = \|\hat U^\top u_i\|^2, \qquad u_i = A_i/\|A_i\|.

    Parameters
    ----------
    learned : array_like, shape (n_learned, dim)
        Learned directions, linearly independent.
    true : array_like, shape (n_features, dim)
        True directions, none of them zero.

    Returns
    -------
    ndarray, shape (n_features,)
        Between 0 and 1; n_learned/D on average for a random learned space.

    Raises
    ------
    ValueError
        If the shapes do not fit, the learned rows are linearly dependent, or a true row is zero.

    References
    ----------
    Paper, equation (A.3).

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.model.metrics import alignment
    >>> alignment(np.array([[1.0, 1.0, 0.0]]), np.eye(3)).round(3)
    array([0.5, 0.5, 0. ])
    """
    learned, true = _pair(learned, true)
    norms = column_norms(true.T)
    if not norms.all():
        msg = f"true must have nonzero rows, got zero in row {int(np.argmin(norms))}."
        raise ValueError(msg)
    return np.sum((true / norms[:, None] @ _basis("learned", learned)) ** 2, axis=1)


def principal_angles(learned: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Principal angles between the two row spaces, in radians, largest first.

    Parameters
    ----------
    learned : array_like, shape (n_learned, dim)
        Learned directions, linearly independent.
    true : array_like, shape (n_features, dim)
        True directions, linearly independent.

    Returns
    -------
    ndarray, shape (min(n_learned, n_features),)
        Between 0 and pi/2, accurate at both ends (computed from sines and cosines).

    Raises
    ------
    ValueError
        If the shapes do not fit or the rows of a matrix are linearly dependent.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.model.metrics import principal_angles
    >>> principal_angles(np.eye(4)[[0, 2]], np.eye(4)[[0, 1]]).round(3)
    array([1.571, 0.   ])
    """
    learned, true = _pair(learned, true)
    narrow, wide = sorted((_basis("learned", learned), _basis("true", true)), key=lambda basis: basis.shape[1])
    cosines = wide.T @ narrow
    # scipy.linalg.subspace_angles resolves small angles only if no other is above pi/4; both coordinates always do.
    return np.arctan2(svdvals(narrow - wide @ cosines), svdvals(cosines)[::-1])


def normalized_mse(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    r"""Mean squared error over the variance of the labels, :math:`1 - R^2`.

    Parameters
    ----------
    y_true : array_like, shape (n_samples,)
        Labels, not all equal.
    y_pred : array_like, shape (n_samples,)
        Predictions.

    Returns
    -------
    float
        0 for perfect predictions, 1 for the mean label everywhere.

    Raises
    ------
    ValueError
        If the lengths differ, an entry is not finite, or all labels are equal.

    References
    ----------
    Paper, equation (A.1).

    Examples
    --------
    >>> from hierlib.model.metrics import normalized_mse
    >>> round(normalized_mse([0.0, 2.0, 4.0], [0.0, 2.0, 3.0]), 3)
    0.125
    """
    y_true = check_array("y_true", y_true, shape=(None,)).astype(float)
    y_pred = check_array("y_pred", y_pred, shape=(len(y_true),)).astype(float)
    if not (y_true.size and varies(y_true)):
        value = f"{y_true[0]} everywhere" if y_true.size else "no labels"
        msg = f"y_true must not be constant, got {value}."
        raise ValueError(msg)
    # Over the size of the labels: squares of small or large ones do not fit into floating-point numbers.
    unit = power_of_two(y_true)
    return float(np.mean((y_true / unit - y_pred / unit) ** 2) / np.var(y_true / unit))


def _pair(learned: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    true = check_array("true", true, shape=(None, None)).astype(float)
    return check_array("learned", learned, shape=(None, true.shape[1])).astype(float), true


def _basis(name: str, rows: np.ndarray) -> np.ndarray:
    """Orthonormal basis of a row space, shape (dim, n_rows)."""
    norms = column_norms(rows.T)
    # Of unit rows, as the space does not depend on their scale.
    basis, triangle = np.linalg.qr((rows / np.where(norms > 0, norms, 1.0)[:, None]).T)
    if len(rows) > rows.shape[1] or np.abs(np.diag(triangle)).min(initial=1.0) <= 1e-10:
        msg = f"{name} must have linearly independent rows, got a numerically dependent set of shape {rows.shape}."
        raise ValueError(msg)
    return basis
