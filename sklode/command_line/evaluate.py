"""``sklode evaluate``: errors of a model on structures that it has not seen."""

from pathlib import Path

import click
import numpy as np

from ..inputs.array_keys import ArrayKeys
from ..inputs.atoms import describe
from ..inputs.keys import LabelKeys, naming
from ..inputs.labelled_files import name_of, read_labelled, stream_files
from ..label_checks import check_labels
from ..outputs.files import keep_apart, output_folder, whole_file
from ..plotting.validation import draw_learning_curve, draw_validation
from ..validation.errors import (
    error_per_bar,
    error_table,
    largest_errors,
    largest_force_error,
    table_of_errors,
)
from ..validation.experiments import WITHOUT, learning_curve, predict_elements
from ..validation.groups import group_labels
from ..validation.predictions import predict_labels
from . import options
from .models import naming_culprit, saved_model
from .pictures import need_matplotlib, write_picture
from .printing import error_lines, say, warn

_FILES = ("errors.csv", "predictions.csv", "parity.png", "learning_curve.csv", "learning_curve.png")
_WORST = 3  # structures that are named


@click.command(epilog=options.example("sklode evaluate model.skops test.xyz --train train.xyz"))
@options.model_file
@options.files
@click.option(
    "--output",
    "-o",
    metavar="FOLDER",
    type=options.FilePath,
    default="evaluation",
    help="Where table and pictures go.",
)
@options.labels
@options.arrays
@click.option(
    "--train",
    metavar="FILE",
    type=options.FilePath,
    multiple=True,
    help="What the model was fitted to: makes a learning curve, fits to growing parts of it.",
)
@options.group
@options.seed
@options.workers
def evaluate(
    model: Path,
    files: tuple[Path, ...],
    output: Path,
    energy: str | None,
    forces: str | None,
    stress: str | None,
    fragments: str | None,
    charges: str | None,
    train: tuple[Path, ...],
    group: str | None,
    seed: int,
) -> None:
    """Compare a model with the labels of structures that it was not fitted to.

    Prints errors and the worst structures, and writes a table, parity plots, error bars against
    errors, and with --train a learning curve.
    """
    need_matplotlib()
    keep_apart([("--output", output / name) for name in _FILES], [model, *files, *train])
    keys = LabelKeys(energy, forces, stress), ArrayKeys(fragments, charges)
    fitted = saved_model(model)
    structures = read_labelled(files, *keys)
    if train:
        trained = read_labelled(train, *keys)
        with naming(name_of(train)):
            groups, _ = group_labels(trained, group)
        _warn_of_known(structures, trained)
    with output_folder(output, _FILES) as folder:
        features = getattr(fitted, "features_", fitted)
        culprit = naming_culprit(features, stream_files(files, keys[1]))
        with culprit, naming(name_of(files)):
            predictions = predict_labels(fitted, structures)
        table = error_table(structures, predictions)
        if train and getattr(fitted, "baseline_", None):
            alone = predict_elements(trained, structures)  # the model's own fit its features
            table[WITHOUT] = error_table(structures, alone)["rmse"]
        say(f"{len(structures)} structures of {name_of(files)}\n")
        say(error_lines(table) + "\n")
        ratio = error_per_bar(structures, predictions)
        if np.isfinite(ratio):
            say(f"Errors of energies are {ratio:.2f} times their bars (root mean square).")
        _name_worst(structures, predictions)
        _write(folder, table, structures, predictions, name_of(files))
        if train:
            with naming(name_of(train)):
                curve = learning_curve(fitted, trained, groups, structures, seed=seed)
            _write_curve(folder, curve)


def _warn_of_known(structures, trained):
    """Say how many structures are much like some that the model was fitted to."""
    sides = ["tested"] * len(structures) + ["trained"] * len(trained)
    findings = check_labels([*structures, *trained], groups=sides)
    alike = findings.loc[findings["finding"] == "groups_overlap", "structure"].unique()
    n_known = int((alike < len(structures)).sum())
    if n_known:
        warn(
            f"{n_known} of {len(structures)} structures are equal to structures of --train, or "
            "nearly so. Their errors say little about others."
        )


def _name_worst(structures, predictions):

    worst = largest_errors(structures, predictions)[:_WORST]
    named = [f"{describe(i, structures[i])} {error:+.4g} eV" for i, error in worst]
    if named:
        say(f"Largest errors of energies: {', '.join(named)}.")
    force = largest_force_error(structures, predictions)
    if force is not None:
        index, atom, size = force
        where = f"{describe(index, structures[index])}, atom {atom}"
        say(f"Largest error of a force: {where}: {size:.4g} eV/A.")


def _write(folder, table, structures, predictions, name):

    with whole_file(folder / "errors.csv") as unfinished:
        table.to_csv(unfinished)
    say(f"Written: {folder / 'errors.csv'}")
    with whole_file(folder / "predictions.csv") as unfinished:
        table_of_errors(structures, predictions).to_csv(unfinished, index=False)
    say(f"Written: {folder / 'predictions.csv'}")
    write_picture(draw_validation(structures, predictions, name), folder / "parity.png")


def _write_curve(folder, curve):
    say("\n" + curve.to_string(index=False, float_format=lambda value: f"{value:.4g}") + "\n")
    with whole_file(folder / "learning_curve.csv") as unfinished:
        curve.to_csv(unfinished, index=False)
    say(f"Written: {folder / 'learning_curve.csv'}")
    write_picture(draw_learning_curve(curve), folder / "learning_curve.png")
