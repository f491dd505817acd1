"""Features of a complex minus those of its fragments."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from ase import Atoms
from numpy.typing import NDArray
from sklearn.base import TransformerMixin, clone
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from . import gradients
from .base import HasMethods, StructureTransformer
from .execution.derivatives import Derivatives
from .inputs.atoms import read_structures, real_array
from .inputs.fragments import fragments_of
from .projection import chain_rule


def _inner_has(name):
    def check(self):
        getattr(getattr(self, "transformer_", self.transformer), name)
        return True

    return check


class InteractionFeatures(StructureTransformer):
    """Features of a complex minus those of its fragments, each alone.

    The counterpart of an interaction energy E(AB) - E(A) - E(B): what depends on one fragment only
    cancels, and features vanish for fragments that do not act on each other.

    Parameters
    ----------
    transformer : transformer of structures
        For example a PowerSpectrum, or a FeatureUnion or Pipeline of transformers of this package.
        It should add atoms up (``pooling="sum"``).
    fragments : str, default="fragment"
        Name of the integer per-atom array that says which fragment an atom belongs to. Any number
        of fragments.

    Attributes
    ----------
    transformer_ : estimator
        The fitted transformer.
    feature_table_ : DataFrame
        That of the transformer, if it has one.

    See Also
    --------
    sklode.datasets.load_s22x5 : Dimers that carry such an array.

    Examples
    --------
    >>> from sklode import InteractionFeatures, LongRangePotential
    >>> from sklode.datasets import load_s22x5
    >>> dimers = load_s22x5().data[:5]
    >>> interaction = InteractionFeatures(LongRangePotential(exponent=6, l_max=0))
    >>> features = interaction.fit_transform(dimers)
    >>> bool((abs(features[4]) < abs(features[0])).all())  # twice as far apart
    True
    """

    _parameter_constraints = {
        "transformer": [HasMethods(["fit", "transform"])],
        "fragments": [str],
    }

    def __init__(self, transformer: TransformerMixin, *, fragments: str = "fragment"):
        self.transformer = transformer
        self.fragments = fragments

    def learn(self, atoms_list: Sequence[Atoms]) -> None:
        """Learn from the structures; called by ``fit``."""
        self._fragments(atoms_list)
        self.transformer_ = clone(self.transformer)
        if hasattr(self.transformer_, "set_output"):
            self.transformer_.set_output(transform="default")
        self.transformer_.fit(atoms_list)

    def _fragments(self, atoms_list):
        """For every structure, the atoms of each of its fragments."""
        return [fragments_of(i, a, self.fragments) for i, a in enumerate(atoms_list)]

    def _describe(self, atoms_list, per_atom):
        read_structures(atoms_list)
        members = self._fragments(atoms_list)
        apply = self.transformer_.transform_atoms if per_atom else self.transformer_.transform
        whole = np.array(apply(atoms_list))
        parts = np.asarray(
            apply([atoms[m] for atoms, ms in zip(atoms_list, members, strict=True) for m in ms])
        )
        if per_atom:
            offsets = np.concatenate([[0], np.cumsum([len(atoms) for atoms in atoms_list])])
            rows = [m + start for start, ms in zip(offsets, members, strict=False) for m in ms]
            whole[np.concatenate(rows)] -= parts
            return whole
        owners = np.repeat(np.arange(len(atoms_list)), [len(ms) for ms in members])
        np.subtract.at(whole, owners, parts)
        return whole

    def differentiate(
        self, X: Sequence[Atoms], positions: bool = True, strain: bool = False
    ) -> Derivatives:
        """Describe structures and differentiate the rows, in one pass.

        Parameters
        ----------
        X : sequence of ase.Atoms
            As in ``fit``.
        positions, strain : bool, default=True and False
            Which derivatives are wanted; the others are None.

        Returns
        -------
        Derivatives
            With the attributes ``rows``, ``positions`` and ``strain``.
        """
        atoms_list, members, parts = self._complexes(X)
        owners = np.repeat(np.arange(len(atoms_list)), [len(ms) for ms in members])
        wanted = positions, strain
        whole = gradients.differentiate(self.transformer_, atoms_list, *wanted)
        inner = gradients.differentiate(self.transformer_, parts, *wanted)
        rows = np.array(whole.rows)
        np.subtract.at(rows, owners, inner.rows)
        if positions:
            inside = iter(inner.positions)
            for total, of_structure in zip(whole.positions, members, strict=True):
                for atoms in of_structure:
                    total[atoms] -= next(inside)
        if strain:
            np.subtract.at(whole.strain, owners, inner.strain)
        return Derivatives(rows, whole.positions, whole.strain)

    def _backward(self, X, cotangents, with_rows):
        atoms_list, members, parts = self._complexes(X)
        cotangents = real_array(cotangents, "cotangents")
        owners = np.repeat(np.arange(len(atoms_list)), [len(ms) for ms in members])
        backward = partial(chain_rule.rows_and_backward, self.transformer_, with_rows=with_rows)
        rows, whole, strains = backward(atoms_list, cotangents)
        inner_rows, inside, inner_strains = backward(parts, cotangents[owners])
        if with_rows:
            rows = np.array(rows)
            np.subtract.at(rows, owners, inner_rows)
        inside = iter(inside)
        for total, of_structure in zip(whole, members, strict=True):
            for atoms in of_structure:
                total[atoms] -= next(inside)
        np.subtract.at(strains, owners, inner_strains)
        return rows, whole, strains

    def _complexes(self, X):
        """The structures, the atoms of each fragment, and all fragments as structures."""
        check_is_fitted(self)
        atoms_list = self._read(X, reset=False)
        read_structures(atoms_list)
        members = self._fragments(atoms_list)
        pairs = zip(atoms_list, members, strict=True)
        return atoms_list, members, [atoms[m] for atoms, ms in pairs for m in ms]

    @available_if(_inner_has("transform_atoms"))
    def transform_atoms(self, X: Sequence[Atoms]) -> NDArray | pd.DataFrame:
        """Describe every atom by one row: in the complex minus in its fragment.

        Parameters
        ----------
        X : sequence of ase.Atoms
            As in ``fit``.

        Returns
        -------
        ndarray or DataFrame of shape (n_atoms_total, n_features)
        """
        return super().transform_atoms(X)

    @available_if(_inner_has("feature_table_"))
    def column_table(self) -> pd.DataFrame:
        """Table of the columns, not to be changed; see ``feature_table_``."""
        return self.transformer_.feature_table_

    @property
    def n_features_out(self) -> int:
        """Number of columns."""
        return len(self.get_feature_names_out())

    def get_feature_names_out(self, input_features: object = None) -> NDArray:
        """Names of the columns, those of the transformer.

        Parameters
        ----------
        input_features : ignored
            For compatibility.

        Returns
        -------
        ndarray of str, shape (n_features,)
        """
        check_is_fitted(self)
        return self.transformer_.get_feature_names_out()
