"""Rows of a batch of structures, and which structures have none, and why."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.pipeline import FeatureUnion

from ..inputs.targets import known_energies
from ..projection.chain_rule import branches
from ..streaming.batches import Batch

Level = Literal["structure", "atom"]


@dataclass(frozen=True)
class Failure:
    """A structure without rows.

    Attributes
    ----------
    structure : int
        Place in the source.
    formula : str
        Empty if it could not be read.
    reason : str
    """

    structure: int
    formula: str
    reason: str


@dataclass(frozen=True)
class Described:
    """What a batch adds to a data set.

    Attributes
    ----------
    structures, n_atoms : ndarray of shape (n_structures,), int
        Places in the source, and numbers of atoms.
    formulas : list of str
    energies : list of float or None
        In eV.
    info : dict of str to list
        Values of the chosen keys; None where a structure lacks them.
    symbols : list of str
        Of all atoms, with rows of atoms; else empty.
    rows : ndarray of shape (n_rows, n_features)
    failures : list of Failure
    """

    structures: NDArray
    n_atoms: NDArray
    formulas: list[str]
    energies: list[float | None]
    info: dict[str, list]
    symbols: list[str]
    rows: NDArray
    failures: list[Failure] = field(default_factory=list)


@dataclass(frozen=True)
class Describer:
    """The work on a batch, as it goes to workers.

    Parameters
    ----------
    transformer : estimator
        Fitted.
    level : {"structure", "atom"}
    info_keys : tuple of str
    """

    transformer: BaseEstimator
    level: Level
    info_keys: tuple[str, ...]

    def __call__(self, batch: Batch) -> Described:
        """Describe the structures of a batch that can be described."""
        read, failures = [], []
        for record in batch.records:
            try:
                read.append((record, record.read()))
            except ValueError as error:
                failures.append(Failure(record.index, "", str(error)))
        try:
            return self._described(read, failures)
        except MemoryError:
            raise
        except Exception:
            good, bad = self._one_by_one(read)
            if not bad:  # not the fault of a structure
                raise
        failures = sorted([*failures, *bad], key=lambda failure: failure.structure)
        return self._described(good, failures)

    def _one_by_one(self, read):
        """Those that can be described, and the failures of the others."""
        good, bad = [], []
        for record, atoms in read:
            try:
                self._described([(record, atoms)], [])
            except MemoryError:
                raise
            except Exception as error:
                bad.append(Failure(record.index, _formula(atoms), record.blame(atoms, error)))
            else:
                good.append((record, atoms))
        return good, bad

    def _described(self, read, failures):
        atoms_list = [atoms for _, atoms in read]
        by_atom = self.level == "atom"
        return Described(
            np.array([record.index for record, _ in read], dtype=np.int64),
            np.array([len(atoms) for atoms in atoms_list], dtype=np.int64),
            [_formula(atoms) for atoms in atoms_list],
            [_energy(atoms) for atoms in atoms_list],
            {key: [atoms.info.get(key) for atoms in atoms_list] for key in self.info_keys},
            [symbol for atoms in atoms_list for symbol in atoms.symbols] if by_atom else [],
            self._rows(atoms_list),
            failures,
        )

    def _rows(self, atoms_list):
        if not atoms_list:
            return np.zeros((0, 0))
        if self.level == "atom":
            rows = rows_of_atoms(self.transformer, atoms_list)
        else:
            rows = dense(self.transformer.transform(atoms_list))
        if not np.isfinite(rows).all():
            raise ValueError("its features are not finite.")
        return rows


def check_atoms(transformer: BaseEstimator) -> None:
    """Refuse a transformer that has no rows of atoms.

    Raises
    ------
    TypeError
        Says what is allowed.
    """
    if isinstance(transformer, FeatureUnion):
        for branch, _ in branches(transformer):
            check_atoms(branch)
    elif not hasattr(transformer, "transform_atoms"):
        raise TypeError(
            'level="atom" needs a transformer of sklode or a FeatureUnion of such; '
            f"{type(transformer).__name__} describes structures only."
        )


def rows_of_atoms(transformer: BaseEstimator, atoms_list: list) -> NDArray:
    """Rows of all atoms, of a transformer of structures or a union of such."""
    if isinstance(transformer, FeatureUnion):
        pairs = branches(transformer)
        return np.concatenate([w * rows_of_atoms(t, atoms_list) for t, w in pairs], axis=1)
    return np.asarray(transformer.transform_atoms(atoms_list))


def dense(rows: object) -> NDArray:
    """Rows as an array, whatever container a transformer gives."""
    return rows.toarray() if issparse(rows) else np.asarray(rows)  # type: ignore[attr-defined]


def _energy(atoms):
    """In eV; None if it is not known, or not finite: features do not need it."""
    stored = getattr(atoms.calc, "results", {}).get("energy")
    if isinstance(stored, (float, np.floating)) and not np.isfinite(stored):
        return None
    (known,) = known_energies([atoms])
    return None if known is None else float(known)


def _formula(atoms):
    return str(atoms.get_chemical_formula())
