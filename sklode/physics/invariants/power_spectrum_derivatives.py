"""Derivatives of rotational invariants and of sums over atoms, by the product rule (eq. 7.2)."""

import math
from functools import lru_cache

import numpy as np

from .. import blocks
from ..numerics.harmonics import degree_slice
from .power_spectrum import arrangement, factor_of_degree


class SpectrumGradients:
    """Derivatives of the power spectrum of two blocks of coefficients, summed over centers.

    Parameters
    ----------
    left, right : list of ndarray
        As for ``power_spectrum``; ``right`` is None for the spectrum of a field with itself.
    n_channels : tuple of int
    laws : tuple of int
        Which law of its field each block belongs to.
    centers : ndarray of shape (n_atoms,)
        How often each atom counts as a center.
    """

    def __init__(self, left, right, n_channels, laws, centers):
        itself = right is None
        both = (left, left if itself else right)
        n_degrees = min(map(len, both))
        widths = [field[0].shape[2] for field in both]
        n_radial = tuple(width // n for width, n in zip(widths, n_channels, strict=True))
        self._layout = (tuple(n_channels), n_radial, n_degrees, itself)
        self._n_degrees, self._widths, self._itself = n_degrees, widths, itself
        self._laws = laws[:1] if itself else laws
        # what the derivatives of either field are multiplied by is the other field
        others = both[1:] if itself else both[::-1]
        self._factors = [
            [
                factor_of_degree(l) * centers[:, None, None] * c
                for l, c in enumerate(other[:n_degrees])
            ]
            for other in others
        ]
        self._weights = arrangement(*self._layout).weights
        self.n_columns = len(self._weights)
        # of the products, an atom
        self.n_numbers = 3 * n_degrees * widths[0] * widths[1]

    def __call__(self, fields, out):
        """Derivatives by what the rows stand for.

        Parameters
        ----------
        fields : list of MovedAtoms or Strained
            Derivatives of one field or two.
        out : ndarray of shape (n_rows, n_directions * n_columns)
            To be filled.
        """
        each = zip(fields, self._laws, self._factors, strict=True)
        fills = [field.operands(law, factors) for field, law, factors in each]
        n_directions = fields[0].n_directions
        places = _places(*self._layout, n_directions)
        for rows in fields[0].slices(max(1, blocks.SPECTRUM_GRADIENT_NUMBERS // self.n_numbers)):
            products = self._products(fields, fills, rows)
            # "clip" takes without a look at what would be out of bounds
            np.take(products, places, axis=1, out=out[rows], mode="clip")
            if self._itself:
                by_direction = out[rows].reshape(len(products), n_directions, -1, copy=False)
                by_direction *= self._weights

    def _products(self, fields, fills, rows):
        """Changes of each field times the other, (n_rows, (l, direction, first, second))."""
        n_rows, n_directions = rows.stop - rows.start, fields[0].n_directions
        products = np.empty((n_rows, self._n_degrees, n_directions, *self._widths))
        for l in range(self._n_degrees):
            first, n_inner = fields[0].n_inner(l, rows), fields[-1].n_inner(l, rows)
            shape = n_rows, n_directions, first + n_inner
            left, right = (np.empty((*shape, width)) for width in self._widths)
            fills[0](l, rows, left[:, :, :first], right[:, :, :first])
            fills[-1](l, rows, right[:, :, first:], left[:, :, first:])
            np.matmul(left.swapaxes(2, 3), right, out=products[:, l])
        return products.reshape(n_rows, -1)


class SumGradients:
    """Derivatives of the coefficients of one law, summed over centers.

    Parameters
    ----------
    n_channels, n_max, n_degrees : int
    law : int
    centers : ndarray of shape (n_atoms,)
        How often each atom counts as a center.
    """

    def __init__(self, n_channels, n_max, n_degrees, law, centers):
        self._width, self._n_degrees, self._law = n_channels * n_max, n_degrees, law
        self._factors = [
            centers[:, None, None] * np.eye(2 * l + 1) for l in range(n_degrees)
        ]  # each m is a factor of its own
        self.n_columns = self.n_numbers = n_channels * n_max * n_degrees**2

    def __call__(self, fields, out):
        """Derivatives by what the rows stand for, as of SpectrumGradients."""
        (field,) = fields
        fill = field.operands(self._law, self._factors)
        shape = len(out), field.n_directions, self._width, self._n_degrees**2
        out = out.reshape(shape, copy=False)
        for rows in field.slices(len(out)):
            for l in range(self._n_degrees):
                shape = rows.stop - rows.start, field.n_directions, field.n_inner(l, rows)
                left, right = (np.empty((*shape, width)) for width in (self._width, 2 * l + 1))
                fill(l, rows, left, right)
                np.matmul(left.swapaxes(2, 3), right, out=out[rows, ..., degree_slice(l)])


@lru_cache(maxsize=64)
def _places(n_channels, n_radial, n_degrees, itself, n_directions):
    """Where the columns of each direction are among ``_products``."""
    source = arrangement(n_channels, n_radial, n_degrees, itself).source
    size = math.prod(n_channels) * math.prod(n_radial)
    l, product = np.divmod(source, size)
    directions = np.arange(n_directions)[:, None]
    return ((l * n_directions + directions) * size + product).ravel()


def power_spectrum_backward(left, right, n_channels, groups, cotangents):
    """Factors of the coefficients, from those of the power spectrum of groups of atoms.

    Parameters
    ----------
    left, right, n_channels, groups
        As for ``power_spectrum``.
    cotangents : ndarray of shape (n_rows, n_columns)

    Returns
    -------
    tuple of list of ndarray
        Like ``left`` and ``right``; the second is None if ``right`` is.
    """
    fields, widths, n_degrees, columns = _layout(left, right, n_channels)
    out = [[np.zeros(c.shape) for c in field] for field in fields]
    for atoms, row in zip(groups, cotangents, strict=True):
        products = np.zeros(n_degrees * widths[0] * widths[1])
        products[columns.source] = row * columns.weights
        for l, matrix in enumerate(products.reshape(n_degrees, *widths)):
            matrix = factor_of_degree(l) * matrix
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
