"""Exterior multipoles of periodic ions, and their l = 0 part beside torch-pme's P3M potentials.

MultipoleFeatures of 1/r, one channel of charges, cutoff 3 angstrom, l = 0 and l <= 3, tol 1e-6.
With a cutoff below the shortest distance all other atoms count, and the l = 0 multipole is the
electrostatic potential at the atom times Y_00: that is compared with torch-pme, both at a relative
root mean square error of at most 1e-4 and 1e-6 of the potentials. sklode has the largest `tol` that
reaches it, torch-pme the fastest parameters of a search. References are Ewald sums converged to
rounding; above 10 000 atoms sklode with tol=1e-9. Both codes begin with positions and find their
pairs by vesin; torch-pme is timed with a list of pairs given, too.
"""

import harness  # before numpy

# isort: split

from dataclasses import replace
from functools import partial

import bench_long_range
import numpy as np
import peers
import peers_p3m
import records
import systems

from sklode import MultipoleFeatures
from sklode.physics.lattice_sums import power_law_potentials_and_fields

Y_00 = 1.0 / np.sqrt(4.0 * np.pi)
INSIDE_NOTHING = {"cutoff": 0.5, "cutoff_width": 0.1, "l_max": 0}
ACCURACIES = (1e-4, 1e-6)
TOLERANCES = (3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 1e-7, 1e-8)
SIZES = {1000: None, 4096: None, 10_000: 5, 30_000: 3}  # atoms: rounds, None as many as asked
EXACT = 10_000  # atoms up to which the reference is exact
REFERENCE_SMEARING = 2.0  # angstrom; fewer pairs in memory than with the default


def sklode(structures, **parameters):
    """Multipoles of all atoms, ready to be timed."""
    multipoles = MultipoleFeatures(1, charges="initial_charges", invariants=None, **parameters)
    return partial(multipoles.fit(structures).transform_atoms, structures)


def sklode_potentials(structures, tol):
    """Potentials of all other charges, without the factor, ready to be timed."""
    return sklode(structures, tol=tol, **INSIDE_NOTHING)


def reference_potentials(structures):
    (atoms,) = structures
    if len(atoms) > EXACT:
        return sklode_potentials(structures, 1e-9)()[:, 0] / Y_00
    return power_law_potentials_and_fields(
        atoms.positions,
        atoms.cell[:],
        atoms.get_initial_charges(),
        1,
        smearing=REFERENCE_SMEARING if len(atoms) > 2000 else None,
    )[0]


def sklode_case(structures, reference, accuracy):
    """The largest ``tol`` that reaches the accuracy."""

    def error_of(tol):
        values = sklode_potentials(structures, tol)()[:, 0] / Y_00
        return records.rms_agreement(values, reference)

    candidates = [tol for tol in TOLERANCES if tol <= 300 * accuracy]
    tol, error = records.coarsest_within(candidates, error_of, accuracy)
    prepare = partial(sklode_potentials, tol=tol)
    code = f"sklode, potentials to {accuracy:.0e}"
    return harness.Case(code, prepare, error=error, parameters=f"tol={tol:g}")


def torch_pme_cases(accuracy, parameters, error):
    for list_inside in (True, False):
        code = f"torch-pme, potentials to {accuracy:.0e}"
        yield harness.Case(
            code if list_inside else f"{code}, pairs given",
            partial(peers_p3m.potentials, parameters=parameters, list_inside=list_inside),
            error=error,
            parameters=str(parameters),
        )


def cases(structures, with_torch_pme):
    yield harness.Case("sklode, l = 0", partial(sklode, l_max=0), parameters="tol=1e-06")
    yield harness.Case("sklode, l <= 3", partial(sklode, l_max=3), parameters="tol=1e-06")
    reference = reference_potentials(structures)
    for accuracy in ACCURACIES:
        yield sklode_case(structures, reference, accuracy)
        best = peers_p3m.tuned(structures, reference, accuracy) if with_torch_pme else None
        if best is not None:
            yield from torch_pme_cases(accuracy, *best)


def main():
    benchmark = harness.Benchmark("multipoles", __doc__)
    with_torch_pme = peers.installed("torchpme")
    sizes = {216: None, 1000: None} if benchmark.quick else SIZES
    for size, rounds in sizes.items():
        if size > EXACT and not bench_long_range.has_mesh():
            print(f"this sklode has no mesh: {size} atoms are left out")
            continue
        structures = [systems.charged(size)]
        each = [replace(case, rounds=rounds) for case in cases(structures, with_torch_pme)]
        benchmark.compare(f"{size} atoms", structures, each)
    benchmark.save()


if __name__ == "__main__":
    main()
