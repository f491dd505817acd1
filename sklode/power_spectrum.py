"""Invariants of two projectors."""

from collections.abc import Sequence
from itertools import combinations_with_replacement, product
from os import PathLike
from typing import Literal

import numpy as np
import pandas as pd
from ase import Atoms
from joblib import Memory
from numpy.typing import NDArray
from sklearn.base import clone

from .base import MEMORY, N_JOBS, StrOptions
from .physics.invariants.spectra import LinearColumns, PairColumns, Part
from .projection.field_features import FieldFeatures
from .projection.labels import power_spectrum_table, split_by_center
from .projection.projector import Projector
from .projection.species import symbols


class PowerSpectrum(FieldFeatures):
    r"""Rotational invariants of two fields around an atom: rho x rho, rho x V, V x V.

    .. math:: p_i = \frac{(-1)^l}{\sqrt{2l+1}} \sum_m
              \langle a_1 n_1 l m|F_i\rangle \langle a_2 n_2 l m|G_i\rangle

    with the coefficients of ``left`` and ``right``, eq. (7.2). Local density times far-field
    potential (rho x V) tells how an environment sits in the potential of the others.

    Parameters
    ----------
    left : DensityProjector or LongRangePotential
        First projector. Its own ``invariants``, ``pooling`` and ``memory`` are not used.
    right : DensityProjector or LongRangePotential, default=None
        Second projector; None combines ``left`` with itself, exponent by exponent.
    center_species : {"shared", "split"}, default="shared"
        "shared" adds all atoms of a structure up; "split" keeps one block of columns per central
        element.
    pooling : {"sum", "mean"}, default="sum"
        How atoms make a structure.
    n_jobs : int or None, default=None
        Number of workers for chunks of structures, as in joblib.
    memory : str, path or joblib.Memory, default=None
        Folder that keeps the rows of `transform` and `transform_atoms`, so that no structure is
        described twice in the same way; a path holds 10 GB at most.

    Attributes
    ----------
    left_, right_ : estimators
        The fitted projectors; ``right_`` is None when ``right`` is, and ``left_`` when
        ``right`` is equal to ``left``.
    species_ : ndarray of shape (n_species,)
        Sorted atomic numbers of the central atoms, those of ``left_``.
    feature_table_ : DataFrame
        One row a column: name, family, exponents, species, radial indices and degree.

    See Also
    --------
    DensityProjector, LongRangePotential : The projectors.

    Notes
    -----
    Two different projectors give all ordered pairs of channels, which are pairs of an element and a
    radial function. One projector with itself gives each unordered pair once, unlike ones times
    sqrt(2), so that scalar products of rows are those of all ordered pairs. ``right=None`` combines
    each exponent with itself; a second projector equal to the first one adds the unordered pairs of
    unlike exponents.
    Projectors of unequal ``l_max`` are combined up to the smaller one.

    References
    ----------
    A. Grisafi, J. Nigam, M. Ceriotti, Chem. Sci. 12, 2078 (2021).

    Examples
    --------
    >>> from ase.build import molecule
    >>> from sklode import DensityProjector, LongRangePotential, PowerSpectrum
    >>> rho_v = PowerSpectrum(DensityProjector(n_max=2, l_max=1), LongRangePotential(exponent=6))
    >>> rho_v.fit_transform([molecule("H2O"), molecule("CH3OH")]).shape
    (2, 36)
    >>> rho_v.get_feature_names_out()[-1]
    'rhov6_O.O_n1n0_l1'
    """

    _parameter_constraints = {
        "left": [Projector],
        "right": [Projector, None],
        "center_species": [StrOptions({"shared", "split"})],
        "pooling": [StrOptions({"sum", "mean"})],
        "n_jobs": N_JOBS,
        "memory": MEMORY,
    }

    def __init__(
        self,
        left: Projector,
        right: Projector | None = None,
        *,
        center_species: Literal["shared", "split"] = "shared",
        pooling: Literal["sum", "mean"] = "sum",
        n_jobs: int | None = None,
        memory: str | PathLike | Memory | None = None,
    ):
        self.left = left
        self.right = right
        self.center_species = center_species
        self.pooling = pooling
        self.n_jobs = n_jobs
        self.memory = memory

    def learn(self, atoms_list: Sequence[Atoms]) -> None:
        """Learn from the structures; called by ``fit``."""
        self.left_ = clone(self.left).fit(atoms_list)
        right = None if self.right is None else clone(self.right).fit(atoms_list)
        equal = right is not None and self.left_.has_field_of(right)
        self.right_ = self.left_ if equal else right
        self.species_ = self.left_.species_

    def projectors(self) -> list:
        """One fitted projector, or two different ones."""
        if self.right_ is None or self.right_ is self.left_:
            return [self.left_]
        return [self.left_, self.right_]

    def charge_names(self) -> tuple[str, ...]:
        """Names of the per-atom arrays to read along."""
        pair = [p for p in (self.left, self.right) if p is not None]
        return tuple({name: None for p in pair for name in p.charge_names()})

    def elements_matter(self) -> bool:
        """Whether an atom of an unknown element has no place in the columns."""
        return self.center_species == "split" or any(p.elements_matter() for p in self.projectors())

    @property
    def row_dtype(self) -> np.dtype:
        """Precision of the rows."""
        return self.left_.row_dtype

    def check_structures(self, atoms_list: Sequence[Atoms]) -> None:
        """Refuse structures that this transformer cannot describe."""
        for projector in self.projectors():
            projector.check_structures(atoms_list)

    def _pairs(self, left, right):
        """Pairs of blocks whose invariants are columns; ``right`` is that of the last projector."""
        if self.right_ is None:
            return [(block, block) for block in left]
        if self.right_ is self.left_:
            return list(combinations_with_replacement(left, 2))
        return list(product(left, right))

    def column_table(self) -> pd.DataFrame:
        """Table of the columns, not to be changed; see ``feature_table_``."""
        blocks = [p.column_blocks() for p in self.projectors()]
        l_max = min(p.l_max for p in self.projectors())
        pairs = self._pairs(blocks[0], blocks[-1])
        table = power_spectrum_table(pairs, l_max, self.right_ is not None)
        if self.center_species == "split":
            table = split_by_center(table, symbols(self.species_))
        return table

    def columns_of(
        self, fields: list[list[NDArray]], parts: list[list[Part]]
    ) -> LinearColumns | PairColumns:
        """Make columns of the coefficients of fields, as PairColumns."""
        return PairColumns(fields, self._pairs(parts[0], parts[-1]))
