"""The skeleton of all transformers of structures; the only importer of scikit-learn's internals."""

import os
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Self

import numpy as np
import pandas as pd
from ase import Atoms
from joblib import Memory
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.metrics._scorer import _BaseScorer
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import check_is_fitted

from .execution.differentiable import Differentiable
from .execution.feature_cache import cached_rows
from .inputs.atoms import read_container, read_structures, row_index
from .physics import blocks
from .physics.system.structures import Structure

__all__ = [
    "MEMORY",
    "N_JOBS",
    "CheckedWhenLoaded",
    "HasMethods",
    "Number",
    "RegisteredName",
    "StrOptions",
    "StructureTransformer",
    "fit_context",
    "output_container",
    "reads_predictions",
]

fit_context = _fit_context


def reads_predictions(scoring: object) -> bool:
    """Whether a scoring takes nothing from an estimator but its predictions of all of X."""
    if callable(scoring):
        return isinstance(scoring, _BaseScorer)
    members = scoring.values() if isinstance(scoring, Mapping) else ()
    return all(reads_predictions(member) for member in members)


def output_container(transformer: object) -> str:
    """What ``transform`` gives: "default", "pandas" or "polars"."""
    return _get_output_config("transform", transformer)["dense"]


class Number(Interval):
    """The numbers of an interval, of any type that is one; a boolean is none."""

    def is_satisfied_by(self, val: object) -> bool:
        """Whether ``val`` is one of them."""
        if not isinstance(val, self.type) or isinstance(val, bool):
            return False
        try:
            return (val if self.type is Integral else float(val)) in self
        except OverflowError:
            return False


class RegisteredName(StrOptions):
    """The names in a registry, those included that come later."""

    def __init__(self, registry: Mapping):
        self._registry = registry
        super().__init__(self.options)

    @property
    def options(self) -> set[str]:
        """The names that there are now."""
        return set(self._registry) - {None}

    @options.setter
    def options(self, names: set[str]) -> None:
        """Not kept, since names may come."""

    def is_satisfied_by(self, val: object) -> bool:
        """Whether ``val`` is one of them."""
        return isinstance(val, str) and val in self._registry

    def entry(self, val: object) -> object:
        """What a name stands for; None for what is none."""
        return self._registry[val] if self.is_satisfied_by(val) else None


N_JOBS = [
    Number(Integral, 1, 10**6, closed="both"),
    Number(Integral, -(10**6), -1, closed="both"),
    None,
]
MEMORY = [None, str, os.PathLike, Memory]


class CheckedWhenLoaded:
    """Base of estimators that refuse wrong parameters when a fitted one is loaded, not later.

    What is not fitted may hold any parameters, as in scikit-learn: ``fit`` looks at them, and a
    search sends estimators to its workers before it sets them.
    """

    def __setstate__(self, state):
        super().__setstate__(state)
        if any(name.endswith("_") and not name.startswith("_") for name in vars(self)):
            self._check_loaded()

    def _check_loaded(self):
        name, constraints = type(self).__name__, self._parameter_constraints
        stored = {key: value for key, value in vars(self).items() if key in constraints}
        try:
            validate_parameter_constraints(constraints, stored, name)
            if len(stored) == len(constraints):  # older ones may lack some
                self._check_parameters()
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"A stored {name} cannot be used: {error} Fit and store it again."
            ) from error

    def _check_parameters(self):
        """Refuse combinations of parameters that the constraints let through."""


