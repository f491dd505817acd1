r"""Kernels of structures that repeat along two axes or one (theory, section 5.2).

The sum over k-vectors stays, in a box that holds the structure, and only the Fourier transform of
the potential changes: it is that of the potential of a plane wave of the periodic directions, cut
off smoothly over the others by a window where no two atoms are so far apart. With the master
integral (2.1), a wave vector of length :math:`\kappa` along the periodic directions and q across,

.. math::

    \hat v(\kappa, q) = \int_0^{1/2\sigma^2} \frac{t^{p/2-1}}{\Gamma(p/2)}
        \left(\frac{\pi}{t}\right)^{d/2} e^{-\kappa^2/4t} W_t(q)\, dt,
    \qquad W_t(q) = \int e^{-i q x} e^{-t x^2} w(x)\, dx,

for d periodic directions. For :math:`\kappa = 0` it is the finite part of this integral: the
potential of a charged layer is -2 pi |z| for p = 1, and that of p = d, such as -2 log(r) of a
charged line, vanishes at a unit of length.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import erfc, erfcinv, exp1, gamma, j0, j1

from .. import blocks
from ..numerics.quadrature import gauss_legendre
from ..system.kvectors import slices
from .laws import scaled_lower_gamma

_WIDTH = 1.25  # of the window's edge in smearings: its transform must end before the potential's
_LAST = 9.0  # wave number in 1 / smearing beyond which exp(-k^2 smearing^2 / 2) is nothing
_EDGE = 8.0  # widths of the edge after which the window is nothing
_FORGOTTEN = 745.0  # exponent of what is no number any more
_WINDOW_SHARE = 0.1  # of the tolerance that a window may differ from 1
_ROUNDING_OF_WINDOW = 1e-16
_ROUNDING = 1e-12  # of squared wave vectors
_T_DENSITY = 16  # nodes for each unit of log(t)


@dataclass(frozen=True)
class Window:
    """What is kept of a potential across the periodic directions: 1 up to a radius, then 0.

    Parameters
    ----------
    radius : float
        Where it is 1/2, in angstrom.
    periodic : tuple of three bool
        Lattice vectors along which the structure repeats; one or two of them.
    unit : float
        Length in angstrom relative to which the logarithm of p = d is.
    """

    radius: float
    periodic: tuple
    unit: float

    @property
    def n_periodic(self):
        """Number of directions along which the structure repeats."""
        return sum(self.periodic)

    def spectrum(self, law, vectors, cell):
        """Fourier transform of a potential and its derivatives.

        Parameters
        ----------
        law : SmearedPowerLaw, SmearedYukawa or FiniteRangeLaw
        vectors : ndarray of shape (n_k, 3)
            Wave vectors, none of them zero.
        cell : ndarray of shape (3, 3)
            Rows of directions that do not repeat are orthogonal to all others.

        Returns
        -------
        ndarray of shape (3, n_k)
            Values, and derivatives by kappa and by q divided by these.
        """
        if law.range < np.inf:  # no periodic image is within it
            k = np.linalg.norm(vectors, axis=1)
            slopes = law.fourier_slope(k) / k
            return np.stack([law.fourier(k), slopes, slopes])
        squares = np.sum(vectors**2, axis=1)
        # other laws, which are smeared less, may need waves of which nothing is left here
        felt = np.flatnonzero(squares < (_LAST / law.smearing) ** 2)
        across = np.sum(self.across(vectors[felt], cell) ** 2, axis=1)
        along = np.maximum(squares[felt] - across, 0.0)
        spectrum = np.zeros((3, len(vectors)))
        if len(felt):
            spectrum[:, felt] = self.of_squares(law, along, across)
        return spectrum

    def across(self, vectors, cell):
        """Components of vectors across the periodic directions, (n, 3 - n_periodic)."""
        return vectors @ self._axes(cell).T

    def along(self, vectors, cell):
        """The part of vectors along the periodic directions, (n, 3)."""
        return vectors - self.across(vectors, cell) @ self._axes(cell)

    def _axes(self, cell):
        """Unit vectors across the periodic directions."""
        axes = cell[~np.array(self.periodic)]
        return axes / np.linalg.norm(axes, axis=1)[:, None]

    def of_squares(self, law, along, across):
        """``spectrum`` for kappa^2 and q^2, each of shape (n_k,), of laws with a tail."""
        rounding = _ROUNDING * np.max(along + across)  # as these are differences
        screened, which = _distinct(along, rounding)
        screened = screened + law.screening**2
        squares, place = _distinct(across, rounding)
        table = np.zeros((3, len(screened), len(squares)))
        bare = int(screened[0] == 0)  # the only wave vectors of which the integral diverges
        if bare:
            table[:, 0] = self._of_layer(law, squares)
        if len(screened) > bare:
            table[:, bare:] = self._of_waves(law, screened[bare:], squares)
        return table[:, which, place]

    def at_zero(self, law):
        """Finite part of the Fourier transform at k = 0."""
        if law.range < np.inf:
            return law.fourier_at_zero
        if law.screening:
            return float(self._of_waves(law, np.array([law.screening**2]), np.zeros(1))[0, 0, 0])
        return float(self._of_layer(law, np.zeros(1))[0, 0])

    def _of_waves(self, law, squares, across):
        """Values and derivatives for all kappa^2 and q^2, shape (3, n_along, n_across)."""
        highest = 0.5 / law.smearing**2
        lowest = min(0.25 * squares.min() / _FORGOTTEN, 0.5 * highest)
        t, weights = _logarithmic(lowest, highest)
        weights *= _amplitudes(law, t) * (np.pi / t) ** (0.5 * self.n_periodic)
        transforms = self._transforms(law, across) @ np.exp(-t * self._points(law)[0][:, None] ** 2)
        values, slopes = transforms  # (q, t)
        table = np.empty((3, len(squares), len(across)))
        for part in slices(len(squares), max(1, blocks.DECAY_NUMBERS // len(t))):
            decay = weights * np.exp(-0.25 * squares[part, None] / t)  # (kappa, t)
            table[0, part], table[2, part] = decay @ values.T, decay @ slopes.T
            table[1, part] = (decay * (-0.5 / t)) @ values.T
        return table

    def _of_layer(self, law, across):
        """The same for kappa = 0, shape (3, n_across); the slope by kappa is not needed."""
        potential = self._layer(law, self._points(law)[0])
        values, slopes = self._transforms(law, across) @ potential
        return np.stack([values, np.zeros_like(values), slopes])

    def _layer(self, law, x):
        """Potential at distances from one charge per area, or per length, spread evenly.

        The finite part of the integral, -log(x^2 / unit^2) far away from p = d, else x^(d - p).
        """
        highest, power = 0.5 / law.smearing**2, 0.5 * (law.exponent - self.n_periodic)
        scale = np.pi ** (0.5 * self.n_periodic) / gamma(0.5 * law.exponent)
        y = highest * x**2
        if not power:
            return scale * (np.log(highest * self.unit**2) - exp1(y) - np.log(y))
        # the lower incomplete gamma function of a negative order, by its recurrence
        above = gamma(power + 1.0) * scaled_lower_gamma(power + 1.0, y)
        return scale * highest**power / power * (y * above + np.exp(-y))

    def _points(self, law):
        """Distances across the periodic directions, and their measure times the window."""
        width = _WIDTH * law.smearing
        end = self.radius + _EDGE * width
        x, weights = gauss_legendre(int(48 + _LAST * end / law.smearing), end)
        window = 0.5 * erfc((x - self.radius) / (np.sqrt(2.0) * width))
        measure = 2.0 if self.n_periodic == 2 else 2.0 * np.pi * x
        return x, weights * measure * window

    def _transforms(self, law, across):
        """Matrices from values at the points to the transform and its slope in q over q."""
        x, weights = self._points(law)
        phases = np.sqrt(across)[:, None] * x
        if self.n_periodic == 2:
            waves, slopes = np.cos(phases), np.sinc(phases / np.pi)
        else:
            small = phases < 1e-6
            waves = j0(phases)
            slopes = np.where(small, 0.5, j1(phases) / np.where(small, 1.0, phases))
        return np.stack([waves * weights, -slopes * x**2 * weights])


def box_length(extent, reach, repeat, laws, tol):
    """Length of a box across the periodic directions, of which a window keeps half.

    Parameters
    ----------
    extent : float
        Largest distance of atoms across the periodic directions.
    reach : float
        How far from an atom potentials are needed.
    repeat : float
        Distance of an atom to its nearest image, whose potential is at least to be seen.
    laws : sequence of SmearedPowerLaw
        Potentials.
    tol : float
        How accurate they should be.
    """
    return max(_length(extent + reach, reach, repeat, law, tol) for law in laws)


def _length(needed, reach, repeat, law, tol):
    if law.range < np.inf:
        return needed + law.range
    # what a window takes from the near field must be small beside the far field
    smaller = abs(law.real(max(reach, repeat)) / law.real(reach))
    accuracy = max(_WINDOW_SHARE * tol * smaller, _ROUNDING_OF_WINDOW)
    return 2.0 * (needed + _WIDTH * law.smearing * np.sqrt(2.0) * float(erfcinv(2.0 * accuracy)))


def _amplitudes(law, t):
    """Weight of exp(-t r^2) in the potential, eq. (2.1), without its screening."""
    return t ** (0.5 * law.exponent - 1.0) / gamma(0.5 * law.exponent)


def _logarithmic(lowest, highest):
    """Nodes and weights of an integral over t that is smooth in log(t)."""
    length = np.log(highest / lowest)
    nodes, weights = gauss_legendre(int(32 + _T_DENSITY * length), length)
    t = lowest * np.exp(nodes)
    return t, weights * t


def _distinct(squares, rounding):
    """Distinct values but for rounding, ascending, and which of them each is."""
    order = np.argsort(squares)
    ascending = squares[order]
    ascending[ascending < rounding] = 0.0
    steps = np.diff(ascending, prepend=-1.0) > rounding
    which = np.empty(len(squares), int)
    which[order] = np.cumsum(steps) - 1
    return ascending[steps], which
