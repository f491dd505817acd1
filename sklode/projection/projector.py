"""Base of the projectors: parameters, elements, invariants of one field."""

from collections.abc import Sequence
from numbers import Integral, Real

import numpy as np
import pandas as pd
from ase import Atoms
from numpy.typing import NDArray

from ..base import MEMORY, N_JOBS, Number, RegisteredName, StrOptions
from ..physics.invariants.spectra import LinearColumns, PairColumns, Part
from ..physics.radial.bases import BASES, made_once
from .field_features import FieldFeatures
from .invariants import INVARIANTS
from .labels import split_by_center
from .species import check_species, learn_species, symbols


class Projector(FieldFeatures):
    """Base of transformers that expand a field around every atom.

    A subclass says of which operator its coefficients are, ``operator(dtype, n_threads)``,
    and what its columns (law, channel, n) stand for, ``column_blocks()``.
    """

    shared_constraints = {
        "cutoff": [Number(Real, 1e-3, 1e6, closed="both")],
        "n_max": [Number(Integral, 1, 10**6, closed="both")],  # a basis knows its own limit
        "l_max": [Number(Integral, 0, 50, closed="both")],  # harmonics overflow beyond 100
        "smearing": [Number(Real, 1e-9, 1e6, closed="both")],
        "radial_basis": [RegisteredName(BASES)],
        "include_center": ["boolean"],
        "invariants": [RegisteredName(INVARIANTS), None],
        "center_species": [StrOptions({"shared", "split"})],
        "species": [StrOptions({"auto"}), "array-like"],
        "handle_unknown": [StrOptions({"error", "ignore"})],
        "pooling": [StrOptions({"sum", "mean"})],
        "dtype": [StrOptions({"float64", "float32"})],
        "n_jobs": N_JOBS,
        "memory": MEMORY,
    }

    def learn(self, atoms_list: Sequence[Atoms]) -> None:
        """Learn from the structures; called by ``fit``."""
        self._check_parameters()
        self.species_ = learn_species(self.species, atoms_list)

    def _check_parameters(self):
        """Refuse combinations of parameters that the constraints let through."""
        self._basis  # noqa: B018, refuses what cannot be orthonormalised

    @property
    def _basis(self):
        basis = BASES[self.radial_basis]
        return made_once(basis, int(self.n_max), int(self.l_max), float(self.cutoff))

    def check_structures(self, atoms_list: Sequence[Atoms]) -> None:
        """Refuse structures that this transformer cannot describe."""
        if self.elements_matter():
            check_species(self, atoms_list)

    def channel_charges(self) -> str | None:
        """Name of the per-atom array of the charge channel; None for one channel per element."""
        return None

    def elements_matter(self) -> bool:
        """Whether an atom of an unknown element has no place in the columns."""
        return self.channel_charges() is None or self.center_species == "split"

    def _channel_labels(self):
        name = self.channel_charges()
        return tuple(symbols(self.species_)) if name is None else (name,)

    def column_table(self) -> pd.DataFrame:
        """Table of the columns, not to be changed; see ``feature_table_``."""
        table = INVARIANTS[self.invariants].table(self.column_blocks(), self.l_max)
        if self.center_species == "split":
            table = split_by_center(table, symbols(self.species_))
        return table

    def has_field_of(self, other: "Projector") -> bool:
        """Whether another fitted projector has the same coefficients, whatever it makes of them."""
        if type(self) is not type(other) or not np.array_equal(self.species_, other.species_):
            return False
        mine, theirs = self.get_params(deep=False), other.get_params(deep=False)
        names = mine.keys() - {"invariants", "pooling", "species", "n_jobs"}
        return all(np.array_equal(mine[name], theirs[name]) for name in names)

    def projectors(self) -> list:
        """The projector itself."""
        return [self]

    def multiplies_channels(self) -> bool:
        """Whether columns are products of channels, most of which a structure may lack."""
        return INVARIANTS[self.invariants].multiplies_channels

    def columns_of(
        self, fields: list[list[NDArray]], parts: list[list[Part]]
    ) -> LinearColumns | PairColumns:
        """Make columns of the coefficients of fields, which are one here."""
        return INVARIANTS[self.invariants].columns(fields[0], parts[0])
