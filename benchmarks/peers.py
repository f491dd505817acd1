"""Featomic and DScribe with the parameters that sklode has, and their numbers in its columns."""

from importlib.util import find_spec

import numpy as np
from ase.data import atomic_numbers


def installed(package, alone=None):
    """Whether a peer can be timed; says so if not, and what brings one that ``bench`` does not."""
    found = find_spec(package) is not None
    if not found:
        print(f"{package} is not installed: left out (pip install {alone or '-e .[bench]'})")
    return found


def featomic_lode(*, exponent, n_max, l_max, cutoff, smearing, k_cutoff, **basis):
    """LODE coefficients in orthonormal GTOs; ``spline_accuracy`` may be given."""
    from featomic import LodeSphericalExpansion

    return LodeSphericalExpansion(
        density={"type": "SmearedPowerLaw", "smearing": smearing, "exponent": exponent},
        k_cutoff=k_cutoff,
        basis={
            "type": "TensorProduct",
            "max_angular": l_max,
            "radial": {"type": "Gto", "max_radial": n_max - 1, "radius": cutoff},
            **basis,
        },
    )


def featomic_soap(*, n_max, l_max, cutoff, smearing, cutoff_width=0.5, **basis):
    """Power spectrum of the local density in orthonormal GTOs."""
    from featomic import SoapPowerSpectrum

    return SoapPowerSpectrum(
        cutoff={
            "radius": cutoff,
            "smoothing": {"type": "ShiftedCosine", "width": cutoff_width},
        },
        density={"type": "Gaussian", "width": smearing},
        basis={
            "type": "TensorProduct",
            "max_angular": l_max,
            "radial": {"type": "Gto", "max_radial": n_max - 1},
            **basis,
        },
    )


def dscribe_soap(structures, *, n_max, l_max, cutoff, smearing):
    """SOAP in DScribe's own GTOs: work of the same kind, other numbers."""
    from dscribe.descriptors import SOAP

    return SOAP(
        species=sorted({symbol for atoms in structures for symbol in atoms.symbols}),
        periodic=bool(structures[0].pbc.all()),
        r_cut=cutoff,
        n_max=n_max,
        l_max=l_max,
        sigma=smearing,
        rbf="gto",
        average="off",
    )


def in_columns_of(table, descriptor, structures):
    """Values of a featomic TensorMap as an array like that of ``transform_atoms``.

    ``table`` is the ``feature_table_`` of sklode's coefficients or power spectrum. Blocks that
    featomic leaves out, of elements without neighbours, are zero; a block that has no column is an
    error. Both orders of two radial functions of one element are one column times sqrt(2).
    """
    columns = _column_numbers(table)
    offsets = np.cumsum([0] + [len(atoms) for atoms in structures])
    values = np.zeros((offsets[-1], len(columns)))
    for key, block in descriptor.items():
        rows = offsets[block.samples.column("system")] + block.samples.column("atom")
        for name, column in zip(
            _names(key, block), block.values.reshape(len(rows), -1).T, strict=True
        ):
            order = _order_of_equals(name)
            if order <= 0:
                values[rows, columns[name]] = column * (np.sqrt(2.0) if order else 1.0)
    return values


def _order_of_equals(name):
    """Whether the first of two radial functions of one element is the lower one, -1, or not, 1."""
    if len(name) == 4 or name[0] != name[1]:
        return 0
    return np.sign(name[2] - name[3])


def _names(key, block):
    """What the columns of a flattened block mean."""
    if len(block.components) == 0:
        pair = int(key["neighbor_1_type"]), int(key["neighbor_2_type"])
        radial = zip(*[block.properties.column(name) for name in ("n_1", "n_2", "l")], strict=True)
        return [(*pair, *map(int, indices)) for indices in radial]
    species, l = int(key["neighbor_type"]), int(key["o3_lambda"])
    order = [int(n) for n in block.properties.column("n")]
    return [(species, n, l, m) for m in range(-l, l + 1) for n in order]


def _column_numbers(table):
    if "m" in table:
        fields, elements = ["species", "n", "l", "m"], 1
    else:
        fields, elements = ["species_1", "species_2", "n_1", "n_2", "l"], 2
    names = table[fields].itertuples(index=False, name=None)
    return {
        (*(atomic_numbers[s] for s in name[:elements]), *map(int, name[elements:])): j
        for j, name in enumerate(names)
    }
