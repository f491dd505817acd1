"""Physics of a fitted model in ASE: conserved quantities, extensivity, and what far atoms do.

The sizes are those at which sums over k-vectors end in a shorter block or change to a mesh.
"""

from copy import deepcopy

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.md.verlet import VelocityVerlet
from sklearn.pipeline import make_union
from test_calculator_ionic import energy_and_forces

from sklode import (
    AtomisticRidgeCV,
    DensityProjector,
    LongRangePotential,
    MultipoleFeatures,
    PowerSpectrum,
)

METHODS = ["direct", "nufft", "auto"]
MODELS = [*METHODS, "exterior"]
REPEATS = {64: (2, 2, 2), 216: (3, 3, 3), 512: (4, 4, 4)}
SIZES = [64, 96, 216, pytest.param(512, marks=pytest.mark.slow)]
TOL = 1e-6


def salt(repeat, seed=0, displacement=0.0, strain=0.0):
    """Distorted rock salt, near the lattice constant where its model crystal has no pressure."""
    atoms = bulk("NaCl", "rocksalt", a=4.65, cubic=True).repeat(repeat)
    noise = np.random.default_rng(seed).normal(size=(3, 3))
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain * noise), scale_atoms=True)
    atoms.rattle(displacement, seed=seed)
    return atoms


@pytest.fixture(scope="module")
def frames():
    """Structures, energies of unit charges and a repulsion 1/r^9, and forces."""
    atoms = [salt((1, 1, 1), seed, 0.06 + 0.03 * (seed % 3), 0.01) for seed in range(12)]
    # without larger cells their soft vibrations are not learnt, and molecular dynamics explodes
    atoms += [salt((2, 2, 2), seed, 0.06 + 0.03 * seed, 0.01) for seed in range(3)]
    atoms.append(salt((3, 3, 3), 7, 0.1, 0.01))
    energies, forces = zip(*map(energy_and_forces, atoms), strict=True)
    return atoms, energies, list(forces)


@pytest.fixture(scope="module")
def fitted(frames):
    """Models of salt by method; one with an exterior far field of two exponents, too."""
    # the cutoff function, whose curvature jumps, lies between two shells of neighbours
    rho = DensityProjector(cutoff=3.85, n_max=5, l_max=1, smearing=0.5, cutoff_width=0.3)
    atoms, energies, forces = frames
    far = [
        LongRangePotential(1, 2.0, l_max=1, smearing=1.0, tol=TOL, method=method)
        for method in METHODS
    ]
    far.append(LongRangePotential((1, 6), 3.0, l_max=1, exterior=True, cutoff_width=0.3, tol=TOL))
    models = {}
    for name, field in zip(MODELS, far, strict=True):
        features = make_union(PowerSpectrum(rho), PowerSpectrum(rho, field))
        models[name] = AtomisticRidgeCV(features).fit(atoms, energies, forces=forces)
    return models


