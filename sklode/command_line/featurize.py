"""``sklode featurize``: features of the structures in files, in a folder of Parquet."""

from pathlib import Path
from typing import Any, Literal

import click

from ..outputs.files import check_place, keep_apart, whole_file
from ..parquet.featurization import featurize as write_features
from ..saving import save_model
from ..streaming.fitted import fitted_to
from ..streaming.sources import Source
from . import options
from .models import features_of
from .printing import say


@click.command(epilog=options.example("sklode featurize train.xyz -o features --info-key molecule"))
@options.files
@click.option(
    "--output",
    "-o",
    metavar="FOLDER",
    type=options.FilePath,
    default="features",
    help="Where the parts of the data set go.",
)
@options.features
@click.option(
    "--save",
    metavar="FILE",
    type=options.FilePath,
    help="Keep the transformer, which gives other structures the same columns.",
)
@click.option(
    "--level",
    type=click.Choice(["structure", "atom"]),
    default="structure",
    help="What a row describes.",
)
@click.option("--info-key", metavar="KEY", multiple=True, help="A key that gets a column.")
@click.option(
    "--on-error",
    type=click.Choice(["raise", "skip"]),
    default="raise",
    help="Whether a structure that cannot be described ends the work or is listed.",
)
@click.option("--batch-atoms", type=int, help="Atoms of a part. By default chosen.")
@options.workers
def featurize(
    files: tuple[Path, ...],
    output: Path,
    save: Path | None,
    level: Literal["structure", "atom"],
    info_key: tuple[str, ...],
    on_error: Literal["raise", "skip"],
    batch_atoms: int | None,
    **features: Any,
) -> None:
    """Describe the structures in FILE by rows of features.

    They are read as they are needed, so that there may be more than fit in memory. The folder is
    read by pandas, polars, duckdb and dask. After an interruption the same command goes on.
    """
    if save is not None:
        keep_apart([("--save", save)], [*files, features["transformer"]])
        check_place(save, "--save")
    source = Source([str(path) for path in files])
    transformer = fitted_to(features_of(**features), source)
    if save is not None:
        with whole_file(save) as unfinished:
            save_model(transformer, unfinished)
    try:
        dataset = write_features(
            transformer,
            source,
            output,
            level=level,
            batch_atoms=batch_atoms,
            on_error=on_error,
            info_keys=info_key,
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"The same command goes on with what is in {output}.") from None
    for failure in dataset.skipped.itertuples():
        say(f"skipped: {failure.reason}")
    names = dataset.feature_names
    say(f"Written: {output} ({dataset.n_rows} rows of {len(names)} features)")
