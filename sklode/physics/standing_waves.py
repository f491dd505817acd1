"""Sums over k-vectors as sums over standing waves, cosines and sines along each axis.

With integers n of a k-vector and angles t of a position along the axes of the reciprocal lattice,

    exp(i k.r) = prod_d (cos |n_d| t_d + i sign(n_d) sin |n_d| t_d),

so that k-vectors which differ in signs alone share eight real waves. In a cell of right angles
along x, y and z what multiplies them is even or odd along each axis, so that most of the eight have
nothing to add: the products of matrices are those of a quarter of the k-vectors.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from .kspace import powers, slices

_BLOCK = 2**15  # waves held at once, so that they and their products stay in cache
_POSITIONS = 2**8  # handled at once


@dataclass(frozen=True, slots=True)
class _Waves:
    """Waves that are cosines or sines along the same axes, and what they are multiplied by.

    Attributes
    ----------
    sines : tuple of int
        1 for a sine, 0 for a cosine along each axis.
    lines : ndarray of shape (2, n_lines)
        Integers of the first two axes, once for all waves that share them.
    line, third : ndarray of shape (n_waves,)
        Number of its line, and integer of the third axis.
    kernel : ndarray of shape (n_columns, n_waves)
    columns : ndarray of shape (n_columns,)
        Those that the kernel does not leave zero.
    """

    sines: tuple
    lines: np.ndarray
    line: np.ndarray
    third: np.ndarray
    kernel: np.ndarray
    columns: np.ndarray


class StandingWaves:
    """Sums of sin(k.r) a_k and of cos(k.r) b_k over half a sphere.

    Parameters
    ----------
    sphere : HalfSphere
    of_sines, of_cosines : ndarray of shape (n_k, n_columns)
        Factors a and b.
    """

    def __init__(self, sphere, of_sines, of_cosines):
        self._axes, self._widths = sphere.axes, (of_sines.shape[1], of_cosines.shape[1])
        sizes = np.abs(sphere.integers)
        self._highest = int(sizes.max(initial=0))
        shape = (self._highest + 1,) * 3
        keys, place = np.unique(np.ravel_multi_index(sizes.T, shape), return_inverse=True)
        points = np.stack(np.unravel_index(keys, shape))
        signs = (sphere.integers[:, 1:] < 0).astype(int).T  # the first integer is never negative
        self._waves = []
        for n_sines, kernel, start in ((1, of_sines, 0), (0, of_cosines, self._widths[0])):
            by_sign = np.zeros((2, 2, len(keys), kernel.shape[1]))
            by_sign[*signs, place] = kernel
            for second, third in product((0, 1), repeat=2):
                sines = (n_sines + second + third) % 2, second, third
                factors = _combined(_combined(by_sign, second), third)
                if sum(sines) > 1:  # i^2 and i^3
                    factors = -factors
                self._waves.append(_waves(sines, points, factors, start))

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
            for waves in self._waves:
                first, second, third = (tables[s][axis] for axis, s in enumerate(waves.sines))
                on_lines = first[waves.lines[0]] * second[waves.lines[1]]
                for points in slices(len(waves.line), _BLOCK // _POSITIONS):
                    values = np.take(on_lines, waves.line[points], axis=0)
                    values *= np.take(third, waves.third[points], axis=0)
                    total[waves.columns] += waves.kernel[:, points] @ values
            sums[some] = total.T
        return np.split(sums, self._widths[:1], axis=1)


def _combined(by_sign, is_sine):
    """What a cosine or sine along an axis is multiplied by, from both signs of the integer."""
    return by_sign[0] - by_sign[1] if is_sine else by_sign[0] + by_sign[1]


def _waves(sines, points, factors, start):
    """Waves with the factors (n_points, n_columns), less those of either that are all zero."""
    alive = np.all((points > 0) | (np.array(sines)[:, None] == 0), axis=0)
    points, factors = points[:, alive], factors[alive]
    changes = np.any(points[:2, 1:] != points[:2, :-1], axis=0)
    line = np.concatenate([[0], np.cumsum(changes)])[: points.shape[1]]
    lines = points[:2, np.searchsorted(line, np.arange(line.max(initial=-1) + 1))]
    columns = np.flatnonzero(factors.any(axis=0))
    kernel = np.ascontiguousarray(factors[:, columns].T)
    return _Waves(sines, lines, line, points[2], kernel, start + columns)
