"""Sums over the k-vectors of many small cells at once, each with vectors and kernels of its own.

What is done for one cell in few large products is done here in products of many small matrices, as
calls rather than numbers are what small cells cost. Cells with fewer vectors than others are filled
up with vectors whose kernels are zero.
"""

import numpy as np

from .. import blocks
from ..system.kvectors import powers
from ..system.structures import as_slice


def add_waves_of_small_cells(sums, positions, weights, spheres, kernels):
    """Add waves of structures of equal size in cells of their own, see ``add_plane_waves``.

    Parameters
    ----------
    sums : list of two ndarray of shape (n_channels, n_structures * n_atoms, n_columns)
    positions : ndarray of shape (n_structures, n_atoms, 3)
    weights : ndarray of shape (n_structures, n_atoms, n_channels)
    spheres : list of HalfSphere
    kernels : list of list of two ndarray of shape (n_columns, n_k)
        Of even and odd degrees, for each structure.
    """
    n_structures, n_atoms, n_channels = weights.shape
    most = max(map(len, spheres))
    step = max(1, blocks.PHASES // max(1, n_atoms * most))
    for start in range(0, n_structures, step):
        subset = slice(start, start + step)
        rows = slice(start * n_atoms, subset.stop * n_atoms)
        phases = _phases(positions[subset], spheres[subset], kernels[start][0].dtype)
        factors = np.conj(phases @ weights[subset].astype(phases.dtype))
        padded = [_padded(each, phases.shape[1]) for each in zip(*kernels[subset], strict=True)]
        for channel in range(n_channels):
            acting = as_slice(np.flatnonzero(weights[subset, :, channel].any(axis=1)))
            waves = phases[acting] * factors[acting, :, channel, None]
            for total, part, kernel in zip(sums, (waves.real, waves.imag), padded, strict=True):
                products = np.ascontiguousarray(part).swapaxes(1, 2) @ kernel[acting].swapaxes(1, 2)
                shape = len(phases), n_atoms, total.shape[2]
                target = total[channel, rows].reshape(shape, copy=False)
                target[acting] += products


def _phases(positions, spheres, dtype):
    """exp(i k.r), shape (n_structures, n_k, n_atoms), n_k that of the largest sphere."""
    n_structures, n_atoms, _ = positions.shape
    integers = np.zeros((n_structures, 3, max(map(len, spheres))), int)
    for subset, sphere in zip(integers, spheres, strict=True):
        subset[:, : len(sphere)] = sphere.integers.T
    highest = np.abs(integers).max(initial=0)
    axes = np.stack([sphere.axes for sphere in spheres])
    turns = np.exp(1j * (axes @ positions.swapaxes(1, 2))).reshape(-1, n_atoms)
    tables = powers(turns, highest).astype(np.result_type(dtype, np.complex64), copy=False)
    tables = tables.reshape(-1, n_atoms)  # structure, axis, power
    begin = (2 * highest + 1) * np.arange(3 * n_structures).reshape(n_structures, 3, 1) + highest
    first, second, third = np.moveaxis(integers + begin, 1, 0)
    phases = np.take(tables, first, axis=0)
    phases *= np.take(tables, second, axis=0)
    phases *= np.take(tables, third, axis=0)
    return phases


def _padded(kernels, n_k):
    """Kernels of all structures, (n_structures, n_columns, n_k)."""
    padded = np.zeros((len(kernels), len(kernels[0]), n_k), kernels[0].dtype)
    for whole, kernel in zip(padded, kernels, strict=True):
        whole[:, : kernel.shape[1]] = kernel
    return padded
