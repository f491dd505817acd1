"""Derivatives of periodic coefficients against central differences at frozen k-triplets."""

import numpy as np
import pytest
from fields import (
    multipole_backward,
    multipole_expansion,
    multipole_slopes,
    potential_backward,
    potential_expansion,
    potential_slopes,
)
from jacobians import jacobian as all_derivatives
from jacobians import of_columns, of_one
from systems import cluster, triclinic

from sklode.physics.fields import potential as module
from sklode.physics.fields.periodic import PeriodicSum
from sklode.physics.operators.contract import linearize
from sklode.physics.operators.linearized import Linearized
from sklode.physics.planning.planner import Plan, Summation
from sklode.physics.radial.bases import BASES, SolidHarmonicBasis
from sklode.physics.radial.finite_range import SmearedTable
from sklode.physics.radial.laws import SmearedPowerLaw
from sklode.physics.radial.yukawa import SmearedYukawa
from sklode.physics.system.kvectors import HalfSphere, half_sphere, reciprocal
from sklode.physics.system.structures import Batch, Channels, Structure
from sklode.physics.waves.kernels import CellKernels, WaveKernels, wave_kernels
from sklode.physics.waves.pairwise_derivatives import WavePairs
from sklode.physics.waves.reverse import plane_wave_backward
from sklode.physics.waves.structure_factor_derivatives import WaveFactors
from sklode.physics.waves.values import PlaneWaveSum

STEP = 1e-3
ACCURACY = 2e-8
GTO = BASES["gto"](3, 2, 2.5)
MONOMIALS = BASES["monomial"](2, 3, 2.0)
TAYLOR = SolidHarmonicBasis(3, 2.0)
EXPONENTS = (0, 1, 2.5, 3, 6)
OTHERS = {
    "Yukawa": SmearedYukawa(0.4, 0.9),
    "table": SmearedTable((0.0, 1.0, 2.0, 3.0), (1.0, 0.7, 0.2, 0.0), 0.9),
}


def relative_difference(ours, expected):
    return np.abs(ours - expected).max() / max(np.abs(expected).max(), 1e-30)


def central_difference(function, step=STEP):
    """Of fourth order, of a function that returns a list of arrays."""
    near = zip(function(step), function(-step), strict=True)
    far = zip(function(2 * step), function(-2 * step), strict=True)
    return [
        (8.0 * (a - b) - (c - d)) / (12.0 * step) for (a, b), (c, d) in zip(near, far, strict=True)
    ]


def moved(positions, atom, axis, size):
    positions = positions.copy()
    positions[atom, axis] += size
    return positions


def unit_strain(a, b, size):
    strain = np.eye(3)
    strain[a, b] += size
    return strain


def by_position(function, positions):
    """Differences of every coefficient, shape (..., n_atoms, 3) for each l."""
    columns = [
        central_difference(lambda size, i=i, x=x: function(moved(positions, i, x, size)))
        for i, x in np.ndindex(positions.shape)
    ]
    return [np.stack(c, axis=-1).reshape(*c[0].shape, -1, 3) for c in zip(*columns, strict=True)]


def by_strain(function):
    """Differences of every coefficient, shape (..., 3, 3) for each l."""
    columns = [
        central_difference(lambda size, a=a, b=b: function(unit_strain(a, b, size)))
        for a, b in np.ndindex(3, 3)
    ]
    return [np.stack(c, axis=-1).reshape(*c[0].shape, 3, 3) for c in zip(*columns, strict=True)]


def strained_sphere(sphere, cell):
    """The same triplets of integers in another cell."""
    vectors = sphere.integers @ reciprocal(cell)
    norms = np.linalg.norm(vectors, axis=1)
    return HalfSphere(sphere.integers, vectors, norms, reciprocal(cell))


def some_weights(n_atoms, n_channels, seed=0):
    """A channel for every atom, or for one channel charges."""
    rng = np.random.default_rng(seed)
    if n_channels == 1:
        return rng.uniform(-1, 1, (n_atoms, 1))
    return np.eye(n_channels)[np.arange(n_atoms) % n_channels]


