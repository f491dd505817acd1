"""``sklode evaluate``."""

import subprocess
import sys

import ase.io
import numpy as np
import pandas as pd
import pytest
from commands import PNG, environment, fit_in, rmse, run

from sklode import load_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two files, and a model that was fitted to the first."""
    folder = tmp_path_factory.mktemp("cli")
    fit_in(folder)
    return folder


@pytest.fixture(autouse=True)
def inside(folder, monkeypatch):
    monkeypatch.chdir(folder)


class TestEvaluate:
    def test_errors(self, tmp_path, capsys):
        run("evaluate", "model.skops", "test.xyz", "-o", tmp_path / "e")
        printed = capsys.readouterr().out
        structures, model = ase.io.read("test.xyz", ":"), load_model("model.skops")
        energies, bars = model.predict(structures, return_std=True)
        wrong = energies - [atoms.get_potential_energy() for atoms in structures]
        sizes = np.array([len(atoms) for atoms in structures])
        forces = np.concatenate(model.predict_forces(structures))
        forces -= np.concatenate([atoms.get_forces() for atoms in structures])
        table = pd.read_csv(tmp_path / "e" / "errors.csv", index_col=0)
        for name, error in [
            ("energy (eV)", wrong),
            ("energy per atom (eV)", wrong / sizes),
            ("force component (eV/A)", forces),
        ]:
            row = table.loc[name]
            assert row["n"] == error.size
            assert row["rmse"] == pytest.approx(rmse(error, 0))
            assert row["mae"] == pytest.approx(np.abs(error).mean())
            assert row["largest"] == pytest.approx(np.abs(error).max())
        assert f"{rmse(wrong / bars, 0):.2f} times their bars" in printed
        worst = int(np.abs(wrong).argmax())
        assert f"Largest errors of energies: X[{worst}] (" in printed
        assert (tmp_path / "e" / "parity.png").read_bytes().startswith(PNG)
        assert not (tmp_path / "e" / "learning_curve.csv").exists()
        sizes = np.linalg.norm(forces, axis=1)
        owner = np.repeat(np.arange(len(structures)), [len(atoms) for atoms in structures])
        index, atom = (
            owner[sizes.argmax()],
            sizes.argmax() - np.argmax(owner == owner[sizes.argmax()]),
        )
        told = f"X[{index}] ({structures[index].get_chemical_formula()}), atom {atom}: "
        assert f"Largest error of a force: {told}{sizes.max():.4g} eV/A." in printed
        assert "without features" not in table

    def test_predictions_of_each_structure(self, tmp_path):
        frames = ase.io.read("test.xyz", ":")
        frames[1].calc.results.pop("forces")
        frames[2].calc.results.pop("energy")
        ase.io.write(tmp_path / "some.xyz", frames)
        run("evaluate", "model.skops", tmp_path / "some.xyz", "-o", tmp_path / "e")
        table = pd.read_csv(tmp_path / "e" / "predictions.csv")
        energies, bars, forces, _ = load_model("model.skops").predict_all(frames)
        known = [np.nan if i == 2 else a.get_potential_energy() for i, a in enumerate(frames)]
        np.testing.assert_allclose(table["reference_energy_eV"], known)
        np.testing.assert_allclose(table["predicted_energy_eV"], energies)
        np.testing.assert_allclose(table["energy_std_eV"], bars)
        np.testing.assert_allclose(table["error_eV"], energies - known, atol=1e-12)
        wrong = [
            np.nan if i == 1 else rmse(frames[i].get_forces(), f) for i, f in enumerate(forces)
        ]
        np.testing.assert_allclose(table["rmse_forces_eV_per_A"], wrong)
        assert table["structure"].tolist() == [*range(len(frames))]
        assert table["n_atoms"].tolist() == [len(atoms) for atoms in frames]

    @pytest.mark.slow
    def test_nobody_reads_on(self, folder, tmp_path):
        """As after ``| head -1``: the files are written."""
        command = [sys.executable, "-m", "sklode.cli", "evaluate", "model.skops", "test.xyz"]
        process = subprocess.Popen(
            [*command, "-o", str(tmp_path / "e")],
            cwd=folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        process.stdout.close()
        complaints = process.stderr.read()
        process.stderr.close()
        assert process.wait() == 0
        assert complaints == b""
        assert {"errors.csv", "parity.png"} <= {path.name for path in (tmp_path / "e").iterdir()}

    def test_learning_curve(self, tmp_path, capsys):
        run("evaluate", "model.skops", "test.xyz", "--train", "train.xyz", "--group", "sample",
            "-o", tmp_path)  # fmt: skip
        curve = pd.read_csv(tmp_path / "learning_curve.csv")
        assert curve["n_structures"].is_monotonic_increasing
        assert curve["n_structures"].iloc[-1] == 24
        table = pd.read_csv(tmp_path / "errors.csv", index_col=0)
        # the last point is the model itself
        last = curve["force component (eV/A)"].iloc[-1]
        assert last == pytest.approx(table.loc["force component (eV/A)", "rmse"], rel=1e-5)
        assert curve["force component (eV/A)"].iloc[0] > last
        counts = [
            np.array([[len(a)] for a in ase.io.read(f, ":")]) for f in ("train.xyz", "test.xyz")
        ]
        trained, true = (
            [a.get_potential_energy() for a in ase.io.read(f, ":")]
            for f in ("train.xyz", "test.xyz")
        )
        alone = counts[1] @ np.linalg.lstsq(counts[0], trained)[0]  # as many Na as Cl
        assert table.loc["energy (eV)", "without features"] == pytest.approx(rmse(alone, true))
        assert (tmp_path / "learning_curve.png").read_bytes().startswith(PNG)
        assert "--train" not in capsys.readouterr().err

    def test_structures_that_were_learnt_are_warned_of(self, tmp_path, capsys):
        frames = [*ase.io.read("test.xyz", ":"), *ase.io.read("train.xyz", ":2")]
        ase.io.write(tmp_path / "mixed.xyz", frames)
        run("evaluate", "model.skops", tmp_path / "mixed.xyz", "--train", "train.xyz", "-o",
            tmp_path / "e")  # fmt: skip
        complaints = capsys.readouterr().err.splitlines()
        (line,) = [line for line in complaints if "--train" in line]
        assert line.startswith("sklode: warning: 2 of 10 structures are equal to structures of")
