"""A fitted model in ASE: molecular dynamics, relaxations."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.calculators.calculator import (
    Calculator,
    PropertyNotImplementedError,
    all_changes,
    all_properties,
)
from ase.outputs import Properties
from sklearn.utils.validation import check_is_fitted

from .inputs.targets import check_stress, stress_volume
from .projection.chain_rule import check_differentiable

if TYPE_CHECKING:
    from .regression import AtomisticRidgeCV


_COMPARED_BY_ASE = {"positions", "numbers", "initial_charges", "initial_magmoms", "momenta"}


class SklodeCalculator(Calculator):
    """Calculator of energies, forces and stresses from a fitted model.

    Parameters
    ----------
    model : AtomisticRidgeCV
        Fitted.
    **kwargs
        Those of `ase.calculators.calculator.Calculator`, such as ``atoms``.

    See Also
    --------
    sklode.simulation.watch_error_bars : Error bars in trajectories, and a limit for them.
    sklode.simulation.run_driver : The model as a driver of i-PI.

    Notes
    -----
    ``results`` holds ``energy`` and ``free_energy``, the same number (eV), and ``energy_std``, the
    expected error of the energy (eV); with forces (eV/angstrom) also the stress (eV/angstrom^3) of
    periodic structures, since one backward pass gives both: the derivative by the strain, in all
    directions, by the volume of the cell as it is given, vacuum of a slab included. A saved
    model makes the calculator anew: save the model, not the calculator.

    Examples
    --------
    >>> from sklode import AtomisticRidgeCV, DensityProjector
    >>> from sklode.datasets import load_s22x5
    >>> dimers = load_s22x5()
    >>> model = AtomisticRidgeCV(DensityProjector(cutoff=4.0, n_max=2, l_max=1))
    >>> atoms = dimers.data[0]
    >>> atoms.calc = model.fit(dimers.data, dimers.target).calculator()
    >>> bool(atoms.get_potential_energy() == model.predict([atoms])[0])
    True
    """

    implemented_properties = ["energy", "free_energy", "energy_std", "forces", "stress"]

    def __init__(self, model: "AtomisticRidgeCV", **kwargs: object):
        check_is_fitted(model)
        super().__init__(**kwargs)
        self.model = model

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Fill ``results``; called by ASE.

        Parameters
        ----------
        atoms : ase.Atoms
        properties : sequence of str
            What is asked for, of ``implemented_properties``.
        system_changes : sequence of str
            What changed since the last call; after no change what is known is kept.

        Raises
        ------
        PropertyNotImplementedError
            If forces are asked for and the features of the model have no gradients, or the stress
            without a periodic direction and a cell that has a volume.
        TypeError, ValueError
            For a structure that the model cannot describe.
        """
        super().calculate(atoms, properties, system_changes)
        derivatives = {"forces", "stress"}.intersection(properties)
        if derivatives:
            self._check_derivatives("stress" in derivatives)
        if system_changes:
            self.results = {}
        X = [self.atoms]
        known = "energy" in self.results
        if derivatives:
            predict = self.model.predict_derivatives if known else self.model.predict_all
            *both, forces, stresses = predict(X)
            self.results["forces"] = forces[0]
            if stress_volume(self.atoms):
                self.results["stress"] = np.array(stresses[0])
        elif not known:
            both = [*self.model.predict(X, return_std=True)]
        if not known:
            energy, error = (float(values[0]) for values in both)
            self.results.update(energy=energy, free_energy=energy, energy_std=error)

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """What changed since the last call; called by ASE.

        Parameters
        ----------
        atoms : ase.Atoms
        tol : float, default=1e-15
            As in ASE.

        Returns
        -------
        list of str
            ASE's own, and names of other per-atom arrays, of which the features may be made.
        """
        changes = super().check_state(atoms, tol=tol)
        if self.atoms is not None:
            new, old = atoms.arrays, self.atoms.arrays
            for name in sorted((new.keys() | old.keys()) - _COMPARED_BY_ASE):
                if not (name in new and name in old and np.array_equal(new[name], old[name])):
                    changes.append(name)
        return changes

    def _check_derivatives(self, with_stress):
        """Say in the way ASE expects what this model or structure does not have."""
        try:
            check_differentiable(self.model.features_)
            if with_stress:
                check_stress(0, self.atoms)
        except (TypeError, ValueError) as error:
            raise PropertyNotImplementedError(str(error)) from error

    def export_properties(self) -> Properties:
        """The results that have a name in ASE.

        Returns
        -------
        ase.outputs.Properties
        """
        return Properties({k: v for k, v in self.results.items() if k in all_properties})
