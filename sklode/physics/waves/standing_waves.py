"""Sums over k-vectors as sums over standing waves, cosines and sines along each axis.

With integers n of a k-vector and angles t of a position along the axes of the reciprocal lattice,

    exp(i k.r) = prod_d (cos |n_d| t_d + i sign(n_d) sin |n_d| t_d),

so that k-vectors which differ in signs alone share eight real waves. In a cell of right angles
along x, y and z what multiplies them is even or odd along each axis, so that most of the eight have
nothing to add: the products of matrices are those of a quarter of the k-vectors. In other cells
there is nothing to gain, and the waves travel.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from .. import blocks
from ..system.kvectors import PhaseTables, powers, slices

_ROUNDING = 1e-13  # of a column's largest factor, below which a sum is what should cancel


def sums_of_waves(sphere, of_sines, of_cosines):
    """Make a callable that sums sin(k.r) a_k and cos(k.r) b_k over half a sphere.

    Parameters
    ----------
    sphere : HalfSphere
    of_sines, of_cosines : ndarray of shape (n_k, n_columns)
        Factors a and b.

    Returns
    -------
    StandingWaves or TravellingWaves
    """
    kind = StandingWaves if stands(sphere.axes) else TravellingWaves
    return kind(sphere, of_sines, of_cosines)


def stands(axes):
    """Whether a cell, or its reciprocal one, has right angles along x, y and z."""
    return np.count_nonzero(axes) == 3


class TravellingWaves:
    """The sums by complex phases, in any cell; parameters as of ``sums_of_waves``."""

    def __init__(self, sphere, of_sines, of_cosines):
        self._sphere, self._factors = sphere, (of_sines, of_cosines)

    def __call__(self, positions):
        """Sums at positions, see StandingWaves."""
        sums = [np.zeros((len(positions), factors.shape[1])) for factors in self._factors]
        step = max(1, blocks.PHASES // blocks.STANDING_POSITIONS)
        for subset in slices(len(positions) if len(self._sphere) else 0, blocks.STANDING_POSITIONS):
            tables = PhaseTables(positions[subset], self._sphere)
            for points in slices(len(self._sphere), step):
                phases = tables.phases(points)
                parts = phases.imag.copy(), phases.real.copy()
                for total, part, factors in zip(sums, parts, self._factors, strict=True):
                    total[subset] += part.T @ factors[points]
        return sums


@dataclass(frozen=True, slots=True)
class _Waves:
    """Waves that are cosines or sines along the same axes, and what they are multiplied by.

    Attributes
    ----------
    factors : ndarray of shape (n_last, n_columns, n_lines)
        For each integer of the third axis and each combination of those of the others.
    columns : ndarray of shape (n_columns,)
        Those whose factors are not all zero, but for rounding errors.
    """

    factors: np.ndarray
    columns: np.ndarray

    def add(self, on_lines, on_last, out):
        """Add products of the waves and their factors to ``out`` (n_all_columns, n_positions)."""
        n_last, n_columns, n_lines = self.factors.shape
        sums = self.factors.reshape(n_last * n_columns, n_lines) @ on_lines
        sums = sums.reshape(n_last, n_columns, on_lines.shape[1])
        out[self.columns] += np.einsum("lcp,lp->cp", sums, on_last)


class StandingWaves:
    """The sums by products of real waves; parameters as of ``sums_of_waves``.

    Sums over the first two axes are matrix products, to which few waves of the third are left.
    """

    def __init__(self, sphere, of_sines, of_cosines):
        self._axes, self._widths = sphere.axes, (of_sines.shape[1], of_cosines.shape[1])
        sizes = np.abs(sphere.integers)
        self._highest = sizes.max(axis=0, initial=0)
        base = self._highest[1] + 1
        keys, line = np.unique(sizes[:, :2] @ [base, 1], return_inverse=True)
        lines = np.stack(np.divmod(keys, base))
        signs = (sphere.integers[:, 1:] < 0).astype(int).T  # the first integer is never negative
        by_sign, scales = [], []
        for factors in (of_cosines, of_sines):
            scales.append(np.abs(factors).max(axis=0, initial=0.0))
            shape = 2, 2, len(keys), self._highest[2] + 1, factors.shape[1]
            by_sign.append(np.zeros(shape))
            by_sign[-1][*signs, line, sizes[:, 2]] = factors
        self._lines, self._waves = {}, {}
        for sines in product((0, 1), repeat=3):
            odd = sum(sines) % 2
            factors = _combined(_combined(by_sign[odd], sines[1]), sines[2])
            if sum(sines) > 1:  # i^2 and i^3
                factors = -factors
            # a sine of nothing is none
            subset = np.flatnonzero((lines[0] >= sines[0]) & (lines[1] >= sines[1]))
            factors = factors[subset, sines[2] :]
            largest = np.abs(factors).max(axis=(0, 1), initial=0.0)
            columns = np.flatnonzero(largest > _ROUNDING * scales[odd])
            factors = factors[..., columns].transpose(1, 2, 0)
            columns += 0 if odd else self._widths[0]
            self._lines[sines[:2]] = lines[:, subset]
            self._waves[sines] = _Waves(np.ascontiguousarray(factors), columns)

    def __call__(self, positions):
        """Both sums at each position.

        Parameters
        ----------
        positions : ndarray of shape (n, 3)

        Returns
        -------
        list of two ndarray of shape (n, n_columns)
        """
        sums = np.empty((len(positions), sum(self._widths)))
        highest = self._highest.max()
        for subset in slices(len(positions), blocks.STANDING_POSITIONS):
            turns = np.exp(1j * (self._axes @ positions[subset].T))
            upward = powers(turns, highest)[:, highest:]
            tables = upward.real.copy(), upward.imag.copy()
            total = np.zeros((sums.shape[1], turns.shape[1]))
            for (first, second), lines in self._lines.items():
                on_lines = np.take(tables[first][0], lines[0], axis=0)
                on_lines *= np.take(tables[second][1], lines[1], axis=0)
                for third in (0, 1):
                    on_last = tables[third][2, third : self._highest[2] + 1]
                    self._waves[first, second, third].add(on_lines, on_last, total)
            sums[subset] = total.T
        return np.split(sums, self._widths[:1], axis=1)


def _combined(by_sign, is_sine):
    """Factor of a cosine or sine along an axis, from both signs of the integer."""
    return by_sign[0] - by_sign[1] if is_sine else by_sign[0] + by_sign[1]
