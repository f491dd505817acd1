"""Derivatives of the sum over k-vectors on a mesh (theory, section 4.5).

They are those of the mesh sum itself, as a function of the positions: the same splines, once more
differentiated. Under a strain the mesh coordinates of the atoms stay; what changes are the modes at
the k-vectors of frozen integers, the volume, and the solid harmonics of the derivatives.
"""

from functools import lru_cache

import numpy as np
import scipy.fft
from sphericart import SolidHarmonics

from ..numerics.threads import in_threads
from ..radial.modes import field_modes, reduced_functions, reduced_slopes
from .splines import SplineMesh, derivative_triples
from .values import (
    fit_monomials,
    of_single_laws,
    scales_of,
    solid_harmonic_polynomials,
    wave_vectors,
)


def mesh_backward(sums, cell, plan, positions, weights, cotangents):
    """Derivatives of L = sum of ``cotangents`` times the plane-wave part of the coefficients.

    Twice the transforms of the sum itself; memory proportional to the number of atoms.

    Parameters
    ----------
    sums : MeshSum
        Says the precision, too.
    cell : ndarray of shape (3, 3)
    plan : Plan
        With a mesh.
    positions : ndarray of shape (n_atoms, 3)
    weights : ndarray of shape (n_atoms, n_channels)
    cotangents : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_laws, n_channels, n_max).

    Returns
    -------
    positions : ndarray of shape (n_atoms, 3)
        Derivatives in a fixed cell.
    strain : ndarray of shape (3, 3)
        Derivatives with respect to eps_ab of r_b -> r_b + sum_a r_a eps_ab.
    """
    if plan.window is not None and len(sums.laws) > 1:
        forces, strain = np.zeros(positions.shape), np.zeros((3, 3))
        for i, of_law in enumerate(of_single_laws(plan, len(sums.laws))):
            parts = [c[:, :, i : i + 1] for c in cotangents]
            of_this = mesh_backward(sums.single[i], cell, of_law, positions, weights, parts)
            forces, strain = forces + of_this[0], strain + of_this[1]
        return forces, strain
    acting = np.flatnonzero(weights.any(axis=0))
    weights = weights[:, acting]
    l_max = sums.basis.l_max
    modes = field_modes(sums.basis, sums.laws, cell, plan.k_cutoff, plan.mode_accuracies)
    mesh = SplineMesh(cell, plan.mesh.shape, plan.mesh.order, positions, l_max + 1, sums.dtype)
    factors = _of_modes([c[:, :, :, acting] for c in cotangents], modes.expand).astype(sums.dtype)
    matrix = modes.length * mesh.gradient
    polynomials = solid_harmonic_polynomials(l_max, tuple(map(tuple, matrix))).astype(sums.dtype)

    def of_derivatives(atoms):
        """Cotangents of the derivatives of all fields at some atoms."""
        return polynomials.T @ factors[atoms]

    fields = sums.fields(cell, plan, mesh, modes, weights)
    forces, products = _at_centers(mesh, fields, factors, of_derivatives, sums.n_threads)
    strain = -np.tensordot(strained_polynomials(matrix, l_max), products)
    spread = mesh.spread_derivatives(factors.shape[2], l_max, of_derivatives)
    waves = _Waves(sums, cell, plan, mesh, modes)
    potential, from_waves = waves.pull_back(spread, mesh.spread(weights))
    forces += _at_sources(mesh, weights.astype(sums.dtype), potential, sums.n_threads)
    return forces, strain + from_waves


def _of_modes(cotangents, expand):
    """From cotangents of coefficients to those of R_lm(grad) of the fields.

    Returns
    -------
    ndarray of shape (n_atoms, (l_max + 1)^2, n_channels * n_modes)
    """
    n_modes, parts = len(expand), []
    for l, c in enumerate(cotangents):
        n_atoms, m, n_laws, n_channels, n_max = c.shape
        functions = np.asarray(c, float).transpose(0, 1, 3, 2, 4).reshape(-1, n_laws * n_max)
        part = functions @ expand[:, :, l].reshape(n_modes, -1).T
        parts.append(part.reshape(n_atoms, m, n_channels * n_modes))
    return np.concatenate(parts, axis=1)


def _at_centers(mesh, fields, factors, of_derivatives, n_threads):
    """Derivatives by the points where the fields are taken.

    Returns
    -------
    forces : ndarray of shape (n_atoms, 3)
    products : ndarray of shape ((l_max + 1)^2, n_triples)
        Sums of factors times derivatives of the fields.
    """
    l_max = int(np.sqrt(factors.shape[1])) - 1
    low, raised = _raised(l_max)
    windows = mesh.windows(factors.shape[2], fields, n_threads)
    numbered_blocks = list(enumerate(mesh.in_blocks(factors.shape[2])))
    slopes = np.empty((len(mesh), 3))
    products = np.empty((len(numbered_blocks), factors.shape[1], len(low)))

    def fill(numbered):
        number, atoms = numbered
        values = mesh.derivatives(atoms, windows(atoms))
        wanted = of_derivatives(atoms)
        for axis in range(3):
            slopes[atoms, axis] = np.einsum("itf,itf->i", wanted, values[:, raised[axis]])
        subset = factors[atoms].swapaxes(0, 1).reshape(factors.shape[1], -1)
        products[number] = subset @ values[:, low].swapaxes(0, 1).reshape(len(low), -1).T

    in_threads(fill, numbered_blocks, n_threads)
    return slopes @ mesh.gradient.T, products.sum(axis=0)


