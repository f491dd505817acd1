"""
Exfoliation with forces: one frame for half of the way
======================================================

*What.* The frames of :doc:`exfoliation`: two layers of black phosphorus, trained on the first 40 %
of the distances and the last frame, now on energies and forces together
(:class:`~sklode.regression.AtomisticRidgeCV`).

*Why.* Most data sets have forces, many numbers for each structure. How good are energies and forces
of the 40 hidden frames when both are learnt at once?

**In short:** 0.26 meV an atom and 4.6 meV/angstrom. The few frames far out must count for the part
of the way that they stand for.

*Data.* There is no function that fetches them yet: see the end of :doc:`exfoliation`. The script
also needs :download:`gallery.py </gallery/gallery.py>` beside it.
"""

# %%
# How it is done
# --------------
#
# The features are those of :doc:`exfoliation`, with p = 6.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from ase.io import read
from gallery import find, frozen, rmse
from sklearn.pipeline import FeatureUnion

from sklode import DensityProjector, LongRangePotential, PowerSpectrum
from sklode.regression import AtomisticRidgeCV

LOCAL_CUTOFF = 4.5
NEAR_SHARE = 0.4  # of the frames is for training, together with the last one
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


# %%
# Each training frame counts, as ``sample_weight``, for the part of the way that it stands for: half
# of the gaps to its neighbours. So the last frame and the last of the near ones have about thirty
# times the weight of the others.


def shares_of_the_way(distance):
    """How much of the way each frame stands for: half of the gaps on both sides."""
    gaps = np.diff(distance) / 2
    shares = np.append(gaps, 0.0) + np.insert(gaps, 0, 0.0)
    return shares / np.median(shares)


# %%
# ``force_weight`` f says which error of an energy, in eV, is as bad as 1 eV/angstrom in a force.
# For each f, the weight of the long-range block and the strength of the ridge are those with the
# smallest product of both errors in validation: frames 18 to 26 and 22 to 26 from the nearer ones
# and the last.


def compute(data_home=None):
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
    chosen = min((n for n in rows if n != "local"), key=lambda n: rows[n]["validation"])
    zero = energy[last]
    return {
        "n_hidden": len(hidden),
        "table": rows,
        "last forces": same,
        "chosen": chosen,
        "edge": distance[near[-1]],
        "distance": distance,
        "energies": {name: 1e3 * (e - zero) / n_atoms for name, (e, _) in curves.items()},
        "forces": {name: 1e3 * f[:, 0, 1] for name, (_, f) in curves.items()},
    }


# %%
# Tables and the picture are made from the numbers alone.


def report(numbers):
    print(f"RMSE of {numbers['n_hidden']} hidden frames in meV/atom and meV/angstrom")
    print(pd.DataFrame(numbers["table"]).T.to_string(float_format="{:.3g}".format))
    print(f"forces of the last frame for all: {numbers['last forces']:.2f}")


def draw(numbers):
    _, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    distance, edge = numbers["distance"], numbers["edge"]
    for name, energies in numbers["energies"].items():
        style = {"marker": ".", "ls": "", "c": "k"} if name == "reference" else {}
        axes[0].plot(distance, energies, **style)
        axes[1].plot(distance, numbers["forces"][name], label=name, **style)
    for ax in axes:
        ax.axvline(edge, c="gray", lw=0.8, ls="--")
        ax.set(xlabel="distance of the layers (angstrom)", xlim=(edge - 0.7, None))
    axes[0].set(ylabel="energy from the last frame (meV an atom)", ylim=(-25, 15))
    axes[1].set(ylabel="force on an atom, across the layers (meV/angstrom)", ylim=(80, 125))
    axes[1].legend()


# %%
# The numbers
# -----------
#
# To compute them takes a few seconds and the data, so this page shows stored ones, if they are
# there. Validation chooses f = 1.

numbers = frozen("forces_exfoliation") or compute()
report(numbers)

# %%
# Energy, and force on one atom, against the distance of the layers.

draw(numbers)

# %%
# What it teaches
# ---------------
#
# - *Both at once.* Validation chooses f = 1, the default: 0.26 meV an atom and 4.6 meV/angstrom.
#   The model that a thesis made of such features has errors of 1.4 meV an atom and 4.5 meV/angstrom
#   (H. Ni, EPFL 2022): the energies are a fifth of it, the forces no better. f = 0.3 and f = 3 are
#   below both.
# - *Weigh what is rare.* With equal weights the same validation chooses f = 0.3, with 0.58 meV an
#   atom but 6.0 meV/angstrom: one frame in twenty-seven says little, and even its own force, a
#   training force, comes out 9 meV/angstrom too small.
# - *Forces say little here.* By symmetry no force acts between the rigid layers, only within them:
#   the slope of the curve is in the stress. The hidden forces hardly change, and those of the last
#   frame, taken for all, are wrong by 2.6 meV/angstrom, less than most models here.
#
# The fine print
# --------------
#
# - *State what is learnt.* ``fit`` takes the stresses of the calculators too, if no energies are
#   given. With those of this file, the energies of the hidden frames are wrong by 2 to 7 meV an
#   atom: their values were not checked against the energies.
# - *The margin.* Far errors were visible all along. First tried were equal weights, with cuts at
#   frames 13 and 17 and then those above; centred columns; smaller weights of compressed frames; f
#   = 0.1; and, before the weights by distance, other exponents. The weights by distance were tried
#   once. Of nine pairs of f and block weight with them, each with its own best ridge, seven beat
#   the literature in both errors; the chosen one and f = 0.3 with weight 10 have 4.6 meV/angstrom.
