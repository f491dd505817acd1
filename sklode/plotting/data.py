"""What displays are given, checked, and the axes that they draw on."""

from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike, NDArray

from ..inputs.atoms import describe, read_container, real_array
from ..inputs.targets import read_energies

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Predictor(Protocol):
    """A fitted model of energies."""

    def predict(self, X: Sequence[Atoms]) -> ArrayLike:
        """Energies of structures."""
        ...


def new_axes(ax: "Axes | None") -> "Axes":
    """The axes that are given, or those of a new figure.

    Parameters
    ----------
    ax : matplotlib Axes or None

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ImportError
        Without matplotlib.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError('Displays need matplotlib: pip install "sklode[plot]"') from error
    return plt.subplots()[1] if ax is None else ax


def same_length(**arrays: Any) -> None:
    """Refuse arrays of different lengths, and empty ones; None is left out.

    Parameters
    ----------
    **arrays : array-like or None
        By the names that users know.

    Raises
    ------
    ValueError
        If they differ, or are zero.
    """
    given = {name: len(array) for name, array in arrays.items() if array is not None}
    if len(set(given.values())) > 1:
        *names, last = given
        raise ValueError(
            f"{', '.join(names)} and {last} must be of equal length; got lengths "
            f"{list(given.values())}."
        )
    for name, length in given.items():
        _check_filled(name, length)


def _check_filled(name, length):
    if not length:
        raise ValueError(f"{name} is empty: there is nothing to draw. Give one value at least.")


def numbers(values: ArrayLike, name: str) -> NDArray:
    """A flat array of finite numbers, one at least.

    Parameters
    ----------
    values : array-like of shape (n,)
    name : str
        For messages.

    Returns
    -------
    ndarray of shape (n,)

    Raises
    ------
    ValueError
        For other shapes, nothing, what is not a number, and numbers that are not finite.
    """
    array = np.asarray(real_array(values, name), dtype=float)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional; got shape {array.shape}.")
    _check_filled(name, len(array))
    wrong = np.flatnonzero(~np.isfinite(array))
    if len(wrong):
        raise ValueError(
            f"{name} must be finite; {len(wrong)} of {len(array)} are not, the first is "
            f"{name}[{wrong[0]}] = {array[wrong[0]]}. Leave these entries out of all arrays."
        )
    return array


def binned_rms(places: NDArray, errors: NDArray, n_bins: int) -> tuple[NDArray, NDArray]:
    """Root mean square errors in bins of about equally many points.

    Parameters
    ----------
    places : ndarray of shape (n,)
        What is divided into bins; equal ones stay together.
    errors : ndarray of shape (n,)
    n_bins : int
        At most; each different place is a bin where there are not more of them.

    Returns
    -------
    places, sizes : ndarray of shape (n_filled,)
        Mean place and root mean square error of each bin.

    Raises
    ------
    ValueError
        If there is no bin.
    """
    if not isinstance(n_bins, Integral) or n_bins < 1:
        raise ValueError(f"n_bins must be a positive integer; got {n_bins!r}.")
    edges = np.unique(places)
    if len(edges) > n_bins:
        edges = np.unique(np.quantile(places, np.arange(n_bins) / n_bins))
    bins = np.searchsorted(edges, places, side="right") - 1
    counts = np.bincount(bins, minlength=len(edges))
    means = [np.bincount(bins, a, len(edges)) for a in (places, errors**2)]
    filled = counts > 0
    places, squares = (mean[filled] / counts[filled] for mean in means)
    return places, np.sqrt(squares)


def energies_of(X: Sequence[Atoms], y: ArrayLike | None) -> ArrayLike:
    """Reference energies: those that are given, or those of the calculators.

    Parameters
    ----------
    X : sequence of ase.Atoms
    y : array-like of shape (n_structures,) or None

    Returns
    -------
    array-like of shape (n_structures,)
        In eV.

    Raises
    ------
    ValueError
        If y is None and a structure has no calculator with an energy.
    """
    return read_energies(read_container(X)) if y is None else y


def from_info(X: Sequence[Atoms], values: str | ArrayLike) -> Any:
    """The values that structures hold under a key of their ``info``; what is no key stays.

    Parameters
    ----------
    X : sequence of ase.Atoms
    values : str or array-like
        Key, or the values themselves.

    Returns
    -------
    list or array-like of shape (n_structures,)

    Raises
    ------
    ValueError
        If a structure does not have the key.
    """
    if not isinstance(values, str):
        return values
    structures = read_container(X)
    for index, atoms in enumerate(structures):
        if values not in atoms.info:
            raise ValueError(
                f"{describe(index, atoms)}: has no key '{values}'; it has {sorted(atoms.info)}. "
                "Set it in atoms.info, or pass an array."
            )
    return [atoms.info[values] for atoms in structures]
