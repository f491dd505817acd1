"""Wrong labels are found and named, and right ones are left in peace."""

import warnings
from pathlib import Path

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase.build import bulk, fcc111, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from ase.units import Bohr, GPa, Hartree, kcal, mol

from sklode import AtomisticRidgeCV, DensityProjector, SuspiciousLabelWarning, check_labels
from sklode.inputs.targets import read_targets
from sklode.labels.duplicates import near_pairs
from sklode.labels.frames import Frames

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
UNITS = {
    "kbar": lambda stress, _: stress / (0.1 * GPa),
    "GPa": lambda stress, _: stress / GPa,
    "Hartree/bohr^3": lambda stress, _: stress / (Hartree / Bohr**3),
    "virials in eV": lambda stress, atoms: stress * atoms.cell.volume,
}


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


def converted(frames, unit, sign=1):
    energies, others = labels(frames)
    rows = zip(others["stresses"], frames, strict=True)
    return energies, others | {"stresses": [sign * UNITS[unit](s, a) for s, a in rows]}


def codes(table):
    return sorted(set(table["finding"]))


# stresses


def liquid(n, seed=0):
    """Copper cells far from each other, in which no differences can be taken."""
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(n):
        atoms = bulk("Cu", a=rng.uniform(3.4, 3.8), cubic=True) * (2, 1, 1)
        atoms.positions += rng.normal(scale=0.35, size=(8, 3))
        frames.append(computed(atoms))
    return frames


def test_a_file_with_stresses_in_kbar_is_not_fitted_without_a_word(tmp_path):
    """It would spoil the forces by more than a hundredfold."""
    for atoms in (frames := liquid(20)):
        atoms.calc.results["stress"] = atoms.calc.results["stress"] / (0.1 * GPa)
    ase.io.write(tmp_path / "kbar.xyz", frames, format="extxyz")
    read, new = ase.io.read(tmp_path / "kbar.xyz", ":"), liquid(5, seed=1)
    true = np.concatenate([atoms.get_forces() for atoms in new])
    model = AtomisticRidgeCV(DensityProjector(cutoff=4.0, n_max=4, l_max=2))

    def error():
        return np.sqrt(np.mean((np.concatenate(model.predict_forces(new)) - true) ** 2))

    message = r"stress_size: .* kbar.* Found in X\[0\] \(Cu8\), .* and 17 more\."
    with pytest.warns(SuspiciousLabelWarning, match=message) as caught:
        model.fit(read)
    assert [w.filename for w in caught] == [__file__]
    spoilt = error()
    for atoms in read:
        atoms.calc.results["stress"] *= 0.1 * GPa
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(read)
    assert spoilt > 100 * error()


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("rattle", [0.0, 0.02], ids=["strained", "rattled too"])
@pytest.mark.parametrize("unit", UNITS)
def test_differences_tell_units_and_signs(unit, rattle, sign):
    frames = strained(12, rattle)
    energies, others = converted(frames, unit, sign)
    table = check_labels(frames, energies, **others)
    assert list(table["finding"]) == ["stress_unit"] * 12
    assert list(table["structure"]) == list(range(12))
    name = unit + " of the opposite sign" * (sign < 0)
    (message,) = set(table["message"])
    meant = message.split("stresses were ")[1].split("; ")[0].split(" or ")
    assert name in meant
    assert len(meant) == 1


def test_the_opposite_sign():
    frames = strained(12, 0.02)
    energies, others = labels(frames)
    others["stresses"] = [-stress for stress in others["stresses"]]
    with pytest.warns(SuspiciousLabelWarning, match=r"eV/angstrom\^3 of the opposite sign"):
        AtomisticRidgeCV(DensityProjector(3.0, 2, 1)).fit(frames, energies, **others)
    assert codes(check_labels(frames, energies, **others)) == ["stress_unit"]


def test_differences_need_no_forces_where_atoms_only_follow_the_cell():
    frames = strained(12)
    energies, others = converted(frames, "GPa")
    assert codes(check_labels(frames, energies, stresses=others["stresses"])) == ["stress_unit"]


