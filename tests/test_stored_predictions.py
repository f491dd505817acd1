"""Predictions of a source of several batches: the same as of all structures, kept over a stop."""

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from joblib import parallel_config

from sklode import AtomisticRidgeCV, DensityProjector
from sklode.outputs import stored_predictions
from sklode.outputs.predictions import write_predictions
from sklode.outputs.stored_predictions import StoredPredictions
from sklode.physics import blocks
from sklode.streaming import Source
from sklode.validation.predictions import predict_labels


def structures(n=40):
    """Molecules, then crystals, which alone have stresses."""
    found = []
    for number in range(n):
        rng = np.random.default_rng(number)
        atoms = molecule("H2O") if number < n // 2 else bulk("NaCl", "rocksalt", a=5.6) * (1, 1, 2)
        atoms.rattle(0.1, rng=rng)
        results = {"energy": rng.normal(), "forces": rng.normal(size=(len(atoms), 3))}
        atoms.calc = SinglePointCalculator(atoms, **results)
        found.append(atoms)
    return found


@pytest.fixture(scope="module")
def frames():
    return structures()


@pytest.fixture(scope="module")
def model(frames):
    return AtomisticRidgeCV(DensityProjector(cutoff=3.0, n_max=2, l_max=1)).fit(frames)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(blocks, "BATCH_ATOMS", 20)


@pytest.fixture
def counted(monkeypatch):
    """Numbers of structures of all calls that predict."""
    calls = []

    def counting(model, atoms_list, derivatives):
        calls.append(len(atoms_list))
        return predict_labels(model, atoms_list, derivatives)

    monkeypatch.setattr(stored_predictions, "predict_labels", counting)
    return calls


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("derivatives", [True, False])
def test_batches_are_parts_of_the_whole(model, frames, n_jobs, derivatives, tmp_path):
    stored = StoredPredictions(model, derivatives, Source(frames), tmp_path / "parts")
    with parallel_config(n_jobs=n_jobs):
        stored.compute()
    parts = list(stored)
    assert len(parts) > 5
    assert [str(a.symbols) for some, _ in parts for a in some] == [str(a.symbols) for a in frames]
    energies, errors, forces, stresses = model.predict_all(frames)
    found = [predictions for _, predictions in parts]
    np.testing.assert_allclose(np.concatenate([p.energies for p in found]), energies, rtol=1e-12)
    np.testing.assert_allclose(np.concatenate([p.errors for p in found]), errors, rtol=1e-12)
    assert stored.n_structures == len(frames)
    assert stored.has_stress == derivatives
    if derivatives:
        got = np.concatenate([f for p in found for f in p.forces])
        np.testing.assert_allclose(got, np.concatenate(forces), atol=1e-12)
        np.testing.assert_allclose(
            np.concatenate([p.stresses for p in found]), stresses, atol=1e-12
        )
    else:
        assert all(p.forces is None and p.stresses is None for p in found)
    stored.remove()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("level", ["structure", "atom"])
def test_a_table_is_that_of_one_batch(model, frames, suffix, level, tmp_path, monkeypatch):
    tables = []
    for most in (20, 10_000):
        monkeypatch.setattr(blocks, "BATCH_ATOMS", most)
        stored = StoredPredictions(model, True, Source(frames), tmp_path / "parts")
        stored.compute()
        path = tmp_path / f"{most}.{suffix}"
        write_predictions(path, stored, level)
        tables.append(getattr(pd, f"read_{suffix}")(path))
    pd.testing.assert_frame_equal(*tables, rtol=1e-10, atol=1e-12)
    assert tables[0]["structure"].unique().tolist() == list(range(len(frames)))
    if level == "structure":  # molecules come first
        known = tables[0]["stress_xx_eV_per_A3"].notna()
        assert known.tolist() == [False] * 20 + [True] * 20


def test_molecules_have_no_columns_of_stress(model, frames, tmp_path):
    stored = StoredPredictions(model, True, Source(frames[:15]), tmp_path / "parts")
    stored.compute()
    write_predictions(tmp_path / "p.csv", stored)
    assert not [name for name in pd.read_csv(tmp_path / "p.csv") if name.startswith("stress")]


UNREADABLE = {
    "empty": "",
    "equals": "=",
    "backslash": "a\\",
    "lines": "a\nb",
    "json": "_JSON {",
    "nothing": np.zeros(0),
}
READABLE = {"text": "a b", "quoted": 'a "b"', "word": "x-1", "n": 3, "t": [1.0, 2.0], "d": {"a": 1}}


def read_back(model, atoms, path):
    stored = StoredPredictions(model, False, Source([atoms]), path.with_suffix(".parts"))
    stored.compute()
    write_predictions(path, stored)
    (found,) = ase.io.read(path, ":")
    return found


