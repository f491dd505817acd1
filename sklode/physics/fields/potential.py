"""The long-range potential V_i around every atom, isolated and periodic structures alike."""

from dataclasses import dataclass
from functools import cached_property, lru_cache, partial

import numpy as np

from ..operators.grouped import Centered, Grouped
from ..pairs.pair_sum import PairSum
from ..planning.splitting import (
    SMALLEST_SPLIT,
    nearest_sources,
    reach_of_pairs,
    split_smearing,
    splits_of,
)
from ..radial.functions import pair_function
from ..radial.integrals import TABLE_ACCURACY, center_integrals, pair_table
from ..radial.switches import Exterior
from ..system.structures import ISOLATED, PARTLY_PERIODIC, PERIODIC, periodicities
from .partly_periodic import PartlyPeriodicSum, with_shares
from .periodic import PeriodicSum

_ROUNDING = 1e-15


@lru_cache(maxsize=8)
def potential(basis, laws, include_center, exterior_width, summation):
    """Coefficients <anlm|V_i> of the potential, as an operator.

    Parameters
    ----------
    basis : RadialBasis
    laws : tuple of SmearedPowerLaw
    include_center : bool
        Whether an atom's own potential counts.
    exterior_width : float or None
        None for the potential of all atoms; or the width of the shell below ``basis.cutoff`` in
        which atoms begin to act, for that of the atoms beyond.
    summation : Summation
        How k-vectors are summed.

    Returns
    -------
    CoefficientOperator
        One for all batches, since the frames of a trajectory share what it keeps.
    """
    field = _Potential(basis, laws, include_center, exterior_width, summation)
    periodic = lru_cache(maxsize=None)(field.periodic_sum)
    partly = lru_cache(maxsize=None)(field.partly_periodic_sum)
    kinds = {
        ISOLATED: field.isolated_sum(),
        PARTLY_PERIODIC: Grouped(field.splits_in_boxes, partly, *field.sizes),
        PERIODIC: Grouped(field.splits, periodic, *field.sizes),
    }
    return Grouped(periodicities, kinds.get, *field.sizes)


@dataclass(frozen=True, eq=False)
class _Potential:
    """Of which sums the potential consists, all of it or that of the atoms beyond the cutoff."""

    basis: object
    laws: tuple
    include_center: bool
    exterior_width: float | None
    summation: object

    @property
    def sizes(self):
        """Largest degree and number of laws."""
        return self.basis.l_max, len(self.laws)

    def isolated_sum(self):
        """Pairs of isolated structures (section 5.1)."""
        pairs = PairSum(self._near, *self.sizes, None, self.summation.n_threads)
        return Centered(pairs, self._own(self.laws)) if self.include_center else pairs

    def partly_periodic_sum(self, split):
        """The same as ``periodic_sum`` of structures in boxes (section 5.2)."""
        lengths = {"reach": self.basis.reach, "unit": self.basis.cutoff}
        return self.periodic_sum(split, partial(PartlyPeriodicSum, **lengths))

    def periodic_sum(self, split, kind=PeriodicSum):
        """k-vectors, of the potential itself (section 4.1) or of a wider one with pairs (4.4)."""
        if split is None:
            return kind(
                self.basis,
                self.laws,
                uniform=[law.fourier_at_zero for law in self.laws],
                own=None if self.include_center else self._own(self.laws),
                summation=self.summation,
            )
        smearing, nearest, *share = split
        wide = [law.widened(smearing) for law in self.laws]
        correction, own = self._near - pair_function(self.basis, wide), self._own(wide)
        widest = max(law.smearing for law in wide)
        reach = self._reach(correction, widest, nearest, *share)
        return kind(
            self.basis,
            wide,
            uniform=[law.split_weight(w) for law, w in zip(self.laws, wide, strict=True)],
            own=own - self._own(self.laws) if self.include_center else own,
            pairs=PairSum(correction, *self.sizes, reach, self.summation.n_threads),
            summation=self.summation,
        )

    def splits(self, batch):
        """For each structure the smearing of the k-sum and the distance of the sources, or None.

        None is the sum without pairs.
        """
        if self.summation.k_cutoff is not None and self.exterior_width is None:
            return [None] * len(batch.structures)
        return splits_of(batch, self._split)

    def splits_in_boxes(self, batch):
        """The same for structures that repeat along two axes or one."""
        return with_shares(self.splits(batch), batch)

    @cached_property
    def _near(self):
        """Pair function of all atoms, or of those beyond the cutoff."""
        function = pair_function(self.basis, self.laws)
        if self.exterior_width is None:
            return function
        return function.switched(Exterior(self.basis.cutoff, self.exterior_width))

    def _own(self, laws):
        """Coefficients of an atom's own potential, (n_laws, n_max)."""
        return np.stack([center_integrals(self.basis, law) for law in laws])

    def _split(self, sources):
        """Split of one structure, from a summary of its sources."""
        basis, summation = self.basis, self.summation
        cutoff, smearing = basis.cutoff, min(law.smearing for law in self.laws)
        exterior = self.exterior_width is not None
        lowest = max(smearing, SMALLEST_SPLIT * cutoff) if exterior else smearing
        split = split_smearing(
            sources,
            lowest=lowest,
            start=basis.reach,
            tol=summation.tol,
            l_max=basis.l_max,
            n_radial=len(self.laws) * basis.n_max,
            may_stay=not exterior,
        )
        # a law that cannot be widened, such as a density, needs all its k-vectors anyway
        if any(law.widened(split) is law for law in self.laws):
            split = lowest
        if not (exterior or split > smearing):
            return None
        nearest = nearest_sources(sources, cutoff)
        return (split, nearest) if exterior or self._tables_resolve(nearest) else None

    @cached_property
    def _tables_end(self):
        """Distance up to which potentials are looked up in tables."""
        return max(pair_table(self.basis, law).near.upper for law in self.laws)

    def _tables_resolve(self, nearest):
        """Whether pair tables, accurate beside an overlapping atom, are so beside a distant one.

        Some atoms are ``nearest`` to each other. Those that tables are for, instead of the exact
        far field, are no farther away than the tables end.
        """
        for law in self.laws:
            table = pair_table(self.basis, law)
            values = table(np.array([0.0, nearest, table.near.upper]))
            overlapping, *others = np.abs(values).max(axis=1)
            if TABLE_ACCURACY * overlapping > 0.1 * self.summation.tol * max(others):
                return False
        return True

    def _reach(self, correction, smearing, nearest, share=1.0):
        """Distance beyond which pairs add less than a hundredth of ``tol`` of a share."""
        basis, n_laws = self.basis, len(self.laws)
        function = pair_function(basis, self.laws)
        inside, outside = np.abs(function(np.array([0.0, nearest])))
        allowed = 0.01 * self.summation.tol * share * outside
        if nearest < self._tables_end:  # beyond, the far field is exact
            allowed = np.maximum(allowed, _ROUNDING * inside.max())
        largest = allowed.reshape(basis.l_max + 1, n_laws, -1).max(axis=(0, 2))
        allowed = np.broadcast_to(largest[:, None], (basis.l_max + 1, n_laws, basis.n_max))
        return reach_of_pairs(correction, basis.reach, smearing, allowed.ravel())
