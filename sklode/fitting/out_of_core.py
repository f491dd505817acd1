"""Fits to more structures than fit in memory: two passes over rows that nobody keeps."""

import os
from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import islice

import numpy as np
from sklearn.base import clone

from ..execution.progress import progress_bar
from ..inputs.targets import read_targets
from ..physics import blocks
from ..projection.chain_rule import check_differentiable, n_columns
from ..ridge.left_out import Tally, judged
from ..ridge.solvers import Baseline
from ..streaming.batches import Filling, ahead, cut
from ..streaming.fingerprint import digest
from ..streaming.fitted import learns_elements_only
from ..streaming.sources import Source, are_paths
from ..streaming.tasks import WorkerVanished, each_batch
from .checkpoint import Checkpoint
from .choose_alpha import best_alpha, fold_arrays, make_folds, read_alphas, stored_folds
from .column_scales import scales_of_sizes
from .equations import KINDS
from .sums import COMMON, Accumulate, LeaveOut, RowsOfBatch, Sums, Task, local_folds
from .survey import CHANGED, refuse_others, survey

_LOOKED_AT = 1000  # structures whose labels are checked for what is suspicious


def is_source(X):
    """Whether this is a source of structures rather than a container of them."""
    paths = isinstance(X, (str, os.PathLike)) or are_paths(X)
    return paths or isinstance(X, (Source, Callable))


def refuse_given_targets(y, forces, stresses):
    """Refuse targets beside a source, which has its own."""
    if any(given is not None for given in (y, forces, stresses)):
        raise ValueError(
            "With a source or a checkpoint, energies, forces and stresses come from the "
            "calculators, as files have them. Leave y, forces and stresses out."
        )


def fitted_features(features, atoms_list, with_gradients):
    """Fit a clone of the features, which must have gradients if there are any to learn."""
    if with_gradients:
        check_differentiable(features)
    features = clone(features)
    if hasattr(features, "set_output"):
        features.set_output(transform="default")
    return features.fit(atoms_list)


