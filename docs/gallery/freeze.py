"""Compute examples of the gallery in full and store their numbers: ``python freeze.py NAME ...``.

Data files are looked for in ``sklode.datasets.get_data_home()``. Without names, all are computed.
"""

import importlib
import sys
from pathlib import Path

import gallery
import matplotlib as mpl

FOLDER = Path(__file__).parent
LONG = [p.stem for folder in ("models", "real") for p in sorted((FOLDER / folder).glob("*.py"))]


def main(names):
    """Compute and store the examples of these names."""
    mpl.use("Agg")
    gallery.frozen = lambda name: None  # so that examples compute what they show
    sys.path[:0] = [str(FOLDER / "models"), str(FOLDER / "real")]
    for name in names or LONG:
        gallery.freeze(name, importlib.import_module(name).numbers)


if __name__ == "__main__":
    main(sys.argv[1:])
