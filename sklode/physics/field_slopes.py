"""Derivatives of the coefficients of a batch of structures, never all of them at once.

What rows of features need are contractions: the derivative of

    sum_i sum_m c_i,an,lm f_i,q,m

by the position of an atom, or by the strain of a structure, for fixed factors f. The pairs around
few atoms at a time give those of these atoms, see ``moved_pairs``.
"""

from itertools import pairwise

import numpy as np

_NUMBERS = 2**20  # in the gradients of pairs and the products of a block of atoms


class FieldSlopes:
    """Derivatives of the coefficients of one field.

    Memory, beside lists of pairs, is that of a block of atoms.

    Parameters
    ----------
    sources : list of NearPairs or WavePairs
        What adds to the coefficients.
    channels : Channels
        Of all atoms of the batch.
    l_max, n_laws, n_max : int
        The coefficients have the columns (law, channel, n).
    """

    def __init__(self, sources, channels, l_max, n_laws, n_max):
        self._sources, self.channels = sources, channels
        self.l_max, self.n_laws, self.n_max = l_max, n_laws, n_max

    def numbers(self):
        """How many numbers the pairs of each atom of the batch are, beside its own products."""
        counts = np.zeros(len(self.channels.index))
        for source in self._sources:
            counts[source.atoms] += source.sizes
        return 3 * (self.l_max + 1) ** 2 * self.n_laws * self.n_max * counts

    def of_block(self, block, positions, strain):
        """Derivatives by the atoms of a block, and by the strain of its structures.

        Parameters
        ----------
        block : Block
        positions, strain : bool
            Which are wanted.

        Returns
        -------
        list of MovedAtoms or Strained
            Those that are wanted, in this order.
        """
        places = [np.searchsorted(s.atoms, [block.first, block.last]) for s in self._sources]
        near = [(s, slice(*p)) for s, p in zip(self._sources, places, strict=True) if p[0] < p[1]]
        around = [
            s.around(some, s.atoms[some] - block.first) if positions else None for s, some in near
        ]
        found = []
        if positions:
            found.append(MovedAtoms(self, block, around))
        if strain:
            values = self._zeros(block, 9)
            for (source, some), pairs in zip(near, around, strict=True):
                rows = source.atoms[some] - block.first
                source.add_strained(some, rows, self.channels, pairs, values)
            found.append(Strained(block, values))
        return found

    def _zeros(self, block, n_directions):
        shape = (self.channels.count, n_directions, self.n_max)
        return [
            [np.zeros((len(block), 2 * l + 1, *shape)) for l in range(self.l_max + 1)]
            for _ in range(self.n_laws)
        ]


class MovedAtoms:
    """Derivatives by the positions of the atoms of a block.

    Parameters
    ----------
    field : FieldSlopes
    block : Block
    around : list of MovedPairs
    """

    n_directions = 3

    def __init__(self, field, block, around):
        self._atoms, self._around = block.atoms, around
        index = field.channels.index[block.atoms]
        self._acting = np.where(index >= 0, field.channels.weights[block.atoms], 0.0)
        self._channel = np.maximum(index, 0)
        self._own = field._zeros(block, 3)  # by the atom itself
        for pairs in around:
            by_channel = pairs.by_channel(field.channels)
            for parts, gradients in zip(self._own, pairs.gradients, strict=True):
                for own, values in zip(parts, gradients, strict=True):
                    own[pairs.rows] -= pairs.sums(by_channel, values)

    def products(self, law, factors):
        """Derivatives of products with factors, one row an atom.

        Parameters
        ----------
        law : int
        factors : list of ndarray
            For each l, or for the first of them, shape (n_atoms, 2 l + 1, n_factors) for all atoms
            of the batch.

        Returns
        -------
        callable
            Slice of rows to an array of shape
            (n_rows, sum over l of n_channels * n_directions * n_max * n_factors).
        """
        from_neighbors = [self._from_neighbors(law, factor) for factor in factors]
        mine = [factor[self._atoms] for factor in factors]

        def of_rows(rows):
            values = [own[rows] for own in self._own[law]]
            flat, parts = _room(values, factors, len(values[0]))
            numbers = np.arange(len(flat)), self._channel[rows]
            each = zip(values, mine, from_neighbors, parts, strict=False)
            for own, factor, neighbors, part in each:
                left = own.reshape(*own.shape[:2], -1).swapaxes(1, 2)
                np.matmul(left, factor[rows], out=part.reshape(*left.shape[:2], -1))
                part[numbers] += neighbors[rows]
            return flat

        return of_rows

    def _from_neighbors(self, law, factors):
        """How each atom acts on its neighbours, (n_rows, 3 * n_max, n_factors)."""
        n_max = self._own[law][0].shape[-1]
        total = np.zeros((len(self._channel), 3 * n_max, factors.shape[2]))
        for pairs in self._around:
            total[pairs.rows] += pairs.of_neighbors(law, factors)
        total *= self._acting[:, None, None]
        return total


