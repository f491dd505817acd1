"""Files that are complete or not there, and places that are tried before long work."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from tempfile import NamedTemporaryFile

_PROBE = 2**20  # bytes that must fit into a folder before the work begins
_OTHER = "Give it another name."


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A place to write to, which gets the name of the file when all is written.

    Raises
    ------
    OSError
        If the file cannot be written; one that was there before stays as it was.
    """
    path = Path(path)
    place = path.resolve()  # a link stays one
    unfinished = place.with_name(_unfinished(place.name))
    try:
        _refuse_devices(place)
        yield unfinished
        unfinished.replace(place)
    except OSError as error:
        raise OSError(f"{path} was not written ({error.strerror or error}).") from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _unfinished(name):
    """A hidden name, the same each time, which is not too long where the name itself is not."""
    return f".{blake2b(os.fsencode(name), digest_size=8).hexdigest()}.unfinished"


def _refuse_devices(place):
    """Refuse pipes and devices, which a file would replace."""
    if place.exists() and not place.is_file():
        raise OSError("it is no regular file")


def keep_apart(outputs: Iterable[tuple[str, Path | None]], inputs: Iterable[Path | None]) -> None:
    """Refuse to write over what is read, or twice to the same file.

    Parameters
    ----------
    outputs : iterable of (str, path-like or None)
        Each with the option that names it.
    inputs : iterable of path-like or None
        Also patterns.

    Raises
    ------
    ValueError
        If two are the same file, by whatever names and links.
    """
    read = [name for path in inputs if path is not None for name in _named(path)]
    written: dict[Path, str] = {}
    for option, path in outputs:
        if path is None:
            continue
        if os.path.exists(path) and any(path.samefile(name) for name in read):
            raise ValueError(f"{option} {path}: is an input too, and would be lost. {_OTHER}")
        place = path.resolve()
        if place in written:
            raise ValueError(f"{option} {path}: is the file of {written[place]} too. {_OTHER}")
        written[place] = option


def _named(path):
    """Files that a name or a pattern stands for."""
    found = [str(path)] if os.path.exists(path) else glob.glob(str(path), recursive=True)
    return [name for name in found if os.path.exists(name)]


def check_place(path: str | Path, option: str) -> Path:
    """A path at which a file can be written, for what takes long before it writes it.

    Parameters
    ----------
    path : path-like
    option : str
        That names the file, for messages.

    Returns
    -------
    Path

    Raises
    ------
    OSError
        If nothing can be written there.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(None, "it is a folder")
        if not path.parent.exists():
            raise FileNotFoundError(None, f"there is no folder {path.parent}")
        with suppress(FileNotFoundError):
            path.stat()  # names that are too long
        _refuse_devices(path)
        _probe(path.resolve().parent)
    except OSError as error:
        raise OSError(
            f"{option} {path}: cannot be written ({error.strerror or error}). Give another file."
        ) from error
    return path


@contextmanager
def output_folder(path: str | Path, names: Sequence[str]) -> Iterator[Path]:
    """A folder into which files can be written, for what takes long before it writes them.

    Folders that had to be made are removed again if the work fails.

    Parameters
    ----------
    path : path-like
    names : sequence of str
        Of the files.

    Raises
    ------
    OSError
        If nothing can be written there.
    """
    folder = Path(path)
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name in names:
                if (folder / name).is_dir():
                    raise IsADirectoryError(None, f"it holds a folder called {name}")
                _refuse_devices(folder / name)
            _probe(folder)
        except OSError as error:
            taken = isinstance(error, FileExistsError)
            reason = "it is no folder" if taken else error.strerror or error
            raise OSError(
                f"--output {folder}: cannot be written to ({reason}). Give another folder."
            ) from error
        yield folder
    except BaseException:
        for place in made:
            with suppress(OSError):  # not made, or no longer empty
                place.rmdir()
        raise


def _probe(folder):
    """Write a little, and remove it."""
    with NamedTemporaryFile(dir=folder, prefix=".probe") as probe:
        probe.write(bytes(_PROBE))
        probe.flush()
