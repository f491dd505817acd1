"""Rows that worker processes write where this one reads them, instead of sending them."""

import mmap
import os
import weakref
from contextlib import suppress

import numpy as np
from joblib import effective_n_jobs
from joblib.parallel import get_active_backend

from ..physics import blocks

_kept = []  # a file whose array nobody has any more
_forks = []  # one member a fork


class SharedRows:
    """An array in a file that exists in memory only.

    Workers write to the file rather than to a map of it, which would cost a fault a page. New pages
    cost three times as much as writing to them, so that one file stays for the next array, unless
    it is large.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype
    """

    def __init__(self, shape, dtype):
        self._shape, self._dtype = shape, np.dtype(dtype)
        self._file = _file_in_memory()
        if os.fstat(self._file).st_size < self.n_bytes:
            os.ftruncate(self._file, self.n_bytes)
        self._path = f"/proc/{os.getpid()}/fd/{self._file}"

    def __getstate__(self):
        return {"_shape": self._shape, "_dtype": self._dtype, "_path": self._path}

    @property
    def n_bytes(self):
        """Size in bytes."""
        return int(np.prod(self._shape)) * self._dtype.itemsize

    def write(self, blocks, starts):
        """Store blocks of rows from another process.

        Parameters
        ----------
        blocks : list of ndarray
            Each as many numbers as consecutive rows have, in their order.
        starts : sequence of int
            Number of the first row of each.

        Returns
        -------
        bool
            Whether it worked: there may be no way to the file, or no memory left.
        """
        n_bytes = self._shape[1] * self._dtype.itemsize  # of a row
        with suppress(OSError), open(self._path, "r+b") as file:
            for block, start in zip(blocks, starts, strict=True):
                file.seek(start * n_bytes)
                file.write(np.ascontiguousarray(block, self._dtype).data)
            file.flush()
            return True
        return False

    def __enter__(self):
        """The whole, in this process; complete after the block."""
        # private, so that forked children get copies of what they or this process change
        private = {"flags": mmap.MAP_PRIVATE, "prot": mmap.PROT_READ | mmap.PROT_WRITE}
        self._memory = mmap.mmap(self._file, self.n_bytes, **private)
        return np.frombuffer(self._memory, self._dtype).reshape(self._shape)

    def __exit__(self, failed, *_):
        if failed:
            os.close(self._file)  # for good, as a worker may still write to it
        else:
            weakref.finalize(self._memory, _keep, self._file, len(_forks)).atexit = False
        del self._memory


def _file_in_memory():
    try:
        return _kept.pop()
    except IndexError:
        return os.memfd_create("sklode rows")


def _keep(file, n_forks):
    """Keep a file for the next array, or let go of it."""
    ours = n_forks == len(_forks)  # else a child may still have the array
    if ours and not _kept and os.fstat(file).st_size <= blocks.KEPT_SHARED_BYTES:
        _kept.append(file)
    else:
        os.close(file)


def _before_fork():
    """A child must not share what is used again."""
    _forks.append(None)
    while _kept:
        os.close(_kept.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork)


def shared_rows(shape, dtype, n_jobs):
    """SharedRows where they pay: many rows, and joblib's own worker processes to write them.

    Returns
    -------
    SharedRows or None
    """
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    local = type(get_active_backend()[0]).__name__ == "LokyBackend"
    if n_bytes < blocks.SHARED_BYTES or not local or effective_n_jobs(n_jobs) == 1:
        return None
    with suppress(OSError, AttributeError):  # systems without files in memory
        return SharedRows(shape, dtype)
    return None
