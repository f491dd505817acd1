"""The molecules of a complex: which atoms they have, how far apart they are, their charges."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.geometry import get_distances
from numpy.typing import NDArray

from .atoms import describe


def fragments_of(index: int, atoms: Atoms, name: str) -> list[NDArray]:
    """The atoms of each fragment of a structure, in the order of their labels.

    Raises
    ------
    ValueError
        If the per-atom array of integers is missing or holds something else; the message names the
        structure.
    """
    if name not in atoms.arrays:
        raise ValueError(
            f"{describe(index, atoms)}: has no per-atom array '{name}'; it has "
            f"{sorted(atoms.arrays)}. Set one integer an atom with "
            f"atoms.set_array('{name}', ...), or name another array."
        )
    labels = atoms.arrays[name]
    masked = np.ma.is_masked(labels)  # numpy drops masks silently
    if labels.shape != (len(atoms),) or labels.dtype.kind not in "iub" or masked:
        raise ValueError(
            f"{describe(index, atoms)}: the array '{name}' must hold one integer an "
            f"atom; it has shape {labels.shape} and type {labels.dtype}"
            f"{', and some are masked' if masked else ''}. "
            f"Repair it with atoms.set_array('{name}', ...)."
        )
    return [np.flatnonzero(labels == value) for value in np.unique(np.array(labels))]


def two_fragments(index: int, atoms: Atoms, name: str) -> list[NDArray]:
    """The atoms of both fragments; an error that names the structure if there are not two."""
    members = fragments_of(index, atoms, name)
    if len(members) != 2:
        raise ValueError(
            f"{describe(index, atoms)}: the array '{name}' must tell two fragments apart; it has "
            f"{len(members)}. Repair it with atoms.set_array('{name}', ...), or name a distance."
        )
    return members


def centers_apart(index: int, atoms: Atoms, name: str) -> float:
    """Distance of the centres of mass of the two fragments of a structure, in angstrom."""
    first, second = (atoms[m].get_center_of_mass() for m in two_fragments(index, atoms, name))
    return float(_distances(atoms, first[None], second[None]).item())


def gap_between(index: int, atoms: Atoms, name: str) -> float:
    """Distance of the nearest atoms of the two fragments of a structure, in angstrom."""
    first, second = (atoms.positions[m] for m in two_fragments(index, atoms, name))
    return float(_distances(atoms, first, second).min())


def _distances(atoms, first, second):
    """All distances, to the nearest images of what repeats."""
    if atoms.pbc.any():
        return get_distances(first, second, cell=atoms.cell, pbc=atoms.pbc)[1]
    return get_distances(first, second)[1]


def spread_charges(
    atoms: Atoms,
    charges: Sequence[float],
    *,
    fragments: str = "fragment",
    name: str = "fragment_charges",
) -> Atoms:
    """Spread the formal charges of fragments evenly over their atoms.

    A crude charge of the right sum: the monopole of a distant ion is right, which no count of
    elements tells a model. Use it with ``LongRangePotential(charges="fragment_charges")``.

    Parameters
    ----------
    atoms : ase.Atoms
        Left as it is.
    charges : sequence of float
        Of each fragment, in e, in the order of the labels of the fragments.
    fragments : str, default="fragment"
        Per-atom array of integers with the fragments.
    name : str, default="fragment_charges"
        Per-atom array that takes the charges of the atoms.

    Returns
    -------
    ase.Atoms
        A copy with that array.

    Raises
    ------
    ValueError
        If there are not as many charges as fragments, or one is not a finite number.

    Examples
    --------
    >>> from ase import Atoms
    >>> from sklode import spread_charges
    >>> pair = Atoms("NaClH2", [[0, 0, 0], [3, 0, 0], [6, 0, 0], [6, 0, 0.74]])
    >>> pair.set_array("fragment", np.array([0, 1, 2, 2]))
    >>> spread_charges(pair, [1, -1, 0]).arrays["fragment_charges"]
    array([ 1., -1.,  0.,  0.])
    """
    members = fragments_of(0, atoms, fragments)
    values = np.asarray(charges, dtype=float)
    if values.shape != (len(members),) or not np.isfinite(values).all():
        raise ValueError(
            f"{atoms.get_chemical_formula()}: charges must be one finite number for each of its "
            f"{len(members)} fragments; got {charges!r}."
        )
    of_atoms = np.empty(len(atoms))
    for value, numbers in zip(values, members, strict=True):
        of_atoms[numbers] = value / len(numbers)
    charged = atoms.copy()
    charged.calc = atoms.calc
    charged.set_array(name, of_atoms, float, ())
    return charged
