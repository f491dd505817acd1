"""Derivatives of sums over pairs against differences of the coefficients themselves."""

from dataclasses import replace

import numpy as np
import pytest
from fields import (
    density_backward,
    density_expansion,
    density_slopes,
    multipole_backward,
    multipole_expansion,
    multipole_slopes,
    potential_backward,
    potential_expansion,
    potential_slopes,
)
from jacobians import of_columns, of_one

from sklode.physics.fields.multipoles import _Multipoles
from sklode.physics.operators.linearized import Linearized
from sklode.physics.pairs.derivatives import NearPairs
from sklode.physics.pairs.reverse import pair_backward
from sklode.physics.pairs.values import expand_pairs
from sklode.physics.planning.planner import Summation
from sklode.physics.radial.bases import BASES
from sklode.physics.radial.finite_range import SmearedTable
from sklode.physics.radial.functions import (
    RadialFunction,
    bare_powers,
    density_function,
    pair_function,
)
from sklode.physics.radial.integrals import pair_table
from sklode.physics.radial.laws import SmearedPowerLaw
from sklode.physics.radial.switches import Exterior, ShiftedCosine
from sklode.physics.radial.yukawa import SmearedYukawa
from sklode.physics.system.neighbors import Pairs, all_pairs, pairs_within
from sklode.physics.system.structures import Channels, Structure

STEP = 5e-4
CUTOFF, WIDTH, SMEARING = 3.0, 0.7, 0.4
TABLE = SmearedTable((0.0, 0.5, 1.0, 2.0, 3.0), (1.0, 0.8, 0.3, 0.1, 0.0), SMEARING)
YUKAWA = SmearedYukawa(0.4, SMEARING)
CELL = np.array([[2.9, 0.3, -0.4], [0.2, 3.3, 0.5], [-0.6, 0.1, 3.8]])  # atoms see own images


def isolated(n_atoms, seed, size):
    """Atoms in a cube, no two closer than 0.8 angstrom."""
    rng = np.random.default_rng(seed)
    positions = np.zeros((0, 3))
    while len(positions) < n_atoms:
        new = rng.uniform(0.0, size, 3)
        if np.all(np.linalg.norm(positions - new, axis=1) > 0.8):
            positions = np.vstack([positions, new])
    return Structure(np.arange(n_atoms) % 2 + 1, positions, np.zeros((3, 3)), np.zeros(3, bool))


def periodic(n_atoms, seed, cell=CELL):
    rng = np.random.default_rng(seed)
    return Structure(
        np.arange(n_atoms) % 2 + 1, rng.random((n_atoms, 3)) @ cell, cell, np.ones(3, bool)
    )


STRUCTURES = {
    "isolated": isolated(5, 0, 4.0),
    "small cell": periodic(3, 1),
    "large cell": periodic(4, 2, 2.4 * CELL),
    "one atom": periodic(1, 3),
    "slab": replace(periodic(3, 4), periodic=np.array([True, True, False])),
}
over_structures = pytest.mark.parametrize("structure", STRUCTURES.values(), ids=STRUCTURES)
over_bases = pytest.mark.parametrize("kind", ["gto", "monomial"])
over_widths = pytest.mark.parametrize("width", [None, 0.0, WIDTH])


def species(structure):
    return Channels(structure.numbers - 1, np.ones(len(structure)), 2)


def charges(structure):
    """One channel; one atom, if there are several, does not act."""
    weights = np.random.default_rng(len(structure)).normal(size=len(structure))
    index = np.zeros(len(structure), int)
    index[1:2] = -1
    return Channels(index, weights, 1)


over_channels = pytest.mark.parametrize("channels_of", [species, charges])


def differences(function, step=STEP):
    """Derivative at 0 of a list of arrays, of fourth order in the step."""
    values = {k: function(k * step) for k in (-2, -1, 1, 2)}
    return [
        (8.0 * (p1 - m1) - (p2 - m2)) / (12.0 * step)
        for m2, m1, p1, p2 in zip(values[-2], values[-1], values[1], values[2], strict=True)
    ]


