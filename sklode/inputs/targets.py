"""Energies, forces and stresses to learn from: given, or read from the calculators of the Atoms."""

from dataclasses import dataclass
from numbers import Real

import numpy as np
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress

from .atoms import describe, is_plain, real_array
from .label_keys import hint

_MOVED = {"positions", "numbers", "cell", "pbc"}
_LARGEST = 1e100  # of which sums of squares still are numbers
_AGREE = 1e-6  # eV and eV/angstrom: what files round


@dataclass(frozen=True)
class Targets:
    """Energies, forces and stresses that are known of each structure.

    Attributes
    ----------
    energies : list of float or None
        In eV.
    forces : list of ndarray of shape (n_atoms, 3) or None
        In eV/angstrom; rows of NaN for atoms whose force is unknown, never all of them.
    stresses : list of ndarray of shape (6,) or None
        In eV/angstrom^3, in Voigt's order xx, yy, zz, yz, xz, xy.
    """

    energies: list
    forces: list
    stresses: list

    def count(self, name):
        """How many numbers of "energies", "forces" or "stresses" are known."""
        known = [value for value in getattr(self, name) if value is not None]
        return int(sum(np.isfinite(value).sum() for value in known))

    def weighty(self, atoms_list, sample_weight, force_weight, stress_weight):
        """Leave out targets without weight.

        Raises
        ------
        ValueError
            If nothing remains; the message names keys of the structures that look like labels.
        """
        kept = self.counted(sample_weight, force_weight, stress_weight)
        if not any(kept.count(name) for name in ("energies", "forces", "stresses")):
            raise ValueError(
                f"None of the {len(sample_weight)} structures has an energy, forces or a stress to "
                "learn. Pass y or forces, or attach calculators with results."
                + (hint(atoms_list) if not self.count("energies") else "")
            )
        return kept

    def counted(self, sample_weight, force_weight, stress_weight):
        """Targets with a weight, of which there may be none."""
        kept = [
            [v if weight * w > 0.0 else None for w, v in zip(sample_weight, values, strict=True)]
            for weight, values in [
                (1.0, self.energies),
                (force_weight, self.forces),
                (stress_weight, self.stresses),
            ]
        ]
        return Targets(*kept)


def read_targets(atoms_list, y=None, forces=None, stresses=None, *, missing_forces="error"):
    """Targets of structures.

    Parameters
    ----------
    atoms_list : list of ase.Atoms
    y : array-like of shape (n_structures,) or None
        Energies in eV. With None, energies, and forces and stresses that are not given, come from
        the calculators, as far as these have them.
    forces : sequence of array-like of shape (n_atoms, 3) or None
    stresses : sequence of array-like of shape (6,) or (3, 3) or None
        An entry None means unknown; so with forces.
    missing_forces : {"error", "ignore"}
        Whether rows of NaN in forces, which leave single atoms out, are allowed.

    Returns
    -------
    Targets

    Raises
    ------
    ValueError
        For wrong lengths or shapes, numbers that are not finite, a stress without three periodic
        directions, calculators that belong to other positions, and energies that cannot belong to
        the forces; the message names the structure.
    """
    from_calculators = y is None
    if y is not None:
        y = _read_energies(atoms_list, y)
    if forces is not None:
        forces = _read_forces(atoms_list, forces, missing_forces)
    if stresses is not None:
        stresses = _read_stresses(atoms_list, stresses)
    if from_calculators:
        given = {"energy": None, "forces": forces, "stress": stresses}
        names = [name for name, values in given.items() if values is None]
        found = [_calculated(i, a, names, missing_forces) for i, a in enumerate(atoms_list)]
        for name in names:
            given[name] = [of_structure[name] for of_structure in found]
        y, forces, stresses = given.values()
    elif forces is not None:
        _check_one_potential(atoms_list, y, forces)
    nothing = [None] * len(atoms_list)
    return Targets(y, forces or nothing, stresses or nothing)


def read_energies(atoms_list):
    """Energies of the calculators, in eV, for structures that must all have one."""
    energies = known_energies(atoms_list)
    for index, energy in enumerate(energies):
        if energy is None:
            raise ValueError(
                f"{describe(index, atoms_list[index])}: has no calculator with an energy. Pass y."
                + hint(atoms_list)
            )
    return np.array(energies)


def known_energies(atoms_list):
    """Energies of the calculators, in eV; None for structures that have none."""
    return [_calculated(i, atoms, ["energy"])["energy"] for i, atoms in enumerate(atoms_list)]


