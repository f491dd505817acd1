"""How far the sum over k-vectors must go for a given accuracy (theory, section 2.4)."""

import numpy as np

from .kspace import half_sphere, reciprocal

_MOST_VECTORS = 20_000  # beyond, shells are as dense as their mean
_SHELLS = 4096
_GRID = 256  # points of the envelope's table
RANDOM_PHASES = 4.0  # standard deviations granted to the sum of the omitted terms
_ORDER = 0.3  # largest coefficients of dense, ordered matter against those of random positions


class WaveEnvelope:
    """Largest coefficients that a plane wave of unit amplitude has, without 8 pi / V.

    Parameters
    ----------
    basis : RadialBasis or SolidHarmonicBasis
    laws : sequence of SmearedPowerLaw
    """

    def __init__(self, basis, laws):
        self._basis, self._laws = basis, laws
        self.l_max = basis.l_max

    def of_degrees(self, k):
        """Largest over n and m, shape (len(k), n_laws, l_max + 1)."""
        degree = np.arange(self.l_max + 1)
        integrals = self._basis.plane_waves(k).reshape(len(k), self.l_max + 1, -1)
        largest = np.abs(integrals).max(axis=2) * np.sqrt((2 * degree + 1) / (4.0 * np.pi))
        fourier = np.stack([np.abs(law.fourier(k)) for law in self._laws], axis=1)
        return fourier[:, :, None] * largest[:, None, :]

    def __call__(self, k):
        """Largest over l, n and m, shape (len(k), n_laws)."""
        return self.of_degrees(k).max(axis=2)


class KSpaceTail:
    """What the terms beyond any cutoff may still add to a coefficient, for one cell.

    The tail of an atom's own potential adds up coherently, that of the other atoms with random
    phases; both follow from the k-vectors of the cell itself, so that the estimate holds for
    small cells and wide smearings as well, where a rule in units of the smearing fails.

    Parameters
    ----------
    cell : ndarray of shape (3, 3)
    envelope : callable
        k (n,) to the largest coefficient of one plane wave, shape (n, n_exponents), without
        8 pi / V.
    smearing : float
    accuracy : float
        The finest relative accuracy that will be asked for.
    """

    def __init__(self, cell, envelope, smearing, accuracy):
        first = np.linalg.norm(reciprocal(cell), axis=1).min()
        margin = 2.0 * np.log(1.0 / accuracy) + 24.0
        self._k_max = float(np.sqrt(first**2 + margin / smearing**2))
        self._smearing = smearing
        volume = abs(np.linalg.det(cell))
        if volume * self._k_max**3 / (12.0 * np.pi**2) < _MOST_VECTORS:
            self.sphere = half_sphere(cell, self._k_max)
            norms, counts = np.sort(self.sphere.norms), 1.0
        else:
            self.sphere = None
            norms, step = np.linspace(first, self._k_max, _SHELLS, retstep=True)
            counts = (volume * norms**2 * step / (4.0 * np.pi**2))[:, None]
        self._norms = norms
        grid = np.linspace(norms[0], self._k_max, _GRID)
        amplitudes = 8.0 * np.pi / volume * envelope(grid)
        decreasing = np.maximum.accumulate(amplitudes[::-1])[::-1] + np.finfo(float).tiny
        terms = np.exp([np.interp(norms, grid, np.log(column)) for column in decreasing.T]).T
        # the first shells beyond k_max: the spectrum falls by e within 1 / (k smearing^2)
        count = 1.0 + volume * self._k_max / (4.0 * np.pi**2 * smearing**2)
        last = decreasing[-1]
        self._coherent = _sums_from_the_end(counts * terms) + count * last
        self._random = np.sqrt(0.5 * (_sums_from_the_end(counts * terms**2) + count * last**2))

    def beyond(self, k_cutoff, weights):
        """Estimate of the omitted part of a coefficient, shape (n_exponents, n_channels).

        ``weights`` (n_atoms, n_channels) are those of the atoms in the channels.
        """
        return self._tails(weights, np.searchsorted(self._norms, k_cutoff))

    def _tails(self, weights, index=slice(None)):
        heaviest = np.abs(weights).max(axis=0)
        random = RANDOM_PHASES * self._random[index][..., None] * np.linalg.norm(weights, axis=0)
        return self._coherent[index][..., None] * heaviest + random

    def expected_scale(self, weights):
        """Size that the largest coefficients have at least as a rule, (n_exponents, n_channels).

        Waves longer than the smearing do not count, since dense matter suppresses them.
        """
        short = np.searchsorted(self._norms[:-1], 1.0 / self._smearing)
        own = self._coherent[short][:, None] * np.abs(weights).max(axis=0)
        others = self._random[short][:, None] * np.linalg.norm(weights, axis=0)
        return _ORDER * np.maximum(own, others)

    def cutoff(self, allowed, weights):
        """End of the first shell beyond which the tails are ``allowed`` (n_exponents, n_channels).

        At most the largest cutoff that this object knows of.
        """
        allowed = np.all(self._tails(weights) <= allowed, axis=(1, 2))
        first = int(np.argmax(allowed))  # the tails decrease
        if not allowed.any() or first == len(self._norms):
            return self._k_max
        return float(self._norms[first] * (1.0 + 1e-9))


def _sums_from_the_end(terms):
    """Row i holds the sum of the terms i, i + 1, ...; one more row of zeros."""
    sums = np.cumsum(terms[::-1], axis=0)[::-1]
    return np.concatenate([sums, np.zeros((1, terms.shape[1]))])
