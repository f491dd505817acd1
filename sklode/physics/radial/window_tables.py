"""Tables of Fourier transforms in a window, which the cells that share the window share.

The bracket of eq. (5.1) does not depend on the periodic directions: it is a table over t and over
the wave numbers q that a box has. The potential of a charged layer, or line, is summed over t
before it is transformed. A window would end what is constant of it, too; where this is much larger
than what varies, as for p near the number d of periodic directions, it would leave errors where
charges cancel. So the potential at the window's edge is taken away before.
"""

from functools import cached_property, lru_cache

import numpy as np
from scipy.special import erfc, gamma, j0, j1

from .. import blocks
from ..numerics.quadrature import gauss_legendre
from ..system.kvectors import slices

EDGE = 1.25  # of the window in smearings: its transform must end before the potential's
LAST = 9.0  # wave number in 1 / smearing beyond which exp(-k^2 smearing^2 / 2) is nothing
_EDGE_END = 8.0  # widths of the edge after which the window is nothing
_FORGOTTEN = 745.0  # exponent of what is no number any more
_PANEL, _PANEL_NODES = 2.0, 24  # of log(t)
_KEPT = 16  # laws and windows, of some megabytes each
_LINEAR = 1e-16  # exponent t x^2 of a Gaussian that is linear in it


@lru_cache(maxsize=_KEPT)
def window_tables(law, n_periodic, radius, highest):
    """WindowTables, kept for the next cells."""
    return WindowTables(law, n_periodic, radius, highest)


