"""Equal and nearly equal structures: found by numbers that do not depend on their orientation."""

from itertools import pairwise, product

import numpy as np
from scipy.spatial import cKDTree

from ..physics.system.boxes import unit_axes
from .frames import Finding, groups_of

_EQUAL = 1e-4  # angstrom, in all distances
_NEAR = 0.02  # angstrom, likewise: a few femtoseconds of a trajectory
_GRID = 1e-5  # angstrom, on which copies of a structure fall together
_NEIGHBOURS = 4  # unlike structures that are compared with each
_MOST_ATOMS = 64  # whose distances from all atoms are compared
_ENERGY = 5e-3, 1e-4  # eV, and eV an atom: what converged calculations agree in
_FORCES = 0.05  # eV/angstrom
_CHARGE_KEYS = "total_charge", "charge", "total_spin", "spin", "multiplicity"
_WAVES = np.array([h for h in product((-1, 0, 1), repeat=3) if h > (0, 0, 0)])  # one of +-h
_PHASES = 2**21  # computed at once


def near_pairs(frames):
    """Pairs of structures that are equal or nearly so, but for translation, rotation and order.

    Parameters
    ----------
    frames : Frames

    Returns
    -------
    pairs : ndarray of shape (n_pairs, 2), int
        Copies are each paired with the first of them, so that there are few.
    distances : ndarray of shape (n_pairs,)
        Differences of distances between atoms, in angstrom.
    """
    kinds = [
        (
            np.sort(atoms.numbers).tobytes(),
            tuple(atoms.pbc),
            tuple(str(atoms.info.get(key)) for key in _CHARGE_KEYS),
        )
        for atoms in frames.atoms_list
    ]
    found = []
    for members in groups_of(kinds):
        shapes = _Shapes(frames, members)
        for a, b in _candidates(shapes.fingerprints):
            distance = shapes.distance(a, b)
            if distance < _NEAR:
                found.append((*sorted((members[a], members[b])), distance))
    found = np.array(sorted(found), dtype=float).reshape(-1, 3)
    return found[:, :2].astype(int), found[:, 2]


def check_duplicates(frames, pairs, distances):
    """Equal structures that have unequal energies or forces.

    Parameters
    ----------
    frames : Frames
    pairs, distances
        As of ``near_pairs``.

    Returns
    -------
    list of Finding
    """
    first, second = pairs[distances < _EQUAL].T
    if len(first) == 0:
        return []
    energies = np.abs(frames.energies[first] - frames.energies[second])
    forces = np.array([_of_forces(frames, i, j) for i, j in zip(first, second, strict=True)])
    unlike = energies > _ENERGY[0] + _ENERGY[1] * frames.sizes[first]  # false for NaN
    unlike_forces = (forces > _FORCES) & ~unlike
    advice = "for structures that are equal; only one can be right, and a fit takes their mean. "
    of_energies = _of_pairs(
        frames,
        "unequal_energies",
        f"unequal energies {advice}Remove the wrong one; other charges or spins belong to "
        "atoms.info['charge'] and ['spin'].",
        (first[unlike], second[unlike]),
        energies[unlike],
        "differs by {:.3g} eV",
    )
    of_forces = _of_pairs(
        frames,
        "unequal_forces",
        f"unequal forces {advice}Are they those of other steps, or in another order of atoms?",
        (first[unlike_forces], second[unlike_forces]),
        forces[unlike_forces],
        "differs by {:.3g} eV/angstrom",
    )
    return [of_energies, of_forces]


def check_groups(frames, pairs, distances, groups):
    """Nearly equal structures in different groups.

    Parameters
    ----------
    frames : Frames
    pairs, distances
        As of ``near_pairs``.
    groups : ndarray of shape (n_structures,)

    Returns
    -------
    list of Finding
    """
    across = groups[pairs[:, 0]] != groups[pairs[:, 1]]
    overlap = _of_pairs(
        frames,
        "groups_overlap",
        "structures that are nearly equal stand in different groups, so that leaving out a group "
        "leaves its copy in, and errors of cross-validation are too small. Put them in one group.",
        pairs[across].T,
        distances[across],
        "{:.2g} angstrom from one of another group",
        severity="warning",
    )
    return [overlap]


def _of_pairs(frames, code, advice, pairs, values, measure, severity="error"):
    """One entry for each structure of pairs, with its largest value."""
    both = np.concatenate(pairs).astype(int)
    largest = np.full(len(frames.sizes), -np.inf)
    np.maximum.at(largest, both, np.tile(values, 2))
    found = np.unique(both)
    return Finding(code, severity, advice, found, largest[found], measure)


def _of_forces(frames, first, second):
    """Largest difference of sorted sizes of forces: it depends on no order or orientation."""
    sizes = [
        np.sort(np.linalg.norm(frames.forces[start : start + frames.sizes[first]], axis=1))
        for start in (frames.starts[first], frames.starts[second])
    ]
    return np.abs(sizes[0] - sizes[1]).max()


