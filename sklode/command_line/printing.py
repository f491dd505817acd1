"""What commands print."""

import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import click
import numpy as np
import pandas as pd
from ase import Atoms

from ..inputs.array_keys import FRAGMENT, likely_fragments
from ..validation.errors import ENERGY_PER_ATOM, FORCES, STRESS

_ERRORS = {
    "rmse_energy_per_atom": ENERGY_PER_ATOM,
    "rmse_forces": FORCES,
    "rmse_stress": STRESS,
}


_OPTIONS = [  # what the library says of its arguments, and what commands have in their place
    (
        r"Choosing among alphas needs .* Pass a single alpha: alphas=1e-4\.",
        "fit needs at least two structures with labels, to leave out each.",
    ),
    (r"Pass other groups, or a single alpha: alphas=1e-4\.", "Give other groups with --group."),
    (r"Repair it, or pass None to leave it out\.", "Repair it, or remove the structure."),
    (
        r"Repair them, pass None to leave out .* of these atoms\.",
        "Repair them, or remove the structure.",
    ),
    (
        r"; pass species=\[\.\.\.\] .* such atoms as absent\.",
        ". Fit to structures that have all elements.",
    ),
    (r'Or pass on_error="skip", which lists', "Or give --on-error skip, which lists"),
    (r"call featurize again to go on", "give the same command to go on"),
    (r"Call featurize again to go on", "Give the same command to go on"),
    (r"fewer workers or smaller batch_atoms", "a smaller --n-jobs or --batch-atoms"),
    (
        r"pass y, as in y=\[a\.info\['(.*?)'\] for a in X\]; with y, .* too\.",
        r"give --energy \1, and --forces and --stress if there are such keys.",
    ),
    (r"Pass y or forces, or attach calculators with results\.", "Name keys with --energy."),
    (
        r"Pass other groups, or baseline=False if",
        "Give other groups with --group, or --fragments if",
    ),
    (r"sklode\.check_labels lists all\.", "`sklode check` lists all."),
    (r"pass stresses=\.", "give --stress."),
]


def in_options(text: str) -> str:
    """A message of the library in words of the command line."""
    for of_library, of_commands in _OPTIONS:
        text = re.sub(of_library, of_commands, text)
    return text


def say(text: str) -> None:
    """Print a line at once; if it cannot be written, as after ``| head``, the work goes on."""
    try:
        click.echo(text)
    except OSError as error:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        if not isinstance(error, BrokenPipeError):  # readers leave when they have seen enough
            warn(f"what is printed is lost ({error.strerror}). The work goes on.")


def warn(text: str) -> None:
    """Print a warning on standard error."""
    complain(f"warning: {text}")


def complain(text: str) -> None:
    """Print a line on standard error, in words of the command line; if this fails, so be it."""
    with suppress(OSError):
        print("sklode: " + in_options(" ".join(text.split())), file=sys.stderr)


def error_lines(table: pd.DataFrame) -> str:
    """A table of errors as text."""
    names = {"rmse": "RMSE", "mae": "MAE", "spread": "std of reference"}
    shown = table.rename(columns=names).rename_axis(None)
    return shown.to_string(float_format=lambda value: f"{value:.4g}")


def chosen_alpha(model: Any) -> str:
    """The penalty of a model, and its cross-validated errors."""
    results = model.cv_results_
    chosen = int(np.flatnonzero(results["alpha"] == model.alpha_)[0])
    errors = [
        f"{name} {results[key][chosen]:.4g}" for key, name in _ERRORS.items() if key in results
    ]
    found = f"alpha {model.alpha_:g}"
    return f"{found}; left-out RMSE: {'; '.join(errors)}" if errors else found


def fragments_option(key: str | None) -> str:
    """What a command needs beside a model of interactions."""
    return "" if key in (None, FRAGMENT) else f" --fragments {key}"


def warn_of_fragments(structures: Sequence[Atoms]) -> None:
    """Say so if structures tell their molecules, which nobody has named."""
    key = likely_fragments(structures)
    if key is not None:
        warn(
            f"the structures have '{key}'. If their energies are those of interaction, pass "
            f"--fragments {key}: they are taken for total energies."
        )
