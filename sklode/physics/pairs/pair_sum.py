"""The sum over pairs of atoms as an operator, c_i = sum_j w_j F_nl(d_ij) Y_lm(r_ij)."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .. import blocks
from ..radial.functions import RadialFunction
from ..system.neighbors import all_pairs, pairs_within
from .derivatives import NearPairs
from .reverse import pair_backward
from .values import empty_coefficients, expand_pairs


@dataclass(frozen=True, eq=False)
class PairSum:
    """A sum over the neighbours of every atom.

    Attributes
    ----------
    function : RadialFunction
        F_nl of all laws, (n, (l_max + 1) * n_laws * n_max), l slowest.
    l_max, n_laws : int
    cutoff : float or None, default=None
        Distance in angstrom beyond which the function vanishes. None is for all pairs of isolated
        structures.
    n_threads : int, default=1
        Threads that share the pairs; no result depends on it.
    """

    function: RadialFunction
    l_max: int
    n_laws: int
    cutoff: float | None = None
    n_threads: int = 1

    def values(self, batch):
        """Coefficients for each l, shape (n_atoms, 2 l + 1, n_laws, n_channels, n_max)."""
        n_atoms, n_channels, width = batch.n_atoms, batch.channels.count, self._sample.shape[1]
        # (atom, m, channel, law * n), which the products of harmonics and functions give
        sums = empty_coefficients(n_atoms, n_channels, width, self.l_max, self._sample.dtype)
        for part, _, atoms in self._parts(batch):
            expand_pairs(
                self._pairs(part),
                part.channels,
                part.n_atoms,
                self.function.values,
                self.l_max,
                [s[atoms] for s in sums],
                self.n_threads,
            )
        shape = n_channels, self.n_laws, width // self.n_laws
        # (atom, m, channel, law, n) -> (atom, m, law, channel, n)
        return [s.reshape(*s.shape[:2], *shape).swapaxes(2, 3) for s in sums]

    def vjp(self, batch, cotangents):
        """Gradients of the sum of ``cotangents`` times the coefficients.

        Returns
        -------
        positions : ndarray of shape (n_atoms, 3)
        strain : ndarray of shape (n_structures, 3, 3)
        """
        positions = np.empty((batch.n_atoms, 3))
        strain = np.empty((len(batch.structures), 3, 3))
        # (atom, m, law, channel, n) -> (atom, m, channel, law * n)
        columns = [c.swapaxes(2, 3) for c in cotangents]
        columns = [c.reshape(*c.shape[:3], np.prod(c.shape[3:])) for c in columns]
        for part, numbers, atoms in self._parts(batch):
            positions[atoms], strain[numbers] = pair_backward(
                self._pairs(part),
                part.channels,
                self.function,
                self.l_max,
                [c[atoms] for c in columns],
                part.owners,
                len(part.structures),
                self.n_threads,
            )
        return positions, strain

    def jacobian(self, batch, atoms):
        """The pairs, differentiated, as a list of terms for Linearized.

        ``atoms`` says what the atoms are in a larger batch.
        """
        return [NearPairs(self._pairs(batch), atoms, self.function, self.l_max, self.n_laws)]

    @cached_property
    def _sample(self):
        """Functions at one distance, (1, n_laws * n_max), for numbers and types."""
        return self.function.values(np.ones(1))[:, :: self.l_max + 1]

    def _pairs(self, batch):
        """The pairs of a batch, listed once where values and derivatives are asked for."""
        if batch.kept is None:
            return self._listed(batch.structures)
        if self.cutoff not in batch.kept:
            batch.kept[self.cutoff] = self._listed(batch.structures)
        return batch.kept[self.cutoff]

    def _listed(self, structures):
        if self.cutoff is None:
            return all_pairs(structures)
        return pairs_within(structures, self.cutoff, self.n_threads)

    def _parts(self, batch):
        """Parts of a batch, with about ``PAIRS_LISTED`` pairs each; their structures and atoms."""
        n_pairs = batch.sizes * self._neighbors_per_atom(batch)
        first, listed = 0, 0.0
        for number, more in enumerate(n_pairs.tolist(), start=1):
            listed += more
            if listed > blocks.PAIRS_LISTED or number == len(n_pairs):
                part, atoms = batch.consecutive(first, number)
                yield part, slice(first, number), atoms
                first, listed = number, 0.0

    def _neighbors_per_atom(self, batch):
        """Numbers of neighbours to be expected in each structure."""
        repeats = np.array([s.periodic for s in batch.structures]).all(axis=1)
        if self.cutoff is None or not repeats.any():
            return batch.sizes
        volumes = np.where(repeats, batch.volumes, 1.0)
        inside = 4.0 * np.pi / 3.0 * self.cutoff**3 / volumes
        return np.where(repeats, batch.sizes * inside, batch.sizes)