def random_like(coefficients, seed=3):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=c.shape) for c in coefficients]


def contracted(cotangents, jacobian):
    """The sum over all coefficients of cotangents times their derivatives."""
    return sum(
        np.tensordot(g, j, axes=(range(g.ndim), range(g.ndim)))
        for g, j in zip(cotangents, jacobian, strict=True)
    )


class WaveSum:
    """The plane-wave part of the coefficients of a crystal on frozen triplets."""

    def __init__(self, basis, laws, n_atoms, n_channels, k_cutoff=3.0):
        atoms = triclinic(f"C{n_atoms}", seed=n_atoms, size=4.5)
        self.basis, self.laws, self.k_cutoff = basis, laws, k_cutoff
        self.cell, self.positions = np.array(atoms.cell), atoms.positions
        self.weights = some_weights(n_atoms, n_channels)
        self.sphere = half_sphere(self.cell, k_cutoff)

    def kernels(self):
        return wave_kernels(self.basis, self.laws, [self.sphere], [self.cell], [None])[0]

    def at(self, positions=None, strain=None):
        strain = np.eye(3) if strain is None else strain
        positions = (self.positions if positions is None else positions) @ strain
        cell = self.cell @ strain
        plan = Plan(self.k_cutoff, sphere=strained_sphere(self.sphere, cell))
        direct = PlaneWaveSum(self.basis, self.laws)
        structure = Structure(np.ones(len(positions), int), positions, cell, np.ones(3, bool))
        ((_, coefficients),) = direct([structure], [self.weights], {0: plan})
        return coefficients

    def jacobian(self, kind=WavePairs):
        """All derivatives, by position and by strain, from those of pairs or structure factors."""
        n_atoms, n_channels = self.weights.shape
        structure = Structure(np.ones(n_atoms, int), self.positions, self.cell, np.ones(3, bool))
        index = np.argmax(self.weights != 0, axis=1)
        channels = Channels(index, self.weights.sum(axis=1), n_channels)
        l_max, n_laws, n_max = self.basis.l_max, len(self.laws), self.basis.n_max
        uniform = np.zeros((1, n_laws, n_channels, 9, n_max))
        plans = {0: Plan(self.k_cutoff)}
        how = plans, CellKernels(self.basis, self.laws, [structure], plans), uniform
        waves = kind([structure], np.arange(n_atoms), [self.weights], *how)
        return of_one(Linearized([waves], channels, l_max, n_laws, n_max), structure)

    def assert_derivatives(self):
        jacobian, strain = self.jacobian()
        self.assert_structure_factors_are_pairs(jacobian, strain)
        coefficients = self.at()
        differences = by_position(self.at, self.positions)
        strained = by_strain(lambda eps: self.at(strain=eps))
        scale = max(np.abs(d).max() for d in differences)
        strain_scale = max(np.abs(d).max() for d in strained)
        for l, c in enumerate(coefficients):
            assert jacobian[l].shape == (*c.shape, len(self.positions), 3)
            assert strain[l].shape == (*c.shape, 3, 3)
            # an atom alone, with its images, feels nothing
            assert np.abs(jacobian[l] - differences[l]).max() <= ACCURACY * scale + 1e-12
            assert np.abs(strain[l] - strained[l]).max() <= ACCURACY * strain_scale
        cotangents = random_like(coefficients)
        forces, virial = plane_wave_backward(
            self.kernels(), self.positions, self.weights, cotangents
        )
        expected = contracted(cotangents, jacobian), contracted(cotangents, strain)
        size = max(np.abs(expected[0]).max(), 1e-3)
        assert np.abs(forces - expected[0]).max() <= 1e-11 * size
        assert np.abs(forces.sum(axis=0)).max() <= 1e-12 * size
        assert relative_difference(virial, expected[1]) <= 1e-11

    def assert_structure_factors_are_pairs(self, jacobian, strain):
        by_factors, strain_by_factors = self.jacobian(WaveFactors)
        scale = max(np.abs(c).max() for c in self.at())  # rounding errors of an atom's own source
        for pairs, factors in zip(jacobian, by_factors, strict=True):
            np.testing.assert_allclose(factors, pairs, rtol=1e-11, atol=1e-11 * scale)
        for pairs, factors in zip(strain, strain_by_factors, strict=True):
            np.testing.assert_array_equal(factors, pairs)


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("basis", [GTO, MONOMIALS, TAYLOR], ids=["gto", "monomial", "taylor"])
def test_plane_waves_of_every_basis_and_exponent(basis, exponent):
    if basis is TAYLOR and exponent == 0:
        pytest.skip("a density has no multipoles")
    WaveSum(basis, [SmearedPowerLaw(exponent, 1.0)], 4, 2).assert_derivatives()


