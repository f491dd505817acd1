"""Coefficients <anlm|V_i> of the long-range potential: isolated and periodic structures."""

import numpy as np
from scipy.linalg.blas import dgemm

from .harmonics import degree_slice, spherical_harmonics
from .kspace import PhaseTables, half_sphere, line_blocks
from .neighbors import all_pairs
from .pair_expansion import add_centers, expand_pairs
from .potentials import SmearedPowerLaw
from .radial import center_integrals, pair_table, plane_wave_table
from .truncation import KSpaceTail

_BLOCK = 2**18  # phases (atoms times k-vectors) built at once: 4 MB
_FINEST = 1e-17  # relative accuracy at which nothing is left to gain in double precision


def isolated_expansion(structures, channels, basis, laws, *, include_center):
    """Direct sum over the pairs of isolated structures (theory, section 5.1).

    Returns
    -------
    list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_laws * n_channels * n_max).
    """
    tables = [pair_table(basis, law) for law in laws]
    n_atoms, width = len(channels.index), basis.l_max + 1

    def radial(distances):
        values = [t(distances).reshape(-1, width, 1, basis.n_max) for t in tables]
        return np.concatenate(values, axis=2).reshape(len(distances), -1)

    coefficients = expand_pairs(all_pairs(structures), channels, n_atoms, radial, basis.l_max)
    if include_center:
        own = np.concatenate([center_integrals(basis, law) for law in laws])
        add_centers(coefficients, channels, own)
    shape = (channels.count, len(laws), basis.n_max)
    return [
        c.reshape(n_atoms, -1, *shape).swapaxes(2, 3).reshape(n_atoms, c.shape[1], -1)
        for c in coefficients
    ]


