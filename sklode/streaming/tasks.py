"""Batches of structures to joblib's workers and results back, in order and in bounded memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial

from joblib import effective_n_jobs, parallel_config
from joblib.externals.loky.process_executor import BrokenProcessPool
from joblib.parallel import get_active_backend
from sklearn.utils.parallel import Parallel, delayed

from ..execution.cluster import WorkerVanished, active_client, on_cluster
from ..execution.workers import one_blas_thread
from ..physics import blocks


def each_batch(function: Callable, batches: Iterable, n_jobs: int | None) -> Iterator[tuple]:
    """Pairs of a batch and ``function(batch)``, in order.

    Results do not depend on who computes them: each batch is worked on by one worker, with one
    thread of BLAS.

    Parameters
    ----------
    function : callable
    batches : iterable
        Read as workers need them.
    n_jobs : int or None
        As in joblib.

    Yields
    ------
    batch, result

    Raises
    ------
    WorkerVanished
        If a worker process was killed, and nobody starts its work again.
    Exception
        What the batches or the function raise.
    """
    client = active_client()
    try:
        if client is not None:
            found = _by_cluster(function, batches, client)
        elif effective_n_jobs(n_jobs) == 1:
            found = ((batch, _work(function, batch)) for batch in batches)
        else:
            found = _by_workers(function, _Given(batches), n_jobs)
        with closing(found) as results:
            yield from results
    except BrokenProcessPool as error:
        raise WorkerVanished("A worker process was killed, perhaps for lack of memory.") from error


class _Given:
    """Batches that were handed out and whose results are not back; what stopped them.

    joblib takes tasks in threads where an exception would be lost, so that it is kept until the
    results of the batches before it are used.
    """

    def __init__(self, batches):
        self._batches, self.open = iter(batches), deque()
        self.ended, self.error = False, None

    def take(self, most):
        """Batches, as long as no more than some are open."""
        while len(self.open) < most and not self.ended:
            try:
                batch = next(self._batches)
            except StopIteration:
                self.ended = True
            except BaseException as error:
                self.ended, self.error = True, error
            else:
                self.open.append(batch)
                yield batch

    def close(self):
        """Raise what stopped them."""
        if self.error is not None:
            raise self.error


def _by_workers(function, given, n_jobs):
    n_workers = effective_n_jobs(n_jobs)
    as_they_come = get_active_backend()[0].supports_return_generator
    parallel = Parallel(
        n_jobs=n_jobs,
        return_as="generator" if as_they_come else "list",
        batch_size=1,
        pre_dispatch=blocks.BATCHES_PER_WORKER * n_workers,
    )
    most = n_workers * (blocks.OPEN_PER_WORKER if as_they_come else blocks.BATCHES_PER_WORKER)
    with parallel:  # one pool of workers for all rounds
        while not given.ended:  # a round ends when results wait, which bounds the memory
            for result in parallel(delayed(_alone)(function, b) for b in given.take(most)):
                yield given.open.popleft(), result
    given.close()


def _by_cluster(function, batches, client):
    taken = deque()

    def remembered():
        for batch in batches:
            taken.append(batch)
            yield batch

    with closing(on_cluster(client, partial(_alone, function), remembered())) as results:
        for result in results:
            yield taken.popleft(), result


def _alone(function, batch):
    """The function in a worker, which starts no workers of its own."""
    with parallel_config(backend="sequential"):
        return _work(function, batch)


def _work(function, batch):
    with one_blas_thread:
        return function(batch)