@pytest.mark.parametrize("n_atoms", range(1, 9))
@pytest.mark.parametrize("n_channels", [1, 3])
def test_any_number_of_atoms_and_channels(n_atoms, n_channels):
    basis = BASES["gto"](2, 1, 2.5)
    WaveSum(basis, [SmearedPowerLaw(1, 0.9)], n_atoms, n_channels).assert_derivatives()


@pytest.mark.parametrize("law", OTHERS.values(), ids=OTHERS)
def test_other_potentials(law):
    WaveSum(GTO, [law], 3, 1).assert_derivatives()


def test_several_potentials():
    laws = [SmearedPowerLaw(p, s) for p, s in ((0, 0.8), (1, 1.0), (6, 1.2))]
    WaveSum(BASES["monomial"](3, 4, 2.5), laws, 3, 2, k_cutoff=4.0).assert_derivatives()


def test_degree_zero_alone_and_no_waves_at_all():
    basis = BASES["gto"](1, 0, 2.0)
    some = WaveSum(basis, [SmearedPowerLaw(2, 1.0)], 3, 2)
    some.assert_derivatives()
    none = WaveSum(basis, [SmearedPowerLaw(2, 1.0)], 3, 2, k_cutoff=0.5)
    assert len(none.sphere) == 0
    jacobian, strain = none.jacobian()
    none.assert_structure_factors_are_pairs(jacobian, strain)
    forces, virial = plane_wave_backward(
        none.kernels(), none.positions, none.weights, random_like(some.at())
    )
    assert not any(np.any(part) for part in (*jacobian, *strain, forces, virial))


def test_single_precision_of_the_waves():
    some = WaveSum(GTO, [SmearedPowerLaw(1, 1.0)], 8, 2)
    rest = some.kernels(), some.positions, some.weights, random_like(some.at())
    for exact, rounded in zip(
        plane_wave_backward(*rest), plane_wave_backward(*rest, "float32"), strict=True
    ):
        assert rounded.dtype == exact.dtype == float
        assert 0.0 < relative_difference(rounded, exact) <= 3e-6


def test_an_atom_alone_feels_no_force():
    alone = WaveSum(GTO, [SmearedPowerLaw(1, 0.7)], 1, 1)
    jacobian, _ = alone.jacobian()
    assert not any(np.any(part) for part in jacobian)


@pytest.mark.parametrize("exponent", [0, 0.7, 1, 2, 2.5, 3, 4, 6, 9])
def test_slope_of_the_fourier_transform(exponent):
    law = SmearedPowerLaw(exponent, 0.8)
    k = np.array([0.02, 0.3, 1.0, 4.0, 9.0])
    (expected,) = central_difference(lambda size: [law.fourier(k * (1 + size))], 2e-4)
    np.testing.assert_allclose(law.fourier_slope(k), expected / k, rtol=1e-8)


@pytest.mark.parametrize("law", OTHERS.values(), ids=OTHERS)
def test_slope_of_other_fourier_transforms(law):
    k = np.array([0.1, 0.5, 1.0, 3.0, 6.0])
    (expected,) = central_difference(lambda size: [law.fourier(k + size)])
    np.testing.assert_allclose(law.fourier_slope(k), expected, rtol=1e-8, atol=1e-9)


