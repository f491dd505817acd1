"""The sum over k-vectors differentiated by the atoms, through structure factors.

The work is that of atoms times k-vectors, which is less than that of all pairs where there are many
atoms. An atom is its own source here, in what it feels and in what it does to others alike, which
add up to nothing.
"""

from dataclasses import dataclass, replace

import numpy as np

from .. import blocks
from .derivatives import WaveSource, WeightedSums, blocks_of_waves, cosines_and_sines
from .kernels import WaveKernels
from .standing_waves import stands


def many_atoms(structure):
    """Whether a structure is better treated here than pair by pair."""
    standing = stands(structure.cell)
    return len(structure) >= (blocks.MANY_ATOMS_STANDING if standing else blocks.MANY_ATOMS)


@dataclass(frozen=True, slots=True)
class MovedWaves:
    """Some atoms of a structure, and the waves of all of them.

    Attributes
    ----------
    kernels : WaveKernels
    positions : ndarray of shape (n_atoms, 3)
    weights : ndarray of shape (n_atoms, n_channels)
    sources : slice
        What the atoms are in the batch.
    centers : slice
        Those of them that are asked for.
    rows : slice
        Where these are among all that are asked for.
    functions : list of list of ndarray
        v_p(k) I_nl(k) for each law and l, shape (n_k, n_max).
    """

    kernels: WaveKernels
    positions: np.ndarray
    weights: np.ndarray
    sources: slice
    centers: slice
    rows: slice
    functions: list

    def with_functions(self, change):
        """Apply a linear map of the columns, ``change``, to the functions."""
        return replace(self, functions=change(self.functions))

    def add_own(self, channels, out):
        """Add sums over the sources, times their weights, as MovedPairs does."""
        sums = [[0.0] * len(law) for law in self.functions]
        n_columns = 3 * sum(self.kernels.widths)
        for points, phases in blocks_of_waves(self.kernels.sphere, self.positions, n_columns):
            sources = (phases @ self.weights).conj()
            waves = phases[:, self.centers, None] * sources[:, None]
            waves = waves.reshape(len(phases), -1)
            parts = np.ascontiguousarray(waves.imag.T), -np.ascontiguousarray(waves.real.T)
            for of_law, functions in zip(sums, self.functions, strict=True):
                for l, radial in enumerate(functions):
                    of_law[l] = of_law[l] + parts[l % 2] @ self._gradients(points, l, radial)
        for totals, of_law in zip(out, sums, strict=True):
            for total, part in zip(totals, of_law, strict=True):
                n_orders, n_channels, _, n_max = total.shape[1:]
                part = np.reshape(part, (-1, n_channels, n_orders, 3, n_max))
                total[self.rows] += part.swapaxes(1, 2)

    def _gradients(self, points, l, radial):
        """Kernels times components of k, (n_points, (m, component, n))."""
        angular = self.kernels.harmonics(points, l)[:, :, None] * self._vectors(points)[:, None]
        gradients = angular[..., None] * radial[points, None, None]
        return gradients.reshape(len(gradients), -1)

    def _vectors(self, points):
        return self.kernels.sphere.vectors[points]

    def add_of_neighbors(self, law, factors, out):
        """Add products of gradients and factors of neighbours, eq. (8.1), as MovedPairs does."""
        weighted, total = WeightedSums(factors, self.sources), 0.0
        n_columns = sum(part.shape[1] * part.shape[2] for part in out)
        for points, phases in blocks_of_waves(self.kernels.sphere, self.positions, 2 * n_columns):
            waves = cosines_and_sines(phases)
            columns = []
            for l, sums in enumerate(weighted(waves)):
                angular = self.kernels.harmonics(points, l)[:, None]
                received = np.matmul(angular, sums) * (-1.0 if l % 2 else 1j)  # (n_k, 1, n_factors)
                gradients = self._vectors(points)[:, :, None] * self.functions[law][l][points, None]
                products = gradients.reshape(len(phases), -1, 1) * received
                columns.append(products.reshape(len(phases), -1))
            columns = np.concatenate(columns, axis=1)
            total = total + waves[:, self.centers].T @ cosines_and_sines(columns)
        ends = np.cumsum([part.shape[1] * part.shape[2] for part in out])
        for part, end in zip(out, ends, strict=True):
            columns = slice(end - part.shape[1] * part.shape[2], end)
            part[self.rows] += total[:, columns].reshape(-1, *part.shape[1:])


class WaveFactors(WaveSource):
    """Many atoms in each structure, structure by structure."""

    def _n_pairs(self, counts):
        return 0 * counts

    def around(self, subset, rows):
        """List the waves of a slice of the atoms, which are the ``rows`` of those asked for."""
        return [self._moved(*each, subset, rows) for each in self._each_with_waves(subset)]

    def _moved(self, number, kernels, subset, rows):
        atoms, centers = self._centers(number, subset)
        first, last = rows[[centers.start - subset.start, centers.stop - 1 - subset.start]]
        return MovedWaves(
            kernels,
            self._structures[number].positions,
            self._weights[number],
            self._in_batch(atoms),
            slice(centers.start - atoms.start, centers.stop - atoms.start),
            slice(first, last + 1),
            kernels.functions(),
        )
