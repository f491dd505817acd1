"""Operators and structures of the matrix of tests: one line each."""

from functools import cache

import numpy as np
import reference
from ase import Atoms
from ase.data import atomic_numbers
from ase.neighborlist import neighbor_list
from sklearn.base import clone

from sklode import DensityProjector, LongRangePotential, MultipoleFeatures, PowerSpectrum
from sklode.potentials import TabulatedPotential, Yukawa

TOL = 1e-10
CUTOFF, WIDTH = 2.5, 0.5
DISTANCES = np.linspace(0, 6, 25)
BUMP = TabulatedPotential(DISTANCES, np.cos(np.pi * DISTANCES / 12) ** 4, label="bump")


def density(**changes):
    options = {"n_max": 2, "l_max": 1, "smearing": 0.5, "invariants": None, **changes}
    return DensityProjector(CUTOFF, cutoff_width=WIDTH, **options)


def potential(exponent, **changes):
    options = {"n_max": 2, "l_max": 2, "tol": TOL, "invariants": None, **changes}
    return LongRangePotential(exponent, CUTOFF, cutoff_width=WIDTH, **options)


def multipoles(exponent, **changes):
    options = {"n_max": 2, "l_max": 2, "tol": TOL, "invariants": None, **changes}
    return MultipoleFeatures(exponent, CUTOFF, cutoff_width=WIDTH, **options)


OPERATORS = {
    "density": density(),
    "density, monomial, without center": density(radial_basis="monomial", include_center=False),
    "density, power spectrum": density(invariants="power_spectrum", pooling="mean"),
    "density, radial spectrum, split": density(
        invariants="radial_spectrum", center_species="split"
    ),
    "p = 0": potential(0),
    "p = 1": potential(1),
    "p = 2": potential(2),
    "p = 3": potential(3),
    "p = 6": potential(6),
    "p = 2.5": potential(2.5),
    "p = 1.001, 2.001": potential((1.001, 2.001), n_max=1, charges="weights"),
    "p = 0, 1, 6": potential((0, 1, 6), n_max=1),
    "p = 6, narrow": potential(6, smearing=0.5, n_max=1, l_max=1),
    "Yukawa": potential(Yukawa(0.3)),
    "table": potential(BUMP),
    "p = 1, Yukawa, table": potential((1, Yukawa(0.5), BUMP), n_max=1, l_max=1),
    "p = 1, gto": potential(1, radial_basis="gto"),
    "p = 6, gto, center": potential(6, radial_basis="gto", include_center=True),
    "p = 1, charges, split": potential(1, charges="weights", center_species="split"),
    "p = 1, power spectrum": potential(1, invariants="power_spectrum"),
    "p = 1, 4.5, radial spectrum": potential((1, 4.5), invariants="radial_spectrum"),
    "p = 1, 3, power spectrum, split": potential(
        (1, 3), l_max=1, invariants="power_spectrum", center_species="split"
    ),
    "p = 1, nobody acts": potential(1, species=["H"], handle_unknown="ignore"),
    "p = 1, exterior": potential(1, exterior=True),
    "p = 6, exterior, gto": potential(6, exterior=True, radial_basis="gto"),
    "p = 0, 2.5, exterior, charges": potential((0, 2.5), exterior=True, charges="weights"),
    "multipoles, p = 1": multipoles(1),
    "multipoles, p = 6": multipoles(6),
    "multipoles, p = 2.5, 3, charges": multipoles((2.5, 3), charges="weights"),
    "multipoles, p = 1, 6, power spectrum": multipoles((1, 6), invariants="power_spectrum"),
    "rho x rho": PowerSpectrum(density(), pooling="mean"),
    "rho x V": PowerSpectrum(density(), potential((1, 6), n_max=1)),
    "rho x V, charges, split": PowerSpectrum(
        density(), potential(1, charges="weights"), center_species="split"
    ),
    "rho x V, exterior": PowerSpectrum(density(), potential(2, exterior=True)),
    "V x V": PowerSpectrum(potential((1, 3), n_max=1)),
    "V x V, all pairs": PowerSpectrum(*[potential((1, 3), n_max=2, l_max=1)] * 2),
    "V x V'": PowerSpectrum(potential(1), potential(6, l_max=1, charges="weights")),
    "rho x M": PowerSpectrum(density(), multipoles((1, 6), n_max=1), center_species="split"),
}


