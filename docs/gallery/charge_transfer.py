"""Carbon chains and gold on magnesia: what far-field features see where charge moves far away."""

import numpy as np
import pandas as pd
from ase.io import read
from gallery import find, rmse
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


def chains(data_home=None, every=1):
    """Errors of neutral chains and of cations, trained together or each by itself."""
    structures = read(find("carbon_chain_4g.xyz", data_home), f"::{every}")
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
            row = rows[name, kind] = {}
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
            rows[name, kind] = {
                "E": 1e3 * rmse((energies - reference)[kinds == kind]),
                "F on Au": force_error(forces, structures, kinds, kind, "Au"),
                "F on all": force_error(forces, structures, kinds, kind),
            }
    return rows


def main(data_home=None, figure=None):
    tables = {"carbon chains": chains(data_home), "gold": gold(data_home)}
    for system, rows in tables.items():
        print(f"{system}, left-out RMSE: E in meV, F in meV/angstrom")
        print(pd.DataFrame(rows).T.round(1).to_string())
    if figure is not None:
        draw(figure, tables)
    return tables


def draw(figure, tables):
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
    columns = (("carbon chains", "F together"), ("carbon chains", "F apart"), ("gold", "F on Au"))
    for ax, (system, column) in zip(axes, columns, strict=True):
        pd.DataFrame(tables[system]).T[column].unstack(sort=False).plot.barh(ax=ax)
        ax.invert_yaxis()
        ax.margins(x=0.35)
        ax.set(title=f"{system}, {column}", xlabel="left-out RMSE (meV/angstrom)")
    fig.savefig(figure, dpi=110)
    plt.close(fig)


if __name__ == "__main__":
    main(figure="charge_transfer.png")
