"""Other processes that tests start."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def killed(work, seed, source, folder):
    """Let copies of a process work and be killed, as killed.py does; how often, and its states."""
    return map(int, _run(HERE / "killed.py", work, seed, source, folder).split())


def python(program, *arguments):
    """What a program prints."""
    return _run("-c", program, *arguments)


def _run(*arguments):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
