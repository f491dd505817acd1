"""Radial bases, one class each (theory, section 3)."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import factorial2, gamma

from ..numerics.quadrature import gauss_legendre
from .integrals import plane_wave_slope_table, plane_wave_table

_GAUSSIAN_REACH = 8.0  # widths beyond its maximum where a primitive is below 1e-13


@dataclass(frozen=True)
class RadialBasis:
    """Loewdin-orthonormalised radial functions R_nl(r), n < n_max, l <= l_max.

    A subclass has ``primitives(l, r)``, how far they ``reach``, and the length that they vary on,
    ``finest``. Overlaps are integrated here unless it knows better.

    Parameters
    ----------
    n_max, l_max : int
        Number of functions per l, and largest l.
    cutoff : float
        Radius in angstrom.
    """

    n_max: int
    l_max: int
    cutoff: float

    # beyond, primitives are linearly dependent to working precision
    largest_n_max = 8
    formula = "primitives"  # what they are, for the error

    def __post_init__(self):
        if self.n_max > self.largest_n_max:
            better = [name for name, basis in BASES.items() if basis.largest_n_max >= self.n_max]
            way_out = f", or radial_basis={better[0]!r}" if better else ""
            raise ValueError(
                f"n_max={self.n_max} {self.formula} are linearly dependent to working precision; "
                f"use n_max <= {self.largest_n_max}{way_out}."
            )

    @property
    def reach(self):
        """Radius in angstrom beyond which all functions vanish to working precision."""
        return self.cutoff

    @property
    def finest(self):
        """Length in angstrom on which the functions vary; 0 if they end abruptly."""
        return 0.0

    def primitives(self, l, r):
        """Functions of degree l before they are made orthonormal, (n_max, len(r))."""
        raise NotImplementedError

    def overlap(self, l):
        """Norms that primitives are multiplied by, (n_max,), and overlaps of the result."""
        r, weights = gauss_legendre(256, self.reach)
        values = self.primitives(l, r)
        overlap = (values * weights * r**2) @ values.T
        norms = 1.0 / np.sqrt(np.diag(overlap))
        return norms, overlap * norms[:, None] * norms

    def functions(self, r):
        """R_nl at ``r`` inside the reach, shape (l_max + 1, n_max, len(r))."""
        return np.array([self._loewdin(l) @ self.primitives(l, r) for l in range(self.l_max + 1)])

    def _loewdin(self, l):
        """Matrix (n_max, n_max) that turns primitives into orthonormal functions."""
        norms, overlap = self.overlap(l)
        eigenvalues, vectors = np.linalg.eigh(overlap)
        return (vectors / np.sqrt(eigenvalues)) @ vectors.T * norms

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


class Gaussians(RadialBasis):
    """Gaussian type orbitals r^n exp(-r^2/2 s_n^2), s_n = cutoff max(sqrt(n), 1) / n_max."""

    largest_n_max = 16  # the functions of 14 are orthonormal to 3e-8, of 16 to 2e-6
    formula = "Gaussians r^n exp(-r^2/2 s_n^2)"

    @property
    def _widths(self):
        return self.cutoff * np.maximum(np.sqrt(np.arange(self.n_max)), 1.0) / self.n_max

    @property
    def reach(self):
        """Radius in angstrom beyond which all functions vanish to working precision."""
        return self._widths[-1] * (np.sqrt(self.n_max - 1) + _GAUSSIAN_REACH)

    @property
    def finest(self):
        """Length in angstrom on which the functions vary."""
        return 0.3 * self.cutoff / self.n_max

    def primitives(self, l, r):
        """Gaussians r^n exp(-r^2/2 s_n^2), equal for all degrees, (n_max, len(r))."""
        n = np.arange(self.n_max)[:, None]
        return r**n * np.exp(-0.5 * (r / self._widths[:, None]) ** 2)

    def overlap(self, l):
        """Norms that primitives are multiplied by, (n_max,), and overlaps of the result."""
        n = np.arange(self.n_max)
        norms = np.sqrt(2.0 / (self._widths ** (2 * n + 3) * gamma(n + 1.5)))
        a = 0.5 * (self._widths[:, None] ** -2 + self._widths**-2)
        power = 0.5 * (3 + n[:, None] + n)
        return norms, 0.5 * gamma(power) * a**-power * norms[:, None] * norms


class Monomials(RadialBasis):
    """r^(l+2n) on [0, cutoff]; one is enough for 1/r."""

    largest_n_max = 6  # the functions of 6 are orthonormal to 5e-8, of 7 to 2e-5 (l = 8)
    formula = "monomials r^(l+2n)"

    def primitives(self, l, r):
        """Powers (r / cutoff)^(l+2n), (n_max, len(r))."""
        n = np.arange(self.n_max)[:, None]
        return (r / self.cutoff) ** (l + 2 * n)

    def overlap(self, l):
        """Norms that primitives are multiplied by, (n_max,), and overlaps of the result."""
        n = np.arange(self.n_max)
        norms = np.sqrt((2 * l + 4 * n + 3) / self.cutoff**3)
        odd = np.sqrt(2 * l + 4 * n + 3)
        return norms, odd[:, None] * odd / (2 * l + 2 * n[:, None] + 2 * n + 3)


BASES = {"gto": Gaussians, "monomial": Monomials}  # by the names that users give


@lru_cache(maxsize=64)
def made_once(basis, n_max, l_max, cutoff):
    """A basis of a class, the same object for the same parameters."""
    return basis(n_max, l_max, cutoff)


@dataclass(frozen=True)
class SolidHarmonicBasis:
    """Taylor coefficients of a potential in (r / radius)^l Y_lm instead of projections.

    Attributes
    ----------
    l_max : int
    radius : float
        Unit of length in angstrom, which makes the coefficients of all l comparable.
    """

    l_max: int
    radius: float
    n_max = 1

    def plane_waves(self, k):
        """Coefficient of (r / radius)^l in j_l(kr), shape (len(k), l_max + 1)."""
        l = np.arange(self.l_max + 1)
        return (k[:, None] * self.radius) ** l / factorial2(2 * l + 1)

    def plane_wave_slopes(self, k):
        """Derivatives of ``plane_waves`` with respect to k > 0; same shape."""
        return self.plane_waves(k) * np.arange(self.l_max + 1) / k[:, None]
