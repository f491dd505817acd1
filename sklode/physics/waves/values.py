"""The sum over k-vectors as matrix products (theory, section 4.1): work of N times n_k.

Beside it stands the sum on a mesh, which takes over where structures are large.
"""

from collections import defaultdict
from itertools import pairwise

import numpy as np
from scipy.linalg.blas import dgemm, sgemm

from .. import blocks
from ..numerics.harmonics import degree_slice, spherical_harmonics
from ..radial.modes import radial_modes, wave_span
from ..system.kvectors import PhaseTables, half_spheres, slices
from .kernels import densities_of, sign_of
from .small_cells import add_waves_of_small_cells
from .spectra import fourier_transforms


class PlaneWaveSum:
    """Plane-wave part of the coefficients of periodic structures, eq. (4.1).

    The kernels of a cell, which depend on it alone, are kept from one call to the next.

    Parameters
    ----------
    basis : RadialBasis or SolidHarmonicBasis
        What the potential is projected on: ``l_max``, ``n_max`` and ``plane_waves(k)``.
    laws : sequence of SmearedPowerLaw
        Potentials.
    """

    def __init__(self, basis, laws):
        self._basis, self._laws = basis, laws
        self._last = None, None

    def __call__(self, structures, weights, plans):
        """Coefficients of the structures that have plans.

        Parameters
        ----------
        structures : list of Structure
        weights : list of ndarray of shape (n_atoms, n_channels)
        plans : dict of int to Plan

        Yields
        ------
        numbers : list of int
            Structures.
        coefficients : list of ndarray
            For each l, shape (n_atoms, 2 l + 1, n_laws, n_channels, n_max), of the atoms of one of
            them after the other.
        """
        equal = {}  # structures that share their kernels and are of equal size
        for i, plan in plans.items():
            equal.setdefault((_key(structures[i].cell, plan), len(structures[i])), []).append(i)
        cells = {key: (structures[i].cell, plans[i]) for (key, _), (i, *_) in equal.items()}
        for radial, kernels in self._prepare(cells):
            groups = _together({key: of for key, of in equal.items() if key[0] in kernels}, kernels)
            numbers = [i for members, _ in groups for i in members]
            n_atoms = sum(len(structures[i]) for i in numbers)
            n_channels, (_, of_any) = weights[numbers[0]].shape[1], next(iter(kernels.values()))
            sums = [np.zeros((n_channels, n_atoms, len(part)), part.dtype) for part in of_any]
            first = 0
            for members, of_cells in groups:
                positions = np.stack([structures[i].positions for i in members])
                of_members = np.stack([weights[i] for i in members])
                last = first + positions.shape[0] * positions.shape[1]
                targets = [part[:, first:last] for part in sums]
                if len(of_cells) == 1:
                    add_plane_waves(targets, positions, of_members, *of_cells[0])
                else:
                    each = map(list, zip(*of_cells, strict=True))
                    add_waves_of_small_cells(targets, positions, of_members, *each)
                first = last
            yield numbers, self._by_degree(sums, radial)

    def _prepare(self, cells):
        """Kernels of several cells at once, which is cheaper than one by one.

        Those of a single cell are kept for the next call. Others are not, since their last bits
        depend on which cells are evaluated together.

        Parameters
        ----------
        cells : dict of tuple to (ndarray of shape (3, 3), Plan)

        Returns
        -------
        list of (list of _Functions, dict of tuple to (HalfSphere, list of ndarray))
            Cells that share their radial functions, with their kernels of even and odd degrees.
        """
        last = self._last  # other threads may exchange it
        if list(cells) == last[0]:
            return last[1]
        alike = {}
        spheres = _spheres(*zip(*cells.values(), strict=True)) if cells else []
        for (key, (cell, plan)), sphere in zip(cells.items(), spheres, strict=True):
            shared = None, (), plan.dtype  # without modes kernels are alike, whatever the cell
            # modes are made of functions of |k| alone
            if len(self._laws) > 1 and plan.mode_accuracies and plan.window is None:
                shared = wave_span(cell, plan.k_cutoff), plan.mode_accuracies, plan.dtype
            alike.setdefault(shared, {})[key] = cell, sphere
        prepared = []
        for (span, accuracies, dtype), group in alike.items():
            cells_of_group, spheres = zip(*group.values(), strict=True)
            windows = [cells[key][1].window for key in group]
            radial = self._radial_functions(span, accuracies)
            kernels = self._kernels(spheres, cells_of_group, windows, radial, np.dtype(dtype))
            prepared.append(
                (radial, dict(zip(group, zip(spheres, kernels, strict=True), strict=True)))
            )
        if len(cells) == 1:
            self._last = list(cells), prepared
        return prepared

    def _by_degree(self, sums, radial):
        """Sort the columns (l, m, r) of even and odd degrees into one array a degree."""
        taken, coefficients = [0, 0], []
        shape = (len(self._laws), self._basis.n_max)
        for l, functions in enumerate(radial):
            start, width = taken[l % 2], (2 * l + 1) * functions.count
            taken[l % 2] += width
            part = sums[l % 2][..., start : start + width]
            part = part.reshape(*part.shape[:2], 2 * l + 1, functions.count)
            part = functions.expand(part).reshape(*part.shape[:3], *shape)
            coefficients.append(part.transpose(1, 2, 3, 0, 4))
        return coefficients

    def _radial_functions(self, span, accuracies):
        """Functions v_p(k) I_nl(k) of each degree, or fewer modes of several laws."""
        degrees = range(self._basis.l_max + 1)
        if not accuracies:
            return [_Functions(len(self._laws) * self._basis.n_max) for _ in degrees]
        return [_Modes(self._basis, self._laws, l, span, accuracies) for l in degrees]

    def _kernels(self, spheres, cells, windows, radial, dtype):
        """Radial functions times Y_lm(k) 8 pi / V of cells, even and odd l, (n_columns, n_k)."""
        sizes = [len(sphere) for sphere in spheres]
        norms = np.concatenate([sphere.norms for sphere in spheres])
        vectors = np.concatenate([sphere.vectors for sphere in spheres])
        # k runs fastest, so that products of functions are those of long rows
        integrals = np.ascontiguousarray(self._basis.plane_waves(norms).T)
        integrals = integrals.reshape(self._basis.l_max + 1, self._basis.n_max, len(norms))
        fourier = fourier_transforms(self._laws, spheres, cells, windows)
        fourier *= densities_of(cells, sizes)
        harmonics = spherical_harmonics(vectors, self._basis.l_max).T.astype(dtype, order="C")
        parities = []
        for parity in (0, 1):
            degrees = range(parity, self._basis.l_max + 1, 2)
            n_columns = sum((2 * l + 1) * radial[l].count for l in degrees)
            kernel, filled = np.empty((n_columns, len(norms)), dtype), 0
            for l in degrees:
                width = (2 * l + 1) * radial[l].count
                functions = (sign_of(l) * radial[l](integrals[l], fourier)).astype(
                    dtype, copy=False
                )
                shape = 2 * l + 1, radial[l].count, len(norms)
                target = kernel[filled : filled + width].reshape(shape, copy=False)
                angular = harmonics[degree_slice(l), None]
                np.multiply(angular, functions, out=target)
                filled += width
            parities.append(kernel)
        return [[part[:, a:b] for part in parities] for a, b in pairwise(np.cumsum([0, *sizes]))]


