"""The search that computes every setting of the features once."""

import pickle
import time

import numpy as np
import pandas as pd
import pytest
import skops.io
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklode import (
    AtomisticRidgeCV,
    BlockScaler,
    DensityProjector,
    InteractionFeatures,
    LongRangePotential,
    PowerSpectrum,
)
from sklode.datasets import load_s22x5
from sklode.model_selection import NearToFarSplit, StructureSearchCV
from sklode.model_selection.combining import fold_errors
from sklode.ridge.row_products import Block, centered, ridge_path

SPECIES = ["H", "C", "N", "O"]
RMSE = "neg_root_mean_squared_error"
EXPONENT = "features__far__interactionfeatures__transformer__right__exponent"


@pytest.fixture(scope="module")
def dimers():
    data = load_s22x5()
    chosen = np.arange(60)  # twelve dimers
    for i in chosen:
        data.data[i].info["dimer"] = data.groups[i]
    return [data.data[i] for i in chosen], data.target[chosen], data.groups[chosen]


def union(**options):
    rho = DensityProjector(3.0, n_max=3, l_max=1, species=SPECIES)
    v = LongRangePotential(6, l_max=1, species=SPECIES)
    branches = [
        ("local", make_pipeline(InteractionFeatures(PowerSpectrum(rho)), BlockScaler())),
        ("far", make_pipeline(InteractionFeatures(PowerSpectrum(rho, v)), BlockScaler())),
    ]
    return FeatureUnion(branches, **options)


def model(**options):
    return Pipeline([("features", union(**options)), ("ridge", Ridge())])


GRID = {
    EXPONENT: [1, 6],
    "features__transformer_weights": [None, {"local": 0.1}, {"local": 3.0, "far": 0.5}],
    "ridge__alpha": [1e-3, 0.1, 10.0],
    "ridge__fit_intercept": [True, False],
}


def same_tables(one, other, tolerance=1e-8):
    assert set(one) == set(other)
    for name in other:
        if "_test_" in name:
            np.testing.assert_allclose(one[name], other[name], rtol=tolerance, atol=1e-10)
        elif name.startswith("param_"):
            assert one[name].tolist() == other[name].tolist()
    assert one["params"] == other["params"]


class TestAgainstGridSearchCV:
    def test_weights_alphas_and_settings(self, dimers):
        X, y, groups = dimers
        options = {"scoring": RMSE, "cv": GroupKFold(4)}
        mine = StructureSearchCV(model(), GRID, **options).fit(X, y, groups=groups)
        theirs = GridSearchCV(model(), GRID, **options).fit(X, y, groups=groups)
        same_tables(mine.cv_results_, theirs.cv_results_)
        assert mine.best_params_ == theirs.best_params_
        assert mine.best_index_ == theirs.best_index_
        assert mine.best_score_ == pytest.approx(theirs.best_score_, rel=1e-10)
        assert mine.n_splits_ == 4
        np.testing.assert_allclose(mine.predict(X), theirs.predict(X), rtol=1e-10)
        assert mine.score(X, y) == pytest.approx(theirs.score(X, y))

    def test_few_columns(self, dimers):
        """The Gram matrix of the columns takes the place of the products of rows."""
        X, y, groups = dimers
        features = InteractionFeatures(LongRangePotential(6, l_max=1, species=SPECIES))
        pipeline = make_pipeline(features, BlockScaler(), Ridge())
        name = "interactionfeatures__transformer__"
        grid = {name + "exponent": [1, 6], name + "smearing": [0.5, 1.0], "ridge__alpha": [1e-5, 1]}
        options = {"scoring": RMSE, "cv": GroupKFold(3)}
        mine = StructureSearchCV(pipeline, grid, **options).fit(X, y, groups=groups)
        theirs = GridSearchCV(pipeline, grid, **options).fit(X, y, groups=groups)
        assert len(mine.best_estimator_[-1].coef_) < 40
        same_tables(mine.cv_results_, theirs.cv_results_)

    def test_other_estimators(self, dimers):
        X, y, _ = dimers
        pipeline = make_pipeline(union(), StandardScaler(), KernelRidge())
        grid = [
            {"kernelridge__kernel": ["linear", "rbf"], "kernelridge__alpha": [1e-3, 1.0]},
            {
                EXPONENT.replace("features", "featureunion", 1): [3],
                "standardscaler": ["passthrough"],
            },
        ]
        options = {"scoring": ["r2", "neg_mean_absolute_error"], "refit": "r2", "cv": 3}
        mine = StructureSearchCV(pipeline, grid, **options).fit(X, y)
        theirs = GridSearchCV(pipeline, grid, **options).fit(X, y)
        same_tables(mine.cv_results_, theirs.cv_results_)
        assert mine.multimetric_
        np.testing.assert_allclose(mine.predict(X), theirs.predict(X), rtol=1e-8)

    def test_weights_of_structures(self, dimers):
        """A weight of two is a structure that is there twice, in fits and in scores."""
        X, y, _ = dimers
        weights = np.where(np.arange(len(X)) % 3 == 0, 2.0, 1.0)
        repeated = np.repeat(np.arange(len(X)), weights.astype(int))
        folds = list(GroupKFold(3).split(X, groups=np.arange(len(X))))
        grid = {"ridge__alpha": [0.01, 1.0], "ridge__fit_intercept": [True, False]}
        plain = make_pipeline(union(), Ridge())
        plain.steps[0][1].set_params(
            local__blockscaler="passthrough", far__blockscaler="passthrough"
        )
        weighted = StructureSearchCV(plain, grid, scoring="neg_mean_squared_error", cv=folds)
        weighted.fit(X, y, sample_weight=weights)
        twice = StructureSearchCV(
            plain,
            grid,
            scoring="neg_mean_squared_error",
            cv=[tuple(np.flatnonzero(np.isin(repeated, part)) for part in fold) for fold in folds],
        ).fit([X[i] for i in repeated], y[repeated])
        same_tables(weighted.cv_results_, twice.cv_results_, 1e-7)
        np.testing.assert_allclose(weighted.predict(X), twice.predict(X), rtol=1e-7, atol=1e-9)

    def test_atomistic_ridge(self, dimers):
        X, y, groups = dimers
        estimator = AtomisticRidgeCV(union(), baseline=False)
        name = EXPONENT.replace("features", "features", 1)
        options = {"scoring": RMSE, "cv": GroupKFold(3)}
        mine = StructureSearchCV(estimator, {name: [1, 6]}, **options).fit(X, y, groups=groups)
        theirs = GridSearchCV(estimator, {name: [1, 6]}, **options).fit(X, y, groups=groups)
        same_tables(mine.cv_results_, theirs.cv_results_)
        np.testing.assert_allclose(mine.predict(X), theirs.predict(X), rtol=1e-8)
        assert mine.best_estimator_.calculator() is not None