def drawn(symbols, seed, cell=None, size=4.0, near=0, pbc=True):
    """Random positions with weights, no pair closer than 1 angstrom or where switching begins.

    At least so many ordered pairs are ``near`` enough to see each other, some of them switched.
    """
    rng = np.random.default_rng(seed)
    while True:
        cell_or_box = size * np.eye(3) if cell is None else np.array(cell)
        fractions = rng.uniform(-0.2, 1.2, (len(Atoms(symbols)), 3))  # also outside of the cell
        atoms = Atoms(symbols, fractions @ cell_or_box, cell=cell, pbc=cell is not None and pbc)
        distances = neighbor_list("d", atoms, CUTOFF + 1)
        edges = np.abs(np.subtract.outer(distances, [CUTOFF, CUTOFF - WIDTH]))
        seen = (
            np.sum(distances < CUTOFF),
            np.sum(np.abs(distances - CUTOFF + WIDTH / 2) < WIDTH / 2),
        )
        enough = near == 0 or (seen[0] >= near and seen[1] > 0)
        apart = np.min(distances, initial=np.inf) > 1 and np.min(edges, initial=np.inf) > 0.1
        if enough and apart:
            atoms.arrays["weights"] = rng.normal(size=len(atoms))
            return atoms


TRICLINIC = [[5.5, 0.3, -0.4], [0.9, 6.2, 0.2], [-0.7, 0.5, 5.8]]
LEFT_HANDED = [[0.3, 3.4, 0.1], [3.7, -0.2, 0.4], [0.9, 0.8, 4.1]]
STRUCTURES = {
    "cluster": drawn("COH2C", 0, near=6),
    "lone atom": drawn("O", 1),
    "pair far apart": drawn("CH", 2, size=9.0),
    "triclinic": drawn("NOHO", 3, TRICLINIC, near=4),
    "second frame": drawn("NOHO", 4, TRICLINIC, near=4),
    "third frame": drawn("NOHO", 5, TRICLINIC, near=4),
    "orthorhombic": drawn("COH2", 6, np.diag([5.2, 6.3, 5.7]), near=4),
    "left-handed": drawn("COH", 7, LEFT_HANDED),
    "one atom, flat": drawn("C", 8, np.diag([3.2, 3.6, 7.5])),
    "slab": drawn("NOH", 9, TRICLINIC, near=4, pbc=[True, True, False]),
    "left-handed slab": drawn("COH", 10, LEFT_HANDED, near=4, pbc=[False, True, True]),
    "one atom, layer": drawn("C", 11, np.diag([3.2, 3.6, 4.0]), pbc=[True, False, True]),
    "wire": drawn("CO", 13, np.diag([4.2, 3.0, 3.0]), near=2, pbc=[True, False, False]),
}
LISTS = {
    "isolated": ["cluster", "lone atom", "pair far apart"],
    "periodic": ["triclinic", "orthorhombic", "left-handed", "one atom, flat"],
    "layers": ["left-handed slab", "wire", "one atom, layer"],
    "mixed": ["triclinic", "cluster", "slab", "lone atom", "second frame", "third frame"],
}
SPECIES = sorted({int(z) for atoms in STRUCTURES.values() for z in atoms.numbers})


def has_method(model):
    """Whether a sum over k-vectors can be done in several ways."""
    return any(name.rpartition("__")[2] == "method" for name in model.get_params())


@cache
def fitted(name, method="auto", dtype="float64"):
    """An operator that has seen the elements of all structures."""
    model = with_choices(OPERATORS[name], method=method, dtype=dtype)
    return model.fit(list(STRUCTURES.values()))


def with_choices(model, **choices):
    """A copy with other parameters, those of its projectors included."""
    names = [name for name in model.get_params() if name.rpartition("__")[2] in choices]
    return clone(model).set_params(**{name: choices[name.rpartition("__")[2]] for name in names})


