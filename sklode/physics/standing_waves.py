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

from .kspace import PhaseTables, powers, slices

_BLOCK = 2**15  # waves held at once, so that they and their products stay in cache
_POSITIONS = 2**8  # handled at once


def sums_of_waves(sphere, of_sines, of_cosines):
    """What sums sin(k.r) a_k and cos(k.r) b_k over half a sphere.

    Parameters
    ----------
    sphere : HalfSphere
    of_sines, of_cosines : ndarray of shape (n_k, n_columns)
        Factors a and b.

    Returns
    -------
    StandingWaves or TravellingWaves
    """
    right_angles = np.count_nonzero(sphere.axes) == 3
    return (StandingWaves if right_angles else TravellingWaves)(sphere, of_sines, of_cosines)


class TravellingWaves:
    """The sums by complex phases, in any cell; parameters as of ``sums_of_waves``."""

    def __init__(self, sphere, of_sines, of_cosines):
        self._sphere, self._factors = sphere, (of_sines, of_cosines)

    def __call__(self, positions):
        """As of StandingWaves."""
        sums = [np.zeros((len(positions), factors.shape[1])) for factors in self._factors]
        for some in slices(len(positions) if len(self._sphere) else 0, _POSITIONS):
            tables = PhaseTables(positions[some], self._sphere)
            for points in slices(len(self._sphere), _BLOCK // _POSITIONS):
                phases = tables.phases(points)
                parts = phases.imag.copy(), phases.real.copy()
                for total, part, factors in zip(sums, parts, self._factors, strict=True):
                    total[some] += part.T @ factors[points]
        return sums


@dataclass(frozen=True, slots=True)
class _Waves:
    """Waves that are cosines or sines along the same axes, and what they are multiplied by.

    Attributes
    ----------
    lines : ndarray of shape (n_waves,)
        Which combination of integers of the first two axes.
    last : ndarray of shape (n_waves,)
        Integer of the third axis.
    factors : ndarray of shape (n_columns, n_waves)
    columns : ndarray of shape (n_columns,)
        Those whose factors are not all zero.
    """

    lines: np.ndarray
    last: np.ndarray
    factors: np.ndarray
    columns: np.ndarray

    def add(self, on_lines, on_last, out):
        """Add products of the waves and their factors to ``out`` (n_all_columns, n_positions)."""
        for some in slices(len(self.lines), _BLOCK // _POSITIONS):
            values = np.take(on_lines, self.lines[some], axis=0)
            values *= np.take(on_last, self.last[some], axis=0)
            out[self.columns] += self.factors[:, some] @ values


class StandingWaves:
    """The sums by products of real waves; parameters as of ``sums_of_waves``."""

    def __init__(self, sphere, of_sines, of_cosines):
        self._axes, self._widths = sphere.axes, (of_sines.shape[1], of_cosines.shape[1])
        sizes = np.abs(sphere.integers)
        self._highest = int(sizes.max(initial=0))
        shape = (self._highest + 1,) * 3
        keys, place = np.unique(np.ravel_multi_index(sizes.T, shape), return_inverse=True)
        keys, last = np.divmod(keys, shape[2])
        keys, lines = np.unique(keys, return_inverse=True)
        self._lines = np.stack(np.divmod(keys, shape[1]))
        points = np.concatenate([self._lines[:, lines], last[None]])
        signs = (sphere.integers[:, 1:] < 0).astype(int).T  # the first integer is never negative
        by_sign = []
        for factors in (of_cosines, of_sines):
            by_sign.append(np.zeros((2, 2, len(last), factors.shape[1])))
            by_sign[-1][*signs, place] = factors
        self._waves = {}
        for sines in product((0, 1), repeat=3):
            odd = sum(sines) % 2
            factors = _combined(_combined(by_sign[odd], sines[1]), sines[2])
            if sum(sines) > 1:  # i^2 and i^3
                factors = -factors
            # a sine of nothing is none
            some = np.flatnonzero(np.all((points > 0) | (np.array(sines)[:, None] == 0), axis=0))
            columns = np.flatnonzero(factors[some].any(axis=0))
            factors = np.ascontiguousarray(factors[some][:, columns].T)
            columns += 0 if odd else self._widths[0]
            self._waves[sines] = _Waves(lines[some], last[some], factors, columns)

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
        for some in slices(len(positions), _POSITIONS):
            turns = np.exp(1j * (self._axes @ positions[some].T))
            upward = powers(turns, self._highest)[:, self._highest :]
            tables = upward.real.copy(), upward.imag.copy()
            total = np.zeros((sums.shape[1], turns.shape[1]))
            for first, second in product((0, 1), repeat=2):
                on_lines = np.take(tables[first][0], self._lines[0], axis=0)
                on_lines *= np.take(tables[second][1], self._lines[1], axis=0)
                for third in (0, 1):
                    self._waves[first, second, third].add(on_lines, tables[third][2], total)
            sums[some] = total.T
        return np.split(sums, self._widths[:1], axis=1)


def _combined(by_sign, is_sine):
    """What a cosine or sine along an axis is multiplied by, from both signs of the integer."""
    return by_sign[0] - by_sign[1] if is_sine else by_sign[0] + by_sign[1]
