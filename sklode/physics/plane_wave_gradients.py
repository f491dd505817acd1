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


def plane_wave_jacobian(kernels, positions, weights):
    """Derivatives of the plane-wave part of all coefficients of a structure.

    Parameters
    ----------
    kernels : WaveKernels
    positions : ndarray of shape (n_atoms, 3)
    weights : ndarray of shape (n_atoms, n_channels)

    Returns
    -------
    positions : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_laws, n_channels, n_max, n_atoms, 3).
    strain : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_laws, n_channels, n_max, 3, 3).
    """
    return _by_positions(kernels, positions, weights), _by_strain(kernels, positions, weights)


def _by_positions(kernels, positions, weights):
    """Derivatives by the positions, from those of pairs i < j of atoms of weight 1."""
    first, second = np.triu_indices(len(positions), 1)
    sums = [np.zeros((len(first), 3 * width)) for width in kernels.widths]
    for points, phases in _phases(positions, kernels, _step(len(first))):
        vectors = kernels.sphere.vectors[points]
        differences = phases[:, first] * phases[:, second].conj()
        for parity, waves in enumerate((differences.imag, -differences.real)):
            along = vectors[:, :, None] * kernels.values(points, parity)[:, None]
            sums[parity] += np.ascontiguousarray(waves).T @ along.reshape(len(along), -1)
    shapes = [(len(first), 3, width) for width in kernels.widths]
    sums = [total.reshape(shape) for total, shape in zip(sums, shapes, strict=True)]
    return [
        _of_all_atoms(part, (-1.0) ** (l + 1), weights)
        for l, part in enumerate(kernels.by_degree(sums))
    ]


def _by_strain(kernels, positions, weights):
    """Derivatives by the strain: of the kernels and of the volume, as the phases stay."""
    sums = [np.zeros((weights.size, 9 * width)) for width in kernels.widths]
    for points, phases in _phases(positions, kernels, _step(9 * sum(kernels.widths))):
        vectors = kernels.sphere.vectors[points]
        factors = (phases @ weights.astype(complex)).conj()
        waves = (phases[:, :, None] * factors[:, None]).reshape(len(phases), -1)
        for parity, part in enumerate((waves.real, waves.imag)):
            slopes = kernels.gradients(points, parity)[:, :, None] * vectors[:, None, :, None]
            slopes += np.eye(3)[..., None] * kernels.values(points, parity)[:, None, None]
            sums[parity] -= np.ascontiguousarray(part).T @ slopes.reshape(len(slopes), -1)
    shapes = [(*weights.shape, 3, 3, width) for width in kernels.widths]
    sums = [total.reshape(shape) for total, shape in zip(sums, shapes, strict=True)]
    strain = [part.transpose(0, 4, 5, 1, 6, 2, 3) for part in kernels.by_degree(sums)]
    return [np.ascontiguousarray(part) for part in strain]


def _of_all_atoms(of_pairs, swapped, weights):
    """Derivatives of one degree, shape (n_atoms, 2 l + 1, n_laws, n_channels, n_max, n_atoms, 3).

    Parameters
    ----------
    of_pairs : ndarray of shape (n_pairs, 3, 2 l + 1, n_laws, n_max)
        Of the coefficients of atom i with respect to the position of an atom j > i of weight 1.
    swapped : {1.0, -1.0}
        What they are multiplied by when i and j are swapped.
    weights : ndarray of shape (n_atoms, n_channels)
    """
    n_atoms, n_channels = weights.shape
    first, second = np.triu_indices(n_atoms, 1)
    _, _, m, n_laws, n_max = of_pairs.shape
    out = np.zeros((n_atoms, m, n_laws, n_channels, n_max, n_atoms, 3))
    view = out.transpose(0, 5, 3, 6, 1, 2, 4)  # (i, j, channel, x, m, law, n)
    for channel, column in enumerate(weights.T):
        for centers, sources, sign in ((first, second, 1.0), (second, first, swapped)):
            acting = np.flatnonzero(column[sources])
            factor = sign * column[sources[acting], None, None, None, None]
            view[centers[acting], sources[acting], channel] = factor * of_pairs[acting]
    atoms = np.arange(n_atoms)
    view[atoms, atoms] = -view.sum(axis=1)  # a centre moves against all others
    return out


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
