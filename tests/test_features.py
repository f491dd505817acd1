"""Names of columns and the table of what they mean."""

import re

import numpy as np
import pandas as pd
import pytest
from ase.build import molecule

from sklode import (
    Composition,
    DensityProjector,
    InteractionFeatures,
    LongRangePotential,
    MultipoleFeatures,
    PowerSpectrum,
)

ALCOHOL = [molecule("CH3OH"), molecule("H2O")]  # H, C, O
DENSITY = {"cutoff": 3.0, "n_max": 2, "l_max": 2}
POTENTIAL = {"cutoff": 2.0, "l_max": 3}
RHO = DensityProjector(**DENSITY)

COUNTS = {
    # 3 elements x 2 radial functions are 6 channels, of which there are 21 unordered pairs
    "rho": (RHO, 21 * 3),
    "rho radial": (DensityProjector(**DENSITY, invariants="radial_spectrum"), 3 * 2),
    "rho coefficients": (DensityProjector(**DENSITY, invariants=None), 3 * 2 * 9),
    "rho split": (DensityProjector(**DENSITY, center_species="split"), 3 * 21 * 3),
    "v": (LongRangePotential(**POTENTIAL), 6 * 4),
    "v of three exponents": (LongRangePotential((1, 2.5, 6), **POTENTIAL), 3 * 6 * 4),
    "v radial": (LongRangePotential((1, 6), **POTENTIAL, invariants="radial_spectrum"), 2 * 3),
    "v coefficients": (LongRangePotential(**POTENTIAL, invariants=None), 3 * 16),
    "v charges": (LongRangePotential(**POTENTIAL, charges="numbers", invariants=None), 16),
    "v split": (
        LongRangePotential(**POTENTIAL, center_species="split", invariants=None),
        3 * 3 * 16,
    ),
    # all 9 ordered pairs, 2 x 1 radial functions, degrees up to the smaller l_max
    "rho v": (PowerSpectrum(RHO, LongRangePotential(**POTENTIAL)), 9 * 2 * 3),
    "v v": (PowerSpectrum(*[LongRangePotential((1, 6), **POTENTIAL)] * 2), 21 * 4),
    "v v charges": (
        PowerSpectrum(*[LongRangePotential(**POTENTIAL, n_max=3, charges="numbers")] * 2),
        6 * 4,
    ),
    "v alone": (PowerSpectrum(LongRangePotential((1, 6), **POTENTIAL)), 2 * 6 * 4),
    "rho v split": (
        PowerSpectrum(RHO, LongRangePotential((1, 6), **POTENTIAL), center_species="split"),
        3 * 2 * 9 * 2 * 3,
    ),
    "v exterior": (LongRangePotential(**POTENTIAL, exterior=True), 6 * 4),
    "m": (MultipoleFeatures(**POTENTIAL), 6 * 4),
    "m of two exponents": (MultipoleFeatures((1, 2.5), **POTENTIAL, n_max=2), 2 * 21 * 4),
    "m radial": (MultipoleFeatures((1, 6), **POTENTIAL, invariants="radial_spectrum"), 2 * 3),
    "m charges": (MultipoleFeatures(**POTENTIAL, charges="numbers", invariants=None), 16),
    "m split": (
        MultipoleFeatures(**POTENTIAL, center_species="split", invariants=None),
        3 * 3 * 16,
    ),
    "rho m": (PowerSpectrum(RHO, MultipoleFeatures(**POTENTIAL)), 9 * 2 * 3),
    "composition": (Composition(), 3),
    "all elements": (Composition(["H", "C", "N", "O"]), 4),
}
EACH = pytest.mark.parametrize(("estimator", "count"), COUNTS.values(), ids=COUNTS)


@EACH
def test_counts_of_columns(estimator, count):
    estimator.fit(ALCOHOL)
    assert estimator.transform(ALCOHOL).shape == (2, count)
    assert estimator.transform_atoms(ALCOHOL).shape == (9, count)
    assert len(estimator.get_feature_names_out()) == len(estimator.feature_table_) == count


@EACH
def test_names_are_unique_plain_and_safe(estimator, count):
    names = estimator.fit(ALCOHOL).get_feature_names_out()
    assert len(set(names)) == len(names)
    for name in names:
        assert isinstance(name, str)
        assert re.fullmatch(r"[A-Za-z][\w.+-]*", name, flags=re.ASCII), name
        assert "__" not in name  # separates the steps of unions


