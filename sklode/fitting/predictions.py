"""What a fitted linear model of the energy predicts: energies, error bars, forces and stresses."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted

from ..inputs.atoms import read_container
from ..inputs.targets import check_stress, element_counts, read_energies
from ..projection.chain_rule import rows_and_backward
from ..ridge.solvers import Solution
from .equations import finite, stresses_of


class EnergyModel(RegressorMixin):
    """A linear model of energies with its exact derivatives, once ``fit`` has learnt it.

    ``fit`` sets ``features_``, ``coef_``, ``scale_``, ``alpha_``, ``noise_``, atomic numbers and
    energies of the elements, and the arrays of the ``Solution``.
    """

    def _transform(self, atoms_list):
        return finite(self.features_.transform(atoms_list))

    def _counts(self, atoms_list):
        return element_counts(atoms_list, self._numbers)[1]

    def predict(
        self, X: Sequence[Atoms], return_std: bool = False
    ) -> NDArray | tuple[NDArray, NDArray]:
        """Energies of structures.

        Parameters
        ----------
        X : sequence of ase.Atoms
            As in ``fit``.
        return_std : bool, default=False
            Whether to return expected errors too.

        Returns
        -------
        energies : ndarray of shape (n_structures,)
            In eV.
        errors : ndarray of shape (n_structures,)
            With ``return_std``: standard deviations of the true energies about the predictions, in
            eV. That of Bayesian linear regression, noise sqrt(1/w^2 + h), with the weight w of an
            energy (1, or 1/n_atoms with ``energy_per_atom``), the leverage h of the structure, and
            ``noise_`` such that left-out errors of ``fit`` have their expected size. Infinite where
            ``fit`` did not determine the energies of the elements.

        Raises
        ------
        TypeError, ValueError
            For bad input; the message names the structure.
        """
        check_is_fitted(self)
        atoms_list = read_container(X)
        matrix = self._transform(atoms_list)
        return self._energies(atoms_list, matrix, return_std)

    def _energies(self, atoms_list, matrix, return_std):
        """Energies and errors of ``predict``, from the rows of the structures."""
        counts = self._counts(atoms_list)
        energies = matrix @ self.coef_ + counts @ self._baseline_energies
        if not return_std:
            return energies
        solution = Solution(**self._solution)
        leverages = solution.leverages(matrix / self.scale_, counts, self.alpha_)[0]
        sizes = np.array([len(atoms) for atoms in atoms_list])
        own = sizes**2.0 if self.energy_per_atom else 1.0
        unseen = self.baseline & (counts.sum(axis=1) < sizes)  # elements that were not in fit
        unknown = unseen | ~np.isfinite(leverages)
        errors = self.noise_ * np.sqrt(own + np.where(unknown, 0.0, leverages))
        return energies, np.where(unknown, np.inf, errors)

    def predict_forces(self, X: Sequence[Atoms]) -> list[NDArray]:
        """Forces on the atoms, the negative gradient of the energy.

        Parameters
        ----------
        X : sequence of ase.Atoms
            As in ``fit``.

        Returns
        -------
        list of ndarray of shape (n_atoms, 3)
            In eV/angstrom.

        Raises
        ------
        TypeError, ValueError
            If the features have no gradients, or for bad input; the message names the structure.
        """
        return self.predict_derivatives(X)[0]

    def predict_stress(self, X: Sequence[Atoms]) -> NDArray:
        """Stresses of periodic structures.

        Parameters
        ----------
        X : sequence of ase.Atoms
            As in ``fit``, periodic in any direction, in a cell that has a volume.

        Returns
        -------
        ndarray of shape (n_structures, 6)
            In eV/angstrom^3, in the order xx, yy, zz, yz, xz, xy; positive under tension, as in
            ASE.

        Raises
        ------
        TypeError, ValueError
            If the features have no gradients, for a structure that has no stress, or for bad input;
            the message names the structure.
        """
        atoms_list = read_container(X)
        for index, atoms in enumerate(atoms_list):
            check_stress(index, atoms)
        return self.predict_derivatives(atoms_list)[1]

    def predict_derivatives(self, X: Sequence[Atoms]) -> tuple[list[NDArray], NDArray]:
        """Forces and stresses, in one pass.

        Parameters
        ----------
        X : sequence of ase.Atoms
            As in ``fit``.

        Returns
        -------
        forces : list of ndarray of shape (n_atoms, 3)
            As of ``predict_forces``.
        stresses : ndarray of shape (n_structures, 6)
            As of ``predict_stress``; NaN for what has no stress.

        Raises
        ------
        TypeError, ValueError
            If the features have no gradients, or for bad input; the message names the structure.
        """
        return tuple(self._forward_and_backward(X, with_rows=False)[1:])

    def predict_all(self, X: Sequence[Atoms]) -> tuple[NDArray, NDArray, list[NDArray], NDArray]:
        """Energies, their expected errors, forces and stresses, in one pass.

        Parameters
        ----------
        X : sequence of ase.Atoms
            As in ``fit``.

        Returns
        -------
        energies, errors : ndarray of shape (n_structures,)
            As of ``predict`` with ``return_std``.
        forces : list of ndarray of shape (n_atoms, 3)
            As of ``predict_forces``.
        stresses : ndarray of shape (n_structures, 6)
            As of ``predict_stress``; NaN for what has no stress.

        Raises
        ------
        TypeError, ValueError
            If the features have no gradients, or for bad input; the message names the structure.
        """
        atoms_list = read_container(X)
        matrix, *derivatives = self._forward_and_backward(atoms_list, with_rows=True)
        return *self._energies(atoms_list, finite(matrix), return_std=True), *derivatives

    def _forward_and_backward(self, X, with_rows):
        """Rows of the structures or None, forces and stresses."""
        check_is_fitted(self)
        atoms_list = read_container(X)
        cotangents = np.repeat(self.coef_[None], len(atoms_list), axis=0)
        rows, gradients, strains = rows_and_backward(
            self.features_, atoms_list, cotangents, with_rows
        )
        forces = [-np.asarray(g, dtype=float) for g in gradients]
        return rows, forces, stresses_of(atoms_list, strains)

    def score(
        self, X: Sequence[Atoms], y: object = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Coefficient of determination of the energies.

        Parameters
        ----------
        X : sequence of ase.Atoms
            As in ``fit``.
        y : array-like of shape (n_structures,), default=None
            True energies in eV; None takes those of the calculators.
        sample_weight : array-like of shape (n_structures,), default=None
            Weights of the structures.

        Returns
        -------
        float
            R^2, at best 1.
        """
        energies = read_energies(read_container(X)) if y is None else y
        return super().score(X, energies, sample_weight)
