"""Block sizes and thresholds so small that four atoms cross every border of ``physics.blocks``."""

import sys
from functools import cache, lru_cache

from sklode.physics import blocks

SHRUNKEN = {
    # blocks are larger than 1, so that the last one may be shorter; thresholds lie between the
    # sizes of the structures in ``operators``, so that both sides occur
    "PAIRS_LISTED": 3,
    "PAIRS": 11,
    "PAIR_NUMBERS": 300,
    "SHARED_FUNCTIONS": 100,
    "SEARCHED_ATOMS": 3,
    "PHASES": 500,
    "FEWEST_WAVES": 20,
    "ROWS_OF_WAVES": 8,
    "SMALL_PRODUCT": 10000,
    "PHASES_OF_SMALL_CELL": 1500,
    "KERNEL_WAVES": 500,
    "DECAY_NUMBERS": 2000,
    "SIMILAR_BOUNDS": 1,
    "LISTED_WAVES": 2000,
    "KEPT_PLANS": 1,
    "KEPT_ACCURACIES": 1,
    "CHECKED_ATOMS": 1,
    "WAVE_NUMBERS": 6000,
    "MANY_ATOMS": 4,
    "MANY_ATOMS_STANDING": 5,
    "STANDING_POSITIONS": 3,
    "GRADIENT_NUMBERS": 1000,
    "WINDOW_NUMBERS": 25000,
    "FEWEST_ATOMS": 1,
    "SLAB_WIDTHS": 1,
    "PLANES": 3,
    "FIELD_NUMBERS": 20000,
    "SPECTRUM_NUMBERS": 200,
    "SPECTRUM_GRADIENT_NUMBERS": 1000,
    "SERIES_POINTS": 4,
    "BESSEL_NUMBERS": 1000,
    "RULE_NODES": 24,
    "LEFT_OUT_NUMBERS": 100,
    "SHORT_KEYS": 10,
    "MANY_WAVES": 300,
    "FEW_WAVES": 50,
    "LATTICE_PHASES": 100,
    "CHUNK_ATOMS": 9,
    "CHUNK_ATOMS_WITH_GRADIENTS": 11,
    "EQUAL_WORKERS": 2,
    "CHUNKS_PER_TASK": 2,
    "SHARED_BYTES": 100,
    "KEPT_SHARED_BYTES": 1000,
    "EQUATION_BYTES": 1000,
    "CACHED_EQUATION_BYTES": 3000,
    "BATCH_ATOMS": 20,
    "BATCH_NUMBERS": 1000,
    "BATCHES_AHEAD": 1,
    "BATCHES_PER_WORKER": 1,
    "OPEN_PER_WORKER": 2,
    "DATABASE_ROWS": 3,
    "WAITING_ROWS": 1,
}


def sizes():
    """Names and values of all sizes and thresholds, but for those that refuse the work."""
    names = [name for name in vars(blocks) if name.isupper() and not name.startswith("MOST_")]
    return {name: getattr(blocks, name) for name in names}


def shrink(monkeypatch):
    """Make them small; a new one must be given a small value above.

    What is made with small blocks differs by rounding errors, so that it is kept in caches of its
    own: other tests compare the last bits.
    """
    assert sizes().keys() == SHRUNKEN.keys()
    for name, value in SHRUNKEN.items():
        monkeypatch.setattr(blocks, name, value)
    for module in [m for name, m in sys.modules.items() if name.startswith("sklode.")]:
        for name, kept in list(vars(module).items()):
            if hasattr(kept, "cache_parameters"):
                monkeypatch.setattr(module, name, cache_of(kept))


@cache
def cache_of(function):
    """The same function with an empty cache, one for all tests with small blocks."""
    return lru_cache(**function.cache_parameters())(function.__wrapped__)
