"""Kernels v_p(k) I_nl(k) Y_lm(k) 8 pi / V of a sum over k-vectors, and their gradients by k.

Unlike in the sum itself, no radial modes stand for the functions: their derivatives would be less
accurate than they are.
"""

import math
from functools import cached_property
from itertools import pairwise

import numpy as np

from .. import blocks
from ..numerics.harmonics import degree_slice, harmonics_with_gradients
from ..system.kvectors import half_spheres
from .spectra import spectra_of
from .standing_waves import sums_of_waves


class CellKernels:
    """The kernels of structures by their numbers, made for many small cells at once.

    Structures in equal cells share them.

    Parameters
    ----------
    basis : RadialBasis or SolidHarmonicBasis
        What the potential is projected on: ``plane_waves(k)`` and ``plane_wave_slopes(k)``.
    laws : sequence of SmearedPowerLaw
        Potentials, with ``fourier(k)`` and ``fourier_slope(k)``.
    structures : list of Structure
    plans : dict of int to Plan
        Which k-vectors, for the structures that are meant.
    before : CellKernels, default=None
        Whose last kernels are used again, for the next frames in a fixed cell.
    """

    def __init__(self, basis, laws, structures, plans, before=None):
        self._basis, self._laws = basis, laws
        cells = {i: structures[i].cell for i in plans}
        self._keys = {
            i: (cells[i].tobytes(), plan.k_cutoff, plan.window) for i, plan in plans.items()
        }
        self._each = {key: (cells[i], plans[i]) for i, key in self._keys.items()}
        self._made = {} if before is None else before._made
        self._last_moved = (None, None) if before is None else before._last_moved

    def __call__(self, number):
        """WaveKernels of a structure."""
        key, made = self._keys[number], self._made
        if key not in made:
            made = self._made = self._some(key)
        return made[key]

    def moved(self, number):
        """Gradients ``WaveKernels.moved`` of a structure; those of the last cell are kept."""
        kernels, last = self(number), self._last_moved
        if last[0] is not kernels:
            last = self._last_moved = kernels, kernels.moved()
        return last[1]

    def _some(self, first):
        """Kernels of a cell and of some that follow it."""
        keys, spheres = list(self._each), self._spheres
        start = keys.index(first)
        ends = np.cumsum([len(sphere) for sphere in spheres[start:]])
        fitting = int(np.searchsorted(ends, blocks.KERNEL_WAVES, side="right"))
        chosen = slice(start, start + max(1, fitting))
        cells, plans = zip(*[self._each[key] for key in keys[chosen]], strict=True)
        windows = [plan.window for plan in plans]
        made = wave_kernels(self._basis, self._laws, spheres[chosen], cells, windows)
        return dict(zip(keys[chosen], made, strict=True))

    @cached_property
    def _spheres(self):
        missing = [(c, plan.k_cutoff) for c, plan in self._each.values() if plan.sphere is None]
        found = iter(half_spheres(*zip(*missing, strict=True)) if missing else [])
        plans = (plan for _, plan in self._each.values())
        return [next(found) if plan.sphere is None else plan.sphere for plan in plans]


def wave_kernels(basis, laws, spheres, cells, windows):
    """WaveKernels of several cells, whose k-vectors are treated as one list.

    Parameters
    ----------
    basis, laws
        As of CellKernels.
    spheres : list of HalfSphere
    cells : list of ndarray of shape (3, 3)
    windows : list of Window or None

    Returns
    -------
    list of WaveKernels
    """
    vectors = np.concatenate([sphere.vectors for sphere in spheres])
    k = np.concatenate([sphere.norms for sphere in spheres])
    sizes = [len(sphere) for sphere in spheres]
    spectra = spectra_of(laws, spheres, cells, windows)
    shape = (len(k), basis.l_max + 1, basis.n_max)
    integrals = basis.plane_waves(k).reshape(shape)
    radial = _products(spectra.values, integrals)
    radial_slopes = _products(spectra.slopes, integrals)
    radial_slopes += _products(spectra.values, basis.plane_wave_slopes(k).reshape(shape))
    harmonics, gradients = harmonics_with_gradients(vectors, basis.l_max)
    signs = np.concatenate([[sign_of(l)] * (2 * l + 1) for l in range(basis.l_max + 1)])
    densities = densities_of(cells, sizes)
    harmonics *= densities[:, None] * signs
    gradients *= densities[:, None, None] * signs
    of_all = radial, radial_slopes, harmonics, gradients
    parts = zip(*[np.split(array, np.cumsum(sizes)[:-1]) for array in of_all], strict=True)
    shape = len(laws), basis.n_max
    made = [WaveKernels(sphere, shape, *part) for sphere, part in zip(spheres, parts, strict=True)]
    ends = np.cumsum([0, *sizes])
    for kernels, window, (start, end) in zip(made, windows, pairwise(ends), strict=True):
        if window is not None:
            anisotropy = _products(spectra.anisotropy[start:end], integrals[start:end])
            kernels.turn_with_strain(anisotropy, spectra.along[start:end])
    return made