def crystal(n_atoms, model, displacement=0.1):
    """Rattled rock salt with a calculator."""
    atoms = salt(REPEATS.get(n_atoms, (n_atoms // 8, 1, 1)), n_atoms, displacement)
    atoms.calc = model.calculator()
    return atoms


def energy_slope(atoms, change, step):
    """Derivative of the energy by the size of a change of a copy, to the fourth order."""
    energies = {}
    for n in (-2, -1, 1, 2):
        changed = atoms.copy()
        changed.calc = atoms.calc
        change(changed, n * step)
        energies[n] = changed.get_potential_energy()
    return (8 * (energies[1] - energies[-1]) - (energies[2] - energies[-2])) / (12 * step)


@pytest.mark.parametrize("n_atoms", SIZES)
@pytest.mark.parametrize("method", MODELS)
def test_forces_are_the_slopes_of_the_energy(fitted, method, n_atoms):
    atoms = crystal(n_atoms, fitted[method])
    forces = atoms.get_forces()
    largest = np.abs(forces).max()
    everywhere = np.random.default_rng(0).normal(size=forces.shape)
    one = np.eye(n_atoms)[0][:, None] * everywhere
    for direction, step, accuracy in ((one, 0.001, 1e-8), (everywhere, 0.0005, 1e-5)):

        def move(moved, size, direction=direction):
            moved.positions += size * direction

        error = abs(energy_slope(atoms, move, step) + np.sum(forces * direction))
        assert error < accuracy * largest * np.linalg.norm(direction)


@pytest.mark.parametrize("n_atoms", SIZES)
@pytest.mark.parametrize("method", MODELS)
def test_stress_is_the_slope_of_the_energy(fitted, method, n_atoms):
    atoms = crystal(n_atoms, fitted[method])
    stress, direction = atoms.get_stress(voigt=False), np.zeros((3, 3))
    direction[0, 0], direction[1, 2], direction[2, 1] = 1.0, 0.5, 0.5

    def strain(strained, size):
        strained.set_cell(atoms.cell.array @ (np.eye(3) + size * direction), scale_atoms=True)

    slope = energy_slope(atoms, strain, 5e-4) / atoms.get_volume()
    assert slope == pytest.approx(np.sum(stress * direction), abs=1e-4 * np.abs(stress).max())


@pytest.mark.parametrize("n_atoms", SIZES)
@pytest.mark.parametrize("method", MODELS)
def test_forces_add_up_to_zero(fitted, method, n_atoms):
    forces = crystal(n_atoms, fitted[method]).get_forces()
    # on a mesh only to its accuracy
    allowed = 1e-12 if method == "direct" else TOL
    assert np.abs(forces.sum(axis=0)).max() < allowed * n_atoms**0.5 * np.abs(forces).max()


@pytest.mark.parametrize("n_atoms", SIZES)
def test_methods_give_the_same_forces(fitted, n_atoms):
    """All with the coefficients of one model."""
    results = []
    for method in METHODS:
        model = deepcopy(fitted["direct"])
        for _, branch in model.features_.transformer_list:
            if branch.right_ is not None:
                branch.right_.set_params(method=method)
        atoms = crystal(n_atoms, model)
        results.append((atoms.get_potential_energy() / n_atoms, atoms.get_forces()))
    for energy, forces in results[1:]:
        assert energy == pytest.approx(results[0][0], abs=1e-5)
        assert np.abs(forces - results[0][1]).max() < 30 * TOL * np.abs(forces).max()


def test_no_force_and_no_torque_on_a_molecule():
    rng = np.random.default_rng(1)
    clusters = [random_cluster(rng, n) for n in (3, 7, 20, 40)]
    features = make_union(
        DensityProjector(4.0, 2, 2),
        LongRangePotential((1, 3), exterior=True, charges="initial_charges"),
        MultipoleFeatures(1, l_max=1),
    )
    model = AtomisticRidgeCV(features).fit(clusters, rng.normal(size=len(clusters)))
    for n_atoms in (5, 30, 100):
        atoms = random_cluster(rng, n_atoms)
        atoms.calc = model.calculator()
        forces = atoms.get_forces()
        size = np.abs(forces).max() * n_atoms
        assert size > 0
        assert np.abs(forces.sum(axis=0)).max() < 1e-12 * size
        torque = np.cross(atoms.positions - atoms.positions.mean(axis=0), forces).sum(axis=0)
        assert np.abs(torque).max() < 1e-11 * size * np.ptp(atoms.positions)


def random_cluster(rng, n_atoms):
    """Isolated atoms and charges, at least 0.9 angstrom apart."""
    positions = np.zeros((0, 3))
    while len(positions) < n_atoms:
        new = rng.uniform(0, 2.2 * n_atoms ** (1 / 3), 3)
        if not len(positions) or np.linalg.norm(positions - new, axis=1).min() > 0.9:
            positions = np.vstack([positions, new])
    atoms = Atoms(rng.choice(["H", "C", "O"], n_atoms), positions)
    atoms.set_initial_charges(rng.uniform(-1, 1, n_atoms))
    return atoms


def drift(model, n_atoms, picoseconds=0.5, step=2.0, temperature=100.0):
    """Slope of the total energy, in eV per atom over the whole run, from a temperature in K."""
    atoms = crystal(n_atoms, model, displacement=0.05)
    thermal = np.sqrt(atoms.get_masses() * units.kB * temperature)[:, None]
    momenta = thermal * np.random.default_rng(0).normal(size=(n_atoms, 3))
    atoms.set_momenta(momenta - momenta.mean(axis=0))
    energies = []
    dynamics = VelocityVerlet(atoms, timestep=step * units.fs)
    dynamics.attach(lambda: energies.append(atoms.get_total_energy()))
    dynamics.run(round(1000 * picoseconds / step))
    kinetic = atoms.get_kinetic_energy() / n_atoms
    assert 0.3 < kinetic / (1.5 * units.kB * temperature) < 2.0  # it moves, and does not explode
    return np.polyfit(np.linspace(0, 1, len(energies)), energies, 1)[0] / n_atoms


def test_energy_is_conserved_at_a_last_shorter_block(fitted):
    assert abs(drift(fitted["auto"], 64, picoseconds=0.1)) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("n_atoms", [64, 216, 512])
@pytest.mark.parametrize("method", METHODS)
def test_energy_is_conserved(fitted, method, n_atoms):
    assert abs(drift(fitted[method], n_atoms)) < 1e-5


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("repeat", [(2, 1, 1), (1, 3, 1), (2, 2, 1)])
def test_supercells_multiply_energies_and_repeat_forces(fitted, method, repeat):
    atoms = crystal(64, fitted[method])
    larger = atoms.repeat(repeat)
    larger.calc = atoms.calc
    copies = np.prod(repeat)
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    assert larger.get_potential_energy() == pytest.approx(copies * energy, abs=1e-5 * len(larger))
    limit = 30 * TOL * np.abs(forces).max()
    np.testing.assert_allclose(larger.get_forces(), np.tile(forces, (copies, 1)), atol=limit)
    stress = atoms.get_stress()
    np.testing.assert_allclose(larger.get_stress(), stress, atol=1e-4 * np.abs(stress).max())


@pytest.fixture(scope="module")
def local():
    """A model of molecules that sees 4 angstrom far."""
    rng = np.random.default_rng(2)
    clusters = [random_cluster(rng, n) for n in (3, 5, 8, 12, 20)]
    features = DensityProjector(cutoff=4.0, n_max=3, l_max=2)
    return AtomisticRidgeCV(features).fit(clusters, rng.normal(size=len(clusters)))


@pytest.mark.parametrize("periodic", [False, True])
def test_far_molecules_add_up_in_a_local_model(local, periodic):
    one, other = molecule("H2O"), molecule("CH3OH")
    other.positions += [30.0, -3.0, 7.0]
    both = one + other
    for atoms in (one, other, both):
        atoms.calc = local.calculator()
        atoms.set_cell([70.0, 60.0, 50.0])
        atoms.pbc = periodic
    parts = one.get_potential_energy() + other.get_potential_energy()
    assert both.get_potential_energy() == pytest.approx(parts, rel=1e-12)
    apart = np.concatenate([one.get_forces(), other.get_forces()])
    np.testing.assert_allclose(both.get_forces(), apart, rtol=0, atol=1e-12 * np.abs(apart).max())


def test_a_far_atom_feels_and_does_nothing_in_a_local_model(local):
    atoms = molecule("CH3OH")
    with_one = atoms + Atoms("H", positions=[[0.0, 25.0, 0.0]])
    lone = Atoms("H")
    for each in (atoms, with_one, lone):
        each.calc = local.calculator()
    together = with_one.get_potential_energy() - lone.get_potential_energy()
    assert together == pytest.approx(atoms.get_potential_energy(), rel=1e-12)
    assert np.all(with_one.get_forces()[-1] == 0)
    np.testing.assert_allclose(with_one.get_forces()[:-1], atoms.get_forces(), rtol=1e-12)


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("features", [LongRangePotential, MultipoleFeatures])
def test_near_atoms_do_nothing_in_the_exterior(features, periodic):
    """Atoms may go anywhere inside the cutoff, without change and without forces."""
    kwargs = {"exterior": True} if features is LongRangePotential else {}
    model = features(12, cutoff=5.0, cutoff_width=1.0, l_max=2, invariants=None, tol=1e-8, **kwargs)
    atoms = Atoms("HCOH", positions=[[0, 0, 0], [1.5, 0, 0], [0, 1.5, 1.0], [0, 0, 9.0]])
    atoms.set_cell([60.0, 61.0, 62.0])  # images of the atom that moves are 1e-10 of the rest
    atoms.pbc = periodic
    moved = atoms.copy()
    moved.numbers[1] = atoms.numbers[1] = 1
    moved.positions[1] += [0.7, -0.9, 0.4]
    rows, others = model.fit([atoms]).transform_atoms([atoms]), model.transform_atoms([moved])
    still = [0, 2]  # within 4 angstrom of the atom that moves
    for l in range(3):
        columns = (model.feature_table_["l"] == l) & (model.feature_table_["species"] == "H")
        scale = np.abs(rows[still][:, columns]).max()
        difference = others[still][:, columns] - rows[still][:, columns]
        assert np.abs(difference).max() < 3e-8 * scale
    assert np.abs(others[3] - rows[3]).max() > 1e-2 * np.abs(rows[3]).max()


@pytest.mark.parametrize("exponent", [1, 3, 6])
def test_the_influence_of_a_far_atom_falls_as_its_law(exponent):
    """Twice as far, 2^p times less, at the sites of a molecule."""
    model = LongRangePotential(exponent, l_max=0, invariants=None)
    changes = []
    water = molecule("H2O")
    model.fit([water])
    alone = model.transform_atoms([water])
    for distance in (200.0, 400.0):
        both = water + Atoms("H", positions=[[0, 0, distance]])
        changes.append((model.transform_atoms([both])[:3] - alone)[:, 0])
    np.testing.assert_allclose(changes[0] / changes[1], 2.0**exponent, rtol=0.03)
