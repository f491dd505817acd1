"""Derivatives of the rows of transformers: all of them, or those of one combination of columns."""

from collections.abc import Sequence

from ase import Atoms
from numpy.typing import ArrayLike, NDArray

from ..inputs.atoms import real_array
from ..physics.system.structures import Structure
from .chunks import backward_of_all, gradients_of_all
from .derivatives import Derivatives


class Differentiable:
    """Base of transformers whose rows have derivatives by positions and strain.

    A subclass computes them in ``compute_gradients`` and ``compute_backward`` for chunks of
    structures, possibly in other processes.
    """

    def readable(self, X: Sequence[Atoms]) -> list[Structure]:
        """Read the structures in X, those that this transformer cannot describe refused."""
        raise NotImplementedError

    @property
    def n_features_out(self) -> int:
        """Number of columns."""
        raise NotImplementedError

    def differentiate(
        self, X: Sequence[Atoms], positions: bool = True, strain: bool = False
    ) -> Derivatives:
        """Describe structures and differentiate the rows, in one pass.

        The result takes 24 bytes for each atom and feature; derivatives of single atoms' features
        are never held for more than a block of atoms.

        Parameters
        ----------
        X : sequence of ase.Atoms
            As in ``fit``.
        positions, strain : bool, default=True and False
            Which derivatives are wanted; the others are None.

        Returns
        -------
        Derivatives
            With the attributes ``rows``, ``positions`` and ``strain``.

        Raises
        ------
        TypeError, ValueError
            For bad input; the message names the structure.
        """
        return Derivatives(*gradients_of_all(self, self.readable(X), positions, strain))

    def transform_gradients(self, X: Sequence[Atoms]) -> list[NDArray]:
        """Derivatives of every row by the positions of its atoms.

        Parameters
        ----------
        X : sequence of ase.Atoms
            As in ``fit``.

        Returns
        -------
        list of ndarray of shape (n_atoms, 3, n_features)
            In 1/angstrom, times the units of the features. Neighbours in the list may share memory.

        Raises
        ------
        TypeError, ValueError
            For bad input; the message names the structure.
        """
        return self.differentiate(X).positions

    def transform_with_gradients(self, X: Sequence[Atoms]) -> tuple[NDArray, list[NDArray]]:
        """Rows and their derivatives by positions, in less time than one by one.

        Parameters
        ----------
        X : sequence of ase.Atoms
            As in ``fit``.

        Returns
        -------
        rows : ndarray of shape (n_structures, n_features)
            As of ``transform``, to rounding.
        gradients : list of ndarray of shape (n_atoms, 3, n_features)
            As of ``transform_gradients``.

        Raises
        ------
        TypeError, ValueError
            For bad input; the message names the structure.
        """
        found = self.differentiate(X)
        return found.rows, found.positions

    def transform_strain_gradients(self, X: Sequence[Atoms]) -> NDArray:
        """Derivatives of every row by a strain of positions and cell, r -> r (1 + strain).

        Parameters
        ----------
        X : sequence of ase.Atoms
            As in ``fit``.

        Returns
        -------
        ndarray of shape (n_structures, 3, 3, n_features)
            The derivative by strain[a, b] at [:, a, b].

        Raises
        ------
        TypeError, ValueError
            For bad input; the message names the structure.
        """
        return self.differentiate(X, positions=False, strain=True).strain

    def transform_all_gradients(self, X: Sequence[Atoms]) -> tuple[list[NDArray], NDArray]:
        """Derivatives of every row by positions and by strain, in less time than one by one.

        Parameters
        ----------
        X : sequence of ase.Atoms
            As in ``fit``.

        Returns
        -------
        positions : list of ndarray of shape (n_atoms, 3, n_features)
            As of ``transform_gradients``.
        strain : ndarray of shape (n_structures, 3, 3, n_features)
            As of ``transform_strain_gradients``.

        Raises
        ------
        TypeError, ValueError
            For bad input; the message names the structure.
        """
        found = self.differentiate(X, strain=True)
        return found.positions, found.strain

    def backpropagate(
        self, X: Sequence[Atoms], cotangents: ArrayLike
    ) -> tuple[list[NDArray], NDArray]:
        """Gradients of one combination of the columns of each structure, in memory O(n_atoms).

        Parameters
        ----------
        X : sequence of ase.Atoms
            As in ``fit``.
        cotangents : array-like of shape (n_structures, n_features)
            Factors c; the gradients are those of sum_f c[s, f] row[s, f].

        Returns
        -------
        positions : list of ndarray of shape (n_atoms, 3)
        strain : ndarray of shape (n_structures, 3, 3)

        Raises
        ------
        TypeError, ValueError
            For bad input; the message names the structure.
        """
        return self._backward(X, cotangents, with_rows=False)[1:]

    def transform_and_backpropagate(
        self, X: Sequence[Atoms], cotangents: ArrayLike
    ) -> tuple[NDArray, list[NDArray], NDArray]:
        """Rows and what ``backpropagate`` gives, in less time than one after the other.

        Parameters
        ----------
        X : sequence of ase.Atoms
            As in ``fit``.
        cotangents : array-like of shape (n_structures, n_features)
            As for ``backpropagate``.

        Returns
        -------
        rows : ndarray of shape (n_structures, n_features)
            As of ``transform``, to rounding.
        positions : list of ndarray of shape (n_atoms, 3)
        strain : ndarray of shape (n_structures, 3, 3)

        Raises
        ------
        TypeError, ValueError
            For bad input; the message names the structure.
        """
        return self._backward(X, cotangents, with_rows=True)

    def _backward(self, X, cotangents, with_rows):
        """Rows, or None if they are not wanted, and gradients of one combination of them."""
        structures = self.readable(X)
        cotangents = real_array(cotangents, "cotangents")
        shape = (len(structures), self.n_features_out)
        if cotangents.shape != shape:
            raise ValueError(f"cotangents must have shape {shape}; got {cotangents.shape}.")
        return backward_of_all(self, structures, cotangents, with_rows)
