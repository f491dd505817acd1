"""Lattice sums of 1/r^p against published constants and their own invariances."""

import numpy as np
import pytest

from sklode.physics.lattice_sums import power_law_energy_and_forces, power_law_potentials_and_fields

FCC = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
BCC = np.array([[-1.0, 1.0, 1.0], [1.0, -1.0, 1.0], [1.0, 1.0, -1.0]])
CUBE = np.eye(3)
HEIGHT = np.sqrt(8.0 / 3.0)  # c/a of the ideal hexagonal close packing
WIDTH = np.sqrt(3.0) / 2.0
HALF_CUBE_DIAGONAL = np.sqrt(3.0) / 2.0


def ions(cell, positions, charges):
    return np.array(positions, float), np.array(cell, float), np.array(charges, float)


ROCK_SALT = ions(FCC, [[0, 0, 0], [1, 0, 0]], [1, -1])
CESIUM_CHLORIDE = ions(CUBE, [[0, 0, 0], [0.5, 0.5, 0.5]], [1, -1])
ZINCBLENDE = ions(FCC, [[0, 0, 0], [0.5, 0.5, 0.5]], [1, -1])
WURTZITE = ions(
    [[0.5, -WIDTH, 0], [0.5, WIDTH, 0], [0, 0, HEIGHT]],
    [
        [0.5, 0.5 / np.sqrt(3), 0],
        [0.5, 0.5 / np.sqrt(3), 0.375 * HEIGHT],
        [0.5, -0.5 / np.sqrt(3), 0.5 * HEIGHT],
        [0.5, -0.5 / np.sqrt(3), 0.875 * HEIGHT],
    ],
    [1, -1, 1, -1],
)
FLUORITE = ions(FCC / 2, [[0, 0, 0], [0.25, 0.25, 0.25], [0.75, 0.75, 0.75]], [2, -1, -1])
CUPRITE = ions(
    CUBE,
    [[0, 0, 0], [0.5] * 3, [0.25] * 3, [0.25, 0.75, 0.75], [0.75, 0.25, 0.75], [0.75, 0.75, 0.25]],
    [-2, -2, 1, 1, 1, 1],
)


def energy(crystal, exponent, **options):
    return power_law_energy_and_forces(*crystal, exponent, **options)[0]


@pytest.fixture
def salt():
    """Ten ions of various charges in a triclinic cell, some of them outside it."""
    rng = np.random.default_rng(3)
    cell = np.array([[6.0, 0.3, -0.5], [1.1, 7.0, 0.4], [-0.8, 0.9, 8.0]])
    positions = rng.uniform(-0.5, 1.5, (10, 3)) @ cell
    charges = rng.uniform(-2.0, 2.0, 10)
    return positions, cell, charges - charges.mean()


@pytest.mark.parametrize(
    ("crystal", "distance", "formula_units", "madelung"),
    [
        pytest.param(ROCK_SALT, 1.0, 1, 1.747564594633182, id="NaCl"),
        pytest.param(CESIUM_CHLORIDE, HALF_CUBE_DIAGONAL, 1, 1.762674773070988, id="CsCl"),
        pytest.param(ZINCBLENDE, HALF_CUBE_DIAGONAL, 1, 1.638055053388789, id="zincblende"),
        pytest.param(WURTZITE, 0.375 * HEIGHT, 2, 1.641321627371948, id="wurtzite"),
        pytest.param(FLUORITE, np.sqrt(3) / 4, 1, 5.038784879848565, id="fluorite"),
        pytest.param(CUPRITE, np.sqrt(3) / 4, 2, 4.442475209838922, id="cuprite"),
    ],
)
def test_madelung_constants(crystal, distance, formula_units, madelung):
    assert -energy(crystal, 1) * distance / formula_units == pytest.approx(madelung, abs=1e-10)


