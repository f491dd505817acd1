"""Features of a file of molecules, written to disk: workers, memory, bytes on the wire.

``sklode.featurize`` reads an extended XYZ file of benzene molecules and writes Parquet; the loop by
hand does the same with featomic's power spectrum: batches of structures from ASE, rows summed over
the atoms, one Parquet file a batch. Peak memory is that of the process that reads and writes; what
two workers take beside it is not in it.
"""

import harness  # before numpy

# isort: split

import pickle
import tempfile
from functools import partial
from itertools import islice
from pathlib import Path

import ase.io
import numpy as np
import pandas as pd
import peers
import records
from ase.build import molecule

import sklode
from sklode import DensityProjector
from sklode.parquet.columns import schema
from sklode.parquet.described import Describer
from sklode.parquet.encoder import Encoder
from sklode.parquet.parts import settings_metadata
from sklode.physics import blocks
from sklode.streaming import Source, batches

PARAMETERS = {"n_max": 4, "l_max": 3, "cutoff": 4.0, "smearing": 0.3}
PER_BATCH = 1000  # structures of the loop by hand
COMPARED = 50


class Molecules:
    """A file of molecules, each displaced, which is written once.

    Parameters
    ----------
    count : int
    folder : path-like
    """

    def __init__(self, count, folder):
        self.path, self._count = Path(folder) / f"{count}.xyz", count
        with self.path.open("w") as file:
            for atoms in self:
                rows = zip(atoms.symbols, atoms.positions, strict=True)
                lines = [f"{s} {x:.6f} {y:.6f} {z:.6f}\n" for s, (x, y, z) in rows]
                file.write(f'{len(atoms)}\nProperties=species:S:1:pos:R:3 pbc="F F F"\n')
                file.writelines(lines)

    def __len__(self):
        return self._count

    def __iter__(self):
        rng = np.random.default_rng(0)
        for _ in range(self._count):
            atoms = molecule("C6H6")
            atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
            yield atoms


def fitted():
    """The power spectrum of the local density."""
    return DensityProjector(**PARAMETERS).fit([molecule("C6H6")])


def featurized(molecules, n_jobs):
    """One call of featurize to a new folder, ready to be timed."""
    transformer = fitted()

    def call():
        with tempfile.TemporaryDirectory(dir=molecules.path.parent) as folder:
            return sklode.featurize(transformer, molecules.path, folder, n_jobs=n_jobs).n_structures

    return call


def by_hand(molecules):
    """The loop with featomic, ready to be timed."""
    calculator = peers.featomic_soap(**PARAMETERS)

    def call():
        structures = ase.io.iread(molecules.path)
        with tempfile.TemporaryDirectory(dir=molecules.path.parent) as folder:
            for number, part in enumerate(iter(lambda: list(islice(structures, PER_BATCH)), [])):
                frame = pd.DataFrame(summed(calculator, part))
                frame.columns = frame.columns.astype(str)
                frame.to_parquet(Path(folder) / f"{number:06d}.parquet")

    return call


def summed(calculator, structures):
    """One row a structure, of featomic's blocks in their order."""
    descriptor = calculator.compute(structures)
    descriptor = descriptor.keys_to_samples("center_type")
    descriptor = descriptor.keys_to_properties(["neighbor_1_type", "neighbor_2_type"])
    block = descriptor.block()
    rows = np.zeros((len(structures), len(block.properties)))
    np.add.at(rows, block.samples.column("system"), block.values)
    return rows


def deviation(folder):
    """Of featomic's rows from those on disk, for some structures."""
    few = Molecules(COMPARED, folder)
    structures, transformer = list(Source(few.path)), fitted()
    with tempfile.TemporaryDirectory(dir=folder) as written:
        frame = sklode.featurize(transformer, few.path, written)
        rows = frame.read(frame.feature_names).to_numpy()
    calculator = peers.featomic_soap(**PARAMETERS)
    table = transformer.feature_table_
    per_atom = peers.in_columns_of(table, calculator.compute(structures), structures)
    expected = per_atom.reshape(COMPARED, -1, per_atom.shape[1]).sum(axis=1)
    return records.agreement(expected, rows, 1e-6, "featomic with its splines")


def on_the_wire(molecules):
    """Bytes a structure to a worker and back."""
    describer = Describer(fitted(), "structure", ())
    names = list(describer.transformer.get_feature_names_out())
    columns = schema("structure", {}, names, "float64", settings_metadata({}))
    work = Encoder(describer, columns, {}, None)
    batch = next(batches.cut(Source(molecules.path), blocks.BATCH_ATOMS, blocks.BATCH_ATOMS))
    there, back = (len(pickle.dumps(item)) / len(batch.records) for item in (batch, work(batch)))
    return (
        f"batches of {len(batch.records)} structures; bytes a structure on the wire: "
        f"{there:.0f} to the worker, {back:.0f} back; {len(pickle.dumps(work))} for the transformer"
    )


def main():
    benchmark = harness.Benchmark("featurize", __doc__)
    sizes = (100, 400) if benchmark.quick else (1000, 10_000, 100_000)
    timed = sizes[1]
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            molecules = Molecules(size, folder)
            rounds = None if size <= timed else 1
            how = {"rounds": rounds, "warm_up": rounds is None}
            alone = partial(featurized, n_jobs=1)
            cases = [
                harness.Case("sklode, n_jobs=1", alone, parameters=on_the_wire(molecules), **how)
            ]
            if size == timed:
                two = partial(featurized, n_jobs=2)
                cases += [harness.Case("sklode, n_jobs=2", two, memory=False)]
                if peers.installed("featomic"):
                    cases += [harness.Case("featomic by hand", by_hand, deviation(folder))]
            benchmark.compare(f"{size} molecules of 12 atoms", molecules, cases)
    benchmark.save()


if __name__ == "__main__":
    main()
