"""Exterior multipoles M_lm = sum_j w_j Y_lm(r_ij) / d^(p + l) of 1/r^p (theory, section 6).

The order k of the exponent p is the order 0 of the exponent p + 2k, so that one list of powers
covers all exponents and orders. In periodic structures M follows from the potential near the atom,
V = sum_lm T_lm r^l Y_lm, T_lm = a_l M_lm with a_l = 4 pi A_l0 / (2l + 1), eq. (6.1).
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache, partial

import numpy as np
from scipy.special import gammaincc

from ..numerics.chebyshev import interpolate
from ..numerics.piecewise import piecewise
from ..operators.grouped import Grouped
from ..pairs.pair_sum import PairSum
from ..planning.splitting import (
    SMALLEST_SPLIT,
    nearest_sources,
    reach_of_pairs,
    split_smearing,
    splits_of,
)
from ..radial.bases import SolidHarmonicBasis
from ..radial.functions import RadialFunction, bare_powers
from ..radial.laws import SmearedPowerLaw, multipole_coefficient, scaled_lower_gamma
from ..radial.switches import Exterior
from ..system.structures import ISOLATED, PARTLY_PERIODIC, PERIODIC, periodicities
from .orders import OrdersLast
from .partly_periodic import PartlyPeriodicSum, with_shares
from .periodic import PeriodicSum

_TABLE_ACCURACY = 1e-12
_TAYLOR_REACH = 1.5  # of a series, in units of its coefficients


@lru_cache(maxsize=8)
def multipoles(exponents, n_max, l_max, cutoff, width, summation):
    """Multipoles of the atoms beyond a cutoff, as an operator.

    Parameters
    ----------
    exponents : tuple of float
    n_max : int
        Number of orders.
    l_max : int
    cutoff, width : float
        Where atoms begin to act, as of Exterior.
    summation : Summation
        How k-vectors are summed.

    Returns
    -------
    CoefficientOperator
        One for all batches, since the frames of a trajectory share what it keeps.
    """
    powers = tuple(p + 2 * k for p in exponents for k in range(n_max))  # k fastest
    field = _Multipoles(powers, l_max, cutoff, Exterior(cutoff, width), summation)
    sizes = l_max, len(exponents)
    bare = bare_powers(powers, l_max).switched(field.switch)
    scales = 1.0 / taylor_scales(powers, l_max, cutoff)

    def from_taylor(splits, sum_of):
        grouped = Grouped(splits, lru_cache(maxsize=None)(sum_of), l_max, len(powers))
        return OrdersLast(grouped, scales, n_max)

    kinds = {
        ISOLATED: PairSum(bare, *sizes, None, summation.n_threads),
        PARTLY_PERIODIC: from_taylor(field.splits_in_boxes, field.partly_periodic_sum),
        PERIODIC: from_taylor(field.splits, field.periodic_sum),
    }
    return Grouped(periodicities, kinds.get, *sizes)


@dataclass(frozen=True, eq=False)
class _Multipoles:
    """Ewald sum, eq. (6.4): a k-sum of the smeared potential, and pairs."""

    powers: tuple
    l_max: int
    cutoff: float
    switch: Exterior
    summation: object

    def splits(self, batch):
        """For each structure the smearing of the k-sum and the distance of the sources."""
        return splits_of(batch, self._split)

    def _split(self, sources):
        smearing = split_smearing(
            sources,
            lowest=SMALLEST_SPLIT * self.cutoff,
            start=self.cutoff,
            tol=self.summation.tol,
            l_max=self.l_max,
            n_radial=len(self.powers),
        )
        return smearing, nearest_sources(sources, self.cutoff)

    def splits_in_boxes(self, batch):
        """The same and the share of one, for structures that repeat along two axes or one."""
        return with_shares(self.splits(batch), batch)

    def partly_periodic_sum(self, split):
        """The same as ``periodic_sum`` of structures in boxes (section 5.2)."""
        lengths = {"reach": self._taylor_reach, "unit": self.cutoff}
        return self.periodic_sum(split, partial(PartlyPeriodicSum, **lengths))

    @property
    def _taylor_reach(self):
        return _TAYLOR_REACH * self.cutoff

    def _smeared(self, smearing):
        return [SmearedPowerLaw(p, smearing) for p in self.powers]

    def periodic_sum(self, split, kind=PeriodicSum):
        """Taylor coefficients in units of ``taylor_scales``, one law a power."""
        smearing, nearest, *share = split
        laws = self._smeared(smearing)
        reach = self._reach(smearing, nearest, *share)
        smeared = _smeared_function(self.powers, self.l_max, self.cutoff, smearing, reach)
        correction = self._bare.switched(self.switch) - smeared
        return kind(
            SolidHarmonicBasis(self.l_max, self.cutoff),
            laws,
            uniform=[_background(law, self.cutoff) for law in laws],
            own=np.array([[np.sqrt(4.0 * np.pi) * law.real(0.0)] for law in laws]),
            pairs=PairSum(correction, self.l_max, len(laws), reach, self.summation.n_threads),
            summation=self.summation,
        )

    @cached_property
    def _bare(self):
        """The potential of an atom that is not smeared."""
        scales = taylor_scales(self.powers, self.l_max, self.cutoff)
        units = scales / self.cutoff ** np.add.outer(np.arange(self.l_max + 1), self.powers)
        return bare_powers(self.powers, self.l_max, self.cutoff, units.ravel())

    def _reach(self, smearing, nearest, share=1.0):
        """Distance beyond which pairs add less than a hundredth of ``tol`` of a share."""
        degrees = np.add.outer(np.arange(self.l_max + 1), 0.5 * np.array(self.powers)).ravel()

        def complement(distances):
            return self._bare(distances) * gammaincc(degrees, _reduced(distances, smearing))

        allowed = 0.01 * self.summation.tol * share * self._bare(np.array([nearest]))
        return reach_of_pairs(complement, self.cutoff, smearing, allowed[0])


def taylor_scales(powers, l_max, unit):
    """T_lm unit^l / M_lm, shape (l_max + 1, n_powers)."""
    return np.array(
        [
            [4.0 * np.pi / (2 * l + 1) * multipole_coefficient(p, l, 0) * unit**l for p in powers]
            for l in range(l_max + 1)
        ]
    )


def _reduced(distances, smearing):
    """X = d^2 / 2 sigma^2, shape (n, 1)."""
    return 0.5 * (distances[:, None] / smearing) ** 2


def _smeared_function(*parameters):
    """Taylor coefficients of the smeared potential of an atom at a distance; l slowest."""
    table, slopes = _smeared_tables(*parameters)
    return RadialFunction(table, slopes)


@lru_cache(maxsize=64)
def _smeared_tables(powers, l_max, unit, smearing, reach):
    scales = taylor_scales(powers, l_max, unit)

    def coefficients(distances):
        x = _reduced(distances, smearing)[:, 0]
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
    table = piecewise(series, 0.1 * _TABLE_ACCURACY)
    return table, table.derivative()


def _background(law, unit):
    """Weight of k = 0 that makes the sum independent of the splitting (section 2.3).

    For p = 3, where no such weight exists for charged cells, it is relative to the cutoff.
    """
    reference = 4.0 * np.pi * np.log(unit) if law.exponent == 3 else 0.0
    return law.finite_part_at_zero + reference
