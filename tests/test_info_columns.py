"""Odd values of atoms.info in columns: kept as they are, or refused with structure and key."""

from fractions import Fraction

import numpy as np
import pytest
from ase.build import molecule

import sklode
from sklode import Composition

pytest.importorskip("pyarrow", reason="needs the extra io")


def column(folder, *values, **options):
    """What is read back, and what is skipped."""
    structures = [molecule("H2O") for _ in values]
    for atoms, value in zip(structures, values, strict=True):
        atoms.info["key"] = value
    dataset = sklode.featurize(Composition(), structures, folder, info_keys=["key"], **options)
    return dataset.read()["key"].tolist(), dataset.skipped


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ((1, 2**70), [1.0, 2.0**70]),
        ((-(2**63), 2**63 - 1), [-(2**63), 2**63 - 1]),
        ((np.uint64(2**63), 0.5), [2.0**63, 0.5]),
        ((1.5, 2**53), [1.5, 2.0**53]),
        ((Fraction(1, 3), "a"), ['"1/3"', "a"]),
        (({"a": [1, None]}, "b"), ['{"a": [1, null]}', "b"]),
        ((1, "1", True, "true"), ["1", "1", "true", "true"]),
    ],
)
def test_kept(values, found, tmp_path):
    assert column(tmp_path, *values)[0] == found


@pytest.mark.parametrize(
    ("good", "bad", "reason"),
    [
        (1.5, 2**53 + 1, "is 9007199254740993, which no column of numbers holds exactly"),
        (1, np.uint64(2**63 + 5), "which no column of numbers holds exactly"),
        (1.5, 10**400, "which no column of numbers holds exactly"),
        ("x", "\udc80", r"is '\udc80', which is no text, nor JSON"),
        ("x", {(1, 2): 3}, "is {(1, 2): 3}, which is no text, nor JSON (keys must be str"),
    ],
)
def test_refused(good, bad, reason, tmp_path):
    with pytest.raises(ValueError, match=r"X\[1\] \(H2O\): its info\['key'\] is ") as caught:
        column(tmp_path, good, bad)
    assert reason in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    found, skipped = column(tmp_path, good, bad, on_error="skip")
    assert found == [good]
    assert list(skipped["structure"]) == [1]


def test_a_column_of_unknown_type(tmp_path):
    with pytest.raises(ValueError, match=r"first 1 structures has .*larger batch_atoms"):
        column(tmp_path, None, 1, batch_atoms=3)


def test_keys_are_text(tmp_path):
    with pytest.raises(TypeError, match="info_keys must be a list of keys that are text; got 1"):
        sklode.featurize(Composition(), [molecule("H2O")], tmp_path, info_keys=[1])
