"""Coefficients that are sums over neighbours, c_nlm = sum_j w_j F_nl(d_ij) Y_lm(r_ij).

Both the local density (theory, section 7) and the potential of isolated structures (section 5.1)
are of this form. Coefficients are kept as one array per degree l, of shape
(n_atoms, 2 l + 1, n_channels * n_radial), which invariants contract without copying.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .. import blocks
from ..numerics.harmonics import degree_slice, spherical_harmonics
from ..numerics.piecewise import inverse
from ..numerics.threads import in_threads


def expand_pairs(pairs, channels, n_atoms, radial, l_max, out=None, n_threads=1):
    """Sum radial functions times harmonics over the neighbours of every atom.

    Neighbours are grouped by (center, channel). In a block of atoms, groups of equal size follow
    each other, so that their sums are batched matrix products of arrays that need no padding.

    Parameters
    ----------
    pairs : Pairs
        Ordered pairs.
    channels : Channels
        Channel and weight of every atom.
    n_atoms : int
        Number of atoms of the batch.
    radial : callable
        Ascending distances (n,) to functions (n, (l_max + 1) * n_radial), l slowest, in the
        precision of the sums.
    l_max : int
        Largest degree.
    out : list of ndarray, default=None
        What ``empty_coefficients`` makes, to be filled.
    n_threads : int, default=1
        Threads that share the pairs; the result does not depend on it.

    Returns
    -------
    list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_channels, n_radial).
    """
    if out is None:
        sample = radial(np.ones(1))
        n_radial = sample.shape[1] // (l_max + 1)
        out = empty_coefficients(n_atoms, channels.count, n_radial, l_max, sample.dtype)
    n_functions, dtype = (l_max + 1) * out[0].shape[3], out[0].dtype
    weighted = np.any(channels.weights != 1.0)
    radial_of = functions_of_pairs(radial, pairs, n_functions)

    def fill(block):
        own = groups.order[groups.starts[block.groups.start] : groups.starts[block.groups.stop]]
        vectors = np.take(pairs.vectors, own, axis=0)
        values = radial_of(own, vectors)
        if weighted:
            values *= channels.weights[pairs.neighbors[own], None]
        harmonics = spherical_harmonics(vectors.astype(dtype, copy=False), l_max)
        sums = _sum_groups(harmonics, values, groups.sizes[block.groups], l_max)
        _spread(sums, groups.labels[block.groups], block.atoms, out)

    groups = group_pairs(pairs, channels, n_atoms, pairs_per_block(n_functions + (l_max + 1) ** 2))
    in_threads(fill, groups.blocks, n_threads)
    return out


def pairs_per_block(n_columns):
    """How many pairs of so many numbers each are handled at once."""
    return max(1, min(blocks.PAIRS, blocks.PAIR_NUMBERS // n_columns))


def empty_coefficients(n_atoms, n_channels, n_radial, l_max, dtype):
    """Arrays of shape (n_atoms, 2 l + 1, n_channels, n_radial) for each l, not yet filled."""
    degrees = range(l_max + 1)
    return [np.empty((n_atoms, 2 * l + 1, n_channels, n_radial), dtype) for l in degrees]


def functions_of_pairs(radial, pairs, n_functions):
    """Make a callable from pairs, and their vectors, to functions of their lengths.

    Parameters
    ----------
    radial : callable
        Ascending distances (n,) to an array whose first axis is theirs.
    pairs : Pairs
        Their two ends share what is evaluated, unless this is too much to be held.
    n_functions : int
        How many numbers a distance has.

    Returns
    -------
    callable
        Takes the numbers of pairs and their vectors; gives a new array.
    """
    n_distinct = len(pairs) // 2 if pairs.mirrored else len(pairs)
    if n_distinct * n_functions > blocks.SHARED_FUNCTIONS:
        return lambda _, vectors: np.take(*_tabulate(radial, vectors), axis=0)
    table, place = _tabulate(radial, pairs.vectors[:n_distinct])
    place = np.concatenate([place, place]) if pairs.mirrored else place
    return lambda chosen, _: np.take(table, np.take(place, chosen), axis=0)


def _tabulate(radial, vectors):
    """Radial functions at the lengths of vectors, in ascending order, and the row of each."""
    distances = np.sqrt(np.einsum("px,px->p", vectors, vectors))
    order = np.argsort(distances)
    return radial(distances[order]), inverse(order)


@dataclass(frozen=True, slots=True)
class _Block:
    """Consecutive atoms, and the groups of pairs around them.

    Attributes
    ----------
    atoms, groups : slice
    """

    atoms: slice
    groups: slice


@dataclass(frozen=True, slots=True)
class _Groups:
    """Pairs of equal center and channel, block by block, the largest groups of a block first.

    Attributes
    ----------
    labels, sizes : ndarray of shape (n_groups,)
        center * n_channels + channel, and the number of pairs.
    starts : ndarray of shape (n_groups + 1,)
        Where each group begins in ``order``.
    order : ndarray of shape (n_acting_pairs,)
        The pairs, group after group.
    blocks : list of _Block
        All atoms, in order.
    """

    labels: np.ndarray
    sizes: np.ndarray
    starts: np.ndarray
    order: np.ndarray
    blocks: list


def group_pairs(pairs, channels, n_atoms, most_pairs):
    """Groups of pairs, in blocks of atoms that have about so many pairs, or of single atoms."""
    channel = np.take(channels.index, pairs.neighbors)
    labels = pairs.centers * channels.count + channel
    acting = channel >= 0
    chosen = None if acting.all() else np.flatnonzero(acting)
    labels = labels if chosen is None else labels[chosen]
    sizes = np.bincount(labels, minlength=n_atoms * channels.count)
    block = np.cumsum(sizes.reshape(n_atoms, -1).sum(axis=1)) // most_pairs
    present, largest = np.flatnonzero(sizes), sizes.max(initial=0)
    keys = np.repeat(block, channels.count) * (largest + 1) + largest - sizes
    by_size = present[_stable_order(keys[present])]
    rank = np.zeros(len(sizes), int)
    rank[by_size] = np.arange(len(by_size))
    order = _stable_order(np.take(rank, labels))
    starts = np.concatenate([[0], np.cumsum(sizes[by_size])])
    cuts = np.concatenate([[0], np.flatnonzero(np.diff(block)) + 1, [n_atoms]])
    ends = np.searchsorted(present, cuts * channels.count)
    parts = [
        _Block(slice(*atoms), slice(*groups))
        for atoms, groups in zip(pairwise(cuts.tolist()), pairwise(ends.tolist()), strict=True)
    ]
    order = order if chosen is None else chosen[order]
    return _Groups(by_size, sizes[by_size], starts, order, parts)


def _stable_order(keys):
    """Stable argsort of integers >= 0; where 16 bits hold them, a radix sort, much faster."""
    small = keys.max(initial=0) < blocks.SHORT_KEYS
    return np.argsort(keys.astype(np.uint16) if small else keys, kind="stable")


def _sum_groups(harmonics, values, sizes, l_max):
    """Products of harmonics and values of equal l, (n_groups + 1, (l_max + 1)^2, n_radial).

    Pairs are ordered by group, and groups by decreasing size. The last group is one without pairs.
    """
    n_radial = values.shape[1] // (l_max + 1)
    sums = np.empty((len(sizes) + 1, (l_max + 1) ** 2, n_radial), values.dtype)
    sums[-1] = 0.0
    changes = np.flatnonzero(sizes[1:] != sizes[:-1]) + 1
    first_pair = 0
    for first, last in pairwise([0, *changes.tolist(), len(sizes)] if len(sizes) else []):
        shape = (last - first, sizes[first], -1)
        end_pair = first_pair + shape[0] * shape[1]
        left = harmonics[first_pair:end_pair].reshape(shape).swapaxes(1, 2)
        right = values[first_pair:end_pair].reshape(shape)
        first_pair = end_pair
        product = np.multiply if sizes[first] == 1 else np.matmul
        for l in range(l_max + 1):
            degree, functions = degree_slice(l), right[:, :, l * n_radial : (l + 1) * n_radial]
            product(left[:, degree], functions, out=sums[first:last, degree])
    return sums


def _spread(sums, labels, atoms, out):
    """Write the sums of groups to their atoms and channels, and zeros where there is no group."""
    n_atoms, n_channels = atoms.stop - atoms.start, out[0].shape[2]
    n_harmonics, n_radial = sums.shape[1:]
    first_rows = np.full(n_atoms * n_channels, len(labels) * n_harmonics)
    first_rows[labels - atoms.start * n_channels] = np.arange(len(labels)) * n_harmonics
    first_rows, rows = first_rows.reshape(n_atoms, n_channels), sums.reshape(-1, n_radial)
    harmonics = np.repeat(np.arange(n_harmonics), n_channels).reshape(-1, n_channels)
    for l, whole in enumerate(out):
        places = np.repeat(first_rows, 2 * l + 1, axis=0).reshape(n_atoms, 2 * l + 1, n_channels)
        places += harmonics[degree_slice(l)]
        # "clip", with nothing to be clipped, writes to ``out`` without a copy between
        np.take(rows, places, axis=0, out=whole[atoms], mode="clip")
