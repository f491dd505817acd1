"""Coefficients that are sums over neighbours, c_nlm = sum_j w_j F_nl(d_ij) Y_lm(r_ij).

Both the local density (theory, section 7) and the potential of isolated structures (section 5.1)
are of this form. Coefficients are kept as one array per degree l, of shape
(n_atoms, 2 l + 1, n_channels * n_radial), which invariants contract without copying.
"""

import math
from dataclasses import dataclass

import numpy as np

from .harmonics import degree_slice, spherical_harmonics
from .piecewise import inverse
from .threads import in_threads

_PAIRS = 2**13  # handled at once at most
_BLOCK = 2**20  # numbers in the tables of a block: few enough for the cache, many for threads
_SHARED = 2**20  # numbers in the radial functions of all pairs, up to which both ends share them


def expand_pairs(pairs, channels, n_atoms, radial, l_max, out=None, n_threads=1):
    """Sum radial functions times harmonics over the neighbours of every atom.

    Neighbours are grouped by (center, channel). Groups of equal size follow each other, so that
    their sums are batched matrix products of arrays that need no padding.

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
    out : ndarray of shape (n_atoms, n_channels, n_radial, (l_max + 1)^2), default=None
        Zeros, to be filled; the result is views of it.
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
        shape = (n_atoms, channels.count, n_radial, (l_max + 1) ** 2)
        out = np.zeros(shape, sample.dtype)
    n_functions, dtype = (l_max + 1) * out.shape[2], out.dtype
    sums = out.reshape(n_atoms * channels.count, out.shape[2], out.shape[3])
    groups = _group(pairs, channels, n_atoms)
    weighted = np.any(channels.weights != 1.0)
    n_distinct = len(pairs) // 2 if pairs.mirrored else len(pairs)
    shared = n_distinct * n_functions <= _SHARED
    if shared:
        table, place = tabulate(radial, pairs.vectors[:n_distinct])

    def fill(block):
        own = groups.order[groups.starts[block.start] : groups.starts[block.stop]]
        vectors = np.take(pairs.vectors, own, axis=0)
        where = (table, place[own % n_distinct]) if shared else tabulate(radial, vectors)
        values = np.take(*where, axis=0)
        if weighted:
            values *= channels.weights[pairs.neighbors[own], None]
        harmonics = spherical_harmonics(vectors.astype(dtype, copy=False), l_max)
        sums[groups.labels[block]] = _sum_groups(harmonics, values, groups.sizes[block], l_max)

    pairs_per_block = min(_PAIRS, _BLOCK // (n_functions + (l_max + 1) ** 2))
    in_threads(fill, groups.blocks(pairs_per_block), n_threads)
    return by_degree(out)


def tabulate(radial, vectors):
    """Radial functions at the lengths of vectors, in ascending order, and the row of each."""
    distances = np.sqrt(np.einsum("px,px->p", vectors, vectors))
    order = np.argsort(distances)
    return radial(distances[order]), inverse(order)


def by_degree(sums):
    """The view (n_atoms, 2 l + 1, n_channels, n_radial) of each l of sums with l and m fastest."""
    degrees = range(math.isqrt(sums.shape[3]))
    return [np.moveaxis(sums[..., degree_slice(l)], 3, 1) for l in degrees]


@dataclass(frozen=True, slots=True)
class _Groups:
    """Pairs of equal center and channel, ordered by the size of their group, largest first.

    Attributes
    ----------
    labels, sizes : ndarray of shape (n_groups,)
        center * n_channels + channel, and the number of pairs.
    starts : ndarray of shape (n_groups + 1,)
        Where each group begins in ``order``.
    order : ndarray of shape (n_acting_pairs,)
        The pairs, group after group.
    """

    labels: np.ndarray
    sizes: np.ndarray
    starts: np.ndarray
    order: np.ndarray

    def blocks(self, n_pairs):
        """Slices of groups that hold about ``n_pairs`` pairs, at least one group each."""
        first = 0
        while first < len(self.labels):
            last = np.searchsorted(self.starts, self.starts[first] + n_pairs, side="right") - 1
            last = max(first + 1, int(last))
            yield slice(first, last)
            first = last


def _group(pairs, channels, n_atoms):
    channel = np.take(channels.index, pairs.neighbors)
    labels = pairs.centers * channels.count + channel
    acting = channel >= 0
    chosen = None if acting.all() else np.flatnonzero(acting)
    labels = labels if chosen is None else labels[chosen]
    sizes = np.bincount(labels, minlength=n_atoms * channels.count)
    by_size = _stable_order(-sizes + sizes.max(initial=0))[: np.count_nonzero(sizes)]
    rank = np.zeros(len(sizes), int)
    rank[by_size] = np.arange(len(by_size))
    order = _stable_order(np.take(rank, labels))
    sizes = sizes[by_size]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    return _Groups(by_size, sizes, starts, order if chosen is None else chosen[order])


def _stable_order(keys):
    """Stable argsort of integers >= 0; where 16 bits hold them, a radix sort, much faster."""
    small = keys.max(initial=0) < 2**16
    return np.argsort(keys.astype(np.uint16) if small else keys, kind="stable")


def _sum_groups(harmonics, values, sizes, l_max):
    """Products of values and harmonics of equal l, shape (n_groups, n_radial, (l_max + 1)^2).

    Pairs are ordered by group, and groups by decreasing size.
    """
    n_radial = values.shape[1] // (l_max + 1)
    sums = np.empty((len(sizes), n_radial, (l_max + 1) ** 2), values.dtype)
    changes = np.flatnonzero(sizes[1:] != sizes[:-1]) + 1
    first_pair = 0
    for first, last in zip([0, *changes], [*changes, len(sizes)], strict=True):
        shape = (last - first, sizes[first], -1)
        end_pair = first_pair + shape[0] * shape[1]
        left = values[first_pair:end_pair].reshape(shape).swapaxes(1, 2)
        right = harmonics[first_pair:end_pair].reshape(shape)
        first_pair = end_pair
        for l in range(l_max + 1):
            functions, degree = left[:, l * n_radial : (l + 1) * n_radial], degree_slice(l)
            np.matmul(functions, right[:, :, degree], out=sums[first:last, :, degree])
    return sums


def add_centers(coefficients, channels, values):
    """Add each atom's own term ``values`` (n_radial,), times its weight, to l = 0 in place."""
    atoms = np.flatnonzero(channels.index >= 0)
    coefficients[0][atoms, 0, channels.index[atoms]] += channels.weights[atoms, None] * values
