"""Linear models of energies, forces and stresses."""

from collections.abc import Sequence
from numbers import Real
from os import PathLike
from typing import TYPE_CHECKING, Literal, Self

from ase.data import chemical_symbols
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from .base import CheckedWhenLoaded, HasMethods, Number, StrOptions, fit_context
from .fitting.checkpoint import check_place
from .fitting.choose_alpha import choose_alpha, make_folds, read_alphas
from .fitting.column_scales import column_scales
from .fitting.equations import GradientRows, Weights, energy_rows
from .fitting.out_of_core import OutOfCore, fitted_features, is_source, refuse_given_targets
from .fitting.predictions import EnergyModel
from .inputs.atoms import read_container, read_structures
from .inputs.targets import (
    element_counts,
    read_groups,
    read_sample_weight,
    read_targets,
)
from .label_checks import warn_of_labels
from .ridge.left_out import InMemory, Streamed
from .ridge.solvers import Solution
from .streaming.sources import Structures

if TYPE_CHECKING:
    from .calculator import SklodeCalculator

_ALPHAS = tuple(float(f"1e{exponent}") for exponent in range(-10, 3))


class AtomisticRidgeCV(CheckedWhenLoaded, EnergyModel, BaseEstimator):
    r"""Ridge regression of energies, forces and stresses, with cross-validation in closed form.

    The energy of a structure is linear in its row of features, beside an energy per element,
    :math:`E = \sum_a n_a b_a + x \cdot c`. Forces and stress are its exact derivatives. All targets
    together determine c and b by

    .. math:: \min \sum_s w_s \Big[ \Delta E_s^2 + f^2 \sum_i |\Delta F_{si}|^2
              + g^2 V_s^2 |\Delta\sigma_s|^2 \Big] + \alpha |c'|^2

    with ``sample_weight`` w, ``force_weight`` f, ``stress_weight`` g, the volume V, and the
    coefficients c' of scaled columns.

    Parameters
    ----------
    features : transformer of structures
        A transformer of this package, a FeatureUnion of them, or a Pipeline that begins with one.
        It is cloned and fitted. To learn forces or stresses, every part must have gradients, see
        `sklode.gradients`. For energies that grow with the structure, ``pooling="sum"``.
    alphas : array-like of shape (n_alphas,), default=(1e-10, 1e-9, ..., 100.0)
        Penalties to choose from, positive. They mean the same for all blocks of features, whose
        columns are scaled.
    force_weight : float, default=1.0
        In angstrom: the error of an energy (eV) that is as bad as a force component that is wrong
        by 1 eV/angstrom. In terms of noise, the ratio of both expected errors. 0 ignores forces.
    stress_weight : float, default=1.0
        A number: an error of the virial (stress times volume, in eV) is as bad as one so many times
        larger of an energy. 0 ignores stresses.
    energy_per_atom : bool, default=False
        Whether energies and virials count per atom, that is, are divided by the number of atoms
        before errors are squared. Then structures of all sizes have the same say, and
        ``force_weight`` compares eV/atom with eV/angstrom.
    baseline : bool, default=True
        Whether to fit an energy per element, not penalised, together with the rest. Where the
        structures do not determine these energies, those of smallest norm are taken: 0 for an
        element that was not in ``fit``. Set False for energies of interaction.
    floor : float or None, default=0.01
        Columns are divided by max(rms_j, floor * max_j rms_j), as `BlockScaler` does, for each
        branch of a FeatureUnion by itself. The ``transformer_weights`` of the union act on scaled
        blocks. Blocks that end in a scaler of their own keep it. None: no scaling.
    cv : None, int, splitter or iterable, default=None
        None leaves out each structure once, or each group if ``fit`` is given ``groups``, with all
        its energies, forces and stresses, in closed form. Otherwise a splitter of structures, as in
        scikit-learn; an int with ``groups`` means GroupKFold. Features and scales are those of all
        structures in every fold. Inside of a search, ``groups`` of the search come here only with
        ``set_fit_request(groups=True)`` and scikit-learn's metadata routing.
    missing_forces : {"error", "ignore"}, default="error"
        What to do with atoms whose force is NaN, given or in a calculator. "ignore" leaves these
        atoms' forces out of the fit, of its counts and of all left-out errors; the atoms remain
        neighbours of the others, and the other forces, energy and stress of the structure count.
        For atoms that were held fixed in the reference, whose stored forces mean nothing. All
        three components must be NaN; infinite ones are always an error.

    Attributes
    ----------
    features_ : estimator
        The fitted features.
    alpha_ : float
        The alpha of the smallest objective in ``cv_results_``; the larger one of equals.
    coef_ : ndarray of shape (n_features,)
        Coefficients of the columns as ``features_`` gives them, in eV per unit of the feature.
    baseline_ : dict of str to float
        Energies of the elements by symbol, in eV.
    scale_ : ndarray of shape (n_features,)
        What the columns are divided by before they are penalised.
    noise_ : float
        Expected error of an energy beyond what the uncertainty of the coefficients explains, in eV
        (eV/atom with ``energy_per_atom``), calibrated on left-out structures; NaN without any.
    cv_results_ : dict of str to ndarray of shape (n_alphas,)
        ``alpha``; ``objective``, the root mean square of all left-out weighted residuals (eV); and
        ``rmse_energy_per_atom`` (eV), ``rmse_forces`` (eV/angstrom), ``rmse_stress``
        (eV/angstrom^3), of those that were learnt; NaN if none of them counts. Energies do not
        count where the other structures do not determine those of the elements, and if this leaves
        forces or stresses alone to choose by, a warning says so. Without a second structure or
        group only ``alpha``.
    n_rows_ : dict of str to int
        How many energies, force components and stress components were learnt.

    See Also
    --------
    BlockScaler : How columns are scaled.
    check_labels : Energies, forces and stresses that are probably wrong.
    sklode.calculator.SklodeCalculator : A fitted model in ASE.

    Notes
    -----
    One eigendecomposition serves all alphas, and the residuals of left-out rows G follow from the
    fit to all rows, (1 - H_GG)^-1 (t_G - (H t)_G). With more rows than features that is the one of
    the normal equations, to which gradients of features are added batch by batch; they are
    computed again for the cross-validation if all of them do not fit in memory. With fewer rows
    it is that of the products of rows. Alphas below rounding errors of the eigenvalues, 4e-15 of
    the largest, act as if they were that large.

    Examples
    --------
    Interaction energies, all separations of a dimer left out together:

    >>> from sklearn.pipeline import make_union
    >>> from sklode import (
    ...     AtomisticRidgeCV, DensityProjector, InteractionFeatures, LongRangePotential)
    >>> from sklode.datasets import load_s22x5
    >>> dimers = load_s22x5()
    >>> features = make_union(
    ...     DensityProjector(cutoff=4.0, n_max=3, l_max=1), LongRangePotential(exponent=6, l_max=1)
    ... )
    >>> model = AtomisticRidgeCV(InteractionFeatures(features), baseline=False)
    >>> model.fit(dimers.data, dimers.target, groups=dimers.groups).alpha_
    0.01
    >>> energies, errors = model.predict(dimers.data[:2], return_std=True)
    >>> energies.shape, errors.shape
    ((2,), (2,))
    """

    _parameter_constraints = {
        "features": [HasMethods(["fit", "transform"])],
        "alphas": ["array-like", Number(Real, 0, None, closed="neither")],
        "force_weight": [Number(Real, 0, 1e12, closed="both")],
        "stress_weight": [Number(Real, 0, 1e12, closed="both")],
        "energy_per_atom": ["boolean"],
        "baseline": ["boolean"],
        "floor": [Number(Real, 0, 1, closed="both"), None],
        "cv": ["cv_object"],
        "missing_forces": [StrOptions({"error", "ignore"})],
    }

    def __init__(
        self,
        features: BaseEstimator,
        alphas: ArrayLike = _ALPHAS,
        *,
        force_weight: float = 1.0,
        stress_weight: float = 1.0,
        energy_per_atom: bool = False,
        baseline: bool = True,
        floor: float | None = 0.01,
        cv: object = None,
        missing_forces: Literal["error", "ignore"] = "error",
    ):
        self.features = features
        self.alphas = alphas
        self.force_weight = force_weight
        self.stress_weight = stress_weight
        self.energy_per_atom = energy_per_atom
        self.baseline = baseline
        self.floor = floor
        self.cv = cv
        self.missing_forces = missing_forces

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Structures,
        y: object = None,
        *,
        forces: Sequence | None = None,
        stresses: Sequence | None = None,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        checkpoint: str | PathLike | None = None,
    ) -> Self:
        """Learn energies, forces and stresses together.

        Parameters
        ----------
        X : sequence of ase.Atoms, path-like, callable or Source
            List, tuple, pandas Series, one-column DataFrame or object array of structures. Or a
            source of more than fit in memory, see `sklode.streaming.Source`: a file, a pattern such
            as ``"runs/*.xyz"``, or a function that returns an iterator. It is read three times,
            batch after batch; targets come from the calculators; and ``features`` must learn
            nothing but elements.
        y : array-like of shape (n_structures,), default=None
            Energies in eV. With y, nothing is read from calculators. With None, energies, and
            forces and stresses unless given, come from the calculators, as far as these have them.
        forces : sequence of array-like of shape (n_atoms, 3), default=None
            In eV/angstrom, the negative gradient of the energy. None for an unknown entry,
            rows of NaN for unknown atoms with ``missing_forces="ignore"``.
        stresses : sequence of array-like of shape (6,) or (3, 3), default=None
            In eV/angstrom^3, the derivative of the energy by the strain, by the volume. None for an
            unknown entry. Voigt's order is that of ASE: xx, yy, zz, yz, xz, xy.
        groups : array-like of shape (n_structures,), default=None
            Labels of structures to leave out together.
        sample_weight : array-like of shape (n_structures,), default=None
            Weights of all squared errors of a structure, not negative. With a source, groups and
            weights may also be the names of keys of ``atoms.info``.
        checkpoint : path-like, default=None
            File in which the state of a long fit to a source is kept: the same call goes on where
            an earlier one was ended, with the same folds. It is removed when the fit is done.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            For a wrong parameter, features without gradients if there are forces or stresses, no
            target at all, or bad input; the message names the structure. For a source that changes
            while it is read, and a checkpoint of another fit.
        OSError
            If a file cannot be read, or the checkpoint not written.

        Warns
        -----
        SuspiciousLabelWarning
            For labels that would spoil the fit, such as stresses in kbar, see `check_labels`. Of a
            source, the first thousand structures are looked at.
        """
        if is_source(X) or checkpoint is not None:
            refuse_given_targets(y, forces, stresses)
            check_place(checkpoint)
            fit = OutOfCore(self, X, groups, sample_weight)
            some, of_some = fit.first_targets()
            warn_of_labels(some, of_some, from_calculators=True)
            return self._fit_source(fit, checkpoint)
        alphas = read_alphas(self.alphas)
        atoms_list = read_container(X)
        read_structures(atoms_list)
        targets = read_targets(atoms_list, y, forces, stresses, missing_forces=self.missing_forces)
        groups = read_groups(groups, len(atoms_list))
        sample_weight = read_sample_weight(sample_weight, len(atoms_list))
        targets = targets.weighty(atoms_list, sample_weight, self.force_weight, self.stress_weight)
        warn_of_labels(atoms_list, targets, from_calculators=y is None)
        self.n_rows_ = {
            "energy": targets.count("energies"),
            "forces": targets.count("forces"),
            "stress": targets.count("stresses"),
        }
        self._fit_features(atoms_list, targets)
        rows, stream = self._rows(atoms_list, targets, sample_weight)
        self._fit_rows(rows, stream, alphas, groups)
        return self

    def _check_parameters(self):
        read_alphas(self.alphas)

    def _fit_source(self, fit, checkpoint):
        if fit.is_small:
            return self.fit(fit.in_memory(), **fit.labels())
        self.n_rows_, self.features_, self._numbers = fit.n_rows, fit.features, fit.numbers
        self.alpha_, self.noise_, self.cv_results_, self.scale_, solution = fit.run(checkpoint)
        self._keep(solution)
        return self

    def _fit_features(self, atoms_list, targets):
        with_gradients = bool(targets.count("forces") or targets.count("stresses"))
        self.features_ = fitted_features(self.features, atoms_list, with_gradients)

    def _rows(self, atoms_list, targets, sample_weight):
        """Rows of the energies, and of the rest a stream; scaled and weighted."""
        weights = Weights.of(
            atoms_list, sample_weight, self.force_weight, self.stress_weight, self.energy_per_atom
        )
        numbers, counts = element_counts(atoms_list)
        self._numbers, counts = (numbers, counts) if self.baseline else (numbers[:0], counts[:, :0])
        n_baseline = counts.shape[1]
        stream = GradientRows(self.features_, atoms_list, targets, weights, n_baseline)
        matrix = stream.describe()
        self.scale_ = column_scales(self.features_, atoms_list, matrix, sample_weight, self.floor)
        stream.scale = self.scale_
        rows = energy_rows(matrix / self.scale_, counts, targets.energies, weights)
        return rows, stream

    def _fit_rows(self, rows, stream, alphas, groups):
        has_rows = stream.sizes > 0
        has_rows[rows.owners] = True
        folds = make_folds(self.cv, groups, has_rows, len(alphas))
        n_rows = len(rows) + stream.sizes.sum()
        ridge = (InMemory if n_rows < len(self.scale_) else Streamed)(rows, stream)
        self.alpha_, self.noise_, self.cv_results_ = choose_alpha(
            ridge, stream, folds, alphas, list(self.n_rows_.values())
        )
        self._keep(ridge.solution)

    def _keep(self, solution):
        """Coefficients, and what the uncertainty needs, as plain arrays."""
        coefficients, baselines = solution.coefficients(self.alpha_)
        self.coef_ = coefficients[0] / self.scale_
        self._baseline_energies = baselines[0]
        names = [chemical_symbols[z] for z in self._numbers]
        self.baseline_ = {name: float(e) for name, e in zip(names, baselines[0], strict=True)}
        self._solution = {name: getattr(solution, name) for name in Solution.__annotations__}

    def calculator(self) -> "SklodeCalculator":
        """The fitted model as a calculator of ASE.

        Returns
        -------
        sklode.calculator.SklodeCalculator
        """
        from .calculator import SklodeCalculator

        return SklodeCalculator(self)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.target_tags.required = False  # calculators have the energies
        return tags
