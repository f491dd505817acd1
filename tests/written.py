"""What tests of features on disk describe, and how."""

import numpy as np
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator

from sklode import DensityProjector

NAMES = ("H2O", "CH4", "CH3OH", "NH3", "CH3CN", "C2H6", "CO2")
DENSITY = DensityProjector(cutoff=3.0, n_max=2, l_max=1)


def labelled(number):
    """A molecule with an energy and a number."""
    atoms = molecule(NAMES[number % len(NAMES)])
    atoms.positions += np.random.default_rng(number).normal(scale=0.1, size=atoms.positions.shape)
    atoms.positions = atoms.positions.round(6)  # as files hold them
    atoms.info["number"] = number
    atoms.calc = SinglePointCalculator(atoms, energy=-0.5 * number)
    return atoms
