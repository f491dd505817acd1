"""What must hold for any estimator and any structures; each check takes a case of the soak."""

import warnings

import numpy as np
from accuracy import gradient_errors, pooled_errors, projectors_of, row_errors
from ase.geometry import minkowski_reduce
from drawn import exact_numbers
from joblib import parallel_config
from scipy.spatial.transform import Rotation
from sklearn.base import clone

from sklode import AtomisticRidgeCV, SuspiciousLabelWarning
from sklode.gradients import transform_all_gradients, transform_and_backpropagate

FINEST = 1e-11
RIGID = 1e-9  # of the largest value: positions of a thousand angstrom are rounded


def fit(case):
    return clone(case.estimator).fit(case.structures)


def changed(model, structures, **values):
    """A copy with other parameters, wherever these occur, and callables of the old values."""
    other = clone(model)
    for name, old in other.get_params().items():
        last = name.split("__")[-1]
        if last in values:
            new = values[last]
            other.set_params(**{name: new(old) if callable(new) else new})
    return other.fit(structures)


def exact(model, structures):
    """The same to a finer tolerance, by matrix products in double precision."""
    finer = {"tol": lambda tol: max(0.03 * tol, FINEST), "method": "direct", "dtype": "float64"}
    return changed(model, structures, **finer)


def assert_within(found, expected, errors, what):
    """Elementwise; the last axis are the columns."""
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    assert found.shape == expected.shape, f"{what}: shapes {found.shape}, {expected.shape}"
    assert np.isfinite(found).all(), f"{what}: not finite"
    limit = np.broadcast_to(errors, found.shape) + np.finfo(float).tiny
    ratio = np.abs(found - expected) / limit
    worst = np.unravel_index(np.argmax(ratio), ratio.shape)
    assert ratio[worst] <= 1, (
        f"{what}{list(map(int, worst))}: {found[worst]:.10g} against {expected[worst]:.10g}, "
        f"{ratio[worst]:.3g} times what is allowed"
    )


def rows_by_structure(model, structures):
    rows = model.transform_atoms(structures)
    return np.split(rows, np.cumsum([len(atoms) for atoms in structures])[:-1])


def of_atoms(model):
    return hasattr(model, "transform_atoms")


def check_rows(case):
    """Finite, within a few ``tol`` of those at a finer one; rows of atoms add up."""
    model, structures = fit(case), case.structures
    reference, errors = exact(model, structures), [pooled_errors(model, a) for a in structures]
    rows = model.transform(structures)
    assert_within(rows, reference.transform(structures), 2 * np.array(errors), "rows")
    if of_atoms(model):
        pairs = zip(
            structures,
            rows_by_structure(model, structures),
            rows_by_structure(reference, structures),
            strict=True,
        )
        for atoms, found, expected in pairs:
            assert_within(found, expected, 2 * row_errors(model, atoms), "rows of atoms")


def check_ways(case):
    """One by one, in threads, and by another method."""
    model, structures = fit(case), case.structures
    rows, errors = model.transform(structures), [pooled_errors(model, a) for a in structures]
    each = np.concatenate([model.transform([atoms]) for atoms in structures])
    assert_within(each, rows, 2 * np.array(errors), "one by one")
    with parallel_config(backend="threading"):
        threaded = changed(model, structures, n_jobs=2).transform(structures)
    assert_within(threaded, rows, 2 * np.array(errors), "threads")
    for method in ("direct", "nufft"):
        other = changed(model, structures, method=method).transform(structures)
        assert_within(other, rows, 2 * np.array(errors), method)


def check_symmetry(case):
    """Translations, rotations, mirrors, the order of atoms, supercells."""
    model, rng = fit(case), case.rng("symmetry")
    if not of_atoms(model):
        return
    invariant = all(getattr(p, "invariants", 1) is not None for p in projectors_of(model))
    if hasattr(model, "left_") or hasattr(getattr(model, "transformer_", None), "left_"):
        invariant = True
    for atoms in case.structures:
        expected = model.transform_atoms([atoms])
        errors = 2 * row_errors(model, atoms) + RIGID * np.abs(expected).max(axis=0)
        moved = atoms.copy()
        moved.positions += rng.uniform(-100, 100, 3)
        assert_within(model.transform_atoms([moved]), expected, errors, "translation")
        order = rng.permutation(len(atoms))
        assert_within(model.transform_atoms([atoms[order]]), expected[order], errors, "order")
        if invariant:
            turn = rng.choice([-1, 1]) * Rotation.random(None, rng).as_matrix()
            turned = atoms.copy()
            turned.set_cell(short_vectors(atoms) @ turn)
            turned.positions = atoms.positions @ turn
            assert_within(model.transform_atoms([turned]), expected, errors, "rotation")
        if atoms.pbc.any() and len(atoms) <= 60:
            repeat = np.where(np.arange(3) == rng.choice(np.flatnonzero(atoms.pbc)), 2, 1)
            rows = model.transform_atoms([atoms.repeat(repeat)])
            assert_within(rows, np.concatenate([expected] * 2), errors, f"supercell {repeat}")


def short_vectors(atoms):
    """Vectors of the lattice that the numbers of the cell mean exactly, none of them long.

    Turned, long ones would be those of another lattice: they are rounded by more, and the short
    ones are differences of a hundred of them.
    """
    cell = atoms.cell.array
    if not atoms.pbc.any():
        return cell
    steps = np.rint(minkowski_reduce(cell, atoms.pbc)[1]).astype(int).astype(object)
    return (steps @ exact_numbers(cell)).astype(float)


