"""Structures with energies, forces and stresses of a toy world, and models of them."""

import numpy as np
from toy import PairSums, cluster, crystal, true_energy, true_forces, true_stress, with_results

from sklode.regression import AtomisticRidgeCV

RNG = np.random.default_rng(0)
EXACT = PairSums(widths=(0.7, 1.2))  # the world is linear in these
OTHER = PairSums(widths=(0.5, 0.9, 1.4))
MAKERS = [lambda n: cluster(RNG, n), lambda n: crystal(RNG, n)]
X = [with_results(MAKERS[k % 2](3 + k % 4)) for k in range(16)]
CRYSTALS = [atoms for atoms in X if atoms.pbc.all()]
NEW = [crystal(RNG, 5), cluster(RNG, 7), crystal(RNG, 3)]
Y = np.array([true_energy(atoms) for atoms in X])
F = [true_forces(atoms) for atoms in X]
S = [true_stress(atoms) if atoms.pbc.all() else None for atoms in X]
GROUPS = np.arange(len(X)) // 3


def bare(structures):
    return [atoms.copy() for atoms in structures]  # copies have no calculator


def model(features=EXACT, alphas=1e-8, **changes):
    return AtomisticRidgeCV(features, alphas, **changes)
