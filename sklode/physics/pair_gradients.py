"""Derivatives of sums over neighbours, c_nlm = sum_j w_j F_nl(d_ij) Y_lm(r_ij), by the atoms.

A pair acts through its vector alone. With the unit vector u = r_ij / d,

    grad F_nl Y_lm = u F_nl' Y_lm + F_nl grad Y_lm

is added to the derivative by the neighbour and taken from that by the center; times the components
of r_ij it is the derivative by a strain, r -> r (1 + strain), which moves images with their cell.
"""

from itertools import pairwise

import numpy as np

from .harmonics import _calculator, degree_slice
from .neighbors import Pairs
from .pair_expansion import _BLOCK, _PAIRS, _group
from .structures import Channels
from .threads import in_threads


def pair_backward(
    pairs,
    channels,
    n_atoms,
    radial,
    slopes,
    l_max,
    cotangents,
    owners,
    n_structures,
    n_threads=1,
):
    """Gradient of the sum of ``cotangents`` times the coefficients of ``expand_pairs``.

    Beside the vectors of the pairs, their gradients are all that is kept of more than a block.

    Parameters
    ----------
    pairs : Pairs
        Ordered pairs.
    channels : Channels
        Channel and weight of every atom.
    n_atoms : int
        Number of atoms of the batch.
    radial, slopes : callable
        Distances (n,) to new arrays of functions and of their derivatives, both of shape
        (n, (l_max + 1) * n_radial), l slowest.
    l_max : int
        Largest degree.
    cotangents : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_channels, n_radial).
    owners : ndarray of shape (n_atoms,)
        The structure of every atom.
    n_structures : int
        Number of structures.
    n_threads : int, default=1
        Threads that share the pairs; the result does not depend on it.

    Returns
    -------
    positions : ndarray of shape (n_atoms, 3)
    strain : ndarray of shape (n_structures, 3, 3)
        The element [s, a, b] is the derivative by the strain [a, b] of structure s.
    """
    groups = _group(pairs, channels, n_atoms)
    centers, neighbors = pairs.centers[groups.order], pairs.neighbors[groups.order]
    vectors, weights = pairs.vectors[groups.order], channels.weights[neighbors]
    gradients = np.empty_like(vectors)

    def fill(block):
        own = slice(groups.starts[block.start], groups.starts[block.stop])
        rows = _radial_rows(vectors[own], weights[own], radial, slopes)
        atoms, channel = np.divmod(groups.labels[block], channels.count)
        parts = [c[atoms, :, channel] for c in cotangents]
        both = _contract(rows, parts, groups.sizes[block])
        units, harmonics, changes = _harmonics_and_gradients(vectors[own], l_max)
        np.einsum("pk,pxk->px", both[:, 1], changes, out=gradients[own])
        gradients[own] += np.einsum("pk,pk->p", both[:, 0], harmonics)[:, None] * units

    n_columns = 2 * (l_max + 1) * cotangents[0].shape[3] + 6 * (l_max + 1) ** 2
    in_threads(fill, groups.blocks(_pairs_per_block(n_columns)), n_threads)
    positions = _scatter(neighbors, gradients, n_atoms) - _scatter(centers, gradients, n_atoms)
    of_pairs = owners[centers]
    strain = [_scatter(of_pairs, vectors[:, [a]] * gradients, n_structures) for a in range(3)]
    return positions, np.stack(strain, axis=1)


