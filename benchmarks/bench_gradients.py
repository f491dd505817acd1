"""Power spectra with gradients: sklode beside featomic.

130 pairs of molecular ions in cells of 30 angstrom (``--data FOLDER`` holds
charge_charge_dimers.xyz): rho x rho and rho x V (p = 1, three Gaussian-type functions of radius 2
angstrom, smearing 3 angstrom), pooled over atoms, with the derivatives by all positions; and
rho x V of crystals in cells of their own (smearing 1 angstrom). featomic has gradients of every
atom's row, which are added up to be compared; its time contains neither that nor its splines.
Before, the reverse pass of one structure beside its forward pass.
"""

import harness  # before numpy

# isort: split

from functools import partial
from pathlib import Path

import numpy as np
import peers
import records
import systems
from ase.data import atomic_numbers
from ase.io import read
from joblib import parallel_config
from sklearn.base import clone

from sklode import DensityProjector, LongRangePotential, PowerSpectrum

DENSITY = {"n_max": 6, "l_max": 2, "cutoff": 3.0, "smearing": 0.3}
WIDE = {"n_max": 3, "l_max": 2, "cutoff": 2.0, "smearing": 3.0}
NARROW = WIDE | {"smearing": 1.0}
ION_PAIRS = "charge_charge_dimers.xyz"
OPTIONS = {"--data": {"type": Path, "help": f"folder of {ION_PAIRS}"}}
FORWARD = {
    "cutoff": 5.0, "n_max": 5, "l_max": 3, "smearing": 1.0, "radial_basis": "gto",
    "invariants": None,
}  # fmt: skip


def spectra(far):
    """Both power spectra of sklode, by name."""
    rho = DensityProjector(**DENSITY)
    potential = LongRangePotential(
        1, radial_basis="gto", k_cutoff=k_cutoff(far), include_center=True, tol=1e-12, **far
    )
    return {"rho x rho": PowerSpectrum(rho), "rho x V": PowerSpectrum(rho, potential)}


def k_cutoff(far):
    """That of featomic, in 1/angstrom."""
    return 1.2 * np.pi / far["smearing"]


def sklode(structures, transformer):
    """Rows and their gradients, ready to be timed; threads of others are workers here."""
    transformer.fit(structures)

    def call():
        with parallel_config(n_jobs=harness.THREADS):
            return transformer.transform_with_gradients(structures)

    return call


def featomic_spectrum(name, far, **basis):
    """The calculator of featomic, with its default splines if nothing is said."""
    from featomic import SphericalExpansion
    from featomic.clebsch_gordan import PowerSpectrum as Invariants

    local = SphericalExpansion(
        cutoff={"radius": DENSITY["cutoff"], "smoothing": {"type": "ShiftedCosine", "width": 0.5}},
        density={"type": "Gaussian", "width": DENSITY["smearing"]},
        basis={
            "type": "TensorProduct",
            "max_angular": DENSITY["l_max"],
            "radial": {"type": "Gto", "max_radial": DENSITY["n_max"] - 1},
            **basis,
        },
    )
    lode = None
    if name == "rho x V":
        lode = peers.featomic_lode(exponent=1, k_cutoff=k_cutoff(far), **far, **basis)
    return Invariants(local, lode)


def featomic(structures, name, far, **basis):
    """Rows and gradients of featomic, ready to be timed."""
    calculator = featomic_spectrum(name, far, **basis)
    return partial(calculator.compute, structures, gradients=["positions"])


def summed(descriptor, table, structures):
    """Rows of structures and their gradients, in the columns of sklode, from those of atoms."""
    rows = np.zeros((len(structures), len(table)))
    gradients = [np.zeros((len(atoms), 3, len(table))) for atoms in structures]
    for block in descriptor.blocks():
        source, factor = columns_of(table, block)
        owner = block.samples.column("system")
        np.add.at(rows, owner, block.values.reshape(len(owner), -1)[:, source] * factor)
        gradient = block.gradient("positions")
        values = gradient.values.reshape(len(gradient.samples), 3, -1)[:, :, source] * factor
        systems_and_atoms = (gradient.samples.column(name) for name in ("system", "atom"))
        for value, system, atom in zip(values, *systems_and_atoms, strict=True):
            gradients[system][atom] += value
    return rows, gradients


