"""What the README shows is what happens."""

import contextlib
import io
import re
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ase.build import bulk
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline

import sklode
from sklode import (
    BlockScaler,
    DensityProjector,
    InteractionFeatures,
    LongRangePotential,
    PowerSpectrum,
)
from sklode.datasets import load_s22x5, make_point_charges

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
RMSE = "neg_root_mean_squared_error"
REFERENCE = (ROOT / "docs" / "reference.rst").read_text()


def run(code):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {"__name__": __name__})
    return printed.getvalue()


def test_the_example_ends_in_the_number_that_it_shows():
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL).group(1)
    shown = re.search(r"# (RMSE .*)\n", code).group(1)
    assert run(code) == f"{shown}\n"

    local = code.replace(", LongRangePotential(exponent=6)", "")
    number = re.search(r"in its place gives ([\d.]+) eV", README).group(1)
    assert run(local) == f"RMSE {number} eV\n"


def test_penalties_chosen_by_points_and_by_dimers_have_the_errors_that_are_shown():
    dimers = load_s22x5()
    X, y, groups = pd.Series(dimers.data), dimers.target, dimers.groups
    rho_v = PowerSpectrum(DensityProjector(cutoff=3.0), LongRangePotential(exponent=6))
    rows = InteractionFeatures(rho_v).fit_transform(X)
    penalties = np.logspace(-6, 3, 10)
    errors = {"points": [], "dimers": []}
    for train, test in GroupKFold(5).split(X, groups=groups):
        folds = list(GroupKFold(5).split(train, groups=groups[train]))
        for way, cv in (("points", None), ("dimers", folds)):
            ridge = RidgeCV(penalties, fit_intercept=False, cv=cv, scoring=RMSE if cv else None)
            model = make_pipeline(BlockScaler(), ridge).fit(rows[train], y[train])
            errors[way].extend(model.predict(rows[test]) - y[test])
    shown = re.search(r"([\d.]+) eV by points and ([\d.]+) eV by dimers", README).groups()
    assert shown == tuple(f"{np.sqrt(np.mean(np.square(e))):.3f}" for e in errors.values())


def test_every_program_runs_by_itself_and_prints_what_it_says():
    programs = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(programs) == README.count("```python") == 2
    for code in programs[1:]:  # the first one is above
        (shown,) = re.findall(r"print\(.*\)  # (.*)\n", code)
        assert run(code) == f"{shown}\n"
    zero = re.search(r"Predicting zero gives ([\d.]+)", README).group(1)
    forces = make_point_charges(n_samples=20, random_state=0).forces[15:]
    assert f"{np.sqrt(np.mean(np.square(forces))):.3f}" == zero


def test_the_two_commands_are_there():
    assert '    pip install ".[plot]" && sklode demo\n' in README
    assert '    pip install ".[test]" && pytest\n' in README


def test_the_first_session_is_the_command_for_tests():
    shown = re.search(r"^    (pip install \S+ && pytest)$", README, re.MULTILINE).group(1)
    sessions = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["tox"]["env"]
    called = re.findall(r"^session (\S+)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert called == ["tests", "lint", "slow", "docs"]
    # `python` of a session that runs in the environment of others is not that environment's
    assert "python" not in {line[0] for name in called for line in sessions[name]["commands"]}
    words = [[w for w in line if isinstance(w, str)] for line in sessions["tests"]["commands"]]
    assert words == [shlex.split(part) for part in shown.split("&&")]


def test_tests_of_two_minutes_are_there():
    for test in (ROOT / "tests" / "quick.txt").read_text().splitlines():
        file, _, name = test.partition("::")
        assert f"def {name}" in (ROOT / file).read_text(), test


def test_gradients_of_featomic_are_what_the_table_says():
    featomic = pytest.importorskip("featomic", reason="featomic has no wheel for this platform")
    radial = {"type": "Gto", "max_radial": 1, "radius": 3.0}
    basis = {"type": "TensorProduct", "max_angular": 1, "radial": radial}
    smeared = {"type": "SmearedPowerLaw", "smearing": 1.0, "exponent": 1}
    lode = featomic.LodeSphericalExpansion(density=smeared, basis=basis)
    soap = featomic.SoapPowerSpectrum(
        cutoff={"radius": 3.0, "smoothing": {"type": "ShiftedCosine", "width": 0.5}},
        density={"type": "Gaussian", "width": 0.3},
        basis=basis,
    )
    known = {}
    for name, calculator in (("LODE", lode), ("SOAP", soap)):
        known[name] = []
        for gradient in ("positions", "strain", "cell"):
            with contextlib.suppress(featomic.FeatomicError):
                calculator.compute([bulk("NaCl", "rocksalt", a=5.6)], gradients=[gradient])
                known[name].append(gradient)
    cell = "; ".join(f"{name}: {', '.join(gradients)}" for name, gradients in known.items())
    (row,) = [line for line in README.splitlines() if line.startswith("| gradients of features")]
    assert row.split(" | ")[2] == cell


def test_transformers_without_gradients_are_those_that_the_reference_names():
    features = REFERENCE.split("Fragments\n")[0].split("currentmodule")[1]
    listed = re.findall(r"^   (\w+)$", features, re.MULTILINE)
    assert len(listed) == 7
    without = [x for x in listed if not hasattr(getattr(sklode, x), "transform_gradients")]
    assert without == re.findall(
        r"`(\w+)`, whose input is a matrix, has none of its own", REFERENCE
    )
