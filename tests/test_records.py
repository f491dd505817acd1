"""Structures on their way to workers: copies, and what tells them from others."""

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from processes import python
from written import labelled

from sklode.streaming import Source
from sklode.streaming.records import Record


def digest(**info):
    atoms = molecule("H2O")
    atoms.info = info
    return Record(0, "", 3, atoms).digest()


class TestDigest:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (1, "1"), (1, 1.0), (1, True), ("true", True), (None, "None"), ([1, 2], [1, 3]),
            ([1, 2], (1, 2)), ([[1], 2], [1, [2]]), ({"a": 1}, {"a": 2}), ({1: 1}, {"1": 1}),
            (np.arange(4), np.arange(4.0)), (np.arange(4), np.arange(4).reshape(2, 2)),
            (np.arange(4), list(range(4))), ({1, 2}, {1, 3}), (b"1", "1"), (["a, b"], ["a", "b"]),
        ],
    )  # fmt: skip
    def test_other_values(self, one, other):
        assert digest(key=one) != digest(key=other)
        assert digest(key=one) == digest(key=one)

    def test_presence_and_names(self):
        assert len({digest(), digest(a=None), digest(b=None), digest(a=None, b=None)}) == 4

    def test_keys_that_are_no_text(self):
        atoms = molecule("H2O")
        before = Record(0, "", 3, atoms).digest()
        atoms.info[1] = 2
        assert Record(0, "", 3, atoms).digest() != before

    def test_the_same(self):
        """Whatever holds a number, and wherever an object is."""
        assert digest(key=1.5) == digest(key=np.float64(1.5))
        assert digest(a=1, b=2) == digest(b=2, a=1)
        assert digest(key=object()) == digest(key=object())

    @pytest.mark.slow
    def test_in_every_process(self, monkeypatch):
        found = set()
        for seed in "12":
            monkeypatch.setenv("PYTHONHASHSEED", seed)
            found.add(python(DIGEST))
        assert len(found) == 1


DIGEST = """
from ase.build import molecule
from sklode.streaming.records import Record
atoms = molecule("H2O")
atoms.info = {"a": set("abcdef"), "b": object(), "c": {"x": [1, None]}, "d": len}
print(Record(0, "", 3, atoms).digest().hex())
"""


class TestCopies:
    def steps(self):
        """Of one structure, whose results and labels change in place."""
        atoms = molecule("H2O")
        atoms.calc = SinglePointCalculator(atoms, energy=0.0, forces=np.zeros((3, 3)))
        atoms.info["history"] = []
        for number in range(5):
            atoms.calc.results["energy"] = float(number)
            atoms.calc.results["forces"] += 1.0
            atoms.info["history"].append(number)
            yield atoms

    def test_results_of_a_calculator_that_goes_on(self):
        copies = list(Source(self.steps))
        assert [atoms.get_potential_energy() for atoms in copies] == [0.0, 1.0, 2.0, 3.0, 4.0]
        assert [atoms.get_forces()[0, 0] for atoms in copies] == [1.0, 2.0, 3.0, 4.0, 5.0]
        assert [len(atoms.info["history"]) for atoms in copies] == [1, 2, 3, 4, 5]

    def test_results_of_other_positions_stay_those(self):
        atoms = labelled(0)
        atoms.positions += 1.0
        (copied,) = Source([atoms])
        assert copied.calc.check_state(copied) == ["positions"]
