"""The fast sums over pairs against plain ones: tables, lists of pairs, expansions, invariants."""

from itertools import pairwise, product

import numpy as np
import pytest
from fields import density_expansion
from hypothesis import assume, given
from hypothesis import strategies as st
from systems import cells, is_solid

from sklode.physics.invariants.power_spectrum import power_spectrum
from sklode.physics.numerics.chebyshev import interpolate
from sklode.physics.numerics.harmonics import degree_slice, spherical_harmonics
from sklode.physics.numerics.piecewise import piecewise
from sklode.physics.pairs import values as pair_expansion
from sklode.physics.pairs.values import expand_pairs
from sklode.physics.radial.bases import BASES
from sklode.physics.radial.integrals import center_integrals, pair_integrals, pair_table
from sklode.physics.radial.laws import SmearedPowerLaw
from sklode.physics.radial.switches import ShiftedCosine
from sklode.physics.system.neighbors import Pairs, all_pairs, pairs_within
from sklode.physics.system.structures import Channels, Structure

SPECIES = 3


def random_structure(n_atoms, seed, cell=None, periodic=False):
    """Atoms of three elements anywhere in the cell, or in a cube of 5 angstrom."""
    rng = np.random.default_rng(seed)
    box = 5.0 * np.eye(3) if cell is None else cell
    return Structure(
        numbers=rng.integers(1, SPECIES + 1, n_atoms),
        positions=rng.uniform(-0.5, 1.5, (n_atoms, 3)) @ box,
        cell=np.zeros((3, 3)) if cell is None else cell,
        periodic=np.full(3, periodic),
    )


def channels_of(structures, weights=None):
    """One channel an element; an atom of element 3 does not act where weights are given."""
    index = np.concatenate([s.numbers for s in structures]) - 1
    if weights is None:
        return Channels(index, np.ones(len(index)), SPECIES)
    return Channels(np.where(index == SPECIES - 1, -1, index), weights, SPECIES)


def plain_pairs(structures, cutoff):
    """All pairs of atoms and images within the cutoff, one after the other."""
    found, first = [], 0
    for s in structures:
        reach = [0, 0, 0]
        if s.periodic.all():
            heights = 1.0 / np.linalg.norm(np.linalg.inv(s.cell), axis=0)
            fractional = s.positions @ np.linalg.inv(s.cell)
            spread = np.ptp(fractional, axis=0)
            reach = np.ceil(cutoff / heights + spread).astype(int)
        shifts = np.array(list(product(*(range(-n, n + 1) for n in reach)))) @ s.cell
        for i, j in product(range(len(s)), repeat=2):
            vectors = s.positions[j] - s.positions[i] + shifts
            d = np.linalg.norm(vectors, axis=1)
            close = (d < cutoff) & ((i != j) | shifts.any(axis=1))
            found += [(first + i, first + j, v) for v in vectors[close]]
        first += len(s)
    centers, neighbors = (np.array([pair[k] for pair in found], int) for k in range(2))
    return Pairs(centers, neighbors, np.reshape([pair[2] for pair in found], (-1, 3)))


def in_order(pairs):
    """Center, neighbor and vector of the pairs as rows, sorted."""
    keys = np.round(pairs.vectors, 6).T
    order = np.lexsort((*keys, pairs.neighbors, pairs.centers))
    return np.column_stack([pairs.centers, pairs.neighbors, pairs.vectors])[order]


def plain_sum(pairs, channels, n_atoms, radial, l_max):
    """The sum over neighbours, pair after pair."""
    values = radial(np.linalg.norm(pairs.vectors, axis=1)).reshape(len(pairs), l_max + 1, -1)
    harmonics = spherical_harmonics(pairs.vectors, l_max)
    shape = (channels.count, values.shape[2])
    sums = [np.zeros((n_atoms, 2 * l + 1, *shape)) for l in range(l_max + 1)]
    for i, j, radials, angles in zip(
        pairs.centers, pairs.neighbors, values, harmonics, strict=True
    ):
        if channels.index[j] >= 0:
            for l in range(l_max + 1):
                term = np.outer(angles[degree_slice(l)], radials[l])
                sums[l][i, :, channels.index[j]] += channels.weights[j] * term
    return sums


def waves(x):
    """Functions with several oscillations on [0, 5]."""
    return np.cos(np.outer(x, [0.0, 1.0, 4.0, 9.0]) + 0.3)


