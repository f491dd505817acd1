"""The matrix: every operator, on every kind of structure, by every method, in both precisions.

New operators are lines of ``operators.OPERATORS``.
"""

import numpy as np
import pytest
from check_operator import Answers, check_operator
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

SETTINGS = [
    # structures, method, dtype, whether fast
    ("isolated", "auto", "float64", True),
    ("isolated", "nufft", "float32", False),
    ("periodic", "auto", "float64", True),
    ("periodic", "direct", "float32", False),
    ("periodic", "nufft", "float64", False),
    ("mixed", "auto", "float32", False),
    ("mixed", "direct", "float32", True),
    ("mixed", "nufft", "float64", True),
]
CASES = [
    pytest.param(
        name, *setting, id=", ".join((name, *setting)), marks=() if fast else pytest.mark.slow
    )
    for name, operator in OPERATORS.items()
    for *setting, fast in SETTINGS
    if setting[1] == "auto" or has_method(operator)
]


@pytest.mark.parametrize(("name", "periodicity", "method", "dtype"), CASES)
def test_operator(name, periodicity, method, dtype, block_sizes):
    model, structures = fitted(name, method, dtype), LISTS[periodicity]
    check_operator(
        model,
        [STRUCTURES[structure] for structure in structures],
        [expected(name, structure) for structure in structures],
        accuracy=TOL,
        double=fitted(name, method),
    )
