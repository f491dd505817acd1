"""Derivatives of exterior multipoles, isolated and periodic structures alike (section 6)."""

import numpy as np

from ..operators.grouped import backward_in_groups, each_group
from ..operators.linearized import FieldSlopes
from ..system.structures import repeat
from .isolated_gradients import multipole_isolated_backward, multipole_isolated_source
from .multipoles import _taylor_scales, periodic_multipoles, powers_and_orders
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
    repeats = repeat(structures).tolist()
    return backward_in_groups(structures, channels, by_power, repeats, of_kind)


def multipole_slopes(structures, channels, exponents, n_max, l_max, *, cutoff, width, summation):
    """Derivatives of the multipoles of ``multipole_expansion``, as FieldSlopes.

    The parameters are those of ``multipole_expansion``.
    """
    powers = powers_and_orders(exponents, n_max)
    sums = periodic_multipoles(tuple(powers), l_max, cutoff, width, summation)
    scales = _taylor_scales(powers, l_max, cutoff)
    sources = []
    repeats = repeat(structures).tolist()
    for kind, atoms, chosen, theirs in each_group(structures, channels, repeats):
        if not kind:
            how = (powers, n_max, l_max, cutoff, width)
            sources.append(multipole_isolated_source(chosen, atoms, *how))
            continue
        for split, some, group, acting in each_group(chosen, theirs, sums.splits(chosen, theirs)):
            expansion = sums.sum_of(split)
            slopes = _slopes(powers, l_max, cutoff, width, split, expansion)
            found = expansion.sources(group, acting, atoms[some], slopes)
            sources += [_OrdersLast(source, 1.0 / scales, n_max) for source in found]
    return FieldSlopes(sources, channels, l_max, len(exponents), n_max)


def _slopes(powers, l_max, cutoff, width, split, expansion):
    """Derivatives of the functions of pairs that belong to a split."""
    reach = expansion.short_range.reach
    return multipole_correction_slopes(tuple(powers), l_max, cutoff, width, split[0], reach)


class _OrdersLast:
    """Multipoles of exponents and orders from Taylor coefficients of powers.

    Parameters
    ----------
    source : NearPairs, WavePairs or WaveFactors
        One law a power.
    factors : ndarray of shape (l_max + 1, n_powers)
    n_max : int
        Number of orders.
    """

    def __init__(self, source, factors, n_max):
        self._source, self._factors, self._n_max = source, factors, n_max
        self.atoms, self.sizes = source.atoms, source.sizes

    def around(self, some, rows):
        """As of NearPairs."""
        return [p.with_functions(self._by_exponent) for p in self._source.around(some, rows)]

    def strained_waves(self, some):
        """As of NearPairs."""
        return [w.with_functions(self._by_exponent) for w in self._source.strained_waves(some)]

    def add_strained(self, some, rows, channels, _, out):
        """As of NearPairs."""
        powers = [
            [np.zeros((*p.shape[:-1], 1)) for p in law] for law in out for _ in self._orders()
        ]
        self._source.add_strained(some, rows, channels, None, powers)
        for totals, parts in zip(out, self._by_exponent(powers), strict=True):
            for total, part in zip(totals, parts, strict=True):
                total += part

    def _orders(self):
        return range(self._n_max)

    def _by_exponent(self, powers):
        scaled = [
            [factor * part for factor, part in zip(factors, parts, strict=True)]
            for factors, parts in zip(self._factors.T, powers, strict=True)
        ]
        return [
            [np.concatenate(orders, axis=-1) for orders in zip(*some, strict=True)]
            for some in (scaled[p : p + self._n_max] for p in range(0, len(scaled), self._n_max))
        ]
