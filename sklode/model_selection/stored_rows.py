"""Transformers of structures, computed once and looked up from then on."""

import copy
from collections.abc import Callable, Sequence

import joblib
import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.pipeline import FeatureUnion, Pipeline
from tqdm.auto import tqdm

from ..base import StructureTransformer


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
        return StoredRows(self.store, self.key)  # what is stored is shared

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

    def stand_in(self, transformer: StructureTransformer) -> StoredRows:
        """What takes the place of a transformer that is not fitted yet."""
        key = setting(transformer)
        if key not in self._transformers:
            self._transformers[key] = clone(transformer)
        return StoredRows(self, key)

    def compute(self) -> None:
        """Fit the transformers that are not fitted yet, and keep the rows of all structures."""
        missing = [key for key in self._transformers if key not in self._rows]
        for key in tqdm(missing, desc="features", unit="setting", disable=None, leave=False):
            transformer = self._transformers[key]
            if hasattr(transformer, "set_output"):
                transformer.set_output(transform="default")
            self._rows[key] = transformer.fit(self._structures).transform(self._structures)

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
                store._rows[key] = np.asarray(transformer.transform(structures))
            return StoredRows(store, key)

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


def _description(value):
    """Types and parameters, all the way down; stored rows by their key."""
    if isinstance(value, BaseEstimator):
        parameters = value.get_params(deep=False)
        parameters.pop("store", None)  # large, and the same for all
        return type(value).__qualname__, {k: _description(v) for k, v in parameters.items()}
    if isinstance(value, list | tuple):
        return [_description(member) for member in value]
    return value
