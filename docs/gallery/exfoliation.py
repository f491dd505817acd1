"""Two layers of phosphorus pulled apart: what a local model cannot see, and one with LODE can."""

import numpy as np
import pandas as pd
from ase.io import read
from gallery import Search, find, rmse

from sklode import DensityProjector, LongRangePotential, PowerSpectrum

LOCAL_CUTOFF = 4.5
EXPONENTS = (1, 3, 6)
WEIGHTS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)  # of the long-range block
NEAR_SHARE = 0.4  # of the frames is for training, together with the last one
TAIL = 3.9  # angstrom, the difference of distances at which the tail is measured


def describe(structures):
    """All candidate blocks of columns, by name."""
    rho = DensityProjector(LOCAL_CUTOFF, n_max=6, l_max=6, smearing=0.7, cutoff_width=1.0)
    lode = LongRangePotential(
        EXPONENTS,
        cutoff=5.0,
        n_max=6,
        l_max=0,
        smearing=0.7,
        radial_basis="gto",
        invariants="radial_spectrum",
    )
    values = lode.fit_transform(structures)
    exponent = lode.feature_table_["exponent"].to_numpy()
    blocks = {f"p = {p}": values[:, exponent == p] for p in EXPONENTS}
    return {"local": PowerSpectrum(rho).fit_transform(structures), **blocks}


def main(data_home=None, figure=None):
    structures = read(find("phosphorus_exfoliation.xyz", data_home), ":")
    energy = np.array([atoms.get_potential_energy() for atoms in structures])
    distance = np.array([atoms.info["interlayer_axis_length"] for atoms in structures]) / 2
    n_atoms, last = len(structures[0]), len(structures) - 1
    near = np.arange(int(NEAR_SHARE * len(structures)))
    train = np.append(near, last)
    hidden = np.setdiff1d(np.arange(last), near)
    cuts = (len(near) // 2, 2 * len(near) // 3)
    tasks = [[(np.append(near[:cut], last), near[cut:])] for cut in cuts]
    same = np.zeros(len(structures))  # one offset, that of the atoms
    search = Search(describe(structures), energy, train, tasks, groups=same)

    candidates = {"local": [{"local": 1.0}]}
    for p in EXPONENTS:
        candidates[f"p = {p}"] = [{"local": 1.0, f"p = {p}": w} for w in WEIGHTS]
    everywhere = np.arange(len(structures))
    fits = {name: search.best(models, everywhere) for name, models in candidates.items()}
    chosen = min(fits, key=lambda name: fits[name][1])

    middle = np.argmin(abs(distance - (distance[last] - TAIL)))
    curves = {"reference": energy, **{name: fit[0] for name, fit in fits.items()}}
    milli = 1e3 / n_atoms
    table = pd.DataFrame(
        {
            "validation": {name: milli * fit[1] / 2 for name, fit in fits.items()},
            "hidden": {n: milli * rmse((e - energy)[hidden]) for n, e in curves.items()},
            "tail": {name: milli * (e[last] - e[middle]) for name, e in curves.items()},
        }
    ).loc[list(curves)]
    print(
        f"trained up to {distance[near[-1]]:.2f} and at {distance[last]:.2f} angstrom; RMSE of the "
        f"{len(hidden)} frames between,\nand rise from {distance[middle]:.2f} to "
        f"{distance[last]:.2f} angstrom, in meV an atom"
    )
    print(table.round(2).to_string())
    print(f"chosen: {chosen} {fits[chosen][2]}")
    if figure is not None:
        draw(figure, distance, curves, n_atoms, near, last)
    numbers = {f"hidden {name}": float(table.loc[name, "hidden"]) for name in fits}
    numbers |= {f"tail {name}": float(table.loc[name, "tail"]) for name in curves}
    return {**numbers, "chosen": chosen}


def draw(figure, distance, curves, n_atoms, near, last):
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    zero = curves["reference"][last]
    for ax in axes:
        for name, energy in curves.items():
            style = {"marker": ".", "ls": "", "c": "k"} if name == "reference" else {}
            ax.plot(distance, 1e3 * (energy - zero) / n_atoms, label=name, **style)
        ax.axvline(distance[near[-1]], c="gray", lw=0.8, ls="--")
        ax.set_xlabel("distance of the layers (angstrom)")
    axes[0].set(ylabel="energy from the last frame (meV an atom)", ylim=(-90, 60))
    axes[1].set(xlim=(distance[near[-1]] - 0.7, None), ylim=(-25, 15))
    axes[0].legend()
    fig.savefig(figure, dpi=110)
    plt.close(fig)


if __name__ == "__main__":
    main(figure="exfoliation.png")
