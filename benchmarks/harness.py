"""Timing of codes side by side, with one thread each. Import it before numpy.

The variables that set the number of threads are read when numpy, featomic and the others are
loaded, so they are set here, once, on import.
"""
# ruff: noqa: E402

import os
import sys

if "numpy" in sys.modules:
    raise ImportError("import harness before numpy: it sets the number of threads")
_LIBRARIES = ("OMP", "OPENBLAS", "MKL", "BLIS", "VECLIB_MAXIMUM", "NUMEXPR", "NUMBA", "RAYON")
os.environ.update({f"{name}_NUM_THREADS": "1" for name in _LIBRARIES})

# isort: split

import argparse
import csv
import platform
import resource
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import numpy as np
from tqdm import tqdm

import sklode

_RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("numpy", "scipy", "scikit-learn", "featomic", "dscribe")
_MEGABYTE = 1024.0**2


@dataclass(frozen=True)
class Case:
    """Something to time.

    Attributes
    ----------
    code : str
        Its name in the table.
    prepare : callable
        ``prepare(structures)`` does what is done once (fit, splines) and returns the function
        without arguments that is timed. It can be pickled, so that another process can measure
        the memory.
    deviation : float or None
        Largest difference from the first case over its largest number; None where the numbers
        mean something else.
    """

    code: str
    prepare: object
    deviation: float | None = None


class Benchmark:
    """Times cases in paired rounds and writes one CSV.

    Parameters
    ----------
    name : str
        Of the table ``results/<name>.csv``.
    description : str
        For the help text.
    """

    def __init__(self, name, description):
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument(
            "--quick", action="store_true", help="smoke run: few small structures, two rounds"
        )
        parser.add_argument("--rounds", type=int, help="timed rounds (7; 2 with --quick)")
        parser.add_argument(
            "--output", type=Path, help=f"CSV (results/{name}.csv; with --quick none)"
        )
        arguments = parser.parse_args()
        self.name = name
        self.quick = arguments.quick
        self.rounds = arguments.rounds or (2 if self.quick else 7)
        self.output = arguments.output
        if self.output is None and not self.quick:
            self.output = _RESULTS / f"{name}.csv"
        self._rows = []
        print(f"{name}: {self.rounds} paired rounds, one thread, on {cpu_model()}")

    def compare(self, system, structures, cases):
        """Time the cases A B C A B C ...; ratios are to the first one, round by round."""
        calls = [case.prepare(structures) for case in cases]
        seconds = np.empty((self.rounds, len(cases)))
        n_calls = (self.rounds + 1) * len(cases)
        with tqdm(total=n_calls, desc=system, leave=False) as progress:
            for turn in range(-1, self.rounds):
                for j, call in enumerate(calls):
                    start = perf_counter()
                    call()
                    if turn >= 0:  # the first turn warms up
                        seconds[turn, j] = perf_counter() - start
                    progress.update()
        memory = [None] * len(cases)
        if not self.quick:
            memory = [
                peak_memory(case.prepare, structures)
                for case in tqdm(cases, desc=f"{system}: memory", leave=False)
            ]
        ratios = np.median(seconds / seconds[:, :1], axis=0)
        n_atoms = sum(len(atoms) for atoms in structures)
        rows = [
            {
                "benchmark": self.name,
                "system": system,
                "n_structures": len(structures),
                "n_atoms": n_atoms,
                "code": case.code,
                "seconds_median": np.median(times),
                "seconds_min": times.min(),
                "seconds_max": times.max(),
                "microseconds_per_atom": 1e6 * np.median(times) / n_atoms,
                "ratio_to_sklode": ratio,
                "max_relative_deviation": case.deviation,
                "peak_memory_mb": peak,
            }
            for case, times, ratio, peak in zip(cases, seconds.T, ratios, memory, strict=True)
        ]
        self._rows += rows
        _print_table(f"{system}: {len(structures)} structures, {n_atoms} atoms", rows)

    def save(self):
        """Write the CSV."""
        if self.output is None:
            print("\n--quick: nothing written")
            return
        rows = [{**row, **_versions(), **_machine()} for row in self._rows]
        self.output.parent.mkdir(parents=True, exist_ok=True)
        with open(self.output, "w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows({key: _rounded(value) for key, value in row.items()} for row in rows)
        print(f"\nwrote {self.output}")


def agreement(values, reference, limit=None, what=""):
    """Largest difference over the largest reference; ends the run if it is above ``limit``."""
    deviation = np.abs(values - reference).max() / np.abs(reference).max()
    if limit is not None:
        print(f"agreement, {what}: {deviation:.1e} (limit {limit:.0e})")
        if not deviation <= limit:
            raise SystemExit(f"{what}: deviates by {deviation:.1e}, more than {limit:.0e}")
    return deviation


def peak_memory(prepare, structures):
    """Megabytes that a first call needs beyond what its prepared process holds.

    A process of its own makes the call, once, tables and result included.
    """
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak_of_call, (prepare, structures))


def _peak_of_call(prepare, structures):
    call = prepare(structures)
    before = _memory("VmRSS")
    call()
    return (_memory("VmHWM") - before) / _MEGABYTE


def _memory(field):
    """Bytes in memory now (VmRSS) or at most (VmHWM)."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:  # not Linux: the peak so far
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))


def cpu_model():
    """Name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _machine():
    return {"cpu": cpu_model(), "cores": os.cpu_count()}


def _versions():
    versions = {"python": platform.python_version(), "sklode": sklode.__version__}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return versions


def _rounded(value):
    return f"{value:.4g}" if isinstance(value, float) else value


def _print_table(title, rows):
    width = max(len(row["code"]) for row in rows)
    print(f"\n{title}")
    print(
        f"{'':{width}}  {'ms':>9}  {'(min - max)':>19}  {'us/atom':>8}  {'ratio':>6}"
        f"  {'deviation':>9}  {'peak MB':>7}"
    )
    for row in rows:
        low, high = 1e3 * row["seconds_min"], 1e3 * row["seconds_max"]
        print(
            f"{row['code']:{width}}  {1e3 * row['seconds_median']:9.2f}"
            f"  {f'({low:.2f} - {high:.2f})':>19}  {row['microseconds_per_atom']:8.1f}"
            f"  {row['ratio_to_sklode']:6.2f}  {_or_dash(row['max_relative_deviation'], '9.0e')}"
            f"  {_or_dash(row['peak_memory_mb'], '7.0f')}"
        )


def _or_dash(value, spec):
    width = int(spec.split(".")[0])
    return f"{'-':>{width}}" if value is None else f"{value:{spec}}"
