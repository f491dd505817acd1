"""Derivatives of the sum on a mesh: those of the mesh itself, and of the sum that it stands for."""

import numpy as np
import pytest
from fields import potential_backward, potential_expansion
from systems import triclinic
from test_plane_wave_gradients import (
    central_difference,
    moved,
    random_like,
    some_weights,
    unit_strain,
)

from sklode.physics.mesh.reverse import mesh_backward
from sklode.physics.mesh.values import MeshSum
from sklode.physics.planning.mesh_choice import MeshPlan
from sklode.physics.planning.planner import Plan, Summation
from sklode.physics.radial.bases import BASES, SolidHarmonicBasis
from sklode.physics.radial.laws import SmearedPowerLaw
from sklode.physics.system.kvectors import half_sphere
from sklode.physics.system.structures import Channels, Structure
from sklode.physics.waves.kernels import wave_kernels
from sklode.physics.waves.reverse import plane_wave_backward

BASES = {
    "gto": BASES["gto"](2, 2, 2.5),
    "monomial": BASES["monomial"](2, 1, 2.0),
    "taylor": SolidHarmonicBasis(3, 2.0),
}
LAWS = (SmearedPowerLaw(1, 1.1), SmearedPowerLaw(3, 1.0))
FINE = Plan(4.5, MeshPlan((30, 27, 25), 14), mode_accuracies=(1e-13,) * len(LAWS))
COARSE = Plan(4.5, MeshPlan((16, 15, 18), 6), mode_accuracies=(1e-6,) * len(LAWS))
THIN = Plan(2.5, MeshPlan((8, 9, 8), 8), mode_accuracies=(1e-6,) * len(LAWS))


def crystal(n_atoms=5):
    atoms = triclinic(f"C{n_atoms}", seed=3, size=5.0)
    return np.array(atoms.cell), atoms.positions


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("plan", [COARSE, THIN], ids=["coarse", "thin"])
@pytest.mark.parametrize("basis", BASES.values(), ids=BASES)
def test_positions_as_of_the_mesh_itself(basis, plan, n_channels):
    cell, positions = crystal()
    weights, sums = some_weights(5, n_channels), MeshSum(basis, LAWS)
    cotangents = random_like(sums(cell, plan, positions, weights))

    def product(at):
        coefficients = sums(cell, plan, at, weights)
        return [np.array(sum(np.vdot(g, c) for g, c in zip(cotangents, coefficients, strict=True)))]

    forces, _ = mesh_backward(sums, cell, plan, positions, weights, cotangents)
    expected = [
        central_difference(lambda size, i=i, x=x: product(moved(positions, i, x, size)))[0]
        for i, x in np.ndindex(positions.shape)
    ]
    scale = np.abs(expected).max()
    assert np.abs(forces.ravel() - expected).max() <= 2e-8 * scale


@pytest.mark.parametrize("basis", BASES.values(), ids=BASES)
def test_all_as_of_the_direct_sum(basis):
    cell, positions = crystal()
    weights, sums = some_weights(5, 2), MeshSum(basis, LAWS)
    cotangents = random_like(sums(cell, FINE, positions, weights))
    (kernels,) = wave_kernels(basis, LAWS, [half_sphere(cell, FINE.k_cutoff)], [cell], [None])
    expected = plane_wave_backward(kernels, positions, weights, cotangents)
    ours = mesh_backward(sums, cell, FINE, positions, weights, cotangents)
    for mine, theirs in zip(ours, expected, strict=True):
        assert np.abs(mine - theirs).max() <= 2e-7 * np.abs(theirs).max()


def test_left_handed_cells_and_channels_without_atoms():
    cell, positions = crystal()
    cell = cell * [[1.0], [-1.0], [1.0]]
    basis, weights = BASES["gto"], np.insert(some_weights(5, 2), 1, 0.0, axis=1)
    sums = MeshSum(basis, LAWS)
    cotangents = random_like(sums(cell, FINE, positions, weights))
    (kernels,) = wave_kernels(basis, LAWS, [half_sphere(cell, FINE.k_cutoff)], [cell], [None])
    expected = plane_wave_backward(kernels, positions, weights, cotangents)
    ours = mesh_backward(sums, cell, FINE, positions, weights, cotangents)
    for mine, theirs in zip(ours, expected, strict=True):
        assert np.abs(mine - theirs).max() <= 2e-7 * np.abs(theirs).max()


@pytest.mark.parametrize(("dtype", "accuracy"), [("float64", 1e-7), ("float32", 1e-5)])
def test_threads_change_nothing_and_precision_is_that_of_the_sum(dtype, accuracy):
    cell, positions = crystal(8)
    structure = Structure(np.full(8, 6), positions, cell, np.ones(3, bool))
    channels = Channels(np.arange(8) % 2, np.linspace(-1, 1, 8), 2)
    parameters = {"basis": BASES["gto"], "laws": LAWS, "include_center": True}
    derivatives = []
    for how in (
        Summation(tol=1e-8, k_cutoff=4.5, method="nufft", n_threads=2, dtype=dtype),
        Summation(tol=1e-8, k_cutoff=4.5, method="direct"),
    ):
        coefficients = potential_expansion([structure], channels, summation=how, **parameters)
        derivatives.append(
            potential_backward(
                [structure],
                channels,
                summation=how,
                cotangents=random_like(coefficients),
                **parameters,
            )
        )
    for mine, theirs in zip(*derivatives, strict=True):
        assert mine.dtype == float
        assert np.abs(mine - theirs).max() <= accuracy * np.abs(theirs).max()


def test_strain_against_differences_of_strained_cells():
    """At a cutoff beyond which nothing is left, so that no k-vector that crosses it matters."""
    cell, positions = crystal()
    basis, weights = BASES["monomial"], some_weights(5, 2)
    plan = Plan(8.0, MeshPlan((40, 40, 40), 14), mode_accuracies=(1e-13,) * len(LAWS))
    sums = MeshSum(basis, LAWS)
    cotangents = random_like(sums(cell, plan, positions, weights))

    def product(strain):
        coefficients = sums(cell @ strain, plan, positions @ strain, weights)
        return [np.array(sum(np.vdot(g, c) for g, c in zip(cotangents, coefficients, strict=True)))]

    _, virial = mesh_backward(sums, cell, plan, positions, weights, cotangents)
    expected = [
        central_difference(lambda size, a=a, b=b: product(unit_strain(a, b, size)), 2e-3)[0]
        for a, b in np.ndindex(3, 3)
    ]
    assert np.abs(virial.ravel() - expected).max() <= 1e-7 * np.abs(expected).max()
