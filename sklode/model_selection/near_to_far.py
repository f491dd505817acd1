"""Splits of binding curves: train on what is near, test on what is far."""

from collections.abc import Hashable, Iterator, Sequence
from numbers import Integral, Real

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_consistent_length

from ..inputs.atoms import describe, read_container
from ..inputs.fragments import centers_apart, gap_between


class NearToFarSplit(BaseCrossValidator):
    """Train on the near part of every binding curve, test on what lies beyond.

    Several cuts: the first one trains on ``near_share`` of the points of each curve, the others on
    shares between that and all of them, in equal steps. Random or left-out structures of a curve
    say how well a model interpolates; these splits say how well it carries on to distances that it
    was not shown.

    Parameters
    ----------
    n_splits : int, default=3
        Number of cuts.
    distance : str or None, default="distance"
        Key of ``atoms.info`` with the distance, in any unit that is the same along a curve. None
        measures it, in angstrom, between the centres of mass of the two fragments.
    curve : str or None, default=None
        Key of ``atoms.info`` that names the curve of a structure. None: each group is a curve, and
        without groups all structures are of one curve.
    near_share : float, default=0.6
        Share of the points of each curve that the first split trains on, above 0 and below 1. There
        is at least one, and at least one is left; points at equal distances stay together.
    outside : float or None, default=None
        If given, tests are made only on structures whose fragments are farther apart than this,
        between their nearest atoms, in angstrom: give the cutoff of the local features, and nothing
        that a local model sees of one fragment's neighbourhood is in the test. The structures
        between are in neither part.
    fragments : str, default="fragment"
        Per-atom array of integers with the fragments, for ``distance=None`` and ``outside``.

    See Also
    --------
    StructureSearchCV : Searches that such splits can judge.

    Examples
    --------
    >>> from sklode.datasets import load_s22x5
    >>> from sklode.model_selection import NearToFarSplit
    >>> dimers = load_s22x5()  # five distances of each dimer
    >>> for atoms, dimer in zip(dimers.data, dimers.groups):
    ...     atoms.info["dimer"] = dimer
    >>> splits = NearToFarSplit(2, curve="dimer", near_share=0.4)
    >>> [(len(train), len(test)) for train, test in splits.split(dimers.data)]
    [(44, 66), (88, 22)]
    """

    def __init__(
        self,
        n_splits: int = 3,
        *,
        distance: str | None = "distance",
        curve: str | None = None,
        near_share: float = 0.6,
        outside: float | None = None,
        fragments: str = "fragment",
    ):
        self.n_splits = n_splits
        self.distance = distance
        self.curve = curve
        self.near_share = near_share
        self.outside = outside
        self.fragments = fragments

    def get_n_splits(self, X: object = None, y: object = None, groups: object = None) -> int:
        """Number of cuts; the arguments are ignored, for compatibility."""
        return self.n_splits

    def split(
        self, X: Sequence[Atoms], y: object = None, groups: object = None
    ) -> Iterator[tuple[NDArray, NDArray]]:
        """Pairs of the structures to train on and those to test on.

        Parameters
        ----------
        X : sequence of ase.Atoms
        y : ignored
            For compatibility.
        groups : array-like of shape (n_structures,), default=None
            Names of the curves, if `curve` is None.

        Yields
        ------
        train, test : ndarray of int
            Positions in X.

        Raises
        ------
        ValueError
            For a wrong parameter; if a structure has no distance or curve, the message names it; if
            a curve has fewer points than there are cuts; or if a test part is empty.
        """
        self._check()
        atoms_list = read_container(X)
        distances = self._distances(atoms_list)
        curves = self._curves(atoms_list, groups)
        self._check_curves(curves)
        is_seen = self._seen(atoms_list)
        step = (1.0 - self.near_share) / self.n_splits
        for cut in range(self.n_splits):
            share = self.near_share + cut * step
            near = np.zeros(len(atoms_list), dtype=bool)
            for members in curves.values():
                near[members] = _nearest(distances[members], share)
            test = np.flatnonzero(~near & ~is_seen)
            if not len(test):
                raise ValueError(self._nothing_left(share, distances[~near]))
            yield np.flatnonzero(near), test

    def _check(self):
        is_count = isinstance(self.n_splits, Integral) and not isinstance(self.n_splits, bool)
        if not is_count or self.n_splits < 1:
            raise ValueError(f"n_splits must be a whole number from 1 on; got {self.n_splits!r}.")
        if not isinstance(self.near_share, Real) or not 0 < self.near_share < 1:
            raise ValueError(
                f"near_share must be a number between 0 and 1; got {self.near_share!r}."
            )
        if self.outside is not None and not (
            isinstance(self.outside, Real) and 0 <= self.outside < np.inf
        ):
            raise ValueError(
                f"outside must be a distance in angstrom, not negative, or None; got "
                f"{self.outside!r}."
            )

    def _distances(self, atoms_list):
        if self.distance is None:
            return np.array([centers_apart(i, a, self.fragments) for i, a in enumerate(atoms_list)])
        values = []
        for index, atoms in enumerate(atoms_list):
            value = _info(index, atoms, self.distance, "distance")
            if isinstance(value, bool) or not np.isscalar(value) or not _is_finite(value):
                raise ValueError(
                    f"{describe(index, atoms)}: the distance atoms.info['{self.distance}'] must be "
                    f"a finite number; it is {value!r}."
                )
            values.append(float(value))
        return np.array(values)

    def _curves(self, atoms_list, groups):
        """Positions of the members of each curve."""
        if self.curve is not None:
            names = [
                str(_info(i, atoms, self.curve, "curve")) for i, atoms in enumerate(atoms_list)
            ]
        elif groups is not None:
            names = list(groups)
            check_consistent_length(atoms_list, names)
        else:
            return {None: np.arange(len(atoms_list))}
        members: dict[Hashable, list[int]] = {}
        for index, name in enumerate(names):
            members.setdefault(name, []).append(index)
        return {name: np.array(numbers) for name, numbers in members.items()}

    def _check_curves(self, curves):
        short = {name: len(m) for name, m in curves.items() if len(m) < self.n_splits}
        if short:
            name, size = next(iter(short.items()))
            which = "the structures are" if name is None else f"curve '{name}' has"
            raise ValueError(
                f"{len(short)} of {len(curves)} curves have fewer points than there are cuts "
                f"(n_splits={self.n_splits}): {which} {size}. Lower n_splits, leave these "
                "structures out, or let `curve` name curves with more points."
            )

    def _seen(self, atoms_list):
        """Whether the fragments are so near that they may not be in a test."""
        if self.outside is None:
            return np.zeros(len(atoms_list), dtype=bool)
        gaps = [gap_between(i, a, self.fragments) for i, a in enumerate(atoms_list)]
        return np.array(gaps) <= self.outside

    def _nothing_left(self, share, beyond):
        if len(beyond):
            return (
                f"None of the {len(beyond)} structures beyond the nearest {share:.0%} of their "
                f"curve has fragments more than outside={self.outside:g} angstrom apart. Lower "
                "`outside`, or `near_share`."
            )
        return (
            f"No structure lies beyond the nearest {share:.0%} of its curve: every curve has one "
            "distance only. Name another `distance`, or a `curve` with several."
        )


def _nearest(distances, share):
    """Which are the nearest share of the points of a curve; equal distances stay together."""
    size = max(1, min(len(distances) - 1, round(share * len(distances))))
    border = np.sort(distances)[size - 1]
    if border == distances.max() > distances.min():
        border = distances[distances < border].max()
    return distances <= border


def _info(index, atoms, key, parameter):
    if key not in atoms.info:
        raise ValueError(
            f"{describe(index, atoms)}: has no key '{key}' in atoms.info, which `{parameter}` "
            f"names; it has {sorted(map(str, atoms.info))}."
        )
    return atoms.info[key]


def _is_finite(value):
    try:
        return np.isfinite(float(value))
    except (TypeError, ValueError):
        return False
