"""What the projections of the density and of the potential share: channels, invariants, rows."""

import operator
from numbers import Integral, Real

import numpy as np
from ase.data import atomic_numbers, chemical_symbols

from ..base import N_JOBS, Number, StrOptions, StructureTransformer
from ..inputs.atoms import describe
from ..physics.operators.contract import linearize
from ..physics.radial.bases import MOST_FUNCTIONS, RadialBasis
from ..physics.system.structures import Batch, Channels, present_channels
from .labels import coefficient_table, power_spectrum_table, radial_spectrum_table, split_by_center
from .pooling import (
    LinearFeatures,
    PairInvariants,
    assemble_rows,
    parts_of,
    rows_and_factors,
    rows_and_gradients,
    species_index,
)


class Projector(StructureTransformer):
    """Base of transformers that expand a field around every atom.

    A subclass says of which operator its coefficients are, ``_operator(dtype, n_threads)``, and
    what its columns (law, channel, n) stand for, ``_blocks()``.
    """

    _shared_constraints = {
        "cutoff": [Number(Real, 1e-3, 1e6, closed="both")],
        "n_max": [Number(Integral, 1, MOST_FUNCTIONS, closed="both")],
        "l_max": [Number(Integral, 0, 50, closed="both")],  # harmonics overflow beyond 100
        "smearing": [Number(Real, 1e-9, 1e6, closed="both")],
        "radial_basis": [StrOptions({"gto", "monomial"})],
        "include_center": ["boolean"],
        "invariants": [StrOptions({"power_spectrum", "radial_spectrum"}), None],
        "center_species": [StrOptions({"shared", "split"})],
        "species": [StrOptions({"auto"}), "array-like"],
        "handle_unknown": [StrOptions({"error", "ignore"})],
        "pooling": [StrOptions({"sum", "mean"})],
        "dtype": [StrOptions({"float64", "float32"})],
        "n_jobs": N_JOBS,
    }

    def _fit(self, atoms_list):
        self._check_parameters()
        self.species_ = learn_species(self.species, atoms_list)

    def _check_parameters(self):
        """Refuse combinations of parameters that the constraints let through."""
        self._basis  # noqa: B018, refuses what cannot be orthonormalised

    @property
    def _basis(self):
        return RadialBasis(self.radial_basis, int(self.n_max), int(self.l_max), float(self.cutoff))

    def _check_structures(self, atoms_list):
        if self._elements_matter():
            check_species(self, atoms_list)

    def _channel_charges(self):
        """Name of the per-atom array of the charge channel; None for one channel per element."""
        return

    def _elements_matter(self):
        """Whether an atom of an unknown element has no place in the columns."""
        return self._channel_charges() is None or self.center_species == "split"

    def _channels(self, structures):
        name = self._channel_charges()
        if name is not None:
            weights = np.concatenate([s.charges[name] for s in structures])
            absent = self._elements_matter() & (species_index(self.species_, structures) < 0)
            return Channels(np.where(absent, -1, 0), weights, 1)
        index = species_index(self.species_, structures)
        return Channels(index, np.ones(len(index)), len(self.species_))

    def _channel_labels(self):
        name = self._channel_charges()
        return tuple(symbols(self.species_)) if name is None else (name,)

    def _feature_table(self):
        blocks = self._blocks()
        if self.invariants == "power_spectrum":
            table = power_spectrum_table([(b, b) for b in blocks], self.l_max)
        elif self.invariants == "radial_spectrum":
            table = radial_spectrum_table(blocks)
        else:
            table = coefficient_table(blocks, self.l_max)
        if self.center_species == "split":
            table = split_by_center(table, symbols(self.species_))
        return table

    def _present(self, structures):
        """Which channels structures have, (n_structures, n_channels); some one at least."""
        if self._channel_charges() is not None:
            return np.ones((len(structures), 1), bool)
        present = present_channels(structures, self._channels(structures))
        present[:, 0] |= not present.any()
        return present

    def _narrowed(self, present):
        """A projector like this one with the channels only that any structure has."""
        narrow = object.__new__(type(self))  # a copy; copy.copy would check parameters again
        vars(narrow).update(vars(self))
        if self._channel_charges() is None:
            narrow.species_ = self.species_[present.any(axis=0)]
        return narrow

    def _invariants(self, coefficients, present=None):
        """What makes columns of the coefficients."""
        parts = parts_of(self._blocks())
        if self.invariants == "power_spectrum":
            return PairInvariants([coefficients], [(part, part) for part in parts], present)
        l_max = 0 if self.invariants == "radial_spectrum" else None
        return LinearFeatures(coefficients, parts, l_max)

    def _rows(self, structures, per_atom, n_threads):
        present, projector = None, self
        if self.invariants == "power_spectrum":
            present = [self._present(structures)]
            projector = self._narrowed(*present)
        coefficients = projector._coefficients(structures, n_threads)
        invariants = projector._invariants(coefficients, present)
        rows = assemble_rows(self, self.species_, structures, invariants, per_atom, n_threads)
        return rows.astype(self.dtype, copy=False)

    def _row_gradients(self, structures, positions, strain):
        invariants = self._invariants(self._coefficients(structures, dtype="float64"))
        fields = [self._linearized(structures)]
        what = self, self.species_, structures, invariants
        return rows_and_gradients(*what, fields, positions, strain)

    def _row_backward(self, structures, cotangents, with_rows):
        invariants = self._invariants(self._coefficients(structures, dtype="float64"))
        what = self, self.species_, structures, invariants
        rows, (of_field,) = rows_and_factors(*what, cotangents, with_rows)
        return rows, *self._coefficient_vjp(structures, of_field)

    def _coefficients(self, structures, n_threads=1, dtype=None):
        """Coefficients for each l, shape (n_atoms, 2 l + 1, n_laws * n_channels * n_max)."""
        dtype = self.dtype if dtype is None else dtype
        values = self._operator(dtype, n_threads).values(self._batch(structures))
        return [
            c.reshape(*c.shape[:2], np.prod(c.shape[2:])).astype(dtype, copy=False) for c in values
        ]

    def _linearized(self, structures):
        """Derivatives of the coefficients, as Linearized."""
        return linearize(self._operator(), self._batch(structures), self.n_max)

    def _coefficient_vjp(self, structures, cotangents):
        """Gradients by positions and by strain of factors times ``_coefficients``."""
        operator, batch = self._operator(), self._batch(structures)
        shape = operator.n_laws, batch.channels.count, self.n_max
        return operator.vjp(batch, [c.reshape(*c.shape[:2], *shape) for c in cotangents])

    def _batch(self, structures):
        return Batch(structures, self._channels(structures))


