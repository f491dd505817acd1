"""The chain rule through unions and pipelines of scikit-learn, for ``sklode.gradients``."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from ase import Atoms
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_selection import SelectorMixin
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

from ..execution.derivatives import Derivatives
from ..inputs.atoms import read_container, real_array
from ..preprocessing import BlockScaler

SCALERS = (BlockScaler, StandardScaler, MaxAbsScaler)
_ALLOWED = (
    "Gradients exist for the transformers of sklode, a FeatureUnion of them, and a Pipeline that "
    "begins with one of these and goes on with BlockScaler, StandardScaler, MaxAbsScaler, PCA, "
    "TruncatedSVD, feature selectors or 'passthrough'"
)


def rows_and_backward(
    features: BaseEstimator, X: Sequence[Atoms], cotangents: ArrayLike, with_rows: bool
) -> tuple[NDArray | None, list[NDArray], NDArray]:
    """Compute rows (None without ``with_rows``) and gradients of one combination of them."""
    atoms_list = read_container(X)
    factors = real_array(cotangents, "cotangents")
    if factors.ndim != 2 or len(factors) != len(atoms_list):
        raise ValueError(
            f"cotangents must have shape (n_structures, n_features) with {len(atoms_list)} "
            f"structures; got {factors.shape}."
        )
    return _backward(features, atoms_list, factors, with_rows)


def check_differentiable(features: BaseEstimator) -> None:
    """Refuse features without gradients, at any depth, before anything is computed.

    Raises
    ------
    TypeError
        Says which part has none and what is allowed.
    """
    if isinstance(features, Pipeline):
        first, later = _steps(features)
        for step in later:
            _LinearStep(step)
        check_differentiable(first)
    elif isinstance(features, FeatureUnion):
        for branch, _ in branches(features):
            check_differentiable(branch)
    elif not hasattr(features, "transform_gradients"):
        raise TypeError(f"{_ALLOWED}; {_name(features)} has none.")


def branches(union: FeatureUnion) -> list[tuple]:
    """Pairs (transformer, weight) of a FeatureUnion, without the dropped ones."""
    weights = union.transformer_weights or {}
    return [(t, weights.get(name, 1.0)) for name, t in union.transformer_list if t != "drop"]


def n_columns(transformer: BaseEstimator, atoms_list: Sequence[Atoms]) -> int:
    """Number of columns of a fitted transformer; it is transformed only if it has no names."""
    if isinstance(transformer, Pipeline):
        first, later = _steps(transformer)
        if later:
            return _LinearStep(later[-1]).n_columns()
        return n_columns(first, atoms_list)
    if isinstance(transformer, FeatureUnion):
        return sum(n_columns(branch, atoms_list) for branch, _ in branches(transformer))
    if hasattr(transformer, "get_feature_names_out"):
        return len(transformer.get_feature_names_out())
    return np.shape(transformer.transform(atoms_list[:1]))[1]


def differentiate_list(features, atoms_list, positions, strain):
    """Describe structures of a list that was read, and differentiate the rows."""
    if isinstance(features, Pipeline):
        first, later = _steps(features)
        steps = [_LinearStep(step) for step in later]
        found = differentiate_list(first, atoms_list, positions, strain)
        rows, moved, strained = found.rows, found.positions, found.strain
        for step in steps:
            rows = step.transform(rows)
            moved = [step.forward(g) for g in moved] if positions else None
            strained = step.forward(strained) if strain else None
        return Derivatives(rows, moved, strained)
    if isinstance(features, FeatureUnion):
        return _differentiate_union(features, atoms_list, positions, strain)
    if hasattr(features, "differentiate"):
        return features.differentiate(atoms_list, positions, strain)
    moved = _called(features, "transform_gradients", atoms_list) if positions else None
    strained = _called(features, "transform_strain_gradients", atoms_list) if strain else None
    rows = np.asarray(features.transform(atoms_list))
    return Derivatives(rows, moved, None if strained is None else np.asarray(strained))


def _differentiate_union(union, atoms_list, positions, strain):
    parts = [
        (weight, differentiate_list(branch, atoms_list, positions, strain))
        for branch, weight in branches(union)
    ]

    def joined(arrays):
        weighted = [weight * array for (weight, _), array in zip(parts, arrays, strict=True)]
        return np.concatenate(weighted, axis=-1)

    moved = zip(*(part.positions for _, part in parts), strict=True) if positions else ()
    return Derivatives(
        joined([part.rows for _, part in parts]),
        [joined(arrays) for arrays in moved] if positions else None,
        joined([part.strain for _, part in parts]) if strain else None,
    )


def _called(features, method, atoms_list):
    if not hasattr(features, method):
        raise TypeError(f"{_ALLOWED}; {_name(features)} has no {method}.")
    return list(getattr(features, method)(atoms_list))


def _backward(features, atoms_list, cotangents, with_rows):
    """Rows, or None if they are not wanted, and gradients by positions and by strain."""
    if isinstance(features, Pipeline):
        first, later = _steps(features)
        for step in reversed(later):
            cotangents = _LinearStep(step).backward(cotangents)
        rows, *found = _backward(first, atoms_list, cotangents, with_rows)
        if with_rows:
            for step in later:
                rows = _LinearStep(step).transform(rows)
        return rows, *found
    if isinstance(features, FeatureUnion):
        return _backward_union(features, atoms_list, cotangents, with_rows)
    if with_rows and hasattr(features, "transform_and_backpropagate"):
        return features.transform_and_backpropagate(atoms_list, cotangents)
    rows = np.asarray(features.transform(atoms_list)) if with_rows else None
    if hasattr(features, "backpropagate"):
        return rows, *features.backpropagate(atoms_list, cotangents)
    return rows, *_contracted(features, atoms_list, cotangents)


def _backward_union(union, atoms_list, cotangents, with_rows):
    pairs, rows = branches(union), []
    ends = np.cumsum([n_columns(branch, atoms_list) for branch, _ in pairs])
    gradients = [np.zeros((len(atoms), 3)) for atoms in atoms_list]
    strains = np.zeros((len(atoms_list), 3, 3))
    blocks = np.split(cotangents, ends[:-1], axis=1)
    for (branch, weight), block in zip(pairs, blocks, strict=True):
        of_branch, own, mine_strains = _backward(branch, atoms_list, weight * block, with_rows)
        for total, part in zip(gradients, own, strict=True):
            total += part
        strains += mine_strains
        if with_rows:
            rows.append(weight * of_branch)
    return np.concatenate(rows, axis=1) if with_rows else None, gradients, strains


def _contracted(features, atoms_list, cotangents):
    """From the full gradients, one structure after the other to spare memory."""
    gradients, strains = [], []
    for atoms, row in zip(atoms_list, cotangents, strict=True):
        found = differentiate_list(features, [atoms], True, True)
        gradients.append(found.positions[0] @ row)
        strains.append(found.strain[0] @ row)
    return gradients, np.array(strains)


def _steps(pipeline):
    """First and later steps of a pipeline, those that pass through left out."""
    steps = [t for _, t in pipeline.steps if t is not None and not _is_passthrough(t)]
    if not steps:
        raise TypeError(f"{_ALLOWED}; the Pipeline has no transformer of structures.")
    return steps[0], steps[1:]


def _is_passthrough(step):
    return isinstance(step, str) and step == "passthrough"


def _name(estimator):
    return f"'{estimator}'" if isinstance(estimator, str) else type(estimator).__name__


class _LinearStep:
    """The derivative of a linear step of a pipeline, and its transpose."""

    def __init__(self, step):
        known = (*SCALERS, PCA, TruncatedSVD, SelectorMixin)
        if not isinstance(step, known):
            raise TypeError(f"{_ALLOWED}; got {_name(step)} in a Pipeline.")
        self._step = step

    def _factors(self):
        scale = getattr(self._step, "scale_", None)  # None in a StandardScaler(with_std=False)
        return 1.0 if scale is None else 1.0 / np.asarray(scale, dtype=float)

    def _components(self):
        components = np.asarray(self._step.components_, dtype=float)
        if not getattr(self._step, "whiten", False):
            return components
        variances = self._step.explained_variance_
        floor = np.finfo(variances.dtype).eps  # as in PCA.transform
        return components / np.maximum(np.sqrt(variances), floor)[:, None]

    def n_columns(self):
        """Number of columns of the output."""
        if isinstance(self._step, SCALERS):
            return self._step.n_features_in_
        if isinstance(self._step, SelectorMixin):
            return int(self._step.get_support().sum())
        return len(self._step.components_)

    def transform(self, rows):
        """From rows of the input to those of the output, as plain arrays."""
        names = getattr(self._step, "feature_names_in_", None)  # of a step fitted on a frame
        rows = rows if names is None else pd.DataFrame(rows, columns=names)
        return np.asarray(self._step.transform(rows))

    def forward(self, gradients):
        """From gradients of the input to those of the output, features last."""
        if isinstance(self._step, SCALERS):
            return gradients * self._factors()
        if isinstance(self._step, SelectorMixin):
            return gradients[..., self._step.get_support()]
        return gradients @ self._components().T

    def backward(self, cotangents):
        """From factors of the output to those of the input."""
        if isinstance(self._step, SCALERS):
            return cotangents * self._factors()
        if isinstance(self._step, SelectorMixin):
            support = self._step.get_support()
            spread = np.zeros((len(cotangents), len(support)))
            spread[:, support] = cotangents
            return spread
        return cotangents @ self._components()