class TestTables:
    def test_pieces_are_the_whole_series(self):
        series = interpolate(waves, 0.0, 5.0, 1e-12)
        x = np.concatenate([np.linspace(0.0, 5.0, 701), [0.0, 5.0]])
        table = piecewise(series, 1e-12)
        assert table.coefficients.shape[1] < len(series.coefficients)
        np.testing.assert_allclose(table(x), waves(x), atol=1e-11)

    def test_pieces_begin_at_the_lower_end(self):
        table = piecewise(interpolate(waves, 1.0, 3.0, 1e-12), 1e-12)
        x = np.linspace(1.0, 3.0, 57)
        np.testing.assert_allclose(table(x), waves(x), atol=1e-11)

    def test_weights_multiply(self):
        table = piecewise(interpolate(waves, 0.0, 5.0, 1e-12), 1e-12)
        x, weights = np.random.default_rng(0).uniform(0.0, 5.0, (2, 90))
        np.testing.assert_allclose(table(x, weights), weights[:, None] * table(x), atol=1e-13)

    def test_the_order_of_points_does_not_matter(self):
        table = piecewise(interpolate(waves, 0.0, 5.0, 1e-12), 1e-12)
        x, weights = np.random.default_rng(0).uniform(0.0, 5.0, (2, 90))
        order = np.argsort(x)
        ascending = table(x[order], weights[order])
        np.testing.assert_allclose(table(x, weights)[order], ascending, rtol=0, atol=1e-15)

    def test_single_precision_has_fewer_terms(self):
        table = piecewise(interpolate(waves, 0.0, 5.0, 1e-12), 1e-12)
        single = table.astype(np.float32)
        x = np.linspace(0.0, 5.0, 701)
        assert single(x, x).dtype == single.coefficients.dtype == np.float32
        np.testing.assert_allclose(single(x), waves(x), atol=1e-6)
        assert single.coefficients.shape[1] < table.coefficients.shape[1]
        assert np.array_equal(table.astype(float).coefficients, table.coefficients)

    def test_derivatives(self):
        table = piecewise(interpolate(waves, 0.0, 5.0, 1e-12), 1e-12)
        x, k = np.linspace(0.0, 5.0, 201), np.array([0.0, 1.0, 4.0, 9.0])
        expected = -k * np.sin(np.outer(x, k) + 0.3)
        np.testing.assert_allclose(table.derivative()(x), expected, atol=1e-8)

    def test_constants(self):
        table = piecewise(interpolate(lambda x: np.full((len(x), 2), 0.7), 0.0, 2.0, 1e-10), 1e-10)
        np.testing.assert_allclose(table(np.array([0.0, 1.3, 2.0])), 0.7)
        assert not table.derivative()(np.array([0.0, 1.3])).any()

    def test_no_points(self):
        table = piecewise(interpolate(waves, 0.0, 5.0, 1e-12), 1e-12)
        assert table(np.zeros(0)).shape == (0, 4)

    @pytest.mark.parametrize(
        ("basis", "law", "upper"),
        [
            (BASES["gto"](8, 6, 5.0), SmearedPowerLaw(0.0, 0.3), 5.0),
            (BASES["gto"](3, 2, 4.0), SmearedPowerLaw(0.0, 0.15), 4.0),
            (BASES["monomial"](1, 3, 3.0), SmearedPowerLaw(1.0, 1.0), None),
            (BASES["monomial"](2, 4, 3.0), SmearedPowerLaw(6.0, 0.5), None),
        ],
    )
    def test_pair_tables_by_quadrature(self, basis, law, upper):
        table = pair_table(basis, law, upper)
        distances = table.near.upper * np.random.default_rng(0).random(60)
        exact = pair_integrals(basis, law, distances)
        scale = np.abs(pair_integrals(basis, law, np.linspace(0, table.near.upper, 200))).max(0)
        assert np.all(np.abs(table(distances) - exact) <= 2e-11 * scale)


@given(cell=cells(), n_atoms=st.integers(1, 6), seed=st.integers(0, 99))
def test_pairs_of_periodic_structures(cell, n_atoms, seed):
    assume(is_solid(cell))
    structures = [random_structure(n_atoms, seed, cell, periodic=True), random_structure(4, seed)]
    found = in_order(pairs_within(structures, 3.5))
    np.testing.assert_allclose(found, in_order(plain_pairs(structures, 3.5)), atol=1e-12)


@given(cell=cells(6.0, 12.0), sizes=st.tuples(st.integers(1, 70), st.integers(1, 9)))
def test_pairs_of_wide_cells(cell, sizes):
    assume(is_solid(cell))
    first, second = (random_structure(n, n, cell, periodic=True) for n in sizes)
    slab = Structure(second.numbers, second.positions, cell, np.array([True, True, False]))
    found = pairs_within([first, random_structure(4, 1), second], 2.0)
    expected = plain_pairs([first, random_structure(4, 1), second], 2.0)
    np.testing.assert_allclose(in_order(found), in_order(expected), atol=1e-12)
    assert len(pairs_within([slab], 2.0)) <= len(plain_pairs([second], 2.0))


