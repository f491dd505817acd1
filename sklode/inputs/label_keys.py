"""Keys of structures whose names say energies, forces or stresses, and how to pass these.

ASE makes results of ``energy`` and ``forces`` alone; ``REF_energy`` or ``dft_forces`` stay where
they are, so that programs which train models do not mix them up with their own.
"""

import re
from collections import Counter
from numbers import Real

import numpy as np
from ase import Atoms

_ENERGY = re.compile(r"energ|(^|_)(etot|toten|e_?0|u_?0|e_?tot\w*|e)($|_)", re.IGNORECASE)
_FORCES = re.compile(r"force|(^|_)f($|_)", re.IGNORECASE)
_STRESS = re.compile(r"stress|virial", re.IGNORECASE)
_MOST = 4  # keys of a kind that a message names


def energy_keys(atoms_list: list[Atoms]) -> list[str]:
    """Keys of ``atoms.info`` that look like energies, the most frequent first.

    Parameters
    ----------
    atoms_list : list of ase.Atoms

    Returns
    -------
    list of str
    """
    return _ranked(
        key
        for atoms in atoms_list
        for key, value in atoms.info.items()
        if _named(key, _ENERGY) and _is_number(value)
    )


def force_keys(atoms_list: list[Atoms]) -> list[str]:
    """Names of ``atoms.arrays`` that look like forces, the most frequent first."""
    return _ranked(
        key
        for atoms in atoms_list
        for key, value in atoms.arrays.items()
        if _named(key, _FORCES) and np.shape(value) == (len(atoms), 3)
    )


def stress_keys(atoms_list: list[Atoms]) -> list[str]:
    """Keys of ``atoms.info`` that look like stresses or virials, the most frequent first."""
    return _ranked(
        key
        for atoms in atoms_list
        for key, value in atoms.info.items()
        if _named(key, _STRESS) and np.size(value) in (6, 9)
    )


def hint(atoms_list: list[Atoms]) -> str:
    """A sentence for errors about missing labels: which keys look like some, how to pass them.

    Returns
    -------
    str
        Begins with a space; empty if no key looks like energies or forces.
    """
    energies, forces = energy_keys(atoms_list), force_keys(atoms_list)
    if not energies and not forces:
        return ""
    stresses = stress_keys(atoms_list)
    named = [
        f"{kind} {', '.join(repr(key) for key in keys[:_MOST])} in atoms.{place}"
        for kind, keys, place in [
            ("energies:", energies, "info"),
            ("forces:", forces, "arrays"),
            ("stresses or virials:", stresses, "info"),
        ]
        if keys
    ]
    passed = [f"[a.info[{energies[0]!r}] for a in X]" if energies else "[None] * len(X)"]
    if forces:
        passed.append(f"forces=[a.arrays[{forces[0]!r}] for a in X]")
    return (
        f" Some keys look like {'; '.join(named)}. If they are, in eV and eV/angstrom, pass them: "
        f"fit(X, {', '.join(passed)})."
    )


def _ranked(keys):
    return [key for key, _ in Counter(keys).most_common()]


def _named(key, pattern):
    return isinstance(key, str) and pattern.search(key) is not None


def _is_number(value):
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
