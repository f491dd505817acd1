"""Summary of a periodic cell for the planner: size, atoms and weights."""

from dataclasses import dataclass, replace

import numpy as np

from ..system.kvectors import reciprocal

VOLUME_STEPS = 16  # to the octave


@dataclass(frozen=True)
class Contents:
    """A cell and the weights of its atoms.

    Attributes
    ----------
    cell : ndarray of shape (3, 3)
    volume : float
        In cubic angstrom.
    first_wave, last_wave : float
        Lengths of the shortest and the longest of the three reciprocal lattice vectors.
    n_atoms : int
    totals : ndarray of shape (n_channels,)
        Sums of the weights.
    heaviest : ndarray of shape (n_channels,)
        Largest weight of an atom, without its sign.
    norms : ndarray of shape (n_channels,)
        Root of the summed squares of the weights.
    """

    cell: np.ndarray
    volume: float
    first_wave: float
    last_wave: float
    n_atoms: int
    totals: np.ndarray
    heaviest: np.ndarray
    norms: np.ndarray

    @property
    def key(self):
        """Key that equal contents share."""
        return self.cell.tobytes(), *self.key_of_atoms

    @property
    def key_of_atoms(self):
        """Key of the atoms, which contents of equal cells differ by."""
        arrays = self.totals, self.heaviest, self.norms
        return self.n_atoms, *(array.tobytes() for array in arrays)

    def rounded(self):
        """These in a cell of much the same volume, one that many cells share."""
        volume = 2.0 ** (np.round(VOLUME_STEPS * np.log2(self.volume)) / VOLUME_STEPS)
        return replace(self, volume=float(volume))

    @property
    def n_channels(self):
        """Channels that have atoms."""
        return np.count_nonzero(self.heaviest)

    def n_waves(self, k_cutoff):
        """Mean number of k-vectors in a half sphere."""
        return self.volume * k_cutoff**3 / (12.0 * np.pi**2)


def contents_of(cells, weights, offsets):
    """The contents of several cells.

    Parameters
    ----------
    cells : ndarray of shape (n_cells, 3, 3)
    weights : ndarray of shape (n_atoms, n_channels)
        Of the atoms of all cells.
    offsets : ndarray of shape (n_cells + 1,)
        Where the atoms of each cell begin, and their number.

    Returns
    -------
    list of Contents
    """
    waves = np.linalg.norm(reciprocal(cells), axis=2)
    columns = (
        cells,
        np.abs(np.linalg.det(cells)).tolist(),
        waves.min(axis=1).tolist(),
        waves.max(axis=1).tolist(),
        np.diff(offsets).tolist(),
        np.add.reduceat(weights, offsets[:-1], axis=0),
        np.maximum.reduceat(np.abs(weights), offsets[:-1], axis=0),
        np.sqrt(np.add.reduceat(weights**2, offsets[:-1], axis=0)),
    )
    return [Contents(*row) for row in zip(*columns, strict=True)]
