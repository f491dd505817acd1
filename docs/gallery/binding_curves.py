"""Which exponent continues a binding curve? Model molecules with known far fields.

Pairs of rigid molecules carry fixed point charges, or are polarisable, or attract each other by
dispersion. Models are trained at short separations and predict the long ones.
"""

import numpy as np
from ase import Atoms
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from sklode import (
    BlockScaler,
    DensityProjector,
    InteractionFeatures,
    MultipoleFeatures,
    PowerSpectrum,
)

EXPONENTS = (1, 2, 3, 4, 5, 6)
NEAR, FAR = (4.5, 8.0), (8.0, 16.0)  # angstrom
COULOMB = 14.3996  # e^2 / (4 pi eps_0) in eV angstrom
ALPHAS = np.logspace(-14, 2, 17)

# elements are labels only: places on a line in angstrom and charges in e
CATION = ("Li2", (-0.5, 0.5), (0.5, 0.5))
ANION = ("F2", (-0.5, 0.5), (-0.5, -0.5))
DIPOLE = ("CN", (-0.6, 0.6), (0.4, -0.4))
OTHER_DIPOLE = ("SP", (-0.7, 0.7), (0.3, -0.3))
QUADRUPOLE = ("BrBBr", (-1.0, 0.0, 1.0), (0.3, -0.6, 0.3))
APOLAR = ("Ne2", (-0.3, 0.3), (0.0, 0.0))
OTHER_APOLAR = ("Ar2", (-0.4, 0.4), (0.0, 0.0))
POLARIZABILITY = {"Ne": 0.4, "Ar": 1.6}  # angstrom^3

TITLES = ("all atoms, random orientations", "one bead a molecule, aligned")

CLASSES = {  # two molecules, and the power with which their energy ends when they do not turn
    "charge-charge": (CATION, ANION, 1),
    "charge-dipole": (CATION, DIPOLE, 2),
    "dipole-dipole": (DIPOLE, OTHER_DIPOLE, 3),
    "charge-quadrupole": (CATION, QUADRUPOLE, 3),
    "charge-apolar": (CATION, APOLAR, 4),
    "dispersion": (APOLAR, OTHER_APOLAR, 6),
}


def molecule(kind, center, axis):
    symbols, places, charges = kind
    return Atoms(symbols, center + np.outer(places, axis), charges=charges)


def energy(a, b):
    """Coulomb energy of the sites, induction by the field of ``a`` and London's -C6/r^6, in eV."""
    vectors = b.positions - a.positions[:, None]
    r = np.linalg.norm(vectors, axis=2)
    qa, qb = a.get_initial_charges(), b.get_initial_charges()
    size_a, size_b = (np.array([POLARIZABILITY.get(s, 0.0) for s in m.symbols]) for m in (a, b))
    field = np.einsum("i,ijx->jx", qa, vectors / r[:, :, None] ** 3)
    induction = -0.5 * COULOMB * size_b @ (field**2).sum(axis=1)
    return COULOMB * qa @ (1 / r) @ qb + induction - 15.0 * size_a @ r**-6 @ size_b


def pairs(name, limits, n_samples, rng):
    """Structures with all atoms and random orientations."""
    first, second, _ = CLASSES[name]
    axes = rng.normal(size=(n_samples, 2, 3))
    axes /= np.linalg.norm(axes, axis=2, keepdims=True)
    distance = rng.uniform(*limits, n_samples)
    X, y = [], []
    for r, (u, v) in zip(distance, axes, strict=True):
        a, b = molecule(first, [0, 0, 0], u), molecule(second, [0, 0, r], v)
        X.append(a + b)
        X[-1].arrays["fragment"] = np.repeat([0, 1], [len(a), len(b)])
        y.append(energy(a, b))
    return X, np.array(y), distance


def beads(name, limits, n_samples):
    """The same molecules head to tail, but what the model sees is one bead for each."""
    first, second, _ = CLASSES[name]
    distance, z = np.linspace(*limits, n_samples), np.array([0, 0, 1])
    y = [energy(molecule(first, 0 * z, z), molecule(second, r * z, z)) for r in distance]
    X = [Atoms("HeKr", [0 * z, r * z]) for r in distance]
    for atoms in X:
        atoms.arrays["fragment"] = np.array([0, 1])
    return X, np.array(y), distance


