"""Rows that are kept: what is computed again and what is not."""

import threading

import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from estimators import density, multipoles, potential
from kept_rows import EDITED_BASIS, EDITED_LAW, assert_close, counted, edited, files
from sklearn.base import clone

import sklode
from sklode import (
    PowerSpectrum,
)
from sklode.physics.radial.bases import BASES
from sklode.potentials import Yukawa


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("method", ["transform", "transform_atoms"])
@pytest.mark.parametrize(
    "make",
    [
        density,
        potential,
        multipoles,
        lambda memory, dtype: PowerSpectrum(
            density(dtype=dtype), potential(dtype=dtype), memory=memory
        ),
    ],
    ids=["density", "potential", "multipoles", "spectrum"],
)
def test_rows_are_those_without_a_cache(mixed, memory, make, method, dtype):
    plain = make(memory=None, dtype=dtype).fit(mixed)
    cached = make(memory=memory, dtype=dtype).fit(mixed)
    wanted = getattr(plain, method)(mixed)
    assert_close(getattr(cached, method)(mixed[3:8]), getattr(plain, method)(mixed[3:8]))
    for _ in range(2):  # part of them from files, all of them from files
        assert_close(getattr(cached, method)(mixed[::-1])[::-1].sum(0), wanted.sum(0))
        assert_close(getattr(cached, method)(mixed), wanted)
    assert files(memory)


def test_only_what_was_not_seen_is_computed(structures, memory, n_computed):
    transformer = counted(memory).fit(structures)
    assert n_computed() == 0  # fit computes nothing
    first = transformer.transform(structures[:4])
    assert n_computed() == 4
    rows = transformer.transform(structures[::-1])
    assert n_computed() == len(structures) - 4
    assert np.array_equal(rows[::-1][:4], first)
    transformer.transform_atoms(structures)
    assert n_computed() == len(structures)
    transformer.transform(structures)
    transformer.transform_atoms(structures[2:])
    assert n_computed() == 0


def test_equal_structures_are_computed_once(structures, memory, n_computed):
    rows = counted(memory).fit(structures).transform([structures[0], structures[1]] * 3)
    assert n_computed() == 2
    assert np.array_equal(rows, np.tile(rows[:2], (3, 1)))


def test_rows_belong_to_the_caller(structures, memory):
    transformer = density(memory=memory).fit(structures)
    first = transformer.transform(structures)
    kept = first.copy()
    for _ in range(2):
        first[:] = -1.0
        first = transformer.transform(structures)
        assert np.array_equal(first, kept)


def move(atoms):
    atoms.positions[0, 0] += 1e-9


def swap(atoms):
    atoms.positions[[0, 1]] = atoms.positions[[1, 0]]


def other_element(atoms):
    atoms.numbers[0] = 8


def charge(atoms):
    atoms.set_initial_charges(atoms.get_initial_charges() + 0.1)


def other_cell(atoms):
    atoms.set_cell(atoms.cell * 1.001)


def other_pbc(atoms):
    atoms.pbc = [True, True, False]


@pytest.mark.parametrize("change", [move, swap, other_element, charge, other_cell, other_pbc])
def test_a_change_is_computed_again(crystals, memory, change):
    lode = potential(charges="initial_charges", center_species="split")
    cached = clone(lode).set_params(memory=memory).fit(crystals)
    cached.transform(crystals)
    changed = [crystals[0].copy(), *crystals[1:]]
    change(changed[0])
    wanted = lode.fit(crystals).transform(changed)
    assert_close(cached.transform(changed), wanted)
    if change is not move:
        assert abs(wanted[0] - cached.transform(crystals)[0]).max() > 1e-6 * abs(wanted).max()


@pytest.mark.parametrize("change", [move, other_element, other_pbc])
def test_a_change_is_counted(structures, memory, n_computed, change):
    for atoms in structures:
        atoms.set_cell([9, 9, 9])
    transformer = counted(memory, species=["H", "C", "N", "O"]).fit(structures)
    transformer.transform(structures)
    n_computed()
    change(structures[2])
    transformer.transform(structures)
    assert n_computed() == 1


def calculator(atoms):
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0)


def info(atoms):
    atoms.info["name"] = "another"


def unused_array(atoms):
    atoms.set_array("tags", np.arange(len(atoms)))


def unused_charges(atoms):
    atoms.set_initial_charges(np.ones(len(atoms)))


def cell_without_periodicity(atoms):
    atoms.set_cell([7, 8, 9])


@pytest.mark.parametrize(
    "change", [calculator, info, unused_array, unused_charges, cell_without_periodicity]
)
def test_what_rows_do_not_depend_on_is_not_computed_again(structures, memory, n_computed, change):
    transformer = counted(memory).fit(structures)
    transformer.transform(structures)
    n_computed()
    change(structures[2])
    transformer.transform(structures)
    assert n_computed() == 0


