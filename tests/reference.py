"""The equations of the theory page in plain loops; of a model only the parameters are read."""

from functools import partial
from itertools import combinations_with_replacement, product

import numpy as np
import reference_layers
from ase.neighborlist import neighbor_list
from reference_functions import fourier, harmonics, quadrature
from scipy.special import factorial2, gamma, gammainc, poch, spherical_jn


def radial_integrals(model, k):
    """Sections 3 and 3.1: I_nl(k), shape (l, n, k)."""
    n, gto = np.arange(model.n_max)[:, None], model.radial_basis == "gto"
    widths = model.cutoff * np.maximum(np.sqrt(n), 1) / model.n_max
    r, w = quadrature(120, 0, np.max(widths * (np.sqrt(n) + 9)) if gto else model.cutoff)
    out = []
    for l in range(model.l_max + 1):
        functions = r**n * np.exp(-(r**2) / (2 * widths**2)) if gto else r ** (l + 2 * n)
        functions = functions / np.sqrt(functions**2 @ (w * r**2))[:, None]
        values, vectors = np.linalg.eigh(w * r**2 * functions @ functions.T)
        functions = w * r**2 * (vectors / np.sqrt(values) @ vectors.T @ functions)
        out.append(functions @ spherical_jn(l, np.outer(r, k)))
    return np.array(out)


def inside(model, d):
    """Eq. (7.1)."""
    return (1 + np.cos(np.pi * np.clip((d - model.cutoff) / model.cutoff_width + 1, 0, 1))) / 2


def pair_sum(atoms, weights, l_max, reach, function):
    """Sum over others and images within reach of w_j f_nl(d) Y_lm: (atom, channel, n, lm)."""
    out = np.zeros((len(atoms), len(weights), len(function(1.0)[0]), (l_max + 1) ** 2))
    for i, j, vector in zip(*neighbor_list("ijD", atoms, reach), strict=True):
        of_m = np.repeat(function(np.linalg.norm(vector)).T, range(1, 2 * l_max + 2, 2), axis=1)
        out[i] += np.multiply.outer(weights[:, j], of_m * harmonics(l_max, vector[None]))
    return out


