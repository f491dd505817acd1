"""Ions that attract each other, learnt from energies and forces near contact."""

import numpy as np
import pandas as pd
from charge_dimers import LONGEST, SPECIES, prepare, validation
from gallery import rmse
from sklearn.pipeline import FeatureUnion

from sklode import DensityProjector, InteractionFeatures, MultipoleFeatures, PowerSpectrum
from sklode.datasets import fetch_charge_dimers
from sklode.regression import AtomisticRidgeCV

ALPHAS = 10.0 ** np.arange(-5, 1)
CANDIDATES = {  # cutoff of the local part of the interaction, and its weight
    "local": [(6.0, 1.0)],
    "field of charges": [(c, w) for c in (4.0, 6.0) for w in (0.003, 0.01, 0.03)],
}


def features(cutoff, weight, field):
    """The molecules as they are, and what changes when they meet."""
    inside = PowerSpectrum(DensityProjector(3.0, n_max=4, l_max=2, species=SPECIES))
    near = PowerSpectrum(DensityProjector(cutoff, n_max=4, l_max=2, species=SPECIES))
    parts = [("inside", inside), ("near", InteractionFeatures(near))]
    if field:
        rho = DensityProjector(2.0, n_max=3, l_max=3, species=SPECIES)
        ions = MultipoleFeatures(1, 2.0, l_max=3, charges="initial_charges", species=SPECIES)
        parts.append(("far", InteractionFeatures(PowerSpectrum(rho, ions))))
    return FeatureUnion(parts, transformer_weights={"inside": 3.0, "near": weight})


def main(data_home=None, figure=None):
    dimers = fetch_charge_dimers(data_home=data_home)
    distance, energy, forces = dimers.distance, dimers.target, dimers.forces
    structures = [prepare(atoms) for atoms in dimers.data]
    train, far = np.flatnonzero(distance < LONGEST), np.flatnonzero(distance >= LONGEST)
    tasks = validation(distance, dimers.groups, train)
    folds = [fold for task in tasks for fold in task]

    def fit(parts, known, rest, alphas, cv=None):
        rows = known if cv is None else np.append(known, rest)
        targets = {"y": energy[rows], "forces": [forces[i] for i in rows]}
        counts = shares_of_the_way(distance, dimers.groups, known, rest)[rows]
        model = AtomisticRidgeCV(features(*parts), alphas, cv=cv)
        return model.fit([structures[i] for i in rows], **targets, sample_weight=counts)

    def validate(parts):
        squares, sizes = 0.0, 0.0
        for known, rest in folds:
            cv = [np.split(np.arange(len(known) + len(rest)), [len(known)])]
            found = fit(parts, known, rest, ALPHAS, cv).cv_results_
            size = np.array([[len(rest)], [sum(forces[i].size for i in rest)]])
            squares += size * np.square([found["rmse_energy_per_atom"], found["rmse_forces"]])
            sizes += size
        return np.sqrt(np.sqrt(squares / sizes).prod(axis=0))

    rows, predicted = {}, {}
    for name, candidates in CANDIDATES.items():
        fits = []
        for cutoff, weight in candidates:
            score = validate((cutoff, weight, name != "local"))
            fits.append((score.min(), cutoff, weight, ALPHAS[score.argmin()]))
        score, cutoff, weight, alpha = min(fits)
        model = fit((cutoff, weight, name != "local"), train, far, [alpha])
        predicted[name] = model.predict(structures), model.predict_forces(structures)
        rows[name] = {
            "energy": rmse((predicted[name][0] - energy)[far]),
            "forces": rmse(np.vstack([predicted[name][1][i] - forces[i] for i in far])),
            "pull": rmse((pull(dimers, predicted[name][1]) - pull(dimers, forces))[far]),
            "validation": score,
            "cutoff": cutoff,
            "weight": weight,
            "alpha": alpha,
        }
    print(
        f"trained on {len(train)} dimers below {LONGEST:g} angstrom; RMSE of the {len(far)} beyond"
    )
    print(pd.DataFrame(rows).T.to_string(float_format="{:.3g}".format))
    if figure is not None:
        draw(figure, dimers, far, predicted)
    return rows


def shares_of_the_way(distance, curves, known, rest):
    """How many frames each known one stands for: itself, and all of the rest it is nearest to."""
    counts = np.ones(len(distance))
    for frame in rest:
        members = known[curves[known] == curves[frame]]
        counts[members[np.abs(distance[members] - distance[frame]).argmin()]] += 1
    return counts


def pull(dimers, forces):
    """Force between the molecules along the line of their centres of mass, in eV/angstrom."""
    found = []
    for atoms, force in zip(dimers.data, forces, strict=True):
        second = atoms.arrays["fragment"] == 1
        line = atoms[second].get_center_of_mass() - atoms[~second].get_center_of_mass()
        found.append((force[second].sum(axis=0) @ line) / np.linalg.norm(line))
    return np.array(found)


def draw(figure, dimers, far, predicted):
    """True against predicted, energies from the last training point of each curve."""
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
    last = np.zeros(len(dimers.target), dtype=int)
    for curve in np.unique(dimers.groups):
        members = np.flatnonzero(dimers.groups == curve)
        known = members[dimers.distance[members] < LONGEST]
        last[members] = known[dimers.distance[known].argmax()]
    zero, true = dimers.target[last], pull(dimers, dimers.forces)
    for name, (energy, forces) in predicted.items():
        axes[0].plot((dimers.target - zero)[far], (energy - zero)[far], ".", label=name)
        axes[1].plot(true[far], pull(dimers, forces)[far], ".")
    labels = ("energy from the last training point (eV)", "force between the ions (eV/angstrom)")
    for ax, label in zip(axes, labels, strict=True):
        ends = np.array(ax.get_xlim())
        ax.plot(ends, ends, c="gray", lw=0.8, zorder=0)
        ax.set(title=label, xlabel="reference")
    axes[0].set_ylabel("prediction")
    axes[0].legend()
    fig.savefig(figure, dpi=110)
    plt.close(fig)


if __name__ == "__main__":
    main(figure="forces_ion_pairs.png")
