"""Exterior multipoles: lattice sums, conventions, symmetries, and the potential they rebuild."""

from types import SimpleNamespace

import numpy as np
import pytest
import reference
import systems
from ase import Atoms
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import exp1, gamma, gammainc, gammaincc, poch
from systems import cells, cluster, expand, is_solid, random_rotation, triclinic

from sklode import DensityProjector, MultipoleFeatures, PowerSpectrum
from sklode.physics.fields import multipoles as multipole_expansion
from sklode.physics.lattice_sums import power_law_potentials_and_fields
from sklode.physics.numerics.harmonics import spherical_harmonics

CUTOFF, WIDTH = 3.0, 0.5
EXACT = {"cutoff": CUTOFF, "cutoff_width": WIDTH, "tol": 1e-11}


def degrees(l_max):
    return np.repeat(np.arange(l_max + 1), 2 * np.arange(l_max + 1) + 1)


def multipoles(atoms, exponent, weights="initial_charges", **parameters):
    """Of shape (n_atoms, n_exponents * n_channels, n_max, (l_max + 1)^2)."""
    options = {**EXACT, **parameters}
    return expand(atoms, MultipoleFeatures, exponent=exponent, charges=weights, **options)


def inside(distances, cutoff=CUTOFF, width=WIDTH):
    return reference.inside(SimpleNamespace(cutoff=cutoff, cutoff_width=width), distances)


