"""``tol`` is the error of the coefficients of periodic structures; large boxes are isolated."""

import numpy as np
import pytest
import systems
from ase import Atoms
from ase.build import bulk
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from systems import cells, cluster, expand, is_solid, triclinic

from sklode.physics.planning.planner import Planner
from sklode.physics.radial.bases import BASES
from sklode.physics.system.kvectors import reciprocal

TOLERANCES = [1e-3, 1e-6, 1e-9]


def converged(atoms, smearing, **parameters):
    """Coefficients with k-vectors far beyond any that matter, also after extinct shells."""
    shell = np.linalg.norm(reciprocal(np.array(atoms.cell)), axis=1).max()
    k_cutoff = 9.5 / smearing + 2.0 * shell
    return expand(atoms, smearing=smearing, k_cutoff=k_cutoff, tol=1e-15, **parameters)


def errors(atoms, tol, **parameters):
    """Largest error of each channel over its largest coefficient."""
    exact = converged(atoms, **{**parameters, "method": "direct", "dtype": "float64"})
    found = expand(atoms, tol=tol, **parameters)
    return np.abs(found - exact).max(axis=(0, 2, 3)) / np.abs(exact).max(axis=(0, 2, 3))


def own_potential(atoms, smearing, **parameters):
    """Largest coefficient of an atom's own potential, which is subtracted in double precision."""
    parameters = {**parameters, "include_center": True, "k_cutoff": None}
    alone = Atoms(atoms[:1].symbols, positions=[[0, 0, 0]])
    return np.abs(expand(alone, smearing=smearing, **parameters)).max()


@st.composite
def random_structures(draw):
    cell = draw(cells(2.5, 8.0))
    n_atoms = draw(st.integers(1, 12))
    n_species = draw(st.integers(1, min(3, n_atoms)))
    seed = draw(st.integers(0, 9999))
    scaled = np.random.default_rng(seed).random((n_atoms, 3))
    numbers = ([6, 8, 1][:n_species] * n_atoms)[:n_atoms]
    return Atoms(numbers, cell=cell, scaled_positions=scaled, pbc=True)


parameters = st.fixed_dictionaries(
    {
        "exponent": st.sampled_from([0.5, 1, 1.5, 2, 3, 3.7, 4, 6, 8.5, 12]) | st.floats(0.5, 12.0),
        "smearing": st.sampled_from([0.5, 0.8, 1.3, 2.0, 3.0]),
        "radial_basis": st.sampled_from(["gto", "monomial"]),
        "cutoff": st.sampled_from([1.0, 2.5, 4.0]),
        "n_max": st.integers(1, 4),
        "l_max": st.integers(0, 3),
        "include_center": st.booleans(),
    }
)


@pytest.mark.parametrize("tol", TOLERANCES)
@settings(max_examples=100)
@given(atoms=random_structures(), options=parameters)
def test_tolerance_holds_for_random_structures(atoms, options, tol):
    assume(is_solid(np.array(atoms.cell)))
    assert (errors(atoms, tol, **options) <= tol).all()


@pytest.mark.parametrize("tol", TOLERANCES)
@settings(max_examples=40)
@given(atoms=random_structures(), options=parameters)
def test_tolerance_holds_on_a_mesh(atoms, options, tol):
    assume(is_solid(np.array(atoms.cell)))
    assert (errors(atoms, tol, method="nufft", **options) <= tol).all()


@pytest.mark.parametrize("tol", TOLERANCES)
@settings(max_examples=40)
@given(
    atoms=random_structures(),
    charges=st.lists(st.floats(1e-3, 2.0) | st.floats(-2.0, -1e-3), min_size=12, max_size=12),
    smearing=st.floats(0.5, 3.0),
)
def test_tolerance_holds_for_charges_and_several_exponents(atoms, charges, smearing, tol):
    assume(is_solid(np.array(atoms.cell)))
    atoms.set_initial_charges(charges[: len(atoms)])
    options = {"exponent": [1, 2.5, 6], "charges": "initial_charges", "n_max": 2, "l_max": 2}
    assert (errors(atoms, tol, smearing=smearing, **options) <= tol).all()


