"""The smeared power law in both spaces, and its multipole expansion."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import eval_legendre, hyp2f1

from sklode.physics.radial.laws import SmearedPowerLaw, exponential_integral, multipole_coefficient

EXPONENTS = [0.5, 1, 1.5, 2, 2.7, 3, 3.5, 4, 5, 6, 7.25, 9, 12]
DISTANCES = [1e-7, 1e-3, 0.03, 0.3, 1.0, 2.5, 10.0, 40.0]
WAVE_NUMBERS = [1e-3, 0.05, 0.4, 1.0, 3.0, 9.0]
SMEARING = 0.9


def potential(p, r, sigma):
    """Eq. (2.1) to 30 digits."""
    with mpmath.workdps(30):
        a, r = mpmath.mpf(p) / 2, mpmath.mpf(r)
        x = r**2 / (2 * mpmath.mpf(sigma) ** 2)
        return float(mpmath.gammainc(a, 0, x, regularized=True) / r**p)


def transform(p, k, sigma):
    """Fourier transform of the Gaussians that eq. (2.1) is made of, integrated over them."""
    with mpmath.workdps(25):
        k, end = mpmath.mpf(k), 1 / (2 * mpmath.mpf(sigma) ** 2)
        half = mpmath.mpf(p) / 2

        def gaussian(y):  # t = end exp(-y)
            t = end * mpmath.exp(-y)
            return t ** (half - mpmath.mpf("1.5")) * mpmath.exp(-(k**2) / (4 * t))

        last = mpmath.log(4 * end / k**2 * 80 + 1)
        edges = mpmath.linspace(0, last, 9)
        return float(mpmath.pi**1.5 / mpmath.gamma(half) * mpmath.quad(gaussian, edges))


@pytest.mark.parametrize("p", EXPONENTS)
def test_potential_in_real_space(p):
    found = SmearedPowerLaw(p, SMEARING).real(np.array(DISTANCES))
    expected = [potential(p, r, SMEARING) for r in DISTANCES]
    np.testing.assert_allclose(found, expected, rtol=2e-13)


@pytest.mark.parametrize("p", EXPONENTS)
def test_potential_at_its_own_atom_and_across_the_series(p):
    law = SmearedPowerLaw(p, SMEARING)
    top = float((2 * SMEARING**2) ** (-p / 2) / mpmath.gamma(p / 2 + 1))
    assert law.real(0.0) == pytest.approx(top, rel=1e-14)
    switch = SMEARING * np.sqrt(2e-3)
    below, above = law.real(switch * np.array([1 - 1e-12, 1 + 1e-12]))
    assert below == pytest.approx(above, rel=1e-11)


@pytest.mark.parametrize("p", EXPONENTS)
def test_potential_is_the_bare_power_law_far_away(p):
    assert SmearedPowerLaw(p, 0.5).real(8.0) * 8.0**p == pytest.approx(1.0, rel=1e-13)


@pytest.mark.parametrize("p", EXPONENTS)
def test_fourier_transform_is_that_of_the_gaussians_in_the_potential(p):
    found = SmearedPowerLaw(p, SMEARING).fourier(np.array(WAVE_NUMBERS))
    expected = [transform(p, k, SMEARING) for k in WAVE_NUMBERS]
    np.testing.assert_allclose(found, expected, rtol=5e-13)


@pytest.mark.parametrize("p", [2, 3.5, 4, 6])
def test_fourier_transform_is_that_of_the_potential(p):
    law, k = SmearedPowerLaw(p, SMEARING), 1.7
    integral, _ = quad(
        lambda r: r * float(law.real(r)), 0, np.inf, weight="sin", wvar=k, epsabs=1e-11, limlst=500
    )
    assert law.fourier(k) == pytest.approx(4 * np.pi / k * integral, abs=1e-8)


@pytest.mark.parametrize(
    ("p", "real", "fourier"),
    [
        (0, 0.257033869614, 4.048183189268),
        (1, 0.682689492137, 7.621889058921),
        (1.5, 0.527937109835, 7.434806389954),
        (2, 0.393469340287, 6.263458369831),
        (3, 0.198748043099, 3.517161226045),
        (4, 0.090204010431, 1.644581470382),
        (5, 0.037434226753, 0.684121305479),
        (6, 0.014387677967, 0.260977432076),
    ],
)
def test_values_at_unit_distance_and_unit_wave_number(p, real, fourier):
    law = SmearedPowerLaw(p, 1.0)
    assert law.real(1.0) == pytest.approx(real, abs=6e-13)
    assert law.fourier(1.0) == pytest.approx(fourier, abs=6e-13)


@pytest.mark.parametrize(
    ("p", "expected"),
    [(0, 6.674325731836), (4, 7.874804972861), (5, 2.094395102393), (6, 0.656233747738)],
)
def test_integrable_potentials_keep_their_average(p, expected):
    law = SmearedPowerLaw(p, 1.0)
    assert law.fourier_at_zero == pytest.approx(expected, abs=6e-13)
    assert law.fourier(1e-5) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("p", [3.2, 3.5, 4.5, 7.25, 12])
def test_fourier_transform_approaches_its_average(p):
    law = SmearedPowerLaw(p, SMEARING)
    k = np.array([1e-8, 1e-10]) if p > 3.2 else np.array([1e-30, 1e-40])
    with mpmath.workdps(30):
        order = (mpmath.mpf(p) - 1) / 2
        limit = float(1 / (order - 1)) * law._prefactor
    assert law.fourier_at_zero == pytest.approx(limit, rel=1e-13)
    if p > 3.2:
        np.testing.assert_allclose(law.fourier(k), limit, rtol=3 * k.max() ** min(p - 3, 2) + 1e-12)


@pytest.mark.parametrize(("p", "constant"), [(1, -6.28318530718), (2, -15.749609945722)])
def test_finite_part_of_divergent_averages(p, constant):
    law, k = SmearedPowerLaw(p, 1.0), np.array([1e-2, 5e-3])
    with mpmath.workdps(20):
        leading = mpmath.pi**1.5 * 2 ** (3 - p) * mpmath.gamma((3 - p) / 2) / mpmath.gamma(p / 2)
    finite = law.fourier(k) - float(leading) * k ** (p - 3.0)
    extrapolated = (4 * finite[1] - finite[0]) / 3  # the rest is of order k^2
    assert extrapolated == pytest.approx(constant, abs=1e-7)


def test_third_power_diverges_as_a_logarithm():
    k = 1e-5
    expected = 2 * np.pi * (-np.euler_gamma - np.log(0.5 * (SMEARING * k) ** 2))
    assert SmearedPowerLaw(3, SMEARING).fourier(k) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("p", [0.5, 1, 2, 2.99, 3])
def test_background_replaces_averages_that_diverge(p):
    assert SmearedPowerLaw(p, SMEARING).fourier_at_zero == 0.0


def test_exponent_zero_is_a_normalised_gaussian():
    law = SmearedPowerLaw(0, SMEARING)
    r = np.linspace(0, 12 * SMEARING, 20001)
    assert np.trapezoid(4 * np.pi * r**2 * law.real(r) ** 2, r) == pytest.approx(1.0, abs=1e-9)
    k = 1.3
    sine_transform = 4 * np.pi / k * np.trapezoid(r * law.real(r) * np.sin(k * r), r)
    assert law.fourier(k) == pytest.approx(sine_transform, rel=1e-6)


def test_first_power_is_the_error_function():
    r = np.array([0.2, 1.0, 3.0])
    expected = [float(mpmath.erf(x / (np.sqrt(2) * SMEARING)) / x) for x in r]
    np.testing.assert_allclose(SmearedPowerLaw(1, SMEARING).real(r), expected, rtol=1e-14)


@settings(max_examples=200)
@given(st.floats(-0.5, 5.5), st.floats(-8.0, 2.0))
def test_exponential_integral_of_real_order(nu, decades):
    s = 10.0**decades
    with mpmath.workdps(30):
        expected = float(mpmath.expint(mpmath.mpf(nu), mpmath.mpf(s)))
    assert exponential_integral(nu, s) == pytest.approx(expected, rel=5e-13)


def test_exponential_integral_keeps_the_shape():
    s = np.array([[0.1, 1.0], [2.0, 30.0]])
    found = exponential_integral(1.5, s)
    assert found.shape == (2, 2)
    assert found[1, 0] == pytest.approx(exponential_integral(1.5, 2.0), rel=1e-14)
    assert exponential_integral(0.0, 3.0) == pytest.approx(np.exp(-3.0) / 3.0, rel=1e-13)


@pytest.mark.parametrize(
    ("p", "l", "values"),
    [
        (1, 0, [1, 0, 0]),
        (1, 2, [1, 0, 0]),
        (2, 0, [1, 1 / 3, 1 / 5]),
        (3, 0, [1, 1, 1]),
        (3, 1, [3, 3, 3]),
        (3, 2, [5, 5, 5]),
        (6, 0, [1, 5, 14]),
        (6, 1, [6, 24, 60]),
        (6, 2, [16, 400 / 7, 400 / 3]),
    ],
)
def test_multipole_coefficients(p, l, values):
    found = [multipole_coefficient(p, l, k) for k in range(3)]
    np.testing.assert_allclose(found, values, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("p", [0.5, 1, 2, 2.5, 3, 4, 6, 7.3, 12])
@pytest.mark.parametrize("cosine", [-1.0, -0.3, 0.6, 1.0])
def test_multipole_expansion_adds_up_to_the_power_law(p, cosine):
    r, d = 0.4, 2.0
    total = sum(
        multipole_coefficient(p, l, k) * eval_legendre(l, cosine) * (r / d) ** (l + 2 * k)
        for l in range(41)
        for k in range(21)
    )
    distance = np.sqrt(r**2 + d**2 - 2 * r * d * cosine)
    assert total * d**-p == pytest.approx(distance**-p, rel=1e-12)


@pytest.mark.parametrize("p", [0.5, 2.5, 6])
def test_radial_part_of_the_expansion_is_hypergeometric(p):
    for l in range(4):
        total = sum(multipole_coefficient(p, l, k) * 0.3 ** (2 * k) for k in range(40))
        closed = hyp2f1(0.5 * p + l, 0.5 * (p - 1), l + 1.5, 0.09)
        assert total == pytest.approx(multipole_coefficient(p, l, 0) * closed, rel=1e-12)
