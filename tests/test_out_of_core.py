"""Fits to sources: those of lists, whatever happens on the way."""

import errno
import os

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from joblib import parallel_config
from processes import killed
from sklearn.base import clone
from sklearn.model_selection import KFold, ShuffleSplit
from sklearn.pipeline import make_pipeline, make_union

from sklode import (
    AtomisticRidgeCV,
    BlockScaler,
    Composition,
    DensityProjector,
    InteractionFeatures,
    LongRangePotential,
    SuspiciousLabelWarning,
)
from sklode.fitting import checkpoint
from sklode.physics import blocks
from sklode.ridge.compressed import CompressedRows
from sklode.streaming import Source

DENSITY = DensityProjector(cutoff=3.0, n_max=2, l_max=1)
UNION = make_union(DENSITY, LongRangePotential(cutoff=2.0, l_max=0, smearing=2.0, tol=1e-3))
ALPHAS = (1e-4, 1e-3, 1e-2, 0.1, 1.0)  # smaller ones make rounding errors visible, in lists too


def labelled(number):
    """A molecule or a cell with noisy results of EMT, some of which are missing."""
    rng = np.random.default_rng(number)
    atoms = molecule(["H2O", "CH4", "CH3OH", "NH3"][number % 4])
    if number % 3 == 0:
        atoms = bulk("Cu").repeat((2, 1, 1))
    if number == 31:
        atoms = molecule("CO")
        atoms.symbols[1] = "Al"  # the only one
    atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
    atoms.calc = EMT()
    results = {
        "energy": atoms.get_potential_energy() + rng.normal(scale=0.02),
        "forces": atoms.get_forces() + rng.normal(scale=0.02, size=(len(atoms), 3)),
    }
    if atoms.pbc.any():
        results["stress"] = atoms.get_stress()
    if number % 7 == 5:
        del results["energy"]
    if number % 5 == 2:
        del results["forces"]
    atoms.calc = SinglePointCalculator(atoms, **results)
    atoms.info.update(group=number // 8, scattered=f"g{number % 3}", weight=1.0 + number % 2)
    return atoms


@pytest.fixture(scope="module")
def many():
    return [labelled(number) for number in range(60)]


@pytest.fixture(scope="module")
def trajectory(many, tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "many.traj"
    write(path, many)
    return path


@pytest.fixture
def small_batches(monkeypatch):
    """Some ten batches."""
    monkeypatch.setattr(blocks, "EQUATION_BYTES", 2**17)
    monkeypatch.setattr(blocks, "BATCH_ATOMS", 40)


def assert_same_model(got, expected, X):
    assert got.alpha_ == expected.alpha_
    assert got.n_rows_ == expected.n_rows_
    np.testing.assert_allclose(got.predict(X), expected.predict(X), rtol=0, atol=1e-10)
    np.testing.assert_allclose(got.scale_, expected.scale_, rtol=1e-12)
    np.testing.assert_allclose(got.noise_, expected.noise_, rtol=1e-9)
    for mine, other in zip(got.predict_forces(X), expected.predict_forces(X), strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=1e-9)
    errors = got.predict(X, return_std=True)[1], expected.predict(X, return_std=True)[1]
    np.testing.assert_allclose(*errors, rtol=1e-8)
    assert got.baseline_.keys() == expected.baseline_.keys()
    assert got.cv_results_.keys() == expected.cv_results_.keys()
    for name, values in expected.cv_results_.items():
        np.testing.assert_allclose(got.cv_results_[name], values, rtol=1e-8, err_msg=name)


@pytest.mark.parametrize(
    ("parameters", "key"),
    [
        ({}, None),
        ({"force_weight": 0.0, "stress_weight": 0.0}, None),
        ({"energy_per_atom": True, "force_weight": 0.3}, None),
        ({"baseline": False, "floor": None, "alphas": [10.0, 100.0]}, None),  # of plain columns
        ({}, "group"),  # next to each other
        ({}, "scattered"),
        ({"cv": 4}, None),
        ({"cv": 3}, "group"),
        ({"alphas": [1e-3]}, None),
    ],
    ids=str,
)
def test_the_fit_to_a_list(parameters, key, many, trajectory, small_batches):
    model = AtomisticRidgeCV(UNION, **{"alphas": ALPHAS} | parameters)
    groups = None if key is None else [atoms.info[key] for atoms in many]
    expected = clone(model).fit(many, groups=groups)
    assert len(many) > len(expected.scale_) / 8  # enough rows for the normal equations
    assert_same_model(clone(model).fit(trajectory, groups=key), expected, many)


def test_unknown_forces_of_atoms(many, tmp_path, small_batches):
    partly = [atoms.copy() for atoms in many]
    for atoms, whole in zip(partly, many, strict=True):
        results = dict(whole.calc.results)
        if "forces" in results:
            results["forces"] = results["forces"].copy()
            results["forces"][0] = np.nan
        atoms.calc = SinglePointCalculator(atoms, **results)
    write(tmp_path / "a.traj", partly)
    with pytest.raises(ValueError, match=r"X\[0\] of a.traj"):
        AtomisticRidgeCV(DENSITY).fit(tmp_path / "a.traj")
    model = AtomisticRidgeCV(DENSITY, ALPHAS, missing_forces="ignore")
    expected = clone(model).fit(partly)
    assert_same_model(clone(model).fit(tmp_path / "a.traj"), expected, many)


def test_suspicious_labels(many, tmp_path, small_batches):
    wrong = [atoms.copy() for atoms in many]
    for atoms, right in zip(wrong, many, strict=True):
        results = dict(right.calc.results)
        if "stress" in results:
            results["stress"] = 1602.18 * np.abs(results["stress"]).max() * np.eye(3).ravel()[:6]
        atoms.calc = SinglePointCalculator(atoms, **results)
    write(tmp_path / "a.traj", wrong)
    with pytest.warns(SuspiciousLabelWarning) as seen:
        AtomisticRidgeCV(DENSITY).fit(wrong)
    with pytest.warns(SuspiciousLabelWarning) as seen_too:
        AtomisticRidgeCV(DENSITY).fit(tmp_path / "a.traj")
    assert str(seen_too[0].message) == str(seen[0].message)
    assert seen_too[0].filename == __file__


def test_weights(many, trajectory, small_batches):
    model = AtomisticRidgeCV(DENSITY, ALPHAS)
    weights = np.array([atoms.info["weight"] for atoms in many])
    expected = clone(model).fit(many, sample_weight=weights)
    assert_same_model(clone(model).fit(trajectory, sample_weight="weight"), expected, many)
    weights[7:20] = 0.0
    expected = clone(model).fit(many, sample_weight=weights)
    assert_same_model(clone(model).fit(Source(trajectory), sample_weight=weights), expected, many)


def test_other_sources(many, tmp_path, small_batches):
    expected = AtomisticRidgeCV(DENSITY, ALPHAS).fit(many)
    for number, part in enumerate((many[:25], many[25:])):
        write(tmp_path / f"{number}.traj", part)
    paths = [tmp_path / "0.traj", tmp_path / "1.traj"]
    for source in (f"{tmp_path}/*.traj", paths, lambda: iter(many), Source(many)):
        assert_same_model(AtomisticRidgeCV(DENSITY, ALPHAS).fit(source), expected, many)


def test_workers_change_nothing(trajectory, small_batches):
    alone = AtomisticRidgeCV(DENSITY, ALPHAS).fit(trajectory)
    with parallel_config("threading", n_jobs=2):
        threads = AtomisticRidgeCV(DENSITY, ALPHAS).fit(trajectory)
    assert np.array_equal(alone.coef_, threads.coef_)
    for name, values in alone.cv_results_.items():
        assert np.array_equal(values, threads.cv_results_[name]), name


def test_fewer_rows_than_features(many, tmp_path):
    """Few rows are those of a list, by the products of rows."""
    write(tmp_path / "few.traj", many[:6])
    model = AtomisticRidgeCV(DENSITY, ALPHAS, force_weight=0.0, stress_weight=0.0)
    expected = clone(model).fit(many[:6])
    got = clone(model).fit(tmp_path / "few.traj")
    np.testing.assert_allclose(got.predict(many[:6]), expected.predict(many[:6]), rtol=1e-12)


class TestCheckpoint:
    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs forks")
    @pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
    @pytest.mark.slow
    def test_killed_at_random_moments(self, seed, trajectory, tmp_path, monkeypatch):
        monkeypatch.setattr(blocks, "EQUATION_BYTES", 2**17)
        n_kills, n_states = killed("fit", seed, trajectory, tmp_path)
        assert n_kills > 3, "nothing was killed in the middle"
        assert n_states > 3, "no run got further than the one before"
        expected = AtomisticRidgeCV(DENSITY).fit(trajectory)
        with np.load(tmp_path / "model.npz") as stored:
            assert np.array_equal(stored["coef"], expected.coef_)
            assert np.array_equal(stored["objective"], expected.cv_results_["objective"])
        assert [path.name for path in tmp_path.iterdir()] == ["model.npz"]

    @pytest.fixture
    def end(self, trajectory, tmp_path, monkeypatch, small_batches):
        """A function that begins a fit and ends it in the middle, and gives the checkpoint."""
        monkeypatch.setattr(checkpoint, "_SAVE_EVERY", 0.0)
        n_saved, save = [], checkpoint.Checkpoint.save

        def saved(self, place, arrays, now=False):
            save(self, place, arrays, now)
            n_saved.append(place)
            if len(n_saved) == 3:
                raise KeyboardInterrupt

        def end(model):
            path = tmp_path / "state"
            with monkeypatch.context() as patch:
                patch.setattr(checkpoint.Checkpoint, "save", saved)
                with pytest.raises(KeyboardInterrupt):
                    model.fit(trajectory, checkpoint=path)
            assert path.exists()
            return path

        return end

    @pytest.fixture
    def begun(self, end):
        """The checkpoint of a fit that was ended in the middle."""
        return end(AtomisticRidgeCV(DENSITY))

    def test_saving_changes_no_bits(self, trajectory, small_batches, tmp_path, monkeypatch):
        model = AtomisticRidgeCV(Composition(), baseline=False, floor=None, force_weight=0.0)
        monkeypatch.setattr(blocks, "BATCH_ATOMS", 15)
        expected = clone(model).fit(trajectory)
        monkeypatch.setattr(checkpoint, "_SAVE_EVERY", -1.0)
        got = clone(model).fit(trajectory, checkpoint=tmp_path / "state")
        assert np.array_equal(got.coef_, expected.coef_)

    @pytest.mark.parametrize(
        "model",
        [
            AtomisticRidgeCV(DENSITY, ALPHAS),
            AtomisticRidgeCV(Composition(), ALPHAS, force_weight=0.0, stress_weight=0.0),
        ],
    )
    def test_goes_on_with_the_same_bits(self, model, end, trajectory):
        path = end(clone(model))
        got, expected = clone(model).fit(trajectory, checkpoint=path), model.fit(trajectory)
        assert np.array_equal(got.coef_, expected.coef_)
        for name, values in expected.cv_results_.items():
            assert np.array_equal(got.cv_results_[name], values), name

    def test_goes_on_with_the_same_folds(self, end, trajectory, monkeypatch):
        def draw(seed):
            monkeypatch.setattr("numpy.random.mtrand._rand", np.random.RandomState(seed))

        model = AtomisticRidgeCV(DENSITY, ALPHAS, cv=KFold(4, shuffle=True))
        draw(0)
        expected = clone(model).fit(trajectory)
        draw(0)
        path = end(clone(model))
        draw(1)
        got = clone(model).fit(trajectory, checkpoint=path)
        assert np.array_equal(got.cv_results_["objective"], expected.cv_results_["objective"])

    def test_folds_that_are_read_once(self, many, trajectory, tmp_path, small_batches):
        def model():
            return AtomisticRidgeCV(DENSITY, ALPHAS, cv=KFold(4).split(many))

        got = model().fit(trajectory, checkpoint=tmp_path / "state")
        assert_same_model(got, model().fit(many), many)

    def test_what_is_done_is_not_done_again(self, begun, trajectory, monkeypatch):
        from sklode.fitting import out_of_core

        done, original = [], out_of_core.each_batch

        def each(function, tasks, n_jobs):
            for task, result in original(function, tasks, n_jobs):
                done.append((type(function).__name__, task.batch.number))
                yield task, result

        monkeypatch.setattr(out_of_core, "each_batch", each)
        AtomisticRidgeCV(DENSITY).fit(trajectory, checkpoint=begun)
        sums = [number for name, number in done if name == "Accumulate"]
        assert sums == list(range(3, sums[-1] + 1))
        assert not begun.exists()

    def test_other_fits_are_refused(self, begun, many, trajectory, tmp_path):
        with pytest.raises(ValueError, match="belongs to a fit with other parameters"):
            AtomisticRidgeCV(DENSITY, ALPHAS).fit(trajectory, checkpoint=begun)
        with pytest.raises(ValueError, match="with other groups or weights"):
            AtomisticRidgeCV(DENSITY).fit(trajectory, groups="group", checkpoint=begun)
        write(tmp_path / "other.traj", many[:-1])
        with pytest.raises(ValueError, match="with other structures and groups or weights"):
            AtomisticRidgeCV(DENSITY).fit(tmp_path / "other.traj", checkpoint=begun)
        assert begun.exists()

    @pytest.mark.parametrize("content", ["text", "nothing", "an array", "arrays", "other JSON"])
    def test_other_files_are_refused(self, content, trajectory, tmp_path):
        path = tmp_path / "state"
        with path.open("wb") as file:
            if content == "text":
                file.write(b"something else")
            if content == "an array":
                np.save(file, np.zeros(3))
            if content == "arrays":
                np.savez(file, squares=np.zeros(3))
            if content == "other JSON":
                np.savez(file, described=np.array("[1]"))
        before = path.read_bytes()
        with pytest.raises(ValueError, match=r"is no checkpoint of a fit.*Give another path"):
            AtomisticRidgeCV(DENSITY).fit(trajectory, checkpoint=path)
        assert path.read_bytes() == before

    @pytest.mark.parametrize("place", ["missing/state", "folder", "file/state"])
    def test_places_that_cannot_be_written_are_noticed_first(self, place, tmp_path):
        (tmp_path / "folder").mkdir()
        (tmp_path / "file").touch()

        def source():
            raise AssertionError("nothing is to be read")

        with pytest.raises(OSError, match=r"checkpoint .* cannot be written .*Give a file"):
            AtomisticRidgeCV(DENSITY).fit(source, checkpoint=tmp_path / place)
        assert len(list(tmp_path.iterdir())) == 2

    def test_a_finished_fit_is_not_lost(self, begun, trajectory, monkeypatch):
        unlink = checkpoint.Path.unlink

        def refuse(self, missing_ok=False):
            if self == begun:
                raise OSError(errno.EROFS, os.strerror(errno.EROFS))
            unlink(self, missing_ok)

        expected = AtomisticRidgeCV(DENSITY).fit(trajectory)
        monkeypatch.setattr(checkpoint, "_SAVE_EVERY", np.inf)
        monkeypatch.setattr(checkpoint.Path, "unlink", refuse)
        with pytest.warns(UserWarning, match="state could not be removed.*The fit is done"):
            model = AtomisticRidgeCV(DENSITY).fit(trajectory, checkpoint=begun)
        assert np.array_equal(model.coef_, expected.coef_)

    def test_two_fits_with_one_checkpoint(self, trajectory, tmp_path, monkeypatch, small_batches):
        """One that begins removes what looks unfinished, while the other writes it."""
        monkeypatch.setattr(checkpoint, "_SAVE_EVERY", 0.0)
        removed, fsync = [], os.fsync

        def remove(descriptor):
            fsync(descriptor)
            removed.extend(tmp_path.glob(".state.*.tmp"))
            removed[-1].unlink()

        expected = AtomisticRidgeCV(DENSITY).fit(trajectory)
        monkeypatch.setattr(checkpoint.os, "fsync", remove)
        model = AtomisticRidgeCV(DENSITY).fit(trajectory, checkpoint=tmp_path / "state")
        assert len(removed) > 3
        assert np.array_equal(model.coef_, expected.coef_)

    def test_full_disk(self, begun, trajectory, monkeypatch):
        def fsync(descriptor):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        before = begun.read_bytes()
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint.os, "fsync", fsync)
            with pytest.raises(OSError, match="The last one is still there"):
                AtomisticRidgeCV(DENSITY).fit(trajectory, checkpoint=begun)
        assert begun.read_bytes() == before
        assert [path.name for path in begun.parent.iterdir()] == ["state"]
        begun.unlink()
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint.os, "fsync", fsync)
            with pytest.raises(OSError, match="There is none yet"):
                AtomisticRidgeCV(DENSITY).fit(trajectory, checkpoint=begun)
        assert not list(begun.parent.iterdir())


