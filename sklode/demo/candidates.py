"""What the demo offers for choice, the same for all sets of structures."""

from collections.abc import Sequence

from sklearn.base import BaseEstimator
from sklearn.linear_model import Ridge
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline

from ..composition import Composition
from ..density import DensityProjector
from ..interaction import InteractionFeatures
from ..long_range import LongRangePotential
from ..model_selection.stored_rows import RowStore
from ..power_spectrum import PowerSpectrum
from ..preprocessing import BlockScaler
from .files import DimerSet

LOCAL_CUTOFFS = (3.0, 5.0)
EXPONENTS = (1.0, 3.0, 6.0)
SMEARING = 1.0
LOCAL_WEIGHTS = (0.1, 1.0)
ALPHAS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
COMPOSITION_WEIGHT = 1e4  # leaves the baseline of total energies without penalty

LOCAL = "local"
LONG_RANGE = "local + long-range"
CHARGES = "local + long-range + charges"


class Candidates:
    """Models and the grids of their parameters, with features that are computed once.

    Parameters
    ----------
    dimers : DimerSet
    """

    def __init__(self, dimers: DimerSet):
        self._has_fragments = dimers.has_fragments
        self.store = RowStore(dimers.structures)
        species = sorted({s for atoms in dimers.structures for s in atoms.symbols})
        rho = {c: DensityProjector(c, n_max=6, l_max=4, species=species) for c in LOCAL_CUTOFFS}
        near = rho[LOCAL_CUTOFFS[0]]
        far = {
            p: LongRangePotential(p, l_max=3, smearing=SMEARING, exterior=True, species=species)
            for p in EXPONENTS
        }
        self._local = {c: self._block(PowerSpectrum(rho[c])) for c in LOCAL_CUTOFFS}
        self._far = {p: self._block(PowerSpectrum(near, far[p])) for p in EXPONENTS}
        self.models = [LOCAL, LONG_RANGE]
        if dimers.charges is not None:
            ions = LongRangePotential(
                1.0, l_max=3, smearing=SMEARING, charges=dimers.charges, species=species
            )
            self._ions = self._block(PowerSpectrum(near, ions))
            self.models.append(CHARGES)
        self._composition = None
        if not dimers.has_fragments:
            self._composition = self.store.stand_in(Composition(species=species))

    def _block(self, transformer):
        """A branch of the union: features of structures, scaled."""
        wrapped = InteractionFeatures(transformer) if self._has_fragments else transformer
        return make_pipeline(self.store.stand_in(wrapped), BlockScaler())

    def estimator(self) -> Pipeline:
        """The model whose branches the grids set."""
        # an interaction energy is zero where its features are
        ridge = Ridge(fit_intercept=not self._has_fragments)
        return Pipeline(
            [("features", FeatureUnion(self._branches(LOCAL_CUTOFFS[0]))), ("ridge", ridge)]
        )

    def grids(self, model: str) -> list[dict]:
        """Parameters to choose from; local features alone are always among them."""
        local = [self._branches(cutoff) for cutoff in LOCAL_CUTOFFS]
        grids = [self._grid(local, (1.0,))]
        if model != LOCAL:
            both = [
                self._branches(cutoff, exponent, model == CHARGES)
                for cutoff in LOCAL_CUTOFFS
                for exponent in EXPONENTS
            ]
            grids.append(self._grid(both, LOCAL_WEIGHTS))
        return grids

    def _grid(self, branches, weights):
        fixed = {} if self._composition is None else {"composition": COMPOSITION_WEIGHT}
        return {
            "features__transformer_list": branches,
            "features__transformer_weights": [fixed | {"local": w} for w in weights],
            "ridge__alpha": list(ALPHAS),
        }

    def _branches(self, cutoff, exponent=None, with_charges=False):
        branches = [("local", self._local[cutoff])]
        if exponent is not None:
            branches.append(("far", self._far[exponent]))
        if with_charges:
            branches.append(("charges", self._ions))
        if self._composition is not None:
            branches.append(("composition", self._composition))
        return branches

    def describe(self, members: Sequence[dict]) -> list[tuple[float, float | None]]:
        """Local cutoff and exponent of chosen parameters; None for local features alone."""
        cutoffs = {id(block[0]): c for c, block in self._local.items()}
        exponents = {id(block[0]): p for p, block in self._far.items()}
        found = []
        for parameters in members:
            branches: dict[str, BaseEstimator] = dict(parameters["features__transformer_list"])
            exponent = exponents[id(branches["far"][0])] if "far" in branches else None
            found.append((cutoffs[id(branches["local"][0])], exponent))
        return found
