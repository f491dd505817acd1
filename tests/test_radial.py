"""Radial bases, and their integrals with plane waves, neighbours and the central atom."""

import mpmath
import numpy as np
import pytest
from scipy.special import gamma, ive, roots_jacobi, spherical_jn

from sklode.physics.numerics.chebyshev import interpolate
from sklode.physics.numerics.quadrature import gauss_legendre
from sklode.physics.radial.bases import BASES
from sklode.physics.radial.integrals import (
    center_integrals,
    pair_integrals,
    pair_table,
    plane_wave_table,
)
from sklode.physics.radial.laws import SmearedPowerLaw

GTO = BASES["gto"](3, 2, 2.5)
MONOMIALS = BASES["monomial"](2, 2, 2.5)
GTO_MATRIX = np.array(
    [
        [4.656642338563, -3.477167510689, 0.110641709348],
        [-3.548869229738, 5.692815176901, -0.340080382541],
        [0.500465922368, -1.507206752581, 0.579371805793],
    ]
)
DIGITS = 6e-13  # half a unit of the last printed digit


def by_gaussians(basis, law, d):
    """F_nl(d) as an integral over the Gaussians in v_p, eq. (3.1); (l_max + 1) * n_max values."""
    p, end = law.exponent, 0.5 / law.smearing**2
    x, w = roots_jacobi(80, 0.0, 0.5 * p - 1.0)
    t, w = 0.5 * end * (1.0 + x), w * (0.5 * end) ** (0.5 * p)
    r, dr = gauss_legendre(400, basis.reach)
    z = 2.0 * np.outer(t, r) * d
    decay = np.exp(-t[:, None] * (r - d) ** 2)
    out = []
    for l in range(basis.l_max + 1):
        with np.errstate(divide="ignore", invalid="ignore"):
            bessel = np.sqrt(0.5 * np.pi / z) * ive(l + 0.5, z)
        kernel = 4.0 * np.pi * bessel * decay
        out.append(basis.functions(r)[l] * dr * r**2 @ kernel.T @ w / gamma(0.5 * p))
    return np.concatenate(out)


def gto_pair(p, sigma, d, l):
    """F_nl(d) of the three GTOs of ``GTO`` in closed form (section 3.2), integrated by mpmath."""
    radius, count = 2.5, 3
    end = 1 / (2 * mpmath.mpf(sigma) ** 2)
    power = int(np.ceil(2 / p))  # t = end u^power has no singularity at 0
    primitives = []
    for n in range(count):
        b = 1 / (2 * (mpmath.mpf(radius) * mpmath.sqrt(max(n, 1)) / count) ** 2)
        a, c = mpmath.mpf(n + l + 3) / 2, mpmath.mpf(2 * l + 3) / 2

        def integrand(u, a=a, b=b, c=c):
            t = end * u**power
            total = t + b
            wave = mpmath.exp(-t * d**2 * b / total)
            wave *= mpmath.hyp1f1(c - a, c, -((t * d) ** 2) / total)
            measure = power * end ** (mpmath.mpf(p) / 2) * u ** (power * mpmath.mpf(p) / 2 - 1)
            return measure * (t * d) ** l * total**-a * wave

        scale = mpmath.pi**1.5 * mpmath.gamma(a) / mpmath.gamma(c) / mpmath.gamma(mpmath.mpf(p) / 2)
        primitives.append(float(scale * mpmath.quad(integrand, [0, 0.5, 1])))
    return GTO_MATRIX @ primitives


@pytest.mark.parametrize("n_max", [1, 2, 4, 6])
@pytest.mark.parametrize("kind", ["gto", "monomial"])
def test_bases_are_orthonormal(kind, n_max):
    basis = BASES[kind](n_max, 4, 2.7)
    r, dr = gauss_legendre(300, basis.reach)
    for functions in basis.functions(r):
        overlap = functions * dr * r**2 @ functions.T
        np.testing.assert_allclose(overlap, np.eye(n_max), atol=1e-10 if n_max < 5 else 1e-6)


