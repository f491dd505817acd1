"""Structures as extended XYZ, without what ASE writes but cannot read."""

import re
import warnings
from collections.abc import Iterable
from io import StringIO
from typing import TextIO

import ase.io
import numpy as np
from ase import Atoms

_PLAIN = re.compile(r"[\w.+-]+")  # text that needs no quotes


class ExtendedXYZ:
    """Structures that are written to a file, one after the other.

    Parameters
    ----------
    file : text file
        To write to.
    """

    def __init__(self, file: TextIO):
        self._file = file
        self._left_out: dict[str, None] = {}

    def write(self, structures: Iterable[Atoms]) -> None:
        """Write structures, and remove from them what cannot be written."""
        found = list(structures)
        for atoms in found:
            self._leave_out(atoms.info, _is_kept)
            self._leave_out(atoms.arrays, _is_kept_array)
        ase.io.write(self._file, found, format="extxyz")

    def _leave_out(self, known, is_kept):
        for key in [key for key, value in known.items() if not is_kept(key, value)]:
            del known[key]
            self._left_out[str(key)] = None

    def warn(self) -> None:
        """Say what was left out.

        Warns
        -----
        UserWarning
        """
        if self._left_out:
            warnings.warn(
                f"{', '.join(map(repr, self._left_out))} of some structures: extended XYZ cannot "
                "hold the values, such as empty texts. They were left out.",
                stacklevel=2,
            )


def _is_kept(key, value):
    """Whether a value of ``atoms.info`` is read back, and what follows it."""
    if _PLAIN.fullmatch(str(key)) and _is_simple(value):  # most are, and need no trial
        return True
    text = StringIO()
    try:
        ase.io.write(text, Atoms("H", info={key: value, "last": 1}), format="extxyz")
        text.seek(0)
        (found,) = ase.io.read(text, ":", format="extxyz")
    except Exception:  # readers and writers of ASE raise whatever happens to them
        return False
    return set(found.info) == {key, "last"}


def _is_simple(value):
    if isinstance(value, str):
        return _PLAIN.fullmatch(value) is not None
    if isinstance(value, np.ndarray):
        return value.size > 0 and value.ndim <= 2 and value.dtype.kind in "fib"
    return isinstance(value, (bool, int, float, np.number))


def _is_kept_array(key, values):
    """Whether a per-atom array is read back."""
    if not _PLAIN.fullmatch(key) or values.ndim > 2 or values.size == 0:
        return False
    if values.dtype.kind == "U":
        return all(text.isprintable() and len(text.split()) == 1 for text in values.flat)
    return values.dtype.kind in "fib"
