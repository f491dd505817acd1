"""Pairs of atoms in a batch of structures."""

from dataclasses import dataclass

import numpy as np
from vesin import NeighborList

from .structures import atom_offsets

_FEW_ATOMS = 60  # up to so many, looking at all pairs is faster than a search


@dataclass(frozen=True, slots=True)
class Pairs:
    """Ordered pairs (center, neighbor), indices counted over the whole batch.

    Attributes
    ----------
    centers, neighbors : ndarray of shape (n_pairs,)
        Atoms of each pair.
    vectors : ndarray of shape (n_pairs, 3)
        From center to neighbor, in angstrom.
    mirrored : bool
        Whether the second half is the first with the ends of each pair exchanged.
    """

    centers: np.ndarray
    neighbors: np.ndarray
    vectors: np.ndarray
    mirrored: bool = False

    def __len__(self):
        return len(self.centers)


def pairs_within(structures, cutoff):
    """All pairs closer than ``cutoff`` angstrom, periodic images included."""
    offsets = atom_offsets(structures)
    inverses, wide = _inverse_cells(structures, cutoff)
    simple = wide & (np.diff(offsets) <= _FEW_ATOMS)
    centers, neighbors, vectors = _each_once(structures, np.flatnonzero(simple), offsets)
    _to_nearest_images(vectors, centers, neighbors, structures, inverses)
    close = np.flatnonzero(np.einsum("px,px->p", vectors, vectors) < cutoff**2)
    parts = [[np.take(a, close, axis=0) for a in (centers, neighbors, vectors)]]
    search = NeighborList(cutoff=cutoff, full_list=False, n_threads=1)
    for number in np.flatnonzero(~simple):
        s = structures[number]
        i, j, vectors = search.compute(s.positions, s.cell, s.periodic, quantities="ijD")
        parts.append([i.astype(int) + offsets[number], j.astype(int) + offsets[number], vectors])
    return _both_ways(parts)


def _inverse_cells(structures, cutoff):
    """Inverse cells (0 of an isolated one), and where only nearest images can be that close."""
    periodic = np.array([np.broadcast_to(s.periodic, 3) for s in structures])
    repeats = periodic.all(axis=1)
    inverses = np.zeros((len(structures), 3, 3))
    if repeats.any():
        cells = [structures[number].cell for number in np.flatnonzero(repeats)]
        inverses[repeats] = np.linalg.inv(cells)
    wide = (np.linalg.norm(inverses, axis=1) * 2.0 * cutoff < 1.0).all(axis=1)
    return inverses, wide & (repeats | ~periodic.any(axis=1))


def _to_nearest_images(vectors, centers, neighbors, structures, inverses):
    """Move each neighbor, in place, to its image nearest to the center."""
    if not inverses.any():
        return
    sizes = [len(s) for s in structures]
    positions = np.concatenate([s.positions for s in structures])
    fractional = np.einsum("ix,ixk->ik", positions, np.repeat(inverses, sizes, axis=0))
    shifts = np.take(fractional, neighbors, axis=0)
    shifts -= np.take(fractional, centers, axis=0)
    np.rint(shifts, out=shifts)
    moved = np.flatnonzero((shifts[:, 0] != 0) | (shifts[:, 1] != 0) | (shifts[:, 2] != 0))
    owners = np.repeat(np.arange(len(structures)), sizes)[centers[moved]]
    cells = np.array([s.cell for s in structures])[owners]
    vectors[moved] -= np.einsum("pk,pkx->px", shifts[moved], cells)


def all_pairs(structures):
    """All pairs of distinct atoms of each isolated structure."""
    numbers = np.arange(len(structures))
    return _both_ways([_each_once(structures, numbers, atom_offsets(structures))])


def _each_once(structures, numbers, offsets):
    """Centers, neighbors and vectors of all pairs i < j of some of the structures."""
    if len(numbers) == 0:
        return np.zeros(0, int), np.zeros(0, int), np.zeros((0, 3))
    positions = np.concatenate([s.positions for s in structures])
    atoms = np.concatenate([np.arange(offsets[n], offsets[n + 1]) for n in numbers])
    last = np.repeat(offsets[numbers + 1], np.diff(offsets)[numbers]) - 1
    counts = last - atoms  # neighbours follow their center
    centers = np.repeat(atoms, counts)
    first = np.repeat(atoms + 1 - np.cumsum(counts) + counts, counts)
    neighbors = first + np.arange(len(first))
    vectors = np.take(positions, neighbors, axis=0)
    vectors -= np.take(positions, centers, axis=0)
    return centers, neighbors, vectors


def _both_ways(parts):
    """Ordered pairs from parts that hold each pair once."""
    centers, neighbors, vectors = zip(*parts, strict=True)
    there, back = np.concatenate(centers), np.concatenate(neighbors)
    vectors = np.concatenate([*vectors, *vectors])
    np.negative(vectors[len(there) :], out=vectors[len(there) :])
    return Pairs(np.concatenate([there, back]), np.concatenate([back, there]), vectors, True)