@cache
def expected(name, structure):
    """Rows of the atoms of a structure, from the theory page."""
    species = getattr(OPERATORS[name], "species", "auto")
    species = SPECIES if isinstance(species, str) else [atomic_numbers[s] for s in species]
    return reference_rows(OPERATORS[name], STRUCTURES[structure], species)


def reference_rows(model, atoms, species):
    """The columns of a model, by ``reference``: (n_atoms, n_features)."""
    pair = [model] if not isinstance(model, PowerSpectrum) else [model.left, model.right]
    fields = [coefficients(each, atoms, species) for each in pair if each is not None]
    if isinstance(model, PowerSpectrum) or model.invariants == "power_spectrum":
        each_atom = zip(fields[0], fields[-1], strict=True)
        if len(fields) == 1:
            each_atom = ((of_atom, of_atom) for of_atom in fields[0])
        rows_of = reference.spectrum
        if len(fields) == 2 and str(model.left) == str(model.right):
            each_atom, rows_of = ([of_atom] for of_atom in fields[0]), reference.spectrum_of_equals
        rows = np.array([rows_of(*of_atom) for of_atom in each_atom])
    else:
        rows = fields[0][..., : 1 if model.invariants else None].reshape(len(atoms), -1)
    if model.center_species == "split":
        rows = np.einsum("ic,if->icf", np.equal.outer(atoms.numbers, species), rows)
    absent = ~np.isin(atoms.numbers, species)  # where unknown elements are ignored
    return np.where(absent[:, None], 0.0, rows.reshape(len(atoms), -1))


def coefficients(model, atoms, species):
    """(atom, law, channel, n, lm)."""
    charges = getattr(model, "charges", None)
    weights = [atoms.numbers == z for z in species] if charges is None else [atoms.arrays[charges]]
    laws = getattr(model, "exponent", 0)
    laws = laws if isinstance(laws, tuple) else [laws]
    field = reference.multipoles if isinstance(model, MultipoleFeatures) else reference.field
    return np.stack([field(model, law, atoms, 1.0 * np.array(weights)) for law in laws], axis=1)


@cache
def salt(n_atoms):
    """As many random atoms of two elements as in 0.1 per cubic angstrom, 1.5 angstrom apart."""
    rng, length = np.random.default_rng(n_atoms), (10.0 * n_atoms) ** (1 / 3)
    places = rng.uniform(0, length, (1, 3))
    while len(places) < n_atoms:
        place = rng.uniform(0, length, 3)
        vectors = places - place
        vectors -= length * np.round(vectors / length)
        if np.min(np.linalg.norm(vectors, axis=1)) > 1.5:
            places = np.vstack([places, place])
    atoms = Atoms((["Na", "Cl"] * n_atoms)[:n_atoms], places, cell=[length] * 3, pbc=True)
    atoms.arrays["weights"] = np.where(atoms.numbers == 11, 1.0, -1.0)
    return atoms


# of cells of many atoms: few columns, since a Jacobian has three numbers for each and every atom
FEW_COLUMNS = {
    "density": density(l_max=1, n_max=1, invariants="power_spectrum"),
    "p = 1": LongRangePotential(1, CUTOFF, 1, 1),
    "p = 1, tight": LongRangePotential(1, CUTOFF, 1, 1, charges="weights", tol=TOL),
    "p = 1, 6": LongRangePotential((1, 6), CUTOFF, 1, 1, charges="weights"),
    "p = 1, gto": LongRangePotential(1, CUTOFF, 1, 1, charges="weights", radial_basis="gto"),
    "p = 6, narrow": LongRangePotential(6, CUTOFF, 1, 1, charges="weights", smearing=0.4),
    "p = 6, exterior": LongRangePotential(6, CUTOFF, 1, 1, charges="weights", exterior=True),
    "multipoles": MultipoleFeatures(1, CUTOFF, 1, 1, charges="weights"),
    "rho x V": PowerSpectrum(
        density(l_max=1, n_max=1), LongRangePotential(1, CUTOFF, 1, 1, charges="weights")
    ),
}
