"""From coefficients of atoms to rows of atoms or structures, and their gradients."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..physics.invariants.power_spectrum import flatten_coefficients, pool, power_spectrum
from ..physics.invariants.power_spectrum_derivatives import (
    SpectrumGradients,
    SumGradients,
    linear_backward,
    power_spectrum_backward,
)
from ..physics.invariants.rows import differentiate
from ..physics.system.structures import atom_offsets
from .labels import Block


@dataclass(frozen=True)
class Part:
    """Columns of a field that belong to one block.

    Attributes
    ----------
    block : Block
    field : int
        0 for the first or only projector, 1 for the second.
    number : int
        Which block of its field it is.
    columns : slice
    """

    block: Block
    field: int
    number: int
    columns: slice

    def of(self, fields):
        """These columns of the coefficients of each l."""
        return [c[:, :, self.columns] for c in fields[self.field]]


def parts_of(blocks, field=0):
    """One part a block."""
    ends = np.cumsum([block.size for block in blocks])
    return [
        Part(block, field, number, slice(int(end - block.size), int(end)))
        for number, (block, end) in enumerate(zip(blocks, ends, strict=True))
    ]


class LinearFeatures:
    """The coefficients themselves as columns, those of all parts, up to ``l_max``."""

    def __init__(self, coefficients, parts, l_max=None):
        self._all, self._parts = coefficients, parts
        self._n_degrees = len(coefficients) if l_max is None else l_max + 1
        self._columns = flatten_coefficients(coefficients[: self._n_degrees])

    def of_groups(self, groups, owners, n_threads=1):
        """One row a group of atoms; ``None`` is one row an atom."""
        return self._columns if groups is None else pool(self._columns, groups)

    def terms(self, centers):
        """What differentiates the columns, block by block, with the fields of each."""
        for part in self._parts:
            shape = len(part.block.channels), part.block.n_max, self._n_degrees
            yield SumGradients(*shape, part.number, centers), (0,)

    def backward(self, groups, cotangents):
        """Factors of the field, from those of the rows of groups."""
        shapes = [c.shape for c in self._all]
        kept = linear_backward(shapes[: self._n_degrees], groups, cotangents)
        return [kept + [np.zeros(shape) for shape in shapes[self._n_degrees :]]]


class PairInvariants:
    """Power spectra of pairs of parts, one after the other.

    Parameters
    ----------
    fields : list of list of ndarray
        Coefficients of each l of one projector or two.
    pairs : list of pair of Part
        The same part twice for a spectrum of a field with itself.
    present : list of ndarray of shape (n_structures, n_all_channels), bool, default=None
        Channels of each field that a structure has; ``fields`` and ``pairs`` know those that any
        structure has. None is all of them in all structures.
    """

    def __init__(self, fields, pairs, present=None):
        self._fields, self._pairs, self._present = fields, pairs, present

    def _each(self):
        """Both parts, their coefficients, None for the second of equal ones, and channels."""
        for left, right in self._pairs:
            second = None if right is left else right.of(self._fields)
            channels = (len(left.block.channels), len(right.block.channels))
            yield left, right, left.of(self._fields), second, channels

    def of_groups(self, groups, owners, n_threads=1):
        """One row a group of atoms, of the structures ``owners``; ``None`` is one row an atom."""
        present = None if self._present is None else [p[owners] for p in self._present]
        parts = [
            power_spectrum(a, b, channels, groups, present, n_threads)
            for *_, a, b, channels in self._each()
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def terms(self, centers):
        """What differentiates the columns, block by block, with the fields of each."""
        for left, right, a, b, channels in self._each():
            laws, fields = (left.number, right.number), (left.field, right.field)
            used = fields[:1] if b is None else fields
            yield SpectrumGradients(a, b, channels, laws, centers), used

    def backward(self, groups, cotangents):
        """Factors of the fields, from those of the rows of groups."""
        out = [[np.zeros(c.shape) for c in field] for field in self._fields]
        start = 0
        for left, right, a, b, channels in self._each():
            nobody = [[c[:0] for c in field] if field else None for field in (a, b)]
            stop = start + power_spectrum(*nobody, channels).shape[1]
            mine = power_spectrum_backward(a, b, channels, groups, cotangents[:, start:stop])
            start = stop
            for part, of_part in zip((left, right), mine, strict=True):
                if of_part is not None:
                    for whole, c in zip(out[part.field], of_part, strict=False):
                        whole[:, :, part.columns] += c
        return out


def assemble_rows(transformer, species, structures, invariants, per_atom, n_threads=1):
    """Rows of atoms or structures, with a block of columns per central element if asked for."""
    numbers = np.arange(len(structures))
    if not per_atom:
        groups, counts = _groups(transformer, species, structures)
        owners = np.repeat(numbers, len(groups) // len(structures))
        rows = invariants.of_groups(groups, owners, n_threads).reshape(len(structures), -1)
        return rows if counts is None else rows / counts[:, None].astype(rows.dtype)
    index = species_index(species, structures)
    owners = np.repeat(numbers, [len(s) for s in structures])
    rows = invariants.of_groups(None, owners, n_threads)
    rows[~_counted(transformer, index)] = 0.0
    if transformer.center_species == "shared":
        return rows
    mine = index[:, None] == np.arange(len(species))
    return (mine[:, :, None] * rows[:, None, :]).reshape(len(rows), -1)


def rows_and_gradients(transformer, species, structures, invariants, fields, positions, strain):
    """Rows of structures, and their derivatives by positions and by strain, as far as wanted.

    Parameters
    ----------
    fields : list of Linearized
    positions, strain : bool
        Which are wanted.

    Returns
    -------
    rows : ndarray of shape (n_structures, n_features)
    positions : list of ndarray of shape (n_atoms, 3, n_features) or None
    strain : ndarray of shape (n_structures, 3, 3, n_features) or None
    """
    rows = assemble_rows(transformer, species, structures, invariants, per_atom=False)
    terms = [
        term
        for centers in _centers(transformer, species, structures)
        for term in invariants.terms(centers)
    ]
    gradients = differentiate(terms, fields, atom_offsets(structures), positions, strain)
    return rows.astype(transformer._row_dtype, copy=False), *gradients


def _centers(transformer, species, structures):
    """How often each atom counts as a center, for each block of columns."""
    index = species_index(species, structures)
    counted = _counted(transformer, index)
    weights = counted.astype(float)
    if transformer.pooling == "mean":
        sizes = [len(s) for s in structures]
        counts = np.add.reduceat(weights, atom_offsets(structures)[:-1])
        weights /= np.repeat(np.maximum(counts, 1.0), sizes)
    if transformer.center_species == "shared":
        return [weights]
    return [np.where(index == c, weights, 0.0) for c in range(len(species))]


def rows_and_factors(transformer, species, structures, invariants, cotangents, with_rows):
    """Rows of structures, None if not wanted, and from their factors those of the coefficients.

    Returns
    -------
    rows : ndarray of shape (n_structures, n_features) or None
    factors : list of list of ndarray
        Of the coefficients of each l of each field.
    """
    rows = None
    if with_rows:
        rows = assemble_rows(transformer, species, structures, invariants, per_atom=False)
        rows = rows.astype(transformer._row_dtype, copy=False)
    groups, counts = _groups(transformer, species, structures)
    if counts is not None:
        cotangents = cotangents / counts[:, None]
    return rows, invariants.backward(groups, cotangents.reshape(len(groups), -1))


def _groups(transformer, species, structures):
    """Atoms of each row, or of each central element of it; numbers of atoms if means are asked."""
    index = species_index(species, structures)
    counted = _counted(transformer, index)
    numbers = np.arange(len(index))
    ranges = [slice(a, b) for a, b in pairwise(atom_offsets(structures).tolist())]
    if transformer.center_species == "split":
        groups = [numbers[r][index[r] == c] for r in ranges for c in range(len(species))]
    elif counted.all():
        groups = ranges
    else:
        groups = [numbers[r][counted[r]] for r in ranges]
    if transformer.pooling == "sum":
        return groups, None
    return groups, np.maximum([counted[r].sum() for r in ranges], 1)


def _counted(transformer, index):
    """Whether each atom counts as a center: those of ignored elements do not."""
    return (index >= 0) | (not transformer._elements_matter())


def species_index(species, structures):
    """Position of each atom's element in ``species``; -1 where it is absent."""
    numbers = np.concatenate([s.numbers for s in structures])
    index = np.minimum(np.searchsorted(species, numbers), len(species) - 1)
    return np.where(species[index] == numbers, index, -1)
