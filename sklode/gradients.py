"""Gradients of feature rows through scikit-learn's composites, by the chain rule.

Strain acts on positions and cell rows alike, r -> r (1 + strain); the element [a, b] of a strain
gradient is the derivative by strain[a, b].
"""

from collections.abc import Sequence

from ase import Atoms
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from .execution.derivatives import Derivatives
from .inputs.atoms import read_container
from .projection.chain_rule import differentiate_list, rows_and_backward

__all__ = [
    "Derivatives",
    "backpropagate",
    "differentiate",
    "transform_all_gradients",
    "transform_and_backpropagate",
    "transform_gradients",
    "transform_strain_gradients",
]


def differentiate(
    features: BaseEstimator, X: Sequence[Atoms], positions: bool = True, strain: bool = False
) -> Derivatives:
    """Describe structures and differentiate the rows, in one pass.

    Parameters
    ----------
    features : estimator
        Fitted transformer of structures, FeatureUnion or Pipeline of such.
    X : sequence of ase.Atoms
    positions, strain : bool, default=True and False
        Which derivatives are wanted; the others are None.

    Returns
    -------
    Derivatives
        With the attributes ``rows``, ``positions`` and ``strain``.

    Raises
    ------
    TypeError
        If a part of ``features`` has no gradients; the message says what is allowed.

    Examples
    --------
    >>> from ase.build import molecule
    >>> from sklearn.pipeline import make_union
    >>> from sklode import Composition, DensityProjector
    >>> from sklode.gradients import differentiate
    >>> water = molecule("H2O")
    >>> union = make_union(Composition(), DensityProjector(n_max=2, l_max=1)).fit([water])
    >>> found = differentiate(union, [water], strain=True)
    >>> found.rows.shape, found.positions[0].shape, found.strain.shape
    ((1, 22), (3, 3, 22), (1, 3, 3, 22))
    """
    return differentiate_list(features, read_container(X), positions, strain)


def transform_gradients(features: BaseEstimator, X: Sequence[Atoms]) -> list[NDArray]:
    """Gradients of the rows of structures with respect to the positions of their atoms.

    Parameters
    ----------
    features : estimator
        Fitted transformer of structures, FeatureUnion or Pipeline of such.
    X : sequence of ase.Atoms

    Returns
    -------
    list of ndarray of shape (n_atoms, 3, n_features)
        Derivatives in 1/angstrom, times the units of the features.

    Raises
    ------
    TypeError
        If a part of ``features`` has no gradients; the message says what is allowed.

    Examples
    --------
    >>> from ase.build import molecule
    >>> from sklearn.pipeline import make_union
    >>> from sklode import Composition, DensityProjector
    >>> from sklode.gradients import transform_gradients
    >>> water = molecule("H2O")
    >>> union = make_union(Composition(), DensityProjector(n_max=2, l_max=1)).fit([water])
    >>> transform_gradients(union, [water])[0].shape
    (3, 3, 22)
    """
    return differentiate(features, X).positions


def transform_strain_gradients(features: BaseEstimator, X: Sequence[Atoms]) -> NDArray:
    """Gradients of the rows of structures with respect to a strain of positions and cell.

    Parameters
    ----------
    features : estimator
        Fitted transformer of structures, FeatureUnion or Pipeline of such.
    X : sequence of ase.Atoms

    Returns
    -------
    ndarray of shape (n_structures, 3, 3, n_features)
        Derivatives by strain[a, b], r -> r (1 + strain), in the units of the features.

    Raises
    ------
    TypeError
        If a part of ``features`` has no gradients; the message says what is allowed.
    """
    return differentiate(features, X, positions=False, strain=True).strain


def transform_all_gradients(
    features: BaseEstimator, X: Sequence[Atoms]
) -> tuple[list[NDArray], NDArray]:
    """Both kinds of gradients of the rows of structures, in less time than one after the other.

    Parameters
    ----------
    features : estimator
        Fitted transformer of structures, FeatureUnion or Pipeline of such.
    X : sequence of ase.Atoms

    Returns
    -------
    positions : list of ndarray of shape (n_atoms, 3, n_features)
        As from ``transform_gradients``.
    strain : ndarray of shape (n_structures, 3, 3, n_features)
        As from ``transform_strain_gradients``.

    Raises
    ------
    TypeError
        If a part of ``features`` has no gradients; the message says what is allowed.
    """
    found = differentiate(features, X, strain=True)
    return found.positions, found.strain


def backpropagate(
    features: BaseEstimator, X: Sequence[Atoms], cotangents: ArrayLike
) -> tuple[list[NDArray], NDArray]:
    """Gradients of one combination of the features of each structure, in memory O(n_atoms).

    Parameters
    ----------
    features : estimator
        Fitted transformer of structures, FeatureUnion or Pipeline of such.
    X : sequence of ase.Atoms
    cotangents : array-like of shape (n_structures, n_features)
        Factors c of the features; the gradients are those of sum_f c[s, f] row[s, f].

    Returns
    -------
    gradients : list of ndarray of shape (n_atoms, 3)
        With respect to the positions.
    strain_gradients : ndarray of shape (n_structures, 3, 3)
        With respect to the strain.

    Raises
    ------
    TypeError
        If a part of ``features`` has no gradients; the message says what is allowed.
    ValueError
        If the cotangents do not have one row a structure.
    """
    return rows_and_backward(features, X, cotangents, with_rows=False)[1:]


def transform_and_backpropagate(
    features: BaseEstimator, X: Sequence[Atoms], cotangents: ArrayLike
) -> tuple[NDArray, list[NDArray], NDArray]:
    """Rows of structures and what ``backpropagate`` gives, in less time than one after the other.

    Parameters
    ----------
    features : estimator
        Fitted transformer of structures, FeatureUnion or Pipeline of such.
    X : sequence of ase.Atoms
    cotangents : array-like of shape (n_structures, n_features)
        As for ``backpropagate``.

    Returns
    -------
    rows : ndarray of shape (n_structures, n_features)
        As of ``transform``, to rounding.
    gradients : list of ndarray of shape (n_atoms, 3)
        With respect to the positions.
    strain_gradients : ndarray of shape (n_structures, 3, 3)
        With respect to the strain.

    Raises
    ------
    TypeError
        If a part of ``features`` has no gradients; the message says what is allowed.
    ValueError
        If the cotangents do not have one row a structure.
    """
    return rows_and_backward(features, X, cotangents, with_rows=True)  # type: ignore[return-value]
