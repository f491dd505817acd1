"""Rotational invariants of expansion coefficients and their sums over atoms (eq. 7.2).

A row of the result belongs to a group of atoms: one atom, or all atoms that are pooled. The sum
over the atoms of a group and the sum over m are one matrix product.
"""

import math
from functools import lru_cache
from itertools import pairwise

import numpy as np

from .threads import in_threads

_BLOCK = 2**18  # products of a block of rows, which are still in cache when they are arranged


def power_spectrum(left, right, n_channels, groups=None, n_threads=1):
    r"""P = (-1)^l / sqrt(2 l + 1) sum_i sum_m c_i,a1n1,lm c_i,a2n2,lm of each group of atoms.

    Parameters
    ----------
    left, right : list of ndarray
        For each l, coefficients of shape (n_atoms, 2 l + 1, n_channels * n_max), channels slowest;
        the longer list is cut. ``right`` is None for the spectrum of a field with itself, which
        has each unordered pair of channels once, unlike ones times sqrt(2).
    n_channels : tuple of int
        Number of channels of both.
    groups : list of slice or ndarray, default=None
        Atoms of each row; None is one row an atom.
    n_threads : int, default=1
        Threads that share the rows; the result does not depend on it.

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
        Columns (channel_1, channel_2, n_1, n_2, l), l fastest.
    """
    itself = right is None
    right = left if itself else right
    n_degrees = min(len(left), len(right))
    n_rows = len(left[0]) if groups is None else len(groups)
    widths = left[0].shape[2], right[0].shape[2]
    n_radial = tuple(width // n for width, n in zip(widths, n_channels, strict=True))
    source, _ = arrangement(tuple(n_channels), n_radial, n_degrees, itself)
    unlike_pairs = unlike(n_channels[0], len(source)) if itself else []
    dtype = np.result_type(left[0], right[0])
    out = np.empty((n_rows, len(source)), dtype)
    step = max(1, _BLOCK // (n_degrees * widths[0] * widths[1]))

    def fill(first):
        rows = slice(first, min(first + step, n_rows))
        products = np.empty((rows.stop - first, n_degrees, *widths), dtype)
        for l in range(n_degrees):
            factor = (-1.0) ** l / math.sqrt(2 * l + 1)
            _contract(left[l], right[l], factor, rows, groups, products[:, l])
        # "clip", with nothing to be clipped, writes to ``out`` without a copy between
        np.take(products.reshape(len(products), -1), source, axis=1, out=out[rows], mode="clip")
        for columns in unlike_pairs:
            out[rows, columns] *= math.sqrt(2.0)

    in_threads(fill, range(0, n_rows, step), n_threads)
    return out


@lru_cache(maxsize=64)
def arrangement(n_channels, n_radial, n_degrees, itself):
    """Where each column is among the products (l, a1 n1, a2 n2), and its weight."""
    products = np.arange(n_degrees * np.prod(n_channels) * np.prod(n_radial))
    products = products.reshape(n_degrees, n_channels[0], n_radial[0], n_channels[1], n_radial[1])
    first, second = np.indices(n_channels).reshape(2, -1)
    if itself:
        first, second = np.triu_indices(n_channels[0])
    source = products.transpose(1, 3, 2, 4, 0)[first, second]
    weights = np.where(itself & (first != second), np.sqrt(2.0), 1.0)[:, None, None, None]
    return source.ravel(), np.broadcast_to(weights, source.shape).ravel()


def unlike(n_channels, n_columns):
    """Slices of the columns of pairs of unlike channels, in the spectrum of a field with itself."""
    first, second = np.triu_indices(n_channels)
    size = n_columns // len(first)
    like = np.flatnonzero(first == second).tolist()
    return [slice(size * (a + 1), size * b) for a, b in pairwise(like)]


def _contract(left, right, factor, rows, groups, out):
    """Factor times the sum over m, and over atoms, into ``out`` (n_rows, n_left, n_right)."""
    if groups is None:
        # scaled first, and laid out by m: other products of so few numbers are slower
        scaled = np.multiply(left[rows], factor, order="C").swapaxes(1, 2)
        product = np.multiply if scaled.shape[2] == 1 else np.matmul
        product(scaled, right[rows], out=out)
        return
    for atoms, product in zip(groups[rows], out, strict=True):
        a = left[atoms].reshape(-1, left.shape[2])
        b = a if right is left else right[atoms].reshape(-1, right.shape[2])
        np.matmul(a.T, b, out=product)
    out *= factor


def pool(rows, groups):
    """Sum the rows of each group of atoms; shape (n_groups, n_features)."""
    return np.stack([rows[atoms].sum(axis=0) for atoms in groups])


def flatten_coefficients(coefficients):
    """Columns (q, l, m) with m fastest from the per-degree arrays; shape (n_atoms, n_columns)."""
    n_atoms, _, n_channels = coefficients[0].shape
    ends = np.cumsum([0, *(c.shape[1] for c in coefficients)])
    out = np.empty((n_atoms, n_channels, ends[-1]), coefficients[0].dtype)
    for c, start, stop in zip(coefficients, ends[:-1], ends[1:], strict=True):
        out[:, :, start:stop] = c.swapaxes(1, 2)
    return out.reshape(n_atoms, -1)
