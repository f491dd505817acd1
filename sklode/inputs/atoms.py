"""From what users pass as X to arrays: the one place that looks into containers and Atoms."""

import contextlib
from itertools import product

import ase
import numpy as np
from ase.data import chemical_symbols
from ase.geometry import minkowski_reduce

from ..physics.system.boxes import unit_axes
from ..physics.system.structures import Structure

_SMALLEST_VOLUME = 1e-9  # of a cell, against the product of its lengths
_EXTENTS = "", "length", "area", "volume"  # of so many lattice vectors
_SKEW = 0.1  # of the shortest vector, squared: how far from reduced a cell may be
# sums of two or three lattice vectors, one of each pair of opposite ones
_SUMS = np.array(
    [c for c in product((-1, 0, 1), repeat=3) if c > (0, 0, 0) and sum(map(abs, c)) > 1]
)
_ALLOWED = (
    "X must be a list, tuple, pandas Series, one-column DataFrame or object array of ase.Atoms"
)


def describe(index, atoms):
    """How messages name a structure: its position in X and its formula."""
    numbers = atoms.arrays["numbers"]
    if not _are_elements(numbers):
        return f"X[{index}] ({len(numbers)} atoms)"
    return f"X[{index}] ({atoms.get_chemical_formula() or 'empty'})"


def real_array(values, label):
    """Values as floats, never those that have to lose something for it.

    Parameters
    ----------
    values : array-like
    label : str
        What they are, for messages: the structure, and the name of the array.

    Returns
    -------
    ndarray
        ``values`` itself if it is an array of floats.

    Raises
    ------
    ValueError
        For complex or masked values, and what are no numbers.
    """
    if np.ma.is_masked(values):
        raise ValueError(
            f"{label} has {np.ma.count_masked(values)} masked values, which would count as "
            "numbers. Fill them in, or leave them out."
        )
    if is_plain(values):
        return values
    array = np.zeros(0, dtype=str)
    with contextlib.suppress(TypeError, ValueError, OverflowError):  # ragged rows, other objects
        array = np.asarray(values)
        if array.dtype.kind in "fiubO":
            return array.astype(float)
    if array.dtype.kind == "c":
        raise ValueError(
            f"{label} must be real; got {array.dtype}. Take .real if the imaginary part means "
            "nothing."
        )
    shown = " ".join(repr(values).split())  # in one line
    raise ValueError(f"{label} must be numbers; got {shown:.60}.")


def is_plain(values):
    """Whether this is an ordinary array of floats, as ASE keeps them."""
    return type(values) is np.ndarray and values.dtype.char == "d"


class AtomsList(list):
    """Atoms that were read, for whatever is called next with the same list.

    It lives no longer than one call of a public method, in which nobody changes the Atoms.
    """

    arrays = None  # by the names of the charges, made when they are asked for


def read_container(X):
    """The Atoms in X as an AtomsList, in order.

    Atoms must never pass through ``np.asarray``, which silently splits structures of equal size
    into single atoms.

    Raises
    ------
    TypeError
        If X is not a container of Atoms.
    ValueError
        If X is empty.
    """
    if type(X) is AtomsList:
        return X
    if isinstance(X, ase.Atoms):
        raise TypeError(f"{_ALLOWED}; got a single Atoms. Pass a list: [atoms].")
    text_or_dict = isinstance(X, (str, bytes, dict))
    if text_or_dict or isinstance(X, set) or not hasattr(X, "__len__"):
        iterable = hasattr(X, "__iter__") and not text_or_dict
        hint = " Call list(...) on it first." if iterable else ""
        raise TypeError(f"{_ALLOWED}; got {type(X).__name__}.{hint}")
    structures = AtomsList(_one_column(X))
    if not structures:
        raise ValueError(f"{_ALLOWED}, with at least one structure; got an empty one.")
    for index, atoms in enumerate(structures):
        if not isinstance(atoms, ase.Atoms):
            raise TypeError(f"{_ALLOWED}; X[{index}] is of type {type(atoms).__name__}.")
    return structures