def check_derivatives(case):
    """Jacobian, reverse pass and rows of one call, against those at a finer tolerance."""
    model, structures, rng = fit(case), case.structures, case.rng("derivatives")
    reference = exact(model, structures)
    moved, strained = transform_all_gradients(model, structures)
    exact_moved, exact_strained = transform_all_gradients(reference, structures)
    errors = [gradient_errors(model, atoms) for atoms in structures]
    for n, (of_positions, of_strain) in enumerate(errors):
        rounding = [RIGID * np.abs(of[n]).max(axis=(0, 1)) for of in (exact_moved, exact_strained)]
        limits = 2 * of_positions + rounding[0], 2 * of_strain + rounding[1]
        assert_within(moved[n], exact_moved[n], limits[0], "position gradients")
        assert_within(strained[n], exact_strained[n], limits[1], "strain gradients")
    check_reverse(model, structures, rng, moved, strained, errors)


def check_reverse(model, structures, rng, moved, strained, errors):
    """The dot test, with factors that make the allowed errors of all columns alike."""
    allowed = np.array([limits[0] for limits in errors])
    largest = allowed.max(axis=1, keepdims=True)
    factors = rng.choice([-1, 1], allowed.shape) / np.maximum(allowed, 1e-30 * largest + 1e-300)
    factors[:, (allowed <= 1e-30 * largest).all(axis=0)] = 0.0
    rows, back, back_strain = transform_and_backpropagate(model, structures, factors)
    limit = 2 * np.array([pooled_errors(model, atoms) for atoms in structures])
    assert_within(rows, model.transform(structures), limit, "rows of the reverse pass")
    for n, row in enumerate(factors):
        bounds = [
            4 * np.abs(row) @ limit_of + RIGID * np.abs(of[n] * row).max()
            for limit_of, of in zip(errors[n], (moved, strained), strict=True)
        ]
        assert_within(back[n], moved[n] @ row, bounds[0], "reverse pass")
        assert_within(back_strain[n], strained[n] @ row, bounds[1], "reverse pass by strain")


def check_differences(case):
    """Derivatives along a direction in which all atoms, and the cell, change."""
    model, structures, rng = fit(case), case.structures, case.rng("differences")
    reference = exact(model, structures)
    widths = [min(1.0, getattr(p, "smearing", 1.0)) for p in projectors_of(model)]
    step = 0.01 * min(widths, default=1.0)
    for atoms in structures:
        moved, strained = transform_all_gradients(model, [atoms])
        position, strain = gradient_errors(model, atoms)
        rows = pooled_errors(model, atoms)
        direction = rng.uniform(-1, 1, atoms.positions.shape)
        turn = rng.uniform(-1, 1, (3, 3)) / max(1.0, np.abs(atoms.positions).max())
        for kind, change, jacobian, limit in (
            ("positions", direction, np.einsum("ix,ixf->f", direction, moved[0]), position),
            ("strain", turn, np.einsum("xy,xyf->f", turn, strained[0]), strain),
        ):
            limit = limit * np.abs(change).sum() + 1e-6 * np.abs(jacobian).max()
            assert_slope(reference, atoms, kind, change, step, jacobian, limit, rows)


def assert_slope(reference, atoms, kind, change, step, jacobian, limit, rows):
    """Differences of two steps, whose own difference is their error.

    Smaller ones are tried where atoms enter or leave a cutoff, perhaps with a jump.
    """
    for size in (step, 0.1 * step, 0.01 * step):
        rough, fine = (difference(reference, atoms, kind, change, h) for h in (2 * size, size))
        allowed = 2 * limit + 4 * np.abs(rough - fine) + 0.1 * rows / size
        try:
            assert_within(jacobian, fine, allowed, f"slope by {kind}")
        except AssertionError:
            if size > 0.05 * step:
                continue
            raise
        return


def difference(model, atoms, kind, change, step):
    """Central differences of the row, to the fourth order."""
    rows = []
    for n in (-2, -1, 1, 2):
        other = atoms.copy()
        if kind == "positions":
            other.positions += n * step * change
        else:
            deformation = np.eye(3) + n * step * change
            other.set_cell(atoms.cell.array @ deformation)
            other.positions = atoms.positions @ deformation
        rows.append(other)
    low, left, right, high = model.transform(rows)
    return (8 * (right - left) - (high - low)) / (12 * step)


def check_regression(case):
    """A model's forces and stresses are the chain rule of its coefficients."""
    structures, rng = case.structures, case.rng("regression")
    if len(structures) < 2:
        return
    model = AtomisticRidgeCV(clone(case.estimator), [1e-3, 1.0])
    with warnings.catch_warnings():  # the labels are drawn, whatever structures are equal
        warnings.simplefilter("ignore", SuspiciousLabelWarning)
        model.fit([atoms.copy() for atoms in structures], rng.normal(size=len(structures)))
    moved, strained = transform_all_gradients(model.features_, structures)
    for n, atoms in enumerate(structures):
        limits = gradient_errors(model.features_, atoms)
        bounds = [
            4 * np.abs(model.coef_) @ limit + RIGID * np.abs(of[n] * model.coef_).max()
            for limit, of in zip(limits, (moved, strained), strict=True)
        ]
        forces = model.predict_forces([atoms])[0]
        assert_within(forces, -moved[n] @ model.coef_, bounds[0], "forces")
        one = atoms.copy()
        one.calc = model.calculator()
        assert_within(one.get_forces(), forces, bounds[0], "forces in ASE")
        if atoms.pbc.any() and atoms.cell.rank == 3:
            stress = one.get_stress(voigt=False) * atoms.get_volume()
            virial = strained[n] @ model.coef_  # symmetric for invariants only
            assert_within(stress, (virial + virial.T) / 2, bounds[1], "stress")


CHECKS = [
    check_rows,
    check_ways,
    check_symmetry,
    check_derivatives,
    check_differences,
    check_regression,
]