def moved(structure, atom, axis, length):
    positions = structure.positions.copy()
    positions[atom, axis] += length
    return replace(structure, positions=positions)


def strained(structure, a, b, size):
    deformation = np.eye(3)
    deformation[a, b] += size
    return replace(
        structure,
        positions=structure.positions @ deformation,
        cell=structure.cell @ deformation,
    )


def finite_gradients(structure, expand):
    """As the gradients of a list of coefficients, by differences."""
    n_atoms = len(structure)
    positions = [
        differences(lambda h, k=k, x=x: expand(moved(structure, k, x, h)))
        for k in range(n_atoms)
        for x in range(3)
    ]
    strain = [
        differences(lambda h, a=a, b=b: expand(strained(structure, a, b, h)))
        for a in range(3)
        for b in range(3)
    ]
    stacks = [
        [np.stack(parts, axis=-1) for parts in zip(*s, strict=True)] for s in (positions, strain)
    ]
    return (
        [part.reshape(*part.shape[:-1], n_atoms, 3) for part in stacks[0]],
        [part.reshape(*part.shape[:-1], 3, 3) for part in stacks[1]],
    )


def assert_close(ours, expected, accuracy):
    for mine, part in zip(ours, expected, strict=True):
        assert mine.shape == part.shape
        assert np.abs(mine - part).max() <= accuracy * max(np.abs(part).max(), 1e-3)


def pair_gradients(pairs, structure, channels, function, l_max):
    """The same of sums over pairs, with one law, which has no axis."""
    atoms = np.arange(len(structure))
    term = NearPairs(pairs, atoms, function, l_max, 1)
    n_max = function(np.ones(1)).shape[1] // (l_max + 1)
    both = of_one(Linearized([term], channels, l_max, 1, n_max), structure)
    return tuple([part[:, :, 0] for part in parts] for parts in both)


def assert_gradients(ours, structure, expand, accuracy=1e-7):
    expected = finite_gradients(structure, expand)
    assert_close(ours[0], expected[0], accuracy)
    assert_close(ours[1], expected[1], accuracy)
    for part in ours[0]:  # moving all atoms changes nothing
        assert np.abs(part.sum(axis=-2)).max() <= 1e-12 * max(np.abs(part).max(), 1.0)


def assert_backward(backward, gradients, accuracy=1e-12):
    """``backward`` of random cotangents is what the Jacobian makes of them."""
    rng = np.random.default_rng(0)
    cotangents = [rng.normal(size=part.shape[:-2]) for part in gradients[0]]
    positions, strain = backward(cotangents)
    for mine, parts in ((positions, gradients[0]), (strain[0], gradients[1])):
        both = list(zip(cotangents, parts, strict=True))
        expected = sum(np.tensordot(c, part, c.ndim) for c, part in both)
        size = sum(np.tensordot(np.abs(c), np.abs(part), c.ndim) for c, part in both)
        assert mine.shape == expected.shape
        assert np.abs(mine - expected).max() <= accuracy * size.max()


@over_structures
@over_bases
@over_channels
@pytest.mark.parametrize("width", [0.0, WIDTH, CUTOFF])
def test_density(structure, kind, channels_of, width):
    channels = channels_of(structure)
    basis = BASES[kind](3, 3, CUTOFF)
    how = {"smearing": SMEARING, "cutoff_width": width, "include_center": True}

    def expand(changed):
        return density_expansion([changed], channels, basis, **how)

    field = density_slopes([structure], channels, basis, **how)
    gradients = [of_columns(parts) for parts in of_one(field, structure)]
    assert_gradients(gradients, structure, expand)
    assert_backward(
        lambda c: density_backward([structure], channels, basis, **how, cotangents=c), gradients
    )


