"""Derivatives of exterior multipoles, isolated and periodic structures alike (section 6)."""

import numpy as np

from .batch import backward_in_groups
from .isolated_gradients import multipole_isolated_backward, multipole_isolated_gradients
from .multipole_expansion import _taylor_scales, periodic_multipoles, powers_and_orders
from .pair_slopes import multipole_correction_slopes


def multipole_backward(
    structures,
    channels,
    exponents,
    n_max,
    l_max,
    *,
    cutoff,
    width,
    summation,
    cotangents,
):
    """Derivatives of the sum of ``cotangents`` times the result of ``multipole_expansion``.

    Parameters
    ----------
    structures, channels, exponents, n_max, l_max, cutoff, width, summation
        As of ``multipole_expansion``.
    cotangents : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_exponents * n_channels * n_max).

    Returns
    -------
    positions : ndarray of shape (n_atoms, 3)
        In a fixed cell.
    strain : ndarray of shape (n_structures, 3, 3)
        With respect to eps_ab of r_b -> r_b + sum_a r_a eps_ab, atoms and cell alike.
    """
    powers = powers_and_orders(exponents, n_max)
    sums = periodic_multipoles(tuple(powers), l_max, cutoff, width, summation)
    scales = _taylor_scales(powers, l_max, cutoff)

    def of_split(split, *group):
        expansion = sums.sum_of(split)
        slopes = _slopes(powers, l_max, cutoff, width, split, expansion)
        return expansion.backward(*group, slopes)

    def of_kind(repeats, chosen, their_channels, parts):
        if not repeats:
            how = (powers, l_max, cutoff, width)
            return multipole_isolated_backward(chosen, their_channels, *how, parts)
        taylor = [part[..., None] / scales[l][:, None, None] for l, part in enumerate(parts)]
        splits = sums.splits(chosen, their_channels)
        return backward_in_groups(chosen, their_channels, taylor, splits, of_split)

    shape = (len(exponents), channels.count, n_max)
    cotangents = [np.asarray(c, float).reshape(*c.shape[:2], *shape) for c in cotangents]
    by_power = [c.swapaxes(3, 4).reshape(*c.shape[:2], -1, shape[1]) for c in cotangents]
    repeats = [bool(s.periodic.any()) for s in structures]
    return backward_in_groups(structures, channels, by_power, repeats, of_kind)


def multipole_gradients(structure, channels, exponents, n_max, l_max, *, cutoff, width, summation):
    """Derivatives of the multipoles of one structure.

    Parameters
    ----------
    structure : Structure
    channels, exponents, n_max, l_max, cutoff, width, summation
        As of ``multipole_expansion``.

    Returns
    -------
    positions : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_exponents * n_channels * n_max, n_atoms, 3), of the
        multipoles with respect to the atoms.
    strain : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_exponents * n_channels * n_max, 3, 3).
    """
    powers = powers_and_orders(exponents, n_max)
    if structure.periodic.any():
        sums = periodic_multipoles(tuple(powers), l_max, cutoff, width, summation)
        (split,) = sums.splits([structure], channels)
        expansion = sums.sum_of(split)
        slopes = _slopes(powers, l_max, cutoff, width, split, expansion)
        scales = _taylor_scales(powers, l_max, cutoff)
        parts = [
            [part[:, :, :, :, 0] / scales[l][:, None, None, None] for l, part in enumerate(kind)]
            for kind in expansion.jacobian(structure, channels, slopes)
        ]
    else:
        how = (powers, l_max, cutoff, width)
        parts = multipole_isolated_gradients(structure, channels, *how)
    return tuple([_orders_last(part, n_max) for part in kind] for kind in parts)


def _slopes(powers, l_max, cutoff, width, split, expansion):
    """Derivatives of the functions of pairs that belong to a split."""
    reach = expansion.short_range.reach
    return multipole_correction_slopes(tuple(powers), l_max, cutoff, width, split[0], reach)


def _orders_last(derivatives, n_max):
    """From (n_atoms, m, n_powers, n_channels, ...) to columns (exponent, channel, order)."""
    n_atoms, m, n_powers, n_channels, *rest = derivatives.shape
    apart = derivatives.reshape(n_atoms, m, n_powers // n_max, n_max, n_channels, *rest)
    return apart.swapaxes(3, 4).reshape(n_atoms, m, n_powers * n_channels, *rest)