@pytest.mark.parametrize(
    ("crystal", "distance", "sums"),
    [
        pytest.param(
            ROCK_SALT,
            1.0,
            [1.7475645946, 2.5193561521, 3.2386247661, 3.8631638072, 4.3786011499, 4.7884437139],
            id="NaCl",
        ),
        pytest.param(
            CESIUM_CHLORIDE,
            HALF_CUBE_DIAGONAL,
            [1.7626747731, 2.5676226191, 3.3408186936, 4.0398661891, 4.6479092217, 5.1645445135],
            id="CsCl",
        ),
        pytest.param(
            ZINCBLENDE,
            HALF_CUBE_DIAGONAL,
            [1.6380550534, 2.2285698666, 2.7221835921, 3.1064479153, 3.3904489377, 3.5923346027],
            id="ZnS",
        ),
    ],
)
def test_alternating_sums(crystal, distance, sums):
    found = [-energy(crystal, p) * distance**p for p in range(1, 7)]
    np.testing.assert_allclose(found, sums, atol=1e-10, rtol=0)


@pytest.mark.parametrize(
    ("cell", "distance", "sums"),
    [
        pytest.param(CUBE, 1.0, {3.5: 29.0291409918, 6: 8.4019239748, 12: 6.2021490450}, id="sc"),
        pytest.param(
            BCC, np.sqrt(3), {3.5: 38.7942290061, 6: 12.2536678673, 12: 9.1141832681}, id="bcc"
        ),
        pytest.param(
            FCC, np.sqrt(2), {3.5: 42.8268059158, 6: 14.4539210437, 12: 12.1318801965}, id="fcc"
        ),
    ],
)
def test_sums_of_one_species_keep_the_average(cell, distance, sums):
    for p, expected in sums.items():
        potential = 2.0 * energy((np.zeros((1, 3)), cell, np.ones(1)), p) * distance**p
        assert potential == pytest.approx(expected, abs=2e-9), p


@pytest.mark.parametrize(
    ("cell", "potential"),
    [
        pytest.param(CUBE, -2.837297479480620, id="sc"),
        pytest.param(BCC / 2, -3.639233449508643, id="bcc"),
        pytest.param(FCC / 2, -4.584862074113802, id="fcc"),
    ],
)
def test_one_component_plasma_in_its_background(cell, potential):
    assert 2.0 * energy((np.zeros((1, 3)), cell, np.ones(1)), 1) == pytest.approx(
        potential, abs=1e-12
    )


@pytest.mark.parametrize("exponent", [0.5, 1, 1.7, 2, 3, 3.5, 4, 6, 9.25, 12])
def test_result_does_not_depend_on_the_split(salt, exponent):
    reference = power_law_energy_and_forces(*salt, exponent)
    for eta in (1.2, 1.7, 2.2):
        found = power_law_energy_and_forces(*salt, exponent, smearing=eta)
        assert found[0] == pytest.approx(reference[0], rel=1e-11)
        scale = np.abs(reference[1]).max()
        np.testing.assert_allclose(found[1], reference[1], atol=1e-11 * scale, rtol=0)


@pytest.mark.parametrize("exponent", [0.5, 2, 2.5])
def test_charged_cells_do_not_depend_on_the_split(salt, exponent):
    positions, cell, charges = salt
    energies = [
        power_law_energy_and_forces(positions, cell, charges + 0.3, exponent, smearing=eta)[0]
        for eta in (1.2, 1.7, 2.2)
    ]
    np.testing.assert_allclose(energies, energies[0], rtol=1e-11)


@pytest.mark.parametrize("exponent", [1, 2.5, 3, 6])
def test_forces_are_the_gradient(salt, exponent):
    positions, cell, charges = salt
    _, forces = power_law_energy_and_forces(*salt, exponent)
    step, numerical = 1e-4, np.zeros_like(forces)
    for place in np.ndindex(forces.shape):
        shift = np.zeros_like(positions)
        shift[place] = step
        ahead = energy((positions + shift, cell, charges), exponent)
        behind = energy((positions - shift, cell, charges), exponent)
        numerical[place] = -(ahead - behind) / (2.0 * step)
    scale = np.abs(forces).max()
    np.testing.assert_allclose(numerical, forces, atol=1e-7 * max(scale, 1.0), rtol=0)
    np.testing.assert_allclose(forces.sum(axis=0), 0.0, atol=1e-12 * max(scale, 1.0))


