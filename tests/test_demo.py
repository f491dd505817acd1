"""The main job: the demo on the S22x5 dimers and on files of the user."""

import subprocess
import sys
from pathlib import Path

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from sklode import cli, load_model
from sklode.datasets import load_s22x5
from sklode.demo import candidates
from sklode.demo.experiment import Demo

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the folder of real data is absent")


@pytest.fixture
def small_search(monkeypatch):
    """Few candidates: the tests of files are about reading and writing, not about accuracy."""
    for name, values in {
        "LOCAL_CUTOFFS": (3.0,),
        "EXPONENTS": (1.0, 6.0),
        "LOCAL_WEIGHTS": (0.1,),
        "ALPHAS": (0.01, 1.0),
    }.items():
        monkeypatch.setattr(candidates, name, values)


@pytest.fixture(scope="module")
def s22x5_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    finished = subprocess.run(
        [sys.executable, "-m", "sklode.cli", "demo", "--output", str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    return folder, finished


@pytest.mark.slow
def test_the_readme_shows_the_table_that_is_printed(s22x5_run):
    readme = Path(__file__).resolve().parents[1].joinpath("README.md").read_text()
    header = "    " + 20 * " " + "far separations  unseen groups\n"
    start = readme.index(header)
    shown = [line[4:] for line in readme[start:].splitlines()[:4]]
    printed = s22x5_run[1].stdout.splitlines()
    assert shown == printed[printed.index(shown[0]) :][:4]


@pytest.mark.slow
def test_far_separations_of_s22x5_are_predicted_within_0_04_ev(s22x5_run):
    table = pd.read_csv(s22x5_run[0] / "predictions.csv")
    far = table[table["part"] == "far"]
    assert len(table) == 110
    assert set(far["distance"]) == {1.5, 2.0}
    assert set(table[table["part"] == "train"]["distance"]) == {0.9, 1.0, 1.2}

    def rmse(column):
        return np.sqrt(np.mean((far[column] - far["reference"]) ** 2))

    assert rmse("far: local + long-range") < 0.04
    assert rmse("far: local + long-range") < 0.6 * rmse("far: local")
    assert np.sqrt(np.mean(far["reference"] ** 2)) == pytest.approx(0.149, abs=0.001)


@pytest.mark.slow
def test_the_table_shows_what_the_predictions_say(s22x5_run):
    folder, finished = s22x5_run
    table = pd.read_csv(folder / "predictions.csv")
    for prefix, rows in (("far", table[table["part"] == "far"]), ("unseen", table)):
        for model in ("local", "local + long-range"):
            error = np.sqrt(np.mean((rows[f"{prefix}: {model}"] - rows["reference"]) ** 2))
            line = next(x for x in finished.stdout.splitlines() if x.startswith(f"{model} "))
            assert f"{error:.4f}" in line
    assert "predict zero" in finished.stdout
    assert "bring the error down" in finished.stdout
    assert "search" in finished.stderr  # the progress bar


@pytest.mark.slow
def test_the_saved_model_repeats_the_predictions(s22x5_run):
    folder, _ = s22x5_run
    model = load_model(folder / "model.skops")
    table = pd.read_csv(folder / "predictions.csv")
    predicted = model.predict(load_s22x5().data)
    np.testing.assert_allclose(predicted, table["far: local + long-range"], atol=1e-8)


@pytest.mark.slow
def test_the_picture_is_a_png(s22x5_run):
    assert (s22x5_run[0] / "binding_curves.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert sorted(p.name for p in s22x5_run[0].iterdir()) == [
        "binding_curves.png",
        "local_model.skops",
        "model.skops",
        "predictions.csv",
    ]


def test_the_search_never_sees_the_far_structures(small_search):
    """Other energies of the far structures change neither choice nor predictions."""
    far = demo_dimers().distance > 1.2
    tables = []
    for sign in (1.0, -3.0):
        dimers = demo_dimers()
        dimers.energies = np.where(far, sign * dimers.energies, dimers.energies)
        tables.append(Demo(dimers).run().predictions)
    columns = [c for c in tables[0] if c.startswith("far: ")]
    assert len(columns) == 4
    pd.testing.assert_frame_equal(tables[0][columns], tables[1][columns])
    assert not tables[0]["reference"].equals(tables[1]["reference"])


def demo_dimers():
    from sklode.demo.files import read_dimers

    dimers = read_dimers()
    chosen = np.arange(20)
    dimers.structures = [dimers.structures[i] for i in chosen]
    dimers.energies, dimers.groups, dimers.distance = (
        a[chosen] for a in (dimers.energies, dimers.groups, dimers.distance)
    )
    return dimers


@needs_data
@pytest.mark.parametrize(
    ("name", "keys"),
    [
        (
            "s66x8.xyz",
            "--energy interaction_energy --group pair --distance distance_factor "
            "--fragments natoms_A",
        ),
        (
            "ionichb.xyz",
            "--energy interaction_energy --group dimer --distance distance_factor "
            "--fragments natoms_A",
        ),
    ],
)
def test_interaction_energies_of_a_file(name, keys, tmp_path, capsys, small_search):
    frames = ase.io.read(SHARED / name, ":48")
    ase.io.write(tmp_path / "some.xyz", frames)
    out = tmp_path / "out"
    assert cli.main(["demo", "--data", str(tmp_path / "some.xyz"), "--output", str(out),
                     *keys.split()]) == 0  # fmt: skip
    table = pd.read_csv(out / "predictions.csv")
    assert len(table) == 48
    # kcal/mol are converted
    kcal = np.array([atoms.info["interaction_energy"] for atoms in frames])
    np.testing.assert_allclose(table["reference"], 0.0433641 * kcal, rtol=1e-5)
    assert "predict zero" in capsys.readouterr().out


@needs_data
def test_total_energies_of_a_file_use_the_composition(tmp_path, capsys, small_search):
    frames = ase.io.read(SHARED / "charge_charge_dimers.xyz", ":")[::3]
    ase.io.write(tmp_path / "some.xyz", frames)
    arguments = ["demo", "--data", str(tmp_path / "some.xyz"), "--distance", "distance"]
    assert cli.main([*arguments, "--output", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "composition alone" in printed
    # leaving out whole compositions would leave the energies of the elements undetermined
    assert "unseen groups" not in printed
    table = pd.read_csv(tmp_path / "out" / "predictions.csv")
    errors = table["far: local + long-range"] - table["reference"]
    assert np.sqrt(np.mean(errors[table["part"] == "train"] ** 2)) < 0.1


def test_without_distance_only_groups_are_left_out(tmp_path, capsys, small_search):
    data = load_s22x5()
    frames = data.data[::2]
    ase.io.write(tmp_path / "some.xyz", frames)
    arguments = ["demo", "--data", str(tmp_path / "some.xyz"), "--energy", "interaction_energy"]
    arguments += ["--group", "dimer", "--fragments", "fragment", "--output", str(tmp_path / "out")]
    assert cli.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "unseen groups" in printed
    assert "far separations" not in printed
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "local_model.skops",
        "model.skops",
        "predictions.csv",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--energy", "nothing"],
            "X[0] (H2): has no key 'nothing' (--energy nothing); it has ['pair'",
        ),
        (["--distance", "pair"], "X[0] (H2): pair must be a finite number"),
        (["--fragments", "r"], "'r' must be the number of atoms of the first molecule"),
        (["--group", "nothing"], "X[0] (H2): has no key 'nothing' (--group nothing)"),
        ([], "Nothing to predict"),
    ],
)
def test_bad_keys_name_the_structure_and_leave_no_file(arguments, message, tmp_path, capsys):
    frames = []
    for r in (0.7, 0.8, 0.9):
        frames.append(Atoms("H2", positions=[[0, 0, 0], [0, 0, r]], info={"pair": "a", "r": r}))
        frames[-1].calc = SinglePointCalculator(frames[-1], energy=-r)
    ase.io.write(tmp_path / "some.xyz", frames)
    command = ["demo", "--data", str(tmp_path / "some.xyz"), "--output", str(tmp_path / "out")]
    assert cli.main([*command, *arguments]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_missing_file_and_keys_without_file_are_clear_errors(tmp_path, capsys):
    assert cli.main(["demo", "--data", str(tmp_path / "absent.xyz")]) == 1
    assert "absent.xyz" in capsys.readouterr().err
    assert cli.main(["demo", "--energy", "e"]) == 1
    assert "belong to --data" in capsys.readouterr().err


def test_help_and_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out.startswith("sklode ")
    with pytest.raises(SystemExit, match="0"):
        cli.main(["demo", "--help"])
    assert "--fragments KEY" in capsys.readouterr().out
