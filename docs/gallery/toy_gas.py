"""A gas of point charges with an exact 1/r^p energy: which features can learn it?

Cells of Na and Cl with charges +1 and -1, described by the multipoles of the far field (which is
everything here: all other atoms are outside the cutoff), by the smeared potential, and by the
local density of neighbours. Linear models throughout.
"""

import numpy as np
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sklode import DensityProjector, LongRangePotential, MultipoleFeatures
from sklode.datasets import make_point_charges

EXPONENTS = (1, 2, 3, 6)
SIZES = ((8, 450), (64, 150))  # atoms a cell, structures
N_TEST = 50
LINEAR = {"invariants": "radial_spectrum", "center_species": "split"}  # sums over pairs of elements
FAR = {
    "multipoles": MultipoleFeatures(
        EXPONENTS, cutoff=1.9, cutoff_width=0.1, l_max=0, tol=1e-14, **LINEAR
    ),
    "potential": LongRangePotential(
        EXPONENTS,
        cutoff=2.0,
        n_max=4,
        l_max=0,
        smearing=0.6,
        radial_basis="gto",
        tol=1e-4,
        **LINEAR,
    ),
}
LOCAL = {
    f"local, {cutoff} angstrom": DensityProjector(cutoff, 8, 0, smearing=0.5, **LINEAR)
    for cutoff in (4, 6)
}
RIDGE = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-12, 4, 9)))
MODELS = {"multipoles": make_pipeline(StandardScaler(), LinearRegression()), "potential": RIDGE}


def test_error(X, y, n_train, model):
    """RMSE in % of the spread, of cells that are never trained on."""
    train = slice(N_TEST, N_TEST + n_train)
    predicted = model.fit(X[train], y[train]).predict(X[:N_TEST])
    return 100 * np.sqrt(np.mean((predicted - y[:N_TEST]) ** 2)) / y[:N_TEST].std()


@threadpool_limits.wrap(limits=1)  # the matrices are small: more threads only get in the way
def run(n_atoms, n_samples):
    """Error matrices, and learning curves of the energy 1/r, for cells of one size."""
    gases = [make_point_charges(n_samples, n_atoms, exponent=p, random_state=0) for p in EXPONENTS]
    cells, energies = gases[0].data, [gas.target for gas in gases]  # the same places for all p
    n_train = n_samples - N_TEST
    sizes = np.unique(np.geomspace(6, n_train, 8).astype(int))
    matrices, local, curves = {}, {}, {}
    for name, transformer in FAR.items():
        features = transformer.fit_transform(cells)
        exponents = transformer.feature_table_["exponent"].to_numpy()
        blocks = {q: features[:, exponents == q] for q in EXPONENTS}
        matrices[name] = np.array(
            [[test_error(X, y, n_train, MODELS[name]) for X in blocks.values()] for y in energies]
        )
        for q in (1, 6):
            curves[f"{name}, p = {q}"] = [
                test_error(blocks[q], energies[0], n, MODELS[name]) for n in sizes
            ]
    for name, transformer in LOCAL.items():
        X = transformer.fit_transform(cells)
        local[name] = [test_error(X, y, n_train, RIDGE) for y in energies]
        curves[name] = [test_error(X, energies[0], n, RIDGE) for n in sizes]
    return {"matrices": matrices, "local": local, "sizes": sizes, "curves": curves}


def main(sizes=SIZES, figure=None):
    results = {}
    for n_atoms, n_samples in sizes:
        results[n_atoms] = result = run(n_atoms, n_samples)
        n_train = n_samples - N_TEST
        print(f"\n{n_atoms} atoms a cell, {n_train} cells to train: RMSE in % of the spread")
        for name, matrix in result["matrices"].items():
            print(f"{name:17}" + "".join(f"{f'p = {q}':>10}" for q in EXPONENTS))
            for p, row in zip(EXPONENTS, matrix, strict=True):
                print(f"   energy 1/r^{p}   " + "".join(f"{e:10.2g}" for e in row))
        print("energy           " + "".join(f"{f'1/r^{p}':>10}" for p in EXPONENTS))
        for name, row in result["local"].items():
            print(f"{name:17}" + "".join(f"{e:10.2g}" for e in row))
    if figure:
        draw(results, figure)
    return results


def draw(results, figure):
    import matplotlib.pyplot as plt
    from matplotlib.colors import LogNorm

    fig, axes = plt.subplots(
        len(results), 3, figsize=(11, 3.4 * len(results)), layout="constrained", squeeze=False
    )
    for row, (n_atoms, result) in zip(axes, results.items(), strict=True):
        for ax, (name, matrix) in zip(row, result["matrices"].items(), strict=False):
            ax.imshow(matrix, norm=LogNorm(1e-2, 100), cmap="YlOrRd")
            for (i, j), e in np.ndenumerate(matrix):
                ax.text(
                    j, i, f"{e:.2g}", ha="center", va="center", color="white" if e > 30 else "black"
                )
            ax.set_xticks(range(4), EXPONENTS)
            ax.set_yticks(range(4), EXPONENTS)
            ax.set(xlabel="p of the features", ylabel="p of the energy")
            ax.set_title(f"{name}, {n_atoms} atoms", fontsize=10)
        for name, errors in result["curves"].items():
            label = name if errors[-1] > 1e-3 else f"{name}: {errors[-1]:.0e}, below the frame"
            row[2].loglog(result["sizes"], errors, "o-", ms=3, label=label)
        row[2].set(xlabel="cells to train", ylabel="RMSE / %", ylim=(1e-3, 300))
        row[2].set_title(f"energy 1/r, {n_atoms} atoms", fontsize=10)
        row[2].legend(fontsize=7, loc="center right")
    fig.savefig(figure, dpi=100)
    plt.close(fig)


if __name__ == "__main__":
    main(figure="toy_gas.png")
