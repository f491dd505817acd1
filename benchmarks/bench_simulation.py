"""One step of molecular dynamics of ionic crystals: energy, error bar, forces and stress.

The model has power spectra of the density with itself and with the potential 1/r of all atoms, with
the parameters of ``bench_gradients``. Its coefficients come from random energies, on which the time
does not depend. featomic gives the same forces from its gradients of the rows of all atoms, times
the coefficients (no error bar, no stress), up to the size where these gradients fill the memory.
Beside them: the same for users (tol=1e-4 chooses the k-vectors), the local part alone, the model
behind a Unix socket as i-PI has it, a network (MACE with random weights, which need no
training: energy, forces and stress), and Lennard-Jones of ASE as a yardstick.
"""

import harness  # before numpy

# isort: split

import os
from functools import partial
from itertools import count
from multiprocessing import get_context

import numpy as np
import peers
import records
import systems
from ase import units
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.lj import LennardJones
from ase.calculators.socketio import SocketIOCalculator
from ase.md.verlet import VelocityVerlet
from bench_gradients import DENSITY, NARROW, columns_of, featomic_spectrum, spectra
from peers_mace import untrained_mace
from sklearn.pipeline import make_union

from sklode import AtomisticRidgeCV, DensityProjector, LongRangePotential, PowerSpectrum
from sklode.simulation import run_driver

TIMESTEP = 0.01 * units.fs  # short, so that all codes see the same structure
LARGEST_WITH_GRADIENTS = 216  # atoms: gradients of all rows, atoms times atoms times columns
SOCKETS = count()
TOL = 1e-4


def fitted(features):
    """A model of random energies of small crystals."""
    crystals = systems.different_cells(8, 16)
    energies = np.random.default_rng(0).normal(size=len(crystals))
    return AtomisticRidgeCV(features, 1e-3, baseline=False).fit(crystals, energies)


def models():
    """Fitted models by name: as featomic has it, as users have it, and local."""
    both = spectra(NARROW)
    rho = DensityProjector(**DENSITY)
    far = LongRangePotential(1, 2.0, 3, 2, tol=TOL, radial_basis="gto")
    return {
        "local and far": fitted(make_union(*both.values())),
        f"local and far, tol={TOL:g}": fitted(
            make_union(PowerSpectrum(rho), PowerSpectrum(rho, far))
        ),
        "local": fitted(both["rho x rho"]),
    }


class FeatomicForces(Calculator):
    """The forces of a model from featomic's gradients of rows."""

    implemented_properties = ["energy", "forces"]

    def __init__(self, model, **splines):
        super().__init__()
        self._parts = []
        end = 0
        for name, (_, spectrum) in zip(
            spectra(NARROW), model.features_.transformer_list, strict=True
        ):
            table = spectrum.feature_table_
            start, end = end, end + len(table)
            calculator = featomic_spectrum(name, NARROW, **splines)
            self._parts.append((calculator, table, model.coef_[start:end]))

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        """Energy and forces; called by ASE."""
        super().calculate(atoms, properties, system_changes)
        energy, forces = 0.0, np.zeros((len(atoms), 3))
        for calculator, table, coefficients in self._parts:
            for block in calculator.compute([self.atoms], gradients=["positions"]).blocks():
                source, factor = columns_of(table, block)
                weights = np.bincount(source, factor * coefficients, len(block.properties))
                energy += float((block.values @ weights).sum())
                gradient = block.gradient("positions")
                pulls = gradient.values.reshape(len(gradient.samples), 3, -1) @ weights
                np.add.at(forces, gradient.samples.column("atom"), -pulls)
        self.results = {"energy": energy, "forces": forces}


def step(structures, make_calculator):
    """One step of velocity Verlet, ready to be timed."""
    (atoms,) = structures
    atoms = atoms.copy()
    atoms.calc = make_calculator()
    dynamics = VelocityVerlet(atoms, TIMESTEP)
    return partial(dynamics.run, 1)


def step_behind_a_socket(structures, model):
    """The same, with the driver in a process of its own."""
    (atoms,) = structures
    atoms = atoms.copy()
    name = f"sklode_benchmark_{os.getpid()}_{next(SOCKETS)}"
    driver = get_context("spawn").Process(
        target=run_driver, args=(model, atoms.copy()), kwargs={"unixsocket": name}, daemon=True
    )
    driver.start()
    atoms.calc = SocketIOCalculator(unixsocket=name)
    dynamics = VelocityVerlet(atoms, TIMESTEP)
    return partial(dynamics.run, 1)


def lennard_jones():
    """Pairs within 5 angstrom."""
    return LennardJones(sigma=2.5, epsilon=0.01, rc=5.0, smooth=True)


def mace():
    """A network for Na and Cl with a common cutoff."""
    return untrained_mace([11, 17], channels=128, cutoff=5.0)


def cases(atoms, fitted_models):
    for name, model in fitted_models.items():
        prepare = partial(step, make_calculator=model.calculator)
        yield harness.Case(f"sklode, {name}", prepare)
    model = fitted_models["local and far"]
    prepare = partial(step_behind_a_socket, model=model)
    yield harness.Case("sklode, local and far, socket", prepare, memory=False)
    if peers.installed("featomic") and len(atoms) <= LARGEST_WITH_GRADIENTS:
        peer = atoms.copy()
        peer.calc = FeatomicForces(model, spline_accuracy=None)
        forces = model.predict_forces([atoms])[0]
        deviation = records.agreement(peer.get_forces(), forces, 1e-8, "forces")
        prepare = partial(step, make_calculator=partial(FeatomicForces, model))
        yield harness.Case("featomic, local and far", prepare, deviation, rounds=3)
    if peers.installed("mace", "mace-torch"):
        network = partial(step, make_calculator=mace)
        yield harness.Case("MACE, 128 channels, 2 layers, float32", network, rounds=3)
    yield harness.Case("ASE, Lennard-Jones", partial(step, make_calculator=lennard_jones))


def main():
    benchmark = harness.Benchmark("simulation", __doc__)
    fitted_models = models()
    for size in (16,) if benchmark.quick else (64, LARGEST_WITH_GRADIENTS, 1000):
        structures = [systems.ionic(size)]
        each = list(cases(structures[0], fitted_models))
        benchmark.compare(f"{size} atoms", structures, each)
    benchmark.save()


if __name__ == "__main__":
    main()
