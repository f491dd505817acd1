"""Exterior multipoles M_lm = sum_j w_j Y_lm(r_ij) / d^(p + l) of 1/r^p (theory, section 6).

The order k of the exponent p is the order 0 of the exponent p + 2k, so that one list of powers
covers all exponents and orders. In periodic structures M follows from the potential near the atom,
V = sum_lm T_lm r^l Y_lm, T_lm = a_l M_lm with a_l = 4 pi A_l0 / (2l + 1), eq. (6.1).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import sphericart
from scipy.special import factorial2, gammaincc

from ..numerics.chebyshev import interpolate
from ..numerics.piecewise import piecewise
from ..operators.grouped import expand_batch, in_groups
from ..pairs.pair_sum import ShortRange
from ..pairs.values import expand_pairs
from ..planning.splitting import (
    SMALLEST_SPLIT,
    nearest_sources,
    reach_of_pairs,
    split_smearing,
    splits_of,
)
from ..radial.laws import SmearedPowerLaw, multipole_coefficient, scaled_lower_gamma
from ..radial.switches import exterior_weight
from ..system.neighbors import all_pairs
from .periodic import PeriodicExpansion

_TABLE_ACCURACY = 1e-12
CLOSEST = 1e-3  # angstrom, where bare powers stop to grow


@dataclass(frozen=True)
class SolidHarmonicBasis:
    """Taylor coefficients of a potential in (r / radius)^l Y_lm instead of projections.

    Attributes
    ----------
    l_max : int
    radius : float
        Unit of length in angstrom, which makes the coefficients of all l comparable.
    """

    l_max: int
    radius: float
    n_max = 1

    def plane_waves(self, k):
        """Coefficient of (r / radius)^l in j_l(kr), shape (len(k), l_max + 1)."""
        l = np.arange(self.l_max + 1)
        return (k[:, None] * self.radius) ** l / factorial2(2 * l + 1)

    def plane_wave_slopes(self, k):
        """Derivatives of ``plane_waves`` with respect to k > 0; same shape."""
        return self.plane_waves(k) * np.arange(self.l_max + 1) / k[:, None]


def powers_and_orders(exponents, n_max):
    """Powers p + 2k of all exponents and orders, k fastest."""
    return [p + 2 * k for p in exponents for k in range(n_max)]


def multipole_expansion(structures, channels, exponents, n_max, l_max, *, cutoff, width, summation):
    """Multipoles of a batch of structures, isolated and periodic ones in any mixture.

    Returns
    -------
    list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_exponents * n_channels * n_max).
    """
    powers = powers_and_orders(exponents, n_max)
    sums = periodic_multipoles(tuple(powers), l_max, cutoff, width, summation)

    def isolated(chosen, their_channels):
        def radial(distances):
            return _bare(distances, powers, l_max, 1.0) * _weights(distances, cutoff, width)

        n_atoms = len(their_channels.index)
        parts = expand_pairs(all_pairs(chosen), their_channels, n_atoms, radial, l_max)
        return [_orders_last(part.swapaxes(2, 3), n_max) for part in parts]

    def periodic(chosen, their_channels):
        parts = sums(chosen, their_channels)
        return [_orders_last(part[..., 0], n_max) for part in parts]

    widths = [len(powers) * channels.count] * (l_max + 1)
    return expand_batch(structures, channels, widths, isolated, periodic, summation.dtype)


def _orders_last(multipoles, n_max):
    """From (n_atoms, m, n_powers, n_channels) to (n_atoms, m, exponent, channel, order)."""
    n_atoms, m, _, n_channels = multipoles.shape
    return multipoles.reshape(n_atoms, m, -1, n_max, n_channels).swapaxes(3, 4)


def _weights(distances, cutoff, width):
    return exterior_weight(distances, cutoff, width)[:, None]


def _bare(distances, powers, l_max, unit):
    """(unit / d)^(p + l), shape (n, (l_max + 1) * n_powers) with l slowest; finite at d = 0."""
    ratio = unit / np.maximum(distances, CLOSEST)
    exponents = np.add.outer(np.arange(l_max + 1), powers).ravel()
    return ratio[:, None] ** exponents


@lru_cache(maxsize=8)
def periodic_multipoles(*parameters):
    """One object for all batches, since the frames of a trajectory share what it keeps."""
    return _PeriodicMultipoles(*parameters)


class _PeriodicMultipoles:
    """Ewald sum, eq. (6.4): a k-sum of the smeared potential, and pairs."""

    def __init__(self, powers, l_max, cutoff, width, summation):
        self._powers, self._l_max, self._cutoff, self._width = powers, l_max, cutoff, width
        self._how = summation
        self._sums = {}

    def __call__(self, structures, channels):
        """Multipoles for each l, shape (n_atoms, 2 l + 1, n_powers, n_channels, 1)."""

        def expand(split, *group):
            return self.sum_of(split)(*group)

        taylor = in_groups(structures, channels, self.splits(structures, channels), expand)
        scales = _taylor_scales(self._powers, self._l_max, self._cutoff)
        return [t / scales[l][:, None, None] for l, t in enumerate(taylor)]

    def splits(self, structures, channels):
        """For each structure what the sum of it is known by, which depends on the cell alone."""
        return splits_of(structures, channels, self._split)

    def sum_of(self, split):
        """The sum for a split, a PeriodicExpansion of the coefficients of ``_taylor_scales``."""
        if split not in self._sums:
            self._sums[split] = self._split_sum(*split)
        return self._sums[split]

    def _split(self, sources):
        """Smearing of the k-sum and distance of the sources."""
        smearing = split_smearing(
            sources,
            lowest=SMALLEST_SPLIT * self._cutoff,
            start=self._cutoff,
            tol=self._how.tol,
            l_max=self._l_max,
            n_radial=len(self._powers),
        )
        return smearing, nearest_sources(sources, self._cutoff)

    def _split_sum(self, smearing, nearest):
        powers, l_max, cutoff = self._powers, self._l_max, self._cutoff
        laws = [SmearedPowerLaw(p, smearing) for p in powers]
        scales = _taylor_scales(powers, l_max, cutoff)
        units = (scales / cutoff ** np.add.outer(np.arange(l_max + 1), powers)).ravel()

        def complement(distances):
            x = 0.5 * (distances / smearing) ** 2
            degrees = np.add.outer(np.arange(l_max + 1), 0.5 * np.array(powers)).ravel()
            outside = gammaincc(degrees, x[:, None])
            return units * _bare(distances, powers, l_max, cutoff) * outside

        allowed = 0.01 * self._how.tol * units * _bare(np.array([nearest]), powers, l_max, cutoff)
        reach = reach_of_pairs(complement, cutoff, smearing, allowed[0])
        smeared = _smeared_table(powers, l_max, cutoff, smearing, reach)

        def correction(distances):
            bare = units * _bare(distances, powers, l_max, cutoff)
            return bare * _weights(distances, cutoff, self._width) - smeared(distances)

        return PeriodicExpansion(
            SolidHarmonicBasis(l_max, cutoff),
            laws,
            uniform=[_background(law, cutoff) for law in laws],
            own=np.array([[np.sqrt(4.0 * np.pi) * law.real(0.0)] for law in laws]),
            short_range=ShortRange(correction, reach, l_max, len(powers), self._how.n_threads),
            summation=self._how,
        )


def _taylor_scales(powers, l_max, unit):
    """T_lm unit^l / M_lm, shape (l_max + 1, n_powers)."""
    return np.array(
        [
            [4.0 * np.pi / (2 * l + 1) * multipole_coefficient(p, l, 0) * unit**l for p in powers]
            for l in range(l_max + 1)
        ]
    )


@lru_cache(maxsize=64)
def _smeared_table(powers, l_max, unit, smearing, reach):
    """Taylor coefficients of the smeared potential of an atom at a distance; l slowest."""
    scales = _taylor_scales(powers, l_max, unit)

    def coefficients(distances):
        x = 0.5 * (distances / smearing) ** 2
        columns = [
            scales[l, i]
            * (2.0 * smearing**2) ** (-0.5 * p - l)
            * distances**l
            * scaled_lower_gamma(0.5 * p + l, x)
            for l in range(l_max + 1)
            for i, p in enumerate(powers)
        ]
        return np.stack(columns, axis=1)

    series = interpolate(coefficients, 0.0, reach, _TABLE_ACCURACY, degree=48)
    return piecewise(series, 0.1 * _TABLE_ACCURACY)


def _background(law, unit):
    """Weight of k = 0 that makes the sum independent of the splitting (section 2.3).

    For p = 3, where no such weight exists for charged cells, it is relative to the cutoff.
    """
    reference = 4.0 * np.pi * np.log(unit) if law.exponent == 3 else 0.0
    return law.finite_part_at_zero + reference


def background_curvature(structures, channels, exponents):
    """What multiplies r^2 in the potential of the neutralising background for p = 1.

    There the series (6.1) ends at order 0 and leaves it out; for other p the higher orders have it.

    Returns
    -------
    ndarray of shape (n_atoms, n_exponents, n_channels)
    """
    sizes = [len(s) for s in structures]
    owners = np.repeat(np.arange(len(structures)), sizes)
    totals = np.zeros((len(structures), channels.count))
    np.add.at(totals, owners, channels.dense())
    volumes = [abs(np.linalg.det(s.cell)) if s.periodic.any() else np.inf for s in structures]
    density = totals / np.array(volumes)[:, None]
    return 2.0 * np.pi / 3.0 * (np.array(exponents) == 1)[:, None] * density[owners][:, None]


def far_field_potential(multipoles, exponents, n_max, points, curvature):
    """Potential near an atom from its multipoles, eq. (6.1), and its negative gradient.

    Parameters
    ----------
    multipoles : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_exponents, n_channels, n_max).
    exponents : list of float
    n_max : int
    points : ndarray of shape (n_points, 3)
        Relative to the atom, in angstrom.
    curvature : ndarray of shape (n_atoms, n_exponents, n_channels)
        Of the background, as from ``background_curvature``.

    Returns
    -------
    potential : ndarray of shape (n_atoms, n_exponents, n_channels, n_points)
    field : ndarray of shape (n_atoms, n_exponents, n_channels, n_points, 3)
    """
    solid, gradient = sphericart.SolidHarmonics(len(multipoles) - 1).compute_with_gradients(points)
    squared = (points**2).sum(axis=1)
    potential = curvature[..., None] * squared
    field = -2.0 * curvature[..., None, None] * points
    for l, moments in enumerate(multipoles):
        harmonics, slopes = solid[:, l * l : (l + 1) ** 2], gradient[..., l * l : (l + 1) ** 2]
        for k in range(n_max):
            scale = np.array([multipole_coefficient(p, l, k) for p in exponents])
            moment = 4.0 * np.pi / (2 * l + 1) * scale[:, None] * moments[..., k]
            values = np.einsum("impc,xm->ipcx", moment, harmonics)
            potential = potential + values * squared**k
            slope = np.einsum("impc,xdm->ipcxd", moment, slopes) * squared[:, None] ** k
            if k:
                slope += 2 * k * (values * squared ** (k - 1))[..., None] * points
            field = field - slope
    return potential, field