class TestRefused:
    def test_iterators(self, many):
        with pytest.raises(ValueError, match="an iterator can be read only once"):
            AtomisticRidgeCV(DENSITY).fit(Source(iter(many)))

    def test_features_that_learn_more(self, trajectory):
        for features in (
            make_pipeline(DENSITY, BlockScaler()),
            InteractionFeatures(make_pipeline(DENSITY, BlockScaler())),
        ):
            with pytest.raises(ValueError, match="must learn nothing but the elements"):
                AtomisticRidgeCV(features).fit(trajectory)

    def test_given_targets(self, trajectory):
        with pytest.raises(ValueError, match="Leave y, forces and stresses out"):
            AtomisticRidgeCV(DENSITY).fit(trajectory, np.zeros(60))

    def test_overlapping_folds(self, trajectory):
        model = AtomisticRidgeCV(DENSITY, cv=ShuffleSplit(5, random_state=0))
        with pytest.raises(ValueError, match="leave out every structure once at most"):
            model.fit(trajectory)

    def test_scattered_groups(self, trajectory, small_batches, monkeypatch):
        monkeypatch.setattr("sklode.physics.blocks.MOST_BIN_BYTES", 2**10)
        with pytest.raises(ValueError, match="Sort the structures by group"):
            AtomisticRidgeCV(DENSITY).fit(trajectory, groups="scattered")

    @pytest.mark.parametrize("n_same", [2, 3])
    def test_sources_that_change(self, n_same, many, small_batches):
        """In order or content, or at the end; in the second pass or in the third."""
        swapped = list(many)
        swapped[20], swapped[32] = many[32], many[20]
        assert str(many[20].symbols) == str(many[32].symbols)
        relabelled = [atoms.copy() for atoms in many]
        for mine, atoms in zip(relabelled, many, strict=True):
            mine.calc = SinglePointCalculator(mine, **atoms.calc.results)
        relabelled[41].calc.results["energy"] += 1e-6
        for other in (swapped, relabelled, many[:20], many + many):
            passes = iter([many] * n_same + [other] * 3)
            with pytest.raises(ValueError, match="source has changed since it was read first"):
                AtomisticRidgeCV(DENSITY, ALPHAS).fit(lambda passes=passes: iter(next(passes)))

    def test_small_sources_that_change(self, many):
        passes = iter([many[:4], many[:4], many[3::-1]])
        with pytest.raises(ValueError, match="source has changed since it was read first"):
            AtomisticRidgeCV(DENSITY, force_weight=0.0, stress_weight=0.0).fit(
                lambda: iter(next(passes))
            )

    def test_results_that_are_not_there(self, many):
        one = EMT()
        shared = [atoms.copy() for atoms in many]
        for atoms in shared:
            atoms.calc = one
            atoms.get_potential_energy()
        with pytest.raises(ValueError, match=r"X\[0\] \(.*\): its calculator holds no .* list"):
            AtomisticRidgeCV(DENSITY).fit(lambda: iter(shared))

    @pytest.mark.parametrize(
        ("labels", "match"),
        [
            ([1, 2, None], r"groups\[2\] is None, and every structure needs a label"),
            ([1.0, np.nan, 2.0], r"groups\[1\] is nan, and every structure needs a label"),
            ([1, "1", 2], "all text or all numbers"),
            ([[1, 2], [1, 3], [1, 2]], "all text or all numbers"),
            ([(1, 2), 3, 4], "all text or all numbers"),
        ],
    )
    def test_labels_of_groups(self, labels, match, many):
        labels = labels * 20
        labelled = [atoms.copy() for atoms in many]
        for mine, atoms, label in zip(labelled, many, labels, strict=True):
            mine.calc, mine.info["label"] = atoms.calc, label
        for X, groups in ((many, labels), (Source(many), labels), (Source(labelled), "label")):
            with pytest.raises(ValueError, match=match):
                AtomisticRidgeCV(DENSITY).fit(X, groups=groups)

    def test_structures(self, many, tmp_path, small_batches):
        broken = [atoms.copy() for atoms in many]
        with pytest.raises(ValueError, match="None of the 60 structures has an energy"):
            AtomisticRidgeCV(DENSITY).fit(Source(broken))
        broken[40].positions[2] = np.inf
        write(tmp_path / "broken.traj", broken)
        with pytest.raises(ValueError, match=r"X\[40\] of broken.traj \(.*\): position of atom 2"):
            AtomisticRidgeCV(DENSITY).fit(tmp_path / "broken.traj")
        broken = list(many)
        broken[33] = many[33].copy()
        results = many[33].calc.results | {"energy": np.nan}
        broken[33].calc = SinglePointCalculator(broken[33], **results)
        with pytest.raises(ValueError, match=r"X\[33\] \(.*\): the energy of its calculator must"):
            AtomisticRidgeCV(DENSITY).fit(Source(broken))
        with pytest.raises(ValueError, match=r"X\[0\] .*has no info\['nothing'\]; it has"):
            AtomisticRidgeCV(DENSITY).fit(Source(many), groups="nothing")
        with pytest.raises(ValueError, match="one label a structure: 60; got 3"):
            AtomisticRidgeCV(DENSITY).fit(Source(many), groups=[1, 2, 3])

    def test_truncated_file(self, many, tmp_path):
        write(tmp_path / "a.xyz", many)
        text = (tmp_path / "a.xyz").read_text()
        (tmp_path / "a.xyz").write_text(text[:-200])
        with pytest.raises(ValueError, match=r"a.xyz: X\[59\] must have .* the file ends after"):
            AtomisticRidgeCV(DENSITY).fit(tmp_path / "a.xyz")


def test_compressed_rows_have_the_products_of_all():
    rng = np.random.default_rng(0)
    array = rng.normal(size=(500, 7)) * 10.0 ** np.arange(7)
    compressed = CompressedRows(7)
    for part in np.split(array, [3, 3, 40, 41, 333]):
        compressed.add(part)
    rows = compressed.settle().rows
    assert len(rows) == 7
    scale = np.linalg.norm(array, axis=0)
    products = (array / scale).T @ (array / scale)
    np.testing.assert_allclose((rows / scale).T @ (rows / scale), products, atol=1e-14)
