"""Reciprocal lattice vectors, phases on them, and what lies beyond the cutoff."""

import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from ase import Atoms
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from systems import FCC, cells, is_solid, triclinic

from sklode import LongRangePotential
from sklode.physics.planning.cells import contents_of
from sklode.physics.planning.planner import Planner, Summation
from sklode.physics.planning.tails import DenseTails, SparseTails
from sklode.physics.radial.bases import BASES
from sklode.physics.radial.laws import SmearedPowerLaw
from sklode.physics.system.kvectors import (
    PhaseTables,
    half_sphere,
    half_spheres,
    reciprocal,
    spheres_within,
)


def full_sphere(cell, k_cutoff):
    """All integers n with 0 < |n B| < k_cutoff, from a box that is larger than needed."""
    longest = np.linalg.norm(cell, axis=1).max()
    reach = int(longest * k_cutoff / (2 * np.pi)) + 2
    grid = np.mgrid[[slice(-reach, reach + 1)] * 3].reshape(3, -1).T
    norms = np.linalg.norm(grid @ reciprocal(cell), axis=1)
    return grid[(norms < k_cutoff) & (norms > 0)]


def integers(sphere, cell):
    exact = sphere.vectors @ cell.T / (2 * np.pi)
    rounded = np.round(exact).astype(int)
    np.testing.assert_allclose(exact, rounded, atol=1e-9)
    return rounded


@settings(max_examples=60)
@given(cells(), st.floats(0.5, 6.0))
def test_half_sphere_has_one_of_each_pair(cell, k_cutoff):
    assume(is_solid(cell))
    half = half_sphere(cell, k_cutoff)
    found = [tuple(n) for n in integers(half, cell)]
    expected = {tuple(n) for n in full_sphere(cell, k_cutoff)}
    mirrored = {tuple(-c for c in n) for n in found}
    assert len(set(found)) == len(found) == len(half)
    assert not mirrored & set(found)
    assert mirrored | set(found) == expected
    np.testing.assert_allclose(half.norms, np.linalg.norm(half.vectors, axis=1), rtol=1e-15)


@settings(max_examples=30)
@given(st.lists(st.tuples(cells(), st.floats(0.2, 6.0)), min_size=1, max_size=6))
def test_spheres_of_many_cells_are_those_of_each(pairs):
    assume(all(is_solid(cell) for cell, _ in pairs))
    found = half_spheres(*zip(*pairs, strict=True))
    for sphere, (cell, k_cutoff) in zip(found, pairs, strict=True):
        alone = half_sphere(cell, k_cutoff)
        np.testing.assert_array_equal(sphere.integers, alone.integers)
        np.testing.assert_array_equal(sphere.norms, alone.norms)


@settings(max_examples=30)
@given(cells(), st.floats(1.0, 6.0), st.floats(0.3, 1.0))
def test_a_smaller_sphere_is_part_of_a_larger_one(cell, k_cutoff, fraction):
    assume(is_solid(cell))
    (inner,) = spheres_within([half_sphere(cell, k_cutoff)], [fraction * k_cutoff])
    expected = half_sphere(cell, fraction * k_cutoff)
    np.testing.assert_array_equal(inner.integers, expected.integers)
    np.testing.assert_array_equal(inner.integers, integers(inner, cell))


def test_reciprocal_vectors_are_dual():
    cell = np.array(triclinic().cell)
    np.testing.assert_allclose(reciprocal(cell) @ cell.T, 2 * np.pi * np.eye(3), atol=1e-13)


def test_handedness_does_not_matter():
    cell = np.array(triclinic().cell)
    right, left = half_sphere(cell, 5.0), half_sphere(cell * [[1.0], [1.0], [-1.0]], 5.0)
    np.testing.assert_allclose(np.sort(right.norms), np.sort(left.norms), rtol=1e-13)


def test_boundary_is_excluded_and_a_small_sphere_is_empty():
    cube = 2 * np.pi * np.eye(3)
    assert len(half_sphere(cube, 1.0)) == 0
    assert len(half_sphere(cube, 1.0 + 1e-9)) == 3
    assert len(half_sphere(cube, 1.5)) == 9


@settings(max_examples=30)
@given(cells(), st.floats(1.5, 6.0), st.integers(0, 99))
def test_phase_tables_are_plane_waves(cell, k_cutoff, seed):
    assume(is_solid(cell))
    half = half_sphere(cell, k_cutoff)
    assume(len(half) > 0)
    positions = np.random.default_rng(seed).uniform(-3.0, 4.0, (4, 3)) @ cell  # also outside
    phases = PhaseTables(positions, half).phases(slice(0, len(half)))
    np.testing.assert_allclose(phases, np.exp(1j * half.vectors @ positions.T), atol=5e-12)


