"""Derivatives of the coefficients of a batch of structures, never all of them at once.

What rows of features need are contractions: the derivative of

    sum_i sum_m c_i,an,lm f_i,q,m

by the position of an atom, or by the strain of a structure, for fixed factors f. The pairs around
few atoms at a time give those of these atoms, see ``moved_pairs``.
"""

import math

import numpy as np

from .. import blocks
from ..system.kvectors import slices


class Linearized:
    """Derivatives of the coefficients of one field.

    Memory, beside lists of pairs, is that of a block of atoms.

    Parameters
    ----------
    terms : list of NearPairs, WavePairs or WaveFactors
        Derivatives of what adds up to the coefficients.
    channels : Channels
        Of all atoms of the batch.
    l_max, n_laws, n_max : int
        The coefficients have the columns (law, channel, n).
    """

    def __init__(self, terms, channels, l_max, n_laws, n_max):
        self._terms, self.channels = terms, channels
        self.l_max, self.n_laws, self.n_max = l_max, n_laws, n_max

    def numbers(self):
        """Count the numbers held for the pairs of each atom, to choose sizes of blocks."""
        counts = np.zeros(len(self.channels.index))
        for source in self._terms:
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
        places = [np.searchsorted(s.atoms, [block.first, block.last]) for s in self._terms]
        near = [(s, slice(*p)) for s, p in zip(self._terms, places, strict=True) if p[0] < p[1]]
        around = [
            s.around(subset, s.atoms[subset] - block.first) if positions else None
            for s, subset in near
        ]
        found = []
        if positions:
            found.append(MovedAtoms(self, block, [part for parts in around for part in parts]))
        if strain:
            values = self.zeros(block, 9)
            for (source, subset), pairs in zip(near, around, strict=True):
                rows = source.atoms[subset] - block.first
                source.add_strained(subset, rows, self.channels, pairs, values)
            waves = [wave for source, subset in near for wave in source.strained_waves(subset)]
            found.append(Strained(block, values, waves))
        return found

    def zeros(self, block, n_directions):
        """For each law and l, shape (n_atoms, 2 l + 1, n_channels, n_directions, n_max)."""
        shape = (self.channels.count, n_directions, self.n_max)
        return [
            [np.zeros((len(block), 2 * l + 1, *shape)) for l in range(self.l_max + 1)]
            for _ in range(self.n_laws)
        ]


class MovedAtoms:
    """Derivatives by the positions of the atoms of a block.

    Parameters
    ----------
    field : Linearized
    block : Block
    around : list of MovedPairs, MovedStructures or MovedWaves
    """

    n_directions = 3

    def __init__(self, field, block, around):
        self._atoms, self._around, self._n_max = block.atoms, around, field.n_max
        index = field.channels.index[block.atoms]
        acting = np.flatnonzero(index >= 0)
        self._weights = field.channels.weights[block.atoms, None, None, None]
        channel = np.zeros((len(block), field.n_max, field.channels.count, field.n_max))
        channel[acting, :, index[acting]] = np.eye(field.n_max)
        channel = channel.reshape(*channel.shape[:2], -1)
        self._channel = -channel, channel  # gradients of f(-r) = (-1)^l f(r)
        sums = field.zeros(block, 3)
        for part in around:
            part.add_own(field.channels, sums)
        self._own = [[_directions_first(-part) for part in parts] for parts in sums]

    def slices(self, n_rows):
        """Rows to be handled together, about so many."""
        return slices(len(self._weights), n_rows)

    def n_inner(self, l, _):
        """Length of what is summed over in the products of ``operands``."""
        return 2 * l + 1 + self._n_max

    def operands(self, law, factors):
        """Pairs of matrices, whose products are the derivatives of products with factors.

        Moving an atom changes its own coefficients by all its pairs, and a neighbour's
        coefficients in the atom's channel by one pair.

        Parameters
        ----------
        law : int
        factors : list of ndarray
            For each l, or for the first of them, shape (n_atoms, 2 l + 1, n_factors) for all atoms
            of the batch.

        Returns
        -------
        callable
            Takes l, a slice of rows and two arrays to be filled, of shapes
            (n_rows, n_directions, n_inner, n_channels * n_max) and
            (n_rows, n_directions, n_inner, n_factors).
        """
        neighbors = self._of_neighbors(law, factors)

        def fill(l, rows, changes, others):
            n = 2 * l + 1
            changes[:, :, :n] = self._own[law][l][rows]
            changes[:, :, n:] = self._channel[l % 2][rows, None]
            others[:, :, :n] = factors[l][self._atoms][rows, None]
            np.multiply(neighbors[l][rows], self._weights[rows], out=others[:, :, n:])

        return fill

    def _of_neighbors(self, law, factors):
        """Sums of grad f(r_ij) times factors of neighbours, (n_rows, 3, n_max, n_factors)."""
        shape = len(self._weights), 3 * self._n_max
        totals = [np.zeros((*shape, factor.shape[2])) for factor in factors]
        for part in self._around:
            part.add_of_neighbors(law, factors, totals)
        return [total.reshape(len(total), 3, self._n_max, total.shape[2]) for total in totals]