def columns_of(table, block):
    """Which property of a block each of sklode's columns is, and how often it counts.

    sklode has one of both orders of unlike channels in a spectrum of the density with itself.
    """
    order = {tuple(map(int, values)): i for i, values in enumerate(block.properties.values)}
    fields = ["family", "l", "species_1", "n_1", "species_2", "n_2"]
    source, factor = [], []
    for family, l, first, n_1, second, n_2 in table[fields].itertuples(index=False):
        name = int(l), atomic_numbers[first], int(n_1), atomic_numbers[second], int(n_2)
        source.append(order[name])
        unlike = (first, n_1) != (second, n_2)
        factor.append(np.sqrt(2.0) if family == "rho" and unlike else 1.0)
    return np.array(source), np.array(factor)


def cases(structures, names, far):
    for name in names:
        transformer = spectra(far)[name]
        prepare = partial(sklode, transformer=transformer)
        rows, gradients = prepare(structures)()
        yield harness.Case(f"sklode, {name}", prepare, 0.0)
        if peers.installed("featomic"):
            peer = partial(featomic, name=name, far=far)
            table = transformer.fit(structures).feature_table_
            exact = peer(structures, spline_accuracy=None)()
            their_rows, theirs = summed(exact, table, structures)
            records.agreement(their_rows, rows, 1e-8, f"{name}, rows")
            flat = [np.concatenate([g.ravel() for g in all_of]) for all_of in (theirs, gradients)]
            deviation = records.agreement(*flat, 1e-8, f"{name}, gradients")
            yield harness.Case(f"featomic, {name}", peer, deviation, rounds=3)


def forward_and_backward(structures, backward, projector):
    """One pass forward, or forward and backward, ready to be timed."""
    fitted = clone(projector).fit(structures)
    factors = np.random.default_rng(0).normal(size=fitted.transform(structures).shape)
    return (
        partial(fitted.backpropagate, structures, factors)
        if backward
        else partial(fitted.transform, structures)
    )


def main():
    benchmark = harness.Benchmark("gradients", __doc__, OPTIONS)
    size = 216 if benchmark.quick else 1000
    structures = [systems.ionic(size)]
    paths = {
        method: LongRangePotential(1, include_center=True, method=method, tol=4e-4, **FORWARD)
        for method in ("direct", "nufft")
    }
    paths["pairs"] = DensityProjector(n_max=5, l_max=3, invariants=None)
    passes = {
        f"{path}, {name}": partial(forward_and_backward, backward=backward, projector=projector)
        for path, projector in paths.items()
        for name, backward in (("forward", False), ("forward and backward", True))
    }
    each = [harness.Case(f"sklode, {name}", prepare) for name, prepare in passes.items()]
    benchmark.compare(f"{size} atoms", structures, each)
    for size, count in ((16, 4),) if benchmark.quick else ((16, 50), (64, 4)):
        crystals = systems.different_cells(count, size)
        each = list(cases(crystals, ["rho x V"], NARROW))
        benchmark.compare(f"{size} atoms, {count} cells", crystals, each)
    folder = benchmark.arguments.data
    if folder is None or not (folder / ION_PAIRS).exists():
        print(f"no {ION_PAIRS}: give its folder with --data")
    else:
        pairs = read(folder / ION_PAIRS, ":")[:: 26 if benchmark.quick else 1]
        each = list(cases(pairs, ["rho x rho", "rho x V"], WIDE))
        benchmark.compare(f"{len(pairs)} ion pairs", pairs, each)
    benchmark.save()


if __name__ == "__main__":
    main()
