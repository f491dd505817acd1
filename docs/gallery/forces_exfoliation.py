"""Two layers of phosphorus pulled apart, learnt from energies and forces near contact."""

import numpy as np
import pandas as pd
from ase.io import read
from exfoliation import LOCAL_CUTOFF, NEAR_SHARE
from gallery import find, rmse
from sklearn.pipeline import FeatureUnion

from sklode import DensityProjector, LongRangePotential, PowerSpectrum
from sklode.regression import AtomisticRidgeCV

ALPHAS = 10.0 ** np.arange(-12, 1)
WEIGHTS = (1.0, 3.0, 10.0)  # of the long-range block
FORCE_WEIGHTS = (0.3, 1.0, 3.0)
CUTS = (17, 21)  # beyond these frames the layers are out of reach of each other


def features(weight):
    rho = DensityProjector(LOCAL_CUTOFF, n_max=6, l_max=6, smearing=0.7, cutoff_width=1.0)
    lode = LongRangePotential(
        6,
        cutoff=5.0,
        n_max=6,
        l_max=0,
        smearing=0.7,
        radial_basis="gto",
        invariants="radial_spectrum",
    )
    parts = [("local", PowerSpectrum(rho))]
    if weight:
        parts.append(("lode", lode))
    return FeatureUnion(parts, transformer_weights={"lode": weight} if weight else None)


def main(data_home=None, figure=None):
    structures = read(find("phosphorus_exfoliation.xyz", data_home), ":")
    energy = np.array([atoms.get_potential_energy() for atoms in structures])
    forces = np.array([atoms.get_forces() for atoms in structures])
    distance = np.array([atoms.info["interlayer_axis_length"] for atoms in structures]) / 2
    n_atoms, last = len(structures[0]), len(structures) - 1
    near = np.arange(int(NEAR_SHARE * len(structures)))
    train = np.append(near, last)
    hidden = np.setdiff1d(np.arange(last), near)
    folds = [(np.append(near[:cut], len(near)), near[cut:]) for cut in CUTS]
    shares = shares_of_the_way(distance[train])

    def fit(weight, force_weight, alphas, cv=None):
        model = AtomisticRidgeCV(features(weight), alphas, force_weight=force_weight, cv=cv)
        # y is given: the stresses in the file shall not be learnt
        targets = {"y": energy[train], "forces": list(forces[train])}
        return model.fit([structures[i] for i in train], **targets, sample_weight=shares)

    rows, curves = {}, {"reference": (energy, forces)}
    for force_weight in (*FORCE_WEIGHTS, "local"):
        fits = []
        f = 1.0 if force_weight == "local" else force_weight
        for weight in (0.0,) if force_weight == "local" else WEIGHTS:
            found = fit(weight, f, ALPHAS, folds).cv_results_
            score = np.sqrt(found["rmse_energy_per_atom"] * found["rmse_forces"])
            fits.append((score.min(), weight, ALPHAS[score.argmin()]))
        score, weight, alpha = min(fits)
        model = fit(weight, f, [alpha])
        name = "local" if force_weight == "local" else f"f = {force_weight:g}"
        curves[name] = model.predict(structures), np.array(model.predict_forces(structures))
        rows[name] = {
            "energy": 1e3 / n_atoms * rmse((curves[name][0] - energy)[hidden]),
            "forces": 1e3 * rmse((curves[name][1] - forces)[hidden]),
            "validation": 1e3 * score,
            "weight": weight,
            "alpha": alpha,
        }
    same = 1e3 * rmse(forces[hidden] - forces[last])
    print(f"RMSE of {len(hidden)} hidden frames in meV/atom and meV/angstrom")
    print(pd.DataFrame(rows).T.to_string(float_format="{:.3g}".format))
    print(f"forces of the last frame for all: {same:.2f}")
    if figure is not None:
        draw(figure, distance, curves, near[-1], n_atoms)
    chosen = min((n for n in rows if n != "local"), key=lambda n: rows[n]["validation"])
    return {**rows, "chosen": chosen, "last forces": same}


def shares_of_the_way(distance):
    """How much of the way each frame stands for: half of the gaps on both sides."""
    gaps = np.diff(distance) / 2
    shares = np.append(gaps, 0.0) + np.insert(gaps, 0, 0.0)
    return shares / np.median(shares)


def draw(figure, distance, curves, edge, n_atoms):
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    for name, (energy, forces) in curves.items():
        style = {"marker": ".", "ls": "", "c": "k"} if name == "reference" else {}
        axes[0].plot(distance, 1e3 * (energy - curves["reference"][0][-1]) / n_atoms, **style)
        axes[1].plot(distance, 1e3 * forces[:, 0, 1], label=name, **style)
    for ax in axes:
        ax.axvline(distance[edge], c="gray", lw=0.8, ls="--")
        ax.set(xlabel="distance of the layers (angstrom)", xlim=(distance[edge] - 0.7, None))
    axes[0].set(ylabel="energy from the last frame (meV an atom)", ylim=(-25, 15))
    axes[1].set(ylabel="force on an atom, across the layers (meV/angstrom)", ylim=(80, 125))
    axes[1].legend()
    fig.savefig(figure, dpi=110)
    plt.close(fig)


if __name__ == "__main__":
    main(figure="forces_exfoliation.png")
