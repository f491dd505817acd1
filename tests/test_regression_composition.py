"""The ridge of atoms among the tools of scikit-learn."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from ase.build import molecule
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    cross_validate,
)
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import PolynomialFeatures
from toy import (
    PairSums,
    cluster,
    true_energy,
    true_forces,
    with_results,
)
from toy_world import EXACT, GROUPS, NEW, OTHER, RNG, F, S, X, Y, bare, model

from sklode import BlockScaler, Composition, DensityProjector, InteractionFeatures

ALPHAS = np.array([1e-4, 1e-2, 1.0])


def test_clone_and_parameters():
    one = model(make_union(EXACT, OTHER), ALPHAS, force_weight=2.0)
    other = clone(one)
    assert other.get_params()["features__pairsums-1__widths"] == (0.7, 1.2)
    assert other.force_weight == 2.0
    assert not hasattr(other, "coef_")
    with pytest.raises(NotFittedError):
        other.predict(X)
    with pytest.raises(NotFittedError):
        other.predict_forces(X)


def test_features_of_the_user_stay_unfitted():
    features = PairSums()
    model(features).fit(X)
    assert not hasattr(features, "widths_")


def test_pickle():
    fitted = model().fit(X)
    again = pickle.loads(pickle.dumps(fitted))
    for a, b in zip(again.predict(NEW, True), fitted.predict(NEW, True), strict=True):
        np.testing.assert_array_equal(a, b)


def test_containers():
    fitted = model().fit(pd.Series(X, index=[f"s{i}" for i in range(len(X))]), pd.Series(Y))
    frame = pd.DataFrame({"atoms": NEW})
    np.testing.assert_array_equal(fitted.predict(frame), fitted.predict(NEW))
    assert len(fitted.predict_forces(frame)) == 3
    column = model().fit(tuple(X), Y[:, None])
    np.testing.assert_array_equal(column.coef_, fitted.coef_)


def test_forces_as_one_array():
    same = [with_results(cluster(RNG, 4)) for _ in range(6)]
    y, f = [true_energy(a) for a in same], np.array([true_forces(a) for a in same])
    np.testing.assert_array_equal(
        model().fit(bare(same), y, forces=f).coef_, model().fit(bare(same), y, forces=list(f)).coef_
    )


def test_pandas_output():
    with sklearn.config_context(transform_output="pandas"):
        fitted = model(make_pipeline(DensityProjector(l_max=1), BlockScaler()), 1e-2).fit(X, Y)
        assert fitted.predict(X[:2]).shape == (2,)


def test_tags():
    tags = sklearn.utils.get_tags(model())
    assert not tags.input_tags.two_d_array
    assert tags.input_tags.one_d_array
    assert not tags.target_tags.required
    assert tags.estimator_type == "regressor"


def test_score():
    fitted = model().fit(X)
    assert fitted.score(X) == fitted.score(X, Y) > 0.999
    weights = np.arange(len(X))
    assert fitted.score(X, Y + RNG.normal(size=len(X)), sample_weight=weights) < 1
    with pytest.raises(ValueError, match=r"X\[0\] .* has no calculator with an energy"):
        fitted.score(bare(X))


def test_grid_search_over_the_features():
    search = GridSearchCV(
        model(EXACT, ALPHAS), {"features__widths": [(0.2, 3.0), (0.7, 1.2)]}, cv=KFold(3)
    )
    search.fit(X)  # energies and forces of the calculators
    assert search.best_params_ == {"features__widths": (0.7, 1.2)}
    assert search.best_score_ > 0.99


def test_metadata_routing():
    """Forces and groups reach fit, cut into folds per structure."""
    with sklearn.config_context(enable_metadata_routing=True):
        routed = model(OTHER, ALPHAS).set_fit_request(
            forces=True, stresses=True, groups=True, sample_weight=True
        )
        routed.set_score_request(sample_weight=True)
        params = {
            "forces": F,
            "stresses": S,
            "groups": GROUPS,
            "sample_weight": np.arange(1.0, 1 + len(X)),
        }
        found = cross_validate(
            routed, bare(X), Y, cv=GroupKFold(3), params=params, return_estimator=True
        )
        for fitted in found["estimator"]:
            assert fitted.n_rows_["forces"] > 3
            assert fitted.n_rows_["stress"] > 6
        search = GridSearchCV(routed, {"force_weight": [0.1, 1.0]}, cv=GroupKFold(3))
        search.fit(bare(X), Y, **params)
        assert search.best_estimator_.n_rows_["forces"] == sum(f.size for f in F)


def test_fit_parameters_without_routing():
    found = cross_validate(
        model(OTHER, ALPHAS), bare(X), Y, cv=3, params={"forces": F}, return_estimator=True
    )
    assert all(fitted.n_rows_["forces"] for fitted in found["estimator"])


def test_any_features_learn_energies():
    """Gradients are needed for forces only."""
    features = make_pipeline(EXACT, PolynomialFeatures(2, include_bias=False))
    fitted = model(features, ALPHAS).fit(bare(X), Y)
    assert fitted.score(X, Y) > 0.9
    with pytest.raises(TypeError, match="PolynomialFeatures"):
        fitted.predict_forces(X)
    with pytest.raises(TypeError, match="PolynomialFeatures"):
        model(features).fit(X)


def test_features_of_the_package():
    fragments = [molecule("H2O"), molecule("CH4"), molecule("CH3OH")]
    for atoms in fragments:
        atoms.set_array("fragment", np.arange(len(atoms)) % 2)
    features = make_union(DensityProjector(l_max=1), Composition())
    interaction = InteractionFeatures(features)
    fitted = model(interaction, 0.1, baseline=False).fit(fragments, [-1.0, -2.0, -3.0])
    assert fitted.coef_.shape == fitted.scale_.shape


@settings(max_examples=15)
@given(shift=st.floats(-100, 100), factor=st.floats(0.1, 10))
def test_units_and_zero_of_energy_do_not_matter(shift, factor):
    """A shift per atom goes to the baseline; a factor to all."""
    one = model(OTHER, 1e-3).fit(bare(X), Y, forces=F)
    sizes = np.array([len(atoms) for atoms in X])
    other = model(OTHER, 1e-3).fit(
        bare(X), factor * Y + shift * sizes, forces=[factor * f for f in F]
    )
    np.testing.assert_allclose(other.coef_, factor * one.coef_, rtol=1e-6, atol=1e-8)
    for element, energy in one.baseline_.items():
        assert other.baseline_[element] == pytest.approx(factor * energy + shift, abs=1e-6)
