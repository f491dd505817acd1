"""Gradients of all transformers by central differences of their rows."""

import tracemalloc

import numpy as np
import pytest
from ase import Atoms
from sklearn.pipeline import make_pipeline, make_union
from systems import cluster, triclinic

from sklode import (
    BlockScaler,
    Composition,
    DensityProjector,
    InteractionFeatures,
    LongRangePotential,
    MultipoleFeatures,
    PowerSpectrum,
)
from sklode.gradients import (
    backpropagate,
    transform_all_gradients,
    transform_and_backpropagate,
    transform_gradients,
    transform_strain_gradients,
)

STEP = 2e-4
DENSITY = DensityProjector(cutoff=3.5, n_max=3, l_max=2)
# many k-vectors, so that none of weight enters or leaves the sphere under strain
FAR = {"cutoff": 2.0, "l_max": 2, "smearing": 1.0, "k_cutoff": 8.0}
POTENTIAL = LongRangePotential(1, **FAR)


def structures():
    isolated, periodic = cluster("C2O2H3", size=5.0), triclinic("C3O2H2")
    for number, atoms in enumerate((isolated, periodic)):
        rng = np.random.default_rng(number)
        atoms.set_initial_charges(rng.normal(size=len(atoms)))
        atoms.set_array("fragment", np.arange(len(atoms)) % 2)
    return [isolated, periodic]


def moved(atoms, atom, axis, step):
    out = atoms.copy()
    out.positions[atom, axis] += step
    return out


def strained(atoms, a, b, step):
    out = atoms.copy()
    deformation = np.eye(3)
    deformation[a, b] += step
    out.set_cell(atoms.cell[:] @ deformation)
    out.positions = atoms.positions @ deformation
    return out


def differences(transformer, change):
    """Fourth-order central difference of the row of ``change(step)``."""
    factors = {-2: 1 / 12, -1: -2 / 3, 1: 2 / 3, 2: -1 / 12}
    rows = transformer.transform([change(n * STEP) for n in factors])
    return np.tensordot(list(factors.values()), np.asarray(rows), axes=1) / STEP


CASES = {
    "density": DENSITY,
    "density, monomials": DensityProjector(3.5, 2, 2, radial_basis="monomial", cutoff_width=1.0),
    "density, means, split": DensityProjector(3.0, 2, 1, pooling="mean", center_species="split"),
    "density, coefficients": DensityProjector(3.0, 2, 2, invariants=None),
    "density, radial": DensityProjector(3.0, 2, 2, invariants="radial_spectrum"),
    "potential": POTENTIAL,
    "potentials": LongRangePotential([0, 2.5, 6], n_max=2, radial_basis="gto", **FAR),
    "potential, coefficients": LongRangePotential([3, 1], invariants=None, **FAR),
    "potential of charges": LongRangePotential(1, charges="initial_charges", **FAR),
    "exterior": LongRangePotential(
        6, cutoff=2.0, l_max=2, smearing=1.0, exterior=True, tol=1e-11
    ),
    "split sum": LongRangePotential(1, cutoff=2.0, l_max=2, smearing=0.3, tol=1e-9),
    "multipoles": MultipoleFeatures([1, 3.5], cutoff=2.0, l_max=2, tol=1e-11),
    "multipoles, coefficients": MultipoleFeatures(1, cutoff=2.0, l_max=2, n_max=2, tol=1e-11,
                                                  invariants=None),
    "rho x rho": PowerSpectrum(DENSITY),
    "rho x V": PowerSpectrum(DENSITY, POTENTIAL),
    "rho x V, means, split": PowerSpectrum(
        DENSITY, POTENTIAL, pooling="mean", center_species="split"
    ),
    "rho x M": PowerSpectrum(DENSITY, MultipoleFeatures(1, cutoff=2.0, l_max=2, tol=1e-11)),
    "interaction": InteractionFeatures(PowerSpectrum(DENSITY, POTENTIAL)),
    "interaction of a union": InteractionFeatures(make_union(Composition(), DENSITY)),
    "composition": Composition(),
    "union": make_union(Composition(), make_pipeline(DENSITY, BlockScaler()), POTENTIAL),
}  # fmt: skip


