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
charged line, vanishes at a unit of length. What it is at the window's edge is not cut off: it is
added as a constant.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import erfcinv

from .window_tables import EDGE, LAST, layer_at_zero, window_tables

_WINDOW_SHARE = 0.1  # of the tolerance that a window may differ from 1
_ROUNDING_OF_WINDOW = 1e-16
_ROUNDING = 1e-12  # of squared wave vectors


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
        felt = np.flatnonzero(squares < (LAST / law.smearing) ** 2)
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
        squares, which = _distinct(along, _ROUNDING * np.max(along + across))
        numbers = np.rint(across * (self.radius / np.pi) ** 2).astype(int)
        highest = int(np.ceil(law.smearing * np.sqrt(across.max()))) + 1
        tables = window_tables(law, self.n_periodic, self.radius, highest)
        place = tables.place[numbers]
        table = np.zeros((3, len(squares), tables.count))
        flat = int(squares[0] == 0)  # waves across alone, of which the integral may diverge
        if flat:
            table[:, 0] = tables.of_layer
        if len(squares) > flat:
            table[:, flat:] = tables.of_waves(squares[flat:] + law.screening**2)
        return table[:, which, place]

    def at_zero(self, law):
        """Finite part of the Fourier transform at k = 0.

        Returns
        -------
        windowed : float
        constant : float
            What the window does not end, along the periodic directions alone: the potential of one
            charge per area, or length, where the window ends.
        """
        if law.range < np.inf:
            return law.fourier_at_zero, 0.0
        return layer_at_zero(law, self.n_periodic, self.radius, self.unit)


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
    return 2.0 * (needed + EDGE * law.smearing * np.sqrt(2.0) * float(erfcinv(2.0 * accuracy)))


def _distinct(squares, rounding):
    """Distinct values but for rounding, ascending, and which of them each is."""
    order = np.argsort(squares)
    ascending = squares[order]
    ascending[ascending < rounding] = 0.0
    steps = np.diff(ascending, prepend=-1.0) > rounding
    which = np.empty(len(squares), int)
    which[order] = np.cumsum(steps) - 1
    return ascending[steps], which