class TestWork:
    @pytest.fixture
    def computed(self, monkeypatch):
        """How many structures were described, fragments included."""
        counts = []
        for kind in (PowerSpectrum,):
            compute = kind.compute_rows

            def counted(self, structures, per_atom, n_threads, compute=compute):
                counts.append(len(structures))
                return compute(self, structures, per_atom, n_threads)

            monkeypatch.setattr(kind, "compute_rows", counted)
        return counts

    def test_every_setting_is_computed_once(self, dimers, computed):
        X, y, groups = dimers
        search = StructureSearchCV(model(), GRID, scoring=RMSE).fit(X, y, groups=groups)
        assert sum(computed) == 3 * 3 * len(X)  # local and two exponents; a complex, two fragments
        computed.clear()
        search.predict(X)
        assert sum(computed) == 2 * 3 * len(X)

    def test_members_share_what_they_compute(self, dimers, computed):
        X, y, groups = dimers
        search = StructureSearchCV(model(), GRID, scoring=RMSE, combine="near_best")
        search.fit(X, y, groups=groups)
        assert len(search.members_) > 3
        computed.clear()
        search.predict(X)
        assert sum(computed) <= 3 * 3 * len(X)

    def test_threads_change_nothing(self, dimers):
        X, y, groups = dimers
        searches = [
            StructureSearchCV(model(), GRID, scoring=RMSE, n_jobs=n).fit(X, y, groups=groups)
            for n in (1, 2)
        ]
        for name, column in searches[0].cv_results_.items():
            if "_test_" in name:
                np.testing.assert_array_equal(column, searches[1].cv_results_[name])

    @pytest.mark.slow
    def test_three_hundred_dimers(self):
        """300 dimers, 20 settings, 5 alphas, 4 weights, 5 folds."""
        rng = np.random.default_rng(0)
        data = load_s22x5()
        X = [atoms.copy() for _ in range(3) for atoms in data.data][:300]
        for atoms in X:
            atoms.rattle(0.02, seed=int(rng.integers(1000)))
        grid = {
            EXPONENT: [1, 2, 3, 4, 6],
            EXPONENT.replace("exponent", "smearing"): [0.5, 1.0, 1.5, 2.0],
            "features__transformer_weights": [{"local": w} for w in (0.03, 0.1, 0.3, 1.0)],
            "ridge__alpha": list(np.logspace(-3, 1, 5)),
        }
        start = time.perf_counter()
        search = StructureSearchCV(model(), grid, scoring=RMSE, n_jobs=2)
        search.fit(X, np.tile(data.target, 3)[:300])
        assert len(search.cv_results_["params"]) == 400
        assert time.perf_counter() - start < 60


