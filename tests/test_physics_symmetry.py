"""Rotations, translations, permutations, and the freedom in the choice of a periodic cell."""

import numpy as np
import pytest
from scipy.special import factorial, lpmv
from systems import ROCK_SALT, cluster, expand, random_rotation, rattled_salt, triclinic

from sklode import DensityProjector, LongRangePotential, PowerSpectrum
from sklode.physics.numerics.harmonics import spherical_harmonics

L_MAX = 4
EXPONENTS = [0.5, 1, 3, 6]
POTENTIAL = {
    "exponent": EXPONENTS,
    "cutoff": 2.0,
    "n_max": 2,
    "l_max": L_MAX,
    "smearing": 1.1,
    "k_cutoff": 5.0,
    "tol": 1e-13,  # of the radial modes that several exponents share
}
DENSITY = {"transformer": DensityProjector, "cutoff": 4.0, "n_max": 3, "l_max": L_MAX}
FIELDS = [
    pytest.param(POTENTIAL, id="monomial"),
    pytest.param({**POTENTIAL, "radial_basis": "gto", "include_center": True}, id="gto"),
    pytest.param(DENSITY, id="density"),
]
INVARIANTS = [
    pytest.param(DensityProjector(4.0, 3, 4), id="rho.rho"),
    pytest.param(LongRangePotential(**POTENTIAL), id="V.V"),
    pytest.param(
        LongRangePotential(**POTENTIAL, invariants="radial_spectrum"), id="radial spectrum"
    ),
    pytest.param(
        PowerSpectrum(DensityProjector(4.0, 3, 4), LongRangePotential(**POTENTIAL)), id="rho.V"
    ),
]
STRUCTURES = [
    pytest.param(cluster("C2O2H3", size=5.0), id="isolated"),
    pytest.param(triclinic("C3O2H2"), id="periodic"),
]


def rotated(atoms, rotation):
    out = atoms.copy()
    out.set_cell(rotation.apply(atoms.cell), scale_atoms=False)
    out.positions = rotation.apply(atoms.positions)
    return out


def wigner(rotation, l_max=L_MAX):
    """Matrix D with Y(R u) = D Y(u), found from many directions u."""
    directions = np.random.default_rng(0).normal(size=(400, 3))
    before = spherical_harmonics(directions, l_max)
    after = spherical_harmonics(rotation.apply(directions), l_max)
    return np.linalg.lstsq(before, after, rcond=None)[0].T


def assert_close(found, expected, accuracy=1e-11):
    np.testing.assert_allclose(found, expected, rtol=0, atol=accuracy * np.abs(expected).max())


def features(model, atoms):
    return np.asarray(model.fit([atoms]).transform([atoms]))


def test_harmonics_are_the_real_ones_without_condon_shortley_phase():
    u = np.random.default_rng(1).normal(size=(50, 3))
    cosine = u[:, 2] / np.linalg.norm(u, axis=1)
    phi = np.arctan2(u[:, 1], u[:, 0])
    found = spherical_harmonics(u, 5)
    for l in range(6):
        for m in range(-l, l + 1):
            a = abs(m)
            norm = np.sqrt((2 * l + 1) / (4 * np.pi) * factorial(l - a) / factorial(l + a))
            legendre = (-1) ** a * norm * lpmv(a, l, cosine)
            azimuth = np.sqrt(2) * (np.sin(a * phi) if m < 0 else np.cos(a * phi)) if m else 1.0
            np.testing.assert_allclose(found[:, l * l + l + m], legendre * azimuth, atol=1e-13)


def test_first_degree_is_y_z_x():
    u = np.array([[0.3, -0.5, 0.7]])
    expected = np.sqrt(3 / (4 * np.pi)) * u[0, [1, 2, 0]] / np.linalg.norm(u)
    np.testing.assert_allclose(spherical_harmonics(u, 1)[0, 1:], expected, rtol=1e-14)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("atoms", STRUCTURES)
@pytest.mark.parametrize("field", FIELDS)
def test_coefficients_turn_with_the_structure(field, atoms, seed):
    rotation = random_rotation(seed)
    d = wigner(rotation)
    np.testing.assert_allclose(d @ d.T, np.eye(len(d)), atol=1e-12)
    degree = np.repeat(np.arange(L_MAX + 1), 2 * np.arange(L_MAX + 1) + 1)
    np.testing.assert_allclose(d[degree[:, None] != degree], 0.0, atol=1e-12)
    expected = expand(atoms, **field) @ d.T
    assert_close(expand(rotated(atoms, rotation), **field), expected)


@pytest.mark.parametrize("atoms", STRUCTURES)
@pytest.mark.parametrize("field", FIELDS)
def test_coefficients_have_the_parity_of_their_degree(field, atoms):
    mirrored = atoms.copy()
    mirrored.positions *= -1.0
    signs = np.repeat((-1.0) ** np.arange(L_MAX + 1), 2 * np.arange(L_MAX + 1) + 1)
    assert_close(expand(mirrored, **field), expand(atoms, **field) * signs)


