"""One worker or two: sklode with n_jobs=1 and n_jobs=2.

BLAS and OpenMP have one thread in every process, so that n_jobs is the number of processes that
work. joblib starts them in the call that warms up; data go to them and results come back within the
timing. Each timed call follows one of its kind that is not timed, so that both cores are awake.
Structures are handed out in chunks; inside a single large one, threads of one process share its
pairs, its mesh and its rows instead.
"""

import harness  # before numpy

# isort: split

from functools import partial

import bench_density
import bench_long_range
import records
import systems

from sklode import DensityProjector

N_JOBS = (1, 2)


def density(structures, n_jobs):
    """Power spectrum of every atom, ready to be timed."""
    projector = DensityProjector(**bench_density.CRYSTALS, n_jobs=n_jobs)
    return bench_density.sklode(structures, projector, "transform_atoms")


def long_range(structures, n_jobs):
    """LODE coefficients of every atom, ready to be timed."""
    k_cutoff = bench_long_range.K_CUTOFF
    return bench_long_range.sklode(structures, k_cutoff=k_cutoff, n_jobs=n_jobs)


def cases(structures, code, prepare, system, rounds):
    """Both numbers of workers, after a check that they change nothing."""
    alone = prepare(structures, n_jobs=1)()
    for n_jobs in N_JOBS:
        values = prepare(structures, n_jobs=n_jobs)()
        yield harness.Case(
            f"{code}, n_jobs={n_jobs}",
            partial(prepare, n_jobs=n_jobs),
            records.agreement(values, alone, 1e-12, f"{system}, {code}, n_jobs={n_jobs}"),
            parameters=f"n_jobs={n_jobs}",
            rounds=rounds,
            memory=False,
            again=True,
        )


def main():
    benchmark = harness.Benchmark("parallel", __doc__)
    many, large = (40, 512) if benchmark.quick else (200, 10_000)
    sets = {
        f"{many} of 64 atoms": (systems.different_cells(many, 64), None),
        f"{large} atoms": ([systems.ionic(large)], 3),
    }
    codes = {"sklode, V": long_range, "sklode, rho": density}
    for system, (structures, rounds) in sets.items():
        for code, prepare in codes.items():
            each = list(cases(structures, code, prepare, system, rounds))
            benchmark.compare(system, structures, each)
    benchmark.save()


if __name__ == "__main__":
    main()
