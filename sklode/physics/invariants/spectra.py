"""Columns made of the coefficients of fields: values, derivatives, reverse pass."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .power_spectrum import flatten_coefficients, pool, power_spectrum
from .power_spectrum_derivatives import (
    SpectrumGradients,
    SumGradients,
    linear_backward,
    power_spectrum_backward,
)


@dataclass(frozen=True)
class Part:
    """Columns (channel, n) of one law of a field.

    Attributes
    ----------
    field : int
        0 for the first or only field, 1 for the second.
    law : int
    n_channels, n_max : int
    """

    field: int
    law: int
    n_channels: int
    n_max: int

    @cached_property
    def columns(self):
        """Where they are among those of the field."""
        size = self.n_channels * self.n_max
        return slice(self.law * size, (self.law + 1) * size)

    def of(self, fields):
        """These columns of the coefficients of each l."""
        return [c[:, :, self.columns] for c in fields[self.field]]


class LinearColumns:
    """The coefficients themselves as columns, those of all parts, up to ``l_max``.

    Parameters
    ----------
    coefficients : list of ndarray
        For each l, shape (n_atoms, 2 l + 1, n_laws * n_channels * n_max).
    parts : list of Part
    l_max : int or None
        None is all degrees.
    """

    def __init__(self, coefficients, parts, l_max=None):
        self._all, self._parts = coefficients, parts
        self._n_degrees = len(coefficients) if l_max is None else l_max + 1
        self._columns = flatten_coefficients(coefficients[: self._n_degrees])

    def of_groups(self, groups, present, n_threads=1):
        """One row a group of atoms; ``None`` is one row an atom."""
        return self._columns if groups is None else pool(self._columns, groups)

    def terms(self, centers):
        """Derivatives of the columns, part by part, with the fields that each needs."""
        for part in self._parts:
            shape = part.n_channels, part.n_max, self._n_degrees
            yield SumGradients(*shape, part.law, centers), (0,)

    def backward(self, groups, cotangents):
        """Factors of the field, from those of the rows of groups."""
        shapes = [c.shape for c in self._all]
        kept = linear_backward(shapes[: self._n_degrees], groups, cotangents)
        return [kept + [np.zeros(shape) for shape in shapes[self._n_degrees :]]]


class PairColumns:
    """Power spectra of pairs of parts, one after the other.

    Parameters
    ----------
    fields : list of list of ndarray
        Coefficients of each l of one field or two.
    pairs : list of pair of Part
        The same part twice for a spectrum of it with itself. Two parts of one field stand for both
        orders, times sqrt(2).
    """

    def __init__(self, fields, pairs):
        self._fields, self._pairs = fields, pairs

    def _each(self):
        """Both parts, their coefficients, None for the second of equal ones, channels, weight."""
        for left, right in self._pairs:
            second = None if right is left else right.of(self._fields)
            channels = left.n_channels, right.n_channels
            weight = math.sqrt(2.0) if right is not left and right.field == left.field else 1.0
            yield left, right, left.of(self._fields), second, channels, weight

    def of_groups(self, groups, present, n_threads=1):
        """One row a group of atoms; ``None`` is one row an atom.

        ``present`` says which channels of each field a row has, see ``power_spectrum``.
        """
        parts = []
        for left, right, a, b, channels, weight in self._each():
            both = present and [present[left.field], present[right.field]][: 1 if b is None else 2]
            parts.append(power_spectrum(a, b, channels, groups, both, n_threads))
            if weight != 1.0:
                parts[-1] *= weight
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def terms(self, centers):
        """Derivatives of the columns, pair by pair, with the fields that each needs."""
        for left, right, a, b, channels, weight in self._each():
            laws, fields = (left.law, right.law), (left.field, right.field)
            used = fields[:1] if b is None else fields
            yield SpectrumGradients(a, b, channels, laws, weight * centers), used

    def backward(self, groups, cotangents):
        """Factors of the fields, from those of the rows of groups."""
        out = [[np.zeros(c.shape) for c in field] for field in self._fields]
        start = 0
        for left, right, a, b, channels, weight in self._each():
            nobody = [[c[:0] for c in field] if field else None for field in (a, b)]
            stop = start + power_spectrum(*nobody, channels).shape[1]
            of_rows = weight * cotangents[:, start:stop]
            both = power_spectrum_backward(a, b, channels, groups, of_rows)
            start = stop
            for part, of_part in zip((left, right), both, strict=True):
                if of_part is not None:
                    for whole, c in zip(out[part.field], of_part, strict=False):
                        whole[:, :, part.columns] += c
        return out