def pair_jacobian(pairs, channels, n_atoms, radial, slopes, l_max):
    """Derivatives of all coefficients of one structure by all its atoms and by the strain.

    The parameters are those of ``pair_backward``.

    Returns
    -------
    positions : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_channels, n_radial, n_atoms, 3).
    strain : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_channels, n_radial, 3, 3).
    """
    n_radial = radial(np.ones(1)).shape[1] // (l_max + 1)
    shapes = [(n_atoms, 2 * l + 1, channels.count, n_radial) for l in range(l_max + 1)]
    positions = [np.zeros((*shape, n_atoms, 3)) for shape in shapes]
    strain = [np.zeros((*shape, 3, 3)) for shape in shapes]
    everything = (n_atoms, radial, slopes, l_max)

    for atoms, channel, sums in _sums_of_gradients(pairs, channels, *everything, _with_strain):
        for by_position, by_strain, part in zip(positions, strain, sums, strict=True):
            parts = np.moveaxis(part.reshape(len(part), 4, 3, *part.shape[2:]), (1, 2), (3, 4))
            by_position[atoms, :, channel, :, atoms] = -parts[..., 0, :]
            by_strain[atoms, :, channel] = parts[..., 1:, :]

    # a channel for every atom: the sums over the images of each neighbour
    own = Channels(np.where(channels.index >= 0, np.arange(n_atoms), -1), channels.weights, n_atoms)
    others = _between_atoms(pairs)
    for atoms, moved, sums in _sums_of_gradients(others, own, *everything, _left_factors):
        for by_position, part in zip(positions, sums, strict=True):
            by_position[atoms, :, channels.index[moved], :, moved] = np.moveaxis(part, 1, 3)
    return positions, strain


def _between_atoms(pairs):
    """The pairs but those of an atom with its own images, whose vectors no motion changes."""
    chosen = pairs.centers != pairs.neighbors
    if chosen.all():
        return pairs
    return Pairs(pairs.centers[chosen], pairs.neighbors[chosen], pairs.vectors[chosen])


def _sums_of_gradients(pairs, channels, n_atoms, radial, slopes, l_max, factors):
    """Sums over the pairs of each center and channel of gradients, as products of matrices.

    Yields
    ------
    centers, channel : ndarray of shape (n_groups,)
    sums : list of ndarray
        For each l, shape (n_groups, n_factors, 2 l + 1, n_radial).
    """
    groups = _group(pairs, channels, n_atoms)
    centers, neighbors = pairs.centers[groups.order], pairs.neighbors[groups.order]
    vectors, weights = pairs.vectors[groups.order], channels.weights[neighbors]
    for block in groups.blocks(_pairs_per_block(24 * (l_max + 1) ** 2)):
        own = slice(groups.starts[block.start], groups.starts[block.stop])
        rows = _radial_rows(vectors[own], weights[own], radial, slopes)
        parts = factors(vectors[own], centers[own] != neighbors[own], l_max)
        sums = _sum_groups(parts, rows, groups.sizes[block])
        yield *np.divmod(groups.labels[block], channels.count), sums