@pytest.mark.parametrize("sizes", [[5], [1, 7, 2, 1], [3, 80, 4]])
def test_pairs_of_isolated_structures(sizes):
    structures = [random_structure(n, seed) for seed, n in enumerate(sizes)]
    for found, reach in ((pairs_within(structures, 2.5), 2.5), (all_pairs(structures), 99.0)):
        expected = in_order(plain_pairs(structures, reach))
        np.testing.assert_allclose(in_order(found), expected, atol=1e-12)


def test_a_batch_without_pairs():
    structures = [random_structure(1, seed) for seed in range(3)]
    for pairs in (pairs_within(structures, 3.0), all_pairs(structures)):
        assert len(pairs) == 0
        sums = expand_pairs(pairs, channels_of(structures), 3, waves, 1)
        assert [s.shape for s in sums] == [(3, 1, SPECIES, 2), (3, 3, SPECIES, 2)]
        assert not any(s.any() for s in sums)


@given(seed=st.integers(0, 99), weighted=st.booleans(), l_max=st.sampled_from([0, 3]))
def test_sums_over_pairs(seed, weighted, l_max):
    rng = np.random.default_rng(seed)
    structures = [
        random_structure(rng.integers(1, 9), seed),
        random_structure(5, seed, np.diag(rng.uniform(2.0, 6.0, 3)), periodic=True),
        random_structure(rng.integers(1, 30), seed + 1),
    ]
    n_atoms = sum(map(len, structures))
    channels = channels_of(structures, rng.normal(size=n_atoms) if weighted else None)
    pairs = pairs_within(structures, 3.0)
    found = expand_pairs(pairs, channels, n_atoms, waves, l_max)
    expected = plain_sum(pairs, channels, n_atoms, waves, l_max)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-13 * max(1, np.abs(b).max()))


@pytest.mark.parametrize("limit", [0, 10**9])
def test_both_ends_of_a_pair_may_share_its_functions(limit, monkeypatch):
    monkeypatch.setattr("sklode.physics.blocks.SHARED_FUNCTIONS", limit)
    structures = [random_structure(9, 0), random_structure(20, 1, 4.0 * np.eye(3), periodic=True)]
    channels, seen = channels_of(structures), []

    def counted(distances):
        assert np.all(np.diff(distances) >= 0)
        seen.append(len(distances))
        return waves(distances)

    def expanded(pairs):
        seen.clear()
        return expand_pairs(pairs, channels, 29, counted, 3)

    pairs = pairs_within(structures, 3.0)
    unaware = Pairs(pairs.centers, pairs.neighbors, pairs.vectors)
    assert pairs.mirrored
    assert np.array_equal(np.split(pairs.vectors, 2)[0], -np.split(pairs.vectors, 2)[1])
    expected = plain_sum(pairs, channels, 29, waves, 3)
    for listed, n_distinct in ((unaware, len(pairs)), (pairs, len(pairs) // 2 if limit else None)):
        for a, b in zip(expanded(listed), expected, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-13 * np.abs(b).max())
        assert sum(seen) == 1 + (n_distinct or len(pairs))  # and one sample


def test_single_precision_reaches_the_sums(monkeypatch):
    structures = [random_structure(20, 1, 6.0 * np.eye(3), periodic=True)]
    basis, types = BASES["gto"](4, 3, 3.0), set()
    sums = pair_expansion._sum_groups

    def watched(harmonics, values, *args):
        found = sums(harmonics, values, *args)
        types.update({harmonics.dtype.name, values.dtype.name, found.dtype.name})
        return found

    monkeypatch.setattr(pair_expansion, "_sum_groups", watched)

    def expanded(dtype):
        types.clear()
        parameters = {"smearing": 0.4, "cutoff_width": 0.5, "include_center": True}
        return density_expansion(
            structures, channels_of(structures), basis, **parameters, dtype=dtype
        )

    single = expanded("float32")
    assert types == {"float32"}
    double = expanded("float64")
    assert types == {"float64"}
    for a, b in zip(single, double, strict=True):
        assert (a.dtype, b.dtype) == (np.float32, np.float64)
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6 * np.abs(double[0]).max())
    spectra = [power_spectrum(c, None, (SPECIES, SPECIES)) for c in (single, double)]
    assert spectra[0].dtype == np.float32
    np.testing.assert_allclose(*spectra, rtol=0, atol=1e-6 * np.abs(spectra[1]).max())


def test_density_of_many_structures_by_quadrature():
    cell = np.array([[3.0, 0.4, 0.0], [-0.3, 4.0, 0.2], [0.1, 0.0, -3.5]])
    structures = [random_structure(6, seed) for seed in range(4)]
    structures.insert(1, random_structure(4, 9, cell, periodic=True))
    basis, law, width = BASES["gto"](4, 3, 3.0), SmearedPowerLaw(0.0, 0.4), 0.6
    channels, n_atoms = channels_of(structures), sum(map(len, structures))

    def radial(d):
        return pair_integrals(basis, law, d) * ShiftedCosine(basis.cutoff, width)(d)[:, None]

    parameters = {"smearing": 0.4, "cutoff_width": width, "include_center": True}
    found = density_expansion(structures, channels, basis, **parameters)
    expected = plain_sum(plain_pairs(structures, 3.0), channels, n_atoms, radial, basis.l_max)
    own = np.arange(n_atoms)
    expected[0][own, 0, channels.index] += center_integrals(basis, law)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b.reshape(a.shape), atol=2e-10)


