"""Relations between channels, exponents, fields and multipoles; published coefficients."""

import numpy as np
import pytest
from ase import Atoms
from systems import cluster, expand, rattled_salt, triclinic

from sklode import DensityProjector, LongRangePotential
from sklode.physics.numerics.harmonics import spherical_harmonics
from sklode.physics.radial.bases import BASES

STRUCTURES = [
    pytest.param(cluster("C2O2H3", size=5.0), id="isolated"),
    pytest.param(triclinic("C3O2H2"), id="periodic"),
]
OPTIONS = {"cutoff": 2.0, "n_max": 2, "l_max": 3, "smearing": 1.1, "k_cutoff": 6.0, "tol": 1e-15}


def assert_close(found, expected, accuracy=1e-11):
    np.testing.assert_allclose(found, expected, rtol=0, atol=accuracy * np.abs(expected).max())


def charged_by_element(atoms, charge_of):
    out = atoms.copy()
    out.set_initial_charges([charge_of[symbol] for symbol in out.symbols])
    return out


@pytest.mark.parametrize("atoms", STRUCTURES)
@pytest.mark.parametrize("radial_basis", BASES)
@pytest.mark.parametrize("include_center", [True, False])
@pytest.mark.parametrize("exponent", [0, 1, 2.5, 6])
def test_charges_weigh_the_species_channels(exponent, include_center, radial_basis, atoms):
    charge_of = {"H": 0.4, "C": -1.3, "O": 0.7}
    atoms = charged_by_element(atoms, charge_of)
    options = {**OPTIONS, "exponent": exponent, "radial_basis": radial_basis}
    options["include_center"] = include_center
    weights = [charge_of[symbol] for symbol in ("H", "C", "O")]
    expected = np.einsum("acnm,c->anm", expand(atoms, **options), weights)
    found = expand(atoms, charges="initial_charges", **options)
    assert found.shape[1] == 1
    assert_close(found[:, 0], expected)


@pytest.mark.parametrize("atoms", STRUCTURES)
def test_coefficients_are_linear_in_the_charges(atoms):
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, len(atoms)))
    results = []
    for charges in (first, second, 2.0 * first - 0.5 * second):
        atoms = atoms.copy()
        atoms.set_initial_charges(charges)
        results.append(expand(atoms, charges="initial_charges", exponent=[1, 4], **OPTIONS))
    assert_close(results[2], 2.0 * results[0] - 0.5 * results[1])


@pytest.mark.parametrize("atoms", STRUCTURES)
@pytest.mark.parametrize("radial_basis", BASES)
def test_several_exponents_equal_single_ones(radial_basis, atoms):
    exponents = [6, 1, 2.5, 0]
    together = expand(atoms, exponent=exponents, radial_basis=radial_basis, **OPTIONS)
    single = [expand(atoms, exponent=p, radial_basis=radial_basis, **OPTIONS) for p in exponents]
    for block, expected in zip(np.split(together, 4, axis=1), single, strict=True):
        assert_close(block, expected, 1e-13)


@pytest.mark.parametrize("atoms", STRUCTURES)
def test_center_is_what_include_center_adds(atoms):
    with_center, without = (
        expand(atoms, exponent=[1, 6], include_center=flag, **OPTIONS) for flag in (True, False)
    )
    alone = Atoms("H", positions=[[0, 0, 0]])
    own = expand(alone, exponent=[1, 6], include_center=True, **OPTIONS)[0]  # (2, n, lm)
    species = np.searchsorted(np.unique(atoms.numbers), atoms.numbers)
    expected = np.zeros_like(with_center).reshape(len(atoms), 2, -1, *own.shape[1:])
    expected[np.arange(len(atoms)), :, species] = own
    assert_close(with_center - without, expected.reshape(with_center.shape))


@pytest.mark.parametrize("radial_basis", BASES)
@pytest.mark.parametrize("include_center", [True, False])
class TestExponentZeroIsTheGaussianDensity:
    SHARED = {"cutoff": 5.0, "n_max": 3, "l_max": 3, "smearing": 0.8}

    def test_of_an_isolated_structure(self, include_center, radial_basis):
        atoms = cluster("COH2", size=2.5)
        options = {**self.SHARED, "radial_basis": radial_basis, "include_center": include_center}
        expected = expand(atoms, DensityProjector, **options)
        assert_close(expand(atoms, exponent=0, **options), expected, 1e-10)

    def test_of_a_periodic_structure(self, include_center, radial_basis):
        atoms = cluster("COH2", size=2.5)
        atoms.set_cell([[26.0, 0.0, 0.0], [2.0, 25.0, 0.0], [-1.0, 1.0, 26.0]])
        atoms.pbc = True
        options = {**self.SHARED, "radial_basis": radial_basis, "include_center": include_center}
        expected = expand(atoms, DensityProjector, **options)
        assert_close(expand(atoms, exponent=0, tol=1e-11, **options), expected, 1e-9)