LAWS = {
    "power laws": [SmearedPowerLaw(p, SMEARING) for p in (1.0, 2.5, 6.0)],
    "densities": [SmearedPowerLaw(p, SMEARING) for p in (0, 3)],
    "half a power": [SmearedPowerLaw(0.5, SMEARING)],
    "Yukawa and table": [YUKAWA, TABLE, SmearedPowerLaw(1, SMEARING)],
}
over_laws = pytest.mark.parametrize("laws", LAWS.values(), ids=LAWS)


@over_laws
@over_bases
@over_channels
@over_widths
def test_potential_of_isolated_structures(laws, kind, channels_of, width):
    structure = isolated(5, 5, 7.0)  # some pairs are beyond the tables
    channels, basis = channels_of(structure), BASES[kind](2, 3, 2.0)

    how = {"include_center": width is None, "summation": Summation(), "exterior_width": width}

    def expand(changed):
        parts = potential_expansion([changed], channels, basis, laws, **how)
        shape = (len(laws), channels.count, basis.n_max)
        return [part.reshape(*part.shape[:2], *shape) for part in parts]

    gradients = of_one(potential_slopes([structure], channels, basis, laws, **how), structure)
    assert_gradients(gradients, structure, expand)
    assert_backward(
        lambda c: potential_backward([structure], channels, basis, laws, **how, cotangents=c),
        gradients,
    )


@over_channels
@pytest.mark.parametrize("width", [0.0, WIDTH, 2.0])
@pytest.mark.parametrize("powers", [[1.0], [0.5, 2.5, 6.0], [1.0, 3.0, 5.0]])
def test_multipoles_of_isolated_structures(channels_of, width, powers):
    structure = isolated(6, 6, 4.0)
    channels, l_max = channels_of(structure), 3

    how = {"cutoff": 2.0, "width": width, "summation": Summation()}
    arguments = channels, powers, 1, l_max

    def expand(changed):
        parts = multipole_expansion([changed], *arguments, **how)
        shape = (len(powers), channels.count, 1)
        return [part.reshape(*part.shape[:2], *shape) for part in parts]

    gradients = of_one(multipole_slopes([structure], *arguments, **how), structure)
    assert_gradients(gradients, structure, expand)
    assert_backward(
        lambda c: multipole_backward([structure], *arguments, **how, cotangents=c), gradients
    )


def polynomials(distances):
    """Some functions, two for each l < 3, that vanish at 0 as they must."""
    d = distances[:, None]
    l = np.repeat(np.arange(3), 2)
    return np.exp(-0.3 * d**2) * d**l * [1.0, 0.5, 2.0, -1.0, 0.3, 0.7]


def polynomial_slopes(distances):
    d = distances[:, None]
    l = np.repeat(np.arange(3), 2)
    lowered = l * d ** np.maximum(l - 1.0, 0.0) - 0.6 * d ** (l + 1.0)
    return np.exp(-0.3 * d**2) * lowered * [1.0, 0.5, 2.0, -1.0, 0.3, 0.7]


POLYNOMIALS = RadialFunction(polynomials, polynomial_slopes)


def batch():
    structures = [STRUCTURES[name] for name in ("isolated", "small cell", "large cell")]
    numbers = np.concatenate([s.numbers for s in structures])
    return structures, Channels(numbers - 1, np.linspace(-1.0, 2.0, len(numbers)), 2)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_batch_is_its_structures(n_threads):
    structures, channels = batch()
    basis, how = BASES["gto"](2, 2, CUTOFF), {"smearing": SMEARING, "cutoff_width": WIDTH}
    n_atoms = len(channels.index)
    rng = np.random.default_rng(1)
    cotangents = [rng.normal(size=(n_atoms, 2 * l + 1, 4)) for l in range(3)]
    positions, strain = density_backward(
        structures, channels, basis, **how, cotangents=cotangents, n_threads=n_threads
    )
    first = 0
    for number, structure in enumerate(structures):
        atoms = slice(first, first + len(structure))
        first = atoms.stop
        own = [c[atoms] for c in cotangents]
        alone = density_backward([structure], channels.of(atoms), basis, **how, cotangents=own)
        np.testing.assert_allclose(positions[atoms], alone[0], atol=1e-13)
        np.testing.assert_allclose(strain[[number]], alone[1], atol=1e-13)


