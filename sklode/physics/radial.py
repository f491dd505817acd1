"""Radial bases and their integrals with plane waves and with potentials (theory, section 3)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import eval_legendre, gamma, spherical_jn

from .chebyshev import interpolate
from .piecewise import PiecewiseTable, piecewise
from .quadrature import gauss_legendre

MAX_MONOMIALS = 6  # beyond, the overlap of r^(l+2n) is singular to working precision
_GAUSSIAN_REACH = 8.0  # widths beyond its maximum where a primitive is below 1e-13
TABLE_ACCURACY = 1e-11  # of each function of pairs, relative to its largest value,
TABLE_ROUNDING = 1e-14  # if this part of the largest of all is not larger
_WAVE_ACCURACY = 1e-14  # coefficients may be small beside the integral at k = 0


@dataclass(frozen=True)
class RadialBasis:
    """Loewdin-orthonormalised radial functions R_nl(r), n < n_max, l <= l_max.

    Parameters
    ----------
    kind : {"gto", "monomial"}
        r^n exp(-r^2/2 s_n^2), s_n = cutoff max(sqrt(n), 1) / n_max, on [0, inf); or r^(l+2n) on
        [0, cutoff].
    n_max, l_max : int
        Number of functions per l, and largest l.
    cutoff : float
        Radius in angstrom.
    """

    kind: str
    n_max: int
    l_max: int
    cutoff: float

    def __post_init__(self):
        if self.kind == "monomial" and self.n_max > MAX_MONOMIALS:
            raise ValueError(
                f"n_max={self.n_max} monomials r^(l+2n) are linearly dependent to working "
                f"precision; use n_max <= {MAX_MONOMIALS}, or radial_basis='gto'."
            )

    @property
    def _widths(self):
        return self.cutoff * np.maximum(np.sqrt(np.arange(self.n_max)), 1.0) / self.n_max

    @property
    def reach(self):
        """Radius in angstrom beyond which all functions vanish to working precision."""
        if self.kind == "monomial":
            return self.cutoff
        return self._widths[-1] * (np.sqrt(self.n_max - 1) + _GAUSSIAN_REACH)

    def _loewdin(self, l):
        """Matrix (n_max, n_max) that turns primitives into orthonormal functions."""
        n = np.arange(self.n_max)
        if self.kind == "gto":
            norms = np.sqrt(2.0 / (self._widths ** (2 * n + 3) * gamma(n + 1.5)))
            a = 0.5 * (self._widths[:, None] ** -2 + self._widths**-2)
            power = 0.5 * (3 + n[:, None] + n)
            overlap = 0.5 * gamma(power) * a**-power * norms[:, None] * norms
        else:
            norms = np.sqrt((2 * l + 4 * n + 3) / self.cutoff**3)
            odd = np.sqrt(2 * l + 4 * n + 3)
            overlap = odd[:, None] * odd / (2 * l + 2 * n[:, None] + 2 * n + 3)
        eigenvalues, vectors = np.linalg.eigh(overlap)
        return (vectors / np.sqrt(eigenvalues)) @ vectors.T * norms

    def functions(self, r):
        """R_nl at ``r`` inside the reach, shape (l_max + 1, n_max, len(r))."""
        n = np.arange(self.n_max)[:, None]
        if self.kind == "gto":
            values = self._loewdin(0) @ (r**n * np.exp(-0.5 * (r / self._widths[:, None]) ** 2))
            return np.broadcast_to(values, (self.l_max + 1, *values.shape))
        x = r / self.cutoff
        return np.array([self._loewdin(l) @ x ** (l + 2 * n) for l in range(self.l_max + 1)])

    def plane_waves(self, k):
        """I_nl(k) = int r^2 R_nl j_l(kr) dr, shape (len(k), (l_max + 1) * n_max), l slowest."""
        k_max = 2.0 ** np.ceil(np.log2(k.max(initial=1.0)))  # few tables serve all cells
        return plane_wave_table(self, k_max)(k)

    def plane_wave_slopes(self, k):
        """Derivatives of ``plane_waves`` with respect to k; same shape."""
        k_max = 2.0 ** np.ceil(np.log2(k.max(initial=1.0)))
        return plane_wave_slope_table(self, k_max)(k)

    def quadrature(self, shortest):
        """Nodes r of shape (n_nodes,) and R_nl r^2 dr of shape (l_max + 1, n_max, n_nodes).

        ``shortest`` is the finest length in angstrom that the integrands vary on.
        """
        nodes, weights = gauss_legendre(int(48 + 5 * self.reach / shortest), self.reach)
        return nodes, self.functions(nodes) * (weights * nodes**2)


@lru_cache(maxsize=64)
def plane_wave_table(basis, k_max):
    """I_nl(k) = int r^2 R_nl j_l(kr) dr on [0, k_max] (section 3.1).

    Returns
    -------
    PiecewiseTable
        With (l_max + 1) * n_max functions, l slowest.
    """
    r, measure = basis.quadrature(3.0 / k_max)

    def integrals(k):
        kr = np.outer(k, r)
        columns = [spherical_jn(l, kr) @ measure[l].T for l in range(basis.l_max + 1)]
        return np.concatenate(columns, axis=1)

    degree = _degree(basis.reach * k_max)
    series = interpolate(integrals, 0.0, k_max, _WAVE_ACCURACY, degree=degree)
    return piecewise(series, 0.1 * _WAVE_ACCURACY)


@lru_cache(maxsize=64)
def plane_wave_slope_table(basis, k_max):
    """dI_nl/dk as a table like ``plane_wave_table``."""
    return plane_wave_table(basis, k_max).derivative()


def _degree(lengths):
    return int(32 + 2 * lengths)


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
    series = interpolate(
        lambda d: pair_integrals(basis, law, d),
        0.0,
        limit,
        TABLE_ACCURACY,
        degree=_degree(2.0 * limit / np.hypot(law.smearing, 0.3 * basis.cutoff / basis.n_max)),
        rounding=TABLE_ROUNDING,
    )
    near = piecewise(series, 0.1 * TABLE_ACCURACY, 0.1 * TABLE_ROUNDING)
    return PairTable(near, law.far_field(*basis.quadrature(law.smearing), limit))
