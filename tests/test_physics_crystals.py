"""Madelung constants and lattice sums, read off the expansion coefficients.

At nearest-neighbour distance 1 the potential at a site is that of the bare power law as soon as the
smearing is a small fraction of 1, and the l = 0 monomials hold its value at the centre.
"""

import numpy as np
import pytest
import systems
from systems import FCC, crystal, expand

from sklode.physics.radial.bases import BASES

SUMS = {  # sum of d^-p, at nearest-neighbour distance 1
    "SIMPLE_CUBIC": {
        3.5: 29.0291409918,
        4: 16.5323159598,
        6: 8.4019239748,
        8: 6.9458079272,
        12: 6.2021490450,
    },
    "BODY_CENTERED": {
        3.5: 38.7942290061,
        4: 22.6387216438,
        6: 12.2536678673,
        8: 10.3551979084,
        12: 9.1141832681,
    },
    "FACE_CENTERED": {
        3.5: 42.8268059158,
        4: 25.3383043051,
        6: 14.4539210437,
        8: 12.8019372314,
        12: 12.1318801965,
    },
    "CLOSE_PACKED": {
        3.5: 42.8274870320,
        4: 25.3390823381,
        6: 14.4548972778,
        8: 12.8028218528,
        12: 12.1322937691,
    },
    "DIAMOND": {
        3.5: 18.3199411388,
        4: 10.2328460011,
        6: 5.1167715877,
        8: 4.3319137440,
        12: 4.0389047129,
    },
}
ALTERNATING = {  # minus the sum of charge products over d^p, p = 1 .. 6
    "ROCK_SALT": [
        1.7475645946,
        2.5193561521,
        3.2386247661,
        3.8631638072,
        4.3786011499,
        4.7884437139,
    ],
    "CESIUM_CHLORIDE": [
        1.7626747731,
        2.5676226191,
        3.3408186936,
        4.0398661891,
        4.6479092217,
        5.1645445135,
    ],
    "ZINCBLENDE": [
        1.6380550534,
        2.2285698666,
        2.7221835921,
        3.1064479153,
        3.3904489377,
        3.5923346027,
    ],
}
MADELUNG = [
    pytest.param(systems.ROCK_SALT, 1, 1.747564594633182, id="NaCl"),
    pytest.param(systems.CESIUM_CHLORIDE, 1, 1.762674773070988, id="CsCl"),
    pytest.param(systems.ZINCBLENDE, 1, 1.638055053388789, id="zincblende"),
    pytest.param(systems.WURTZITE, 2, 1.641321627371948, id="wurtzite"),
    pytest.param(systems.FLUORITE, 1, 5.038784879848565, id="fluorite"),
    pytest.param(systems.CUPRITE, 2, 4.442475209838922, id="cuprite"),
]


def coulomb_potentials(atoms, **parameters):
    """Potential at every atom, shape (n_atoms, n_channels), from one harmonic function."""
    settings = {"smearing": 1 / 8, "cutoff": 1 / 8, "tol": 1e-8, **parameters}
    ball = settings["cutoff"]
    coefficients = expand(atoms, exponent=1, n_max=1, l_max=0, **settings)
    return coefficients[:, :, 0, 0] * np.sqrt(3 / (4 * np.pi * ball**3))


def site_potentials(atoms, exponents, n_max=4, **parameters):
    """Potential of any power at every atom, from its expansion in r^0, r^2, ... at r = 0."""
    settings = {"smearing": 1 / 9, "cutoff": 0.06, "tol": 1e-9, **parameters}
    coefficients = expand(atoms, exponent=exponents, n_max=n_max, l_max=0, **settings)
    at_center = BASES["monomial"](n_max, 0, settings["cutoff"]).functions(np.zeros(1))[0, :, 0]
    values = coefficients[..., 0] @ at_center / np.sqrt(4 * np.pi)
    return values.reshape(len(atoms), len(exponents), -1)


@pytest.mark.parametrize(("atoms", "formula_units", "constant"), MADELUNG)
class TestMadelung:
    def test_from_the_charges_channel(self, atoms, formula_units, constant):
        potentials = coulomb_potentials(atoms, charges="initial_charges")[:, 0]
        energy = 0.5 * atoms.get_initial_charges() @ potentials / formula_units
        assert -energy == pytest.approx(constant, abs=1e-7)

    def test_from_the_species_channels(self, atoms, formula_units, constant):
        charge_of = dict(zip(atoms.numbers, atoms.get_initial_charges(), strict=True))
        charges = [charge_of[z] for z in sorted(charge_of)]
        potentials = coulomb_potentials(atoms) @ charges
        energy = 0.5 * atoms.get_initial_charges() @ potentials / formula_units
        assert -energy == pytest.approx(constant, abs=1e-7)

    def test_does_not_depend_on_the_ball(self, atoms, formula_units, constant):
        found = [
            coulomb_potentials(atoms, charges="initial_charges", cutoff=ball, tol=1e-11)
            for ball in (0.02, 0.1, 0.3)
        ]
        np.testing.assert_allclose(found[1:], [found[0]] * 2, rtol=1e-9)


