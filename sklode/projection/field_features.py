"""Rows of structures from the coefficients of one projector or two, in three modes."""

from collections.abc import Sequence

from numpy.typing import ArrayLike, NDArray

from ..base import StructureTransformer
from ..physics.invariants.rows import differentiate
from ..physics.invariants.spectra import LinearColumns, PairColumns, Part
from ..physics.system.structures import Structure
from .expansion import Expansion
from .pooling import Pooling


class FieldFeatures(StructureTransformer):
    """Base of transformers whose rows are made of expansions around every atom.

    A subclass says whose, ``projectors()``, and makes columns of their coefficients,
    ``columns_of(fields, parts)``.
    """

    def projectors(self) -> list:
        """Fitted projectors whose coefficients columns are made of, one or two."""
        raise NotImplementedError

    def columns_of(
        self, fields: list[list[NDArray]], parts: list[list[Part]]
    ) -> LinearColumns | PairColumns:
        """Make columns of the coefficients of fields: LinearColumns or PairColumns.

        ``parts`` are lists of Part, one a field.
        """
        raise NotImplementedError

    def elements_matter(self) -> bool:
        """Whether an atom of an unknown element has no place in the columns."""
        raise NotImplementedError

    def compute_rows(
        self, structures: Sequence[Structure], per_atom: bool, n_threads: int
    ) -> NDArray:
        """Rows of a chunk of structures, or of their atoms."""
        narrow = self.multiplies_channels()
        expansions = self._expansions(structures, None, n_threads, narrow)
        columns, pooling = self._columns(expansions), self._pooling(expansions)
        rows_of = pooling.atom_rows if per_atom else pooling.structure_rows
        rows = rows_of(columns, [e.present for e in expansions], n_threads)
        return rows.astype(self.row_dtype, copy=False)

    def compute_gradients(
        self, structures: Sequence[Structure], positions: bool, strain: bool
    ) -> tuple[NDArray, list[NDArray] | None, NDArray | None]:
        """Rows of a chunk, and their derivatives as far as wanted, otherwise None."""
        expansions = self._expansions(structures, "float64", keep_pairs=True)
        columns, pooling = self._columns(expansions), self._pooling(expansions)
        rows = pooling.structure_rows(columns, [e.present for e in expansions])
        terms = [term for weights in pooling.weights() for term in columns.terms(weights)]
        fields, offsets = [e.linearized() for e in expansions], expansions[0].batch.offsets
        gradients = differentiate(terms, fields, offsets, positions, strain, self.row_dtype)
        return rows.astype(self.row_dtype, copy=False), *gradients

    def compute_backward(
        self, structures: Sequence[Structure], cotangents: ArrayLike, with_rows: bool
    ) -> tuple[NDArray | None, NDArray, NDArray]:
        """Rows of a chunk or None, and gradients of a combination of the columns of each."""
        expansions = self._expansions(structures, "float64", keep_pairs=True)
        columns, pooling = self._columns(expansions), self._pooling(expansions)
        rows = None
        if with_rows:
            rows = pooling.structure_rows(columns, [e.present for e in expansions])
            rows = rows.astype(self.row_dtype, copy=False)
        groups, factors = pooling.groups(), cotangents / pooling.divisors()[:, None]
        n_columns = factors.size // len(groups)
        of_fields = columns.backward(groups, factors.reshape(len(groups), n_columns))
        parts = [e.vjp(factors) for e, factors in zip(expansions, of_fields, strict=True)]
        return rows, *(sum(kind) for kind in zip(*parts, strict=True))

    def multiplies_channels(self) -> bool:
        """Whether columns are products of channels, most of which a structure may lack."""
        return True

    def _expansions(self, structures, *args, **options):
        return [Expansion(p, structures, *args, **options) for p in self.projectors()]

    def _columns(self, expansions):
        fields = [e.coefficients() for e in expansions]
        return self.columns_of(fields, [e.parts(field) for field, e in enumerate(expansions)])

    def _pooling(self, expansions):
        # the first projector has the elements of the transformer
        return Pooling(self, expansions[0].index, expansions[0].batch)
