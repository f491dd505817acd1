"""One check for every operator: rows, Jacobian, reverse pass and strain answer for each other.

An operator is a fitted transformer of structures, seen through its public methods alone. Numbers
are measured in the largest value or derivative (in angstrom) that a structure has in the columns of
one kind, those that differ in n, l and m alone.
"""

import numpy as np

ROUNDING = 1e-10  # of the same terms in another order: 1e-13 or so, times what cancels
SINGLE = 2e-5  # of rows in float32, by the docstrings "about 1e-5 of the largest coefficient"
SINGLE_ROUNDING = 1e-6  # of float32 derivatives, and sums of some of them
DIFFERENCES = 1e-6  # of fourth order in the step, and the noise of tol divided by the step
STEP = 0.0015  # of displacements in angstrom, and of strains


def check_operator(model, structures, expected=None, accuracy=1e-9, adjoint=ROUNDING, double=None):
    """Check all that an operator does with structures, which fit need not have seen.

    Parameters
    ----------
    model : fitted transformer
    structures : list of ase.Atoms
        Without pairs at the ends of switching functions, where no third derivative exists.
    expected : list of ndarray of shape (n_atoms, n_features), optional
        Rows of the atoms of each structure.
    accuracy : float
        Of these rows in double precision.
    adjoint : float
        Accuracy of the reverse pass, where it is not the transpose of the Jacobian to rounding.
    double : fitted transformer, optional
        The same in double precision and with a tol of 1e-9 or less, differences of whose rows are
        compared with the derivatives.
    """
    answers = Answers(model, structures)
    errors = [*answers.of_rows(expected, accuracy), *answers.of_reverse_pass(adjoint)]
    if double is not None:
        errors += answers.of_differences(double)
    faults = [
        f"structure {number}, {what}: {error:.1e} > {limit:.1e}"
        for what, number, error, limit in errors
        if not error <= limit
    ]
    assert not faults, "\n".join(faults)


