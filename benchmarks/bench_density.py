"""Power spectrum of the local density: sklode beside featomic and DScribe; and molecular dimers.

Crystals: n_max 8, l_max 6, cutoff 5 angstrom, smearing 0.3 angstrom, two elements. Dimers: the
110 of S22x5 in one call, with sklode's default parameters. Neither fit nor splines are timed.
"""

import harness  # before numpy

# isort: split

from functools import partial

import numpy as np
import peers
import systems
from sklearn.base import clone

from sklode import DensityProjector, LongRangePotential, PowerSpectrum

CRYSTALS = {"n_max": 8, "l_max": 6, "cutoff": 5.0, "smearing": 0.3}
MOLECULES = {"n_max": 6, "l_max": 4, "cutoff": 5.0, "smearing": 0.3}


def sklode(structures, transformer, method="transform"):
    """One of sklode's transforms, ready to be timed."""
    return partial(getattr(clone(transformer).fit(structures), method), structures)


def featomic(structures, parameters, **basis):
    """SoapPowerSpectrum, with its default splines if nothing is said."""
    return partial(peers.featomic_soap(**parameters, **basis).compute, structures)


def dscribe(structures, parameters):
    return partial(peers.dscribe_soap(structures, **parameters).create, structures)


def local_cases(structures, system, parameters, found):
    """Density power spectra, after a check that sklode and featomic have the same numbers."""
    density = DensityProjector(**parameters)
    per_atom = partial(sklode, transformer=density, method="transform_atoms")
    values = per_atom(structures)()
    yield harness.Case("sklode, atoms", per_atom, 0.0)
    yield harness.Case("sklode, structures", partial(sklode, transformer=density))
    if "featomic" in found:
        yield _featomic_case(structures, system, parameters, density, values)
    if "dscribe" in found:
        peer = partial(dscribe, parameters=parameters)
        described = peer(structures)()
        if not all(len(x) == len(a) for x, a in zip(described, structures, strict=True)):
            raise SystemExit(f"{system}: DScribe has not one row an atom")
        if not all(np.isfinite(x).all() for x in described):
            raise SystemExit(f"{system}: DScribe has numbers that are not finite")
        yield harness.Case("DScribe, atoms", peer)


def _featomic_case(structures, system, parameters, density, values):
    table = clone(density).fit(structures).feature_table_

    def reference(**basis):
        descriptor = featomic(structures, parameters, **basis)()
        return peers.in_columns_of(table, descriptor, structures)

    exact = reference(spline_accuracy=None)
    harness.agreement(values, exact, 1e-9, f"{system}, featomic without splines")
    splines = harness.agreement(reference(), values, 1e-6, f"{system}, featomic with its splines")
    return harness.Case("featomic, atoms", partial(featomic, parameters=parameters), splines)


def far_cases():
    """What isolated molecules have in sklode only."""
    density, potential = DensityProjector(**MOLECULES), LongRangePotential()
    transformers = {
        "sklode, V, structures": potential,
        "sklode, rho x V, structures": PowerSpectrum(density, potential),
    }
    return [harness.Case(name, partial(sklode, transformer=t)) for name, t in transformers.items()]


def main():
    benchmark = harness.Benchmark("density", __doc__)
    found = [name for name in ("featomic", "dscribe") if peers.installed(name)]
    if "dscribe" in found:
        print("DScribe's GTOs are other functions: its numbers are not compared, only its time.")
    n = 2 if benchmark.quick else 20
    crystals, molecules = systems.one_cell(n, 216), systems.dimers()
    system = "216 atoms"
    benchmark.compare(system, crystals, list(local_cases(crystals, system, CRYSTALS, found)))
    system = "S22x5 dimers"
    cases = [*local_cases(molecules, system, MOLECULES, found), *far_cases()]
    print("The far field V of isolated molecules is sklode's alone.")
    benchmark.compare(system, molecules, cases)
    benchmark.save()


if __name__ == "__main__":
    main()
