"""The sum over k-vectors on a mesh, piece by piece, beside the plain sum."""

import gc

import numpy as np
import pytest
from ase import Atoms
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sphericart import SolidHarmonics
from systems import cells, is_solid

from sklode import LongRangePotential
from sklode.physics.fields.periodic import PeriodicSum
from sklode.physics.mesh.splines import SplineMesh, derivative_triples, n_triples, spline_pieces
from sklode.physics.mesh.values import MeshSum, solid_harmonic_polynomials
from sklode.physics.planning.cells import contents_of
from sklode.physics.planning.mesh_choice import choose_mesh
from sklode.physics.planning.planner import Plan, Planner, Summation
from sklode.physics.planning.tails import WaveEnvelope
from sklode.physics.radial.bases import BASES
from sklode.physics.radial.laws import SmearedPowerLaw
from sklode.physics.radial.modes import field_modes, radial_modes, reduced_functions, wave_span
from sklode.physics.system.kvectors import half_sphere, reciprocal
from sklode.physics.system.structures import Batch, Channels, Structure
from sklode.physics.waves.values import PlaneWaveSum

CELL = np.array([[7.0, 0.3, 0.0], [0.2, 8.0, 1.0], [0.5, -0.4, 9.0]])
DOUBLE = np.dtype(float)


def positions(n_atoms, seed=0, cell=CELL):
    """Anywhere, in and out of the cell."""
    return np.random.default_rng(seed).uniform(-1.0, 2.0, (n_atoms, 3)) @ cell


def contents(cell, weights):
    """What a plan is made for."""
    return contents_of(np.array([cell]), weights, np.array([0, len(weights)]))[0]


def plain_sum(basis, laws, cell, k_cutoff, places, weights):
    """Eq. (4.1) wave by wave, atom by atom: the reference of both fast sums."""
    sphere = half_sphere(cell, k_cutoff)
    sums = PlaneWaveSum(basis, laws)
    ((radial, kept),) = sums._prepare(
        {0: (cell, Plan(k_cutoff, mode_accuracies=(1e-16,) * len(laws)))}
    )
    _, kernels = kept[0]
    n_atoms, n_channels = weights.shape
    parities = [np.zeros((n_channels, n_atoms, len(kernel))) for kernel in kernels]
    for k, *rows in zip(sphere.vectors, *[part.T for part in kernels], strict=True):
        waves = np.exp(1j * places @ k)
        for channel in range(n_channels):
            product = waves * (weights[:, channel] @ waves.conj())
            for parity, row, part in zip(parities, rows, (product.real, product.imag), strict=True):
                parity[channel] += part[:, None] * row
    return sums._by_degree(parities, radial)


@pytest.mark.parametrize("order", [4, 5, 6, 9, 16])
def test_splines_add_up_to_one_and_their_derivatives_to_nothing(order):
    offsets = np.linspace(0.0, 1.0, 7, endpoint=False) - 0.5
    powers = offsets[:, None] ** np.arange(order)
    sums = np.tensordot(powers, spline_pieces(order, 3), axes=(1, 1)).sum(axis=2)
    np.testing.assert_allclose(sums[:, 0], 1.0, atol=1e-13)
    np.testing.assert_allclose(sums[:, 1:], 0.0, atol=1e-12)


@pytest.mark.parametrize("order", [4, 7, 10])
def test_splines_are_differentiated(order):
    pieces = spline_pieces(order, 2)
    step = 1e-5
    at = [(x - 0.5) ** np.arange(order) @ pieces[0] for x in (0.3 - step, 0.3, 0.3 + step)]
    slopes = [0.3 - 0.5] ** np.arange(order) @ pieces[1:]
    np.testing.assert_allclose(slopes[0], (at[2] - at[0]) / (2 * step), atol=1e-9)
    np.testing.assert_allclose(slopes[1], (at[2] - 2 * at[1] + at[0]) / step**2, atol=1e-5)


@settings(max_examples=25)
@given(cells(4.0, 9.0), st.sampled_from([8, 12]), st.integers(0, 99))
def test_derivatives_of_a_wave(cell, order, seed):
    assume(is_solid(cell))
    places = positions(5, seed, cell)
    mesh = SplineMesh(cell, (20, 24, 27), order, places, 3, DOUBLE)
    integers = np.random.default_rng(seed).integers(-2, 3, 3)
    turn = 2.0 * np.pi * integers / mesh.shape
    phases = np.indices(mesh.shape).reshape(3, -1).T @ turn
    fields = np.stack([np.cos(phases), np.sin(phases)]).reshape(2, *mesh.shape)
    fields /= np.prod(np.sinc(integers / mesh.shape) ** order)
    found = mesh.derivatives(np.arange(5), mesh.windows(2, [fields])(np.arange(5)))
    waves = np.exp(1j * places @ (integers @ reciprocal(cell)))
    expected = waves[:, None] * np.prod((1j * turn) ** derivative_triples(3), axis=1)
    alias = np.max(np.abs(turn) / (2.0 * np.pi - np.abs(turn)))
    atol = 1e-13 + 10.0 * (2.0 * np.pi) ** 3 * alias**order
    np.testing.assert_allclose(found[:, :, 0], expected.real, atol=atol)
    np.testing.assert_allclose(found[:, :, 1], expected.imag, atol=atol)


