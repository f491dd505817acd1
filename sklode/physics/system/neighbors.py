"""Pairs of atoms in a batch of structures."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from vesin import NeighborList

from .. import blocks
from .structures import atom_offsets

_PAIR_BYTES = 60  # of an ordered pair in its list


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


def pairs_within(structures, cutoff, n_threads=1):
    """All pairs closer than ``cutoff`` angstrom, periodic images included.

    Their order does not depend on the number of threads, which share the search in a structure.

    Raises
    ------
    ValueError
        If there are more of them than memory holds.
    """
    offsets = atom_offsets(structures)
    sizes = offsets[1:] - offsets[:-1]
    repeats, wide, images = _periodicity(structures, cutoff)
    # few structures are so large that where their atoms are must be looked at
    for number in (_pair_bytes(sizes, images) > blocks.MOST_BYTES).nonzero()[0]:
        near = _within_reach(structures[number], cutoff)
        _refuse_too_many(len(structures[number]), near, f"within {cutoff:.3g} angstrom")
    few = wide & (sizes <= blocks.SEARCHED_ATOMS)
    parts = []
    for chosen, wrapped in ((few & ~repeats, False), (few & repeats, True)):
        if chosen.any():
            those = [structures[number] for number in np.flatnonzero(chosen)]
            parts.append(_each_once(those, offsets[:-1][chosen], cutoff, wrapped))
    search = NeighborList(cutoff=cutoff, full_list=False, n_threads=n_threads)
    for number in np.flatnonzero(~few):
        s = structures[number]
        i, j, vectors = search.compute(s.positions, s.cell, s.periodic, quantities="ijD")
        parts.append([i.astype(int) + offsets[number], j.astype(int) + offsets[number], vectors.T])
    return _both_ways(parts)


def _periodicity(structures, cutoff):
    """How structures repeat within a distance.

    Returns
    -------
    repeats, wide : ndarray of shape (n_structures,), bool
        Along all axes, and where only nearest images can be that close.
    images : ndarray of shape (n_structures,)
        Of an atom within the distance, at most as a mean, and at least one.
    """
    periodic = np.array([s.periodic for s in structures]).reshape(len(structures), -1)
    repeats, wide = periodic.all(axis=1), ~periodic.any(axis=1)
    images = np.ones(len(structures))
    if not wide.all():
        chosen = np.flatnonzero(~wide)
        cells = np.array([structures[number].cell for number in chosen])
        lengths = 2.0 * cutoff * np.linalg.norm(np.linalg.inv(cells), axis=1)  # in heights
        images[chosen] = np.prod(np.where(periodic[chosen], np.maximum(lengths, 1.0), 1.0), axis=1)
        wide[chosen] = repeats[chosen] & (lengths < 1.0).all(axis=1)
    return repeats, wide, images


def _within_reach(structure, cutoff):
    """Mean number of images of an atom within a distance; less than 1 in large structures."""
    axes = structure.cell if structure.periodic.any() else np.eye(3)
    inverse = np.linalg.inv(axes)
    lengths = 2.0 * cutoff * np.linalg.norm(inverse, axis=0)  # in heights
    extents = np.maximum(np.ptp(structure.positions @ inverse, axis=0), lengths)
    return np.prod(np.where(structure.periodic, lengths, lengths / extents))


def _pair_bytes(n_atoms, images):
    return _PAIR_BYTES * images * n_atoms * n_atoms


def _refuse_too_many(n_atoms, images, where):
    """Raise an error for more pairs than memory holds; ``images`` of an atom are within reach."""
    n_bytes = _pair_bytes(n_atoms, images)
    if n_bytes > blocks.MOST_BYTES:
        raise ValueError(
            f"A structure of {n_atoms} atoms has so many pairs {where} that they would need "
            f"{n_bytes / 2**30:.1e} GB. Use a smaller cutoff, or a larger tol."
        )


def all_pairs(structures):
    """All pairs of distinct atoms of each isolated structure.

    Raises
    ------
    ValueError
        If there are more of them than memory holds.
    """
    _refuse_too_many(max(len(s) for s in structures), 1.0, "of atoms at any distance")
    return _both_ways([_each_once(structures, atom_offsets(structures)[:-1])])


def _each_once(structures, starts, cutoff=np.inf, wrapped=False):
    """Centers, neighbors and vectors of pairs i < j, those of nearest images if ``wrapped``.

    ``starts`` are the numbers of the first atoms of the structures. Vectors are (3, n_pairs).
    """
    sizes = np.array([len(s) for s in structures])
    centers, neighbors, counts = _triangles(sizes)
    coordinates = np.concatenate([s.positions for s in structures])
    if wrapped:
        cells = np.array([s.cell for s in structures])
        inverses = np.repeat(np.linalg.inv(cells), sizes, axis=0)
        coordinates = np.einsum("ix,ixk->ik", coordinates, inverses)
    vectors = np.empty((3, len(centers)))
    for differences, along in zip(vectors, coordinates.T.copy(), strict=True):
        np.subtract(np.take(along, neighbors), np.repeat(along, counts), out=differences)
    if wrapped:
        vectors -= np.rint(vectors)
        pair_ends = np.cumsum(sizes * (sizes - 1) // 2)
        for cell, (first, last) in zip(cells, pairwise([0, *pair_ends.tolist()]), strict=True):
            vectors[:, first:last] = cell.T @ vectors[:, first:last]
    close = np.einsum("xp,xp->p", vectors, vectors) < cutoff**2
    if not close.all():
        chosen = np.flatnonzero(close)
        centers, neighbors = np.take(centers, chosen), np.take(neighbors, chosen)
        vectors = np.take(vectors, chosen, axis=1)
    ends = np.cumsum(sizes)
    numbers = np.repeat(starts - ends + sizes, sizes) + np.arange(ends[-1])
    return np.take(numbers, centers), np.take(numbers, neighbors), vectors


def _triangles(sizes):
    """Pairs i < j of atoms of the same structure, numbered through, and how many each i has."""
    ends = np.cumsum(sizes)
    atoms = np.arange(ends[-1])
    counts = np.repeat(ends, sizes) - 1 - atoms  # neighbours follow their center
    neighbors = np.repeat(atoms + 1 - np.cumsum(counts) + counts, counts)
    neighbors += np.arange(len(neighbors))
    return np.repeat(atoms, counts), neighbors, counts


def _both_ways(parts):
    """Ordered pairs from parts that hold each pair once."""
    centers, neighbors, vectors = zip(*parts, strict=True)
    there, back = np.concatenate(centers), np.concatenate(neighbors)
    vectors = np.concatenate([v.T for v in vectors * 2])
    np.negative(vectors[len(there) :], out=vectors[len(there) :])
    return Pairs(np.concatenate([there, back]), np.concatenate([back, there]), vectors, True)
