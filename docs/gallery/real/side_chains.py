"""
Side chains: energies of every size in one model
================================================

*What.* The interaction energies of pairs of protein side chains reach from 0.01 to 120 kcal/mol: a
few pairs of ions, some of an ion and a neutral molecule, many of neutral molecules. One model is to
predict them all, for pairs of molecules that it has never seen.

*Why.* The abstract of the `paper on generalised long-distance features
<https://arxiv.org/abs/2308.13208>`_ says that such features do not help with the very different
energy scales of a heterogeneous set. Is that so here, and what does help?

**In short:** the abstract is right if the model sees elements alone. What helps is to tell it which
molecules are charged: the error goes from 15 (local) and 8 (long-range) to 2.4 kcal/mol.

*Data.* There is no function that fetches them yet: see the end of this page. The script also needs
:download:`gallery.py </gallery/gallery.py>` beside it.
"""

# %%
# How it is done
# --------------
#
# The data are every third dimer of the SSI set (L. A. Burns et al., J. Chem. Phys. 147, 161727
# (2017)), one geometry each.

from itertools import product

import matplotlib.pyplot as plt
import numpy as np
from ase.io import read
from gallery import find, frozen
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

SPECIES = ["H", "C", "N", "O", "S"]
ALPHAS = np.logspace(-7, 1, 17)
SHARES = (0.01, 0.1, 1.0)  # of a block in the kernel, beside the first block


def load(data_home=None, start=0, step=3):
    """Every ``step``-th dimer, with its fragments and with the charge of each spread evenly."""
    dimers = read(find("ssi.xyz", data_home), f"{start}::{step}")
    for atoms in dimers:
        sizes = [atoms.info["natoms_A"], len(atoms) - atoms.info["natoms_A"]]
        charges = np.array([atoms.info["charge_A"], atoms.info["charge_B"]], float)
        atoms.arrays["fragment"] = np.repeat([0, 1], sizes)
        atoms.set_initial_charges(np.repeat(charges / sizes, sizes))
    return dimers


# %%
# The names of the blocks of columns read:
#
# - *rho x V* is local density x potential, *split* with one block for each central element;
#   *exterior* and *multipoles* let only atoms beyond 3 angstrom act; a list means several blocks
#   with shares.
# - *charges* models see, besides the elements, the formal charge of each molecule, spread evenly
#   over its atoms: *charges only* is charge density x potential of the charges, *rho* adds local
#   density x potential of the charges.


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
SHOWN = ("local", "charges, rho, p = 6")  # in the picture
WEIGHTED = ("local", "p = 1, 6, split", "charges, rho, p = 6")


# %%
# Errors are from five-fold cross-validation grouped by the pair of molecules: the model has not
# seen the two molecules together, though perhaps each of them with others. Inside each training
# part a second grouped cross-validation chooses the candidate (cutoff or smearing), the shares of
# the blocks and the ridge.


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


# %%
# Of the last rows, *chosen inside* takes, for each of the five test parts, the unweighted model
# with the least error in the inner cross-validation. *weighted* models count a squared error
# :math:`1/(1 + |E|/2)^2` times, with the reference energy E in kcal/mol, in the fit and in the
# choices. *by class* are three separate models, for two, one and no charged molecules.


