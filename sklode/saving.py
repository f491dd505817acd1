"""Models on disk, as skops files, which run no code when they are read."""

from importlib import import_module
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

    Raises
    ------
    ValueError
        If the model holds functions without a name of their own, such as a lambda, which no file
        can tell; nothing is written.
    """
    import skops.io

    stored = skops.io.dumps(model)
    nameless = [n for n in skops.io.get_untrusted_types(data=stored) if "<" in n]
    if nameless:
        raise ValueError(
            f"{path}: was not written, since the model holds {', '.join(nameless)}, which cannot "
            "be read again. Define this at the top of a module of your own."
        )
    Path(path).write_bytes(stored)


def load_model(path: str | Path) -> BaseEstimator:
    """Read a model that `save_model` or ``skops.io.dump`` wrote.

    A skops file holds numbers and names of types, no code; only classes of this package are trusted
    beyond what skops knows. Its functions are not, since some of them write files.

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
        If it is no skops file, or holds functions, or types of other packages; the message names
        them. Read those that you trust with ``skops.io.load``.

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
    (1, 20)
    """
    import skops.io

    path = Path(path)
    with path.open("rb"):  # errors of the file itself are those of the system
        pass
    try:
        unknown = skops.io.get_untrusted_types(file=path)
    except Exception as error:
        raise ValueError(f"{path}: is no skops file ({error}).") from error
    others = [name for name in unknown if not _is_our_class(name)]
    if others:
        raise ValueError(
            f"{path}: holds functions, or types of other packages, {', '.join(others)}. If you "
            f"trust them, read it with skops.io.load({str(path)!r}, trusted={unknown})."
        )
    return skops.io.load(path, trusted=unknown)


def _is_our_class(name):
    module, _, member = name.rpartition(".")
    if not module.startswith("sklode."):
        return False
    try:
        found = getattr(import_module(module), member, None)
    except ImportError:
        return False
    return isinstance(found, type) and found.__module__.startswith("sklode.")
