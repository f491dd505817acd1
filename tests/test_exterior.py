"""The far field alone in LODE coefficients: direct sums, no lost digits, and multipoles."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import reference
from ase import Atoms
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import erfc, eval_legendre, gamma, gammainc, poch, roots_legendre
from systems import cells, cluster, expand, is_solid, triclinic

from sklode import LongRangePotential, MultipoleFeatures
from sklode.physics.fields import potential as potential_expansion
from sklode.physics.numerics.harmonics import spherical_harmonics
from sklode.physics.radial.bases import BASES

CUTOFF, WIDTH = 2.5, 0.5
FIELD = {"cutoff": CUTOFF, "n_max": 2, "l_max": 2, "smearing": 1.0}
EXPONENTS = [0.5, 1, 2, 2.5, 3, 4.5, 6]
CLUSTER = cluster("C2O2H3", seed=4, size=6.0)
CELL = triclinic("C3O2H2")
OVER_BASES = pytest.mark.parametrize("radial_basis", BASES)


def degrees(l_max):
    return np.repeat(np.arange(l_max + 1), 2 * np.arange(l_max + 1) + 1)


def exterior(atoms, exponent, **parameters):
    """Of shape (n_atoms, n_exponents * n_channels, n_max, (l_max + 1)^2)."""
    options = {**FIELD, "cutoff_width": WIDTH, "tol": 1e-11, **parameters}
    return expand(atoms, exponent=exponent, exterior=True, **options)


def inside(distances, cutoff=CUTOFF, width=WIDTH):
    return reference.inside(SimpleNamespace(cutoff=cutoff, cutoff_width=width), distances)


def smeared(p, r, sigma):
    """Eq. (2.1); the Gaussian for p = 0."""
    x = 0.5 * (r / sigma) ** 2
    if p == 0:
        return (np.pi * sigma**2) ** -0.75 * np.exp(-x)
    return gammainc(0.5 * p, x) / r**p


def pair_functions(basis, p, sigma, distances, n_nodes=80):
    """F_nl(d), shape (l, n, d), by plain quadrature over the ball."""
    x, w = roots_legendre(n_nodes)
    r, weights = 0.5 * basis.reach * (x + 1), 0.5 * basis.reach * w
    u, v = roots_legendre(n_nodes)
    measure = basis.functions(r) * weights * r**2
    legendre = np.array([eval_legendre(l, u) for l in range(basis.l_max + 1)]) * v
    out = np.empty((basis.l_max + 1, basis.n_max, len(distances)))
    for i, d in enumerate(distances):
        separation = np.sqrt(r[:, None] ** 2 + d**2 - 2 * d * r[:, None] * u)
        moments = np.einsum("ru,lu->lr", smeared(p, separation, sigma), legendre)
        out[:, :, i] = 2 * np.pi * np.einsum("lnr,lr->ln", measure, moments)
    return out


def pair_sum(vectors, weights, basis, p, sigma, **quadrature):
    """sum_j w_j F_nl(d_j) Y_lm, shape (n, lm)."""
    d = np.linalg.norm(vectors, axis=1)
    radial = pair_functions(basis, p, sigma, d, **quadrature)[degrees(basis.l_max)]
    return np.einsum("knj,jk,j->nk", radial, spherical_harmonics(vectors, basis.l_max), weights)


def surroundings(atoms, center, reach):
    """Vectors from an atom to all others and images within reach, and which atoms they are."""
    cell, inverse = np.array(atoms.cell), np.linalg.inv(np.array(atoms.cell))
    counts = np.ceil(reach * np.linalg.norm(inverse, axis=0)).astype(int) + 2
    axes = [np.arange(-n, n + 1) for n in counts]
    shifts = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3) @ cell
    vectors = (atoms.positions - atoms.positions[center])[:, None] + shifts
    near = np.linalg.norm(vectors, axis=2) <= reach
    near[center, near.shape[1] // 2] = False
    return vectors[near], np.nonzero(near)[0]


def assert_close(found, expected, accuracy):
    np.testing.assert_allclose(found, expected, rtol=0, atol=accuracy * np.abs(expected).max())


@OVER_BASES
@pytest.mark.parametrize("p", [0, *EXPONENTS])
def test_isolated_structures_are_pair_sums(p, radial_basis):
    found = exterior(CLUSTER, p, radial_basis=radial_basis)
    basis = BASES[radial_basis](2, 2, CUTOFF)
    scale = np.abs(found).max()
    for i in (0, 4):
        vectors = np.delete(CLUSTER.positions, i, axis=0) - CLUSTER.positions[i]
        numbers = np.delete(CLUSTER.numbers, i)
        outside = 1 - inside(np.linalg.norm(vectors, axis=1))
        assert ((outside > 0) & (outside < 1)).any() or (outside == 0).any()
        for channel, z in enumerate([1, 6, 8]):
            expected = pair_sum(vectors, outside * (numbers == z), basis, p, 1.0)
            np.testing.assert_allclose(found[i, channel], expected, rtol=0, atol=1e-9 * scale)


@OVER_BASES
@pytest.mark.parametrize("p", [0, *EXPONENTS])
def test_periodic_structures_are_all_minus_the_inside(p, radial_basis):
    full = expand(CELL, exponent=p, k_cutoff=12.0, radial_basis=radial_basis, **FIELD)
    found = exterior(CELL, p, radial_basis=radial_basis)
    basis = BASES[radial_basis](2, 2, CUTOFF)
    for i in (0, 3, 6):
        vectors, sources = surroundings(CELL, i, CUTOFF)
        weights = inside(np.linalg.norm(vectors, axis=1))
        for channel, z in enumerate([1, 6, 8]):
            near = weights * (CELL.numbers[sources] == z)
            expected = full[i, channel] - pair_sum(vectors, near, basis, p, 1.0)
            atol = 1e-9 * np.abs(full[:, channel]).max()
            np.testing.assert_allclose(found[i, channel], expected, rtol=0, atol=atol)


@pytest.mark.parametrize("p", [0, 1, 2.5, 3, 6])
@pytest.mark.parametrize("factor", [0.5, 0.9, 1.5])
def test_splitting_does_not_matter(monkeypatch, factor, p):
    expected = exterior(CELL, p, smearing=0.4)
    monkeypatch.setattr(
        potential_expansion, "split_smearing", lambda *args, **options: factor * CUTOFF
    )
    found = exterior(CELL, p, smearing=0.4)
    for channel in range(3):
        assert_close(found[:, channel], expected[:, channel], 1e-9)


@st.composite
def random_structures(draw):
    cell = draw(cells(2.5, 8.0))
    assume(is_solid(cell))
    n_atoms = draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    return Atoms("O" * n_atoms, cell=cell, scaled_positions=rng.random((n_atoms, 3)), pbc=True)


@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-6])
@settings(max_examples=20)
@given(
    atoms=random_structures(),
    p=st.sampled_from([0.5, 1, 2, 3, 4.5, 6, 9]),
    smearing=st.sampled_from([0.5, 1.0, 2.0]),
    cutoff=st.sampled_from([1.5, 3.0]),
    n_max=st.integers(1, 3),
    radial_basis=st.sampled_from(["monomial", "gto"]),
)
def test_tolerance_holds(tol, atoms, p, **options):
    exact = exterior(atoms, p, tol=1e-12, **options)
    assert_close(exterior(atoms, p, tol=tol, **options), exact, tol)


@pytest.mark.parametrize(("p", "tol"), [(6, 1e-6), (9, 1e-4), (9, 1e-6)])
def test_tolerance_holds_where_all_atoms_are_far(p, tol):
    atoms = Atoms("O2", positions=[[0, 0, 0], [3.0, 5.0, 4.0]], cell=[12, 13, 12.5], pbc=True)
    options = {"cutoff": 1.5, "smearing": 0.3}
    exact = exterior(atoms, p, tol=1e-13, **options)
    assert_close(exterior(atoms, p, tol=tol, **options), exact, tol)


def gap_of_one_cutoff(seed=8, cutoff=2.0):
    """A cell whose first atom has one neighbour inside, and none up to twice the cutoff."""
    rng, cell = np.random.default_rng(seed), np.array([[9.5, 0.5, 0], [0, 9.2, 1], [-1, 0, 10.0]])
    positions = [np.array([1.0, 2.0, 3.0]), np.array([1.6, 2.8, 2.5])]
    while len(positions) < 7:
        new = rng.random(3) @ cell
        trial = Atoms("O2", positions=[positions[0], new], cell=cell, pbc=True)
        if trial.get_distance(0, 1, mic=True) > 2.0 * cutoff:
            positions.append(new)
    return Atoms("O7", positions=positions, cell=cell, pbc=True)


def smooth_lattice_sum(atoms, basis, p, sigma, middle=45.0, width=8.0):
    """Pair functions summed up to a smooth end; beyond it the sum is an integral."""

    def kept(d):
        return np.where(d < 10.0, 1.0, 0.5 * erfc((d - middle) / width))

    vectors, _ = surroundings(atoms, 0, middle + 3.5 * width)
    vectors = vectors[np.linalg.norm(vectors, axis=1) > 2 * basis.cutoff]
    total = pair_sum(vectors, kept(np.linalg.norm(vectors, axis=1)), basis, p, sigma, n_nodes=20)
    density = len(atoms) / atoms.get_volume()
    x, w = roots_legendre(60)
    for start, end in pairwise([10.0, 20.0, 45.0, 75.0, 150.0, 1e3, 1e4, 1e5]):
        d = 0.5 * (end - start) * (x + 1) + start
        radial = pair_functions(basis, p, sigma, d, n_nodes=20)[0]
        shells = 4 * np.pi * d**2 * (1 - kept(d)) * 0.5 * (end - start) * w
        total[:, 0] += density * (radial @ shells) / np.sqrt(4 * np.pi)
    return total


@pytest.mark.parametrize("smearing", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("p", [6, 8])
def test_no_digits_are_lost_across_a_gap_of_one_cutoff(p, smearing):
    """Theory 4.4: the difference of two k-sums would lose all of them for p = 6."""
    atoms, options = gap_of_one_cutoff(), {"cutoff": 2.0, "n_max": 2, "smearing": smearing}
    found = exterior(atoms, p, tol=1e-6, **options)[0, 0]
    basis = BASES["monomial"](2, 2, 2.0)
    assert_close(found, smooth_lattice_sum(atoms, basis, p, smearing), 1e-6)


@pytest.mark.parametrize("pbc", [False, True], ids=["isolated", "periodic"])
@pytest.mark.parametrize("p", [1, 6])
def test_atoms_cross_the_cutoff_smoothly(p, pbc):
    """The derivative changes in proportion to the step: no jump, no kink."""
    bends = []
    for step in (0.01, 0.005):
        path = []
        for d in np.arange(1.8, 2.7, step):
            positions = np.array([[0.1, 0.2, 0.3], [0.1, 0.2, 0.3], [3.9, 3.2, -1.0]])
            positions[1] += d * np.array([2.0, 1.0, -2.0]) / 3.0
            path.append(Atoms("COH", positions=positions, cell=[7.0, 7.5, 8.0], pbc=pbc))
        options = {**FIELD, "cutoff_width": WIDTH, "tol": 1e-11, "invariants": None}
        rows = LongRangePotential(p, exterior=True, **options).fit(path).transform_atoms(path)
        slopes = np.diff(rows[::3, -18:], axis=0) / step
        assert np.abs(slopes).max() < 20 * np.abs(rows[::3, -18:]).max()
        bends.append(np.abs(np.diff(slopes, axis=0)).max(axis=0))
    np.testing.assert_allclose(bends[1], 0.5 * bends[0], rtol=0.15)


def test_atoms_inside_do_not_act():
    pair = Atoms("CO", positions=[[0, 0, 0], [0, 0, CUTOFF - WIDTH]])
    assert not exterior(pair, (0, 1, 6)).any()
    pair.positions[1, 2] += 0.01
    assert exterior(pair, (1, 6)).any()


@pytest.mark.parametrize("p", EXPONENTS)
def test_large_cells_are_isolated(p):
    atoms, errors = CLUSTER.copy(), []
    atoms.set_initial_charges(atoms.get_initial_charges() - atoms.get_initial_charges().mean())
    expected = exterior(atoms, p, charges="initial_charges")
    for length in (25.0, 50.0):
        atoms.set_cell([length] * 3)
        atoms.pbc = True
        found = exterior(atoms, p, charges="initial_charges", tol=1e-9)
        errors.append(np.abs(found - expected).max() / np.abs(expected).max())
    assert errors[1] < max(0.25 * errors[0], 1e-8)
    assert errors[1] < 2e-3


@pytest.mark.parametrize("repeat", [(2, 1, 1), (1, 2, 2)])
@pytest.mark.parametrize("p", [1, 3, 6])
def test_supercells_repeat_the_coefficients(p, repeat):
    expected = np.tile(exterior(CELL, p), (np.prod(repeat), 1, 1, 1))
    assert_close(exterior(CELL.repeat(repeat), p), expected, 1e-9)


@pytest.mark.parametrize("p", [1, 3, 6])
@pytest.mark.parametrize("cutoff", [1.0, 6.0])
def test_any_cutoff_against_the_cell(cutoff, p):
    options = {"cutoff": cutoff, "n_max": 1}
    full = expand(CELL, exponent=p, k_cutoff=12.0, **{**FIELD, **options})
    found = exterior(CELL, p, **options)
    vectors, sources = surroundings(CELL, 1, cutoff)
    weights = inside(np.linalg.norm(vectors, axis=1), cutoff)
    basis = BASES["monomial"](1, 2, cutoff)
    for channel, z in enumerate([1, 6, 8]):
        near = pair_sum(vectors, weights * (CELL.numbers[sources] == z), basis, p, 1.0)
        atol = 1e-8 * np.abs(full[:, channel]).max()
        np.testing.assert_allclose(found[1, channel], full[1, channel] - near, rtol=0, atol=atol)


def test_center_inside_its_own_cutoff_is_a_contradiction():
    with pytest.raises(ValueError, match=r"include_center=True contradicts exterior=True"):
        LongRangePotential(exterior=True, include_center=True).fit([CLUSTER])


def gas(neutral=True, seed=3, exclusion=3.2):
    """A cell of atoms that all keep a distance; charges."""
    rng, cell = np.random.default_rng(seed), np.array([[9.5, 0.5, 0], [0, 9.2, 1], [-1, 0, 10.0]])
    atoms = Atoms(cell=cell, pbc=True)
    while len(atoms) < 8:
        trial = atoms + Atoms("O", positions=[rng.random(3) @ cell])
        if (
            len(trial) == 1
            or trial.get_distances(-1, range(len(atoms)), mic=True).min() > exclusion
        ):
            atoms = trial
    charges = rng.uniform(-1, 1, 8)
    atoms.set_initial_charges(charges - neutral * charges.mean())
    return atoms


ORDERS = 14
SMALL = {"cutoff": 1.0, "l_max": 3, "charges": "initial_charges"}


def from_multipoles(atoms, p, cutoff, n_max, l_max, **parameters):
    """The coefficients by eq. (6.2), from the multipoles of enough orders."""
    l, k, n = degrees(l_max), np.arange(ORDERS), np.arange(n_max)
    options = {"cutoff": cutoff, "l_max": l_max, "n_max": ORDERS, "tol": 1e-12, **parameters}
    moments = expand(atoms, MultipoleFeatures, exponent=p, **options)
    a = poch(p / 2, l[:, None] + k) * poch((p - 1) / 2, k)
    a = a / (poch(1.5, l[:, None] + k) * gamma(k + 1))  # A_lk / (2 l + 1)
    projections = []
    x, w = roots_legendre(60)
    r, weights = 0.5 * cutoff * (x + 1), 0.5 * cutoff * w
    functions = BASES["monomial"](n_max, l_max, cutoff).functions(r)
    for degree in range(l_max + 1):
        powers = r ** (2 + degree + 2 * k[:, None])
        projections.append((functions[degree] * weights) @ powers.T)
    assert len(projections[0]) == len(n)
    return 4 * np.pi * np.einsum("xk,xnk,ackx->acnx", a, np.array(projections)[l], moments)


@pytest.mark.parametrize("pbc", [False, True], ids=["isolated", "periodic"])
@pytest.mark.parametrize("p", [1, 2, 2.5, 3, 6])
class TestIdentityWithMultipoles:
    """Eqs. (6.2) and (6.3): atoms seven smearings away act through their multipoles."""

    def test_coefficients(self, p, pbc):
        atoms = gas()
        atoms.pbc = pbc
        for n_max in (1, 3):
            expected = from_multipoles(atoms, p, n_max=n_max, **SMALL)
            found = exterior(atoms, p, n_max=n_max, smearing=0.3, tol=1e-12, **SMALL)
            assert_close(found, expected, 1e-9)

    def test_one_function_for_charges_needs_one_order(self, p, pbc):
        atoms = gas()
        atoms.pbc = pbc
        options = {**SMALL, "n_max": 1, "tol": 1e-12}
        l = degrees(3)
        moments = expand(atoms, MultipoleFeatures, exponent=p, **options)
        factor = 4 * np.pi / np.sqrt(2 * l + 3) * poch(p / 2, l) / poch(1.5, l)
        found = exterior(atoms, p, smearing=0.3, **options)
        error = np.abs(found - factor * moments).max() / np.abs(found).max()
        assert (error < 1e-9) == (p == 1)


@pytest.mark.parametrize("p", [1, 2, 2.5])
def test_charged_cells_differ_from_multipoles_by_the_background_of_the_smearing(p):
    atoms, sigma = gas(neutral=False), 0.3
    expected = from_multipoles(atoms, p, n_max=2, **SMALL)
    constant = 2 * np.pi**1.5 * (2 * sigma**2) ** (1.5 - 0.5 * p) / gamma(0.5 * p) / (3 - p)
    x, w = roots_legendre(20)
    r = 0.5 * (x + 1)
    uniform = np.full_like(r, constant)
    if p == 1:  # the one potential that a uniform background curves: 1/r is harmonic
        uniform += 2 * np.pi / 3 * r**2
    projection = BASES["monomial"](2, 0, 1.0).functions(r)[0] @ (0.5 * w * r**2 * uniform)
    density = atoms.get_initial_charges().sum() / atoms.get_volume()
    expected[:, 0, :, 0] += np.sqrt(4 * np.pi) * density * projection
    found = exterior(atoms, p, n_max=2, smearing=sigma, tol=1e-12, **SMALL)
    assert_close(found, expected, 1e-9)
