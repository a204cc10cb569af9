r"""The label-weighted moment matrix of the features as a linear operator (paper, equation 2.6).

.. math:: \hat C = \frac1n \sum_\mu y_\mu \bigl(F(x_\mu) F(x_\mu)^\top - I_D\bigr)

is applied to k columns in one pass over the data: 4 n D k floating-point operations (for q = 2 about 2 n d^2 k), and
memory for a tile of samples a thread, not for n times D. Products are taken in float32 or float64, tile by tile, and
summed in float64: within a batch tile after tile, then batch after batch, in an order that the number of workers does
not change. Inputs may be numpy arrays, batches that are read or drawn anew in each pass, or an array of another library
(PyTorch, CuPy) on its own device. Where D is small, `MomentOperator.to_dense` gives the matrix itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, islice

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj, is_numpy_array
from scipy.sparse.linalg import LinearOperator

from hierlib._checks import check_array, check_choice, check_integer
from hierlib._kernels import ACCELERATOR_ROWS, GroupedKernel, QuadraticKernel, tile_width, to_numpy
from hierlib._parallel import ordered_map, progress
from hierlib.hermite import HermiteFeatures
from hierlib.target import InputBatch, VirtualSample

__all__ = ["MomentOperator", "collect_labels", "label_weights", "map_batches"]

# Rows of an array a task: small enough that a sample of some thousands keeps two cores busy.
ARRAY_BATCH = 2048
# Arrays are kept as tiles from the first product on, in the precision of the products, if these take less: 2 GiB.
MAX_KEPT_BYTES = 2**31
# Tasks of a pass over a virtual sample, at most: each sends a block of columns to a worker and sums back.
MAX_SHARDS = 1024
# Samples of an array of another library that are multiplied at once.
ACCELERATOR_TILE = 8192
# A dense matrix above this dimension takes more than 3 GiB.
MAX_DENSE_DIM = 20_000

Data = tuple[np.ndarray, np.ndarray] | Iterable[tuple[np.ndarray, np.ndarray]]


class MomentOperator(LinearOperator):
    r"""The matrix :math:`\frac1n \sum_\mu w_\mu (F(x_\mu) F(x_\mu)^\top - I_D)`, never formed.

    Parameters
    ----------
    data : tuple (X, y) or iterable of batches (X, y)
        Arrays of shapes (n_samples, d) and (n_samples,), or a data set that can be iterated again and again with the
        same result, such as ``HierarchicalTarget.stream``. An X of another library with the array API (PyTorch, CuPy)
        stays on its device and is multiplied there.
    weights : array_like, shape (n_samples,), optional
        The w, one a sample in order; the labels y by default. Fewer than there are samples select the first ones.
    degree : int, default 2
        Degree q of the features.
    normalize : bool, default False
        Compute the features from :math:`\sqrt d\,x/\|x\|` instead of x.
    dtype : {"float32", "float64"}, default "float32"
        Precision of the products; sums are float64 in any case.
    n_jobs : int, default -1
        Number of joblib workers: threads, unless a ``joblib.parallel_config`` says otherwise; -1 uses all cores.

    Attributes
    ----------
    shape : tuple
        (dim, dim).
    weights : ndarray, shape (n_samples,)
        The w.
    features : HermiteFeatures
        The feature map.
    samples_read : int
        Samples read so far, summed over all products.

    Raises
    ------
    ValueError
        If the data are empty, not finite, of unequal lengths, or not re-iterable, or an argument is out of range; in
        a product, if the data yield another number of samples than before.

    References
    ----------
    Paper, equation (2.6).

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib import HierarchicalTarget
    >>> from hierlib.moment import MomentOperator
    >>> X, y = HierarchicalTarget(d=6, seed=0).sample(500, seed=1)
    >>> operator = MomentOperator((X, y), dtype="float64")
    >>> V = np.eye(operator.shape[0])[:, :3]
    >>> bool(np.allclose(operator @ V, operator.to_dense() @ V))
    True
    """

    def __init__(
        self,
        data: Data,
        weights: np.ndarray | None = None,
        *,
        degree: int = 2,
        normalize: bool = False,
        dtype: str = "float32",
        n_jobs: int = -1,
    ) -> None:
        check_integer("degree", degree, low=1)
        n_inputs, labels = collect_labels(data, n_jobs=n_jobs) if weights is None else (_n_inputs(data), weights)
        if weights is not None and isinstance(data, tuple):
            for X, _ in _batches(data):
                check_array("X", X, shape=(None, n_inputs))
        self.data = data
        self._whole = weights is None
        self.weights = check_array("weights", labels, shape=(None,))
        if not len(self.weights):
            msg = "weights must hold at least one sample, got 0."
            raise ValueError(msg)
        self.features = HermiteFeatures(n_inputs, degree)
        self.normalize = normalize
        self.product_dtype = np.dtype(check_choice("dtype", dtype, ("float32", "float64")))
        self.n_jobs = n_jobs
        self.samples_read = 0
        self._kept_tiles: list | None = None
        super().__init__(np.dtype(float), (self.features.dim, self.features.dim))

    def head(self, n_samples: int) -> MomentOperator:
        """Return the operator of the first `n_samples` samples."""
        n_samples = check_integer("n_samples", n_samples, low=1, high=len(self.weights))
        return MomentOperator(
            self.data,
            self.weights[:n_samples],
            degree=self.features.degree,
            normalize=self.normalize,
            dtype=self.product_dtype.name,
            n_jobs=self.n_jobs,
        )

    def to_dense(self) -> np.ndarray:
        """Form the matrix: ndarray of float64, shape (dim, dim), in n_samples * dim**2 operations.

        Raises
        ------
        ValueError
            If dim is above 20 000.
        """
        dim = self.shape[0]
        if dim > MAX_DENSE_DIM:
            msg = f"dim must be <= {MAX_DENSE_DIM} to form the matrix, got {dim} ({dim**2 * 8 / 2**30:.0f} GiB)."
            raise ValueError(msg)
        # One worker: each would hold sums as large as the matrix.
        total = np.zeros(self.shape)
        for part in self._map_tiles(partial(_dense_sum, self.features), n_jobs=1):
            total += part
        total -= self.weights.sum() * np.eye(dim)
        return total / len(self.weights)

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        return self._matmat(v.reshape(-1, 1))

    def _matmat(self, V: np.ndarray) -> np.ndarray:
        X = self.data[0] if isinstance(self.data, tuple) else None
        if is_array_api_obj(X) and not is_numpy_array(X):
            products = self._multiply_there(X, V)
        else:
            kernel = self.features.kernel(V.shape[1])
            packed, sums = kernel.pack(np.asarray(V, dtype=self.product_dtype)), kernel.zero_sums()
            for part in self._map_tiles(partial(_packed_sums, kernel, packed), n_jobs=self.n_jobs):
                for total, term in zip(sums, part, strict=True):
                    total += term
            products = kernel.unpack(sums)
        self.samples_read += len(self.weights)
        return (products - self.weights.sum() * V) / len(self.weights)

    def _multiply_there(self, X, V: np.ndarray) -> np.ndarray:
        """Sum of F diag(w) F^T V over an array of another library, on its device."""
        if X.shape[0] < len(self.weights):
            raise _other_length(len(self.weights), X.shape[0])
        xp = array_namespace(X)
        dtype = getattr(xp, self.product_dtype.name)
        kernel = GroupedKernel(self.features.n_inputs, self.features.degree, V.shape[1], rows=ACCELERATOR_ROWS)
        packed, sums = kernel.pack(np.asarray(V, dtype=self.product_dtype), like=X), kernel.zero_sums(like=X)
        for start in range(0, len(self.weights), ACCELERATOR_TILE):
            weights = self.weights[start : start + ACCELERATOR_TILE]
            tile = xp.astype(X[start : start + len(weights), :], dtype).T
            tile = _normalized(tile) if self.normalize else tile
            kernel.add_product(sums, packed, tile, xp.asarray(weights, dtype=dtype, device=device(X)))
        return kernel.unpack(sums)

    def _map_tiles(self, function: Callable, n_jobs: int) -> Iterator:
        """Apply a function of the tiles of a shard, pairs (inputs, weights), to all shards in order."""
        prepare = partial(_tiles, self.normalize, self.product_dtype)
        numbers = len(self.weights) * self.features.n_inputs
        if isinstance(self.data, tuple) and numbers * self.product_dtype.itemsize <= MAX_KEPT_BYTES:
            if self._kept_tiles is None:
                self._kept_tiles = list(map_batches(prepare, self.data, self.weights, whole=self._whole, n_jobs=n_jobs))
            tiles = ((batch,) for batch in self._kept_tiles)
            return ordered_map(function, tiles, n_jobs=1 if len(self._kept_tiles) == 1 else n_jobs)
        # Recipes are small, so that many make a task; their number does not depend on that of the workers.
        total = len(self.data) if isinstance(self.data, VirtualSample) else None
        size = -(-total // MAX_SHARDS) if total else 1
        batches = _paired(self.data, self.weights, self._whole)
        shards = iter(lambda: list(islice(batches, size)), [])
        sums = ordered_map(_on_shard, ((function, prepare, shard) for shard in shards), n_jobs=n_jobs)
        return iter(progress(sums, total=total and -(-total // size), name="pass"))

    def _adjoint(self) -> MomentOperator:
        return self


def collect_labels(data: Data, *, n_jobs: int = -1) -> tuple[int, np.ndarray]:
    """Read the labels of a data set once, checking every batch.

    Parameters
    ----------
    data : tuple (X, y) or iterable of batches (X, y)
        As for `MomentOperator`.
    n_jobs : int, default -1
        Number of joblib workers.

    Returns
    -------
    n_inputs : int
        Number of columns of X.
    labels : ndarray, shape (n_samples,)
        The labels, in order.

    Raises
    ------
    ValueError
        If the data are empty, not finite, of unequal lengths or numbers of columns, or can be read only once.
    """
    n_inputs = _n_inputs(data)
    if isinstance(data, VirtualSample):
        batches = progress(data.batches(n_jobs=n_jobs), total=len(data), name="labels")
        labels = [check_array("y", y, shape=(None,)).astype(float) for _, y in batches]
    else:
        labels = []
        for X, y in _batches(data):
            X = check_array("X", X, shape=(None, n_inputs))
            labels.append(check_array("y", y, shape=(len(X),)).astype(float))
    return n_inputs, np.concatenate(labels)


def label_weights(y: np.ndarray, label_transform: str | Callable | None = None) -> np.ndarray:
    """Centre labels, or a function of the standardised labels, into weights of the moment matrix.

    Parameters
    ----------
    y : ndarray, shape (n_samples,)
        Labels.
    label_transform : {"tanh"} or callable, optional
        Applied to the labels at mean 0 and variance 1; by default the labels are centred and nothing else.

    Returns
    -------
    ndarray, shape (n_samples,)
        Weights of mean 0.

    Raises
    ------
    ValueError
        If `label_transform` is an unknown name, or does not return as many finite numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.moment import label_weights
    >>> label_weights(np.array([0.0, 0.0, 6.0]), "tanh").round(3)
    array([-0.499, -0.499,  0.998])
    """
    centred = y - y.mean()
    if label_transform is None:
        return centred
    if callable(label_transform):
        transform = label_transform
    else:
        check_choice("label_transform", label_transform, ("tanh",))
        transform = np.tanh
    weights = np.asarray(transform(centred / (centred.std() or 1.0)), dtype=float)
    if weights.shape != y.shape or not np.isfinite(weights).all():
        msg = f"label_transform must map {len(y)} labels to as many finite numbers, got shape {weights.shape}."
        raise ValueError(msg)
    return weights - weights.mean()


def map_batches(function, data: Data, weights: np.ndarray, *, whole: bool = False, n_jobs: int = -1) -> Iterator:
    """Apply ``function(X, weights)`` to the batches of a data set in parallel; yield the results in order.

    Parameters
    ----------
    function : callable
        Takes a batch X of shape (m, d) and its weights, shape (m,).
    data : tuple (X, y) or iterable of batches (X, y)
        As for `MomentOperator`; the y are not read.
    weights : ndarray, shape (n_samples,)
        One a sample in order; batches beyond the last weight are not read.
    whole : bool, default False
        Refuse data that hold more samples than there are weights.
    n_jobs : int, default -1
        Number of joblib workers.

    Yields
    ------
    object
        What `function` returned, batch after batch.

    Raises
    ------
    ValueError
        If the data hold fewer samples than there are weights, or more and `whole` is set.
    """
    if isinstance(data, tuple) and len(weights) <= ARRAY_BATCH:
        n_jobs = 1
    inputs = _paired(data, weights, whole)
    results = ordered_map(_call, ((function, batch, part) for batch, part in inputs), n_jobs=n_jobs)
    yield from progress(results, total=len(data) if isinstance(data, VirtualSample) else None, name="batches")


def _call(function, batch: np.ndarray | InputBatch, weights: np.ndarray):
    X = batch.draw() if isinstance(batch, InputBatch) else batch
    return function(X[: len(weights)], weights)


def _on_shard(function: Callable, prepare: Callable, shard: list):
    return function(chain.from_iterable(_call(prepare, batch, weights) for batch, weights in shard))


def _paired(data: Data, weights: np.ndarray, whole: bool) -> Iterator[tuple[np.ndarray | InputBatch, np.ndarray]]:
    start = 0
    for batch in _input_batches(data):
        size = batch.rows if isinstance(batch, InputBatch) else len(batch)
        if start < len(weights):
            yield batch, weights[start : start + size]
        start += size
        if start >= len(weights) and not whole:
            return
    if start == len(weights):
        return
    raise _other_length(len(weights), start)


def _other_length(expected: int, got: int) -> ValueError:
    return ValueError(f"data must yield the same samples on every pass: expected {expected}, got {got}.")


def _input_batches(data: Data) -> Iterable[np.ndarray | InputBatch]:
    return data.input_batches if isinstance(data, VirtualSample) else (X for X, _ in _batches(data))


def _batches(data: Data) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    if not isinstance(data, tuple):
        yield from ((np.asarray(X), np.asarray(y)) for X, y in data)
        return
    X, y = (array if is_array_api_obj(array) else np.asarray(array) for array in data)
    n = X.shape[0]
    if n != y.shape[0]:
        msg = f"y must have as many entries as X has rows, got {y.shape[0]} and {n}."
        raise ValueError(msg)
    for start in range(0, n, ARRAY_BATCH):
        # Not beyond the end: the array API leaves that undefined.
        stop = min(n, start + ARRAY_BATCH)
        yield to_numpy(X[start:stop, ...]), to_numpy(y[start:stop, ...])


def _n_inputs(data: Data) -> int:
    if isinstance(data, VirtualSample):
        return data.target.d
    if iter(data) is data:
        msg = f"data must be iterable more than once, got a {type(data).__name__}; pass a list or a stream object."
        raise ValueError(msg)
    first = next(islice(_batches(data), 1), None)
    if first is None or not len(first[0]):
        msg = "data must hold at least one sample, got an empty data set."
        raise ValueError(msg)
    return check_array("X", first[0], shape=(None, None)).shape[1]


def _tiles(normalize: bool, dtype: np.dtype, X: np.ndarray, weights: np.ndarray) -> list:
    """Split a batch into contiguous transposed tiles of inputs with their weights."""
    tiles, width = [], tile_width(X.shape[1])
    for start in range(0, len(X), width):
        tile = np.ascontiguousarray(X[start : start + width].T, dtype=dtype)
        tiles.append((_normalized(tile) if normalize else tile, weights[start : start + width].astype(dtype)))
    return tiles


def _normalized(tile):
    """Scale the columns to the square root of their length; columns of zeros stay."""
    xp = array_namespace(tile)
    norms = xp.sqrt(xp.sum(tile * tile, axis=0))
    return tile * (tile.shape[0] ** 0.5 / xp.where(norms > 0, norms, xp.ones_like(norms)))


def _packed_sums(kernel: QuadraticKernel | GroupedKernel, packed: list, tiles: Iterable) -> list:
    sums = kernel.zero_sums()
    for tile, weights in tiles:
        kernel.add_product(sums, packed, tile, weights)
    return sums


def _dense_sum(features: HermiteFeatures, tiles: Iterable) -> np.ndarray:
    total = np.zeros((features.dim, features.dim))
    for tile, weights in tiles:
        values = features.transform(tile.T)
        total += (values * weights[:, None]).T @ values
    return total
