"""A map of structures or atoms by their features, beside the structures themselves."""

import os
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from ase import Atoms
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA

from ..inputs.atoms import read_container, real_array
from ..preprocessing import BlockScaler
from .map_page import map_page
from .map_properties import read_properties

Level = Literal["structure", "atom"]
_ROUNDING = 1e-12  # of the largest feature: what differs by less is the same
_NO_NOTEBOOK = "only displays a widget", "only works in a jupyter"  # newer and older chemiscope
_MAP = "PCA"  # name of the coordinates of the map
_N_COMPONENTS = 3
_ENDINGS = (".html", ".json", ".json.gz")


def explore(
    structures: Sequence[Atoms],
    features: BaseEstimator | ArrayLike,
    *,
    properties: Mapping[str, ArrayLike] | pd.DataFrame | None = None,
    color: str | None = None,
    level: Level = "structure",
    path: str | os.PathLike[str] | None = None,
) -> Any:
    """Map of structures or atoms, to click on: similar ones are near each other.

    The map shows the first principal components of the features, whose columns are scaled by
    `BlockScaler` before, and is coloured by a property such as the error of a model or its error
    bar. A click on a point shows the structure.

    Parameters
    ----------
    structures : sequence of ase.Atoms
        As everywhere: list, tuple, pandas Series, one-column DataFrame or object array.
    features : transformer or array-like of shape (n_rows, n_features)
        A fitted transformer of structures, whose ``transform``, or ``transform_atoms`` for
        ``level="atom"``, makes the rows; or the rows themselves, one for each structure or atom.
    properties : mapping of str to array-like or DataFrame, default=None
        What else to show, by name: numbers or texts, one for each structure. With ``level="atom"``
        also one for each atom, the atoms of all structures one after the other. NaN, which is drawn
        gray, stands for what is not known.
    color : str, default=None
        The property that colours the map; None takes the first one.
    level : {"structure", "atom"}, default="structure"
        What the points of the map are.
    path : str or path-like, default=None
        Name of a file to write. What ends in ``.html`` is a page that any browser shows, without a
        network (3 MB and the structures); ``.json`` and ``.json.gz`` are chemiscope's own format,
        which https://chemiscope.org and ``chemiscope.show_input`` open.

    Returns
    -------
    chemiscope widget or Path
        The widget, which Jupyter and others display, and nothing else does, as a warning says; with
        ``path`` the path of the file.

    Raises
    ------
    ImportError
        Without chemiscope.
    FileNotFoundError
        If there is no folder for ``path``.
    ValueError
        For another ending of ``path``, wrong numbers of rows or values, rows that are not finite, a
        single row or column, values that are neither numbers nor texts, or an unknown name.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklode import AtomisticRidgeCV, DensityProjector
    >>> from sklode.datasets import load_s22x5
    >>> from sklode.plotting import explore
    >>> dimers = load_s22x5()
    >>> model = AtomisticRidgeCV(DensityProjector(cutoff=4.0, n_max=2, l_max=1))
    >>> y, error_bars = model.fit(dimers.data, dimers.target).predict(dimers.data, return_std=True)
    >>> properties = {"error": y - dimers.target, "error bar": error_bars}
    >>> with TemporaryDirectory() as folder:
    ...     path = explore(dimers.data, model.features_, properties=properties,
    ...                    path=Path(folder) / "map.html")
    ...     path.name
    'map.html'
    """
    chemiscope = _chemiscope()
    ending = None if path is None else _ending(Path(path))
    if level not in ("structure", "atom"):
        raise ValueError(f"level must be 'structure' or 'atom'; got {level!r}.")
    structures = read_container(structures)
    sizes = {"structure": len(structures), "atom": sum(len(atoms) for atoms in structures)}
    shown = read_properties(properties, sizes, level, _MAP)
    color = next(iter(shown), None) if color is None else color
    if color is not None and color not in shown:
        raise ValueError(f"color must be the name of a property, one of {[*shown]}; got {color!r}.")
    coordinates = principal_components(_rows(structures, features, level, sizes[level]))
    shown[_MAP] = {"target": level, "values": coordinates}
    given = {
        "structures": structures,
        "properties": shown,
        "settings": chemiscope.quick_settings(
            x=f"{_MAP}[1]",
            y=f"{_MAP}[2]",
            map_color=color,
            periodic=any(atoms.pbc.any() for atoms in structures),
            target=level,
        ),
    }
    if level == "atom":
        given["environments"] = chemiscope.all_atomic_environments(structures)
    if path is None:
        return _show(chemiscope, given)
    return _write(chemiscope, Path(path), ending, given)


