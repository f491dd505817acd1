"""Nothing is written into a reshaped array that may be a copy."""

import ast
from pathlib import Path

import pytest

import sklode

ROOT = Path(sklode.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
COPIES = {"reshape", "ravel", "flatten"}


def may_be_copy(node):
    """Whether an expression is a reshaped array, or part of one, that numpy may have copied."""
    if isinstance(node, ast.Subscript | ast.Starred):
        return may_be_copy(node.value)
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    if node.func.attr in COPIES:
        return "copy" not in {word.arg for word in node.keywords} or node.func.attr != "reshape"
    return node.func.attr in {"swapaxes", "transpose", "view"} and may_be_copy(node.func.value)


def copies_of(function):
    """Names that stand for nothing but reshaped arrays which may be copies."""
    found = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                pairs = [(target, node.value)]
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs = zip(target.elts, node.value.elts, strict=True)
                for name, value in pairs:
                    if isinstance(name, ast.Name):
                        found.setdefault(name.id, []).append(may_be_copy(value))
    return {name for name, copied in found.items() if all(copied)}


def written(function):
    """Expressions that a function writes to in place."""
    for node in ast.walk(function):
        if isinstance(node, ast.keyword) and node.arg == "out":
            yield node.value
        elif isinstance(node, ast.AugAssign):
            if isinstance(node.target, ast.Subscript):
                yield node.target
        elif isinstance(node, ast.Assign):
            yield from (t for t in node.targets if isinstance(t, ast.Subscript))


def suspects(source):
    """Lines of a module that write to what may be a copy."""
    lines = set()
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef):
            copies = copies_of(function)
            for target in written(function):
                inner = target
                while isinstance(inner, ast.Subscript):
                    inner = inner.value
                if may_be_copy(target) or (isinstance(inner, ast.Name) and inner.id in copies):
                    lines.add(target.lineno)
    return sorted(lines)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_result_goes_to_a_copy(path):
    assert not suspects(path.read_text()), f"{path.name}: use reshape(..., copy=False)"


@pytest.mark.parametrize(
    "line",
    [
        "np.matmul(a, b, out=c.reshape(-1, n))",
        "np.matmul(a, b, out=c[:2].reshape(-1, n)[:, 1])",
        "c[rows].reshape(n, -1)[:, k] *= 2",
        "d = c.reshape(n, -1)\n    d[k] += a",
        "d = c.reshape(n, -1)\n    np.take(a, b, out=d)",
        "a, d = b, c[rows].reshape(n, -1)\n    np.add(a, b, out=d[:, :3])",
    ],
)
def test_such_a_line_is_found(line):
    assert suspects(f"def f(a, b, c, n, k, rows):\n    {line}\n")


def test_an_array_that_is_no_copy_is_not():
    assert not suspects("def f(a, b, n):\n    np.add(a, b, out=b.reshape(n, -1, copy=False))\n")