def _candidates(fingerprints):
    """Pairs whose fingerprints are near, of which there are no more than a few for each."""
    _, representatives, inverse = np.unique(
        np.round(fingerprints / _GRID), axis=0, return_index=True, return_inverse=True
    )
    owners = representatives[inverse]
    copies = np.flatnonzero(owners != np.arange(len(owners)))
    yield from zip(owners[copies], copies, strict=True)
    k = min(_NEIGHBOURS + 1, len(representatives))
    points = fingerprints[representatives]
    near, others = cKDTree(points).query(points, k=[*range(1, k + 1)], distance_upper_bound=_NEAR)
    a, column = np.nonzero(np.isfinite(near))
    b = others[a, column]
    pairs = np.unique(np.sort(np.stack([a, b], axis=1)[a != b], axis=1), axis=0)
    yield from zip(*representatives[pairs].T, strict=True)


class _Shapes:
    """Shapes of structures of one composition, in angstrom and in invariant numbers.

    Parameters
    ----------
    frames : Frames
    members : ndarray of int
    """

    def __init__(self, frames, members):
        numbers = np.array([frames.atoms_list[i].numbers for i in members])
        order = np.argsort(numbers, axis=1, kind="stable")
        self._numbers = np.sort(numbers[0])
        atoms = frames.starts[members][:, None] + order
        self._positions = frames.positions[atoms]  # (structure, atom, 3), by elements
        self._cells = frames.cells[members]
        self._periodic = frames.periodic[members[0]]
        ends = np.flatnonzero(np.diff(self._numbers)) + 1
        self._elements = np.split(np.arange(len(self._numbers)), ends)
        if self._periodic.any():
            if not self._periodic.all():
                self._cells = np.array([unit_axes(cell, self._periodic) for cell in self._cells])
            self._edges = self._lengths()
            self.fingerprints = np.concatenate([self._edges, self._waves()], axis=1)
        else:
            self._positions -= self._positions.mean(axis=1, keepdims=True)
            self.fingerprints = self._moments()

    def _lengths(self):
        """Lengths of lattice vectors and of their sums."""
        sums = [self._cells[:, i] + self._cells[:, j] for i, j in ((0, 1), (0, 2), (1, 2))]
        return np.linalg.norm(np.concatenate([self._cells, np.stack(sums, axis=1)], axis=1), axis=2)

    def _waves(self):
        """Sizes of structure factors of elements and pairs of them, times a length of the cell."""
        waves = _WAVES[(_WAVES[:, ~self._periodic] == 0).all(axis=1)]
        lengths = np.linalg.norm(self._cells, axis=2).mean(axis=1)[:, None]
        parts = -(-self._positions.shape[0] * self._positions.shape[1] * len(waves) // _PHASES)
        found = []
        for positions, cells in zip(
            np.array_split(self._positions, parts), np.array_split(self._cells, parts), strict=True
        ):
            phases = np.exp(-2j * np.pi * positions @ np.linalg.inv(cells) @ waves.T)
            # (structure, atom, wave) -> (structure, element and wave)
            means = [phases[:, atoms].mean(axis=1) for atoms in self._elements]
            means += [one + other for one, other in pairwise(means)]  # where they are to each other
            found.append(np.abs(np.concatenate(means, axis=1)))
        return np.concatenate(found) * lengths / (2 * np.pi)

    def _moments(self):
        """Radii of gyration and mean distances of each element from the centre of all."""
        parts = []
        for atoms in self._elements:
            arms = self._positions[:, atoms]
            tensors = np.einsum("sax,say->sxy", arms, arms) / len(atoms)
            parts.append(np.sqrt(np.maximum(np.linalg.eigvalsh(tensors), 0.0)))
            parts.append(np.linalg.norm(arms, axis=2).mean(axis=1)[:, None])
        return np.concatenate(parts, axis=1)

    def distance(self, a, b):
        """How far two structures are from each other, by their sorted distances.

        The root mean square difference, or a fifth of the largest: one atom that moves counts.
        """
        differences = np.abs(self._distances(a) - self._distances(b))
        rms = np.sqrt(np.mean(differences**2))
        largest = differences.max() / 5
        if self._periodic.any():
            edges = self._edges[[a, b]]
            largest = max(largest, np.abs(edges[0] - edges[1]).max())
        return float(max(rms, largest))

    def _distances(self, index):
        """Sorted distances of all atoms from some, to the nearest image as the cell has it."""
        positions = self._positions[index]
        if not self._periodic.any():
            # by elements and distance from the centre, so that some are the same atoms
            radii = np.linalg.norm(positions, axis=1)
            positions = positions[np.lexsort((radii, self._numbers))]
        chosen = np.linspace(0, len(positions) - 1, min(len(positions), _MOST_ATOMS)).astype(int)
        steps = positions[chosen, None] - positions
        if self._periodic.any():
            scaled = steps @ np.linalg.inv(self._cells[index])
            steps = (scaled - np.round(scaled) * self._periodic) @ self._cells[index]
        return np.sort(np.linalg.norm(steps, axis=2), axis=None)
