"""Which exponent carries a class of dimers from near to far separations?"""

from itertools import product

import numpy as np
import pandas as pd
from ase.io import read
from ase.units import kcal, mol
from gallery import Search, find, near_to_far, rmse

from sklode import DensityProjector, InteractionFeatures, LongRangePotential, PowerSpectrum

CLASSES = "bfdb_dimer_classes.xyz"  # one dimer a class: C charged, P polar, A apolar
CURVES = ("ionichb.xyz", "s66x8.xyz", "nbc10ext.xyz", "rgc10.xyz")
EXPONENTS = (1, 2, 3, 4, 6)
LOCAL_CUTOFFS = (3.0, 5.0)
SMEARINGS = (0.5, 1.0, 2.0)  # the first one only for isolated dimers: costly in a large cell
WEIGHTS = (0.1, 1.0)  # of the local block
NEAR_SHARE = 0.6  # of the separations is for training


def load(name, data_home):
    """Structures, interaction energies in kcal/mol, separations, curves, near ones of a file."""
    structures = read(find(name, data_home), ":")
    for atoms in structures:
        fragment = (np.arange(len(atoms)) >= atoms.info["natoms_A"]).astype(int)
        atoms.set_array("fragment", fragment)
    info = pd.DataFrame([atoms.info for atoms in structures])
    if name == CLASSES:
        energy = info["inter_energy"] / (kcal / mol)
        distance, near = info["distance"], info["source_split"] == "train"
    else:
        energy, distance = info["interaction_energy"], info["distance_factor"]
        near = distance <= distance.quantile(NEAR_SHARE)
    columns = (energy, distance, info["dimer"], info.get("label"), near)
    return structures, *(None if c is None else c.to_numpy() for c in columns)


def describe(structures):
    """All candidate blocks of columns, by name."""
    species = sorted({symbol for atoms in structures for symbol in atoms.symbols})
    rho = {c: DensityProjector(c, n_max=4, l_max=3, species=species) for c in LOCAL_CUTOFFS}
    blocks = {}
    for cutoff in LOCAL_CUTOFFS:
        local = InteractionFeatures(PowerSpectrum(rho[cutoff]))
        blocks["local", cutoff] = local.fit_transform(structures)
    periodic = structures[0].pbc.all()
    smearings = SMEARINGS[1:] if periodic else SMEARINGS
    for smearing in smearings:
        field = LongRangePotential(EXPONENTS, smearing=smearing, species=species)
        far = InteractionFeatures(PowerSpectrum(rho[LOCAL_CUTOFFS[0]], field))
        values = far.fit_transform(structures)
        exponent = far.feature_table_["exponent"].to_numpy()
        for p in EXPONENTS:
            blocks["far", p, smearing] = values[:, exponent == p]
    return blocks


def errors(blocks, energy, distance, curves, near, offsets=None):
    """RMSE of the far separations, for every model and for the one chosen by validation."""
    train, far = np.flatnonzero(near), np.flatnonzero(~near)
    tasks = [[near_to_far(distance, curves, train, share)] for share in (1 / 2, 2 / 3)]
    search = Search(blocks, energy, train, tasks, groups=offsets)
    local = [("local", cutoff) for cutoff in LOCAL_CUTOFFS]
    candidates = {"local": [{name: 1.0} for name in local]}
    for p in EXPONENTS:
        fields = [name for name in blocks if name[:2] == ("far", p)]
        both = [{a: w, b: 1.0} for a, b, w in product(local, fields, WEIGHTS)]
        candidates[f"p = {p}"] = [*both, *({b: 1.0} for b in fields)]
    fits = {name: search.best(models, far) for name, models in candidates.items()}
    row = {"predict zero": rmse(energy[far])}
    row |= {name: rmse(predicted - energy[far]) for name, (predicted, _, _) in fits.items()}
    chosen = min(fits, key=lambda name: fits[name][1])
    return {**row, "chosen": row[chosen], "choice": chosen}


def main(data_home=None, figure=None):
    rows = {}
    for name in (CLASSES, *CURVES):
        try:
            structures, energy, distance, curves, labels, near = load(name, data_home)
        except FileNotFoundError as error:
            print(f"left out: {error}")
            continue
        blocks = describe(structures)
        if name != CLASSES:
            rows[name.removesuffix(".xyz")] = errors(blocks, energy, distance, curves, near)
            continue
        for label in dict.fromkeys(labels):
            mine = np.flatnonzero(labels == label)
            own = {key: block[mine] for key, block in blocks.items()}
            # the energies of the molecules need not be theirs at this geometry: a free offset
            parts = (a[mine] for a in (energy, distance, curves, near))
            rows[f"bfdb {label}"] = errors(own, *parts, offsets=curves[mine])
    if not rows:
        raise FileNotFoundError("none of the data files is there")
    table = pd.DataFrame.from_dict(rows, orient="index")
    print("RMSE of the far separations in kcal/mol")
    print(table.round(4).to_string())
    if figure is not None:
        draw(figure, table)
    return table.to_dict(orient="index")


def draw(figure, table):
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
    columns = [f"p = {p}" for p in EXPONENTS]
    for name, row in table.iterrows():
        ax.plot(EXPONENTS, [row[c] / row["local"] for c in columns], "o-", label=name)
    ax.axhline(1, c="gray", lw=0.8, ls="--")
    ax.set(yscale="log", xlabel="exponent p", ylabel="far RMSE / that of the local model")
    ax.set_xticks(EXPONENTS)
    ax.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    fig.savefig(figure, dpi=110)
    plt.close(fig)


if __name__ == "__main__":
    main(figure="dimer_classes.png")
