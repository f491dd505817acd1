"""Life with scikit-learn and pandas: pipelines, searches, frames, persistence."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import skops.io
from ase.calculators.emt import EMT
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.ensemble import BaggingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.inspection import permutation_importance
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union

from sklode import (
    BlockScaler,
    Composition,
    DensityProjector,
    InteractionFeatures,
    LongRangePotential,
    PowerSpectrum,
)

SPECIES = ["H", "C", "N", "O"]
DENSITY = {"cutoff": 3.0, "n_max": 2, "l_max": 1, "species": SPECIES}
POTENTIAL = {"cutoff": 2.0, "l_max": 2, "species": SPECIES}


def density(**changes):
    return DensityProjector(**{**DENSITY, **changes})


def potential(**changes):
    return LongRangePotential(**{**POTENTIAL, **changes})


ESTIMATORS = [
    density(),
    potential(exponent=(1, 6)),
    potential(charges="initial_charges", invariants=None),
    PowerSpectrum(density(), potential(), center_species="split"),
    PowerSpectrum(potential(exponent=3)),
    Composition(),
]
WITH_FRAGMENTS = InteractionFeatures(PowerSpectrum(density(), potential()))


def name(estimator):
    return type(estimator).__name__


BY_NAME = pytest.mark.parametrize("estimator", ESTIMATORS, ids=name)


def as_object_array(structures):
    array = np.empty(len(structures), dtype=object)
    array[:] = structures
    return array


def as_frame(structures):
    return pd.DataFrame({"atoms": structures}, index=[f"s{i}" for i in range(len(structures))])


CONTAINERS = {
    "tuple": tuple,
    "Series": lambda X: as_frame(X)["atoms"],
    "one-column frame": as_frame,
    "polars frame": lambda X: pl.DataFrame({"atoms": pl.Series(X, dtype=pl.Object)}),
    "(n,) object array": as_object_array,
    "(n, 1) object array": lambda X: as_object_array(X)[:, None],
}


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
        union = make_union(Composition(), density(), potential(), potential(exponent=6)).set_output(
            transform="pandas"
        )
        frame = union.fit_transform(X["atoms"])
        assert list(frame.index) == list(X.index)
        assert frame.columns.is_unique
        assert frame.shape[1] == sum(len(t.feature_table_) for _, t in union.transformer_list)

    def test_unprefixed_union_of_exponents_does_not_collide(self, molecules):
        union = FeatureUnion(
            [("rho", density()), ("v1", potential()), ("v6", potential(exponent=6))],
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


class TestRows:
    @BY_NAME
    def test_structures_are_sums_of_their_atoms(self, mixed, estimator):
        estimator = clone(estimator).fit(mixed)
        rows, atoms = estimator.transform(mixed), estimator.transform_atoms(mixed)
        owners = np.repeat(np.arange(len(mixed)), [len(a) for a in mixed])
        sums = np.zeros_like(rows)
        np.add.at(sums, owners, atoms)
        np.testing.assert_allclose(sums, rows, rtol=1e-10, atol=1e-12 * abs(rows).max())

    @pytest.mark.parametrize("estimator", ESTIMATORS[:5], ids=name)
    def test_mean_pooling_is_the_sum_per_atom(self, mixed, estimator):
        sums = clone(estimator).fit_transform(mixed)
        means = clone(estimator).set_params(pooling="mean").fit_transform(mixed)
        sizes = np.array([len(atoms) for atoms in mixed])
        np.testing.assert_allclose(means, sums / sizes[:, None], rtol=1e-14)

    @pytest.mark.parametrize("invariants", ["power_spectrum", "radial_spectrum", None])
    @pytest.mark.parametrize("make", [density, potential])
    def test_split_centres_add_up_to_shared_ones(self, mixed, make, invariants):
        shared = make(invariants=invariants).fit_transform(mixed)
        split = make(invariants=invariants, center_species="split").fit_transform(mixed)
        blocks = split.reshape(len(mixed), len(SPECIES), -1)
        np.testing.assert_allclose(
            blocks.sum(axis=1), shared, rtol=1e-12, atol=1e-13 * abs(shared).max()
        )
        absent = ~np.array([[s in atoms.symbols for s in SPECIES] for atoms in mixed])
        assert not blocks[absent].any()

    def test_split_centres_of_power_spectra_add_up(self, mixed):
        shared = PowerSpectrum(density(), potential())
        split = clone(shared).set_params(center_species="split")
        blocks = split.fit_transform(mixed).reshape(len(mixed), len(SPECIES), -1)
        expected = shared.fit_transform(mixed)
        np.testing.assert_allclose(
            blocks.sum(axis=1), expected, rtol=1e-12, atol=1e-13 * abs(expected).max()
        )

    @pytest.mark.parametrize("invariants", ["power_spectrum", "radial_spectrum", None])
    def test_several_exponents_are_the_single_ones_side_by_side(self, mixed, invariants):
        settings = {"invariants": invariants, "k_cutoff": 4.0, "n_max": 2}
        several = potential(exponent=(1, 2.5, 6), **settings).fit(mixed)
        singles = [potential(exponent=p, **settings).fit(mixed) for p in (1, 2.5, 6)]
        for method in ("transform", "transform_atoms"):
            columns = np.split(getattr(several, method)(mixed), 3, axis=1)
            for got, single in zip(columns, singles, strict=True):
                expected = getattr(single, method)(mixed)
                np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-11)
        names = np.concatenate([single.get_feature_names_out() for single in singles])
        assert list(several.get_feature_names_out()) == list(names)

    @pytest.mark.parametrize("exponent", [[1, 6], (1, 6), np.array([1.0, 6.0])], ids=repr)
    def test_any_sequence_of_exponents(self, molecules, exponent):
        lode = clone(potential(exponent=exponent))
        expected = potential(exponent=(1, 6)).fit_transform(molecules)
        assert np.array_equal(lode.fit_transform(molecules), expected)

    def test_rows_do_not_depend_on_the_other_structures(self, mixed):
        lode = PowerSpectrum(density(), potential()).fit(mixed)
        alone = np.concatenate([lode.transform([atoms]) for atoms in mixed])
        np.testing.assert_allclose(alone, lode.transform(mixed), rtol=1e-10, atol=1e-13)

    def test_float32_halves_the_rows(self, mixed):
        expected = potential().fit_transform(mixed)
        rows = potential(dtype="float32").fit_transform(mixed)
        assert rows.dtype == np.float32
        np.testing.assert_allclose(rows, expected, rtol=1e-6, atol=1e-6)


class TestPowerSpectrum:
    @pytest.mark.parametrize(("left", "right"), [(1, 3), (3, 1)])
    def test_unequal_degrees_are_cut_to_the_smaller(self, mixed, left, right):
        cut = PowerSpectrum(density(l_max=1), potential(l_max=1)).fit(mixed)
        unequal = PowerSpectrum(density(l_max=left), potential(l_max=right)).fit(mixed)
        assert list(unequal.get_feature_names_out()) == list(cut.get_feature_names_out())
        expected = cut.transform(mixed)
        np.testing.assert_allclose(
            unequal.transform(mixed), expected, rtol=1e-9, atol=1e-9 * abs(expected).max()
        )

    def test_with_itself_is_the_projector_own_spectrum(self, mixed):
        for projector in (density(), potential(exponent=(1, 6))):
            own = clone(projector).fit(mixed)
            spectrum = PowerSpectrum(projector).fit(mixed)
            assert list(spectrum.get_feature_names_out()) == list(own.get_feature_names_out())
            np.testing.assert_allclose(spectrum.transform(mixed), own.transform(mixed), rtol=1e-12)

    def test_the_projectors_passed_in_stay_unfitted(self, molecules):
        left = density()
        PowerSpectrum(left, left).fit(molecules)
        assert not hasattr(left, "species_")

    def test_charges_and_elements_in_one_spectrum(self, mixed):
        spectrum = PowerSpectrum(density(), potential(charges="initial_charges")).fit(mixed)
        assert spectrum.get_feature_names_out()[0] == "rhov1_H.initial_charges_n0n0_l0"
        assert spectrum.transform(mixed).shape == (len(mixed), len(spectrum.feature_table_))


class TestInteraction:
    def test_is_whole_minus_parts(self, s22x5_small):
        X = s22x5_small.data[:5]
        inner = PowerSpectrum(density(), potential())
        got = InteractionFeatures(inner).fit_transform(X)
        inner.fit(X)
        parts = [
            sum(inner.transform([atoms[atoms.arrays["fragment"] == f]])[0] for f in (0, 1))
            for atoms in X
        ]
        np.testing.assert_allclose(got, inner.transform(X) - parts, rtol=1e-9, atol=1e-11)

    def test_vanishes_for_far_fragments_if_local_but_not_if_long_range(self, s22x5_small):
        atoms = s22x5_small.data[0].copy()
        atoms.positions[atoms.arrays["fragment"] == 1] += [30.0, 0.0, 0.0]
        local = InteractionFeatures(density()).fit_transform([atoms])
        far = InteractionFeatures(potential()).fit_transform([atoms])
        np.testing.assert_allclose(local, 0.0, atol=1e-12)
        assert abs(far).max() > 1e-3

    def test_three_fragments(self, molecules):
        trimer = molecules[0] + molecules[3] + molecules[6]
        trimer.positions[3:7] += [3.0, 0.0, 0.0]
        trimer.positions[7:] += [0.0, 4.0, 0.0]
        trimer.arrays["molecule"] = np.repeat([7, -1, 3], [3, 4, 3])
        got = InteractionFeatures(potential(), fragments="molecule").fit_transform([trimer])
        inner = potential().fit([trimer])
        parts = inner.transform([trimer[:3], trimer[3:7], trimer[7:]]).sum(axis=0)
        np.testing.assert_allclose(got[0], inner.transform([trimer])[0] - parts, atol=1e-12)

    def test_interleaved_fragments(self, s22x5_small):
        X = s22x5_small.data[:2]
        order = np.random.default_rng(0).permutation(len(X[0]))
        shuffled = [atoms[order] for atoms in X]
        interaction = InteractionFeatures(potential()).fit(X)
        np.testing.assert_allclose(
            interaction.transform(shuffled), interaction.transform(X), atol=1e-12
        )
        np.testing.assert_allclose(
            interaction.transform_atoms(shuffled[:1]),
            interaction.transform_atoms(X[:1])[order],
            atol=1e-12,
        )

    def test_a_single_fragment_does_not_interact(self, molecules):
        atoms = molecules[2].copy()
        atoms.arrays["fragment"] = np.zeros(len(atoms), int)
        assert not InteractionFeatures(potential()).fit_transform([atoms]).any()

    def test_atoms_sum_to_the_structure(self, s22x5_small):
        X = s22x5_small.data[:10:3]
        interaction = InteractionFeatures(PowerSpectrum(density(), potential())).fit(X)
        ends = np.cumsum([len(atoms) for atoms in X])[:-1]
        sums = [part.sum(axis=0) for part in np.split(interaction.transform_atoms(X), ends)]
        np.testing.assert_allclose(sums, interaction.transform(X), rtol=1e-9, atol=1e-11)

    def test_over_a_union(self, s22x5_small):
        X = as_frame(s22x5_small.data[:5])
        union = make_union(density(), potential(exponent=6))
        interaction = InteractionFeatures(union).set_output(transform="pandas")
        frame = interaction.fit_transform(X)
        assert list(frame.index) == list(X.index)
        assert list(frame.columns) == list(interaction.transformer_.get_feature_names_out())
        separate = [
            InteractionFeatures(t).fit_transform(X) for t in (density(), potential(exponent=6))
        ]
        np.testing.assert_allclose(frame, np.hstack(separate), rtol=1e-12, atol=1e-14)
        assert not hasattr(interaction, "transform_atoms")
        assert not hasattr(interaction, "feature_table_")

    def test_global_pandas_output_inside(self, s22x5_small):
        X = s22x5_small.data[:5]
        expected = WITH_FRAGMENTS.fit_transform(X)
        with config_context(transform_output="pandas"):
            assert np.array_equal(clone(WITH_FRAGMENTS).fit_transform(X).to_numpy(), expected)


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
