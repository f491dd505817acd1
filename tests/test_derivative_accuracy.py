"""Derivatives of periodic structures are as accurate as rows: summed over the same k-vectors.

Where coefficients turn out small, as of steep potentials and of cells of few atoms, rows are summed
again with more k-vectors than are chosen first.
"""

import numpy as np
import pytest
from accuracy import gradient_errors
from ase import Atoms
from ase.build import bulk

from sklode import DensityProjector, LongRangePotential, MultipoleFeatures, PowerSpectrum
from sklode.gradients import transform_and_backpropagate
from sklode.physics.fields.periodic import PeriodicSum

SKEWED = [[3.3, 0.0, 0.0], [0.5, 3.9, 0.0], [0.3, 0.4, 3.6]]
ONE = Atoms("C", cell=SKEWED, pbc=True)
TWO = Atoms("C2", [[0.0, 0.0, 0.0], [1.7, 1.9, 1.6]], cell=SKEWED, pbc=True)
THIN = Atoms("H", cell=[50 ** (1 / 3)] * 3, pbc=True)
CRYSTAL = bulk("NaCl", "rocksalt", 5.64, cubic=True).repeat((2, 2, 1))
CRYSTAL.rattle(0.02, seed=1)
SMALL = {"cutoff": 2.1, "n_max": 2, "l_max": 2}
STEEP = {**SMALL, "exponent": 10.1, "smearing": 0.14, "tol": 1e-7, "method": "direct"}
DISPERSION = {**SMALL, "exponent": 6, "smearing": 0.3, "tol": 1e-4, "method": "direct"}
MANY_LAWS = {
    "exponent": (1, 2.5, 3, 6, 0), "cutoff": 1.5, "n_max": 1, "l_max": 0, "tol": 1e-3,
}  # fmt: skip
WIDE = {**SMALL, "exponent": 6, "smearing": 1.5, "tol": 1e-4}


@pytest.mark.parametrize(
    ("atoms", "parameters"),
    [
        (ONE, STEEP),
        (ONE, DISPERSION),
        (TWO, STEEP),
        (TWO, DISPERSION),
        (THIN, MANY_LAWS),
        (CRYSTAL, {**WIDE, "method": "direct"}),
        (CRYSTAL, {**WIDE, "method": "nufft"}),
    ],
)
def test_derivatives_keep_the_tolerance(atoms, parameters):
    """Against those of a tolerance so small that no sum needs to be refined."""
    model = LongRangePotential(invariants=None, **parameters).fit([atoms])
    finest = LongRangePotential(invariants=None, **{**parameters, "tol": 1e-12}).fit([atoms])
    (moved,), strained = model.transform_all_gradients([atoms])
    (true_moved,), true_strained = finest.transform_all_gradients([atoms])
    by_position, by_strain = gradient_errors(model, atoms)
    assert np.all(np.abs(moved - true_moved) <= by_position)
    assert np.all(np.abs(strained[0] - true_strained[0]) <= by_strain)
    factors = 1.0 / by_position  # errors of all columns count alike
    (back,), back_strain = model.backpropagate([atoms], factors[None])
    largest = np.abs(true_moved * factors).max()
    np.testing.assert_allclose(
        back, true_moved @ factors, rtol=0, atol=len(factors) + 1e-10 * largest
    )
    largest = np.abs(true_strained[0] * factors).max()
    allowed = np.sum(by_strain * factors) + 1e-10 * largest
    np.testing.assert_allclose(back_strain[0], true_strained[0] @ factors, rtol=0, atol=allowed)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_sums_are_refined_once(monkeypatch, dtype):
    """Rows and derivatives share what was found of the accuracy, whatever else was summed."""
    atoms = ONE.copy()
    atoms.set_initial_charges([0.5])
    left = LongRangePotential(**DISPERSION, dtype=dtype)
    right = LongRangePotential(**DISPERSION, dtype=dtype, charges="initial_charges")
    model = PowerSpectrum(left, right).fit([atoms])
    sums, original = [], PeriodicSum._summed

    def counted(self, *args):
        sums.append(self)
        return original(self, *args)

    monkeypatch.setattr(PeriodicSum, "_summed", counted)
    n_columns = len(model.get_feature_names_out())
    transform_and_backpropagate(model, [atoms], np.ones((1, n_columns)))
    assert len(sums) == 2
    model.transform_all_gradients([atoms])
    assert len(sums) == 4


def test_multipoles():
    model = MultipoleFeatures(6, cutoff=3.0, tol=1e-3, invariants=None).fit([TWO])
    finest = MultipoleFeatures(6, cutoff=3.0, tol=1e-11, invariants=None).fit([TWO])
    (moved,), strained = model.transform_all_gradients([TWO])
    (true_moved,), true_strained = finest.transform_all_gradients([TWO])
    by_position, by_strain = gradient_errors(model, TWO)
    assert np.all(np.abs(moved - true_moved) <= by_position)
    assert np.all(np.abs(strained[0] - true_strained[0]) <= by_strain)


@pytest.mark.parametrize("kind", [DensityProjector, LongRangePotential, MultipoleFeatures])
def test_derivatives_are_made_in_double_precision(kind):
    """Of rows in single precision too (theory, section 2.4)."""
    both = [kind(cutoff=3.0, dtype=dtype).fit([TWO]) for dtype in ("float32", "float64")]
    found, expected = (model.transform_all_gradients([TWO]) for model in both)
    np.testing.assert_array_equal(found[0][0], expected[0][0])
    np.testing.assert_array_equal(found[1], expected[1])
    cotangents = np.ones((1, len(both[0].get_feature_names_out())))
    found, expected = (model.backpropagate([TWO], cotangents) for model in both)
    np.testing.assert_array_equal(found[0][0], expected[0][0])
    np.testing.assert_array_equal(found[1], expected[1])
