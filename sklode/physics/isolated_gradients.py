"""Derivatives of the potential and of the multipoles of isolated structures (section 5.1)."""

import numpy as np

from .neighbors import all_pairs
from .pair_gradients import pair_backward, pair_jacobian
from .pair_slopes import multipole_functions, potential_functions


def isolated_gradients(structure, channels, basis, laws, exterior_width=None):
    """Derivatives of the coefficients of the potential of one isolated structure.

    The parameters are those of ``potential_expansion``; the center itself is a constant.

    Returns
    -------
    positions : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_laws, n_channels, n_max, n_atoms, 3).
    strain : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_laws, n_channels, n_max, 3, 3).
    """
    functions = potential_functions(basis, laws, exterior_width)
    return _gradients(structure, channels, functions, basis.l_max, len(laws))


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


def multipole_isolated_gradients(structure, channels, powers, l_max, cutoff, width):
    """Derivatives of the multipoles of one isolated structure.

    Parameters
    ----------
    structure : Structure
    channels : Channels
    powers : list of float
        As from ``powers_and_orders``.
    l_max : int
        Largest degree.
    cutoff, width : float
        Where atoms begin to act, as for ``exterior_weight``.

    Returns
    -------
    positions : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_powers, n_channels, n_atoms, 3).
    strain : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_powers, n_channels, 3, 3).
    """
    functions = multipole_functions(powers, l_max, cutoff, width)
    both = _gradients(structure, channels, functions, l_max, len(powers))
    return tuple([part[:, :, :, :, 0] for part in parts] for parts in both)


def multipole_isolated_backward(structures, channels, powers, l_max, cutoff, width, cotangents):
    """Gradient of the sum of ``cotangents`` times the multipoles of isolated structures.

    Parameters
    ----------
    structures : list of Structure
    channels, powers, l_max, cutoff, width
        As for ``multipole_isolated_gradients``.
    cotangents : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_powers, n_channels).

    Returns
    -------
    positions : ndarray of shape (n_atoms, 3)
    strain : ndarray of shape (n_structures, 3, 3)
    """
    functions = multipole_functions(powers, l_max, cutoff, width)
    return _backward(structures, channels, functions, [c[..., None] for c in cotangents])


def _gradients(structure, channels, functions, l_max, n_laws):
    pairs = all_pairs([structure])
    both = pair_jacobian(pairs, channels, len(structure), *functions, l_max)
    return tuple([_laws_first(part, n_laws) for part in parts] for parts in both)


def _laws_first(part, n_laws):
    """From (n_atoms, m, n_channels, n_laws * n_max, ...) to n_laws before n_channels."""
    shape = part.shape
    return part.reshape(*shape[:3], n_laws, shape[3] // n_laws, *shape[4:]).swapaxes(2, 3)


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
