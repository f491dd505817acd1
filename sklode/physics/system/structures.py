"""Structures as plain arrays, the only form in which they reach the mathematics."""

import operator
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Structure:
    """One structure.

    Attributes
    ----------
    numbers : ndarray of shape (n_atoms,)
        Atomic numbers.
    positions : ndarray of shape (n_atoms, 3)
        Cartesian coordinates in angstrom.
    cell : ndarray of shape (3, 3)
        Rows are the lattice vectors in angstrom; ignored when not periodic.
    periodic : ndarray of shape (3,), bool
        Along which lattice vectors the structure repeats.
    charges : dict of str to ndarray of shape (n_atoms,)
        Per-atom weights by the name of their array.
    """

    numbers: NDArray
    positions: NDArray
    cell: NDArray
    periodic: NDArray
    charges: dict[str, NDArray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.numbers)


def pack(structures: Sequence[Structure]) -> tuple:
    """Arrays of structures, in all one for each attribute; pickled in a quarter of their time.

    Parameters
    ----------
    structures : list of Structure
        At least one; all with the same charges.

    Returns
    -------
    tuple
        Arguments of ``unpack``.
    """
    return (
        [len(s) for s in structures],
        np.concatenate([s.numbers for s in structures]),
        np.concatenate([s.positions for s in structures]),
        np.stack([s.cell for s in structures]),
        np.stack([s.periodic for s in structures]),
        {
            name: np.concatenate([s.charges[name] for s in structures])
            for name in structures[0].charges
        },
    )