class PeriodicExpansion:
    """Sum over k-vectors for three-dimensional periodic structures, eq. (4.1).

    The k-vectors and everything that depends on them alone are kept from one structure to the
    next, so that the frames of a trajectory in a fixed cell share them.

    Parameters
    ----------
    basis : RadialBasis
    laws : sequence of SmearedPowerLaw
        Potentials, all of the same smearing.
    include_center : bool
        Whether the atom's own smeared potential counts.
    tol : float
        Largest error, relative to the largest coefficient of each channel and exponent.
    k_cutoff : float or None
        Radius of the k-sphere in 1/angstrom; None chooses it from ``tol``.
    """

    def __init__(self, basis, laws, *, include_center, tol, k_cutoff):
        self._basis = basis
        self._laws = laws
        self._include_center = include_center
        self._tol = tol
        self._k_cutoff = k_cutoff
        self._kept = (None, None, None)
        self._kept_tail = (None, None)

    def __call__(self, structure, channels):
        """Coefficients for each l, shape (n_atoms, 2 l + 1, n_laws * n_channels * n_max)."""
        weights = channels.dense()
        if self._k_cutoff is not None:
            total = self._sum(structure, channels, weights, self._k_cutoff)
        else:
            total = self._converged_sum(structure, channels, weights)
        return self._by_degree(total)

    def _converged_sum(self, structure, channels, weights):
        present = weights.any(axis=0)
        acting = weights[:, present]
        uniform = np.abs(self._uniform_part(structure, acting)).max(axis=2)
        finest = self._tol
        while True:
            tail = self._tail(structure, finest)
            expected = np.maximum(tail.expected_scale(acting), uniform)
            k_cutoff = tail.cutoff(finest * expected, acting)
            total = self._sum(structure, channels, weights, k_cutoff)
            allowed = self._tol * np.abs(total).max(axis=(0, 1, 4))[:, present]
            omitted = tail.beyond(k_cutoff, acting)
            if np.all(omitted <= allowed) or finest <= _FINEST:
                return total
            # small coefficients, as of symmetric crystals under a wide smearing: sum further
            finest = max(_FINEST, 0.5 * finest * np.min(allowed / omitted))

    def _tail(self, structure, accuracy):
        key = (structure.cell.tobytes(), accuracy)
        if self._kept_tail[0] != key:
            smearing = self._laws[0].smearing
            tail = KSpaceTail(structure.cell, self._envelope(structure), smearing, accuracy)
            self._kept_tail = (key, tail)
        return self._kept_tail[1]

    def _envelope(self, structure):
        """Largest coefficient that a plane wave of unit amplitude can have, over n, l, m."""
        volume = abs(np.linalg.det(structure.cell))
        basis = self._basis
        degree = np.arange(basis.l_max + 1)[:, None]

        def envelope(k):
            integrals = self._plane_waves(k).reshape(len(k), basis.l_max + 1, basis.n_max)
            largest = np.abs(integrals * np.sqrt((2 * degree + 1) / (4 * np.pi))).max(axis=(1, 2))
            fourier = np.stack([law.fourier(k) for law in self._laws], axis=1)
            return 8.0 * np.pi / volume * largest[:, None] * np.abs(fourier)

        return envelope

    def _plane_waves(self, k):
        reach = 2.0 ** np.ceil(np.log2(k.max()))  # few tables serve all cells
        return plane_wave_table(self._basis, reach)(k)

    def _kernel(self, structure, k_cutoff):
        """k-vectors, and v(k) I_nl(k) Y_lm(k) as (n_k, n_harmonics, n_laws, n_max)."""
        key = (structure.cell.tobytes(), k_cutoff)
        if self._kept[0] != key:
            sphere = half_sphere(structure.cell, k_cutoff)
            self._kept = (key, sphere, self._evaluate_kernel(structure, sphere))
        return self._kept[1:]

    def _evaluate_kernel(self, structure, sphere):
        basis = self._basis
        if len(sphere) == 0:
            return np.zeros((0, (basis.l_max + 1) ** 2, len(self._laws), basis.n_max))
        volume = abs(np.linalg.det(structure.cell))
        fourier = np.stack([law.fourier(sphere.norms) for law in self._laws], axis=1)
        integrals = self._plane_waves(sphere.norms).reshape(len(sphere), -1, 1, basis.n_max)
        radial = 8.0 * np.pi / volume * integrals * fourier[:, None, :, None]
        harmonics = spherical_harmonics(sphere.vectors, basis.l_max)
        kernel = np.empty((len(sphere), harmonics.shape[1], len(self._laws), basis.n_max))
        for l in range(basis.l_max + 1):
            sign = (-1.0) ** ((l + 1) // 2)
            angular = sign * harmonics[:, degree_slice(l), None, None]
            kernel[:, degree_slice(l)] = angular * radial[:, l : l + 1]
        return kernel

    def _sum(self, structure, channels, weights, k_cutoff):
        """Coefficients of shape (n_atoms, n_harmonics, n_laws, n_channels, n_max)."""
        sphere, kernel = self._kernel(structure, k_cutoff)
        n_harmonics, n_laws, n_max = kernel.shape[1:]
        shape = (len(structure), n_harmonics, n_laws, channels.count, n_max)
        total = np.zeros((len(structure), int(np.prod(shape[1:]))))
        if len(sphere):
            _add_plane_waves(total, structure, weights, sphere, kernel)
        total = total.reshape(shape)
        total[:, 0] += self._uniform_part(structure, weights)
        if not self._include_center:
            own = np.stack([center_integrals(self._basis, law) for law in self._laws])
            atoms = np.flatnonzero(channels.index >= 0)
            own = channels.weights[atoms, None, None] * own
            total[atoms, 0, :, channels.index[atoms]] -= own
        return total

    def _uniform_part(self, structure, weights):
        """The k = 0 term, where it is kept (section 2.3); (n_laws, n_channels, n_max)."""
        volume = abs(np.linalg.det(structure.cell))
        zero = np.array([law.fourier_at_zero for law in self._laws])
        radial = plane_wave_table(self._basis, 1.0)(np.zeros(1))[0, : self._basis.n_max]
        amount = np.sqrt(4.0 * np.pi) / volume * weights.sum(axis=0)
        return zero[:, None, None] * amount[:, None] * radial

    def _by_degree(self, total):
        degrees = range(self._basis.l_max + 1)
        parts = (np.ascontiguousarray(total[:, degree_slice(l)]) for l in degrees)
        return [part.reshape(*part.shape[:2], -1) for part in parts]


def _add_plane_waves(total, structure, weights, sphere, kernel):
    """Add sum_k [cos k.r_i, sin k.r_i] times [structure factor x kernel] to ``total`` in place.

    Even degrees see the cosine of k.(r_i - r_j), odd ones its sine; with the addition theorem both
    are one real matrix product over interleaved cosines and sines.
    """
    l_max = int(np.sqrt(kernel.shape[1])) - 1
    odd = np.repeat(np.arange(l_max + 1) % 2 == 1, 2 * np.arange(l_max + 1) + 1)[:, None]
    tables = PhaseTables(structure.positions, structure.cell, sphere)
    for first, last in line_blocks(sphere, max(32, _BLOCK // len(structure))):
        points = slice(sphere.starts[first], sphere.starts[last])
        n_points = points.stop - points.start
        phases = np.empty((len(structure), n_points), complex)
        tables.fill(phases, first, last)
        waves = phases.view(float)  # columns cos, sin, cos, sin, ...
        factors = (weights.T @ waves).reshape(-1, n_points, 2)
        cosine, sine = (factors[:, :, part].T[:, None, :] for part in (0, 1))
        operand = np.empty((n_points, 2, *kernel.shape[1:3], weights.shape[1], kernel.shape[3]))
        for row, factor in enumerate((np.where(odd, -sine, cosine), np.where(odd, cosine, sine))):
            np.multiply(
                kernel[points, :, :, None, :], factor[:, :, None, :, None], out=operand[:, row]
            )
        operand = operand.reshape(2 * n_points, -1)
        # Fortran view of total += waves @ operand, accumulated in place
        dgemm(1.0, operand.T, waves.T, beta=1.0, c=total.T, overwrite_c=1)


def potential_expansion(
    structures, channels, basis, exponents, *, smearing, include_center, tol, k_cutoff
):
    """Coefficients of a batch of structures, isolated and periodic ones in any mixture.

    Returns
    -------
    list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_exponents * n_channels * n_max).
    """
    laws = [SmearedPowerLaw(p, smearing) for p in exponents]
    periodic = PeriodicExpansion(
        basis, laws, include_center=include_center, tol=tol, k_cutoff=k_cutoff
    )
    width = len(laws) * channels.count * basis.n_max
    n_atoms = len(channels.index)
    out = [np.zeros((n_atoms, 2 * l + 1, width)) for l in range(basis.l_max + 1)]
    owner = np.repeat(np.arange(len(structures)), [len(s) for s in structures])
    isolated = np.array([not s.periodic.any() for s in structures])
    if isolated.any():
        atoms = np.flatnonzero(isolated[owner])
        parts = isolated_expansion(
            [s for s in structures if not s.periodic.any()],
            channels.of(atoms),
            basis,
            laws,
            include_center=include_center,
        )
        for whole, part in zip(out, parts, strict=True):
            whole[atoms] = part
    for number in np.flatnonzero(~isolated):
        atoms = np.flatnonzero(owner == number)
        for whole, part in zip(out, periodic(structures[number], channels.of(atoms)), strict=True):
            whole[atoms] = part
    return out
