"""Reciprocal lattice vectors in half a sphere, and the phases exp(i k.r) of atoms on them.

The vectors are ordered in lines along the third axis, whose points differ in one integer.
"""

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np

from .. import blocks

_LISTED_BYTES = 100  # of a point of the box that a sphere is cut out of


@dataclass(frozen=True)
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

    @cached_property
    def line_starts(self):
        """The first vector of each line along the third axis."""
        first, second, _ = self.integers.T
        changes = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
        return np.concatenate([[0], 1 + np.flatnonzero(changes)])

    @cached_property
    def line(self):
        """Number of the line that each vector is on."""
        first_of_next = np.zeros(len(self), int)
        first_of_next[self.line_starts[1:]] = 1
        return np.cumsum(first_of_next)


def reciprocal(cell):
    """Rows are the reciprocal lattice vectors, 2 pi included; also of several cells at once."""
    return 2.0 * np.pi * np.swapaxes(np.linalg.inv(cell), -1, -2)


def half_sphere(cell, k_cutoff):
    """Enumerate the half sphere of any cell, left-handed ones included."""
    return half_spheres([cell], [k_cutoff])[0]


def half_spheres(cells, k_cutoffs):
    """The half sphere of each cell; those of similar cells are enumerated together.

    Parameters
    ----------
    cells : sequence of ndarray of shape (3, 3)
    k_cutoffs : sequence of float
        In 1/angstrom.

    Returns
    -------
    list of HalfSphere

    Raises
    ------
    ValueError
        If there are more of them than memory holds.
    """
    cells, k_cutoffs = np.asarray(cells), np.asarray(k_cutoffs, float)
    lengths = np.linalg.norm(cells, axis=2)
    bounds = np.floor(lengths * k_cutoffs[:, None] / (2.0 * np.pi))
    n_listed = np.prod(2.0 * bounds + 1.0, axis=1) / 2.0
    if np.any(n_listed * _LISTED_BYTES > blocks.MOST_BYTES):
        number = int(np.argmax(n_listed))
        raise too_many_waves(lengths[number], k_cutoffs[number], n_listed[number] * _LISTED_BYTES)
    bounds = bounds.astype(int)
    axes, groups = reciprocal(cells), defaultdict(list)
    for number, key in enumerate(map(tuple, bounds // blocks.SIMILAR_BOUNDS)):
        groups[key].append(number)
    spheres = [None] * len(cells)
    for members in groups.values():
        box = _upper_half(bounds[members].max(axis=0))
        found = _inside(box, axes[members], k_cutoffs[members])
        for number, sphere in zip(members, found, strict=True):
            spheres[number] = sphere
    return spheres


def too_many_waves(lengths, k_cutoff, n_bytes):
    """The error that refuses a sum over more k-vectors than memory holds."""
    sides = " x ".join(f"{length:.3g}" for length in lengths)
    return ValueError(
        f"The k-vectors up to {k_cutoff:.3g}/angstrom of a cell of {sides} angstrom would need "
        f"{n_bytes / 2**30:.1e} GB. Use a larger smearing, a larger tol or a smaller k_cutoff."
    )


def _upper_half(bounds):
    """Integers up to the bounds, one of each pair n, -n, line after line; without the origin."""
    n1, n2, n3 = np.ix_(*[np.arange(-b if d else 0, b + 1) for d, b in enumerate(bounds)])
    box = np.stack(np.broadcast_arrays(n1, n2, n3), axis=-1).reshape(-1, 3)
    # in this order all points after the origin are in the upper half, all before in the lower
    origin = bounds[1] * (2 * bounds[2] + 1) + bounds[2]
    return box[origin + 1 :]


def _inside(box, axes, k_cutoffs):
    """Half spheres of several cells, among the integers of a box."""
    vectors = box.astype(float) @ axes
    squares = np.einsum("skx,skx->sk", vectors, vectors)
    found = np.flatnonzero(squares < k_cutoffs[:, None] ** 2)
    owner, chosen = np.divmod(found, len(box))
    return _of_owners(
        owner,
        np.take(box, chosen, axis=0),
        np.take(vectors.reshape(-1, 3), found, axis=0),
        np.sqrt(np.take(squares, found)),
        axes,
    )


def spheres_within(spheres, k_cutoffs):
    """The part of each half sphere with k < ``k_cutoffs`` (n_spheres,)."""
    sizes = [len(sphere) for sphere in spheres]
    norms = np.concatenate([sphere.norms for sphere in spheres])
    kept = np.flatnonzero(norms < np.repeat(k_cutoffs, sizes))
    return _of_owners(
        np.take(np.repeat(np.arange(len(spheres)), sizes), kept),
        np.take(np.concatenate([sphere.integers for sphere in spheres]), kept, axis=0),
        np.take(np.concatenate([sphere.vectors for sphere in spheres]), kept, axis=0),
        np.take(norms, kept),
        [sphere.axes for sphere in spheres],
    )


def _of_owners(owner, integers, vectors, norms, axes):
    """Half spheres from their vectors one after the other, and whose each is, ascending."""
    ends = np.searchsorted(owner, np.arange(len(axes) + 1)).tolist()
    return [
        HalfSphere(integers[start:end], vectors[start:end], norms[start:end], of_cell)
        for (start, end), of_cell in zip(pairwise(ends), axes, strict=True)
    ]


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
        self._highest = int(np.abs(sphere.integers).max())
        self._tables = powers(turns, self._highest).astype(dtype, copy=False)
        self._sphere, self._dtype = sphere, dtype
        self._last = None, None

    def phases(self, points, atoms=slice(None), out=None, work=None):
        """Phases of slices of the k-vectors and of the atoms, shape (n_points, n_atoms).

        The first two factors are multiplied once a line. ``out`` and ``work`` are arrays of the
        shape and type of the result to be filled.
        """
        first, second, third = self._tables[:, :, atoms]
        if out is None:
            out, work = np.empty((2, points.stop - points.start, first.shape[1]), self._dtype)
        n1, n2, line, n3 = self._places(points)
        prefix = np.take(first, n1, axis=0)
        prefix *= np.take(second, n2, axis=0)
        np.take(prefix, line, axis=0, out=out, mode="clip")
        np.take(third, n3, axis=0, out=work, mode="clip")
        out *= work
        return out

    def _places(self, points):
        """Where the factors of each line and each vector are in the tables, kept for more atoms."""
        if self._last[0] != points:
            lines, (_, _, n3) = self._sphere.line[points], self._sphere.integers[points].T
            starts = self._sphere.line_starts[lines[0] : lines[-1] + 1]
            n1, n2, _ = self._sphere.integers[starts].T + self._highest
            self._last = points, (n1, n2, lines - lines[0], n3 + self._highest)
        return self._last[1]


def powers(turns, highest):
    """Integer powers of numbers on the unit circle, -highest to highest.

    ``turns`` has the shape (3, n_atoms), the result (3, 2 highest + 1, n_atoms).
    """
    table = np.empty((len(turns), 2 * highest + 1, turns.shape[1]), complex)
    table[:, highest] = 1.0
    for power in range(highest + 1, 2 * highest + 1):
        np.multiply(table[:, power - 1], turns, out=table[:, power])
    np.conjugate(table[:, :highest:-1], out=table[:, :highest])
    return table


@lru_cache(maxsize=1024)
def slices(length, step):
    """Consecutive slices of so many k-vectors or pairs."""
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]