def _at_sources(mesh, weights, potential, n_threads):
    """Derivatives by the atoms that are spread, from those by the mesh, (n_channels, *shape)."""
    windows = mesh.windows(len(potential), [potential], n_threads)
    slopes = np.empty((len(mesh), 3))

    def fill(atoms):
        values = mesh.derivatives(atoms, windows(atoms), 1)[:, [3, 2, 1]]  # along x, y, z
        slopes[atoms] = np.einsum("idc,ic->id", values, weights[atoms])

    in_threads(fill, mesh.in_blocks(len(potential)), n_threads)
    return slopes @ mesh.gradient.T


class _Waves:
    """The k-vectors of a mesh, with what multiplies the waves and its slope in k."""

    def __init__(self, sums, cell, plan, mesh, modes):
        self._shape, self._n_threads = mesh.shape, sums.n_threads
        self._half = (*mesh.shape[:2], mesh.shape[2] // 2 + 1)
        self._chosen, self._kernels = sums.kernels(cell, plan, mesh, modes)
        points = np.unravel_index(self._chosen, self._half)
        self._vectors = wave_vectors(cell, mesh.shape, self._chosen)
        self._multiplicity = np.where(points[2] == 0, 1.0, 2.0)
        k = np.linalg.norm(self._vectors, axis=1)
        sx, sy, sz = (s[p] for s, p in zip(mesh.attenuation(), points, strict=True))
        scale = scales_of(cell, sx * sy * sz) / k
        degrees = range(sums.basis.l_max + 1)
        slopes = reduced_slopes(sums.basis, sums.laws, degrees, k, modes.length) @ modes.compress
        self._slopes_over_k = (slopes * scale[:, None]).T
        self._turned = None
        if plan.window is not None:
            functions = reduced_functions(sums.basis, sums.laws, degrees, k, modes.length)
            functions = (functions @ modes.compress * (scale * k)[:, None]).T
            self._end_potential(sums.laws[0], plan.window, cell, k, functions)

    def _end_potential(self, law, window, cell, k, kernels):
        """From the slopes of v(k) u(k) to those with the windowed potential, see Spectra.

        ``kernels`` are those without a window.
        """
        values, by_along, by_across = window.spectrum(law, self._vectors, cell)
        whole, slope = law.fourier(k), law.fourier_slope(k) / k
        self._slopes_over_k *= values / whole
        self._slopes_over_k += kernels * (by_across - values * slope / whole) / whole
        anisotropy = kernels * (by_along - by_across) / whole
        self._turned = anisotropy, window.along(self._vectors, cell)

    def pull_back(self, spread, density):
        """From derivatives by the fields to those by the density on the mesh and by the strain.

        Parameters
        ----------
        spread : ndarray of shape (n_channels * n_modes, *shape)
        density : ndarray of shape (n_channels, *shape)

        Returns
        -------
        potential : ndarray of shape (n_channels, *shape)
        strain : ndarray of shape (3, 3)
        """
        n_modes = len(self._kernels)
        spectra = np.zeros((len(density), int(np.prod(self._half))), complex)
        value, along, turned = 0.0, np.zeros(len(self._chosen)), np.zeros(len(self._chosen))
        for channel, field in enumerate(density):
            source = self._transform(field) * self._multiplicity
            for mode in range(n_modes):
                wave = self._transform(spread[channel * n_modes + mode])
                cross = (wave.conj() * source).real
                value += cross @ self._kernels[mode]
                along += cross * self._slopes_over_k[mode]
                if self._turned is not None:
                    turned += cross * self._turned[0][mode]
                spectra[channel, self._chosen] += wave * self._kernels[mode]
        potential = scipy.fft.irfftn(
            spectra.reshape(-1, *self._half),
            self._shape,
            axes=(1, 2, 3),
            norm="forward",
            workers=self._n_threads,
        )
        strain = -(along[:, None] * self._vectors).T @ self._vectors
        if self._turned is not None:
            strain -= (turned[:, None] * self._turned[1]).T @ self._turned[1]
        return potential, strain - value * np.eye(3)

    def _transform(self, field):
        return scipy.fft.rfftn(field, workers=self._n_threads).ravel()[self._chosen]


@lru_cache(maxsize=16)
def _raised(highest):
    """Where derivatives up to ``highest``, and those once more along each axis, are found.

    Among the derivatives up to ``highest + 1``: arrays of shape (n_triples,) and (3, n_triples).
    """
    places = {tuple(t): i for i, t in enumerate(derivative_triples(highest + 1).tolist())}
    triples = derivative_triples(highest)
    low = np.array([places[tuple(t)] for t in triples.tolist()])
    units = np.eye(3, dtype=int)
    raised = [[places[tuple(t)] for t in (triples + unit).tolist()] for unit in units]
    return low, np.array(raised)


def strained_polynomials(matrix, l_max):
    """x_b dR_lm/dx_a of x = ``matrix`` @ y as polynomials in y.

    They are minus the derivatives of R_lm by the strain [a, b] that takes x to (1 + strain)^-1 x.

    Returns
    -------
    ndarray of shape (3, 3, (l_max + 1)^2, n_triples)
    """

    def values(points):
        slopes = SolidHarmonics(l_max).compute_with_gradients(points)[1]
        return slopes[:, :, None] * points[:, None, :, None]

    return fit_monomials(values, l_max, matrix)
