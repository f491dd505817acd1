"""What the numbers of the benchmarks go through: agreement, ratios, CSV files, printed tables."""

import csv
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

_NUMBERS = (
    "n_structures",
    "n_atoms",
    "rounds",
    "seconds_median",
    "seconds_min",
    "seconds_max",
    "microseconds_per_atom",
    "ratio_to_sklode",
    "max_relative_deviation",
    "error",
    "peak_memory_mb",
)
RESULTS = Path(__file__).parent / "results"
_PACKAGES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "vesin",
    "sphericart",
    "finufft",
    "featomic",
    "dscribe",
    "torch",
    "torch-pme",
    "mace-torch",
)


def agreement(values, reference, limit=None, what=""):
    """Largest difference over the largest reference; ends the run if it is above ``limit``."""
    deviation = np.abs(values - reference).max() / np.abs(reference).max()
    return _checked(deviation, limit, what)


def rms_agreement(values, reference, limit=None, what=""):
    """Root mean square of the difference over that of the reference, checked as `agreement`."""
    deviation = np.sqrt(np.mean((values - reference) ** 2) / np.mean(reference**2))
    return _checked(deviation, limit, what)


def _checked(deviation, limit, what):
    if limit is not None:
        print(f"agreement, {what}: {deviation:.1e} (limit {limit:.0e})", flush=True)
        if not deviation <= limit:
            raise SystemExit(f"{what}: deviates by {deviation:.1e}, more than {limit:.0e}")
    return float(deviation)


def paired_ratios(seconds):
    """Median over the rounds of the time over that of the first column in the same round.

    ``seconds`` has one row a round; nan where a column, but not the first one, was not timed.
    """
    return np.nanmedian(seconds / seconds[:, :1], axis=0)


def coarsest_within(candidates, error_of, limit):
    """The first of ``candidates``, from coarse to fine, whose error is not above ``limit``.

    Found by bisection, as if the error never rose from one candidate to the next.

    Returns
    -------
    candidate, error
    """
    candidates = list(candidates)
    low, high = 0, len(candidates) - 1
    errors = {high: error_of(candidates[high])}
    if not errors[high] <= limit:
        raise SystemExit(f"{candidates[high]:g}: error {errors[high]:.1e}, above {limit:.1e}")
    while low < high:
        middle = (low + high) // 2
        errors[middle] = error_of(candidates[middle])
        low, high = (low, middle) if errors[middle] <= limit else (middle + 1, high)
    return candidates[high], errors[high]


def write(path, rows):
    """CSV of the rows (dicts with the same keys), with four digits."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _rounded(value) for key, value in row.items()} for row in rows)


def read(path):
    """Rows of a CSV as dicts: numbers and texts, None where nothing is."""
    with open(path, newline="") as file:
        return [{k: _parsed(k, text) for k, text in row.items()} for row in csv.DictReader(file)]


def _parsed(key, text):
    if not text:
        return None
    return float(text) if key in _NUMBERS else text


def _rounded(value):
    return f"{value:.4g}" if isinstance(value, float) else value


def environment():
    """Versions of everything that matters, and the machine."""
    import sklode

    versions = {"python": platform.python_version(), "sklode": sklode.__version__}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return {**versions, "cpu": cpu_model(), "cores": os.cpu_count()}


def cpu_model():
    """Name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def show(title, rows):
    """Print the rows of one system."""
    width = max(len(row["code"]) for row in rows)
    print(f"\n{title}")
    print(
        f"{'':{width}}  {'ms':>9}  {'(min - max)':>19}  {'us/atom':>8}  {'ratio':>6}"
        f"  {'deviation':>9}  {'error':>7}  {'peak MB':>7}"
    )
    for row in rows:
        low, high = 1e3 * row["seconds_min"], 1e3 * row["seconds_max"]
        print(
            f"{row['code']:{width}}  {1e3 * row['seconds_median']:9.2f}"
            f"  {f'({low:.2f} - {high:.2f})':>19}  {row['microseconds_per_atom']:8.1f}"
            f"  {row['ratio_to_sklode']:6.2f}  {_or_dash(row['max_relative_deviation'], '9.0e')}"
            f"  {_or_dash(row['error'], '7.0e')}  {_or_dash(row['peak_memory_mb'], '7.0f')}",
            flush=True,
        )


def _or_dash(value, spec):
    width = int(spec.split(".")[0])
    return f"{'-':>{width}}" if value is None else f"{value:{spec}}"
