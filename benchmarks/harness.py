"""Timing of codes side by side, with one thread each, or BENCHMARK_THREADS. Import before numpy.

The variables that set the number of threads are read when numpy, featomic and the others are
loaded, so they are set here, once, on import.
"""
# ruff: noqa: E402

import os
import sys

if "numpy" in sys.modules:
    raise ImportError("import harness before numpy: it sets the number of threads")
_LIBRARIES = ("OMP", "OPENBLAS", "MKL", "BLIS", "VECLIB_MAXIMUM", "NUMEXPR", "NUMBA", "RAYON")
THREADS = int(os.environ.get("BENCHMARK_THREADS", "1"))
os.environ.update({f"{name}_NUM_THREADS": str(THREADS) for name in _LIBRARIES})

# isort: split

import argparse
import resource
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import numpy as np
import records
from tqdm import tqdm

_MEGABYTE = 1024.0**2
_SHORT = 1.0  # seconds


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
    error : float or None
        Error against a converged reference; what its norm is, the script says.
    parameters : str
        What else there is to know about the case.
    rounds : int or None
        Timed rounds if they are fewer than those of the others: for slow codes.
    warm_up : bool
        Whether to make one call first, which is not timed.
    memory : bool
        Whether to measure the memory.
    again : bool
        Whether each timed call comes right after one of its kind that is not timed, so that a
        rested core and a cache that others have filled do not count. Short calls do in any case.
    """

    code: str
    prepare: object
    deviation: float | None = None
    error: float | None = None
    parameters: str = ""
    rounds: int | None = None
    warm_up: bool = True
    memory: bool = True
    again: bool = False


class Benchmark:
    """Times cases in paired rounds and writes one CSV.

    Parameters
    ----------
    name : str
        Of the table ``results/<name>.csv``.
    description : str
        For the help text.
    options : dict, default=None
        Further options of the command, with the keywords of ``add_argument``.
    """

    def __init__(self, name, description, options=None):
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument(
            "--quick", action="store_true", help="smoke run: few small structures, two rounds"
        )
        parser.add_argument("--rounds", type=int, help="timed rounds (7; 2 with --quick)")
        parser.add_argument(
            "--output", type=Path, help=f"CSV (results/{name}.csv; with --quick none)"
        )
        for option, keywords in (options or {}).items():
            parser.add_argument(option, **keywords)
        self.arguments = parser.parse_args()
        self.name = name
        self.quick = self.arguments.quick
        self.rounds = self.arguments.rounds or (2 if self.quick else 7)
        self.output = self.arguments.output
        if self.output is None and not self.quick:
            self.output = records.RESULTS / f"{name}.csv"
        self._rows = []
        threads = f"{THREADS} thread{'s' * (THREADS > 1)}"
        print(f"{name}: {self.rounds} paired rounds, {threads}, on {records.cpu_model()}")

    def compare(self, system, structures, cases):
        """Time the cases A B C A B C ...; ratios are to the first one, round by round."""
        seconds = self._timed(system, structures, cases)
        memory = [self._memory(system, structures, case) for case in cases]
        n_atoms = sum(len(atoms) for atoms in structures)
        rows = [
            {
                "benchmark": self.name,
                "system": system,
                "n_structures": len(structures),
                "n_atoms": n_atoms,
                "code": case.code,
                "rounds": int(np.isfinite(times).sum()),
                "seconds_median": np.nanmedian(times),
                "seconds_min": np.nanmin(times),
                "seconds_max": np.nanmax(times),
                "microseconds_per_atom": 1e6 * np.nanmedian(times) / n_atoms,
                "ratio_to_sklode": ratio,
                "max_relative_deviation": case.deviation,
                "error": case.error,
                "peak_memory_mb": peak,
                "parameters": case.parameters,
            }
            for case, times, ratio, peak in zip(
                cases, seconds.T, records.paired_ratios(seconds), memory, strict=True
            )
        ]
        self._rows += rows
        records.show(f"{system}: {len(structures)} structures, {n_atoms} atoms", rows)
        return rows

    def _timed(self, system, structures, cases):
        """Seconds, one row a round; nan where a case sits out."""
        calls = [case.prepare(structures) for case in cases]
        rounds = [min(case.rounds or self.rounds, self.rounds) for case in cases]
        rounds[0] = max(rounds)  # all others are compared with the first
        seconds = np.full((rounds[0], len(cases)), np.nan)
        with tqdm(total=sum(rounds) + len(cases), desc=system, leave=False) as progress:
            for case, call in zip(cases, calls, strict=True):
                if case.warm_up:
                    call()
                progress.update()
            for turn in range(rounds[0]):
                for j, (case, call) in enumerate(zip(cases, calls, strict=True)):
                    if turn < rounds[j]:
                        seconds[turn, j] = _duration(call)
                        if case.again or seconds[turn, j] < _SHORT:
                            seconds[turn, j] = _duration(call)
                        progress.update()
        return seconds

    def _memory(self, system, structures, case):
        if self.quick or not case.memory:
            return None
        with tqdm(total=1, desc=f"{system}: memory of {case.code}", leave=False):
            return peak_memory(case.prepare, structures)

    def save(self):
        """Write the CSV."""
        if self.output is None:
            print("\n--quick: nothing written")
            return
        environment = records.environment()
        records.write(self.output, [{**row, **environment} for row in self._rows])
        print(f"\nwrote {self.output}")


def _duration(call):
    start = perf_counter()
    call()
    return perf_counter() - start


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