@pytest.mark.parametrize("atoms", STRUCTURES)
@pytest.mark.parametrize("model", INVARIANTS)
class TestInvariants:
    def test_do_not_turn(self, model, atoms):
        for seed in (2, 3):
            turned = rotated(atoms, random_rotation(seed))
            assert_close(features(model, turned), features(model, atoms))

    def test_do_not_change_under_inversion(self, model, atoms):
        mirrored = atoms.copy()
        mirrored.positions *= -1.0
        assert_close(features(model, mirrored), features(model, atoms))

    def test_do_not_depend_on_the_origin(self, model, atoms):
        moved = atoms.copy()
        moved.positions += [11.3, -4.7, 2.9]
        assert_close(features(model, moved), features(model, atoms))

    def test_do_not_depend_on_the_order_of_the_atoms(self, model, atoms):
        order = np.random.default_rng(4).permutation(len(atoms))
        assert_close(features(model, atoms[order]), features(model, atoms))


@pytest.mark.parametrize("atoms", STRUCTURES)
@pytest.mark.parametrize("field", FIELDS)
def test_atoms_keep_their_coefficients_when_reordered(field, atoms):
    order = np.random.default_rng(5).permutation(len(atoms))
    assert_close(expand(atoms[order], **field), expand(atoms, **field)[order])


@pytest.mark.parametrize("atoms", STRUCTURES)
@pytest.mark.parametrize("field", FIELDS)
def test_translation_leaves_the_coefficients(field, atoms):
    moved = atoms.copy()
    moved.positions += [-7.1, 0.4, 33.0]
    assert_close(expand(moved, **field), expand(atoms, **field))


@pytest.mark.parametrize("field", FIELDS)
class TestCell:
    ATOMS = triclinic("C3O2H2")

    def test_atoms_may_lie_outside(self, field):
        moved = self.ATOMS.copy()
        shifts = np.random.default_rng(6).integers(-3, 4, (len(moved), 3))
        moved.positions += shifts @ np.array(moved.cell)
        assert_close(expand(moved, **field), expand(self.ATOMS, **field))

    @pytest.mark.parametrize("axis", range(3))
    def test_negated_vectors_span_the_same_lattice(self, field, axis):
        left = self.ATOMS.copy()
        cell = np.array(left.cell)
        cell[axis] *= -1.0
        left.set_cell(cell)
        assert_close(expand(left, **field), expand(self.ATOMS, **field))

    def test_exchanged_vectors_span_the_same_lattice(self, field):
        left = self.ATOMS.copy()
        left.set_cell(np.array(left.cell)[[1, 0, 2]])
        assert_close(expand(left, **field), expand(self.ATOMS, **field))

    def test_skewed_vectors_span_the_same_lattice(self, field):
        skewed = self.ATOMS.copy()
        skewed.set_cell(np.array([[1, 0, 0], [2, 1, 0], [-1, 1, 1]]) @ np.array(skewed.cell))
        assert_close(expand(skewed, **field), expand(self.ATOMS, **field))

    @pytest.mark.parametrize("repeat", [(2, 1, 1), (1, 3, 1), (2, 2, 2)])
    def test_supercells_repeat_the_coefficients(self, field, repeat):
        expected = np.tile(expand(self.ATOMS, **field), (np.prod(repeat), 1, 1, 1))
        assert_close(expand(self.ATOMS.repeat(repeat), **field), expected)


@pytest.mark.parametrize("exponent", [1, 3, 6])
def test_supercells_agree_within_the_tolerance(exponent):
    atoms, parameters = rattled_salt(), {"exponent": exponent, "smearing": 1.5, "tol": 1e-6}
    single = expand(atoms, **parameters)
    double = expand(atoms.repeat((1, 2, 1)), **parameters)
    scale = np.abs(single).max(axis=(0, 2, 3), keepdims=True)
    np.testing.assert_allclose(double / scale, np.tile(single, (2, 1, 1, 1)) / scale, atol=2e-6)


@pytest.mark.parametrize("model", INVARIANTS)
def test_supercells_multiply_the_sums_over_atoms(model):
    atoms = triclinic("C3O2H2")
    assert_close(features(model, atoms.repeat((1, 2, 1))), 2 * features(model, atoms))


@pytest.mark.parametrize("field", FIELDS)
def test_full_symmetry_of_rock_salt_kills_low_degrees(field):
    atoms = ROCK_SALT.copy()
    atoms.set_cell(2.8 * np.array(atoms.cell), scale_atoms=True)
    coefficients = expand(atoms, **field)
    assert np.abs(coefficients[..., 1:16]).max() < 1e-11 * np.abs(coefficients).max()