def sign_of(l):
    """Sign of the waves of degree l: cosines of even and sines of odd ones, from (-i)^l."""
    return (-1.0) ** ((l + 1) // 2)


def densities_of(cells, sizes):
    """8 pi / V for each k-vector of a half sphere: 4 pi / V, and as much for -k."""
    return np.repeat(8.0 * np.pi / np.abs(np.linalg.det(np.stack(cells))), sizes)


class WaveKernels:
    """v_p(k) I_nl(k) Y_lm(k) 8 pi / V of all k-vectors of one cell, signs of (4.1) included.

    Columns of even and of odd degrees are apart, each in the order (l, m, law, n).

    Parameters
    ----------
    sphere : HalfSphere
    shape : tuple of int
        Numbers of laws and of radial functions.
    radial, radial_slopes : ndarray of shape (n_k, l_max + 1, n_laws * n_max)
        v_p(k) I_nl(k), and its derivative.
    harmonics : ndarray of shape (n_k, (l_max + 1)^2)
        Y_lm(k) 8 pi / V, signs included.
    gradients : ndarray of shape (n_k, 3, (l_max + 1)^2)
        Derivatives of these by k.
    """

    def __init__(self, sphere, shape, radial, radial_slopes, harmonics, gradients):
        self.sphere, self.shape, self.l_max = sphere, shape, radial.shape[1] - 1
        self.widths = [sum(map(self.width, self.degrees(parity))) for parity in (0, 1)]
        self._radial, self._radial_slopes = radial, radial_slopes
        self._harmonics, self._gradients = harmonics, gradients
        self._anisotropy = None

    def turn_with_strain(self, radial, along):
        """Add what the potential depends on beside the length of k, see Spectra.

        Parameters
        ----------
        radial : ndarray of shape (n_k, l_max + 1, n_laws * n_max)
            The anisotropy times I_nl(k).
        along : ndarray of shape (n_k, 3)
            The vectors kappa.
        """
        self._anisotropy = radial, along[:, :, None] * along[:, None]

    def __len__(self):
        return len(self.sphere)

    def degrees(self, parity):
        """The degrees of a parity."""
        return range(parity, self.l_max + 1, 2)

    def width(self, l):
        """Number of columns of a degree."""
        return (2 * l + 1) * self.shape[0] * self.shape[1]

    def values(self, points, parity):
        """Kernels of a slice of the k-vectors, shape (n_points, n_columns)."""
        columns = [
            _outer(self._harmonics[points, degree_slice(l)], self._radial[points, l])
            for l in self.degrees(parity)
        ]
        return _joined(columns, points.stop - points.start)

    def harmonics(self, points, l):
        """Y_lm(k) 8 pi / V of a slice of the k-vectors, signs included, (n_points, 2 l + 1)."""
        return self._harmonics[points, degree_slice(l)]

    def functions(self):
        """v_p(k) I_nl(k) for each law and l, shape (n_k, n_max)."""
        radial = self._radial.reshape(len(self), self.l_max + 1, *self.shape)
        return [[radial[:, l, law] for l in range(self.l_max + 1)] for law in range(self.shape[0])]

    def moved(self):
        """Gradients by the position of a source of weight 1 of what it adds to the coefficients.

        Returns
        -------
        callable
            Vectors (n_pairs, 3) from sources to centers to a list of two ndarray of shape
            (n_pairs, n_columns), of even and odd degrees, columns (l, law, m, component, n).
        """
        even, odd = (self._times_vectors(parity) for parity in (0, 1))
        return sums_of_waves(self.sphere, even, -odd)

    def _times_vectors(self, parity):
        """Kernels times the components of k, columns (l, law, m, component, n)."""
        columns = []
        for l in self.degrees(parity):
            part = self._harmonics[:, degree_slice(l), None] * self.sphere.vectors[:, None]
            columns.append(self._by_law(part, self._radial[:, l]))
        return _joined(columns, len(self))

    def strained(self, points, parity):
        """Derivatives by k_a times k_b, plus the kernels where a = b; as ``moved``."""
        vectors, directions = self.sphere.vectors[points], self._directions(points)
        columns = []
        for l in self.degrees(parity):
            harmonics = self._harmonics[points, degree_slice(l)]
            gradients = self._gradients[points, :, degree_slice(l)].swapaxes(1, 2)
            along = harmonics[:, :, None, None] * (
                directions[:, None, :, None] * vectors[:, None, None]
            )
            across = gradients[..., None] * vectors[:, None, None]
            across += harmonics[:, :, None, None] * np.eye(3)
            shape = (*harmonics.shape, 9)
            column = self._by_law(along.reshape(shape), self._radial_slopes[points, l])
            column += self._by_law(across.reshape(shape), self._radial[points, l])
            if self._anisotropy is not None:
                radial, turned = (part[points] for part in self._anisotropy)
                turned = harmonics[:, :, None, None] * turned[:, None]
                column += self._by_law(turned.reshape(shape), radial[:, l])
            columns.append(column)
        return _joined(columns, points.stop - points.start)

    def _by_law(self, angular, radial):
        """Products, columns (law, m, direction, n), of (n_points, 2 l + 1, n_directions) and r."""
        radial = radial.reshape(len(radial), self.shape[0], 1, 1, self.shape[1])
        products = angular[:, None, :, :, None] * radial
        return products.reshape(len(products), math.prod(products.shape[1:]))

    def contract_strained(self, points, moments):
        """Sums over all columns of these derivatives times ``moments``, but for a = b alone.

        Parameters
        ----------
        points : slice
        moments : list of two ndarray of shape (n_points, n_columns)
            Of even and odd degrees.

        Returns
        -------
        ndarray of shape (3, 3)
        """
        n_points = points.stop - points.start
        along, turned, total = np.zeros(n_points), np.zeros(n_points), np.zeros((n_points, 3))
        for parity, columns in enumerate(moments):
            filled = 0
            for l in self.degrees(parity):
                part, radial = degree_slice(l), self._radial[points, l]
                subset = columns[:, filled : filled + self.width(l)]
                subset = subset.reshape(n_points, 2 * l + 1, radial.shape[1])
                filled += self.width(l)
                slopes = np.einsum("kmr,kr->km", subset, self._radial_slopes[points, l])
                along += np.einsum("km,km->k", slopes, self._harmonics[points, part])
                factors = np.einsum("kmr,kr->km", subset, radial)
                total += np.einsum("km,kxm->kx", factors, self._gradients[points, :, part])
                if self._anisotropy is not None:
                    factors = np.einsum("kmr,kr->km", subset, self._anisotropy[0][points, l])
                    turned += np.einsum("km,km->k", factors, self._harmonics[points, part])
        total += along[:, None] * self._directions(points)
        strain = total.T @ self.sphere.vectors[points]
        if self._anisotropy is not None:
            strain += np.tensordot(turned, self._anisotropy[1][points], axes=1)
        return strain

    def _directions(self, points):
        return self.sphere.vectors[points] / self.sphere.norms[points, None]

    def columns(self, cotangents):
        """Sort what multiplies coefficients like the columns of the kernels.

        Parameters
        ----------
        cotangents : list of ndarray
            For each l, shape (n_atoms, 2 l + 1, n_laws, n_channels, n_max).

        Returns
        -------
        list of two ndarray of shape (n_channels, n_atoms, n_columns)
        """
        n_atoms, _, _, n_channels, _ = cotangents[0].shape
        parities = []
        for parity in (0, 1):
            parts = [
                np.asarray(cotangents[l], float)
                .transpose(3, 0, 1, 2, 4)
                .reshape(n_channels, n_atoms, self.width(l))
                for l in self.degrees(parity)
            ]
            parities.append(_joined(parts, n_channels, n_atoms))
        return parities

    def by_degree_and_law(self, columns, n_directions):
        """Arrays for each l and law, shape (n_rows, 2 l + 1, n_directions, n_max).

        ``columns`` are a list of two ndarray of shape (n_rows, n_columns), in the order of
        ``moved`` or ``strained``.
        """
        filled, parts = [0, 0], []
        n_laws, n_max = self.shape
        for l in range(self.l_max + 1):
            start = filled[l % 2]
            filled[l % 2] += n_directions * self.width(l)
            part = columns[l % 2][:, start : filled[l % 2]]
            part = part.reshape(len(part), n_laws, 2 * l + 1, n_directions, n_max)
            parts.append(list(part.swapaxes(0, 1)))
        return parts


def _products(fourier, integrals):
    """Functions of all degrees, (n_k, l_max + 1, n_laws * n_max)."""
    products = fourier[:, None, :, None] * integrals[:, :, None, :]
    return products.reshape(*integrals.shape[:2], fourier.shape[1] * integrals.shape[2])


def _outer(angular, radial):
    """Columns (m, r) of a degree, the last axis."""
    products = angular[..., :, None] * radial[..., None, :]
    return products.reshape(*products.shape[:-2], angular.shape[-1] * radial.shape[-1])


def _joined(columns, *shape):
    return np.concatenate([np.zeros((*shape, 0)), *columns], axis=-1)
