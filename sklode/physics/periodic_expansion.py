"""The sum over k-vectors for three-dimensional periodic structures (theory, section 4)."""

import numpy as np
from scipy.linalg.blas import dgemm

from .harmonics import degree_slice, spherical_harmonics
from .kspace import PhaseTables, half_sphere, line_blocks
from .truncation import KSpaceTail

_BLOCK = 2**17  # terms (channels times atoms times k-vectors) held at once: 2 MB
_FINEST = 1e-17  # relative accuracy at which nothing is left to gain in double precision


class PeriodicExpansion:
    """Coefficients of periodic structures, eq. (4.1).

    The k-vectors and everything that depends on them alone are kept from one structure to the
    next, so that the frames of a trajectory in a fixed cell share them.

    Parameters
    ----------
    basis : RadialBasis or SolidHarmonicBasis
        What the potential is projected on: ``l_max``, ``n_max`` and ``plane_waves(k)``.
    laws : sequence of SmearedPowerLaw
        Potentials.
    uniform : array-like of shape (n_laws,)
        Weight of the k = 0 term (section 2.3).
    own : ndarray of shape (n_laws, n_max) or None
        Coefficients of an atom's own potential, to be subtracted.
    short_range : callable or None
        Structure and channels to coefficients that are added, for each l of shape (n_atoms,
        2 l + 1, n_laws, n_channels, n_max).
    tol : float
        Largest error, relative to the largest coefficient of each channel and exponent.
    k_cutoff : float or None
        Radius of the k-sphere in 1/angstrom; None chooses it from ``tol``.
    """

    def __init__(self, basis, laws, *, uniform, own=None, short_range=None, tol, k_cutoff=None):
        self._basis = basis
        self._laws = laws
        self._uniform = np.asarray(uniform)
        self._own = own
        self._short_range = short_range
        self._tol = tol
        self._k_cutoff = k_cutoff
        self._kept_kernel = (None, None)
        self._kept_tail = (None, None)

    def __call__(self, structure, channels):
        """Coefficients for each l, shape (n_atoms, 2 l + 1, n_laws, n_channels, n_max)."""
        present, acting = channels.present()
        out = self._zeros(structure, channels.count)
        if present.any():
            for whole, part in zip(out, self._sum(structure, acting), strict=True):
                whole[:, :, :, present] = part
        return out

    def _zeros(self, structure, n_channels):
        shape = (len(self._laws), n_channels, self._basis.n_max)
        return [np.zeros((len(structure), 2 * l + 1, *shape)) for l in self._degrees]

    @property
    def _degrees(self):
        return range(self._basis.l_max + 1)

    def _sum(self, structure, channels):
        """The whole coefficients: k-vectors up to a cutoff that suffices, and all other parts."""
        weights = channels.dense()
        rest = self._other_parts(structure, channels, weights)
        if self._k_cutoff is not None:
            return self._plane_wave_part(structure, weights, rest, self._k_cutoff)
        uniform = np.abs(self._uniform_part(structure, weights)).max(axis=2)
        finest = self._tol
        while True:
            tail = self._tail(structure, finest)
            expected = np.maximum(tail.expected_scale(weights), uniform)
            k_cutoff = tail.cutoff(finest * expected, weights)
            sums = self._plane_wave_part(structure, weights, rest, k_cutoff)
            largest = np.max([np.abs(c).max(axis=(0, 1, 4)) for c in sums], axis=0)
            omitted = tail.beyond(k_cutoff, weights)
            if np.all(omitted <= self._tol * largest) or finest <= _FINEST:
                return sums
            # small coefficients, as of symmetric crystals under a wide smearing: sum further
            finest = max(_FINEST, 0.5 * finest * np.min(self._tol * largest / omitted))

    def _other_parts(self, structure, channels, weights):
        """All that does not depend on the k-vectors; for each l as the coefficients."""
        if self._short_range is None:
            parts = self._zeros(structure, channels.count)
        else:
            parts = self._short_range(structure, channels)
        parts[0][:, 0] += self._uniform_part(structure, weights)
        if self._own is not None:
            parts[0][:, 0] -= weights[:, None, :, None] * self._own[:, None, :]
        return parts

    def _plane_wave_part(self, structure, weights, rest, k_cutoff):
        sphere, kernels = self._kernels(structure, k_cutoff)
        sums = _sum_plane_waves(structure, weights, sphere, kernels)
        parts = self._by_degree(sums, len(structure), weights.shape[1])
        return [part + other for part, other in zip(parts, rest, strict=True)]

    def _by_degree(self, sums, n_atoms, n_channels):
        """Sort the columns (l, m, law, n) of even and odd degrees into one array a degree."""
        n_laws, n_max, taken = len(self._laws), self._basis.n_max, [0, 0]
        coefficients = []
        for l in self._degrees:
            start, width = taken[l % 2], (2 * l + 1) * n_laws * n_max
            taken[l % 2] += width
            part = sums[l % 2][:, start : start + width]
            part = part.reshape(n_channels, n_atoms, 2 * l + 1, n_laws, n_max)
            coefficients.append(part.transpose(1, 2, 3, 0, 4))
        return coefficients

    def _kernels(self, structure, k_cutoff):
        """k-vectors, and v(k) I_nl(k) Y_lm(k) of even and of odd degrees, (n_k, n_columns)."""
        key = (structure.cell.tobytes(), k_cutoff)
        if self._kept_kernel[0] != key:
            sphere = half_sphere(structure.cell, k_cutoff)
            volume = abs(np.linalg.det(structure.cell))
            self._kept_kernel = (key, (sphere, self._evaluate_kernels(sphere, volume)))
        return self._kept_kernel[1]

    def _evaluate_kernels(self, sphere, volume):
        n_k, n_max = len(sphere), self._basis.n_max
        fourier = np.stack([law.fourier(sphere.norms) for law in self._laws], axis=1)
        integrals = self._basis.plane_waves(sphere.norms).reshape(n_k, -1, 1, n_max)
        radial = 8.0 * np.pi / volume * integrals * fourier[:, None, :, None]
        harmonics = spherical_harmonics(sphere.vectors, self._basis.l_max)
        columns = ([], [])
        for l in self._degrees:
            angular = (-1.0) ** ((l + 1) // 2) * harmonics[:, degree_slice(l), None, None]
            columns[l % 2].append((angular * radial[:, l : l + 1]).reshape(n_k, -1))
        return [np.concatenate([np.empty((n_k, 0)), *parity], axis=1) for parity in columns]

    def _tail(self, structure, accuracy):
        key = (structure.cell.tobytes(), accuracy)
        if self._kept_tail[0] != key:
            smearing = min(law.smearing for law in self._laws)
            tail = KSpaceTail(structure.cell, self._envelope(structure), smearing, accuracy)
            self._kept_tail = (key, tail)
        return self._kept_tail[1]

    def _envelope(self, structure):
        """Largest coefficient that a plane wave of unit amplitude can have, over n, l, m."""
        volume = abs(np.linalg.det(structure.cell))
        basis = self._basis
        degree = np.arange(basis.l_max + 1)[:, None]

        def envelope(k):
            integrals = basis.plane_waves(k).reshape(len(k), basis.l_max + 1, basis.n_max)
            largest = np.abs(integrals * np.sqrt((2 * degree + 1) / (4 * np.pi))).max(axis=(1, 2))
            fourier = np.stack([law.fourier(k) for law in self._laws], axis=1)
            return 8.0 * np.pi / volume * largest[:, None] * np.abs(fourier)

        return envelope

    def _uniform_part(self, structure, weights):
        """The k = 0 term; (n_laws, n_channels, n_max)."""
        volume = abs(np.linalg.det(structure.cell))
        radial = self._basis.plane_waves(np.zeros(1))[0, : self._basis.n_max]
        amount = np.sqrt(4.0 * np.pi) / volume * weights.sum(axis=0)
        return self._uniform[:, None, None] * amount[:, None] * radial


def _sum_plane_waves(structure, weights, sphere, kernels):
    """sum_k [sum_j w_j exp(i k.(r_i - r_j))] kernel(k) for every channel and atom.

    Even degrees see the cosines, odd ones the sines. Blocks of k-vectors are built in cache and
    multiplied with the kernels as they are.

    Returns
    -------
    list of two ndarray of shape (n_channels * n_atoms, n_columns)
    """
    n_rows = weights.shape[1] * len(structure)
    sums = [np.zeros((n_rows, kernel.shape[1])) for kernel in kernels]
    if len(sphere) == 0:
        return sums
    tables = PhaseTables(structure.positions, structure.cell, sphere)
    for first, last in line_blocks(sphere, max(64, _BLOCK // n_rows)):
        points = slice(sphere.starts[first], sphere.starts[last])
        phases = np.empty((len(structure), points.stop - points.start), complex)
        tables.fill(phases, first, last)
        factors = (weights.T @ phases.view(float)).view(complex)
        waves = (phases * factors.conj()[:, None]).reshape(n_rows, -1)
        for total, wave, kernel in zip(sums, (waves.real, waves.imag), kernels, strict=True):
            if kernel.shape[1]:
                wave = np.ascontiguousarray(wave)
                # Fortran view of total += wave @ kernel[points], accumulated in place
                dgemm(1.0, kernel[points].T, wave.T, beta=1.0, c=total.T, overwrite_c=1)
    return sums
