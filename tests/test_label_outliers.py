"""Energies of another level, copies with other labels, and copies in other groups."""

import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.build import add_adsorbate, bulk, fcc111, molecule
from ase.units import Hartree, kcal, mol
from label_frames import codes, liquid

from sklode import check_labels
from sklode.inputs.targets import read_targets
from sklode.labels.duplicates import near_pairs
from sklode.labels.frames import Frames


def clouds(n, seed=0):
    """Rattled molecules of one kind, and energies of a total energy calculation."""
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(n):
        atoms = molecule("CH3OH")
        atoms.positions += rng.normal(scale=0.1, size=(6, 3))
        frames.append(atoms)
    return frames, -3150.0 + 0.2 * rng.normal(size=n)


@pytest.mark.parametrize("wrong", [[3], [3, 7, 11], list(range(0, 30, 2))[:14]])
@pytest.mark.parametrize(
    "change", [lambda e: e / Hartree, lambda e: e * mol / kcal, lambda e: e - 40.0]
)
def test_energies_of_another_unit_or_level(wrong, change):
    frames, energies = clouds(30)
    assert check_labels(frames, energies).empty
    changed = energies.copy()
    changed[wrong] = change(energies[wrong])
    table = check_labels(frames, changed)
    assert codes(table) == ["energy_level"]
    assert list(table["structure"]) == wrong
    distance = (changed - np.median(energies))[wrong] / 6
    np.testing.assert_allclose(table["value"], distance, atol=0.2)


def test_several_levels():
    frames, energies = clouds(40)
    energies[:5] -= 40.0
    energies[5:8] += 300.0
    assert list(check_labels(frames, energies)["structure"]) == list(range(8))


def test_compositions_of_another_level():
    """Every composition once: energies of elements tell."""
    names = "H2O CH4 NH3 CH3OH C2H6 C2H4 C2H2 CO2 CO N2 O2 H2 HCN H2CO HCOOH CH3CHO N2H4 H2O2"
    frames = [molecule(name) for name in names.split()]
    elements = {"H": -16.0, "C": -1030.0, "N": -1485.0, "O": -2040.0}
    rng = np.random.default_rng(0)
    energies = np.array([sum(elements[s] for s in a.symbols) + rng.normal() for a in frames])
    assert check_labels(frames, energies).empty
    energies[4] /= Hartree
    table = check_labels(frames, energies)
    assert list(table["structure"]) == [4]
    assert codes(table) == ["energy_level"]


def test_an_energy_that_no_atom_has():
    """Few of each composition, and few compositions."""
    frames, energies = clouds(3)
    assert check_labels(frames, energies).empty
    energies[1] = 1e12
    table = check_labels(frames, energies)
    assert list(table["structure"]) == [1]
    assert codes(table) == ["energy_level"]


def test_binding_curves_are_no_outliers():
    """A wall, a well and a long tail."""
    distance = np.linspace(0.8, 6.0, 40)
    frames = [molecule("N2") for _ in distance]
    for atoms, d in zip(frames, distance, strict=True):
        atoms.positions[1] = atoms.positions[0] + [d, 0.0, 0.0]
    energies = 9.8 * ((1 - np.exp(-2.7 * (distance - 1.1))) ** 2 - 1)
    assert check_labels(frames, energies).empty


def test_one_of_a_short_curve():
    """Eight structures of each composition, and one energy that is no energy."""
    dimers = [molecule(name) for name in ("N2", "CO", "O2", "H2") for _ in range(8)]
    distance = np.tile([0.9, 0.95, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0], 4)
    for atoms, d in zip(dimers, distance, strict=True):
        atoms.positions[1] = atoms.positions[0] + [0.0, 0.0, d]
    energies = 0.2 * ((1 - np.exp(-2.7 * (distance - 1.0))) ** 2 - 1)
    assert check_labels(dimers, energies).empty
    for wrong in (-800.0, 100.0, -2.0, 1e6):
        changed = energies.copy()
        changed[19] = wrong
        table = check_labels(dimers, changed)
        assert codes(table) == ["energy_level"]
        assert list(table["structure"]) == [19]


# copies


def moved(atoms, seed):
    """The same structure elsewhere, turned, in another order."""
    rng = np.random.default_rng(seed)
    copy = atoms[rng.permutation(len(atoms))]
    if copy.pbc.any():
        copy.positions += rng.normal(size=3)
        copy.wrap()
    copy.rotate(rng.uniform(0, 180), rng.normal(size=3), rotate_cell=True)
    return copy