def _together(equal, kernels):
    """Structures that are summed at once: in one cell, or of equal size in small ones.

    Parameters
    ----------
    equal : dict of (tuple, int) to list of int
        For each cell and number of atoms, the structures.
    kernels : dict of tuple to (HalfSphere, list of ndarray)

    Returns
    -------
    list of (list of int, list of (HalfSphere, list of ndarray))
        Structures, and the cell that they share, or that of each.
    """
    groups, small = [], defaultdict(list)
    for (key, n_atoms), members in equal.items():
        if len(members) == 1 and n_atoms * len(kernels[key][0]) <= blocks.PHASES_OF_SMALL_CELL:
            small[n_atoms].append((members[0], kernels[key]))
        else:
            groups.append((members, [kernels[key]]))
    for alike in small.values():
        alike.sort(key=lambda structure: len(structure[1][0]))  # few vectors to fill up with
        groups.append(tuple(map(list, zip(*alike, strict=True))))
    return groups


def _key(cell, plan):
    return cell.tobytes(), plan.k_cutoff, plan.mode_accuracies, plan.dtype, plan.window


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

    def __init__(self, basis, laws, l, span, accuracies):
        modes = radial_modes(basis, laws, (l,), span, accuracies)
        self._compress = modes.compress
        super().__init__(self._compress.shape[1])
        self._expand = modes.expand.reshape(self.count, -1)

    def __call__(self, integrals, fourier):
        """Values of shape (count, n_k); the powers of k cancel."""
        return self._compress.T @ super().__call__(integrals, fourier)

    def expand(self, sums):
        return sums @ self._expand.astype(sums.dtype)