@pytest.mark.parametrize("shape", [(20, 24, 27), (12, 40, 12)])
def test_spreading_gives_structure_factors(shape):
    places = positions(30)
    weights = np.random.default_rng(1).normal(size=(30, 2))
    weights[:10, 1] = 0.0
    mesh = SplineMesh(CELL, shape, 12, places, 0, DOUBLE)
    spectra = np.fft.rfftn(mesh.spread(weights), axes=(1, 2, 3))
    sx, sy, sz = mesh.attenuation()
    for n in ([0, 0, 0], [1, -2, 1], [-2, 1, 2]):
        found = spectra[:, n[0], n[1], n[2]] / (sx[n[0]] * sy[n[1]] * sz[n[2]])
        expected = np.exp(-1j * places @ (n @ reciprocal(CELL))) @ weights
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_spreading_is_the_transpose_of_interpolation():
    places = positions(8)
    mesh = SplineMesh(CELL, (10, 12, 9), 6, places, 0, DOUBLE)
    field = np.random.default_rng(2).normal(size=(1, *mesh.shape))
    values = mesh.derivatives(np.arange(8), mesh.windows(1, [field])(np.arange(8)))[:, 0, 0]
    for atom, weights in enumerate(np.eye(8)):
        product = np.sum(mesh.spread(weights[:, None]) * field)
        assert product == pytest.approx(values[atom], rel=1e-12, abs=1e-12)


def test_derivative_triples():
    for highest in range(6):
        triples = derivative_triples(highest)
        assert len(triples) == n_triples(highest) == len(np.unique(triples, axis=0))
        assert triples.sum(axis=1).max() == highest


@pytest.mark.parametrize("l_max", [0, 1, 3, 6])
def test_polynomials_are_solid_harmonics(l_max):
    matrix = np.random.default_rng(0).normal(size=(3, 3))
    x = np.random.default_rng(1).normal(size=(9, 3))
    monomials = np.prod(x[:, None] ** derivative_triples(l_max), axis=2)
    found = monomials @ solid_harmonic_polynomials(l_max, tuple(map(tuple, matrix))).T
    expected = SolidHarmonics(l_max).compute(x @ matrix.T)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize(
    "accuracies", [(1e-3,) * 3, (1e-6,) * 3, (1e-9,) * 3, (1e-6, 1e-4, 1e-2), (1e-3, 1e-2, 1e-7)]
)
def test_modes_give_all_functions_with_few_of_them(accuracies):
    basis = BASES["gto"](5, 3, 5.0)
    laws = tuple(SmearedPowerLaw(p, 1.0) for p in (1.0, 3.0, 6.0))
    span = (0.25, 4.0)
    modes = radial_modes(basis, laws, (0, 1, 2, 3), span, accuracies)
    k = np.linspace(*span, 137)
    functions = reduced_functions(basis, laws, range(4), k, modes.length)
    found = functions @ modes.compress @ modes.expand.reshape(modes.count, -1)
    weights = k[:, None, None, None] * (k[:, None] * modes.length)[:, None, :, None] ** [
        [0],
        [1],
        [2],
        [3],
    ]
    shape = (len(k), 3, 4, 5)
    errors = np.linalg.norm((found - functions).reshape(shape) * weights, axis=0)
    sizes = np.linalg.norm(functions.reshape(shape) * weights, axis=0).max(axis=(1, 2))
    assert np.all(errors <= 1.05 * (accuracies * sizes)[:, None, None])
    assert modes.count < 20


@pytest.mark.parametrize("kind", ["gto", "monomial"])
@pytest.mark.parametrize("exponents", [(1.0,), (0.0, 2.5, 6.0)])
def test_both_sums_are_the_plain_sum(kind, exponents):
    basis = BASES[kind](2, 3, 3.0)
    laws = tuple(SmearedPowerLaw(p, 1.0) for p in exponents)
    places = positions(12)
    weights = np.random.default_rng(3).normal(size=(12, 2))
    plan = Plan(3.0, mode_accuracies=(1e-13,) * len(laws))
    expected = plain_sum(basis, laws, CELL, 3.0, places, weights)
    structure = Structure(np.ones(12, int), places, CELL, np.ones(3, bool))
    ((_, found),) = PlaneWaveSum(basis, laws)([structure], [weights], {0: plan})
    scale = max(np.abs(c).max() for c in expected)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-11 * scale)
    envelope = WaveEnvelope(basis, laws)
    modes = field_modes(basis, laws, CELL, 3.0, (1e-10,) * len(laws)).count
    allowed = np.full((len(laws), 2), 1e-7 * scale)
    mesh, seconds, _ = choose_mesh(contents(CELL, weights), 3.0, envelope, allowed, modes)
    assert 0 < seconds < np.inf
    meshed = MeshSum(basis, laws)(
        CELL, Plan(3.0, mesh, mode_accuracies=(1e-10,) * len(laws)), places, weights
    )
    for a, b in zip(meshed, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-7 * scale)


