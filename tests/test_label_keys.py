"""Energies and forces under other keys: the error says which, and how to pass them."""

import re

import ase.io
import numpy as np
import pytest
from toy_world import F, S, X, Y, bare, model

from sklode.inputs.label_keys import energy_keys, force_keys, hint, stress_keys


def stored(prefix):
    structures = bare(X)
    for atoms, energy, forces, stress in zip(structures, Y, F, S, strict=True):
        atoms.info[f"{prefix}energy"] = energy
        atoms.arrays[f"{prefix}forces"] = forces
        if stress is not None:
            atoms.info[f"{prefix}stress"] = stress
    return structures


@pytest.mark.parametrize("prefix", ["REF_", "dft_", "pbe0_total_", "DFT-"])
def test_the_error_shows_the_call_that_works(prefix, tmp_path):
    ase.io.write(tmp_path / "set.xyz", stored(prefix), format="extxyz")
    structures = ase.io.read(tmp_path / "set.xyz", ":")
    with pytest.raises(ValueError, match="None of the 16 structures has an energy") as caught:
        model().fit(structures)
    message = str(caught.value)
    for name in ("energy", "forces", "stress"):
        assert f"{prefix}{name}" in message
    call = re.search(r"fit\(X, .*\)", message).group()
    fitted = eval(f"model.{call}", {"X": structures, "model": model()})  # as users copy it
    expected = model().fit(bare(X), Y, forces=F)
    np.testing.assert_allclose(fitted.coef_, expected.coef_, rtol=1e-5)
    assert fitted.n_rows_ == expected.n_rows_


def test_score_says_so_too():
    fitted = model().fit(bare(X), Y)
    with pytest.raises(ValueError, match=r"X\[0\] .* Pass y\. .*'REF_energy' in atoms\.info"):
        fitted.score(stored("REF_"))


def test_forces_alone():
    structures = bare(X)
    for atoms, forces in zip(structures, F, strict=True):
        atoms.arrays["ref_force"] = forces
    with pytest.raises(ValueError, match=r"'ref_force' in atoms\.arrays") as caught:
        model().fit(structures)
    call = re.search(r"fit\(X, .*\)", str(caught.value)).group()
    fitted = eval(f"model.{call}", {"X": structures, "model": model()})
    assert fitted.n_rows_["forces"] == sum(f.size for f in F)


def test_weights_of_0_are_no_matter_of_keys():
    with pytest.raises(ValueError, match="None of the 16") as caught:
        model().fit(stored("REF_"), Y, sample_weight=np.zeros(len(X)))
    assert "REF_" not in str(caught.value)


def test_what_is_no_label_is_not_named():
    structures = stored("REF_")
    assert energy_keys(structures) == ["REF_energy"]
    assert force_keys(structures) == ["REF_forces"]
    assert stress_keys(structures) == ["REF_stress"]
    for atoms in structures:
        atoms.info = {"energy_unit": "eV", "charge": 1, "converged_energy": True, 3: 1.0, "e": "x"}
        atoms.arrays = {name: atoms.arrays[name] for name in ("numbers", "positions")}
        atoms.arrays["force_mask"] = np.ones(len(atoms), dtype=bool)
    assert not hint(structures)


def test_the_key_of_most_structures_is_offered():
    structures = stored("dft_")
    structures[0].info = {"old_energy": 1.0, **structures[0].info}
    assert energy_keys(structures) == ["dft_energy", "old_energy"]
