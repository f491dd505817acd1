"""A fitted model in ASE."""

import subprocess
import sys

import numpy as np
import pytest
import skops.io
from ase import units
from ase.build import bulk
from ase.calculators.calculator import PropertyNotImplementedError
from ase.filters import FrechetCellFilter
from ase.io import read, write
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures
from toy import PairSums, cluster, crystal, finite_gradients, with_results

from sklode import BlockScaler, DensityProjector, LongRangePotential
from sklode.calculator import SklodeCalculator
from sklode.datasets import load_s22x5
from sklode.projection.expansion import Expansion
from sklode.regression import AtomisticRidgeCV

RNG = np.random.default_rng(0)
X = [with_results(maker(RNG, n)) for n in (3, 4, 5, 6) for maker in (cluster, crystal)]


@pytest.fixture(scope="module")
def model():
    return AtomisticRidgeCV(PairSums((0.6, 1.1)), [1e-6, 1e-4]).fit(X)


def with_calculator(atoms, model):
    atoms = atoms.copy()
    atoms.calc = model.calculator()
    return atoms


@pytest.mark.parametrize("index", [0, 1])
def test_results_are_those_of_the_model(model, index):
    atoms = with_calculator(X[index], model)
    energy, error = model.predict([atoms], return_std=True)
    assert atoms.get_potential_energy() == energy[0]
    assert atoms.get_potential_energy(force_consistent=True) == energy[0]
    assert atoms.calc.get_property("energy_std", atoms) == error[0]
    np.testing.assert_array_equal(atoms.get_forces(), model.predict_forces([atoms])[0])
    if index:
        np.testing.assert_array_equal(atoms.get_stress(), model.predict_stress([atoms])[0])


def test_results_follow_the_atoms(model):
    atoms = with_calculator(X[1], model)
    before = atoms.get_potential_energy(), atoms.get_stress()
    atoms.set_cell(atoms.cell * 1.05, scale_atoms=True)
    assert atoms.get_potential_energy() == model.predict([atoms])[0] != before[0]
    assert not np.allclose(atoms.get_stress(), before[1])


def test_no_stress_of_a_molecule(model):
    atoms = with_calculator(X[0], model)
    atoms.get_forces()
    assert "stress" not in atoms.calc.results
    with pytest.raises(PropertyNotImplementedError, match="a stress needs a periodic direction"):
        atoms.get_stress()


def test_calls_of_the_features(model, monkeypatch):
    """One forward and one backward pass give all."""
    calls = []
    for name in ("transform", "backpropagate"):
        method = getattr(PairSums, name)

        def counting(self, *args, name=name, method=method):
            calls.append(name)
            return method(self, *args)

        monkeypatch.setattr(PairSums, name, counting)
    atoms = with_calculator(X[1], model)
    atoms.get_potential_energy()
    assert calls == ["transform"]
    for _ in range(2):
        atoms.get_forces(), atoms.get_stress(), atoms.get_potential_energy()
        atoms.calc.get_property("energy_std", atoms)
    assert calls == ["transform", "backpropagate"]


def test_a_step_is_one_pass(monkeypatch):
    """With a transformer of sklode, energies and forces share the coefficients."""
    passes = []

    def counting(self, method=Expansion.coefficients):
        passes.append(len(self.batch.structures))
        return method(self)

    rho = make_pipeline(DensityProjector(cutoff=3.0, n_max=2, l_max=1), BlockScaler())
    model = AtomisticRidgeCV(rho).fit([a.copy() for a in X], np.arange(len(X)))
    monkeypatch.setattr(Expansion, "coefficients", counting)
    atoms = with_calculator(X[1], model)
    forces, energy, stress = atoms.get_forces(), atoms.get_potential_energy(), atoms.get_stress()
    assert passes == [1]
    np.testing.assert_allclose(
        [energy, atoms.calc.results["energy_std"]],
        np.ravel(model.predict([atoms], return_std=True)),
        rtol=1e-12,
    )
    np.testing.assert_array_equal(forces, model.predict_forces([atoms])[0])
    np.testing.assert_array_equal(stress, model.predict_stress([atoms])[0])


def test_energies_without_gradients():
    features = make_pipeline(PairSums(), PolynomialFeatures())
    fitted = AtomisticRidgeCV(features).fit([a.copy() for a in X], np.arange(len(X)))
    atoms = with_calculator(X[0], fitted)
    assert atoms.get_potential_energy() == fitted.predict([atoms])[0]
    with pytest.raises(PropertyNotImplementedError, match="PolynomialFeatures"):
        atoms.get_forces()


def test_unfitted_models_are_refused():
    with pytest.raises(NotFittedError):
        SklodeCalculator(AtomisticRidgeCV(PairSums()))