def surroundings(atoms, center, reach):
    """Vectors from an atom to all others and images within reach, and which atoms they are."""
    cell, inverse = np.array(atoms.cell), np.linalg.inv(np.array(atoms.cell))
    apart = atoms.positions - atoms.positions[center]
    apart -= np.round(apart @ inverse) @ cell
    counts = np.ceil(reach * np.linalg.norm(inverse, axis=0)).astype(int) + 1
    vectors = apart[:, None] + grid(counts) @ cell
    near = np.linalg.norm(vectors, axis=2) <= reach
    near[center, near.shape[1] // 2] = False
    return vectors[near], np.nonzero(near)[0]


def grid(counts):
    axes = [np.arange(-n, n + 1) for n in counts]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def upper_gamma(a, s):
    """Upper incomplete gamma function of any real order."""
    if a > 0:
        return gamma(a) * gammaincc(a, s)
    return exp1(s) if a == 0 else (upper_gamma(a + 1, s) - s**a * np.exp(-s)) / a


def ewald(atoms, weights, p, l_max, *, cutoff=CUTOFF, width=WIDTH, split=None):
    """Multipoles (n_atoms, lm) of one channel by eq. (6.4), written out atom by atom.

    For p = 3 the constant of a charged channel is that of a length of one cutoff.
    """
    eta, l = split or 0.6 * cutoff, degrees(l_max)
    cell, volume = np.array(atoms.cell), abs(np.linalg.det(np.array(atoms.cell)))
    counts = np.ceil(9.5 / eta * np.linalg.norm(cell, axis=1) / (2 * np.pi)).astype(int)
    k_vectors = 2 * np.pi * grid(counts) @ np.linalg.inv(cell).T
    k = np.linalg.norm(k_vectors, axis=1)
    k_vectors, k = k_vectors[(k > 0) & (k < 9.5 / eta)], k[(k > 0) & (k < 9.5 / eta)]
    law = np.pi**1.5 * 2 ** (3 - p) / gamma(p / 2) * k ** (p - 3)
    law = law * upper_gamma((3 - p) / 2, 0.5 * (eta * k) ** 2)
    waves = spherical_harmonics(k_vectors, l_max) * (0.5 * k[:, None]) ** l * law[:, None]
    phases = np.exp(1j * atoms.positions @ k_vectors.T)
    sums = (phases * (phases.conj() * weights[:, None]).sum(axis=0)) @ waves
    out = (1j**l * sums).real / (volume * poch(p / 2, l))
    constant = 2 * np.pi**1.5 / gamma(p / 2) * (2 * eta**2) ** (1.5 - 0.5 * p)
    constant = 4 * np.pi * np.log(cutoff / eta) if p == 3 else constant / (p - 3)
    own = weights * (2 * eta**2) ** (-0.5 * p) / gamma(0.5 * p + 1)
    out[:, 0] += (constant * weights.sum() / volume - own) / np.sqrt(4 * np.pi)
    for center in range(len(atoms)):
        vectors, sources = surroundings(atoms, center, max(9.5 * eta, cutoff))
        d = np.maximum(np.linalg.norm(vectors, axis=1), 1e-9)[:, None]
        outside = 1 - inside(d, cutoff, width) - gammainc(0.5 * p + l, 0.5 * (d / eta) ** 2)
        terms = outside * d ** -(p + l) * spherical_harmonics(vectors, l_max)
        out[center] += weights[sources] @ terms
    return out


def assert_close(found, expected, p, accuracy=1e-9, cutoff=CUTOFF):
    """Compare (..., lm) in the unit of the cutoff, relative to the largest."""
    unit = cutoff ** (p + degrees(int(np.sqrt(expected.shape[-1])) - 1))
    scale = np.abs(expected * unit).max()
    np.testing.assert_allclose(found * unit / scale, expected * unit / scale, rtol=0, atol=accuracy)


def neutral(atoms):
    atoms = atoms.copy()
    charges = atoms.get_initial_charges()
    atoms.set_initial_charges(charges - charges.mean())
    return atoms


SMALL_CELL = neutral(triclinic("C3O2H2"))
CLUSTER = cluster("C2O2H3", seed=4, size=6.0)
BOTH = pytest.mark.parametrize(
    "atoms", [pytest.param(CLUSTER, id="isolated"), pytest.param(SMALL_CELL, id="periodic")]
)


class TestIsolated:
    @pytest.mark.parametrize("p", [0.5, 1, 2.5, 3, 6])
    def test_sum_over_pairs(self, p):
        found = multipoles(CLUSTER, p, None, n_max=3, l_max=4)
        l = degrees(4)
        near, far = CUTOFF - WIDTH, CUTOFF
        assert {0, 1, 2} == set(np.digitize(CLUSTER.get_all_distances().ravel(), [near, far]))
        for i, position in enumerate(CLUSTER.positions):
            others = np.arange(len(CLUSTER)) != i
            vectors = CLUSTER.positions[others] - position
            d = np.linalg.norm(vectors, axis=1)[:, None]
            for k in range(3):
                terms = spherical_harmonics(vectors, 4) * (1 - inside(d)) / d ** (p + l + 2 * k)
                for channel, z in enumerate([1, 6, 8]):
                    expected = terms[CLUSTER.numbers[others] == z].sum(axis=0)
                    np.testing.assert_allclose(
                        found[i, channel, k], expected, rtol=1e-12, atol=1e-15
                    )

    def test_atoms_inside_do_not_act(self):
        pair = Atoms("CO", positions=[[0, 0, 0], [0, 0, CUTOFF - WIDTH]])
        assert not multipoles(pair, (1, 6), None).any()
        pair.positions[1, 2] += 0.01
        assert multipoles(pair, (1, 6), None).any()

    def test_sharp_cutoff(self):
        for distance, acts in [(CUTOFF - 1e-6, False), (CUTOFF + 1e-6, True)]:
            pair = Atoms("CO", positions=[[0, 0, 0], [0, 0, distance]])
            assert multipoles(pair, 1, None, cutoff_width=0).any() == acts

    def test_lone_atom(self):
        assert not multipoles(Atoms("H"), 1, None).any()

    def test_coinciding_atoms_are_inside(self):
        twins = CLUSTER + CLUSTER[:1]
        found, expected = multipoles(twins, 6, None), multipoles(CLUSTER, 6, None)
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-13, atol=1e-18)
        np.testing.assert_allclose(found[-1], found[0], rtol=1e-13, atol=1e-18)
        assert np.isfinite(found).all()


