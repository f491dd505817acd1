"""``sklode info``: what a saved model is."""

from pathlib import Path

import click
import numpy as np
from ase import Atoms

from ..streaming.fitted import is_fitted
from ..validation.predictions import has_gradients
from . import options
from .models import refuse_unfitted, saved_estimator
from .printing import chosen_alpha, say


@click.command(epilog=options.example("sklode info model.skops"))
@options.model_file
def info(model: Path) -> None:
    """Show the settings, elements and cross-validated errors of a saved model or transformer."""
    fitted = saved_estimator(model)
    if hasattr(fitted, "predict"):
        refuse_unfitted(model, fitted)
    say(repr(fitted))
    if not is_fitted(fitted):
        say("not fitted")
        return
    transformer = getattr(fitted, "features_", fitted)
    if hasattr(transformer, "get_feature_names_out"):
        say(f"features: {len(transformer.get_feature_names_out())}")
    if not hasattr(fitted, "cv_results_") or not hasattr(fitted, "n_rows_"):
        return
    for name, n in fitted.n_rows_.items():
        say(f"learnt of {name}: {n} numbers")
    if fitted.baseline_:
        energies = (f"{symbol} {energy:.6g}" for symbol, energy in fitted.baseline_.items())
        say(f"energies of the elements (eV): {', '.join(energies)}")
        unknown = _undetermined(fitted)
        if unknown:
            say(
                f"Compositions did not determine the energies of {', '.join(unknown)}, of which "
                "only sums mean something."
            )
    say(chosen_alpha(fitted))
    say(f"forces and stresses: {'yes' if has_gradients(fitted) else 'no'}")


def _undetermined(model):
    """Elements whose energy the structures of fit left open, which have no error bar."""
    try:
        atoms = [Atoms(symbol) for symbol in model.baseline_]
        errors = model.predict(atoms, return_std=True)[1]
    except ValueError:  # features of single atoms need more than elements
        return []
    return [
        a.get_chemical_formula() for a, error in zip(atoms, errors, strict=True) if error == np.inf
    ]
