"""Derivatives of the coefficients of the potential, isolated and periodic structures alike."""

import numpy as np

from ..operators.grouped import backward_in_groups, each_group
from ..operators.linearized import FieldSlopes
from ..system.structures import repeat
from .isolated_gradients import isolated_backward, isolated_source
from .pair_slopes import correction_slopes
from .potential import periodic_potential


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
    repeats = repeat(structures).tolist()
    return backward_in_groups(structures, channels, cotangents, repeats, of_kind)


def potential_slopes(
    structures, channels, basis, laws, *, include_center, summation, exterior_width=None
):
    """Derivatives of the coefficients of ``potential_expansion``, as FieldSlopes.

    The parameters are those of ``potential_expansion``.
    """
    laws = tuple(laws)
    periodic = periodic_potential(basis, laws, include_center, exterior_width, summation)
    sources = []
    repeats = repeat(structures).tolist()
    for kind, atoms, chosen, theirs in each_group(structures, channels, repeats):
        if not kind:
            sources.append(isolated_source(chosen, atoms, basis, laws, exterior_width))
            continue
        for split, some, group, acting in each_group(
            chosen, theirs, periodic.splits(chosen, theirs)
        ):
            slopes = _slopes(split, basis, laws, exterior_width)
            sources += periodic.sum_of(split).sources(group, acting, atoms[some], slopes)
    return FieldSlopes(sources, channels, basis.l_max, len(laws), basis.n_max)


def _slopes(split, basis, laws, exterior_width):
    """Derivatives of the functions of pairs that belong to a split, None if there are none."""
    if split is None:
        return None
    wide = [law.widened(split[0]) for law in laws]
    return correction_slopes(basis, laws, wide, exterior_width)