class TestLattice:
    @pytest.mark.parametrize(("p", "n_max"), [(8, 1), (2, 4), (4.5, 3)])
    def test_brute_force(self, p, n_max):
        """Plain sums up to 80 angstrom, where the rest is bounded by an integral."""
        order, l_max, reach = n_max - 1, 3, 80.0
        power, l = p + 2 * order, degrees(l_max)
        found = multipoles(SMALL_CELL, p, None, n_max=n_max, l_max=l_max)[:, :, order]
        density = len(SMALL_CELL) / SMALL_CELL.get_volume()
        rest = 4 * np.pi * density * reach ** (3 - power - l) / (power + l - 3)
        rest = 1.1 * rest * np.sqrt((2 * l + 1) / (4 * np.pi))
        for center in (0, 4):
            vectors, sources = surroundings(SMALL_CELL, center, reach)
            d = np.linalg.norm(vectors, axis=1)[:, None]
            terms = (1 - inside(d)) / d ** (power + l) * spherical_harmonics(vectors, l_max)
            for channel, z in enumerate([1, 6, 8]):
                expected = terms[SMALL_CELL.numbers[sources] == z].sum(axis=0)
                unit = CUTOFF ** (power + l)
                error = np.abs(found[center, channel] - expected) * unit
                assert (error <= rest * unit + 1e-9 * np.abs(expected * unit).max()).all()

    @pytest.mark.parametrize("p", [0.5, 1, 2, 2.5, 3, 4, 6])
    def test_ewald_sum_of_neutral_charges(self, p):
        found = multipoles(SMALL_CELL, p, n_max=3, l_max=3)[:, 0]
        weights = SMALL_CELL.get_initial_charges()
        for k, split in enumerate([1.3, 1.8, 2.2]):
            expected = ewald(SMALL_CELL, weights, p + 2 * k, 3, split=split)
            assert_close(found[:, k], expected, p + 2 * k)

    @pytest.mark.parametrize("p", [0.5, 1, 2, 2.5, 3, 4, 6])
    def test_background_of_charged_channels(self, p):
        found = multipoles(SMALL_CELL, p, None, l_max=2)[:, :, 0]
        for channel, z in enumerate([1, 6, 8]):
            expected = ewald(SMALL_CELL, 1.0 * (SMALL_CELL.numbers == z), p, 2)
            assert_close(found[:, channel], expected, p)

    @pytest.mark.parametrize("p", [1, 2, 2.5])
    def test_background_gives_the_bare_potential_zero_mean(self, p):
        """The mean over the cell of what acts from outside is minus that of the inside."""
        fractions = (np.stack(np.meshgrid(*[np.arange(6)] * 3), axis=-1).reshape(-1, 3) + 0.3) / 6
        source = Atoms("O", cell=[[6.0, 0.4, 0], [0, 5.5, -0.5], [0.3, 0, 5.0]], pbc=True)
        probes = Atoms("H216", cell=source.cell, scaled_positions=fractions, pbc=True)
        atoms = source + probes
        atoms.set_array("weight", np.arange(len(atoms)) == 0)
        options = {"cutoff": 3.0, "cutoff_width": 2.5, "l_max": 0, "tol": 1e-6}
        found = multipoles(atoms, p, "weight", **options)[1:, 0, 0, 0].mean()
        r = (np.arange(100000) + 0.5) * 3.0e-5
        expected = -(inside(r, 3.0, 2.5) * r ** (2 - p)).sum() * 3e-5
        assert found == pytest.approx(np.sqrt(4 * np.pi) / atoms.get_volume() * expected, rel=2e-3)

    @pytest.mark.parametrize("factor", [0.45, 0.8, 1.1, 1.6])
    @pytest.mark.parametrize("p", [1, 2.5, 3, 6])
    def test_splitting_does_not_matter(self, monkeypatch, p, factor):
        expected = multipoles(SMALL_CELL, p, None, n_max=2)
        monkeypatch.setattr(
            multipole_expansion,
            "split_smearing",
            lambda *args, **options: factor * CUTOFF,
            raising=True,
        )
        found = multipoles(SMALL_CELL, p, None, n_max=2)
        for k in range(2):
            for channel in range(3):
                assert_close(found[:, channel, k], expected[:, channel, k], p + 2 * k, 1e-10)

    @pytest.mark.parametrize(
        ("crystal", "constant"),
        [
            (systems.ROCK_SALT, 1.7475645946331822),
            (systems.CESIUM_CHLORIDE, 1.7626747730709884),
            (systems.ZINCBLENDE, 1.6380550533888797),
        ],
        ids=["NaCl", "CsCl", "ZnS"],
    )
    def test_madelung_constants(self, crystal, constant):
        found = multipoles(crystal, 1, cutoff=0.9, cutoff_width=0.1, l_max=2)[:, 0, 0]
        potentials = np.sqrt(4 * np.pi) * found[:, 0]
        np.testing.assert_allclose(potentials, [-constant, constant], rtol=1e-10)
        assert np.abs(found[:, 1:]).max() < 1e-10

    @pytest.mark.parametrize("cutoff", [0.5, 1.2, 6.0, 9.0])
    def test_any_cutoff_against_the_cell(self, cutoff):
        weights = SMALL_CELL.get_initial_charges()
        for p in (1, 4):
            found = multipoles(SMALL_CELL, p, cutoff=cutoff, cutoff_width=0.3)[:, 0, 0]
            split = np.clip(cutoff, 1.2, 3.0)
            expected = ewald(SMALL_CELL, weights, p, 3, cutoff=cutoff, width=0.3, split=split)
            assert_close(found, expected, p, 1e-8, cutoff)

    def test_coinciding_atoms_are_inside(self):
        atoms = SMALL_CELL.copy()
        atoms.positions[3] = atoms.positions[0]
        for p in (1, 6):
            found = multipoles(atoms, p)[:, 0, 0]
            expected = ewald(atoms, atoms.get_initial_charges(), p, 3)
            assert_close(found, expected, p)

    def test_one_atom_in_a_cell_sees_its_images(self):
        atoms = Atoms("Ar", cell=[3.1, 3.5, 4.0], pbc=True)
        assert_close(multipoles(atoms, 6, None)[:, 0, 0], ewald(atoms, np.ones(1), 6, 3), 6)

    @pytest.mark.parametrize("p", [1, 2.5, 6])
    def test_large_cells_are_isolated(self, p):
        atoms = cluster("C2O2H3", size=7.0)
        expected = multipoles(atoms, p, l_max=2)[:, 0, 0]
        errors = []
        for length in (30.0, 60.0):
            atoms.set_cell([length] * 3)
            atoms.pbc = True
            errors.append(np.abs(multipoles(atoms, p, l_max=2)[:, 0, 0] - expected).max())
        assert errors[1] < 0.15 * errors[0]
        assert errors[1] < 1e-4


