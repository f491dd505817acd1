"""Labels of the columns: the feature tables, and the names made from them.

Tables are kept, since they are asked for at every step of a simulation: they must not be changed.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

import pandas as pd


@dataclass(frozen=True)
class Block:
    """Columns of one kind of field, as one axis of the coefficients.

    Attributes
    ----------
    family : str
        "rho", or "v" or "m" and the law.
    exponent : float or None
        None for what is no power law.
    channels : tuple of str
        Element symbols, or the name of the charges.
    n_max : int
        Number of radial functions.
    """

    family: str
    exponent: float | None
    channels: tuple
    n_max: int

    @property
    def size(self):
        """Number of (channel, n) pairs."""
        return len(self.channels) * self.n_max


def coefficient_table(blocks, l_max):
    """Rows (species, n, l, m) of the equivariant coefficients themselves."""
    return _coefficient_table(tuple(blocks), int(l_max))


@lru_cache(maxsize=64)
def _coefficient_table(blocks, l_max):
    rows = [
        {**_identity(block), "species": species, "n": n, "l": l, "m": m}
        for block in blocks
        for species in block.channels
        for n in range(block.n_max)
        for l in range(l_max + 1)
        for m in range(-l, l + 1)
    ]
    return _named(rows, lambda r: f"{r['species']}_n{r['n']}_l{r['l']}_m{r['m']}")


def radial_spectrum_table(blocks):
    """Rows (species, n) of the l = 0 coefficients."""
    rows = [
        {**_identity(block), "species": species, "n": n, "l": 0}
        for block in blocks
        for species in block.channels
        for n in range(block.n_max)
    ]
    return _named(rows, lambda r: f"{r['species']}_n{r['n']}_l{r['l']}")


def power_spectrum_table(pairs, l_max, name_both):
    """Rows (species_1, species_2, n_1, n_2, l) of pairs of blocks.

    ``pairs`` holds (left, right); right is left for the spectrum of a field with itself, which has
    each unordered pair of (species, n) once. Its family is that of left alone, unless
    ``name_both``.
    """
    # None beside a block: another projector's block may be equal to it
    pairs = tuple((left, None if right is left else right) for left, right in pairs)
    return _power_spectrum_table(pairs, int(l_max), bool(name_both))


@lru_cache(maxsize=64)
def _power_spectrum_table(pairs, l_max, name_both):
    rows = [
        {
            **(_pair_identity(left, right or left) if name_both else _identity(left)),
            "species_1": first,
            "n_1": n1,
            "species_2": second,
            "n_2": n2,
            "l": l,
        }
        for left, right in pairs
        for position, first in enumerate(left.channels)
        for second in (left.channels[position:] if right is None else right.channels)
        for n1 in range(left.n_max)
        for n2 in range(n1 if right is None and first == second else 0, (right or left).n_max)
        for l in range(l_max + 1)
    ]
    return _named(
        rows, lambda r: f"{r['species_1']}.{r['species_2']}_n{r['n_1']}n{r['n_2']}_l{r['l']}"
    )


def split_by_center(table, centers):
    """Repeat a table for every central element."""
    parts = []
    for center in centers:
        part = table.copy()
        rest = [name.split("_", 1)[1] for name in table["name"]]
        part["name"] = [
            f"{family}_{center}_{tail}" for family, tail in zip(table["family"], rest, strict=True)
        ]
        part.insert(list(table.columns).index("family") + 1, "center", center)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _identity(block):
    fields = {"family": block.family}
    if block.exponent is not None:
        fields["exponent"] = block.exponent
    return fields


def _pair_identity(left, right):
    fields = {"family": left.family + right.family}
    exponents = [b.exponent for b in (left, right) if b.exponent is not None]
    if len(exponents) == 1:
        fields["exponent"] = exponents[0]
    elif exponents:
        fields["exponent_1"], fields["exponent_2"] = exponents
    return fields


def _named(rows, label):
    table = pd.DataFrame(rows)
    table.insert(0, "name", [_plain(f"{row['family']}_{label(row)}") for row in rows])
    return table


def _plain(name):
    """ASCII without double underscores, whatever the charges array is called."""
    return re.sub(r"_{2,}|[^ -~]+|\s+", "_", name)
