"""Side chains of proteins: one model for energies from 0.01 to 120 kcal/mol.

Pairs of amino acid side chains, charged and neutral, one geometry each (SSI of the BioFragment
Database). All errors are of pairs of molecules that the model has never seen, and all choices
(which of several candidates, the shares of the blocks, the ridge) are made without them.
"""

from itertools import product

import numpy as np
from ase.io import read
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits

from sklode import (
    BlockScaler,
    DensityProjector,
    InteractionFeatures,
    LongRangePotential,
    MultipoleFeatures,
    PowerSpectrum,
)
from sklode.datasets import get_data_home

SPECIES = ["H", "C", "N", "O", "S"]
ALPHAS = np.logspace(-7, 1, 17)
SHARES = (0.01, 0.1, 1.0)  # of a block in the kernel, beside the first block
HELP = """{path} is missing. Make it from https://github.com/aoterodelaroza/refdata, commit
f96148aa1739077c55b394b4c9d7e4f42f65dce0 (20_ssi and 10_din/ssi.din), as extended XYZ with the atoms
of molecule A first and, for each dimer, interaction_energy (kcal/mol), natoms_A, charge_A, charge_B
and pair (a name of the pair of molecules); save it there, or give `data_home`."""


def load(data_home=None, start=0, step=3):
    """Every ``step``-th dimer, with its fragments and with the charge of each spread evenly."""
    path = get_data_home(data_home) / "ssi.xyz"
    if not path.exists():
        raise FileNotFoundError(HELP.format(path=path))
    dimers = read(path, f"{start}::{step}")
    for atoms in dimers:
        sizes = [atoms.info["natoms_A"], len(atoms) - atoms.info["natoms_A"]]
        charges = np.array([atoms.info["charge_A"], atoms.info["charge_B"]], float)
        atoms.arrays["fragment"] = np.repeat([0, 1], sizes)
        atoms.set_initial_charges(np.repeat(charges / sizes, sizes))
    return dimers


def transformers():
    def rho(cutoff, n_max=6, l_max=4):
        return DensityProjector(cutoff, n_max, l_max, smearing=0.3, species=SPECIES)

    def potential(p, **kwargs):
        return LongRangePotential(p, l_max=3, species=SPECIES, **kwargs)

    blocks = {f"local {c}": PowerSpectrum(rho(c)) for c in (3, 5)}
    for p, s in product((1, 3, 6), (1, 2)):
        blocks[f"p={p} s={s}"] = PowerSpectrum(rho(2), potential(p, smearing=s))
    for p in (1, 6):
        blocks[f"split p={p}"] = PowerSpectrum(rho(3, 3), potential(p), center_species="split")
        blocks[f"exterior p={p}"] = PowerSpectrum(rho(3), potential(p, exterior=True))
        blocks[f"multipoles p={p}"] = PowerSpectrum(rho(3), MultipoleFeatures(p, species=SPECIES))
    charged = {"charges": "initial_charges", "l_max": 2, "cutoff": 2.0}
    density = LongRangePotential(0, n_max=2, include_center=True, species=SPECIES, **charged)
    field = LongRangePotential(1, n_max=2, species=SPECIES, **charged)
    blocks["q x Vq"] = PowerSpectrum(density, field)
    blocks["rho x Vq"] = PowerSpectrum(rho(3), potential(1, charges="initial_charges"))
    return blocks


MODELS = {  # candidates, each a list of blocks
    "local": [["local 3"], ["local 5"]],
    "rho x V, p = 1": [["p=1 s=1"], ["p=1 s=2"]],
    "rho x V, p = 3": [["p=3 s=1"], ["p=3 s=2"]],
    "rho x V, p = 6": [["p=6 s=1"], ["p=6 s=2"]],
    "local + p = 1": [["p=1 s=1", "local 5"]],
    "p = 1, 3, 6": [["p=3 s=2", "p=1 s=1", "p=6 s=2"]],
    "p = 1, 6, split": [["split p=1", "split p=6"]],
    "p = 1, 6, exterior": [["exterior p=1", "exterior p=6"]],
    "p = 1, 6, multipoles": [["multipoles p=1", "multipoles p=6"]],
    "charges only": [["q x Vq"]],
    "charges, rho": [["q x Vq", "rho x Vq"]],
    "charges, rho, local": [["q x Vq", "rho x Vq", "local 3"]],
    "charges, rho, p = 6": [["q x Vq", "rho x Vq", "p=6 s=1"]],
}
CLASSES = ("both charged", "one charged", "neutral")
BY_CLASS = ("local", "rho x V, p = 6", "local + p = 1")
WEIGHTED = ("local", "p = 1, 6, split", "charges, rho, p = 6")


def kernels(blocks, candidates, train):
    """One kernel per candidate and per set of shares; each block has mean 1 on the diagonal."""
    names = {name for candidate in candidates for name in candidate}
    scaled = {
        name: BlockScaler().fit(blocks[name][train]).transform(blocks[name]) for name in names
    }
    parts = {name: X @ X.T / np.mean(np.sum(X[train] ** 2, axis=1)) for name, X in scaled.items()}
    for first, *others in candidates:
        for shares in product(SHARES, repeat=len(others)):
            rest = (share * parts[name] for share, name in zip(shares, others, strict=True))
            yield sum(rest, parts[first])