def test_isolated_structures_do_not_see_each_other():
    structures = [isolated(4, 10, 3.0), isolated(1, 11, 3.0), isolated(6, 12, 5.0)]
    channels = species(Structure(np.concatenate([s.numbers for s in structures]), *[None] * 3))
    basis, laws = BASES["monomial"](2, 2, 2.0), LAWS["power laws"]
    rng = np.random.default_rng(3)
    n_atoms = len(channels.index)
    cotangents = [rng.normal(size=(n_atoms, 2 * l + 1, len(laws), 2, 2)) for l in range(3)]
    how = {"include_center": False, "summation": Summation(), "exterior_width": WIDTH}
    positions, strain = potential_backward(
        structures, channels, basis, laws, **how, cotangents=cotangents
    )
    first = 0
    for number, structure in enumerate(structures):
        atoms = slice(first, first + len(structure))
        first = atoms.stop
        own = [c[atoms] for c in cotangents]
        acting = channels.of(atoms)
        alone = potential_backward([structure], acting, basis, laws, **how, cotangents=own)
        np.testing.assert_allclose(positions[atoms], alone[0], atol=1e-13)
        np.testing.assert_allclose(strain[[number]], alone[1], atol=1e-13)


def test_blocks_of_pairs_change_nothing(monkeypatch):
    structures, channels = batch()
    pairs, n_atoms = pairs_within(structures, 4.0), len(channels.index)
    owners = np.repeat(np.arange(3), [len(s) for s in structures])
    rng = np.random.default_rng(2)
    cotangents = [rng.normal(size=(n_atoms, 2 * l + 1, 2, 2)) for l in range(3)]

    def results():
        return pair_backward(pairs, channels, POLYNOMIALS, 2, cotangents, owners, 3)

    whole = results()
    monkeypatch.setattr("sklode.physics.blocks.PAIRS", 1)
    for mine, expected in zip(results(), whole, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-12, atol=1e-12)


def test_atoms_at_the_same_place():
    """The coefficients are smooth there, though the direction is not defined."""
    structure = isolated(3, 7, 2.0)
    structure.positions[1] = structure.positions[0]
    channels = species(structure)

    def expand(changed):
        return expand_pairs(all_pairs([changed]), channels, 3, polynomials, 2)

    pairs = all_pairs([structure])
    gradients = pair_gradients(pairs, structure, channels, POLYNOMIALS, 2)
    assert_gradients(gradients, structure, expand)
    owners = np.zeros(3, int)
    assert_backward(
        lambda c: pair_backward(pairs, channels, POLYNOMIALS, 2, c, owners, 1), gradients
    )


def test_atoms_without_neighbours():
    structure = isolated(1, 8, 1.0)
    pairs = Pairs(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 3)))
    channels = species(structure)
    for parts in pair_gradients(pairs, structure, channels, POLYNOMIALS, 2):
        assert all(not part.any() for part in parts)
    cotangents = [np.ones((1, 2 * l + 1, 2, 2)) for l in range(3)]
    owners = np.zeros(1, int)
    positions, strain = pair_backward(pairs, channels, POLYNOMIALS, 2, cotangents, owners, 1)
    assert positions.shape == (1, 3)
    assert strain.shape == (1, 3, 3)
    assert not positions.any()
    assert not strain.any()


def assert_slopes(function, distances, accuracy=1e-7):
    """Slopes are differences of the functions, relative to the largest of each."""
    expected = differences(lambda h: [function(distances + h)], 1e-3)[0]
    error = np.abs(function.slopes(distances) - expected)
    assert np.all(error <= accuracy * (np.abs(expected).max(axis=0) + 1e-12))


