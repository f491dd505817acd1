"""Sums over waves in cells of right angles and in others, against plain sines and cosines."""

import numpy as np
import pytest

from sklode.physics.radial.bases import BASES
from sklode.physics.radial.laws import SmearedPowerLaw
from sklode.physics.system.kvectors import half_sphere
from sklode.physics.waves.kernels import wave_kernels
from sklode.physics.waves.standing_waves import StandingWaves, TravellingWaves, sums_of_waves

RIGHT_ANGLES = np.diag([5.0, 6.0, -4.5])
AXES_EXCHANGED = RIGHT_ANGLES[[1, 2, 0]]
OBLIQUE = np.array([[5.0, 0.4, 0.0], [-0.3, 6.0, 0.2], [0.1, 0.0, 4.5]])


@pytest.mark.parametrize("waves", [StandingWaves, TravellingWaves])
@pytest.mark.parametrize("cell", [RIGHT_ANGLES, AXES_EXCHANGED, OBLIQUE])
def test_sums_are_those_of_sines_and_cosines(cell, waves):
    rng, sphere = np.random.default_rng(0), half_sphere(cell, 4.0)
    factors = [rng.normal(size=(len(sphere), n)) for n in (3, 2)]
    positions = rng.uniform(-10.0, 10.0, (300, 3))
    angles = positions @ sphere.vectors.T
    expected = np.sin(angles) @ factors[0], np.cos(angles) @ factors[1]
    for mine, plain in zip(waves(sphere, *factors)(positions), expected, strict=True):
        np.testing.assert_allclose(mine, plain, atol=1e-11)


@pytest.mark.parametrize("cell", [RIGHT_ANGLES, AXES_EXCHANGED])
def test_even_and_odd_factors_need_a_quarter_of_the_products(cell):
    sphere = half_sphere(cell, 4.0)
    waves = sums_of_waves(sphere, sphere.vectors, np.ones((len(sphere), 1)))
    n_products = sum(part.factors.size for part in waves._waves.values())
    assert n_products < 0.5 * 4 * len(sphere)  # a quarter but for those on the planes


@pytest.mark.parametrize("cell", [RIGHT_ANGLES, AXES_EXCHANGED])
@pytest.mark.parametrize("l_max", [0, 3, 6])
def test_every_harmonic_is_one_kind_of_waves(cell, l_max):
    """It is even or odd along each axis, but for rounding errors, which must not be summed."""
    basis, sphere = BASES["gto"](2, l_max, 2.5), half_sphere(cell, 4.0)
    (kernels,) = wave_kernels(basis, [SmearedPowerLaw(1, 1.0)], [sphere], [cell], [None])
    columns = [part.columns for part in kernels.moved()._waves.values()]
    n_columns = 3 * 2 * (l_max + 1) ** 2
    assert np.array_equal(np.sort(np.concatenate(columns)), np.arange(n_columns))


def test_waves_travel_through_oblique_cells():
    sphere = half_sphere(OBLIQUE, 4.0)
    assert isinstance(sums_of_waves(sphere, sphere.vectors, sphere.vectors), TravellingWaves)


@pytest.mark.parametrize("cell", [RIGHT_ANGLES, OBLIQUE])
def test_no_waves(cell):
    sphere = half_sphere(cell, 0.1)
    assert len(sphere) == 0
    sums = sums_of_waves(sphere, np.zeros((0, 3)), np.zeros((0, 2)))(np.ones((4, 3)))
    assert [part.shape for part in sums] == [(4, 3), (4, 2)]
    assert not any(part.any() for part in sums)
