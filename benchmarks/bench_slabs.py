"""Slabs and wires of ions: features beside those of padded cells, and torch-pme's potentials.

LongRangePotential of 1/r and 1/r^6, one channel an element, cutoff 3 angstrom, n_max 2, l <= 3, tol
1e-6, of slabs, of wires, and of the same atoms with 20 angstrom of vacuum that repeat along three
directions, which are other numbers. Electrostatic potentials of the slabs as in
``bench_multipoles``, beside torch-pme with its correction for slabs, both at a relative root mean
square error of at most 1e-4; torch-pme has the fastest parameters of a search and the smallest
vacuum, in lateral lengths, that reaches it. The reference is sklode with a tol of 1e-9, whose
potentials agree with sums over images (tests).
"""

import harness  # before numpy

# isort: split

from functools import partial

import numpy as np
import peers
import peers_p3m
import records
from ase.build import bulk
from bench_multipoles import INSIDE_NOTHING, TOLERANCES, Y_00

from sklode import LongRangePotential, MultipoleFeatures

VACUUM = 20.0  # angstrom
VACUA = (1.0, 1.5, 2.0)  # lateral lengths, of torch-pme
ACCURACY = 1e-4
LATERAL = (8, 18, 42)  # cells along each side of slabs: 1024, 5184 and 28224 atoms
LENGTHS = (32, 160)  # cells along wires: 1024 and 5120 atoms
TUNED = 6000  # atoms up to which torch-pme is: a search among its meshes takes minutes beyond


def salt(repeats, pbc):
    """Rock salt of so many cubic cells, rattled."""
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True).repeat(repeats)
    atoms.rattle(0.1, seed=0)
    atoms.set_initial_charges(np.where(atoms.numbers == 11, 1.0, -1.0))
    atoms.pbc = pbc
    return atoms


def slab(n):
    """Four layers."""
    return salt((n, n, 2), [True, True, False])


def wire(n):
    """Four layers in both directions across."""
    return salt((n, 2, 2), [True, False, False])


def padded(atoms, vacuum, pbc):
    """The same in a cell with vacuum."""
    box = atoms.copy()
    lengths = np.ptp(atoms.positions, axis=0) + vacuum
    box.cell[~atoms.pbc] = np.diag(lengths)[~atoms.pbc]
    box.pbc = pbc
    return box


def features(_, structures, exponent):
    """Features of given structures, ready to be timed."""
    model = LongRangePotential(exponent, 3.0, 2, 3, invariants=None).fit(structures)
    return partial(model.transform_atoms, structures)


def potentials(structures, tol):
    """Potentials of all other charges, ready to be timed."""
    model = MultipoleFeatures(
        1, charges="initial_charges", invariants=None, tol=tol, **INSIDE_NOTHING
    )
    return partial(model.fit(structures).transform_atoms, structures)


def torch_pme(_, padded_slabs, parameters):
    """The same by torch-pme."""
    return peers_p3m.potentials(padded_slabs, parameters)


def deviation(found, expected):
    """Relative root mean square error; a constant means nothing for neutral slabs."""
    return records.rms_agreement(found - np.mean(found), expected - np.mean(expected))


def feature_cases(atoms, name):
    """Of a slab or wire, and of the same with vacuum."""
    box = padded(atoms, VACUUM, True)
    for p in (1, 6):
        for kind, structure in ((name, atoms), ("padded", box)):
            prepare = partial(features, structures=[structure], exponent=p)
            yield harness.Case(f"sklode, p = {p}, {kind}", prepare, parameters="tol=1e-06")


def potential_cases(atoms, with_torch_pme):
    """Electrostatic potentials of a slab, by sklode and torch-pme."""
    reference = potentials([atoms], 1e-9)()[:, 0] / Y_00

    def error_of(tol):
        return deviation(potentials([atoms], tol)()[:, 0] / Y_00, reference)

    tol, error = records.coarsest_within(TOLERANCES, error_of, ACCURACY)
    prepare = partial(potentials, tol=tol)
    yield harness.Case("sklode, potentials", prepare, error=error, parameters=f"tol={tol:g}")
    if with_torch_pme and len(atoms) < TUNED:
        for lengths in VACUA:
            vacuum = lengths * float(np.linalg.norm(atoms.cell[0]))
            given = [padded(atoms, vacuum, atoms.pbc)]
            best = peers_p3m.tuned(given, reference, ACCURACY, deviation)
            if best is not None:
                parameters, error = best
                yield harness.Case(
                    "torch-pme, potentials",
                    partial(torch_pme, padded_slabs=given, parameters=parameters),
                    error=error,
                    parameters=f"{parameters} vacuum={vacuum:.0f}",
                )
                break


def main():
    benchmark = harness.Benchmark("slabs", __doc__)
    with_torch_pme = peers.installed("torchpme")
    for n in (3,) if benchmark.quick else LATERAL:
        atoms = slab(n)
        each = [*feature_cases(atoms, "slab"), *potential_cases(atoms, with_torch_pme)]
        benchmark.compare(f"slab, {len(atoms)} atoms", [atoms], each)
    for n in (3,) if benchmark.quick else LENGTHS:
        atoms = wire(n)
        each = list(feature_cases(atoms, "wire"))
        benchmark.compare(f"wire, {len(atoms)} atoms", [atoms], each)
    benchmark.save()


if __name__ == "__main__":
    main()