class OutOfCore:
    """The fit of an AtomisticRidgeCV to a source.

    Parameters
    ----------
    model : AtomisticRidgeCV
        Its parameters are read.
    source, groups, sample_weight
        As of its ``fit``.

    Raises
    ------
    ValueError
        If the source can be read only once, or the features learn more than elements.

    Attributes
    ----------
    features : estimator
        Fitted.
    numbers : ndarray of shape (n_baseline,), int
        Elements with a baseline.
    n_rows : dict of str to int
        As of AtomisticRidgeCV.
    """

    def __init__(self, model, source, groups, sample_weight):
        self._model, self._source = model, Source(source)
        self._alphas = read_alphas(model.alphas)
        if not self._source.can_repeat:
            raise ValueError(
                "A fit reads its structures several times, and an iterator can be read only once. "
                "Pass a file, or a function that returns a new iterator."
            )
        if not learns_elements_only(model.features):
            raise ValueError(
                "With a source, features must learn nothing but the elements. Leave scalers out, "
                "since the model scales the branches of a FeatureUnion itself; for others, pass a "
                "list of structures."
            )
        self._found = survey(self._source, groups, sample_weight, model.missing_forces)
        self._known = self._counted()
        with_gradients = bool(self._known[:, 1:].any())
        self.features = fitted_features(model.features, self._found.sample, with_gradients)
        self.numbers = self._found.numbers[: None if model.baseline else 0]
        self.n_rows = dict(
            zip(("energy", "forces", "stress"), self._known.sum(axis=0).tolist(), strict=True)
        )

    def _counted(self):
        """Numbers of targets that have a weight: (n_structures, 3)."""
        factors = np.array([1.0, self._model.force_weight, self._model.stress_weight])
        known = self._found.known * (self._found.sample_weight[:, None] * factors > 0.0)
        if not known.any():
            raise ValueError(
                f"None of the {len(known)} structures has an energy, forces or a stress to learn. "
                "Attach calculators with results."
            )
        return known

    @property
    def is_small(self):
        """Whether there are fewer rows than features: another method, and little memory."""
        return self._known.sum() < self._n_features

    @cached_property
    def _n_features(self):
        return n_columns(self.features, self._found.sample)

    def first_targets(self):
        """Structures from the beginning of the source, and what is learnt of them."""
        atoms_list = list(islice(self._source, _LOOKED_AT))
        targets = read_targets(atoms_list, missing_forces=self._model.missing_forces)
        own = self._found.sample_weight[: len(atoms_list)]
        return atoms_list, targets.counted(own, self._model.force_weight, self._model.stress_weight)

    def in_memory(self):
        """All structures.

        Raises
        ------
        ValueError
            If they are not those that were read first.
        """
        records = list(self._source.records())
        refuse_others(records, self._found.digests)
        return [record.read() for record in records]

    def labels(self):
        """Groups and weights of an ordinary fit."""
        return {"groups": self._found.groups, "sample_weight": self._found.sample_weight}

    @cached_property
    def _folds(self):
        has_rows = self._known.any(axis=1)
        return make_folds(self._model.cv, self._found.groups, has_rows, len(self._alphas))

    @cached_property
    def _drawn(self):
        """Arrays of the folds, if a splitter may draw others the next time."""
        return fold_arrays(self._folds) if hasattr(self._model.cv, "split") else {}

    @cached_property
    def _fold_of(self):
        """Fold that leaves each structure out; -1 for none."""
        fold_of = np.full(len(self._known), -1)
        for number, fold in enumerate(self._folds):
            if (fold_of[fold.left_out] >= 0).any():
                raise ValueError(
                    "With a source, cv must leave out every structure once at most, as KFold and "
                    "GroupKFold do."
                )
            fold_of[fold.left_out] = number
        return fold_of

    @cached_property
    def _limits(self):
        """Atoms and structures of a batch, whose rows fit in memory together."""
        most_rows = max(1, blocks.EQUATION_BYTES // (8 * max(self._n_features, 1)))
        with_gradients = bool(self._known[:, 1:].any())
        most_atoms = max(1, most_rows // 3) if with_gradients else blocks.BATCH_ATOMS
        return min(most_atoms, blocks.BATCH_ATOMS), most_rows

    @cached_property
    def _starts(self):
        """First structure of each batch, and their number at the end."""
        filling = Filling(*self._limits)
        begins = [filling.begins(int(size)) for size in self._found.sizes]
        return np.array([0, *np.flatnonzero(begins), len(begins)])

    @cached_property
    def _bins(self):
        """Bin of each structure: that of its fold, if this needs equations of its own."""
        batch_of = np.repeat(np.arange(len(self._starts) - 1), np.diff(self._starts))
        baseline, rows = self._baseline(), np.cumsum(self._known[:, 0] > 0) - 1
        bins = np.full(len(self._known), COMMON)
        for number, fold in enumerate(self._folds):
            own = rows[fold.left_out][self._known[fold.left_out, 0] > 0]
            scattered = batch_of[fold.left_out[0]] != batch_of[fold.left_out[-1]]
            if scattered or not baseline.determined_without(own):
                bins[fold.left_out] = number
        n_bins, n_bytes = len(np.unique(bins)), 16 * self._n_features**2
        if n_bins * n_bytes > blocks.MOST_BIN_BYTES:
            raise ValueError(
                f"cv or groups make {n_bins} folds that lie scattered in the source, whose "
                f"equations would take {n_bins * n_bytes / 2**30:.1f} GB. Sort the structures by "
                "group, or pass a smaller number as cv."
            )
        return bins

    def _baseline(self):
        """Space of the counts of elements, with the weights of the energies."""
        own = self._known[:, 0] > 0
        weights = np.sqrt(self._found.sample_weight[own])
        if self._model.energy_per_atom:
            weights = weights / self._found.sizes[own]
        return Baseline.of(self._found.counts[own][:, : len(self.numbers)] * weights[:, None])

    def run(self, checkpoint):
        """Fit.

        Parameters
        ----------
        checkpoint : path-like or None

        Returns
        -------
        alpha, noise, cv_results, scale, solution
            As of AtomisticRidgeCV, and the Solution.

        Raises
        ------
        OSError, RuntimeError, ValueError
            As its ``fit``.
        """
        checkpoint = Checkpoint(checkpoint, {} if checkpoint is None else self._key())
        place, arrays = checkpoint.load() or ({"sums": 0, "tallies": 0}, {})
        self._folds = stored_folds(arrays) or self._folds
        try:
            sums = self._sum(checkpoint, place, arrays)
            scale = self._scale(sums.squares)
            ridge = sums.ridge(scale)
            if not self._folds:
                found = float(self._alphas[0]), np.nan, {"alpha": self._alphas}
            else:
                tally = self._leave_out(checkpoint, place, arrays, sums, scale, ridge)
                found = best_alpha(tally, self._alphas, list(self.n_rows.values()))
        except WorkerVanished as error:
            raise RuntimeError(
                f"{error} Fit again, with fewer workers if memory is short; with a checkpoint it "
                "goes on where it was."
            ) from error
        checkpoint.remove()
        return *found, scale, ridge.solution

    def _key(self):
        """What a checkpoint belongs to."""
        from .. import __version__  # here, as the package imports this module

        labels = [self._found.groups, self._found.sample_weight]
        parameters = self._model.get_params(deep=False)
        if isinstance(parameters["cv"], Iterable):  # which may be read once only
            parameters["cv"] = self._folds
        return {
            "version of sklode": __version__,
            "parameters": digest(parameters),
            "structures": digest(self._found.digests),
            "groups or weights": digest(labels),
        }

    def _scale(self, squares):
        total = self._found.sample_weight.sum()
        sizes = np.sqrt(squares / total)
        return scales_of_sizes(self.features, self._found.sample, sizes, self._model.floor)

    @property
    def _rows_of(self):
        own = self._model
        weights = own.force_weight, own.stress_weight, own.energy_per_atom
        return RowsOfBatch(self.features, self.numbers, *weights, own.missing_forces)

    def _sum(self, checkpoint, place, arrays):
        """First pass: equations of all structures, and of those that are left out together."""
        sums = Sums(self._n_features, len(self.numbers))
        if place["sums"]:
            sums.restore(arrays)
        for number, part in self._each(Accumulate(self._rows_of), place["sums"], "equations"):
            sums.merge(part)
            place["sums"] = number + 1
            checkpoint.save(place, lambda: sums.state() | self._drawn)
        return sums

    def _leave_out(self, checkpoint, place, arrays, sums, scale, ridge):
        """Second pass: residuals of structures in fits without them."""
        bins = np.unique(self._bins)
        solutions = {
            int(number): sums.ridge(scale, without=number).solution
            for number in bins[bins != COMMON]
        }
        work = LeaveOut(self._rows_of, scale, ridge, solutions, self._alphas)
        counted, others = (Tally(len(self._alphas), len(KINDS)) for _ in range(2))
        if place["tallies"]:
            counted, others = (Tally.restored(state) for state in arrays["tallies"])

        def state():
            return {
                **sums.state(),
                **self._drawn,
                "tallies": np.stack([counted.state(), others.state()]),
            }

        for number, (more, more_others) in self._each(work, place["tallies"], "left-out errors"):
            counted.merge(more)
            others.merge(more_others)
            place["tallies"] = number + 1
            checkpoint.save(place, state)
        return judged(counted, others)

    def _each(self, work, n_done, what):
        """Numbers of batches from ``n_done`` on, and what the work gives for each."""
        batches = ahead(cut(self._source, *self._limits), blocks.BATCHES_AHEAD)
        n_batches = len(self._starts) - 1
        if n_done == n_batches:
            return
        name = f"{type(self._model).__name__}, {what}"
        with progress_bar(name, int(self._starts[-1])) as progress:
            progress.update(int(self._starts[n_done]))
            tasks = (self._task(batch) for batch in batches if batch.number >= n_done)
            for task, result in each_batch(work, tasks, None):
                n_done = task.batch.number + 1
                yield task.batch.number, result
                progress.update(len(task.batch.records))
        if n_done != n_batches:
            raise ValueError(CHANGED)

    def _task(self, batch):
        start, *stop = self._starts[batch.number : batch.number + 2].tolist()
        if [start + len(batch.records)] != stop:  # longer, shorter, or none that was seen
            raise ValueError(CHANGED)
        stop, own = stop[0], slice(start, stop[0])
        folds = [self._folds[k] for k in np.unique(self._fold_of[own]) if k >= 0]
        local = local_folds(folds, start, stop)
        known = self._found.digests_of(start, stop)
        return Task(batch, known, self._found.sample_weight[own], self._bins[own], local)
