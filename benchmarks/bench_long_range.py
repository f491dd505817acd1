"""Far-field coefficients (LODE) of periodic structures: sklode beside featomic.

Five GTOs of radius 5 angstrom, l <= 3, smearing 1 angstrom, p = 1, two elements, the centre's own
potential included. "sklode" and "featomic" have the same k_cutoff = 1.2 pi and the same numbers;
"equal accuracy" has the largest `tol` whose error, measured, is not above featomic's. Errors are
the largest ones, relative to the largest coefficient, of a converged reference (k_cutoff = 2 pi).
Neither fit nor splines are timed.
"""

import harness  # before numpy

# isort: split

from dataclasses import replace
from functools import partial

import numpy as np
import peers
import records
import systems

from sklode import LongRangePotential

BASIS = {"n_max": 5, "l_max": 3, "cutoff": 5.0, "smearing": 1.0}
ONE_MONOMIAL = {"radial_basis": "monomial", "n_max": 1}
K_CUTOFF = 1.2 * np.pi
K_CONVERGED = 2.0 * np.pi
EXACT = {"method": "direct", "tol": 1e-14}  # nothing left out but k-vectors
TOLERANCES = [
    digit * 10.0**power for power in range(-3, -8, -1) for digit in (7, 5, 4, 3, 2, 1.5, 1)
]
SLOW = 4000  # atoms from which rounds are few, and featomic, which takes half a minute, has one
FEW_ROUNDS = 3


def sklode(structures, call="transform_atoms", **parameters):
    """One of sklode's transforms, ready to be timed."""
    parameters = {**BASIS, "exponent": 1, "radial_basis": "gto", "invariants": None, **parameters}
    lode = LongRangePotential(include_center=True, **parameters).fit(structures)
    return partial(getattr(lode, call), structures)


def featomic(structures, **basis):
    """LODE of featomic, with its default splines if nothing is said."""
    calculator = peers.featomic_lode(exponent=1, k_cutoff=K_CUTOFF, **BASIS, **basis)
    return partial(calculator.compute, structures)


def featomic_values(structures, **basis):
    table = LongRangePotential(**BASIS, invariants=None).fit(structures).feature_table_
    return peers.in_columns_of(table, featomic(structures, **basis)(), structures)


def featomic_case(structures, system, values, reference):
    """Featomic, after a check that it has the same numbers."""
    slow = len(structures[0]) >= SLOW
    if not slow:
        exact = featomic_values(structures, spline_accuracy=None)
        records.agreement(values, exact, 1e-9, f"{system}, featomic without splines")
    splined = featomic_values(structures)
    deviation = records.agreement(splined, values, 1e-6, f"{system}, featomic with its splines")
    return harness.Case(
        "featomic",
        featomic,
        deviation,
        records.agreement(splined, reference),
        "k_cutoff=1.2*pi",
        rounds=1 if slow else None,
        warm_up=not slow,
    )


def equal_accuracy(structures, code, limit, **parameters):
    """A case with the largest ``tol`` that keeps the error below the limit."""
    basis = {key: value for key, value in parameters.items() if key != "dtype"}
    reference = sklode(structures, k_cutoff=K_CONVERGED, **EXACT, **basis)()

    def error_of(tol):
        return records.agreement(sklode(structures, tol=tol, **parameters)(), reference)

    tol, error = records.coarsest_within(TOLERANCES, error_of, limit)
    prepare = partial(sklode, tol=tol, **parameters)
    return harness.Case(code, prepare, error=error, parameters=f"tol={tol:g}")


