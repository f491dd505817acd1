"""The command ``sklode``."""

import argparse
import importlib.util
import sys
from collections.abc import Sequence

from . import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="sklode", description="Long-range features of atoms for scikit-learn."
    )
    parser.add_argument("--version", action="version", version=f"sklode {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_demo(commands)
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except KeyboardInterrupt:
        return _fail("interrupted.")
    except MemoryError as error:
        return _fail(f"out of memory. {error}")
    except (OSError, ValueError, RuntimeError) as error:
        return _fail(error)


def _fail(error):
    """Say what is wrong in one line."""
    print("sklode: " + " ".join(str(error).split()), file=sys.stderr)
    return 1


def _add_demo(commands):
    demo = commands.add_parser(
        "demo",
        help="local against local + long-range features on dimers",
        description="Train ridge regression on dimers at small separations, predict the large "
        "ones, and leave whole groups out; with local features alone and with long-range ones. "
        "Without --data on the 110 S22x5 dimers.",
    )
    demo.add_argument("--data", metavar="FILE", help="extended XYZ file of your own")
    demo.add_argument(
        "--energy",
        metavar="KEY",
        help="key of the energy in eV (or in the unit under the key energy_unit); by default the "
        "calculator's energy",
    )
    demo.add_argument(
        "--group",
        metavar="KEY",
        help="key that names the molecules, left out together; by default the chemical formula",
    )
    demo.add_argument(
        "--distance", metavar="KEY", help="key of the separation; the 60 %% nearest are trained on"
    )
    demo.add_argument(
        "--fragments",
        metavar="KEY",
        help="per-atom array of integers, or key of the atom count of the first molecule; then the "
        "energies are interaction energies, otherwise total energies",
    )
    demo.add_argument(
        "--charges",
        metavar="KEY",
        help="per-atom array of charges, or key of the total charge; by default charge_A and "
        "charge_B of the fragments, initial_charges, or total_charge, if the file has them",
    )
    demo.add_argument(
        "--output", metavar="FOLDER", default="sklode_demo", help="default: %(default)s"
    )
    demo.set_defaults(run=_run_demo)


def _run_demo(options):
    from .demo.experiment import Demo
    from .demo.files import naming, output_folder, read_dimers, write_results
    from .demo.verdict import table, verdict

    keys = ("energy", "group", "distance", "fragments", "charges")
    if options.data is None and any(getattr(options, key) is not None for key in keys):
        raise ValueError(
            "--energy, --group, --distance, --fragments and --charges belong to --data FILE."
        )
    if importlib.util.find_spec("matplotlib") is None:
        raise ValueError('the pictures need matplotlib: pip install "sklode[plot]"')
    with output_folder(options.output) as folder, naming(options.data):
        dimers = read_dimers(options.data, **{key: getattr(options, key) for key in keys})
        results = Demo(dimers).run()
    unit, errors = table(results.errors)
    print(f"\n{len(results.predictions)} structures, RMSE in {unit}\n")
    print(errors.to_string(float_format=lambda value: f"{value:.4f}"))
    print("\n" + verdict(results))
    written, failures = write_results(folder, results.predictions, results.model)
    if written:
        print("\nWritten: " + ", ".join(str(path) for path in written), flush=True)
        model = next((path for path in written if path.suffix == ".skops"), None)
        if model:
            print(f'Predict with: sklode.load_model("{model}").predict(list_of_atoms)', flush=True)
    return _fail(" ".join(failures)) if failures else 0


if __name__ == "__main__":
    sys.exit(main())
