"""Energies and forces of water and of NaCl in water: local features, with and without LODE."""

import numpy as np
import pandas as pd
from ase.io import read
from gallery import find
from sklearn.pipeline import make_union

from sklode import DensityProjector, LongRangePotential, PowerSpectrum
from sklode.regression import AtomisticRidgeCV

FILES = {"water": "water_rpbe_d3.xyz", "NaCl in water": "nacl_water_revpbe0_d3.xyz"}
EVERY = {"water": 1, "NaCl in water": 4}  # of how many frames one is taken
CENTERS = {"water": "split", "NaCl in water": "shared"}  # of the second block
N_BLOCKS = 5  # of consecutive frames, left out together
ALPHAS = 10.0 ** np.arange(-10, 1)


def models(center_species):
    """The local model, and others with a second block of columns, equally many in all of them."""
    local = PowerSpectrum(DensityProjector(4.0, n_max=6, l_max=2, smearing=0.3))
    left = DensityProjector(4.0, n_max=3, l_max=2, smearing=0.5)
    soft = {"n_max": 1, "l_max": 2, "smearing": 1.0}
    seconds = {
        "+ rho, 4 A": DensityProjector(4.0, **soft),
        "+ rho, 6 A": DensityProjector(6.0, **soft),
        "+ V, p = 1": LongRangePotential(1, cutoff=3.0, tol=1e-3, **soft),
        "+ V, p = 6": LongRangePotential(6, cutoff=3.0, tol=1e-3, **soft),
        "+ V, p = 1, far": LongRangePotential(1, cutoff=4.0, exterior=True, tol=1e-3, **soft),
    }
    unions = {
        name: make_union(local, PowerSpectrum(left, second, center_species=center_species))
        for name, second in seconds.items()
    }
    return {"local": local, **unions}


def errors(features, structures):
    """Left-out errors of the best alpha: meV an atom, and meV/angstrom."""
    blocks = np.arange(len(structures)) * N_BLOCKS // len(structures)
    model = AtomisticRidgeCV(features, ALPHAS).fit(structures, groups=blocks)
    best = np.flatnonzero(model.cv_results_["alpha"] == model.alpha_)[0]
    results = {name: values[best] for name, values in model.cv_results_.items()}
    return {
        "columns": len(model.coef_),
        "energy": 1e3 * results["rmse_energy_per_atom"],
        "forces": 1e3 * results["rmse_forces"],
    }


def main(data_home=None, figure=None, systems=tuple(FILES), every=1, names=None):
    tables = {}
    for system in systems:
        structures = read(find(FILES[system], data_home), f":: {EVERY[system] * every}")
        found = {
            name: errors(features, structures)
            for name, features in models(CENTERS[system]).items()
            if names is None or name in names
        }
        tables[system] = pd.DataFrame(found).T.astype({"columns": int})
        size = np.sqrt(np.mean(np.concatenate([a.get_forces() for a in structures]) ** 2))
        print(f"{system}: {len(structures)} frames, forces of {1e3 * size:.0f} meV/angstrom")
        print(tables[system].round({"energy": 2, "forces": 1}).to_string())
    if figure is not None:
        draw(figure, tables)
    return {name: table.to_dict("index") for name, table in tables.items()}


def draw(figure, tables):
    import matplotlib.pyplot as plt

    shape = {"figsize": (9, 2.4 * len(tables)), "layout": "constrained"}
    fig, axes = plt.subplots(len(tables), 2, squeeze=False, **shape)
    units = {"energy": "energy (meV an atom)", "forces": "forces (meV/angstrom)"}
    for row, (system, table) in zip(axes, tables.items(), strict=True):
        for ax, (kind, unit) in zip(row, units.items(), strict=True):
            colors = ["C1" if "V" in name else "C0" for name in table.index]
            ax.barh(table.index, table[kind], color=colors)
            ax.invert_yaxis()
            ax.set_title(system)
            ax.set_xlabel(f"left-out RMSE, {unit}")
    fig.savefig(figure, dpi=110)
    plt.close(fig)


if __name__ == "__main__":
    main(figure="forces_liquids.png")
