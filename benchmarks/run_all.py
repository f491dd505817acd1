"""Run all benchmarks, one after the other, and draw the figure and tables of the documentation.

Every script is a process of its own, with one thread. ``--quick`` is a smoke run: small structures,
nothing written but in a temporary folder.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

HERE = Path(__file__).parent
WITH_DATA = ("density", "gradients")
NAMES = (
    "long_range",
    "methods",
    "density",
    "multipoles",
    "slabs",
    "parallel",
    "gradients",
    "ridge",
    "simulation",
    "search",
    "featurize",
)


def run(step, script, *arguments):
    """One script; its failure ends the run."""
    print(f"\n=== {step}: {script}", flush=True)
    start = perf_counter()
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    status = subprocess.run(command, check=False).returncode
    if status:
        raise SystemExit(f"\n{script} failed (exit status {status}): see its message above")
    print(f"=== {script}: {perf_counter() - start:.0f} s", flush=True)


def run_all(names, options, data, results, *drawing):
    """All scripts, with results in the folder, then the figure."""
    for number, name in enumerate(names, 1):
        extra = ["--data", data] if name in WITH_DATA and data else []
        step = f"{number} of {len(names) + 1}"
        run(step, f"bench_{name}.py", *options, *extra, "--output", results / f"{name}.csv")
    run(f"{len(names) + 1} of {len(names) + 1}", "draw.py", "--results", results, *drawing)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smoke run that keeps nothing")
    parser.add_argument("--rounds", type=int, help="timed rounds of every script")
    parser.add_argument("--data", type=Path, help="folder with files of dimers (bench_density.py)")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, help="not all of them")
    arguments = parser.parse_args()
    options = ["--rounds", arguments.rounds] if arguments.rounds else []
    start = perf_counter()
    if arguments.quick:
        with tempfile.TemporaryDirectory() as folder:
            results = Path(folder)
            options = ["--quick", *options]
            run_all(arguments.only, options, arguments.data, results, "--figures", results)
    else:
        run_all(arguments.only, options, arguments.data, HERE / "results")
    print(f"\nall done in {(perf_counter() - start) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
