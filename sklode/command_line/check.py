"""``sklode check``: labels that are probably wrong."""

from pathlib import Path

import click

from ..inputs.keys import LabelKeys, naming
from ..inputs.labelled_files import name_of, read_files
from ..label_checks import check_labels
from ..outputs.files import check_place, keep_apart
from ..outputs.predictions import check_table, write_tables
from . import options
from .printing import in_options, say


@click.command(epilog=options.example("sklode check train.xyz --energy energy --forces forces"))
@options.files
@options.labels
@click.option("--group", metavar="KEY", help="Key of groups, which must not share structures.")
@click.option("--output", "-o", type=options.FilePath, help="CSV or Parquet of all findings.")
def check(
    files: tuple[Path, ...],
    energy: str | None,
    forces: str | None,
    stress: str | None,
    group: str | None,
    output: Path | None,
) -> None:
    """Find energies, forces and stresses in FILE that would spoil a fit.

    Wrong units and signs of stresses, forces of atoms that were held fixed, energies far from all
    others, equal structures with other labels, and more. The exit status is 1 if a finding would
    spoil a fit, and 0 if nothing or warnings were found.
    """
    if output is not None:
        check_table(output)
        keep_apart([("--output", output)], files)
        check_place(output, "--output")
    structures = read_files(files, LabelKeys(energy, forces, stress))
    with naming(name_of(files)):
        findings = check_labels(structures, groups=group)
    for (finding, severity), own in findings.groupby(["finding", "severity"], sort=False):
        first = own.iloc[0]
        say(f"{severity}: {finding} in {len(own)} of {len(structures)} structures, first in")
        say(f"  X[{first['structure']}] ({first['formula']}): {in_options(first['message'])}")
    if output is not None:
        write_tables(output, [findings])
        say(f"Written: {output}")
    spoiling = findings.loc[findings["severity"] == "error", "structure"].nunique()
    if spoiling:
        raise ValueError(
            f"{name_of(files)}: {spoiling} of {len(structures)} structures have labels that would "
            "spoil a fit."
        )
    say(f"{len(structures)} structures: no label that would spoil a fit was found.")