def _directions_first(values):
    """From (n_atoms, 2 l + 1, n_channels, n_directions, n_max) to the matrices of ``operands``."""
    n_orders, n_channels, n_directions, n_max = values.shape[1:]
    place = np.arange(values[0].size).reshape(values.shape[1:]).transpose(2, 0, 1, 3).ravel()
    # faster than a copy of the transposed array, whose runs are short
    flat = np.take(values.reshape(len(values), len(place)), place, axis=1)
    return flat.reshape(len(values), n_directions, n_orders, n_channels * n_max)


class Strained:
    """Derivatives by the strain of the structures of a block.

    Parameters
    ----------
    block : Block
    values : list of list of ndarray
        For each law and l, of the coefficients of each atom, shape
        (n_atoms, 2 l + 1, n_channels, 9, n_max).
    waves : list of StrainedWaves
        What comes on top of these, at most one a structure.
    """

    n_directions = 9

    def __init__(self, block, values, waves):
        self._block, self._values = block, values
        first_atoms = [wave.atoms.start - block.first for wave in waves]
        owners = np.searchsorted(block.cuts, first_atoms, side="right") - 1
        self._waves = dict(zip(owners.tolist(), waves, strict=True))
        self._width = math.prod(values[0][0].shape[2::2])

    def slices(self, n_rows):
        """Rows to be handled together: one structure, whatever ``n_rows``."""
        return slices(len(self._block.cuts) - 1, 1)

    def n_inner(self, l, rows):
        """Length of what is summed over in the products of ``operands``."""
        n_atoms = self._block.cuts[rows.stop] - self._block.cuts[rows.start]
        return (2 * l + 1) * n_atoms + self._width * (rows.start in self._waves)

    def operands(self, law, factors):
        """Pairs of matrices as of MovedAtoms."""
        changing = [np.moveaxis(values, 3, 0) for values in self._values[law][: len(factors)]]
        changing = [part.reshape(*part.shape[:3], -1) for part in changing]
        contracted = {row: wave.contracted(law, factors) for row, wave in self._waves.items()}
        factors = [part[self._block.atoms] for part in factors]

        def fill(l, rows, changes, others):
            atoms = slice(*self._block.cuts[[rows.start, rows.stop]])
            n = (2 * l + 1) * (atoms.stop - atoms.start)
            changes[0, :, :n] = changing[l][:, atoms].reshape(9, n, self._width)
            others[0, :, :n] = factors[l][atoms].reshape(n, others.shape[3])
            if rows.start in contracted:
                changes[0, :, n:] = np.eye(self._width)
                others[0, :, n:] = contracted[rows.start][l]

        return fill


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
    """Blocks with about so many numbers, of which ``numbers`` (n_atoms,) belong to an atom."""
    total = np.concatenate([[0.0], np.cumsum(numbers)])
    first = 0
    while first < offsets[-1]:
        last = np.searchsorted(total, total[first] + blocks.GRADIENT_NUMBERS, side="right") - 1
        whole = offsets[np.searchsorted(offsets, last, side="right") - 1]
        last = whole if whole > first else max(first + 1, min(last, _end(offsets, first)))
        yield Block(first, last, offsets)
        first = last


def _end(offsets, atom):
    """Where the structure of an atom ends."""
    return offsets[np.searchsorted(offsets, atom, side="right")]
