"""A learnt ionic crystal: molecular dynamics, relaxation, and the saved model elsewhere."""

import subprocess
import sys

import numpy as np
import pytest
import skops.io
from ase import units
from ase.build import bulk
from ase.filters import FrechetCellFilter
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS
from sklearn.pipeline import make_union

from sklode import AtomisticRidgeCV, DensityProjector, LongRangePotential, PowerSpectrum
from sklode.physics.lattice_sums import power_law_potentials_and_fields

REPULSION = 3000.0  # eV angstrom^9


def rock_salt(seed, displacement=0.15, strain=0.03):
    rng = np.random.default_rng(seed)
    atoms = bulk("NaCl", "rocksalt", a=5.2, cubic=True)
    atoms.set_cell(atoms.cell[:] @ (np.eye(3) + strain * rng.normal(size=(3, 3)) / 3), True)
    atoms.rattle(displacement, seed=seed)
    return atoms


def energy_and_forces(atoms):
    """Unit charges, and a repulsion 1/r^9 between all atoms: lattice sums converged to rounding."""
    charges = np.where(atoms.numbers == 11, 1.0, -1.0)
    energy, forces = 0.0, 0.0
    for p, weights, scale in ((1, charges, 14.3996), (9, np.ones(len(atoms)), REPULSION / 9)):
        potentials, fields = power_law_potentials_and_fields(
            atoms.positions, atoms.cell[:], weights, p
        )
        energy += 0.5 * scale * weights @ potentials
        forces = forces + scale * weights[:, None] * fields
    return energy, forces


@pytest.fixture(scope="module")
def model():
    frames = [rock_salt(seed) for seed in range(24)]
    energies, forces = zip(*map(energy_and_forces, frames), strict=True)
    rho = DensityProjector(cutoff=4.0, n_max=4, l_max=2, smearing=0.5)
    far = LongRangePotential(1, cutoff=2.0, l_max=2, smearing=1.0, tol=1e-4)
    features = make_union(PowerSpectrum(rho), PowerSpectrum(rho, far))
    return AtomisticRidgeCV(features, force_weight=1.0).fit(frames, energies, forces=list(forces))


def test_it_has_learnt_the_crystal(model):
    frames = [rock_salt(seed) for seed in range(100, 105)]
    energies, forces = zip(*map(energy_and_forces, frames), strict=True)
    errors = model.predict_forces(frames) - np.array(forces)
    assert np.sqrt(np.mean(errors**2)) < 0.15 * np.std(forces)
    assert np.std(model.predict(frames) - energies) < 0.15 * np.std(energies)


@pytest.mark.slow
def test_dynamics_conserve_the_energy(model):
    atoms = rock_salt(1, displacement=0.02, strain=0.0)
    atoms.calc = model.calculator()
    thermal = np.sqrt(atoms.get_masses() * units.kB * 300)[:, None]
    momenta = thermal * np.random.default_rng(0).normal(size=(len(atoms), 3))
    atoms.set_momenta(momenta - momenta.mean(axis=0))
    energies = []
    dynamics = VelocityVerlet(atoms, timestep=0.5 * units.fs)
    dynamics.attach(lambda: energies.append(atoms.get_total_energy()), interval=10)
    dynamics.run(4000)  # 2 ps
    drift = np.polyfit(np.linspace(0.0, 1.0, len(energies)), energies, 1)[0]
    assert abs(drift) / len(atoms) < 1e-3
    assert np.ptp(energies) / len(atoms) < 1e-3


def test_relaxation_reaches_the_minimum_of_the_model(model):
    atoms = rock_salt(2, displacement=0.05, strain=0.01)
    atoms.calc = model.calculator()
    before = atoms.get_potential_energy()
    assert BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=0.01, steps=100)
    assert atoms.get_potential_energy() < before
    assert np.abs(atoms.get_stress()).max() * atoms.get_volume() < 0.1


def test_saved_model_gives_the_same_forces_elsewhere(model, tmp_path):
    atoms = rock_salt(3)
    skops.io.dump(model, tmp_path / "model.skops")
    atoms.write(tmp_path / "atoms.traj")
    program = f"""
import numpy as np, skops.io
from ase.io import read
path = {str(tmp_path)!r}
trusted = skops.io.get_untrusted_types(file=path + "/model.skops")
assert all(name.startswith("sklode.") for name in trusted), trusted
model = skops.io.load(path + "/model.skops", trusted=trusted)
atoms = read(path + "/atoms.traj")
np.savez(path + "/out.npz", energy=model.predict([atoms]), forces=model.predict_forces([atoms])[0])
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    found = np.load(tmp_path / "out.npz")
    np.testing.assert_allclose(found["energy"], model.predict([atoms]), rtol=1e-12)
    np.testing.assert_allclose(found["forces"], model.predict_forces([atoms])[0], atol=1e-10)
