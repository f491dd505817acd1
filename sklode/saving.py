"""Models on disk, as skops files, which run no code when they are read."""

from pathlib import Path

from sklearn.base import BaseEstimator


def save_model(model: BaseEstimator, path: str | Path) -> None:
    """Write a fitted model to a file.

    Parameters
    ----------
    model : estimator
        Of this package and scikit-learn.
    path : path-like
        Usually with the suffix ".skops".
    """
    import skops.io

    skops.io.dump(model, path)


def load_model(path: str | Path) -> BaseEstimator:
    """Read a model that `save_model` or ``skops.io.dump`` wrote.

    A skops file holds numbers and names of types, no code; only types of this package are trusted
    beyond those that skops knows.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    estimator

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no skops file, or holds types of other packages; the message names them. Read those
        that you trust with ``skops.io.load``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from ase.build import molecule
    >>> from sklode import DensityProjector, load_model, save_model
    >>> rho = DensityProjector(n_max=2, l_max=1).fit([molecule("H2O")])
    >>> with TemporaryDirectory() as folder:
    ...     save_model(rho, Path(folder) / "rho.skops")
    ...     load_model(Path(folder) / "rho.skops").transform([molecule("H2O")]).shape
    (1, 24)
    """
    import skops.io

    path = Path(path)
    with path.open("rb"):  # errors of the file itself are those of the system
        pass
    try:
        unknown = skops.io.get_untrusted_types(file=path)
    except Exception as error:
        raise ValueError(f"{path}: is no skops file ({error}).") from error
    others = [name for name in unknown if not name.startswith("sklode.")]
    if others:
        raise ValueError(
            f"{path}: holds types of other packages, {', '.join(others)}. If you trust them, "
            f"read it with skops.io.load({str(path)!r}, trusted={unknown})."
        )
    return skops.io.load(path, trusted=unknown)
