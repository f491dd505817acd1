"""Smooth functions of one variable as short polynomials on intervals of equal width."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.polynomial.chebyshev import chebder
from scipy.fft import dct

_NODES = 32  # per interval, far more than are kept
_TERMS_PER_INTERVAL = 2  # of the whole series; leaves about ten terms on each interval


@dataclass(frozen=True)
class PiecewiseTable:
    """Vector-valued function on [lower, upper], a Chebyshev series on each interval.

    Few terms an interval make evaluation cheap: the points are sorted by interval, and those of
    one interval share a matrix product.

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
        """Values of shape (len(x), n_functions), times ``weights`` (len(x),) if given."""
        n_intervals, n_terms, n_functions = self.coefficients.shape
        steps = (x - self.lower) * (n_intervals / (self.upper - self.lower))
        interval = np.minimum(steps.astype(np.uint16), n_intervals - 1)
        order = np.argsort(interval, kind="stable")  # a radix sort, for integers this short
        ends = np.cumsum(np.bincount(interval, minlength=n_intervals)).tolist()
        local = np.take(2.0 * (steps - interval) - 1.0, order)
        basis = chebyshev_basis(local, n_terms, None if weights is None else weights[order])
        by_interval = np.empty((len(x), n_functions))
        for number, (start, end) in enumerate(pairwise([0, *ends])):
            if end > start:
                terms = basis[:, start:end].T
                np.matmul(terms, self.coefficients[number], out=by_interval[start:end])
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        return np.take(by_interval, place, axis=0)

    def derivative(self):
        """The table of the first derivatives, exact for this one."""
        scale = 2.0 * len(self.coefficients) / (self.upper - self.lower)
        slopes = scale * chebder(self.coefficients, axis=1)
        return PiecewiseTable(self.lower, self.upper, slopes)


def chebyshev_basis(x, n_terms, weights=None):
    """Chebyshev polynomials T_b at ``x`` in [-1, 1], times ``weights``; shape (n_terms, len(x))."""
    rows = np.empty((n_terms, len(x)))
    rows[0] = 1.0 if weights is None else weights
    if n_terms > 1:
        np.multiply(x, rows[0], out=rows[1])
    twice = 2.0 * x
    for b in range(2, n_terms):
        np.multiply(twice, rows[b - 1], out=rows[b])
        rows[b] -= rows[b - 2]
    return rows


def piecewise(series, accuracy):
    """Cut a Chebyshev series over one long interval into short series over many.

    Parameters
    ----------
    series : ChebyshevSeries
    accuracy : float
        Largest change, relative to the largest value of each function.

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
    scale = np.abs(values).max(axis=(0, 1)) + np.finfo(float).tiny
    sizes = np.abs(coefficients / scale).max(axis=(0, 2))
    kept = int(np.flatnonzero(sizes > accuracy).max(initial=0)) + 1
    return PiecewiseTable(series.lower, series.upper, np.ascontiguousarray(coefficients[:, :kept]))
