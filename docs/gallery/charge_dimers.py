"""Ions that attract each other: trained below 6 angstrom, predicted up to 8.7 angstrom."""

from itertools import product

import numpy as np
import pandas as pd
from gallery import Search, near_to_far, rmse

from sklode import DensityProjector, InteractionFeatures, MultipoleFeatures, PowerSpectrum
from sklode.datasets import fetch_charge_dimers

SPECIES = ["H", "C", "N", "O"]
EXPONENTS = (1, 2, 3, 4, 6)
LOCAL_CUTOFFS = (3.0, 4.0, 5.0, 6.0)
CENTERS = ((2.0, 2, 1), (2.0, 3, 2))  # cutoff, n_max, l_max of the density that meets the field
INNER_CUTOFFS = (1.5, 2.0, 3.0)  # nearer atoms make no field
WEIGHTS = (0.01, 0.03, 0.1, 0.3, 1.0)  # of the local block
LONGEST = 6.0  # of the separations in the training part


def prepare(atoms):
    """The two ions alone in space, the charge of each spread evenly over its atoms."""
    atoms = atoms.copy()
    atoms.pbc = False
    fragment = atoms.arrays["fragment"]
    charges = np.array([atoms.info["chargeA"], atoms.info["chargeB"]])
    atoms.set_initial_charges((charges / np.bincount(fragment))[fragment])
    return atoms


def describe(structures):
    """All candidate blocks of columns, by name."""
    blocks = {}
    for cutoff in LOCAL_CUTOFFS:
        rho = DensityProjector(cutoff, n_max=4, l_max=2, species=SPECIES)
        blocks["local", cutoff] = InteractionFeatures(PowerSpectrum(rho)).fit_transform(structures)
    sources = {"elements": None, "charges": "initial_charges"}
    for (cutoff, n_max, l_max), inner, (source, charges) in product(
        CENTERS, INNER_CUTOFFS, sources.items()
    ):
        rho = DensityProjector(cutoff, n_max, l_max, species=SPECIES)
        field = MultipoleFeatures(EXPONENTS, inner, l_max=l_max, charges=charges, species=SPECIES)
        far = InteractionFeatures(PowerSpectrum(rho, field, center_species="split"))
        values = far.fit_transform(structures)
        exponent = far.feature_table_["exponent"].to_numpy()
        for p in EXPONENTS:
            blocks[source, p, inner, cutoff, n_max, l_max] = values[:, exponent == p]
    return blocks


def validation(distance, curves, train):
    """Tasks like the real one: farther along all curves, and along one hardly known curve."""
    halves, thirds = (near_to_far(distance, curves, train, share) for share in (1 / 2, 2 / 3))
    hardly_known = []
    for curve in np.unique(curves[train]):
        members = train[curves[train] == curve]
        rest = members[np.argsort(distance[members])][2:]  # its two nearest frames stay
        if len(rest) > 2:
            hardly_known.append((np.setdiff1d(train, rest), rest))
    return [[halves], [thirds], hardly_known]


def main(data_home=None, figure=None):
    dimers = fetch_charge_dimers(data_home=data_home)
    distance, curves, energy = dimers.distance, dimers.groups, dimers.target
    train, far = np.flatnonzero(distance < LONGEST), np.flatnonzero(distance >= LONGEST)
    blocks = describe([prepare(atoms) for atoms in dimers.data])
    search = Search(blocks, energy, train, validation(distance, curves, train), groups=curves)

    local = [name for name in blocks if name[0] == "local"]
    candidates = {"local": [{name: 1.0} for name in local]}
    for source, p in product(("elements", "charges"), EXPONENTS):
        fields = [name for name in blocks if name[:2] == (source, p)]
        candidates[f"{source}, p = {p}"] = [
            {a: w, b: 1.0} for a, b, w in product(local, fields, WEIGHTS)
        ]
    ranked = {name: search.ranked(models, far, 10) for name, models in candidates.items()}
    fits = {name: models[0] for name, models in ranked.items()}
    chosen = min(fits, key=lambda name: fits[name][1])

    table = pd.DataFrame(
        {
            "validation": {name: score / 3 for name, (_, score, _) in fits.items()},
            "far": {name: rmse(e - energy[far]) for name, (e, _, _) in fits.items()},
            "ten best": {
                name: np.median([rmse(e - energy[far]) for e, _, _ in models])
                for name, models in ranked.items()
            },
        }
    )
    spread = float(dimers.interaction_energy[far].std())
    print(
        f"RMSE in eV of {len(far)} dimers beyond {LONGEST:g} angstrom, whose spread is {spread:.2f}"
    )
    print(table.round(4).to_string())
    print(f"chosen: {chosen} {fits[chosen][2]}")
    if figure is not None:
        draw(figure, dimers, far, fits["local"][0], fits[chosen][0])
    numbers = {f"far {name}": float(value) for name, value in table["far"].items()}
    return {**numbers, "far chosen": numbers[f"far {chosen}"], "spread": spread, "chosen": chosen}


def draw(figure, dimers, far, local, chosen):
    """Reference (points) and predictions, relative to the last training energy of the curve."""
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(1, 2, figsize=(9, 4.2), sharey=True, layout="constrained")
    distance, energy = dimers.distance, dimers.target
    for ax, predicted, title in zip(
        axes, (local, chosen), ("local", "local + field of charges"), strict=True
    ):
        model = energy.copy()
        model[far] = predicted
        for color, curve in enumerate(np.unique(dimers.groups)):
            rows = np.flatnonzero(dimers.groups == curve)
            last = rows[distance[rows] < LONGEST][-1]
            beyond = rows[rows >= last]
            ax.plot(distance[rows], energy[rows] - energy[last], ".", c=f"C{color}")
            ax.plot(distance[beyond], model[beyond] - energy[last], c=f"C{color}")
        ax.axvline(LONGEST, c="gray", lw=0.8, ls="--")
        ax.set(title=title, xlabel="distance of the centres of mass (angstrom)")
        ax.set(xlim=(5.2, 8.9), ylim=(-0.4, 1.2))
    axes[0].set_ylabel("energy from the last training point (eV)")
    fig.savefig(figure, dpi=110)
    plt.close(fig)


if __name__ == "__main__":
    main(figure="charge_dimers.png")
