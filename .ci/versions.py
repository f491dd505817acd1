#!/usr/bin/env python3
"""Run the fast tests with the oldest direct dependencies, and on each Python with the newest ones.

In CI, where the README's command has run them on the default Python, the newest on the newest one,
the quick ones of these tests.
"""

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

MINORS = range(11, 15)
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"


def interpreter(minor):
    """A Python 3.``minor`` that can make environments, or None."""
    for path in [f"python3.{minor}", *sorted(PYENV.glob(f"3.{minor}.*/bin/python3"))]:
        try:
            subprocess.run([path, "-c", "import ensurepip"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return str(path)
    return None


def lower_bounds():
    """What pip calls constraints, from the bounds that pyproject.toml states."""
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    stated = [
        *project["dependencies"],
        *extras["plot"],
        *extras["explore"],
        *extras["dask"],
        *extras["io"],
        *extras["test"],
    ]
    return [re.sub(r"\[.*?\]", "", r).replace(">=", "==") for r in stated if ">=" in r]


def main():
    """Install everything at once, test one after the other, and fail if anything failed."""
    pythons = {minor: interpreter(minor) for minor in MINORS}
    found = [minor for minor in MINORS if pythons[minor]]
    chosen = found
    if "CI" in os.environ:
        chosen = [minor for minor in found[-1:] if minor != sys.version_info.minor]
    runs = {f"oldest dependencies, Python 3.{found[0]}": (pythons[found[0]], True)}
    runs |= {f"newest dependencies, Python 3.{minor}": (pythons[minor], False) for minor in chosen}

    with tempfile.TemporaryDirectory() as folder:
        oldest = Path(folder) / "oldest.txt"
        oldest.write_text("\n".join(lower_bounds()))
        pip = [sys.executable, "-m", "pip", "--quiet", "wheel", "--no-deps", "-w", folder, "."]
        subprocess.run(pip, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        installs = []
        for name, (python, is_oldest) in runs.items():
            environment = Path(folder) / name.replace(" ", "-")
            subprocess.run([python, "-m", "venv", environment], check=True)
            pip = [environment / "bin" / "python", "-m", "pip", "--quiet", "install"]
            pip += ["--no-compile", f"{wheel}[test]"]  # what is imported is compiled then
            installs.append(subprocess.Popen(pip + is_oldest * ["-c", oldest]))
        failed = [name for name, p in zip(runs, installs, strict=True) if p.wait()]
        for name in runs:
            print(f"--- {name}", flush=True)
            pytest = [Path(folder) / name.replace(" ", "-") / "bin" / "python", "-m", "pytest"]
            # the default Python has run all with the newest ones; another one runs the quick ones
            if "CI" in os.environ and name.startswith("newest"):
                pytest += Path("tests/quick.txt").read_text().split()
            if name not in failed and subprocess.run(pytest, check=False).returncode:
                failed.append(name)

    for minor in set(MINORS) - set(found):
        print(f"Python 3.{minor} is not at hand")
    return f"failed: {'; '.join(failed)}" if failed else 0


if __name__ == "__main__":
    sys.exit(main())
