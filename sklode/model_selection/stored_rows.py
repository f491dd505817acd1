"""Transformers of structures, computed once and looked up from then on."""

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pickle import PicklingError

import joblib
import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import FeatureUnion, Pipeline
from tqdm.auto import tqdm

from ..base import StructureTransformer, output_container


class StoredRows(TransformerMixin, BaseEstimator):
    """Stands in for a fitted transformer of structures whose rows are known.

    Parameters
    ----------
    store : RowStore
    key : str
        Of the transformer in the store.
    """

    def __init__(self, store: "RowStore", key: str):
        self.store = store
        self.key = key

    def __sklearn_clone__(self):
        # what is stored is shared
        return StoredRows(self.store, self.key).set_output(transform=output_container(self))

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, X: Sequence[Atoms], y: object = None) -> "StoredRows":
        """Do nothing, for compatibility."""
        return self

    def transform(self, X: Sequence[Atoms]) -> NDArray:
        """Rows of structures of the store."""
        return self.store.rows(self.key, X)

    def get_feature_names_out(self, input_features: object = None) -> NDArray:
        """Names of the columns."""
        return self.store.names(self.key)


class RowStore:
    """Rows of structures, for every distinct setting of a transformer.

    A transformer learns the elements and its columns from all structures.

    Parameters
    ----------
    structures : list of ase.Atoms
        They are told apart by identity.
    """

    def __init__(self, structures: Sequence[Atoms]):
        self._structures = list(structures)
        self._positions = {id(atoms): i for i, atoms in enumerate(self._structures)}
        self._transformers: dict[str, StructureTransformer] = {}
        self._rows: dict[str, NDArray] = {}

    def stand_in(self, transformer: StructureTransformer) -> BaseEstimator:
        """What takes the place of a transformer that is not fitted yet.

        One that contains others which learn from values, such as scalers, stays what it is: it has
        to be fitted to each training part.
        """
        if not _learns_elements_alone(transformer):
            return transformer
        key = setting(transformer)
        if key not in self._transformers:
            self._transformers[key] = clone(transformer)
        return self._stored(transformer, key)

    def _stored(self, transformer, key):
        return StoredRows(self, key).set_output(transform=output_container(transformer))

    def compute(self) -> None:
        """Fit the transformers that are not fitted yet, and keep the rows of all structures."""
        missing = [key for key in self._transformers if key not in self._rows]
        for key in tqdm(missing, desc="features", unit="setting", disable=None, leave=False):
            rows = self._transformers[key].fit(self._structures).transform(self._structures)
            self._rows[key] = np.asarray(rows)

    def rows(self, key: str, structures: Sequence[Atoms]) -> NDArray:
        """Rows of some of the structures."""
        return self._rows[key][[self._positions[id(atoms)] for atoms in structures]]

    def names(self, key: str) -> NDArray:
        """Names of the columns of a transformer."""
        return self._transformers[key].get_feature_names_out()

    def restore(self, estimator: BaseEstimator) -> BaseEstimator:
        """An estimator with the fitted transformers in the place of this store's stand-ins."""

        def original(stand_in):
            return self._transformers[stand_in.key] if stand_in.store is self else stand_in

        return replace_transformers(estimator, original, StoredRows)

    @classmethod
    def of_fitted(
        cls, estimators: Sequence[BaseEstimator], structures: Sequence[Atoms]
    ) -> list[BaseEstimator]:
        """Stand-ins for the fitted transformers of several estimators, each computed once.

        Returns
        -------
        list of estimator
            Copies that look up the rows of these very structures.
        """
        store = cls(structures)

        def stand_in(transformer):
            key = str(id(transformer))
            if key not in store._rows:
                store._transformers[key] = transformer
                store._rows[key] = np.asarray(transformer.transform(structures))
            return store._stored(transformer, key)

        return [replace_transformers(estimator, stand_in) for estimator in estimators]


def replace_transformers(
    estimator: BaseEstimator,
    replacement: Callable[[BaseEstimator], BaseEstimator],
    kind: type = StructureTransformer,
) -> BaseEstimator:
    """A copy of an estimator with others in the place of what reads structures.

    Looks into Pipelines, FeatureUnions, and estimators with a parameter ``features``; whatever else
    reads structures stays as it is.

    Parameters
    ----------
    estimator : estimator
        Left as it is.
    replacement : callable
        From a transformer to what takes its place.
    kind : type
        Of the transformers to replace.
    """
    if isinstance(estimator, kind):
        return replacement(estimator)
    if isinstance(estimator, Pipeline):
        replaced = copy.copy(estimator)
        (name, first), *others = estimator.steps
        replaced.steps = [(name, replace_transformers(first, replacement, kind)), *others]
        return replaced
    if isinstance(estimator, FeatureUnion):
        replaced = copy.copy(estimator)
        replaced.transformer_list = [
            (name, replace_transformers(branch, replacement, kind))
            for name, branch in estimator.transformer_list
        ]
        return replaced
    for name in ("features", "features_", "regressor", "regressor_"):
        if isinstance(getattr(estimator, name, None), BaseEstimator):
            inner = replace_transformers(getattr(estimator, name), replacement, kind)
            estimator = copy.copy(estimator)
            setattr(estimator, name, inner)
    return estimator


def setting(estimator: object) -> str:
    """A key that estimators of the same kind with the same parameters share."""
    return joblib.hash(_description(estimator))


def without_last(estimator: BaseEstimator) -> BaseEstimator:
    """A pipeline without its last step; anything else as it is."""
    return estimator[:-1] if isinstance(estimator, Pipeline) else estimator


def in_threads() -> AbstractContextManager:
    """Where joblib, in unions for instance, works in threads: structures keep their identity."""
    return joblib.parallel_config(backend="threading")


def _learns_elements_alone(transformer):
    inner = [v for v in transformer.get_params().values() if isinstance(v, BaseEstimator)]
    return all(isinstance(v, StructureTransformer | Pipeline | FeatureUnion) for v in inner)


def _description(value):
    """Types and parameters, all the way down; stored rows by their key."""
    if isinstance(value, BaseEstimator) and not isinstance(value, FrozenEstimator):
        parameters = value.get_params(deep=False)
        parameters.pop("store", None)  # large, and the same for all
        described = {k: _description(v) for k, v in parameters.items()}
        return id(type(value)), output_container(value), described
    if isinstance(value, list | tuple):
        return [_description(member) for member in value]
    if isinstance(value, dict):
        return {k: _description(member) for k, member in value.items()}
    try:
        return joblib.hash(value)
    except (PicklingError, TypeError, AttributeError):  # such as lambdas
        return id(value)
