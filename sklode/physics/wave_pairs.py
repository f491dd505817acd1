"""The sum over k-vectors differentiated by the atoms, as if it were one over pairs.

In a cell, an atom j adds w_j f(r_i - r_j) to the coefficients of an atom i, where f is the sum of
the waves. Pairs of structures in equal cells share one product of phases and kernels; of each pair
inside whole structures only one order is summed, as f(-r) = (-1)^l f(r).
"""

import numpy as np

from .kspace import PhaseTables, slices
from .moved_pairs import MovedPairs, by_channel, largest_first
from .structures import atom_offsets

_BLOCK = 2**15  # phases held at once, so that they and their products stay in cache
_PAIRS = 2**8  # pairs handled at once, so that their sums stay in cache, too
_FEWEST = 32  # k-vectors of a block, so that the matrix products are not too thin


def plane_wave_pairs(kernels, vectors):
    """Gradients by the position of a source of weight 1 of what it adds to the coefficients.

    Parameters
    ----------
    kernels : WaveKernels
    vectors : ndarray of shape (n_pairs, 3)
        From the source to the center.

    Returns
    -------
    list of ndarray
        For each l, shape (n_pairs, n_laws, 2 l + 1, 3, n_max).
    """
    sums = [np.zeros((len(vectors), 3 * width)) for width in kernels.widths]
    pairs = slices(len(vectors) if len(kernels) else 0, _PAIRS)
    tables = [PhaseTables(vectors[some], kernels.sphere) for some in pairs]
    for points in slices(len(kernels), _BLOCK // _PAIRS):
        moved = [kernels.moved(points, parity) for parity in (0, 1)]
        room = np.empty((points.stop - points.start, _PAIRS))
        for some, table in zip(pairs, tables, strict=True):
            phases, wave = table.phases(points), room[:, : some.stop - some.start]
            for total, part, kernel in zip(sums, (phases.imag, phases.real), moved, strict=True):
                np.copyto(wave, part)
                total[some] += wave.T @ kernel
    np.negative(sums[1], out=sums[1])
    return kernels.by_degree_and_law(sums, 3)


class WavePairs:
    """Pairs of atoms of periodic structures, as sources of each other's coefficients.

    Parameters
    ----------
    structures : list of Structure
    atoms : ndarray of shape (n_atoms,)
        What their atoms are in the batch, ascending.
    channels : Channels
        Of these atoms.
    plans : dict of int to Plan
        Of those structures of which any atom acts.
    kernels : callable
        Cell and plan to WaveKernels.
    uniform : ndarray of shape (n_structures, n_laws, n_channels, n_max)
        The terms of k = 0.
    l_max : int
    """

    def __init__(self, structures, atoms, channels, plans, kernels, uniform, l_max):
        self.atoms, self._structures, self._channels = atoms, structures, channels
        self._plans, self._kernels = plans, kernels
        self._uniform, self._l_max = uniform, l_max
        self._offsets = atom_offsets(structures)
        counts = np.diff(self._offsets)
        self._owners = np.repeat(np.arange(len(structures)), counts)
        acting = np.isin(np.arange(len(structures)), list(plans))
        self.sizes = np.repeat(np.where(acting, counts - 1, 0), counts)
        self._positions = np.concatenate([s.positions for s in structures])

    def around(self, some, rows):
        """The pairs of a slice of the atoms, which are the ``rows`` of those that are asked for."""
        sizes = self.sizes[some]
        centers = np.repeat(np.arange(some.start, some.stop), sizes)
        first = self._offsets[self._owners[centers]]
        neighbors = first + np.arange(len(centers)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        neighbors += neighbors >= centers  # an atom is not its own neighbor
        order = by_channel(centers, self._channels.index[neighbors], self._channels.count)
        by_size, chosen = largest_first(sizes)
        order = order[chosen]
        gradients = self._gradients(centers[order], neighbors[order], some)
        sizes, neighbors = sizes[by_size], self.atoms[neighbors[order]]
        return MovedPairs(rows[by_size], sizes, neighbors, None, gradients)

    def _gradients(self, centers, neighbors, some):
        """For each law and l, shape (n_pairs, 2 l + 1, 3, n_max)."""
        first, last = self._owners[some.start], self._owners[some.stop - 1] + 1
        bounds = self._offsets[first], self._offsets[last]
        if bounds != (some.start, some.stop):
            return list(zip(*self._summed(centers, neighbors), strict=True))
        later = np.repeat(self._offsets[1:], np.diff(self._offsets))[some] - 1
        counts = np.where(self.sizes[some] > 0, later - np.arange(some.start, some.stop), 0)
        starts = np.cumsum(counts) - counts
        low = np.repeat(np.arange(some.start, some.stop), counts)
        high = low + 1 + np.arange(len(low)) - np.repeat(starts, counts)
        sums = self._summed(low, high)
        swapped = centers > neighbors
        pairs = np.minimum(centers, neighbors), np.maximum(centers, neighbors)
        place = starts[pairs[0] - some.start] + pairs[1] - pairs[0] - 1
        found = []
        for law in zip(*sums, strict=True):
            parts = [np.take(part, place, axis=0) for part in law]
            for part in parts[::2]:
                part *= np.where(swapped, -1.0, 1.0)[:, None, None, None]
            found.append(parts)
        return found

    def _summed(self, centers, sources):
        """For each l and law, shape (n_pairs, 2 l + 1, 3, n_max)."""
        vectors = self._positions[centers] - self._positions[sources]
        owners = self._owners[centers]
        groups = self._in_equal_cells(np.unique(owners))
        if len(groups) == 1:
            return plane_wave_pairs(self._kernels_of(groups[0][0]), vectors)
        _, n_laws, _, n_max = self._uniform.shape
        shapes = [(len(vectors), 2 * l + 1, 3, n_max) for l in range(self._l_max + 1)]
        out = [[np.empty(shape) for _ in range(n_laws)] for shape in shapes]
        for group in groups:
            chosen = np.flatnonzero(np.isin(owners, group))
            parts = plane_wave_pairs(self._kernels_of(group[0]), vectors[chosen])
            for wholes, laws in zip(out, parts, strict=True):
                for whole, part in zip(wholes, laws, strict=True):
                    whole[chosen] = part
        return out

    def _in_equal_cells(self, numbers):
        """Lists of structures that share their kernels."""
        groups = {}
        for number in numbers:
            key = self._structures[number].cell.tobytes(), self._plans[number].k_cutoff
            groups.setdefault(key, []).append(number)
        return list(groups.values())

    def _kernels_of(self, number):
        return self._kernels(self._structures[number].cell, self._plans[number])

    def add_strained(self, some, rows, channels, _, out):
        """Add derivatives by the strain [a, b], which change kernels and volume, but no phases.

        ``out`` holds for each law and l an array of shape (n_rows, 2 l + 1, n_channels, 9, n_max).
        """
        first, last = self._owners[some.start], self._owners[some.stop - 1] + 1
        for number in (n for n in range(first, last) if n in self._plans):
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
