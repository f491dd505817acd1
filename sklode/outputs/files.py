"""Files that are complete or not there, and places that are tried before long work."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

_PROBE = 2**20  # bytes that must fit into a folder before the work begins


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A place to write to, which gets the name of the file when all is written.

    Raises
    ------
    OSError
        If the file cannot be written; one that was there before stays as it was.
    """
    path = Path(path)
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        yield unfinished
        unfinished.replace(path)
    except OSError as error:
        raise OSError(f"{path} was not written ({error.strerror or error}).") from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


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
        _probe(path.parent)
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
