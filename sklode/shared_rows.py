"""Rows that worker processes write where this one reads them, instead of sending them."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
from joblib import effective_n_jobs
from joblib.parallel import get_active_backend

_WORTH = 2**22  # bytes from which on sending costs more than a file in memory
_MEMORY = Path("/dev/shm")


class SharedRows:
    """An array in a file of the memory file system, which exists until it is taken.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype
    """

    def __init__(self, shape, dtype):
        self._shape, self._dtype = shape, np.dtype(dtype)
        handle, self._path = tempfile.mkstemp(prefix="sklode-", dir=_MEMORY)
        try:
            os.posix_fallocate(handle, 0, self.n_bytes)  # fails here, rather than when written to
        except OSError:
            self.remove()
            raise
        finally:
            os.close(handle)

    @property
    def n_bytes(self):
        """Size in bytes."""
        return int(np.prod(self._shape)) * self._dtype.itemsize

    def open(self):
        """The array, in this process."""
        return np.asarray(np.memmap(self._path, self._dtype, "r+", shape=self._shape))

    def remove(self):
        """Delete the file; whoever has the array open keeps it."""
        Path(self._path).unlink(missing_ok=True)


def shared_rows(shape, dtype, n_jobs):
    """SharedRows where they pay: many rows, and joblib's own worker processes to write them.

    Returns
    -------
    SharedRows or None
    """
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    local = type(get_active_backend()[0]).__name__ == "LokyBackend"
    if n_bytes < _WORTH or not local or effective_n_jobs(n_jobs) == 1:
        return None
    with suppress(OSError, AttributeError):  # no such file system, too small, or not POSIX
        return SharedRows(shape, dtype)
    return None
