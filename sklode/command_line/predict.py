"""``sklode predict``: energies, error bars, forces and stresses of structures in files."""

from pathlib import Path

import click

from ..inputs.array_keys import ArrayKeys
from ..inputs.keys import naming
from ..inputs.labelled_files import name_of, stream_files
from ..outputs.files import check_place, keep_apart
from ..outputs.predictions import check_format, write_predictions
from ..outputs.stored_predictions import StoredPredictions
from ..validation.predictions import has_gradients
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
@options.arrays
@click.option("--no-forces", is_flag=True, help="No forces and stresses, which is faster.")
@options.workers
def predict(
    model: Path,
    files: tuple[Path, ...],
    output: Path,
    level: str,
    fragments: str | None,
    charges: str | None,
    no_forces: bool,
) -> None:
    """Predict the structures in FILE with a model that was saved.

    Tables have energies and their expected errors in eV, stresses in eV/angstrom^3, or, with
    --level atom, forces in eV/angstrom. Extended XYZ has all of them, as results of calculators
    when ASE reads it, and the expected error as energy_std.

    They are read as they are needed, so that there may be more than fit in memory. After an
    interruption the same command goes on.
    """
    check_format(output)
    keep_apart([("--output", output)], [model, *files])
    check_place(output, "--output")
    fitted = saved_model(model)
    derivatives = has_gradients(fitted) and not no_forces
    if level == "atom" and not derivatives:
        reason = "--no-forces leaves out" if no_forces else "this model does not predict"
        raise ValueError(f"--level atom: rows of atoms hold forces, which {reason}.")
    parts = output.with_name(f"{output.name}.parts")
    stored = StoredPredictions(
        fitted, derivatives, stream_files(files, ArrayKeys(fragments, charges)), parts
    )
    try:
        with naming(name_of(files) if fragments or charges else None):  # else they say it
            stored.compute()
        write_predictions(output, stored, level)
    except KeyboardInterrupt:
        state = f"with what is in {parts}" if parts.exists() else "from the beginning"
        raise KeyboardInterrupt(f"The same command goes on {state}.") from None
    stored.remove()
    say(f"Written: {output} ({stored.n_structures} structures)")
