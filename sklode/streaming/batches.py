"""Structures of a source in batches, read ahead of the work on them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TypeVar

from .records import Record
from .sources import Source

T = TypeVar("T")

_PATIENCE = 0.1  # seconds between looks at whether anybody still wants what was read


@dataclass(frozen=True)
class Batch:
    """Consecutive structures.

    Attributes
    ----------
    number : int
        Place among the batches, from 0.
    records : list of Record
    is_last : bool
        Whether the source ends with it.
    fraction : float or None
        How much of the source has been read.
    """

    number: int
    records: list[Record]
    is_last: bool
    fraction: float | None

    def digest(self) -> str:
        """Text that batches of other structures do not have."""
        return blake2b(b"".join(r.digest() for r in self.records), digest_size=16).hexdigest()


class Filling:
    """Where one batch ends and the next begins.

    Parameters
    ----------
    most_atoms, most_structures : int
        Of a batch; one structure may be larger.
    """

    def __init__(self, most_atoms: int, most_structures: int):
        self._most_atoms, self._most_structures = most_atoms, most_structures
        self._n_atoms = self._n_structures = 0

    def begins(self, n_atoms: int) -> bool:
        """Whether the next structure, of so many atoms, begins a batch."""
        full = self._n_structures == self._most_structures
        begins = self._n_structures > 0 and (full or self._n_atoms + n_atoms > self._most_atoms)
        if begins:
            self._n_atoms = self._n_structures = 0
        self._n_atoms, self._n_structures = self._n_atoms + n_atoms, self._n_structures + 1
        return begins


def cut(source: Source, most_atoms: int, most_structures: int) -> Iterator[Batch]:
    """Batches of a source, which depend on its structures alone.

    Parameters
    ----------
    source : Source
    most_atoms, most_structures : int
        Of a batch; one structure may be larger.

    Yields
    ------
    Batch
    """
    held: list[Record] = []
    number, fraction, filling = 0, None, Filling(most_atoms, most_structures)
    for record in source.records():
        if filling.begins(record.n_atoms):
            yield Batch(number, held, False, fraction)
            number, held = number + 1, []
        held.append(record)
        fraction = source.fraction
    if held:
        yield Batch(number, held, True, 1.0)


def ahead(items: Iterable[T], at_most: int) -> Iterator[T]:
    """Items that a thread takes from an iterable before they are needed.

    Parameters
    ----------
    items : iterable
    at_most : int
        How many are held.

    Yields
    ------
    object

    Raises
    ------
    Exception
        What the iterable raises, after the items before it.
    """
    queue: Queue = Queue(at_most)
    stopped = Event()

    def put(item):
        while not stopped.is_set():
            try:
                queue.put(item, timeout=_PATIENCE)
                return
            except Full:
                continue

    def read():
        try:
            for item in items:
                put((item, None))
                if stopped.is_set():
                    return
            put((None, StopIteration()))
        except BaseException as error:  # raised where the items are used
            put((None, error))

    reader = Thread(target=read, name="sklode reader", daemon=True)
    reader.start()
    try:
        while True:
            try:
                item, error = queue.get(timeout=1.0)
            except Empty:
                if not reader.is_alive() and queue.empty():
                    raise RuntimeError("The thread that reads structures has ended.") from None
                continue
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item
    finally:
        stopped.set()
