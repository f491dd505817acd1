"""Derivatives of rotational invariants and of sums over atoms, by the product rule (eq. 7.2)."""

from functools import lru_cache

import numpy as np

from .invariants import arrangement

_BLOCK = 2**16  # products of a block of rows, which are still in cache when they are arranged


def _factor(l):
    return (-1.0) ** l / np.sqrt(2 * l + 1)


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
        both = (left, left if right is None else right)
        n_degrees = min(map(len, both))
        widths = [field[0].shape[2] for field in both]
        n_radial = tuple(width // n for width, n in zip(widths, n_channels, strict=True))
        self._layout = (tuple(n_channels), n_radial, n_degrees, right is None)
        self._weights = arrangement(*self._layout)[1]
        self._laws = laws[:1] if right is None else laws
        # what the derivatives of either field are multiplied by is the other field
        others = (both[1],) if right is None else both[::-1]
        self._factors = [
            [_factor(l) * centers[:, None, None] * c for l, c in enumerate(other[:n_degrees])]
            for other in others
        ]
        self.n_columns = len(self._weights)
        # of the products, an atom
        self.n_numbers = 3 * n_degrees * widths[0] * widths[1] * len(self._factors)

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
        products = [field.products(law, factors) for field, law, factors in each]
        n_directions = fields[0].n_directions
        first, second = _places(*self._layout, n_directions)
        weights = np.tile(self._weights, n_directions)
        step = max(1, 3 * _BLOCK // (n_directions * self.n_numbers))
        for start in range(0, len(out), step):
            rows = slice(start, min(start + step, len(out)))
            found = [of_rows(rows) for of_rows in products]
            # "clip" takes without a look at what would be out of bounds
            total = np.take(found[0], first, axis=1, mode="clip")
            total += np.take(found[-1], second, axis=1, mode="clip")
            np.multiply(total, weights, out=out[rows])


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
        self._layout, self._law = (n_channels, n_max, n_degrees), law
        self._factors = [
            centers[:, None, None] * np.eye(2 * l + 1) for l in range(n_degrees)
        ]  # each m is a factor of its own
        self.n_columns = self.n_numbers = n_channels * n_max * n_degrees**2

    def __call__(self, fields, out):
        """Derivatives by what the rows stand for, as of SpectrumGradients."""
        (field,) = fields
        products = field.products(self._law, self._factors)(slice(0, len(out)))
        places = _places_of_sums(*self._layout, field.n_directions)
        np.take(products, places, axis=1, out=out, mode="clip")


@lru_cache(maxsize=64)
def _places(n_channels, n_radial, n_degrees, itself, n_directions):
    """Where the derivative of each column, by the first field and by the second, is found.

    Among products (l, channel, direction, n, columns of the other field); both of shape
    (n_directions * n_columns,).
    """
    (c1, c2), (n1, n2) = n_channels, n_radial
    count = np.arange(n_degrees * c1 * n1 * c2 * n2 * n_directions)
    first = count.reshape(n_degrees, c1, n_directions, n1, c2, n2).transpose(1, 4, 2, 3, 5, 0)
    second = count.reshape(n_degrees, c2, n_directions, n2, c1, n1).transpose(4, 1, 2, 5, 3, 0)
    pairs = np.triu_indices(c1) if itself else np.indices(n_channels).reshape(2, -1)
    return [np.moveaxis(part[tuple(pairs)], 1, 0).ravel() for part in (first, second)]


@lru_cache(maxsize=64)
def _places_of_sums(n_channels, n_max, n_degrees, n_directions):
    """As ``_places``, columns (channel, n, l, m) among products (l, channel, direction, n, m)."""
    parts, first = [], 0
    for l in range(n_degrees):
        shape = (n_channels, n_directions, n_max, 2 * l + 1)
        parts.append(first + np.arange(np.prod(shape)).reshape(shape))
        first += np.prod(shape)
    return np.concatenate(parts, axis=3).swapaxes(0, 1).ravel()


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
