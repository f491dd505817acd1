"""The sum over k-vectors differentiated by the atoms, as if it were one over pairs.

In a cell, an atom j adds w_j f(r_i - r_j) to the coefficients of an atom i, where f is the sum of
the waves. Structures in equal cells share one product of phases and kernels; of each pair
inside a block of atoms only one order is summed, as f(-r) = (-1)^l f(r).
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from ..system.structures import atom_offsets
from .derivatives import WaveSource, length


@dataclass(frozen=True, slots=True)
class MovedStructures:
    """All pairs between some atoms of structures and all of them.

    Attributes
    ----------
    rows : list of slice
        Where the atoms of each structure are among those that are asked for.
    sources : list of slice
        All atoms of each, in the batch.
    pairs : list of slice
        Pairs of each, sources fastest.
    gradients : list of list of ndarray
        grad f(r_ij) for each law and each l, shape (n_pairs, 2 l + 1, 3, n_max).
    """

    rows: list
    sources: list
    pairs: list
    gradients: list

    def _structures(self):
        return zip(self.rows, self.sources, self.pairs, strict=True)

    def with_functions(self, change):
        """Apply a linear map of the columns, ``change``, to the gradients."""
        return replace(self, gradients=change(self.gradients))

    def add_own(self, channels, out):
        """Add sums over the sources, times their weights, as MovedPairs does."""
        for rows, sources, pairs in self._structures():
            weights = channels.of(sources).dense().T
            for totals, law in zip(out, self.gradients, strict=True):
                for total, values in zip(totals, law, strict=True):
                    sums = weights @ values[pairs].reshape(-1, weights.shape[1], values[0].size)
                    sums = sums.reshape(*sums.shape[:2], *values.shape[1:])
                    total[rows] += sums.swapaxes(1, 2)

    def add_of_neighbors(self, law, factors, out):
        """Add products of gradients and factors of the neighbours, as MovedPairs does."""
        for values, of_degree, total in zip(self.gradients[law], factors, out, strict=False):
            for rows, sources, pairs in self._structures():
                right = of_degree[sources].reshape(-1, of_degree.shape[2])
                left = values[pairs].reshape(-1, len(right), total.shape[1])
                total[rows] += left.swapaxes(1, 2) @ right


class WavePairs(WaveSource):
    """Few atoms in each structure, or waves that are cheap, pair by pair."""

    def _n_pairs(self, counts):
        return counts

    def around(self, subset, rows):
        """The pairs of a slice of the atoms, which are the ``rows`` of those that are asked for."""
        rows_of, sources, pairs, parts = [], [], [], []
        for group in self._in_equal_cells(self._acting(subset)):
            members = [self._centers(number, subset) for number in group]
            parts.append(self._gradients(group, members))
            for atoms, centers in members:
                first, last = rows[[centers.start - subset.start, centers.stop - 1 - subset.start]]
                rows_of.append(slice(first, last + 1))
                sources.append(self._in_batch(atoms))
                begin = pairs[-1].stop if pairs else 0
                pairs.append(slice(begin, begin + length(centers) * length(atoms)))
        if not parts:
            return []
        gradients = [
            [np.concatenate(same) if len(same) > 1 else same[0] for same in zip(*law, strict=True)]
            for law in zip(*parts, strict=True)
        ]
        return [MovedStructures(rows_of, sources, pairs, gradients)]

    def _gradients(self, numbers, members):
        """For each law and l, gradients of all pairs of structures in equal cells.

        ``members`` are their atoms and centers, see ``_centers``.
        """
        structures = [self._structures[number] for number in numbers]
        ends, places, n_pairs = [], [], 0
        for (atoms, centers), shift in zip(members, atom_offsets(structures), strict=False):
            first, last = centers.start - atoms.start, centers.stop - atoms.start
            both, place = each_once(length(atoms), first, last)
            ends.append(both + shift)
            places.append(place + n_pairs * np.sign(place))
            n_pairs += both.shape[1]
        centers, sources = np.concatenate(ends, axis=1)
        place = np.concatenate(places)
        positions = np.concatenate([s.positions for s in structures])
        kernels = self._kernels(numbers[0])
        sums = self._kernels.moved(numbers[0])(positions[centers] - positions[sources])
        by_degree = [
            [_both_ways(part, place, -1.0 if l % 2 == 0 else 1.0) for part in laws]
            for l, laws in enumerate(kernels.by_degree_and_law(sums, 3))
        ]
        return list(zip(*by_degree, strict=True))

    def _in_equal_cells(self, numbers):
        """Lists of those structures that share their kernels."""
        groups = {}
        for number in numbers:
            plan = self._plans[number]
            key = self._structures[number].cell.tobytes(), plan.k_cutoff, plan.window
            groups.setdefault(key, []).append(number)
        return list(groups.values())


@lru_cache(maxsize=16)
def each_once(n_atoms, first, last):
    """Pairs of some atoms of a structure with all others, those of both orders once.

    Parameters
    ----------
    n_atoms : int
    first, last : int
        The first of these atoms, and the one after the last.

    Returns
    -------
    ends : ndarray of shape (2, n_pairs)
        Centers and sources.
    place : ndarray of shape ((last - first) * n_atoms,)
        For all pairs, sources fastest, which of these it is, counted from 1; negative where that
        has its ends exchanged, and 0 for an atom with itself.
    """
    sources = np.arange(n_atoms)
    centers = sources[first:last, None]
    place = np.zeros((last - first, n_atoms), int)
    once = (sources > centers) | (sources < first)
    ends = np.stack(np.nonzero(once))
    place[once] = 1 + np.arange(ends.shape[1])
    among = place[:, first:last]
    among -= np.triu(among, 1).T
    ends[0] += first
    return ends, place.ravel()


def _both_ways(part, place, sign):
    """Gradients of all pairs from those of pairs that are summed, with a sign for exchanged ends.

    ``place`` is that of ``each_once``.
    """
    n_pairs = len(part)
    known = np.empty((2 * n_pairs + 1, *part.shape[1:]))
    known[0], known[1 : n_pairs + 1] = 0.0, part
    np.multiply(part, sign, out=known[:n_pairs:-1])  # found by negative numbers
    return np.take(known, place, axis=0)