@pytest.mark.parametrize("kind", ["gto", "monomial"])
def test_quadrature_contains_the_measure(kind):
    basis = BASES[kind](3, 2, 2.7)
    r, measure = basis.quadrature(0.5)
    overlap = np.einsum("lng,lkg->lnk", measure, basis.functions(r))
    np.testing.assert_allclose(overlap, np.broadcast_to(np.eye(3), (3, 3, 3)), atol=1e-11)


def test_gto_are_the_known_combinations_of_primitives():
    r = np.linspace(0, 6, 30)
    n = np.arange(3)[:, None]
    widths = 2.5 * np.sqrt([[1.0], [1.0], [2.0]]) / 3
    expected = GTO_MATRIX @ (r**n * np.exp(-0.5 * (r / widths) ** 2))
    for functions in GTO.functions(r):
        np.testing.assert_allclose(functions, expected, atol=1e-11)


def test_one_monomial_is_the_normalised_power():
    r = np.linspace(0, 3, 7)
    for l, functions in enumerate(BASES["monomial"](1, 4, 3.0).functions(r)):
        np.testing.assert_allclose(functions[0], np.sqrt((2 * l + 3) / 3.0 ** (2 * l + 3)) * r**l)


@pytest.mark.parametrize(
    ("basis", "expected"),
    [
        pytest.param(
            GTO,
            [
                [0.464980278191, 0.790914506628, -0.105059524378],
                [0.197101566624, 0.412210212947, 0.818915234407],
                [0.116504840445, -0.059563047847, 0.978245697310],
            ],
            id="gto",
        ),
        pytest.param(
            MONOMIALS,
            [
                [0.830264529937, -0.131162603684],
                [0.823884913953, 0.288069364929],
                [0.499052317108, 0.279607605411],
            ],
            id="monomial",
        ),
    ],
)
@pytest.mark.parametrize("k_max", [1.3, 8.0])
def test_plane_wave_integrals(basis, expected, k_max):
    found = plane_wave_table(basis, k_max)(np.array([1.3]))[0]
    np.testing.assert_allclose(found, np.ravel(expected), atol=DIGITS, rtol=0)


@pytest.mark.parametrize("kind", ["gto", "monomial"])
def test_plane_wave_integrals_by_quadrature(kind):
    basis = BASES[kind](4, 3, 3.3)
    k = np.linspace(0.0, 12.0, 40)
    r, dr = gauss_legendre(600, basis.reach)
    found = plane_wave_table(basis, 12.0)(k).reshape(40, 4, 4)
    for l in range(4):
        expected = spherical_jn(l, np.outer(k, r)) @ (basis.functions(r)[l] * dr * r**2).T
        np.testing.assert_allclose(found[:, l], expected, atol=2e-12)


@pytest.mark.parametrize(
    ("basis", "p", "expected"),
    [
        pytest.param(
            GTO,
            1,
            [
                [3.734894560187, 0.638694667281, 14.374694018256],
                [0.506320606810, -0.318542100443, 3.361904310990],
                [0.166118018417, -0.261661039498, 1.371426128396],
            ],
            id="gto-1",
        ),
        pytest.param(
            GTO,
            3,
            [
                [0.448595078606, 0.011405381448, 2.061832143960],
                [0.182713845668, -0.139092769141, 1.314890526529],
                [0.094334921734, -0.153022596365, 0.810130047594],
            ],
            id="gto-3",
        ),
        pytest.param(
            MONOMIALS,
            6,
            [
                [0.061817438474, 0.067725736278],
                [0.054645116017, 0.047989039397],
                [0.040111163511, 0.030980487457],
            ],
            id="monomial-6",
        ),
    ],
)
def test_pair_integrals(basis, p, expected):
    law, distance = SmearedPowerLaw(p, 0.8), np.array([3.1])
    expected = np.ravel(expected)
    direct = pair_integrals(basis, law, distance)[0]
    np.testing.assert_allclose(direct, expected, atol=10 * DIGITS, rtol=0)
    tabulated = pair_table(basis, law)(distance)[0]
    np.testing.assert_allclose(tabulated, expected, atol=1e-10, rtol=0)


