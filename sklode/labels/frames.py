"""Structures with their labels as arrays, for checks that must be fast for many of them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from ase.stress import voigt_6_to_full_3x3_stress

from ..inputs.targets import element_counts


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with labels, and with which structures.

    Attributes
    ----------
    code : str
        Stable name.
    severity : {"error", "warning"}
        "error" spoils a fit, "warning" limits its accuracy or its validation.
    advice : str
        What is wrong, and what to do, in general.
    structures : ndarray of shape (n_found,), int
    values : ndarray of shape (n_found,)
        What was measured, in the unit of ``measure``.
    measure : str
        What the values are, as a format of one of them: ``"net force {:.2g} eV/angstrom"``.
    """

    code: str
    severity: str
    advice: str
    structures: np.ndarray
    values: np.ndarray
    measure: str


@dataclass(frozen=True)
class Frames:
    """Arrays of all structures; what is not known is NaN.

    Attributes
    ----------
    atoms_list : list of ase.Atoms
    energies : ndarray of shape (n_structures,)
        In eV.
    forces : ndarray of shape (n_atoms_total, 3)
        In eV/angstrom.
    stresses : ndarray of shape (n_structures, 3, 3)
        In eV/angstrom^3.
    """

    atoms_list: list
    energies: np.ndarray
    forces: np.ndarray
    stresses: np.ndarray

    @classmethod
    def of(cls, atoms_list, targets):
        """From structures and their Targets."""
        n = len(atoms_list)
        nothing = [np.full((len(atoms), 3), np.nan) for atoms in atoms_list]
        forces = [none if f is None else f for f, none in zip(targets.forces, nothing, strict=True)]
        stresses = np.full((n, 3, 3), np.nan)
        for index, stress in enumerate(targets.stresses):
            if stress is not None:
                stresses[index] = voigt_6_to_full_3x3_stress(stress)
        energies = np.array([np.nan if e is None else e for e in targets.energies], dtype=float)
        return cls(atoms_list, energies, np.concatenate(forces), stresses)

    @cached_property
    def sizes(self):
        """Numbers of atoms: (n_structures,)."""
        return np.array([len(atoms) for atoms in self.atoms_list])

    @cached_property
    def starts(self):
        """First atom of each structure among all: (n_structures,)."""
        return np.cumsum(self.sizes) - self.sizes

    @cached_property
    def owners(self):
        """Structure of each atom: (n_atoms_total,)."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    @cached_property
    def positions(self):
        """In angstrom: (n_atoms_total, 3)."""
        return np.concatenate([atoms.positions for atoms in self.atoms_list])

    @cached_property
    def cells(self):
        """Lattice vectors in rows, in angstrom: (n_structures, 3, 3)."""
        return np.array([atoms.cell.array for atoms in self.atoms_list])

    @cached_property
    def periodic(self):
        """Which lattice vectors repeat: (n_structures, 3)."""
        return np.array([atoms.pbc for atoms in self.atoms_list])

    @cached_property
    def volumes(self):
        """By which stresses are divided, in angstrom^3; 0 without a stress: (n_structures,)."""
        return np.abs(np.linalg.det(self.cells)) * self.periodic.any(axis=1)

    @cached_property
    def counts(self):
        """How many atoms of each element: (n_structures, n_elements)."""
        return element_counts(self.atoms_list)[1]

    def in_one_order(self):
        """Structures with the same elements in the same order and the same periodicity.

        Yields
        ------
        ndarray of int
            Of two or more structures.
        """
        keys = [(atoms.numbers.tobytes(), tuple(atoms.pbc)) for atoms in self.atoms_list]
        return groups_of(keys)

    def sum_over_atoms(self, values):
        """Sums (n_structures, ...) of values of atoms (n_atoms_total, ...)."""
        return np.add.reduceat(values, self.starts, axis=0)


def groups_of(keys):
    """Arrays of the positions at which equal keys stand, for those that occur more than once."""
    members = {}
    for index, key in enumerate(keys):
        members.setdefault(key, []).append(index)
    return [np.array(group) for group in members.values() if len(group) > 1]
