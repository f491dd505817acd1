"""Derivatives of the potential and of the multipoles of isolated structures (section 5.1)."""

import numpy as np

from ..pairs.derivatives import NearPairs
from ..pairs.reverse import pair_backward
from ..system.neighbors import all_pairs
from .pair_slopes import multipole_functions, potential_functions


def isolated_source(structures, atoms, basis, laws, exterior_width=None):
    """The pairs of isolated structures, differentiated, for FieldSlopes.

    Parameters
    ----------
    structures, basis, laws, exterior_width
        As for ``potential_expansion``; the center itself is a constant.
    atoms : ndarray of shape (n_atoms,)
        What the atoms of the structures are in a batch, ascending.

    Returns
    -------
    NearPairs
    """
    functions = potential_functions(basis, laws, exterior_width)
    pairs = all_pairs(structures)
    return NearPairs(pairs, atoms, functions, basis.l_max, len(laws))


def isolated_backward(structures, channels, basis, laws, exterior_width, cotangents):
    """Gradient of the sum of ``cotangents`` times the coefficients of isolated structures.

    Parameters
    ----------
    structures, channels, basis, laws, exterior_width
        As for ``potential_expansion``.
    cotangents : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_laws, n_channels, n_max).

    Returns
    -------
    positions : ndarray of shape (n_atoms, 3)
    strain : ndarray of shape (n_structures, 3, 3)
    """
    functions = potential_functions(basis, laws, exterior_width)
    return _backward(structures, channels, functions, cotangents)


def multipole_isolated_source(structures, atoms, powers, n_max, l_max, cutoff, width):
    """The pairs of isolated structures that make multipoles, differentiated, for FieldSlopes.

    Parameters
    ----------
    structures : list of Structure
    atoms : ndarray of shape (n_atoms,)
        What the atoms of the structures are in a batch, ascending.
    powers : list of float
        As from ``powers_and_orders``.
    n_max : int
        Number of orders.
    l_max : int
        Largest degree.
    cutoff, width : float
        Where atoms begin to act, as for ``exterior_weight``.

    Returns
    -------
    NearPairs
    """
    functions = multipole_functions(powers, l_max, cutoff, width)
    pairs = all_pairs(structures)
    return NearPairs(pairs, atoms, functions, l_max, len(powers) // n_max)


def multipole_isolated_backward(structures, channels, powers, l_max, cutoff, width, cotangents):
    """Gradient of the sum of ``cotangents`` times the multipoles of isolated structures.

    Parameters
    ----------
    structures : list of Structure
    channels, powers, l_max, cutoff, width
        As for ``multipole_isolated_source``.
    cotangents : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_powers, n_channels).

    Returns
    -------
    positions : ndarray of shape (n_atoms, 3)
    strain : ndarray of shape (n_structures, 3, 3)
    """
    functions = multipole_functions(powers, l_max, cutoff, width)
    return _backward(structures, channels, functions, [c[..., None] for c in cotangents])


def _backward(structures, channels, functions, cotangents):
    channels_first = [c.swapaxes(2, 3) for c in cotangents]
    owners = np.repeat(np.arange(len(structures)), [len(s) for s in structures])
    return pair_backward(
        all_pairs(structures),
        channels,
        len(owners),
        *functions,
        len(cotangents) - 1,
        [c.reshape(*c.shape[:3], -1) for c in channels_first],
        owners,
        len(structures),
    )
