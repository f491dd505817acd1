"""How to split a periodic potential into a smooth k-sum and a sum over pairs.

In a periodic structure the far field is a sum over k-vectors of a potential smeared so widely that
it is small inside the cutoff too, plus corrections from pairs: no large near field is added and
taken away again, as subtracting the neighbours from the full potential would (section 4.4).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..radial.window_tables import EDGE
from ..system.boxes import extent_across
from .cells import VOLUME_STEPS
from .costs import direct_seconds, mesh_seconds, pair_seconds

SMALLEST_SPLIT = 0.5  # smearing of the k-sum, in cutoffs: the near field is no larger than the far
_STEPS = 4  # lengths are rounded to powers of 2^(1/4), so that structures share tables
_CANDIDATES = 33  # smearings up to 2^8 times the lowest
_ITERATIONS = 64  # each at least a third closer
_SHORT = 1e-3  # angstrom, in the place of nothing
_BALL = 4.0 * np.pi / 3.0
# a typical mesh: points for each k-vector of the half sphere, order of splines, modes
_MESH_POINTS, _MESH_ORDER, _MESH_MODES = 9.0, 9, 8


@dataclass(frozen=True)
class Sources:
    """Summary of the sources in a cell, by which the split is chosen.

    Attributes
    ----------
    size : float
        Volume of the cell in cubic angstrom, area of what repeats in a slab, or length in a wire;
        rounded up, so that cells of much the same size are equal.
    n_atoms, n_channels : int
        Atoms that act, and channels that they are in.
    rarest : int
        Atoms of the channel that has the fewest, of those that have any.
    n_across : int, default=0
        Number of directions along which nothing repeats.
    extent : float, default=0
        Largest distance of atoms across the periodic directions in angstrom, rounded up.
    """

    size: float
    n_atoms: int
    n_channels: int
    rarest: int
    n_across: int = 0
    extent: float = 0.0

    def spacing(self, n):
        """Upper bound in angstrom of the distance of n atoms to those nearest to them.

        No arrangement of n points in a volume V keeps all at distances of more than
        2^(1/6) (V / n)^(1/3). To a layer or wire so much is added that images above are no nearer.
        """
        cubed, spacing = np.sqrt(2.0) * self.size / n, 0.0
        for _ in range(_ITERATIONS if self.n_across else 1):
            spacing = np.cbrt(cubed * (self.extent + max(spacing, _SHORT)) ** self.n_across)
        return float(spacing)

    def neighbors(self, distances):
        """Mean number of atoms within distances of an atom."""
        if self.n_across == 0:
            return self.n_atoms / self.size * _BALL * distances**3
        if self.n_across == 1:
            within, section = np.pi * distances**2, self.extent
        else:
            within, section = 2.0 * distances, 0.25 * np.pi * self.extent**2
        within = np.minimum(within, _BALL * distances**3 / max(section, _SHORT**self.n_across))
        return self.n_atoms / self.size * within

    def volumes(self, margins):
        """Of the cell, or of boxes about all atoms and as much again with margins."""
        return self.size * (2.0 * (self.extent + margins)) ** self.n_across


def splits_of(batch, split):
    """Apply ``split`` to the sources of each structure, once for equal ones."""
    sources = sources_of(batch)
    known = {each: split(each) for each in dict.fromkeys(sources)}
    return [known[each] for each in sources]


def sources_of(batch):
    """The sources of each structure of a batch."""
    channels, structures = batch.channels, batch.structures
    n_structures = len(structures)
    n_across = [3 - int(structure.periodic.sum()) for structure in structures]
    extents = [extent_across(s) if n else 0.0 for s, n in zip(structures, n_across, strict=True)]
    acting = (channels.index >= 0) & (channels.weights != 0)
    labels = (batch.owners * channels.count + channels.index)[acting]
    counts = np.bincount(labels, minlength=n_structures * channels.count)
    counts = counts.reshape(n_structures, channels.count)
    rarest = np.where(counts > 0, counts, np.iinfo(int).max).min(axis=1)
    columns = (
        _coarse(batch.volumes),  # vectors across are of unit length
        counts.sum(axis=1),
        np.count_nonzero(counts, axis=1),
        np.minimum(rarest, batch.sizes),
        np.array(n_across),
        _coarse(np.array(extents)),
    )
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [Sources(*row) for row in rows]


def _coarse(sizes):
    """Sizes rounded up to what many share."""
    steps = np.ceil(VOLUME_STEPS * np.log2(np.maximum(sizes, _SHORT)))
    return np.where(sizes > 0.0, 2.0 ** (steps / VOLUME_STEPS), 0.0)


@lru_cache(maxsize=1024)
def split_smearing(sources, *, lowest, start, tol, l_max, n_radial, may_stay=False):
    """Smearing of the k-sum for which it and the pairs together cost least.

    Parameters
    ----------
    sources : Sources
    lowest : float
        Smallest smearing in angstrom.
    start : float
        Distance from which on the pair corrections decay.
    tol : float
        Accuracy, which says how far both sums go.
    l_max, n_radial : int
        Largest degree, and radial functions of each degree.
    may_stay : bool, default=False
        Whether ``lowest`` needs no pairs at all.

    Returns
    -------
    float
        ``lowest`` times a power of 2^(1/4), so that structures share tables.
    """
    n_atoms, n_channels = sources.n_atoms, sources.n_channels
    if n_atoms == 0:  # nothing is summed
        return lowest
    candidates = lowest * 2.0 ** (np.arange(_CANDIDATES) / _STEPS)
    widths = np.sqrt(2.0 * np.log(1.0 / tol)) + 1.0
    n_columns = (l_max + 1) ** 2 * n_radial
    volumes = sources.volumes(start + EDGE * widths * candidates)
    n_vectors = volumes * (widths / candidates) ** 3 / (12.0 * np.pi**2)
    direct = direct_seconds(n_atoms, n_vectors, n_channels, n_columns)
    n_fields = n_channels * min((l_max + 1) * n_radial, _MESH_MODES)
    n_points = _MESH_POINTS * n_vectors + _MESH_ORDER**3
    waves = np.minimum(direct, mesh_seconds(n_atoms, n_points, _MESH_ORDER, n_fields, l_max))
    n_pairs = n_atoms * sources.neighbors(start + widths * candidates)
    pairs = pair_seconds(n_pairs, n_columns)
    if may_stay:
        pairs[0] = 0.0
    return float(candidates[np.argmin(waves + pairs)])


def nearest_sources(sources, cutoff):
    """Upper bound of the distance from some atom to sources of all channels beyond the cutoff.

    The coefficients are at least as large as those of an atom there.
    """
    return _round_up(max(sources.spacing(max(sources.rarest, 1)), 2.0 * cutoff), cutoff)


def _round_up(length, cutoff):
    steps = np.ceil(_STEPS * np.log2(length / cutoff) - 1e-9)
    return float(cutoff * 2.0 ** (steps / _STEPS))


def reach_of_pairs(difference, start, smearing, allowed):
    """Distance beyond which a short-range function stays below ``allowed``.

    Parameters
    ----------
    difference : callable
        Distances (n,) to values (n, n_functions).
    start, smearing : float
        Where to begin, and the length that the function decays on.
    allowed : ndarray of shape (n_functions,)
    """
    distances = start + smearing * np.linspace(0.0, 16.0, 161)
    large = np.any(np.abs(difference(distances)) > allowed, axis=1)
    return float(distances[min(np.flatnonzero(large).max(initial=0) + 1, len(distances) - 1)])
