"""Inputs of other array libraries: the products of numpy, whatever the library, and nothing outside the standard."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from hierlib import HierarchicalSpectralRegressor, HierarchicalTarget
from hierlib.engine import moment
from hierlib.engine.krylov import largest_modulus
from hierlib.engine.moment import MomentOperator, collect_labels

EPS = {"float32": 1.2e-7, "float64": 2.3e-16}


@pytest.fixture(params=["array_api_strict", "torch"])
def library(request):
    """The strict reference library refuses all that the standard does not promise."""
    return pytest.importorskip(request.param)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(("d", "q"), [(9, 1), (12, 2), (70, 2), (5, 3), (4, 4)])
def test_products_equal_those_of_numpy(library, d, q, normalize, dtype):
    rng = np.random.default_rng(0)
    n = moment.ACCELERATOR_TILE + 5
    X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
    exact = MomentOperator((X, y), degree=q, normalize=normalize, dtype="float64")
    V = rng.standard_normal((exact.shape[0], 3))
    operator = MomentOperator((library.asarray(X), library.asarray(y)), degree=q, normalize=normalize, dtype=dtype)
    product = operator @ V
    assert isinstance(product, np.ndarray)
    # Sums of 8192 products of either sign at rounding, relative to the result: a random walk of sqrt(8192) steps.
    assert_allclose(product, exact @ V, rtol=0, atol=100 * q * EPS[dtype] * np.abs(exact @ V).max())
    assert operator.samples_read == n


def test_eigenpairs_heads_and_fits_come_from_any_library(library):
    target = HierarchicalTarget(12, n_features=2)
    X, y = target.sample(9000, 1)
    there = (library.asarray(X), library.asarray(y))
    n_inputs, labels = collect_labels(there)
    assert n_inputs == 12
    assert_allclose(labels, y, rtol=0)
    here, operator = (MomentOperator(data, dtype="float64") for data in ((X, y), there))
    values = [largest_modulus(op, 2, rng=np.random.default_rng(0), tol=1e-6).eigenvalues for op in (here, operator)]
    assert_allclose(values[1], values[0], rtol=1e-10)
    v = np.ones(78)
    assert_allclose(operator.head(5000) @ v, here.head(5000) @ v, rtol=0, atol=1e-11)
    assert_allclose(operator.to_dense() @ v, here @ v, rtol=0, atol=1e-11)
    fits = [HierarchicalSpectralRegressor(2, tol=1e-5).fit_stream(data) for data in ((X, y), there)]
    assert_allclose(fits[1].second_layer_, fits[0].second_layer_, rtol=0, atol=1e-4)


def test_arrays_that_cannot_be_used_are_refused(library):
    X, y = library.asarray(np.ones((10, 3))), library.asarray(np.ones(10))
    with pytest.raises(ValueError, match=r"^y must have as many entries as X has rows, got 9 and 10\."):
        MomentOperator((X, y[:9]))
    with pytest.raises(ValueError, match=r"^X must have shape \(any, any\), got \(10,\)\."):
        MomentOperator((y, y))
    with pytest.raises(ValueError, match=r"^X must be finite"):
        MomentOperator((X * float("nan"), y))
    with pytest.raises(ValueError, match=r"expected 11, got 10\."):
        MomentOperator((X, y), np.ones(11)) @ np.ones(6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "int8"])
@pytest.mark.parametrize("normalize", [False, True])
def test_products_do_not_depend_on_the_type_of_equal_numbers(dtype, normalize):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    X, y, V = rng.integers(-100, 100, (500, 4)), rng.integers(-100, 100, 500), np.ones((10, 2))
    typed = tuple(torch.asarray(array).to(getattr(torch, dtype)) for array in (X, y))
    wide = tuple(torch.asarray(array).to(torch.float64) for array in (X, y))
    expected = MomentOperator(wide, normalize=normalize) @ V
    assert_array_equal(MomentOperator(typed, normalize=normalize) @ V, expected)
    for data in ([typed], (typed, typed)):
        # numpy's own kernel: rounding of single-precision products of 500 samples.
        product = MomentOperator(data, normalize=normalize) @ V
        assert_allclose(product, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