class StructureTransformer(Differentiable, CheckedWhenLoaded, TransformerMixin, BaseEstimator):
    """Base of transformers that turn each structure of X into one row of numbers.

    A subclass learns in ``learn``, tells of its columns in ``column_table``, and computes in
    ``compute_rows``, ``compute_gradients`` and ``compute_backward``: arrays in, arrays out, called
    for chunks of structures, possibly in other processes.
    """

    def _read(self, X, reset):
        """The Atoms in X. The only method that sees X."""
        return read_container(X)

    def charge_names(self) -> tuple[str, ...]:
        """Names of the per-atom arrays to read along."""
        return ()

    def check_structures(self, atoms_list: Sequence[Atoms]) -> None:
        """Refuse structures that this transformer cannot describe; after fit."""

    @fit_context(prefer_skip_nested_validation=False)  # projectors inside are validated too
    def fit(self, X: Sequence[Atoms], y: object = None) -> Self:
        """Learn the elements and the layout of the columns.

        Parameters
        ----------
        X : sequence of ase.Atoms
            List, tuple, pandas Series, one-column DataFrame or object array of structures.
        y : ignored
            For compatibility with pipelines.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            For a wrong parameter or bad input; the message names the structure.
        """
        atoms_list = self._read(X, reset=True)
        read_structures(atoms_list, self.charge_names())
        self.learn(atoms_list)
        self.check_structures(atoms_list)
        return self

    def transform(self, X: Sequence[Atoms]) -> NDArray | pd.DataFrame:
        """Describe every structure by one row.

        Parameters
        ----------
        X : sequence of ase.Atoms
            As in ``fit``.

        Returns
        -------
        ndarray or DataFrame of shape (n_structures, n_features)
            A DataFrame with the index of X after ``set_output(transform="pandas")``.

        Raises
        ------
        TypeError, ValueError
            For bad input; the message names the structure.
        """
        check_is_fitted(self)
        return self._describe(self._read(X, reset=False), per_atom=False)

    def transform_atoms(self, X: Sequence[Atoms]) -> NDArray | pd.DataFrame:
        """Describe every atom by one row, in the order of the structures and their atoms.

        Parameters
        ----------
        X : sequence of ase.Atoms
            As in ``fit``.

        Returns
        -------
        ndarray or DataFrame of shape (n_atoms_total, n_features)
            After ``set_output(transform="pandas")`` a DataFrame with the index (structure, atom),
            the first level taken from the index of X.

        Raises
        ------
        TypeError, ValueError
            For bad input; the message names the structure.
        """
        check_is_fitted(self)
        atoms_list = self._read(X, reset=False)
        return self._frame_of_atoms(self._describe(atoms_list, per_atom=True), X, atoms_list)

    def _frame_of_atoms(self, rows, X, atoms_list):
        container = output_container(self)
        if container == "default":
            return rows
        columns = self.get_feature_names_out()
        if container == "polars":
            import polars

            return polars.DataFrame(rows, schema=list(columns), orient="row")
        labels = row_index(X)
        labels = np.arange(len(atoms_list)) if labels is None else labels
        sizes = [len(atoms) for atoms in atoms_list]
        index = pd.MultiIndex.from_arrays(
            [np.repeat(np.asarray(labels), sizes), np.concatenate([np.arange(n) for n in sizes])],
            names=["structure", "atom"],
        )
        return pd.DataFrame(rows, index=index, columns=columns)

    def _describe(self, atoms_list, per_atom):
        structures = read_structures(atoms_list, self.charge_names())
        self.check_structures(atoms_list)
        return cached_rows(self, structures, per_atom)

    def atoms_at_once(self, structures: Sequence[Structure]) -> int:
        """Atoms of a chunk of structures, so that what is held for them stays small."""
        return blocks.CHUNK_ATOMS

    def registered(self) -> list:
        """What those parameters stand for that are names in a registry."""
        return [
            constraint.entry(getattr(self, name))
            for name, constraints in self._parameter_constraints.items()
            for constraint in constraints
            if isinstance(constraint, RegisteredName)
        ]

    @property
    def row_dtype(self) -> np.dtype:
        """Precision of the rows."""
        return np.dtype(getattr(self, "dtype", "float64"))

    def readable(self, X: Sequence[Atoms]) -> list[Structure]:
        """Read the structures in X, those that this transformer cannot describe refused."""
        check_is_fitted(self)
        atoms_list = self._read(X, reset=False)
        structures = read_structures(atoms_list, self.charge_names())
        self.check_structures(atoms_list)
        return structures

    @property
    def feature_table_(self) -> pd.DataFrame:
        """One row a column of the output: its name and what it stands for (DataFrame)."""
        check_is_fitted(self)
        return self.column_table().copy()

    def get_feature_names_out(self, input_features: object = None) -> NDArray:
        """Names of the columns.

        Parameters
        ----------
        input_features : ignored
            For compatibility.

        Returns
        -------
        ndarray of str, shape (n_features,)
            Unique names; ``feature_table_`` holds the same information as fields.
        """
        check_is_fitted(self)
        return self.column_table()["name"].to_numpy(dtype=object, copy=True)

    @property
    def n_features_out(self) -> int:
        """Number of columns."""
        return len(self.column_table())

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags
