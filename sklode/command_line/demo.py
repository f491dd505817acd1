"""``sklode demo``: local features against local and long-range ones, on dimers."""

from pathlib import Path

import click

from ..demo.experiment import Demo
from ..demo.files import FILES, read_dimers, write_results
from ..demo.verdict import table, verdict
from ..inputs.array_keys import FRAGMENT
from ..inputs.keys import naming
from ..outputs.files import keep_apart, output_folder
from . import options
from .pictures import need_matplotlib
from .printing import fragments_option, say, warn_of_fragments

_OF_DATA = ("energy", "group", "distance", "fragments", "charges")


@click.command(
    epilog=options.example(
        "sklode demo --data dimers.xyz --energy energy --distance distance --fragments natoms_A"
    )
)
@click.option("--data", metavar="FILE", type=options.FilePath, help="Extended XYZ file of yours.")
@click.option(
    "--energy",
    metavar="KEY",
    help="Key of the energy in eV (or in the unit under the key energy_unit); by default the "
    "calculator's energy.",
)
@click.option(
    "--group",
    metavar="KEY",
    help="Key that names the molecules, left out together; by default the chemical formula.",
)
@click.option(
    "--distance", metavar="KEY", help="Key of the separation; the 60 % nearest are trained on."
)
@click.option(
    "--fragments",
    metavar="KEY",
    help="Per-atom array of integers, or key of the atom count of the first molecule; then the "
    "energies are interaction energies, otherwise total energies.",
)
@click.option(
    "--charges",
    metavar="KEY",
    help="Per-atom array of charges, or key of the total charge; by default charge_A and charge_B "
    "of the fragments, initial_charges, or total_charge, if the file has them.",
)
@click.option(
    "--output",
    "-o",
    metavar="FOLDER",
    type=options.FilePath,
    default="sklode_demo",
    help="Where predictions, model and picture go.",
)
def demo(data: Path | None, output: Path, **keys: str | None) -> None:
    """Compare local features with local and long-range ones on dimers.

    Trains ridge regression on dimers at small separations, predicts the large ones, and leaves
    whole groups out. Without --data on the 110 S22x5 dimers.
    """
    if data is None and any(keys[name] is not None for name in _OF_DATA):
        raise ValueError(
            "--energy, --group, --distance, --fragments and --charges belong to --data FILE."
        )
    need_matplotlib()
    keep_apart([("--output", output / name) for name in FILES], [data])
    with output_folder(output, FILES) as folder, naming(data):
        dimers = read_dimers(data, **keys)
        if not dimers.has_fragments:
            warn_of_fragments(dimers.structures)
        results = Demo(dimers).run()
    unit, errors = table(results.errors)
    say(f"\n{len(results.predictions)} structures, RMSE in {unit}\n")
    say(errors.to_string(float_format=lambda value: f"{value:.4f}"))
    say("\n" + verdict(results))
    written, failures = write_results(
        folder, results.predictions, results.model, results.local_model
    )
    if written:
        say("\nWritten: " + ", ".join(str(path) for path in written))
        stored = next((path for path in written if path.suffix == ".skops"), None)
        if stored:
            option = fragments_option(keys["fragments"])
            option += f" --charges {keys['charges']}" if keys["charges"] else ""
            say(f"Predict with: sklode predict {stored} FILE{option}")
            say(f'or in Python: sklode.load_model("{stored}").predict(list_of_atoms)')
            needed = _needed_arrays(dimers)
            if needed:
                say(f"whose structures have {needed}.")
    if failures:
        raise OSError(" ".join(failures))


def _needed_arrays(dimers):
    """Per-atom arrays that the model reads."""
    names = [FRAGMENT] * dimers.has_fragments + [dimers.charges] * (dimers.charges is not None)
    arrays = " and ".join(f"'{name}'" for name in names)
    return f"per-atom array{'s' * (len(names) > 1)} {arrays}" if names else ""
