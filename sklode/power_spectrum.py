"""Invariants of two projectors."""

from sklearn.base import clone

from .base import N_JOBS, StrOptions, StructureTransformer
from .projection.labels import power_spectrum_table, split_by_center
from .projection.pooling import (
    PairInvariants,
    assemble_rows,
    parts_of,
    rows_and_factors,
    rows_and_gradients,
)
from .projection.projector import Projector, symbols


class PowerSpectrum(StructureTransformer):
    r"""Rotational invariants of two fields around an atom: rho x rho, rho x V, V x V.

    .. math:: p_i = \frac{(-1)^l}{\sqrt{2l+1}} \sum_m
              \langle a_1 n_1 l m|F_i\rangle \langle a_2 n_2 l m|G_i\rangle

    with the coefficients of ``left`` and ``right``, eq. (7.2). Local density times far-field
    potential (rho x V) tells how an environment sits in the potential of the others.

    Parameters
    ----------
    left : DensityProjector or LongRangePotential
        First projector. Its own ``invariants`` and ``pooling`` are not used.
    right : DensityProjector or LongRangePotential, default=None
        Second projector; None combines ``left`` with itself.
    center_species : {"shared", "split"}, default="shared"
        "shared" adds all atoms of a structure up; "split" keeps one block of columns per central
        element.
    pooling : {"sum", "mean"}, default="sum"
        How atoms make a structure.
    n_jobs : int or None, default=None
        Number of workers for chunks of structures, as in joblib.

    Attributes
    ----------
    left_, right_ : estimators
        The fitted projectors; ``right_`` is None when ``right`` is.
    species_ : ndarray of shape (n_species,)
        Sorted atomic numbers of the central atoms, those of ``left_``.
    feature_table_ : DataFrame
        One row a column: name, family, exponents, species, radial indices and degree.

    See Also
    --------
    DensityProjector, LongRangePotential : The projectors.

    Notes
    -----
    Two different projectors give all ordered pairs of channels. One projector with itself gives
    each unordered pair of channels once, unlike channels times sqrt(2), exponent by exponent.
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
    }

    def __init__(self, left, right=None, *, center_species="shared", pooling="sum", n_jobs=None):
        self.left = left
        self.right = right
        self.center_species = center_species
        self.pooling = pooling
        self.n_jobs = n_jobs

    def _fit(self, atoms_list):
        self.left_ = clone(self.left).fit(atoms_list)
        self.right_ = None if self.right is None else clone(self.right).fit(atoms_list)
        self.species_ = self.left_.species_

    def _projectors(self, unfitted=False):
        pair = (self.left, self.right) if unfitted else (self.left_, self.right_)
        return [p for p in pair if p is not None]

    def _charge_names(self):
        projectors = self._projectors(unfitted=True)
        return tuple({name: None for p in projectors for name in p._charge_names()})

    def _elements_matter(self):
        return self.center_species == "split" or any(
            p._elements_matter() for p in self._projectors()
        )

    @property
    def _row_dtype(self):
        return self.left_._row_dtype

    def _check_structures(self, atoms_list):
        for projector in self._projectors():
            projector._check_structures(atoms_list)

    def _pairs(self, left, right=None):
        """Pairs of blocks whose invariants are columns."""
        if right is None:
            return [(block, block) for block in left]
        return [(first, second) for first in left for second in right]

    def _feature_table(self):
        right = None if self.right_ is None else self.right_._blocks()
        l_max = min(p.l_max for p in self._projectors())
        table = power_spectrum_table(self._pairs(self.left_._blocks(), right), l_max)
        if self.center_species == "split":
            table = split_by_center(table, symbols(self.species_))
        return table

    def _invariants(self, structures, projectors, present=None, n_threads=1, dtype=None):
        fields = [p._coefficients(structures, n_threads, dtype) for p in projectors]
        parts = [parts_of(p._blocks(), field) for field, p in enumerate(projectors)]
        return PairInvariants(fields, self._pairs(*parts), present)

    def _rows(self, structures, per_atom, n_threads):
        projectors = self._projectors()
        present = [p._present(structures) for p in projectors]
        narrow = [p._narrowed(mask) for p, mask in zip(projectors, present, strict=True)]
        invariants = self._invariants(structures, narrow, present, n_threads)
        rows = assemble_rows(self, self.species_, structures, invariants, per_atom, n_threads)
        return rows.astype(self.left_.dtype, copy=False)

    def _row_gradients(self, structures, positions, strain):
        invariants = self._invariants(structures, self._projectors(), dtype="float64")
        fields = [p._linearized(structures) for p in self._projectors()]
        what = self, self.species_, structures, invariants
        return rows_and_gradients(*what, fields, positions, strain)

    def _row_backward(self, structures, cotangents, with_rows):
        invariants = self._invariants(structures, self._projectors(), dtype="float64")
        what = self, self.species_, structures, invariants
        rows, fields = rows_and_factors(*what, cotangents, with_rows)
        parts = [
            projector._coefficient_vjp(structures, of_field)
            for projector, of_field in zip(self._projectors(), fields, strict=True)
        ]
        return rows, *(sum(kind) for kind in zip(*parts, strict=True))