class TestChoice:
    BASIS, LAWS = BASES["gto"](5, 3, 5.0), (SmearedPowerLaw(1.0, 1.0),)

    def plan(self, n_atoms, tol=1e-6, **options):
        cell = (10.0 * n_atoms) ** (1 / 3) * np.eye(3)
        weights = np.tile(np.eye(2), (n_atoms // 2, 1))
        planner = Planner(self.BASIS, self.LAWS, np.zeros(1), Summation(tol=tol, **options))
        return planner.plans([contents(cell, weights)], [tol])[0]

    def test_large_structures_go_to_the_mesh(self):
        assert self.plan(64).mesh is None
        assert self.plan(8000).mesh is not None

    def test_the_method_can_be_chosen(self):
        assert self.plan(8000, method="direct").mesh is None
        assert self.plan(64, method="nufft").mesh is not None

    def test_a_mesh_is_finer_for_a_smaller_tolerance(self):
        coarse, fine = (self.plan(1000, tol, method="nufft").mesh for tol in (1e-3, 1e-7))
        assert fine.order > coarse.order
        assert np.prod(fine.shape) > np.prod(coarse.shape)

    def test_what_no_mesh_can_reach_is_summed_directly(self):
        assert self.plan(1000, 1e-16, method="nufft").mesh is None


@pytest.mark.parametrize("charged", [True, False])
def test_threads_and_thin_cells_change_nothing(charged):
    cell = np.diag([4.0, 30.0, 9.0])
    n_atoms = 150
    index = np.arange(n_atoms) % 2 if not charged else np.zeros(n_atoms, int)
    weights = np.random.default_rng(4).normal(size=n_atoms) if charged else np.ones(n_atoms)
    channels = Channels(index, weights, 1 if charged else 2)
    places = positions(n_atoms, 5, cell)
    structure = Structure(np.ones(n_atoms, int), places, cell, np.ones(3, bool))
    basis, laws = BASES["monomial"](1, 3, 3.0), (SmearedPowerLaw(1.0, 1.0),)

    def expand(**options):
        summation = Summation(tol=1e-5, **options)
        sums = PeriodicSum(basis, laws, uniform=[0.0], summation=summation)
        return sums.values(Batch([structure], channels))

    alone, shared = expand(method="nufft"), expand(method="nufft", n_threads=2)
    direct = expand(method="direct")
    single = expand(method="nufft", dtype="float32")
    scale = max(np.abs(c).max() for c in direct)
    for a, b, c, d in zip(alone, shared, direct, single, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(a, c, atol=2e-5 * scale)
        np.testing.assert_allclose(d, c, atol=1e-4 * scale)


def test_spans_hold_all_waves():
    for k_cutoff in (2.0, 3.77, 5.0):
        low, high = wave_span(CELL, k_cutoff)
        norms = half_sphere(CELL, k_cutoff).norms
        assert low <= norms.min()
        assert norms.max() <= high


@pytest.mark.parametrize("invariants", [None, "power_spectrum"])
@pytest.mark.parametrize("exponent", [6, (1, 6)])
def test_no_wave_at_all(exponent, invariants):
    """A cell so small, or a potential so wide, that every k-vector is beyond the sphere."""
    atoms = Atoms("HC", [[0.0, 0.0, 0.0], [1.1, 1.3, 1.7]], cell=[4.0, 4.1, 4.2], pbc=True)
    made = []
    for method in ("direct", "nufft"):
        parameters = {"k_cutoff": 0.5, "method": method, "invariants": invariants}
        model = LongRangePotential(exponent, include_center=True, **parameters).fit([atoms])
        rows = model.transform([atoms])
        derivatives = model.transform_all_gradients([atoms])
        back = model.backpropagate([atoms], np.ones_like(rows))
        made.append([rows, derivatives[0][0], derivatives[1], back[0][0], back[1]])
    assert made[0][0].any()
    for direct, meshed in zip(*made, strict=True):
        np.testing.assert_allclose(meshed, direct, rtol=1e-12, atol=1e-12)


def test_kernels_are_kept_with_the_modes_that_they_are_of():
    """Not with where these were in memory, as others may be there later."""
    atoms = Atoms("H20", np.random.default_rng(0).uniform(0, 12, (20, 3)), cell=[12] * 3, pbc=True)
    options = {"method": "nufft", "k_cutoff": 4.0, "invariants": None}
    model = LongRangePotential((1, 6), 3.0, 3, 2, **options).fit([atoms])
    expected = model.transform([atoms])
    model.operator()  # of which the sums are kept
    radial_modes.cache_clear()
    kept = [sums for sums in gc.get_objects() if isinstance(sums, MeshSum) and sums._kept[0]]
    assert kept
    for sums in kept:
        key, _, (chosen, kernels) = sums._kept
        sums._kept = key, object(), (chosen, np.full_like(kernels, np.nan))
    np.testing.assert_allclose(model.transform([atoms]), expected, rtol=1e-12)