@pytest.mark.parametrize("p", [0.5, 1.7, 2.5, 4.3, 7.75])
@pytest.mark.parametrize(("d", "l"), [(0.6, 0), (0.6, 1), (2.9, 0), (2.9, 2), (5.5, 1)])
def test_real_exponents_against_closed_form(p, d, l):
    found = pair_table(GTO, SmearedPowerLaw(p, 0.8))(np.array([d]))[0].reshape(3, 3)[l]
    expected = gto_pair(p, 0.8, mpmath.mpf(d), l)
    np.testing.assert_allclose(found, expected, atol=1e-9 * np.abs(expected).max(), rtol=0)


@pytest.mark.parametrize("p", [0.5, 1, 1.5, 3, 4.5, 6, 9.25, 12])
@pytest.mark.parametrize("kind", ["gto", "monomial"])
def test_pair_integrals_by_gaussians(kind, p):
    basis, law = BASES[kind](3, 3, 2.0), SmearedPowerLaw(p, 0.7)
    distances = np.array([0.1, 0.8, 1.9, 2.1, 3.5, 5.0])
    expected = np.array([by_gaussians(basis, law, d) for d in distances])
    found = pair_table(basis, law)(distances)
    np.testing.assert_allclose(found, expected, atol=2e-10 * np.abs(expected).max(), rtol=0)


@pytest.mark.parametrize("kind", ["gto", "monomial"])
def test_gaussian_density_by_its_closed_form(kind):
    basis, sigma = BASES[kind](3, 3, 2.0), 0.4
    table = pair_table(basis, SmearedPowerLaw(0.0, sigma), upper=4.0)
    t = 0.5 / sigma**2
    r, dr = gauss_legendre(200, basis.reach)
    for d in (0.3, 1.5, 3.9):
        z = 2.0 * t * r * d
        found = table(np.array([d]))[0].reshape(4, 3)
        for l in range(4):
            wave = np.sqrt(0.5 * np.pi / z) * ive(l + 0.5, z) * np.exp(-t * (r - d) ** 2)
            integral = basis.functions(r)[l] * dr * r**2 @ wave
            expected = 4.0 * np.pi * (np.pi * sigma**2) ** -0.75 * integral
            np.testing.assert_allclose(found[l], expected, atol=2e-10)


@pytest.mark.parametrize("kind", ["gto", "monomial"])
@pytest.mark.parametrize("p", [0.5, 1, 2.5, 3, 6])
def test_near_table_and_far_series_meet(kind, p):
    table = pair_table(BASES[kind](2, 3, 2.0), SmearedPowerLaw(p, 0.6))
    switch = table.near.upper
    below, above = table(np.array([switch, switch * (1 + 1e-14)]))
    scale = np.abs(table(np.array([0.5 * switch]))).max(axis=0)
    np.testing.assert_allclose(below / scale, above / scale, atol=1e-9)


@pytest.mark.parametrize("kind", ["gto", "monomial"])
@pytest.mark.parametrize("p", [0.5, 1, 2.5, 3, 6, 12])
def test_far_series_by_quadrature(kind, p):
    basis, law = BASES[kind](2, 3, 2.0), SmearedPowerLaw(p, 0.6)
    table = pair_table(basis, law)
    for factor in (1.05, 1.5, 4.0):
        distance = np.array([factor * table.near.upper])
        exact = pair_integrals(basis, law, distance)[0]
        # the closest part of the basis still sees the smearing of steep potentials
        tolerance = (1e-8 if p <= 6 else 1e-6) * np.abs(exact).max()
        np.testing.assert_allclose(table(distance)[0], exact, atol=tolerance, rtol=0)


