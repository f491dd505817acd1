"""Spectra of a projector with itself have each unordered pair of (species, n) once.

Scalar products of rows are those of all ordered pairs, which are made here from coefficients.
"""

import pickle
from copy import deepcopy

import numpy as np
import pytest
import skops.io
from estimators import SPECIES, density, multipoles, potential
from sklearn.base import clone

from sklode import DensityProjector, PowerSpectrum

KINDS = {
    "rho": density(n_max=3),
    "rho without center": density(n_max=2, include_center=False),
    "V": potential(exponent=6, n_max=3),
    "V of charges": potential(n_max=3, charges="initial_charges"),
    "V beyond a cutoff": potential(n_max=2, exterior=True),
    "V of two exponents": potential(exponent=(1, 6), n_max=2),
    "M": multipoles(exponent=(1, 6), n_max=2),
}
MODELS = (
    KINDS
    | {f"{name}, PowerSpectrum": PowerSpectrum(model) for name, model in KINDS.items()}
    | {f"{name}, equal": PowerSpectrum(model, model) for name, model in KINDS.items()}
)
OVER_MODELS = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


def of_all_ordered_pairs(model, X):
    """Rows of structures with all columns of eq. (7.2)."""
    plain = clone(getattr(model, "left", model)).set_params(
        invariants=None, center_species="shared"
    )
    coefficients, table = plain.fit(X).transform_atoms(X), plain.feature_table_
    laws = table["family"].unique()
    pairs = [(law, law) for law in laws]
    if getattr(model, "right", None) is not None:
        pairs = [(first, second) for first in laws for second in laws]
    columns = []
    for l in sorted(table["l"].unique()):
        factor = (-1) ** l / np.sqrt(2 * l + 1)
        of_law = {law: [] for law in laws}
        for (law, *_), group in table[table["l"] == l].groupby(["family", "species", "n"]):
            of_law[law].append(coefficients[:, group.index])
        for first, second in pairs:
            products = np.einsum("aim,bim->iab", of_law[first], of_law[second])
            columns.append(factor * products.reshape(len(products), -1))
    rows = np.concatenate(columns, axis=1)
    numbers = np.concatenate([atoms.numbers for atoms in X])
    if model.center_species == "split":
        centers = np.equal.outer(numbers, np.unique(numbers))
        rows = (centers[:, :, None] * rows[:, None, :]).reshape(len(rows), -1)
    ends = np.cumsum([len(atoms) for atoms in X])[:-1]
    return np.array([part.sum(axis=0) for part in np.split(rows, ends)])


@pytest.mark.parametrize("center_species", ["shared", "split"])
@OVER_MODELS
def test_scalar_products_are_those_of_all_ordered_pairs(mixed, model, center_species):
    model = clone(model).set_params(center_species=center_species)
    rows, everything = model.fit_transform(mixed), of_all_ordered_pairs(model, mixed)
    assert rows.shape[1] < everything.shape[1]
    expected = everything @ everything.T
    lengths = np.sqrt(np.diag(expected))  # 0 where nobody is beyond the cutoff
    assert np.all(np.abs(rows @ rows.T - expected) <= 1e-13 * np.outer(lengths, lengths))


@OVER_MODELS
def test_no_column_is_there_twice(mixed, model):
    model = clone(model).fit(mixed)
    columns = []
    for row in model.feature_table_.to_dict("records"):
        exponents = [row.get("exponent_" + k, row.get("exponent")) for k in "12"]
        channels = [(exponents[k], row[f"species_{k + 1}"], row[f"n_{k + 1}"]) for k in (0, 1)]
        columns.append((frozenset(channels), row["l"]))
    assert len(set(columns)) == len(columns)
    rows = model.transform_atoms(mixed)
    held = rows[:, np.abs(rows).max(axis=0) > 0]
    assert np.unique(held, axis=1).shape == held.shape


def test_number_of_columns_of_the_defaults(molecules):
    """Of three elements: 300 of 1800 products are there twice, of 3 x 6 channels and 5 degrees."""
    model = PowerSpectrum(DensityProjector(species=["H", "C", "O"], handle_unknown="ignore"))
    assert model.fit_transform(molecules).shape[1] == 18 * 19 // 2 * 5


def test_rows_in_single_precision(mixed):
    double = density(n_max=3).fit_transform(mixed)
    single = density(n_max=3, dtype="float32").fit_transform(mixed)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, double, rtol=0, atol=1e-6 * np.abs(double).max())


class TestEqualProjectors:
    def test_columns_and_names(self, mixed):
        model = PowerSpectrum(density(), density(invariants=None, n_jobs=1)).fit(mixed)
        itself = PowerSpectrum(density()).fit(mixed)
        assert model.right_ is model.left_
        assert model.get_feature_names_out()[0] == "rhorho_H.H_n0n0_l0"
        np.testing.assert_array_equal(model.transform(mixed), itself.transform(mixed))

    @pytest.mark.parametrize(
        "changes",
        [{"cutoff": 2.9}, {"smearing": 0.31}, {"species": [*SPECIES, "F"]}, {"dtype": "float32"}],
        ids=str,
    )
    def test_others_have_all_ordered_pairs(self, mixed, changes):
        model = PowerSpectrum(density(), density(**changes)).fit(mixed)
        assert model.right_ is not model.left_
        n_second = len(model.right_.species_)
        size = density().n_max ** 2 * (density().l_max + 1)
        assert model.transform(mixed).shape[1] == len(SPECIES) * n_second * size

    def test_stored_ones_stay_equal(self, mixed):
        model = PowerSpectrum(*[potential(exponent=(1, 6))] * 2).fit(mixed)
        stored = skops.io.dumps(model)
        untrusted = skops.io.get_untrusted_types(data=stored)
        for loaded in (
            pickle.loads(pickle.dumps(model)),
            skops.io.loads(stored, trusted=untrusted),
            deepcopy(model),
        ):
            assert list(loaded.get_feature_names_out()) == list(model.get_feature_names_out())
            np.testing.assert_array_equal(loaded.transform(mixed), model.transform(mixed))
