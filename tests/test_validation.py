"""Groups that are kept out, tables of errors, and predictions as tables and structures."""

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms

from sklode.inputs.keys import LabelKeys
from sklode.validation.errors import error_per_bar, error_table, largest_errors
from sklode.validation.groups import covering_order, group_labels, keep_out
from sklode.validation.predictions import (
    Predictions,
    predicted_structures,
    table_of_structures,
)

HYDROCARBONS = ["CH4", "C2H2", "C2H4", "C2H6", "C3H8", "C6H6", "C4H6"]


def labelled(atoms, **results):
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def formulas(*names):
    return [Atoms(name, np.arange(3 * len(Atoms(name))).reshape(-1, 3)) for name in names]


class TestGroups:
    def test_formulas_where_there_are_enough(self):
        frames = formulas(*HYDROCARBONS, "CH4")
        labels, what = group_labels(frames)
        assert labels[0] == labels[-1] == "CH4"
        assert len(set(labels)) == 7
        assert what == "chemical formula"

    def test_tenths_of_each_formula_where_there_are_few(self):
        labels, what = group_labels(formulas(*["H2O"] * 20, *["CO2"] * 10, "NH3"))
        assert labels.tolist() == [k // 2 for k in range(20)] + [*range(10)] + [0]
        assert what == "tenth of the structures of each formula"

    def test_one_value_for_all_is_refused(self):
        frames = formulas("H2O", "CO2")
        for atoms in frames:
            atoms.info["run"] = 1
        with pytest.raises(ValueError, match=r"all structures have the same value of 'run' \(--gr"):
            group_labels(frames, "run")

    def test_the_first_groups_tell_the_energies_of_all_elements(self):
        frames = formulas(*HYDROCARBONS, "H2O", "C2H6O")
        for seed in range(20):
            order, n_needed = covering_order(frames, np.arange(9), seed)
            assert sorted(order) == list(range(9))
            assert n_needed == 3  # C, H, O
            assert {7, 8} & set(order[:3])  # one of those with O
        assert covering_order(frames, np.arange(9), 1) == covering_order(frames, np.arange(9), 1)

    def test_the_rest_knows_all_elements_of_what_is_kept_out(self):
        frames = formulas(*["H2O"] * 3, *["CO2"] * 3, "NH3", "LiF", "NaCl")
        groups = np.array([str(f.symbols) for f in frames])
        assert not keep_out(frames, groups).any()  # each formula is needed
        kept_out = keep_out(frames, np.array([0, 1, 2, 0, 1, 2, 0, 0, 0]))
        assert kept_out.sum() == 2
        assert not kept_out[[0, 3, 6, 7, 8]].any()

    def test_two_groups_are_left_to_choose_the_penalty_by(self):
        frames = formulas(*["H2O"] * 6)
        assert not keep_out(frames, [0, 0, 0, 1, 1, 1]).any()
        assert keep_out(frames, [0, 0, 1, 1, 2, 2]).sum() == 2


class TestErrors:
    frames = [
        labelled(molecule("H2O"), energy=-10.0, forces=np.zeros((3, 3))),
        labelled(bulk("Cu"), stress=np.full(6, 0.5)),
        labelled(molecule("CO"), energy=-20.0, forces=np.array([[1.0, 0, 0], [np.nan] * 3])),
    ]
    predictions = Predictions(
        np.array([-10.3, 7.0, -19.6]),
        np.array([0.1, 0.1, np.inf]),
        [np.full((3, 3), 0.2), np.zeros((1, 3)), np.array([[1.0, 0.0, 0.4], [5.0, 5.0, 5.0]])],
        np.array([[np.nan] * 6, [0.6] * 6, [np.nan] * 6]),
    )

    def test_what_is_known_counts(self):
        table = error_table(self.frames, self.predictions)
        assert table["n"].tolist() == [2, 2, 12, 6]
        assert table.loc["energy (eV)", "rmse"] == pytest.approx(np.sqrt((0.09 + 0.16) / 2))
        assert table.loc["energy per atom (eV)", "mae"] == pytest.approx((0.1 + 0.2) / 2)
        assert table.loc["force component (eV/A)", "largest"] == pytest.approx(0.4)
        assert table.loc["stress component (eV/A^3)", "rmse"] == pytest.approx(0.1)

    def test_bars_that_are_infinite_say_nothing(self):
        assert error_per_bar(self.frames, self.predictions) == pytest.approx(3.0)

    def test_the_largest_first(self):
        found = largest_errors(self.frames, self.predictions)
        assert [index for index, _ in found] == [2, 0]
        assert found[0][1] == pytest.approx(0.4)

    def test_nothing_known_is_an_empty_table(self):
        assert error_table(formulas("H2O"), Predictions(np.zeros(1))).empty

    def test_tables_leave_what_is_unknown_empty(self):
        table = table_of_structures(self.frames, self.predictions)
        assert table["stress_xx_eV_per_A3"].isna().tolist() == [True, False, True]
        names = ["structure", "formula", "n_atoms", "energy_eV"]
        assert list(table_of_structures(self.frames[:1], Predictions(np.zeros(1)))) == names
        table = table_of_structures(self.frames, self.predictions, 5, with_stress=False)
        assert list(table) == [*names, "energy_std_eV"]
        assert table["structure"].tolist() == [5, 6, 7]

    def test_structures_have_only_what_they_can(self, tmp_path):
        self.frames[0].set_constraint(FixAtoms([0]))
        written = predicted_structures(self.frames, self.predictions)
        ase.io.write(tmp_path / "p.xyz", written, format="extxyz")
        found = ase.io.read(tmp_path / "p.xyz", ":")
        assert [sorted(atoms.calc.results) for atoms in found] == [
            ["energy", "forces"],
            ["energy", "forces", "stress"],
            ["energy", "forces"],
        ]
        # of the atom that is held fixed too
        np.testing.assert_allclose(found[0].calc.results["forces"], 0.2)
        assert np.isinf(found[2].info["energy_std"])


class TestKeys:
    def test_nothing_is_read_that_is_not_named(self):
        atoms = labelled(molecule("H2O"), energy=-10.0, forces=np.ones((3, 3)))
        atoms.info["e"] = -5.0
        named = LabelKeys(energy="e").attach(0, atoms)
        assert named.calc.results == {"energy": -5.0}
        assert atoms.calc.results["energy"] == -10.0
        assert LabelKeys().attach(0, atoms) is atoms

    def test_forces_beside_the_energy_of_the_calculator(self):
        atoms = labelled(molecule("H2O"), energy=-10.0, forces=np.ones((3, 3)))
        atoms.set_array("f", np.zeros((3, 3)))
        named = LabelKeys(forces="f").attach(0, atoms)
        assert named.get_potential_energy() == -10.0
        assert not named.get_forces().any()

    @pytest.mark.parametrize("shape", [(6,), (9,), (3, 3)])
    def test_shapes_of_stresses(self, shape):
        atoms = bulk("Cu")
        values = np.diag([1.0, 2.0, 3.0]).reshape(shape) if shape != (6,) else [1, 2, 3, 0, 0, 0]
        atoms.info["s"] = values
        named = LabelKeys(stress="s").attach(0, atoms)
        np.testing.assert_array_equal(named.get_stress(voigt=False), np.diag([1.0, 2.0, 3.0]))
