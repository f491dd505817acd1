"""The sum over k-vectors differentiated by the atoms, as if it were one over pairs.

In a cell, an atom j adds w_j f(r_i - r_j) to the coefficients of an atom i, where f is the sum of
the waves. Structures in equal cells share one product of phases and kernels; of each pair
inside a block of atoms only one order is summed, as f(-r) = (-1)^l f(r).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .kspace import PhaseTables, slices
from .structures import atom_offsets

_BLOCK = 2**15  # phases held at once, so that they and their products stay in cache
_FEWEST = 32  # k-vectors of a block, so that the matrix products are not too thin


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

    def add_sums(self, channels, gradients, out):
        """As of MovedPairs."""
        for rows, sources, pairs in self._structures():
            weights = channels.of(sources).dense().T
            for totals, law in zip(out, gradients, strict=True):
                for total, values in zip(totals, law, strict=True):
                    sums = weights @ values[pairs].reshape(-1, weights.shape[1], values[0].size)
                    sums = sums.reshape(*sums.shape[:2], *values.shape[1:])
                    total[rows] += sums.swapaxes(1, 2)

    def add_of_neighbors(self, law, factors, out):
        """As of MovedPairs."""
        values = self.gradients[law][factors.shape[1] // 2]
        for rows, sources, pairs in self._structures():
            right = factors[sources].reshape(-1, factors.shape[2])
            left = values[pairs].reshape(-1, len(right), out.shape[1])
            out[rows] += left.swapaxes(1, 2) @ right


class WavePairs:
    """Pairs of atoms of periodic structures, as sources of each other's coefficients.

    Parameters
    ----------
    structures : list of Structure
    atoms : ndarray of shape (n_atoms,)
        What their atoms are in the batch, ascending.
    plans : dict of int to Plan
        Of those structures of which any atom acts.
    kernels : callable
        Cell and plan to WaveKernels.
    uniform : ndarray of shape (n_structures, n_laws, n_channels, n_max)
        The terms of k = 0.
    l_max : int
    """

    def __init__(self, structures, atoms, plans, kernels, uniform, l_max):
        self.atoms, self._structures = atoms, structures
        self._plans, self._kernels = plans, kernels
        self._uniform, self._l_max = uniform, l_max
        self._offsets = atom_offsets(structures)
        counts = np.diff(self._offsets)
        self._owners = np.repeat(np.arange(len(structures)), counts)
        acting = np.isin(np.arange(len(structures)), list(plans))
        self.sizes = np.repeat(np.where(acting, counts, 0), counts)

    def around(self, some, rows):
        """The pairs of a slice of the atoms, which are the ``rows`` of those that are asked for."""
        numbers = self._acting(some)
        atoms = [slice(*self._offsets[n : n + 2]) for n in numbers]
        centers = [slice(max(a.start, some.start), min(a.stop, some.stop)) for a in atoms]
        sizes = [_length(c) * _length(a) for c, a in zip(centers, atoms, strict=True)]
        pairs = [slice(end - size, end) for end, size in zip(np.cumsum(sizes), sizes, strict=True)]
        _, n_laws, _, n_max = self._uniform.shape
        gradients = [
            [np.zeros((sum(sizes), 2 * l + 1, 3, n_max)) for l in range(self._l_max + 1)]
            for _ in range(n_laws)
        ]
        for group in self._in_equal_cells(numbers):
            members = [(numbers[i], atoms[i].start, centers[i], pairs[i].start) for i in group]
            self._fill(members, gradients)
        return MovedStructures(
            [slice(rows[c.start - some.start], rows[c.stop - 1 - some.start] + 1) for c in centers],
            [slice(self.atoms[a.start], self.atoms[a.stop - 1] + 1) for a in atoms],
            pairs,
            gradients,
        )

    def _fill(self, members, gradients):
        """Gradients of all pairs of structures in equal cells.

        ``members`` are their numbers, first atoms, centers and first pairs.
        """
        structures = [self._structures[number] for number, *_ in members]
        shifts = atom_offsets(structures)
        once, again, n_once = [], [], 0
        for structure, shift, (_, start, centers, place) in zip(
            structures, shifts[:-1], members, strict=True
        ):
            mine = each_once(len(structure), centers.start - start, centers.stop - start)
            once.append(mine[0] + [[shift], [shift], [place]])
            again.append(mine[1] + [[n_once], [place]])
            n_once += mine[0].shape[1]
        centers, sources, places = np.concatenate(once, axis=1)
        mirrored, mirror_places = np.concatenate(again, axis=1)
        positions = np.concatenate([s.positions for s in structures])
        kernels = self._kernels_of(members[0][0])
        sums = kernels.moved(positions[centers] - positions[sources])
        parts = kernels.by_degree_and_law(sums, 3)
        for l, laws in enumerate(parts):
            for part, law in zip(laws, gradients, strict=True):
                law[l][places] = part
                part = np.take(part, mirrored, axis=0)
                law[l][mirror_places] = part if l % 2 else np.negative(part, out=part)

    def _acting(self, some):
        """Numbers of the structures of a slice of the atoms, as far as they act."""
        first, last = self._owners[some.start], self._owners[some.stop - 1] + 1
        return [number for number in range(first, last) if number in self._plans]

    def _in_equal_cells(self, numbers):
        """Structures that share their kernels, as lists of places in ``numbers``."""
        groups = {}
        for place, number in enumerate(numbers):
            key = self._structures[number].cell.tobytes(), self._plans[number].k_cutoff
            groups.setdefault(key, []).append(place)
        return list(groups.values())

    def _kernels_of(self, number):
        return self._kernels(self._structures[number].cell, self._plans[number])

    def add_strained(self, some, rows, channels, _, out):
        """Add derivatives by the strain [a, b], which change kernels and volume, but no phases.

        ``out`` holds for each law and l an array of shape (n_rows, 2 l + 1, n_channels, 9, n_max).
        """
        for number in self._acting(some):
            start, stop = self._offsets[number : number + 2]
            centers = slice(max(start, some.start) - start, min(stop, some.stop) - start)
            mine = rows[centers.start + start - some.start : centers.stop + start - some.start]
            weights = channels.of(self.atoms[start:stop]).dense()
            parts = plane_wave_strains(
                self._kernels_of(number), self._structures[number].positions, weights, centers
            )
            for l, laws in enumerate(parts):
                for totals, part in zip(out, laws, strict=True):
                    totals[l][mine] += part
            for total, uniform in zip(out, self._uniform[number], strict=True):
                for diagonal in (0, 4, 8):
                    # the k = 0 term is inversely proportional to the volume
                    total[0][mine, 0, :, diagonal] -= uniform


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
    once : ndarray of shape (3, n_pairs)
        Center, source, and place of each among all pairs, sources fastest.
    again : ndarray of shape (2, n_mirrored)
        Which of them are there in the other order, too, and the places of that.
    """
    centers, sources = np.arange(first, last)[:, None], np.arange(n_atoms)
    centers, sources = np.nonzero((sources > centers) | (sources < first))
    mirrored = np.flatnonzero((sources >= first + centers) & (sources < last))
    mirror_places = (sources[mirrored] - first) * n_atoms + centers[mirrored] + first
    once = np.stack([centers + first, sources, centers * n_atoms + sources])
    return once, np.stack([mirrored, mirror_places])


