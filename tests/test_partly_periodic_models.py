"""Fits, forces, stresses and simulations of slabs and wires."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import add_adsorbate, fcc111, molecule
from ase.calculators.emt import EMT
from ase.filters import FrechetCellFilter
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS
from ase.stress import voigt_6_to_full_3x3_stress

from sklode import AtomisticRidgeCV, DensityProjector, LongRangePotential, PowerSpectrum

SLAB, WIRE = [True, True, False], [True, False, False]


def copper(seed, pbc=SLAB):
    """A rattled layer or chain of copper with the results of EMT."""
    atoms = fcc111("Cu", (2, 2, 3), vacuum=6.0, orthogonal=True) if pbc == SLAB else None
    if pbc == WIRE:
        atoms = Atoms("Cu4", np.arange(4)[:, None] * [2.4, 0, 0], cell=[9.6, 12, 12], pbc=WIRE)
    atoms.rattle(0.08, seed=seed)
    atoms.calc = EMT()
    return atoms


@pytest.fixture(scope="module")
def fitted():
    """Energies, forces and stresses of slabs of copper."""
    X = [copper(seed) for seed in range(24)]
    features = PowerSpectrum(DensityProjector(4.0, 3, 2), LongRangePotential(6, 4.0, 3, 2))
    return AtomisticRidgeCV(features).fit(X), [copper(seed) for seed in range(20, 24)]


def test_stresses_are_those_of_the_calculators(fitted):
    model, X = fitted
    assert {"rmse_forces", "rmse_stress"} <= set(model.cv_results_)
    stresses = np.array([atoms.get_stress() for atoms in X])
    forces = np.concatenate([atoms.get_forces() for atoms in X])
    assert np.std(model.predict_stress(X) - stresses) < 0.2 * np.std(stresses)
    assert np.std(np.concatenate(model.predict_forces(X)) - forces) < 0.2 * np.std(forces)


@pytest.mark.parametrize("pbc", [SLAB, WIRE])
def test_forces_and_stress_are_slopes_of_the_energy(pbc):
    X = [copper(seed, pbc) for seed in range(4)]
    features = PowerSpectrum(DensityProjector(4.0, 2, 1), LongRangePotential((1, 6), 4.0, 2, 1))
    model = AtomisticRidgeCV(features).fit(X, [atoms.get_potential_energy() for atoms in X])
    atoms = X[0]
    atoms.calc = model.calculator()
    calc = atoms.calc
    direction, step = np.random.default_rng(0).normal(size=(len(atoms), 3)), 1e-3
    strain = np.random.default_rng(1).normal(size=(3, 3))
    strain += strain.T
    moved, strained = [atoms.copy() for _ in range(2)], [atoms.copy() for _ in range(2)]
    for sign, one, other in zip((1, -1), moved, strained, strict=True):
        one.positions += sign * step * direction
        other.set_cell(other.cell + sign * step * other.cell @ strain, scale_atoms=True)
    slope = -np.diff(model.predict(moved))[0] / (2 * step)
    forces, stress = atoms.get_forces(), calc.get_stress(atoms)
    assert slope == pytest.approx(-np.sum(forces * direction), rel=1e-4)
    slope = -np.diff(model.predict(strained))[0] / (2 * step)
    full = voigt_6_to_full_3x3_stress(stress)
    assert slope == pytest.approx(np.sum(full * strain) * atoms.get_volume(), rel=1e-4)
    longer = atoms.copy()
    longer.cell[2] *= 2.0  # the same force over twice the volume
    np.testing.assert_allclose(2.0 * model.predict_stress([longer])[0], stress, rtol=1e-6)


def test_no_stress_without_a_volume():
    X = [copper(seed) for seed in range(3)]
    model = AtomisticRidgeCV(DensityProjector(4.0, 2, 1)).fit(X)
    flat = X[0].copy()
    flat.cell[2] = 0.0
    with pytest.raises(ValueError, match=r"X\[0\] .*a stress needs .* a cell with a volume"):
        model.predict_stress([flat])
    assert np.isnan(model.predict_derivatives([flat])[1]).all()
    assert np.isfinite(model.predict_forces([flat])[0]).all()


@pytest.mark.parametrize("method", ["direct", "nufft"])
def test_energy_is_conserved(method):
    """Of ions in a layer, whose energy is a random linear model of potentials."""
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(range(4), range(4), range(2), indexing="ij"), -1).reshape(-1, 3)
    atoms = Atoms("NaCl" * 16, 2.8 * grid, cell=[11.2, 11.2, 0], pbc=SLAB)
    atoms.set_initial_charges(np.where(grid.sum(axis=1) % 2, -1.0, 1.0))
    features = LongRangePotential(
        (1, 6), 3.0, 2, 1, charges="initial_charges", method=method, tol=1e-7
    )
    X = [atoms.copy() for _ in range(6)]
    for number, each in enumerate(X):
        each.rattle(0.1, seed=number)
    model = AtomisticRidgeCV(features, alphas=1e-2).fit(X, rng.normal(size=6))
    atoms.rattle(0.05, seed=7)
    atoms.calc = model.calculator()
    atoms.set_momenta(
        rng.normal(scale=0.8, size=(32, 3)) * np.sqrt(atoms.get_masses())[:, None] / 20
    )
    energies, drift = [], VelocityVerlet(atoms, 1.0 * units.fs)
    for _ in range(40):
        drift.run(1)
        energies.append(atoms.get_total_energy())
    assert np.ptp(energies) < 1e-4 * len(atoms)
    assert np.abs(atoms.get_forces().sum(axis=0)).max() < 1e-6


@pytest.mark.slow
def test_a_molecule_on_a_slab_is_relaxed():
    """Atoms and the cell along the slab, to the end, which is that of what the model learnt."""
    slab, mask = fcc111("Cu", (2, 2, 2), vacuum=8.0), [True, True, False, False, False, False]
    add_adsorbate(slab, molecule("CO"), 1.8, "ontop")
    slab.calc = EMT()
    assert BFGS(slab, logfile=None).run(fmax=0.05, steps=200)
    X = []
    for seed in range(60):
        atoms, rng = slab.copy(), np.random.default_rng(seed)
        strain = np.diag([*rng.normal(scale=0.04, size=2), 0.0])
        atoms.set_cell(atoms.cell + atoms.cell @ strain, scale_atoms=True)
        atoms.rattle(0.08, seed=seed)
        atoms.calc = EMT()
        X.append(atoms)
    relaxed = slab.copy()
    assert BFGS(FrechetCellFilter(slab, mask=mask), logfile=None).run(fmax=0.03, steps=200)
    features = PowerSpectrum(DensityProjector(4.0, 4, 3), LongRangePotential(6, 4.0, 2, 1))
    relaxed.calc = AtomisticRidgeCV(features).fit(X).calculator()
    assert BFGS(FrechetCellFilter(relaxed, mask=mask), logfile=None).run(fmax=0.03, steps=200)
    np.testing.assert_allclose(relaxed.cell.lengths(), slab.cell.lengths(), rtol=0.005)
