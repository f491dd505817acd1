"""Sizes of blocks and thresholds stand in ``physics.blocks`` alone, where tests can shrink them."""

import ast
from pathlib import Path

import pytest
from borders import SHRUNKEN, sizes

import sklode

PACKAGE = Path(sklode.__file__).parent
NO_SUMS = {"plotting", "labels", "label_checks.py", "label_keys.py", "simulation", "command_line"}
NO_SUMS |= {"experiment.py", "files.py", "picture.py", "datasets.py"}  # files and folders
SMALLEST = 10  # of numbers in functions; below are indices and bytes of a number

ALLOWED = {  # integers by which no work is divided, and at which no other way of computing begins
    "_MAX_DEGREE": "a table that has not converged by then is an error",
    "_TERMS_PER_INTERVAL": "sizes of intervals of a table, which is as accurate with any",
    "_T_DENSITY": "of nodes of an integral, by its accuracy",
    "_NODES": "of tables, more than their accuracy needs",
    "_POINTS": "of tables, more than their accuracy needs",
    "_SHELLS": "of a table of what a sphere of k-vectors omits",
    "_GRID": "of the same",
    "_EXPINT_NODES": "of E_nu, more than its accuracy needs",
    "_EXPINT_KNOTS": "of its table, by its accuracy",
    "_EXPINT_DEGREE": "of its table, by its accuracy",
    "_SERIES_TERMS": "of P(a, x) near 0, by its accuracy",
    "_MAX_MULTIPOLES": "a series that has not converged by then is an error",
    "_STEEPEST": "power of 1/r in the range of floats; more is an error",
    "MAX_MONOMIALS": "that can be told apart in double precision; more are an error",
    "_MOST_SMEARINGS": "that tables resolve; more are an error",
    "_MOST_TURNS": "of waves that tables resolve; more are an error",
    "_STEPS": "to which lengths are rounded, so that structures share tables",
    "VOLUME_STEPS": "to which volumes are rounded, so that structures share tables",
    "_CANDIDATES": "that a choice is made from",
    "_MESH_ORDER": "of a typical mesh, for an estimate of time",
    "_MESH_MODES": "of a typical mesh, for an estimate of time",
    "_FEW_MODES": "of the cheapest mesh, for an estimate of time",
    "_LISTED_BYTES": "for an estimate of memory",
    "_PAIR_BYTES": "for an estimate of memory",
    "_POINT_BYTES": "for an estimate of memory",
    "_WAVE_BYTES": "for an estimate of memory",
    "_COLUMN_BYTES": "for an estimate of memory",
    "_FORMAT": "of files, a version",
    "COMMON": "a label",
    "_LOOKED_AT": "structures that are looked at for a warning",
    "_SHOWN": "numbers that metadata show",
    "_ITERATIONS": "of a fixed point for an estimate of time",
    "_PANEL_NODES": "of an integral, by its accuracy",
    "_DIRECTIONS": "in which a width is measured, with a bound for those between",
    "_RIDGES": "a label in a list of jobs",
    "_KEPT": "tables at once; those that are not kept are made again, the same",
    "LARGEST_BYTES": "of a folder of rows; deleted ones are computed again, the same",
    "FILE_BYTES": "of a file of rows, which are read as they were written",
    "SMALL_BYTES": "of the same",
    "_N_PARTS": "of the structures of a formula, which validation leaves out one by one",
    "_FEWEST": "formulas, for a validation that leaves these out",
    "_LARGEST": "block that glibc learns from; numbers do not depend on it",
}


def integer(node):
    """The integer that an expression of numbers alone stands for, or None."""
    parts = (ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop)
    if not all(isinstance(part, parts) for part in ast.walk(node)):
        return None
    value = eval(compile(ast.Expression(node), "", "eval"))
    return value if type(value) is int else None


def constants(tree):
    """Names of the integers that a module defines, in tuples too."""
    for statement in tree.body:
        if isinstance(statement, (ast.Assign, ast.AnnAssign)):
            targets = getattr(statement, "targets", None) or [statement.target]
            for target in targets:
                sides = target, statement.value
                together = all(isinstance(side, ast.Tuple) for side in sides)
                names, values = ([*side.elts] if together else [side] for side in sides)
                for name, value in zip(names, values, strict=True):
                    if isinstance(name, ast.Name) and value and integer(value) is not None:
                        yield name.id


def thresholds(tree):
    """Numbers in functions that something is compared with, limited to or divided from."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("min", "max"):
            parts = node.args
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.FloorDiv):
            parts = [node.left, node.right]
        else:
            continue
        values = [integer(part) for part in parts]
        yield from (value for value in values if value is not None and abs(value) >= SMALLEST)


def found_in(source):
    """What a module says of sizes: names of constants, and numbers in functions."""
    tree = ast.parse(source)
    return set(constants(tree)) - ALLOWED.keys(), set(thresholds(tree))


MODULES = [
    path
    for path in PACKAGE.rglob("*.py")
    if not {path.name, path.parent.name} & {*NO_SUMS, "blocks.py"}
]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_sizes_stand_in_one_place(path):
    names, numbers = found_in(path.read_text())
    assert not names, "belongs in physics/blocks.py, or with a reason in ALLOWED"
    assert not numbers, "belongs in physics/blocks.py under a name"


@pytest.mark.parametrize(
    "source",
    [
        "_BLOCK = 2**15",
        "FEW = 3",
        "_FEW: int = 24",
        "A, _B = 1.0, 9",
        "def f(n):\n    return n < 64",
        "def f(n):\n    return max(1, 2**20 // n)",
        "def f(n):\n    return min(n, 10**4)",
    ],
)
def test_sizes_elsewhere_are_found(source):
    assert any(found_in(source))


@pytest.mark.parametrize(
    "source", ["_A = 1e-5", "_B = 'b'", "def f(n):\n    return n < 2", "C = f(3)"]
)
def test_other_numbers_are_not(source):
    assert not any(found_in(source))


def test_all_sizes_are_integers_that_can_be_shrunken():
    assert all(type(size) is int for size in sizes().values())
    assert all(0 < SHRUNKEN[name] < size for name, size in sizes().items())


def test_nobody_keeps_a_size_of_his_own():
    """An imported name or a default of a parameter cannot be shrunken."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[-1] == "blocks":
                pytest.fail(f"{path.name} imports names of blocks")
            if isinstance(node, (ast.FunctionDef, ast.Lambda)):
                defaults = [*node.args.defaults, *node.args.kw_defaults]
                assert not any(map(reads_blocks, filter(None, defaults))), path.name
        for statement in ast.parse(path.read_text()).body:
            if not isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
                assert not reads_blocks(statement), path.name


def reads_blocks(tree):
    """Whether an expression has an attribute of the module."""
    return any(
        isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "blocks"
        for node in ast.walk(tree)
    )
