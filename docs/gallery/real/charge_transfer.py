"""
Charge transfer: where fixed sources cannot help
================================================

*What.* Two classic systems in which an atom's charge depends on what is far away: carbon chains,
C10H2 neutral and C10H3 with charge +1, and a gold dimer on magnesia with or without three Al
dopants 11 to 13 angstrom below.

*Why.* A local model must fail here. Far-field features see farther, but their sources are fixed,
one field for each element. What do they change, and what not?

**In short:** reach helps with the forces, and it need not be LODE. Charge that moves is not learnt:
for that, charges have to equilibrate over the whole system, which this package does not do.

*Data.* There is no function that fetches them yet: see the end of this page. The script also needs
:download:`gallery.py </gallery/gallery.py>` beside it.
"""

# %%
# How it is done
# --------------
#
# All models share a local power spectrum, cutoff 3.5 angstrom (165 columns for the two elements of
# the chains, 630 for the four of the slabs). All but the first have a second block of columns, 36
# or 144, equally many in all of them: the local density with a wider one of 6 angstrom, or with the
# potential of p = 1 or 6. Energies and forces are trained together.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from ase.io import read
from gallery import find, frozen, rmse
from sklearn.model_selection import KFold
from sklearn.pipeline import make_union

from sklode import DensityProjector, LongRangePotential, PowerSpectrum
from sklode.regression import AtomisticRidgeCV

ALPHAS = 10.0 ** np.arange(-10, 1)


def models():
    """A local model, and others with a second block of columns, equally many in all of them."""
    local = PowerSpectrum(DensityProjector(3.5, n_max=5, l_max=2, smearing=0.3))
    left = DensityProjector(3.5, n_max=3, l_max=2, smearing=0.5)
    soft = {"n_max": 1, "l_max": 2, "smearing": 1.0}
    seconds = {
        "+ rho, 6 A": DensityProjector(6.0, **soft),
        "+ V, p = 1": LongRangePotential(1, cutoff=3.5, tol=1e-3, **soft),
        "+ V, p = 6": LongRangePotential(6, cutoff=3.5, tol=1e-3, **soft),
    }
    unions = {n: make_union(local, PowerSpectrum(left, v)) for n, v in seconds.items()}
    return {"local": local, **unions}


# %%
# Left out are a fifth of the chains, or three of twelve slabs, and alpha is chosen without them.
# Chains are trained *together*, or neutral ones and cations *apart*: that is a model that is told
# the charge.


def cross_predicted(features, structures, n_folds):
    """Energies and forces of left-out structures; alpha is chosen without these."""
    energies, forces = np.empty(len(structures)), [None] * len(structures)
    for train, test in KFold(n_folds, shuffle=True, random_state=0).split(structures):
        model = AtomisticRidgeCV(features, ALPHAS)
        model.fit([structures[i] for i in train], groups=train % 5)
        left_out = [structures[i] for i in test]
        energies[test] = model.predict(left_out)
        for i, predicted in zip(test, model.predict_forces(left_out), strict=True):
            forces[i] = predicted
    return energies, forces


def force_error(forces, structures, groups, group, element=None):
    """RMSE of the forces on the atoms of one element, or all, of a group, in meV/angstrom."""
    errors = [
        (f - atoms.get_forces())[slice(None) if element is None else atoms.symbols == element]
        for f, atoms, own in zip(forces, structures, groups, strict=True)
        if own == group
    ]
    return 1e3 * rmse(np.concatenate(errors))


def chains(data_home=None):
    """Errors of neutral chains and of cations, trained together or each by itself."""
    structures = read(find("carbon_chain_4g.xyz", data_home), ":")
    reference = np.array([atoms.get_potential_energy() for atoms in structures])
    charged = np.array([atoms.info["total_charge"] for atoms in structures]) == 1
    kinds = np.where(charged, "C10H3+", "C10H2")
    rows = {}
    for name, features in models().items():
        together = cross_predicted(features, structures, 5)
        apart = np.empty(len(structures)), [None] * len(structures)
        for kind in np.unique(kinds):
            members = np.flatnonzero(kinds == kind)
            part = [structures[i] for i in members]
            energies, forces = cross_predicted(features, part, 5)
            apart[0][members] = energies
            for i, predicted in zip(members, forces, strict=True):
                apart[1][i] = predicted
        for kind in np.unique(kinds):
            row = rows[f"{name}, {kind}"] = {}
            for how, (energies, forces) in {"together": together, "apart": apart}.items():
                row[f"E {how}"] = 1e3 * rmse((energies - reference)[kinds == kind])
                row[f"F {how}"] = force_error(forces, structures, kinds, kind)
    return rows


