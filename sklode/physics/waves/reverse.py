"""Derivatives of the sum over k-vectors with respect to positions and strain.

A wave at an atom i and the structure factor of a channel a give c = Re or Im of
exp(i k.r_i) conj(S_a(k)) times a kernel. Under the strain r -> r (1 + eps) of atoms and cell the
phases k.r stay, while k -> k (1 + eps)^-T and V -> V (1 + tr eps); the triplets of integers that
the k-vectors are made of are frozen.
"""

import numpy as np

from .. import blocks
from ..system.kvectors import PhaseTables, slices


def plane_wave_backward(kernels, positions, weights, cotangents, dtype="float64"):
    """Derivatives of L = sum of ``cotangents`` times the plane-wave part of the coefficients.

    With the waves P_kj, the structure factors S_ka = sum_j P_kj w_ja, and what the kernels make of
    the cotangents, G_kja = (sum over even columns) - i (sum over odd columns),

        L = Re sum_ka S_ka^* R_ka,  R_ka = sum_j P_kj G_kja.

    Two products of matrices, for all channels at once, give R and the slopes of L by the phases.
    Work of two to three forward sums; memory proportional to the number of atoms.

    Parameters
    ----------
    kernels : WaveKernels
    positions : ndarray of shape (n_atoms, 3)
    weights : ndarray of shape (n_atoms, n_channels)
    cotangents : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_laws, n_channels, n_max).
    dtype : {"float64", "float32"}, default="float64"
        Precision of waves and kernels.

    Returns
    -------
    positions : ndarray of shape (n_atoms, 3)
        Derivatives in a fixed cell; they add up to zero.
    strain : ndarray of shape (3, 3)
        Derivatives with respect to eps_ab of r_b -> r_b + sum_a r_a eps_ab.
    """
    n_atoms = len(positions)
    forces, strain, value = np.zeros(positions.shape), np.zeros((3, 3)), 0.0
    acting = np.flatnonzero(weights.any(axis=0))
    weights = weights[:, acting]
    columns = kernels.columns([c[:, :, :, acting] for c in cotangents])
    even, odd = (part.swapaxes(0, 1) for part in columns)
    factors = np.concatenate([part.reshape(n_atoms, -1) for part in (even, odd)] + [weights], 1)
    factors = factors.astype(dtype, copy=False)
    cuts = np.cumsum([even[0].size, odd[0].size])
    step = min(max(blocks.FEWEST_WAVES, blocks.PHASES // n_atoms), max(len(kernels), 1))
    room = np.empty((2, 2 * step * n_atoms), dtype)
    complex_dtype = np.result_type(dtype, np.complex64)
    tables = PhaseTables(positions, kernels.sphere, complex_dtype) if len(kernels) else None
    for points in slices(len(kernels), step):
        phases = tables.phases(points)
        # contiguous, also in the last block, which is shorter
        waves, slopes = room[:, : 2 * phases.size].reshape(2, 2, *phases.shape, copy=False)
        waves[0], waves[1] = phases.real, phases.imag
        shape = (*waves.shape[:2], len(acting), -1)
        sums = np.split(waves.reshape(-1, n_atoms) @ factors, cuts, axis=1)
        of_even, of_odd, structure = (_complex(part.reshape(shape)) for part in sums)
        structure = structure.conj()
        kernel = [kernels.values(points, parity)[:, None].astype(dtype) for parity in (0, 1)]
        received = (of_even * kernel[0]).sum(axis=2) - 1j * (of_odd * kernel[1]).sum(axis=2)
        value += np.sum(structure[..., 0] * received).real
        # an atom is a center of all that it receives, and a source, conjugated, for all others
        left = [structure * kernel[0], -1j * structure * kernel[1], received.conj()]
        left = np.concatenate([part.reshape(len(phases), -1) for part in left], axis=1)
        left = np.concatenate([left.real, left.imag])
        np.matmul(left, factors.T, out=slopes.reshape(-1, n_atoms, copy=False))
        slopes[0] *= waves[1]
        slopes[1] *= waves[0]
        slopes[0] += slopes[1]
        vectors = kernels.sphere.vectors[points]
        forces -= slopes[0].T @ vectors.astype(dtype)
        moments = (structure * of_even).real.sum(axis=1), (structure * of_odd).imag.sum(axis=1)
        strain -= kernels.contract_strained(points, moments)
    return forces, strain - value * np.eye(3)


def _complex(parts):
    return parts[0] + 1j * parts[1]