@pytest.mark.parametrize("method", ["direct", "nufft"])
@pytest.mark.parametrize("exponent", [0.5, 1, 3, 6, (1, 2.5, 6)])
@pytest.mark.parametrize(
    ("tol", "single"), [(1e-2, True), (1e-3, True), (1e-5, None), (1e-6, False)]
)
def test_single_precision_stays_within_tol(method, exponent, tol, single, monkeypatch):
    precisions, original = [], Planner._plan

    def planned(self, *task):
        plan = original(self, *task)
        precisions.append(plan.dtype)
        return plan

    monkeypatch.setattr(Planner, "_plan", planned)
    rng = np.random.default_rng(round(-np.log10(tol)))
    scaled = (np.indices([4] * 3).reshape(3, -1).T + 0.5 + rng.normal(0.0, 0.1, (64, 3))) / 4
    cell = 8.6 * np.eye(3) + rng.uniform(-0.3, 0.3, (3, 3))
    atoms = Atoms("NaCl" * 32, scaled_positions=scaled, cell=cell, pbc=True)
    options = {"exponent": exponent, "smearing": 0.7, "n_max": 3, "radial_basis": "gto"}
    options |= {"cutoff": 4.0, "include_center": True, "method": method}
    found = expand(atoms, tol=tol, **options)
    assert single is None or ("float32" in precisions) == single
    exact = converged(atoms, **{**options, "method": "direct"})
    scale = np.abs(exact).max(axis=(0, 2, 3))
    assert (np.abs(found - exact).max(axis=(0, 2, 3)) <= tol * scale).all()


@pytest.mark.parametrize("method", ["direct", "nufft"])
@pytest.mark.parametrize("l_max", [3, 6])
def test_single_precision_that_is_asked_for(method, l_max):
    """As accurate as its description says."""
    atoms = triclinic("NaClH" * 16, size=9.0)
    options = {"exponent": (1, 4), "smearing": 0.8, "radial_basis": "gto", "cutoff": 5.5}
    options |= {"n_max": 1, "l_max": l_max, "method": method, "dtype": "float32"}
    assert (errors(atoms, 1e-6, **options) <= 3e-5).all()


@pytest.mark.parametrize("tol", [1e-3, 1e-4, 2e-5])
@pytest.mark.parametrize("exponent", [1, 4, (4, 1, 8)])
@pytest.mark.parametrize("l_max", [4, 6])
def test_high_derivatives_on_a_mesh_stay_within_tol(exponent, l_max, tol):
    """They enlarge rounding errors, so that single precision is not enough for all."""
    atoms = triclinic("NaClH" * 16, size=9.0)
    options = {"exponent": exponent, "smearing": 0.8, "radial_basis": "gto", "cutoff": 5.5}
    assert (errors(atoms, tol, n_max=1, l_max=l_max, method="nufft", **options) <= tol).all()


@pytest.mark.parametrize("smearing", [0.7, 1.5, 3.0])
@pytest.mark.parametrize("exponent", [1, 3, 4, 12])
@pytest.mark.parametrize("include_center", [True, False])
class TestOrderedMatter:
    """Extinct shells and coherent phases, tiny coefficients under wide smearings."""

    @pytest.mark.parametrize("bond", [2.0, 3.0])
    @pytest.mark.parametrize(
        "crystal",
        [
            pytest.param(systems.SIMPLE_CUBIC, id="sc"),
            pytest.param(systems.SIMPLE_CUBIC.repeat(2), id="sc-8-atoms"),
            pytest.param(systems.FACE_CENTERED, id="fcc"),
            pytest.param(systems.CLOSE_PACKED, id="hcp"),
            pytest.param(systems.ROCK_SALT, id="NaCl"),
            pytest.param(bulk("NaCl", "rocksalt", a=2.0, cubic=True), id="NaCl-8-atoms"),
        ],
    )
    def test_tolerance_holds_for_crystals(self, crystal, bond, include_center, exponent, smearing):
        atoms = crystal.copy()
        atoms.set_cell(bond * np.array(atoms.cell), scale_atoms=True)
        self.check(atoms, include_center, exponent, smearing)

    @pytest.mark.parametrize("length", [4.0, 12.0])
    def test_tolerance_holds_for_single_atoms(self, length, include_center, exponent, smearing):
        atoms = Atoms("Ar", cell=[length] * 3, pbc=True)
        self.check(atoms, include_center, exponent, smearing)

    def check(self, atoms, include_center, exponent, smearing):
        options = {
            "exponent": exponent,
            "smearing": smearing,
            "include_center": include_center,
            "cutoff": 2.5,
            "n_max": 2,
            "l_max": 2,
        }
        exact = converged(atoms, **options)
        largest = np.abs(exact).max(axis=(0, 2, 3))
        rounding = 2e-14 * own_potential(atoms, **options)
        for tol in TOLERANCES:
            error = np.abs(expand(atoms, tol=tol, **options) - exact).max(axis=(0, 2, 3))
            assert (error <= tol * largest + rounding).all(), tol


