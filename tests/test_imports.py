"""Who may import what, read from the sources."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sklode

ROOT = Path(sklode.__file__).parent
SOURCES = sorted(ROOT.rglob("*.py"))
PHYSICS = [path for path in SOURCES if "physics" in path.relative_to(ROOT).parts]
UPPER = [path for path in SOURCES if path not in PHYSICS]


def label(path):
    return str(path.relative_to(ROOT))


def imports(path):
    """(module, name) of all imports, with the package's own modules in full."""
    package = ("sklode", *path.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((module, alias.name) for alias in node.names)


# folders of physics, each of which imports from those of lower floors alone
FLOORS = [
    {"numerics"},
    {"system"},
    {"radial"},
    {"operators", "planning", "pairs", "waves", "mesh"},
    {"invariants"},
    {"fields"},
]
LARGEST_FOLDER = 12  # files, but for the public modules and __init__


def folder_of(module):
    """The folder of physics that a module is in, None for those that all may use."""
    parts = module.split(".")
    return parts[2] if parts[:2] == ["sklode", "physics"] and len(parts) > 3 else None


@pytest.mark.parametrize("path", PHYSICS, ids=label)
def test_folders_of_physics_import_downward(path):
    floors = {folder: number for number, floor in enumerate(FLOORS) for folder in floor}
    own = path.parent.name
    for module, _ in imports(path):
        other = folder_of(module)
        if other not in (None, own):
            assert own == "physics" or floors[other] < floors[own], (own, other)


@pytest.mark.parametrize("path", SOURCES, ids=label)
def test_nobody_reaches_in(path):
    """Names with an underscore are for the module, or the class, that defines them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.ClassDef)
    own = {node.name for node in ast.walk(tree) if isinstance(node, kinds)}
    own |= {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    for module, name in imports(path):
        if module.split(".")[0] == "sklode":
            assert not name.startswith("_") or name.startswith("__"), (module, name)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or node.attr in own:
            continue
        if node.attr.startswith("_") and not node.attr.startswith("__"):
            assert ast.unparse(node.value) in {"self", "cls", "super()"}, ast.unparse(node)


def test_folders_are_small():
    for folder in {path.parent for path in SOURCES} - {ROOT}:
        names = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(names) <= LARGEST_FOLDER, folder


def test_sources_are_found():
    assert len(PHYSICS) > 5
    assert ROOT / "base.py" in UPPER


@pytest.mark.parametrize("path", PHYSICS, ids=label)
def test_physics_knows_arrays_only(path):
    for module, name in imports(path):
        assert module.split(".")[0] not in {"sklearn", "ase", "pandas", "polars", "joblib"}
        if module.split(".")[0] == "sklode":
            assert f"{module}.{name}".startswith("sklode.physics"), (module, name)


@pytest.mark.parametrize("path", UPPER, ids=label)
def test_only_base_imports_internals_of_scikit_learn(path):
    internals = [
        (module, name)
        for module, name in imports(path)
        if module.split(".")[0] == "sklearn"
        and any(part.startswith("_") for part in [*module.split("."), name])
    ]
    assert bool(internals) == (path.name == "base.py"), internals


@pytest.mark.parametrize("path", UPPER, ids=label)
def test_containers_of_atoms_never_become_arrays(path):
    if path.name == "preprocessing.py":
        return  # its X is a matrix
    containers = {"X", "atoms_list", "atoms", "structures", "data"}
    converters = {"array", "asarray", "asanyarray", "stack", "check_array", "validate_data"}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        function = getattr(node.func, "attr", getattr(node.func, "id", None))
        argument = node.args[0]
        if function in converters and isinstance(argument, ast.Name):
            assert argument.id not in containers, f"{label(path)}:{node.lineno}"


def test_optional_packages_are_not_imported():
    # pandas imports pyarrow wherever it is installed
    program = (
        "import sys; sys.modules['pyarrow'] = None; import sklode.datasets; print(*sys.modules)"
    )
    imported = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    imported = set(imported.stdout.decode().split())
    assert "sklode.datasets" in imported
    assert imported.isdisjoint({"matplotlib", "polars", "dask", "skops", "chemiscope"})


def test_public_names_exist():
    assert len(set(sklode.__all__)) == len(sklode.__all__)
    for name in sklode.__all__:
        assert getattr(sklode, name).__doc__