def gap_near(cell, k_cutoff):
    """A radius in the widest gap between shells of k-vectors, which a strain does not fill."""
    norms = np.sort(half_sphere(cell, 1.15 * k_cutoff).norms)
    norms = norms[norms > 0.85 * k_cutoff]
    widest = np.argmax(np.diff(norms))
    return float(norms[widest : widest + 2].mean())


def as_structure(atoms, strain=None, positions=None):
    strain = np.eye(3) if strain is None else strain
    positions = atoms.positions if positions is None else positions
    cell = np.array(atoms.cell) @ strain
    return Structure(atoms.numbers, positions @ strain, cell, atoms.pbc.copy())


def channels_of(structures, charges=False):
    """Three elements as channels, or one channel of charges."""
    n_atoms = sum(len(s) for s in structures)
    if charges:
        rng = np.random.default_rng(7)
        return Channels(np.zeros(n_atoms, int), rng.uniform(-1, 1, n_atoms), 1)
    elements = np.concatenate([s.numbers for s in structures])
    index = np.searchsorted([1, 6, 8], elements)
    return Channels(index, np.ones(n_atoms), 3)


def assert_close(ours, expected, accuracy):
    scale = max(np.abs(e).max() for e in expected)
    for mine, theirs in zip(ours, expected, strict=True):
        assert mine.shape == theirs.shape
        assert np.abs(mine - theirs).max() <= accuracy * scale


@pytest.mark.parametrize("charges", [False, True], ids=["species", "charges"])
def test_uniform_and_own_terms_of_a_periodic_expansion(charges):
    atoms = triclinic("C2OH", 3, 4.5)
    laws = [SmearedPowerLaw(6, 1.0), SmearedPowerLaw(0, 0.9)]
    how = Summation(k_cutoff=gap_near(np.array(atoms.cell), 3.0), method="direct", tol=1e-12)
    expansion = PeriodicSum(
        GTO,
        laws,
        uniform=[law.fourier_at_zero for law in laws],
        own=np.ones((2, 3)),
        summation=how,
    )
    structure = as_structure(atoms)
    channels = channels_of([structure], charges)

    def coefficients(positions=None, strain=None):
        return expansion.values(Batch([as_structure(atoms, strain, positions)], channels))

    batch = Batch([structure], channels)
    jacobian, strain = of_one(linearize(expansion, batch, 3), structure)
    assert_close(jacobian, by_position(coefficients, atoms.positions), ACCURACY)
    assert_close(strain, by_strain(lambda eps: coefficients(strain=eps)), ACCURACY)
    cotangents = random_like(coefficients())
    forces, virial = expansion.vjp(batch, cotangents)
    assert relative_difference(forces, contracted(cotangents, jacobian)) <= 1e-11
    assert relative_difference(virial[0], contracted(cotangents, strain)) <= 1e-11


def test_structures_without_atoms_that_act():
    structure = as_structure(triclinic("C2", 3, 4.5))
    channels = Channels(np.full(2, -1), np.ones(2), 2)
    expansion = PeriodicSum(GTO, [SmearedPowerLaw(6, 1.0)], uniform=[1.0], summation=Summation())
    batch = Batch([structure], channels)
    jacobian, strain = of_one(linearize(expansion, batch, 3), structure)
    cotangents = random_like(expansion.values(batch))
    derivatives = expansion.vjp(batch, cotangents)
    assert not any(np.any(part) for part in (*jacobian, *strain, *derivatives))


class Potential:
    """``potential_expansion`` of one structure as a function of its positions and a strain."""

    def __init__(self, atoms, basis, laws, charges=False, **how):
        self.atoms = atoms
        self.parameters = {"basis": basis, "laws": laws, "include_center": False, **how}
        self.structure = as_structure(atoms)
        self.channels = channels_of([self.structure], charges)

    def at(self, positions=None, strain=None):
        structure = as_structure(self.atoms, strain, positions)
        return potential_expansion([structure], self.channels, **self.parameters)

    def jacobian(self):
        field = potential_slopes([self.structure], self.channels, **self.parameters)
        return [of_columns(parts) for parts in of_one(field, self.structure)]

    def assert_derivatives(self, accuracy, strain_accuracy=None):
        jacobian, strain = self.jacobian()
        assert_close(jacobian, by_position(self.at, self.atoms.positions), accuracy)
        differences = by_strain(lambda eps: self.at(strain=eps))
        assert_close(strain, differences, strain_accuracy or accuracy)
        cotangents = random_like(self.at())
        forces, virial = potential_backward(
            [self.structure], self.channels, **self.parameters, cotangents=cotangents
        )
        assert relative_difference(forces, contracted(cotangents, jacobian)) <= 1e-11
        assert relative_difference(virial[0], contracted(cotangents, strain)) <= 1e-11


