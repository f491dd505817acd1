"""Files of rows in a folder that several processes use at once, without waiting for each other.

A file holds the rows of many structures. It appears under its name when it is complete, is never
changed, and vanishes as a whole.
"""

import os
import uuid
import warnings
from contextlib import suppress
from itertools import pairwise

import numpy as np

FILE_BYTES = 2**26  # of rows in one file, which is read and checked as a whole
SMALL_BYTES = 2**20  # of a file that is put together with the next one, so that there are few


class RowFiles:
    """The files of one folder.

    Parameters
    ----------
    folder : Path
        Made when something is written.
    """

    def __init__(self, folder):
        self._folder = folder

    def read_into(self, rows):
        """Give rows all that they lack and files have, those included that appear meanwhile."""
        read = set()
        while rows.missing() and (unread := _sizes(self._folder).keys() - read):
            for path in unread:
                if stored := _load(path, rows.values, rows.lack):
                    rows.place(*stored)
                    with suppress(OSError):  # the file may be somebody else's
                        os.utime(path)
            read |= unread

    def write(self, keys, sizes, rows):
        """Keep rows, few of them together with those of other small files.

        Parameters
        ----------
        keys : list of bytes
            Of 16 bytes each, one a structure.
        sizes : ndarray of shape (n_structures,)
            Number of rows of each.
        rows : ndarray of shape (n_rows, n_features)

        Raises
        ------
        OSError
            If they cannot be written; what was there before remains.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        small = []
        if rows.nbytes < SMALL_BYTES:
            small = [path for path, n in _sizes(self._folder).items() if n < SMALL_BYTES]
        joined = {path: part for path in small if (part := _load(path, rows))}
        for part in joined.values():
            keys = keys + part[0]
            sizes, rows = np.concatenate([sizes, part[1]]), np.concatenate([rows, part[2]])
        starts = np.concatenate([[0], np.cumsum(sizes)])
        numbers = starts[:-1] * rows[:1].nbytes // FILE_BYTES  # of the files they begin in
        cuts = np.flatnonzero(np.diff(numbers)) + 1
        for start, end in pairwise([0, *cuts, len(sizes)]):
            part = rows[starts[start] : starts[end]]
            self._write_file(
                keys=np.array(keys[start:end], "V16"), sizes=sizes[start:end], rows=part
            )
        for path in joined:
            _delete(path)

    def _write_file(self, **arrays):
        path = self._folder / f"{uuid.uuid4().hex}.part"
        try:
            with path.open("wb") as file:
                np.savez(file, **arrays)
            path.replace(path.with_suffix(".npz"))
        except BaseException:
            _delete(path)
            raise


def delete_oldest(root, limit):
    """Delete files in folders of ``root``, used longest ago first, until ``limit`` bytes remain."""
    sizes = _sizes(root, "*/*")
    excess = sum(sizes.values()) - limit
    for path, n_bytes in sizes.items():
        if excess <= 0:
            break
        _delete(path)
        excess -= n_bytes


def _sizes(folder, pattern="*.npz"):
    """Bytes of files by their paths, those used longest ago first."""
    found = []
    with suppress(OSError):  # there may be no folder, or none that can be read
        for path in folder.glob(pattern):
            with suppress(FileNotFoundError):  # deleted meanwhile
                found.append((path, path.stat()))
    return {path: stat.st_size for path, stat in sorted(found, key=lambda f: f[1].st_mtime_ns)}


def _load(path, like, wanted=bool):
    """Keys, sizes and rows of a file; None if no key is wanted, or if they are damaged.

    Rows are to have the type and number of columns of ``like``.
    """
    try:
        # opened here, since numpy leaves damaged ones open; it compares check sums
        with path.open("rb") as file, np.load(file) as stored:
            keys = stored["keys"].tolist()
            if not wanted(keys):
                return None
            sizes, rows = stored["sizes"], stored["rows"]
        if rows.shape != (sizes.sum(), like.shape[1]) or rows.dtype != like.dtype:
            raise ValueError(f"it has rows of shape {rows.shape} and type {rows.dtype}")
        return keys, sizes, rows
    except FileNotFoundError:
        pass  # another process has deleted it
    except OSError as error:
        warnings.warn(f"Kept rows cannot be read ({error}); they are computed again.", stacklevel=2)
    except Exception as error:  # whatever a wrong byte leads to
        warnings.warn(
            f"The file {path} of kept rows is damaged ({error}); they are computed again.",
            stacklevel=2,
        )
        _delete(path)
    return None


def _delete(path):
    with suppress(OSError):  # another process was faster, or it is not ours
        path.unlink()
