"""Frames with the labels that EMT gives them, for checks of labels."""

import numpy as np
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator


def computed(atoms):
    """A copy with energy, forces and stress of EMT, without constraints."""
    atoms, live = atoms.copy(), atoms.copy()
    live.calc = EMT()
    results = {
        "energy": live.get_potential_energy(),
        "forces": live.get_forces(apply_constraint=False),
    }
    if atoms.pbc.all():
        results["stress"] = live.get_stress(apply_constraint=False)
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def strained(n, rattle=0.0, size=0.02, seed=0):
    """Copper cells of small random strains about one that is compressed."""
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(n):
        atoms = bulk("Cu", a=3.5, cubic=True)
        strain = size * rng.normal(size=(3, 3))
        atoms.set_cell(atoms.cell @ (np.eye(3) + strain), scale_atoms=True)
        atoms.positions += rattle * rng.normal(size=(4, 3))
        frames.append(computed(atoms))
    return frames


def labels(frames):
    """Energies, and keywords of forces and stresses."""
    results = [atoms.calc.results for atoms in frames]
    others = {"forces": [r["forces"] for r in results], "stresses": [r["stress"] for r in results]}
    return [r["energy"] for r in results], others


def liquid(n, seed=0):
    """Copper cells far from each other, in which no differences can be taken."""
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(n):
        atoms = bulk("Cu", a=rng.uniform(3.4, 3.8), cubic=True) * (2, 1, 1)
        atoms.positions += rng.normal(scale=0.35, size=(8, 3))
        frames.append(computed(atoms))
    return frames


def codes(table):
    return sorted(set(table["finding"]))