@pytest.fixture(scope="module")
def combined(dimers):
    X, y, _ = dimers
    cuts = NearToFarSplit(2, curve="dimer", near_share=0.4)
    return StructureSearchCV(model(), GRID, scoring=RMSE, cv=cuts, combine="near_best").fit(X, y)


@pytest.fixture(scope="module")
def chosen(dimers):
    X, y, groups = dimers
    return StructureSearchCV(model(), GRID, scoring=RMSE).fit(X, y, groups=groups)


class TestCombining:
    def test_a_fold_that_is_met_by_chance_decides_nothing(self):
        scores = -np.array([[1.0, 1.0, 1.0], [2.0, 2.0, 0.0], [3.0, 3.0, 3.0]])
        errors = fold_errors(scores)
        np.testing.assert_allclose(errors, [1.0, (4 * 1e-3) ** (1 / 3), 3.0])
        np.testing.assert_allclose(fold_errors(np.zeros((2, 2))), 0.0, atol=1e-300)

    def test_the_members_are_the_near_ones_at_their_best(self, combined):
        table = pd.DataFrame(combined.cv_results_)
        splits = -table[["split0_test_score", "split1_test_score"]].to_numpy()
        errors = np.sqrt(splits[:, 0] * splits[:, 1])
        by_hand = {}
        for i, parameters in enumerate(table["params"]):
            key = parameters[EXPONENT], str(parameters["features__transformer_weights"])
            if key not in by_hand or errors[i] < errors[by_hand[key]]:
                by_hand[key] = i
        near = [i for i in by_hand.values() if errors[i] <= 3 * errors.min()]
        assert sorted(combined.members_.index) == sorted(near)
        assert len(near) > 1
        weights = 1 / errors[combined.members_.index] ** 2
        np.testing.assert_allclose(combined.members_["weight"], weights / weights.sum())

    def test_predictions_are_the_weighted_mean(self, combined, dimers):
        X, y, _ = dimers
        mean, spread = combined.predict(X, return_std=True)
        members = []
        for index in combined.members_.index:
            estimator = clone(model()).set_params(**combined.cv_results_["params"][index])
            members.append(estimator.fit(X, y).predict(X))
        weights = combined.members_["weight"].to_numpy()
        np.testing.assert_allclose(mean, weights @ np.array(members), rtol=1e-9)
        np.testing.assert_allclose(spread**2, weights @ (np.array(members) - mean) ** 2, rtol=1e-6)
        assert combined.best_index_ == combined.members_.index[0]

    def test_the_mean_is_one_linear_model(self, combined, dimers):
        X, _, _ = dimers
        merged = combined.linear_model()
        assert isinstance(merged[-1], Ridge)
        assert len(merged[0].transformer_list) == 3
        np.testing.assert_allclose(merged.predict(X), combined.predict(X), rtol=1e-9)
        stored = skops.io.dumps(merged)
        trusted = skops.io.get_untrusted_types(data=stored)
        assert all(name.startswith("sklode.") for name in trusted)
        loaded = skops.io.loads(stored, trusted=trusted)
        np.testing.assert_array_equal(loaded.predict(X), merged.predict(X))

    def test_pickle_and_clone(self, combined, dimers):
        X, _, _ = dimers
        copied = pickle.loads(pickle.dumps(combined))
        np.testing.assert_array_equal(copied.predict(X), combined.predict(X))
        assert not hasattr(clone(combined), "best_params_")
        assert len(pickle.dumps(combined)) < 2e6  # no rows of all settings

    def test_scores_that_are_no_errors(self, dimers):
        X, y, _ = dimers
        search = StructureSearchCV(model(), GRID, scoring="r2", combine="near_best", cv=3)
        with pytest.raises(ValueError, match="needs a scoring that is minus an error"):
            search.fit(X, y)


