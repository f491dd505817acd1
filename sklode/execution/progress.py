"""How far long work is, for whoever looks."""

import sys
from multiprocessing import current_process
from threading import current_thread, main_thread

from tqdm.auto import tqdm

PATIENCE = 2.0  # seconds without a sign of progress


def progress_bar(what: str, total: int | None = None) -> tqdm:
    """A bar that counts structures, with their rate and the time that is left.

    Parameters
    ----------
    what : str
    total : int, default=None
        Number of structures, if it is known.

    Returns
    -------
    tqdm
        It shows itself after ``PATIENCE`` seconds, if somebody looks.
    """
    return tqdm(
        desc=what,
        total=total,
        unit="structure",
        delay=PATIENCE,
        leave=False,
        disable=not somebody_looks(),
    )


def move_on(progress: tqdm, count: int, fraction: float | None) -> None:
    """Count structures of a source, of which a fraction has been read."""
    progress.update(count)
    if fraction:
        progress.total = max(round(progress.n / fraction), progress.n)


def somebody_looks() -> bool:
    """Whether this is neither a worker nor a program that writes to a file."""
    own = current_process().name == "MainProcess" and current_thread() is main_thread()
    return own and ("ipykernel" in sys.modules or sys.stderr.isatty())