@threadpool_limits.wrap(limits=1)  # the matrices are small: more threads only get in the way
def far_error(features, near, far):
    """RMSE of the far energies in % of their rms; the ridge is chosen on the farther near ones."""
    (X, y, distance), (X_far, y_far, _) = near, far
    split = PredefinedSplit(np.where(distance > np.quantile(distance, 2 / 3), 0, -1))
    model = make_pipeline(BlockScaler(1e-6), Ridge(fit_intercept=False, solver="svd"))
    search = GridSearchCV(
        model, {"ridge__alpha": ALPHAS}, scoring="neg_mean_squared_error", cv=split
    )
    transformer = InteractionFeatures(features)
    search.fit(transformer.fit_transform(X), y / np.std(y))
    predicted = search.predict(transformer.transform(X_far)) * np.std(y)
    error = 100 * np.sqrt(np.mean((predicted - y_far) ** 2) / np.mean(y_far**2))
    return error, predicted


def main(n_train=150, n_test=100, figure=None):
    rng = np.random.default_rng(0)
    rho = DensityProjector(2.5, n_max=2, l_max=1)
    sites, coarse, curves = {}, {}, {}
    for name in CLASSES:
        near, far = pairs(name, NEAR, n_train, rng), pairs(name, FAR, n_test, rng)
        sites["local", name] = far_error(PowerSpectrum(rho), near, far)[0]
        lined, lined_far = beads(name, NEAR, 40), beads(name, FAR, 40)
        coarse["local", name] = far_error(PowerSpectrum(rho), lined, lined_far)[0]
        for p in (*EXPONENTS, EXPONENTS):
            far_field = MultipoleFeatures(p, cutoff=2.5, l_max=1)
            rho_m = PowerSpectrum(rho, far_field, center_species="split")
            sites[p, name] = far_error(rho_m, near, far)[0]
            potential = MultipoleFeatures(p, cutoff=2.5, l_max=0, invariants="radial_spectrum")
            coarse[p, name], curves[p, name] = far_error(potential, lined, lined_far)
    for title, errors in ((TITLES[0], sites), (TITLES[1], coarse)):
        print(f"\n{title}: far RMSE in % of the rms far energy")
        titles = ["local", *(f"p = {p}" for p in EXPONENTS), "together"]
        print(" " * 18 + "".join(f"{t:>9}" for t in titles))
        for name in CLASSES:
            values = [errors[column, name] for column in ("local", *EXPONENTS, EXPONENTS)]
            row = "".join(f"{v:9.0f}" if v >= 10 else f"{v:9.2g}" for v in values)
            print(f"{name:18}{row}")
    if figure:
        draw((sites, coarse), curves, figure)
    return {"sites": sites, "beads": coarse}


def draw(tables, curves, figure):
    import matplotlib.pyplot as plt
    from matplotlib.colors import LogNorm

    fig, axes = plt.subplots(1, 3, figsize=(13, 3.9), layout="constrained")
    columns = ("local", *EXPONENTS)
    for ax, title, errors in zip(axes, TITLES, tables, strict=False):
        values = np.array([[errors[column, name] for column in columns] for name in CLASSES])
        image = ax.imshow(values, norm=LogNorm(1, 2000), cmap="YlOrRd", aspect="auto")
        for (i, j), value in np.ndenumerate(values):
            text = f"{value:.0f}" if value > 0.5 else f"{value:.0e}".replace("e-0", "e-")
            color = "white" if value > 200 else "black"
            ax.text(j, i, text, ha="center", va="center", color=color, fontsize=8)
        ax.set_xticks(range(len(columns)), columns)
        ax.set_yticks(range(len(CLASSES)), CLASSES if ax is axes[0] else [])
        ax.set_xlabel("exponent p of the features")
        ax.set_title(title, fontsize=10)
    fig.colorbar(image, ax=axes[1], label="far RMSE / % of rms energy")
    _, y, distance = beads("charge-dipole", FAR, 40)
    for p in (1, 2, 3, 6):
        axes[2].semilogy(distance, abs(curves[p, "charge-dipole"]), label=f"p = {p}")
    axes[2].semilogy(distance[::3], abs(y[::3]), "ko", ms=4, label="exact")
    axes[2].set(xlabel="distance / angstrom", ylabel="|energy| / eV")
    axes[2].set_title("charge-dipole, aligned beads", fontsize=10)
    axes[2].legend()
    fig.savefig(figure, dpi=110)
    plt.close(fig)


if __name__ == "__main__":
    main(figure="binding_curves.png")
