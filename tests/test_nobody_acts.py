"""Structures of which no atom acts: no charges, or no element that is known."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from sklearn.base import clone

from sklode import DensityProjector, LongRangePotential, MultipoleFeatures, PowerSpectrum

CHARGES = {"charges": "initial_charges"}
KNOWN = {"species": ["Na", "Cl"], "handle_unknown": "ignore"}
LAWS = {
    "potential": {"exponent": 1},
    "several": {"exponent": (0, 3, 6), "invariants": None},
    "exterior": {"exponent": 2, "exterior": True},
}
ESTIMATORS = {
    **{
        f"{name}, {method}": LongRangePotential(method=method, **law)
        for method in ("auto", "direct", "nufft")
        for name, law in LAWS.items()
    },
    "multipoles": MultipoleFeatures((1, 4), n_max=2),
    "V x V": PowerSpectrum(LongRangePotential(1), LongRangePotential(3)),
}
EVERY = pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)


def salt(charges=(1.0, -1.0), seed=0):
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    atoms.set_initial_charges(list(charges) * 4)
    atoms.rattle(0.1, seed=seed)
    return atoms


def of_others():
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.1, seed=1)
    return atoms


def isolated():
    return Atoms("Si2", [[0, 0, 0], [2.4, 0, 0]], charges=[0, 0])


def with_parameters(estimator, parameters):
    estimator = clone(estimator)
    inner = [estimator.left, estimator.right] if hasattr(estimator, "left") else [estimator]
    for projector in inner:
        projector.set_params(**parameters)
    return estimator


def assert_nothing(estimator, X, others):
    """Zeros for the structures ``X``; the ``others`` are what they are without them."""
    estimator.fit([*others, *X])
    cotangents = np.ones((len(others) + len(X), estimator.transform([*others, *X]).shape[1]))
    for method, arguments in [
        ("transform", ()),
        ("transform_gradients", ()),
        ("transform_strain_gradients", ()),
        ("backpropagate", (cotangents,)),
    ]:
        found = getattr(estimator, method)([*others, *X], *arguments)
        for part in found if isinstance(found, tuple) else (found,):
            assert not any(np.any(member) for member in part[len(others) :])
            assert all(np.any(member) for member in part[: len(others)])


@EVERY
@pytest.mark.parametrize("others", [[], [salt()]], ids=["alone", "among others"])
def test_charges_of_zero(estimator, others):
    X = [salt((0.0, 0.0)), salt((0.0, 0.0), 2), isolated()]
    assert_nothing(with_parameters(estimator, CHARGES), X, others)


@EVERY
@pytest.mark.parametrize("others", [[], [salt()]], ids=["alone", "among others"])
def test_unknown_elements(estimator, others):
    assert_nothing(with_parameters(estimator, KNOWN), [of_others(), isolated()], others)


def test_beside_a_density():
    estimator = PowerSpectrum(DensityProjector(l_max=2), LongRangePotential(**CHARGES, l_max=2))
    assert_nothing(estimator, [salt((0.0, 0.0)), isolated()], [salt()])


def test_fields_of_multipoles():
    X, points = [salt((0.0, 0.0))], [[0.1, 0.0, 0.2]]
    estimator = MultipoleFeatures(invariants=None, **CHARGES).fit(X)
    assert not np.any(estimator.potential(X, points))
    assert not np.any(estimator.field(X, points))
