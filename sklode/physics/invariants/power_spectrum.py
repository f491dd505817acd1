"""Rotational invariants of expansion coefficients and their sums over atoms (eq. 7.2).

A row of the result belongs to a group of atoms: one atom, or all atoms that are pooled. The sum
over the atoms of a group and the sum over m are one matrix product.
"""

import math
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .. import blocks
from ..numerics.threads import in_threads


def power_spectrum(left, right, n_channels, groups=None, present=None, n_threads=1):
    r"""P = (-1)^l / sqrt(2 l + 1) sum_i sum_m c_i,a1n1,lm c_i,a2n2,lm of each group of atoms.

    Parameters
    ----------
    left, right : list of ndarray
        For each l, coefficients of shape (n_atoms, 2 l + 1, n_channels * n_max), channels slowest;
        the longer list is cut. ``right`` is None for the spectrum of a field with itself, which
        has each unordered pair of (channel, n) once, unlike ones times sqrt(2).
    n_channels : tuple of int
        Number of channels of both.
    groups : list of slice or ndarray, default=None
        Atoms of each row; None is one row an atom.
    present : list of ndarray of shape (n_rows, n_all_channels), bool, default=None
        Channels that are not zero in each row, of left, and of right if there is one: only they
        are multiplied. ``left`` and ``right`` hold those of any row. Following rows of the same
        channels and of equally many atoms are handled together.
    n_threads : int, default=1
        Threads that share the rows; the result does not depend on it.

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
        Columns (channel_1, channel_2, n_1, n_2, l) of all channels, l fastest; of a field with
        itself those of channel_1 < channel_2, or of equal channels and n_1 <= n_2.
    """
    itself, fields = right is None, [left] if right is None else [left, right]
    n_degrees, (atoms, ends) = min(map(len, fields)), _in_order(groups, len(left[0]))
    fields = [[c[atoms] for c in field[:n_degrees]] for field in fields]
    n_radial = tuple(
        f[0].shape[2] // n for f, n in zip((fields[0], fields[-1]), n_channels, strict=True)
    )
    n_rows, n_products = len(ends) - 1, n_degrees * n_radial[0] * n_radial[1]
    if present is None:
        present = [np.ones((n_rows, n), bool) for n in n_channels[: len(fields)]]
    held = [p.any(axis=0) for p in present]
    n_all = len(held[0]), len(held[-1])
    first, second = _pairs(n_all, itself)
    columns = arrangement(n_all, n_radial, n_degrees, itself)
    dtype = np.result_type(*(f[0] for f in fields))
    weights = columns.weights.astype(dtype)
    out = np.empty((n_rows, len(weights)), dtype)

    def fill(rows):
        kept = [p[rows.start] for p in present]
        chosen = kept[0][first] & kept[-1][second]
        if not chosen.any():
            out[rows] = 0.0
            return
        atoms = slice(ends[rows.start], ends[rows.stop])
        parts = [[c[atoms] for c in field] for field in fields]
        for number, (k, h) in enumerate(zip(kept, held, strict=True)):
            if not k[h].all():
                parts[number] = [_columns_of(c, k[h]) for c in parts[number]]
        products = _products(parts[0], parts[-1], rows.stop - rows.start)
        source = columns.source
        if not chosen.all():
            counts = int(kept[0].sum()), int(kept[-1].sum())
            source = np.full(len(weights), products.shape[1] - 1)  # where products are zero
            of_kept = arrangement(counts, n_radial, n_degrees, itself).source
            source[chosen[columns.pairs]] = of_kept
        # "clip", with nothing to be clipped, writes to ``out`` without a copy between
        np.take(products, source, axis=1, out=out[rows], mode="clip")
        if itself:
            out[rows] *= weights

    longest = max(1, blocks.SPECTRUM_NUMBERS // (n_products * n_channels[0] * n_channels[1]))
    in_threads(fill, _runs(np.diff(ends), present, longest), n_threads)
    return out


@lru_cache(maxsize=128)
def factor_of_degree(l):
    """Factor (-1)^l / sqrt(2 l + 1) of the sums over m, eq. (7.2)."""
    return (-1.0) ** l / math.sqrt(2 * l + 1)


def _in_order(groups, n_atoms):
    """All atoms, group after group, and where each group begins; the end of the last at the end."""
    numbers = np.arange(n_atoms)
    if groups is None:
        return slice(None), np.arange(n_atoms + 1)
    members = [numbers[group] for group in groups]
    atoms = np.concatenate([numbers[:0], *members])
    unchanged = np.array_equal(atoms, numbers)
    return slice(None) if unchanged else atoms, np.cumsum([0, *map(len, members)])


def _runs(sizes, present, longest):
    """Slices of rows that have equally many atoms and the same channels."""
    keys = np.column_stack([sizes, *present])
    changes = np.flatnonzero((keys[1:] != keys[:-1]).any(axis=1)) + 1
    for start, stop in pairwise([0, *changes.tolist(), len(keys)]):
        for first in range(start, stop, longest):
            yield slice(first, min(first + longest, stop))


def _columns_of(coefficients, kept):
    """Take the channels that are kept, without a copy if these follow each other."""
    n_atoms, n_m, width = coefficients.shape
    n_radial, channels = width // len(kept), np.flatnonzero(kept)
    if channels[-1] - channels[0] < len(channels):
        return coefficients[:, :, channels[0] * n_radial : (channels[-1] + 1) * n_radial]
    by_channel = coefficients.reshape(n_atoms, n_m, len(kept), n_radial)
    return np.take(by_channel, channels, axis=2).reshape(n_atoms, n_m, len(channels) * n_radial)


@lru_cache(maxsize=64)
def _pairs(n_channels, itself):
    """First and second channel of each pair that has columns."""
    return np.triu_indices(n_channels[0]) if itself else np.indices(n_channels).reshape(2, -1)


class Arrangement(NamedTuple):
    """Columns of a power spectrum among the products (l, a1 n1, a2 n2).

    Attributes
    ----------
    source : ndarray of shape (n_columns,), int
        Which product each column is.
    weights : ndarray of shape (n_columns,)
        Factors of the columns, sqrt(2) where one stands for two equal products.
    pairs : ndarray of shape (n_columns,), int
        Pair of channels of each column.
    """

    source: np.ndarray
    weights: np.ndarray
    pairs: np.ndarray


@lru_cache(maxsize=64)
def arrangement(n_channels, n_radial, n_degrees, itself):
    """Arrange the columns of two fields, or of one with ``itself``."""
    products = np.arange(n_degrees * math.prod(n_channels) * math.prod(n_radial))
    products = products.reshape(n_degrees, n_channels[0], n_radial[0], n_channels[1], n_radial[1])
    first, second = _pairs(n_channels, itself)
    # (l, a1, n1, a2, n2) -> (pair, n1, n2, l)
    source = products.transpose(1, 3, 2, 4, 0)[first, second]
    n1, n2 = np.indices(n_radial)
    like = itself & (first == second)[:, None, None]
    pairs, *_ = kept = np.nonzero(~like | (n1 <= n2))
    single = ~np.bool_(itself) | like & (n1 == n2)
    weights = np.where(np.broadcast_to(single, source.shape[:3])[kept], 1.0, math.sqrt(2.0))
    return Arrangement(
        source[kept].ravel(), np.repeat(weights, n_degrees), np.repeat(pairs, n_degrees)
    )


def _products(left, right, n_rows):
    """Sums over m and atoms, scaled, of equally large groups, and a zero at the end of each row."""
    widths = left[0].shape[2], right[0].shape[2]
    n_products = len(left) * widths[0] * widths[1]
    out = np.empty((n_rows, n_products + 1), np.result_type(left[0], right[0]))
    out[:, -1] = 0.0
    by_degree = out[:, :-1].reshape(n_rows, len(left), *widths, copy=False)
    for l, (a, b) in enumerate(zip(left, right, strict=True)):
        shape = n_rows, a.shape[1] * (len(a) // n_rows)
        # scaled first: the product of an array with itself is a slower function of BLAS
        scaled = np.multiply(a, factor_of_degree(l), order="C").reshape(*shape, widths[0])
        product = np.multiply if shape[1] == 1 else np.matmul
        product(scaled.swapaxes(1, 2), b.reshape(*shape, widths[1]), out=by_degree[:, l])
    return out


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
