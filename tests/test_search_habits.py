"""What users of GridSearchCV are used to, in the search over structures, with the same numbers."""

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from ase import Atoms
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklode import BlockScaler, Composition, InteractionFeatures, LongRangePotential, load_model
from sklode.datasets import load_s22x5
from sklode.model_selection import StructureSearchCV
from sklode.ridge.row_products import Block, centered, ridge_path
from sklode.saving import save_model

SPECIES = ["H", "C", "N", "O"]
RMSE = "neg_root_mean_squared_error"
ALPHAS = {"ridge__alpha": [0.01, 1.0]}


@pytest.fixture(scope="module")
def dimers():
    data = load_s22x5()
    return data.data[:30], data.target[:30]


def far(exponent=6):
    return InteractionFeatures(LongRangePotential(exponent, l_max=1, species=SPECIES))


def model(last=None, **options):
    branches = [(f"p{p}", make_pipeline(far(p), BlockScaler())) for p in (1, 6)]
    return Pipeline([("features", FeatureUnion(branches, **options)), ("ridge", last or Ridge())])


def both(dimers, estimator, grid, **options):
    """The search and scikit-learn's, fitted, after a look at all their scores and ranks."""
    X, y = dimers
    options = {"scoring": RMSE, "cv": 3} | options
    mine = StructureSearchCV(estimator, grid, **options).fit(X, y)
    theirs = GridSearchCV(estimator, grid, **options).fit(X, y)
    for name, column in theirs.cv_results_.items():
        if "_test_" in name:
            np.testing.assert_allclose(mine.cv_results_[name], column, rtol=1e-8, err_msg=name)
    assert mine.multimetric_ == theirs.multimetric_
    if mine.refit:
        np.testing.assert_allclose(mine.predict(X), theirs.predict(X), rtol=1e-8)
    return mine, theirs


class TestScoring:
    @pytest.mark.parametrize("last", [Ridge(), KernelRidge()])
    def test_the_estimators_own_score(self, dimers, last):
        """Without a scoring, `score` is R^2, also for the outer one of two searches."""
        mine, theirs = both(dimers, model(last), ALPHAS, scoring=None)
        assert mine.score(*dimers) == pytest.approx(theirs.score(*dimers), rel=1e-10)
        assert mine.score(*dimers) == pytest.approx(r2_score(dimers[1], mine.predict(dimers[0])))
        assert np.isfinite(cross_val_score(mine, *dimers, cv=KFold(2, shuffle=True))).all()

    @pytest.mark.parametrize(
        "scoring",
        [
            lambda fitted, X, y: -np.abs(fitted.predict(X[::-1]) - y[::-1]).max(),
            lambda fitted, X, y: -np.abs(fitted.predict(X[2:5]) - y[2:5]).max(),
            lambda fitted, X, y: -np.abs(fitted[-1].coef_).sum(),
        ],
    )
    def test_functions_that_want_more_than_predictions(self, dimers, scoring):
        mine, theirs = both(dimers, model(), ALPHAS, scoring=scoring)
        assert mine.score(*dimers) == pytest.approx(theirs.score(*dimers), rel=1e-8)
        assert len(mine.assess(dimers[0])) == 30

    def test_a_function_of_several_scores(self, dimers):
        def errors(fitted, X, y):
            wrong = np.abs(fitted.predict(X) - y)
            return {"mean": -wrong.mean(), "max": -wrong.max()}

        mine, theirs = both(dimers, model(), ALPHAS, scoring=errors, refit="max")
        assert mine.best_score_ == pytest.approx(theirs.best_score_)
        with pytest.raises(ValueError, match=r"refit must name .* known are \['max', 'mean'\]"):
            StructureSearchCV(model(), ALPHAS, scoring=errors, cv=3).fit(*dimers)

    def test_scores_that_are_not_numbers_come_last(self, dimers):
        def known(fitted, X, y):
            return np.nan if fitted[-1].alpha == 0.01 else -fitted[-1].alpha

        grid = {"ridge__alpha": [0.01, 3.0, 1.0]}
        with pytest.warns(UserWarning, match="non-finite"):
            mine, theirs = both(dimers, model(), grid, scoring=known)
        assert mine.best_index_ == theirs.best_index_ == 2
        assert mine.cv_results_["rank_test_score"].tolist() == [3, 2, 1]

    def test_scores_that_are_no_errors(self, dimers):
        """R^2 below zero, here of means, looks like minus an error."""
        grid = {"ridge__alpha": [1e8, 1e9]}
        for scoring in (None, "r2"):
            search = StructureSearchCV(model(), grid, scoring=scoring, cv=3, combine="near_best")
            with pytest.raises(ValueError, match="needs a scoring that is minus an error"):
                search.fit(*dimers)

    @pytest.mark.filterwarnings("ignore:overflow")
    def test_errors_that_are_infinite(self, dimers):
        """Weights of 0/0 would end in a model of NaN."""
        X, y = dimers
        search = StructureSearchCV(model(), ALPHAS, scoring=RMSE, cv=3, combine="near_best")
        with pytest.raises(ValueError, match="needs finite scores; one is -inf"):
            search.fit(X, np.where(np.arange(30) == 3, 1e200, y))

    def test_the_scorer_gives_a_number(self, dimers):
        mine, theirs = both(dimers, model(), ALPHAS)
        expected = theirs.scorer_(theirs.best_estimator_, *dimers)
        assert mine.scorer_(mine.best_estimator_, *dimers) == pytest.approx(expected)


