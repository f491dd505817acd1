"""What a source of structures has to learn from, before anything is computed."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from ase import Atoms

from ..inputs.atoms import read_structures
from ..inputs.targets import element_counts, read_groups, read_sample_weight, read_targets
from ..physics import blocks
from ..streaming.batches import ahead, cut
from ..streaming.fitted import cover
from ..streaming.tasks import each_batch

CHANGED = (
    "The source has changed since it was read first. It must give the same structures in the same "
    "order whenever it is read; fit again."
)
_NOT_COMPUTED = (
    "its calculator holds no results for it, and a fit to a source computes none. Attach them, as "
    "with SinglePointCalculator(atoms, energy=..., forces=...), or pass a list of structures."
)


@dataclass(frozen=True)
class Survey:
    """What all structures have, in arrays that stay small.

    Attributes
    ----------
    sizes : ndarray of shape (n_structures,), int
        Numbers of atoms.
    numbers : ndarray of shape (n_elements,), int
        Atomic numbers of all elements, sorted.
    counts : ndarray of shape (n_structures, n_elements)
        How many atoms of each element.
    known : ndarray of shape (n_structures, 3), int
        How many energies, force components and stress components are known.
    groups : ndarray of shape (n_structures,) or None
        Labels.
    sample_weight : ndarray of shape (n_structures,)
    sample : list of ase.Atoms
        A few of the structures, which have all elements.
    digests : bytes
        As many for each structure, which others do not have.
    """

    sizes: np.ndarray
    numbers: np.ndarray
    counts: np.ndarray
    known: np.ndarray
    groups: np.ndarray | None
    sample_weight: np.ndarray
    sample: list
    digests: bytes

    def digests_of(self, start: int, stop: int) -> bytes:
        """Digests of the structures from ``start`` to ``stop``."""
        n_bytes = len(self.digests) // len(self.sizes)
        return self.digests[n_bytes * start : n_bytes * stop]


def survey(source, groups, sample_weight, missing_forces):
    """Read all structures once.

    Parameters
    ----------
    source : Source
    groups : str, array-like of shape (n_structures,) or None
        A key of ``atoms.info``, or labels.
    sample_weight : str, array-like of shape (n_structures,) or None
        The same of weights.
    missing_forces : {"error", "ignore"}
        As of AtomisticRidgeCV.

    Returns
    -------
    Survey

    Raises
    ------
    ValueError
        For a structure that cannot be read or has wrong targets; the message names it.
    """
    keys = [key for key in (groups, sample_weight) if isinstance(key, str)]
    batches = ahead(cut(source, blocks.BATCH_ATOMS, blocks.BATCH_ATOMS), blocks.BATCHES_AHEAD)
    found = [part for _, part in each_batch(_Look(keys, missing_forces), batches, None)]
    if not found:
        raise ValueError("The source holds no structures.")
    sizes = np.concatenate([part.sizes for part in found])
    numbers = np.unique(np.concatenate([part.numbers for part in found]))
    counts = np.zeros((len(sizes), len(numbers)))
    ends = np.cumsum([len(part.sizes) for part in found])
    for part, end in zip(found, ends, strict=True):
        own = slice(end - len(part.sizes), end)
        counts[own, np.searchsorted(numbers, part.numbers)] = part.counts
    info = {key: [value for part in found for value in part.info[key]] for key in keys}
    labels = info[groups] if isinstance(groups, str) else groups
    weights = info[sample_weight] if isinstance(sample_weight, str) else sample_weight
    return Survey(
        sizes,
        numbers,
        counts,
        np.concatenate([part.known for part in found]),
        read_groups(labels, len(sizes)),
        read_sample_weight(weights, len(sizes)),
        cover([atoms for part in found for atoms in part.sample]),
        b"".join(part.digests for part in found),
    )


@dataclass(frozen=True)
class _Seen:
    """What a batch has to learn from."""

    sizes: np.ndarray
    numbers: np.ndarray
    counts: np.ndarray
    known: np.ndarray
    info: dict[str, list]
    sample: list
    digests: bytes


@dataclass(frozen=True)
class _Look:
    """How a worker sees what a batch has to learn from."""

    keys: list[str]
    missing_forces: str

    def __call__(self, batch):
        atoms_list = read_all(batch.records)
        for record, atoms in zip(batch.records, atoms_list, strict=True):
            if record.uncomputed:
                raise ValueError(record.blame(atoms, _NOT_COMPUTED))
        targets = targets_of(batch.records, atoms_list, self.missing_forces)
        known = [
            [0 if value is None else np.isfinite(value).sum() for value in values]
            for values in (targets.energies, targets.forces, targets.stresses)
        ]
        pairs = list(zip(batch.records, atoms_list, strict=True))
        return _Seen(
            np.array([len(atoms) for atoms in atoms_list]),
            *element_counts(atoms_list),
            np.array(known).T,
            {key: [_info(*pair, key) for pair in pairs] for key in self.keys},
            cover(atoms_list),
            _digests(batch.records),
        )


def _digests(records):
    return b"".join(record.digest() for record in records)


def refuse_others(records, digests):
    """Refuse structures that are not those of a survey, whose digests are given.

    Raises
    ------
    ValueError
        Says what a source has to be.
    """
    if _digests(records) != digests:
        raise ValueError(CHANGED)


def read_all(records):
    """Structures of records, checked.

    Raises
    ------
    ValueError
        Names the structure by its place in the source.
    """
    atoms_list = [record.read() for record in records]
    checked(read_structures, records, atoms_list)
    return atoms_list


def targets_of(records, atoms_list, missing_forces):
    """Targets of the structures of records, from their calculators; errors as of ``read_all``."""
    read = partial(read_targets, missing_forces=missing_forces)
    return checked(read, records, atoms_list)


def checked(function, records, atoms_list: list[Atoms]):
    """Result of a function of structures; its errors name these by their places in the source."""
    try:
        return function(atoms_list)
    except (ValueError, TypeError):
        for record, atoms in zip(records, atoms_list, strict=True):
            try:
                function([atoms])
            except (ValueError, TypeError) as error:
                raise ValueError(record.blame(atoms, error)) from error
        raise


def _info(record, atoms, key):
    if key not in atoms.info:
        raise ValueError(
            f"{record.label} ({atoms.get_chemical_formula()}): has no info[{key!r}]; it has "
            f"{sorted(map(str, atoms.info))}."
        )
    return atoms.info[key]
