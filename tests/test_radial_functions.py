"""How many radial functions the potential of far atoms needs (theory 6.2)."""

import numpy as np
import pytest
from ase import Atoms
from scipy.special import hyp2f1, roots_legendre
from systems import expand

from sklode.physics.radial.bases import BASES

NODES, WEIGHTS = roots_legendre(100)
R, SHELLS = 0.5 * (NODES + 1), 0.125 * WEIGHTS * (NODES + 1) ** 2  # r and r^2 dr on [0, 1]
DISTANCES = [1.02, 1.25, 2.0]  # of the atom, in cutoffs
# relative L2 residual of the l = 0 potential in the cutoff sphere, as printed in theory 6.2
TABLE = {
    (2, 1): [0.22, 0.085, 0.025],
    (3, 1): [0.71, 0.26, 0.075],
    (6, 1): [0.98, 0.74, 0.32],
    (2, 3): [4e-2, 2e-3, 6e-5],
    (3, 3): [0.34, 1.7e-2, 4e-4],
    (6, 3): [0.85, 0.20, 9.5e-3],
}


def radial_profile(p, l, r, distance):
    """The r dependence of degree l of 1/|r - d|^p, eq. (6.1)."""
    return r**l * hyp2f1(0.5 * p + l, 0.5 * (p - 1), l + 1.5, (r / distance) ** 2)


def residual(p, l, n_max, distance):
    """Part of the potential that n_max monomials leave, relative L2 in the unit sphere."""
    functions = BASES["monomial"](n_max, l, 1.0).functions(R)[l]
    profile = radial_profile(p, l, R, distance)
    left = profile - (functions * SHELLS @ profile) @ functions
    return np.sqrt(SHELLS @ left**2 / (SHELLS @ profile**2))


def printed_digits(value):
    """Half a unit of the last digit printed."""
    mantissa, exponent = f"{value:.1e}".split("e")
    digits = 1 if mantissa.endswith("0") else 2
    return 0.5 * 10.0 ** (int(exponent) + 1 - digits)


@pytest.mark.parametrize(("p", "n_max"), TABLE)
def test_residuals_of_the_table(p, n_max):
    for distance, expected in zip(DISTANCES, TABLE[p, n_max], strict=True):
        error = abs(residual(p, 0, n_max, distance) - expected)
        assert error <= 1.02 * printed_digits(expected), (distance, expected)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("l", range(5))
def test_one_function_is_all_of_the_electrostatic_potential(l, distance):
    for n_max in (1, 3):
        assert residual(1, l, n_max, distance) < 1e-12


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("l", [0, 1, 2, 4])
@pytest.mark.parametrize("p", [0.5, 2, 2.5, 3, 4, 6])
def test_each_function_more_leaves_less(p, l, distance):
    residuals = [residual(p, l, n_max, distance) for n_max in range(1, 6)]
    assert (np.diff(residuals) < 0).all()
    assert residuals[-1] < residuals[0] * distance**-4


@pytest.mark.parametrize("n_max", [1, 2, 3])
@pytest.mark.parametrize("distance", DISTANCES)
def test_steeper_potentials_and_nearer_atoms_need_more(distance, n_max):
    assert (np.diff([residual(p, 0, n_max, distance) for p in (1, 2, 3, 4, 6)]) > 0).all()
    assert residual(6, 0, n_max, distance) > residual(6, 0, n_max, 1.3 * distance)


@pytest.mark.parametrize(
    ("p", "distance", "smearing"),
    [
        (1, 2.0, 0.1),
        (2, 2.0, 0.1),
        (3, 2.0, 0.1),
        (6, 2.0, 0.1),
        (3, 1.25, 0.035),
        (6, 1.25, 0.035),
    ],
)
def test_features_leave_the_residuals_of_the_table(p, distance, smearing):
    """The norm of the coefficients of one atom, against that of its bare potential."""
    atoms = Atoms("HO", positions=[[0, 0, 0], [0, 0, distance]])
    whole = 4 * np.pi * SHELLS @ (distance**-p * radial_profile(p, 0, R, distance)) ** 2
    for n_max in (1, 3):
        options = {"cutoff": 1.0, "n_max": n_max, "l_max": 0, "smearing": smearing}
        found = expand(atoms, exponent=p, exterior=True, cutoff_width=0.1, **options)[0, 1, :, 0]
        left = np.sqrt(max(0.0, 1.0 - found @ found / whole))
        assert left == pytest.approx(residual(p, 0, n_max, distance), rel=1e-2, abs=3e-5)
