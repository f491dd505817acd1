"""A fit of energies and forces of many structures: time and peak memory of AtomisticRidgeCV.

Periodic structures of 50 atoms of two elements at 0.1 atoms per cubic angstrom, each in a cell of
its own, with the energies and forces of a repulsion between pairs, exp(-d / 0.5 angstrom) times a
factor of both elements. The 216 features are the power spectrum of rho x V. Each size is fitted
once; the memory should hardly grow with the number of force components, 150 a structure, once they
are too many to be kept.
"""

import harness  # before numpy

# isort: split

from functools import partial

import numpy as np
import systems
from vesin import NeighborList

from sklode import AtomisticRidgeCV, DensityProjector, LongRangePotential, PowerSpectrum

N_ATOMS = 50
CUTOFF, DECAY = 5.0, 0.5  # angstrom, of the repulsion
FACTORS = {"Na": 8.0, "Cl": 12.0}  # whose products are in eV
OPTIONS = {"--sizes": {"type": int, "nargs": "+", "help": "numbers of structures (1000 10000)"}}


def repulsion(atoms):
    """Energy in eV, and forces in eV/angstrom."""
    search = NeighborList(cutoff=CUTOFF, full_list=True, n_threads=1)
    i, j, vectors = search.compute(atoms.positions, atoms.cell[:], [True] * 3, quantities="ijD")
    factors = np.array([FACTORS[symbol] for symbol in atoms.symbols])
    distances = np.linalg.norm(vectors, axis=1)
    energies = 0.5 * factors[i] * factors[j] * np.exp(-distances / DECAY)
    pulls = -2.0 / DECAY * (energies / distances)[:, None] * vectors
    forces = [np.bincount(i, pull, minlength=len(atoms)) for pull in pulls.T]
    return energies.sum(), np.stack(forces, axis=1)


def fit(structures):
    """A fit with forces, ready to be timed."""
    rho = DensityProjector(cutoff=3.0, n_max=6, l_max=2)
    features = PowerSpectrum(rho, LongRangePotential(1, n_max=3, l_max=2, tol=1e-4))
    energies, forces = zip(*[repulsion(atoms) for atoms in structures], strict=True)
    return partial(AtomisticRidgeCV(features).fit, structures, energies, forces=forces)


def main():
    benchmark = harness.Benchmark("ridge", __doc__, OPTIONS)
    sizes = benchmark.arguments.sizes or ([20] if benchmark.quick else [1000, 10_000])
    for size in sizes:
        structures = systems.different_cells(size, N_ATOMS)
        case = harness.Case("sklode, energies and forces", fit, rounds=1, warm_up=False)
        benchmark.compare(f"{size} structures of {N_ATOMS} atoms", structures, [case])
    benchmark.save()


if __name__ == "__main__":
    main()