def _one_column(X):
    if hasattr(X, "columns"):
        if len(X.columns) != 1:
            raise ValueError(
                f"A DataFrame must have one column of Atoms; got {list(map(str, X.columns))}. "
                "Select the column, or use a ColumnTransformer."
            )
        return X[X.columns[0]]
    shape = X.shape if hasattr(X, "shape") else (len(X),)
    if len(shape) == 2 and shape[1] == 1:
        return X[:, 0]
    if len(shape) != 1:
        apart = isinstance(next(iter(getattr(X, "flat", [])), None), ase.Atom)
        hint = " numpy took the structures apart into atoms; pass the list itself." if apart else ""
        raise ValueError(
            f"{_ALLOWED}, of shape (n,) or (n, 1); got an array of shape {shape}.{hint}"
        )
    return X


def row_index(X):
    """The pandas index of X, or None."""
    index = getattr(X, "index", None)
    return None if callable(index) else index


def read_structures(atoms_list, charges=()):
    """Arrays of every structure, checked; read once from an AtomsList.

    Parameters
    ----------
    atoms_list : list of ase.Atoms
    charges : iterable of str
        Per-atom arrays to read along.

    Returns
    -------
    list of Structure

    Raises
    ------
    ValueError
        For an empty structure, atomic numbers that no element has, numbers that are not finite or
        not real, a periodic cell without volume, or a missing charges array; the message names the
        structure.
    """
    if type(atoms_list) is not AtomsList:
        return _arrays(atoms_list, charges)
    if atoms_list.arrays is None:
        atoms_list.arrays = {}
    names = tuple(charges)
    if names not in atoms_list.arrays:
        atoms_list.arrays[names] = _arrays(atoms_list, names)
    return atoms_list.arrays[names]


def _arrays(atoms_list, charges):
    """Read and check the arrays of all structures."""
    _check_numbers(atoms_list)
    positions = [_read_positions(index, atoms) for index, atoms in enumerate(atoms_list)]
    _check_positions(atoms_list, positions)
    periodic = np.array([atoms.pbc for atoms in atoms_list], dtype=bool)
    cells = reduced(_read_cells(atoms_list, periodic), periodic)
    return [
        Structure(
            numbers=np.array(atoms.arrays["numbers"]),
            positions=positions[index],
            cell=cells[index],
            periodic=periodic[index],
            charges={name: _read_charges(index, atoms, name) for name in charges},
        )
        for index, atoms in enumerate(atoms_list)
    ]


def _are_elements(numbers):
    """Whether these are integers that ASE has an element for; 0 is its placeholder X."""
    if np.ma.is_masked(numbers) or numbers.dtype.kind not in "iu":
        return False
    return bool(np.all((numbers >= 0) & (numbers < len(chemical_symbols))))


def _check_numbers(atoms_list):
    """Refuse atomic numbers of no element."""
    numbers = [atoms.arrays["numbers"] for atoms in atoms_list]
    if all(type(n) is np.ndarray for n in numbers) and _are_elements(np.concatenate(numbers)):
        return
    for index, atoms in enumerate(atoms_list):
        if not _are_elements(atoms.arrays["numbers"]):
            raise ValueError(
                f"{describe(index, atoms)}: its atomic numbers are {atoms.arrays['numbers']}; they "
                f"must be integers from 0 (X) to {len(chemical_symbols) - 1}. Repair or remove the "
                "structure."
            )


def _read_positions(index, atoms):
    positions, shape = atoms.arrays["positions"], (len(atoms.arrays["numbers"]), 3)
    if positions.shape != shape:
        raise ValueError(
            f"{describe(index, atoms)}: the array of positions must have shape {shape}; got "
            f"{positions.shape}. Repair or remove the structure."
        )
    if is_plain(positions):
        return np.array(positions, dtype=float)
    return real_array(positions, f"{describe(index, atoms)}: the array of positions")


def _check_positions(atoms_list, positions):
    """Refuse structures without atoms or with positions that are not finite."""
    for index, atoms in enumerate(atoms_list):
        if len(positions[index]) == 0:
            raise ValueError(
                f"{describe(index, atoms)}: has no atoms. Remove it, or add atoms to it."
            )
    if np.isfinite(np.concatenate(positions)).all():
        return
    for index, atoms in enumerate(atoms_list):
        finite = np.isfinite(positions[index]).all(axis=1)
        if not finite.all():
            atom = int(np.flatnonzero(~finite)[0])
            raise ValueError(
                f"{describe(index, atoms)}: position of atom {atom} is {positions[index][atom]}; "
                "positions must be finite. Repair or remove the structure."
            )


