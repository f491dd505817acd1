"""Gradients through unions and pipelines."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_selection import SelectKBest, VarianceThreshold, f_regression
from sklearn.kernel_ridge import KernelRidge
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline, make_union
from sklearn.preprocessing import MaxAbsScaler, PolynomialFeatures, StandardScaler
from toy import (
    PairSums,
    WithoutBackpropagation,
    cluster,
    crystal,
    finite_gradients,
    finite_strain_gradients,
)

from sklode import BlockScaler, DensityProjector, LongRangePotential
from sklode.gradients import (
    backpropagate,
    transform_and_backpropagate,
    transform_gradients,
    transform_strain_gradients,
)
from sklode.projection.chain_rule import check_differentiable

RNG = np.random.default_rng(0)
X = [cluster(RNG), crystal(RNG), cluster(RNG, 3), crystal(RNG, 5), cluster(RNG, 6)]
LEFT, RIGHT = PairSums((0.6, 1.1)), PairSums((0.9,), charged=False)
SELECT = SelectKBest(lambda Z, y: f_regression(Z, Z.sum(axis=1)), k=2)

COMPOSITES = {
    "plain": LEFT,
    "union": make_union(LEFT, RIGHT),
    "weights": FeatureUnion([("a", LEFT), ("b", RIGHT)], transformer_weights={"b": -3.0}),
    "dropped": FeatureUnion([("a", LEFT), ("no", "drop"), ("b", RIGHT)]),
    "scaled branches": make_union(
        make_pipeline(LEFT, BlockScaler(with_mean=True)), make_pipeline(RIGHT, StandardScaler())
    ),
    "scaled union": make_pipeline(make_union(LEFT, RIGHT), StandardScaler()),
    "passthrough": Pipeline([("a", "passthrough"), ("b", LEFT), ("c", None), ("d", "passthrough")]),
    "without scale": make_pipeline(LEFT, StandardScaler(with_std=False), MaxAbsScaler()),
    "PCA": make_pipeline(make_union(LEFT, RIGHT), StandardScaler(), PCA(3)),
    "whitened PCA": make_pipeline(LEFT, PCA(2, whiten=True)),
    "SVD": make_pipeline(LEFT, BlockScaler(), TruncatedSVD(2, random_state=0)),
    "selection": make_pipeline(LEFT, SELECT, BlockScaler()),
    "nested": make_union(make_pipeline(make_union(LEFT, RIGHT), VarianceThreshold()), LEFT),
    "no backpropagation": make_union(WithoutBackpropagation((0.6, 1.1)), LEFT),
    "nested pipelines": make_pipeline(make_pipeline(LEFT, BlockScaler()), StandardScaler()),
}
ALL = pytest.mark.parametrize("features", COMPOSITES.values(), ids=COMPOSITES)


def fitted(features):
    return features.fit(X, np.zeros(len(X)))


def row(features):
    return lambda atoms: features.transform([atoms])[0]


@ALL
def test_gradients_are_derivatives_of_rows(features):
    features = fitted(features)
    for atoms, gradients in zip(X, transform_gradients(features, X), strict=True):
        expected = finite_gradients(row(features), atoms)
        assert gradients.shape == expected.shape
        np.testing.assert_allclose(gradients, expected, atol=1e-6 * max(1, abs(expected).max()))


@ALL
def test_strain_gradients_are_derivatives_of_rows(features):
    features = fitted(features)
    gradients = transform_strain_gradients(features, X)
    expected = [finite_strain_gradients(row(features), atoms) for atoms in X]
    assert gradients.shape == np.shape(expected)
    np.testing.assert_allclose(gradients, expected, atol=1e-6 * max(1, np.abs(expected).max()))


@ALL
def test_backpropagation_contracts_the_gradients(features):
    features = fitted(features)
    cotangents = RNG.normal(size=features.transform(X).shape)
    positions, strains = backpropagate(features, X, cotangents)
    full = transform_gradients(features, X)
    for mine, gradients, c in zip(positions, full, cotangents, strict=True):
        np.testing.assert_allclose(mine, gradients @ c, rtol=1e-9, atol=1e-11)
    expected = np.einsum("sabf,sf->sab", transform_strain_gradients(features, X), cotangents)
    np.testing.assert_allclose(strains, expected, rtol=1e-9, atol=1e-10)


@ALL
def test_rows_come_with_the_backpropagation(features):
    features = fitted(features)
    expected = features.transform(X)
    cotangents = RNG.normal(size=expected.shape)
    rows, positions, strains = transform_and_backpropagate(features, X, cotangents)
    np.testing.assert_allclose(rows, expected, rtol=1e-12, atol=1e-12)
    alone, strains_alone = backpropagate(features, X, cotangents)
    np.testing.assert_array_equal(np.concatenate(positions), np.concatenate(alone))
    np.testing.assert_array_equal(strains, strains_alone)


@pytest.mark.parametrize("inner", ["default", "pandas"])
@pytest.mark.parametrize("outer", ["default", "pandas"])
def test_rows_of_steps_that_know_names(inner, outer):
    rho = DensityProjector(cutoff=3.0, n_max=2, l_max=1).set_output(transform=inner)
    features = make_pipeline(rho, StandardScaler().set_output(transform=outer), PCA(2))
    molecules = [molecule("H2O"), molecule("CH3OH"), molecule("CO2")]
    expected = features.fit(molecules).transform(molecules)
    rows, *_ = transform_and_backpropagate(features, molecules, np.ones((3, 2)))
    np.testing.assert_allclose(rows, expected, rtol=1e-10, atol=1e-10)


@settings(max_examples=20)
@given(a=st.floats(-2, 2), b=st.floats(-2, 2), seed=st.integers(0, 100))
def test_backpropagation_is_linear(a, b, seed):
    features = fitted(COMPOSITES["PCA"])
    u, v = np.random.default_rng(seed).normal(size=(2, len(X), 3))
    strains = [backpropagate(features, X, c)[1] for c in (u, v, a * u + b * v)]
    np.testing.assert_allclose(a * strains[0] + b * strains[1], strains[2], atol=1e-9)


@pytest.mark.parametrize("length", [2.5, 4.0])
def test_a_crystal_without_pairs_within_reach(length):
    atoms = Atoms("H", cell=3 * [length], pbc=True)
    features = LongRangePotential(4, exterior=True, cutoff=2.3, smearing=1.2).fit([atoms])
    cotangents = np.ones((1, len(features.get_feature_names_out())))
    (positions,), (strain,) = features.backpropagate([atoms], cotangents)
    exact = features.transform_strain_gradients([atoms])[0].sum(axis=-1)
    np.testing.assert_allclose(positions, 0.0, atol=1e-12)
    np.testing.assert_allclose(strain, exact, rtol=1e-9, atol=1e-9 * np.abs(exact).max())


def test_cotangents_are_not_changed():
    features = fitted(COMPOSITES["weights"])
    cotangents = np.ones((len(X), 5))
    backpropagate(features, X, cotangents)
    assert (cotangents == 1).all()


@pytest.mark.parametrize(
    "features",
    [
        KernelRidge(),
        make_pipeline(LEFT, KernelRidge()),
        make_pipeline(LEFT, PolynomialFeatures()),
        make_union(LEFT, make_pipeline(RIGHT, PolynomialFeatures())),
        FeatureUnion([("a", LEFT), ("b", "passthrough")]),
        Pipeline([("a", "passthrough")]),
    ],
)
def test_other_steps_are_refused(features):
    with pytest.raises(TypeError, match="Gradients exist for the transformers of sklode"):
        check_differentiable(features)


def test_other_steps_are_refused_when_fitted():
    features = make_pipeline(LEFT, PolynomialFeatures()).fit(X)
    for function in (transform_gradients, transform_strain_gradients):
        with pytest.raises(TypeError, match="got PolynomialFeatures"):
            function(features, X)
    with pytest.raises(TypeError, match="got PolynomialFeatures"):
        backpropagate(features, X, np.zeros((len(X), 15)))


def test_wrong_cotangents_are_refused():
    features = fitted(LEFT)
    for wrong in (np.zeros((2, 4)), np.zeros(len(X))):
        for function in (backpropagate, transform_and_backpropagate):
            with pytest.raises(ValueError, match="cotangents must have shape"):
                function(features, X, wrong)


def test_union_of_projectors():
    local = DensityProjector(cutoff=3.0, n_max=2, l_max=1)
    features = make_union(make_pipeline(local, BlockScaler()), LongRangePotential(l_max=1))
    molecules = [molecule("H2O"), molecule("CH3OH")]
    features.set_params(transformer_weights={"longrangepotential": 2.0}).fit(molecules)
    for atoms, gradients in zip(molecules, transform_gradients(features, molecules), strict=True):
        expected = finite_gradients(row(features), atoms)
        np.testing.assert_allclose(gradients, expected, atol=2e-5 * abs(expected).max())
    cotangents = RNG.normal(size=features.transform(molecules).shape)
    positions, strains = backpropagate(features, molecules, cotangents)
    for mine, full, c in zip(
        positions, transform_gradients(features, molecules), cotangents, strict=True
    ):
        np.testing.assert_allclose(mine, full @ c, atol=1e-8 * abs(full).max())
    full = transform_strain_gradients(features, molecules)
    expected = np.einsum("sabf,sf->sab", full, cotangents)
    np.testing.assert_allclose(strains, expected, atol=1e-8 * abs(full).max())
