"""The command ``sklode`` in a process of its own, and files of structures for it."""

import os
import subprocess
import sys
from pathlib import Path

import ase.io
import numpy as np

from sklode import cli
from sklode.datasets import make_point_charges

ROOT = Path(__file__).resolve().parents[1]
PNG = b"\x89PNG\r\n\x1a\n"
SMALL = ["--n-max", "2", "--l-max", "1"]  # features that are quickly computed


def environment():
    return os.environ | {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MPLBACKEND": "agg",
    }


def sklode(folder, *arguments, status=0):
    """Run the command in a folder; what it printed, and what it complained of."""
    done = subprocess.run(
        [sys.executable, "-m", "sklode.cli", *map(str, arguments)],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done.stdout, done.stderr


def charges(n, seed=0, n_atoms=4):
    """Salts with energies and forces in their calculators, of two compositions."""
    small = make_point_charges(n // 2, n_atoms, random_state=seed).data
    large = make_point_charges(n - n // 2, n_atoms + 2, random_state=seed + 1).data
    mixed = [atoms for pair in zip(small, large, strict=False) for atoms in pair]
    mixed += large[n // 2 :]
    for number, atoms in enumerate(mixed):
        atoms.info["sample"] = f"s{number // 3}"
    return mixed


def write_other_keys(path, structures, unit="eV", factor=1.0):
    """Write structures whose labels are under keys of their own, where ASE looks for none."""
    found = []
    for atoms in structures:
        copied = atoms.copy()
        copied.info["dft_energy"] = atoms.get_potential_energy() * factor
        copied.info["energy_unit"] = unit
        copied.set_array("dft_forces", np.array(atoms.get_forces()))
        found.append(copied)
    ase.io.write(path, found, format="extxyz")


def run(*arguments):
    """Run the command in this process."""
    assert cli.main([*map(str, arguments)]) == 0


def fit_in(folder):
    """Make two files, and a model that is fitted to the first; what `fit` printed is a file too."""
    ase.io.write(folder / "train.xyz", charges(24))
    ase.io.write(folder / "test.xyz", charges(8, seed=100))
    printed, _ = sklode(folder, "fit", "train.xyz", *SMALL, "--group", "sample")
    (folder / "printed.txt").write_text(printed)


def rmse(true, predicted):
    return np.sqrt(np.mean((np.ravel(true) - np.ravel(predicted)) ** 2))


def row_of(printed, name):
    """Numbers of the row of a printed table."""
    (line,) = [line for line in printed.splitlines() if line.startswith(name)]
    return [float(number) for number in line.removeprefix(name).split()]