def test_one_harmonic_function_has_one_multipole():
    table = pair_table(BASES["monomial"](1, 3, 2.0), SmearedPowerLaw(1, 0.5))
    d = np.array([8.0, 50.0])
    l = np.arange(4)
    expected = np.sqrt(2.0 ** (2 * l + 3) / (2 * l + 3)) * 4 * np.pi / (2 * l + 1)
    np.testing.assert_allclose(table(d), expected / d[:, None] ** (l + 1), rtol=1e-12)


def test_gaussian_density_has_no_far_field():
    table = pair_table(MONOMIALS, SmearedPowerLaw(0.0, 0.5))
    assert not table(np.array([table.near.upper + 0.01, 100.0])).any()


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (0, [0.846538526712, 0.515602811960, 0.132160602249]),
        (1, [2.289405151907, 1.406298721813, 5.258236369902]),
        (6, [0.127606078692, 0.102163903852, 0.058291996646]),
    ],
)
def test_center_integrals(p, expected):
    found = center_integrals(GTO, SmearedPowerLaw(p, 0.8))
    np.testing.assert_allclose(found, expected, atol=DIGITS, rtol=0)


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (0, [0.709990770, 0.613767552, 0.334161655, 0.0835301656, 0.0178439070, -3.44944189e-5]),
        (1, [1.69193704, 2.02389609, 2.8508605, 3.84013315, 1.6286875, 7.03339206]),
        (2, [1.00532821, 1.10024475, 1.34843319, 1.19816616, 0.69150715, 1.27654174]),
        (6, [0.03811939, 0.037412, 0.03115835, 0.01364843, 0.00534184, 0.00205973]),
    ],
)
def test_center_integrals_of_six_gto(p, expected):
    found = center_integrals(BASES["gto"](6, 0, 5.0), SmearedPowerLaw(p, 1.0))
    np.testing.assert_allclose(found, expected, atol=6e-9 if p else 6e-10, rtol=0)


@pytest.mark.parametrize("kind", ["gto", "monomial"])
@pytest.mark.parametrize("p", [0, 0.5, 1, 3.3, 12])
def test_center_is_a_neighbour_at_no_distance(kind, p):
    basis, law = BASES[kind](3, 2, 2.0), SmearedPowerLaw(p, 0.7)
    pair = pair_integrals(basis, law, np.zeros(1))[0].reshape(3, 3)
    center = center_integrals(basis, law)  # F_n0(0) Y_00
    np.testing.assert_allclose(pair[0] / np.sqrt(4 * np.pi), center, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(pair[1:], 0.0, atol=1e-10)


class TestChebyshev:
    def test_interpolates_to_the_accuracy_asked_for(self):
        def functions(x):
            return np.stack([np.exp(x), 1e-8 * np.sin(20 * x), 1 / (1 + x**2)], axis=1)

        x = np.linspace(-1.0, 4.0, 1001)
        exact = functions(x)
        for accuracy in (1e-4, 1e-8, 1e-12):
            error = np.abs(interpolate(functions, -1.0, 4.0, accuracy)(x) - exact).max(axis=0)
            assert (error <= accuracy * np.abs(exact).max(axis=0)).all()

    def test_basis_is_that_of_chebyshev(self):
        series = interpolate(lambda x: np.cos(3 * x)[:, None], 0.0, 2.0, 1e-10)
        x = np.linspace(0.0, 2.0, 11)
        expected = np.polynomial.chebyshev.chebvander(x - 1.0, len(series.coefficients) - 1)
        np.testing.assert_allclose(series.basis(x), expected, atol=1e-12)
        np.testing.assert_allclose(series(x)[:, 0], np.cos(3 * x), atol=1e-10)

    def test_constants_need_one_term(self):
        series = interpolate(lambda x: np.full((len(x), 1), 2.5), 0.0, 1.0, 1e-10)
        assert series.coefficients.shape == (1, 1)
        np.testing.assert_allclose(series(np.array([0.0, 0.4, 1.0])), 2.5)

    def test_rough_functions_are_refused(self):
        with pytest.raises(RuntimeError, match="too rough"):
            interpolate(lambda x: np.abs(x - 0.3)[:, None], 0.0, 1.0, 1e-12)
