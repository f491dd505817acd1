"""How atoms make a row: which ones count as centers, and of which structure or element."""

from itertools import pairwise

import numpy as np


class Pooling:
    """The atoms of a chunk of structures, and the rows and blocks of columns they belong to.

    Parameters
    ----------
    transformer : FieldFeatures
        Its ``center_species`` and ``pooling``.
    index : ndarray of shape (n_atoms,)
        Element of each atom among ``transformer.species_``; -1 where it is absent.
    batch : Batch
    """

    def __init__(self, transformer, index, batch):
        self._split = transformer.center_species == "split"
        self._mean = getattr(transformer, "pooling", "sum") == "mean"
        self._index, self._n_species = index, len(transformer.species_)
        self._offsets, self._sizes, self._owners = batch.offsets, batch.sizes, batch.owners
        # atoms of ignored elements are no centers
        self._counted = (index >= 0) | (not transformer.elements_matter())

    def structure_rows(self, columns, present, n_threads=1):
        """Rows of the structures, with a block of columns per central element if asked for."""
        groups, n_rows = self.groups(), len(self._sizes)
        owners = np.repeat(np.arange(n_rows), len(groups) // n_rows)
        rows = columns.of_groups(groups, [p[owners] for p in present], n_threads)
        rows = rows.reshape(n_rows, rows.size // n_rows)
        return rows / self.divisors()[:, None].astype(rows.dtype) if self._mean else rows

    def atom_rows(self, columns, present, n_threads=1):
        """Rows of the atoms, zero but for the block of their own element if asked for."""
        rows = columns.of_groups(None, [p[self._owners] for p in present], n_threads)
        rows[~self._counted] = 0.0
        if not self._split:
            return rows
        own = self._index[:, None] == np.arange(self._n_species)
        return (own[:, :, None] * rows[:, None, :]).reshape(len(rows), -1)

    def groups(self):
        """Atoms of each row, or of each central element of it."""
        ranges = [slice(a, b) for a, b in pairwise(self._offsets.tolist())]
        if not self._split and self._counted.all():
            return ranges
        numbers = np.arange(len(self._index))
        if self._split:
            elements = range(self._n_species)
            return [numbers[r][self._index[r] == c] for r in ranges for c in elements]
        return [numbers[r][self._counted[r]] for r in ranges]

    def divisors(self):
        """Numbers of atoms that each structure's row is the mean of; ones for sums."""
        if not self._mean:
            return np.ones(len(self._sizes))
        counts = np.add.reduceat(self._counted.astype(float), self._offsets[:-1])
        return np.maximum(counts, 1.0)

    def weights(self):
        """How often each atom counts as a center, for each block of columns."""
        weights = self._counted / self.divisors()[self._owners]
        if not self._split:
            return [weights]
        return [np.where(self._index == c, weights, 0.0) for c in range(self._n_species)]