class TestRefit:
    def test_a_callable_chooses(self, dimers):
        def worst(table):
            return table["mean_test_score"].argmin()

        mine, theirs = both(dimers, model(), ALPHAS, refit=worst)
        assert mine.best_index_ == theirs.best_index_
        assert not hasattr(mine, "best_score_")
        assert not hasattr(theirs, "best_score_")

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"refit": lambda table: 2}, "one of 2 candidates; it gave 2"),
            ({"refit": lambda table: "x"}, "one of 2 candidates; it gave 'x'"),
            ({"refit": lambda table: 0, "combine": "near_best"}, 'combine="best" alone'),
            ({"cv": []}, "cv gives no split"),
        ],
    )
    def test_wrong_ones(self, dimers, options, message):
        options = {"scoring": RMSE, "cv": 3} | options
        with pytest.raises(ValueError, match=message):
            StructureSearchCV(model(), ALPHAS, **options).fit(*dimers)

    def test_nothing_remains_of_an_earlier_fit(self, dimers):
        search = StructureSearchCV(model(), ALPHAS, scoring=RMSE, cv=3, combine="near_best")
        search.fit(*dimers)
        assert len(search.members_) == 1
        search.set_params(combine="best").fit(*dimers)
        assert not hasattr(search, "members_")
        search.set_params(refit=False).fit(*dimers)
        assert not hasattr(search, "best_estimator_")
        with pytest.raises(AttributeError, match="refit=False"):
            search.predict(dimers[0])


class TestSplits:
    def test_masks(self, dimers):
        third = np.arange(30) % 3
        masks = [(third != k, third == k) for k in range(3)]
        both(dimers, model(), ALPHAS, cv=masks)

    def test_a_part_without_weight(self, dimers):
        weights = np.where(np.arange(30) < 10, 0.0, 1.0)
        search = StructureSearchCV(model(), ALPHAS, scoring=RMSE, cv=3)
        with pytest.raises(
            ValueError, match="zero for all 10 structures of the test part of split 0"
        ):
            search.fit(*dimers, sample_weight=weights)


class TestFeatures:
    def test_no_scaler_sees_the_test_part(self, dimers):
        """What an InteractionFeatures contains may learn from values."""
        scaled = make_pipeline(LongRangePotential(6, l_max=1, species=SPECIES), StandardScaler())
        both(dimers, make_pipeline(InteractionFeatures(scaled), Ridge()), ALPHAS)

    @pytest.mark.parametrize("last", [Ridge(), KernelRidge()])
    @pytest.mark.parametrize("output", ["pandas", "polars"])
    def test_frames(self, dimers, last, output):
        estimator = model(last).set_output(transform=output)
        mine, theirs = both(dimers, estimator, ALPHAS)
        columns = theirs.best_estimator_[:-1].transform(dimers[0][:2]).columns
        assert list(mine.best_estimator_[:-1].transform(dimers[0][:2]).columns) == list(columns)
        assert mine.best_estimator_[-1].feature_names_in_.tolist() == list(columns)

    @pytest.mark.parametrize("last", [Ridge(), KernelRidge()])
    def test_unions_with_jobs(self, dimers, last):
        both(dimers, model(last, n_jobs=2), ALPHAS)

    def test_a_backend_of_processes(self, dimers):
        with joblib.parallel_config(backend="loky", n_jobs=2):
            both(dimers, model(KernelRidge()), ALPHAS, n_jobs=2)

    def test_functions_without_a_name(self, dimers):
        estimator = make_pipeline(far(), BlockScaler(), FunctionTransformer(), Ridge())
        grid = {"functiontransformer__func": [lambda Z: Z**2, lambda Z: Z, np.sqrt, None]}
        grid["functiontransformer__func"][2] = lambda Z: np.cbrt(Z)
        both(dimers, estimator, grid)

    def test_frozen_transformers_differ_by_what_they_learnt(self, dimers):
        rows = far().fit_transform(dimers[0])
        scalers = [FrozenEstimator(StandardScaler().fit(f * rows)) for f in (1.0, 10.0)]
        both(dimers, make_pipeline(far(), StandardScaler(), Ridge()), {"standardscaler": scalers})

    def test_baselines_of_large_weight(self):
        """Products of rows would lose half of the digits, and more than alpha."""
        rng = np.random.default_rng(0)
        X = [
            Atoms("H" * h + "O" * o, rng.uniform(0, 6, (h + o, 3)))
            for h, o in rng.integers(2, 60, (40, 2))
        ]
        y = np.array([13.6 * np.sum(a.numbers == 1) + 2000 * np.sum(a.numbers == 8) for a in X])
        branches = [
            ("far", make_pipeline(LongRangePotential(6, l_max=0), BlockScaler())),
            ("composition", Composition()),
        ]
        union = FeatureUnion(branches, transformer_weights={"composition": 1e4})
        y += rng.normal(size=40)
        estimator = Pipeline([("features", union), ("ridge", Ridge())])
        both((X, y), estimator, {"ridge__alpha": [1e-3, 0.1]})


