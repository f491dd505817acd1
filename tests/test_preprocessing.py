"""The floored scaling of columns."""

import numpy as np
import pandas as pd
import pytest
from ase.build import molecule
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklode import BlockScaler, DensityProjector


@pytest.fixture
def block():
    """Columns of very different sizes, one of them nearly empty, away from zero mean."""
    rng = np.random.default_rng(0)
    return (rng.normal(size=(50, 5)) + 0.5) * [100.0, 3.0, 1.0, 1e-3, 0.0]


def rms(X):
    return np.sqrt(np.mean(X**2, axis=0))


@pytest.mark.parametrize("floor", [0.001, 0.01, 0.5])
def test_divides_by_the_floored_root_mean_square(block, floor):
    scaler = BlockScaler(floor).fit(block)
    expected = np.maximum(rms(block), floor * rms(block).max())
    np.testing.assert_allclose(scaler.scale_, expected, rtol=1e-14)
    np.testing.assert_allclose(scaler.transform(block), block / expected, rtol=1e-14)


def test_nearly_empty_columns_do_not_explode(block):
    scaler = BlockScaler(0.01).fit(block)
    unseen = np.ones((1, 5))
    np.testing.assert_allclose(scaler.transform(unseen)[0, 3:], 100 / rms(block).max())


def test_floor_0_is_the_standard_scaler_about_zero(block):
    mirrored = np.concatenate([block, -block])  # no mean: rms and standard deviation agree
    scaled = BlockScaler(0.0).fit_transform(mirrored)
    np.testing.assert_allclose(scaled, StandardScaler().fit_transform(mirrored), rtol=1e-12)
    np.testing.assert_allclose(rms(scaled), [1, 1, 1, 1, 0], rtol=1e-12)


def test_floor_1_is_one_factor(block):
    scaler = BlockScaler(1.0).fit(block)
    np.testing.assert_allclose(scaler.scale_, rms(block).max(), rtol=1e-14)


def test_with_mean_and_no_floor_is_the_standard_scaler(block):
    scaled = BlockScaler(0.0, with_mean=True).fit_transform(block)
    expected = StandardScaler().fit_transform(block)
    np.testing.assert_allclose(scaled, expected, rtol=1e-12, atol=1e-12)


def test_with_mean_centres(block):
    scaler = BlockScaler(0.01, with_mean=True).fit(block)
    np.testing.assert_allclose(scaler.mean_, block.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(scaler.transform(block).mean(axis=0), 0.0, atol=1e-13)
    np.testing.assert_allclose(scaler.scale_[:2], block.std(axis=0)[:2], rtol=1e-12)
    assert not BlockScaler().fit(block).mean_.any()


@pytest.mark.parametrize("with_mean", [False, True])
@pytest.mark.parametrize("floor", [0.0, 0.01, 1.0])
def test_a_block_of_zeros_stays_zero(floor, with_mean):
    scaler = BlockScaler(floor, with_mean=with_mean).fit(np.zeros((3, 2)))
    assert scaler.scale_.tolist() == [1.0, 1.0]
    assert not scaler.transform(np.zeros((2, 2))).any()


@pytest.mark.parametrize("floor", [0.0, 0.01])
def test_rounding_of_a_constant_column_is_no_size(floor):
    """The mean of equal numbers is off by a rounding error, which must not become the scale."""
    X = np.full((10, 2), 0.1)
    scaled = BlockScaler(floor, with_mean=True).fit(X).transform(X + 0.01)
    np.testing.assert_allclose(scaled, StandardScaler().fit(X).transform(X + 0.01), rtol=1e-9)


@pytest.mark.parametrize("with_mean", [False, True])
def test_inverse_transform(block, with_mean):
    scaler = BlockScaler(with_mean=with_mean).fit(block)
    back = scaler.inverse_transform(scaler.transform(block))
    np.testing.assert_allclose(back, block, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("with_mean", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_type_is_preserved(block, dtype, with_mean):
    X = block.astype(dtype)
    scaler = BlockScaler(with_mean=with_mean).fit(X)
    assert scaler.transform(X).dtype == dtype
    assert scaler.inverse_transform(scaler.transform(X)).dtype == dtype
    expected = BlockScaler(with_mean=with_mean).fit_transform(block)
    np.testing.assert_allclose(scaler.transform(X), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [1e-25, 1e25])
def test_float32_of_extreme_size(size):
    X = np.array([[1.0, 0.5], [-1.0, 0.5]], dtype=np.float32) * np.float32(size)
    np.testing.assert_allclose(BlockScaler().fit_transform(X), [[1, 1], [-1, 1]], rtol=1e-6)


def test_integers_become_floats():
    assert BlockScaler().fit_transform([[1, 2], [1, -2]]).dtype == np.float64


def test_input_is_not_changed(block):
    before = block.copy()
    BlockScaler(with_mean=True).fit_transform(block)
    assert np.array_equal(block, before)


def test_frames_keep_names_and_index(block):
    X = pd.DataFrame(block, columns=list("abcde"), index=[f"s{i}" for i in range(len(block))])
    frame = BlockScaler().set_output(transform="pandas").fit_transform(X)
    assert list(frame.columns) == list("abcde")
    assert list(frame.index) == list(X.index)


@given(
    X=arrays(np.float64, (6, 3), elements=st.floats(-1e3, 1e3).filter(lambda v: abs(v) > 1e-6)),
    factor=st.floats(1e-3, 1e3),
    floor=st.floats(0.0, 1.0),
)
def test_units_do_not_matter(X, factor, floor):
    scaled = BlockScaler(floor).fit_transform(X)
    np.testing.assert_allclose(BlockScaler(floor).fit_transform(factor * X), scaled, rtol=1e-9)
    assert rms(scaled).max() <= 1 + 1e-9


def test_structures_are_refused():
    """They come to a scaler that is in front of what describes them."""
    waters = [molecule("H2O"), molecule("H2O")]
    column = pd.DataFrame({"atoms": pd.Series(waters)})
    message = "X holds structures; put a transformer of structures before BlockScaler"
    for X in (waters, tuple(waters), column, column["atoms"], waters[0], np.array(waters)):
        with pytest.raises(TypeError, match=message):
            make_pipeline(BlockScaler(), DensityProjector()).fit(X)
        with pytest.raises(TypeError, match=message):
            BlockScaler().fit([[1.0]]).transform(X)
