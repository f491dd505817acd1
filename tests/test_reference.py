"""The plain reference itself, against the numbers and identities that the theory page rests on."""

from types import SimpleNamespace

import numpy as np
import pytest
import reference
from ase import Atoms
from scipy.special import gammainc
from systems import ROCK_SALT, triclinic

from sklode import LongRangePotential, MultipoleFeatures


def model(kind, n_max, l_max, cutoff, **others):
    return SimpleNamespace(radial_basis=kind, n_max=n_max, l_max=l_max, cutoff=cutoff, **others)


def test_transforms_of_power_laws():
    known = {0: 4.048183189268, 1: 7.621889058921, 1.5: 7.434806389954, 2: 6.263458369831}
    known |= {3: 3.517161226045, 4: 1.644581470382, 5: 0.684121305479, 6: 0.260977432076}
    for p, value in known.items():
        assert reference.fourier(p, 1.0, np.ones(1))[0] == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("p", [0.7, 1, 2, 3, 4.5, 6])
def test_smeared_power_law_in_real_space(p):
    """Eq. (2.1), from the transform: the reference has no other form of it."""
    u, w = reference.quadrature(100, -60, -3, 0, 1, np.log(12))
    k, r = np.exp(u), np.array([0.3, 1.0, 2.7, 6.0])
    found = (w * k**3 * reference.fourier(p, 0.8, k)) @ np.sinc(np.outer(k, r) / np.pi)
    expected = gammainc(p / 2, r**2 / (2 * 0.8**2)) / r**p
    np.testing.assert_allclose(found / (2 * np.pi**2), expected, rtol=0, atol=1e-12)


def test_radial_integrals():
    gto = reference.radial_integrals(model("gto", 3, 2, 2.5), np.array([1.3]))[..., 0]
    known = [[0.464980278191, 0.790914506628, -0.105059524378],
             [0.197101566624, 0.412210212947, 0.818915234407],
             [0.116504840445, -0.059563047847, 0.97824569731]]  # fmt: skip
    np.testing.assert_allclose(gto, known, rtol=0, atol=1e-11)
    monomial = reference.radial_integrals(model("monomial", 2, 2, 2.5), np.array([1.3]))[..., 0]
    known = [[0.830264529937, -0.131162603684],
             [0.823884913953, 0.288069364929],
             [0.499052317108, 0.279607605411]]  # fmt: skip
    np.testing.assert_allclose(monomial, known, rtol=0, atol=1e-11)


def test_pair_functions():
    pair = Atoms("HH", positions=[[0, 0, 0], [0, 0, 3.1]])
    field = model("gto", 3, 2, 2.5, smearing=0.8, exponent=1, include_center=False, cutoff_width=1)
    found = reference.field(field, 1, pair, np.array([[0.0, 1.0]]))[0, 0][:, [0, 2, 6]].T
    found /= np.sqrt((2 * np.arange(3)[:, None] + 1) / (4 * np.pi))
    known = [[3.73489456019, 0.638694667281, 14.37469401827],
             [0.50632060681, -0.318542100443, 3.36190431099],
             [0.166118018417, -0.261661039498, 1.371426128396]]  # fmt: skip
    np.testing.assert_allclose(found, known, rtol=0, atol=1e-10)
    field.include_center = True
    center = reference.field(field, 6, pair, np.array([[1.0, 0.0]]))[0, 0, :, 0]
    known = [0.127606078692, 0.102163903852, 0.058291996646]
    np.testing.assert_allclose(center, known, rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    ("p", "known"),
    [
        (1, [-0.11945495293, 0.015579142059, -0.024749732132, -0.007518686842]),
        (3, [-0.083195089475, 0.010558530679, -0.016842392858, -0.005082159328]),
        (6, [0.019799234136, 0.001056467859, -0.001693159611, -0.000506951398]),
    ],
)
def test_periodic_coefficients(p, known):
    """Of chlorine around sodium, with k-vectors up to 6: the rest is below 1e-9."""
    half = 5.64 / 2
    cell = [[0, half, half], [half, 0, half], [half, half, 0]]
    salt = Atoms("NaCl", [[0, 0, 0], [half + 0.1, -0.2, 0.3]], cell=cell, pbc=True)
    lode = LongRangePotential(p, 2.0, 2, 1, smearing=1.0, radial_basis="gto")
    found = reference.field(lode, p, salt, np.array([[0.0, 1.0]]))[0, 0, 0]
    np.testing.assert_allclose(found, known, rtol=0, atol=1e-9)


def test_madelung_constant():
    weights = ROCK_SALT.get_initial_charges()[None]
    far = MultipoleFeatures(1, 0.9, 1, 0, cutoff_width=0.1)
    potentials = reference.multipoles(far, 1, ROCK_SALT, weights)[:, 0, 0, 0] * np.sqrt(4 * np.pi)
    np.testing.assert_allclose(potentials, [-1.7475645946331822, 1.7475645946331822], rtol=1e-13)


def test_multipoles_are_plain_sums_where_these_converge():
    cell, l, powers = triclinic("CO", size=4.0), np.arange(3)[:, None], np.array([10, 12])
    far, weights = MultipoleFeatures(10, 2.5, 2, 2), np.array([[1.0, 0.5]])
    found = reference.multipoles(far, 10, cell, weights)
    plain = reference.pair_sum(
        cell, weights, 2, 20.0, lambda d: (1 - reference.inside(far, d)) / d ** (l + powers)
    )
    scale = np.abs(plain).max(axis=(0, 1, 3), keepdims=True)
    assert np.abs((found - plain) / scale).max() < 2e-6  # what is farther away


def test_spectrum():
    """(7.2) written out for one law, two channels, one n, l = 0 and 1."""
    c = np.arange(8.0).reshape(1, 2, 1, 4)
    a, b = c[0, :, 0]
    third = -1 / np.sqrt(3)
    itself = [a[0] ** 2, third * a[1:] @ a[1:], np.sqrt(2) * a[0] * b[0]]
    itself += [np.sqrt(2) * third * a[1:] @ b[1:], b[0] ** 2, third * b[1:] @ b[1:]]
    np.testing.assert_allclose(reference.spectrum(c, c), itself)
    two = [a[0] ** 2, a[0] * b[0], a[0] * b[0], b[0] ** 2]
    np.testing.assert_allclose(reference.spectrum(c, c[..., :1].copy()), two)
    radial = c[..., :1].reshape(1, 1, 2, 1)  # as two radial functions of one channel
    once = [a[0] ** 2, np.sqrt(2) * a[0] * b[0], b[0] ** 2]
    np.testing.assert_allclose(reference.spectrum(radial, radial), once)
    laws = c[..., :1].reshape(2, 1, 1, 1)
    once = [a[0] ** 2, np.sqrt(2) * a[0] * b[0], b[0] ** 2]
    np.testing.assert_allclose(reference.spectrum_of_equals(laws), once)