class Answers:
    """What an operator says of structures, and the errors of it.

    Errors are tuples of what it is, the number of the structure, the error and what is allowed.
    """

    def __init__(self, model, structures):
        self.model, self.structures, self.rng = model, structures, np.random.default_rng(0)
        rows, of_atoms = model.transform(structures), model.transform_atoms(structures)
        self.single = rows.dtype == of_atoms.dtype == np.float32
        of_atoms = np.split(of_atoms, np.cumsum([len(atoms) for atoms in structures])[:-1])
        positions = list(model.transform_gradients(structures))
        strains = model.transform_strain_gradients(structures)
        n_features = rows.shape[1]
        assert [g.shape for g in positions] == [(len(a), 3, n_features) for a in structures]
        assert np.shape(strains) == (len(structures), 3, 3, n_features)
        each = zip(of_atoms, positions, strains, strict=True)
        self.units = np.array([unit(model, *arrays) for arrays in each])
        self.rows = rows / self.units
        self.of_atoms = self.in_units(of_atoms)
        self.jacobians = {"positions": self.in_units(positions), "strain": self.in_units(strains)}
        self.directions = {
            name: [self.rng.normal(size=jacobian.shape[:2]) for jacobian in jacobians]
            for name, jacobians in self.jacobians.items()
        }

    def in_units(self, arrays):
        return [array / unit for array, unit in zip(arrays, self.units, strict=True)]

    def along(self, name):
        """Derivatives of the rows along the directions, (n_structures, n_features)."""
        each = zip(self.directions[name], self.jacobians[name], strict=True)
        return np.array([np.einsum("ab,abf->f", v, jacobian) for v, jacobian in each])

    def of_rows(self, expected, accuracy):
        """Errors of rows: pooled from those of atoms, and as the theory says."""
        pool = np.mean if getattr(self.model, "pooling", "sum") == "mean" else np.sum
        sums = [pool(rows, axis=0) for rows in self.of_atoms]
        yield from errors("sum of atoms", sums, self.rows, SINGLE if self.single else ROUNDING)
        if expected is not None:
            wanted, accuracy = self.in_units(expected), SINGLE if self.single else accuracy
            yield from errors("rows of atoms", self.of_atoms, wanted, accuracy)

    def of_reverse_pass(self, adjoint):
        """Errors of <J^T u, v> against <u, J v>, of sums of forces, and of rows on the way."""
        factors, structures = self.rng.normal(size=self.rows.shape), self.structures
        adjoint = max(adjoint, SINGLE_ROUNDING) if self.single else adjoint
        rows, *others = self.model.transform_and_backpropagate(structures, factors / self.units)
        rounding = SINGLE if self.single else ROUNDING
        yield from errors("rows with the reverse pass", rows / self.units, self.rows, rounding)
        alone = self.model.backpropagate(structures, factors / self.units)
        for name, gradients, again in zip(self.jacobians, alone, others, strict=True):
            forward = self.along(name)
            sizes = np.linalg.norm(forward, axis=1) + np.linalg.norm(self.rows, axis=1)
            sizes = sizes * np.linalg.norm(factors, axis=1)
            products = np.sum(factors * forward, axis=1)
            back = [np.sum(v * g) for v, g in zip(self.directions[name], gradients, strict=True)]
            yield from errors(f"reverse pass, {name}", back, products, adjoint, sizes)
            yield from errors(f"reverse pass with rows, {name}", again, gradients, ROUNDING, sizes)
            if name == "positions":
                zeros, sums = np.zeros(len(sizes)), [g.sum(axis=0) for g in gradients]
                yield from errors("sum of forces", sums, zeros, adjoint, sizes)
                sums = [jacobian.sum(axis=0) for jacobian in self.jacobians[name]]
                # each derivative is rounded to single precision, but for those of the reverse pass
                rounding = SINGLE_ROUNDING if self.single else ROUNDING
                yield from errors("sum of the Jacobian", sums, zeros, rounding)

    def of_differences(self, double):
        """Errors of the Jacobian against differences along random directions."""
        limit = SINGLE if self.single else DIFFERENCES
        for name, change in [("positions", displaced), ("strain", strained)]:
            directions = self.directions[name]
            found = derivatives(double, self.structures, directions, change) / self.units
            sizes = [np.linalg.norm(v) for v in directions]
            yield from errors(f"differences, {name}", self.along(name), found, limit, sizes)


def errors(what, found, wanted, limit, sizes=None):
    """Largest errors of each structure, relative to sizes where these are not zero."""
    sizes = np.ones(len(found)) if sizes is None else sizes
    for number, (one, other, size) in enumerate(zip(found, wanted, sizes, strict=True)):
        yield what, number, np.abs(one - other).max() / (size or 1.0), limit


def unit(model, *arrays):
    """Largest number of all columns of the same kind, for each column of a structure."""
    table = model.feature_table_
    kinds = table.columns.difference(["name", "center", "n", "n_1", "n_2", "l", "m"]).tolist()
    kind = table.fillna(-1).groupby(kinds).ngroup().to_numpy()
    largest = np.zeros(kind.max() + 1)
    for array in arrays:
        np.maximum.at(largest, kind, np.abs(array).max(axis=tuple(range(array.ndim - 1))))
    return np.where(largest, largest, 1.0)[kind]


def derivatives(model, structures, directions, change):
    """Derivatives of rows along directions, from two central differences (Richardson)."""
    steps = np.array([STEP, -STEP, STEP / 2, -STEP / 2])
    pairs = list(zip(structures, directions, strict=True))
    rows = model.transform([change(atoms, step * v) for step in steps for atoms, v in pairs])
    rows = rows.reshape(4, len(structures), -1)
    wide, narrow = (rows[0] - rows[1]) / (2 * STEP), (rows[2] - rows[3]) / STEP
    return (4 * narrow - wide) / 3


def displaced(atoms, displacements):
    atoms = atoms.copy()
    atoms.positions += displacements
    return atoms


def strained(atoms, strain):
    """r_b + sum_a r_a strain_ab, of atoms and cell."""
    atoms = atoms.copy()
    atoms.set_cell(atoms.cell + atoms.cell @ strain)
    atoms.positions += atoms.positions @ strain
    return atoms
