"""Smooth functions of one variable as short polynomials on intervals of equal width."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.polynomial.chebyshev import chebder
from scipy.fft import dct

from .chebyshev import allowed_errors

_NODES = 32  # per interval, far more than are kept
_TERMS_PER_INTERVAL = 2  # of the whole series; leaves about ten terms on each interval


@dataclass(frozen=True)
class PiecewiseTable:
    """Vector-valued function on [lower, upper], a Chebyshev series on each interval.

    Few terms an interval make evaluation cheap: the points of one interval share a matrix product.

    Attributes
    ----------
    lower, upper : float
        Interval of validity.
    coefficients : ndarray of shape (n_intervals, n_terms, n_functions)
    """

    lower: float
    upper: float
    coefficients: np.ndarray

    def __call__(self, x, weights=None):
        """Values of shape (len(x), n_functions), times ``weights`` (len(x),) if given.

        Points in ascending order are the fastest.
        """
        n_intervals = len(self.coefficients)
        steps = (x - self.lower) * (n_intervals / (self.upper - self.lower))
        interval = np.minimum(steps.astype(np.uint16), n_intervals - 1)
        local = 2.0 * (steps - interval) - 1.0
        if (interval[1:] >= interval[:-1]).all():
            return self._by_interval(interval, local, weights)
        order = np.argsort(interval, kind="stable")  # a radix sort, for integers this short
        weights = None if weights is None else weights[order]
        values = self._by_interval(interval[order], local[order], weights)
        return np.take(values, inverse(order), axis=0)

    def _by_interval(self, interval, local, weights):
        """Values at points in [-1, 1] of intervals in ascending order."""
        n_intervals, n_terms, n_functions = self.coefficients.shape
        numbers = np.arange(n_intervals, dtype=np.uint16)
        ends = np.searchsorted(interval, numbers, side="right").tolist()
        basis = chebyshev_basis(local, n_terms, weights, self.coefficients.dtype)
        values = np.empty((len(local), n_functions), self.coefficients.dtype)
        for coefficients, (start, end) in zip(self.coefficients, pairwise([0, *ends]), strict=True):
            if end > start:
                np.matmul(basis[:, start:end].T, coefficients, out=values[start:end])
        return values

    def astype(self, dtype):
        """The table in another precision, without the terms that are below it."""
        sizes = np.abs(self.coefficients).max(axis=0)
        seen = (sizes > np.finfo(dtype).eps * sizes.max(axis=0)).any(axis=1)
        kept = int(np.flatnonzero(seen).max(initial=0)) + 1
        coefficients = self.coefficients[:, :kept].astype(dtype, copy=False)
        return PiecewiseTable(self.lower, self.upper, coefficients)

    def derivative(self):
        """The table of the first derivatives, exact for this one."""
        scale = 2.0 * len(self.coefficients) / (self.upper - self.lower)
        slopes = scale * chebder(self.coefficients, axis=1)
        return PiecewiseTable(self.lower, self.upper, slopes)


def chebyshev_basis(x, n_terms, weights=None, dtype=float):
    """Chebyshev polynomials T_b at ``x`` in [-1, 1], times ``weights``; shape (n_terms, len(x))."""
    rows = np.empty((n_terms, len(x)), dtype)
    rows[0] = 1.0 if weights is None else weights
    if n_terms > 1:
        np.multiply(x, rows[0], out=rows[1])
    twice = (2.0 * x).astype(dtype, copy=False)
    for b in range(2, n_terms):
        np.multiply(twice, rows[b - 1], out=rows[b])
        rows[b] -= rows[b - 2]
    return rows


def inverse(order):
    """The permutation that undoes another one."""
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return place


def piecewise(series, accuracy, rounding=0.0):
    """Cut a Chebyshev series over one long interval into short series over many.

    Parameters
    ----------
    series : ChebyshevSeries
    accuracy : float
        Largest change, relative to the largest value of each function.
    rounding : float, default=0.0
        Changes below this, relative to the largest value of all functions, need not be less.

    Returns
    -------
    PiecewiseTable
    """
    n_intervals = max(1, len(series.coefficients) // _TERMS_PER_INTERVAL)
    angles = np.pi * (np.arange(_NODES) + 0.5) / _NODES
    inside = 0.5 * (1.0 + np.cos(angles))
    width = (series.upper - series.lower) / n_intervals
    points = series.lower + width * np.add.outer(np.arange(n_intervals), inside)
    values = series(points.ravel()).reshape(n_intervals, _NODES, -1)
    coefficients = dct(values, axis=1) / _NODES
    coefficients[:, 0] *= 0.5
    allowed = allowed_errors(np.abs(values).max(axis=(0, 1)), accuracy, rounding)
    sizes = np.abs(coefficients / allowed).max(axis=(0, 2))
    kept = int(np.flatnonzero(sizes > 1.0).max(initial=0)) + 1
    return PiecewiseTable(series.lower, series.upper, np.ascontiguousarray(coefficients[:, :kept]))
