"""Derivatives of the coefficients of the potential, isolated and periodic structures alike."""

import numpy as np

from .batch import backward_in_groups
from .isolated_gradients import isolated_backward, isolated_gradients
from .pair_slopes import correction_slopes
from .potential_expansion import periodic_potential


def potential_backward(
    structures,
    channels,
    basis,
    laws,
    *,
    include_center,
    summation,
    exterior_width=None,
    cotangents,
):
    """Derivatives of the sum of ``cotangents`` times the result of ``potential_expansion``.

    Parameters
    ----------
    structures, channels, basis, laws, include_center, summation, exterior_width
        As of ``potential_expansion``.
    cotangents : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_laws * n_channels * n_max).

    Returns
    -------
    positions : ndarray of shape (n_atoms, 3)
        In a fixed cell.
    strain : ndarray of shape (n_structures, 3, 3)
        With respect to eps_ab of r_b -> r_b + sum_a r_a eps_ab, atoms and cell alike.
    """
    laws = tuple(laws)
    periodic = periodic_potential(basis, laws, include_center, exterior_width, summation)

    def of_split(split, *group):
        slopes = _slopes(split, basis, laws, exterior_width)
        return periodic.sum_of(split).backward(*group, slopes)

    def of_kind(repeats, chosen, their_channels, parts):
        if repeats:
            splits = periodic.splits(chosen, their_channels)
            return backward_in_groups(chosen, their_channels, parts, splits, of_split)
        return isolated_backward(chosen, their_channels, basis, laws, exterior_width, parts)

    shape = (len(laws), channels.count, basis.n_max)
    cotangents = [np.asarray(c, float).reshape(*c.shape[:2], *shape) for c in cotangents]
    repeats = [bool(s.periodic.any()) for s in structures]
    return backward_in_groups(structures, channels, cotangents, repeats, of_kind)


def potential_gradients(
    structure,
    channels,
    basis,
    laws,
    *,
    include_center,
    summation,
    exterior_width=None,
):
    """Derivatives of the coefficients of one structure.

    Parameters
    ----------
    structure : Structure
    channels, basis, laws, include_center, summation, exterior_width
        As of ``potential_expansion``.

    Returns
    -------
    positions : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_laws * n_channels * n_max, n_atoms, 3), of the
        coefficients with respect to the atoms.
    strain : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_laws * n_channels * n_max, 3, 3).
    """
    laws = tuple(laws)
    if structure.periodic.any():
        periodic = periodic_potential(basis, laws, include_center, exterior_width, summation)
        (split,) = periodic.splits([structure], channels)
        slopes = _slopes(split, basis, laws, exterior_width)
        parts = periodic.sum_of(split).jacobian(structure, channels, slopes)
    else:
        parts = isolated_gradients(structure, channels, basis, laws, exterior_width)
    return tuple([_one_column_axis(part) for part in kind] for kind in parts)


def _slopes(split, basis, laws, exterior_width):
    """Derivatives of the functions of pairs that belong to a split, None if there are none."""
    if split is None:
        return None
    wide = [law.widened(split[0]) for law in laws]
    return correction_slopes(basis, laws, wide, exterior_width)


def _one_column_axis(derivatives):
    """Laws, channels and radial functions as one axis."""
    shape = derivatives.shape
    return derivatives.reshape(*shape[:2], -1, *shape[5:])
