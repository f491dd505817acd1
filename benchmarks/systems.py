"""Structures to describe: ionic crystals of any size, in one cell or in many, and dimers."""

from itertools import cycle, islice
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read

from sklode.datasets import load_s22x5

DENSITY = 0.1  # atoms per cubic angstrom
DIMER_FILES = {  # of --data
    "charge dimers": "charge_charge_dimers.xyz",
    "SSI dimers": "ssi.xyz",
}


def ionic(n_atoms, seed=0):
    """Na and Cl in turn on a cubic grid, displaced by 0.2 angstrom, in a periodic cube."""
    rng = np.random.default_rng(seed)
    length = (n_atoms / DENSITY) ** (1.0 / 3.0)
    sites = int(np.ceil(round(n_atoms ** (1.0 / 3.0), 9)))
    grid = np.stack(np.meshgrid(*[np.arange(sites)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    positions = (grid[:n_atoms] + 0.5) * length / sites + rng.normal(0.0, 0.2, (n_atoms, 3))
    return Atoms(["Na", "Cl"] * (n_atoms // 2), positions, cell=[length] * 3, pbc=True)


def charged(n_atoms, seed=0):
    """As `ionic`, with charges +1 and -1 on Na and Cl."""
    atoms = ionic(n_atoms, seed)
    atoms.set_initial_charges(np.where(atoms.symbols == "Na", 1.0, -1.0))
    return atoms


def one_cell(n_structures, n_atoms):
    """A trajectory at constant volume: the same cell, other displacements."""
    return [ionic(n_atoms, seed) for seed in range(n_structures)]


def different_cells(n_structures, n_atoms):
    """As `one_cell`, every structure strained at random by some percent."""
    structures = one_cell(n_structures, n_atoms)
    for seed, atoms in enumerate(structures):
        strain = np.random.default_rng(seed).uniform(-0.03, 0.03, (3, 3))
        atoms.set_cell(atoms.cell[:] @ (np.eye(3) + strain), scale_atoms=True)
    return structures


def dimers():
    """110 isolated dimers of C, H, N and O, 6 to 30 atoms each."""
    return load_s22x5().data


def stretched_dimers(count):
    """Isolated dimers of S22x5 in turn, each with its molecules moved apart by up to 1 angstrom."""
    rng = np.random.default_rng(0)
    chosen = []
    for atoms in islice(cycle(dimers()), count):
        first, second = (atoms.arrays["fragment"] == label for label in (0, 1))
        axis = atoms.positions[second].mean(axis=0) - atoms.positions[first].mean(axis=0)
        stretched = atoms.copy()
        stretched.positions[second] += rng.uniform() * axis / np.linalg.norm(axis)
        chosen.append(stretched)
    return chosen


def attraction(atoms):
    """Energy of -10 eV angstrom^6/r^6 between the atoms of two molecules."""
    first, second = (atoms.positions[atoms.arrays["fragment"] == label] for label in (0, 1))
    return -10.0 * np.sum(np.linalg.norm(first[:, None] - second, axis=2) ** -6.0)


def dimers_of_file(system, folder, count=None):
    """Structures of a file of `DIMER_FILES`, or None, with a line that says so."""
    path = None if folder is None else Path(folder) / DIMER_FILES[system]
    if path is None or not path.exists():
        print(f"{system}: left out, {path or DIMER_FILES[system]} is missing (option --data)")
        return None
    return read(path, slice(count))
