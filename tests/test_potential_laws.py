"""Radial laws beside 1/r^p: screened and tabulated potentials, against quadrature."""

from functools import partial

import mpmath as mp
import numpy as np
import pytest
import reference
import skops.io
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from systems import triclinic

from sklode import DensityProjector, LongRangePotential, PowerSpectrum
from sklode.physics.pairs.values import expand_pairs
from sklode.physics.radial.bases import BASES
from sklode.physics.radial.finite_range import SmearedTable
from sklode.physics.radial.integrals import center_integrals, pair_integrals, pair_table
from sklode.physics.radial.yukawa import SmearedYukawa
from sklode.physics.system.neighbors import pairs_within
from sklode.physics.system.structures import Channels, Structure
from sklode.potentials import InversePowerLaw, TabulatedPotential, Yukawa

R = np.linspace(0.0, 6.0, 61)
BUMP = TabulatedPotential(R, np.cos(np.pi * R / 12.0) ** 4, label="bump")


@pytest.mark.parametrize("kappa", [0.05, 0.4, 2.0])
@pytest.mark.parametrize("r", [0.0, 1e-4, 0.3, 1.7, 6.0, 25.0])
def test_smeared_yukawa_is_the_cut_master_integral(kappa, r):
    sigma = 0.9

    def integrand(t):
        return t ** mp.mpf(-0.5) * mp.exp(-t * r * r - kappa**2 / (4 * t)) / mp.sqrt(mp.pi)

    edges = [0, 1e-4, 1e-3, 1e-2, 0.1, 1 / (2 * sigma**2)]
    expected = float(mp.quad(integrand, edges))
    found = float(SmearedYukawa(kappa, sigma).real(r))
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-14)


@pytest.mark.parametrize(
    "law", [SmearedYukawa(0.7, 0.8), BUMP.smeared(0.6)], ids=["yukawa", "table"]
)
def test_fourier_transform_against_quadrature(law):
    r = np.linspace(0.0, 60.0, 240001)
    for k in (0.2, 1.0, 3.0):
        numeric = np.trapezoid(4 * np.pi * r**2 * law.real(r) * np.sinc(k * r / np.pi), r)
        assert law.fourier(k) == pytest.approx(numeric, rel=1e-6, abs=1e-8)
    assert law.fourier_at_zero == pytest.approx(
        np.trapezoid(4 * np.pi * r**2 * law.real(r), r), rel=1e-6
    )


def test_without_screening_yukawa_is_the_coulomb_potential():
    r = np.linspace(0.01, 10, 50)
    weak = SmearedYukawa(1e-7, 0.8).real(r)
    np.testing.assert_allclose(weak, InversePowerLaw(1).smeared(0.8).real(r), rtol=1e-5)


def test_the_table_of_a_gaussian_becomes_a_wider_gaussian():
    width, sigma, r = 0.8, 0.6, np.linspace(0, 9, 181)
    law = SmearedTable(tuple(r), tuple(np.exp(-0.5 * (r / width) ** 2)), sigma)
    total = np.hypot(width, sigma)
    expected = (width / total) ** 3 * np.exp(-0.5 * (r / total) ** 2)
    np.testing.assert_allclose(law.real(r), expected, atol=1e-5)


@pytest.mark.parametrize(
    "law", [SmearedYukawa(0.5, 0.7), BUMP.smeared(0.7)], ids=["yukawa", "table"]
)
def test_far_field_continues_the_table(law):
    basis = BASES["monomial"](2, 3, 2.5)
    table = pair_table(basis, law)
    distances = table.near.upper + np.array([0.01, 1.0, 4.0])
    exact = pair_integrals(basis, law, distances)
    scale = np.abs(pair_integrals(basis, law, np.array([3.0]))).max()
    np.testing.assert_allclose(table(distances), exact, rtol=1e-7, atol=1e-11 * scale)


@pytest.mark.parametrize("exterior", [False, True])
@pytest.mark.parametrize("law", [Yukawa(0.8), BUMP], ids=["yukawa", "table"])
def test_periodic_sum_is_the_sum_over_images(law, exterior):
    atoms = triclinic("C2O2", seed=3)
    structure = Structure(atoms.numbers, atoms.positions, atoms.cell.array, np.ones(3, bool))
    channels = Channels((atoms.numbers == 8).astype(int), np.ones(len(atoms)), 2)
    smeared, basis = law.smeared(0.8), BASES["monomial"](2, 2, 2.5)
    table = pair_table(basis, smeared)
    lode = LongRangePotential(
        law, cutoff=2.5, n_max=2, l_max=2, smearing=0.8, tol=1e-8, invariants=None,
        include_center=not exterior, exterior=exterior,
    ).fit([atoms])  # fmt: skip

    def radial(distances):
        return table(distances) * (1.0 - exterior * reference.inside(lode, distances))[:, None]

    direct = expand_pairs(pairs_within([structure], 34.0), channels, len(atoms), radial, 2)
    if not exterior:
        own = center_integrals(basis, smeared)
        direct[0][np.arange(len(atoms)), 0, channels.index] += own
    found = lode.transform_atoms([atoms]).reshape(len(atoms), 2, 2, 9)
    expected = np.concatenate(direct, axis=1).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(found, expected, atol=1e-7 * np.abs(expected).max())


