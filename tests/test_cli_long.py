"""Commands that stop in the middle and go on, and checks of labels: featurize, fit, check."""

import signal
import subprocess
import sys
import time

import ase.io
import numpy as np
import pandas as pd
import pytest
from commands import SMALL, charges, environment

from sklode import DensityProjector, cli, load_model
from sklode.physics import blocks
from sklode.streaming import FeatureDataset

N = 120
BYTES = 2**16  # of equations, which makes many batches
OFTEN = f"""
import sys
from sklode import cli, physics
from sklode.fitting import checkpoint
checkpoint._SAVE_EVERY = 0.0
physics.blocks.EQUATION_BYTES = {BYTES}
sys.exit(cli.main(sys.argv[1:]))
"""  # the state of a fit is kept after each batch


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    ase.io.write(folder / "many.xyz", charges(N, n_atoms=8))
    return folder


@pytest.fixture(autouse=True)
def inside(folder, monkeypatch):
    monkeypatch.chdir(folder)


def interrupted(program, arguments, begun):
    """Press Ctrl-C as soon as the work has begun to leave something; what is said of it."""
    process = subprocess.Popen(
        [sys.executable, *program, *map(str, arguments)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not begun() and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == 1, complaints
    return complaints.splitlines()[-1]


@pytest.mark.slow
def test_featurize_goes_on_after_a_stop(tmp_path, capsys):
    arguments = ["featurize", "many.xyz", *SMALL, "--batch-atoms", "30", "--info-key", "sample"]
    out = tmp_path / "features"
    said = interrupted(
        ["-m", "sklode.cli"],
        [*arguments, "-o", out],
        lambda: len([*out.glob("part-*.parquet")]) > 1,
    )
    assert said == f"sklode: interrupted. The same command goes on with what is in {out}."
    before = FeatureDataset(out)
    assert 0 < before.n_structures < N
    kept = {path.name: path.stat().st_mtime_ns for path in out.glob("part-*.parquet")}
    assert cli.main([*arguments, "-o", str(out)]) == 0
    assert f"Written: {out} ({N} rows of " in capsys.readouterr().out
    assert all((out / name).stat().st_mtime_ns == moment for name, moment in kept.items())
    assert cli.main([*arguments, "-o", str(tmp_path / "undisturbed")]) == 0
    pd.testing.assert_frame_equal(
        pd.read_parquet(out), pd.read_parquet(tmp_path / "undisturbed"), check_exact=True
    )


@pytest.mark.slow
def test_fit_goes_on_after_a_stop(tmp_path, capsys, monkeypatch):
    out, state = tmp_path / "m.skops", tmp_path / "state"
    arguments = ["fit", "many.xyz", *SMALL, "--checkpoint", str(state), "-o", str(out)]
    said = interrupted(["-c", OFTEN], arguments, state.exists)
    assert said == "sklode: interrupted. The same command goes on where it was."
    assert state.exists()
    assert not out.exists()
    kept = state.stat().st_size
    assert kept > 0
    monkeypatch.setattr(blocks, "EQUATION_BYTES", BYTES)
    assert cli.main(arguments) == 0
    assert "Validated by 10 groups" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["m.skops"]
    assert cli.main([*arguments[:-4], "--no-picture", "-o", str(tmp_path / "other.skops")]) == 0
    tested = charges(4, seed=50)
    np.testing.assert_allclose(
        load_model(out).predict(tested),
        load_model(tmp_path / "other.skops").predict(tested),
        rtol=1e-7,
    )


@pytest.mark.slow
def test_predict_goes_on_after_a_stop(tmp_path, capsys, monkeypatch):
    assert cli.main(["fit", "many.xyz", *SMALL, "--no-picture", "-o", str(tmp_path / "m")]) == 0
    out, parts = tmp_path / "p.csv", tmp_path / "p.csv.parts"
    small = "from sklode.physics import blocks; blocks.BATCH_ATOMS = 20"
    program = ["-c", f"import sys; {small}; from sklode import cli; sys.exit(cli.main())"]
    arguments = ["predict", tmp_path / "m", "many.xyz", "-o", out]
    said = interrupted(program, arguments, lambda: len([*parts.glob("*.npz")]) > 1)
    assert said == f"sklode: interrupted. The same command goes on with what is in {parts}."
    assert not out.exists()
    monkeypatch.setattr(blocks, "BATCH_ATOMS", 20)
    assert cli.main([*map(str, arguments)]) == 0
    assert f"Written: {out} ({N} structures)" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"m", "p.csv"}
    expected = load_model(tmp_path / "m").predict(ase.io.read("many.xyz", ":"))
    np.testing.assert_allclose(pd.read_csv(out)["energy_eV"], expected, rtol=1e-10)


class TestFeaturize:
    def test_rows_are_those_of_the_transformer(self, tmp_path, capsys):
        arguments = ["many.xyz", *SMALL, "--local-only", "-o", str(tmp_path / "f"), "--n-jobs", "2"]
        assert cli.main(["featurize", *arguments, "--save", str(tmp_path / "t.skops")]) == 0
        table = pd.read_parquet(tmp_path / "f")
        frames = ase.io.read("many.xyz", ":")
        transformer = DensityProjector(5.0, 2, 1).fit(frames)
        rows = table[transformer.get_feature_names_out()].to_numpy()
        np.testing.assert_allclose(rows, transformer.transform(frames), rtol=1e-12)
        assert table["energy"].tolist() == [a.get_potential_energy() for a in frames]
        # another file, described by the same columns
        ase.io.write(tmp_path / "few.xyz", charges(2, seed=9))
        arguments = ["--transformer", tmp_path / "t.skops", "-o", tmp_path / "g", "--level", "atom"]
        assert cli.main(["featurize", str(tmp_path / "few.xyz"), *map(str, arguments)]) == 0
        other = pd.read_parquet(tmp_path / "g")
        assert list(other)[-rows.shape[1] :] == list(table)[-rows.shape[1] :]
        assert len(other) == sum(map(len, charges(2, seed=9)))

    def test_what_is_skipped_is_said(self, tmp_path, capsys):
        frames = charges(4)
        frames[2].set_cell([0, 0, 0])
        ase.io.write(tmp_path / "bad.xyz", frames)
        arguments = ["featurize", str(tmp_path / "bad.xyz"), *SMALL, "-o", str(tmp_path / "f")]
        assert cli.main(arguments) == 1
        assert "X[2]" in capsys.readouterr().err
        assert cli.main([*arguments, "--on-error", "skip"]) == 0
        printed = capsys.readouterr().out
        assert "skipped: X[2]" in printed
        assert "(3 rows of" in printed


class TestCheck:
    def test_good_labels(self, capsys):
        assert cli.main(["check", "many.xyz"]) == 0
        assert (
            f"{N} structures: no label that would spoil a fit was found." in capsys.readouterr().out
        )

    def test_labels_that_spoil_a_fit(self, tmp_path, capsys):
        frames = charges(6)
        frames.append(frames[4].copy())
        frames[-1].calc = charges(6)[4].calc
        frames[-1].calc.results["energy"] += 3.0
        ase.io.write(tmp_path / "wrong.xyz", frames)
        out = tmp_path / "findings.csv"
        assert cli.main(["check", str(tmp_path / "wrong.xyz"), "-o", str(out)]) == 1
        captured = capsys.readouterr()
        assert "error: unequal_energies in 2 of 7 structures, first in" in captured.out
        assert "  X[4] (Cl2Na2): " in captured.out
        assert captured.err == (
            f"sklode: {tmp_path / 'wrong.xyz'}: 2 of 7 structures have labels that would spoil a "
            "fit.\n"
        )
        table = pd.read_csv(out)
        assert table["structure"].tolist() == [4, 6]
        assert set(table["finding"]) == {"unequal_energies"}

    def test_groups_that_share_structures(self, tmp_path, capsys):
        frames = charges(6)
        frames.append(frames[4].copy())
        frames[-1].calc = frames[4].calc
        frames[-1].info["sample"] = "another"
        ase.io.write(tmp_path / "shared.xyz", frames)
        assert cli.main(["check", str(tmp_path / "shared.xyz"), "--group", "sample"]) == 0
        assert "warning: groups_overlap in 2 of 7" in capsys.readouterr().out
