"""``sklode predict``: energies, error bars, forces and stresses of structures in files."""

from pathlib import Path

import click

from ..inputs.keys import naming
from ..inputs.labelled_files import name_of, read_files
from ..outputs.files import check_place
from ..outputs.predictions import check_format, write_predictions
from ..validation.predictions import predict_labels
from . import options
from .models import saved_model
from .printing import say


@click.command(epilog=options.example("sklode predict model.skops new.xyz -o predictions.xyz"))
@options.model_file
@options.files
@click.option(
    "--output",
    "-o",
    type=options.FilePath,
    default="predictions.csv",
    help="Ends in .csv, .parquet, .xyz or .extxyz, which decides what it is.",
)
@click.option(
    "--level",
    type=click.Choice(["structure", "atom"]),
    default="structure",
    help="Of tables: a row for each structure, or for each atom with its force.",
)
@click.option("--no-forces", is_flag=True, help="No forces and stresses, which is faster.")
@options.workers
def predict(
    model: Path, files: tuple[Path, ...], output: Path, level: str, no_forces: bool
) -> None:
    """Predict the structures in FILE with a model that was saved.

    Tables have energies and their expected errors in eV, stresses in eV/angstrom^3, or, with
    --level atom, forces in eV/angstrom. Extended XYZ has all of them, as results of calculators
    when ASE reads it, and the expected error as energy_std.
    """
    check_format(output)
    check_place(output, "--output")
    fitted = saved_model(model)
    structures = read_files(files)
    with naming(name_of(files)):
        predictions = predict_labels(fitted, structures, False if no_forces else None)
    write_predictions(output, structures, predictions, level)
    say(f"Written: {output} ({len(structures)} structures)")
