r"""The label-weighted moment matrix of the features as a linear operator (paper, equation 2.6).

.. math:: \hat C = \frac1n \sum_\mu y_\mu \bigl(F(x_\mu) F(x_\mu)^\top - I_D\bigr)

is applied to k columns in one pass over the data: 4 n D k floating-point operations (for q = 2 about 2 n d^2 k), and
memory for a tile of samples a thread, not for n times D. Products are taken in float32 or float64, tile by tile, and
summed in float64: within a batch tile after tile, then batch after batch, in an order that the number of workers does
not change. Inputs may be numpy arrays, batches that are read or drawn anew in each pass, or an array of another library
(PyTorch, CuPy) on its own device; whatever their type of number, they are floating-point from the door on. Where D is
small, `MomentOperator.to_dense` gives the matrix itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from itertools import chain, islice
from typing import Any, Union

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj, is_numpy_array
from scipy.sparse.linalg import LinearOperator

from hierlib.checks import check_array, check_choice, check_integer, check_jobs
from hierlib.engine.hermite import HermiteFeatures
from hierlib.engine.inputs import InputLaw, features_of_law, input_law
from hierlib.engine.kernels import GroupedKernel, QuadraticKernel, tile_width, to_numpy
from hierlib.engine.parallel import ordered_map, progress
from hierlib.engine.scaling import normalized, power_of_two, varies
from hierlib.engine.streams import InputBatch, VirtualSample

__all__ = ["DataSet", "MomentOperator", "collect_labels", "label_weights", "map_batches"]

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

Data = Union[tuple[np.ndarray, np.ndarray], Iterable[tuple[np.ndarray, np.ndarray]], "DataSet"]


class DataSet:
    """A data set as every pass reads it: batches of checked floating-point numbers, the same ones each time.

    The first pass over batches remembers their labels, and later ones compare. Inputs are not compared, and how the
    samples are split into batches is free to change. Empty batches are passed over. Batches of a list or a tuple are
    used where they lie; those of any other iterable are copied, as it may refill their memory while workers read it.

    Parameters
    ----------
    data : tuple (X, y) or iterable of batches (X, y)
        As for `MomentOperator`. A tuple whose items are batches is read as such.

    Attributes
    ----------
    data
        What was given.
    n_inputs : int
        Number of columns of X.
    labels : ndarray, shape (any,)
        Labels that were read so far, in order; empty for a `VirtualSample`, which is drawn from seeds.
    complete : bool
        Whether `labels` holds those of all samples.

    Raises
    ------
    ValueError
        If the data are empty, not pairs (X, y), of unequal lengths, or can be read only once; in a pass, also if a
        batch cannot be used, or labels or their number differ from those of an earlier pass.
    """

    data: Any

    def __init__(self, data: Data) -> None:
        self.data = data
        self.virtual = isinstance(data, VirtualSample)
        self.arrays: tuple | None = None
        if isinstance(data, tuple) and not (data and _is_batch_of_rows(data[0])):
            self.arrays = _pair_of_arrays(data)
        elif iter(self.data) is data:
            msg = f"data must be iterable more than once, got a {type(data).__name__}; pass a list or a stream object."
            raise ValueError(msg)
        self.labels = np.empty(0)
        self.complete = False

    @classmethod
    def of(cls, data: Data) -> DataSet:
        """Return `data` itself if it is one already, so that what it remembers is shared."""
        return data if isinstance(data, cls) else cls(data)

    @cached_property
    def n_inputs(self) -> int:
        """Number of columns of X."""
        if self.virtual:
            return self.data.d
        first = next((X for X, _ in self._read() if len(X)), None)
        if first is None:
            msg = "data must hold at least one sample, got an empty data set."
            raise ValueError(msg)
        return first.shape[1]

    def batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the batches (X, y), arrays of single or double precision, comparing labels with those read before."""
        known, complete, new = self.labels, self.complete, []
        start, differs = 0, None
        try:
            for X, y in self._read():
                if not len(X):
                    continue
                X = check_array("X", X, shape=(None, self.n_inputs))
                part = known[start : start + len(y)]
                same = (part == y[: len(part)]) | np.isnan(part) & np.isnan(y[: len(part)])
                if differs is None and not same.all():
                    first = int(np.argmin(same))
                    differs = f"label {start + first} was {part[first]} and is now {y[first]}"
                    if not complete:
                        raise _other_samples(differs)
                if len(part) < len(y):
                    new.append(y[len(part) :])
                start += len(y)
                # After a difference in a data set of known length the rest is only counted: it may be the length.
                if differs is None:
                    yield X, y
            if complete and start != len(known):
                raise _other_length(len(known), start)
            if differs:
                raise _other_samples(differs)
            complete = True
        finally:
            if not self.complete and len(known) + sum(map(len, new)) >= len(self.labels):
                self.labels, self.complete = np.concatenate([known, *new]), complete

    def _read(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield inputs as they are, at least of two dimensions, and their labels in double precision."""
        if self.arrays:
            X, y = self.arrays
            n = X.shape[0]
            for start in range(0, n, ARRAY_BATCH):
                # Not beyond the end: the array API leaves that undefined.
                stop = min(n, start + ARRAY_BATCH)
                yield to_numpy(X[start:stop, ...]), _labels(y[start:stop, ...], stop - start)
            return
        refilled = not isinstance(self.data, list | tuple)
        for batch in self.data:
            if not isinstance(batch, list | tuple) or len(batch) != 2:
                msg = f"data must yield pairs (X, y), got {_describe(batch)}."
                raise ValueError(msg)
            X = to_numpy(batch[0])
            if not X.size and not len(to_numpy(batch[1])):
                continue
            X = check_array("X", X, shape=(None, None), finite=False)
            yield X.copy() if refilled and np.may_share_memory(X, batch[0]) else X, _labels(batch[1], len(X))


class MomentOperator(LinearOperator):
    r"""The matrix :math:`\frac1n \sum_\mu w_\mu (F(x_\mu) F(x_\mu)^\top - I_D)`, never formed.

    Parameters
    ----------
    data : tuple (X, y) or iterable of batches (X, y)
        Arrays of shapes (n_samples, d) and (n_samples,), or a data set that can be iterated again and again with the
        same samples in the same order, such as ``HierarchicalTarget.stream`` or a list of batches (see `DataSet` for
        what is compared). An X of another library with the array API (PyTorch, CuPy) stays on its device and is
        multiplied there.
    weights : array_like, shape (n_samples,), optional
        The w, one a sample in order; the labels y by default. Fewer than there are samples select the first ones.
    degree : int, default 2
        Degree q of the features.
    inputs : str or InputLaw, default "gauss"
        Law whose orthonormal polynomials the features are (`hierlib.engine.inputs.input_law`).
    normalize : bool, default False
        Compute the features from :math:`\sqrt d\,x/\|x\|` instead of x, whatever its size; 0 stays 0.
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
        a product, if the data yield other labels or another number of samples than before, the columns are not finite,
        or the inputs are so large that the features overflow.

    Notes
    -----
    A real matrix: of complex columns, both parts are multiplied in one pass. Products are homogeneous in the weights
    and in each column, which are brought to unit size before they are rounded to `dtype`.

    References
    ----------
    Paper, equation (2.6).

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib import HierarchicalTarget
    >>> from hierlib.engine.moment import MomentOperator
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
        inputs: str | InputLaw = "gauss",
        normalize: bool = False,
        dtype: str = "float32",
        n_jobs: int | None = -1,
    ) -> None:
        check_integer("degree", degree, low=1)
        input_law(inputs)
        self.product_dtype = np.dtype(check_choice("dtype", dtype, ("float32", "float64")))
        self.n_jobs = check_jobs(n_jobs)
        self.data = DataSet.of(data)
        if weights is None:
            _, weights = collect_labels(self.data, n_jobs=n_jobs)
        elif self.data.arrays:
            for _ in self.data.batches():
                pass  # Entries that cannot be used show now, not in the first product.
        self.weights = check_array("weights", weights, shape=(None,)).astype(float)
        if not len(self.weights):
            msg = "weights must hold at least one sample, got 0."
            raise ValueError(msg)
        self.features = features_of_law(inputs, self.data.n_inputs, degree)
        self.inputs = inputs
        self.normalize = normalize
        self.samples_read = 0
        self._unit = power_of_two(self.weights)
        self._total = (self.weights / self._unit).sum()
        self._kept_tiles: list | None = None
        super().__init__(np.dtype(float), (self.features.dim, self.features.dim))

    def head(self, n_samples: int) -> MomentOperator:
        """Return the operator of the first `n_samples` samples."""
        n_samples = check_integer("n_samples", n_samples, low=1, high=len(self.weights))
        return MomentOperator(
            self.data,
            self.weights[:n_samples],
            degree=self.features.degree,
            inputs=self.inputs,
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
        return self._mean(total, np.eye(dim))

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        return self._matmat(v.reshape(-1, 1))

    def _matmat(self, V: np.ndarray) -> np.ndarray:
        V = np.asarray(V)
        if np.iscomplexobj(V):
            real, imaginary = np.split(self._matmat(np.hstack([V.real, V.imag])), 2, axis=1)
            return real + 1j * imaginary
        V = check_array("columns", V, shape=(self.shape[1], None)).astype(float, copy=False)
        if not V.shape[1]:
            return np.zeros(V.shape)
        units = power_of_two(V, axis=0)
        V = V / units
        X = self.data.arrays[0] if self.data.arrays else None
        if is_array_api_obj(X) and not is_numpy_array(X):
            products = self._multiply_there(X, V)
        else:
            kernel = self.features.kernel(V.shape[1])
            packed = kernel.pack(V.astype(self.product_dtype))
            products = self._sum(kernel, partial(_packed_sums, kernel, packed))
        self.samples_read += len(self.weights)
        return self._mean(products, V) * units

    def pencil(self, V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        r"""Multiply columns by the matrix of centred weights and by the second moments of the features, in one pass.

        .. math::
            \hat C = \frac1n\sum_\mu (w_\mu-\bar w)\,F_\mu F_\mu^\top, \qquad
            \hat S = \frac1n\sum_\mu F_\mu F_\mu^\top .

        Parameters
        ----------
        V : array_like, shape (dim, k)
            Real columns.

        Returns
        -------
        ndarray, shape (dim, k)
            :math:`\hat CV`.
        ndarray, shape (dim, k)
            :math:`\hat SV`.
        """
        V = check_array("columns", V, shape=(self.shape[1], None)).astype(float, copy=False)
        units, k = power_of_two(V, axis=0), V.shape[1]
        V = V / units
        X = self.data.arrays[0] if self.data.arrays else None
        if is_array_api_obj(X) and not is_numpy_array(X):
            products = self._multiply_there(X, V, pencil=True)
        else:
            kernel, collector = self.features.kernel(k), self.features.kernel(2 * k)
            packed = kernel.pack(V.astype(self.product_dtype))
            products = self._sum(collector, partial(_pencil_sums, kernel, collector, packed))
        self.samples_read += len(self.weights)
        weighted, plain = self._centred(products[:, :k], products[:, k:])
        return weighted * units, plain * units

    def dense_pencil(self, basis: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        r"""Form both matrices of `pencil`, or :math:`B^\top\hat CB` and :math:`B^\top\hat SB` for a basis.

        The features are multiplied by the basis, sample by sample: a well-conditioned result does not suffer from an
        ill-conditioned :math:`\hat S`.

        Parameters
        ----------
        basis : ndarray, shape (dim, k), optional
            The columns of B; the identity by default.

        Returns
        -------
        weighted, second : ndarray, shape (k, k)
            The matrices.
        """
        size = self.shape[0] if basis is None else basis.shape[1]
        total = np.zeros((2, size, size))
        for part in self._map_tiles(partial(_dense_pencil_sums, self.features, basis), n_jobs=1):
            total += part
        self.samples_read += len(self.weights)
        return self._centred(*total)

    def _centred(self, weighted: np.ndarray, plain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Turn sums with weights at unit size and without weights into means, the first with centred weights."""
        self._check_finite(weighted)
        n = len(self.weights)
        return (weighted - self._total / n * plain) / n * self._unit, plain / n

    def _sum(self, kernel: Any, function: Callable) -> np.ndarray:
        """Sum a function of the tiles over all shards into an array of shape (dim, columns of the kernel)."""
        sums = kernel.zero_sums()
        for part in self._map_tiles(function, n_jobs=self.n_jobs):
            for total, term in zip(sums, part, strict=True):
                total += term
        return kernel.unpack(sums)

    def _mean(self, products: np.ndarray, V: np.ndarray) -> np.ndarray:
        """Take the mean and subtract the identity's product with V, given the sum of F diag(w) F^T V at unit size."""
        self._check_finite(products)
        return (products - self._total * V) / len(self.weights) * self._unit

    def _check_finite(self, products: np.ndarray) -> None:
        if not np.isfinite(products).all():
            msg = (
                f"X must be small enough for products of features of degree {self.features.degree} to fit into "
                f"{self.product_dtype.name}, got inputs whose products overflow: standardise them, or set normalize."
            )
            raise ValueError(msg)

    def _multiply_there(self, X, V: np.ndarray, *, pencil: bool = False) -> np.ndarray:
        """Sum of F diag(w) F^T V over an array of another library, on its device; with `pencil`, beside F F^T V."""
        if X.shape[0] < len(self.weights):
            raise _other_length(len(self.weights), X.shape[0])
        xp = array_namespace(X)
        dtype = getattr(xp, self.product_dtype.name)
        kernel = self.features.accelerated_kernel(V.shape[1])
        collector = self.features.accelerated_kernel(2 * V.shape[1]) if pencil else kernel
        packed, sums = kernel.pack(V.astype(self.product_dtype), like=X), collector.zero_sums(like=X)
        for start in range(0, len(self.weights), ACCELERATOR_TILE):
            weights = self.weights[start : start + ACCELERATOR_TILE] / self._unit
            tile = X[start : start + len(weights), :].T
            if self.normalize:
                tile = normalized(tile if tile.dtype == xp.float32 else xp.astype(tile, xp.float64), dtype)
            tile = xp.astype(tile, dtype)
            there = xp.asarray(weights, dtype=dtype, device=device(X))
            if pencil:
                plain = kernel.project(packed, tile)
                collector.accumulate(sums, tile, xp.concat([plain * there, plain], axis=0))
            else:
                kernel.add_product(sums, packed, tile, there)
        return collector.unpack(sums)

    def _map_tiles(self, function: Callable, n_jobs: int | None) -> Iterator:
        """Apply a function of the tiles of a shard, pairs (inputs, weights), to all shards in order."""
        prepare = partial(_tiles, self.normalize, self.product_dtype, self._unit)
        numbers = len(self.weights) * self.features.n_inputs
        if self.data.arrays and numbers * self.product_dtype.itemsize <= MAX_KEPT_BYTES:
            if self._kept_tiles is None:
                self._kept_tiles = list(map_batches(prepare, self.data, self.weights, n_jobs=self.n_jobs))
            tiles = ((batch,) for batch in self._kept_tiles)
            return ordered_map(function, tiles, n_jobs=1 if len(self._kept_tiles) == 1 else n_jobs)
        # Recipes are small, so that many make a task; their number does not depend on that of the workers.
        total = len(self.data.data) if self.data.virtual else None
        size = -(-total // MAX_SHARDS) if total else 1
        batches = _paired(self.data, self.weights)
        shards = iter(lambda: list(islice(batches, size)), [])
        sums = ordered_map(_on_shard, ((function, prepare, shard) for shard in shards), n_jobs=n_jobs)
        return iter(progress(sums, total=total and -(-total // size), name="pass"))

    def _adjoint(self) -> MomentOperator:
        return self


def collect_labels(data: Data, *, n_jobs: int | None = -1) -> tuple[int, np.ndarray]:
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
    samples, n_jobs = DataSet.of(data), check_jobs(n_jobs)
    n_inputs = samples.n_inputs
    if samples.virtual:
        batches = progress(samples.data.batches(n_jobs=n_jobs), total=len(samples.data), name="labels")
        labels = [_labels(y, len(X)) for X, y in batches]
    else:
        labels = [y for _, y in samples.batches()]
    return n_inputs, check_array("y", np.concatenate(labels), shape=(None,))


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
        If the labels are not finite; if `label_transform` is an unknown name, does not return as many finite real
        numbers, or returns the same for all labels up to rounding.

    Examples
    --------
    >>> import numpy as np
    >>> from hierlib.engine.moment import label_weights
    >>> label_weights(np.array([0.0, 0.0, 6.0]), "tanh").round(3)
    array([-0.499, -0.499,  0.998])
    """
    y = check_array("y", y, shape=(None,)).astype(float)
    unit = power_of_two(y)
    centred = y / unit
    centred -= centred.mean()
    if label_transform is None:
        return centred * unit
    if callable(label_transform):
        transform = label_transform
    else:
        check_choice("label_transform", label_transform, ("tanh",))
        transform = np.tanh
    centred /= power_of_two(centred)
    values = np.asarray(transform(centred / (centred.std() or 1.0)))
    if values.dtype.kind not in "fiub" or values.shape != y.shape or not np.isfinite(values).all():
        kind = "" if values.dtype.kind in "fiub" else f" of {values.dtype}"
        msg = f"label_transform must map {len(y)} labels to as many finite numbers, got shape {values.shape}{kind}."
        raise ValueError(msg)
    if varies(centred) and not varies(values):
        msg = f"label_transform must tell labels apart, got {float(values[0])} for all {len(y)} of them."
        raise ValueError(msg)
    weights = values.astype(float)
    return weights - weights.mean()


def map_batches(function, data: Data, weights: np.ndarray, *, whole: bool = False, n_jobs: int | None = -1) -> Iterator:
    """Apply ``function(X, weights)`` to the batches of a data set in parallel; yield the results in order.

    Parameters
    ----------
    function : callable
        Takes a batch X of shape (m, d) and its weights, shape (m,).
    data : tuple (X, y) or iterable of batches (X, y)
        As for `MomentOperator`. A `DataSet` compares the y with those of its earlier passes.
    weights : ndarray, shape (n_samples,)
        One a sample in order; batches beyond the last weight are not read.
    whole : bool, default False
        Refuse data that hold more samples than there are weights; a `DataSet` that has been read to its end and has
        as many samples as there are weights does so in any case.
    n_jobs : int, default -1
        Number of joblib workers.

    Yields
    ------
    object
        What `function` returned, batch after batch; empty ones are passed over.

    Raises
    ------
    ValueError
        If the data hold fewer samples than there are weights, or more and `whole` is set; if a `DataSet` has changed.
    """
    samples = DataSet.of(data)
    if samples.arrays and len(weights) <= ARRAY_BATCH:
        n_jobs = 1
    inputs = _paired(samples, weights, whole)
    results = ordered_map(_call, ((function, batch, part) for batch, part in inputs), n_jobs=n_jobs)
    yield from progress(results, total=len(samples.data) if samples.virtual else None, name="batches")


def _call(function, batch: np.ndarray | InputBatch, weights: np.ndarray):
    X = batch.draw() if isinstance(batch, InputBatch) else batch
    return function(X[: len(weights)], weights)


def _on_shard(function: Callable, prepare: Callable, shard: list):
    return function(chain.from_iterable(_call(prepare, batch, weights) for batch, weights in shard))


def _paired(
    data: DataSet, weights: np.ndarray, whole: bool = False
) -> Iterator[tuple[np.ndarray | InputBatch, np.ndarray]]:
    whole |= data.complete and len(data.labels) == len(weights)
    start = 0
    for batch in data.data.input_batches if data.virtual else (X for X, _ in data.batches()):
        size = batch.rows if isinstance(batch, InputBatch) else len(batch)
        if start < len(weights):
            yield batch, weights[start : start + size]
        start += size
        if start >= len(weights) and not whole:
            return
    if start != len(weights):
        raise _other_length(len(weights), start)


def _other_length(expected: int, got: int) -> ValueError:
    return _other_samples(f"expected {expected}, got {got}")


def _other_samples(how: str) -> ValueError:
    return ValueError(f"data must yield the same samples on every pass: {how}.")


def _is_batch_of_rows(item) -> bool:
    """Whether an item of a tuple is a batch (X, y), not an array X or its nested rows."""
    return isinstance(item, list | tuple) and len(item) == 2 and getattr(item[0], "ndim", 0) == 2


def _pair_of_arrays(data: tuple) -> tuple:
    if len(data) != 2:
        msg = f"data must be a tuple (X, y) or an iterable of batches (X, y), got {_describe(data)}."
        raise ValueError(msg)
    X, y = (array if is_array_api_obj(array) else np.asarray(array) for array in data)
    if X.ndim != 2:
        msg = f"X must have shape (any, any), got {tuple(X.shape)}."
        raise ValueError(msg)
    if not y.ndim or X.shape[0] != y.shape[0]:
        msg = f"y must have as many entries as X has rows, got {y.shape[0] if y.ndim else y} and {X.shape[0]}."
        raise ValueError(msg)
    return X, y


def _describe(item) -> str:
    size = f" of {len(item)}" if isinstance(item, list | tuple) else ""
    return f"a {type(item).__name__}{size}"


def _labels(y, n: int) -> np.ndarray:
    """Return a copy of the labels of n samples in double precision."""
    return check_array("y", to_numpy(y), shape=(n,), finite=False).astype(float)


def _tiles(normalize: bool, dtype: np.dtype, unit: float, X: np.ndarray, weights: np.ndarray) -> list:
    """Split a batch into contiguous transposed tiles of inputs with their weights over a unit."""
    tiles, width = [], tile_width(X.shape[1])
    with np.errstate(over="ignore"):
        for start in range(0, len(X), width):
            tile = np.ascontiguousarray(X[start : start + width].T, dtype=None if normalize else dtype)
            tile = normalized(tile, dtype) if normalize else tile
            tiles.append((tile, (weights[start : start + width] / unit).astype(dtype)))
    return tiles


def _pencil_sums(kernel: Any, collector: Any, packed: list, tiles: Iterable) -> list:
    """Sum F diag(w) F^T V beside F F^T V: one set of projections serves both."""
    sums = collector.zero_sums()
    with np.errstate(over="ignore", invalid="ignore"):
        for tile, weights in tiles:
            plain = kernel.project(packed, tile)
            collector.accumulate(sums, tile, np.concatenate([plain * weights, plain]))
    return sums


def _packed_sums(kernel: QuadraticKernel | GroupedKernel, packed: list, tiles: Iterable) -> list:
    sums = kernel.zero_sums()
    with np.errstate(over="ignore", invalid="ignore"):
        for tile, weights in tiles:
            kernel.add_product(sums, packed, tile, weights)
    return sums


def _dense_pencil_sums(features: HermiteFeatures, basis: np.ndarray | None, tiles: Iterable) -> np.ndarray:
    size = features.dim if basis is None else basis.shape[1]
    total = np.zeros((2, size, size))
    with np.errstate(over="ignore", invalid="ignore"):
        for tile, weights in tiles:
            if not np.isfinite(tile).all():
                return np.full_like(total, np.inf)
            values = features.transform(tile.T)
            values = values if basis is None else values @ basis
            total += [(values * weights[:, None]).T @ values, values.T @ values]
    return total


def _dense_sum(features: HermiteFeatures, tiles: Iterable) -> np.ndarray:
    total = np.zeros((features.dim, features.dim))
    with np.errstate(over="ignore", invalid="ignore"):
        for tile, weights in tiles:
            if not np.isfinite(tile).all():
                return np.full_like(total, np.inf)
            values = features.transform(tile.T)
            total += (values * weights[:, None]).T @ values
    return total
