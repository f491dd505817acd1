"""The check of operators that is public to developers, of all operators of the matrix."""

import numpy as np
import pytest
from operators import LISTS, OPERATORS, STRUCTURES, fitted

from sklode import PowerSpectrum
from sklode.inputs.atoms import read_structures
from sklode.physics.operators.check import check
from sklode.physics.operators.grouped import Centered
from sklode.projection.expansion import Expansion

FIELDS = [name for name, model in OPERATORS.items() if not isinstance(model, PowerSpectrum)]
DOT = {"dot positions", "dot strain"}


@pytest.mark.parametrize("name", FIELDS)
def test_modes_answer_for_each_other(name):
    projector = fitted(name)
    structures = [STRUCTURES[structure] for structure in LISTS["mixed"]]
    expansion = Expansion(projector, read_structures(structures, projector.charge_names()))
    errors = check(projector.operator(), expansion.batch)
    assert {kind for kind, error in errors.items() if error > 1e-6} == set(), errors
    assert all(errors[kind] < 1e-11 for kind in DOT), errors


def test_structures_have_pairs_to_be_tested():
    """Of the densities, whose cutoff is short, in lists of every kind."""
    for names in LISTS.values():
        projector = fitted("density")
        structures = read_structures([STRUCTURES[name] for name in names])
        batch = Expansion(projector, structures).batch
        pairs = projector.operator().operator
        moved, strain = pairs.vjp(batch, [np.ones_like(c) for c in pairs.values(batch)])
        assert np.any(moved)
        assert np.any(strain)


class Wrong(Centered):
    """An operator whose reverse pass and Jacobian lack a factor."""

    def vjp(self, batch, cotangents):
        positions, strain = super().vjp(batch, cotangents)
        return positions, 2.0 * strain


def test_wrong_modes_are_found():
    projector = fitted("density")
    expansion = Expansion(projector, read_structures([STRUCTURES["cluster"]]))
    operator = Wrong(projector.operator(), np.zeros((1, 2)))
    errors = check(operator, expansion.batch)
    assert errors["dot strain"] > 1e-3
    assert errors["dot positions"] < 1e-11