@pytest.mark.parametrize("key", UNREADABLE)
def test_values_that_xyz_cannot_hold_are_left_out(key, model, frames, tmp_path):
    atoms = frames[0].copy()
    atoms.info.update({"before": 1, key: UNREADABLE[key], **READABLE})
    with pytest.warns(UserWarning, match=f"^'{key}' of some structures: extended XYZ cannot hold"):
        found = read_back(model, atoms, tmp_path / "p.xyz")
    assert set(found.info) == {"before", "energy_std", *READABLE}
    assert found.info["quoted"] == READABLE["quoted"]
    assert found.get_potential_energy() == pytest.approx(model.predict([atoms])[0], abs=1e-8)


@pytest.mark.parametrize("values", [["", "a", "b"], ["a b", "c", "d"], np.array([1, 2, 3], "u1")])
def test_arrays_that_xyz_cannot_hold_are_left_out(values, model, frames, tmp_path):
    atoms = frames[0].copy()
    atoms.set_array("wrong", np.array(values))
    atoms.set_array("right", np.array(["a", "b", "é"]))
    with pytest.warns(UserWarning, match="^'wrong' of some structures"):
        found = read_back(model, atoms, tmp_path / "p.xyz")
    assert set(found.arrays) == {"numbers", "positions", "right"}
    assert found.arrays["right"].tolist() == ["a", "b", "é"]


class TestAfterAStop:
    def stopped(self, model, source, folder, monkeypatch, after=3):
        stored = StoredPredictions(model, True, source, folder)
        count = stored._count

        def stop(*arguments):
            count(*arguments)
            if stored.n_structures >= 6 * after:
                raise KeyboardInterrupt

        monkeypatch.setattr(stored, "_count", stop)
        with pytest.raises(KeyboardInterrupt):
            stored.compute()
        return len(list(folder.glob("*.npz")))

    def test_nothing_is_computed_again(self, model, frames, tmp_path, monkeypatch, counted):
        n_done = self.stopped(model, Source(frames), tmp_path / "parts", monkeypatch)
        assert n_done == 3
        n_before = sum(counted)
        stored = StoredPredictions(model, True, Source(frames), tmp_path / "parts")
        stored.compute()
        assert sum(counted) == len(frames)
        assert n_before >= 18
        found = np.concatenate([predictions.energies for _, predictions in stored])
        np.testing.assert_allclose(found, model.predict(frames), rtol=1e-12)

    def test_a_damaged_file_is_computed_again(self, model, frames, tmp_path, monkeypatch):
        folder = tmp_path / "parts"
        self.stopped(model, Source(frames), folder, monkeypatch)
        for path, size in zip(sorted(folder.glob("*.npz")), (0, 10, 700), strict=True):
            path.write_bytes(path.read_bytes()[:size])
        stored = StoredPredictions(model, True, Source(frames), folder)
        stored.compute()
        found = np.concatenate([predictions.energies for _, predictions in stored])
        np.testing.assert_allclose(found, model.predict(frames), rtol=1e-12)

    def test_another_model_and_other_structures_share_nothing(
        self, model, frames, tmp_path, monkeypatch, counted
    ):
        self.stopped(model, Source(frames), tmp_path / "parts", monkeypatch)
        other = AtomisticRidgeCV(DensityProjector(cutoff=3.0, n_max=2, l_max=1)).fit(frames[2:])
        moved = [atoms.copy() for atoms in frames]
        for atoms in moved:
            atoms.positions[0, 0] += 1e-9
        for given, source in [(other, frames), (model, moved)]:
            counted.clear()
            stored = StoredPredictions(given, True, Source(source), tmp_path / "parts")
            stored.compute()
            assert sum(counted) == len(frames)
        stored.remove()
        assert not (tmp_path / "parts").exists()


def test_another_version_shares_nothing(model, frames, tmp_path, monkeypatch):
    names = []
    for version in ("1", "2"):
        monkeypatch.setattr(stored_predictions, "__version__", version)
        StoredPredictions(model, True, Source(frames), tmp_path / version).compute()
        names.append({path.name for path in (tmp_path / version).glob("*.npz")})
    assert len(names[0]) > 5
    assert not names[0] & names[1]


def test_what_others_keep_in_the_folder_stays(model, frames, tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "notes.txt").touch()
    (folder / "data.npz").touch()
    stored = StoredPredictions(model, True, Source(frames), folder)
    stored.compute()
    stored.remove()
    assert [path.name for path in sorted(folder.iterdir())] == ["data.npz", "notes.txt"]


def test_a_bad_structure_is_named(model, frames, tmp_path):
    bad = [*frames[:30], bulk("Cu"), *frames[30:]]
    stored = StoredPredictions(model, True, Source(bad), tmp_path / "parts")
    with pytest.raises(ValueError, match=r"^X\[30\] \(Cu\): contains Cu"):
        stored.compute()


def test_structures_that_change_are_refused(model, frames, tmp_path):
    changing = [atoms.copy() for atoms in frames]
    stored = StoredPredictions(model, True, Source(lambda: iter(changing)), tmp_path / "parts")
    stored.compute()
    changing[10].positions += 0.01
    with pytest.raises(ValueError, match="have changed while"):
        list(stored)


def test_no_structures(model, tmp_path):
    stored = StoredPredictions(model, True, Source(lambda: iter([])), tmp_path / "parts")
    with pytest.raises(ValueError, match="no structures"):
        stored.compute()