def test_columns_of_very_different_size():
    """The products of rows are 1e12 times alpha."""
    rng = np.random.default_rng(0)
    rows, y = rng.normal(size=(50, 60)), rng.normal(size=40)
    rows[:, :2] *= 1e4
    train, new = rows[:40], rows[40:]
    left, sizes, right = np.linalg.svd(train, full_matrices=False)
    exact = new @ (right.T @ (sizes / (sizes**2 + 1e-3) * (left.T @ y)))
    block = Block.of(*centered(train, new, np.ones(40), False))
    found, variances = ridge_path([block], [1.0], y, np.array([1e-3]))
    np.testing.assert_allclose(found[0], exact, rtol=1e-9, atol=1e-9 * np.abs(exact).max())
    np.testing.assert_allclose(variances[0], _unknown(train, new, 1e-3), rtol=1e-9)


def _unknown(train, new, alpha):
    """Variances from all directions, those included in which the rows of the fit do not differ."""
    _, sizes, right = np.linalg.svd(train, full_matrices=True)
    values = np.append(sizes**2, np.zeros(train.shape[1] - len(sizes)))
    return (new @ right.T) ** 2 @ (alpha / (alpha + values))


def test_novelty_beside_a_baseline_of_large_weight(dimers):
    X, y = dimers
    branches = [("far", make_pipeline(far(), BlockScaler())), ("composition", Composition())]
    union = FeatureUnion(branches, transformer_weights={"composition": 1e5})
    grid = {"ridge__alpha": [1e-3, 1.001e-3]}
    estimator = Pipeline([("features", union), ("ridge", Ridge())])
    search = StructureSearchCV(estimator, grid, scoring=RMSE, cv=3).fit(X[:20], y[:20])
    rows = search.best_estimator_[:-1].transform(X)
    rows -= rows[:20].mean(axis=0)
    expected = _unknown(rows[:20], rows, search.best_params_["ridge__alpha"])
    novelty = search.assess(X)["novelty"]
    np.testing.assert_allclose(novelty / novelty[0], expected / expected[0], rtol=1e-7)


def test_the_table_has_numbers(dimers):
    grid = [{"ridge__alpha": np.logspace(-2, 1, 3)}, {"ridge__fit_intercept": [True, False]}]
    mine, theirs = both(dimers, model(), grid)
    for name in ("param_ridge__alpha", "param_ridge__fit_intercept"):
        assert mine.cv_results_[name].dtype == theirs.cv_results_[name].dtype
    pd.testing.assert_series_equal(
        pd.DataFrame(mine.cv_results_)["param_ridge__alpha"],
        pd.DataFrame(theirs.cv_results_)["param_ridge__alpha"],
    )


def test_several_targets_are_one_linear_model(dimers):
    X, y = dimers
    targets = np.c_[y, 2 * y, y**2]
    search = StructureSearchCV(model(), ALPHAS, scoring=RMSE, cv=3).fit(X, targets)
    np.testing.assert_allclose(search.linear_model().predict(X), search.predict(X), rtol=1e-9)


@pytest.mark.parametrize("combine", ["best", "near_best"])
def test_a_search_is_saved_without_pickle(dimers, combine, tmp_path):
    X, y = dimers
    grid = ALPHAS | {"features__transformer_weights": [None, {"p1": 0.1}]}
    search = StructureSearchCV(model(), grid, scoring=RMSE, cv=3, combine=combine).fit(X, y)
    save_model(search, tmp_path / "search.skops")
    loaded = load_model(tmp_path / "search.skops")
    pd.testing.assert_frame_equal(loaded.assess(X), search.assess(X))
    assert loaded.score(X, y) == search.score(X, y)
    if combine == "near_best":
        assert list(loaded.members_) == list(search.members_)
    assert skops.io.get_untrusted_types(file=tmp_path / "search.skops")
    assert not hasattr(clone(loaded), "scorer_")
