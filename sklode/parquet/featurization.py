"""Features of more structures than fit in memory, written to disk."""

import os
from collections.abc import Sequence
from numbers import Integral
from pathlib import Path
from typing import Literal

from sklearn.base import BaseEstimator

from ..streaming.sources import Source, Structures
from .arrow import arrow
from .columns import fixed_columns
from .dataset import FeatureDataset
from .described import Level, check_atoms
from .parts import alone_in, part_paths
from .run import Plan, Run


def featurize(
    transformer: BaseEstimator,
    source: Structures | Source,
    destination: str | os.PathLike,
    *,
    level: Level = "structure",
    batch_atoms: int | None = None,
    n_jobs: int | None = None,
    resume: bool = True,
    on_error: Literal["raise", "skip"] = "raise",
    info_keys: Sequence[str] = (),
) -> FeatureDataset:
    """Describe structures one batch after the other, and write the rows to a folder of Parquet.

    Memory does not grow with the number of structures. Each file of the folder is complete or not
    there: whatever ends this function, the same call goes on where it ended, and the result is the
    same.

    Parameters
    ----------
    transformer : transformer of structures
        A transformer of this package, a FeatureUnion or a Pipeline. A fitted one is used as it is.
        One that is not fitted and learns nothing but elements is cloned, and fitted to those of the
        source, which is read twice then.
    source : path-like, list of path-like, iterable of ase.Atoms, callable or Source
        A file that ASE reads, a pattern such as ``"runs/*.xyz"``, a list of paths, structures in
        memory, an iterator, or a function that returns one; see `sklode.streaming.Source`.
    destination : path-like
        A folder, which is made.
    level : {"structure", "atom"}, default="structure"
        Whether a row describes a structure or an atom.
    batch_atoms : int, default=None
        Atoms of a file, and of the work that a worker gets at once. None means 16384, less if that
        makes more than 32 MB of features.
    n_jobs : int, default=None
        Number of workers, as in joblib, whose backends may be other machines.
    resume : bool, default=True
        Whether to go on with what is in the folder. With False it must be empty.
    on_error : {"raise", "skip"}, default="raise"
        Whether a structure that cannot be read or described ends the work, or is listed with its
        formula and the reason in ``skipped`` of the result. "raise" also refuses a folder that
        lacks structures.
    info_keys : sequence of str, default=()
        Keys of ``atoms.info`` that get a column: of booleans, of whole or of real numbers, or of
        text, as the first structures have it. Arrays, and values of several types, are JSON, where
        text stays as it is, so that 1 and "1" are the same there.

    Returns
    -------
    FeatureDataset
        Columns: ``structure`` (place in the source, from 0), ``atom`` and ``symbol`` with rows of
        atoms, ``formula``, ``n_atoms``, ``energy`` (eV; of the structure; null without a
        calculator, or if it is not finite), the info keys, and the features by their names.

    Raises
    ------
    FileExistsError
        If the folder holds other things, or features with ``resume=False``.
    ImportError
        Without pyarrow.
    OSError
        If a file cannot be read or written; what is in the folder stays usable.
    RuntimeError
        If a worker process was killed, or another process writes to the folder.
    TypeError, ValueError
        For a wrong parameter, a structure that cannot be described, and a folder that was made from
        other structures or with another transformer; the message says what differs.

    See Also
    --------
    sklode.streaming.FeatureDataset : What is read back.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from ase.build import molecule
    >>> import pandas as pd
    >>> import sklode
    >>> molecules = [molecule("H2O"), molecule("CH4")]
    >>> density = sklode.DensityProjector(cutoff=3.0, n_max=2, l_max=1)
    >>> with TemporaryDirectory() as folder:
    ...     dataset = sklode.featurize(density, molecules, folder)
    ...     frame = pd.read_parquet(folder)
    >>> frame.shape, list(frame.columns[:3])
    ((2, 46), ['structure', 'formula', 'n_atoms'])
    """
    arrow()
    _check_choices(level, batch_atoms, on_error)
    if not all(hasattr(transformer, name) for name in ("transform", "get_feature_names_out")):
        raise TypeError(
            "transformer must have transform and get_feature_names_out, as those of sklode and "
            f"scikit-learn have; got {transformer!r:.80}."
        )
    if level == "atom":
        check_atoms(transformer)
    batch_atoms = None if batch_atoms is None else int(batch_atoms)
    plan = Plan(level, batch_atoms, _checked_keys(info_keys, level))
    structures = Source(source)
    folder = _made(Path(destination), resume)
    with alone_in(folder):
        run = Run(transformer, structures, folder, plan, skip=on_error == "skip")
        if not run.is_done():
            run.go(n_jobs)
    return FeatureDataset(folder)


def _check_choices(level, batch_atoms, on_error):
    if level not in ("structure", "atom"):
        raise ValueError(f'level must be "structure" or "atom"; got {level!r}.')
    if on_error not in ("raise", "skip"):
        raise ValueError(f'on_error must be "raise" or "skip"; got {on_error!r}.')
    whole = isinstance(batch_atoms, Integral) and not isinstance(batch_atoms, bool)
    if batch_atoms is not None and not (whole and batch_atoms > 0):
        raise ValueError(f"batch_atoms must be a positive integer or None; got {batch_atoms!r}.")


def _checked_keys(info_keys, level):
    if isinstance(info_keys, str):
        raise TypeError(
            f"info_keys must be a list of keys; got {info_keys!r}. Pass [{info_keys!r}]."
        )
    keys = tuple(info_keys)
    for key in keys:
        if not isinstance(key, str):
            raise TypeError(f"info_keys must be a list of keys that are text; got {key!r}.")
    taken = [key for key in keys if key in fixed_columns(level) or keys.count(key) > 1]
    if taken:
        raise ValueError(
            f"info_keys: {taken[0]!r} is the name of another column. Copy the value to another key."
        )
    return keys


def _made(folder, resume):
    """The folder of the data set, which holds nothing else."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise FileExistsError(f"{folder}: is a file; give a folder.") from None
    parts = part_paths(folder)
    if parts and not resume:
        raise FileExistsError(
            f"{folder}: holds features already. Remove it, give another folder, or pass "
            "resume=True to go on with it."
        )
    others = {path for path in folder.iterdir() if not path.name.startswith(".")}
    if others - set(parts):
        strange = min(path.name for path in others - set(parts))
        raise FileExistsError(
            f"{folder}: holds other things ({strange}); give a folder of its own."
        )
    return folder