@st.composite
def random_structures(draw):
    cell = draw(cells(2.5, 8.0))
    assume(is_solid(cell))
    n_atoms = draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    atoms = Atoms(f"O{n_atoms}", cell=cell, scaled_positions=rng.random((n_atoms, 3)), pbc=True)
    atoms.set_initial_charges(rng.uniform(-1, 1, n_atoms) + draw(st.sampled_from([0.0, 1.0])))
    return atoms


@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-6, 1e-8])
@settings(max_examples=25)
@given(
    atoms=random_structures(),
    p=st.sampled_from([0.5, 1, 2, 3, 4, 6, 9]) | st.floats(0.3, 12.0).map(lambda p: round(p, 2)),
    cutoff=st.sampled_from([1.5, 3.0, 5.0]),
    l_max=st.integers(0, 3),
    n_max=st.integers(1, 2),
)
def test_tolerance_holds(tol, atoms, p, cutoff, l_max, n_max):
    options = {"cutoff": cutoff, "l_max": l_max, "n_max": n_max}
    found = multipoles(atoms, p, tol=tol, **options)[:, 0]
    for k in range(n_max):
        power, weights = p + 2 * k, atoms.get_initial_charges()
        expected = ewald(atoms, weights, power, l_max, cutoff=cutoff, split=max(1.0, 0.6 * cutoff))
        assert_close(found[:, k], expected, power, tol, cutoff)


