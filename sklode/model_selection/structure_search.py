"""Search over settings of transformers and models, with every setting computed once."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Self

import numpy as np
import pandas as pd
from ase import Atoms
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ..base import N_JOBS, CheckedWhenLoaded, HasMethods, StrOptions, fit_context
from ..inputs.atoms import read_container, read_structures, row_index
from ..inputs.targets import read_sample_weight, read_shared_groups, read_values
from ..regression import AtomisticRidgeCV
from .candidates import Data, evaluate
from .caution import Caution
from .combining import check_is_error, fold_errors, merged, near_best
from .scoring import Judge, called_refit, deciding_score
from .stored_rows import RowStore, in_threads, replace_transformers, setting, without_last
from .table import results_table


class StructureSearchCV(CheckedWhenLoaded, MetaEstimatorMixin, RegressorMixin, BaseEstimator):
    """Grid search over transformers of structures and the models behind them.

    What GridSearchCV does, with every distinct setting of a transformer computed once, for all
    structures, folds and models. Pipelines that end in Ridge are scored in closed form: all alphas,
    and all ``transformer_weights`` of a union, from the same products of rows.

    Parameters
    ----------
    estimator : estimator
        Reads structures: a Pipeline that begins with a transformer of this package or a
        FeatureUnion of them, `AtomisticRidgeCV`, or anything with ``fit`` and ``predict``.
    param_grid : dict or list of dict
        As in GridSearchCV: names of parameters and lists of values.
    scoring : str, callable, list, tuple or dict, default=None
        As in GridSearchCV. None: the estimator's own score, R^2. A function of (estimator, X, y)
        may ask for anything, so that every candidate is fitted for it; ``make_scorer`` is faster.
    cv : int, splitter or iterable, default=None
        As in GridSearchCV; 5 folds, or with ``groups`` in ``fit`` folds of whole groups.
        `NearToFarSplit` for curves that have to be carried on.
    combine : {"best", "near_best"}, default="best"
        "best" predicts with the best candidate. "near_best" with a mean of those that validation
        can hardly tell from it, which is better where few structures judge. See the notes.
    refit : bool, str or callable, default=True
        Whether to fit the best candidate, or those that are combined, to all structures. With
        several scorers the name of the one that chooses. A callable takes ``cv_results_`` and gives
        the index of the best one, as in GridSearchCV.
    n_jobs : int, default=None
        Folds at once, in threads. Transformers have ``n_jobs`` of their own.

    Attributes
    ----------
    cv_results_ : dict of str to array
        As of GridSearchCV; ``pd.DataFrame(search.cv_results_)`` is the table. ``fit_time`` of a
        ridge model is its share of what was computed for all.
    best_estimator_ : estimator
    best_params_ : dict
    best_score_ : float
    best_index_ : int
    n_splits_ : int
    refit_time_ : float
        In seconds.
    scorer_ : callable
    multimetric_ : bool
    members_ : DataFrame
        With ``combine="near_best"``: index in ``cv_results_``, ``error``, ``weight`` and the
        parameters of the candidates that are combined.

    See Also
    --------
    NearToFarSplit : Splits of binding curves.

    Notes
    -----
    Transformers learn the elements from all structures, so that no fold lacks a column; give them
    ``species`` for the very numbers of GridSearchCV. All else (scalers, ridges) is fitted to the
    training part of each fold.

    ``combine="near_best"`` needs a scoring that is minus an error, such as
    "neg_root_mean_squared_error". The error of a candidate is the geometric mean over the folds, in
    which folds of large and of small errors have the same say. Of candidates that differ in
    parameters of the last step of the pipeline alone, such as alpha, the best stands for all. Those
    whose error is at most 3 times the smallest are averaged, with weights 1/error^2. This rule is
    from trials with sets of binding curves, see :ref:`rules-tried`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklode import BlockScaler, InteractionFeatures, LongRangePotential
    >>> from sklode.datasets import load_s22x5
    >>> from sklode.model_selection import StructureSearchCV
    >>> dimers = load_s22x5()
    >>> features = InteractionFeatures(LongRangePotential(l_max=0))
    >>> ridge = Ridge(fit_intercept=False)
    >>> search = StructureSearchCV(
    ...     make_pipeline(features, BlockScaler(), ridge),
    ...     {
    ...         "interactionfeatures__transformer__exponent": [1, 6],
    ...         "ridge__alpha": np.logspace(-3, 2, 6),
    ...     },
    ...     scoring="neg_root_mean_squared_error",
    ...     combine="near_best",
    ... )
    >>> search = search.fit(dimers.data, dimers.target, groups=dimers.groups)
    >>> search.best_params_["interactionfeatures__transformer__exponent"]
    6
    >>> energies, spread = search.predict(dimers.data, return_std=True)
    >>> energies.shape, spread.shape
    ((110,), (110,))
    """

    _parameter_constraints = {
        "estimator": [HasMethods(["fit"])],
        "param_grid": [dict, list],
        "scoring": [str, callable, list, tuple, dict, None],
        "cv": ["cv_object"],
        "combine": [StrOptions({"best", "near_best"})],
        "refit": ["boolean", str, callable],
        "n_jobs": N_JOBS,
    }

    def __init__(
        self,
        estimator: BaseEstimator,
        param_grid: Mapping | Sequence[Mapping],
        *,
        scoring: str | Callable | Sequence | Mapping | None = None,
        cv: object = None,
        combine: Literal["best", "near_best"] = "best",
        refit: bool | str | Callable = True,
        n_jobs: int | None = None,
    ):
        self.estimator = estimator
        self.param_grid = param_grid
        self.scoring = scoring
        self.cv = cv
        self.combine = combine
        self.refit = refit
        self.n_jobs = n_jobs

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Sequence[Atoms],
        y: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Score all candidates, and fit the chosen ones to all structures.

        Parameters
        ----------
        X : sequence of ase.Atoms
            List, tuple, pandas Series, one-column DataFrame or object array of structures.
        y : array-like of shape (n_structures,), default=None
            Targets. None for estimators that read them from calculators.
        groups : array-like of shape (n_structures,), default=None
            Labels of structures that go to a fold together.
        sample_weight : array-like of shape (n_structures,), default=None
            Weights of the structures, in fits and in scores.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            For a wrong parameter, a grid that changes nothing, groups that have one member each, or
            bad input; the message names the structure.
        """
        self._forget()
        atoms_list = read_container(X)
        read_structures(atoms_list)
        weights = (
            None if sample_weight is None else read_sample_weight(sample_weight, len(atoms_list))
        )
        data = Data(atoms_list, read_values(y, len(atoms_list)), weights)
        grid = list(ParameterGrid(self.param_grid))
        store = RowStore(atoms_list)
        estimators = [self._candidate(parameters, store, y) for parameters in grid]
        self._check_grid(estimators)
        folds = data.folds(self.cv, read_shared_groups(groups, len(atoms_list)))
        judge = self._judge()
        store.compute()
        scores = evaluate(estimators, data, folds, judge, self.n_jobs)
        self.n_splits_ = len(folds)
        self.multimetric_ = set(scores[0][0].values) != {"score"}
        self.cv_results_ = results_table(grid, scores)
        self._choose(estimators, data, grid, scores, store)
        return self

    def _forget(self):
        """Leave nothing of an earlier fit that this one may not replace."""
        for name in [n for n in vars(self) if n.endswith("_") or n in ("_members", "_caution")]:
            delattr(self, name)

    def _candidate(self, parameters, store, y):
        """An estimator with some parameters, whose transformers of structures are looked up."""
        values = {name: clone(value, safe=False) for name, value in parameters.items()}
        estimator = clone(self.estimator).set_params(**values)
        if isinstance(estimator, AtomisticRidgeCV) and y is None:
            return estimator  # may learn forces, from gradients, which are not stored
        return replace_transformers(estimator, store.stand_in)

    def _check_grid(self, estimators):
        if len(estimators) > len({setting(estimator) for estimator in estimators}) == 1:
            raise ValueError(
                f"param_grid changes nothing: {len(estimators)} candidates, all the same. Give "
                f"at least one parameter two different values; got {self.param_grid}."
            )

    def _judge(self):
        judge, chosen = Judge(self.estimator, self.scoring), self.scoring
        if isinstance(chosen, list | tuple | dict):
            name = deciding_score(self.refit, chosen)
            chosen = chosen.get(name) if isinstance(chosen, dict) else name
        if self.combine == "near_best" and self.refit:
            check_is_error(chosen, self.refit)
        return judge

    def _choose(self, estimators, data, grid, scores, store):
        """Find the best candidates and fit them to all structures."""
        name = deciding_score(self.refit, scores[0][0].values)
        if name is None and not self.refit:
            return
        index, weights = self._selected(estimators, grid, scores, name)
        self.best_index_ = int(index[0])
        self.best_params_ = grid[self.best_index_]
        if not callable(self.refit):
            self.best_score_ = float(self.cv_results_[f"mean_test_{name}"][self.best_index_])
        if not self.refit:
            return
        start = time.perf_counter()
        with in_threads():
            fitted = [data.fit(clone(estimators[i])) for i in index]
            caution = Caution.of(fitted[0], data, scores[self.best_index_])
            self._caution = caution and vars(caution)  # plain arrays
        self.estimators_ = [store.restore(estimator) for estimator in fitted]
        self.best_estimator_, self.weights_ = self.estimators_[0], weights
        self.refit_time_ = time.perf_counter() - start

    def _selected(self, estimators, grid, scores, name):
        """Indices of the candidates that predict, from the best on, and their weights."""
        if callable(self.refit):
            return np.array([called_refit(self.refit, self.cv_results_, len(grid))]), np.ones(1)
        means = self.cv_results_[f"mean_test_{name}"]
        if np.isnan(means).all():
            raise ValueError("No candidate has a score: all are NaN.")
        if self.combine == "best":
            return np.array([np.nanargmax(means)]), np.ones(1)
        errors = fold_errors(np.array([[s.values[name] for s in row] for row in scores]))
        index, weights = near_best(errors, [setting(without_last(e)) for e in estimators])
        self._members = {"index": index, "error": errors[index], "weight": weights}
        return index, weights

    @property
    def scorer_(self) -> Callable:
        """What scored the candidates, as of GridSearchCV."""
        check_is_fitted(self)
        return Judge(self.estimator, self.scoring).scorer  # not kept: models are saved with us

    @property
    def members_(self) -> pd.DataFrame:
        """The candidates that are combined, see the class."""
        if "_members" not in vars(self):
            raise AttributeError('Only a fitted search with combine="near_best" has members_.')
        members = pd.DataFrame(self._members)
        parameters = [self.cv_results_["params"][i] for i in members["index"]]
        return members.join(pd.DataFrame(parameters)).set_index("index").rename_axis(None)

    def _check_refitted(self):
        check_is_fitted(self)
        if not hasattr(self, "estimators_"):
            raise AttributeError("This StructureSearchCV was not refitted: refit=False.")

    def _predictions(self, atoms_list):
        """Those of each member: (n_members, n_structures, ...)."""
        members = RowStore.of_fitted(self.estimators_, atoms_list)
        with in_threads():
            return np.array([member.predict(atoms_list) for member in members])

    def predict(
        self, X: Sequence[Atoms], return_std: bool = False
    ) -> NDArray | tuple[NDArray, NDArray]:
        """Predictions of the chosen candidate, or the weighted mean of those that are combined.

        Parameters
        ----------
        X : sequence of ase.Atoms
            As in ``fit``.
        return_std : bool, default=False
            Whether to return the spread of the candidates too. It warns where they disagree; where
            they agree they may be wrong together, see ``assess``.

        Returns
        -------
        predictions : ndarray of shape (n_structures,)
        spread : ndarray of shape (n_structures,)
            With ``return_std``: weighted standard deviation of the candidates; zero for one.
        """
        self._check_refitted()
        predictions = self._predictions(read_container(X))
        mean = np.tensordot(self.weights_, predictions, 1)
        if not return_std:
            return mean
        return mean, np.sqrt(np.tensordot(self.weights_, (predictions - mean) ** 2, 1))

    def assess(self, X: Sequence[Atoms]) -> pd.DataFrame:
        """Predictions, and how far each structure is from what the model knows.

        Parameters
        ----------
        X : sequence of ase.Atoms
            As in ``fit``.

        Returns
        -------
        DataFrame of shape (n_structures, 5)
            ``prediction``; ``spread`` of the candidates; ``error_bar``, the expected error: that of
            Bayesian linear regression whose noise and prior make the errors of the left-out
            structures of the search most likely, and the spread; ``novelty``, the variance of the
            best model's prediction, in units of what 95 % of the left-out structures stay below;
            and ``outside``, whether that is above 1. With groups in ``fit``, the left-out
            structures are those of whole groups.

        Raises
        ------
        AttributeError
            If the best candidate is no pipeline that ends in Ridge.
        """
        self._check_refitted()
        if self._caution is None:
            raise AttributeError(
                "assess needs the leverages of a linear model: a Pipeline that ends in Ridge (with "
                "alpha in the grid, say), on one column of targets. The best candidate is "
                f"{self.best_estimator_!r:.200}."
            )
        atoms_list = read_container(X)
        predictions, spread = self.predict(atoms_list, return_std=True)
        caution = Caution(**self._caution)
        rows = np.asarray(self.best_estimator_[:-1].transform(atoms_list), dtype=float)
        novelty = caution.variances(rows)
        table = {
            "prediction": predictions,
            "spread": spread,
            "error_bar": caution.error_bars(novelty, spread),
            "novelty": novelty / caution.limit,
            "outside": novelty > caution.limit,
        }
        return pd.DataFrame(table, index=row_index(X))

    def linear_model(self) -> Pipeline:
        """The chosen candidate, or those that are combined, as one Pipeline that ends in a Ridge.

        A mean of linear models is a linear model: its features are those of all of them side by
        side, each once.

        Returns
        -------
        Pipeline
            Fitted; its predictions are those of ``predict``.

        Raises
        ------
        AttributeError
            If a candidate is no pipeline that ends in Ridge.
        """
        self._check_refitted()
        return merged(self.estimators_, self.weights_)

    def score(self, X: Sequence[Atoms], y: ArrayLike | None = None) -> float:
        """Score of the predictions, by the scorer that chose.

        Parameters
        ----------
        X : sequence of ase.Atoms
        y : array-like of shape (n_structures,), default=None

        Returns
        -------
        float
        """
        self._check_refitted()
        judged = self if "_members" in vars(self) else self.best_estimator_
        values = self.scorer_(judged, read_container(X), y)
        if not self.multimetric_:
            return float(values)
        if self.refit not in values:
            raise AttributeError("With several scorers, score needs a refit that names one.")
        return float(values[self.refit])
