"""``sklode fit``: a model of the structures in files, with errors on structures left out."""

from pathlib import Path
from typing import Any

import click
from sklearn.base import clone

from ..inputs.array_keys import FRAGMENT, ArrayKeys
from ..inputs.keys import LabelKeys, naming
from ..inputs.labelled_files import in_electronvolts, name_of, read_labelled, stream_files
from ..interaction import InteractionFeatures
from ..outputs.files import check_place, keep_apart, whole_file
from ..plotting.validation import draw_validation
from ..regression import AtomisticRidgeCV
from ..saving import save_model
from ..validation.errors import error_table
from ..validation.experiments import WITHOUT, predict_kept_out
from ..validation.groups import group_labels, keep_out
from . import options
from .models import features_of, naming_culprit
from .pictures import check_picture, need_matplotlib, write_picture
from .printing import chosen_alpha, error_lines, fragments_option, say, warn_of_fragments

CHOSEN, LOCAL = "chosen", "local alone"


@click.command(
    epilog=options.example("sklode fit train.xyz --energy energy --forces forces --group molecule")
)
@options.files
@click.option(
    "--output", "-o", type=options.FilePath, default="model.skops", help="Where the model goes."
)
@click.option(
    "--picture",
    type=options.FilePath,
    help="Parity plot of the structures kept out. By default named as the model, with .png.",
)
@click.option("--no-picture", is_flag=True, help="No structures are kept out for a first fit.")
@options.labels
@options.group
@click.option(
    "--folds",
    type=click.IntRange(min=2),
    help="Leave out so many parts of whole groups to choose the penalty, in place of each group.",
)
@options.features
@options.fragments
@click.option("--force-weight", type=float, default=1.0, help="Angstrom; 0 ignores forces.")
@click.option("--stress-weight", type=float, default=1.0, help="0 ignores stresses.")
@click.option("--energy-per-atom", is_flag=True, help="Structures of all sizes have the same say.")
@click.option(
    "--checkpoint",
    metavar="FILE",
    type=options.FilePath,
    help="For more structures than fit in memory: they are read as they are needed, and the same "
    "command goes on where it was interrupted. Without picture.",
)
@options.seed
@options.workers
def fit(
    files: tuple[Path, ...],
    output: Path,
    picture: Path | None,
    no_picture: bool,
    energy: str | None,
    forces: str | None,
    stress: str | None,
    group: str | None,
    folds: int | None,
    fragments: str | None,
    force_weight: float,
    stress_weight: float,
    energy_per_atom: bool,
    checkpoint: Path | None,
    seed: int,
    **features: Any,
) -> None:
    """Learn energies, forces and stresses of the structures in FILE.

    FILE is extended XYZ or another format of ASE. Features are a local density, and its product
    with the potential 1/r^p of all atoms. Whole groups with about a fifth of the structures, more
    if groups are large, are kept out of first fits, with these features and with local ones alone,
    which predict them: table and picture. The model that is written is fitted to all structures.
    """
    picture = None if no_picture or checkpoint else picture or output.with_suffix(".png")
    described = _described(fragments, features)
    keep_apart(
        [("--output", output), ("--picture", picture), ("--checkpoint", checkpoint)],
        [*files, features["transformer"]],
    )
    check_place(output, "--output")
    model = AtomisticRidgeCV(
        described,
        force_weight=force_weight,
        stress_weight=stress_weight,
        energy_per_atom=energy_per_atom,
        baseline=fragments is None,
        cv=folds,
    )
    keys = LabelKeys(energy, forces, stress), ArrayKeys(fragments)
    culprit = naming_culprit(described, stream_files(files, *keys))
    if checkpoint is not None:
        with culprit:
            _fit_stream(model, files, keys, group, checkpoint)
        _write_model(model, output, fragments)
        return
    judged = {}
    if picture is not None:
        need_matplotlib("--no-picture")
        check_picture(picture, "--picture")
        judged[CHOSEN] = model
        if features["transformer"] is None and not features["local_only"]:
            local = _described(fragments, {**features, "local_only": True})
            judged[LOCAL] = clone(model).set_params(features=local)
    with culprit:
        figure = _fit_in_memory(model, judged, files, keys, group, seed)
    _write_model(model, output, fragments)
    if picture is not None and figure is not None:
        write_picture(figure, picture)


def _described(fragments, features):
    described = features_of(**features)
    return described if fragments is None else InteractionFeatures(described, fragments=FRAGMENT)


def _fit_in_memory(model, judged, files, keys, group, seed):
    """Fit to all structures, after fits to most of them, which predict the rest: a picture."""
    figure = None
    structures = read_labelled(files, *keys)
    if model.baseline:
        warn_of_fragments(structures)
    with naming(name_of(files)):
        groups, what = group_labels(structures, group)
        _check_folds(model.cv, groups, what)
        if judged:
            kept_out = keep_out(structures, groups, seed=seed)
            if kept_out.any():
                figure = _judge(judged, structures, groups, kept_out)
            else:
                say("No group is kept out: the others would be too few, or not tell all elements.")
        say(f"Fit to all {len(structures)} structures ...")
        model.fit(structures, groups=groups)
    _report(model, groups, what)
    return figure


def _judge(models, structures, groups, kept_out):
    """Print the errors of models on what is kept out, and draw those of the first."""
    n_tested, n_groups = kept_out.sum(), len(set(groups[kept_out].tolist()))
    title = f"{n_tested} structures kept out of a fit to {len(structures) - n_tested}"
    say(f"{title} ...")
    tested, found = predict_kept_out(models, structures, groups, kept_out)
    table = error_table(tested, found[CHOSEN])
    for name in [name for name in found if name != CHOSEN]:
        table[name] = error_table(tested, found[name])["rmse"]
    alone = "energies of the elements alone" if models[CHOSEN].baseline else "zero"
    others = f'RMSE "{LOCAL}" is that of --local-only; ' if LOCAL in models else ""
    say(f"{n_groups} groups; {others}{WITHOUT}: {alone}\n")
    say(error_lines(table) + "\n")
    if LOCAL in models:
        better = table.index[table[LOCAL] < table["rmse"]]
        if len(better):
            say(f"Local features alone are better here for: {', '.join(better)}.")
        say("Other groups are kept out with another --seed: look whether that says the same.\n")
    return draw_validation(tested, found[CHOSEN], title)


def _fit_stream(model, files, keys, group, checkpoint):

    check_place(checkpoint, "--checkpoint")
    source = stream_files(files, *keys)
    groups, what = group_labels(in_electronvolts(source, *keys), group)
    _check_folds(model.cv, groups, what)
    try:
        model.fit(source, groups=groups, checkpoint=checkpoint)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("The same command goes on where it was.") from None
    _report(model, groups, what)


def _check_folds(folds, groups, what):
    n_groups = len(set(groups.tolist()))
    if folds is not None and folds > n_groups:
        raise ValueError(
            f"--folds {folds}: there are {n_groups} groups, each a {what}. Give a smaller number, "
            "or other groups with --group."
        )


def _report(model, groups, what):
    learnt = ", ".join(f"{n} of {name}" for name, n in model.n_rows_.items() if n)
    say(f"Fitted {len(groups)} structures ({learnt}).")
    parts = f", in {model.cv} parts" if model.cv else ""
    say(f"Validated by {len(set(groups.tolist()))} groups{parts}, each a {what}.")
    say(chosen_alpha(model))


def _write_model(model, output, fragments):

    with whole_file(output) as unfinished:
        save_model(model, unfinished)
    say(f"Written: {output}")
    say(f"Predict with: sklode predict {output} FILE{fragments_option(fragments)}")
