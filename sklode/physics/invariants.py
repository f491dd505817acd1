"""Rotational invariants of expansion coefficients and their sums over atoms (eq. 7.2).

A row of the result belongs to a group of atoms: one atom, or all atoms that are pooled. The sum
over the atoms of a group and the sum over m are one matrix product.
"""

import numpy as np


def power_spectrum(left, right, n_channels, groups=None):
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

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
        Columns (channel_1, channel_2, n_1, n_2, l), l fastest.
    """
    itself = right is None
    right = left if itself else right
    n_degrees = min(len(left), len(right))
    n_rows = len(left[0]) if groups is None else len(groups)
    n_radial = [c[0].shape[2] // n for c, n in zip((left, right), n_channels, strict=True)]
    pairs = np.indices(n_channels).reshape(2, -1).T
    if itself:
        pairs = pairs[pairs[:, 0] <= pairs[:, 1]]
    out = np.empty((n_rows, len(pairs), *n_radial, n_degrees))
    for l in range(n_degrees):
        products = _contract(left[l], right[l], groups)
        products *= (-1.0) ** l / np.sqrt(2 * l + 1)
        products = products.reshape(n_rows, n_channels[0], n_radial[0], n_channels[1], n_radial[1])
        for number, (a, b) in enumerate(pairs):
            weight = np.sqrt(2.0) if itself and a != b else 1.0
            np.multiply(products[:, a, :, b], weight, out=out[:, number, :, :, l])
    return out.reshape(n_rows, -1)


def _contract(left, right, groups):
    """Sum over m, and over the atoms of each group; shape (n_rows, n_left, n_right)."""
    if groups is None:
        return left.swapaxes(1, 2) @ right
    products = np.empty((len(groups), left.shape[2], right.shape[2]))
    for row, atoms in enumerate(groups):
        a = left[atoms].reshape(-1, left.shape[2])
        b = a if right is left else right[atoms].reshape(-1, right.shape[2])
        np.matmul(a.T, b, out=products[row])
    return products


def pool(rows, groups):
    """Sum the rows of each group of atoms; shape (n_groups, n_features)."""
    return np.stack([rows[atoms].sum(axis=0) for atoms in groups])


def flatten_coefficients(coefficients):
    """Columns (q, l, m) with m fastest from the per-degree arrays; shape (n_atoms, n_columns)."""
    by_channel = np.concatenate(coefficients, axis=1).swapaxes(1, 2)
    return by_channel.reshape(len(by_channel), -1)
