"""Features that options describe, and models in files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import FeatureUnion

from ..density import DensityProjector
from ..long_range import LongRangePotential
from ..power_spectrum import PowerSpectrum
from ..saving import load_model


def features_of(
    *,
    transformer: Path | None,
    cutoff: float,
    n_max: int,
    l_max: int,
    exponent: Sequence[float],
    smearing: float,
    charges: str | None,
    local_only: bool,
) -> Any:
    """The transformer that options describe: density, and density with potential."""
    if transformer is not None:
        _refuse_others()
        return saved_features(transformer)
    density = DensityProjector(cutoff, n_max, l_max)
    if local_only:
        return density
    exponents = exponent[0] if len(exponent) == 1 else list(exponent)
    potential = LongRangePotential(exponents, smearing=smearing, charges=charges)
    long_range = PowerSpectrum(clone(density), potential)
    return FeatureUnion([("local", density), ("long_range", long_range)])


def saved_features(path: Path) -> BaseEstimator:
    """The transformer in a file, or the fitted one of a model."""
    saved = load_model(path)
    found = getattr(saved, "features_", saved)
    if not hasattr(found, "transform"):
        raise ValueError(
            f"{path}: holds a {type(saved).__name__}, which makes no features. Give a transformer, "
            "or a model of `sklode fit`."
        )
    return found


def saved_model(path: Path) -> Any:
    """The fitted model in a file."""
    saved = load_model(path)
    if not hasattr(saved, "predict"):
        raise ValueError(
            f"{path}: holds a {type(saved).__name__}, which predicts nothing. Give a model of "
            "`sklode fit`."
        )
    return saved


def _refuse_others():
    """A saved transformer has all settings."""
    context = click.get_current_context()
    names = ("cutoff", "n_max", "l_max", "exponent", "smearing", "charges", "local_only")
    for name in names:
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            option = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{option} and --transformer exclude each other.", context)
