"""Derivatives of rotational invariants and of sums over atoms, by the product rule (eq. 7.2)."""

import numpy as np

from .invariants import arrangement


def _factor(l):
    return (-1.0) ** l / np.sqrt(2 * l + 1)


def power_spectrum_jacobian(left, right, slopes, n_channels, groups):
    """Derivatives of the power spectrum of groups of atoms.

    Parameters
    ----------
    left, right : list of ndarray
        As for ``power_spectrum``; ``right`` is None for the spectrum of a field with itself.
    slopes : tuple of list of ndarray
        Derivatives of both fields for each l, (n_atoms, 2 l + 1, n_channels * n_max, n_directions);
        the second is None if ``right`` is.
    n_channels : tuple of int
    groups : list of slice or ndarray
        Atoms of each row.

    Returns
    -------
    ndarray of shape (n_rows, n_columns, n_directions)
    """
    fields, widths, n_degrees, (source, weights) = _layout(left, right, n_channels)
    n_directions = slopes[0][0].shape[3]
    rows = []
    for atoms in groups:
        products = np.empty((n_degrees, *widths, n_directions))
        for l in range(n_degrees):
            first, second = (field[l][atoms].reshape(-1, field[l].shape[2]) for field in fields)
            total = _sum_products(second, slopes[0][l][atoms], widths[0]).swapaxes(0, 1)
            if right is None:
                total = total + total.swapaxes(0, 1)
            else:
                total = total + _sum_products(first, slopes[1][l][atoms], widths[1])
            np.multiply(total, _factor(l), out=products[l])
        rows.append(products.reshape(-1, n_directions)[source] * weights[:, None])
    return np.stack(rows)


def _sum_products(values, slopes, width):
    """Sum over atoms and m of values (n_left) times slopes, (n_left, width, n_directions)."""
    n_directions = slopes.shape[3]
    flat = slopes.reshape(len(values), width * n_directions)  # sizes in full: groups may be empty
    return (values.T @ flat).reshape(values.shape[1], width, n_directions)


def power_spectrum_backward(left, right, n_channels, groups, cotangents):
    """Factors of the coefficients, from those of the power spectrum of groups of atoms.

    Parameters
    ----------
    left, right, n_channels, groups
        As for ``power_spectrum_jacobian``.
    cotangents : ndarray of shape (n_rows, n_columns)

    Returns
    -------
    tuple of list of ndarray
        Like ``left`` and ``right``; the second is None if ``right`` is.
    """
    fields, widths, n_degrees, (source, weights) = _layout(left, right, n_channels)
    out = [[np.zeros(c.shape) for c in field] for field in fields]
    for atoms, row in zip(groups, cotangents, strict=True):
        products = np.zeros(n_degrees * widths[0] * widths[1])
        products[source] = row * weights
        for l, matrix in enumerate(products.reshape(n_degrees, *widths)):
            matrix = _factor(l) * matrix
            if right is None:
                out[0][l][atoms] += left[l][atoms] @ (matrix + matrix.T)
            else:
                out[0][l][atoms] += right[l][atoms] @ matrix.T
                out[1][l][atoms] += left[l][atoms] @ matrix
    return out[0], None if right is None else out[1]


def _layout(left, right, n_channels):
    """Both fields, their widths, the number of degrees, and the arrangement of the columns."""
    fields = (left, left if right is None else right)
    n_degrees = min(len(field) for field in fields)
    widths = tuple(field[0].shape[2] for field in fields)
    n_radial = tuple(width // n for width, n in zip(widths, n_channels, strict=True))
    return (
        fields,
        widths,
        n_degrees,
        arrangement(tuple(n_channels), n_radial, n_degrees, right is None),
    )


def linear_jacobian(slopes, groups):
    """Derivatives of the sums of coefficients over groups of atoms.

    Parameters
    ----------
    slopes : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_columns, n_directions).
    groups : list of slice or ndarray

    Returns
    -------
    ndarray of shape (n_rows, n_columns * (l_max + 1)^2, n_directions)
        Columns (q, l, m) with m fastest, as from ``flatten_coefficients``.
    """
    n_directions = slopes[0].shape[3]
    rows = []
    for atoms in groups:
        sums = np.concatenate([slope[atoms].sum(axis=0) for slope in slopes])
        rows.append(sums.swapaxes(0, 1).reshape(-1, n_directions))
    return np.stack(rows)


def linear_backward(shapes, groups, cotangents):
    """Factors of the coefficients, from those of their sums over groups of atoms.

    ``shapes`` are those of the coefficients of each l; the result is a list of such arrays.
    """
    out = [np.zeros(shape) for shape in shapes]
    for atoms, row in zip(groups, cotangents, strict=True):
        by_column = row.reshape(shapes[0][2], -1)
        start = 0
        for part in out:
            stop = start + part.shape[1]
            part[atoms] += by_column[:, start:stop].T
            start = stop
    return out
