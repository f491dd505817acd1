"""Checks of energies, forces and stresses before anything is learnt from them."""

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from ase import Atoms
from numpy.typing import ArrayLike

from .inputs.atoms import describe, read_container, read_structures
from .inputs.label_keys import energy_keys
from .inputs.targets import Targets, read_groups, read_targets
from .labels.duplicates import check_duplicates, check_groups, near_pairs
from .labels.energies import check_energies
from .labels.forces import check_balance, check_constrained
from .labels.frames import Finding, Frames
from .labels.stresses import check_stresses

__all__ = ["SuspiciousLabelWarning", "check_labels", "warn_of_labels"]

_NAMED = 3  # structures that a warning names


class SuspiciousLabelWarning(UserWarning):
    """Labels that would spoil a fit, such as stresses in kbar beside energies in eV.

    `AtomisticRidgeCV.fit` warns with it, and names structures. `check_labels` lists all of them,
    and finds more. Where the labels are right nevertheless, silence it with
    ``warnings.simplefilter("ignore", SuspiciousLabelWarning)``.
    """


def check_labels(
    structures: Sequence[Atoms],
    y: object = None,
    *,
    forces: Sequence | None = None,
    stresses: Sequence | None = None,
    groups: ArrayLike | str | None = None,
) -> pd.DataFrame:
    """Find energies, forces and stresses that are probably wrong.

    Parameters
    ----------
    structures : sequence of ase.Atoms
        List, tuple, pandas Series, one-column DataFrame or object array of structures.
    y : array-like of shape (n_structures,), default=None
        Energies in eV. As in `AtomisticRidgeCV.fit`, nothing is read from calculators with y; with
        None, energies, and forces and stresses unless given, come from the calculators.
    forces : sequence of array-like of shape (n_atoms, 3), default=None
        In eV/angstrom. None for an unknown entry, rows of NaN for unknown atoms.
    stresses : sequence of array-like of shape (6,) or (3, 3), default=None
        In eV/angstrom^3, positive under tension. None for an unknown entry.
    groups : array-like of shape (n_structures,) or str, default=None
        Labels of structures that validation leaves out together, or the key of ``atoms.info`` that
        holds them. None: nothing is said about groups.

    Returns
    -------
    pandas.DataFrame
        One row for each structure and finding, in the order of the structures; empty if nothing was
        found. ``structure`` is the position in ``structures``, ``formula`` its formula, ``finding``
        one of the names below, ``severity`` "error" for what spoils a fit and "warning" for what
        limits it or its validation, ``value`` what was measured, in the unit that ``message``
        gives, which also says what to do.

    Raises
    ------
    TypeError, ValueError
        For what is no structure or no label at all, such as an energy of NaN or forces of a wrong
        shape; the message names the structure.

    See Also
    --------
    AtomisticRidgeCV : Warns of findings whose severity is "error".

    Notes
    -----
    These are the findings:

    - ``stress_unit``: energies of at least three pairs of frames with like cells and the same atoms
      (a volume scan, strained copies) change as if stresses were in kbar or GPa, of the opposite
      sign, or virials. Work of forces is taken into account.
    - ``stress_size``: no such frames, and stress times volume is more than matter bears, 20 eV an
      atom, or 5 if half of all structures have more; and more than two times the forces (root mean
      square), where they are known, times the distance of atoms. A sign cannot be seen.
    - ``constrained_forces``: forces of some atoms are exactly zero, and these atoms have a
      constraint or the others do not balance.
    - ``net_force``, ``torque``: forces that move or turn the whole (the latter of isolated
      structures), by more than 0.05 eV/angstrom or 0.1 eV, and than 0.5 % of all forces.
    - ``energy_level``: far from the energies of the same composition (at least 4 structures): a
      gap of 0.5 eV an atom below or 5 eV above most of them, 20 times wider than these spread, or
      than those of all compositions do if there are fewer than 10; or the composition 2 eV an atom
      from sums over elements (at least 10 compositions, and three for each element);
      or beyond 1e7 eV an atom. Smaller errors, such as one of 4 eV in an energy of
      interaction, are seen in pictures of curves alone.
    - ``unequal_energies``, ``unequal_forces``: of equal structures, in any orientation.
    - ``groups_overlap``: structures in different groups whose distances between atoms differ by
      less than 0.02 angstrom (root mean square) and 0.1 angstrom (each).
    - ``unused_energies``: a structure has no energy where it is looked for, but keys that look like
      one.

    Nothing found does not mean that labels are right. Time grows with the number of structures,
    times its logarithm.

    Examples
    --------
    A volume scan with stresses in GPa:

    >>> from ase.build import bulk
    >>> from ase.calculators.emt import EMT
    >>> from ase.units import GPa
    >>> from sklode import check_labels
    >>> scan = [bulk("Cu", a=a) for a in (3.5, 3.55, 3.6, 3.65, 3.7)]
    >>> for atoms in scan:
    ...     atoms.calc = EMT()
    >>> energies = [atoms.get_potential_energy() for atoms in scan]
    >>> stresses = [atoms.get_stress() for atoms in scan]
    >>> len(check_labels(scan, energies, stresses=stresses))
    0
    >>> wrong = check_labels(scan, energies, stresses=[stress / GPa for stress in stresses])
    >>> wrong["finding"].unique().tolist()
    ['stress_unit']
    >>> print(wrong["message"][0][:69])
    energies of strained frames change as if their stresses were GPa; the
    """
    atoms_list = read_container(structures)
    read_structures(atoms_list)
    targets = read_targets(atoms_list, y, forces, stresses, missing_forces="ignore")
    frames = Frames.of(atoms_list, targets)
    pairs, distances = near_pairs(frames)
    found = [
        *_spoiling(frames, pairs, distances, from_calculators=y is None),
        *check_balance(frames),
    ]
    groups = _read_groups(atoms_list, groups)
    if groups is not None:
        found += check_groups(frames, pairs, distances, groups)
    return _table(atoms_list, found)