class TestCaution:
    def test_the_table(self, chosen, dimers):
        X, _, _ = dimers
        frame = chosen.assess(pd.Series(X[:5], index=list("abcde")))
        assert list(frame) == ["prediction", "spread", "error_bar", "novelty", "outside"]
        assert list(frame.index) == list("abcde")
        np.testing.assert_allclose(frame["prediction"], chosen.predict(X[:5]))
        assert (frame["spread"] == 0).all()

    def test_novelty_is_the_variance_of_left_out_groups(self, chosen, dimers):
        """One in twenty of what was left out is called outside; errors have the expected size."""
        X, y, groups = dimers
        best = chosen.best_estimator_
        variances, residuals = [], []
        for train, test in GroupKFold(5).split(X, groups=groups):
            fitted = clone(best).fit([X[i] for i in train], y[train])
            rows = fitted[:-1].transform([X[i] for i in train])
            new = fitted[:-1].transform([X[i] for i in test])
            mean = rows.mean(axis=0) if fitted[-1].fit_intercept else 0.0
            alpha = fitted[-1].alpha
            gram = (rows - mean).T @ (rows - mean) + alpha * np.eye(rows.shape[1])
            variances += [alpha * x @ np.linalg.solve(gram, x) for x in new - mean]
            residuals += list(fitted.predict([X[i] for i in test]) - y[test])
        caution = chosen.assess(X)
        variances, residuals = np.array(variances), np.array(residuals)
        limit = np.quantile(variances, 0.95)

        def unlikely(logs):
            expected = np.exp(logs[0]) + np.exp(logs[1]) * variances
            return np.mean(residuals**2 / expected + np.log(expected))

        start = np.log([np.mean(residuals**2) / 2, np.mean(residuals**2 / variances) / 2])
        best = minimize(unlikely, start, method="Nelder-Mead", options={"fatol": 1e-10})
        squared = np.polynomial.Polynomial.fit(caution["novelty"], caution["error_bar"] ** 2, 1)
        noise, slope = squared.convert().coef
        assert unlikely(np.log([noise, slope / limit])) <= best.fun + 1e-3

    def test_a_search_by_cuts_knows_how_wrong_it_is_far_out(self):
        """Where rows of interactions vanish with the distance, and errors do not."""
        dimers = load_s22x5()
        near = dimers.distance <= 1.2
        power = PowerSpectrum(DensityProjector(cutoff=3.0), LongRangePotential(exponent=6))
        pipeline = make_pipeline(
            InteractionFeatures(power), BlockScaler(), Ridge(fit_intercept=False)
        )
        X = pd.Series(dimers.data)
        for atoms, distance, curve in zip(X, dimers.distance, dimers.groups, strict=True):
            atoms.info.update(distance=distance, curve=curve)
        cuts = NearToFarSplit(2, curve="curve", near_share=0.4)
        grid = {"ridge__alpha": np.logspace(-4, 3, 8)}
        search = StructureSearchCV(pipeline, grid, cv=cuts, scoring=RMSE, combine="near_best")
        found = search.fit(X[near], dimers.target[near]).assess(X[~near])
        ratio = (found["prediction"] - dimers.target[~near]) / found["error_bar"]
        assert 0.3 < np.sqrt(np.mean(ratio**2)) < 2.0
        assert (found["error_bar"] >= found["spread"]).all()

    def test_what_it_has_never_seen_is_outside(self, chosen, dimers):
        X, _, _ = dimers
        strange = X[0].copy()
        strange.positions *= 0.6
        strange.set_chemical_symbols(["O"] * len(strange))
        found = chosen.assess([*X, strange])
        assert found["outside"].iloc[-1]
        assert found["novelty"].iloc[-1] > 3
        assert found["outside"].iloc[:-1].mean() < 0.1

    def test_other_models_have_none(self, dimers):
        X, y, _ = dimers
        pipeline = make_pipeline(union(), KernelRidge())
        search = StructureSearchCV(pipeline, {"kernelridge__alpha": [0.1, 1.0]}).fit(X, y)
        with pytest.raises(AttributeError, match="a Pipeline that ends in Ridge"):
            search.assess(X)

    def test_left_out_groups_are_worse_where_novelty_says_so(self, dimers):
        X, y, groups = dimers
        novelty, error = np.zeros(len(y)), np.zeros(len(y))
        for train, test in GroupKFold(4).split(X, groups=groups):
            search = StructureSearchCV(model(), {"ridge__alpha": [0.1, 1.0]}, scoring=RMSE)
            search.fit([X[i] for i in train], y[train], groups=groups[train])
            found = search.assess([X[i] for i in test])
            novelty[test] = found["novelty"]
            error[test] = np.abs(found["prediction"] - y[test])
        assert np.corrcoef(pd.Series(novelty).rank(), pd.Series(error).rank())[0, 1] > 0.3


