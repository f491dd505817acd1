"""Scores of all candidates of a search: ridge models from products of rows, others one by one."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold, check_cv
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils.parallel import Parallel, delayed
from tqdm.auto import tqdm

from ..ridge.row_products import Block, centered, ridge_path
from .scoring import Judge
from .stored_rows import in_threads, setting

_RIDGES = -1  # stands for all ridge models in a list of jobs


@dataclass(frozen=True)
class Fold:
    """What one split trains and tests on.

    Attributes
    ----------
    train, test : ndarray of int
    """

    train: NDArray
    test: NDArray


@dataclass(frozen=True)
class Data:
    """What is learnt from.

    Attributes
    ----------
    structures : list of ase.Atoms
    targets : ndarray of shape (n_structures,) or None
    weights : ndarray of shape (n_structures,) or None
    """

    structures: list[Atoms]
    targets: NDArray | None
    weights: NDArray | None

    def part(self, index: NDArray) -> "Data":
        """Some of the structures."""
        return Data(
            [self.structures[i] for i in index],
            None if self.targets is None else self.targets[index],
            None if self.weights is None else self.weights[index],
        )

    def folds(self, cv: object, groups: NDArray | None) -> list[Fold]:
        """Splits of the structures, in which groups stay whole if `cv` is a number or None.

        Raises
        ------
        ValueError
            If there is no split, or a part without any weight.
        """
        if groups is not None and (cv is None or isinstance(cv, Integral)):
            cv = GroupKFold(min(5, len(set(groups.tolist()))) if cv is None else cv)
        everything = np.arange(len(self.structures))  # parts may be masks
        splits = check_cv(cv).split(self.structures, self.targets, groups)
        folds = [Fold(everything[train], everything[test]) for train, test in splits]
        if not folds:
            raise ValueError(f"cv gives no split: {cv!r}.")
        for number, fold in enumerate(folds):
            for name, part in vars(fold).items():
                if self.weights is not None and not self.weights[part].any():
                    raise ValueError(
                        f"sample_weight is zero for all {len(part)} structures of the {name} part "
                        f"of split {number}. Leave them out of X, or choose another cv."
                    )
        return folds

    def fit(self, estimator: BaseEstimator) -> BaseEstimator:
        """Fit an estimator, with the weights if there are any."""
        return estimator.fit(self.structures, self.targets, **self._weights_for(estimator))

    def _weights_for(self, estimator):
        if self.weights is None:
            return {}
        if isinstance(estimator, Pipeline):
            return {f"{estimator.steps[-1][0]}__sample_weight": self.weights}
        return {"sample_weight": self.weights}

    def score(self, judge: Judge, estimator: BaseEstimator) -> dict[str, float]:
        """Scores of a fitted estimator, by name."""
        weights = {} if self.weights is None else {"sample_weight": self.weights}
        return judge(estimator, self.structures, self.targets, **weights)


class Predicted(RegressorMixin, BaseEstimator):
    """An estimator for scorers, whose predictions are known.

    Parameters
    ----------
    values : ndarray of shape (n_structures,)
    """

    def __init__(self, values: NDArray):
        self.values = values

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, X: object, y: object = None) -> "Predicted":
        """Do nothing, for compatibility."""
        return self

    def predict(self, X: object) -> NDArray:
        """The values."""
        return self.values


@dataclass(frozen=True)
class Score:
    """What one candidate got in one split.

    Attributes
    ----------
    values : dict of str to float
        By scorer.
    fit_time, score_time : float
        In seconds; what candidates share is divided among them.
    variances : ndarray of shape (n_test,) or None
        Of a ridge model, see `ridge_path`.
    errors : ndarray of shape (n_test,) or None
        Of the predictions of a ridge model.
    """

    values: Mapping[str, float]
    fit_time: float
    score_time: float
    variances: NDArray | None = None
    errors: NDArray | None = None


@dataclass(frozen=True)
class RidgeModel:
    """A pipeline that ends in a ridge regression, taken apart.

    Attributes
    ----------
    branches : list of estimator
        Whose columns stand side by side.
    keys : tuple of str
        Names of the branches, which equal ones share.
    factors : tuple of float
        Of the columns of each branch.
    ridge : Ridge
    """

    branches: list[BaseEstimator]
    keys: tuple[str, ...]
    factors: tuple[float, ...]
    ridge: Ridge

    @classmethod
    def of(cls, estimator: BaseEstimator) -> "RidgeModel | None":
        """The parts of an estimator; None if it is something else, or not solved in closed form."""
        if type(estimator) is not Pipeline or len(estimator.steps) < 2:
            return None
        ridge = estimator.steps[-1][1]
        if type(ridge) is not Ridge or ridge.positive:
            return None
        if not isinstance(ridge.alpha, Real) or not float(ridge.alpha) > 0.0:
            return None
        steps = estimator.steps[:-1]
        parts = _branches(steps[0][1]) if len(steps) == 1 else None
        branches, factors = parts or ([Pipeline(steps)], (1.0,))
        return cls(branches, tuple(setting(branch) for branch in branches), factors, ridge)


def _branches(union):
    """Branches of a union and their weights; None for anything else."""
    if type(union) is not FeatureUnion:
        return None
    weights = union.transformer_weights or {}
    names = [name for name, branch in union.transformer_list if not isinstance(branch, str)]
    if len(names) < len(union.transformer_list) or not set(weights) <= set(names):
        return None
    factors = tuple(float(weights.get(name, 1.0)) for name in names)
    return [branch for _, branch in union.transformer_list], factors


def evaluate(
    estimators: Sequence[BaseEstimator],
    data: Data,
    folds: Sequence[Fold],
    judge: Judge,
    n_jobs: int | None,
) -> list[list[Score]]:
    """Scores of each estimator in each fold.

    Ridge regressions that differ in their alpha, or in the weights of the branches of one union,
    share products of rows and eigenvectors.

    Parameters
    ----------
    estimators : sequence of estimator
        Not fitted.
    data : Data
    folds : sequence of Fold
    judge : Judge
    n_jobs : int or None

    Returns
    -------
    list of list of Score
        For each estimator, for each fold.
    """
    models = [RidgeModel.of(e) if _is_vector(data.targets) else None for e in estimators]
    others = [i for i, model in enumerate(models) if model is None]
    together = [_RIDGES] if len(others) < len(models) else []
    jobs = [(what, fold) for what in [*together, *others] for fold in range(len(folds))]

    def work(what, number):
        fold = folds[number]
        train, test = data.part(fold.train), data.part(fold.test)
        if what == _RIDGES:
            return _ridge_scores(estimators, models, train, test, judge)
        return {what: _fit_and_score(estimators[what], train, test, judge)}

    scores: dict[tuple[int, int], Score] = {}
    progress = tqdm(total=len(jobs), desc="splits", unit="fit", disable=None, leave=False)
    with progress, in_threads():
        parallel = Parallel(n_jobs=n_jobs, require="sharedmem", return_as="generator")
        results = parallel(delayed(work)(*job) for job in jobs)
        for (_, number), found in zip(jobs, results, strict=True):
            for i, score in found.items():
                scores[i, number] = score
            progress.update()
    return [[scores[i, number] for number in range(len(folds))] for i in range(len(estimators))]


def _is_vector(targets):
    return targets is not None and targets.ndim == 1


def _fit_and_score(estimator, train, test, judge):
    start = time.perf_counter()
    fitted = train.fit(clone(estimator))
    fit_time = time.perf_counter() - start
    start = time.perf_counter()
    values = test.score(judge, fitted)
    return Score(values, fit_time, time.perf_counter() - start)


def _ridge_scores(estimators, models, train, test, judge):
    """Scores of all ridge models in one fold, by number."""
    start = time.perf_counter()
    weights = np.ones(len(train.targets)) if train.weights is None else train.weights
    blocks, together = _Blocks(train, test, weights), {}
    for i, model in enumerate(models):
        if model is not None:
            blocks.branches.update(zip(model.keys, model.branches, strict=True))
            like = model.keys, model.factors, model.ridge.fit_intercept
            together.setdefault(like, []).append(i)
    predicted = {}
    for (keys, factors, with_mean), numbers in together.items():
        parts = [blocks.get(key, with_mean) for key in keys]
        alphas = np.array([models[i].ridge.alpha for i in numbers], dtype=float)
        mean = np.average(train.targets, weights=weights) if with_mean else 0.0
        targets = np.sqrt(weights) * (train.targets - mean)
        rows, variances = ridge_path(parts, factors, targets, alphas)
        predicted.update(zip(numbers, zip(rows + mean, variances, strict=True), strict=True))
    share = (time.perf_counter() - start) / len(predicted)
    scores = {}
    for i, (row, variances) in predicted.items():
        start = time.perf_counter()
        known = Predicted(row) if judge.reads_predictions else train.fit(clone(estimators[i]))
        values = test.score(judge, known)
        spent = time.perf_counter() - start
        scores[i] = Score(values, share, spent, variances, row - test.targets)
    return scores


class _Blocks:
    """Blocks of one fold, each made once."""

    def __init__(self, train, test, weights):
        self._train, self._test, self._weights = train, test, weights
        self.branches, self._made = {}, {}

    def get(self, key, with_mean):
        if (key, with_mean) not in self._made:
            branch = clone(self.branches[key])
            train = np.asarray(branch.fit_transform(self._train.structures, self._train.targets))
            test = np.asarray(branch.transform(self._test.structures))
            rows = centered(np.asarray(train, float), test, self._weights, with_mean)
            self._made[key, with_mean] = Block.of(*rows)
        return self._made[key, with_mean]
