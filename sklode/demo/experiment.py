"""The main job on real molecules: train on near dimers, predict far ones, with and without LODE."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from ase import Atoms
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline
from tqdm import tqdm

from ..composition import Composition
from ..model_selection import NearToFarSplit, StructureSearchCV
from .candidates import LOCAL, Candidates
from .files import DimerSet

NEAR_SHARE = 0.6  # of the structures are near ones, on which the model is trained
FIRST_CUT = 0.4  # of the points of each near curve, on which validation trains first
N_CUTS = 4
FAR, UNSEEN = "far separations", "unseen groups"
_PREFIX = {FAR: "far", UNSEEN: "unseen"}


@dataclass
class Results:
    """What the demo found.

    Attributes
    ----------
    predictions : DataFrame
        One row a structure.
    errors : DataFrame
        RMSE in eV of each model in each experiment.
    model : Pipeline
        Fitted, of the last model; from structures to energies.
    local_model : Pipeline
        The same of local features alone.
    members : list of (float, float or None)
        Local cutoff and exponent of the candidates whose mean it is.
    notes : list of str
        What could not be done, and why.
    """

    predictions: pd.DataFrame
    errors: pd.DataFrame
    model: Pipeline
    local_model: Pipeline
    members: list[tuple[float, float | None]]
    notes: list[str] = field(default_factory=list)


class Demo:
    """Choose, train and judge the models on a set of dimers.

    Every structure is described once for each setting of the features; all searches work on these
    numbers.
    """

    def __init__(self, dimers: DimerSet):
        self.dimers = dimers
        self._notes: list[str] = []

    def run(self) -> Results:
        """Do all the work, under a progress bar.

        Raises
        ------
        ValueError
            If there is nothing to predict; the message says why.
        """
        far = self._far()
        unseen = self._outer_folds()
        if far is None and not unseen:
            raise ValueError(
                "Nothing to predict: give --distance with more than one separation, or --group "
                "with at least three groups. " + " ".join(self._notes)
            )
        if far is not None and np.sum(~far) < 2:
            raise ValueError(
                "Only one structure is near enough to be trained on; give two or more at small "
                "separations."
            )
        self.candidates = Candidates(self.dimers)
        self.candidates.store.compute()
        predictions = self._table(far)
        models, searches = self.candidates.models, {}
        with tqdm(total=len(models) * ((far is not None) + len(unseen)) + 1, unit="search") as bar:
            for name in models:
                if far is not None:
                    bar.set_description(f"{FAR}, {name}")
                    search = searches[name] = self._search_far(name, np.flatnonzero(~far))
                    energies, spread = search.predict(self.dimers.structures, return_std=True)
                    predictions[f"far: {name}"] = energies
                    predictions[f"far: {name}, spread"] = spread
                    bar.update()
                if unseen:
                    bar.set_description(f"{UNSEEN}, {name}")
                    self._predict_unseen(name, unseen, predictions, bar)
            bar.set_description("final models")
            if far is None:
                train = np.arange(len(predictions))
                for name in (LOCAL, models[-1]):
                    searches[name] = self._search(name, train, self._by_group(train))
            last = searches[models[-1]]
            bar.update()
        members = self.candidates.describe(
            [last.cv_results_["params"][i] for i in last.members_.index]
        )
        errors = self._errors(predictions, far, unseen)
        restored = self.candidates.store.restore
        model, local = (restored(s.linear_model()) for s in (last, searches[LOCAL]))
        return Results(predictions, errors, model, local, members, self._notes)

    def _far(self):
        """Which structures are beyond the separations of the training part; None without any."""
        distance = self.dimers.distance
        if distance is None or distance.min() == distance.max():
            return None
        border = np.quantile(distance, NEAR_SHARE)
        if border == distance.max():  # shared by many
            border = distance[distance < border].max()
        return distance > border

    def _outer_folds(self):
        """Pairs of training part and left-out groups; empty if there can be none."""
        groups = self.dimers.groups
        n_groups = len(set(groups))
        if n_groups < 3:
            self._notes.append(f"No groups are left out: there are {n_groups}, of at least three.")
            return []
        folds = list(GroupKFold(min(5, n_groups)).split(groups, groups=groups))
        if self.dimers.has_fragments:
            return folds
        known = [(train, self._determined(train, test)) for train, test in folds]
        lost = len(groups) - sum(len(test) for _, test in known)
        if lost:
            self._notes.append(self._why_lost(lost))
        return [(train, test) for train, test in known if len(test)]

    def _why_lost(self, lost):
        d = self.dimers
        elements = {s for atoms in d.structures for s in atoms.symbols}
        owners = {
            s: {g for g, atoms in zip(d.groups, d.structures, strict=True) if s in atoms.symbols}
            for s in sorted(elements)
        }
        rare = [f"{s} (in {next(iter(o))})" for s, o in owners.items() if len(o) == 1]
        cause = (
            f"elements that only one group has: {', '.join(rare[:6])}"
            if rare
            else "elements whose numbers depend on each other in all other groups"
        )
        return (
            f"{lost} of {len(d.groups)} structures are not predicted as unseen, since the other "
            f"groups do not tell the energies of their elements: {cause}. Leave these groups out, "
            "or give --fragments and interaction energies, which need no energies of elements."
        )

    def _composition(self):
        return Composition().fit_transform(self.dimers.structures)

    def _determined(self, train, test):
        """The structures of a test part whose elements' energies the training part tells."""
        if self.dimers.has_fragments:
            return test
        counts = self._composition()
        _, sizes, directions = np.linalg.svd(counts[train], full_matrices=True)
        rank = np.sum(sizes > 1e-9 * sizes.max(initial=0.0))
        lost = np.linalg.norm(counts[test] @ directions[rank:].T, axis=1)
        return test[lost < 1e-6]

    def _table(self, far):
        d = self.dimers
        columns = {
            "formula": [atoms.get_chemical_formula() for atoms in d.structures],
            "group": d.groups,
        }
        if far is not None:
            columns |= {"distance": d.distance, "part": np.where(far, "far", "train")}
        return pd.DataFrame({**columns, "reference": d.energies}).rename_axis("structure")

    def _search(self, name, train, splits):
        """Choose among the candidates of a model on the training part, and fit them to it."""
        search = StructureSearchCV(
            self.candidates.estimator(),
            self.candidates.grids(name),
            scoring="neg_root_mean_squared_error",
            cv=self._judged(train, splits),
            combine="near_best",
        )
        return search.fit([self.dimers.structures[i] for i in train], self.dimers.energies[train])

    def _judged(self, train, splits):
        """Splits whose tests hold no element that the training part does not know."""
        apart = [(np.flatnonzero(np.arange(len(train)) % 4 != k)) for k in range(4)]
        # where every group has an element of its own, single structures are left out to choose
        for candidates in (splits, [(a, np.setdiff1d(np.arange(len(train)), a)) for a in apart]):
            pairs = [
                (a, np.isin(train, self._determined(train[a], train[b]))) for a, b in candidates
            ]
            judged = [(a, np.flatnonzero(known)) for a, known in pairs if known.any()]
            if judged:
                return judged
        raise ValueError(
            "No part of the training structures can judge a model: left out, their elements are "
            "unknown. Give more structures, or --fragments and interaction energies."
        )

    def _search_far(self, name, near):
        """Choose by cuts of the near curves that also go from near to far."""
        d = self.dimers
        groups, distances = d.groups[near], d.distance[near]
        n_points = {g: len(set(distances[groups == g])) for g in set(groups)}
        is_curve = np.array([n_points[g] > 1 for g in groups])
        if not is_curve.any():
            return self._search(name, near, self._by_group(near))
        frames = []
        for distance, group in zip(distances[is_curve], groups[is_curve], strict=True):
            frames.append(Atoms("X", info={"distance": distance, "curve": group}))
        shortest = min(n for n in n_points.values() if n > 1)
        cuts = NearToFarSplit(min(N_CUTS, shortest), curve="curve", near_share=FIRST_CUT)
        # groups with one near point teach in every cut, and judge in none
        points, curves = np.flatnonzero(~is_curve), np.flatnonzero(is_curve)
        splits = [
            (np.concatenate([curves[train], points]), curves[test])
            for train, test in cuts.split(frames)
        ]
        return self._search(name, near, splits)

    def _by_group(self, train):
        groups = self.dimers.groups[train]
        n_groups = len(set(groups))
        if n_groups < 2:
            return list(GroupKFold(min(4, len(train))).split(train, groups=np.arange(len(train))))
        return list(GroupKFold(min(4, n_groups)).split(train, groups=groups))

    def _predict_unseen(self, name, folds, predictions, bar):
        """Predict structures whose group was left out, choices made without it."""
        columns = {
            "prediction": f"unseen: {name}",
            "spread": f"unseen: {name}, spread",
            "novelty": f"unseen: {name}, novelty",
        }
        for column in columns.values():
            predictions[column] = np.nan
        for train, test in folds:
            search = self._search(name, train, self._by_group(train))
            found = search.assess([self.dimers.structures[i] for i in test])
            for key, column in columns.items():
                predictions.loc[test, column] = found[key].to_numpy()
            bar.update()

    def _errors(self, predictions, far, unseen):
        """RMSE of every model, and of the naive one, in each experiment."""
        errors = {}
        for title, folds in ((FAR, [] if far is None else [(~far, far)]), (UNSEEN, unseen)):
            if not folds:
                continue
            rows = {self.naive_name: self._naive(folds)} | {
                name: predictions[f"{_PREFIX[title]}: {name}"].to_numpy()
                for name in self.candidates.models
            }
            judged = far if title == FAR else np.concatenate([test for _, test in folds])
            reference = self.dimers.energies[judged]
            errors[title] = {
                name: root_mean_squared_error(reference, row[judged]) for name, row in rows.items()
            }
        return pd.DataFrame(errors)

    @property
    def naive_name(self) -> str:
        """What is predicted without any features of the geometry."""
        return "predict zero" if self.dimers.has_fragments else "composition alone"

    def _naive(self, folds):
        predicted = np.zeros(len(self.dimers.energies))
        if not self.dimers.has_fragments:
            counts, energies = self._composition(), self.dimers.energies
            for train, test in folds:
                predicted[test] = counts[test] @ np.linalg.lstsq(counts[train], energies[train])[0]
        return predicted