def _calculated(index, atoms, names, missing_forces="error"):
    """Energy, forces and stress from the calculator of a structure; None for what it has not."""
    found = dict.fromkeys(names)
    if atoms.calc is None:
        return found
    stored = isinstance(atoms.calc, SinglePointCalculator)
    if stored:
        _check_state(index, atoms)
    shapes = {"energy": (), "forces": (len(atoms), 3), "stress": (6,)}
    for name in names:
        if name == "stress" and not stress_volume(atoms):
            continue
        value = atoms.calc.results.get(name) if stored else _computed(atoms, name)
        if name == "stress" and np.shape(value) == (3, 3):
            value = full_3x3_to_voigt_6_stress(value)
        if value is not None:
            label = f"the {name} of its calculator"
            missing = missing_forces if name == "forces" else None
            found[name] = _checked(index, atoms, value, shapes[name], label, missing)
    return found


def _check_state(index, atoms):
    """Refuse results of other positions, cells or elements."""
    changed = _MOVED.intersection(atoms.calc.check_state(atoms))
    if changed and atoms.calc.results:
        raise ValueError(
            f"{describe(index, atoms)}: its calculator holds results of other "
            f"{' and '.join(sorted(changed))}. Pass y, or attach the right results."
        )


def _computed(atoms, name):
    try:
        # constraints are not physics
        if name == "energy":
            return atoms.get_potential_energy(apply_constraint=False)
        if name == "forces":
            return atoms.get_forces(apply_constraint=False)
        return atoms.get_stress(apply_constraint=False)
    except (PropertyNotImplementedError, NotImplementedError):
        return None


def _read_energies(atoms_list, y):
    _check_length(atoms_list, y, "y")
    if is_plain(y) and y.ndim == 1 and (np.abs(y) <= _LARGEST).all():
        return y.tolist()
    values = [None if value is None else np.reshape(value, -1) for value in y]
    for index, (atoms, value) in enumerate(zip(atoms_list, values, strict=True)):
        if value is not None:
            values[index] = _checked(index, atoms, value, (1,), "its energy in y")[0]
    return values


def _read_forces(atoms_list, forces, missing_forces):
    _check_length(atoms_list, forces, "forces")
    return [
        None
        if value is None
        else _checked(i, atoms, value, (len(atoms), 3), "its forces", missing_forces)
        for i, (atoms, value) in enumerate(zip(atoms_list, forces, strict=True))
    ]


def _read_stresses(atoms_list, stresses):
    _check_length(atoms_list, stresses, "stresses")
    found = []
    for index, (atoms, value) in enumerate(zip(atoms_list, stresses, strict=True)):
        if value is not None:
            check_stress(index, atoms)
            if np.shape(value) == (3, 3):
                value = full_3x3_to_voigt_6_stress(np.asarray(value))
            value = _checked(index, atoms, value, (6,), "its stress")
        found.append(value)
    return found


def stress_volume(atoms):
    """Volume by which the derivative by the strain is divided, as in ASE; 0 without a stress.

    That of the whole cell, so that a slab needs a third vector, whose length counts.
    """
    return atoms.cell.volume if atoms.pbc.any() else 0.0


def check_stress(index, atoms):
    """Refuse a stress of what does not repeat, or of a slab in a cell without volume."""
    if not stress_volume(atoms):
        raise ValueError(
            f"{describe(index, atoms)}: a stress needs a periodic direction and a cell with a "
            f"volume, by which it is divided; the cell is {atoms.cell.tolist()}, pbc = "
            f"{atoms.pbc.tolist()}. Leave it out (None), or set pbc and a cell."
        )


def _check_length(atoms_list, values, name):
    if not hasattr(values, "__len__") or isinstance(values, (str, bytes, dict)):
        raise TypeError(f"{name} must be a sequence, one entry a structure; got {values!r:.80}.")
    if len(values) != len(atoms_list):
        raise ValueError(
            f"{name} must have one entry a structure: {len(atoms_list)} structures in X, "
            f"{len(values)} entries in {name}."
        )


def _checked(index, atoms, value, shape, label, missing_forces=None):
    """An array of its own; forces, of which ``missing_forces`` says what NaN means, may lack."""
    if not is_plain(value):
        value = real_array(value, f"{describe(index, atoms)}: {label}")
    value = np.array(value)
    if value.shape != shape:
        raise ValueError(
            f"{describe(index, atoms)}: {label} must have shape {shape}; got {value.shape}."
        )
    if (np.abs(value) > _LARGEST).any() and not np.isinf(value).any():
        raise ValueError(
            f"{describe(index, atoms)}: {label} must be between -{_LARGEST:g} and "
            f"{_LARGEST:g}; got {np.nanmax(np.abs(value)):.3g} in size. Repair it, or pass None to "
            "leave it out."
        )
    if np.isfinite(value).all():
        return value
    if missing_forces is not None and np.isnan(value).any():
        return _known_forces(index, atoms, value, label, missing_forces)
    raise ValueError(
        f"{describe(index, atoms)}: {label} must be finite; got {value.ravel()[:6].tolist()}. "
        "Repair it, or pass None to leave it out."
    )


