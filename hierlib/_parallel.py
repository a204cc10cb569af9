"""One level of parallelism: workers map over batches in order, and each product inside runs on one thread.

Small matrix products on a threaded BLAS below threads of ours would contend for the cores (measured: eight times
slower on a busy two-core machine), so the BLAS is held at one thread wherever this module is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache

from joblib import Parallel, delayed
from threadpoolctl import ThreadpoolController

__all__ = ["one_blas_thread", "ordered_map"]


def ordered_map(function: Callable, arguments: Iterable[tuple], *, n_jobs: int = -1) -> Iterator:
    """Yield ``function(*args)`` for each tuple of `arguments`, in their order, whatever the number of workers.

    Workers are threads unless a ``joblib.parallel_config`` says otherwise; -1 uses all cores.
    """
    with one_blas_thread():
        parallel = Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")
        yield from parallel(delayed(function)(*args) for args in arguments)


def one_blas_thread():
    """Context in which the BLAS uses one thread."""
    return _controller().limit(limits=1, user_api="blas")


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