def gold(data_home=None, names=("local", "+ rho, 6 A", "+ V, p = 1")):
    """Errors of the Au dimer on magnesia, with and without dopants far below."""
    structures = read(find("au2_mgo_4g.xyz", data_home), ":")
    reference = np.array([atoms.get_potential_energy() for atoms in structures])
    doped = np.array([(atoms.symbols == "Al").any() for atoms in structures])
    kinds = np.where(doped, "doped", "undoped")
    rows = {}
    for name in names:
        energies, forces = cross_predicted(models()[name], structures, 4)
        for kind in np.unique(kinds):
            rows[f"{name}, {kind}"] = {
                "E": 1e3 * rmse((energies - reference)[kinds == kind]),
                "F on Au": force_error(forces, structures, kinds, kind, "Au"),
                "F on all": force_error(forces, structures, kinds, kind),
            }
    return rows


def compute(data_home=None):
    return {"carbon chains": chains(data_home), "gold": gold(data_home)}


# %%
# Tables and the picture are made from the numbers alone.


def report(numbers):
    for system, rows in numbers.items():
        print(f"{system}, left-out RMSE: E in meV, F in meV/angstrom")
        print(pd.DataFrame(rows).T.round(1).to_string())


def draw(numbers):
    _, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
    columns = (("carbon chains", "F together"), ("carbon chains", "F apart"), ("gold", "F on Au"))
    for ax, (system, column) in zip(axes, columns, strict=True):
        values = pd.DataFrame(numbers[system]).T[column]
        values.index = pd.MultiIndex.from_tuples(name.rsplit(", ", 1) for name in values.index)
        values.unstack(sort=False).plot.barh(ax=ax)
        ax.invert_yaxis()
        ax.margins(x=0.35)
        ax.set(title=f"{system}, {column}", xlabel="left-out RMSE (meV/angstrom)")


# %%
# The numbers
# -----------
#
# To compute them takes about half a minute and the data, so this page shows stored ones, if they
# are there.

numbers = frozen("charge_transfer") or compute()
report(numbers)

# %%
# Force errors of the chains trained together, trained apart, and of the gold atoms.

draw(numbers)

# %%
# What it teaches
# ---------------
#
# - *Reach helps, and it need not be LODE.* Far-field columns cut the force errors of the chains by
#   more than a quarter. A density of 6 angstrom does nearly as well in chains of 12 angstrom, and
#   better where charges do not matter: 33 meV/angstrom for neutral chains by themselves, a third of
#   the error with p = 1.
# - *Charge is not learnt.* With far-field columns the force errors of both kinds together are 1.4
#   times those of each by itself, or more, and p = 1 makes the energies worse than local ones. The
#   potential of "H" tells that a third hydrogen is somewhere, a mark of the cation; it does not
#   tell how the charge spreads over the carbon atoms.
# - *Nor for gold.* The dopants' potential is there at the surface, and p = 1 has the smallest
#   errors of forces on all atoms, but those on the gold atoms, where the charge goes, are larger
#   than those of the local model, and so is the energy error of undoped slabs; that of doped ones
#   is smaller.
# - *It cannot be otherwise for one structure in two charge states:* the features are functions of
#   elements and positions, and their sources do not respond. Such systems need charges that
#   equilibrate over the whole system; as ``charges`` of :class:`~sklode.LongRangePotential` they
#   can be sources, but their own response is not in its gradients.
#
# The fine print
# --------------
#
# - In part the errors of the chains together are what so small a linear model can hold.
# - Twelve frames of gold are few, with a single undoped one of an upright dimer: these numbers show
#   a failure, not its size.
#
# *The data* are `carbon_chain_4g.xyz` (85 frames) and `au2_mgo_4g.xyz` (12), subsets of the example
# frames of T. W. Ko, J. A. Finkler, S. Goedecker, J. Behler, Nat. Commun. 12, 398 (2021). Their
# sources are the files `input.data` of `examples/nnp-train/Carbon_chain_4G` and `AlAuMgO_4G` in
# `CompPhysVienna/n2p2 <https://github.com/CompPhysVienna/n2p2>`_; other frames will give somewhat
# other numbers. They are not part of the package, since their licence is another (GPL-3.0). The
# script looks for them in :func:`sklode.datasets.get_data_home` and says where a missing one comes
# from. They are extended XYZ with energies in eV and forces in eV/angstrom, converted from bohr and
# hartree, and `total_charge`.