def compute(
    data_home=None,
    start=0,
    step=3,
    models=tuple(MODELS),
    weighted=WEIGHTED,
    by_class=BY_CLASS,
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
    return {
        "n_pairs": len(set(groups)),
        "spread": y.std(),
        "counts": {part: int(chosen.sum()) for part, chosen in parts.items()},
        "errors": {
            name: {part: np.sqrt(np.mean((p - y)[c] ** 2)) for part, c in parts.items()}
            for name, p in predictions.items()
        },
        "reference": y.round(2),
        "predicted": {name: predictions[name].round(2) for name in SHOWN if name in predictions},
    }


# %%
# The table and the picture are made from the numbers alone.


def report(numbers):
    counts = numbers["counts"]
    print(
        f"{counts['all']} dimers of {numbers['n_pairs']} pairs, spread {numbers['spread']:.1f}; "
        "RMSE in kcal/mol"
    )
    print(" " * 30 + "".join(f"{part:>14}" for part in counts))
    print(" " * 30 + "".join(f"{count:14}" for count in counts.values()))
    for name, row in numbers["errors"].items():
        print(f"{name:30}" + "".join(f"{e:14.2f}" for e in row.values()))


def draw(numbers):
    _, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
    errors, y = numbers["errors"], numbers["reference"]
    places = np.arange(len(errors))[::-1]
    for part, shift, color in (("all", 0.2, "tab:blue"), ("|E| < 5", -0.2, "tab:orange")):
        values = [row[part] for row in errors.values()]
        left.barh(places + shift, values, 0.4, color=color, label=part)
    left.set_yticks(places, errors)
    left.set(xscale="log", xlabel="RMSE / kcal/mol")
    left.legend()
    for name, color in zip(SHOWN, ("tab:gray", "tab:red"), strict=True):
        if name in numbers["predicted"]:
            right.plot(y, numbers["predicted"][name], ".", color=color, alpha=0.5, label=name)
    right.axline((0, 0), slope=1, color="k", lw=0.8)
    right.set_xscale("symlog", linthresh=3)
    right.set_yscale("symlog", linthresh=3)
    right.set(xlabel="reference / kcal/mol", ylabel="predicted / kcal/mol")
    right.legend()


# %%
# The numbers
# -----------
#
# To compute them takes about two minutes and the data, so this page shows stored ones, if they are
# there. The columns after the first are dimers with two, one and no charged molecules, and those
# with energies below 5 kcal/mol. The second line counts them.

numbers = frozen("side_chains") or compute()
report(numbers)

# %%
# Errors of all models, and predictions of two of them against the references.

draw(numbers)

# %%
# What it teaches
# ---------------
#
# - *Without charges*, far-field features lower the error from 15 to 8 or 10 kcal/mol, about equally
#   with each exponent. Several exponents or a block per element change little, exterior features
#   are worse. And the paper is right about the scales: below 5 kcal/mol each of these models is
#   worse than predicting zero, by a factor of two to four. The ions are to blame: on the neutral
#   pairs a local model of these alone (*by class*) has 1.3 kcal/mol, one of all pairs 7.4.
# - *What these models lack is a fact*: whether a molecule is charged, a matter of one proton. It is
#   known, so it may be an input. With it the 12 columns of *charges only* already have an error of
#   4.8 kcal/mol; the potential of the charges at the atoms around (*rho*) lowers it to 3.3; the
#   element-resolved block of p = 6, which also describes neutral pairs, to 2.4. That is the model
#   that the inner cross-validation chooses in all five cases. Below 5 kcal/mol it has 0.96, against
#   1.83 for predicting zero.
# - *Weights* trade one end for the other. Without charges, a weighted fit beats zero for the small
#   energies (1.07) but gives up the large ones (22). With charges it gains 0.07 below 5 kcal/mol
#   and loses 0.9 overall.
# - *Separate models* for the classes, which use the charges too, reach 5.9 kcal/mol: there are only
#   58 pairs of ions to learn from.
#
# The fine print
# --------------
#
# - The blocks on offer were found by trial on these dimers. ``compute(start=1)`` takes the next
#   third of the set, different dimers mostly of the same kinds of molecules, on which nothing was
#   tried: local 14.1, rho x V 7.8 (p = 1) and 8.3 (p = 3), charges only 7.5, charges and rho 4.8,
#   with p = 6 3.2, which is chosen inside again; below 5 kcal/mol 1.4, against 1.7 for predicting
#   zero. The order is the same and the gain somewhat smaller.
# - The charges are formal charges from the file, not derived from energies. For molecules of
#   unknown charge they would have to be predicted first.
#
# *The data* are `ssi.xyz`, made from `20_ssi` and `10_din/ssi.din` in `aoterodelaroza/refdata
# <https://github.com/aoterodelaroza/refdata>`_; a file with other dimers, or in another order, will
# give somewhat other numbers. They are not part of the package, since its licence is another
# (GPL-3.0). The file belongs into :func:`sklode.datasets.get_data_home`: extended XYZ with the
# atoms of molecule A first and, for each dimer, `interaction_energy` (kcal/mol), `natoms_A`,
# `charge_A`, `charge_B` and `pair` (a name of the pair of molecules).
