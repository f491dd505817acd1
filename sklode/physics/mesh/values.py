"""The sum over k-vectors on a mesh (theory, section 4.5): work of N log N.

With i^l k^l Y_lm(k) = R_lm(i k), a coefficient is a derivative of a scalar field at the atom,
c_nlm = R_lm(grad) h_nl. The fields h_nl differ in functions of |k| alone, of which few are linearly
independent, so that few Fourier transforms serve all coefficients.
"""

from dataclasses import replace
from functools import cached_property, lru_cache

import numpy as np
import scipy.fft
from sphericart import SolidHarmonics

from .. import blocks
from ..numerics.harmonics import degree_slice
from ..numerics.threads import in_threads
from ..radial.modes import field_modes, reduced_functions
from ..system.kvectors import reciprocal
from .splines import SplineMesh, derivative_triples, n_triples


class MeshSum:
    """Plane-wave part of the coefficients of one structure at a time, eq. (4.1).

    Parameters
    ----------
    basis : RadialBasis or SolidHarmonicBasis
    laws : sequence of SmearedPowerLaw
    dtype : {"float64", "float32"}
        Precision of fields and derivatives.
    n_threads : int
        Threads that share the atoms.
    """

    def __init__(self, basis, laws, dtype="float64", n_threads=1):
        self.basis, self.laws, self.n_threads = basis, tuple(laws), n_threads
        self.dtype = np.dtype(dtype)
        self._kept = None, None, None

    @cached_property
    def single(self):
        """Sums of one law each; modes of several laws are functions of |k| alone."""
        return [MeshSum(self.basis, (law,), self.dtype, self.n_threads) for law in self.laws]

    def __call__(self, cell, plan, positions, weights):
        """Coefficients of a structure.

        Parameters
        ----------
        cell : ndarray of shape (3, 3)
        plan : Plan
            With a mesh.
        positions : ndarray of shape (n_atoms, 3)
        weights : ndarray of shape (n_atoms, n_channels)

        Returns
        -------
        list of ndarray
            For each l, shape (n_atoms, 2 l + 1, n_laws, n_channels, n_max).
        """
        if plan.window is not None and len(self.laws) > 1:
            each = zip(self.single, of_single_laws(plan, len(self.laws)), strict=True)
            parts = [sums(cell, of_law, positions, weights) for sums, of_law in each]
            return [np.concatenate(of_degree, axis=2) for of_degree in zip(*parts, strict=True)]
        acting = weights.any(axis=0)
        if not acting.all():  # channels without atoms need no fields
            parts = self(cell, plan, positions, weights[:, acting])
            out = [np.zeros((*p.shape[:3], len(acting), p.shape[4]), self.dtype) for p in parts]
            for whole, part in zip(out, parts, strict=True):
                whole[:, :, :, acting] = part
            return out
        l_max = self.basis.l_max
        shape, order = plan.mesh.shape, plan.mesh.order
        mesh = SplineMesh(cell, shape, order, positions, l_max, self.dtype)
        modes = field_modes(self.basis, self.laws, cell, plan.k_cutoff, plan.mode_accuracies)
        n_fields = weights.shape[1] * modes.count
        fields = self.fields(cell, plan, mesh, modes, weights)
        matrix = tuple(map(tuple, modes.length * mesh.gradient))
        harmonics = solid_harmonic_polynomials(l_max, matrix).astype(self.dtype)
        n_laws, n_channels, n_max = len(self.laws), weights.shape[1], self.basis.n_max
        out = [
            np.empty((len(mesh), 2 * l + 1, n_laws, n_channels, n_max), self.dtype)
            for l in range(l_max + 1)
        ]
        expand = [
            _of_channels(modes.expand[:, :, l], n_channels).astype(self.dtype)
            for l in range(l_max + 1)
        ]
        windows = mesh.windows(n_fields, fields, self.n_threads)

        def fill(atoms):
            values = harmonics @ mesh.derivatives(atoms, windows(atoms))
            for l, coefficients in enumerate(out):
                part = values[:, degree_slice(l)] @ expand[l]
                coefficients[atoms] = part.reshape(len(atoms), *coefficients.shape[1:])

        in_threads(fill, mesh.in_blocks(n_fields), self.n_threads)
        return out

    def fields(self, cell, plan, mesh, modes, weights):
        """Fields of all channels and modes, few of them at once, (n, *mesh.shape)."""
        key = cell.tobytes(), plan.k_cutoff, plan.window, mesh.shape, mesh.order
        kept = self._kept
        if kept[0] != key or kept[1] is not modes:
            kept = self._kept = key, modes, self.kernels(cell, plan, mesh, modes)
        chosen, kernels = kept[2]
        half = (*mesh.shape[:2], mesh.shape[2] // 2 + 1)
        spread = mesh.spread(weights, self.n_threads)
        sources = scipy.fft.rfftn(spread, axes=(1, 2, 3), workers=self.n_threads)
        sources = sources.reshape(len(sources), -1)[:, chosen]
        n_fields = len(sources) * len(kernels)
        at_once = min(max(1, blocks.FIELD_NUMBERS // int(np.prod(mesh.shape))), n_fields)
        spectra = np.zeros((at_once, int(np.prod(half))), sources.dtype)
        for start in range(0, n_fields, at_once):
            channels, modes = np.divmod(np.arange(start, n_fields)[:at_once], len(kernels))
            for spectrum, channel, mode in zip(spectra, channels, modes, strict=False):
                spectrum[chosen] = sources[channel] * kernels[mode]
            yield scipy.fft.irfftn(
                spectra[: len(modes)].reshape(-1, *half),
                mesh.shape,
                axes=(1, 2, 3),
                norm="forward",
                workers=self.n_threads,
            )

    def kernels(self, cell, plan, mesh, modes):
        """Which points of the half mesh are inside the sphere, and the modes there.

        Both spreading and interpolation attenuate a wave; the modes make up for it.
        """
        integers = [np.fft.fftfreq(n, 1.0 / n) for n in mesh.shape[:2]]
        integers.append(np.arange(mesh.shape[2] // 2 + 1.0))
        axes = np.ix_(*integers)
        dots = reciprocal(cell) @ reciprocal(cell).T
        squared = sum(
            (1 + (d != e)) * dots[d, e] * axes[d] * axes[e] for d in range(3) for e in range(d, 3)
        )
        chosen = np.flatnonzero((squared.ravel() < plan.k_cutoff**2) & (squared.ravel() > 0))
        sx, sy, sz = np.ix_(*mesh.attenuation())
        attenuation = (sx * sy * sz).ravel()[chosen]
        k = np.sqrt(squared.ravel()[chosen])
        degrees = range(self.basis.l_max + 1)
        functions = reduced_functions(self.basis, self.laws, degrees, k, modes.length)
        kernels = functions @ modes.compress
        kernels *= scales_of(cell, attenuation)[:, None]
        if plan.window is not None:
            (law,), vectors = self.laws, wave_vectors(cell, mesh.shape, chosen)
            kernels *= (plan.window.spectrum(law, vectors, cell)[0] / law.fourier(k))[:, None]
        return chosen, np.ascontiguousarray(kernels.T, self.dtype)


def of_single_laws(plan, n_laws):
    """Plans like one of several laws, for each of these."""
    accuracies = [plan.mode_accuracies[i : i + 1] for i in range(n_laws)]
    return [replace(plan, mode_accuracies=of_law) for of_law in accuracies]


def wave_vectors(cell, shape, chosen):
    """The k-vectors of some points of the half mesh, (n, 3)."""
    points = np.unravel_index(chosen, (*shape[:2], shape[2] // 2 + 1))
    integers = [np.fft.fftfreq(n, 1.0 / n)[p] for n, p in zip(shape, points, strict=True)]
    return np.stack(integers, axis=1) @ reciprocal(cell)


def scales_of(cell, attenuation):
    """4 pi / V for each k-vector, and what splines take from it on the way there and back."""
    return 4.0 * np.pi / abs(np.linalg.det(cell)) / attenuation**2


def _of_channels(expand, n_channels):
    """From (channel, mode) to (law, channel, n): one product is faster than sorting its result."""
    n_modes, n_laws, n_max = expand.shape
    matrix = np.zeros((n_channels, n_modes, n_laws, n_channels, n_max))
    channels = np.arange(n_channels)
    matrix[channels, :, :, channels] = expand
    return matrix.reshape(n_channels * n_modes, n_laws * n_channels * n_max)


@lru_cache(maxsize=16)
def solid_harmonic_polynomials(l_max, matrix):
    """R_lm(matrix @ x) as polynomials in x, shape ((l_max + 1)^2, n_triples).

    Columns are the monomials x^a y^b z^c in the order of ``derivative_triples``; ``matrix`` is a
    tuple of rows.
    """
    return fit_monomials(SolidHarmonics(l_max).compute, l_max, np.array(matrix))


def fit_monomials(functions, l_max, matrix):
    """Functions f_lm(matrix @ y), homogeneous of degree l, as polynomials in y.

    ``functions`` takes points (n, 3) to values (n, ..., (l_max + 1)^2); the result has the shape
    (..., (l_max + 1)^2, n_triples).
    """
    triples = derivative_triples(l_max)
    scale = np.linalg.norm(matrix, 2)
    points = np.random.default_rng(0).normal(size=(8 * n_triples(l_max), 3))
    values = functions(points @ (matrix / scale).T)
    polynomials = np.zeros((*values.shape[1:], len(triples)))
    for l in range(l_max + 1):
        columns = np.flatnonzero(triples.sum(axis=1) == l)
        monomials = np.prod(points[:, None] ** triples[columns], axis=2)
        wanted = values[..., degree_slice(l)]
        solution = np.linalg.lstsq(monomials, wanted.reshape(len(points), -1))[0]
        solution = solution.T.reshape(*wanted.shape[1:], len(columns))
        polynomials[..., degree_slice(l), columns] = scale**l * solution
    return polynomials
