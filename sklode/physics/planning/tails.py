"""How far the sum over k-vectors must go for a given accuracy (theory, section 2.4)."""

import numpy as np

from .. import blocks
from ..system.kvectors import half_spheres, reciprocal, spheres_within

_DENSE = 0.2  # of the sphere's radius: k-vectors farther apart are not as dense as their mean
_SHELLS = 1024
_GRID = 128  # points of the envelope's table an octave,
_STEPS = 4  # where it may end
_LEFT_OF_FEW = 2.5e-3  # of the finest accuracy, where few k-vectors are listed,
_LEFT_OF_MANY = 6e-6  # and where their density is
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


class KSpaceTails:
    """Bounds of what the terms beyond any cutoff add to a coefficient, for each of some cells.

    The tail of an atom's own potential adds up coherently, that of the other atoms with random
    phases.

    Parameters
    ----------
    norms : ndarray of shape (n_cells, n_shells)
        Wave numbers, increasing; rows end with infinite ones where there are fewer.
    k_max : ndarray of shape (n_cells,)
        Beyond the last shell.
    coherent, random : ndarray of shape (n_cells, n_exponents, n_shells + 1)
        From each shell on, the sum of the largest coefficients of one wave, and the root of half
        the sum of their squares.
    smearing : float
    spheres : list of HalfSphere, default=None
        The k-vectors up to ``k_max``, if they are at hand.
    """

    def __init__(self, norms, k_max, coherent, random, smearing, spheres=None):
        self._norms, self._k_max, self._smearing = norms, k_max, smearing
        self._coherent, self._random = coherent, random
        self._sizes = np.count_nonzero(norms < np.inf, axis=1)
        self._spheres = spheres

    def beyond(self, k_cutoffs, contents):
        """Estimate of the omitted part of a coefficient.

        Parameters
        ----------
        k_cutoffs : ndarray of shape (n_cells,)
        contents : list of Contents
            Of each cell.

        Returns
        -------
        ndarray of shape (n_cells, n_exponents, n_channels)
        """
        own, others = self._tails(contents, self._shells_below(np.asarray(k_cutoffs)[:, None]))
        return (own + RANDOM_PHASES * others)[..., 0]

    def _shells_below(self, k):
        """Which shell is the first from ``k`` (n_cells, 1) on, (n_cells, 1)."""
        return np.count_nonzero(self._norms < k, axis=1, keepdims=True)

    def _tails(self, contents, shells=None):
        """Coherent and random sums from shells on, (n_cells, n_exponents, n_channels, n_shells).

        ``shells`` (n_cells, n_shells) are all if not given.
        """
        parts = self._coherent, self._random
        if shells is not None:
            parts = [np.take_along_axis(part, shells[:, None], axis=2) for part in parts]
        weights = [[of.heaviest for of in contents], [of.norms for of in contents]]
        return [
            part[:, :, None] * np.array(weight)[:, None, :, None]
            for part, weight in zip(parts, weights, strict=True)
        ]

    def expected_scales(self, contents):
        """Sizes that the largest coefficients have at least as a rule; shape as of ``beyond``.

        Waves longer than the smearing do not count, since dense matter suppresses them.
        """
        short = np.minimum(self._shells_below(1.0 / self._smearing), self._sizes[:, None] - 1)
        return _ORDER * np.maximum(*self._tails(contents, short))[..., 0]

    def cutoffs(self, allowed, contents):
        """End of the first shell beyond which the tails are ``allowed``, (n_cells,).

        At most the largest cutoff that this object knows of. ``allowed`` is shaped as ``beyond``.
        """
        own, others = self._tails(contents)
        enough = np.all(own + RANDOM_PHASES * others <= allowed[..., None], axis=(1, 2))
        # the tails decrease
        first = np.where(enough.any(axis=1), np.argmax(enough, axis=1), self._sizes)
        last = np.minimum(first, self._sizes - 1)[:, None]
        ends = np.take_along_axis(self._norms, last, axis=1)[:, 0] * (1.0 + 1e-9)
        return np.where(first < self._sizes, ends, self._k_max)

    def spheres_within(self, k_cutoffs):
        """The k-vectors of each cell, or None where they are not at hand."""
        if self._spheres is None:
            return [None] * len(k_cutoffs)
        return spheres_within(self._spheres, k_cutoffs)


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
        """Tails of cells, of those together that have about equally many k-vectors.

        Parameters
        ----------
        cells : ndarray of shape (n_cells, 3, 3)
        accuracy : float
            The finest relative accuracy that will be asked for.

        Yields
        ------
        numbers : ndarray of int
            Which cells.
        tails : KSpaceTails
        """
        first = np.linalg.norm(reciprocal(cells), axis=2).min(axis=1)
        # beyond the nearest shells, which are far apart in small cells
        k_max = np.sqrt(2.0 * first**2 + _reach(_LEFT_OF_FEW * accuracy) / self._smearing**2)
        counts = np.abs(np.linalg.det(cells)) * k_max**3 / (12.0 * np.pi**2)
        order = np.argsort(counts, kind="stable")
        octaves = np.log2(counts[order]) // 1
        parts = np.cumsum(counts[order]) // blocks.LISTED_WAVES
        for numbers in np.split(order, 1 + np.flatnonzero(np.diff(octaves) + np.diff(parts))):
            yield numbers, self._together(cells[numbers], k_max[numbers])

    def _together(self, cells, k_max):
        spheres = half_spheres(cells, k_max)
        sizes = np.array([len(sphere) for sphere in spheres])
        n_shells = sizes.max()
        norms = np.full((len(cells), n_shells + 1), np.inf)
        norms[np.arange(n_shells + 1) < sizes[:, None]] = np.concatenate([s.norms for s in spheres])
        norms.sort(axis=1)
        norms[:, -1] = k_max
        volumes = np.abs(np.linalg.det(cells))
        terms = 8.0 * np.pi / volumes[:, None, None] * self._amplitudes(norms)
        # the first shells beyond k_max: the spectrum falls by e within 1 / (k smearing^2)
        counts = np.ones((len(cells), 1, n_shells + 1))
        counts[:, 0, -1] += volumes * k_max / (4.0 * np.pi**2 * self._smearing**2)
        coherent = _sums_from_the_end(counts * terms)
        random = np.sqrt(0.5 * _sums_from_the_end(counts * terms**2))
        return KSpaceTails(norms[:, :-1], k_max, coherent, random, self._smearing, spheres)

    def _amplitudes(self, k):
        """The decreasing envelope, (n_cells, n_exponents, n_k); nothing at infinity."""
        grid, logarithms = self._table(k.min(), k.max(initial=0.0, where=k < np.inf))
        values = [np.exp(np.interp(k, grid, row, right=-np.inf)) for row in logarithms]
        return np.stack(values, axis=1)

    def _table(self, first, last):
        """Wave numbers that enclose an interval, and logarithms of decreasing amplitudes."""
        key = int(np.floor(np.log2(first))), int(np.ceil(_STEPS * np.log2(last)))
        if key not in self._tables:
            n_points = (key[1] - _STEPS * key[0]) * _GRID // _STEPS + 1
            grid = 2.0 ** np.linspace(key[0], key[1] / _STEPS, n_points)
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
        self._k_max = float(np.sqrt(_reach(_LEFT_OF_MANY * accuracy)) / smearing)
        self._smearing = smearing
        self._norms, step = np.linspace(0.0, self._k_max, _SHELLS + 1, retstep=True)
        self._norms = self._norms[1:] - 0.5 * step
        terms = 8.0 * np.pi * _decreasing(envelope(self._norms))
        density = self._norms**2 * step / (4.0 * np.pi**2)  # k-vectors per volume
        rest = self._k_max / (4.0 * np.pi**2 * smearing**2)
        counts = np.append(density, rest)
        terms = np.append(terms, terms[:, -1:], axis=1)
        self._coherent = _sums_from_the_end(counts * terms)
        self._random = np.sqrt(0.5 * _sums_from_the_end(counts * terms**2))

    def serve(self, contents):
        """Whether a cell has many k-vectors along all directions."""
        many = contents.n_waves(self._k_max) > blocks.MANY_WAVES
        return many and contents.last_wave < _DENSE * self._k_max

    def of_volume(self, volume):
        """KSpaceTails of one cell."""
        random = self._random / np.sqrt(volume)
        arrays = self._norms, self._k_max, self._coherent, random
        return KSpaceTails(*(np.asarray(array)[None] for array in arrays), self._smearing)


def _reach(rest):
    """(k smearing)^2 where so much is left of what falls off like exp(-(k smearing)^2 / 2)."""
    return -2.0 * np.log(rest)


def _decreasing(amplitudes):
    """The smallest decreasing functions that are nowhere below the columns, as rows."""
    return np.maximum.accumulate(amplitudes[::-1])[::-1].T + np.finfo(float).tiny


def _sums_from_the_end(terms):
    """Sums of the terms i, i + 1, ... along the last axis."""
    return np.cumsum(terms[..., ::-1], axis=-1)[..., ::-1]
