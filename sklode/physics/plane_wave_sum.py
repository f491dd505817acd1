"""The sum over k-vectors as matrix products (theory, section 4.1): work of N times n_k.

Beside it stands the sum on a mesh, which takes over where structures are large.
"""

import numpy as np
from scipy.linalg.blas import dgemm, sgemm

from .harmonics import degree_slice, spherical_harmonics
from .kspace import PhaseTables, half_spheres
from .radial_modes import radial_modes, wave_span

_BLOCK = 2**15  # phases held at once, so that they and their products stay in cache
_ROWS = 64  # atoms of small structures summed at once
_FEWEST = 32  # k-vectors of a block, so that the matrix products are not too thin


class PlaneWaveSum:
    """Plane-wave part of the coefficients of structures that share one cell, eq. (4.1).

    The kernels, which depend on the cell alone, are kept from one call to the next.

    Parameters
    ----------
    basis : RadialBasis or SolidHarmonicBasis
        What the potential is projected on: ``l_max``, ``n_max`` and ``plane_waves(k)``.
    laws : sequence of SmearedPowerLaw
        Potentials.
    """

    def __init__(self, basis, laws):
        self._basis, self._laws = basis, laws
        self._last = {}

    def prepare(self, cells, plans):
        """Evaluate the kernels of several cells at once, which is cheaper than one by one.

        Those of a single cell are kept for the next call. Others are not, since their last bits
        depend on which cells are evaluated together.

        Returns
        -------
        dict
            To be handed to the sums.
        """
        wanted = {_key(*pair): pair for pair in zip(cells, plans, strict=True)}
        last = self._last
        if list(wanted) == list(last):
            return last
        alike = {}
        spheres = _spheres(*zip(*wanted.values(), strict=True)) if wanted else []
        for (key, (cell, plan)), sphere in zip(wanted.items(), spheres, strict=True):
            shared = None, 0.0, plan.dtype  # without modes kernels are alike, whatever the cell
            if len(self._laws) > 1 and plan.mode_accuracy > 0:
                shared = wave_span(cell, plan.k_cutoff), plan.mode_accuracy, plan.dtype
            alike.setdefault(shared, {})[key] = cell, sphere
        prepared = {}
        for (span, accuracy, dtype), group in alike.items():
            cells, spheres = zip(*group.values(), strict=True)
            radial = self._radial_functions(span, accuracy)
            kernels = self._kernels(spheres, cells, radial, np.dtype(dtype))
            for key, sphere, even, odd in zip(group, spheres, *kernels, strict=True):
                prepared[key] = sphere, (even, odd), radial
        if len(prepared) == 1:
            self._last = prepared
        return prepared

    def __call__(self, kernels, cell, plan, positions, weights):
        """Coefficients of structures with the same cell and number of atoms.

        Parameters
        ----------
        kernels : dict
            As from ``prepare``.
        cell : ndarray of shape (3, 3)
        plan : Plan
        positions : ndarray of shape (n_structures, n_atoms, 3)
        weights : ndarray of shape (n_structures, n_atoms, n_channels)

        Returns
        -------
        list of ndarray
            For each l, shape (n_structures, n_atoms, 2 l + 1, n_laws, n_channels, n_max), in the
            precision of the plan.
        """
        sphere, kernels, radial = kernels[_key(cell, plan)]
        sums = sum_plane_waves(positions, weights, sphere, kernels)
        return self._by_degree(sums, radial)

    def _by_degree(self, sums, radial):
        """Sort the columns (l, m, r) of even and odd degrees into one array a degree."""
        taken, coefficients = [0, 0], []
        shape = (len(self._laws), self._basis.n_max)
        for l, functions in enumerate(radial):
            start, width = taken[l % 2], (2 * l + 1) * functions.count
            taken[l % 2] += width
            part = sums[l % 2][..., start : start + width]
            part = part.reshape(*part.shape[:3], 2 * l + 1, functions.count)
            part = functions.expand(part).reshape(*part.shape[:4], *shape)
            coefficients.append(part.transpose(0, 1, 3, 4, 2, 5))
        return coefficients

    def _radial_functions(self, span, accuracy):
        """What stands for v_p(k) I_nl(k) of each degree: itself, or fewer modes of several laws."""
        degrees = range(self._basis.l_max + 1)
        if accuracy == 0:
            return [_Functions(len(self._laws) * self._basis.n_max) for _ in degrees]
        return [_Modes(self._basis, self._laws, l, span, accuracy) for l in degrees]

    def _kernels(self, spheres, cells, radial, dtype):
        """Radial functions times Y_lm(k) 8 pi / V, even and odd degrees, (n_columns, n_k) each."""
        sizes = [len(sphere) for sphere in spheres]
        norms = np.concatenate([sphere.norms for sphere in spheres])
        vectors = np.concatenate([sphere.vectors for sphere in spheres])
        volumes = np.abs(np.linalg.det(np.stack(cells)))
        prefactors = np.repeat(8.0 * np.pi / volumes, sizes)
        # k runs fastest, so that products of functions are those of long rows
        integrals = np.ascontiguousarray(self._basis.plane_waves(norms).T)
        integrals = integrals.reshape(self._basis.l_max + 1, self._basis.n_max, len(norms))
        fourier = np.stack([law.fourier(norms) for law in self._laws]) * prefactors
        harmonics = np.ascontiguousarray(spherical_harmonics(vectors, self._basis.l_max).T)
        parities = []
        for parity in (0, 1):
            degrees = range(parity, self._basis.l_max + 1, 2)
            n_columns = sum((2 * l + 1) * radial[l].count for l in degrees)
            kernel, filled = np.empty((n_columns, len(norms)), dtype), 0
            for l in degrees:
                sign, width = (-1.0) ** ((l + 1) // 2), (2 * l + 1) * radial[l].count
                functions = sign * radial[l](integrals[l], fourier)
                shape = 2 * l + 1, radial[l].count, len(norms)
                target = kernel[filled : filled + width].reshape(shape)
                angular = harmonics[degree_slice(l), None]
                np.multiply(angular, functions, out=target, casting="same_kind")
                filled += width
            parities.append(np.split(kernel, np.cumsum(sizes)[:-1], axis=1))
        return parities


def _key(cell, plan):
    return cell.tobytes(), plan.k_cutoff, plan.mode_accuracy, plan.dtype


def _spheres(cells, plans):
    """The k-vectors of each plan, enumerated together where they are not at hand."""
    spheres = [plan.sphere for plan in plans]
    missing = [i for i, sphere in enumerate(spheres) if sphere is None]
    if missing:
        found = half_spheres([cells[i] for i in missing], [plans[i].k_cutoff for i in missing])
        for i, sphere in zip(missing, found, strict=True):
            spheres[i] = sphere
    return spheres


class _Functions:
    """v_p(k) I_nl(k) as they are."""

    def __init__(self, count):
        self.count = count

    def __call__(self, integrals, fourier):
        """Values (count, n_k) from I_nl, (n_max, n_k), and v_p, (n_laws, n_k)."""
        products = fourier[:, None] * integrals
        return products.reshape(len(fourier) * len(integrals), fourier.shape[1])

    def expand(self, sums):
        return sums


class _Modes(_Functions):
    """Fewer functions that those of several laws are combinations of."""

    def __init__(self, basis, laws, l, span, accuracy):
        modes = radial_modes(basis, laws, (l,), span, accuracy)
        self._compress = modes.compress
        super().__init__(self._compress.shape[1])
        self._expand = modes.expand.reshape(self.count, -1)

    def __call__(self, integrals, fourier):
        """Values of shape (count, n_k); the powers of k cancel."""
        return self._compress.T @ super().__call__(integrals, fourier)

    def expand(self, sums):
        return sums @ self._expand.astype(sums.dtype)


def sum_plane_waves(positions, weights, sphere, kernels):
    """sum_k [sum_j w_j exp(i k.(r_i - r_j))] kernel(k) for every structure, channel and atom.

    Even degrees see the cosines, odd ones the sines. The phases of a block of k-vectors are built
    in cache and multiplied with the kernels as they are, in the precision of these.

    Returns
    -------
    list of two ndarray of shape (n_structures, n_atoms, n_channels, n_columns)
    """
    n_structures, n_atoms, n_channels = weights.shape
    dtype, n_rows = kernels[0].dtype, n_structures * n_atoms
    sums = [np.zeros((n_channels, n_rows, len(part)), dtype) for part in kernels]
    if len(sphere):
        tables = PhaseTables(positions.reshape(-1, 3), sphere, np.result_type(dtype, np.complex64))
        acting = np.flatnonzero(weights.any(axis=(0, 1)))
        at_once = max(1, _ROWS // n_atoms)
        for first in range(0, n_structures, at_once):
            some = slice(first, first + at_once)
            rows = slice(first * n_atoms, (first + at_once) * n_atoms)
            targets = [part[:, rows] for part in sums]
            _add_plane_waves(targets, tables.of(rows), weights[some], acting, kernels)
    shape = (n_channels, n_structures, n_atoms)
    return [part.reshape(*shape, part.shape[2]).transpose(1, 2, 0, 3) for part in sums]


def _add_plane_waves(sums, tables, weights, acting, kernels):
    n_structures, n_atoms, _ = weights.shape
    n_rows, n_waves, dtype = n_structures * n_atoms, kernels[0].shape[1], kernels[0].dtype
    gemm, complex_dtype = (dgemm, np.complex128) if dtype == np.float64 else (sgemm, np.complex64)
    weights = weights.astype(complex_dtype)
    step = min(max(_FEWEST, _BLOCK // n_rows), n_waves)
    phases, waves = np.empty((2, step, n_rows), complex_dtype)
    part = np.empty((step, n_rows), dtype)
    for start in range(0, n_waves, step):
        points = slice(start, min(start + step, n_waves))
        if points.stop - start < step:
            phases, waves, part = (array[: points.stop - start] for array in (phases, waves, part))
        tables.phases(points, phases, waves)
        by_structure = phases.reshape(-1, n_structures, n_atoms)
        factors = (by_structure.swapaxes(0, 1) @ weights).conj()
        some = [np.ascontiguousarray(kernel[:, points]) for kernel in kernels]
        for channel in acting:
            factor = np.ascontiguousarray(factors[:, :, channel].T)[:, :, None]
            np.multiply(by_structure, factor, out=waves.reshape(by_structure.shape))
            for total, wave, kernel in zip(sums, (waves.real, waves.imag), some, strict=True):
                if len(kernel):
                    np.copyto(part, wave)
                    # Fortran view of total += part.T @ kernel.T, accumulated in place
                    target = total[channel].T
                    gemm(1.0, kernel.T, part.T, 1.0, target, trans_a=1, trans_b=1, overwrite_c=1)
