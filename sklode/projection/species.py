"""Elements: which ones there are, which are refused, and their places among the columns."""

import operator

import numpy as np
from ase.data import atomic_numbers, chemical_symbols

from ..inputs.atoms import describe


def learn_species(species, atoms_list):
    """Sorted atomic numbers from the parameter ``species``, or from the structures."""
    if isinstance(species, str):
        return np.unique(np.concatenate([atoms.numbers for atoms in atoms_list]))
    try:
        numbers = [_atomic_number(s) for s in species]
        if not numbers or not all(0 <= z < len(chemical_symbols) for z in numbers):
            raise ValueError
    except (KeyError, ValueError, TypeError):
        raise ValueError(
            f"species must be 'auto' or a list of element symbols or atomic numbers; got {species}."
        ) from None
    return np.unique(numbers)


def _atomic_number(element):
    if isinstance(element, bool):
        raise TypeError
    return atomic_numbers[element] if isinstance(element, str) else operator.index(element)


def check_species(transformer, atoms_list):
    """Refuse elements that fit has not seen, unless they are to be ignored."""
    if transformer.handle_unknown == "ignore":
        return
    numbers = np.concatenate([atoms.numbers for atoms in atoms_list])
    if np.isin(numbers, transformer.species_).all():
        return
    for index, atoms in enumerate(atoms_list):
        unknown = np.setdiff1d(atoms.numbers, transformer.species_)
        if len(unknown):
            names = ", ".join(f"{chemical_symbols[z]} (Z={z})" for z in unknown)
            raise ValueError(
                f"{describe(index, atoms)}: contains {names}, not among the elements "
                f"{symbols(transformer.species_)} of fit; pass species=[...] with all elements, or "
                "handle_unknown='ignore' to treat such atoms as absent."
            )


def symbols(species):
    """Element symbols of atomic numbers."""
    return [chemical_symbols[z] for z in species]


def species_index(species, numbers):
    """Position of each atom's element in ``species``; -1 where it is absent."""
    index = np.minimum(np.searchsorted(species, numbers), len(species) - 1)
    return np.where(species[index] == numbers, index, -1)
