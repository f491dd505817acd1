"""Potentials smeared by little beside the cutoff: finite, accurate tables, in short time."""

import mpmath
import numpy as np
import pytest
from ase import Atoms
from scipy.special import spherical_jn

from sklode import LongRangePotential
from sklode.physics.numerics.quadrature import gauss_legendre
from sklode.physics.numerics.special import spherical_bessel
from sklode.physics.radial.bases import BASES
from sklode.physics.radial.finite_range import SmearedTable
from sklode.physics.radial.integrals import pair_integrals, pair_table
from sklode.physics.radial.laws import SmearedPowerLaw, multipole_coefficient
from sklode.physics.radial.yukawa import SmearedYukawa

SHARP = [
    (6, 10.0, 0.2),
    (6, 6.0, 0.1),
    (6, 20.0, 0.5),
    (12, 3.0, 0.1),
    (3, 3.0, 0.05),
    (2, 3.0, 0.03),
]


@pytest.mark.parametrize("basis", ["monomial", "gto"])
@pytest.mark.parametrize(("exponent", "cutoff", "smearing"), SHARP)
def test_rows_and_gradients_are_finite(exponent, cutoff, smearing, basis):
    X = [Atoms("H2", [[0, 0, 0], [0, 0, distance]]) for distance in (2.0, 15.0)]
    model = LongRangePotential(
        exponent, cutoff=cutoff, l_max=1, smearing=smearing, radial_basis=basis
    ).fit(X)
    assert np.all(np.isfinite(model.transform(X)))
    moved, strained = model.transform_all_gradients(X)
    assert np.all(np.isfinite(np.concatenate(moved)))
    assert np.all(np.isfinite(strained))


@pytest.mark.parametrize("kind", ["monomial", "gto"])
@pytest.mark.parametrize(
    "law",
    [
        SmearedPowerLaw(6, 0.2),
        SmearedPowerLaw(3, 0.05),
        SmearedPowerLaw(0.5, 0.1),
        SmearedPowerLaw(2.5, 0.07),
        SmearedPowerLaw(12, 0.1),
        SmearedPowerLaw(0, 0.06),
        SmearedYukawa(0.7, 0.1),
        SmearedYukawa(0.01, 0.1),
        SmearedTable((0.0, 0.5, 1.0, 1.5, 2.0), (1.0, 0.8, 0.3, 0.1, 0.0), 0.1),
    ],
    ids=repr,
)
def test_tables_are_those_of_quadrature(kind, law):
    """By the plain double integral, at every kind of distance."""
    basis = BASES[kind](2, 2, 3.0)
    table = pair_table(basis, law)
    near = table.near.upper
    edges = [0.0, 0.01, 3.0 - law.smearing, 3.0, 3.0 + law.smearing, 0.7 * near, 0.999 * near]
    distances = np.array([*edges, 1.5, 1.001 * near, 1.3 * near, 10.0 * near])
    exact = pair_integrals(basis, law, distances)
    scale = np.abs(exact).max()
    np.testing.assert_allclose(table(distances)[:8], exact[:8], rtol=0, atol=1e-11 * scale)
    # far fields are exact, of a Gaussian nothing is left
    left = 1e-11 * scale if exact[9].max() < 1e-100 else 1e-25 * scale
    allowed = 1e-10 * np.abs(exact[8:]).max(axis=1, keepdims=True) + left
    assert np.all(np.abs(table(distances)[8:] - exact[8:]) <= allowed)


@pytest.mark.parametrize("l_max", [0, 1, 2, 6, 15])
def test_spherical_bessel_functions(l_max):
    x = np.concatenate([np.linspace(0.0, 30.0, 999), np.geomspace(1e-8, 3e3, 501)])
    expected = [spherical_jn(l, x) for l in range(l_max + 1)]
    np.testing.assert_allclose(spherical_bessel(l_max, x), expected, rtol=0, atol=4e-16)


@pytest.mark.parametrize("exponent", [0.5, 1, 2, 6, 12, 30])
@pytest.mark.parametrize(("l", "k"), [(0, 0), (3, 1), (2, 150), (8, 400)])
def test_multipole_coefficients_beyond_factorials(exponent, l, k):
    p = mpmath.mpf(exponent)
    expected = (2 * l + 1) * mpmath.rf(p / 2, l + k) * mpmath.rf((p - 1) / 2, k)
    expected /= mpmath.rf(mpmath.mpf(3) / 2, l + k) * mpmath.factorial(k)
    assert multipole_coefficient(exponent, l, k) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("n_nodes", [3, 64, 65, 200, 1000])
def test_quadrature_in_parts(n_nodes):
    nodes, weights = gauss_legendre(n_nodes, 5.0)
    assert n_nodes <= len(nodes) <= n_nodes + 64
    assert np.all(np.diff(nodes) > 0)
    assert weights.sum() == pytest.approx(5.0)
    assert weights @ nodes**5 == pytest.approx(5.0**6 / 6)