@pytest.fixture(params=CASES, ids=str)
def case(request):
    X = structures()
    return CASES[request.param].fit(X), X


def assert_close(found, expected, scale):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * scale + 1e-12)


def test_positions(case):
    transformer, X = case
    for atoms, gradients in zip(X, transform_gradients(transformer, X), strict=True):
        assert gradients.shape == (len(atoms), 3, transformer.transform(X).shape[1])
        expected = np.array(
            [
                [differences(transformer, lambda h, i=i, x=x, a=atoms: moved(a, i, x, h))
                 for x in range(3)]
                for i in range(0, len(atoms), 3)
            ]
        )  # fmt: skip
        assert_close(gradients[::3], expected, np.abs(expected).max())
        np.testing.assert_allclose(
            gradients.sum(axis=0), 0.0, atol=1e-9 * np.abs(gradients).max() + 1e-12
        )


def test_strain(case):
    transformer, X = case
    for atoms, gradients in zip(X, transform_strain_gradients(transformer, X), strict=True):
        for a, b in ((0, 0), (0, 2), (2, 1)):
            expected = differences(transformer, lambda h, a=a, b=b, s=atoms: strained(s, a, b, h))
            assert_close(gradients[a, b], expected, np.abs(gradients).max())


def test_reverse_pass(case):
    transformer, X = case
    n_features = transformer.transform(X).shape[1]
    factors = np.random.default_rng(0).normal(size=(2, n_features))
    positions, strain = backpropagate(transformer, X, factors)
    full, full_strain = (
        transform_gradients(transformer, X),
        transform_strain_gradients(transformer, X),
    )
    for found, gradients, c in zip(positions, full, factors, strict=True):
        expected = gradients @ c
        np.testing.assert_allclose(found, expected, atol=1e-9 * np.abs(expected).max() + 1e-12)
    expected = np.einsum("sabf,sf->sab", full_strain, factors)
    np.testing.assert_allclose(strain, expected, atol=1e-9 * np.abs(expected).max() + 1e-12)


def test_rows_with_the_reverse_pass(case):
    transformer, X = case
    expected = transformer.transform(X)
    factors = np.random.default_rng(0).normal(size=expected.shape)
    rows, positions, strain = transform_and_backpropagate(transformer, X, factors)
    assert rows.dtype == expected.dtype
    np.testing.assert_allclose(rows, expected, rtol=1e-9, atol=1e-11 * np.abs(expected).max())
    alone, strain_alone = backpropagate(transformer, X, factors)
    np.testing.assert_array_equal(np.concatenate(positions), np.concatenate(alone))
    np.testing.assert_array_equal(strain, strain_alone)


def all_gradients(transformer, X):
    return transform_gradients(transformer, X), transform_strain_gradients(transformer, X)


def assert_same(found, expected):
    for mine, theirs in zip(found, expected, strict=True):
        for ours, alone in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(ours, alone, atol=1e-11 * np.abs(alone).max() + 1e-13)


def test_batches_are_their_structures_one_by_one(case):
    """Periodic and isolated ones in turn, equal cells and others, some of a single atom."""
    transformer, (isolated, periodic) = case
    shaken = periodic.copy()
    shaken.rattle(0.1, seed=1)
    X = [isolated, periodic, isolated[:1], shaken, periodic[:3], isolated[2:]]
    alone = [all_gradients(transformer, [atoms]) for atoms in X]
    assert_same(
        all_gradients(transformer, X),
        [[part[0] for part in kind] for kind in zip(*alone, strict=True)],
    )


@pytest.mark.parametrize("numbers", [1, 3000, 10**9])
def test_blocks_of_atoms_change_nothing(case, numbers, monkeypatch):
    transformer, X = case
    expected = all_gradients(transformer, X)
    monkeypatch.setattr("sklode.physics.blocks.GRADIENT_NUMBERS", numbers)
    assert_same(all_gradients(transformer, X), expected)