@pytest.mark.parametrize("tol", [1e-4, 1e-6])
@pytest.mark.parametrize(("p", "cutoff"), [(9, 0.8), (12, 0.8), (12, 1.5)])
def test_tolerance_holds_where_all_atoms_are_far(p, cutoff, tol):
    atoms = Atoms("O2", positions=[[0, 0, 0], [3.0, 5.0, 4.0]], cell=[12, 13, 12.5], pbc=True)
    found = multipoles(atoms, p, None, cutoff=cutoff, tol=tol)[:, 0, 0]
    assert_close(found, ewald(atoms, np.ones(2), p, 3, cutoff=cutoff, split=1.0), p, tol, cutoff)


class TestColumns:
    @BOTH
    def test_orders_are_exponents_raised_by_two(self, atoms):
        found = multipoles(atoms, 1.5, n_max=3)[:, 0]
        for k in range(3):
            single = multipoles(atoms, 1.5 + 2 * k)[:, 0, 0]
            assert_close(found[:, k], single, 1.5 + 2 * k)

    @BOTH
    def test_several_exponents_are_the_single_ones(self, atoms):
        exponents = (6, 1, 2.5)
        found = multipoles(atoms, exponents, None, n_max=2)
        for block, p in zip(np.split(found, 3, axis=1), exponents, strict=True):
            single = multipoles(atoms, p, None, n_max=2)
            for k in range(2):
                assert_close(block[:, :, k], single[:, :, k], p + 2 * k)

    @BOTH
    def test_charges_weigh_the_elements(self, atoms):
        charge_of = {"H": 0.4, "C": -1.3, "O": 0.7}
        atoms = atoms.copy()
        atoms.set_initial_charges([charge_of[s] for s in atoms.symbols])
        for p in (1, 3, 6):
            expected = np.einsum("acnm,c->anm", multipoles(atoms, p, None), [0.4, -1.3, 0.7])
            assert_close(multipoles(atoms, p)[:, 0], expected, p)

    @BOTH
    def test_lowest_degree_alone(self, atoms):
        found = multipoles(atoms, (1, 6), None, l_max=0, n_max=2)
        expected = multipoles(atoms, (1, 6), None, l_max=3, n_max=2)[..., :1]
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-11)

    def test_names(self):
        sources = MultipoleFeatures((1, 2.5), n_max=2, l_max=1, invariants=None).fit([CLUSTER])
        names = list(sources.get_feature_names_out())
        assert names[:5] == [
            "m1_H_n0_l0_m0",
            "m1_H_n0_l1_m-1",
            "m1_H_n0_l1_m0",
            "m1_H_n0_l1_m1",
            "m1_H_n1_l0_m0",
        ]
        assert names[-1] == "m2.5_O_n1_l1_m1"
        assert len(names) == 2 * 3 * 2 * 4

    @BOTH
    def test_columns_are_sorted_by_species_order_and_degree(self, atoms):
        table = MultipoleFeatures(invariants=None, n_max=2, l_max=2).fit([atoms]).feature_table_
        rows = MultipoleFeatures(invariants=None, n_max=2, l_max=2, tol=1e-9).fit([atoms])
        rows = rows.transform_atoms([atoms])
        chosen = table.query("species == 'O' and n == 1 and l == 2").index
        found = rows[:, chosen]
        expected = multipoles(atoms, 3, None, l_max=2)[:, 2, 0, 4:]
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)

    @BOTH
    def test_spectrum_with_a_density(self, atoms):
        rho, m = DensityProjector(4.0, 2, 2), MultipoleFeatures(1, l_max=3, n_max=2)
        spectrum = PowerSpectrum(rho, m).fit([atoms])
        names = list(spectrum.get_feature_names_out())
        assert names[0] == "rhom1_H.H_n0n0_l0"
        assert len(names) == 3 * 3 * 2 * 2 * 3
        left = expand(atoms, DensityProjector, cutoff=4.0, n_max=2, l_max=2)
        right = expand(atoms, MultipoleFeatures, exponent=1, l_max=3, n_max=2)
        column = names.index("rhom1_C.O_n1n0_l1")
        expected = -(left[:, 1, 1, 1:4] * right[:, 2, 0, 1:4]).sum(axis=1) / np.sqrt(3)
        found = spectrum.transform_atoms([atoms])[:, column]
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-13)