@pytest.mark.parametrize(
    ("options", "fit", "message"),
    [
        ({"param_grid": {"ridge__alpha": [1.0, 1.0]}}, {}, "param_grid changes nothing"),
        ({}, {"groups": np.arange(60)}, "groups has one member a group"),
        ({}, {"groups": ["a"] * 60}, "groups has one label for all structures"),
        ({}, {"groups": ["a"] * 6}, "groups must have one label a structure"),
        ({}, {"sample_weight": [-1.0] * 60}, "sample_weight"),
        ({"scoring": ["r2", RMSE]}, {}, "refit must name the one that chooses"),
        ({"scoring": ["r2", RMSE], "refit": "x"}, {}, "refit names no scorer: 'x'"),
        ({"combine": "all"}, {}, "combine"),
        ({"param_grid": {"nothing": [1, 2]}}, {}, "Invalid parameter 'nothing'"),
    ],
)
def test_bad_input(dimers, options, fit, message):
    X, y, _ = dimers
    options = {"param_grid": {"ridge__alpha": [1.0, 2.0]}, "cv": 3, **options}
    with pytest.raises(ValueError, match=message):
        StructureSearchCV(model(), **options).fit(X, y, **fit)


def test_one_candidate_is_judged_as_by_scikit_learn(dimers):
    X, y, _ = dimers
    mine, theirs = (
        search(model(), {"ridge__alpha": [1.0]}, scoring=RMSE, cv=3).fit(X, y)
        for search in (StructureSearchCV, GridSearchCV)
    )
    assert mine.best_score_ == pytest.approx(theirs.best_score_)
    assert len(mine.assess(X)) == len(X)


def test_bad_targets(dimers):
    X, y, _ = dimers
    search = StructureSearchCV(model(), {"ridge__alpha": [1.0, 2.0]})
    with pytest.raises(ValueError, match="one target a structure: 60; got 59"):
        search.fit(X, y[1:])
    with pytest.raises(ValueError, match=r"y\[3\] is not finite"):
        search.fit(X, np.where(np.arange(60) == 3, np.nan, y))


def test_without_refit(dimers):
    X, y, _ = dimers
    search = StructureSearchCV(model(), {"ridge__alpha": [1.0, 2.0]}, refit=False).fit(X, y)
    assert search.best_params_["ridge__alpha"] in (1.0, 2.0)
    with pytest.raises(AttributeError, match="refit=False"):
        search.predict(X)


def test_inside_of_cross_validation(dimers):
    X, y, groups = dimers
    search = StructureSearchCV(model(), {"ridge__alpha": [0.1, 1.0]}, scoring=RMSE)
    predicted = cross_val_predict(search, X, y, groups=groups, cv=GroupKFold(3))
    assert root_mean_squared_error(y, predicted) < root_mean_squared_error(y, 0 * y)


@pytest.mark.parametrize("shape", [(30, 12), (12, 30), (12, 12)])
@pytest.mark.parametrize("with_mean", [True, False])
def test_ridge_path(shape, with_mean):
    """Two blocks with weights against scikit-learn, and the variances against their definition."""
    rng = np.random.default_rng(0)
    rows, new = rng.normal(size=shape), rng.normal(size=(5, shape[1]))
    y, weights = rng.normal(size=shape[0]), rng.uniform(0.1, 2.0, shape[0])
    alphas, factors, cut = np.array([1e-3, 1.0]), (0.5, 2.0), 5
    scale = np.repeat(factors, (cut, shape[1] - cut))
    parts = [(rows[:, :cut], new[:, :cut]), (rows[:, cut:], new[:, cut:])]
    blocks = [Block.of(*centered(*part, weights, with_mean)) for part in parts]
    mean = np.average(y, weights=weights) if with_mean else 0.0
    found, variances = ridge_path(blocks, factors, np.sqrt(weights) * (y - mean), alphas)
    for alpha, predicted, variance in zip(alphas, found, variances, strict=True):
        ridge = Ridge(alpha, fit_intercept=with_mean).fit(rows * scale, y, sample_weight=weights)
        np.testing.assert_allclose(predicted + mean, ridge.predict(new * scale), rtol=1e-9)
        center = np.average(rows, axis=0, weights=weights) * with_mean
        a, b = (rows - center) * scale * np.sqrt(weights)[:, None], (new - center) * scale
        inverse = np.linalg.inv(a.T @ a + alpha * np.eye(shape[1]))
        np.testing.assert_allclose(
            variance, alpha * np.einsum("sf,fg,sg->s", b, inverse, b), rtol=1e-7
        )