@pytest.mark.parametrize("kind", ["molecule", "crystal"])
def test_equal_structures_with_unequal_labels(kind):
    frames = clouds(12)[0] if kind == "molecule" else [a.copy() for a in liquid(12)]
    frames += [moved(frames[2], 0), moved(frames[5], 1)]
    energies = 0.01 * np.arange(12.0)
    energies = np.append(energies, energies[[2, 5]])
    assert check_labels(frames, energies).empty
    energies[12] += 0.1
    table = check_labels(frames, energies)
    assert list(table["finding"]) == ["unequal_energies"] * 2
    assert list(table["structure"]) == [2, 12]
    np.testing.assert_allclose(table["value"], 0.1)
    frames[12].info["charge"] = 1
    assert check_labels(frames, energies).empty


def test_equal_structures_with_unequal_forces():
    frames, _ = clouds(3)
    frames.append(frames[0].copy())
    forces = [f - f.mean(axis=0) for f in 1e-3 * np.random.default_rng(0).normal(size=(4, 6, 3))]
    assert codes(check_labels(frames, [0.0] * 4, forces=forces)) == []
    forces[3] = 1e3 * forces[3]
    table = check_labels(frames, [0.0] * 4, forces=forces)
    assert list(table["structure"][table["finding"] == "unequal_forces"]) == [0, 3]


def test_twisted_molecules_are_not_equal():
    """All distances from the centre are those of the other."""
    ethane, twisted = molecule("C2H6"), molecule("C2H6")
    top = [i for i in range(8) if ethane.positions[i, 2] > 0]
    methyl = twisted[top]
    methyl.rotate(25, "z")
    twisted.positions[top] = methyl.positions
    assert check_labels([ethane, twisted], [0.0, 0.1]).empty


def test_one_atom_that_moves_on_many_that_do_not():
    """The slab has more atoms than are compared with all others."""
    clean = fcc111("Cu", (4, 4, 6), vacuum=6.0)
    clean.pbc = True
    frames = []
    for height in np.linspace(1.5, 3.2, 12):
        frames.append(clean.copy())
        add_adsorbate(frames[-1], "H", height, "fcc")
    energies = np.linspace(0.0, 3.0, 12)
    assert check_labels(frames, energies, groups=np.arange(12)).empty
    frames.append(frames[4].copy())
    table = check_labels(frames, np.append(energies, 9.0))
    assert list(table["structure"][table["finding"] == "unequal_energies"]) == [4, 12]


@pytest.mark.parametrize("atoms", [Atoms("H"), bulk("Cu"), Atoms("N2", [[0] * 3, [0, 0, 1.1]])])
def test_few_atoms(atoms):
    other = atoms.copy()
    assert check_labels([atoms, other], [0.0, 0.0]).empty
    assert codes(check_labels([atoms, other], [0.0, 1.0])) == ["unequal_energies"]


@pytest.mark.parametrize("atoms", [bulk("Cu"), Atoms("N2", [[0] * 3, [0, 0, 1.1]])])
def test_small_strains_are_no_copies(atoms):
    other = atoms.copy()
    other.set_cell(1.001 * other.cell[:])
    other.positions *= 1.001
    assert check_labels([atoms, other], [0.0, 1.0]).empty


@pytest.mark.parametrize("kind", ["molecule", "crystal"])
def test_near_copies_across_groups(kind):
    frames = clouds(6)[0] if kind == "molecule" else [a.copy() for a in liquid(6)]
    rng = np.random.default_rng(0)
    for atoms in frames[:3]:
        near = moved(atoms, 3)
        near.positions += rng.normal(scale=0.005, size=near.positions.shape)
        frames.append(near)
    groups = ["a", "a", "b", "b", "c", "c", "a", "c", "b"]  # 1 and 7 apart
    table = check_labels(frames, [0.0] * 9, groups=groups)
    assert list(table["finding"]) == ["groups_overlap"] * 2
    assert list(table["structure"]) == [1, 7]
    assert (table["severity"] == "warning").all()
    assert table["value"].between(1e-4, 0.02).all()
    for atoms, group in zip(frames, groups, strict=True):
        atoms.info["molecule"] = group
    pd.testing.assert_frame_equal(check_labels(frames, [0.0] * 9, groups="molecule"), table)
    assert check_labels(frames, [0.0] * 9).empty
    del frames[4].info["molecule"]
    with pytest.raises(ValueError, match=r"X\[4\] .*: has no key 'molecule' in atoms\.info"):
        check_labels(frames, [0.0] * 9, groups="molecule")
    with pytest.raises(ValueError, match="groups must have one label a structure: 9; got 2"):
        check_labels(frames, [0.0] * 9, groups=["a", "b"])


@pytest.mark.parametrize("pbc", [True, False])
def test_copies_are_compared_with_one(pbc):
    """Neither work nor memory grows with the square of their number."""
    atoms = bulk("Cu", cubic=True)
    atoms.pbc = pbc
    frames = [atoms.copy() for _ in range(500)]
    nothing = [None] * len(frames)
    pairs, _ = near_pairs(Frames.of(frames, read_targets(frames, nothing)))
    assert pairs.tolist() == [[0, k] for k in range(1, 500)]
