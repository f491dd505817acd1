"""The skeleton of all transformers of structures; the only importer of scikit-learn's internals."""

import numpy as np
import pandas as pd
from joblib import effective_n_jobs
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import check_is_fitted

from .parallel import ATOMS_PER_CHUNK, chunks_by_atoms, each_chunk
from .physics.structures import alike_together, as_slice
from .reading import read_container, read_structures, row_index
from .shared_rows import shared_rows

__all__ = ["HasMethods", "Interval", "StrOptions", "StructureTransformer", "fit_context"]

fit_context = _fit_context


class StructureTransformer(TransformerMixin, BaseEstimator):
    """Base of transformers that turn each structure of X into one row of numbers.

    A subclass learns in ``_fit(atoms_list)`` and says what it computes in ``_rows(structures,
    per_atom, n_threads)`` (arrays in, arrays out, called for chunks of structures, possibly in
    other processes; threads are for structures so large that there are fewer chunks than workers)
    and what its columns are in ``_feature_table()``. Gradients are ``_row_gradients(structures,
    positions, strain)``, the rows of structures, a list of arrays and an array, either None if it
    is not wanted, and ``_row_backward(structures, cotangents)``.
    """

    def _read(self, X, reset):
        """The Atoms in X. The only method that sees X."""
        return read_container(X)

    def _charge_names(self):
        """Names of the per-atom arrays to read along."""
        return ()

    def _check_structures(self, atoms_list):
        """Refuse structures that this transformer cannot describe; after fit."""

    @fit_context(prefer_skip_nested_validation=False)  # projectors inside are validated too
    def fit(self, X, y=None):
        """Learn the elements and the layout of the columns.

        Parameters
        ----------
        X : sequence of ase.Atoms
            List, tuple, pandas Series, one-column DataFrame or object array of structures.
        y : ignored
            For compatibility with pipelines.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            For a wrong parameter or bad input; the message names the structure.
        """
        atoms_list = self._read(X, reset=True)
        read_structures(atoms_list, self._charge_names())
        self._fit(atoms_list)
        self._check_structures(atoms_list)
        return self

    def transform(self, X):
        """Describe every structure by one row.

        Parameters
        ----------
        X : sequence of ase.Atoms
            As in ``fit``.

        Returns
        -------
        ndarray or DataFrame of shape (n_structures, n_features)
            A DataFrame with the index of X after ``set_output(transform="pandas")``.

        Raises
        ------
        TypeError, ValueError
            For bad input; the message names the structure.
        """
        check_is_fitted(self)
        return self._describe(self._read(X, reset=False), per_atom=False)

    def transform_atoms(self, X):
        """Describe every atom by one row, in the order of the structures and their atoms.

        Parameters
        ----------
        X : sequence of ase.Atoms
            As in ``fit``.

        Returns
        -------
        ndarray or DataFrame of shape (n_atoms_total, n_features)
            After ``set_output(transform="pandas")`` a DataFrame with the index (structure, atom),
            the first level taken from the index of X.

        Raises
        ------
        TypeError, ValueError
            For bad input; the message names the structure.
        """
        check_is_fitted(self)
        atoms_list = self._read(X, reset=False)
        return self._frame_of_atoms(self._describe(atoms_list, per_atom=True), X, atoms_list)

    def _frame_of_atoms(self, rows, X, atoms_list):
        container = _get_output_config("transform", self)["dense"]
        if container == "default":
            return rows
        columns = self.get_feature_names_out()
        if container == "polars":
            import polars

            return polars.DataFrame(rows, schema=list(columns), orient="row")
        labels = row_index(X)
        labels = np.arange(len(atoms_list)) if labels is None else labels
        sizes = [len(atoms) for atoms in atoms_list]
        index = pd.MultiIndex.from_arrays(
            [np.repeat(np.asarray(labels), sizes), np.concatenate([np.arange(n) for n in sizes])],
            names=["structure", "atom"],
        )
        return pd.DataFrame(rows, index=index, columns=columns)

    def _describe(self, atoms_list, per_atom):
        """Rows of all structures, computed chunk by chunk as joblib's configuration says.

        The chunks depend on the structures alone, never on the number of workers: serial and
        parallel results are identical to the last bit. Structures of the same elements share them.
        """
        structures = read_structures(atoms_list, self._charge_names())
        self._check_structures(atoms_list)
        sizes, order = np.array([len(s) for s in structures]), alike_together(structures)
        at_once = self._atoms_at_once(structures)
        chunks = [order[chunk] for chunk in chunks_by_atoms(sizes[order], at_once)]
        n_jobs = getattr(self, "n_jobs", None)
        n_threads = max(1, effective_n_jobs(n_jobs) // len(chunks))
        jobs = [([structures[i] for i in chunk], per_atom, n_threads) for chunk in chunks]
        places = [as_slice(p) for p in (_places(chunks, sizes) if per_atom else chunks)]
        n_rows = sizes.sum() if per_atom else len(sizes)
        if len(jobs) > 1:
            shared = shared_rows((n_rows, self._n_features_out), self._row_dtype, n_jobs)
            if shared is not None:
                return self._write(shared, jobs, places, n_jobs)
        return _assembled(each_chunk(_rows_chunk, self, jobs, n_jobs), places, n_rows)

    def _atoms_at_once(self, structures):
        """Atoms of a chunk of structures, so that what is held for them stays small."""
        return ATOMS_PER_CHUNK

    def _write(self, shared, jobs, places, n_jobs):
        """Rows that the workers write themselves."""
        try:
            rows = shared.open()
            jobs = [(*job, shared, place) for job, place in zip(jobs, places, strict=True)]
            for _ in each_chunk(_written_chunk, self, jobs, n_jobs):
                pass
        finally:
            shared.remove()
        return rows

    @property
    def _row_dtype(self):
        """Precision of the rows."""
        return np.dtype(getattr(self, "dtype", "float64"))

    def transform_gradients(self, X):
        """Derivatives of every row by the positions of its atoms.

        The result takes 24 bytes for each atom and feature; derivatives of single atoms' features
        are never held for more than a block of atoms.

        Parameters
        ----------
        X : sequence of ase.Atoms
            As in ``fit``.

        Returns
        -------
        list of ndarray of shape (n_atoms, 3, n_features)
            In 1/angstrom, times the units of the features. Neighbours in the list may share memory.

        Raises
        ------
        TypeError, ValueError
            For bad input; the message names the structure.
        """
        return self._gradients(X, positions=True, strain=False)[0]

    def transform_with_gradients(self, X):
        """Rows and their derivatives by positions, in less time than one by one.

        Parameters
        ----------
        X : sequence of ase.Atoms
            As in ``fit``.

        Returns
        -------
        rows : ndarray of shape (n_structures, n_features)
            As of ``transform``, to rounding.
        gradients : list of ndarray of shape (n_atoms, 3, n_features)
            As of ``transform_gradients``.

        Raises
        ------
        TypeError, ValueError
            For bad input; the message names the structure.
        """
        return self._rows_and_gradients(X, positions=True, strain=False)[:2]

    def transform_strain_gradients(self, X):
        """Derivatives of every row by a strain of positions and cell, r -> r (1 + strain).

        Parameters
        ----------
        X : sequence of ase.Atoms
            As in ``fit``.

        Returns
        -------
        ndarray of shape (n_structures, 3, 3, n_features)
            The derivative by strain[a, b] at [:, a, b].

        Raises
        ------
        TypeError, ValueError
            For bad input; the message names the structure.
        """
        return self._gradients(X, positions=False, strain=True)[1]

    def transform_all_gradients(self, X):
        """Derivatives of every row by positions and by strain, in less time than one by one.

        Parameters
        ----------
        X : sequence of ase.Atoms
            As in ``fit``.

        Returns
        -------
        positions : list of ndarray of shape (n_atoms, 3, n_features)
            As of ``transform_gradients``.
        strain : ndarray of shape (n_structures, 3, 3, n_features)
            As of ``transform_strain_gradients``.

        Raises
        ------
        TypeError, ValueError
            For bad input; the message names the structure.
        """
        return self._gradients(X, positions=True, strain=True)

    def backpropagate(self, X, cotangents):
        """Gradients of one combination of the columns of each structure, in memory O(n_atoms).

        Parameters
        ----------
        X : sequence of ase.Atoms
            As in ``fit``.
        cotangents : array-like of shape (n_structures, n_features)
            Factors c; the gradients are those of sum_f c[s, f] row[s, f].

        Returns
        -------
        positions : list of ndarray of shape (n_atoms, 3)
        strain : ndarray of shape (n_structures, 3, 3)

        Raises
        ------
        TypeError, ValueError
            For bad input; the message names the structure.
        """
        structures = self._readable(X)
        cotangents = np.asarray(cotangents, float)
        shape = (len(structures), self._n_features_out)
        if cotangents.shape != shape:
            raise ValueError(f"cotangents must have shape {shape}; got {cotangents.shape}.")
        sizes = [len(s) for s in structures]
        chunks = chunks_by_atoms(sizes)
        parts = self._in_parallel(
            _backward_chunk, [(structures[chunk], cotangents[chunk]) for chunk in chunks]
        )
        positions, strains = zip(*parts, strict=True)
        return np.split(np.concatenate(positions), np.cumsum(sizes)[:-1]), np.concatenate(strains)

    def _gradients(self, X, positions, strain):
        return self._rows_and_gradients(X, positions, strain)[1:]

    def _rows_and_gradients(self, X, positions, strain):
        """Rows, and their derivatives by positions and by strain, None if they are not wanted."""
        structures = self._readable(X)
        chunks = chunks_by_atoms([len(s) for s in structures])
        jobs = [(structures[chunk], positions, strain) for chunk in chunks]
        rows, moved, strained = zip(*self._in_parallel(_gradients_chunk, jobs), strict=True)
        moved = [array for part in moved for array in part] if positions else None
        return np.concatenate(rows), moved, np.concatenate(strained) if strain else None

    def _readable(self, X):
        check_is_fitted(self)
        atoms_list = self._read(X, reset=False)
        structures = read_structures(atoms_list, self._charge_names())
        self._check_structures(atoms_list)
        return structures

    def _in_parallel(self, function, jobs):
        """Results of ``function(self, *job)`` for chunks of structures."""
        return list(each_chunk(function, self, jobs, getattr(self, "n_jobs", None)))

    @property
    def feature_table_(self):
        """One row a column of the output: its name and what it stands for (DataFrame)."""
        check_is_fitted(self)
        return self._feature_table()

    def get_feature_names_out(self, input_features=None):
        """Names of the columns.

        Parameters
        ----------
        input_features : ignored
            For compatibility.

        Returns
        -------
        ndarray of str, shape (n_features,)
            Unique names; ``feature_table_`` holds the same information as fields.
        """
        check_is_fitted(self)
        return self._feature_table()["name"].to_numpy(dtype=object)

    @property
    def _n_features_out(self):
        return len(self._feature_table())

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _places(chunks, sizes):
    """Rows of the atoms of chunks of structures."""
    starts = np.cumsum(sizes) - sizes
    within = [np.arange(sizes[chunk].sum()) for chunk in chunks]
    ends = [np.cumsum(sizes[chunk]) for chunk in chunks]
    return [
        atoms + np.repeat(starts[chunk] + sizes[chunk] - end, sizes[chunk])
        for chunk, atoms, end in zip(chunks, within, ends, strict=True)
    ]


def _assembled(parts, places, n_rows):
    """Rows of all parts at their places in one array, each part freed once it is copied."""
    rows = None
    for part, place in zip(parts, places, strict=True):
        if isinstance(place, slice) and len(part) == n_rows:
            return part
        if rows is None:
            rows = np.empty((n_rows, part.shape[1]), part.dtype)
        rows[place] = part
    return rows


def _rows_chunk(transformer, structures, per_atom, n_threads):
    return transformer._rows(structures, per_atom, n_threads)


def _written_chunk(transformer, structures, per_atom, n_threads, shared, place):
    shared.open()[place] = transformer._rows(structures, per_atom, n_threads)


def _gradients_chunk(transformer, structures, positions, strain):
    return transformer._row_gradients(structures, positions, strain)


def _backward_chunk(transformer, structures, cotangents):
    return transformer._row_backward(structures, cotangents)
