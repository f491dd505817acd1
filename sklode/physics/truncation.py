"""How far the sum over k-vectors must go for a given accuracy (theory, section 2.4)."""

import numpy as np

from .kspace import half_sphere, reciprocal

_GRID = 256  # points of the envelope's table
_RANDOM_PHASES = 4.0  # standard deviations granted to the sum of the omitted terms
_ORDER = 0.2  # coefficients of dense, ordered matter against those of random positions


class KSpaceTail:
    """What the terms beyond any cutoff may still add to a coefficient, for one cell.

    The tail of an atom's own potential adds up coherently, that of the other atoms with random
    phases; both follow from the k-vectors of the cell itself, so that the estimate holds for
    small cells and wide smearings as well, where a rule in units of the smearing fails.

    Parameters
    ----------
    cell : ndarray of shape (3, 3)
    envelope : callable
        k (n,) to the largest coefficient of one plane wave, shape (n, n_exponents), volume
        prefactor included.
    smearing : float
    charges2 : ndarray of shape (n_channels,)
        Sum of the squared weights of each channel.
    uniform : ndarray of shape (n_exponents, n_channels)
        Size of the k = 0 term.
    accuracy : float
        The finest relative accuracy that will be asked for.
    """

    def __init__(self, cell, envelope, smearing, charges2, uniform, accuracy):
        first = np.linalg.norm(reciprocal(cell), axis=1).min()
        margin = 2.0 * np.log(1.0 / accuracy) + 24.0
        self.k_max = float(np.sqrt(first**2 + margin / smearing**2))
        norms = np.sort(half_sphere(cell, self.k_max).norms)
        grid = np.linspace(norms[0], self.k_max, _GRID)
        decreasing = np.maximum.accumulate(envelope(grid)[::-1])[::-1] + np.finfo(float).tiny
        terms = np.exp([np.interp(norms, grid, np.log(column)) for column in decreasing.T]).T
        self._norms = norms
        self._coherent = _sums_from_the_end(terms)
        self._random = np.sqrt(0.5 * _sums_from_the_end(terms**2))
        self._charges2 = charges2
        self._uniform = uniform

    def beyond(self, k_cutoff):
        """Estimate of the omitted part of a coefficient, shape (n_exponents, n_channels)."""
        return self._tails(np.searchsorted(self._norms, k_cutoff))

    def _tails(self, index):
        heaviest = np.minimum(np.sqrt(self._charges2), 1.0)
        random = _RANDOM_PHASES * self._random[index][..., None] * np.sqrt(self._charges2)
        return self._coherent[index][..., None] * heaviest + random

    def expected_scale(self):
        """Size that the largest coefficients have at least as a rule, (n_exponents, n_channels)."""
        return np.maximum(
            _ORDER * self._random[0][:, None] * np.sqrt(self._charges2), self._uniform
        )

    def cutoff(self, allowed):
        """Smallest cutoff whose tails are ``allowed`` (n_exponents, n_channels) at most."""
        low, high = 0, len(self._norms)
        while low < high:
            middle = (low + high) // 2
            if np.all(self._tails(middle) <= allowed):
                high = middle
            else:
                low = middle + 1
        return self.k_max if low == len(self._norms) else self._norms[low] * (1.0 + 1e-9)


def _sums_from_the_end(terms):
    """Row i holds the sum of the terms i, i + 1, ...; one more row of zeros."""
    sums = np.cumsum(terms[::-1], axis=0)[::-1]
    return np.concatenate([sums, np.zeros((1, terms.shape[1]))])
