"""
Looking at a model: errors, error bars, and a map of both
=========================================================

*What.* A model learns half of the 22 pairs of molecules that come with ASE, and predicts the other
half. Pictures show its errors, whether its error bars are right, and where in a map of the
structures both are large.

*Why.* One number says how large errors are, not where. Whether a model may be used for a structure
depends on whether structures like it were learnt, and the error bar should tell.

**In short:** on pairs that it has never seen the model is wrong by 0.176 eV (RMSE), 1.17 times as
much as its error bars say; by 0.040 eV in the third of them with the shortest bars, and by 0.265 eV
in that with the longest ones.

This page runs whenever the documentation is built. Nothing has to be downloaded.
"""

# %%
# The model
# ---------
#
# Every other pair is learnt, at all its separations. :class:`~sklode.AtomisticRidgeCV` gives an
# error bar with each energy, calibrated on what was left out of its fit, here pair by pair.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklode import (
    AtomisticRidgeCV,
    DensityProjector,
    InteractionFeatures,
    LongRangePotential,
    PowerSpectrum,
)
from sklode.datasets import load_s22x5
from sklode.plotting import DistanceErrorDisplay, ErrorBarDisplay, ParityDisplay, explore

dimers = load_s22x5()
X, y, groups = pd.Series(dimers.data), dimers.target, np.array(dimers.groups)
learnt = np.isin(groups, np.unique(groups)[::2])
features = PowerSpectrum(DensityProjector(cutoff=3.0), LongRangePotential(exponent=6))
model = AtomisticRidgeCV(InteractionFeatures(features), baseline=False)
model.fit(X[learnt], y[learnt], groups=groups[learnt])

energies, error_bars = model.predict(X, return_std=True)
errors = energies - y
unseen = np.flatnonzero(~learnt)
thirds = np.array_split(unseen[np.argsort(error_bars[unseen])], 3)
print(f"unseen pairs  {np.sqrt(np.mean(errors[unseen] ** 2)):.3f} eV")
for name, third in zip(("shortest", "middle", "longest"), thirds, strict=True):
    print(f"{name:8} bars {np.sqrt(np.mean(errors[third] ** 2)):.3f} eV")
print(f"error / bar   {np.sqrt(np.mean((errors / error_bars)[unseen] ** 2)):.2f}")

# %%
# Errors
# ------
#
# Predicted against reference energies, and the sizes of errors against the separation, relative to
# that of equilibrium. Displays on the same axes lie over each other.

_, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for name, part in (("learnt", learnt), ("unseen", ~learnt)):
    ParityDisplay.from_predictions(y[part], energies[part], ax=left, name=name)
    display = DistanceErrorDisplay.from_predictions(
        y[part], energies[part], distance=dimers.distance[part], ax=right, name=name
    )
    display.ax_.set_xlabel("separation / that of equilibrium")

# %%
# Error bars
# ----------
#
# Left: each error against its bar. Where bars are right, the root mean square of the errors, the
# line, is on the diagonal. Right: the share of errors inside of bars that should hold a given one.
# :meth:`ErrorBarDisplay.from_estimator <sklode.plotting.ErrorBarDisplay.from_estimator>` does the
# same in one call.

_, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for ax, kind in ((left, "size"), (right, "coverage")):
    ErrorBarDisplay.from_predictions(
        y[unseen], energies[unseen], error_bars[unseen], kind=kind, ax=ax, name="unseen"
    )

# %%
# The map
# -------
#
# :func:`~sklode.plotting.explore` puts structures with similar features near each other. In a
# notebook it returns a widget; with ``path`` it writes this page, which any browser shows. A click
# on a point shows the pair, and the menu of the map has other properties for the colours.

path = explore(
    X,
    model.features_,
    properties={
        "error bar": error_bars,
        "size of the error": np.abs(errors),
        "learnt": np.where(learnt, "learnt", "unseen"),
        "pair": groups,
    },
    path="map_of_errors.html",
)

# %%
# What it teaches
# ---------------
#
# - Error bars sort predictions before any reference is known: the longest ones belong to the pairs
#   that are unlike those that were learnt.
# - On average they are right here, not one by one: the bar is the width of a distribution.
#
# The fine print
# --------------
#
# The map shows two principal components of 384 columns; what is far apart in the others may seem
# near in it. With eleven pairs to learn, the calibration is rough, and other halves give other
# numbers.