def warn_of_labels(atoms_list: list[Atoms], targets: Targets, from_calculators: bool) -> None:
    """Warn of labels that would spoil a fit, once for each kind of finding.

    Parameters
    ----------
    atoms_list : list of ase.Atoms
    targets : Targets
        What is going to be learnt.
    from_calculators : bool
        Whether energies were looked for in calculators.

    Warns
    -----
    SuspiciousLabelWarning
    """
    frames = Frames.of(atoms_list, targets)
    pairs, distances = near_pairs(frames)
    for finding in _spoiling(frames, pairs, distances, from_calculators):
        if len(finding.structures) == 0:
            continue
        named = [
            f"{describe(i, atoms_list[i])}, {finding.measure.format(value)}"
            for i, value in zip(finding.structures[:_NAMED], finding.values, strict=False)
        ]
        n_more = len(finding.structures) - len(named)
        more = f"; and {n_more} more" if n_more else ""
        warnings.warn(
            f"{finding.code}: {finding.advice} Found in {'; '.join(named)}{more}. "
            "sklode.check_labels lists all.",
            SuspiciousLabelWarning,
            stacklevel=4,  # warn_of_labels, fit, its wrapper, the caller
        )


def _spoiling(frames, pairs, distances, from_calculators):
    """Findings of severity "error"."""
    found = [
        *check_stresses(frames),
        *check_constrained(frames),
        *check_energies(frames),
        *check_duplicates(frames, pairs, distances),
    ]
    if from_calculators:
        found.append(_unused_energies(frames))
    return found


def _unused_energies(frames):
    """Structures without an energy, but with a key that looks like one.

    A key that structures have beside their energy means something else.
    """
    unknown = np.isnan(frames.energies)
    others = energy_keys([frames.atoms_list[i] for i in np.flatnonzero(~unknown)])
    keys = [energy_keys([frames.atoms_list[i]]) for i in np.flatnonzero(unknown)]
    likely = {
        index: own[0]
        for index, own in zip(np.flatnonzero(unknown), keys, strict=True)
        if own and not set(own) & set(others)
    }
    names = sorted(set(likely.values()))
    example = f"y=[a.info[{names[0]!r}] for a in X]" if names else "y"
    return Finding(
        "unused_energies",
        "error",
        "there is no energy in the calculator, but keys of atoms.info look like one: "
        f"{', '.join(map(repr, names))}. If they are, in eV, pass y, as in {example}; with y, pass "
        "forces= and stresses= too.",
        np.array([*likely], dtype=int),
        np.array([float(frames.atoms_list[i].info[key]) for i, key in likely.items()]),
        "{:.6g}",
    )


def _read_groups(atoms_list, groups):
    if not isinstance(groups, str):
        return read_groups(groups, len(atoms_list))
    for index, atoms in enumerate(atoms_list):
        if groups not in atoms.info:
            raise ValueError(
                f"{describe(index, atoms)}: has no key {groups!r} in atoms.info, which groups asks "
                f"for; it has {sorted(map(str, atoms.info))}. Name another key, or pass the labels."
            )
    return np.array([str(atoms.info[groups]) for atoms in atoms_list])


def _table(atoms_list, found):
    rows = [
        {
            "structure": index,
            "formula": atoms_list[index].get_chemical_formula(),
            "finding": finding.code,
            "severity": finding.severity,
            "message": f"{finding.advice} Here: {finding.measure.format(value)}.",
            "value": value,
        }
        for finding in found
        for index, value in zip(finding.structures.tolist(), finding.values.tolist(), strict=True)
    ]
    columns = ["structure", "formula", "finding", "severity", "message", "value"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values("structure", kind="stable", ignore_index=True)
