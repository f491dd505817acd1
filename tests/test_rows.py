"""What a row is: sums over atoms, centers, exponents, fragments."""

import tracemalloc

import numpy as np
import pytest
from ase.build import bulk
from estimators import (
    BY_NAME,
    ESTIMATORS,
    SPECIES,
    WITH_FRAGMENTS,
    as_frame,
    density,
    multipoles,
    name,
    potential,
)
from sklearn import config_context
from sklearn.base import clone
from sklearn.pipeline import make_union

from sklode import DensityProjector, InteractionFeatures, PowerSpectrum


class TestRows:
    @BY_NAME
    def test_structures_are_sums_of_their_atoms(self, mixed, estimator):
        estimator = clone(estimator).fit(mixed)
        rows, atoms = estimator.transform(mixed), estimator.transform_atoms(mixed)
        owners = np.repeat(np.arange(len(mixed)), [len(a) for a in mixed])
        sums = np.zeros_like(rows)
        np.add.at(sums, owners, atoms)
        np.testing.assert_allclose(sums, rows, rtol=1e-10, atol=1e-12 * abs(rows).max())

    @pytest.mark.parametrize("estimator", ESTIMATORS[:5] + ESTIMATORS[6:], ids=name)
    def test_mean_pooling_is_the_sum_per_atom(self, mixed, estimator):
        sums = clone(estimator).fit_transform(mixed)
        means = clone(estimator).set_params(pooling="mean").fit_transform(mixed)
        sizes = np.array([len(atoms) for atoms in mixed])
        np.testing.assert_allclose(means, sums / sizes[:, None], rtol=1e-14)

    @pytest.mark.parametrize("invariants", ["power_spectrum", "radial_spectrum", None])
    @pytest.mark.parametrize("make", [density, potential, multipoles])
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

    @BY_NAME
    def test_the_order_of_structures_is_that_of_the_rows(self, mixed, estimator):
        estimator, many = clone(estimator).fit(mixed), mixed * 3
        order = np.random.default_rng(0).permutation(len(many))
        sizes = np.array([len(atoms) for atoms in many])
        atoms = np.split(np.arange(sizes.sum()), np.cumsum(sizes)[:-1])
        places = {"transform": order, "transform_atoms": np.concatenate([atoms[i] for i in order])}
        for method, place in places.items():
            rows = getattr(estimator, method)(many)
            moved = getattr(estimator, method)([many[i] for i in order])
            np.testing.assert_allclose(moved, rows[place], rtol=1e-9, atol=1e-12 * abs(rows).max())

    def test_float32_halves_the_rows(self, mixed):
        expected = potential().fit_transform(mixed)
        rows = potential(dtype="float32").fit_transform(mixed)
        assert rows.dtype == np.float32
        np.testing.assert_allclose(rows, expected, rtol=1e-6, atol=1e-6)

    @pytest.mark.parametrize("per_atom", [True, False])
    def test_float32_halves_the_memory_of_a_density(self, per_atom):
        atoms = bulk("NaCl", "rocksalt", a=5.6, cubic=True).repeat(3)
        rows, peaks = {}, {}
        for dtype in ("float64", "float32"):
            projector = DensityProjector(4.0, l_max=5, dtype=dtype).fit([atoms])
            transform = projector.transform_atoms if per_atom else projector.transform
            transform([atoms])  # tables are kept
            tracemalloc.start()
            rows[dtype] = transform([atoms])
            peaks[dtype] = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert rows["float32"].dtype == np.float32
        largest = np.abs(rows["float64"]).max()
        np.testing.assert_allclose(rows["float32"], rows["float64"], rtol=0, atol=1e-6 * largest)
        assert peaks["float32"] < 0.6 * peaks["float64"]


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
        for projector in (density(), potential(exponent=(1, 6)), multipoles(n_max=2)):
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