def _read_cells(atoms_list, periodic):
    """Cells of all structures, (n_structures, 3, 3); those without periodicity mean nothing."""
    cells = [atoms.cell.array for atoms in atoms_list]
    if not all(map(is_plain, cells)):
        cells = [
            real_array(cell, f"{describe(index, atoms)}: the cell")
            for index, (cell, atoms) in enumerate(zip(cells, atoms_list, strict=True))
        ]
    cells = np.array(cells, dtype=float)
    cells[~periodic.any(axis=1)] = 0.0
    whole = periodic.all(axis=1)
    with np.errstate(invalid="ignore", over="ignore"):
        lengths = np.linalg.norm(cells, axis=2).prod(axis=1)
        fine = np.abs(np.linalg.det(cells)) > _SMALLEST_VOLUME * lengths
    for index in np.flatnonzero(periodic.any(axis=1) & ~(whole & fine)):
        cells[index] = _read_cell(index, atoms_list[index], periodic[index])
    return cells


def _read_cell(index, atoms, periodic):
    """The cell of one structure that is not plainly fine."""
    cell = np.array(atoms.cell.array, dtype=float)
    if not np.isfinite(cell).all():
        raise ValueError(
            f"{describe(index, atoms)}: the cell {cell.tolist()} must be finite. Set a proper cell."
        )
    vectors = cell[periodic]
    lengths = np.linalg.norm(vectors, axis=1)
    spanned = np.sqrt(max(np.linalg.det(vectors @ vectors.T), 0.0))
    if not spanned > _SMALLEST_VOLUME * np.prod(lengths) or not lengths.all():
        raise ValueError(
            f"{describe(index, atoms)}: is periodic (pbc = {periodic.tolist()}) but its cell "
            f"{cell.tolist()} has no {_EXTENTS[periodic.sum()]} along these directions. Set a cell "
            "with atoms.set_cell, or pbc = False."
        )
    return cell if periodic.all() else unit_axes(cell, periodic)


def reduced(cells, periodic):
    """Cells of the same lattices whose vectors are short and far from parallel.

    Lattice sums, meshes and searches for neighbors are accurate and fast in such cells. Rows and
    all their derivatives depend on the lattice alone, so that they are those of the given cell.

    Parameters
    ----------
    cells : ndarray of shape (n_structures, 3, 3)
    periodic : ndarray of shape (n_structures, 3), bool

    Returns
    -------
    ndarray of shape (n_structures, 3, 3)
        The given cells where these are all but reduced.
    """
    vectors = cells * periodic[:, :, None]
    squares = np.einsum("sdx,sdx->sd", vectors, vectors)[:, None]  # (structure, 1, vector)
    squares = np.where(_SUMS != 0, squares, np.nan)
    sums = np.einsum("cd,sdx->scx", _SUMS, vectors)
    shortest = np.nanmax(squares, axis=2) - _SKEW * np.nanmin(squares, axis=2)
    skewed = np.any(np.einsum("scx,scx->sc", sums, sums) < shortest, axis=1)
    for number in np.flatnonzero(skewed):
        steps = minkowski_reduce(cells[number], periodic[number])[1]
        cells[number] = steps.astype(np.longdouble) @ cells[number]  # long vectors cancel
    return cells


def _read_charges(index, atoms, name):
    if name not in atoms.arrays:
        setter = f"set_array('{name}', values)"
        if name == "initial_charges":
            setter = "set_initial_charges(values)"
        raise ValueError(
            f"{describe(index, atoms)}: has no per-atom array '{name}', which charges='{name}' "
            f"asks for; it has {sorted(atoms.arrays)}. Set it with atoms.{setter}, or charges=None."
        )
    values = np.array(atoms.arrays[name])
    if values.shape != (len(atoms),) or values.dtype.kind not in "fiub":
        raise ValueError(
            f"{describe(index, atoms)}: the array '{name}' must hold one number an atom; it has "
            f"shape {values.shape} and type {values.dtype}. Repair it with set_array."
        )
    if not np.isfinite(values).all():
        atom = int(np.flatnonzero(~np.isfinite(values))[0])
        raise ValueError(
            f"{describe(index, atoms)}: the array '{name}' is {values[atom]} for atom {atom}; it "
            "must be finite. Repair it with set_array, or remove the structure."
        )
    return real_array(atoms.arrays[name], f"{describe(index, atoms)}: the array '{name}'")