@pytest.mark.parametrize("step", [1, 7, 100])
def test_phases_of_blocks_join_seamlessly(step):
    atoms = triclinic()
    half = half_sphere(np.array(atoms.cell), 5.0)
    tables = PhaseTables(atoms.positions, half)
    blocks = [slice(i, min(i + step, len(half))) for i in range(0, len(half), step)]
    parts = np.concatenate([tables.phases(block) for block in blocks])
    np.testing.assert_array_equal(parts, tables.phases(slice(0, len(half))))


def contents(cell, weights):
    """What a tail is asked about."""
    return contents_of(np.array([cell]), weights, np.array([0, len(weights)]))[0]


class TestTail:
    CELL, SMEARING = 2.5 * FCC, 0.8
    WEIGHTS = np.array([[1.0, 0.5], [0.0, -0.5], [0.0, 2.0], [0.0, 0.5]])  # two channels
    ONE_AND_FOUR = contents(CELL, WEIGHTS)

    def envelope(self, k):
        return np.stack([SmearedPowerLaw(p, self.SMEARING).fourier(k) for p in (1, 6)], axis=1)

    @pytest.fixture
    def tail(self):
        return self.tail_of(self.CELL, 1e-9)

    def tail_of(self, cell, accuracy):
        ((_, tail),) = SparseTails(self.envelope, self.SMEARING).of_cells(cell[None], accuracy)
        return tail

    def test_it_decreases_to_nothing(self, tail):
        tails = np.array(
            [tail.beyond([k], [self.ONE_AND_FOUR])[0] for k in np.linspace(0.5, 12.0, 60)]
        )
        assert tails.shape == (60, 2, 2)
        assert (np.diff(tails, axis=0) <= 0).all()
        assert (tails[-1] <= 1e-9 * tails[0]).all()

    @pytest.mark.parametrize("k_cutoff", [2.0, 4.0, 6.0])
    def test_it_bounds_what_an_atom_of_any_weight_leaves_out(self, tail, k_cutoff):
        norms = half_sphere(self.CELL, 20.0).norms
        prefactor = 8.0 * np.pi / abs(np.linalg.det(self.CELL))
        omitted = prefactor * self.envelope(norms[norms >= k_cutoff]).sum(axis=0)
        for weight in (0.1, 1.0, -3.0):
            atom = contents(self.CELL, np.array([[weight]]))
            bound = tail.beyond([k_cutoff], [atom])[0, :, 0]
            assert (bound >= abs(weight) * omitted * (1 - 1e-6)).all()

    def test_it_is_proportional_to_the_weights(self, tail):
        single = tail.beyond([3.0], [self.ONE_AND_FOUR])
        three = tail.beyond([3.0], [contents(self.CELL, -3 * self.WEIGHTS)])
        np.testing.assert_allclose(three, 3 * single, rtol=1e-14)

    @pytest.mark.parametrize("accuracy", [1e-2, 1e-4, 1e-8])
    def test_cutoff_suffices_and_is_one_shell_too_far_at_most(self, tail, accuracy):
        allowed = accuracy * tail.expected_scales([self.ONE_AND_FOUR])
        k_cutoff = tail.cutoffs(allowed, [self.ONE_AND_FOUR])[0]
        assert (tail.beyond([k_cutoff], [self.ONE_AND_FOUR]) <= allowed).all()
        shells = np.unique(half_sphere(self.CELL, k_cutoff).norms.round(6))
        shorter = shells[-2] * (1 - 1e-5)
        assert (tail.beyond([shorter], [self.ONE_AND_FOUR]) > allowed).any()

    def test_higher_accuracy_needs_more_vectors(self, tail):
        scale = tail.expected_scales([self.ONE_AND_FOUR])
        accuracies = (1e-2, 1e-4, 1e-6, 1e-8, 0.0)
        cutoffs = [tail.cutoffs(a * scale, [self.ONE_AND_FOUR])[0] for a in accuracies]
        assert (np.diff(cutoffs) > 0).all()

    @pytest.mark.parametrize("accuracy", [1e-3, 1e-6, 1e-9])
    def test_few_more_vectors_are_listed_than_summed(self, accuracy):
        tail = self.tail_of(2.0 * self.CELL, accuracy)
        k_cutoff = tail.cutoffs(
            accuracy * tail.expected_scales([self.ONE_AND_FOUR]), [self.ONE_AND_FOUR]
        )
        listed, summed = (len(tail.spheres_within(k)[0]) for k in ([np.inf], k_cutoff))
        assert summed < listed < 2.2 * summed

    @pytest.mark.parametrize("accuracy", [1e-3, 1e-9])
    def test_the_mean_density_of_k_vectors_serves_large_cells(self, accuracy):
        cell = 3.0 * self.CELL + [[0.0, 0.3, 0.0], [0.0, 0.0, 0.0], [0.5, 0.0, -0.4]]
        few = self.tail_of(cell, accuracy)
        many = DenseTails(self.envelope, self.SMEARING, accuracy)
        filled = contents(cell, self.WEIGHTS)
        assert many.serve(filled)
        assert not many.serve(self.ONE_AND_FOUR)
        assert not many.serve(contents(np.diag([1.0, 1.0, 1000.0]), self.WEIGHTS))
        many = many.of_volume(filled.volume)
        np.testing.assert_allclose(
            many.expected_scales([self.ONE_AND_FOUR]),
            few.expected_scales([self.ONE_AND_FOUR]),
            rtol=0.1,
        )
        for k_cutoff in np.linspace(1.5, 5.0, 20):
            found, exact = (tail.beyond([k_cutoff], [self.ONE_AND_FOUR]) for tail in (many, few))
            np.testing.assert_allclose(found, exact, rtol=0.2)