def principal_components(rows: NDArray) -> NDArray:
    """The first principal components of rows whose columns are scaled.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)

    Returns
    -------
    ndarray of shape (n_rows, n_components)
        Up to three.
    """
    shifted = rows - rows[:1]
    shifted[np.abs(shifted) < _ROUNDING * np.abs(rows).max()] = 0.0  # rows of equal structures
    scaled = BlockScaler(with_mean=True).fit_transform(shifted)
    n_components = min(_N_COMPONENTS, *rows.shape)
    with np.errstate(invalid="ignore"):  # equal rows have no variance to take shares of
        return PCA(n_components, svd_solver="full").fit_transform(scaled)


def _chemiscope():
    try:
        import chemiscope
    except ImportError as error:
        raise ImportError('Maps need chemiscope: pip install "sklode[explore]"') from error
    return chemiscope


def _rows(structures, features, level, n_rows):
    if hasattr(features, "transform"):
        method = "transform" if level == "structure" else "transform_atoms"
        if not hasattr(features, method):
            raise ValueError(
                f"{type(features).__name__} has no {method}: make the rows of the atoms with the "
                "transformer inside, and pass them as features."
            )
        features = getattr(features, method)(structures)
    elif hasattr(features, "predict"):
        raise ValueError(
            f"features is a model, {type(features).__name__}: pass its fitted transformer, such as "
            "`model.features_`, or the rows."
        )
    rows = np.asarray(real_array(features, "features"), dtype=float)
    if rows.ndim != 2 or len(rows) != n_rows:
        raise ValueError(
            f"features must have one row for each {level}, shape ({n_rows}, n_features); got shape "
            f"{rows.shape}."
        )
    if min(rows.shape) < 2:
        raise ValueError(f"A map needs two {level}s and two columns at least; got {rows.shape}.")
    wrong = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(wrong):
        raise ValueError(f"features must be finite; row {wrong[0]} is not.")
    return rows


def _ending(path):
    """That of a file which can be written."""
    ending = next((ending for ending in _ENDINGS if path.name.endswith(ending)), None)
    if ending is None or path.name == ending:
        raise ValueError(
            f"path must end in {', '.join(_ENDINGS)}, after a name; got {str(path)!r}."
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(f"path {str(path)!r}: there is no folder {str(path.parent)!r}.")
    return ending


def _show(chemiscope, given):
    """The widget, with a warning where nothing shows it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        widget = chemiscope.show(**given)
    for warning in caught:
        if any(text in str(warning.message) for text in _NO_NOTEBOOK):
            text = "Only notebooks show this map. Give path='map.html' for a page of its own."
            warnings.warn(text, stacklevel=3)
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
    return widget


def _write(chemiscope, path, ending, given):
    """The file, whole or not at all."""
    name, is_page = path.name.removesuffix(ending), ending == ".html"
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".map") as folder:
        unfinished = Path(folder) / f"{name}{'.json' if is_page else ending}"
        chemiscope.write_input(str(unfinished), metadata={"name": name}, **given)
        if is_page:
            text = map_page(unfinished.read_text(encoding="utf-8"), name)
            unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    return path
