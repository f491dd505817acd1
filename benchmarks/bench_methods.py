"""Direct k-sum or mesh: what `method="auto"` chooses, against both, by the number of atoms.

The coefficients of bench_long_range with k_cutoff = 1.2 pi. The first row of a system is "auto".
"""

import harness  # before numpy

# isort: split

from functools import partial

import bench_long_range
import records
import systems

METHODS = {"sklode": "auto", "sklode, direct": "direct", "sklode, mesh": "nufft"}
LIMIT = 1e-5  # the mesh has an accuracy of its own, better than that of the sphere of k-vectors
SIZES = (100, 216, 512, 1000, 4096, 10_000, 20_000)
LONG = 5000  # atoms from which the direct sum is timed once
VERY_LONG = 15_000  # and from which it is not called for anything else


def cases(structures, system):
    """The three methods, after a check that they have the same numbers."""
    n_atoms = len(structures[0])
    prepared = {
        code: partial(bench_long_range.sklode, k_cutoff=bench_long_range.K_CUTOFF, method=method)
        for code, method in METHODS.items()
    }
    values = prepared["sklode"](structures)()
    for code, prepare in prepared.items():
        slow = code == "sklode, direct" and n_atoms > LONG
        once = slow and n_atoms > VERY_LONG
        deviation = None
        if not once:
            what = f"{system}, {code}"
            deviation = records.agreement(prepare(structures)(), values, LIMIT, what)
        yield harness.Case(
            code,
            prepare,
            deviation,
            parameters=f"method={METHODS[code]}",
            rounds=1 if slow else None,
            warm_up=not slow,
            memory=not once,
        )


def main():
    benchmark = harness.Benchmark("methods", __doc__)
    if not bench_long_range.has_mesh():
        print("this sklode has no parameter `method`: nothing to compare")
        return
    for size in (100, 216) if benchmark.quick else SIZES:
        system, structures = f"{size} atoms", [systems.ionic(size)]
        rows = benchmark.compare(system, structures, list(cases(structures, system)))
        best = min(row["ratio_to_sklode"] for row in rows)
        print(f"auto takes {1.0 / best:.2f} times as long as the best method")
    benchmark.save()


if __name__ == "__main__":
    main()