@EACH
def test_table_says_what_the_names_say(estimator, count):
    table = estimator.fit(ALCOHOL).feature_table_
    assert isinstance(table, pd.DataFrame)
    assert list(table["name"]) == list(estimator.get_feature_names_out())
    assert not table.isna().any(axis=None)
    for row in table.to_dict("records"):
        center = f"{row['center']}_" if "center" in row else ""
        parts = [f"{row['family']}_{center}"]
        if "species_1" in row:
            parts += [f"{row['species_1']}.{row['species_2']}_n{row['n_1']}n{row['n_2']}"]
        else:
            parts += [row["species"]] + ([f"_n{row['n']}"] if "n" in row else [])
        parts += [f"_l{row['l']}"] if "l" in row else []
        parts += [f"_m{row['m']}"] if "m" in row else []
        assert row["name"] == "".join(parts)


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (RHO, "rho_C.O_n0n1_l2"),
        (LongRangePotential(invariants=None), "v1_O_n0_l3_m-1"),
        (LongRangePotential(2.5, invariants=None), "v2.5_C_n0_l1_m0"),
        (LongRangePotential(0), "v0_H.H_n0n0_l0"),
        (LongRangePotential(invariants="radial_spectrum"), "v1_C_n0_l0"),
        (LongRangePotential(6, charges="numbers"), "v6_numbers.numbers_n0n0_l3"),
        (LongRangePotential(invariants=None, center_species="split"), "v1_C_O_n0_l3_m-1"),
        (LongRangePotential(exterior=True, invariants=None), "v1_O_n0_l3_m-1"),
        (MultipoleFeatures(invariants=None, n_max=2), "m1_O_n1_l3_m-1"),
        (MultipoleFeatures(2.5), "m2.5_C.O_n0n0_l3"),
        (MultipoleFeatures(charges="numbers", invariants="radial_spectrum"), "m1_numbers_n0_l0"),
        (PowerSpectrum(RHO, MultipoleFeatures(6)), "rhom6_O.C_n1n0_l2"),
        (PowerSpectrum(RHO, LongRangePotential(6)), "rhov6_O.C_n1n0_l2"),
        (PowerSpectrum(LongRangePotential(1), LongRangePotential(6)), "v1v6_O.C_n0n0_l3"),
        (Composition(), "composition_C"),
    ],
    ids=str,
)
def test_patterns_of_names(estimator, expected):
    assert expected in estimator.fit(ALCOHOL).get_feature_names_out()


def test_fields_and_their_types():
    table = RHO.fit(ALCOHOL).feature_table_
    assert list(table) == ["name", "family", "species_1", "n_1", "species_2", "n_2", "l"]
    table = LongRangePotential((1, 6), center_species="split", invariants=None).fit(ALCOHOL)
    table = table.feature_table_
    assert list(table) == ["name", "family", "center", "exponent", "species", "n", "l", "m"]
    multipoles = MultipoleFeatures(2, invariants=None).fit(ALCOHOL).feature_table_
    assert list(multipoles) == ["name", "family", "exponent", "species", "n", "l", "m"]
    for field in ("n", "l", "m"):
        assert pd.api.types.is_integer_dtype(table[field])
    assert sorted(set(table["exponent"])) == [1.0, 6.0]


def test_both_exponents_of_a_product_of_potentials():
    spectrum = PowerSpectrum(LongRangePotential((1, 6)), LongRangePotential(3)).fit(ALCOHOL)
    pairs = spectrum.feature_table_[["exponent_1", "exponent_2"]].drop_duplicates()
    assert pairs.to_numpy().tolist() == [[1.0, 3.0], [6.0, 3.0]]


@pytest.mark.parametrize("exponent", [(1, 1.0000001), (6, 6.0000001), (0.1, 0.10000001)], ids=str)
def test_exponents_that_nearly_agree_have_names_of_their_own(exponent):
    names = LongRangePotential(exponent).fit(ALCOHOL).get_feature_names_out()
    assert len(set(names)) == len(names)


def test_columns_follow_the_coefficients_of_the_table():
    """Rotating about z changes columns with m = 0 not at all, the others in pairs (m, -m)."""
    lode = LongRangePotential(invariants=None, cutoff=2.0, n_max=2).fit(ALCOHOL)
    turned = [atoms.copy() for atoms in ALCOHOL]
    for atoms in turned:
        atoms.rotate(33.0, "z")
    table = lode.feature_table_.assign(size=0.0)
    before, after = lode.transform_atoms(ALCOHOL), lode.transform_atoms(turned)
    zero = (table["m"] == 0).to_numpy()
    np.testing.assert_allclose(after[:, zero], before[:, zero], rtol=1e-9, atol=1e-12)
    assert not np.allclose(after, before)
    groups = table.groupby(["species", "n", "l", table["m"].abs()]).indices.values()
    for columns in groups:
        norms = [np.linalg.norm(rows[:, columns], axis=1) for rows in (before, after)]
        np.testing.assert_allclose(*norms, rtol=1e-8, atol=1e-12)


def test_table_of_interaction_features_is_that_of_the_transformer():
    atoms = molecule("CH3OH")
    atoms.arrays["fragment"] = np.array([0, 1, 0, 1, 0, 0])
    interaction = InteractionFeatures(RHO).fit([atoms])
    pd.testing.assert_frame_equal(interaction.feature_table_, RHO.fit([atoms]).feature_table_)


@pytest.mark.parametrize(
    "transformer",
    [
        RHO,
        LongRangePotential(invariants=None),
        LongRangePotential(invariants="radial_spectrum"),
        PowerSpectrum(RHO, LongRangePotential()),
        Composition(),
    ],
)
def test_what_users_do_to_tables_and_names_stays_theirs(transformer):
    fitted = transformer.fit(ALCOHOL)
    expected = fitted.get_feature_names_out().tolist()
    table = fitted.feature_table_
    table.loc[0, "name"] = table["more"] = "changed"
    fitted.get_feature_names_out()[:] = "changed"
    assert fitted.get_feature_names_out().tolist() == expected
    assert fitted.feature_table_["name"].tolist() == expected
    assert "more" not in fitted.feature_table_


def test_equal_blocks_of_two_projectors_are_two():
    """Whatever was asked for before: tables are kept."""
    V, beyond = LongRangePotential(), LongRangePotential(exterior=True)
    itself = PowerSpectrum(V).fit(ALCOHOL)
    other = PowerSpectrum(V, beyond).fit(ALCOHOL)
    assert len(itself.get_feature_names_out()) == itself.transform(ALCOHOL).shape[1]
    assert len(other.get_feature_names_out()) == other.transform(ALCOHOL).shape[1]
    assert len(other.get_feature_names_out()) > len(itself.get_feature_names_out())
