"""Life with scikit-learn and pandas: pipelines, searches, frames, persistence."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import skops.io
from ase.calculators.emt import EMT
from estimators import (
    BY_NAME,
    CONTAINERS,
    ESTIMATORS,
    SPECIES,
    WITH_FRAGMENTS,
    as_frame,
    density,
    multipoles,
    name,
    potential,
)
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.ensemble import BaggingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.inspection import permutation_importance
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union

from sklode import BlockScaler, Composition, InteractionFeatures, PowerSpectrum


class TestContainers:
    @pytest.mark.parametrize("container", CONTAINERS)
    @BY_NAME
    def test_every_kind_of_x_gives_the_same_rows(self, molecules, estimator, container):
        X = CONTAINERS[container](molecules)
        expected = clone(estimator).fit_transform(molecules)
        assert np.array_equal(clone(estimator).fit_transform(X), expected)

    @pytest.mark.parametrize("container", CONTAINERS)
    def test_structures_of_equal_size_are_not_split_into_atoms(self, molecules, container):
        X = CONTAINERS[container]([molecules[0], molecules[5]])
        assert Composition().fit_transform(X).shape == (2, 2)

    @BY_NAME
    def test_transform_leaves_the_atoms_as_they_were(self, mixed, estimator):
        X = [atoms.copy() for atoms in mixed]
        X[0].info["name"] = "kept"
        X[0].calc = calculator = EMT()
        before = pickle.dumps([(a.arrays, a.cell.array, a.pbc, a.info) for a in X])
        clone(estimator).fit(X).transform(X)
        assert pickle.dumps([(a.arrays, a.cell.array, a.pbc, a.info) for a in X]) == before
        assert X[0].calc is calculator


class TestPandas:
    @BY_NAME
    def test_frames_keep_the_index_and_name_the_columns(self, molecules, estimator):
        X = as_frame(molecules)
        estimator = clone(estimator).set_output(transform="pandas")
        for container in (X, X["atoms"]):
            frame = estimator.fit_transform(container)
            assert list(frame.index) == list(X.index)
            assert list(frame.columns) == list(estimator.get_feature_names_out())
        assert list(estimator.transform(molecules).index) == list(range(len(molecules)))

    @BY_NAME
    def test_polars_output(self, molecules, estimator):
        estimator = clone(estimator)
        expected = estimator.fit_transform(molecules)
        frame = estimator.set_output(transform="polars").transform(molecules)
        assert isinstance(frame, pl.DataFrame)
        assert frame.columns == list(estimator.get_feature_names_out())
        assert np.array_equal(frame.to_numpy(), expected)
        atoms = estimator.transform_atoms(molecules)
        assert isinstance(atoms, pl.DataFrame)
        assert atoms.shape == (sum(map(len, molecules)), expected.shape[1])

    @pytest.mark.parametrize("estimator", [*ESTIMATORS, WITH_FRAGMENTS], ids=name)
    def test_atoms_are_labelled_by_structure_and_number(self, s22x5_small, estimator):
        X = as_frame([with_zero_charges(atoms) for atoms in s22x5_small.data[4:14:3]])["atoms"]
        estimator = clone(estimator).set_output(transform="pandas").fit(X)
        frame = estimator.transform_atoms(X)
        assert frame.index.names == ["structure", "atom"]
        assert list(frame.columns) == list(estimator.get_feature_names_out())
        labels = [(label, atom) for label, atoms in X.items() for atom in range(len(atoms))]
        assert list(frame.index) == labels
        sums = frame.groupby(level="structure", sort=False).sum()
        pd.testing.assert_frame_equal(sums, estimator.transform(X), check_names=False)
        assert estimator.transform_atoms(list(X)).index[-1] == (len(X) - 1, len(X.iloc[-1]) - 1)

    def test_feature_table_selects_columns_of_frames(self, molecules):
        lode = potential(exponent=(1, 6), n_max=2, invariants=None).set_output(transform="pandas")
        frame = lode.fit_transform(molecules)
        table = lode.feature_table_
        chosen = table.query("species == 'O' and l == 2 and n == 1 and exponent == 6")["name"]
        assert list(frame[chosen]) == [f"v6_O_n1_l2_m{m}" for m in (-2, -1, 0, 1, 2)]
        few = potential(exponent=6, n_max=2, invariants=None, species=SPECIES).fit(molecules)
        mask = (few.feature_table_["l"] == 2) & (few.feature_table_["species"] == "O")
        expected = few.transform(molecules)[:, mask & (few.feature_table_["n"] == 1)]
        np.testing.assert_allclose(frame[chosen], expected, rtol=1e-12, atol=1e-14)

    def test_per_atom_rows_go_with_any_regressor_and_groups(self, molecules):
        rows = density().set_output(transform="pandas").fit(molecules).transform_atoms(molecules)
        target = np.concatenate([atoms.get_initial_charges() for atoms in molecules])
        groups = rows.index.get_level_values("structure")
        scores = cross_validate(Ridge(1e-6), rows, target, groups=groups, cv=GroupKFold(3))
        assert np.isfinite(scores["test_score"]).all()


def with_zero_charges(atoms):
    atoms = atoms.copy()
    atoms.set_initial_charges(np.zeros(len(atoms)))
    return atoms


class TestComposing:
    def test_union_keeps_the_index_in_pandas(self, molecules):
        X = as_frame(molecules)
        union = make_union(
            Composition(), density(), potential(), potential(exponent=6), multipoles()
        ).set_output(transform="pandas")
        frame = union.fit_transform(X["atoms"])
        assert list(frame.index) == list(X.index)
        assert frame.columns.is_unique
        assert frame.shape[1] == sum(len(t.feature_table_) for _, t in union.transformer_list)

    def test_unprefixed_union_of_exponents_does_not_collide(self, molecules):
        union = FeatureUnion(
            [
                ("rho", density()),
                ("v1", potential()),
                ("v6", potential(exponent=6)),
                ("m1", multipoles()),
            ],
            verbose_feature_names_out=False,
        ).set_output(transform="pandas")
        assert union.fit_transform(molecules).columns.is_unique

    @pytest.mark.parametrize("selection", ["atoms", ["atoms"]], ids=["scalar", "list"])
    def test_column_transformer_on_a_frame_with_atoms(self, molecules, selection):
        X = as_frame(molecules).assign(temperature=np.linspace(100.0, 300.0, len(molecules)))
        columns = ColumnTransformer(
            [("lode", potential(), selection), ("scaled", BlockScaler(), ["temperature"])]
        ).set_output(transform="pandas")
        frame = columns.fit_transform(X)
        assert list(frame.index) == list(X.index)
        expected = potential().fit_transform(molecules)
        assert np.array_equal(frame.iloc[:, :-1].to_numpy(), expected)
        assert frame.columns[0] == "lode__v1_H.H_n0n0_l0"

    def test_column_transformer_in_a_grid_search(self, s22x5_small):
        X = as_frame(s22x5_small.data)
        model = make_pipeline(make_column_transformer((potential(), "atoms")), Ridge())
        cutoff = "columntransformer__longrangepotential__cutoff"
        search = GridSearchCV(model, {cutoff: [1.0, 2.0]}, cv=2).fit(X, s22x5_small.target)
        assert np.isfinite(search.best_score_)

    def test_grid_search_over_physics_with_groups_and_processes(self, s22x5_small):
        features = InteractionFeatures(PowerSpectrum(density(), potential()))
        model = make_pipeline(features, BlockScaler(), Ridge(1e-3))
        right = "interactionfeatures__transformer__right"
        grid = {
            f"{right}__exponent": [1, 6, (1, 6)],
            f"{right}__smearing": [1.0, 1.5],
            f"{right}__cutoff": [2.0, 3.0],
        }
        X, y, groups = s22x5_small.data, s22x5_small.target, s22x5_small.groups
        search = GridSearchCV(model, grid, cv=GroupKFold(3), n_jobs=2, error_score="raise")
        search.fit(X, y, groups=groups)
        assert len(search.cv_results_["params"]) == 12
        assert len(set(search.cv_results_["mean_test_score"])) == 12
        serial = clone(model).set_params(**search.best_params_).fit(X, y).predict(X)
        assert np.array_equal(search.predict(X), serial)

    def test_grid_search_over_the_far_field(self, s22x5_small):
        features = InteractionFeatures(PowerSpectrum(density(), multipoles()))
        model = make_pipeline(features, BlockScaler(), Ridge(1e-3))
        right = "interactionfeatures__transformer__right"
        grid = {f"{right}__exponent": [1, 6], f"{right}__cutoff": [2.0, 4.0]}
        X, y, groups = s22x5_small.data, s22x5_small.target, s22x5_small.groups
        search = GridSearchCV(model, grid, cv=GroupKFold(3), error_score="raise")
        search.fit(X, y, groups=groups)
        assert len(set(search.cv_results_["mean_test_score"])) == 4

    def test_cross_validate_with_groups(self, s22x5_small):
        model = make_pipeline(WITH_FRAGMENTS, BlockScaler(), Ridge(1e-3))
        scores = cross_validate(
            model,
            s22x5_small.data,
            s22x5_small.target,
            groups=s22x5_small.groups,
            cv=GroupKFold(4),
            scoring="neg_root_mean_squared_error",
            error_score="raise",
        )
        assert scores["test_score"].shape == (4,)
        assert np.isfinite(scores["test_score"]).all()

    def test_weighted_branches_in_a_pipeline(self, s22x5_small):
        branches = FeatureUnion(
            [
                ("near", make_pipeline(density(), BlockScaler())),
                ("far", make_pipeline(potential(), BlockScaler())),
            ],
            transformer_weights={"far": 0.5},
        )
        model = make_pipeline(InteractionFeatures(branches), Ridge(1e-3))
        model.fit(s22x5_small.data, s22x5_small.target)
        assert model.predict(s22x5_small.data[:3]).shape == (3,)

    def test_pipeline_hands_names_to_the_last_step(self, molecules):
        model = make_pipeline(potential(), BlockScaler(), Ridge()).set_output(transform="pandas")
        model.fit(molecules, np.arange(len(molecules)))
        assert list(model[-1].feature_names_in_) == list(model[0].get_feature_names_out())

    def test_bagging_and_permutation_importance_on_a_one_column_frame(self, molecules):
        X, y = as_frame(molecules), np.arange(len(molecules), dtype=float)
        model = make_pipeline(potential(handle_unknown="ignore"), BlockScaler(), Ridge())
        bagged = BaggingRegressor(model, n_estimators=2, random_state=0).fit(X, y)
        assert bagged.predict(X).shape == y.shape
        importance = permutation_importance(model.fit(X, y), X, y, n_repeats=3, random_state=0)
        assert importance.importances_mean[0] > 0


class TestCopies:
    @pytest.mark.parametrize("estimator", [*ESTIMATORS, WITH_FRAGMENTS], ids=name)
    @pytest.mark.parametrize("way", ["clone", "pickle", "skops"])
    def test_copies_give_the_same_rows(self, s22x5_small, estimator, way):
        X = [with_zero_charges(atoms) for atoms in s22x5_small.data[::8]]
        fitted = clone(estimator).fit(X)
        copied = COPY[way](fitted)
        if way == "clone":
            with pytest.raises(NotFittedError):
                copied.transform(X)
            copied.fit(X)
        assert np.array_equal(copied.transform(X), fitted.transform(X))
        assert list(copied.get_feature_names_out()) == list(fitted.get_feature_names_out())
        assert repr(copied) == repr(fitted)

    def test_a_whole_model_survives_skops(self, s22x5_small):
        X, y = s22x5_small.data, s22x5_small.target
        union = make_union(density(), potential(exponent=(1, 2.5)))
        model = make_pipeline(InteractionFeatures(union), BlockScaler(), Ridge(1e-3)).fit(X, y)
        assert np.array_equal(through_skops(model).predict(X), model.predict(X))


def through_skops(estimator):
    saved = skops.io.dumps(estimator)
    untrusted = skops.io.get_untrusted_types(data=saved)
    assert untrusted
    assert all(kind.startswith("sklode.") for kind in untrusted)
    return skops.io.loads(saved, trusted=untrusted)


COPY = {
    "clone": clone,
    "pickle": lambda estimator: pickle.loads(pickle.dumps(estimator)),
    "skops": through_skops,
}


class Unpicklable(EMT):
    def __reduce__(self):
        raise TypeError("this calculator holds a live connection")


class TestLiveCalculators:
    @pytest.mark.parametrize("estimator", [potential(), Composition(), WITH_FRAGMENTS], ids=name)
    def test_atoms_with_a_calculator_that_refuses_pickling(self, s22x5_small, estimator):
        plain = s22x5_small.data * 3  # two chunks
        live = [atoms.copy() for atoms in plain]
        for atoms in live:
            atoms.calc = Unpicklable()
        assert sum(map(len, live)) > 1024
        estimator = clone(estimator)
        expected = estimator.fit_transform(plain)
        for params in estimator.get_params():
            if params.endswith("n_jobs"):
                estimator.set_params(**{params: 2})
        assert np.array_equal(estimator.fit_transform(live), expected)
