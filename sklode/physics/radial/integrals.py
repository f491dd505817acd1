"""Integrals of radial functions with plane waves and with potentials, as tables (section 3)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import eval_legendre

from .. import blocks
from ..numerics.chebyshev import interpolate
from ..numerics.piecewise import PiecewiseTable, piecewise
from ..numerics.quadrature import gauss_legendre
from ..numerics.special import spherical_bessel
from ..system.kvectors import slices

TABLE_ACCURACY = 1e-11  # of each function of pairs, relative to its largest value,
TABLE_ROUNDING = 1e-14  # if this part of the largest of all is not larger
_WAVE_ACCURACY = 1e-14  # coefficients may be small beside the integral at k = 0
_SPECTRAL_WIDTHS = 8.8  # of a Gaussian, beyond which it is below 2e-17
_MOST_SMEARINGS = 900  # in the reach of a basis, where tables still resolve the smearing
_MOST_TURNS = 2000  # of a wave inside the reach of a basis, in radians
_SHARP = 0.125  # of the reach: laws smeared by less are a wider one and a difference


@lru_cache(maxsize=64)
def plane_wave_table(basis, k_max):
    """I_nl(k) = int r^2 R_nl j_l(kr) dr on [0, k_max] (section 3.1).

    Returns
    -------
    PiecewiseTable
        With (l_max + 1) * n_max functions, l slowest.

    Raises
    ------
    ValueError
        If more turns of a wave are inside the basis than tables resolve.
    """
    if basis.reach * k_max > _MOST_TURNS:
        raise ValueError(
            f"Waves of up to {k_max:.3g}/angstrom are too short for radial functions that reach "
            f"{basis.reach:.3g} angstrom, as with cutoff={basis.cutoff:g} and n_max={basis.n_max}. "
            "Use a larger smearing or tol, a smaller cutoff or, if given, a smaller k_cutoff."
        )
    r, measure = basis.quadrature(3.0 / k_max)

    def integrals(k):
        return _bessel_products(k, r, measure.swapaxes(1, 2))

    degree = _degree(basis.reach * k_max)
    series = interpolate(integrals, 0.0, k_max, _WAVE_ACCURACY, degree=degree)
    return piecewise(series, 0.1 * _WAVE_ACCURACY)


@lru_cache(maxsize=64)
def plane_wave_slope_table(basis, k_max):
    """dI_nl/dk as a table like ``plane_wave_table``."""
    return plane_wave_table(basis, k_max).derivative()


def _degree(lengths):
    return int(32 + 2 * lengths)


def _bessel_products(x, y, matrices):
    """j_l(x y) @ matrices[l] for each l, shape (len(x), (l_max + 1) * n_max), l slowest."""
    parts = []
    for subset in slices(len(x), max(1, blocks.BESSEL_NUMBERS // len(y))):
        values = spherical_bessel(len(matrices) - 1, np.outer(x[subset], y))
        parts.append(np.concatenate(values @ matrices, axis=1))
    return np.concatenate(parts)


@lru_cache(maxsize=64)
def center_integrals(basis, law):
    """sqrt(4 pi) int r^2 R_n0 v dr, an atom's own coefficient (section 3.3); shape (n_max,)."""
    r, measure = basis.quadrature(law.smearing)
    return np.sqrt(4.0 * np.pi) * (measure[0] @ law.real(r))


def pair_integrals(basis, law, distances):
    """F_nl(d), the coefficient of an atom at distance d (section 3.2), by quadrature.

    With cos(theta) = 1 - 2 t^2 the nodes crowd where the neighbour is near.

    Returns
    -------
    ndarray of shape (n_distances, (l_max + 1) * n_max)
        l slowest.
    """
    r, measure = basis.quadrature(law.smearing)
    t, weights = gauss_legendre(int(40 + 14 * np.sqrt(basis.reach / law.smearing)))
    l = np.arange(basis.l_max + 1)
    angular = eval_legendre(l, 1.0 - 2.0 * t[:, None] ** 2) * (4.0 * t * weights)[:, None]
    rows = []
    for d in distances:
        separation = np.sqrt((r - d)[:, None] ** 2 + 4.0 * d * np.outer(r, t**2))
        moments = law.real(separation) @ angular
        rows.append(2.0 * np.pi * np.einsum("lng,gl->ln", measure, moments).ravel())
    return np.array(rows)