def test_only_the_frames_that_are_wrong_are_named():
    """Two sources in one file: other atoms, other units."""
    copper, gold = strained(8), strained(8, seed=1)
    for atoms in gold:
        atoms.numbers[0] = 79
    gold = [computed(atoms) for atoms in gold]
    right, wrong = labels(copper), converted(gold, "kbar")
    table = check_labels(
        [*copper, *gold],
        right[0] + wrong[0],
        **{name: right[1][name] + wrong[1][name] for name in ("forces", "stresses")},
    )
    assert set(table["formula"]) == {"AuCu3"}
    assert list(table["structure"]) == list(range(8, 16))


@pytest.mark.parametrize("rattle", [0.0, 0.02, 0.3])
@pytest.mark.parametrize("size", [0.001, 0.02, 0.08])
def test_right_stresses_are_left_in_peace(rattle, size):
    assert check_labels(strained(12, rattle, size)).empty


@pytest.mark.parametrize("unit", ["kbar", "GPa", "virials in eV"])
def test_sizes_tell_where_frames_differ_by_much(unit):
    frames = liquid(20)
    assert check_labels(frames).empty
    energies, others = converted(frames, unit)
    table = check_labels(frames, energies, **others)
    assert codes(table) == ["stress_size"]
    assert len(table) > 10
    volumes = np.array([frames[i].cell.volume / 8 for i in table["structure"]])
    largest = [np.abs(others["stresses"][i]).max() for i in table["structure"]]
    np.testing.assert_allclose(table["value"], volumes * largest)


# forces


def slabs(n=4):
    frames = []
    for seed in range(n):
        atoms = fcc111("Cu", (2, 2, 3), vacuum=6.0)
        atoms.pbc = True
        atoms.rattle(0.1, seed=seed)
        atoms.set_constraint(FixAtoms(mask=atoms.get_tags() == 3))
        frames.append(computed(atoms))
    return frames


@pytest.mark.parametrize("kept", [True, False], ids=["constraints known", "constraints lost"])
def test_forces_of_fixed_atoms(kept):
    frames = slabs()
    energies, others = labels(frames)
    assert check_labels(frames, energies, **others).empty  # all forces are true
    fixed = [atoms.get_tags() == 3 for atoms in frames]
    stored = [np.where(f[:, None], 0.0, v) for f, v in zip(fixed, others["forces"], strict=True)]
    if not kept:
        for atoms in frames:
            atoms.set_constraint()
    table = check_labels(frames, energies, forces=stored)
    assert list(table["finding"]) == ["constrained_forces"] * 4
    assert list(table["value"]) == [4.0] * 4
    model = AtomisticRidgeCV(DensityProjector(3.0, 2, 1), missing_forces="ignore")
    with pytest.warns(SuspiciousLabelWarning, match=r"constrained.*X\[0\] \(Cu12\), 4 atoms"):
        model.fit(frames, energies, forces=stored)
    out = [np.where(f[:, None], np.nan, v) for f, v in zip(fixed, stored, strict=True)]
    assert check_labels(frames, energies, forces=out).empty
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(frames, energies, forces=out)
    assert model.n_rows_["forces"] == 4 * 8 * 3


def test_forces_that_are_zero_by_symmetry():
    atoms = bulk("Cu", cubic=True) * 2
    forces = np.zeros((32, 3))
    forces[:2, 0] = 0.3, -0.3  # and 30 atoms at rest
    assert check_labels([atoms], [0.0], forces=[forces]).empty
    forces[0, 0] = 0.4
    assert codes(check_labels([atoms], [0.0], forces=[forces])) == ["constrained_forces"]


@pytest.mark.parametrize(("net", "found"), [(0.02, False), (0.2, True)])
def test_net_forces(net, found):
    frames = strained(3, rattle=0.05)
    energies, others = labels(frames)
    others["forces"][1] = others["forces"][1] + [net / 4, 0, 0]
    norm = np.linalg.norm(others["forces"][1])
    assert found == (net > max(0.05, 0.005 * norm))  # the rule that is documented
    table = check_labels(frames, energies, **others)
    assert codes(table) == ["net_force"] * found
    if found:
        assert list(table["structure"]) == [1]
        assert table["severity"][0] == "warning"
        assert table["value"][0] == pytest.approx(net, rel=1e-6)


