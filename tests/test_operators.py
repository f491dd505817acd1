"""The matrix: every operator, on every kind of structure, by every method, in both precisions.

A new operator is a line of ``operators.OPERATORS``, and a formula, written out a second time: of a
basis or a law in ``reference``, of an invariant in ``operators.reference_rows``.
"""

from itertools import product

import numpy as np
import pytest
from check_operator import ROUNDING, check_operator
from operators import (
    FEW_COLUMNS,
    LISTS,
    OPERATORS,
    STRUCTURES,
    TOL,
    expected,
    fitted,
    has_method,
    salt,
    with_choices,
)

METHODS = ["auto", "direct", "nufft"]
DTYPES = ["float64", "float32"]
BLOCKS = ["ordinary", "shrunken"]
FAST = {  # every pair of values, but for what does not meet: isolated structures have one method
    ("isolated", "auto", "float64", "ordinary"),
    ("isolated", "direct", "float32", "shrunken"),
    ("periodic", "auto", "float64", "shrunken"),
    ("periodic", "direct", "float32", "ordinary"),
    ("periodic", "nufft", "float64", "ordinary"),
    ("layers", "direct", "float64", "shrunken"),
    ("mixed", "auto", "float32", "ordinary"),
    ("mixed", "direct", "float64", "shrunken"),
    ("mixed", "nufft", "float32", "shrunken"),
}


LAYERS = {  # slabs and wires are met in mixed lists, too, and cost more
    ("layers", "auto", "float32", "ordinary"),
    ("layers", "nufft", "float64", "ordinary"),
}


def cases():
    for name, operator in OPERATORS.items():
        for setting in product(LISTS, METHODS, DTYPES, BLOCKS):
            structures, method, dtype, blocks = setting
            if structures == "layers" and has_method(operator) and setting not in FAST | LAYERS:
                continue
            if has_method(operator):
                fast = setting in FAST
            else:  # every combination of the rest
                fast = method == "auto" and (dtype == "float64") == (blocks == "shrunken")
            if method == "auto" or has_method(operator):
                marks = () if fast else pytest.mark.slow
                yield pytest.param(name, *setting, id=", ".join((name, *setting)), marks=marks)


@pytest.mark.parametrize(
    ("name", "structures", "method", "dtype", "block_sizes"), [*cases()], indirect=["block_sizes"]
)
def test_operator(name, structures, method, dtype, block_sizes):
    chosen = LISTS[structures]
    check_operator(
        fitted(name, method, dtype),
        [STRUCTURES[structure] for structure in chosen],
        expected=[expected(name, structure) for structure in chosen],
        accuracy=TOL,
        double=fitted(name, method),
    )


def test_methods_differ():
    """Or the matrix would not test what it says."""
    cell = [STRUCTURES["triclinic"]]
    direct, mesh = (fitted("p = 1", method).transform(cell) for method in ("direct", "nufft"))
    assert not np.array_equal(direct, mesh)


def test_fast_cases_meet_every_value():
    for values, number in [(LISTS, 0), (METHODS, 1), (DTYPES, 2), (BLOCKS, 3)]:
        assert {setting[number] for setting in FAST} == set(values)


SIZES = [1, 2, 3, 47, 64, 65, 97, 150, 216, 333, 512]
SIZED = [
    pytest.param(name, method, n_atoms, id=f"{name}, {method}, {n_atoms} atoms")
    for name, model in FEW_COLUMNS.items()
    for method in (METHODS if has_method(model) else ["auto"])
    for n_atoms in SIZES
]


@pytest.mark.parametrize(("name", "method", "n_atoms"), SIZED)
def test_cells_of_every_size(name, method, n_atoms):
    """With ordinary blocks it depends on the number of atoms which borders there are."""
    cells, model = [salt(n_atoms)], FEW_COLUMNS[name]
    model, direct = (
        with_choices(model, method=choice).fit([salt(2)]) for choice in (method, "direct")
    )
    tols = [value for key, value in model.get_params().items() if key.rpartition("__")[2] == "tol"]
    tol = max(tols, default=ROUNDING)
    rows = direct.transform_atoms(cells)
    # what a mesh does forwards and backwards agrees as far as both are accurate
    same = has_method(model) and np.array_equal(rows, model.transform_atoms(cells))
    check_operator(
        model,
        cells,
        expected=[rows],
        accuracy=2 * tol,
        adjoint=ROUNDING if same else tol,
        double=model if name == "p = 1, tight" else None,
    )