def test_charges_are_part_of_the_content(structures, memory):
    lode = potential(charges="initial_charges", memory=memory)
    rows = lode.fit(structures).transform(structures)
    other = [atoms.copy() for atoms in structures]
    for atoms in other:
        atoms.set_initial_charges(2 * atoms.get_initial_charges())
    assert_close(lode.transform(other), 4 * rows)


@pytest.mark.parametrize(
    "changes",
    [
        {"smearing": 0.4},
        {"n_max": 1},
        {"pooling": "mean"},
        {"radial_basis": "monomial"},
        {"center_species": "split"},
        {"dtype": "float32"},
        {"species": ["H", "C", "N", "O", "S"]},
    ],
    ids=str,
)
def test_other_parameters_are_computed_again(structures, memory, n_computed, changes):
    counted(memory).fit(structures).transform(structures)
    n_computed()
    transformer = counted(memory).set_params(**changes).fit(structures)
    rows = transformer.transform(structures)
    assert n_computed() == len(structures)
    assert_close(rows, clone(transformer).set_params(memory=None).fit_transform(structures))


def test_parameters_set_after_fit_count(structures, memory, n_computed):
    transformer = counted(memory).fit(structures)
    transformer.transform(structures)
    n_computed()
    transformer.set_params(smearing=0.5).transform(structures)
    assert n_computed() == len(structures)


@pytest.mark.parametrize(
    "changes",
    [{"n_jobs": 2}, {"cutoff": 3}, {"cutoff": np.float64(3)}, {"n_max": np.int64(2)}],
    ids=repr,
)
def test_parameters_that_mean_the_same_are_not(structures, memory, n_computed, changes):
    counted(memory).fit(structures).transform(structures)
    n_computed()
    counted(memory).set_params(**changes).fit(structures).transform(structures)
    assert n_computed() == 0


def test_what_was_learnt_counts(structures, memory, n_computed):
    counted(memory).fit(structures).transform(structures[:1])
    n_computed()
    counted(memory).fit(structures[:1]).transform(structures[:1])  # other elements, fewer columns
    assert n_computed() == 1


def test_parameters_of_projectors_inside_count(structures, memory):
    def rows(**changes):
        spectrum = PowerSpectrum(density(), potential(**changes), memory=memory)
        return spectrum.fit_transform(structures)

    first = rows()
    assert abs(rows(smearing=1.3) - first).max() > 1e-6
    assert abs(rows(exponent=Yukawa(0.3)) - rows(exponent=Yukawa(0.4))).max() > 1e-6
    assert len({path.parent for path in files(memory)}) == 4


def test_other_versions_are_computed_again(structures, memory, n_computed, monkeypatch):
    counted(memory).fit(structures).transform(structures)
    n_computed()
    monkeypatch.setattr(sklode, "__version__", "1000.0")
    counted(memory).fit(structures).transform(structures)
    assert n_computed() == len(structures)


def test_edited_laws_are_computed_again(structures, memory):
    rows = [
        potential(exponent=edited(EDITED_LAW, power)(), memory=memory).fit_transform(structures)
        for power in (1, 6, 1)
    ]
    assert abs(rows[1] - rows[0]).max() > 1e-6 * abs(rows[0]).max()
    assert np.array_equal(rows[2], rows[0])
    assert len({path.parent for path in files(memory)}) == 2


def test_edited_transformers_are_computed_again(structures, memory, monkeypatch):
    class Own(sklode.DensityProjector):
        def compute_rows(self, structures, per_atom, n_threads, *, by=1.0):
            return by * super().compute_rows(structures, per_atom, n_threads)

    first = Own(memory=memory).fit_transform(structures)
    monkeypatch.setitem(Own.compute_rows.__kwdefaults__, "by", 2.0)
    assert_close(Own(memory=memory).fit_transform(structures), 2.0 * first)


def test_laws_that_cannot_be_told_apart_are_refused(structures, memory):
    law = edited(EDITED_LAW, 6)()
    law.lock = threading.Lock()
    with pytest.raises(TypeError, match=r"LongRangePotential.*cannot pickle.*Pass memory=None"):
        potential(exponent=law, memory=memory).fit(structures).transform(structures)


def test_registered_bases_of_one_name_are_told_apart(structures, memory, n_computed, monkeypatch):
    for number, n_new in ((0.1, len(structures)), (0.2, len(structures)), (0.1, 0)):
        monkeypatch.setitem(BASES, "own", edited(EDITED_BASIS, number))
        counted(memory, radial_basis="own").fit(structures).transform(structures)
        assert n_computed() == n_new