def learn_species(species, atoms_list):
    """Sorted atomic numbers from the parameter ``species``, or from the structures."""
    if isinstance(species, str):
        return np.unique(np.concatenate([atoms.numbers for atoms in atoms_list]))
    try:
        numbers = [_atomic_number(s) for s in species]
        if not numbers or not all(0 <= z < len(chemical_symbols) for z in numbers):
            raise ValueError
    except (KeyError, ValueError, TypeError):
        raise ValueError(
            f"species must be 'auto' or a list of element symbols or atomic numbers; got {species}."
        ) from None
    return np.unique(numbers)


def _atomic_number(element):
    if isinstance(element, bool):
        raise TypeError
    return atomic_numbers[element] if isinstance(element, str) else operator.index(element)


def check_species(transformer, atoms_list):
    """Refuse elements that fit has not seen, unless they are to be ignored."""
    if transformer.handle_unknown == "ignore":
        return
    if (species_index(transformer.species_, atoms_list) >= 0).all():
        return
    for index, atoms in enumerate(atoms_list):
        unknown = np.setdiff1d(atoms.numbers, transformer.species_)
        if len(unknown):
            names = ", ".join(f"{chemical_symbols[z]} (Z={z})" for z in unknown)
            raise ValueError(
                f"{describe(index, atoms)}: contains {names}, not among the elements "
                f"{symbols(transformer.species_)} of fit; pass species=[...] with all elements, or "
                "handle_unknown='ignore' to treat such atoms as absent."
            )


def symbols(species):
    """Element symbols of atomic numbers."""
    return [chemical_symbols[z] for z in species]
