"""Smeared potentials that vanish beyond some distance (theory, section 2.5)."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import spherical_jn

from ..numerics.chebyshev import interpolate
from ..numerics.quadrature import gauss_legendre

FAR_SMEARINGS = 8.5  # smearing lengths beyond which a Gaussian is nothing to working precision


class FiniteRangeLaw:
    """Base of smeared potentials that vanish beyond some distance.

    A subclass has ``smearing``, the potential ``real(r)``, its Fourier transform ``fourier(k)``
    with ``fourier_slope(k)``, and ``blur``, the distance in angstrom beyond which it is nothing.
    """

    @property
    def fourier_at_zero(self):
        """Weight of the k = 0 term: the integral of the potential."""
        return float(self.fourier(0.0))

    def widened(self, smearing):
        """Itself: a potential of finite range has no tail to be split off."""
        return self

    def split_weight(self, wide):
        """Weight of k = 0 for ``wide``."""
        return wide.fourier_at_zero

    @property
    def range(self):
        """Distance in angstrom beyond which the potential is nothing."""
        return self.blur

    def far_field(self, r, measure, limit):
        """Coefficients of a distant atom: none."""
        n_columns = measure.shape[0] * measure.shape[1]
        return lambda distances: np.zeros((len(distances), n_columns))

    def far_field_slopes(self, r, measure, limit):
        """Derivatives of ``far_field``: none."""
        return self.far_field(r, measure, limit)


@dataclass(frozen=True)
class SmearedTable(FiniteRangeLaw):
    """A potential given at distances, zero beyond the last, convolved with a Gaussian.

    Parameters
    ----------
    distances, values : tuple of float
        Knots of a cubic spline, from distance 0 on.
    smearing : float
        sigma in angstrom.
    """

    distances: tuple
    values: tuple
    smearing: float

    @property
    def _range(self):
        return self.distances[-1]

    @cached_property
    def _moments(self):
        """Nodes r and 4 pi r^2 v(r) dr, on each interval between knots, where v is a polynomial."""
        widths = np.diff(self.distances)
        nodes, weights = gauss_legendre(int(6 + 3 * widths.max() / self.smearing))
        r = np.array(self.distances[:-1])[:, None] + widths[:, None] * nodes
        values = CubicSpline(self.distances, self.values)(r)
        moments = 4.0 * np.pi * r**2 * values * widths[:, None] * weights
        return r.ravel(), moments.ravel()

    @cached_property
    def _table(self):
        """The convolution on [0, range + blur], by its Fourier integral."""
        n_nodes = int(64 + 8 * self._range / self.smearing)
        k, weights = gauss_legendre(n_nodes, FAR_SMEARINGS / self.smearing)
        spectrum = weights * k**2 * self.fourier(k) / (2.0 * np.pi**2)

        def convolved(r):
            return (spherical_jn(0, np.outer(r, k)) @ spectrum)[:, None]

        return interpolate(convolved, 0.0, self.blur, 1e-11, degree=64)

    def real(self, r):
        """Potential at distances ``r`` in angstrom; same shape."""
        r = np.asarray(r, float)
        inside = np.minimum(r, self.blur).ravel()
        return np.where(r < self.blur, self._table(inside)[:, 0].reshape(r.shape), 0.0)

    def fourier(self, k):
        """Fourier transform at wave numbers ``k`` in 1/angstrom; same shape."""
        k = np.asarray(k, float)
        r, moments = self._moments
        return np.exp(-0.5 * (k * self.smearing) ** 2) * (
            spherical_jn(0, np.multiply.outer(k, r)) @ moments
        )

    def fourier_slope(self, k):
        """Derivative of ``fourier`` with respect to ``k``; same shape."""
        k = np.asarray(k, float)
        r, moments = self._moments
        bare = spherical_jn(1, np.multiply.outer(k, r)) @ (r * moments)
        return -k * self.smearing**2 * self.fourier(k) - bare * np.exp(
            -0.5 * (k * self.smearing) ** 2
        )

    @property
    def blur(self):
        """Distance in angstrom from which on the potential vanishes."""
        return self._range + FAR_SMEARINGS * self.smearing
