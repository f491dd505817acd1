"""A fitted model drives i-PI, a real one, over a Unix socket."""

import socket
from threading import Thread

import ipi_runs
import numpy as np
import pytest
from ase import units
from ase.constraints import FixAtoms
from ase.md.verlet import VelocityVerlet
from toy import crystal, with_results

from sklode import AtomisticRidgeCV, DensityProjector, LongRangePotential, PowerSpectrum
from sklode.simulation import ErrorBarExceeded, run_driver

pytestmark = pytest.mark.skipif(
    ipi_runs.COMMAND is None or not hasattr(socket, "AF_UNIX"),
    reason="needs i-PI (pip install ipi) and Unix sockets",
)
N_STEPS = 20
TIMESTEP = 10.0  # atomic units, 0.24 fs
PRINTED = 1e-12  # 16 digits, and units converted back and forth
TEMPERATURE = "<temperature units='kelvin'> 300 </temperature>"
ENSEMBLE = TEMPERATURE + "<pressure units='megapascal'> 0.1 </pressure>"
LANGEVIN = "<thermostat mode='langevin'> <tau units='femtosecond'> 5 </tau> </thermostat>"
NVE = f"<dynamics mode='nve'> <timestep> {TIMESTEP} </timestep> </dynamics>"
NVT = f"<dynamics mode='nvt'> <timestep> {TIMESTEP} </timestep> {LANGEVIN} </dynamics>"
NPT = (
    f"<dynamics mode='npt'> <timestep> {TIMESTEP} </timestep> {LANGEVIN}"
    f" <barostat mode='flexible'> <tau units='femtosecond'> 100 </tau> {LANGEVIN} </barostat>"
    " </dynamics>"
)


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    frames = [with_results(crystal(rng)) for _ in range(20)]
    rho = DensityProjector(cutoff=3.0, n_max=3, l_max=2)
    far = LongRangePotential(1, cutoff=2.0, l_max=2, tol=1e-4)
    return AtomisticRidgeCV(PowerSpectrum(rho, far)).fit(frames)


@pytest.fixture(scope="module")
def atoms():
    """A crystal at 300 K, its cell as i-PI wants it; tests must not move it."""
    rng = np.random.default_rng(7)
    atoms = crystal(rng)
    atoms.set_cell(atoms.cell.standard_form()[0], scale_atoms=True)
    thermal = np.sqrt(units.kB * 300 * atoms.get_masses())[:, None]
    momenta = thermal * rng.normal(size=(len(atoms), 3))
    atoms.set_momenta(momenta - momenta.mean(axis=0))  # i-PI takes the drift away
    return atoms


def simulate(folder, model, atoms, motion, ensemble="", n_steps=N_STEPS, **options):
    """Run i-PI and the driver; returns how often forces were computed."""
    template = options.pop("template", atoms)
    name = ipi_runs.write_input(folder / "input.xml", atoms, n_steps, ensemble, motion)
    with ipi_runs.running(folder, name):
        return run_driver(model, template, unixsocket=name, wait=20.0, **options)


@pytest.fixture(scope="module")
def constant_pressure(tmp_path_factory, model, atoms):
    folder = tmp_path_factory.mktemp("ipi")
    simulate(folder, model, atoms, NPT, ENSEMBLE)
    return ipi_runs.read_output(folder)


def assert_as_in_ase(printed, atoms, model):
    """Energies, error bars and stresses are those of ASE's calculator, step by step."""
    atoms = atoms.copy()
    atoms.calc = model.calculator()
    for step, energy in enumerate(printed.energies):
        atoms.set_cell(printed.cells[step])
        atoms.positions = printed.positions[step]
        assert energy == pytest.approx(atoms.get_potential_energy(), rel=PRINTED)
        bar = atoms.calc.get_property("energy_std", atoms)
        assert printed.error_bars[step] == pytest.approx(bar, rel=1e-9)
        np.testing.assert_allclose(printed.stresses[step], atoms.get_stress(), atol=1e-10)


