"""What pairs of atoms add to a sum over k-vectors of a wider smeared potential (section 4.4)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..system.neighbors import pairs_within
from .derivatives import NearPairs
from .reverse import pair_backward
from .values import expand_pairs


@dataclass(frozen=True)
class ShortRange:
    """Coefficients of pairs, whose functions vanish beyond a distance.

    Attributes
    ----------
    radial : callable
        Distances (n,) to functions (n, (l_max + 1) * n_laws * n_max), l slowest.
    reach : float
        Distance in angstrom from which on they vanish.
    l_max, n_laws : int
    n_threads : int
        Threads that share the pairs.
    """

    radial: Callable
    reach: float
    l_max: int
    n_laws: int
    n_threads: int = 1

    def __call__(self, structures, channels):
        """Coefficients for each l, shape (n_atoms, 2 l + 1, n_laws, n_channels, n_max)."""
        parts = expand_pairs(
            pairs_within(structures, self.reach),
            channels,
            len(channels.index),
            self.radial,
            self.l_max,
            n_threads=self.n_threads,
        )
        return [laws_first(part, self.n_laws) for part in parts]

    def backward(self, structures, channels, cotangents, slopes):
        """Derivatives of the sum of ``cotangents`` times the coefficients.

        ``slopes`` are the derivatives of ``radial``, and like it.

        Returns
        -------
        positions : ndarray of shape (n_atoms, 3)
        strain : ndarray of shape (n_structures, 3, 3)
        """
        owners = np.repeat(np.arange(len(structures)), [len(s) for s in structures])
        return pair_backward(
            pairs_within(structures, self.reach),
            channels,
            len(owners),
            self.radial,
            slopes,
            self.l_max,
            [laws_inside(c) for c in cotangents],
            owners,
            len(structures),
            n_threads=self.n_threads,
        )

    def source(self, structures, atoms, slopes):
        """The pairs, differentiated, for FieldSlopes; ``slopes`` as for ``backward``.

        ``atoms`` (n_atoms,) says what the atoms of the structures are in a batch.
        """
        pairs = pairs_within(structures, self.reach)
        functions = self.radial, slopes
        return NearPairs(pairs, atoms, functions, self.l_max, self.n_laws)


def laws_first(coefficients, n_laws):
    """From (n_atoms, m, n_channels, n_laws * n_max) to (n_atoms, m, n_laws, n_channels, n_max)."""
    shape = coefficients.shape
    return coefficients.reshape(*shape[:3], n_laws, shape[3] // n_laws).swapaxes(2, 3)


def laws_inside(coefficients):
    """From (n_atoms, m, n_laws, n_channels, n_max) to (n_atoms, m, n_channels, n_laws * n_max)."""
    swapped = coefficients.swapaxes(2, 3)
    return swapped.reshape(*swapped.shape[:3], -1)
