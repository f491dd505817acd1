"""Stored models: fine ones load, those of wrong parameters are refused at once."""

import copy
import pickle

import numpy as np
import pytest
import skops.io
from ase.build import molecule
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklode import (
    AtomisticRidgeCV,
    BlockScaler,
    Composition,
    DensityProjector,
    InteractionFeatures,
    LongRangePotential,
    MultipoleFeatures,
    PowerSpectrum,
)

X = [molecule("H2O"), molecule("CH4"), molecule("CO2"), molecule("CO")]
for atoms in X:
    atoms.arrays["fragment"] = (np.arange(len(atoms)) > 0).astype(int)
ENERGIES = np.array([-1.0, -2.0, -3.0, -2.5])
DENSITY = DensityProjector(cutoff=3.0, n_max=2, l_max=1)
POTENTIAL = LongRangePotential(cutoff=2.0, l_max=1)
WRONG = [
    (DENSITY, "n_max", -5),
    (DENSITY, "n_max", 30),
    (DENSITY, "smearing", "wide"),
    (DENSITY, "memory", 3),
    (POTENTIAL, "n_max", -5),
    (POTENTIAL, "n_max", 7),
    (POTENTIAL, "exponent", 200),
    (clone(POTENTIAL).set_params(exterior=True), "cutoff_width", 2.0),
    (MultipoleFeatures(cutoff=2.0, l_max=1), "exponent", -1),
    (MultipoleFeatures(cutoff=2.0, l_max=1), "l_max", None),
    (PowerSpectrum(DENSITY, POTENTIAL), "pooling", "max"),
    (Composition(), "handle_unknown", "warn"),
    (InteractionFeatures(POTENTIAL), "fragments", 3),
    (AtomisticRidgeCV(DENSITY, alphas=0.1), "alphas", [-1.0]),
    (AtomisticRidgeCV(DENSITY, alphas=0.1), "force_weight", -1.0),
    (BlockScaler(), "floor", 2.0),
]
IDS = [f"{type(e).__name__}-{parameter}={value}" for e, parameter, value in WRONG]


def by_skops(estimator):
    stored = skops.io.dumps(estimator)
    return skops.io.loads(stored, trusted=skops.io.get_untrusted_types(data=stored))


STORES = {
    "pickle": lambda estimator: pickle.loads(pickle.dumps(estimator)),
    "skops": by_skops,
}
BY_STORE = pytest.mark.parametrize("store", STORES.values(), ids=STORES)


def fitted(estimator):
    rows = np.arange(8.0).reshape(4, 2)
    return clone(estimator).fit(rows if isinstance(estimator, BlockScaler) else X, ENERGIES)


@pytest.mark.parametrize(("estimator", "parameter", "value"), WRONG, ids=IDS)
@BY_STORE
def test_wrong_parameters_are_refused(store, estimator, parameter, value):
    model = fitted(estimator)
    assert store(model).get_params(deep=False).keys() == model.get_params(deep=False).keys()
    model.set_params(**{parameter: value})
    name = type(model).__name__
    with pytest.raises(ValueError, match=f"stored {name} .*{parameter}.*Fit and store it again"):
        store(model)


@BY_STORE
def test_inside_others(store):
    for outer in (
        PowerSpectrum(DENSITY, POTENTIAL),
        InteractionFeatures(POTENTIAL),
        make_pipeline(POTENTIAL, BlockScaler()),
    ):
        model = fitted(outer)
        inner = getattr(model, "right_", getattr(model, "transformer_", None)) or model[0]
        inner.n_max = -5
        with pytest.raises(ValueError, match=r"stored LongRangePotential .*n_max.* -5"):
            store(model)


def test_a_model_from_before_a_parameter_still_loads():
    state = fitted(POTENTIAL).__getstate__()
    del state["cutoff_width"]
    older = LongRangePotential.__new__(LongRangePotential)
    older.__setstate__(state)
    assert older.species_.tolist() == [1, 6, 8]


def test_what_is_not_fitted_holds_any_parameters():
    """A search sends estimators to its workers before it sets their parameters."""
    model = make_pipeline(LongRangePotential(exponent=None, n_max=-5), BlockScaler())
    for again in (copy.deepcopy(model), *[store(model) for store in STORES.values()]):
        assert again[0].n_max == -5
    model = AtomisticRidgeCV(LongRangePotential(exponent=None, species=[1, 6, 8]), alphas=0.1)
    search = GridSearchCV(model, {"features__exponent": [1, 6]}, cv=2, n_jobs=2)
    assert search.fit(X, ENERGIES).best_params_["features__exponent"] in (1, 6)