class Strained:
    """Derivatives by the strain of the structures of a block.

    Parameters
    ----------
    block : Block
    values : list of list of ndarray
        For each law and l, of the coefficients of each atom, shape
        (n_atoms, 2 l + 1, n_channels, 9, n_max).
    """

    n_directions = 9

    def __init__(self, block, values):
        self._block, self._values = block, values

    def products(self, law, factors):
        """Derivatives of products with factors, one row a structure, as of MovedAtoms."""
        values, block = self._values[law], self._block
        bounds = list(pairwise(block.cuts))

        def of_rows(rows):
            flat, parts = _room(values, factors, len(bounds[rows]))
            for value, factor, part in zip(values, factors, parts, strict=False):
                mine = factor[block.atoms]
                for row, (start, stop) in zip(part, bounds[rows], strict=True):
                    left = value[start:stop].reshape((stop - start) * value.shape[1], -1)
                    right = mine[start:stop].reshape(len(left), -1)
                    np.matmul(left.T, right, out=row.reshape(left.shape[1], -1))
            return flat

        return of_rows


def _room(values, factors, n_rows):
    """Room for the products of all degrees, and the parts of each, rows by channels first."""
    _, _, n_channels, n_directions, n_max = values[0].shape
    shapes = [(n_channels, n_directions * n_max, factor.shape[2]) for factor in factors]
    ends = np.cumsum([0, *map(np.prod, shapes)])
    flat = np.empty((n_rows, ends[-1]))
    parts = [
        flat[:, start:stop].reshape(n_rows, *shape)
        for (start, stop), shape in zip(pairwise(ends), shapes, strict=True)
    ]
    return flat, parts


class Block:
    """Atoms handled together: of whole structures, or some of those of one.

    Attributes
    ----------
    first, last : int
        The first atom, and the one after the last.
    structures : slice
    cuts : ndarray of shape (n_structures + 1,)
        Where each structure begins among the atoms.
    """

    def __init__(self, first, last, offsets):
        self.first, self.last, self.atoms = int(first), int(last), slice(int(first), int(last))
        begin = int(np.searchsorted(offsets, first, side="right")) - 1
        self.structures = slice(begin, int(np.searchsorted(offsets, last)))
        inside = offsets[begin : self.structures.stop + 1]
        self.cuts = np.clip(inside, first, last) - first

    def __len__(self):
        return self.last - self.first


def blocks_of_atoms(offsets, numbers):
    """Blocks with about ``_NUMBERS`` numbers; ``numbers`` (n_atoms,) says how many an atom has."""
    total = np.concatenate([[0.0], np.cumsum(numbers)])
    first = 0
    while first < offsets[-1]:
        last = np.searchsorted(total, total[first] + _NUMBERS, side="right") - 1
        whole = offsets[np.searchsorted(offsets, last, side="right") - 1]
        last = whole if whole > first else max(first + 1, min(last, _end(offsets, first)))
        yield Block(first, last, offsets)
        first = last


def _end(offsets, atom):
    """Where the structure of an atom ends."""
    return offsets[np.searchsorted(offsets, atom, side="right")]