@pytest.mark.parametrize("charges", [False, True], ids=["species", "charges"])
@pytest.mark.parametrize("width", [None, 0.8], ids=["all", "exterior"])
def test_potential_of_a_crystal(width, charges):
    atoms = triclinic("C2OH", 3, 4.5)
    laws = (SmearedPowerLaw(1, 1.0), SmearedPowerLaw(3, 1.0))
    how = Summation(k_cutoff=gap_near(np.array(atoms.cell), 3.0), method="direct", tol=1e-10)
    basis = BASES["monomial"](2, 2, 2.0)
    potential = Potential(atoms, basis, laws, charges, summation=how, exterior_width=width)
    # a potential of twice the smearing, so that all that pairs correct is of short range
    potential.assert_derivatives(1e-7 if width else ACCURACY)


def test_potential_that_is_split(monkeypatch):
    monkeypatch.setattr(module, "split_smearing", lambda *_, lowest, **__: 1.5 * lowest)
    atoms = triclinic("COH", 3, 4.5)
    how, laws = Summation(tol=1e-8, method="direct"), (SmearedPowerLaw(1, 0.9),)
    basis = BASES["monomial"](2, 1, 2.0)
    potential = Potential(atoms, basis, laws, summation=how)
    field = module._Potential(basis, laws, False, None, how)
    (split,) = field.splits(Batch([potential.structure], potential.channels))
    assert split is not None
    potential.assert_derivatives(1e-7, 1e-5)


def test_potential_of_a_crystal_on_a_mesh():
    atoms = triclinic("C4O2H2", 3, 6.0)
    how = Summation(tol=1e-9, k_cutoff=5.0, method="nufft")
    potential = Potential(atoms, BASES["gto"](2, 1, 2.0), (SmearedPowerLaw(1, 1.0),), summation=how)
    jacobian, _ = potential.jacobian()
    (expected,) = [
        central_difference(lambda size: potential.at(moved(atoms.positions, 2, 1, size)), 2e-2)
    ]
    assert_close([j[..., 2, 1] for j in jacobian], expected, 1e-6)


def test_batches_are_their_structures_one_by_one():
    crystals = [triclinic("C2OH", 3, 4.5), triclinic("CO", 4, 4.0), triclinic("C2OH", 3, 4.5)]
    crystals[2].positions += np.random.default_rng(0).normal(scale=0.1, size=(4, 3))
    molecule = cluster("COH2")
    molecule.pbc = False
    structures = [as_structure(a) for a in (crystals[0], molecule, *crystals[1:])]
    channels = channels_of(structures)
    parameters = {
        "basis": BASES["monomial"](2, 1, 2.0),
        "laws": (SmearedPowerLaw(1, 1.0), SmearedPowerLaw(6, 1.0)),
        "include_center": True,
        "summation": Summation(tol=1e-8),
    }
    for width in (None, 0.5):
        parameters["exterior_width"] = width
        whole = all_derivatives(potential_slopes(structures, channels, **parameters), structures)
        cotangents = random_like(potential_expansion(structures, channels, **parameters))
        forces, virial = potential_backward(
            structures, channels, **parameters, cotangents=cotangents
        )
        start = 0
        for number, structure in enumerate(structures):
            own = slice(start, start + len(structure))
            start = own.stop
            field = potential_slopes([structure], channels.of(own), **parameters)
            jacobian, strain = (of_columns(parts) for parts in of_one(field, structure))
            for together, alone in zip(whole[0], jacobian, strict=True):
                mine = of_columns([together])[0][own][..., own, :]
                assert np.abs(mine - alone).max() <= 1e-12 * np.abs(alone).max() + 1e-15
            for together, alone in zip(whole[1], strain, strict=True):
                mine = of_columns([together])[0][own][..., number, :, :]
                assert np.abs(mine - alone).max() <= 1e-12 * np.abs(alone).max() + 1e-15
            parts = [g[own] for g in cotangents]
            assert relative_difference(forces[own], contracted(parts, jacobian)) <= 1e-11
            assert relative_difference(virial[number], contracted(parts, strain)) <= 1e-11