def distant_atoms():
    """A central atom and others between 9 and 20 angstrom from it."""
    rng = np.random.default_rng(7)
    directions = rng.normal(size=(8, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    positions = directions * rng.uniform(9.0, 20.0, (8, 1))
    return Atoms("CH5O3", positions=np.vstack([np.zeros(3), positions]))


@pytest.mark.parametrize("smearing", [0.5, 0.9])
def test_coulomb_coefficients_are_multipoles(smearing):
    """Eq. (6.3): one radial function holds all of the potential of distant charges."""
    atoms, radius, l_max = distant_atoms(), 2.0, 4
    found = expand(atoms, exponent=1, cutoff=radius, n_max=1, l_max=l_max, smearing=smearing)
    vectors = atoms.positions[1:]
    d = np.linalg.norm(vectors, axis=1)
    degree = np.repeat(np.arange(l_max + 1), 2 * np.arange(l_max + 1) + 1)
    sources = spherical_harmonics(vectors, l_max) / d[:, None] ** (degree + 1)
    factor = np.sqrt(radius ** (2 * degree + 3) / (2 * degree + 3)) * 4 * np.pi / (2 * degree + 1)
    for channel, symbol in enumerate("HO"):
        moments = sources[atoms.symbols[1:] == symbol].sum(axis=0)
        assert_close(found[0, 2 * channel, 0], factor * moments, 1e-10)
    assert not found[0, 1].any()  # no other carbon, and not the centre itself


@pytest.mark.parametrize("exponent", [0.5, 2, 3, 6])
def test_other_powers_need_more_radial_functions(exponent):
    """The potential on a sphere, from ever more r^(l+2n), approaches that of the power law."""
    atoms, radius, l_max = distant_atoms(), 3.0, 12
    atoms = atoms[atoms.numbers != 8]
    points = 0.8 * radius * np.array([[1, 0, 0], [0, -1, 0], [0.6, 0, 0.8]])
    distances = np.linalg.norm(points[:, None] - atoms.positions[1:], axis=-1)
    exact = (distances**-exponent).sum(axis=1)
    harmonics = spherical_harmonics(points, l_max)
    degree = np.repeat(np.arange(l_max + 1), 2 * np.arange(l_max + 1) + 1)
    errors = []
    for n_max in (1, 2, 3, 4):
        options = {"cutoff": radius, "n_max": n_max, "l_max": l_max, "smearing": 0.5}
        c = expand(atoms, exponent=exponent, **options)[0, 0]
        values = BASES["monomial"](n_max, l_max, radius).functions(np.array([0.8 * radius]))
        potential = np.einsum("nk,pk,kn->p", c, harmonics, values[degree, :, 0])
        errors.append(np.abs(potential / exact - 1).max())
    assert errors[0] > 1e-4
    assert errors[3] < 5e-5
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize(
    ("exponent", "expected"),
    [
        (
            1,
            [
                [-0.11945495293, 0.015579142059, -0.024749732132, -0.007518686842],
                [0.044804636432, 0.019056898897, -0.029438337961, -0.009362271832],
            ],
        ),
        (
            3,
            [
                [-0.083195089475, 0.010558530679, -0.016842392858, -0.005082159328],
                [0.030524016502, 0.013459335703, -0.020804106667, -0.006609690273],
            ],
        ),
        (
            6,
            [
                [0.019799234136, 0.001056467859, -0.001693159611, -0.000506951398],
                [0.136929089544, 0.00141172751, -0.002183529251, -0.000692985046],
            ],
        ),
    ],
)
def test_coefficients_of_distorted_rock_salt(exponent, expected):
    half = 2.82
    atoms = Atoms(
        "NaCl",
        cell=[[0, half, half], [half, 0, half], [half, half, 0]],
        positions=[[0, 0, 0], [half + 0.1, -0.2, 0.3]],
        pbc=True,
    )
    found = expand(
        atoms,
        exponent=exponent,
        cutoff=2.0,
        n_max=2,
        l_max=1,
        smearing=1.0,
        radial_basis="gto",
        include_center=True,
        k_cutoff=6.0,
    )
    np.testing.assert_allclose(found[0, 1], expected, rtol=0, atol=6e-13)


def test_distant_molecules_feel_net_charge_as_one_over_r():
    """At a large distance l = 0 is the potential at the atom times a constant."""
    atoms = Atoms("He2", positions=[[0, 0, 0], [0, 0, 40.0]])
    c = expand(atoms, exponent=[1, 2, 6], cutoff=1.0, n_max=1, l_max=0, smearing=0.5)[0, :, 0, 0]
    potential = c * np.sqrt(3 / (4 * np.pi))
    np.testing.assert_allclose(potential, [40.0**-1, 40.0**-2, 40.0**-6], rtol=5e-3)
    assert potential[0] == pytest.approx(1 / 40.0, rel=1e-12)


def test_mixed_periodicities_do_not_disturb_each_other():
    structures = [rattled_salt(), cluster("NaCl"), triclinic("NaCl2", 3), cluster("Cl2", 5)]
    model = LongRangePotential(exponent=[1, 6], invariants=None, species=["Na", "Cl"])
    together = model.fit(structures).transform_atoms(structures)
    single = [model.transform_atoms([atoms]) for atoms in structures]
    assert_close(together, np.concatenate(single), 1e-13)