def unpack(
    sizes: list[int],
    numbers: NDArray,
    positions: NDArray,
    cells: NDArray,
    periodic: NDArray,
    charges: dict[str, NDArray],
) -> list[Structure]:
    """List of structures, which are views of the arrays."""
    ends = np.cumsum([0, *sizes]).tolist()
    return [
        Structure(
            numbers[start:end],
            positions[start:end],
            cell,
            along,
            {name: values[start:end] for name, values in charges.items()},
        )
        for (start, end), cell, along in zip(pairwise(ends), cells, periodic, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Channels:
    """Channel and weight of each atom of a batch.

    Attributes
    ----------
    index : ndarray of shape (n_atoms,)
        Channel of each atom; -1 for atoms that do not act at all.
    weights : ndarray of shape (n_atoms,)
        1 for species channels, the charge for a charge channel.
    count : int
        Number of channels.
    """

    index: NDArray
    weights: NDArray
    count: int

    def of(self, atoms: slice | NDArray) -> "Channels":
        """The channels of some of the atoms."""
        return Channels(self.index[atoms], self.weights[atoms], self.count)

    def dense(self) -> NDArray:
        """Weights as a (n_atoms, n_channels) matrix."""
        return np.where(self.index[:, None] == np.arange(self.count), self.weights[:, None], 0.0)


@dataclass(frozen=True, eq=False)
class Batch:
    """Structures whose coefficients are computed together.

    Attributes
    ----------
    structures : list of Structure
    channels : Channels
        Of all their atoms.
    kept : dict or None
        Lists of pairs that values and derivatives share; None where only one of them is asked for.
    """

    structures: list[Structure]
    channels: Channels
    kept: dict | None = None

    @property
    def n_atoms(self) -> int:
        """Number of atoms of all structures."""
        return len(self.channels.index)

    @cached_property
    def sizes(self) -> NDArray:
        """Number of atoms of each structure."""
        return np.array([len(s.numbers) for s in self.structures])

    @cached_property
    def offsets(self) -> NDArray:
        """Where each structure begins in the concatenated atoms, and the total at the end."""
        return np.concatenate([[0], self.sizes.cumsum()])

    @cached_property
    def owners(self) -> NDArray:
        """The structure of each atom."""
        return np.repeat(np.arange(len(self.structures)), self.sizes)

    @cached_property
    def cells(self) -> NDArray:
        """Lattice vectors of all structures, (n_structures, 3, 3)."""
        return np.array([s.cell for s in self.structures])

    @cached_property
    def volumes(self) -> NDArray:
        """Volumes of the cells in cubic angstrom."""
        return np.abs(np.linalg.det(self.cells))

    def is_same(self, other: "Batch") -> bool:
        """Whether another batch has the very same structures, with equal channels."""
        return (
            len(self.structures) == len(other.structures)
            and all(map(operator.is_, self.structures, other.structures))
            and np.array_equal(self.channels.index, other.channels.index)
            and np.array_equal(self.channels.weights, other.channels.weights)
        )

    def consecutive(self, first: int, last: int) -> tuple["Batch", slice]:
        """The batch of some structures that follow each other, and a slice of their atoms."""
        atoms = slice(int(self.offsets[first]), int(self.offsets[last]))
        if last - first == len(self.structures):
            return self, atoms
        return Batch(self.structures[first:last], self.channels.of(atoms)), atoms

    def groups(
        self, keys: Sequence[Hashable]
    ) -> Iterator[tuple[Hashable, "Batch", NDArray, NDArray]]:
        """Structures with equal keys together.

        Yields
        ------
        key
        batch : Batch
        numbers, atoms : ndarray of int
            Which structures and atoms of this batch are theirs, ascending.
        """
        distinct = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        number_of = np.array([distinct[key] for key in keys])
        for key, number in distinct.items():
            chosen = np.flatnonzero(number_of == number)
            atoms = np.flatnonzero(number_of[self.owners] == number)
            structures = [self.structures[i] for i in chosen]
            yield key, Batch(structures, self.channels.of(atoms)), chosen, atoms


ISOLATED, PARTLY_PERIODIC, PERIODIC = "isolated", "partly periodic", "periodic"


def periodicities(batch: Batch) -> list[str]:
    """For each structure, along how many axes it repeats: ISOLATED, PARTLY_PERIODIC or PERIODIC."""
    kinds = ISOLATED, PARTLY_PERIODIC, PARTLY_PERIODIC, PERIODIC
    n_axes = np.sum([s.periodic for s in batch.structures], axis=1)
    return [kinds[number] for number in n_axes.tolist()]


def repeat(structures: Sequence[Structure]) -> NDArray:
    """Which structures are periodic in any direction, shape (n_structures,)."""
    return np.any([s.periodic for s in structures], axis=1)


def atom_offsets(structures: Sequence[Structure]) -> NDArray:
    """Where each structure begins in the concatenated atoms, and the total at the end."""
    return np.concatenate([[0], np.cumsum([len(s) for s in structures])]).astype(int)


def present_channels(structures: Sequence[Structure], channels: Channels) -> NDArray:
    """Which channels have atoms in each structure; shape (n_structures, n_channels), bool."""
    owners = np.repeat(np.arange(len(structures)), [len(s) for s in structures])
    present = np.zeros((len(structures), channels.count), bool)
    acting = channels.index >= 0
    present[owners[acting], channels.index[acting]] = True
    return present


def alike_together(structures: Sequence[Structure]) -> NDArray:
    """Numbers of the structures, those of the same elements together, and of these equal sizes."""
    if len(structures) == 1:
        return np.zeros(1, int)
    numbers = np.concatenate([s.numbers for s in structures])
    elements, index = np.unique(numbers, return_inverse=True)
    present = present_channels(structures, Channels(index, np.ones(len(index)), len(elements)))
    return np.lexsort(([len(s) for s in structures], *present.T))


def as_slice(numbers: NDArray) -> slice | NDArray:
    """Turn consecutive numbers into a slice, through which rows are copied faster."""
    if len(numbers) == 0:
        return slice(0)
    follow = numbers[-1] - numbers[0] == len(numbers) - 1 and np.all(numbers[1:] > numbers[:-1])
    return slice(int(numbers[0]), int(numbers[-1]) + 1) if follow else numbers