def _pairs_per_block(n_columns):
    return max(1, min(_PAIRS, _BLOCK // n_columns))


def _radial_rows(vectors, weights, radial, slopes):
    """Slopes and functions of each pair, times its weight; shape (n_pairs, 2, n_functions)."""
    distances = np.sqrt(np.einsum("px,px->p", vectors, vectors))
    changes, values = slopes(distances), radial(distances)
    rows = np.stack([changes, values], axis=1)
    # gradients of harmonics are those at distance 1 there, and F / d becomes F'
    null = np.flatnonzero(distances == 0)
    rows[null, 1] = rows[null, 0]
    rows *= weights[:, None, None]
    return rows


def _harmonics_and_gradients(vectors, l_max):
    """Unit vectors (n, 3), Y_lm (n, (l_max + 1)^2) and their gradients (n, 3, (l_max + 1)^2).

    A zero vector is read as the unit vector along z, as ``spherical_harmonics`` does.
    """
    squares = np.einsum("px,px->p", vectors, vectors)
    null = squares == 0
    if null.any():
        vectors = np.where(null[:, None], [0.0, 0.0, 1.0], vectors)
        squares = np.where(null, 1.0, squares)
    vectors = np.ascontiguousarray(vectors)
    harmonics, gradients = _calculator(l_max).compute_with_gradients(vectors)
    return vectors / np.sqrt(squares)[:, None], harmonics, gradients


def _left_factors(vectors, _, l_max):
    """For each l what slopes and functions multiply, shape (n_pairs, 2, 3, 2 l + 1)."""
    units, harmonics, gradients = _harmonics_and_gradients(vectors, l_max)
    factors = []
    for l in range(l_max + 1):
        part = np.empty((len(vectors), 2, 3, 2 * l + 1))
        np.multiply(units[:, :, None], harmonics[:, None, degree_slice(l)], out=part[:, 0])
        part[:, 1] = gradients[:, :, degree_slice(l)]
        factors.append(part)
    return factors


def _with_strain(vectors, distinct, l_max):
    """As ``_left_factors``, times 1 for distinct atoms and times x, y, z; (..., 12, 2 l + 1)."""
    lengths = np.concatenate([distinct[:, None], vectors], axis=1)[:, None, :, None, None]
    factors = [lengths * part[:, :, None] for part in _left_factors(vectors, distinct, l_max)]
    return [part.reshape(len(part), 2, 12, -1) for part in factors]


def _contract(rows, parts, sizes):
    """Products of the rows of each pair with the parts of its group.

    Parameters
    ----------
    rows : ndarray of shape (n_pairs, 2, (l_max + 1) * n_radial)
        Ordered by group, and groups by decreasing size.
    parts : list of ndarray
        For each l, shape (n_groups, 2 l + 1, n_radial).
    sizes : ndarray of shape (n_groups,)

    Returns
    -------
    ndarray of shape (n_pairs, 2, (l_max + 1)^2)
    """
    n_radial = parts[0].shape[2]
    products = np.empty((len(rows), 2, len(parts) ** 2))
    for groups, pairs in _equal_groups(sizes):
        shape = (groups.stop - groups.start, 2 * sizes[groups.start], -1)
        left, out = rows[pairs].reshape(shape), products[pairs].reshape(shape)
        for l, part in enumerate(parts):
            functions = left[:, :, l * n_radial : (l + 1) * n_radial]
            right = part[groups].swapaxes(1, 2)
            np.matmul(functions, right, out=out[:, :, degree_slice(l)])
    return products


def _sum_groups(factors, rows, sizes):
    """Products of factors and rows, summed over the pairs of each group.

    Parameters
    ----------
    factors : list of ndarray
        For each l, shape (n_pairs, 2, n_factors, 2 l + 1).
    rows : ndarray of shape (n_pairs, 2, (l_max + 1) * n_radial)
        Ordered by group, and groups by decreasing size.
    sizes : ndarray of shape (n_groups,)

    Returns
    -------
    list of ndarray
        For each l, shape (n_groups, n_factors, 2 l + 1, n_radial).
    """
    n_radial = rows.shape[2] // len(factors)
    sums = [np.empty((len(sizes), *part.shape[2:], n_radial)) for part in factors]
    for groups, pairs in _equal_groups(sizes):
        shape = (groups.stop - groups.start, 2 * sizes[groups.start], -1)
        right = rows[pairs].reshape(shape)
        for l, part in enumerate(factors):
            left = part[pairs].reshape(shape).swapaxes(1, 2)
            functions = right[:, :, l * n_radial : (l + 1) * n_radial]
            np.matmul(left, functions, out=sums[l][groups].reshape(shape[0], -1, n_radial))
    return sums


def _equal_groups(sizes):
    """Slices of groups of equal size, and of their pairs."""
    changes = np.flatnonzero(sizes[1:] != sizes[:-1]) + 1
    first_pair = 0
    for first, last in pairwise([0, *changes.tolist(), len(sizes)]):
        end_pair = first_pair + (last - first) * sizes[first]
        yield slice(first, last), slice(first_pair, end_pair)
        first_pair = end_pair


def _scatter(targets, values, n_targets):
    """Sums of the rows of ``values`` (n, n_columns) for each target, (n_targets, n_columns)."""
    columns = [np.bincount(targets, column, minlength=n_targets) for column in values.T]
    return np.stack(columns, axis=1)
