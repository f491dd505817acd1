"""Run in a process without threads: copies of it work, and are killed at random moments.

Arguments: a seed, the file of structures, the folder to write to.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import pyarrow.parquet  # noqa: F401 (each copy would have to)

import sklode

MOST_KILLS = 12


def work(source, folder):
    density = sklode.DensityProjector(cutoff=3.0, n_max=2, l_max=1)
    sklode.featurize(density, source, folder, batch_atoms=40, info_keys=["number"])


def main(seed, source, folder):
    draw, n_kills, seen = random.Random(int(seed)), 0, set()
    while True:
        child = os.fork()
        if not child:
            work(source, folder)
            os._exit(0)
        if n_kills < MOST_KILLS:
            await_death(child, draw, Path(folder))
        status = os.waitpid(child, 0)[1]
        seen.add(n_parts(Path(folder)))
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            break
        n_kills += 1
    print(n_kills, len(seen))


def await_death(child, draw, folder):
    """Kill a process at any moment, or some time after its next part."""
    before, patience = n_parts(folder), draw.choice([0.2, 60.0, 60.0])
    end = time.monotonic() + draw.uniform(0.0, patience) if patience < 1.0 else None
    while time.monotonic() < end if end else n_parts(folder) == before:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return
        time.sleep(0.001)
    time.sleep(draw.uniform(0.0, 0.03))
    os.kill(child, signal.SIGKILL)


def n_parts(folder):
    return len(list(folder.glob("part-*.parquet")))


if __name__ == "__main__":
    main(*sys.argv[1:])
