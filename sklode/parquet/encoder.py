"""From a batch of structures to the contents of a file, all of it where the batch is worked on."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..streaming.batches import Batch
from .columns import stored_types, table, typed
from .described import Described, Describer, Failure
from .parts import Part, encoded

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True)
class File:
    """Contents of a part, and which structures it lacks."""

    content: bytes
    failures: list[Failure]


@dataclass(frozen=True)
class Encoder:
    """The work on a batch once the columns are known.

    Parameters
    ----------
    describer : Describer
    columns : pyarrow.Schema
        Of all files.
    settings : dict
        That all files state.
    stamp : list or None
        Of the files of the source.
    """

    describer: Describer
    columns: "pyarrow.Schema"
    settings: dict
    stamp: list | None

    def __call__(self, batch: Batch) -> File:
        """Describe a batch and make its file."""
        return self.file(batch, self.describer(batch))

    def file(self, batch: Batch, described: Described) -> File:
        """Make the file of a batch that is described."""
        described, kept = typed(described, stored_types(self.columns, self.describer.info_keys))
        rows = table(described, kept, self.columns)
        part = Part(
            batch.number,
            self.settings,
            batch.digest(),
            sum(kept),
            rows.num_rows,
            described.failures,
            batch.is_last,
            self.stamp,
        )
        return File(encoded(rows, part), described.failures)