class TestSymmetry:
    FIELD = {"n_max": 2, "l_max": 3}

    @BOTH
    @pytest.mark.parametrize("seed", [0, 1])
    def test_potential_turns_with_the_structure(self, atoms, seed):
        rotation = random_rotation(seed)
        points = np.random.default_rng(seed).normal(size=(9, 3))
        turned = atoms.copy()
        turned.set_cell(rotation.apply(atoms.cell), scale_atoms=False)
        turned.positions = rotation.apply(atoms.positions)
        sources = MultipoleFeatures((1, 3, 6), **self.FIELD, **EXACT).fit([atoms])
        expected, found = (
            sources.potential([atoms], points)[0],
            sources.potential([turned], rotation.apply(points))[0],
        )
        scale = np.abs(expected).max(axis=(0, 2, 3), keepdims=True)
        np.testing.assert_allclose(found / scale, expected / scale, atol=1e-9)

    @BOTH
    def test_first_degree_turns_as_a_vector(self, atoms):
        rotation, turned = random_rotation(3), atoms.copy()
        turned.set_cell(rotation.apply(atoms.cell), scale_atoms=False)
        turned.positions = rotation.apply(atoms.positions)
        before, after = (multipoles(a, 2)[:, 0, 0, [3, 1, 2]] for a in (atoms, turned))
        np.testing.assert_allclose(after, rotation.apply(before), atol=1e-10 * abs(before).max())

    @BOTH
    @pytest.mark.parametrize("invariants", ["power_spectrum", "radial_spectrum"])
    def test_invariants(self, atoms, invariants):
        sources = MultipoleFeatures((1, 6), invariants=invariants, **self.FIELD, **EXACT)
        expected = sources.fit([atoms]).transform([atoms])
        turned = atoms.copy()
        rotation = random_rotation(2)
        turned.set_cell(rotation.apply(atoms.cell), scale_atoms=False)
        turned.positions = -rotation.apply(atoms.positions) + [11.3, -4.7, 2.9]
        order = np.random.default_rng(4).permutation(len(atoms))
        for copy in (turned, turned[order]):
            np.testing.assert_allclose(
                sources.transform([copy]), expected, rtol=1e-7, atol=1e-10 * abs(expected).max()
            )

    @pytest.mark.parametrize("p", [1, 3, 6])
    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(np.diag([1, -1, 1]), id="negated"),
            pytest.param(np.eye(3, dtype=int)[[1, 0, 2]], id="exchanged"),
            pytest.param(np.array([[1, 0, 0], [2, 1, 0], [-1, 1, 1]]), id="skewed"),
        ],
    )
    def test_other_vectors_of_the_same_lattice(self, p, change):
        other = SMALL_CELL.copy()
        other.set_cell(change @ np.array(other.cell))
        assert_close(multipoles(other, p)[:, 0, 0], multipoles(SMALL_CELL, p)[:, 0, 0], p)

    @pytest.mark.parametrize("p", [1, 2.5, 3, 6])
    @pytest.mark.parametrize("repeat", [(2, 1, 1), (2, 1, 2)])
    def test_supercells(self, p, repeat):
        expected = np.tile(multipoles(SMALL_CELL, p, None), (np.prod(repeat), 1, 1, 1))
        found = multipoles(SMALL_CELL.repeat(repeat), p, None)
        assert_close(found[:, :, 0], expected[:, :, 0], p)