@pytest.mark.parametrize("repeats", [True, False], ids=["crystal", "molecule"])
def test_multipoles(repeats):
    atoms = triclinic("C2OH", 3, 4.5) if repeats else cluster("C2OH", size=6.0)
    structure = as_structure(atoms)
    channels = channels_of([structure])
    exponents = [1, 3]
    parameters = {
        "cutoff": 2.0,
        "width": 0.8,
        "summation": Summation(tol=1e-10, k_cutoff=5.0, method="direct"),
    }
    sizes = (exponents, 2, 2)

    def multipoles(positions=None, strain=None):
        moved = [as_structure(atoms, strain, positions)]
        return multipole_expansion(moved, channels, *sizes, **parameters)

    field = multipole_slopes([structure], channels, *sizes, **parameters)
    jacobian, strain = (of_columns(parts) for parts in of_one(field, structure))
    differences = (
        by_position(multipoles, atoms.positions),
        by_strain(lambda eps: multipoles(strain=eps)),
    )
    for ours, expected in zip((jacobian, strain), differences, strict=True):
        for mine, theirs in zip(ours, expected, strict=True):
            assert_close([mine], [theirs], 1e-6)
    cotangents = random_like(multipoles())
    forces, virial = multipole_backward(
        [structure], channels, *sizes, **parameters, cotangents=cotangents
    )
    assert relative_difference(forces, contracted(cotangents, jacobian)) <= 1e-11
    assert relative_difference(virial[0], contracted(cotangents, strain)) <= 1e-11


class TestKernelsOfManyCells:
    """Those of small cells are made together, those of equal cells once."""

    LAWS = (SmearedPowerLaw(1, 1.0), SmearedPowerLaw(2.5, 0.9))

    @pytest.fixture
    def structures(self):
        sizes = (4.0, 5.5, 4.0, 6.5, 4.7)
        return [as_structure(triclinic("C2", i % 2, size)) for i, size in enumerate(sizes)]

    def made(self, structures, before=None):
        plans = {i: Plan(3.0) for i in range(len(structures))}
        return CellKernels(GTO, self.LAWS, structures, plans, before)

    @pytest.mark.parametrize("most", [1, 150, 2**13])
    def test_together_as_alone(self, structures, most, monkeypatch):
        monkeypatch.setattr("sklode.physics.blocks.KERNEL_WAVES", most)
        kernels = self.made(structures)
        for number in (3, 0, 4, 2, 1):
            cell = structures[number].cell
            (alone,) = wave_kernels(GTO, self.LAWS, [half_sphere(cell, 3.0)], [cell], [None])
            mine, points = kernels(number), slice(0, len(alone))
            assert np.array_equal(mine.sphere.integers, alone.sphere.integers)
            for parity in (0, 1):
                for of in (WaveKernels.values, WaveKernels.strained):
                    expected = of(alone, points, parity)
                    np.testing.assert_allclose(of(mine, points, parity), expected, rtol=1e-12)

    def test_equal_cells_share_them_now_and_later(self, structures):
        kernels = self.made(structures)
        assert kernels(0) is kernels(2)
        moved = kernels.moved(0)
        later = self.made(structures[2:3], before=kernels)
        assert later(0) is kernels(0)
        assert later.moved(0) is moved
        assert kernels.moved(1) is not moved
        assert self.made(structures[3:4])(0) is not kernels(3)
