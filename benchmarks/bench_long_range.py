"""Far-field coefficients (LODE) of periodic structures: sklode beside featomic.

Five GTOs of radius 5 angstrom, l <= 3, smearing 1 angstrom, p = 1, two elements, the centre's own
potential included, the same k_cutoff = 1.2 pi. Neither fit nor splines are timed.
"""

import harness  # before numpy

# isort: split

from functools import partial

import numpy as np
import peers
import systems

from sklode import LongRangePotential

BASIS = {"n_max": 5, "l_max": 3, "cutoff": 5.0, "smearing": 1.0}
K_CUTOFF = 1.2 * np.pi


def sklode(structures, method="transform_atoms", **parameters):
    """One of sklode's transforms, ready to be timed."""
    parameters = {**BASIS, "exponent": 1, "radial_basis": "gto", "invariants": None, **parameters}
    lode = LongRangePotential(include_center=True, **parameters).fit(structures)
    return partial(getattr(lode, method), structures)


def featomic(structures, **basis):
    """LODE of featomic, with its default splines if nothing is said."""
    calculator = peers.featomic_lode(exponent=1, k_cutoff=K_CUTOFF, **BASIS, **basis)
    return partial(calculator.compute, structures)


def featomic_values(structures, **basis):
    table = LongRangePotential(**BASIS, invariants=None).fit(structures).feature_table_
    return peers.in_columns_of(table, featomic(structures, **basis)(), structures)


def cases(structures, system, with_featomic):
    """What is timed, after a check that the same numbers come out."""
    same_k = partial(sklode, k_cutoff=K_CUTOFF)
    values = same_k(structures)()
    within_tol = partial(sklode, tol=1e-6)
    yield harness.Case("sklode", same_k, 0.0)
    if with_featomic:
        exact = featomic_values(structures, spline_accuracy=None)
        harness.agreement(values, exact, 1e-9, f"{system}, featomic without splines")
        splines = harness.agreement(
            featomic_values(structures), values, 1e-6, f"{system}, featomic with its splines"
        )
        yield harness.Case("featomic", featomic, splines)
    deviation = harness.agreement(within_tol(structures)(), values)
    yield harness.Case("sklode, tol=1e-6", within_tol, deviation)
    yield harness.Case(
        "sklode, tol=1e-6, one monomial",
        partial(within_tol, radial_basis="monomial", n_max=1),
    )
    yield harness.Case("sklode, p = 1, 3, 6 at once", partial(same_k, exponent=[1, 3, 6]))
    yield harness.Case(
        "sklode, power spectrum of structures",
        partial(same_k, method="transform", invariants="power_spectrum"),
    )


def main():
    benchmark = harness.Benchmark("long_range", __doc__)
    print("DScribe has no LODE: it is not in these tables.")
    with_featomic = peers.installed("featomic")
    n = 5 if benchmark.quick else 50
    many = {
        "64 atoms, one cell": systems.one_cell(n, 64),
        f"64 atoms, {n} cells": systems.different_cells(n, 64),
    }
    sizes = (216,) if benchmark.quick else (216, 512, 1000)
    single = {f"{size} atoms": [systems.ionic(size)] for size in sizes}
    for system, structures in {**many, **single}.items():
        benchmark.compare(system, structures, list(cases(structures, system, with_featomic)))
    benchmark.save()


if __name__ == "__main__":
    main()
