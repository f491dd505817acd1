"""A small transformer with analytic gradients, and a world whose energies it can learn."""

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted
from vesin import NeighborList

from sklode.inputs.atoms import read_container

_REACH = 7.5  # in widths: the cut pairs are below 1e-12


class PairSums(TransformerMixin, BaseEstimator):
    """Sums over pairs of exp(-d^2 / 2 w^2), plain and times the product of atomic numbers."""

    def __init__(self, widths=(0.5, 1.0), charged=True, factor=1.0):
        self.widths = widths
        self.charged = charged
        self.factor = factor

    def fit(self, X, y=None):
        self.widths_ = np.array(self.widths, dtype=float)
        return self

    def _pairs(self, atoms):
        search = NeighborList(cutoff=_REACH * self.widths_.max(), full_list=False, n_threads=1)
        cell = atoms.cell.array if atoms.pbc.all() else np.zeros((3, 3))
        i, j, vectors = search.compute(atoms.positions, cell, atoms.pbc.all(), quantities="ijD")
        i, j = i.astype(int), j.astype(int)
        squares = (vectors**2).sum(axis=1)
        waves = self.factor * np.exp(-0.5 * squares[:, None] / self.widths_**2)
        if self.charged:
            charges = (atoms.numbers[i] * atoms.numbers[j] / 10.0)[:, None]
            waves = np.concatenate([waves, charges * waves], axis=1)
        inverse = np.tile(1.0 / self.widths_**2, 2 if self.charged else 1)
        return i, j, vectors, waves, waves * inverse

    def transform(self, X):
        check_is_fitted(self)
        return np.array([self._pairs(atoms)[3].sum(axis=0) for atoms in read_container(X)])

    def transform_gradients(self, X):
        found = []
        for atoms in read_container(X):
            i, j, vectors, _, slopes = self._pairs(atoms)
            pull = vectors[:, :, None] * slopes[:, None, :]
            gradients = np.zeros((len(atoms), 3, slopes.shape[1]))
            np.add.at(gradients, i, pull)
            np.add.at(gradients, j, -pull)
            found.append(gradients)
        return found

    def transform_strain_gradients(self, X):
        found = []
        for atoms in read_container(X):
            _, _, vectors, _, slopes = self._pairs(atoms)
            found.append(-np.einsum("pa,pb,pf->abf", vectors, vectors, slopes, optimize=True))
        return np.array(found)

    def backpropagate(self, X, cotangents):
        gradients, strains = [], []
        for atoms, row in zip(read_container(X), np.asarray(cotangents), strict=True):
            i, j, vectors, _, slopes = self._pairs(atoms)
            pull = vectors * (slopes @ row)[:, None]
            mine = np.zeros((len(atoms), 3))
            np.add.at(mine, i, pull)
            np.add.at(mine, j, -pull)
            gradients.append(mine)
            strains.append(-vectors.T @ pull)
        return gradients, np.array(strains)

    def get_feature_names_out(self, input_features=None):
        kinds = ["pair", "charged"] if self.charged else ["pair"]
        return np.array([f"{kind}_{w:g}" for kind in kinds for w in self.widths], dtype=object)


class WithoutBackpropagation(PairSums):
    """The same, but only with full gradients."""

    backpropagate = property()


def cluster(rng, n_atoms=5, symbols="HCO"):
    """Isolated atoms at random, none too close."""
    positions = rng.normal(scale=0.3, size=(n_atoms, 3))
    positions += 1.5 * np.array([[k % 2, k // 2 % 2, k // 4] for k in range(n_atoms)])
    return Atoms([symbols[k] for k in rng.integers(len(symbols), size=n_atoms)], positions)


def crystal(rng, n_atoms=4, symbols="HCO"):
    """Periodic atoms in a skewed cell."""
    atoms = cluster(rng, n_atoms, symbols)
    atoms.set_cell(np.diag([3.5, 3.7, 3.3]) + 0.3 * rng.normal(size=(3, 3)))
    atoms.pbc = True
    return atoms


WORLD = PairSums(widths=(0.7, 1.2)).fit(None)
_COEFFICIENTS = np.array([0.8, -0.5, 0.04, 0.02])
ELEMENTS = {1: -0.5, 6: -3.0, 8: -7.0}


def true_energy(atoms):
    own = sum(ELEMENTS[z] for z in atoms.numbers)
    return float(WORLD.transform([atoms])[0] @ _COEFFICIENTS) + own


def true_forces(atoms):
    return -WORLD.transform_gradients([atoms])[0] @ _COEFFICIENTS


def true_stress(atoms):
    virial = WORLD.transform_strain_gradients([atoms])[0] @ _COEFFICIENTS
    return full_3x3_to_voigt_6_stress(virial / atoms.cell.volume)


def with_results(atoms, forces=True, stress=True):
    """A copy with the true results attached."""
    atoms = atoms.copy()
    results = {"energy": true_energy(atoms)}
    if forces:
        results["forces"] = true_forces(atoms)
    if stress and atoms.pbc.all():
        results["stress"] = true_stress(atoms)
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def finite_gradients(function, atoms, step=1e-4):
    """Central differences by positions: (n_atoms, 3, ...)."""
    rows = []
    for atom in range(len(atoms)):
        for axis in range(3):
            values = []
            for sign in (1, -1):
                moved = atoms.copy()
                moved.positions[atom, axis] += sign * step
                values.append(np.asarray(function(moved)))
            rows.append((values[0] - values[1]) / (2 * step))
    return np.array(rows).reshape(len(atoms), 3, *np.shape(rows[0]))


def finite_strain_gradients(function, atoms, step=1e-4):
    """Central differences by strain, r -> r (1 + strain): (3, 3, ...)."""
    rows = []
    for a in range(3):
        for b in range(3):
            values = []
            for sign in (1, -1):
                strain = np.eye(3)
                strain[a, b] += sign * step
                strained = atoms.copy()
                if strained.pbc.any():
                    strained.set_cell(atoms.cell.array @ strain)
                strained.positions = atoms.positions @ strain
                values.append(np.asarray(function(strained)))
            rows.append((values[0] - values[1]) / (2 * step))
    return np.array(rows).reshape(3, 3, *np.shape(rows[0]))