@dataclass(frozen=True)
class PairTable:
    """F_nl(d) at any distance: a table near, the far field of the bare potential beyond.

    Attributes
    ----------
    near : PiecewiseTable
        On [0, near.upper].
    far : callable
        Distances beyond ``near.upper`` to values.
    """

    near: PiecewiseTable
    far: Callable

    def __call__(self, distances):
        """Values of shape (n_distances, (l_max + 1) * n_max), l slowest."""
        beyond = distances > self.near.upper
        if not beyond.any():
            return self.near(distances)
        values = self.near(np.where(beyond, self.near.upper, distances))
        values[beyond] = self.far(distances[beyond])
        return values


@lru_cache(maxsize=256)
def pair_table(basis, law, upper=None):
    """Table of F_nl(d) of one atom's potential, up to ``upper`` or without limit (None)."""
    limit = basis.reach + law.blur if upper is None else upper
    near = piecewise(pair_series(basis, law, limit), 0.1 * TABLE_ACCURACY, 0.1 * TABLE_ROUNDING)
    return PairTable(near, law.far_field(*basis.quadrature(law.smearing), limit))


def pair_series(basis, law, limit):
    """F_nl(d) of one atom's potential on [0, limit] as a ChebyshevSeries.

    A sharp law is the sum of a wide one, by quadrature in real space, and of a difference whose
    spectrum is smooth and ends with that of the law.

    Raises
    ------
    ValueError
        If the law is sharper than tables resolve.
    """
    if basis.reach > _MOST_SMEARINGS * law.smearing:
        raise ValueError(
            f"smearing={law.smearing:g} angstrom is too small beside cutoff={basis.cutoff:g} "
            f"angstrom, where radial functions reach {basis.reach:.3g} angstrom. Use a smearing of "
            f"at least {1.05 * basis.reach / _MOST_SMEARINGS:.2g} angstrom, or a smaller cutoff."
        )
    if law.smearing >= _SHARP * basis.reach:

        def functions(distances):
            return pair_integrals(basis, law, distances)

    else:
        wide = law.widened(_SHARP * basis.reach)
        smooth = None if wide is law else pair_series(basis, wide, limit)  # a density has no tail
        waves, spectrum = sharp_waves(basis, law, limit, None if wide is law else wide)

        def functions(distances):
            sharp = _bessel_products(distances, waves, spectrum)
            return sharp if smooth is None else sharp + smooth(distances)

    degree = _degree(2.0 * limit / np.hypot(law.smearing, basis.finest))
    return interpolate(functions, 0.0, limit, TABLE_ACCURACY, degree, TABLE_ROUNDING)


def sharp_waves(basis, law, limit, wide=None):
    """Waves whose sum over j_l(kd) is the F_nl(d) of a law, less that of a wide one.

    F_nl(d) = (2 / pi) int k^2 v(k) I_nl(k) j_l(kd) dk for d < ``limit`` (section 3.2).

    Returns
    -------
    waves : ndarray of shape (n_k,)
        In 1/angstrom.
    spectrum : ndarray of shape (l_max + 1, n_k, n_max)
    """
    highest = _SPECTRAL_WIDTHS / law.smearing
    k, weights = gauss_legendre(int(48 + 0.9 * highest * (limit + basis.reach)), highest)
    fourier = law.fourier(k) - (0.0 if wide is None else wide.fourier(k))
    r, measure = basis.quadrature(5.0 / highest)
    integrals = _bessel_products(k, r, measure.swapaxes(1, 2))
    integrals *= (2.0 / np.pi * weights * k**2 * fourier)[:, None]
    return k, integrals.reshape(len(k), basis.l_max + 1, basis.n_max).swapaxes(0, 1)
