"""The main job on real molecules: train on near dimers, predict far ones, with and without LODE."""

from itertools import product

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import Ridge
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import GridSearchCV, GroupKFold, PredefinedSplit
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from tqdm import tqdm

from ..composition import Composition
from ..density import DensityProjector
from ..interaction import InteractionFeatures
from ..long_range import LongRangePotential
from ..power_spectrum import PowerSpectrum
from ..preprocessing import BlockScaler
from .files import DimerSet

LOCAL_CUTOFFS = (3.0, 5.0)
EXPONENTS = (1.0, 3.0, 6.0)
SMEARINGS = (0.5, 1.0, 2.0)
LOCAL_WEIGHTS = (0.1, 1.0)
ALPHAS = (0.01, 0.1, 1.0, 10.0, 100.0)
NEAR_SHARE = 0.6  # of the structures are near ones, on which the model is trained
COMPOSITION_WEIGHT = 1e4  # leaves the baseline of total energies without penalty
MODELS = ("local", "local + long-range")


class Demo:
    """Choose, train and judge the two models on a set of dimers.

    Every structure is described once for each candidate of the physics parameters; the searches
    then work on these numbers. ``model`` builds the same model as a Pipeline from structures to
    energies.
    """

    def __init__(self, dimers: DimerSet):
        self.dimers = dimers
        self.species = sorted({s for atoms in dimers.structures for s in atoms.symbols})

    def run(self) -> tuple[pd.DataFrame, pd.DataFrame, Pipeline, dict[str, float]]:
        """Do all the work, under a progress bar.

        Returns
        -------
        predictions : DataFrame
            One row a structure.
        errors : DataFrame
            RMSE in eV of each model in each experiment.
        model : Pipeline
            The fitted local + long-range model.
        choice : dict
            Its parameters.
        """
        far = self._far()
        experiments = [far is not None, self._unseen_is_possible()]
        if not any(experiments):
            raise ValueError(
                "Nothing to predict: give --distance with more than one separation, or --group "
                "with at least three groups."
            )
        if far is not None and np.sum(~far) < 2:
            raise ValueError(
                "Only one structure is near enough to be trained on; give two or more at small "
                "separations."
            )
        steps = len(LOCAL_CUTOFFS) + len(SMEARINGS) + len(MODELS) * sum(experiments) + 1
        with tqdm(total=steps, unit="step") as progress:
            self._features = self._describe(progress)
            predictions = self._table(far)
            choice = None
            for name in MODELS:
                if experiments[0]:
                    progress.set_description(f"far separations, {name}")
                    search = self._fit(name, np.flatnonzero(~far), self._near_to_far(~far))
                    predictions[f"far: {name}"] = search.predict(self._features)
                    choice = self._choice(search)
                    progress.update()
                if experiments[1]:
                    progress.set_description(f"unseen groups, {name}")
                    predictions[f"unseen: {name}"] = self._predict_unseen(name)
                    progress.update()
            progress.set_description("final model")
            train = np.arange(len(predictions)) if far is None else np.flatnonzero(~far)
            if choice is None:
                choice = self._choice(self._fit(MODELS[1], train, self._by_group(train)))
            model = self.model(**choice)
            model.fit([self.dimers.structures[i] for i in train], self.dimers.energies[train])
            progress.update()
        return predictions, self._errors(predictions, far), model, choice

    def _far(self):
        """Which structures are beyond the separations of the training part; None without any."""
        distance = self.dimers.distance
        if distance is None or distance.min() == distance.max():
            return None
        return distance > np.quantile(distance, NEAR_SHARE)

    def _unseen_is_possible(self):
        """Whether groups can be left out, and the rest still tells the energies of all elements."""
        if len(set(self.dimers.groups)) < 3:
            return False
        if self.dimers.has_fragments:
            return True
        counts = self._composition()
        rank = np.linalg.matrix_rank
        return all(rank(counts[train]) == rank(counts) for train, _ in self._outer_folds())

    def _composition(self):
        return Composition(species=self.species).fit_transform(self.dimers.structures)

    def _outer_folds(self):
        groups = self.dimers.groups
        return list(GroupKFold(min(5, len(set(groups)))).split(groups, groups=groups))

    def _transformers(self, far_exponents):
        rho = {
            c: DensityProjector(c, n_max=6, l_max=4, smearing=0.3, species=self.species)
            for c in LOCAL_CUTOFFS
        }
        wrap = InteractionFeatures if self.dimers.has_fragments else (lambda t: t)
        local = {c: wrap(PowerSpectrum(rho[c])) for c in LOCAL_CUTOFFS}
        far = {
            s: wrap(
                PowerSpectrum(
                    rho[LOCAL_CUTOFFS[0]],
                    LongRangePotential(far_exponents, l_max=3, smearing=s, species=self.species),
                )
            )
            for s in SMEARINGS
        }
        return local, far

    def _describe(self, progress):
        """All candidate blocks side by side; their columns are kept in ``self._columns``."""
        local, far = self._transformers(EXPONENTS)
        structures, blocks, self._columns = self.dimers.structures, {}, {}
        for cutoff, transformer in local.items():
            progress.set_description(f"describe, local cutoff {cutoff:g}")
            blocks["local", cutoff] = transformer.fit_transform(structures)
            progress.update()
        for smearing, transformer in far.items():
            progress.set_description(f"describe, potential of smearing {smearing:g}")
            values = transformer.fit_transform(structures)
            exponents = transformer.feature_table_["exponent"].to_numpy()
            for p in EXPONENTS:
                blocks["far", p, smearing] = values[:, exponents == p]
            progress.update()
        if not self.dimers.has_fragments:
            blocks["composition",] = self._composition()
        ends = np.cumsum([block.shape[1] for block in blocks.values()])
        for key, end in zip(blocks, ends, strict=True):
            self._columns[key] = slice(end - blocks[key].shape[1], end)
        return np.hstack(list(blocks.values()))

    def _table(self, far):
        d = self.dimers
        columns = {
            "formula": [atoms.get_chemical_formula() for atoms in d.structures],
            "group": d.groups,
        }
        if far is not None:
            columns |= {"distance": d.distance, "part": np.where(far, "far", "train")}
        return pd.DataFrame({**columns, "reference": d.energies}).rename_axis("structure")

    def _fit(self, name, train, splits):
        """Search over all candidates of a model on the training part."""
        base = [] if self.dimers.has_fragments else [("composition",)]
        local = [("local", c) for c in LOCAL_CUTOFFS]
        far = [("far", p, s) for p, s in product(EXPONENTS, SMEARINGS)]
        keys = [[*base, a] for a in local]
        weights = [{"composition": COMPOSITION_WEIGHT}]
        if name == MODELS[1]:
            keys = [[*base, a, b] for a, b in product(local, far)]
            weights = [{**weights[0], "local": w} for w in LOCAL_WEIGHTS]
        candidates = [
            [
                (key[0], "passthrough" if key in base else BlockScaler(), self._columns[key])
                for key in candidate
            ]
            for candidate in keys
        ]
        model = Pipeline([("blocks", ColumnTransformer(candidates[0])), ("ridge", self._ridge())])
        search = GridSearchCV(
            model,
            {
                "blocks__transformers": candidates,
                "blocks__transformer_weights": weights,
                "ridge__alpha": ALPHAS,
            },
            scoring="neg_root_mean_squared_error",
            cv=splits,
            n_jobs=-1,
        )
        return search.fit(self._features[train], self.dimers.energies[train])

    def _ridge(self):
        # an interaction energy is zero where its features are
        return Ridge(fit_intercept=not self.dimers.has_fragments)

    def _near_to_far(self, near):
        """One split inside the training part that also goes from near to far."""
        distance = self.dimers.distance[near]
        beyond = distance > np.quantile(distance, 2 / 3)
        if not beyond.any():
            return self._by_group(np.flatnonzero(near))
        return PredefinedSplit(np.where(beyond, 0, -1))

    def _by_group(self, train):
        groups = self.dimers.groups[train]
        n_splits = min(4, len(set(groups)))
        if n_splits < 2:
            return min(4, len(train))
        return list(GroupKFold(n_splits).split(train, groups=groups))

    def _predict_unseen(self, name):
        """Predictions of structures whose group was left out, choices made without it."""
        predicted = np.empty(len(self.dimers.energies))
        for train, test in self._outer_folds():
            search = self._fit(name, train, self._by_group(train))
            predicted[test] = search.predict(self._features[test])
        return predicted

    def _choice(self, search):
        """The chosen parameters, by name."""
        keys = {columns.start: key for key, columns in self._columns.items()}
        chosen = [keys[t[2].start] for t in search.best_params_["blocks__transformers"]]
        choice = {"alpha": search.best_params_["ridge__alpha"]}
        for key in chosen:
            if key[0] == "local":
                choice["cutoff"] = key[1]
            elif key[0] == "far":
                choice |= {"exponent": key[1], "smearing": key[2]}
        weights = search.best_params_["blocks__transformer_weights"]
        return choice | {"local_weight": weights.get("local", 1.0)}

    def model(
        self, *, alpha: float, cutoff: float, exponent: float, smearing: float, local_weight: float
    ) -> Pipeline:
        """The model as a pipeline from structures to energies, not yet fitted."""
        local, far = self._transformers(exponent)
        branches = [
            ("local", make_pipeline(local[cutoff], BlockScaler())),
            ("far", make_pipeline(far[smearing], BlockScaler())),
        ]
        weights = {"local": local_weight}
        if not self.dimers.has_fragments:
            branches.append(("composition", Composition(species=self.species)))
            weights["composition"] = COMPOSITION_WEIGHT
        features = FeatureUnion(branches, transformer_weights=weights)
        ridge = self._ridge().set_params(alpha=alpha)
        return Pipeline([("features", features), ("ridge", ridge)])

    def _errors(self, predictions, far):
        """RMSE of every model, and of the naive one, in each experiment."""
        reference = self.dimers.energies
        everywhere = np.ones(len(reference), bool)
        errors = {}
        for part, title, chosen in (
            ("far", "far separations", far),
            ("unseen", "unseen groups", everywhere),
        ):
            if f"{part}: {MODELS[0]}" in predictions:
                folds = self._outer_folds() if part == "unseen" else [(~far, far)]
                rows = {self._naive_name: self._naive(folds)}
                rows |= {name: predictions[f"{part}: {name}"].to_numpy() for name in MODELS}
                errors[title] = {
                    name: root_mean_squared_error(reference[chosen], row[chosen])
                    for name, row in rows.items()
                }
        return pd.DataFrame(errors)

    @property
    def _naive_name(self):
        return "predict zero" if self.dimers.has_fragments else "composition alone"

    def _naive(self, folds):
        """Predictions without any features of the geometry."""
        predicted = np.zeros(len(self.dimers.energies))
        if not self.dimers.has_fragments:
            counts, energies = self._composition(), self.dimers.energies
            for train, test in folds:
                predicted[test] = counts[test] @ np.linalg.lstsq(counts[train], energies[train])[0]
        return predicted
