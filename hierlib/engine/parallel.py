"""One level of parallelism: workers map over batches in order, and each product inside runs on one thread.

Small matrix products on a threaded BLAS below threads of ours would contend for the cores (measured: eight times
slower on a busy two-core machine), so the BLAS is held at one thread wherever this module is used.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import islice, starmap
from threading import Lock
from typing import Any

from joblib import Parallel, delayed, effective_n_jobs, parallel_config
from joblib.parallel import get_active_backend
from threadpoolctl import ThreadpoolController
from tqdm import tqdm

from hierlib.checks import check_jobs

__all__ = ["one_blas_thread", "ordered_map", "progress"]


def progress(items: Iterable, *, total: int | None, name: str) -> Iterable:
    """Show on a terminal how far a loop of more than ten seconds is, and the time that remains; elsewhere nothing."""
    return tqdm(items, total=total, desc=name, delay=10, leave=False, disable=not sys.stderr.isatty())


def ordered_map(function: Callable, arguments: Iterable[tuple], *, n_jobs: int | None = -1) -> Iterator:
    """Yield ``function(*args)`` for each tuple of `arguments`, in their order, whatever the number of workers.

    Workers are threads unless a ``joblib.parallel_config`` names a backend of processes or machines; -1 uses all cores.
    Whatever order the workers finish in, a result waits for those before it: sums over results do not depend on it.
    Arguments are read ahead, so that they must not share memory that reading refills.
    """
    return _map_in_order(function, arguments, check_jobs(n_jobs))


def _map_in_order(function: Callable, arguments: Iterable[tuple], n_jobs: int | None) -> Iterator:
    backend, _ = get_active_backend(prefer="threads")
    with one_blas_thread():
        if not getattr(backend, "supports_sharedmem", False):
            parallel = Parallel(n_jobs=n_jobs, return_as="generator")
            # In one tuple: joblib would scatter arrays to Dask's workers, where they are lost when a worker is.
            yield from parallel(delayed(_on_one_thread)((function, args)) for args in arguments)
            return
        with parallel_config(backend="threading"):
            workers = effective_n_jobs(n_jobs)
        yield from starmap(function, arguments) if workers == 1 else _threads(function, arguments, workers)


def _on_one_thread(call: tuple[Callable, tuple]):
    function, args = call
    with one_blas_thread():
        return function(*args)


def _threads(function: Callable, arguments: Iterable[tuple], workers: int) -> Iterator:
    # joblib's own threads are polled every hundredth of a second, longer than a pass over a small sample takes.
    remaining = iter(arguments)
    with ThreadPoolExecutor(workers) as executor:
        waiting = deque(executor.submit(function, *args) for args in islice(remaining, 2 * workers))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(executor.submit(function, *args) for args in islice(remaining, 1))


@contextmanager
def one_blas_thread():
    """Context in which the BLAS uses one thread, until the last of overlapping contexts ends."""
    with _state.lock:
        if _state.holders == 0:
            _state.limit = _controller().limit(limits=1, user_api="blas")
        _state.holders += 1
    try:
        yield
    finally:
        with _state.lock:
            _state.holders -= 1
            if _state.holders == 0:
                _state.limit.restore_original_limits()


class _BlasLimit:
    # The number of BLAS threads belongs to the process: contexts that overlap in time, as those of two generators read
    # in turn, must not restore what another one has set.
    def __init__(self) -> None:
        self.lock = Lock()
        self.holders = 0
        self.limit: Any = None


_state = _BlasLimit()


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
