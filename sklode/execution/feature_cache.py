"""Rows of structures that were described before in the same way, and of the others."""

import warnings
from pathlib import Path

import numpy as np
from joblib import Memory
from joblib.disk import memstr_to_bytes

from .chunks import rows_of_all
from .content import content_digest, settings_digest
from .row_files import RowFiles, delete_oldest

LARGEST_BYTES = 10 * 2**30  # of all files, unless the Memory says otherwise


def cached_rows(transformer, structures, per_atom):
    """Rows of all structures, computed where ``transformer.memory`` does not have them.

    Parameters
    ----------
    transformer : StructureTransformer
    structures : list of Structure
    per_atom : bool
        One row an atom instead of one a structure.

    Returns
    -------
    ndarray of shape (n_rows, n_features)
    """
    memory = getattr(transformer, "memory", None)
    if memory is None or getattr(memory, "location", memory) is None:  # joblib's way to have none
        return rows_of_all(transformer, structures, per_atom)
    root, limit = _root(memory), _limit(memory)
    files = RowFiles(root / settings_digest(transformer, per_atom))
    rows = _Rows(transformer, structures, per_atom)
    files.read_into(rows)
    missing = rows.missing()
    if not missing:
        return rows.values
    computed = rows_of_all(transformer, [structures[i] for i in missing], per_atom)
    new = [rows.keys[i] for i in missing], rows.sizes[missing], computed
    try:
        files.write(*new)
    except OSError as error:
        warnings.warn(
            f"Rows could not be kept in {root} ({error}). They are right, but will be computed "
            "again. Free space, name another folder, or pass memory=None.",
            stacklevel=2,
        )
    delete_oldest(root, limit)
    if len(missing) == len(structures):
        return computed
    rows.place(*new)
    return rows.values


def _root(memory):
    """The folder of all settings, where a joblib.Memory of that path has its results."""
    if not isinstance(memory, Memory):
        return Path(memory).expanduser() / "joblib" / "sklode"
    if memory.backend != "local":
        raise ValueError(
            "memory must be a folder or a joblib.Memory in a folder; this one has the backend "
            f"{memory.backend!r}. Pass the path of a folder."
        )
    return Path(memory.store_backend.location) / "sklode"


def _limit(memory):
    """Bytes of all files at most; None, as for joblib, is no limit."""
    options = memory.backend_options if isinstance(memory, Memory) else {}
    limit = options.get("bytes_limit", LARGEST_BYTES)
    if limit is None:
        return np.inf
    return memstr_to_bytes(limit) if isinstance(limit, str) else limit


class _Rows:
    """The rows that are wanted, as far as they are known.

    Attributes
    ----------
    keys : list of bytes
        Digests of the structures, some of which may be equal.
    sizes : ndarray of shape (n_structures,)
        Number of rows of each.
    values : ndarray of shape (n_rows, n_features)
    """

    def __init__(self, transformer, structures, per_atom):
        self.keys = [content_digest(s) for s in structures]
        self.sizes = np.array([len(s) if per_atom else 1 for s in structures])
        self._ends = np.cumsum(self.sizes)
        shape = self._ends[-1], transformer.n_features_out
        self.values = np.empty(shape, transformer.row_dtype)
        self._numbers = {}  # of the structures that are missing, by their keys
        for number, key in enumerate(self.keys):
            self._numbers.setdefault(key, []).append(number)

    def missing(self):
        """Numbers of the structures without rows, one of equal ones."""
        return [numbers[0] for numbers in self._numbers.values()]

    def lack(self, keys):
        """Whether one of these is missing."""
        return not self._numbers.keys().isdisjoint(keys)

    def place(self, keys, sizes, rows):
        """Take over rows of structures, as far as they are missing."""
        for key, end, size in zip(keys, np.cumsum(sizes).tolist(), sizes.tolist(), strict=True):
            for number in self._numbers.pop(key, ()):
                last = self._ends[number]
                self.values[last - size : last] = rows[end - size : end]
