"""Rows of structures with their derivatives, as one result."""

from dataclasses import dataclass

from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Derivatives:
    """Rows of structures, and their derivatives as far as these were asked for.

    Attributes
    ----------
    rows : ndarray of shape (n_structures, n_features)
        As of ``transform``, to rounding.
    positions : list of ndarray of shape (n_atoms, 3, n_features) or None
        By the positions of the atoms, in 1/angstrom times the units of the features. Neighbours in
        the list may share memory.
    strain : ndarray of shape (n_structures, 3, 3, n_features) or None
        By a strain of positions and cell, r -> r (1 + strain); that by strain[a, b] at [:, a, b].
    """

    rows: NDArray
    positions: list[NDArray]  # None is left to readers: they know what they asked for
    strain: NDArray