def crossing(pbc, distance):
    """An atom on its way through the cutoff of another one."""
    positions = [[0.1, 0.2, 0.3], [0.1, 0.2, 0.3], [3.9, 3.2, -1.0]]
    atoms = Atoms("COH", positions=positions, cell=[7.0, 7.5, 8.0], pbc=pbc)
    atoms.positions[1] += distance * np.array([2.0, 1.0, -2.0]) / 3.0
    atoms.set_initial_charges([0.5, 1.0, -1.5])
    return atoms


@pytest.mark.parametrize("pbc", [False, True], ids=["isolated", "periodic"])
@pytest.mark.parametrize("p", [1, 6])
def test_atoms_cross_the_cutoff_smoothly(p, pbc):
    """The derivative changes in proportion to the step: no jump, no kink."""
    bends = []
    for step in (0.01, 0.005):
        path = [crossing(pbc, d) for d in np.arange(2.3, 3.2, step)]
        sources = MultipoleFeatures(p, invariants=None, charges="initial_charges", **EXACT)
        rows = sources.fit(path).transform_atoms(path)[::3]
        slopes = np.diff(rows[:, :4], axis=0) / step
        assert np.abs(slopes).max() < 20 * np.abs(rows[:, :4]).max()
        bends.append(np.abs(np.diff(slopes, axis=0)).max(axis=0))
    np.testing.assert_allclose(bends[1], 0.5 * bends[0], rtol=0.15)


def distant(own_charge, seed=5):
    """A cell whose first atom has no other within twice the cutoff."""
    rng, cell = np.random.default_rng(seed), np.array([[14.0, 0.5, 0], [0, 13.5, 1], [-1, 0, 14.5]])
    positions = [np.array([1.0, 2.0, 3.0])]
    while len(positions) < 9:
        new = rng.random(3) @ cell
        apart = np.array(new - positions[0])
        images = apart + grid([1, 1, 1]) @ cell
        if np.linalg.norm(images, axis=1).min() > 2.02 * CUTOFF:
            positions.append(new)
    charges = rng.uniform(-1, 1, 9)
    charges[0] = own_charge
    charges[1:] -= charges.sum() / 8
    return Atoms("CO8", positions=positions, cell=cell, pbc=True, charges=charges)


def points_within(radius, count=40, seed=6):
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return directions * radius * rng.uniform(0.05, 1.0, (count, 1))


def exact_far_field(atoms, p, points):
    """Potential and field of all but the first atom itself at points around it."""
    charges, sites = atoms.get_initial_charges(), atoms.positions[0] + points
    if atoms.pbc.all():
        everything = np.concatenate([atoms.positions, sites])
        with_probes = np.concatenate([charges, np.zeros(len(points))])
        cell = np.array(atoms.cell)
        sums = power_law_potentials_and_fields(everything, cell, with_probes, p)
        potential, field = (values[len(atoms) :] for values in sums)
        r = np.linalg.norm(points, axis=1)
        own = charges[0] * r**-p
        return potential - own, field - (p * own / r**2)[:, None] * points
    apart = sites[:, None] - atoms.positions[1:]
    d = np.linalg.norm(apart, axis=2)
    field = (p * charges[1:] * d ** -(p + 2))[..., None] * apart
    return (charges[1:] * d**-p).sum(axis=1), field.sum(axis=1)


