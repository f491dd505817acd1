"""Small estimators and containers that several test modules use."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from sklode import (
    Composition,
    DensityProjector,
    InteractionFeatures,
    LongRangePotential,
    MultipoleFeatures,
    PowerSpectrum,
)

SPECIES = ["H", "C", "N", "O"]
DENSITY = {"cutoff": 3.0, "n_max": 2, "l_max": 1, "species": SPECIES}
POTENTIAL = {"cutoff": 2.0, "l_max": 2, "species": SPECIES}


def density(**changes):
    return DensityProjector(**{**DENSITY, **changes})


def potential(**changes):
    return LongRangePotential(**{**POTENTIAL, **changes})


def multipoles(**changes):
    return MultipoleFeatures(**{**POTENTIAL, **changes})


ESTIMATORS = [
    density(),
    potential(exponent=(1, 6)),
    potential(charges="initial_charges", invariants=None),
    PowerSpectrum(density(), potential(), center_species="split"),
    PowerSpectrum(potential(exponent=3)),
    Composition(),
    potential(exponent=6, exterior=True),
    multipoles(exponent=(1, 6), n_max=2),
    PowerSpectrum(density(), multipoles(), center_species="split"),
]
WITH_FRAGMENTS = InteractionFeatures(PowerSpectrum(density(), potential()))


def name(estimator):
    return type(estimator).__name__


BY_NAME = pytest.mark.parametrize("estimator", ESTIMATORS, ids=name)


def as_object_array(structures):
    array = np.empty(len(structures), dtype=object)
    array[:] = structures
    return array


def as_frame(structures):
    return pd.DataFrame({"atoms": structures}, index=[f"s{i}" for i in range(len(structures))])


CONTAINERS = {
    "tuple": tuple,
    "Series": lambda X: as_frame(X)["atoms"],
    "one-column frame": as_frame,
    "polars frame": lambda X: pl.DataFrame({"atoms": pl.Series(X, dtype=pl.Object)}),
    "(n,) object array": as_object_array,
    "(n, 1) object array": lambda X: as_object_array(X)[:, None],
}
