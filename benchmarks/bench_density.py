"""Power spectrum of the local density: sklode beside featomic and DScribe; and molecular dimers.

Crystals: n_max 8, l_max 6, cutoff 5 angstrom, smearing 0.3 angstrom, two elements, 20 structures in
one call and single ones of growing size. Dimers in one call, with sklode's default parameters: the
110 of S22x5 and, with --data, 130 pairs of ions in periodic cells and 2254 pairs of side chains.
Neither fit nor splines are timed.
"""

import harness  # before numpy

# isort: split

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import peers
import records
import systems
from sklearn.base import clone

from sklode import DensityProjector, LongRangePotential, PowerSpectrum

CRYSTALS = {"n_max": 8, "l_max": 6, "cutoff": 5.0, "smearing": 0.3}
MOLECULES = {"n_max": 6, "l_max": 4, "cutoff": 5.0, "smearing": 0.3}
CHECKED = 110  # structures whose numbers are compared with featomic's
OPTIONS = {
    "--data": {
        "type": Path,
        "help": f"folder of {' and '.join(systems.DIMER_FILES.values())}, extended XYZ files",
    }
}


def sklode(structures, transformer, method="transform"):
    """One of sklode's transforms, ready to be timed."""
    return partial(getattr(clone(transformer).fit(structures), method), structures)


def featomic(structures, parameters, **basis):
    """SoapPowerSpectrum, with its default splines if nothing is said."""
    return partial(peers.featomic_soap(**parameters, **basis).compute, structures)


def dscribe(structures, parameters):
    return partial(peers.dscribe_soap(structures, **parameters).create, structures)


def local_cases(structures, system, parameters, found, rounds=None):
    """Density power spectra, after a check that sklode and featomic have the same numbers."""
    # where the result is large, the system may give its memory to others between the rounds
    how = {"rounds": rounds, "again": rounds is not None}
    density = DensityProjector(**parameters)
    per_atom = partial(sklode, transformer=density, method="transform_atoms")
    yield harness.Case("sklode, atoms", per_atom, 0.0, **how)
    per_structure = partial(sklode, transformer=density)
    yield harness.Case("sklode, structures", per_structure, **how)
    if "featomic" in found:
        deviation = _check_featomic(structures[:CHECKED], system, parameters, density)
        peer = partial(featomic, parameters=parameters)
        yield harness.Case("featomic, atoms", peer, deviation, **how)
    if "dscribe" in found:
        peer = partial(dscribe, parameters=parameters)
        _check_dscribe(structures[:CHECKED], system, peer)
        yield harness.Case("DScribe, atoms", peer, **how)


def _check_featomic(structures, system, parameters, density):
    """Deviation of featomic with its splines; without them it must have sklode's numbers."""
    density = clone(density).fit(structures)
    values = density.transform_atoms(structures)

    def reference(**basis):
        descriptor = featomic(structures, parameters, **basis)()
        return peers.in_columns_of(density.feature_table_, descriptor, structures)

    exact = reference(spline_accuracy=None)
    records.agreement(values, exact, 1e-9, f"{system}, featomic without splines")
    return records.agreement(reference(), values, 1e-6, f"{system}, featomic with its splines")


def _check_dscribe(structures, system, peer):
    described = peer(structures)()
    if len(structures) == 1:
        described = [described]
    if not all(len(x) == len(a) for x, a in zip(described, structures, strict=True)):
        raise SystemExit(f"{system}: DScribe has not one row an atom")
    if not all(np.isfinite(x).all() for x in described):
        raise SystemExit(f"{system}: DScribe has numbers that are not finite")


def far_cases(rounds=None):
    """What isolated molecules have in sklode only."""
    density, potential = DensityProjector(**MOLECULES), LongRangePotential()
    transformers = {
        "sklode, V, structures": potential,
        "sklode, rho x V, structures": PowerSpectrum(density, potential),
    }
    return [
        harness.Case(name, partial(sklode, transformer=t), rounds=rounds)
        for name, t in transformers.items()
    ]


def compare_dimers(benchmark, found):
    """All sets of dimers that there are; the large one in few rounds."""
    rounds = {"SSI dimers": 2}
    sets = {"S22x5 dimers": systems.dimers()}
    for system in systems.DIMER_FILES:
        count = 20 if benchmark.quick else None
        structures = systems.dimers_of_file(system, benchmark.arguments.data, count)
        if structures is not None:
            sets[system] = structures
    for system, structures in sets.items():
        few = rounds.get(system)
        local = local_cases(structures, system, MOLECULES, found, few)
        each = [replace(case, memory=few is None) for case in (*local, *far_cases(few))]
        benchmark.compare(system, structures, each)


def main():
    benchmark = harness.Benchmark("density", __doc__, OPTIONS)
    found = [name for name in ("featomic", "dscribe") if peers.installed(name)]
    if "dscribe" in found:
        print("DScribe's GTOs are other functions: its numbers are not compared, only its time.")
    n = 2 if benchmark.quick else 20
    sizes = (64, 216) if benchmark.quick else (64, 216, 512, 1000, 4096)
    crystals = {f"{n} of 216 atoms": systems.one_cell(n, 216)}
    crystals |= {f"{size} atoms": [systems.ionic(size)] for size in sizes}
    for system, structures in crystals.items():
        cases = list(local_cases(structures, system, CRYSTALS, found))
        benchmark.compare(system, structures, cases)
    print("The far field V of isolated molecules is sklode's alone.")
    compare_dimers(benchmark, found)
    benchmark.save()


if __name__ == "__main__":
    main()
