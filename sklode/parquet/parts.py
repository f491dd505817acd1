"""Files of a data set: each complete or not there, and each says what it was made from."""

import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from .arrow import arrow
from .described import Failure

if TYPE_CHECKING:
    import pyarrow

# keys of the metadata of a file
_SETTINGS, _PART, _CHECK = b"sklode", b"sklode.part", b"sklode.checksum"


@dataclass(frozen=True)
class Part:
    """What a file says of itself.

    Attributes
    ----------
    number : int
        Place among the parts.
    settings : dict
        Those of the data set.
    digest : str
        Of the structures, those without rows included.
    n_structures, n_rows : int
        Of those that have rows.
    failures : list of Failure
    is_last : bool
    stamp : list or None
        Of the files that the structures come from.
    """

    number: int
    settings: dict
    digest: str
    n_structures: int
    n_rows: int
    failures: list[Failure]
    is_last: bool
    stamp: list | None


def part_path(folder: Path, number: int) -> Path:
    """Path of a part."""
    return folder / f"part-{number:06d}.parquet"


def part_paths(folder: Path) -> list[Path]:
    """Paths of the parts that are there, in order."""
    return sorted(folder.glob("part-*.parquet"), key=lambda path: (len(path.name), path.name))


def read_part(path: Path) -> Part | None:
    """What a file says of itself; None if it is damaged.

    Raises
    ------
    ValueError
        If it is no part of a data set of features.
    """
    pa = arrow()
    try:
        metadata = pa.parquet.read_metadata(path)
        pairs, names = metadata.metadata or {}, metadata.schema.names
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        return None
    if not pairs.keys() >= {_SETTINGS, _PART, _CHECK}:
        raise ValueError(
            f"{path} was not written by sklode.featurize, or by another version of it. Give "
            "another folder."
        )
    if pairs[_CHECK] != _checksum(pairs[_SETTINGS], pairs[_PART], names, metadata.num_rows):
        return None
    stored = json.loads(pairs[_PART])
    stored["failures"] = [Failure(**failure) for failure in stored["failures"]]
    return Part(settings=json.loads(pairs[_SETTINGS]), n_rows=metadata.num_rows, **stored)


def _checksum(settings, part, names, n_rows):
    """Of what no page of the file holds; pages have their own."""
    return b"%d" % zlib.crc32(b"\n".join([settings, part, json.dumps([names, n_rows]).encode()]))


def damaged(path: Path) -> ValueError:
    """Make the error about a part that cannot be used."""
    return ValueError(
        f"{path} is damaged. Remove it and call sklode.featurize again, which makes what is "
        "missing."
    )


def read_rows(path: Path, n_rows: int, columns: list[str] | None) -> pd.DataFrame:
    """Rows of a part.

    Raises
    ------
    ValueError
        If a page is not as it was written.
    """
    pa = arrow()
    try:
        frame = pd.read_parquet(
            path, engine="pyarrow", columns=columns, page_checksum_verification=True
        )
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise damaged(path) from error
    if len(frame) != n_rows:
        raise damaged(path)
    return frame


def settings_metadata(settings: dict[str, Any]) -> dict[str, str]:
    """Metadata of a schema, with the settings of a data set."""
    return {_SETTINGS.decode(): json.dumps(settings)}


def encoded(table: "pyarrow.Table", part: Part) -> bytes:
    """Contents of the file of a part."""
    pa = arrow()
    stored = asdict(part)
    del stored["settings"], stored["n_rows"]
    metadata = {**(table.schema.metadata or {}), _PART: json.dumps(stored).encode()}
    names = table.schema.names
    metadata[_CHECK] = _checksum(metadata[_SETTINGS], metadata[_PART], names, table.num_rows)
    labels = [f.name for f in table.schema if not pa.types.is_floating(f.type)]
    stream = pa.BufferOutputStream()
    pa.parquet.write_table(
        table.replace_schema_metadata(metadata),
        stream,
        use_dictionary=labels,
        write_statistics=labels,
        write_page_checksum=True,
    )
    return stream.getvalue().to_pybytes()


def write_part(folder: Path, number: int, content: bytes) -> None:
    """Write a part under another name, and rename it when it is complete.

    Raises
    ------
    OSError
        If there is no room, or the folder cannot be written to. Nothing is left behind.
    """
    path = part_path(folder, number)
    temporary = folder / f".{path.name}.{os.getpid()}.tmp"
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OSError(
            error.errno, f"{path.name} could not be written ({error.strerror or error})."
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def remove_unfinished(folder: Path) -> None:
    """Remove what a killed process has left."""
    for path in folder.glob(".part-*.parquet.*.tmp"):
        path.unlink(missing_ok=True)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes from writing to a folder, where the system can do that.

    Raises
    ------
    RuntimeError
        If another process does so already.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(
                f"Another process is writing to {folder}. Wait for it, or give another folder."
            ) from None
        except OSError:  # file systems without locks
            pass
        yield
    finally:
        os.close(descriptor)  # which unlocks it; so does the end of the process, however it comes