class WindowTables:
    """Fourier transforms over the directions across, of plane waves along, in one window.

    Parameters
    ----------
    law : SmearedPowerLaw or SmearedYukawa
    n_periodic : int
        Number of directions along which the structure repeats.
    radius : float
        Of the window in angstrom, half the length of a box.
    highest : int
        Largest q that is needed, in 1 / smearing.

    Attributes
    ----------
    count : int
        Number of distinct q.
    place : ndarray of int
        Which of them q^2 is, by its number of (pi / radius)^2; -1 for none.
    """

    def __init__(self, law, n_periodic, radius, highest):
        self._law, self._n_periodic, self._radius = law, n_periodic, radius
        integers = np.arange(int(radius * highest / (np.pi * law.smearing)) + 2) ** 2
        if n_periodic == 1:
            sums = np.unique(np.add.outer(integers, integers))
            integers = sums[sums <= integers[-1]]
        self.count, self.place = len(integers), np.full(integers[-1] + 1, -1)
        self.place[integers] = np.arange(self.count)
        self._q = np.sqrt(integers) * (np.pi / radius)
        self._of_panels = {}  # other threads may add the same

    @cached_property
    def of_layer(self):
        """Values and derivatives for kappa = 0, shape (3, count); that by kappa is not needed."""
        x, weights = _points(self._law, self._n_periodic, self._radius)
        potential = _varying(self._law, self._n_periodic, x, self._radius)
        values, slopes = self._transforms(x, weights) @ potential
        return np.stack([values, np.zeros_like(values), slopes])

    def of_waves(self, squares):
        """Values and derivatives for kappa^2, screening added; shape (3, len(squares), count)."""
        panels = [self._panel(number) for number in range(self._n_panels(squares.min()))]
        t = np.concatenate([panel[0] for panel in panels])
        transforms = np.concatenate([panel[1] for panel in panels], axis=1)  # (2, t, q)
        values, slopes = transforms
        table = np.empty((3, len(squares), self.count))
        for part in slices(len(squares), max(1, blocks.DECAY_NUMBERS // len(t))):
            decay = np.exp(-0.25 * squares[part, None] / t)  # (kappa, t)
            np.matmul(decay, values, out=table[0, part])
            np.matmul(decay, slopes, out=table[2, part])
            np.matmul(decay * (-0.5 / t), values, out=table[1, part])
        return table

    def _n_panels(self, square):
        """Intervals of log(t) below which a wave of kappa^2 has nothing."""
        span = np.log(0.5 / self._law.smearing**2) - np.log(0.25 * square / _FORGOTTEN)
        return max(1, int(np.ceil(span / _PANEL)))

    def _panel(self, number):
        """Nodes t, and the bracket and its slope in q over q times their weights, (2, t, q)."""
        if number not in self._of_panels:
            top = 0.5 / self._law.smearing**2 * np.exp(-_PANEL * number)
            t, weights = _logarithmic(top, 1)
            weights *= _density(self._law, self._n_periodic, t)
            x, measure = _points(self._law, self._n_periodic, self._radius)
            gaussians = np.exp(-t * x[:, None] ** 2) * weights
            transforms = self._transforms(x, measure) @ gaussians
            self._of_panels[number] = t, np.ascontiguousarray(transforms.swapaxes(1, 2))
        return self._of_panels[number]

    def _transforms(self, x, weights):
        """Matrices from values at the points to the transform and its slope in q over q."""
        phases = self._q[:, None] * x
        if self._n_periodic == 2:
            waves, slopes = np.cos(phases), np.sinc(phases / np.pi)
        else:
            small = phases < 1e-6
            waves = j0(phases)
            slopes = np.where(small, 0.5, j1(phases) / np.where(small, 1.0, phases))
        return np.stack([waves * weights, -slopes * x**2 * weights])


@lru_cache(maxsize=1024)
def layer_at_zero(law, n_periodic, radius, unit):
    """Transform at k = 0 of the potential of a layer in a window, and what it is at the edge.

    Parameters
    ----------
    law, n_periodic, radius
        As of WindowTables.
    unit : float
        Length at which the logarithm of p = d vanishes.

    Returns
    -------
    windowed, constant : float
    """
    x, weights = _points(law, n_periodic, radius)
    windowed = weights @ _varying(law, n_periodic, x, radius)
    edge = _varying(law, n_periodic, np.array([radius]), 0.0)[0]
    return float(windowed), float(edge + _at_layer(law, n_periodic, unit))


def _varying(law, n_periodic, x, edge):
    """Potential at distances from one charge per area, or per length, less that at an edge."""
    t, weights = _of_layer(law, n_periodic, max(edge, x.max()))
    gaussians = np.expm1(-t * x[:, None] ** 2) - np.expm1(-t * edge**2)
    return gaussians @ weights


def _at_layer(law, n_periodic, unit):
    """Finite part of the potential at the layer itself."""
    if law.screening:
        return np.sum(_of_layer(law, n_periodic, law.smearing)[1])
    highest, power = 0.5 / law.smearing**2, 0.5 * (law.exponent - n_periodic)
    scale = np.pi ** (0.5 * n_periodic) / gamma(0.5 * law.exponent)
    if not power:
        return scale * (np.log(highest * unit**2) + np.euler_gamma)
    return scale * highest**power / power


def _of_layer(law, n_periodic, farthest):
    """Nodes t and weights of what a layer's Gaussians add up to, less what is constant of them."""
    highest, lowest = 0.5 / law.smearing**2, _LINEAR / farthest**2
    if law.screening:
        lowest = min(lowest, 0.25 * law.screening**2 / _FORGOTTEN)
    t, weights = _logarithmic(highest, int(np.ceil(np.log(highest / lowest) / _PANEL)))
    # below, the Gaussians vary linearly with t
    last = highest * np.exp(-_PANEL * (len(t) // _PANEL_NODES))
    t = np.append(t, last)
    weights = np.append(weights, last / (0.5 * (law.exponent - n_periodic) + 1.0))
    return t, weights * _density(law, n_periodic, t) * np.exp(-0.25 * law.screening**2 / t)


def _density(law, n_periodic, t):
    """Weight of exp(-t x^2) in the potential of a layer, eq. (5.1), without its screening."""
    amplitudes = t ** (0.5 * law.exponent - 1.0) / gamma(0.5 * law.exponent)
    return amplitudes * (np.pi / t) ** (0.5 * n_periodic)


def _logarithmic(top, n_panels):
    """Nodes and weights of an integral over t up to ``top`` that is smooth in log(t)."""
    nodes, weights = gauss_legendre(_PANEL_NODES, _PANEL)
    t = top * np.exp(-_PANEL * np.arange(n_panels)[:, None] - nodes)
    return t.ravel(), (t * weights).ravel()


@lru_cache(maxsize=_KEPT)
def _points(law, n_periodic, radius):
    """Distances across the periodic directions, and their measure times the window."""
    width = EDGE * law.smearing
    end = radius + _EDGE_END * width
    x, weights = gauss_legendre(int(48 + LAST * end / law.smearing), end)
    window = 0.5 * erfc((x - radius) / (np.sqrt(2.0) * width))
    measure = 2.0 if n_periodic == 2 else 2.0 * np.pi * x
    return x, weights * measure * window