def _length(some):
    return some.stop - some.start


def plane_wave_strains(kernels, positions, weights, centers):
    """Derivatives of the coefficients of some atoms of a structure by its strain.

    Parameters
    ----------
    kernels : WaveKernels
    positions : ndarray of shape (n_atoms, 3)
    weights : ndarray of shape (n_atoms, n_channels)
    centers : slice

    Returns
    -------
    list of list of ndarray
        For each l and law, shape (n_centers, 2 l + 1, n_channels, 9, n_max).
    """
    shape = (centers.stop - centers.start, weights.shape[1])
    sums = [np.zeros((shape[0] * shape[1], 9 * width)) for width in kernels.widths]
    tables = PhaseTables(positions, kernels.sphere) if len(kernels) else None
    step = _BLOCK // max(len(positions), 9 * sum(kernels.widths))
    for points in slices(len(kernels), max(_FEWEST, step)):
        phases = tables.phases(points)
        factors = (phases @ weights.astype(complex)).conj()
        waves = (phases[:, centers, None] * factors[:, None]).reshape(len(phases), -1)
        for parity, part in enumerate((waves.real, waves.imag)):
            sums[parity] -= np.ascontiguousarray(part).T @ kernels.strained(points, parity)
    by_degree = kernels.by_degree_and_law(sums, 9)
    return [
        [np.moveaxis(part.reshape(*shape, *part.shape[1:]), 1, 2) for part in laws]
        for laws in by_degree
    ]
