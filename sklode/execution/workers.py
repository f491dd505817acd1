"""Chunks of structures, and who works on them: this process, or joblib's workers."""

import os
import pickle
from functools import lru_cache, partial
from itertools import islice, pairwise
from threading import Lock

import numpy as np
from joblib import effective_n_jobs
from joblib.parallel import get_active_backend
from sklearn.utils.parallel import Parallel, delayed
from sphericart import SphericalHarmonics
from threadpoolctl import ThreadpoolController

from ..physics import blocks
from ..physics.numerics.memory import keep_freed_memory
from ..physics.system.structures import pack, unpack
from .cluster import active_client, on_cluster
from .progress import progress_bar


def chunks_by_atoms(sizes, atoms_per_chunk=None):
    """Consecutive slices of structures that hold about equally many atoms.

    Their number is such that two, four or eight workers have equally many.
    """
    atoms_per_chunk = atoms_per_chunk or blocks.CHUNK_ATOMS
    ends = np.cumsum(sizes)
    n_chunks = int(np.ceil(ends[-1] / atoms_per_chunk))
    unit = min(2 ** (n_chunks.bit_length() - 1), blocks.EQUAL_WORKERS)
    n_chunks = min(-(-n_chunks // unit) * unit, len(sizes))
    targets = ends[-1] * np.arange(1, n_chunks) / n_chunks
    cuts = np.unique(np.concatenate([[0], np.searchsorted(ends, targets) + 1, [len(sizes)]]))
    return [slice(int(a), int(b)) for a, b in pairwise(cuts)]


def each_chunk(function, transformer, jobs, n_jobs):
    """Results of ``function(transformer, *job)`` in order, one BLAS thread each.

    One thread a chunk means neither oversubscription nor sums that depend on the number of cores.
    Long work shows its progress.

    Parameters
    ----------
    function : callable
    transformer : estimator
    jobs : list of tuple
        The first member of each is a list of structures.
    n_jobs : int or None
        As in joblib.

    Yields
    ------
    object
        What the function returns.
    """
    keep_freed_memory()
    with one_blas_thread, pools("openmp").limit(limits=1):
        if len(jobs) == 1:  # without a bar, which would move when all is done
            yield function(transformer, *jobs[0])
            return
        if effective_n_jobs(n_jobs) == 1:
            results = (function(transformer, *job) for job in jobs)
        else:
            results = _by_workers(function, transformer, jobs, n_jobs)
        total = sum(len(job[0]) for job in jobs)
        with progress_bar(type(transformer).__name__, total) as progress:
            for job, result in zip(jobs, results, strict=True):
                yield result
                progress.update(len(job[0]))


def _by_workers(function, transformer, jobs, n_jobs):
    n_workers = effective_n_jobs(n_jobs)
    at_once = min(blocks.CHUNKS_PER_TASK, -(-len(jobs) // n_workers))
    # packed here, since joblib would call Python code for every array of every structure
    packed = (
        pickle.dumps((pack(structures), *others), pickle.HIGHEST_PROTOCOL)
        for structures, *others in jobs
    )
    client = active_client()
    if client is not None:
        return _by_cluster(client, function, transformer, packed, at_once)
    on_their_way = 2 * n_workers * at_once
    as_they_come = get_active_backend()[0].supports_return_generator
    parallel = Parallel(
        n_jobs=n_jobs,
        return_as="generator" if as_they_come else "list",
        batch_size=at_once,
        pre_dispatch=on_their_way,
    )
    tasks = (delayed(_single_threaded)(function, transformer, job) for job in packed)
    return parallel(tasks) if as_they_come else _in_rounds(parallel, tasks, on_their_way)


def _by_cluster(client, function, transformer, packed, at_once):
    """Results of tasks of several chunks each."""
    groups = iter(lambda: list(islice(packed, at_once)), [])
    for results in on_cluster(client, partial(_several, function, transformer), groups):
        yield from results


def _several(function, transformer, group):
    return [_single_threaded(function, transformer, packed) for packed in group]


def _in_rounds(parallel, tasks, n_tasks):
    """Results of ``n_tasks`` at a time, of backends that give them in lists only."""
    with parallel:  # one pool of workers for all rounds
        while results := parallel(islice(tasks, n_tasks)):
            yield from results


def _single_threaded(function, transformer, packed):
    keep_freed_memory()
    with one_blas_thread, pools("openmp").limit(limits=1):
        arrays, *others = pickle.loads(packed)
        return function(transformer, unpack(*arrays), *others)


@lru_cache
def pools(kind):
    """Thread pools of BLAS or OpenMP in this process.

    That of sphericart is one of them, which a forked worker must not use.
    """
    SphericalHarmonics(0)  # loads the library, which may bring a pool of its own
    return ThreadpoolController().select(user_api=kind)


class _OneBlasThread:
    """Limit of BLAS that holds as long as any thread of this process works.

    The limit is one for all threads: each of them restoring what it found would leave it behind.
    """

    def __init__(self):
        self._lock, self._n_working = Lock(), 0

    def __enter__(self):
        with self._lock:
            if not self._n_working:
                self._limit = pools("blas").limit(limits=1)
            self._n_working += 1

    def __exit__(self, *_):
        with self._lock:
            self._n_working -= 1
            if not self._n_working:
                self._limit.restore_original_limits()


one_blas_thread = _OneBlasThread()  # the limit of OpenMP is that of the calling thread
if hasattr(os, "register_at_fork"):  # whoever holds the lock is not in the child
    os.register_at_fork(after_in_child=one_blas_thread.__init__)