def wave_sum(atoms, weights, l_max, k_cutoff, function):
    """Eq. (4.1) with f_nl(k) for v(k) I_nl(k), and with the term of k = 0."""
    bounds = atoms.cell.lengths() * k_cutoff / (2 * np.pi)
    integers = product(*[range(-int(bound), int(bound) + 1) for bound in bounds])
    k = np.array([n for n in integers if n > (0, 0, 0)]) @ (2 * np.pi * np.linalg.inv(atoms.cell).T)
    k = k[np.linalg.norm(k, axis=1) < k_cutoff]
    kernel, y = function(np.linalg.norm(k, axis=1)), harmonics(l_max, k)
    out = np.zeros((len(atoms), len(weights), len(kernel[0]), (l_max + 1) ** 2))
    out[..., 0] = np.outer(weights.sum(axis=1), function(np.zeros(1))[0]) / np.sqrt(16 * np.pi)
    for i, j, l in product(range(len(atoms)), range(len(atoms)), range(l_max + 1)):
        phases, of_l = k @ (atoms.positions[i] - atoms.positions[j]), slice(l * l, (l + 1) ** 2)
        wave = (-1) ** ((l + 1) // 2) * (np.sin(phases) if l % 2 else np.cos(phases))
        out[i, :, :, of_l] += np.multiply.outer(weights[:, j], kernel[l] * wave @ y[:, of_l])
    return 8 * np.pi / atoms.get_volume() * out


def field(model, law, atoms, weights):
    """Sections 3.2, 4, 5 and 7: coefficients of the density, or of the potential of a law."""

    def transform(k):
        kept = 1 - (k == 0) * (isinstance(law, (int, float)) and 0 < law <= 3)  # section 2.3
        return kept * fourier(law, model.smearing, k) * radial_integrals(model, k)

    def pair(d):
        return np.array([f @ spherical_jn(l, k * d) for l, f in enumerate(terms)])

    u, w = quadrature(100, -40, -3, 0, 1, np.log(9 / model.smearing))
    k, terms = np.exp(u), 2 / np.pi * w * np.exp(3 * u) * transform(np.exp(u))
    own = np.multiply.outer(weights.T, pair(0.0)[0]) / np.sqrt(4 * np.pi)
    near = model.l_max, model.cutoff, lambda d: inside(model, d) * pair(d)
    if not hasattr(model, "exponent"):
        out = pair_sum(atoms, weights, *near)
    elif atoms.pbc.any() and not atoms.pbc.all():
        integrals = partial(radial_integrals, model)
        parameters = [law] * model.n_max, model.smearing, integrals, model.cutoff
        out = reference_layers.wave_sum(atoms, weights, 9 / model.smearing, *parameters)
        out[..., 0] -= own
    elif atoms.pbc.any():
        out = wave_sum(atoms, weights, model.l_max, 9 / model.smearing, transform)
        out[..., 0] -= own
    else:
        out = pair_sum(atoms, weights, model.l_max, 99.0, pair)
    out -= getattr(model, "exterior", False) * pair_sum(atoms, weights, *near)
    out[..., 0] += model.include_center * own
    return out


def multipoles(model, p, atoms, weights):
    """Section 6.5, split at 1 angstrom; the plain sum if isolated."""
    l, p = np.arange(model.l_max + 1)[:, None], p + 2 * np.arange(model.n_max)
    scale = 4 * np.pi * poch(p / 2, l) / poch(1.5, l) * factorial2(2 * l + 1)
    periodic, own = atoms.pbc.any(), 2 ** (-p / 2) / gamma(p / 2 + 1) / np.sqrt(4 * np.pi)

    def near(d):
        return (1 - inside(model, d) - periodic * gammainc(p / 2 + l, d**2 / 2)) / d ** (p + l)

    def taylor(k):
        return k ** l[:, :, None] / scale[:, :, None]

    def far(k):
        at_zero = 4 * np.pi * np.log(model.cutoff) * (k == 0)  # of p = 3
        return np.array([fourier(q, 1, k) + (q == 3) * at_zero for q in p]) * taylor(k)

    out = pair_sum(atoms, weights, model.l_max, 9.5 if periodic else 99.0, near)
    if atoms.pbc.all():
        out += wave_sum(atoms, weights, model.l_max, 9.5, far)
    elif periodic:
        out += reference_layers.wave_sum(atoms, weights, 9.5, p, 1.0, taylor, model.cutoff)
    if periodic:
        out[..., 0] -= np.multiply.outer(weights.T, own)
    return out


def spectrum(left, right):
    """Eq. (7.2) of the coefficients (law, channel, n, lm) of an atom, in the order of columns.

    Where ``right`` is ``left`` each law with itself, and each unordered pair of (channel, n) once.
    """
    row, l_max = [], int(np.sqrt(min(left.shape[-1], right.shape[-1]))) - 1
    for first, second in zip(left, left, strict=True) if right is left else product(left, right):
        for (a, of_a), (b, of_b) in product(enumerate(first), enumerate(second)):
            for (n, x), (m, y) in product(enumerate(of_a), enumerate(of_b)):
                one, other = (a, n), (b, m)
                factor = 1 if one == other or right is not left else np.sqrt(2) * (one < other)
                for l in range(l_max + 1) if factor else ():
                    of_l = slice(l * l, (l + 1) ** 2)
                    row.append(factor * (-1) ** l / np.sqrt(2 * l + 1) * x[of_l] @ y[of_l])
    return row


def spectrum_of_equals(both):
    """Each unordered pair of (law, channel, n) of two equal fields once."""
    row = []
    for i, j in combinations_with_replacement(range(len(both)), 2):
        first, second = both[i : i + 1], both[j : j + 1]
        row += (
            spectrum(first, first)
            if i == j
            else list(np.sqrt(2) * np.array(spectrum(first, second)))
        )
    return row