def cases(structures, system, with_featomic):
    """What is timed, after a check that the same numbers come out."""
    same_k = partial(sklode, k_cutoff=K_CUTOFF)
    values = same_k(structures, **EXACT)()
    reference = sklode(structures, k_cutoff=K_CONVERGED, **EXACT)()
    summed = same_k(structures)()
    deviation = records.agreement(summed, values, 1e-6, f"{system}, sklode within its tol")
    own = records.agreement(summed, reference)
    yield harness.Case("sklode", same_k, deviation, own, "k_cutoff=1.2*pi")
    limit = own
    if with_featomic:
        peer = featomic_case(structures, system, values, reference)
        limit = peer.error
        yield peer
    equal = equal_accuracy(structures, "sklode, equal accuracy", limit)
    yield equal
    yield equal_accuracy(structures, "sklode, equal accuracy, float32", limit, dtype="float32")
    yield single_precision(structures, system, values, reference)
    yield equal_accuracy(structures, "sklode, equal accuracy, one monomial", limit, **ONE_MONOMIAL)
    yield harness.Case("sklode, p = 1, 3, 6 at once", partial(same_k, exponent=[1, 3, 6]))
    yield harness.Case(
        "sklode, p = 1, 3, 6 at once, same tol",
        partial(equal.prepare, exponent=[1, 3, 6]),
        parameters=equal.parameters,
    )
    yield harness.Case(
        "sklode, power spectrum of structures",
        partial(same_k, call="transform", invariants="power_spectrum"),
    )


def single_precision(structures, system, values, reference):
    prepare = partial(sklode, k_cutoff=K_CUTOFF, dtype="float32")
    single = prepare(structures)()
    deviation = records.agreement(single, values, 1e-4, f"{system}, sklode in float32")
    error = records.agreement(single, reference)
    return harness.Case("sklode, float32", prepare, deviation, error, "k_cutoff=1.2*pi")


def large_cases(structures, system, tol, rounds):
    """Sklode alone; the numbers of float64 and of ``tol`` are compared with each other."""
    same_k = partial(sklode, k_cutoff=K_CUTOFF)
    values = same_k(structures)()
    yield harness.Case("sklode", same_k, 0.0, parameters="k_cutoff=1.2*pi", rounds=rounds)
    codes = {
        "sklode, equal accuracy": {"tol": tol},
        "sklode, float32": {"k_cutoff": K_CUTOFF, "dtype": "float32"},
    }
    for code, parameters in codes.items():
        prepare = partial(sklode, **parameters)
        deviation = records.agreement(prepare(structures)(), values, 1e-2, f"{system}, {code}")
        text = f"tol={tol:g}" if "tol" in parameters else "k_cutoff=1.2*pi"
        yield harness.Case(code, prepare, deviation, parameters=text, rounds=rounds)


def tolerance_of(rows):
    """The ``tol`` of the case of equal accuracy among the rows of a system."""
    row = next(row for row in rows if row["code"] == "sklode, equal accuracy")
    return float(row["parameters"].removeprefix("tol="))


def has_mesh():
    """Whether this sklode has a method whose work does not grow with the square of the atoms."""
    return "method" in LongRangePotential().get_params()


def main():
    benchmark = harness.Benchmark("long_range", __doc__)
    print("DScribe has no LODE: it is not in these tables.")
    with_featomic = peers.installed("featomic")
    n = 5 if benchmark.quick else 50
    many = {
        f"16 atoms, {2 * n} cells": systems.different_cells(2 * n, 16),
        "64 atoms, one cell": systems.one_cell(n, 64),
        f"64 atoms, {n} cells": systems.different_cells(n, 64),
    }
    sizes = (64, 216, 512) if benchmark.quick else (64, 216, 512, 1000, 4096)
    single = {f"{size} atoms": [systems.ionic(size)] for size in sizes}
    for system, structures in {**many, **single}.items():
        each = list(cases(structures, system, with_featomic))
        if len(structures[0]) >= SLOW:
            each = [replace(case, rounds=case.rounds or FEW_ROUNDS) for case in each]
        rows = benchmark.compare(system, structures, each)
    large = {1000: 2} if benchmark.quick else {10_000: 3, 20_000: 3, 100_000: 2}
    if not (benchmark.quick or has_mesh()):
        print("this sklode has no mesh: more than 10 000 atoms are left out")
        large = {10_000: 1}
    tol, per_atom = tolerance_of(rows), {}
    for size, rounds in large.items():
        system, structures = f"{size} atoms", [systems.ionic(size)]
        each = list(large_cases(structures, system, tol, rounds))
        rows = benchmark.compare(system, structures, each)
        per_atom[size] = rows[0]["microseconds_per_atom"]
    text = ", ".join(f"{size}: {cost:.1f}" for size, cost in per_atom.items())
    print(f"\nmicroseconds per atom by atoms: {text}")
    benchmark.save()


if __name__ == "__main__":
    main()
