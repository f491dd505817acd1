"""The benchmarks' own arithmetic and figure; nothing is timed and no peer is needed."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ase import Atoms

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
MEASURED = """
import harness
from functools import partial
import numpy as np
from ase import Atoms

def prepare(structures, count):
    return partial(np.zeros, count)

benchmark = harness.Benchmark("toy", "A toy.", {"--data": {}})
cases = [
    harness.Case("sklode", partial(prepare, count=10), 0.0),
    harness.Case("slow", partial(prepare, count=9), error=0.5, rounds=1, warm_up=False),
]
benchmark.compare("two atoms", [Atoms("H2")], cases)
benchmark.save()
"""


@pytest.fixture
def records(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("records")


@pytest.fixture
def draw(records):
    return importlib.import_module("draw")


def run(*command):
    environment = {**os.environ, "PYTHONPATH": str(BENCHMARKS.parent)}  # installed or not
    command = [sys.executable, *map(str, command)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def toy_row(code, n_atoms, seconds, **fields):
    return {
        "system": f"{n_atoms} atoms",
        "n_structures": 1,
        "n_atoms": n_atoms,
        "code": code,
        "rounds": 3,
        "seconds_median": seconds,
        "seconds_min": 0.9 * seconds,
        "seconds_max": 1.2 * seconds,
        "microseconds_per_atom": 1e6 * seconds / n_atoms,
        "ratio_to_sklode": 1.0,
        "max_relative_deviation": None,
        "error": 1e-5,
        "peak_memory_mb": None,
        "parameters": "tol=1e-06",
        "python": "3.11",
        "featomic": None,
        "cpu": "one, with a comma",
        "cores": 2,
        **fields,
    }


def test_agreement_is_relative_to_the_largest_and_ends_the_run(records, capsys):
    values, reference = np.array([1.0, 0.1]), np.array([2.0, 0.1])
    assert records.agreement(values, reference) == 0.5
    assert records.rms_agreement(values, np.array([1.0, 0.1])) == 0.0
    assert records.agreement(values, reference, 0.6, "toy") == 0.5
    assert "toy: 5.0e-01" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"toy: deviates by 5\.0e-01"):
        records.agreement(values, reference, 0.1, "toy")
    with pytest.raises(SystemExit, match="nan"):
        records.agreement(values, np.full(2, np.nan), 0.1, "toy")


def test_ratios_are_paired_and_leave_out_missing_rounds(records):
    seconds = np.array([[1.0, 2.0, 10.0], [2.0, 4.0, np.nan], [4.0, 8.0, np.nan]])
    np.testing.assert_allclose(records.paired_ratios(seconds), [1.0, 2.0, 10.0])


def test_coarsest_within_takes_the_first_that_is_good_enough(records):
    for limit, found in ((0.9, 1.0), (0.06, 0.1), (0.05, 0.1), (0.049, 0.01), (0.005, 0.01)):
        tol, error = records.coarsest_within([1.0, 0.1, 0.01], lambda tol: tol / 2, limit)
        assert (tol, error) == (found, found / 2)
    with pytest.raises(SystemExit, match="above"):
        records.coarsest_within([1.0], lambda tol: tol, 0.5)


def test_csv_comes_back_with_numbers_texts_and_gaps(records, tmp_path):
    records.write(tmp_path / "new" / "toy.csv", [toy_row("sklode", 100, 0.123456)])
    (row,) = records.read(tmp_path / "new" / "toy.csv")
    assert row["seconds_median"] == 0.1235
    assert row["n_atoms"] == 100
    assert row["peak_memory_mb"] is None
    assert row["python"] == "3.11"  # a version is no number
    assert row["cpu"] == "one, with a comma"


def test_labels_are_moved_apart(draw):
    heights = draw.spread(np.array([0.5, 0.5, 0.9]), gap=0.1)
    assert np.diff(np.sort(heights)).min() > 0.0999
    assert heights[2] == 0.9


@pytest.mark.slow
def test_figure_and_tables_are_drawn_from_what_there_is(records, draw, tmp_path):
    rows = [
        toy_row(code, n, speed * n)
        for code, speed in (("sklode", 1e-4), ("featomic", 1e-3))
        for n in (64, 216)
    ]
    records.write(tmp_path / "long_range.csv", rows)
    done = run(BENCHMARKS / "draw.py", "--results", tmp_path, "--figures", tmp_path / "figures")
    assert done.returncode == 0, done.stderr
    assert "density.csv is missing" in done.stdout
    assert (tmp_path / "figures" / "speed.png").read_bytes().startswith(b"\x89PNG")
    table = (tmp_path / "figures" / "speed_long_range.csv").read_text().splitlines()
    assert len(table) == 5
    assert table[1].startswith("64 atoms,sklode,6.4,5.76 to 7.68,100,1.00,1.0e-05,,")
    assert "not measured" in (tmp_path / "figures" / "speed_density.csv").read_text()
    machine = (tmp_path / "figures" / "speed_machine.csv").read_text()
    assert "python,3.11" in machine
    assert "featomic,not installed" in machine


@pytest.mark.slow
def test_harness_measures_and_writes(records, tmp_path):
    script = tmp_path / "toy.py"
    script.write_text(f"import sys\nsys.path.insert(0, {str(BENCHMARKS)!r})\n" + MEASURED)
    done = run(script, "--quick", "--rounds", "3", "--output", tmp_path / "toy.csv")
    assert done.returncode == 0, done.stderr
    first, second = records.read(tmp_path / "toy.csv")
    assert (first["rounds"], second["rounds"]) == (3, 1)
    assert first["ratio_to_sklode"] == 1.0
    assert second["error"] == 0.5
    assert first["numpy"] == np.__version__


@pytest.mark.slow
def test_choice_repeats_the_demo_and_the_local_model_of_old(tmp_path):
    done = run(BENCHMARKS / "bench_choice.py", "--output", tmp_path / "choice.csv")
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "choice.csv").set_index(["experiment", "code"])
    far, unseen = table.loc["far separations"], table.loc["unseen groups"]
    rules = (BENCHMARKS.parent / "docs" / "choosing.rst").read_text()
    shown = r"far (\S+) and unseen (\S+), times the (\S+) and (\S+) eV of that local model"
    ratios = [f"{part['ratio']['local + long-range']:.2f}" for part in (far, unseen)]
    errors = [f"{part['rmse_ev']['local, one split']:.4f}" for part in (far, unseen)]
    assert re.search(shown, rules).groups() == (*ratios, *errors)
    readme = (BENCHMARKS.parent / "README.md").read_text()
    shown = re.search(r"([\d.]+) eV by points and ([\d.]+) eV by dimers", readme).groups()
    penalties = (unseen["rmse_ev"][f"rho x V, left-out {way}"] for way in ("points", "groups"))
    assert shown == tuple(f"{error:.3f}" for error in penalties)
    assert "over all sets" in done.stdout


def test_stretched_dimers_have_the_energy_of_their_distances(records):
    spec = importlib.util.spec_from_file_location("benchmark_systems", BENCHMARKS / "systems.py")
    systems = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(systems)
    pair = Atoms("H2", [[0, 0, 0], [0, 0, 2]])
    pair.set_array("fragment", np.array([0, 1]))
    assert systems.attraction(pair) == pytest.approx(-10 / 64)
    structures = systems.stretched_dimers(111)
    first, last = structures[0], structures[110]  # of the same dimer
    assert first.get_chemical_formula() == last.get_chemical_formula()
    assert systems.attraction(first) != systems.attraction(last)
    for found, dimer in zip(structures, systems.dimers(), strict=False):
        moved = np.linalg.norm(found.positions - dimer.positions, axis=1)
        inside = dimer.arrays["fragment"] == 0
        assert not moved[inside].any()
        assert np.ptp(moved[~inside]) < 1e-12
        assert 0 < moved.max() < 1
