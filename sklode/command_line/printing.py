"""What commands print."""

import os
import sys
from collections.abc import Sequence
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


def say(text: str) -> None:
    """Print a line at once; if nobody reads any more, as after ``| head``, the work goes on."""
    try:
        click.echo(text)
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def warn(text: str) -> None:
    """Print a warning on standard error."""
    click.echo(f"sklode: warning: {text}", err=True)


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
