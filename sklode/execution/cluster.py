"""Tasks on a cluster of Dask, which joblib would wait for forever if one is given up.

Whatever a task needs is part of it, so that the scheduler can send it again to whoever takes the
place of a worker that was lost.
"""

import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

from joblib.parallel import get_active_backend

from ..physics import blocks

_LOST = {"KilledWorker", "CommClosedError", "CancelledError", "FutureCancelledError"}


class WorkerVanished(RuntimeError):
    """A worker process ended before its result was there."""


def active_client() -> Any:
    """The client of a cluster, if joblib is configured to use one, or None."""
    return getattr(get_active_backend()[0], "client", None)


def on_cluster(client: Any, function: Callable, jobs: Iterable) -> Iterator:
    """Results of ``function(job)`` in order, of jobs that are taken as workers need them.

    Parameters
    ----------
    client : distributed.Client
    function : callable
        Sent once.
    jobs : iterable

    Yields
    ------
    object

    Raises
    ------
    WorkerVanished
        If the scheduler gives up, since a job has killed several workers.
    Exception
        What the function raises, or the jobs, after the results of those before.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
        held = client.submit(_itself, function, pure=False)
    futures: deque = deque()
    given, fault = iter(jobs), None
    try:
        with _place_for_others():
            while fault is None or futures:
                n_workers = max(1, sum(client.nthreads().values()))  # they come and go
                while fault is None and len(futures) < blocks.BATCHES_PER_WORKER * n_workers:
                    try:
                        job = next(given)
                    except BaseException as error:  # raised when its turn comes
                        fault = error
                    else:
                        futures.append(client.submit(_apply, held, job, pure=False))
                if futures:
                    yield _result(futures.popleft())
        if not isinstance(fault, StopIteration):
            raise fault
    finally:
        with suppress(Exception):  # of a cluster that is gone; what ended the work matters more
            client.cancel([held, *futures])


def _result(future):
    try:
        return future.result()
    except Exception as error:
        if type(error).__name__ in _LOST:
            raise WorkerVanished(f"Workers of the cluster were lost: {error}") from error
        raise


def _place_for_others():
    """A task that waits for tasks must not occupy the worker that they need."""
    from distributed.worker import thread_state

    return _aside() if hasattr(thread_state, "execution_state") else nullcontext()


@contextmanager
def _aside():
    from distributed import rejoin, secede

    secede()
    try:
        yield
    finally:
        rejoin()


def _itself(function):
    return function


def _apply(function, job):
    return function(job)