def test_a_power_law_is_the_plain_number():
    atoms = [triclinic("C2O2")]
    plain = LongRangePotential(exponent=(1, 6)).fit(atoms)
    laws = LongRangePotential(exponent=[InversePowerLaw(1), 6]).fit(atoms)
    np.testing.assert_array_equal(plain.transform(atoms), laws.transform(atoms))
    assert list(plain.get_feature_names_out()) == list(laws.get_feature_names_out())


def test_laws_live_in_searches_clones_and_files(molecules):
    spectrum = PowerSpectrum(
        DensityProjector(cutoff=3.0, n_max=2, l_max=1),
        LongRangePotential(exponent=(Yukawa(0.5), BUMP), l_max=1),
    )
    fitted = clone(spectrum).fit(molecules)
    names = fitted.get_feature_names_out()
    assert names[0].startswith("rhovyukawa0.5_")
    assert names[-1].startswith("rhovbump_")
    data = skops.io.dumps(fitted)
    unknown = skops.io.get_untrusted_types(data=data)
    assert all(name.startswith("sklode") for name in unknown)
    loaded = skops.io.loads(data, trusted=unknown)
    np.testing.assert_array_equal(loaded.transform(molecules), fitted.transform(molecules))
    search = GridSearchCV(
        make_pipeline(spectrum, Ridge()),
        {"powerspectrum__right__exponent": [1, Yukawa(0.3), (1, Yukawa(1.0))]},
        cv=2,
    )
    assert np.isfinite(search.fit(molecules, np.arange(len(molecules))).best_score_)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Yukawa(0.0), "kappa must be"),
        *[
            (partial(Yukawa, kappa), "kappa must be a number from 0.001 to 10")
            for kappa in ("a", True, None, np.nan, np.inf, 1e-4, 11, 10**400, 1j)
        ],
        *[
            (partial(InversePowerLaw, p), "exponent must be a number from 0.001 to 100, or 0")
            for p in (-1, "a", True, None, np.nan, np.inf, 1e-4, 101, 10**400, 1j)
        ],
        (lambda: TabulatedPotential([0, 1, 2], [1, 1, 1]), "length >= 4"),
        (lambda: TabulatedPotential([1, 2, 3, 4], [1, 1, 1, 1]), "increasing from 0"),
        (lambda: TabulatedPotential([0, 1, 2, 3], [1, np.nan, 1, 1]), "finite"),
        (lambda: TabulatedPotential([0, 1, 2, 3], [1, 1e101, 1, 1]), "values at most 1e\\+100"),
        (lambda: TabulatedPotential([0, 1, 2, 101], [1, 1, 1, 1]), "at most 100"),
        (lambda: TabulatedPotential([0, 1, 2, 3], [1, 1j, 1, 1]), "values must be real"),
        (lambda: TabulatedPotential([0, 1, 2, [3]], [1, 1, 1, 1]), "distances must be numbers"),
        (
            lambda: TabulatedPotential([0, 1, 2, 3], np.ma.masked_equal([1, 2, 3, 4], 2)),
            "values has 1 masked",
        ),
        *[
            (partial(TabulatedPotential, [0, 1, 2, 3], [1, 1, 1, 1], label), "label must be")
            for label in (None, 1, "", "\u00e9")
        ],
    ],
)
def test_impossible_laws_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("exponent", "smearing", "message"),
    [
        (Yukawa(10.0), 3.0, "kappa=10 times smearing=3 must be at most 20"),
        (100, 1e-3, r"exponent=100 with smearing=0.001: .* 1e\+2\d\d"),
        (100, 1e3, r"exponent=100 with smearing=1000: .* 1e-3\d\d"),
    ],
)
def test_laws_that_leave_the_range_of_floats_are_refused(exponent, smearing, message, molecules):
    with pytest.raises(ValueError, match=message):
        LongRangePotential(exponent, smearing=smearing).fit(molecules)


def test_laws_of_one_name_are_refused(molecules):
    with pytest.raises(ValueError, match="different ones"):
        LongRangePotential(exponent=[1, InversePowerLaw(1.0)]).fit(molecules)


@pytest.mark.parametrize(
    ("exponent", "message"),
    [
        ("coulomb", "exponent must be a number, a law of sklode.potentials, .*; got 'coulomb'"),
        (Yukawa, r"got the class Yukawa\. Pass an instance: Yukawa\(\.\.\.\)"),
    ],
)
def test_what_is_no_law_is_told_what_is_one(exponent, message, molecules):
    with pytest.raises(ValueError, match=message):
        LongRangePotential(exponent).fit(molecules)