def add_plane_waves(sums, positions, weights, sphere, kernels):
    """Add sum_k [sum_j w_j exp(i k.(r_i - r_j))] kernel(k) of every structure, channel and atom.

    Even degrees see the cosines, odd ones the sines. The phases of a block of k-vectors are built
    in cache and multiplied with the kernels as they are, in the precision of these.

    Parameters
    ----------
    sums : list of two ndarray of shape (n_channels, n_structures * n_atoms, n_columns)
    positions : ndarray of shape (n_structures, n_atoms, 3)
    weights : ndarray of shape (n_structures, n_atoms, n_channels)
    sphere : HalfSphere
    kernels : list of two ndarray of shape (n_columns, n_k)
        Of even and odd degrees.
    """
    if not len(sphere):
        return
    n_structures, n_atoms, _ = weights.shape
    dtype = kernels[0].dtype
    complex_dtype = np.result_type(dtype, np.complex64)
    tables = PhaseTables(positions.reshape(-1, 3), sphere, complex_dtype)
    acting = np.flatnonzero(weights.any(axis=(0, 1)))
    weights = _on_real_and_imaginary(weights, dtype)
    at_once = min(max(1, blocks.ROWS_OF_WAVES // n_atoms), n_structures)
    step = min(max(blocks.FEWEST_WAVES, blocks.PHASES // (at_once * n_atoms)), len(sphere))
    room = np.empty((2, step * at_once * n_atoms), complex_dtype)
    for points in slices(len(sphere), step):
        subset = [_products_of(part[:, points], at_once * n_atoms) for part in kernels]
        for members in slices(n_structures, at_once):
            rows = slice(members.start * n_atoms, members.stop * n_atoms)
            targets = [part[:, rows] for part in sums]
            _add_block(targets, tables, points, rows, weights[members], acting, subset, room)


def _on_real_and_imaginary(weights, dtype):
    """Weights as matrices for complex numbers that are seen as pairs of real ones.

    From (n_structures, n_atoms, n_channels) to (n_structures, 2 n_atoms, 2 n_channels): a product
    with few complex columns takes three times as long.
    """
    n_structures, n_atoms, n_channels = weights.shape
    pairs = np.zeros((n_structures, n_atoms, 2, n_channels, 2), dtype)
    pairs[:, :, 0, :, 0] = pairs[:, :, 1, :, 1] = weights
    return pairs.reshape(n_structures, 2 * n_atoms, 2 * n_channels)


def _products_of(kernel, n_rows):
    """Parts of a block of a kernel that rows of waves are multiplied with one by one.

    Products of so few numbers that BLAS takes them as they are need half the time.
    """
    n_columns, n_waves = kernel.shape
    n_parts = -(-n_rows * n_columns * n_waves // blocks.SMALL_PRODUCT)
    if n_waves < 2 * blocks.FEWEST_WAVES * n_parts:
        n_parts = 1
    parts = slices(n_waves, -(-n_waves // max(1, n_parts)))
    return [(part, np.ascontiguousarray(kernel[:, part])) for part in parts]


def _add_block(sums, tables, points, rows, weights, acting, kernels, room):
    """Add a block of k-vectors to some structures.

    ``weights`` are those of ``_on_real_and_imaginary``; ``room`` is for phases and waves.
    """
    shape = points.stop - points.start, len(weights), weights.shape[1] // 2
    n_rows = shape[1] * shape[2]
    phases, waves = room[:, : shape[0] * n_rows].reshape(2, shape[0], n_rows, copy=False)
    tables.phases(points, rows, phases, waves)
    by_structure = phases.reshape(shape)
    factors = by_structure.swapaxes(0, 1).view(weights.dtype) @ weights
    factors = factors.view(phases.dtype).conj()
    part = np.empty((shape[0], n_rows), sums[0].dtype)
    gemm = dgemm if part.dtype == np.float64 else sgemm
    for channel in acting:
        factor = np.ascontiguousarray(factors[:, :, channel].T)[:, :, None]
        np.multiply(by_structure, factor, out=waves.reshape(shape, copy=False))
        for total, wave, products in zip(sums, (waves.real, waves.imag), kernels, strict=True):
            if total.shape[2]:
                np.copyto(part, wave)
                # Fortran view of total += part.T @ kernel.T, accumulated in place
                target = total[channel].T
                for subset, kernel in products:
                    gemm(
                        1.0,
                        kernel.T,
                        part[subset].T,
                        1.0,
                        target,
                        trans_a=1,
                        trans_b=1,
                        overwrite_c=1,
                    )