DISTANCES = np.random.default_rng(9).uniform(0.05, 12.0, 300)


@pytest.mark.parametrize("width", [0.0, 0.7, CUTOFF])
def test_slopes_of_switches(width):
    d = DISTANCES[np.abs(np.abs(DISTANCES - CUTOFF + width / 2) - width / 2) > 3e-3]
    for switch in (ShiftedCosine(CUTOFF, width), Exterior(CUTOFF, width)):
        expected = differences(lambda h, f=switch: [f(d + h)], 1e-3)[0]
        np.testing.assert_allclose(switch.slopes(d), expected, atol=1e-9)


@over_laws
@over_bases
def test_slopes_of_pair_functions(laws, kind):
    basis = BASES[kind](2, 4, 2.0)
    limits = [pair_table(basis, law).near.upper for law in laws]
    near_end = np.abs(np.subtract.outer(DISTANCES, limits)).min(axis=1) < 3e-3
    assert_slopes(pair_function(basis, laws), DISTANCES[~near_end])


@pytest.mark.parametrize("law", [law for laws in LAWS.values() for law in laws], ids=str)
def test_far_slopes_continue_the_near_ones(law):
    basis = BASES["monomial"](2, 4, 2.0)
    limit = pair_table(basis, law).near.upper
    slopes = pair_function(basis, [law]).slopes
    below, above = slopes(limit * (1.0 + np.array([-1e-9, 1e-9])))
    scale = np.abs(slopes(DISTANCES)).max(axis=0)
    assert np.all(np.abs(above - below) <= 1e-7 * scale)


@over_bases
@over_widths
def test_slopes_of_corrections(kind, width):
    basis = BASES[kind](2, 3, 2.0)
    laws = [*LAWS["power laws"], YUKAWA]
    wide = [law.widened(1.1) for law in laws]
    near = pair_function(basis, laws)
    near = near if width is None else near.switched(Exterior(basis.cutoff, width))
    edges = [2.0, 2.0 - (width or 0.0)]
    edges += [pair_table(basis, law).near.upper for law in (*laws, *wide)]
    clear = np.abs(np.subtract.outer(DISTANCES, edges)).min(axis=1) > 3e-3
    assert_slopes(near - pair_function(basis, wide), DISTANCES[clear])


@pytest.mark.parametrize("width", [0.0, WIDTH])
def test_slopes_of_multipoles(width):
    powers = (0.5, 1.0, 6.0)
    clear = np.abs(np.subtract.outer(DISTANCES, [2.0, 2.0 - width])).min(axis=1) > 3e-3
    distances = DISTANCES[clear]
    far = distances[distances > 2.0 - width]
    assert_slopes(bare_powers(powers, 3).switched(Exterior(2.0, width)), far)


def test_slopes_of_multipole_corrections():
    summation, powers = Summation(), (1.0, 2.5)
    field = _Multipoles(powers, 2, 2.0, Exterior(2.0, WIDTH), summation)
    pairs = field.periodic_sum((1.2, 4.0))._pairs
    clear = np.abs(np.subtract.outer(DISTANCES, [2.0, 2.0 - WIDTH])).min(axis=1) > 3e-3
    distances = DISTANCES[clear]
    assert_slopes(pairs.function, distances[distances < pairs.cutoff - 0.01])


def test_density_functions_are_those_of_the_expansion():
    structure = STRUCTURES["small cell"]
    channels, basis = species(structure), BASES["gto"](3, 3, CUTOFF)
    how = {"smearing": SMEARING, "cutoff_width": WIDTH, "include_center": False}
    expected = density_expansion([structure], channels, basis, **how)
    function = density_function(basis, SMEARING, "float64").switched(ShiftedCosine(CUTOFF, WIDTH))
    ours = expand_pairs(pairs_within([structure], CUTOFF), channels, 3, function, 3)
    for mine, part in zip(ours, expected, strict=True):
        np.testing.assert_allclose(mine.reshape(part.shape), part, atol=1e-13)
