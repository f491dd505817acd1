"""How far the sum over k-vectors must go for a given accuracy (theory, section 2.4)."""

import numpy as np

from .kspace import half_spheres, reciprocal

_MANY_VECTORS = 1000  # beyond, shells are as dense as their mean,
_DENSE = 0.2  # if the k-vectors are no farther apart than this part of the sphere's radius
_SHELLS = 1024
_GRID = 128  # points of the envelope's table an octave
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
    """What the terms beyond any cutoff may still add to a coefficient.

    The tail of an atom's own potential adds up coherently, that of the other atoms with random
    phases.

    Parameters
    ----------
    norms : ndarray of shape (n_shells,)
        Wave numbers, increasing.
    k_max : float
        Beyond the last shell.
    coherent, random : ndarray of shape (n_exponents, n_shells + 1)
        From each shell on, the sum of the largest coefficients of one wave, and the root of half
        the sum of their squares.
    smearing : float
    sphere : HalfSphere or None
        The k-vectors up to ``k_max``, where they are at hand.
    """

    def __init__(self, norms, k_max, coherent, random, smearing, sphere=None):
        self._norms, self._k_max, self._smearing = norms, k_max, smearing
        self._coherent, self._random = coherent, random
        self.sphere = sphere

    def beyond(self, k_cutoff, contents):
        """Estimate of the omitted part of a coefficient, shape (n_exponents, n_channels)."""
        shell = np.searchsorted(self._norms, k_cutoff)
        return self._tails(contents, slice(shell, shell + 1))[..., 0]

    def _tails(self, contents, shells=slice(None)):
        """Shape (n_exponents, n_channels, n_shells)."""
        heaviest, norms = contents.heaviest[:, None], RANDOM_PHASES * contents.norms[:, None]
        return self._coherent[:, None, shells] * heaviest + self._random[:, None, shells] * norms

    def expected_scale(self, contents):
        """Size that the largest coefficients have at least as a rule, (n_exponents, n_channels).

        Waves longer than the smearing do not count, since dense matter suppresses them.
        """
        short = np.searchsorted(self._norms[:-1], 1.0 / self._smearing)
        own = self._coherent[:, [short]] * contents.heaviest
        others = self._random[:, [short]] * contents.norms
        return _ORDER * np.maximum(own, others)

    def cutoff(self, allowed, contents):
        """End of the first shell beyond which the tails are ``allowed`` (n_exponents, n_channels).

        At most the largest cutoff that this object knows of.
        """
        allowed = np.all(self._tails(contents) <= allowed[..., None], axis=(0, 1))
        first = int(np.argmax(allowed))  # the tails decrease
        if not allowed.any() or first == len(self._norms):
            return self._k_max
        return float(self._norms[first] * (1.0 + 1e-9))


class SparseTails:
    """The tails of cells with few k-vectors, from these themselves.

    So the estimate holds for small cells and wide smearings as well, where a rule in units of the
    smearing fails.

    Parameters
    ----------
    envelope : callable
        k (n,) to the largest coefficient of one plane wave, shape (n, n_exponents), without
        8 pi / V.
    smearing : float
    """

    def __init__(self, envelope, smearing):
        self._envelope, self._smearing, self._tables = envelope, smearing, {}

    def of_cells(self, cells, accuracy):
        """KSpaceTail of each cell.

        Parameters
        ----------
        cells : ndarray of shape (n_cells, 3, 3)
        accuracy : float
            The finest relative accuracy that will be asked for.
        """
        first = np.linalg.norm(reciprocal(cells), axis=2).min(axis=1)
        k_max = np.sqrt(first**2 + _margin(accuracy) / self._smearing**2)
        volumes = np.abs(np.linalg.det(cells))
        each = zip(half_spheres(cells, k_max), k_max.tolist(), volumes.tolist(), strict=True)
        return [self._of_sphere(*one) for one in each]

    def _of_sphere(self, sphere, k_max, volume):
        norms = np.append(np.sort(sphere.norms), k_max)
        grid, logarithms = self._table(norms[0], k_max)
        terms = np.exp([np.interp(norms, grid, row) for row in logarithms])
        terms *= 8.0 * np.pi / volume
        # the first shells beyond k_max: the spectrum falls by e within 1 / (k smearing^2)
        counts = np.ones(len(norms))
        counts[-1] += volume * k_max / (4.0 * np.pi**2 * self._smearing**2)
        coherent = _sums_from_the_end(counts * terms)[:, :-1]
        random = np.sqrt(0.5 * _sums_from_the_end(counts * terms**2))[:, :-1]
        return KSpaceTail(norms[:-1], k_max, coherent, random, self._smearing, sphere)

    def _table(self, first, last):
        """Wave numbers that enclose an interval, and logarithms of decreasing amplitudes."""
        key = int(np.floor(np.log2(first))), int(np.ceil(4.0 * np.log2(last)))
        if key not in self._tables:
            grid = 2.0 ** np.linspace(key[0], key[1] / 4, (key[1] - 4 * key[0]) * _GRID // 4 + 1)
            self._tables[key] = grid, np.log(_decreasing(self._envelope(grid)))
        return self._tables[key]


class DenseTails:
    """The tails of cells with so many k-vectors that their mean density counts.

    The coherent sum is then the same for all cells, and the random one proportional to 1 / sqrt(V).

    Parameters
    ----------
    envelope, smearing
        As for ``SparseTails``.
    accuracy : float
        The finest relative accuracy that will be asked for.
    """

    def __init__(self, envelope, smearing, accuracy):
        self._k_max, self._smearing = float(np.sqrt(_margin(accuracy)) / smearing), smearing
        self._norms, step = np.linspace(0.0, self._k_max, _SHELLS + 1, retstep=True)
        self._norms = self._norms[1:] - 0.5 * step
        terms = 8.0 * np.pi * _decreasing(envelope(self._norms))
        density = self._norms**2 * step / (4.0 * np.pi**2)  # k-vectors per volume
        rest = self._k_max / (4.0 * np.pi**2 * smearing**2)
        self._coherent = _sums_from_the_end(density * terms) + rest * terms[:, -1:]
        squares = _sums_from_the_end(density * terms**2) + rest * terms[:, -1:] ** 2
        self._random = np.sqrt(0.5 * squares)

    def serve(self, contents):
        """Whether a cell has many k-vectors along all directions."""
        many = contents.n_waves(self._k_max) > _MANY_VECTORS
        return many and contents.last_wave < _DENSE * self._k_max

    def of_volume(self, volume):
        """KSpaceTail of a cell."""
        random = self._random / np.sqrt(volume)
        return KSpaceTail(self._norms, self._k_max, self._coherent, random, self._smearing)


def _margin(accuracy):
    """(k smearing)^2 at which nothing is left, of what falls off like exp(-(k smearing)^2 / 2)."""
    return 2.0 * np.log(1.0 / accuracy) + 24.0


def _decreasing(amplitudes):
    """The smallest decreasing functions that are nowhere below the columns, as rows."""
    return np.maximum.accumulate(amplitudes[::-1])[::-1].T + np.finfo(float).tiny


def _sums_from_the_end(terms):
    """Sums of the terms i, i + 1, ... of each row; one more column of zeros."""
    sums = np.cumsum(terms[:, ::-1], axis=1)[:, ::-1]
    return np.concatenate([sums, np.zeros((len(terms), 1))], axis=1)
