"""Derivatives of the sum over k-vectors with respect to positions and strain.

A wave at an atom i and the structure factor of a channel a give c = Re or Im of
exp(i k.r_i) conj(S_a(k)) times a kernel. Under the strain r -> r (1 + eps) of atoms and cell the
phases k.r stay, while k -> k (1 + eps)^-T and V -> V (1 + tr eps); the triplets of integers that
the k-vectors are made of are frozen.
"""

import numpy as np

from .kspace import PhaseTables

_BLOCK = 2**15  # phases held at once, so that they and their products stay in cache
_PAIR_BLOCK = 2**18  # numbers held at once for all coefficients
_FEWEST = 32  # k-vectors of a block, so that the matrix products are not too thin


def plane_wave_backward(kernels, positions, weights, cotangents):
    """Derivatives of L = sum of ``cotangents`` times the plane-wave part of the coefficients.

    Work as of the sum itself, three times over; memory proportional to the number of atoms.

    Parameters
    ----------
    kernels : WaveKernels
    positions : ndarray of shape (n_atoms, 3)
    weights : ndarray of shape (n_atoms, n_channels)
    cotangents : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_laws, n_channels, n_max).

    Returns
    -------
    positions : ndarray of shape (n_atoms, 3)
        Derivatives in a fixed cell; they add up to zero.
    strain : ndarray of shape (3, 3)
        Derivatives with respect to eps_ab of r_b -> r_b + sum_a r_a eps_ab.
    """
    forces, strain, value = np.zeros(positions.shape), np.zeros((3, 3)), 0.0
    acting = np.flatnonzero(weights.any(axis=0))
    weights = weights[:, acting]
    columns = kernels.columns([c[:, :, :, acting] for c in cotangents])
    for points, phases in _phases(positions, kernels, max(_FEWEST, _BLOCK // len(positions))):
        vectors = kernels.sphere.vectors[points]
        kernel = [kernels.values(points, parity) for parity in (0, 1)]
        moments = [np.zeros_like(part) for part in kernel]
        # what multiplies the phase of an atom, as a centre and, conjugated, as a source
        amplitudes = np.zeros_like(phases)
        structure_factors = (phases @ weights.astype(complex)).conj().T
        for channel, factors in enumerate(structure_factors):
            even, odd = columns[0][channel], columns[1][channel]
            slopes = np.empty_like(phases)
            slopes.real = kernel[0] @ even.T
            slopes.imag = -(kernel[1] @ odd.T)
            received = np.einsum("kj,kj->k", phases, slopes)
            value += np.dot(factors, received).real
            slopes *= factors[:, None]
            amplitudes += slopes
            amplitudes += np.multiply.outer(received.conj(), weights[:, channel])
            waves = phases * factors[:, None]
            moments[0] += np.ascontiguousarray(waves.real) @ even
            moments[1] += np.ascontiguousarray(waves.imag) @ odd
        amplitudes *= phases
        forces -= np.ascontiguousarray(amplitudes.imag).T @ vectors
        strain -= kernels.contract_gradients(points, moments).T @ vectors
    return forces, strain - value * np.eye(3)


def _phases(positions, kernels, step):
    """Slices of the k-vectors with the phases of all atoms, (n_points, n_atoms)."""
    if len(kernels):
        tables = PhaseTables(positions, kernels.sphere)
        for points in _blocks(len(kernels), step):
            yield points, tables.phases(points)


def _step(n_numbers):
    """How many k-vectors are handled at once, each with so many numbers."""
    return max(_FEWEST, _PAIR_BLOCK // max(n_numbers, 1))


def _blocks(length, step):
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]
