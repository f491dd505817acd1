"""Rotational invariants of expansion coefficients and their sums over atoms (eq. 7.2).

A row of the result belongs to a group of atoms: one atom, or all atoms that are pooled. The sum
over the atoms of a group and the sum over m are one matrix product.
"""

import numpy as np


def power_spectrum(left, right, groups):
    r"""P = (-1)^l / sqrt(2 l + 1) sum_i sum_m c_i,q1,lm c_i,q2,lm of each group of atoms.

    Parameters
    ----------
    left, right : list of ndarray
        For each l, coefficients of shape (n_atoms, 2 l + 1, n_left) and (..., n_right); the longer
        list is cut.
    groups : list of slice or ndarray
        Atoms of each row.

    Returns
    -------
    ndarray of shape (n_groups, n_left, n_right, n_degrees)
    """
    n_degrees = min(len(left), len(right))
    shape = (left[0].shape[2], right[0].shape[2])
    out = np.empty((len(groups), *shape, n_degrees))
    for l in range(n_degrees):
        factor = (-1.0) ** l / np.sqrt(2 * l + 1)
        for row, atoms in enumerate(groups):
            a = left[l][atoms].reshape(-1, shape[0])
            b = a if right is left else right[l][atoms].reshape(-1, shape[1])
            np.multiply(factor, a.T @ b, out=out[row, :, :, l])
    return out


def atom_power_spectrum(left, right):
    """The power spectrum of every atom by itself; shape (n_atoms, n_left, n_right, n_degrees)."""
    n_degrees = min(len(left), len(right))
    products = [
        (-1.0) ** l / np.sqrt(2 * l + 1) * (left[l].swapaxes(1, 2) @ right[l])
        for l in range(n_degrees)
    ]
    return np.stack(products, axis=-1)


def pool(rows, groups):
    """Sum the rows of each group of atoms; shape (n_groups, n_features)."""
    if not groups:
        return np.zeros((0, rows.shape[1]))
    return np.stack([rows[atoms].sum(axis=0) for atoms in groups])


def flatten_coefficients(coefficients):
    """Columns (q, l, m) with m fastest from the per-degree arrays; shape (n_atoms, n_columns)."""
    by_channel = np.concatenate(coefficients, axis=1).swapaxes(1, 2)
    return by_channel.reshape(len(by_channel), -1)
