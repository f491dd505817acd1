"""Periodic structures as sources of waves: what their atoms and their strain have in common.

What rows of features need of derivatives are sums with factors f_imq of the centers. Structure
factors that are weighted with them, F_mq(k) = sum_i exp(i k.r_i) f_imq, take the place of the
sums over pairs of atoms, eqs. (8.1) and (8.2).
"""

from dataclasses import dataclass, replace

import numpy as np

from .. import blocks
from ..system.kvectors import PhaseTables, slices
from ..system.structures import atom_offsets
from .kernels import WaveKernels


def blocks_of_waves(sphere, positions, n_columns):
    """Slices of the k-vectors and their phases, (n_points, n_atoms), for so many columns."""
    step = max(blocks.FEWEST_WAVES, blocks.WAVE_NUMBERS // max(len(positions), n_columns))
    tables = PhaseTables(positions, sphere)
    for points in slices(len(sphere), step):
        yield points, tables.phases(points)


def cosines_and_sines(phases):
    """Real parts above imaginary ones, shape (2 n_points, n_atoms)."""
    return np.concatenate([phases.real, phases.imag])


class WeightedSums:
    """Structure factors weighted with factors of atoms, for each l.

    Parameters
    ----------
    factors : list of ndarray
        For each l, or for the first of them, shape (n_batch_atoms, 2 l + 1, n_factors).
    atoms : slice
        Those that are meant.
    """

    def __init__(self, factors, atoms):
        parts = [part[atoms] for part in factors]
        self._shapes = [part.shape[1:] for part in parts]
        flat = [part.reshape(len(part), part[0].size) for part in parts]
        self._flat = np.concatenate(flat, axis=1)
        self._cuts = np.cumsum([part.shape[1] for part in flat])[:-1]

    def __call__(self, waves):
        """For each l, shape (n_points, 2 l + 1, n_factors), complex, of ``cosines_and_sines``."""
        real, imaginary = (waves @ self._flat).reshape(2, len(waves) // 2, -1)
        sums = np.split(real + 1j * imaginary, self._cuts, axis=1)
        return [s.reshape(-1, *shape) for s, shape in zip(sums, self._shapes, strict=True)]


@dataclass(frozen=True, slots=True)
class StrainedWaves:
    """Derivatives of coefficients of a structure by its strain, contracted with factors.

    Attributes
    ----------
    kernels : WaveKernels
    positions : ndarray of shape (n_atoms, 3)
    weights : ndarray of shape (n_atoms, n_channels)
    centers : slice
        The atoms whose coefficients are meant.
    atoms : slice
        What these are in the batch.
    change : callable or None
        As ``with_functions`` of MovedPairs.
    """

    kernels: WaveKernels
    positions: np.ndarray
    weights: np.ndarray
    centers: slice
    atoms: slice
    change: object = None

    def with_functions(self, change):
        """Apply a linear map of the columns, ``change``, to the functions."""
        return replace(self, change=change)

    def contracted(self, law, factors):
        """Sums over the centers of derivatives times factors, eq. (8.2).

        Parameters
        ----------
        law : int
        factors : list of ndarray
            As of WeightedSums.

        Returns
        -------
        list of ndarray
            For each l of the factors, shape (9, n_channels * n_max, n_factors).
        """
        weighted, n_channels = WeightedSums(factors, self.atoms), self.weights.shape[1]
        totals = [0.0] * len(factors)
        n_columns = 9 * sum(self.kernels.widths)
        for points, phases in blocks_of_waves(self.kernels.sphere, self.positions, n_columns):
            sources = (phases @ self.weights).conj()[:, None, :, None]
            sums = weighted(cosines_and_sines(phases[:, self.centers]))
            functions = self._functions(points)[law]
            for l, (part, of_degree) in enumerate(zip(functions, sums, strict=False)):
                waves = sources * of_degree[:, :, None]
                waves = waves.imag if l % 2 else waves.real
                n_rows, n_columns = part.shape[0] * part.shape[1], part.shape[2] * part.shape[3]
                left = part.reshape(n_rows, n_columns)
                totals[l] = totals[l] - left.T @ waves.reshape(n_rows, -1)
        return [
            self._sorted(total, n_channels, part.shape[2])
            for total, part in zip(totals, factors, strict=True)
        ]

    def _functions(self, points):
        """Derivatives of the kernels for each law and l, (n_points, 2 l + 1, 9, n_max)."""
        columns = [self.kernels.strained(points, parity) for parity in (0, 1)]
        functions = list(zip(*self.kernels.by_degree_and_law(columns, 9), strict=True))
        return functions if self.change is None else self.change(functions)

    @staticmethod
    def _sorted(total, n_channels, n_factors):
        """From (9 * n_max, n_channels * n_factors) to (9, n_channels * n_max, n_factors)."""
        parts = total.reshape(9, -1, n_channels, n_factors).swapaxes(1, 2)
        return parts.reshape(9, -1, n_factors)


class WaveSource:
    """Periodic structures, as sources of each other's coefficients.

    Parameters
    ----------
    structures : list of Structure
    atoms : ndarray of shape (n_atoms,)
        What their atoms are in the batch, ascending.
    weights : list of ndarray of shape (n_atoms, n_channels)
        Of the atoms of each structure.
    plans : dict of int to Plan
        Of those structures that are meant.
    kernels : CellKernels
    uniform : ndarray of shape (n_structures, n_laws, n_channels, 9, n_max)
        Derivatives of the terms of k = 0 by the strain.
    """

    def __init__(self, structures, atoms, weights, plans, kernels, uniform):
        self.atoms, self._structures, self._weights = atoms, structures, weights
        self._plans, self._kernels, self._uniform = plans, kernels, uniform
        self._offsets = atom_offsets(structures)
        counts = np.diff(self._offsets)
        self._owners = np.repeat(np.arange(len(structures)), counts)
        acting = np.isin(np.arange(len(structures)), list(plans))
        self.sizes = np.repeat(np.where(acting, self._n_pairs(counts), 0), counts)

    def _acting(self, subset):
        """Numbers of the structures of a slice of the atoms, as far as they are meant."""
        first, last = self._owners[subset.start], self._owners[subset.stop - 1] + 1
        return [number for number in range(first, last) if number in self._plans]

    def _centers(self, number, subset):
        """All atoms of a structure, and those that are in a slice of the atoms."""
        atoms = slice(*self._offsets[number : number + 2])
        return atoms, slice(max(atoms.start, subset.start), min(atoms.stop, subset.stop))

    def _in_batch(self, atoms):
        """Slice of the batch that a slice of the structures' atoms is."""
        return slice(int(self.atoms[atoms.start]), int(self.atoms[atoms.stop - 1]) + 1)

    def _each_with_waves(self, subset):
        """Numbers of the structures of a slice of the atoms that have waves, and their kernels."""
        for number in self._acting(subset):
            kernels = self._kernels(number)
            if len(kernels):
                yield number, kernels

    def strained_waves(self, subset):
        """The derivatives by the strain, of the atoms of a slice, as a list of StrainedWaves."""
        found = []
        for number, kernels in self._each_with_waves(subset):
            atoms, centers = self._centers(number, subset)
            within = slice(centers.start - atoms.start, centers.stop - atoms.start)
            positions, weights = self._structures[number].positions, self._weights[number]
            parameters = positions, weights, within, self._in_batch(centers)
            found.append(StrainedWaves(kernels, *parameters))
        return found

    def add_strained(self, subset, rows, channels, _, out):
        """Add what is not in ``strained_waves``, the terms of k = 0.

        ``out`` holds for each law and l an array of shape (n_rows, 2 l + 1, n_channels, 9, n_max).
        """
        for number in self._acting(subset):
            _, centers = self._centers(number, subset)
            own = rows[centers.start - subset.start : centers.stop - subset.start]
            for total, uniform in zip(out, self._uniform[number], strict=True):
                total[0][own, 0] += uniform


def length(subset):
    """Number of members of a slice."""
    return subset.stop - subset.start
