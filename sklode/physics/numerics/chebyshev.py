"""Smooth functions of one variable as Chebyshev series, evaluated by a matrix product."""

from dataclasses import dataclass

import numpy as np
from scipy.fft import dct

from .. import blocks

_MAX_DEGREE = 4096


@dataclass(frozen=True)
class ChebyshevSeries:
    """Interpolant of a vector-valued function on [lower, upper].

    Attributes
    ----------
    lower, upper : float
        Interval of validity.
    coefficients : ndarray of shape (n_terms, n_functions)
    """

    lower: float
    upper: float
    coefficients: np.ndarray

    def __call__(self, x):
        """Values of shape (len(x), n_functions)."""
        values = np.empty((len(x), self.coefficients.shape[1]))
        for start in range(0, len(x), blocks.SERIES_POINTS):
            part = slice(start, start + blocks.SERIES_POINTS)
            np.matmul(self.basis(x[part]), self.coefficients, out=values[part])
        return values

    def basis(self, x):
        """Chebyshev polynomials T_b at ``x``, shape (len(x), n_terms), by their recursion."""
        scaled = (2.0 * x - (self.lower + self.upper)) / (self.upper - self.lower)
        rows = np.empty((len(self.coefficients), len(x)))
        rows[0] = 1.0
        if len(rows) > 1:
            rows[1] = scaled
        twice = 2.0 * scaled
        for b in range(2, len(rows)):
            np.multiply(twice, rows[b - 1], out=rows[b])
            rows[b] -= rows[b - 2]
        return rows.T


def interpolate(function, lower, upper, accuracy, degree=32, rounding=0.0):
    """Chebyshev interpolant whose error is below ``accuracy`` times the largest value.

    Parameters
    ----------
    function : callable
        Takes points of shape (n,), returns values of shape (n, n_functions).
    lower, upper : float
        Interval.
    accuracy : float
        Relative to the largest value of each function. The number of nodes is doubled until the
        last eighth of the series is below it.
    degree : int, default=32
        Number of nodes to begin with.
    rounding : float, default=0.0
        Errors below this, relative to the largest value of all functions, need not be less: what
        quadrature gives for the smallest functions may be no more than rounding errors.

    Returns
    -------
    ChebyshevSeries

    Raises
    ------
    RuntimeError
        If the function is too rough for ``_MAX_DEGREE`` nodes.
    """
    while degree <= _MAX_DEGREE:
        angles = np.pi * (np.arange(degree) + 0.5) / degree
        points = lower + 0.5 * (upper - lower) * (1.0 + np.cos(angles))
        values = np.asarray(function(points))
        coefficients = dct(values, axis=0) / degree
        coefficients[0] *= 0.5
        allowed = allowed_errors(np.abs(values).max(axis=0), accuracy, rounding)
        sizes = np.abs(coefficients / allowed).max(axis=1)
        if sizes[-max(degree // 8, 2) :].max() < 0.1:
            kept = int(np.flatnonzero(sizes > 0.02).max(initial=0)) + 1
            return ChebyshevSeries(float(lower), float(upper), coefficients[:kept])
        degree *= 2
    raise RuntimeError(
        f"A radial function cannot be tabulated to {accuracy:.0e} on [{lower:.2f}, {upper:.2f}]: "
        "it is too rough. Use a larger smearing or a smaller cutoff."
    )


def allowed_errors(largest, accuracy, rounding):
    """Errors that functions may have, from the largest value of each; shape (n_functions,)."""
    return np.maximum(accuracy * largest, rounding * largest.max()) + np.finfo(float).tiny
