"""Derivatives of sums over neighbours, c_nlm = sum_j w_j F_nl(d_ij) Y_lm(r_ij), by the atoms.

A pair acts through its vector alone. With the unit vector u = r_ij / d,

    grad F_nl Y_lm = u F_nl' Y_lm + F_nl grad Y_lm

is added to the derivative by the neighbour and taken from that by the center; times the components
of r_ij it is the derivative by a strain, r -> r (1 + strain), which moves images with their cell.
"""

from itertools import pairwise

import numpy as np

from ..numerics.harmonics import degree_slice, harmonics_with_gradients, unit_vectors
from ..numerics.threads import in_threads
from .values import functions_of_pairs, group_pairs, pairs_per_block


def pair_backward(
    pairs,
    channels,
    function,
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
    function : RadialFunction
        Values of shape (n, (l_max + 1) * n_radial), l slowest.
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
    n_atoms, n_functions = len(owners), (l_max + 1) * cotangents[0].shape[3]
    n_columns = 2 * n_functions + 6 * (l_max + 1) ** 2
    groups = group_pairs(pairs, channels, n_atoms, pairs_per_block(n_columns))
    centers, neighbors = pairs.centers[groups.order], pairs.neighbors[groups.order]
    vectors, weights = pairs.vectors[groups.order], channels.weights[neighbors]
    gradients = np.empty_like(vectors)

    radial_of = functions_of_pairs(function.values_and_slopes, pairs, 2 * n_functions)
    weighted = np.any(weights != 1.0)

    def fill(block):
        own = slice(groups.starts[block.groups.start], groups.starts[block.groups.stop])
        rows = radial_of(groups.order[own], vectors[own])
        if weighted:
            rows *= weights[own, None, None]
        atoms, channel = np.divmod(groups.labels[block.groups], channels.count)
        parts = [c[atoms, :, channel] for c in cotangents]
        products = _contract(rows, parts, groups.sizes[block.groups])
        units = unit_vectors(vectors[own])
        harmonics, changes = harmonics_with_gradients(vectors[own], l_max)
        np.einsum("pk,pxk->px", products[:, 1], changes, out=gradients[own])
        gradients[own] += np.einsum("pk,pk->p", products[:, 0], harmonics)[:, None] * units

    in_threads(fill, groups.blocks, n_threads)
    positions = _scatter(neighbors, gradients, n_atoms) - _scatter(centers, gradients, n_atoms)
    of_pairs = owners[centers]
    strain = [_scatter(of_pairs, vectors[:, [a]] * gradients, n_structures) for a in range(3)]
    return positions, np.stack(strain, axis=1)


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
    for groups, pairs in equal_groups(sizes):
        shape = (groups.stop - groups.start, 2 * sizes[groups.start], -1)
        left, out = rows[pairs].reshape(shape), products[pairs].reshape(shape, copy=False)
        for l, part in enumerate(parts):
            functions = left[:, :, l * n_radial : (l + 1) * n_radial]
            right = part[groups].swapaxes(1, 2)
            np.matmul(functions, right, out=out[:, :, degree_slice(l)])
    return products


def equal_groups(sizes):
    """Slices of groups of equal size, and of their pairs; empty groups are left out."""
    changes = np.flatnonzero(sizes[1:] != sizes[:-1]) + 1
    first_pair = 0
    for first, last in pairwise([0, *changes.tolist(), len(sizes)]):
        end_pair = first_pair + int(sizes[first:last].sum())
        if end_pair > first_pair:
            yield slice(first, last), slice(first_pair, end_pair)
        first_pair = end_pair


def _scatter(targets, values, n_targets):
    """Sums of the rows of ``values`` (n, n_columns) for each target, (n_targets, n_columns)."""
    columns = [np.bincount(targets, column, minlength=n_targets) for column in values.T]
    return np.stack(columns, axis=1, dtype=float)  # of nothing, bincount makes integers
