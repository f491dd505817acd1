"""Where data sets are kept, and how a file gets there: once, checked, and never replaced."""

import hashlib
import os
from pathlib import Path


def get_data_home(data_home=None):
    """Folder in which downloaded data sets are kept. It need not exist.

    Parameters
    ----------
    data_home : str or path-like, default=None
        None takes the environment variable ``SKLODE_DATA``, or else ``~/sklode_data``.

    Returns
    -------
    pathlib.Path

    Examples
    --------
    >>> from sklode.datasets import get_data_home
    >>> get_data_home("my_data").name
    'my_data'
    """
    if data_home is None:
        data_home = os.environ.get("SKLODE_DATA") or Path("~") / "sklode_data"
    return Path(data_home).expanduser()


def fetch_file(url, sha256, folder, names, *, download_if_missing):
    """Path of a checked file: one of ``names`` in ``folder``, else downloaded as the first.

    Raises
    ------
    OSError
        If the file is absent and may not or cannot be downloaded, or has other contents.
    """
    found = [folder / name for name in names if (folder / name).exists()]
    if not found:
        path = folder / names[0]
        if not download_if_missing:
            raise OSError(f"Data not found at {path} and `download_if_missing` is False")
        _download(url, sha256, path)
        return path
    _check_hash(found[0], sha256)
    return found[0]


def _check_hash(path, sha256):
    actual = hashlib.sha256(path.read_bytes()).hexdigest()
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