def _known_forces(index, atoms, value, label, missing_forces):
    """Forces with rows of NaN where these are allowed; None if no atom has any."""
    unknown = np.isnan(value)
    some, whole = unknown.any(axis=1), unknown.all(axis=1)
    if missing_forces == "error":
        raise ValueError(
            f"{describe(index, atoms)}: {label} must be finite; those of {some.sum()} of "
            f"{len(atoms)} atoms are NaN, first of atom {some.argmax()}. Repair them, pass None to "
            "leave out all forces of the structure, or set missing_forces='ignore' to leave out "
            "those of these atoms."
        )
    if (some & ~whole).any():
        atom = int((some & ~whole).argmax())
        raise ValueError(
            f"{describe(index, atoms)}: {label} are {value[atom].tolist()} for atom {atom}; a "
            "force that is left out must be NaN in all three components. Set the others to NaN too."
        )
    _checked(index, atoms, value[~whole], (np.count_nonzero(~whole), 3), label)
    return None if whole.all() else value


def _check_one_potential(atoms_list, y, forces):
    """Refuse energies that are not those of the calculators if the forces are.

    Energies may differ by amounts per element (energies of formation), and forces of another
    potential say nothing.
    """
    rows = [
        (index, y[index] - float(stored["energy"]))
        for index, atoms in enumerate(atoms_list)
        if (stored := getattr(atoms.calc, "results", {})).keys() >= {"energy", "forces"}
        and y[index] is not None
        and forces[index] is not None
        and np.shape(stored["forces"]) == forces[index].shape
        and np.allclose(forces[index], stored["forces"], rtol=0.0, atol=_AGREE, equal_nan=True)
    ]
    if not rows:
        return
    where, shifts = np.array([i for i, _ in rows]), np.array([shift for _, shift in rows])
    counts = element_counts([atoms_list[i] for i in where])[1]
    rest = shifts - counts @ np.linalg.lstsq(counts, shifts, rcond=None)[0]
    size = max(1.0, np.abs(shifts).max())
    worst = np.abs(rest).argmax()
    if np.abs(rest[worst]) > _AGREE * size:
        raise ValueError(
            f"{describe(where[worst], atoms_list[where[worst]])}: the forces are those of its "
            f"calculator but y differs from the calculator's energy by {shifts[worst]:.6g} eV, "
            "which is not a constant per element. Pass energies and forces of one potential, or "
            "y=None to take both from the calculators."
        )


def element_counts(atoms_list, numbers=None):
    """Atomic numbers, sorted, and how many of each a structure has: (n_structures, n_elements)."""
    if numbers is None:
        numbers = np.unique(np.concatenate([atoms.numbers for atoms in atoms_list]))
    counts = [(atoms.numbers[:, None] == numbers).sum(axis=0) for atoms in atoms_list]
    return numbers, np.array(counts, dtype=float)


def read_groups(groups, n):
    """Labels of n structures as an array, or None."""
    if groups is None:
        return None
    if len(groups) != n:
        raise ValueError(f"groups must have one label a structure: {n}; got {len(groups)}.")
    labels = groups.tolist() if hasattr(groups, "tolist") else list(groups)
    for index, label in enumerate(labels):
        if label is None or (isinstance(label, Real) and np.isnan(label)):
            raise ValueError(
                f"groups[{index}] is {label}, and every structure needs a label. Give one of its "
                "own to each that has none."
            )
    try:
        found = np.asarray(groups)
    except ValueError:  # lists of several lengths
        found = np.zeros((0, 0))
    n_texts = sum(isinstance(label, str) for label in labels)
    if n_texts not in (0, n) or found.ndim != 1:
        raise ValueError("groups must be labels of one kind, all text or all numbers.")
    return found


def read_shared_groups(groups, n):
    """Labels of n structures that keep some of them together, or None."""
    groups = read_groups(groups, n)
    if groups is None:
        return None
    n_groups = len(set(groups.tolist()))
    if n_groups == 1:
        raise ValueError(
            "groups has one label for all structures, so that none can be left out. Give at least "
            "two, or leave groups out."
        )
    if n_groups == n:
        raise ValueError(
            "groups has one member a group, so that nothing is kept together. Give labels that the "
            "structures of a molecule share, or leave groups out."
        )
    return groups


def read_values(y, n):
    """Targets of n structures, one number or row each, as an array; None stays None."""
    if y is None:
        return None
    targets = np.array(real_array(y, "y"))
    if len(targets) != n:
        raise ValueError(f"y must have one target a structure: {n}; got {len(targets)}.")
    if not np.isfinite(targets).all():
        raise ValueError(f"y[{np.argwhere(~np.isfinite(targets))[0][0]}] is not finite.")
    return targets


def read_sample_weight(sample_weight, n):
    """Weights of n structures as an array; ones for None."""
    if sample_weight is None:
        return np.ones(n)
    weights = np.array(real_array(sample_weight, "sample_weight"))
    if weights.shape != (n,) or not (np.isfinite(weights) & (weights >= 0.0)).all():
        raise ValueError(
            f"sample_weight must be {n} numbers, one a structure, not negative; got an array of "
            f"shape {weights.shape}."
        )
    return weights