def test_torques_of_isolated_structures():
    atoms = molecule("C2H6")
    turning = 0.1 * np.cross([1.0, 0.0, 0.0], atoms.positions - atoms.positions.mean(axis=0))
    turning -= turning.mean(axis=0)
    table = check_labels([atoms], [0.0], forces=[turning])
    arms = atoms.positions - atoms.positions.mean(axis=0)
    assert codes(table) == ["torque"]
    assert table["value"][0] == pytest.approx(np.linalg.norm(np.cross(arms, turning).sum(axis=0)))
    assert check_labels([atoms], [0.0], forces=[turning / 100]).empty
    atoms.set_cell([9.0] * 3)
    atoms.pbc = True  # in a box, forces may turn
    assert check_labels([atoms], [0.0], forces=[turning]).empty


# energies


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


def test_binding_curves_are_no_outliers():
    """A wall, a well and a long tail."""
    distance = np.linspace(0.8, 6.0, 40)
    frames = [molecule("N2") for _ in distance]
    for atoms, d in zip(frames, distance, strict=True):
        atoms.positions[1] = atoms.positions[0] + [d, 0.0, 0.0]
    energies = 9.8 * ((1 - np.exp(-2.7 * (distance - 1.1))) ** 2 - 1)
    assert check_labels(frames, energies).empty


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


# energies elsewhere, and the table


def test_energies_under_another_key_are_not_lost_silently():
    frames = slabs()
    for atoms in frames:
        atoms.info["REF_energy"] = atoms.calc.results.pop("energy")
    with pytest.warns(SuspiciousLabelWarning, match=r"unused_energies: .*a\.info\['REF_energy'\]"):
        AtomisticRidgeCV(DensityProjector(3.0, 2, 1)).fit(frames)
    table = check_labels(frames)
    assert codes(table) == ["unused_energies"]
    assert list(table["value"]) == [atoms.info["REF_energy"] for atoms in frames]
    given = [atoms.calc.results["forces"] for atoms in frames]
    assert check_labels(frames, [None] * 4, forces=given).empty
    frames[0].calc.results["energy"] = 1.0  # beside REF_energy, which is something else
    assert check_labels(frames).empty


def test_the_table_is_complete_and_empty_without_findings():
    frames = slabs()
    columns = ["structure", "formula", "finding", "severity", "message", "value"]
    assert list(check_labels(frames).columns) == columns
    assert check_labels(frames).empty
    energies, others = labels(frames)
    others["forces"][2] = others["forces"][2] + 1.0
    table = check_labels(pd.Series(frames), energies, **others)
    assert list(table.columns) == columns
    assert table.loc[0, ["structure", "formula", "finding"]].tolist() == [2, "Cu12", "net_force"]
    assert not np.allclose(others["forces"][2], frames[2].get_forces())


def test_one_structure_and_none_with_labels():
    assert check_labels([molecule("H2O")], [1.0]).empty
    assert check_labels([molecule("H2O")], [None]).empty
    assert check_labels([molecule("H2O")]).empty
    with pytest.raises(ValueError, match=r"X\[0\] .* energy in y must be finite"):
        check_labels([molecule("H2O")], [np.nan])


SETS = sorted(path.name for path in DATA.glob("*.xyz"))
NET_FORCES = {"nacl_water_mp2.xyz": 131, "nacl_water_revpbe0_d3.xyz": 88}  # known of the source


@pytest.mark.skipif(not SETS, reason="the data sets are not part of the package")
@pytest.mark.parametrize("name", SETS)
def test_real_sets(name):
    """Nothing is said that is not so."""
    frames = ase.io.read(DATA / name, ":400")
    y = None
    if "interaction_energy" in frames[0].info:
        y = [atoms.info["interaction_energy"] * kcal / mol for atoms in frames]
    table = check_labels(frames, y, groups="pair" if "pair" in frames[0].info else None)
    found = {"net_force": NET_FORCES[name]} if name in NET_FORCES else {}
    assert table["finding"].value_counts().to_dict() == found


@pytest.mark.skipif(not SETS, reason="the data sets are not part of the package")
@pytest.mark.parametrize("unit", ["kbar", "GPa", "virials in eV"])
def test_exfoliation_in_other_units(unit):
    frames = ase.io.read(DATA / "phosphorus_exfoliation.xyz", ":")
    energies, others = converted(frames, unit)
    table = check_labels(frames, energies, **others)
    assert list(table["finding"]) == ["stress_unit"] * len(frames)
    assert unit in table["message"][0].split(";")[0]