@pytest.mark.parametrize("exponent", [1, (1, 6)])
def test_a_sphere_without_vectors_leaves_the_uniform_term(exponent):
    atoms = triclinic()
    lode = LongRangePotential(exponent, k_cutoff=0.01, include_center=True, invariants=None)
    rows = lode.fit([atoms]).transform_atoms([atoms])
    degrees = lode.feature_table_["l"].to_numpy()
    assert not rows[:, degrees > 0].any()
    assert rows[:, degrees == 0].any() == (exponent != 1)
    assert not lode.transform_gradients([atoms])[0].any()

    def test_cells_together_have_the_tails_of_each(self):
        rng = np.random.default_rng(0)
        sizes = [0.4, 1.0, 1.1, 1.2, 2.0, 0.9]
        cells = np.stack([s * self.CELL + rng.uniform(-0.1, 0.1, (3, 3)) for s in sizes])
        weights = [n * self.WEIGHTS for n in (1.0, -2.0, 0.5, 1.0, 0.1, 3.0)]
        filled = [contents(*one) for one in zip(cells, weights, strict=True)]
        groups = list(SparseTails(self.envelope, self.SMEARING).of_cells(cells, 1e-6))
        assert 1 < len(groups) < len(cells)
        assert sorted(i for numbers, _ in groups for i in numbers) == list(range(len(cells)))
        for numbers, together in groups:
            of_cells = [filled[i] for i in numbers]
            scales = together.expected_scales(of_cells)
            cutoffs = together.cutoffs(1e-4 * scales, of_cells)
            spheres = together.spheres_within(cutoffs)
            omitted = together.beyond(cutoffs, of_cells)
            for i, number in enumerate(numbers):
                alone, of_cell = self.tail_of(cells[number], 1e-6), [filled[number]]
                np.testing.assert_allclose(alone.expected_scales(of_cell)[0], scales[i], rtol=1e-12)
                (k_cutoff,) = alone.cutoffs(1e-4 * scales[[i]], of_cell)
                assert k_cutoff == pytest.approx(cutoffs[i], rel=1e-12)
                found = alone.beyond([k_cutoff], of_cell)[0]
                np.testing.assert_allclose(found, omitted[i], rtol=1e-9)
                assert len(spheres[i]) == len(half_sphere(cells[number], k_cutoff))

    def test_a_thin_cell_among_small_ones_takes_its_own_memory_only(self):
        cells = np.stack([np.diag([3.0, 3.0, 3.0])] * 200 + [np.diag([2.0, 2.0, 20000.0])])
        tails = SparseTails(self.envelope, self.SMEARING)
        tracemalloc.start()
        groups = list(tails.of_cells(cells, 1e-6))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert [len(numbers) for numbers, _ in groups] == [200, 1]
        n_vectors = len(groups[1][1].spheres_within([np.inf])[0])
        assert n_vectors > 100_000
        assert peak < 40 * 8 * n_vectors  # 200 such rows would be five times as much


def test_threads_share_a_planner():
    """Each plan is that of its own cell, whatever other threads keep meanwhile."""
    basis, laws = BASES["gto"](2, 1, 3.0), (SmearedPowerLaw(1.0, 1.0),)
    planner = Planner(basis, laws, np.zeros(1), Summation(tol=1e-4))
    cells = [contents(length * np.eye(3), np.eye(2)) for length in np.linspace(4.0, 9.0, 8)]
    expected = [planner.plans([cell], [1e-4])[0].k_cutoff for cell in cells]

    def plan(turn):
        order = np.random.default_rng(turn).permutation(np.tile(np.arange(8), 30))
        return all(planner.plans([cells[i]], [1e-4])[0].k_cutoff == expected[i] for i in order)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(plan, range(8)))
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.parametrize("length", [12.0, 16.0])
def test_single_precision_beside_a_large_potential_of_its_own(length):
    """In sparse crystals of steep potentials it is subtracted, and more digits are needed."""
    atoms = Atoms("H", cell=[length, length + 1, length + 3], pbc=True)
    rows = [
        LongRangePotential(6, tol=tol, dtype=dtype, invariants=None).fit([atoms])
        for tol, dtype in [(1e-10, "float64"), (1e-6, "float32")]
    ]
    exact, single = (model.transform_atoms([atoms]) for model in rows)
    assert np.abs(single - exact).max() < 2e-5 * np.abs(exact).max()