def test_cutoff_function():
    d = np.array([0.0, 2.5, 2.5 + 1e-9, 2.75, 3.0 - 1e-9, 3.0, 4.0])
    expected = [1.0, 1.0, 1.0, 0.5, 0.0, 0.0, 0.0]
    np.testing.assert_allclose(ShiftedCosine(3.0, 0.5)(d), expected, atol=1e-15)
    np.testing.assert_array_equal(ShiftedCosine(3.0, 0.0)(d), d < 3.0)


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("n_channels", [(3, 3), (2, 1), (1, 4)])
def test_power_spectra_by_loops(n_channels, pooled, monkeypatch):
    monkeypatch.setattr("sklode.physics.blocks.SPECTRUM_NUMBERS", 200)  # several blocks of rows
    rng, n_atoms, n_radial = np.random.default_rng(0), 23, (2, 2)
    itself = n_channels == (3, 3)
    widths = np.multiply(n_channels, n_radial)
    left, right = ([rng.normal(size=(n_atoms, 2 * l + 1, w)) for l in range(3)] for w in widths)
    right = left if itself else right[:2]
    groups = [np.array([0, 4, 1]), np.array([], int), slice(5, 12), slice(12, 23)]
    ends = [slice(a, b) for a, b in pairwise(range(n_atoms + 1))]
    columns = []
    for a, b in product(*map(range, n_channels)):
        for m, n, l in product(range(2), range(2), range(len(right))):
            if itself and (a, m) > (b, n):
                continue
            weight = np.sqrt(2.0) if itself and (a, m) != (b, n) else 1.0
            terms = left[l][:, :, 2 * a + m] * right[l][:, :, 2 * b + n]
            factor = weight * (-1.0) ** l / np.sqrt(2 * l + 1)
            columns.append([factor * terms[g].sum() for g in (groups if pooled else ends)])
    second = None if itself else right
    found = power_spectrum(left, second, n_channels, groups if pooled else None)
    np.testing.assert_allclose(found, np.transpose(columns), atol=1e-12)


@pytest.mark.parametrize("itself", [True, False])
@pytest.mark.parametrize("pooled", [False, True])
def test_power_spectra_of_the_channels_that_there_are(pooled, itself):
    rng, n_radial, owners = np.random.default_rng(1), 2, np.repeat([0, 1, 2, 3], [3, 3, 1, 4])
    # nobody has the channel 1, and the last structure has none
    present = [np.array([[1, 0, 1, 1], [1, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]], bool)]
    present += [] if itself else [np.array([[1, 1], [0, 1], [1, 1], [0, 1]], bool)]
    whole, held = [], []
    for mask in present:
        field = [rng.normal(size=(11, 2 * l + 1, mask.shape[1], n_radial)) for l in range(3)]
        field = [c * mask[owners][:, None, :, None] for c in field]
        whole.append([c.reshape(*c.shape[:2], -1) for c in field])
        held.append([c[:, :, mask.any(axis=0)].reshape(*c.shape[:2], -1) for c in field])
    groups = [np.flatnonzero(owners == s) for s in range(4)] if pooled else None
    masks = present if pooled else [mask[owners] for mask in present]
    of_rows = [(f[0], None) if itself else tuple(f) for f in (whole, held)]
    counts = [(m.shape[1], m.any(axis=0).sum()) for m in (present[0], present[-1])]
    expected = power_spectrum(*of_rows[0], tuple(a for a, _ in counts), groups)
    found = power_spectrum(*of_rows[1], tuple(b for _, b in counts), groups, masks)
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-14)