@pytest.mark.parametrize("pbc", [False, True], ids=["isolated", "periodic"])
class TestPotential:
    def rebuilt(self, pbc, p, points, **parameters):
        atoms = distant(own_charge=0.7 if p == 1 else 0.0)  # keeps the digits of 1/r^6
        atoms.pbc = pbc
        options = {**EXACT, "l_max": 12, "charges": "initial_charges", **parameters}
        sources = MultipoleFeatures(p, **options).fit([atoms])
        potential, field = sources.potential([atoms], points)[0], sources.field([atoms], points)[0]
        assert potential.shape == (9, 1, 1, len(points))
        assert field.shape == (9, 1, 1, len(points), 3)
        return (potential[0, 0, 0], field[0, 0, 0]), exact_far_field(atoms, p, points)

    def test_of_charges(self, pbc):
        """One order is all of it for p = 1."""
        found, exact = self.rebuilt(pbc, 1, points_within(0.65 * CUTOFF))
        np.testing.assert_allclose(found[0], exact[0], rtol=0, atol=1e-6 * abs(exact[0]).max())
        np.testing.assert_allclose(found[1], exact[1], rtol=0, atol=2e-5 * abs(exact[1]).max())

    def test_of_charges_at_the_cutoff(self, pbc):
        """There an atom at twice the cutoff leaves the 13th power of one half."""
        points = points_within(CUTOFF)
        for l_max in (6, 12):
            found, exact = self.rebuilt(pbc, 1, points, l_max=l_max)
            error = np.abs(found[0] - exact[0]).max() / np.abs(exact[0]).max()
            assert error < 0.5 ** (l_max + 1)

    @pytest.mark.parametrize(("p", "n_max"), [(0.5, 4), (2, 5), (2.5, 5), (3, 5), (6, 6)])
    def test_of_other_powers(self, pbc, p, n_max):
        found, exact = self.rebuilt(pbc, p, points_within(0.4 * CUTOFF), n_max=n_max)
        for values, expected in zip(found, exact, strict=True):
            np.testing.assert_allclose(values, expected, rtol=0, atol=1e-6 * abs(expected).max())

    def test_more_orders_are_better(self, pbc):
        points = points_within(0.7 * CUTOFF)
        errors = []
        for n_max in (1, 2, 3, 4):
            found, exact = self.rebuilt(pbc, 6, points, n_max=n_max)
            errors.append(np.abs(found[0] - exact[0]).max())
        assert (np.diff(np.log(errors)) < np.log(0.4)).all()

    def test_field_is_minus_the_gradient(self, pbc):
        atoms = SMALL_CELL.copy()
        atoms.pbc = pbc
        sources = MultipoleFeatures((1, 6), n_max=3, l_max=4, **EXACT).fit([atoms])
        points, step = points_within(2.0, 6), 1e-4
        field = sources.field([atoms], points)[0]
        for axis, shift in enumerate(step * np.eye(3)):
            up, down = (sources.potential([atoms], points + s)[0] for s in (shift, -shift))
            expected = (down - up) / (2 * step)
            scale = np.abs(field).max(axis=(0, 2, 3, 4), keepdims=True)[..., 0]
            np.testing.assert_allclose(field[..., axis] / scale, expected / scale, atol=1e-7)

    def test_at_the_atom_itself(self, pbc):
        atoms = SMALL_CELL.copy()
        atoms.pbc = pbc
        sources = MultipoleFeatures(2, n_max=3, **EXACT).fit([atoms])
        found = sources.potential([atoms], np.zeros(3))[0][:, 0, :, 0]
        np.testing.assert_allclose(
            found, np.sqrt(4 * np.pi) * multipoles(atoms, 2, None)[:, :, 0, 0]
        )
        assert np.isfinite(sources.field([atoms], [[0, 0, 0]])[0]).all()


def test_potential_near_every_atom_of_every_structure():
    X = [CLUSTER, SMALL_CELL, CLUSTER[:3]]
    sources = MultipoleFeatures((1, 6), n_max=2, **EXACT).fit(X)
    points = points_within(1.0, 5)
    together = sources.potential(X, points)
    assert [p.shape for p in together] == [(len(a), 2, 3, 5) for a in X]
    for atoms, found in zip(X, together, strict=True):
        np.testing.assert_allclose(found, sources.potential([atoms], points)[0], rtol=1e-11)


@pytest.mark.parametrize("p", [0.5, 1, 2, 2.5, 4])
def test_potential_of_charged_channels(p):
    """In a uniform background, which for p = 1 is all that has a Laplacian inside."""
    atoms, points = distant(own_charge=0.0), points_within(0.5 * CUTOFF)
    sources = MultipoleFeatures(p, n_max=6, l_max=12, **EXACT).fit([atoms])
    found = sources.potential([atoms], points)[0][0, 0, 1]
    atoms.set_initial_charges([0.0] + [1.0] * 8)
    exact = exact_far_field(atoms, p, points)[0]
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-6 * np.abs(exact).max())