def test_constant_energy_is_the_trajectory_of_ase(tmp_path, model, atoms):
    assert simulate(tmp_path, model, atoms, NVE) == N_STEPS + 1
    printed = ipi_runs.read_output(tmp_path)
    assert len(printed.energies) == N_STEPS + 1
    assert_as_in_ase(printed, atoms, model)
    energies, positions = [], []
    atoms = atoms.copy()
    atoms.calc = model.calculator()
    dynamics = VelocityVerlet(atoms, timestep=TIMESTEP * ipi_runs.TIME)
    dynamics.attach(lambda: energies.append(atoms.get_potential_energy()))
    dynamics.attach(lambda: positions.append(atoms.get_positions()))
    dynamics.run(N_STEPS)
    assert np.ptp(energies) > 0.01
    np.testing.assert_allclose(printed.energies, energies, rtol=1e-10)
    np.testing.assert_allclose(printed.positions, positions, atol=1e-9)
    assert np.ptp(printed.conserved) < 1e-3 * np.ptp(energies)


def test_a_thermostat(tmp_path, model, atoms):
    assert simulate(tmp_path, model, atoms, NVT, TEMPERATURE) == N_STEPS + 1
    printed = ipi_runs.read_output(tmp_path)
    assert_as_in_ase(printed, atoms, model)
    heated = np.ptp(printed.energies + printed.kinetic)
    assert heated > 0.01
    assert np.ptp(printed.conserved) < 1e-3 * heated


def test_a_barostat_has_the_stress_that_belongs_to_the_energy(constant_pressure, model, atoms):
    """What is conserved holds the work of the cell, so that a wrong stress would show."""
    printed = constant_pressure
    assert np.ptp(np.linalg.det(printed.cells)) > 0.01
    assert_as_in_ase(printed, atoms, model)
    assert np.ptp(printed.conserved) < 0.01 * np.ptp(printed.energies)


def test_constraints_are_left_to_the_server(tmp_path, model, atoms):
    held = atoms.copy()
    held.set_constraint(FixAtoms([0, 1, 2, 3]))
    simulate(tmp_path, model, atoms, NVE, n_steps=3, template=held)
    printed = ipi_runs.read_output(tmp_path)
    assert np.ptp(printed.energies) > 1e-3
    assert np.ptp(printed.conserved) < 1e-3 * np.ptp(printed.energies)  # forces act
    assert held.constraints


def test_a_limit_ends_both_and_leaves_what_was_printed(constant_pressure, tmp_path, model, atoms):
    bars = constant_pressure.error_bars
    limit = (bars.max() + bars[0]) / 2
    first = int(np.flatnonzero(bars > limit)[0])
    assert 0 < first < N_STEPS
    with pytest.raises(ErrorBarExceeded, match=rf"step {first} \(.*passes the limit") as caught:
        simulate(tmp_path, model, atoms, NPT, ENSEMBLE, limit=limit)
    assert caught.value.error_bar == pytest.approx(bars[first], rel=1e-9)
    np.testing.assert_array_equal(ipi_runs.read_output(tmp_path).error_bars, bars[:first])
    assert (tmp_path / "RESTART").exists()


def test_several_drivers_share_the_beads_of_a_path_integral(tmp_path, model, atoms):
    motion = NVT.replace("langevin", "pile_l")
    name = ipi_runs.write_input(tmp_path / "input.xml", atoms, 3, TEMPERATURE, motion, n_beads=2)
    counts = []

    def drive():
        counts.append(run_driver(model, atoms, unixsocket=name, wait=20.0))

    drivers = [Thread(target=drive) for _ in range(2)]
    with ipi_runs.running(tmp_path, name):
        for driver in drivers:
            driver.start()
        for driver in drivers:
            driver.join()
    assert sum(counts) == 2 * (3 + 1)
    assert min(counts) > 0
    first, second = (ipi_runs.read_error_bars(tmp_path, bead) for bead in range(2))
    start = model.predict([atoms], return_std=True)[1][0]
    assert first[0] == second[0] == pytest.approx(start, rel=1e-9)
    assert len(first) == len(second) == 4
    assert (first[1:] != second[1:]).all()


def test_another_number_of_atoms_is_named(tmp_path, model, atoms):
    name = ipi_runs.write_input(tmp_path / "input.xml", atoms, 1, "", NVE)
    with ipi_runs.running(tmp_path, name) as server:
        with pytest.raises(ValueError, match=r"positions of 4 atoms, but the template \w+ has 3"):
            run_driver(model, atoms[:3], unixsocket=name, wait=20.0)
        server.kill()  # it waits for another driver
