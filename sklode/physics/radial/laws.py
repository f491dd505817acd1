"""The smeared power law 1/r^p in real and reciprocal space (theory, section 2)."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.polynomial.polynomial import polyval
from scipy.interpolate import make_interp_spline
from scipy.special import gamma, gammainc

from ..numerics.quadrature import gauss_legendre

_SERIES_BELOW = 1e-3  # x = r^2 / 2 sigma^2 under which P(a, x) / r^p is 0/0
_SERIES_TERMS = 8
_MAX_MULTIPOLES = 4000
_SERIES_ACCURACY = 1e-12
_EXPINT_RANGE, _EXPINT_KNOTS, _EXPINT_DEGREE = (-18.0, 6.4), 1600, 5  # of log(s)
_EXPINT_NODES = 64  # 1e-13 relative for orders -0.5 to 5.5 and arguments 1e-8 to 100


def exponential_integral(nu, s):
    r"""Generalised exponential integral :math:`E_\nu(s)` for real order, eq. (2.2).

    With t = exp(y) in its definition the integrand is smooth on a short interval, so that one
    Gauss-Legendre rule serves every order, where recursions lose digits.

    Parameters
    ----------
    nu : float
        Order, any real number.
    s : array_like
        Arguments, positive.

    Returns
    -------
    ndarray, shape of ``s``
    """
    s = np.asarray(s, float)
    nodes, weights = gauss_legendre(_EXPINT_NODES)
    length = np.log1p(40.0 / s)
    y = nodes * length[..., None]
    integrand = np.exp((1.0 - nu) * y - s[..., None] * (np.exp(y) - 1.0))
    return np.exp(-s) * length * (integrand @ weights)


@lru_cache(maxsize=64)
def _expint_spline(nu):
    """Spline of exp(s) E_nu(s) s^a (1 + s)^(1 - a) over log(s), which is of order 1 everywhere."""
    s = np.exp(np.linspace(*_EXPINT_RANGE, _EXPINT_KNOTS))
    power = max(1.0 - nu, 0.0)
    values = np.exp(s) * exponential_integral(nu, s) * s**power * (1.0 + s) ** (1.0 - power)
    return power, make_interp_spline(np.log(s), values, k=_EXPINT_DEGREE)


def tabulated_exponential_integral(nu, s):
    """Interpolate ``exponential_integral`` to 1e-12, faster for many arguments."""
    s = np.asarray(s, float)
    if nu == 0:  # of the Coulomb potential
        return np.exp(-s) / s
    logarithm = np.log(s)
    if not np.all((logarithm > _EXPINT_RANGE[0]) & (logarithm < _EXPINT_RANGE[1])):
        return exponential_integral(nu, s)
    power, spline = _expint_spline(nu)
    return np.exp(-s - power * logarithm) * (1.0 + s) ** (power - 1.0) * spline(logarithm)


def scaled_lower_gamma(a, x):
    """P(a, x) / x^a of the regularised lower incomplete gamma function, also at x = 0."""
    powers = np.arange(_SERIES_TERMS)
    series = (-1.0) ** powers / (gamma(powers + 1.0) * (a + powers) * gamma(a))
    small = polyval(np.minimum(x, _SERIES_BELOW), series)
    safe = np.maximum(x, _SERIES_BELOW)
    return np.where(x < _SERIES_BELOW, small, gammainc(a, safe) / safe**a)


@dataclass(frozen=True)
class SmearedPowerLaw:
    r"""The potential of one atom: 1/r^p, smoothed below the smearing length.

    Eq. (2.1), :math:`v_p(r) = P(p/2, r^2/2\sigma^2) / r^p`; for p = 0 the L2-normalised Gaussian.
    ``SmearedLaw`` says what the members are for; here stands what is particular to 1/r^p.

    Parameters
    ----------
    exponent : float
        p, any real number > 0, or 0.
    smearing : float
        sigma in angstrom.
    """

    exponent: float
    smearing: float
    screening = 0.0

    def real(self, r):
        """Potential at distances ``r`` in angstrom; same shape."""
        r = np.asarray(r, float)
        p, sigma = self.exponent, self.smearing
        x = r * r / (2.0 * sigma**2)
        if p == 0:
            return (np.pi * sigma**2) ** -0.75 * np.exp(-x)
        return scaled_lower_gamma(0.5 * p, x) * (2.0 * sigma**2) ** (-0.5 * p)

    @property
    def _prefactor(self):
        p, sigma = self.exponent, self.smearing
        return np.pi**1.5 * (2.0 * sigma**2) ** (0.5 * (3.0 - p)) / gamma(0.5 * p)

    def fourier(self, k):
        """Fourier transform at wave numbers ``k`` > 0 in 1/angstrom, eq. (2.2); same shape."""
        k = np.asarray(k, float)
        s = 0.5 * (self.smearing * k) ** 2
        if self.exponent == 0:
            return (4.0 * np.pi * self.smearing**2) ** 0.75 * np.exp(-s)
        return self._prefactor * tabulated_exponential_integral(0.5 * (self.exponent - 1.0), s)

    def fourier_slope(self, k):
        """Derivative of ``fourier`` with respect to ``k`` > 0: dE_nu/ds = -E_(nu-1); same shape."""
        k = np.asarray(k, float)
        slope = -k * self.smearing**2  # of -s
        if self.exponent == 0:
            return slope * self.fourier(k)
        s = 0.5 * (self.smearing * k) ** 2
        order = 0.5 * (self.exponent - 3.0)
        return slope * self._prefactor * tabulated_exponential_integral(order, s)

    @property
    def finite_part_at_zero(self):
        """Constant of the Fourier transform at k -> 0, without k^(p-3) or, for p = 3, log(k).

        For p = 3 its value is relative to a length of 1 angstrom (section 2.3).
        """
        if self.exponent == 3:
            return -4.0 * np.pi * np.log(self.smearing)
        if self.exponent == 0:
            return (4.0 * np.pi * self.smearing**2) ** 0.75
        return 2.0 * self._prefactor / (self.exponent - 3.0)

    @property
    def fourier_at_zero(self):
        """Weight of the k = 0 term: its limit for p > 3 and p = 0, else 0 (background, 2.3)."""
        return 0.0 if 0 < self.exponent <= 3 else self.finite_part_at_zero

    def widened(self, smearing):
        """The same potential, smeared at least so much; a density has no tail to be split off."""
        if self.exponent == 0:
            return self
        return SmearedPowerLaw(self.exponent, max(self.smearing, smearing))

    def split_weight(self, wide):
        """Weight of k = 0 for ``wide`` that keeps what the unsplit k = 0 term is (section 2.3)."""
        if 0 < self.exponent <= 3:
            return wide.finite_part_at_zero - self.finite_part_at_zero
        return wide.finite_part_at_zero

    @property
    def blur(self):
        """Distance in angstrom from which on the potential is 1/r^p to 1e-9."""
        return (7.0 + 0.2 * self.exponent) * self.smearing

    @property
    def range(self):
        """Distance in angstrom beyond which the potential is nothing."""
        return np.inf if self.exponent else self.blur

    def far_field(self, r, measure, limit):
        """Coefficients of a distant atom, eq. (6.2), as SmearedLaw has them."""
        series, powers = self._far_series(r, measure, limit)

        def values(distances):
            ratio = (limit / distances)[:, None]
            return polyval(ratio**2, series, tensor=False) * ratio**powers

        return values

    def far_field_slopes(self, r, measure, limit):
        """Derivatives of ``far_field`` by the distance, in the same form."""
        series, powers = self._far_series(r, measure, limit)
        steeper = -(2 * np.arange(len(series))[:, None] + powers) / limit * series

        def slopes(distances):
            ratio = (limit / distances)[:, None]
            return polyval(ratio**2, steeper, tensor=False) * ratio ** (powers + 1.0)

        return slopes

    def _far_series(self, r, measure, limit):
        """Amplitudes by order k and (l, n) of ``far_field``, and its leading powers p + l."""
        p, (n_degrees, n_max, _) = self.exponent, measure.shape
        degrees = np.arange(n_degrees)
        if p == 0:  # the Gaussian density has no far field
            return np.zeros((1, n_degrees * n_max)), np.zeros(n_degrees * n_max)
        ratio = r / limit
        moments = measure * (ratio ** degrees[:, None])[:, None]  # (l, n, node), of order 0
        factors = [multipole_coefficient(p, l, 0) / (2 * l + 1) for l in degrees]
        factors = 4.0 * np.pi * limit**-p * np.array(factors)
        orders = []
        for k in range(_MAX_MULTIPOLES):
            orders.append((factors[:, None] * moments.sum(axis=2)).ravel())
            if np.abs(orders[-1]).max() <= _SERIES_ACCURACY * np.abs(orders[0]).max():
                return np.array(orders), np.repeat(p + degrees, n_max)
            moments *= ratio**2
            factors *= (0.5 * p + degrees + k) * (0.5 * (p - 1.0) + k)
            factors /= (1.5 + degrees + k) * (1.0 + k)
        raise ValueError(
            f"The far field of 1/r^{p:g}, smeared by {self.smearing:g} angstrom, needs more than "
            f"{_MAX_MULTIPOLES} orders at {limit:.3g} angstrom. Use a larger smearing, a smaller "
            "cutoff or a smaller exponent."
        )


def multipole_coefficient(exponent, l, k):
    r"""A_lk of the expansion of 1/r^p about a distant point, eq. (6.1).

    :math:`|r-d|^{-p} = \sum_{lk} A_{lk} P_l(\hat r\cdot\hat d)\, r^{l+2k} / d^{p+l+2k}` for r < d.
    """
    # products of ratios, since factorials and rising factorials overflow
    both, first = np.arange(l + k), np.arange(k)
    rising = np.prod((0.5 * exponent + both) / (1.5 + both))
    return (2 * l + 1) * rising * np.prod((0.5 * (exponent - 1.0) + first) / (1.0 + first))
