"""Type hints: what the checker is given has them on all that is public."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHECKED = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["files"]
FILES = sorted(
    path
    for name in CHECKED
    for path in ((ROOT / name).rglob("*.py") if (ROOT / name).is_dir() else [ROOT / name])
)


def public_functions(node):
    """Functions and methods of a module, but for private ones and what is inside of functions."""
    named = [child for child in node.body if isinstance(child, (ast.ClassDef, ast.FunctionDef))]
    for child in named:
        if child.name.startswith("_") and child.name != "__init__":
            continue
        if isinstance(child, ast.ClassDef):
            yield from public_functions(child)
        else:
            yield child


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_functions_have_hints(path):
    for function in public_functions(ast.parse(path.read_text(encoding="utf-8"))):
        listed = function.args
        arguments = [*listed.posonlyargs, *listed.args, *listed.kwonlyargs]
        without = [
            a.arg for a in arguments if a.annotation is None and a.arg not in ("self", "cls")
        ]
        assert not without, (function.name, without)
        assert function.returns is not None or function.name == "__init__", function.name


def test_the_package_says_that_it_has_hints():
    assert (ROOT / "sklode" / "py.typed").exists()
