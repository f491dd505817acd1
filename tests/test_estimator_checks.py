"""scikit-learn's own checks.

They feed numeric matrices, so each estimator is run through a reader that turns the rows of a
matrix into chains of atoms; everything after the reader is the library's own code.
"""

import numpy as np
import pytest
import sklearn.utils.estimator_checks as checks
from ase import Atoms
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import _check_feature_names_in, validate_data

from sklode import (
    BlockScaler,
    Composition,
    DensityProjector,
    InteractionFeatures,
    LongRangePotential,
    MultipoleFeatures,
    PowerSpectrum,
)


class RowReader:
    """Reads every row of a matrix as a chain of atoms; the values are the spacings."""

    def _read(self, X, reset):
        X = validate_data(self, X, reset=reset)
        return [chain(1.0 + 0.5 * np.tanh(row)) for row in X]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.one_d_array = False
        return tags

    def get_feature_names_out(self, input_features=None):
        names = super().get_feature_names_out(input_features)
        _check_feature_names_in(self, input_features)
        return names


def chain(spacings):
    x = np.concatenate([[0.0], np.cumsum(spacings)])
    positions = np.stack([x, 0.3 * np.sin(x), np.zeros_like(x)], axis=1)
    atoms = Atoms(np.resize([1, 8, 6], len(x)), positions)
    atoms.set_array("fragment", (2 * np.arange(len(x)) >= len(x)).astype(int))
    return atoms


class DensityProjectorOnRows(RowReader, DensityProjector):
    pass


class LongRangePotentialOnRows(RowReader, LongRangePotential):
    pass


class MultipoleFeaturesOnRows(RowReader, MultipoleFeatures):
    pass


class PowerSpectrumOnRows(RowReader, PowerSpectrum):
    pass


class CompositionOnRows(RowReader, Composition):
    pass


class InteractionFeaturesOnRows(RowReader, InteractionFeatures):
    pass


DENSITY = {"cutoff": 2.5, "n_max": 2, "l_max": 1}
POTENTIAL = {"cutoff": 2.0, "l_max": 1}


def name(estimator):
    return type(estimator).__name__


ON_ROWS = [
    DensityProjectorOnRows(**DENSITY),
    LongRangePotentialOnRows(**POTENTIAL),
    LongRangePotentialOnRows(exponent=(1, 6), **POTENTIAL, center_species="split"),
    PowerSpectrumOnRows(DensityProjector(**DENSITY), LongRangePotential(**POTENTIAL)),
    CompositionOnRows(),
    InteractionFeaturesOnRows(LongRangePotential(**POTENTIAL)),
    LongRangePotentialOnRows(exterior=True, **POTENTIAL),
    MultipoleFeaturesOnRows(**POTENTIAL),
    MultipoleFeaturesOnRows(exponent=(1, 6), **POTENTIAL, n_max=2, center_species="split"),
    BlockScaler(),
    BlockScaler(with_mean=True),
]
ON_STRUCTURES = [
    DensityProjector(),
    LongRangePotential(),
    LongRangePotential(exterior=True),
    MultipoleFeatures(),
    PowerSpectrum(DensityProjector(), LongRangePotential()),
    Composition(),
    InteractionFeatures(LongRangePotential()),
]

suite = parametrize_with_checks(ON_ROWS)
# scikit-learn 1.8 hands over a generator, which pytest 9 warns about
suite = pytest.mark.parametrize(suite.args[0], list(suite.args[1]), **suite.kwargs)


@suite
def test_estimator_suite(estimator, check):
    check(estimator)


LEFT_OUT_BY_THE_SUITE = [
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_get_feature_names_out_error",
    "check_dataframe_column_names_consistency",
    "check_param_validation",
    "check_inplace_ensure_writeable",
]


# the set_output checks fit on frames and transform matrices, and the reverse, on purpose
@pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
@pytest.mark.filterwarnings("ignore:X has feature names, but:UserWarning")
@pytest.mark.parametrize("check", LEFT_OUT_BY_THE_SUITE)
@pytest.mark.parametrize("estimator", ON_ROWS, ids=name)
def test_checks_that_the_suite_leaves_out(estimator, check):
    getattr(checks, check)(type(estimator).__name__, estimator)


MEANINGFUL_WITHOUT_A_MATRIX = [
    "check_estimator_cloneable",
    "check_estimator_tags_renamed",
    "check_valid_tag_types",
    "check_estimator_repr",
    "check_no_attributes_set_in_init",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_parameters_default_constructible",
    "check_get_params_invariance",
    "check_set_params",
    "check_mixin_order",
    "check_param_validation",
    "check_estimators_unfitted",
    "check_transformers_unfitted",
    "check_get_feature_names_out_error",
]


@pytest.mark.parametrize("check", MEANINGFUL_WITHOUT_A_MATRIX)
@pytest.mark.parametrize("estimator", ON_STRUCTURES, ids=name)
def test_checks_of_the_estimators_themselves(estimator, check):
    getattr(checks, check)(type(estimator).__name__, estimator)


@pytest.mark.parametrize("estimator", ON_STRUCTURES, ids=name)
def test_tags_say_that_x_is_no_matrix(estimator):
    tags = estimator.__sklearn_tags__()
    assert not tags.input_tags.two_d_array
    assert tags.input_tags.one_d_array


@pytest.mark.parametrize("estimator", ON_ROWS[:4] + ON_ROWS[5:9], ids=name)
def test_rows_become_different_structures(estimator):
    X = np.random.default_rng(0).normal(size=(4, 5))
    assert estimator.fit_transform(X).std(axis=0).max() > 1e-6
