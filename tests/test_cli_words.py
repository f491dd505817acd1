"""What commands say: their options, not arguments of Python."""

import subprocess
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from commands import SMALL, charges, environment

from sklode import AtomisticRidgeCV, DensityProjector, cli, save_model


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(text):
    return cli.main([*text.split(), *([] if text.startswith(("check", "predict")) else SMALL)])


def one():
    return charges(2)[:1]


def with_nan():
    frames = charges(4)
    frames[1].calc.results["energy"] = np.nan
    return frames


def with_some_nan():
    frames = charges(4)
    frames[1].calc.results["forces"][2] = np.nan
    return frames


def with_gold():
    return [*charges(2), Atoms("Au2", [[0, 0, 0], [0, 0, 2.5]])]


def without_cell():
    frames = charges(4)
    frames[2].set_cell([0, 0, 0])
    return frames


SAID = {
    "fit one.xyz": (one, "one.xyz: fit needs at least two structures with labels, to leave out"),
    "fit nan.xyz": (with_nan, "got [nan]. Repair it, or remove the structure."),
    "fit some.xyz": (with_some_nan, "first of atom 2. Repair them, or remove the structure."),
    "predict m.skops gold.xyz": (with_gold, "of fit. Fit to structures that have all elements."),
    "featurize cell.xyz": (without_cell, "Or give --on-error skip, which lists such structures"),
}  # fmt: skip


@pytest.mark.parametrize("text", SAID)
def test_errors_name_options(text, capsys):
    structures, said = SAID[text]
    ase.io.write(text.split()[-1], structures(), format="extxyz")
    if text.startswith("predict"):
        ase.io.write("train.xyz", charges(12))
        assert run("fit train.xyz -o m.skops --no-picture") == 0
        capsys.readouterr()
    assert run(text) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    for of_python in ("None", "ignore", "alphas", "species=", "on_error", "=["):
        assert of_python not in line


def test_findings_name_options(capsys):
    frames = charges(6)
    for atoms in frames:
        atoms.info["REF_energy"] = atoms.get_potential_energy()
        atoms.calc = None
    ase.io.write("ref.xyz", frames)
    assert run("check ref.xyz") == 1
    printed = capsys.readouterr().out
    assert "give --energy REF_energy, and --forces and --stress if there are such keys." in printed
    assert "y=" not in printed


@pytest.mark.parametrize(
    "text",
    ["fit flat.xyz --no-picture", "fit flat.xyz --checkpoint s", "evaluate m.skops flat.xyz"],
)
def test_a_structure_that_needs_too_much_memory_is_named(text, capsys):
    frames = charges(12)
    ase.io.write("train.xyz", frames)
    assert run("fit train.xyz -o m.skops --no-picture") == 0
    frames[3].set_cell([1e-9, 1, 1])
    frames[3].calc.atoms.set_cell(frames[3].cell)
    ase.io.write("flat.xyz", frames)
    capsys.readouterr()
    assert cli.main([*text.split(), *(SMALL if text.startswith("fit") else [])]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("sklode: X[3] of flat.xyz (Cl3Na3): A structure of 6 atoms has so many")


@pytest.mark.parametrize("known", [False, True])
def test_info_says_which_energies_of_elements_are_open(known, tmp_path, capsys):
    """Water alone does not tell those of H and O; with H2 it does."""
    frames = [molecule("H2O") for _ in range(4)] + [molecule("H2") for _ in range(4 * known)]
    rng = np.random.default_rng(0)
    for atoms in frames:
        atoms.rattle(0.1, rng=rng)
    features = DensityProjector(n_max=2, l_max=1)
    model = AtomisticRidgeCV(features).fit(frames, rng.normal(size=len(frames)))
    save_model(model, tmp_path / "m.skops")
    assert cli.main(["info", str(tmp_path / "m.skops")]) == 0
    told = "did not determine the energies of H, O, of which only sums" in capsys.readouterr().out
    assert told != known


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="Linux has it")
def test_a_model_is_kept_if_nothing_can_be_printed(tmp_path):
    ase.io.write("train.xyz", charges(12))
    command = [sys.executable, "-m", "sklode.cli", "fit", "train.xyz", *SMALL]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 0
    assert done.stderr == (
        "sklode: warning: what is printed is lost (No space left on device). The work goes on.\n"
    )
    assert {path.name for path in tmp_path.iterdir()} == {"train.xyz", "model.skops", "model.png"}
