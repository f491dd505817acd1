"""Per-atom arrays of fragments and charges, made from keys that structures have."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from ase import Atoms

from .atoms import describe
from .fragments import spread_charges
from .keys import finite_number, info_value

FRAGMENT, FRAGMENT_CHARGES, ATOM_CHARGES = "fragment", "fragment_charges", "atom_charges"
OF_FRAGMENTS = "charge_A and charge_B"
_PAIR = ("charge_A", "charge_B")
_COUNT = "natoms_A"


@dataclass(frozen=True)
class ArrayKeys:
    """Where structures tell their fragments and charges.

    Attributes
    ----------
    fragments : str or None
        A per-atom array of integers, or a key of ``atoms.info`` with the number of atoms of the
        first fragment. The array ``fragment`` is made of it.
    charges : str or None
        A per-atom array, which stays as it is; a key with the total charge, of which the array
        ``atom_charges`` is made; or ``OF_FRAGMENTS``, for ``fragment_charges``.
    """

    fragments: str | None = None
    charges: str | None = None

    @property
    def charges_array(self) -> str | None:
        """Array that has the charges where ``charges`` is a key."""
        made = {None: None, OF_FRAGMENTS: FRAGMENT_CHARGES}
        return made.get(self.charges, ATOM_CHARGES)

    def attach(self, index: int, atoms: Atoms) -> Atoms:
        """A structure that has these arrays.

        Parameters
        ----------
        index : int
            For messages.
        atoms : ase.Atoms
            It is left as it is.

        Returns
        -------
        ase.Atoms

        Raises
        ------
        ValueError
            If a key is missing or means nothing; the message names the structure.
        """
        if self == ArrayKeys():
            return atoms
        found = atoms.copy()
        found.calc = atoms.calc
        if self.fragments is not None:
            found.set_array(FRAGMENT, _fragment_labels(index, atoms, self.fragments))
        if self.charges == OF_FRAGMENTS or (self.fragments and set(_PAIR) <= set(atoms.info)):
            found = spread_charges(found, [_number(index, atoms, name) for name in _PAIR])
        if self.charges not in (None, OF_FRAGMENTS) and self.charges not in atoms.arrays:
            total = _number(index, atoms, self.charges)
            found.set_array(ATOM_CHARGES, np.full(len(atoms), total / len(atoms)))
        return found


def known_charges(structures: Sequence[Atoms], has_fragments: bool) -> str | None:
    """What all structures have that tells charges, for ``ArrayKeys``."""
    in_info = [set(atoms.info) for atoms in structures]
    if has_fragments and all(set(_PAIR) <= keys for keys in in_info):
        return OF_FRAGMENTS
    if all("initial_charges" in atoms.arrays for atoms in structures):
        return "initial_charges"
    if not has_fragments and all("total_charge" in keys for keys in in_info):
        return "total_charge"
    return None


def likely_fragments(structures: Sequence[Atoms]) -> str | None:
    """What all structures have that tells fragments, for ``ArrayKeys``."""
    if all(FRAGMENT in atoms.arrays for atoms in structures):
        return FRAGMENT
    return _COUNT if all(_COUNT in atoms.info for atoms in structures) else None


def _number(index, atoms, key):
    return finite_number(index, atoms, info_value(index, atoms, key, "--charges"), key)


def _fragment_labels(index, atoms, key):
    if key in atoms.arrays:
        labels = np.array(atoms.arrays[key])
        if labels.dtype.kind not in "iu" or labels.ndim != 1 or np.ptp(labels) == 0:
            raise ValueError(
                f"{describe(index, atoms)}: the array '{key}' must be one integer an atom, with "
                f"two different ones or more; it is {labels.ravel()[:6].tolist()}..."
            )
        return labels
    count = info_value(index, atoms, key, "--fragments")
    number = isinstance(count, Integral) and not isinstance(count, bool)
    if not number or not 0 < count < len(atoms):
        raise ValueError(
            f"{describe(index, atoms)}: '{key}' must be the number of atoms of the first molecule, "
            f"between 1 and {len(atoms) - 1}; it is {count!r}."
        )
    return (np.arange(len(atoms)) >= count).astype(int)
