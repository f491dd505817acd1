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
    """

    integers: np.ndarray
    vectors: np.ndarray
    norms: np.ndarray

    def __len__(self):
        return len(self.norms)

    def within(self, k_cutoff):
        """The part of the half sphere with k < ``k_cutoff``."""
        kept = self.norms < k_cutoff
        return HalfSphere(self.integers[kept], self.vectors[kept], self.norms[kept])


def reciprocal(cell):
    """Rows are the reciprocal lattice vectors, 2 pi included."""
    return 2.0 * np.pi * np.linalg.inv(cell).T


def half_sphere(cell, k_cutoff):
    """Enumerate the half sphere of any cell, left-handed ones included."""
    bounds = np.floor(np.linalg.norm(cell, axis=1) * k_cutoff / (2.0 * np.pi)).astype(int)
    n1, n2, n3 = np.ix_(*[np.arange(-b if d else 0, b + 1) for d, b in enumerate(bounds)])
    b1, b2, b3 = reciprocal(cell)
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
    return HalfSphere(integers, vectors[inside], np.sqrt(squares[inside]))


class PhaseTables:
    """exp(i k.r) of a set of atoms, as products of one-dimensional tables.

    Parameters
    ----------
    positions : ndarray of shape (n_atoms, 3)
        In angstrom, anywhere.
    cell : ndarray of shape (3, 3)
    sphere : HalfSphere
        Not empty.
    dtype : {numpy.complex128, numpy.complex64}
        Of the phases. The tables are made in double precision.
    """

    def __init__(self, positions, cell, sphere, dtype=np.complex128):
        fractional = positions @ np.linalg.inv(cell)
        lowest, highest = sphere.integers.min(axis=0), sphere.integers.max(axis=0)
        self._tables = [
            np.exp(2j * np.pi * np.outer(np.arange(lo, hi + 1), f - np.round(f))).astype(dtype)
            for f, lo, hi in zip(fractional.T, lowest, highest, strict=True)
        ]
        self._rows = sphere.integers - lowest
        changes = np.any(np.diff(self._rows[:, :2], axis=0) != 0, axis=1)
        self._line = np.concatenate([[0], np.cumsum(changes)])
        self._first_of_line = np.flatnonzero(np.concatenate([[True], changes]))

    def phases(self, points):
        """Phases of a slice of the k-vectors, shape (n_points, n_atoms).

        The first two factors are multiplied once a line.
        """
        lines = self._line[points]
        n1, n2, _ = self._rows[self._first_of_line[lines[0] : lines[-1] + 1]].T
        first, second, third = self._tables
        prefix = first[n1] * second[n2]
        phases = prefix[lines - lines[0]]
        phases *= third[self._rows[points, 2]]
        return phases
