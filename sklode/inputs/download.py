"""Where data sets are kept, and how a file gets there: once, checked, and never replaced."""

import hashlib
import os
from pathlib import Path


def get_data_home(data_home: str | os.PathLike[str] | None = None) -> Path:
    """Folder in which downloaded data sets are kept. It need not exist.

    Parameters
    ----------
    data_home : str or path-like, default=None
        None takes the environment variable ``SKLODE_DATA``, or else ``~/sklode_data``.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    TypeError, ValueError
        If ``data_home`` is no path, or begins with ``~`` and a user that does not exist.

    Examples
    --------
    >>> from sklode.datasets import get_data_home
    >>> get_data_home("my_data").name
    'my_data'
    """
    if data_home is None:
        data_home = os.environ.get("SKLODE_DATA") or Path("~") / "sklode_data"
    if not isinstance(data_home, (str, os.PathLike)):
        raise TypeError(f"data_home must be a path or None; got {data_home!r:.60}.")
    try:
        return Path(data_home).expanduser()
    except RuntimeError as error:
        raise ValueError(f"data_home={str(data_home)!r} has no home folder: {error}") from error


def fetch_file(url, sha256, folder, names, *, download_if_missing):
    """Path of a checked file: one of ``names`` in ``folder``, else downloaded as the first.

    Raises
    ------
    OSError
        If the file is absent and may not or cannot be downloaded, cannot be read, or has other
        contents.
    """
    found = [folder / name for name in names if (folder / name).is_file()]
    if not found:
        path = folder / names[0]
        _check_place(path)
        if not download_if_missing:
            raise OSError(f"Data not found at {path} and `download_if_missing` is False")
        _download(url, sha256, path)
        return path
    _check_hash(found[0], sha256)
    return found[0]


def _check_place(path):
    """Refuse something else in the place of a file, or of the folders that hold it."""
    for place in (path, *path.parents):
        if place.exists():
            if place.is_dir() != (place != path):
                kind = "a folder, not a file" if place == path else "not a folder"
                raise OSError(f"{place} is {kind}. Remove it, or give another `data_home`.")
            return


def _check_hash(path, sha256):
    try:
        actual = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise OSError(
            f"{path} cannot be read: {error}. Make it readable, or give another `data_home`."
        ) from error
    if actual != sha256:
        raise OSError(
            f"{path} is damaged or is another file: its SHA-256 is {actual}, expected {sha256}. "
            "Delete it and call again to download it anew."
        )


def _download(url, sha256, path):
    import pooch  # brings requests along, which only a download needs

    try:
        pooch.retrieve(url, f"sha256:{sha256}", path.name, path.parent, progressbar=True)
    except (OSError, ValueError) as error:  # no network, no place to write; wrong contents
        raise OSError(
            f"Could not download {url} to {path}: {error}\n"
            f"Download it by hand from that address and save it as {path}, or give another "
            "`data_home`."
        ) from error