@pytest.mark.parametrize("exponent", [1, 3, 4.5])
def test_doubled_cell_has_twice_the_energy_and_the_same_forces(salt, exponent):
    positions, cell, charges = salt
    single = power_law_energy_and_forces(*salt, exponent)
    doubled = power_law_energy_and_forces(
        np.concatenate([positions, positions + cell[1]]),
        cell * [[1.0], [2.0], [1.0]],
        np.tile(charges, 2),
        exponent,
    )
    assert doubled[0] == pytest.approx(2.0 * single[0], rel=1e-12)
    np.testing.assert_allclose(doubled[1], np.tile(single[1], (2, 1)), rtol=0, atol=1e-10)


def test_choice_of_the_cell_and_of_the_images_is_free(salt):
    positions, cell, charges = salt
    reference = power_law_energy_and_forces(*salt, 2.5)
    left_handed = cell[[1, 0, 2]]
    sheared = cell + np.array([np.zeros(3), 2.0 * cell[0], -cell[1]])
    moved = positions + np.arange(-5, 5)[:, None] * cell[2]
    for other in ((positions, left_handed), (positions, sheared), (moved, cell)):
        found = power_law_energy_and_forces(*other, charges, 2.5)
        assert found[0] == pytest.approx(reference[0], rel=1e-12)
        np.testing.assert_allclose(found[1], reference[1], rtol=0, atol=1e-10)


def test_steep_potentials_against_the_plain_sum(salt):
    positions, cell, charges = salt
    exponent, reach = 12, 6
    images = np.mgrid[[slice(-reach, reach + 1)] * 3].reshape(3, -1).T @ cell
    vectors = positions[None, :, None] + images - positions[:, None, None]
    distances = np.linalg.norm(vectors, axis=-1)
    distances[distances < 1e-9] = np.inf
    plain = 0.5 * charges @ (distances**-exponent).sum(axis=2) @ charges
    assert energy(salt, exponent) == pytest.approx(plain, rel=1e-9)


def test_many_blocks_of_k_vectors_add_up(salt, monkeypatch):
    whole = power_law_energy_and_forces(*salt, 1)
    monkeypatch.setattr("sklode.physics.blocks.LATTICE_PHASES", 1000)
    parts = power_law_energy_and_forces(*salt, 1)
    assert parts[0] == pytest.approx(whole[0], rel=1e-13)
    np.testing.assert_allclose(parts[1], whole[1], rtol=0, atol=1e-12)


def test_potential_at_a_site_without_charge(salt):
    positions, cell, charges = salt
    charges = np.append(charges[:-1] + charges[-1] / 9.0, 0.0)
    potentials, fields = power_law_potentials_and_fields(positions, cell, charges, 1)
    probe = charges.copy()
    probe[-1] = 1e-3
    _, forces = power_law_energy_and_forces(positions, cell, probe, 1)
    with_probe = energy((positions, cell, probe), 1) - energy((positions, cell, charges), 1)
    assert with_probe / 1e-3 == pytest.approx(potentials[-1], abs=2e-3)
    np.testing.assert_allclose(forces[-1] / 1e-3, fields[-1], atol=1e-12)


def test_charged_cell_is_undefined_for_exponent_three():
    with pytest.raises(ValueError, match="net charge is 1: for exponent 3"):
        energy((np.zeros((1, 3)), CUBE, np.ones(1)), 3)


@pytest.mark.parametrize("exponent", [0, -1.0, np.nan])
def test_exponent_must_be_positive(exponent):
    with pytest.raises(ValueError, match="exponent must be positive"):
        energy(ROCK_SALT, exponent)


@pytest.mark.parametrize("place", [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
def test_coinciding_atoms_are_named(place):
    with pytest.raises(ValueError, match=r"atoms [01] and [01] are at the same place"):
        energy((np.array([[0.0, 0.0, 0.0], place]), CUBE, np.array([1.0, -1.0])), 1)
