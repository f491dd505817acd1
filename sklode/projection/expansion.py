"""The coefficients of one projector around all atoms of a chunk of structures."""

import numpy as np

from ..physics.invariants.spectra import Part
from ..physics.operators.contract import linearize
from ..physics.system.structures import Batch, Channels
from .species import species_index


class Expansion:
    """The coefficients of a fitted projector for a chunk of structures.

    Parameters
    ----------
    projector : Projector
    structures : list of Structure
    dtype : {"float64", "float32"}, default=None
        Precision; None is that of the projector.
    n_threads : int, default=1
        Threads that share large structures.
    narrow : bool, default=False
        Whether channels that no structure has are left out.
    keep_pairs : bool, default=False
        Whether lists of pairs are kept, for derivatives to come.

    Attributes
    ----------
    index : ndarray of shape (n_atoms,)
        Element of each atom among the projector's; -1 where it is absent.
    present : ndarray of shape (n_structures, n_all_channels), bool
        Channels that each structure has; some one at least.
    """

    def __init__(
        self, projector, structures, dtype=None, n_threads=1, narrow=False, keep_pairs=False
    ):
        self._dtype, self._n_max = dtype or projector.dtype, int(projector.n_max)
        self._operator = projector.operator(self._dtype, n_threads)
        numbers = np.concatenate([s.numbers for s in structures])
        self.index = species_index(projector.species_, numbers)
        name, n_channels = projector.channel_charges(), len(projector.species_)
        if name is None:
            channels = Channels(self.index, np.ones(len(self.index)), n_channels)
        else:
            weights = np.concatenate([s.charges[name] for s in structures])
            absent = projector.elements_matter() & (self.index < 0)
            channels, n_channels = Channels(np.where(absent, -1, 0), weights, 1), 1
        self.batch = Batch(structures, channels, {} if keep_pairs else None)
        self.present = np.ones((len(structures), n_channels), bool)
        if narrow and name is None:
            self._narrow()

    def _narrow(self):
        """Leave out channels that no structure has."""
        acting, channels = self.index >= 0, self.batch.channels
        self.present[:] = False
        self.present[self.batch.owners[acting], self.index[acting]] = True
        subset = self.present.any(axis=0)
        if not subset.any():
            self.present[:, 0] = subset[0] = True
        places = np.where(acting, (subset.cumsum() - 1)[self.index], -1)
        channels = Channels(places, channels.weights, int(subset.sum()))
        self.batch = Batch(self.batch.structures, channels, self.batch.kept)

    def coefficients(self):
        """Coefficients for each l, shape (n_atoms, 2 l + 1, n_laws * n_channels * n_max)."""
        values = self._operator.values(self.batch)
        width = self._operator.n_laws * self.batch.channels.count * self._n_max
        return [c.reshape(*c.shape[:2], width).astype(self._dtype, copy=False) for c in values]

    def parts(self, field):
        """One Part a law; ``field`` says which one of the invariants it belongs to."""
        sizes = self.batch.channels.count, self._n_max
        return [Part(field, law, *sizes) for law in range(self._operator.n_laws)]

    def linearized(self):
        """Derivatives of the coefficients, as Linearized."""
        return linearize(self._operator, self.batch, self._n_max)

    def vjp(self, cotangents):
        """Gradients by positions and by strain of factors times ``coefficients``."""
        shape = self._operator.n_laws, self.batch.channels.count, self._n_max
        by_law = [c.reshape(*c.shape[:2], *shape) for c in cotangents]
        return self._operator.vjp(self.batch, by_law)
