"""Other processes that tests start."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def killed(work, seed, source, folder):
    """Let copies of a process work and be killed, as killed.py does; how often, and its states."""
    command = [sys.executable, HERE / "killed.py", work, seed, source, folder]
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return map(int, done.stdout.split())
