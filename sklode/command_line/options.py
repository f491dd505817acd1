"""Options that several commands have."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from joblib import parallel_config

FilePath = click.Path(path_type=Path)


def example(*commands: str) -> str:
    """What help shows at its end, as it is."""
    return "\n".join(["\b", "Example:", *(f"  {command}" for command in commands)])


def files(function: Callable) -> Callable:
    """Structures, in one file or more."""
    argument = click.argument("files", metavar="FILE...", nargs=-1, required=True, type=FilePath)
    return argument(function)


def model_file(function: Callable) -> Callable:
    """A model that was saved."""
    return click.argument("model", metavar="MODEL", type=FilePath)(function)


def labels(function: Callable) -> Callable:
    """Keys of energies, forces and stresses."""
    return _all(
        function,
        click.option(
            "--energy",
            metavar="KEY",
            help="Key of the energy in eV (or in the unit under the key energy_unit). By default "
            "energies, forces and stresses are those of the calculator; with a key, nothing is "
            "read that is not named.",
        ),
        click.option("--forces", metavar="KEY", help="Per-atom array of forces in eV/angstrom."),
        click.option("--stress", metavar="KEY", help="Key of the stress in eV/angstrom^3."),
    )


def group(function: Callable) -> Callable:
    """Key of groups."""
    return click.option(
        "--group",
        metavar="KEY",
        help="Key that names what belongs together, and is left out together. By default the "
        "chemical formula, or tenths of the structures of each formula where there are few.",
    )(function)


def fragments(function: Callable) -> Callable:
    """What tells the molecules of a structure apart."""
    return click.option(
        "--fragments",
        metavar="KEY",
        help="Per-atom array of integers, or key of the atom count of the first molecule; then "
        "energies are those of interaction. The model reads the array 'fragment' made of it.",
    )(function)


def arrays(function: Callable) -> Callable:
    """Keys of per-atom arrays that a model was fitted with."""
    return _all(
        function,
        fragments,
        click.option(
            "--charges",
            metavar="KEY",
            help="Of models with charges: key of the total charge; not needed where the per-atom "
            "array is there. By default charge_A and charge_B, with --fragments.",
        ),
    )


def features(function: Callable) -> Callable:
    """What describes structures: two blocks, or a transformer that was saved."""
    return _all(
        function,
        click.option(
            "--transformer",
            metavar="FILE",
            type=FilePath,
            help="A saved transformer or model, in place of all other options of features.",
        ),
        click.option("--cutoff", type=float, default=5.0, help="Of the local density, angstrom."),
        click.option("--n-max", type=int, default=6, help="Radial functions of the density."),
        click.option("--l-max", type=int, default=4, help="Highest degree of the density."),
        click.option(
            "--exponent",
            type=float,
            multiple=True,
            default=[1.0],
            help="p of the potential 1/r^p; may be given more than once.",
        ),
        click.option("--smearing", type=float, default=1.0, help="Of the potential, angstrom."),
        click.option(
            "--charges",
            metavar="ARRAY",
            help="Per-atom array of charges that make the potential. By default each element makes "
            "one of its own.",
        ),
        click.option("--local-only", is_flag=True, help="No long-range block, for comparison."),
    )


def workers(function: Callable) -> Callable:
    """Number of workers, for all of the command."""

    def configure(context: click.Context, option: click.Parameter, value: int | None) -> None:
        if value == 0:
            raise click.BadParameter("must be a number of workers, or -1 for all cores.")
        context.with_resource(parallel_config(n_jobs=value))

    return click.option(
        "--n-jobs",
        type=int,
        callback=configure,
        expose_value=False,
        help="Number of workers, -1 for all cores. By default one.",
    )(function)


def seed(function: Callable) -> Callable:
    """What makes a random choice again."""
    return click.option(
        "--seed", type=click.IntRange(min=0), default=0, help="Of the random choice of groups."
    )(function)


def _all(function: Callable, *decorators: Any) -> Callable:
    """Decorate such that help has the options in this order."""
    for decorator in reversed(decorators):
        function = decorator(function)
    return function
