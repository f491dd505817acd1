"""Reciprocal lattice vectors in half a sphere, and the phases exp(i k.r) of atoms on them.

The vectors are ordered in lines along the third axis, whose points differ in one integer.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class HalfSphere:
    """One of each +-k pair with 0 < k < k_cutoff (theory, section 4.3).

    Attributes
    ----------
    integers : ndarray of shape (n_k, 3), int
        Coordinates in the reciprocal lattice, line after line.
    vectors : ndarray of shape (n_k, 3)
        In 1/angstrom.
    norms : ndarray of shape (n_k,)
    axes : ndarray of shape (3, 3)
        The reciprocal lattice vectors as rows.
    """

    integers: np.ndarray
    vectors: np.ndarray
    norms: np.ndarray
    axes: np.ndarray

    def __len__(self):
        return len(self.norms)

    def within(self, k_cutoff):
        """The part of the half sphere with k < ``k_cutoff``."""
        kept = self.norms < k_cutoff
        return HalfSphere(self.integers[kept], self.vectors[kept], self.norms[kept], self.axes)


def reciprocal(cell):
    """Rows are the reciprocal lattice vectors, 2 pi included."""
    return 2.0 * np.pi * np.linalg.inv(cell).T


def half_sphere(cell, k_cutoff):
    """Enumerate the half sphere of any cell, left-handed ones included."""
    bounds = np.floor(np.linalg.norm(cell, axis=1) * k_cutoff / (2.0 * np.pi)).astype(int)
    n1, n2, n3 = np.ix_(*[np.arange(-b if d else 0, b + 1) for d, b in enumerate(bounds)])
    axes = b1, b2, b3 = reciprocal(cell)
    vectors = n1[..., None] * b1 + n2[..., None] * b2 + n3[..., None] * b3
    sizes = vectors.shape[1:3]
    # in this order all points after the origin are in the upper half, all before in the lower
    origin = bounds[1] * sizes[1] + bounds[2]
    vectors = vectors.reshape(-1, 3)[origin + 1 :]
    squares = np.einsum("kx,kx->k", vectors, vectors)
    inside = np.flatnonzero(squares < k_cutoff**2)
    line, third = np.divmod(inside + origin + 1, sizes[1])
    first, second = np.divmod(line, sizes[0])
    integers = np.stack([first, second, third], axis=1) - [0, bounds[1], bounds[2]]
    return HalfSphere(integers, vectors[inside], np.sqrt(squares[inside]), axes)


class PhaseTables:
    """exp(i k.r) of a set of atoms, as products of one-dimensional tables.

    Parameters
    ----------
    positions : ndarray of shape (n_atoms, 3)
        In angstrom, anywhere.
    sphere : HalfSphere
        Not empty.
    dtype : {numpy.complex128, numpy.complex64}
        Of the phases. The tables are made in double precision.
    """

    def __init__(self, positions, sphere, dtype=np.complex128):
        turns = np.exp(1j * (sphere.axes @ positions.T))
        lowest = np.minimum(sphere.integers.min(axis=0), 0)
        highest = np.maximum(sphere.integers.max(axis=0), 0)
        self._tables = [
            _powers(turn, low, high).astype(dtype, copy=False)
            for turn, low, high in zip(turns, lowest, highest, strict=True)
        ]
        self._dtype, self._n_atoms = dtype, len(positions)
        self._rows = sphere.integers - lowest
        changes = np.any(np.diff(self._rows[:, :2], axis=0) != 0, axis=1)
        self._line = np.concatenate([[0], np.cumsum(changes)])
        self._first_of_line = np.flatnonzero(np.concatenate([[True], changes]))

    def phases(self, points, out=None, work=None):
        """Phases of a slice of the k-vectors, shape (n_points, n_atoms).

        The first two factors are multiplied once a line. ``out`` and ``work`` are arrays of the
        shape and type of the result to be filled.
        """
        if out is None:
            out, work = np.empty((2, points.stop - points.start, self._n_atoms), self._dtype)
        lines = self._line[points]
        n1, n2, _ = self._rows[self._first_of_line[lines[0] : lines[-1] + 1]].T
        first, second, third = self._tables
        prefix = np.take(first, n1, axis=0)
        prefix *= np.take(second, n2, axis=0)
        np.take(prefix, lines - lines[0], axis=0, out=out, mode="clip")
        np.take(third, self._rows[points, 2], axis=0, out=work, mode="clip")
        out *= work
        return out


def _powers(turns, lowest, highest):
    """Integer powers of numbers on the unit circle, from lowest <= 0 to highest >= 0, as rows."""
    table = np.empty((max(highest, -lowest) + 1, len(turns)), complex)
    table[0] = 1.0
    for power in range(1, len(table)):
        np.multiply(table[power - 1], turns, out=table[power])
    return np.concatenate([table[1 : 1 - lowest][::-1].conj(), table[: highest + 1]])


def slices(length, step):
    """Consecutive slices of so many k-vectors or pairs."""
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]
