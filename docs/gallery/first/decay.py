"""
What a feature sees: the decay with distance
============================================

*What.* One distant atom, and the coefficients of its potential around another one.

*Why.* The exponent p says how fast a feature dies off with distance, and so how a linear model goes
on beyond its data. The degree l adds to it: this page shows how.

**In short:** a coefficient of degree l decays as :math:`1/d^{p+l}`. With p = 1, the degrees 0, 1
and 2 are the potential, the field and the field gradient.

This page runs whenever the documentation is built. Nothing has to be downloaded.
"""

# %%
# Coefficients of one atom
# ------------------------
#
# :class:`~sklode.LongRangePotential` expands the potential :math:`1/r^p` in a ball around every
# atom. With ``invariants=None`` the columns are the coefficients themselves: one for each radial
# function n, degree l and order m. One radial function is enough to see the decay; the other atom
# lies on the z axis, so that only m = 0 is not zero.

import matplotlib.pyplot as plt
import numpy as np
from ase import Atoms

from sklode import LongRangePotential

distances = np.geomspace(6, 40, 30)
pairs = [Atoms("HO", [[0, 0, 0], [0, 0, d]]) for d in distances]


def coefficients(p):
    """Size of the coefficients around hydrogen, of the potential of oxygen, by degree."""
    lode = LongRangePotential(p, cutoff=1.5, n_max=1, l_max=2, invariants=None)
    lode.set_output(transform="pandas").fit(pairs)
    hydrogen = lode.transform_atoms(pairs).xs(0, level="atom")
    table = lode.feature_table_
    wanted = table[(table.species == "O") & (table.m == 0)]
    return {int(row.l): hydrogen[row["name"]].abs().to_numpy() for _, row in wanted.iterrows()}


values = {p: coefficients(p) for p in (1, 3, 6)}

# %%
# The slopes
# ----------
#
# The slope of each curve in logarithms, from its far half.

half = distances > 15
slopes = {
    p: {l: np.polyfit(np.log(distances[half]), np.log(c[half]), 1)[0] for l, c in by_l.items()}
    for p, by_l in values.items()
}
for p, by_l in slopes.items():
    print(f"p = {p}: " + ", ".join(f"l = {l}: {slope:.2f}" for l, slope in by_l.items()))

# %%
# The picture
# -----------
#
# Coefficients against distance, relative to the first one; dashed, :math:`1/d^{p+l}`.

_, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
for ax, (p, by_l) in zip(axes, values.items(), strict=True):
    for l, c in by_l.items():
        ax.loglog(distances, c / c[0], label=f"l = {l}")
        ax.loglog(distances, (distances / distances[0]) ** -(p + l), "k--", lw=0.8)
    ax.set(title=f"p = {p}", xlabel="distance (angstrom)")
    ax.legend()
axes[0].set_ylabel("coefficient, relative")

# %%
# What it teaches
# ---------------
#
# - A model that is linear in the potential continues with the exponent of its features, whatever
#   the law of the data is: choose p for the interaction.
# - Higher degrees tell more about directions, and fade sooner.
#
# The fine print
# --------------
#
# The power law holds where the atom is farther away than the smearing and the radius of the ball.
# For p other than 1 a single radial function does not hold all of the potential of a near atom: see
# :ref:`choosing-n-max`.