BOX = {"cutoff": 2.0, "n_max": 3, "l_max": 3, "smearing": 1.0}


def boxed(atoms, length):
    return Atoms(atoms, cell=[length] * 3, pbc=True)


@pytest.mark.parametrize("radial_basis", ["gto", "monomial"])
@pytest.mark.parametrize(
    ("exponent", "lattice_sum"),
    [(4, 16.5323159598), (5, 10.3775248308), (6, 8.4019239748), (8, 6.9458079272)],
)
def test_a_large_box_adds_the_images_only(exponent, lattice_sum, radial_basis):
    """To leading order in 1/L all images of an element sit on lattice points (section 10.2)."""
    atoms, length = cluster("CO2H2", size=2.5), 30.0
    options = {**BOX, "exponent": exponent, "radial_basis": radial_basis, "include_center": True}
    isolated = expand(atoms, **options)
    added = expand(boxed(atoms, length), tol=1e-12, **options) - isolated
    _, measure = BASES[radial_basis](3, 3, 2.0).quadrature(1.0)
    counts = np.unique(atoms.numbers, return_counts=True)[1]
    potentials = lattice_sum / length**exponent * counts
    expected = np.sqrt(4 * np.pi) * np.multiply.outer(potentials, measure[0].sum(axis=1))
    scale = expected.max()
    residual = added[..., 0] - expected
    assert np.abs(residual).max() < 0.1 * scale
    assert np.abs(added[..., 1:]).max() < 0.1 * scale


@pytest.mark.parametrize("exponent", [4.5, 6, 7.3])
def test_boxes_approach_the_isolated_structure(exponent):
    atoms, options = cluster("CO2H2", size=2.5), {**BOX, "exponent": exponent}
    isolated = expand(atoms, **options)
    small, large = (
        np.abs(expand(boxed(atoms, length), tol=1e-12, **options) - isolated).max()
        for length in (20.0, 40.0)
    )
    assert small / large == pytest.approx(2.0**exponent, rel=0.15)
    assert large < 2.0 * np.abs(isolated).max() * 10.0**-exponent


@pytest.mark.parametrize(("exponent", "power"), [(1, 3), (2, 4), (3, 5)])
def test_neutral_clusters_in_boxes_approach_the_isolated_one(exponent, power):
    atoms = cluster("CO2H2", size=2.5)
    options = {**BOX, "exponent": exponent, "charges": "initial_charges", "tol": 1e-11}
    isolated = expand(atoms, **options)
    first, second = (expand(boxed(atoms, length), **options) - isolated for length in (20.0, 40.0))
    scale = np.abs(isolated).max()
    assert np.abs(second).max() < 2e-3 * scale
    extrapolated = (2.0**power * second - first) / (2.0**power - 1.0)
    assert np.abs(extrapolated).max() < 0.1 * np.abs(second).max()


def test_shape_of_the_box_does_not_matter_to_steep_potentials():
    atoms = cluster("CO2H2", size=2.5)
    options = {**BOX, "exponent": 12, "tol": 1e-10}
    skewed = triclinic("C", 3, 24.0)
    isolated = expand(atoms, **options)
    found = expand(Atoms(atoms, cell=skewed.cell, pbc=True), **options)
    np.testing.assert_allclose(found, isolated, rtol=0, atol=1e-9 * np.abs(isolated).max())