def test_both_kinds_at_once(case):
    transformer, X = case
    assert_same(transform_all_gradients(transformer, X), all_gradients(transformer, X))


@pytest.mark.parametrize(
    "name", [name for name in CASES if hasattr(CASES[name], "transform_with_gradients")]
)
def test_rows_come_with_gradients(name):
    X = structures()
    transformer = CASES[name].fit(X)
    rows, gradients = transformer.transform_with_gradients(X)
    expected = transformer.transform(X)
    np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    for found, alone in zip(gradients, transformer.transform_gradients(X), strict=True):
        np.testing.assert_array_equal(found, alone)


def test_memory_of_gradients_is_that_of_the_rows():
    """Not of the derivatives of all coefficients by all atoms, a hundred times as many numbers."""
    n_atoms = 120
    positions = np.random.default_rng(0).uniform(0.0, 11.0, (n_atoms, 3))
    atoms = Atoms("CHO" * (n_atoms // 3), positions, cell=[11.0] * 3, pbc=True)
    spectrum = PowerSpectrum(DENSITY, LongRangePotential(1, cutoff=2.0, l_max=2, k_cutoff=2.0))
    spectrum.fit([atoms])
    spectrum.transform_gradients([atoms])  # tables are kept
    tracemalloc.start()
    (gradients,) = spectrum.transform_gradients([atoms])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    n_columns = 3 * 9 * (3 + 1)  # of both fields and all m, for three elements
    assert peak < gradients.nbytes + 30e6 < 8 * n_atoms**2 * n_columns * 3


def test_only_what_is_asked_for_is_computed(monkeypatch):
    wanted, original = [], PowerSpectrum.compute_gradients

    def counted(self, structures, positions, strain):
        wanted.append((positions, strain))
        return original(self, structures, positions, strain)

    monkeypatch.setattr(PowerSpectrum, "compute_gradients", counted)
    X = structures()
    union = make_union(PowerSpectrum(DENSITY), Composition()).fit(X)
    transform_gradients(union, X)
    transform_strain_gradients(union, X)
    transform_all_gradients(union, X)
    assert wanted == [(True, False), (False, True), (True, True)]


def test_ignored_elements_do_not_act():
    seen, mixed = Atoms("H2", [[0, 0, 0], [0, 0, 0.8]]), Atoms("H2C", np.eye(3))
    for transformer in (DENSITY, POTENTIAL, PowerSpectrum(DENSITY, POTENTIAL)):
        fitted = transformer.set_params(
            **{key: "ignore" for key in transformer.get_params() if key.endswith("handle_unknown")}
        ).fit([seen])
        gradients = fitted.transform_gradients([mixed])[0]
        assert np.abs(gradients[:2]).max() > 0
        assert not gradients[2].any()


def test_a_central_element_that_a_structure_lacks():
    water, methane = (
        Atoms("OH2", [[0, 0, 0], [0.6, 0.8, 0], [-0.6, 0.8, 0]]),
        Atoms("CH", [[0, 0, 0], [0, 0, 1.1]]),
    )
    rho = DensityProjector(2.0, 2, 1)
    for transformer in (
        DensityProjector(2.0, 2, 1, center_species="split"),
        PowerSpectrum(rho, POTENTIAL, center_species="split"),
        DensityProjector(2.0, 2, 1, center_species="split", invariants=None),
    ):
        fitted = transformer.fit([water, methane])
        (gradients,) = fitted.transform_gradients([water])
        expected = differences(fitted, lambda h: moved(water, 1, 0, h))
        assert_close(gradients[1, 0], expected, np.abs(expected).max())
        (positions,), _ = fitted.backpropagate([water], np.ones((1, gradients.shape[2])))
        np.testing.assert_allclose(positions, gradients.sum(axis=2), atol=1e-9)


def test_wrong_factors_are_refused():
    X = structures()
    with pytest.raises(ValueError, match=r"cotangents must have shape \(2, "):
        DENSITY.fit(X).backpropagate(X, np.zeros((2, 1)))