def test_madelung_constant_from_a_gaussian():
    """A narrow Gaussian acts as a delta function on a harmonic potential."""
    width = 0.08
    coefficients = expand(
        systems.ROCK_SALT,
        exponent=1,
        n_max=1,
        l_max=0,
        radial_basis="gto",
        cutoff=width,
        smearing=0.1,
        tol=1e-10,
        charges="initial_charges",
    )
    potential = coefficients[0, 0, 0, 0] * (4 * np.pi * width**2) ** -0.75
    assert -potential == pytest.approx(1.747564594633182, abs=1e-7)


@pytest.mark.parametrize("name", SUMS)
def test_lattice_sums_of_one_species(name):
    sums = SUMS[name]
    found = site_potentials(getattr(systems, name), list(sums))
    np.testing.assert_allclose(found[0, :, 0], list(sums.values()), rtol=1e-7)
    np.testing.assert_allclose(found, np.broadcast_to(found[:1], found.shape), rtol=1e-8)


@pytest.mark.parametrize("name", ["SIMPLE_CUBIC", "FACE_CENTERED"])
def test_average_over_a_small_ball_is_nearly_the_lattice_sum(name):
    """One constant function holds the mean over the ball, V + R^2 (laplacian V) / 10 + ..."""
    expected = SUMS[name][6]
    means = []
    for ball in (0.04, 0.02):
        c = expand(
            getattr(systems, name), exponent=6, l_max=0, cutoff=ball, smearing=1 / 9, tol=1e-10
        )
        means.append(c[0, 0, 0, 0] * np.sqrt(3 / (4 * np.pi * ball**3)))
    assert means[1] > expected  # 1/r^6 is subharmonic
    extrapolated = (4 * means[1] - means[0]) / 3
    assert extrapolated == pytest.approx(expected, rel=5e-6)


@pytest.mark.parametrize("name", ALTERNATING)
def test_alternating_sums_of_all_powers(name):
    atoms = getattr(systems, name)
    found = site_potentials(atoms, list(range(1, 7)), charges="initial_charges")[:, :, 0]
    expected = np.array(ALTERNATING[name])
    np.testing.assert_allclose(-found[0], expected, atol=2e-8)
    np.testing.assert_allclose(found[1], expected, atol=2e-8)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        pytest.param(np.eye(3), -2.837297479480620, id="sc"),
        pytest.param(np.array(systems.BCC) / 2, -3.639233449508643, id="bcc"),
        pytest.param(FCC / 2, -4.584862074113802, id="fcc"),
    ],
)
@pytest.mark.parametrize("smearing", [0.06, 0.08])
def test_one_component_plasma(cell, expected, smearing):
    """Without k = 0 the smeared potential, not the bare one, averages to zero."""
    atoms = crystal("H", cell, [[0, 0, 0]], [1], 1.0)
    found = coulomb_potentials(atoms, smearing=smearing, cutoff=0.05, tol=1e-10)[0, 0]
    volume = abs(np.linalg.det(cell))
    smeared_away = 2 * np.pi * smearing**2 / volume
    background = 2 * np.pi / 3 * 0.6 * 0.05**2 / volume  # of the ball itself, mean of r^2
    assert found - smeared_away - background == pytest.approx(expected, abs=1e-8)


def test_third_power_depends_on_the_smearing_as_a_logarithm():
    """Its average has no finite part, so that only neutral combinations have a meaning."""
    atoms = systems.FACE_CENTERED
    narrow, wide = (
        site_potentials(atoms, [3], smearing=s, tol=1e-11)[0, 0, 0] for s in (0.07, 0.1)
    )
    volume = atoms.get_volume()
    assert wide - narrow == pytest.approx(2 * np.pi / volume * np.log((0.1 / 0.07) ** 2), abs=1e-6)


def test_field_in_rock_salt_moves_displaced_ions():
    """The l = 1 coefficients hold the gradient: minus the force per charge, in order y, z, x."""
    atoms = systems.ROCK_SALT.copy()
    atoms.positions[1] += [0.03, -0.02, 0.05]
    ball, step = 1 / 8, 1e-3

    def energy(shift):
        moved = atoms.copy()
        moved.positions[0] += shift
        return coulomb_energy(moved)

    def coulomb_energy(structure):
        potentials = coulomb_potentials(structure, charges="initial_charges", tol=1e-11)[:, 0]
        return 0.5 * structure.get_initial_charges() @ potentials

    c = expand(
        atoms,
        exponent=1,
        l_max=1,
        cutoff=ball,
        smearing=1 / 8,
        tol=1e-11,
        charges="initial_charges",
    )
    gradient = c[0, 0, 0, [3, 1, 2]] * np.sqrt(15 / (4 * np.pi * ball**5))
    numerical = [(energy(step * axis) - energy(-step * axis)) / (2 * step) for axis in np.eye(3)]
    np.testing.assert_allclose(gradient, numerical, atol=1e-5)
    assert np.abs(gradient).max() > 0.01
