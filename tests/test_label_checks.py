"""Wrong labels are found and named, and right ones are left in peace."""

import warnings
from pathlib import Path

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase.build import bulk, fcc111, molecule
from ase.constraints import FixAtoms
from ase.units import Bohr, GPa, Hartree, kcal, mol
from label_frames import codes, computed, labels, liquid, strained

from sklode import AtomisticRidgeCV, DensityProjector, SuspiciousLabelWarning, check_labels

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
UNITS = {
    "kbar": lambda stress, _: stress / (0.1 * GPa),
    "GPa": lambda stress, _: stress / GPa,
    "Hartree/bohr^3": lambda stress, _: stress / (Hartree / Bohr**3),
    "virials in eV": lambda stress, atoms: stress * atoms.cell.volume,
}


def converted(frames, unit, sign=1):
    energies, others = labels(frames)
    rows = zip(others["stresses"], frames, strict=True)
    return energies, others | {"stresses": [sign * UNITS[unit](s, a) for s, a in rows]}


# stresses


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
