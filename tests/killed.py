"""Run in a process without threads: copies of it work, and are killed at random moments.

Arguments: what to do, a seed, the file of structures, the folder to write to. Prints how many
copies were killed, and how many different states these left behind.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet  # noqa: F401 (each copy would have to)

import sklode
from sklode.fitting import checkpoint

MOST_KILLS = 12
DENSITY = sklode.DensityProjector(cutoff=3.0, n_max=2, l_max=1)


def featurize(source, folder):
    sklode.featurize(DENSITY, source, folder, batch_atoms=40, info_keys=["number"])


def fit(source, folder):
    checkpoint._SAVE_EVERY = 0.0
    sklode.physics.blocks.EQUATION_BYTES = 2**17
    model = sklode.AtomisticRidgeCV(DENSITY).fit(source, checkpoint=folder / "state")
    np.savez(folder / "model.npz", coef=model.coef_, objective=model.cv_results_["objective"])


def state(folder):
    """What the work has left, without what is not complete."""
    paths = [path for path in folder.glob("*") if not path.name.startswith(".")]
    return frozenset((path.name, path.stat().st_mtime_ns) for path in paths)


def await_death(child, draw, folder):
    """Kill a process at any moment, or some time after its next step."""
    before, patience = state(folder), draw.choice([0.2, 60.0, 60.0])
    end = time.monotonic() + draw.uniform(0.0, patience) if patience < 1.0 else None
    while time.monotonic() < end if end else state(folder) == before:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return
        time.sleep(0.001)
    time.sleep(draw.uniform(0.0, 0.03))
    os.kill(child, signal.SIGKILL)


def main(work, seed, source, folder):
    draw, n_kills, seen, folder = random.Random(int(seed)), 0, set(), Path(folder)
    while True:
        child = os.fork()
        if not child:
            globals()[work](source, folder)
            os._exit(0)
        if n_kills < MOST_KILLS:
            await_death(child, draw, folder)
        status = os.waitpid(child, 0)[1]
        seen.add(state(folder))
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            break
        n_kills += 1
    print(n_kills, len(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
