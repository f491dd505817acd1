"""Features that options describe, and models in files."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import FeatureUnion

from ..density import DensityProjector
from ..long_range import LongRangePotential
from ..power_spectrum import PowerSpectrum
from ..regression import AtomisticRidgeCV
from ..saving import load_model
from ..streaming.fitted import fitted_to, is_fitted, learns_elements_only
from ..streaming.sources import Source

_RESULTS = (
    "features_",
    "alpha_",
    "coef_",
    "baseline_",
    "scale_",
    "noise_",
    "cv_results_",
    "n_rows_",
)
_TOO_LARGE = re.compile(r"would need \S+ GB")
_GIVE = "Give a model of `sklode fit`, or what sklode.save_model has written."


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


def saved_estimator(path: Path) -> BaseEstimator:
    """The model or transformer in a file, with all of its settings and, of a model, its results."""
    saved = load_model(path)
    if not isinstance(saved, BaseEstimator):
        raise ValueError(f"{path}: holds {_named(saved)}, which is no model. {_GIVE}")
    lacking = _lacking(saved)
    if lacking:
        raise ValueError(
            f"{path}: holds {_named(saved)} of another version of sklode, or a damaged one (it has "
            f"no '{lacking}'). Fit it again."
        )
    return saved


def saved_features(path: Path) -> BaseEstimator:
    """The transformer in a file, or the fitted one of a model."""
    saved = saved_estimator(path)
    found = getattr(saved, "features_", saved)
    if not hasattr(found, "transform"):
        raise ValueError(f"{path}: holds {_named(saved)}, which makes no features. {_GIVE}")
    return found


def saved_model(path: Path) -> Any:
    """The fitted model of structures in a file."""
    saved = saved_estimator(path)
    if not hasattr(saved, "predict"):
        raise ValueError(f"{path}: holds {_named(saved)}, which predicts nothing. {_GIVE}")
    refuse_unfitted(path, saved)
    if hasattr(saved, "n_features_in_"):
        raise ValueError(
            f"{path}: holds {_named(saved)} of rows of numbers, not of structures. Save a pipeline "
            "of a transformer of sklode and this model."
        )
    return saved


def refuse_unfitted(path: Path, saved: BaseEstimator) -> None:
    """Refuse a model that can predict nothing yet."""
    if not is_fitted(saved):
        raise ValueError(
            f"{path}: holds {_named(saved)} that is not fitted. Save it after its method fit, or "
            "give a model of `sklode fit`."
        )


def _named(saved):
    name = type(saved).__name__
    return f"{'an' if name[0] in 'AEIO' else 'a'} {name}"


def _lacking(saved):
    """A setting or result that an estimator of this version has and a stored one has not."""
    try:
        for estimator in (saved, getattr(saved, "features_", None)):
            if isinstance(estimator, BaseEstimator):
                estimator.get_params()
    except AttributeError as error:
        return error.name or error
    if isinstance(saved, AtomisticRidgeCV) and is_fitted(saved):
        return next((name for name in _RESULTS if not hasattr(saved, name)), None)
    return None


@contextmanager
def naming_culprit(transformer: BaseEstimator, source: Source) -> Iterator[None]:
    """Errors about pairs or waves of one structure, which would fill the memory, name it."""
    try:
        yield
    except ValueError as error:
        can_be_asked = is_fitted(transformer) or learns_elements_only(transformer)
        if not can_be_asked or not _TOO_LARGE.search(str(error)) or "X[" in str(error):
            raise
        fitted = fitted_to(transformer, source)
        for record in source.records():
            atoms = record.read()
            try:
                fitted.transform([atoms])
            except ValueError as own:
                raise ValueError(record.blame(atoms, own)) from error
        raise


def _refuse_others():
    """A saved transformer has all settings."""
    context = click.get_current_context()
    names = ("cutoff", "n_max", "l_max", "exponent", "smearing", "charges", "local_only")
    for name in names:
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            option = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{option} and --transformer exclude each other.", context)
