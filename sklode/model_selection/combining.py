"""Which candidates of a search predict together, and with what weights."""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.linear_model import Ridge
from sklearn.pipeline import FeatureUnion, Pipeline

from .candidates import RidgeModel

_NEAR = 3.0  # times the smallest error: what validation on few structures hardly tells apart
_ROUNDING = 1e-10  # relative difference of errors of the same candidate
_BY_CHANCE = 1e-3  # of the usual error of a fold; smaller ones tell no more

_NO_ERROR = (
    'combine="near_best" weighs candidates by their errors and needs a scoring that is minus an '
    'error, such as "neg_root_mean_squared_error"; {}. With several scorers, `refit` names the one.'
)


def check_is_error(scoring: object, refit: object) -> None:
    """Refuse what cannot be minus an error, even where no score is above zero.

    Raises
    ------
    ValueError
        For the score of an estimator, R^2 and others that are no errors, and for a `refit` that
        chooses by itself.
    """
    if callable(refit):
        raise ValueError('refit may be a callable with combine="best" alone: it chooses one.')
    if scoring is None or (isinstance(scoring, str) and not scoring.startswith("neg_")):
        raise ValueError(_NO_ERROR.format(f"scoring is {scoring!r}"))


def fold_errors(scores: NDArray) -> NDArray:
    """Errors from scores that are minus an error; the geometric mean over the splits.

    Parameters
    ----------
    scores : ndarray of shape (n_candidates, n_splits)

    Returns
    -------
    ndarray of shape (n_candidates,)
        Folds of large and of small errors have the same say. Errors below a thousandth of the
        usual one of their fold count as that: a fold that is met by chance decides nothing.

    Raises
    ------
    ValueError
        If a score is above zero or not finite, so that it is not minus an error.
    """
    if not np.isfinite(scores).all():
        raise ValueError(
            f'combine="near_best" needs finite scores; one is {scores[~np.isfinite(scores)][0]}. '
            "Look for targets that are far too large, or give other parts with `cv`."
        )
    if (scores > 0.0).any():
        wrong = scores[scores > 0.0][0]
        raise ValueError(_NO_ERROR.format(f"this one gave {wrong:.3g}"))
    usual = np.median(-scores, axis=0)
    floored = np.maximum(-scores, np.maximum(_BY_CHANCE * usual, np.finfo(float).tiny))
    return np.exp(np.log(floored).mean(axis=1))


def near_best(errors: NDArray, settings: Sequence[Hashable]) -> tuple[NDArray, NDArray]:
    """The candidates whose error is near the smallest, and their weights.

    Parameters
    ----------
    errors : ndarray of shape (n_candidates,)
    settings : sequence of hashable
        Of candidates with the same setting the best stands for all, and of candidates with the
        same error the first.

    Returns
    -------
    index : ndarray of int
        From the best on.
    weights : ndarray of float
        In proportion to 1/error^2; their sum is 1.
    """
    best_of: dict[Hashable, int] = {}
    for i in np.argsort(errors, kind="stable"):
        best_of.setdefault(settings[i], int(i))
    index = np.array(list(best_of.values()))
    index = index[errors[index] <= _NEAR * errors[index[0]]]
    equal = np.diff(errors[index], prepend=-1.0) <= _ROUNDING * errors[index]
    index = index[~equal]  # such as settings of a block of weight 0, which is one candidate
    weights = (errors[index[0]] / errors[index]) ** 2
    return index, weights / weights.sum()


def merged(estimators: Sequence[BaseEstimator], weights: Sequence[float]) -> Pipeline:
    """The weighted mean of fitted ridge models as one.

    Branches of equal parameters, fitted to the same structures, are taken once.

    Raises
    ------
    AttributeError
        If one of the estimators is no pipeline that ends in Ridge.
    """
    branches: dict[str, BaseEstimator] = {}
    coefficients: dict[str, NDArray] = {}
    intercept = 0.0
    for estimator, weight in zip(estimators, weights, strict=True):
        model = RidgeModel.of(estimator)
        if model is None:
            raise AttributeError(
                f"Only pipelines that end in Ridge are linear models; one is {estimator!r:.200}."
            )
        intercept += weight * model.ridge.intercept_
        # FeatureUnion multiplies columns by its weights
        sizes = [len(branch.get_feature_names_out()) for branch in model.branches[:-1]]
        parts = np.split(model.ridge.coef_, np.cumsum(sizes, dtype=int), axis=-1)
        pieces = zip(model.keys, model.branches, model.factors, parts, strict=True)
        for key, branch, factor, part in pieces:
            branches.setdefault(key, branch)
            coefficients[key] = coefficients.get(key, 0.0) + weight * factor * part
    ridge = Ridge(**estimators[0][-1].get_params())
    ridge.coef_ = np.concatenate(list(coefficients.values()), axis=-1)
    ridge.intercept_ = intercept
    ridge.n_features_in_ = ridge.coef_.shape[-1]
    union = FeatureUnion([(f"block{i}", b) for i, b in enumerate(branches.values())])
    return Pipeline([("features", union), ("ridge", ridge)])