def test_properties_and_files(model, tmp_path):
    atoms = with_calculator(X[1], model)
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_magnetic_moments()
    energy = atoms.get_potential_energy()
    assert atoms.get_properties(["energy", "forces"])["energy"] == energy
    for name in ("one.traj", "one.extxyz", "one.json"):
        write(tmp_path / name, atoms)
        again = read(tmp_path / name)
        assert again.get_potential_energy() == pytest.approx(energy, rel=1e-9)
        np.testing.assert_allclose(again.get_forces(), atoms.get_forces(), atol=1e-7)


@pytest.mark.parametrize("index", [4, 5])
def test_energy_is_conserved(model, index):
    """The error of Verlet's rule falls with the square of the time step, and does not drift."""
    spread = []
    for step in (0.5, 0.25):
        atoms = with_calculator(X[index], model)
        speeds = np.sqrt(100 * units.kB / atoms.get_masses())[:, None]
        atoms.set_velocities(speeds * np.random.default_rng(1).normal(size=(len(atoms), 3)))
        dynamics = VelocityVerlet(atoms, timestep=step * units.fs)
        energies = []
        for _ in range(int(20 / step)):
            dynamics.run(1)
            energies.append(atoms.get_total_energy())
        spread.append(np.ptp(energies))
    assert 3 < spread[0] / spread[1] < 5
    assert spread[1] < 0.01 * np.ptp([atoms.get_kinetic_energy(), 0])


def test_relaxation_of_atoms_and_cell():
    """From a distorted crystal back to the face-centred cubic one, of a pair potential."""
    pairs = PairSums((0.6, 1.2), charged=False).fit(None)
    perfect = bulk("C", "fcc", a=2.9, cubic=True)
    train = []
    for k in range(6):
        atoms = perfect.copy()
        atoms.rattle(0.1, seed=k)
        atoms.set_cell(atoms.cell * (0.9 + 0.05 * k), scale_atoms=True)
        train.append(atoms)
    energies = pairs.transform(train) @ [20.0, -1.0]  # repulsion within attraction
    fitted = AtomisticRidgeCV(pairs, 1e-10).fit(train, energies)
    atoms = with_calculator(perfect, fitted)
    atoms.rattle(0.05, seed=9)
    atoms.set_cell(atoms.cell @ (np.eye(3) + 0.03 * RNG.normal(size=(3, 3))), scale_atoms=True)
    with BFGS(FrechetCellFilter(atoms), logfile=None) as relaxation:
        assert relaxation.run(fmax=1e-3, steps=100)
    np.testing.assert_allclose(atoms.get_stress(), 0.0, atol=1e-3)
    lengths = atoms.get_all_distances(mic=True)[0, 1:]
    np.testing.assert_allclose(lengths, lengths.mean(), rtol=1e-2)
    angles = atoms.cell.cellpar()[3:]
    np.testing.assert_allclose(angles, 90.0, atol=0.5)


PROGRAM = """
import sys
import numpy as np, skops.io
from sklode.datasets import load_s22x5
path, out = sys.argv[1:]
model = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
atoms = load_s22x5().data[7]
atoms.calc = model.calculator()
np.save(out, [atoms.get_potential_energy(), atoms.calc.results["energy_std"]])
"""


def test_saved_models_load_in_another_process(tmp_path):
    dimers = load_s22x5()
    features = DensityProjector(cutoff=3.0, n_max=2, l_max=1)
    model = AtomisticRidgeCV(features).fit(dimers.data[:20], dimers.target[:20])
    path, out = tmp_path / "model.skops", tmp_path / "out.npy"
    skops.io.dump(model, path)
    untrusted = skops.io.get_untrusted_types(file=path)
    assert all(name.startswith("sklode.") for name in untrusted), untrusted
    subprocess.run([sys.executable, "-c", PROGRAM, path, out], check=True)
    energy, error = model.predict([dimers.data[7]], return_std=True)
    np.testing.assert_allclose(np.load(out), [energy[0], error[0]], rtol=1e-12)


def test_forces_of_a_long_range_model():
    fitted = AtomisticRidgeCV(LongRangePotential(l_max=1), 1e-4).fit(X)
    atoms = with_calculator(X[1], fitted)
    expected = -finite_gradients(lambda a: fitted.predict([a])[0], atoms)
    np.testing.assert_allclose(atoms.get_forces(), expected, atol=1e-4 * abs(expected).max())


@pytest.mark.parametrize("name", ["mine", "initial_charges"])
def test_other_charges_are_another_state(name):
    """ASE compares initial charges alone."""
    rng = np.random.default_rng(0)
    X = [cluster(rng, symbols="H") for _ in range(4)]
    for atoms in X:
        atoms.set_array(name, np.linspace(-1, 1, len(atoms)))
    features = LongRangePotential(1, cutoff=2.0, l_max=1, charges=name)
    model = AtomisticRidgeCV(features).fit(X, np.arange(4.0))
    atoms = X[0].copy()
    atoms.calc = model.calculator()
    before = atoms.get_potential_energy()
    assert atoms.get_potential_energy() == before
    atoms.arrays[name] *= 2.0
    assert atoms.get_potential_energy() == model.predict([atoms])[0] != before