def ridge(kernel, y, weights, train, test):
    """Predictions of weighted kernel ridge regression, one column for each of ALPHAS."""
    w = np.sqrt(weights[train])
    values, vectors = np.linalg.eigh(w[:, None] * kernel[np.ix_(train, train)] * w)
    rotated = (vectors.T @ (w * y[train]))[:, None] / (np.maximum(values, 0)[:, None] + ALPHAS)
    return (kernel[np.ix_(test, train)] * w) @ (vectors @ rotated)


@threadpool_limits.wrap(limits=1)  # the matrices are small: more threads only get in the way
def predict(blocks, candidates, y, weights, groups):
    """Grouped cross-validation; candidate and alpha by another one inside each training part.

    Returns the predictions, and for each the loss of the inner cross-validation.
    """
    predicted, losses = np.zeros(len(y)), np.zeros(len(y))
    for train, test in GroupKFold(5).split(y, groups=groups):
        best = (np.inf, None, None)
        folds = list(GroupKFold(4).split(train, groups=groups[train]))
        for kernel in kernels(blocks, candidates, train):
            loss = np.zeros(len(ALPHAS))
            for a, b in folds:
                error = ridge(kernel, y, weights, train[a], train[b]) - y[train[b], None]
                loss += weights[train[b]] @ error**2
            if loss.min() < best[0]:
                best = loss.min(), kernel, loss.argmin()
        predicted[test] = ridge(best[1], y, weights, train, test)[:, best[2]]
        losses[test] = best[0]
    return predicted, losses


def main(
    data_home=None,
    start=0,
    step=3,
    models=tuple(MODELS),
    weighted=WEIGHTED,
    by_class=BY_CLASS,
    figure=None,
):
    dimers = load(data_home, start, step)
    y, groups, charges = (
        np.array([atoms.info[key] for atoms in dimers])
        for key in ("interaction_energy", "pair", "charge_A")
    )
    other = np.array([atoms.info["charge_B"] for atoms in dimers])
    needed = {
        name
        for model in {*models, *weighted, *by_class}
        for candidate in MODELS[model]
        for name in candidate
    }
    blocks = {
        name: InteractionFeatures(transformer).fit_transform(dimers)
        for name, transformer in transformers().items()
        if name in needed
    }
    parts = {
        "all": abs(y) >= 0,
        "both charged": charges * other != 0,
        "one charged": (charges != 0) ^ (other != 0),
        "neutral": (charges == 0) & (other == 0),
        "|E| < 5": abs(y) < 5,
    }
    predictions = {"predict zero": np.zeros(len(y))}
    flat, relative = np.ones(len(y)), 1 / (1 + abs(y) / 2) ** 2
    fits = {name: predict(blocks, MODELS[name], y, flat, groups) for name in models}
    predictions |= {name: predicted for name, (predicted, _) in fits.items()}
    predicted, losses = np.stack(list(fits.values()), axis=1)
    predictions["chosen inside"] = predicted[losses.argmin(axis=0), np.arange(len(y))]
    for name in weighted:
        predictions[name + ", weighted"] = predict(blocks, MODELS[name], y, relative, groups)[0]
    for name in by_class:
        predictions[name + ", by class"] = p = np.zeros(len(y))
        for chosen in (parts[k] for k in CLASSES):
            its = {block: X[chosen] for block, X in blocks.items()}
            p[chosen] = predict(its, MODELS[name], y[chosen], flat[chosen], groups[chosen])[0]
    print(f"{len(y)} dimers of {len(set(groups))} pairs, spread {y.std():.1f}; RMSE in kcal/mol")
    print(" " * 30 + "".join(f"{part:>14}" for part in parts))
    print(" " * 30 + "".join(f"{chosen.sum():14}" for chosen in parts.values()))
    errors = {}
    for name, p in predictions.items():
        errors[name] = {k: float(np.sqrt(np.mean((p - y)[c] ** 2))) for k, c in parts.items()}
        print(f"{name:30}" + "".join(f"{e:14.2f}" for e in errors[name].values()), flush=True)
    if figure:
        draw(errors, predictions, y, figure)
    return errors


def draw(errors, predictions, y, figure):
    import matplotlib.pyplot as plt

    fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
    places = np.arange(len(errors))[::-1]
    for part, shift, color in (("all", 0.2, "tab:blue"), ("|E| < 5", -0.2, "tab:orange")):
        values = [row[part] for row in errors.values()]
        left.barh(places + shift, values, 0.4, color=color, label=part)
    left.set_yticks(places, errors)
    left.set(xscale="log", xlabel="RMSE / kcal/mol")
    left.legend()
    for name, color in (("local", "tab:gray"), ("charges, rho, p = 6", "tab:red")):
        if name in predictions:
            right.plot(y, predictions[name], ".", color=color, alpha=0.5, label=name)
    right.axline((0, 0), slope=1, color="k", lw=0.8)
    right.set_xscale("symlog", linthresh=3)
    right.set_yscale("symlog", linthresh=3)
    right.set(xlabel="reference / kcal/mol", ylabel="predicted / kcal/mol")
    right.legend()
    fig.savefig(figure, dpi=90)
    plt.close(fig)


if __name__ == "__main__":
    main(figure="side_chains.png")
