"""Potentials other than 1/r^p, smeared by a Gaussian; the interface is SmearedPowerLaw's."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import erfc, erfcx, spherical_in, spherical_jn, spherical_kn

from ..numerics.chebyshev import interpolate
from ..numerics.quadrature import gauss_legendre

_SMALL = 1e-5  # r / sigma under which the closed form is 0/0
_FAR_SMEARINGS = 8.5


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
class SmearedYukawa:
    r"""exp(-kappa r)/r, its master integral (2.1) cut at t = 1 / 2 sigma^2 as for 1/r.

    Parameters
    ----------
    kappa : float
        Inverse screening length in 1/angstrom.
    smearing : float
        sigma in angstrom.
    """

    kappa: float
    smearing: float
    exponent = 1.0
    range = np.inf

    @property
    def screening(self):
        """Length in 1/angstrom that adds to k, as k^2 + kappa^2, in the Fourier transform."""
        return self.kappa

    def real(self, r):
        """Potential at distances ``r`` in angstrom; same shape."""
        r = np.maximum(np.asarray(r, float), _SMALL * self.smearing)
        a, b = self.kappa * self.smearing / np.sqrt(2.0), r / (np.sqrt(2.0) * self.smearing)
        grown = np.exp(-a * a - b * b) * erfcx(a + b)
        return 0.5 * (np.exp(-self.kappa * r) * erfc(a - b) - grown) / r

    def fourier(self, k):
        """Fourier transform at wave numbers ``k`` in 1/angstrom; same shape."""
        q2 = np.asarray(k, float) ** 2 + self.kappa**2
        return 4.0 * np.pi / q2 * np.exp(-0.5 * q2 * self.smearing**2)

    def fourier_slope(self, k):
        """Derivative of ``fourier`` with respect to ``k``; same shape."""
        k = np.asarray(k, float)
        return -k * (2.0 / (k**2 + self.kappa**2) + self.smearing**2) * self.fourier(k)

    @property
    def fourier_at_zero(self):
        """Weight of the k = 0 term, which screening makes finite."""
        return float(self.fourier(0.0))

    def widened(self, smearing):
        """The same potential, smeared at least so much."""
        return SmearedYukawa(self.kappa, max(self.smearing, smearing))

    def split_weight(self, wide):
        """Weight of k = 0 for ``wide``: nothing diverges, nothing is dropped."""
        return wide.fourier_at_zero

    @property
    def blur(self):
        """Distance in angstrom from which on the potential is exp(-kappa r)/r."""
        return _FAR_SMEARINGS * self.smearing + self.kappa * self.smearing**2

    def far_field(self, r, measure, limit):
        """Coefficients of a distant atom: 8 kappa k_l(kappa d) int r^2 R_nl i_l(kappa r) dr."""
        degrees = range(len(measure))
        inner = [measure[l] @ spherical_in(l, self.kappa * r) for l in degrees]

        def values(distances):
            outer = [spherical_kn(l, self.kappa * distances) for l in degrees]
            columns = [np.outer(o, i) for o, i in zip(outer, inner, strict=True)]
            return 8.0 * self.kappa * np.concatenate(columns, axis=1)

        return values

    def far_field_slopes(self, r, measure, limit):
        """Derivatives of ``far_field`` by the distance, in the same form."""
        degrees = range(len(measure))
        inner = [measure[l] @ spherical_in(l, self.kappa * r) for l in degrees]

        def slopes(distances):
            scaled = self.kappa * distances
            outer = [spherical_kn(l, scaled, derivative=True) for l in degrees]
            columns = [np.outer(o, i) for o, i in zip(outer, inner, strict=True)]
            return 8.0 * self.kappa**2 * np.concatenate(columns, axis=1)

        return slopes


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
        k, weights = gauss_legendre(n_nodes, _FAR_SMEARINGS / self.smearing)
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
        return self._range + _FAR_SMEARINGS * self.smearing
