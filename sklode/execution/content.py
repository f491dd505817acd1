"""Digests of all that rows depend on: the content of a structure, and how it is described."""

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from .told import told


def content_digest(structure):
    """Digest of numbers, positions, cell, periodicity and the charges that are used, 16 bytes."""
    digest = hashlib.blake2b(repr([len(structure), *structure.charges]).encode(), digest_size=16)
    digest.update(structure.numbers.astype(np.int64).tobytes())
    for values in (structure.positions, structure.cell, *structure.charges.values()):
        digest.update(values.tobytes())
    digest.update(structure.periodic.tobytes())
    return digest.digest()


def settings_digest(transformer, per_atom):
    """Digest of parameters, of what was learnt in fit and of the code, 32 hexadecimal digits."""
    from .. import __version__  # here, as the package imports this module

    try:
        settings = __version__, _source(), per_atom, told(transformer)
    except TypeError as error:
        raise TypeError(
            f"memory cannot tell whether two {type(transformer).__name__} are the same: {error}. "
            "Pass memory=None, or laws that pickle can store, such as data classes of numbers."
        ) from error
    return hashlib.blake2b(repr(settings).encode(), digest_size=16).hexdigest()


@lru_cache
def _source():
    """Digest of this package: in a checkout, the code changes more often than its version."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
