"""Pairs of atoms in a batch of structures."""

from dataclasses import dataclass

import numpy as np
from vesin import NeighborList

from .structures import atom_offsets


@dataclass(frozen=True, slots=True)
class Pairs:
    """Ordered pairs (center, neighbor), indices counted over the whole batch.

    Attributes
    ----------
    centers, neighbors : ndarray of shape (n_pairs,)
        Atoms of each pair.
    vectors : ndarray of shape (n_pairs, 3)
        From center to neighbor, in angstrom.
    """

    centers: np.ndarray
    neighbors: np.ndarray
    vectors: np.ndarray

    def __len__(self):
        return len(self.centers)


def pairs_within(structures, cutoff):
    """All pairs closer than ``cutoff`` angstrom, periodic images included."""
    search = NeighborList(cutoff=cutoff, full_list=True, n_threads=1)
    parts = [search.compute(s.positions, s.cell, s.periodic, quantities="ijD") for s in structures]
    return _concatenate(parts, atom_offsets(structures))


def all_pairs(structures):
    """All pairs of distinct atoms of each isolated structure."""
    parts = []
    for s in structures:
        i, j = np.nonzero(~np.eye(len(s), dtype=bool))
        parts.append((i, j, s.positions[j] - s.positions[i]))
    return _concatenate(parts, atom_offsets(structures))


def _concatenate(parts, offsets):
    counts = [len(part[0]) for part in parts]
    shifts = np.repeat(offsets[:-1], counts)
    centers, neighbors, vectors = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Pairs(centers.astype(int) + shifts, neighbors.astype(int) + shifts, vectors)
