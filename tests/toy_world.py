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


def rows_by_hand(fitted, structures, energies, forces, stresses, weights):
    """Design and targets, from the definition in the docstring."""
    rows, targets = [], []
    features = fitted.features_
    elements = list(fitted.baseline_)
    for k, atoms in enumerate(structures):
        w = np.sqrt(weights["sample"][k])
        share = len(atoms) if weights["per_atom"] else 1.0
        counts = [atoms.get_chemical_symbols().count(e) for e in elements]
        row = np.concatenate([features.transform([atoms])[0] / fitted.scale_, counts])
        rows.append(row[None] * w / share)
        targets.append([energies[k] * w / share])
        none = np.zeros(len(elements))
        gradients = features.transform_gradients([atoms])[0] / fitted.scale_
        for g, f in zip(
            gradients.reshape(-1, len(row) - len(none)), forces[k].ravel(), strict=True
        ):
            rows.append(-np.concatenate([g, none])[None] * weights["force"] * w)
            targets.append([f * weights["force"] * w])
        if stresses[k] is not None:
            strains = features.transform_strain_gradients([atoms])[0] / fitted.scale_
            virial = stresses[k][[0, 5, 4, 5, 1, 3, 4, 3, 2]] * atoms.cell.volume
            for g, v in zip(strains.reshape(9, -1), virial, strict=True):
                factor = weights["stress"] * w / share
                rows.append(np.concatenate([g, none])[None] * factor)
                targets.append([v * factor])
    return np.concatenate(rows), np.concatenate(targets)
