"""The pictures of ``sklode fit`` and ``sklode evaluate``."""

from itertools import pairwise

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator

from sklode.plotting import ErrorBarDisplay
from sklode.plotting.validation import draw_validation
from sklode.validation.predictions import Predictions

pytest.importorskip("matplotlib")

RNG = np.random.default_rng(0)
BONDS = RNG.normal(scale=0.3, size=24)  # what an energy has beyond those of the elements


def labelled(names):
    structures = [molecule(name) for name in names]
    for atoms, bonds in zip(structures, BONDS, strict=False):
        atoms.calc = SinglePointCalculator(atoms, energy=bonds - 40.0 * atoms.numbers.sum())
    return structures


STRUCTURES = labelled(["H2O", "CH3OH", "CH4"] * 8)
ENERGIES = np.array([atoms.get_potential_energy() for atoms in STRUCTURES])
SIZES = np.array([len(atoms) for atoms in STRUCTURES])


def first_panel(structures, energies):
    return draw_validation(structures, Predictions(energies), "title").axes[0]


def test_energies_are_drawn_beyond_those_of_the_elements():
    """A model that knows the elements alone, which are thousands of times larger, looks bad."""
    ax = first_panel(STRUCTURES, ENERGIES - BONDS)
    drawn, predicted = ax.collections[0].get_offsets().T
    assert np.ptp(ENERGIES / SIZES) > 50
    assert np.ptp(drawn) > 5 * np.ptp(predicted)
    assert np.ptp(drawn) < 0.6
    np.testing.assert_allclose(predicted - drawn, -BONDS / SIZES, atol=1e-9)
    for what, label in (("reference", ax.get_xlabel()), ("predicted", ax.get_ylabel())):
        assert label == f"{what} energy per atom (eV)\nbeyond energies of the elements"


def test_structures_without_an_energy_are_left_out():
    bare = [atoms.copy() if i == 3 else atoms for i, atoms in enumerate(STRUCTURES)]
    drawn, predicted = first_panel(bare, ENERGIES + 0.1).collections[0].get_offsets().T
    np.testing.assert_allclose(predicted - drawn, np.delete(0.1 / SIZES, 3), atol=1e-9)


def test_few_structures_do_not_tell_the_elements():
    ax = first_panel(STRUCTURES[:3], ENERGIES[:3])
    np.testing.assert_array_equal(ax.collections[0].get_offsets()[:, 0], (ENERGIES / SIZES)[:3])
    assert ax.get_xlabel() == "reference energy per atom (eV)"


@pytest.mark.parametrize("decades", [0.0, 0.25, 0.5, 0.7, 1.0, 3.0])
def test_labels_of_error_bars_do_not_overlap(decades):
    from matplotlib.figure import Figure

    ax = Figure(figsize=(4.5, 4.5), layout="constrained").add_subplot()
    bars = 0.25 * 10.0 ** np.linspace(-decades, decades, 30)
    ErrorBarDisplay.from_predictions(np.zeros(30), RNG.normal(scale=bars), bars, ax=ax)
    ax.figure.draw_without_rendering()
    low, high = ax.get_xlim()
    ticks = [*ax.xaxis.get_major_ticks(), *ax.xaxis.get_minor_ticks()]
    shown = [tick.label1 for tick in ticks if low <= tick.get_loc() <= high]
    boxes = sorted((t.get_window_extent() for t in shown if t.get_text()), key=lambda box: box.x0)
    assert len(boxes) >= 2
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
