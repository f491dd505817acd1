"""How many atoms of each element: the baseline of total energies."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd
from ase import Atoms
from numpy.typing import NDArray

from .base import StrOptions, StructureTransformer
from .physics.invariants.power_spectrum import pool
from .physics.system.structures import Structure, atom_offsets
from .projection.species import check_species, learn_species, species_index, symbols


class Composition(StructureTransformer):
    """Number of atoms of each element.

    A linear model on these columns is the energy of isolated atoms, the baseline that total
    energies need.

    Parameters
    ----------
    species : "auto" or list of str or int, default="auto"
        Elements that have a column. "auto" takes those seen in ``fit``.
    handle_unknown : {"error", "ignore"}, default="error"
        What to do with an element without column: raise, or leave its atoms out.

    Attributes
    ----------
    species_ : ndarray of shape (n_species,)
        Sorted atomic numbers of the columns.
    feature_table_ : DataFrame
        One row a column: name, family and species.

    Examples
    --------
    >>> from ase.build import molecule
    >>> from sklode import Composition
    >>> composition = Composition().set_output(transform="pandas")
    >>> composition.fit_transform([molecule("H2O"), molecule("CH3OH")])
       composition_H  composition_C  composition_O
    0            2.0            0.0            1.0
    1            4.0            1.0            1.0
    """

    _parameter_constraints = {
        "species": [StrOptions({"auto"}), "array-like"],
        "handle_unknown": [StrOptions({"error", "ignore"})],
    }

    def __init__(
        self,
        species: Literal["auto"] | Sequence[str | int] = "auto",
        handle_unknown: Literal["error", "ignore"] = "error",
    ):
        self.species = species
        self.handle_unknown = handle_unknown

    def learn(self, atoms_list: Sequence[Atoms]) -> None:
        """Learn from the structures; called by ``fit``."""
        self.species_ = learn_species(self.species, atoms_list)

    def check_structures(self, atoms_list: Sequence[Atoms]) -> None:
        """Refuse structures that this transformer cannot describe."""
        check_species(self, atoms_list)

    def column_table(self) -> pd.DataFrame:
        """Table of the columns, not to be changed; see ``feature_table_``."""
        names = symbols(self.species_)
        return pd.DataFrame(
            {
                "name": [f"composition_{s}" for s in names],
                "family": "composition",
                "species": names,
            }
        )

    def compute_rows(
        self, structures: Sequence[Structure], per_atom: bool, n_threads: int
    ) -> NDArray:
        """Rows of a chunk of structures, or of their atoms."""
        index = species_index(self.species_, np.concatenate([s.numbers for s in structures]))
        atoms = (index[:, None] == np.arange(len(self.species_))).astype(float)
        if per_atom:
            return atoms
        ends = atom_offsets(structures)
        return pool(atoms, [slice(a, b) for a, b in pairwise(ends)])

    def compute_gradients(
        self, structures: Sequence[Structure], positions: bool, strain: bool
    ) -> tuple[NDArray, list[NDArray] | None, NDArray | None]:
        """Rows of a chunk, and their derivatives as far as wanted, otherwise None."""
        n_features = len(self.species_)
        moved = [np.zeros((len(s), 3, n_features)) for s in structures] if positions else None
        strained = np.zeros((len(structures), 3, 3, n_features)) if strain else None
        return self.compute_rows(structures, False, 1), moved, strained

    def compute_backward(
        self, structures: Sequence[Structure], cotangents: NDArray, with_rows: bool
    ) -> tuple[NDArray | None, NDArray, NDArray]:
        """Rows of a chunk or None, and gradients of a combination of the columns of each."""
        n_atoms = sum(len(s) for s in structures)
        rows = self.compute_rows(structures, False, 1) if with_rows else None
        return rows, np.zeros((n_atoms, 3)), np.zeros((len(structures), 3, 3))
