"""The sum over k-vectors for slabs and wires, in boxes (theory, section 5.2)."""

from dataclasses import replace
from functools import partial

import numpy as np

from ..radial.windowed import Window, box_length
from ..system.boxes import boxed
from ..system.structures import Batch
from .periodic import PeriodicSum

_OPPOSITE = 1e-5  # of the potential of one charge that may be left beside opposite ones


class PartlyPeriodicSum(PeriodicSum):
    """Coefficients of structures that repeat along two axes or one; eqs. (4.1) and (5.1).

    Parameters
    ----------
    basis, laws
        As of PeriodicSum.
    reach : float
        How far from an atom its potential is needed, in angstrom.
    unit : float
        Length at which the logarithmic potential of a layer or a line vanishes.
    summation : Summation
    **others
        As of PeriodicSum.
    """

    def __init__(self, basis, laws, *, reach, unit, summation, **others):
        super().__init__(basis, laws, summation=summation, **others)
        self._reach, self._unit = reach, unit

    def _in_cells(self, batch):
        return in_boxes(batch, self._laws, self._reach, self._tol)

    def _uniform(self, batch, densities):
        windowed, constant = self._of_uniform_density(batch)
        return self._terms(windowed + constant, densities)

    def _strained_uniform(self, batch, densities):
        """The same; the constant depends on the periodic directions alone."""
        windowed, constant = self._of_uniform_density(batch)
        along = np.stack([_projector(s.cell[s.periodic]) for s in batch.structures])
        return -(
            self._terms(windowed, densities)[..., None, :] * np.eye(3).reshape(9, 1)
            + self._terms(constant, densities)[..., None, :] * along.reshape(-1, 1, 1, 9, 1)
        )

    def _of_uniform_density(self, batch):
        """Potentials of 1 atom per cubic angstrom, windowed and constant.

        Both of shape (n_structures, n_laws).
        """
        windows = [self._window(structure) for structure in batch.structures]
        at_zero = np.array([[window.at_zero(law) for law in self._laws] for window in windows])
        lengths = [(2.0 * window.radius) ** (3 - window.n_periodic) for window in windows]
        return at_zero[..., 0], at_zero[..., 1] * np.array(lengths)[:, None]

    def _terms(self, weights, densities):
        return (weights[:, :, None] * densities[:, None])[..., None] * self._radial

    def _plans(self, structures, weights, accuracies):
        plans = super()._plans(structures, weights, accuracies)
        # in double precision, since waves and the constant of a charged layer cancel
        return {
            i: replace(p, window=self._window(structures[i]), dtype="float64")
            for i, p in plans.items()
        }

    def _window(self, structure):
        """Window of a structure in a box."""
        (length, *_) = np.linalg.norm(structure.cell[~structure.periodic], axis=1)
        return Window(0.5 * float(length), tuple(structure.periodic.tolist()), self._unit)


def _projector(vectors):
    """Matrix that leaves of a vector what is along some others, which are rows."""
    return np.linalg.pinv(vectors) @ vectors


def in_boxes(batch, laws, reach, tol):
    """Put structures in boxes, in which no window makes a difference of ``tol``."""

    def length(extent, repeats, share):
        return box_length(extent, reach, repeats.min(), laws, tol * share)

    each = zip(batch.structures, shares_of_one(batch), strict=True)
    structures = [boxed(structure, partial(length, share=share)) for structure, share in each]
    return Batch(structures, batch.channels)


def with_shares(splits, batch):
    """Splits of the structures of a batch, or None, with ``shares_of_one`` each."""
    each = zip(splits, shares_of_one(batch), strict=True)
    return [split and (*split, share) for split, share in each]


def shares_of_one(batch):
    """How much is left of the potential of one atom, for each structure, as a list.

    It is little where weights of both signs cancel.
    """
    lowest, highest = (
        extreme.reduceat(batch.channels.weights, batch.offsets[:-1])
        for extreme in (np.minimum, np.maximum)
    )
    return np.where((lowest < 0.0) & (highest > 0.0), _OPPOSITE, 1.0).tolist()
