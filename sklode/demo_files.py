"""What the demo reads and writes."""

from dataclasses import dataclass
from pathlib import Path

import ase.io
import ase.units
import joblib
import numpy as np

from .datasets import load_s22x5
from .reading import describe


@dataclass
class DimerSet:
    """Structures with what the demo needs to know about them.

    Attributes
    ----------
    structures : list of ase.Atoms
    energies : ndarray of shape (n_structures,)
        Interaction energies with fragments, total energies without; eV.
    groups : ndarray of shape (n_structures,)
        Names of the molecules or pairs that are left out together.
    distance : ndarray of shape (n_structures,) or None
        Separation, in any unit.
    has_fragments : bool
        Whether the structures carry a "fragment" array.
    """

    structures: list
    energies: np.ndarray
    groups: np.ndarray
    distance: np.ndarray | None
    has_fragments: bool


def read_dimers(path=None, *, energy=None, group=None, distance=None, fragments=None):
    """The S22x5 dimers, or those of an extended XYZ file.

    Parameters
    ----------
    path : path-like, default=None
        File to read; None takes ``load_s22x5``.
    energy : str, default=None
        Key of ``atoms.info`` with the energy in eV, or in the unit that the key ``energy_unit``
        names; None takes the calculator's energy.
    group : str, default=None
        Key that names the molecules of a structure; None takes its chemical formula.
    distance : str, default=None
        Key of the separation; None leaves out the extrapolation to far structures.
    fragments : str, default=None
        A per-atom array of integers, or a key that holds the number of atoms of the first molecule.

    Returns
    -------
    DimerSet

    Raises
    ------
    ValueError
        If a key is missing; the message names the structure and the keys that it has.
    OSError
        If the file cannot be read.
    """
    if path is None:
        data = load_s22x5()
        return DimerSet(data.data, data.target, data.groups, data.distance, True)
    structures = ase.io.read(path, ":")
    if not structures:
        raise ValueError(f"{path} holds no structures.")
    energies = [_energy(i, atoms, energy) for i, atoms in enumerate(structures)]
    if group is None:
        groups = [atoms.get_chemical_formula() for atoms in structures]
    else:
        groups = [str(_info(i, atoms, group)) for i, atoms in enumerate(structures)]
    separations = None
    if distance is not None:
        separations = _numbers([_info(i, a, distance) for i, a in enumerate(structures)], distance)
    if fragments is not None:
        for i, atoms in enumerate(structures):
            atoms.set_array("fragment", _fragment_labels(i, atoms, fragments))
    return DimerSet(
        structures,
        _numbers(energies, "the energy"),
        np.array(groups),
        separations,
        fragments is not None,
    )


def _info(index, atoms, key):
    if key not in atoms.info:
        raise ValueError(
            f"{describe(index, atoms)}: has no key '{key}'; it has {sorted(atoms.info)}."
        )
    return atoms.info[key]


def _numbers(values, what):
    try:
        numbers = np.array(values, float)
    except (TypeError, ValueError):
        raise ValueError(f"{what} must be a number in every structure.") from None
    if not np.isfinite(numbers).all():
        where = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise ValueError(f"X[{where}]: {what} is {numbers[where]}; it must be finite.")
    return numbers


def _energy(index, atoms, key):
    if key is None:
        if atoms.calc is None or "energy" not in atoms.calc.results:
            raise ValueError(
                f"{describe(index, atoms)}: has no energy; name its key with --energy. It has the "
                f"keys {sorted(atoms.info)}."
            )
        return atoms.calc.results["energy"]
    value = _info(index, atoms, key)
    unit = str(atoms.info.get("energy_unit", "eV"))
    units = {
        "eV": 1.0,
        "kcal/mol": ase.units.kcal / ase.units.mol,
        "kJ/mol": ase.units.kJ / ase.units.mol,
        "Hartree": ase.units.Hartree,
    }
    if unit not in units:
        raise ValueError(
            f"{describe(index, atoms)}: unknown energy_unit '{unit}'; known are {list(units)}."
        )
    return value * units[unit]


def _fragment_labels(index, atoms, key):
    if key in atoms.arrays:
        return np.array(atoms.arrays[key])
    count = _info(index, atoms, key)
    if not isinstance(count, (int, np.integer)) or not 0 < count < len(atoms):
        raise ValueError(
            f"{describe(index, atoms)}: '{key}' must be the number of atoms of the first molecule, "
            f"between 1 and {len(atoms) - 1}; it is {count!r}."
        )
    return (np.arange(len(atoms)) >= count).astype(int)


def write_results(folder, predictions, model):
    """Write predictions, model and, if there are separations, the picture.

    Each file appears under its name only when it is complete.

    Returns
    -------
    list of Path
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    writers = {
        "predictions.csv": predictions.to_csv,
        "model.joblib": lambda path: joblib.dump(model, path),
    }
    if "distance" in predictions:
        writers["binding_curves.png"] = lambda path: draw(predictions).savefig(path, format="png")
    for name, write in writers.items():
        unfinished = folder / f".{name}.unfinished"
        try:
            write(unfinished)
            unfinished.replace(folder / name)
        finally:
            unfinished.unlink(missing_ok=True)
    return [folder / name for name in writers]


def draw(predictions, most=12):
    """Binding curves of the reference and of all models, a panel a group."""
    from matplotlib.figure import Figure

    from .plotting import BindingCurveDisplay

    groups = list(dict.fromkeys(predictions["group"]))
    shown = np.linspace(0, len(groups) - 1, min(most, len(groups))).astype(int)
    groups = [groups[i] for i in shown]
    n_rows = -(-len(groups) // 4)
    figure = Figure(figsize=(13, 2.9 * n_rows + 0.6), layout="constrained")
    axes = figure.subplots(n_rows, min(4, len(groups)), squeeze=False).ravel()
    for ax in axes[len(groups) :]:
        ax.remove()
    styles = [{"color": "tab:orange", "ls": "--"}, {"color": "tab:blue"}]
    models = [column for column in predictions if column.startswith("far: ")]
    for ax, group in zip(axes, groups, strict=False):
        rows = predictions[predictions["group"] == group]
        for model, style in zip(models, styles, strict=True):
            BindingCurveDisplay.from_predictions(
                rows["reference"],
                rows[model],
                distance=rows["distance"],
                ax=ax,
                name=model.removeprefix("far: "),
                line_kwargs=style,
                scatter_kwargs={"color": "black", "s": 16 if model == models[0] else 0},
            )
        far = rows["part"] == "far"
        if far.any():
            ax.axvspan(rows["distance"][far].min(), rows["distance"].max(), color="0.92", zorder=0)
        ax.set_title(str(group).replace("_", " ")[:34], fontsize=9)
        ax.set_ylabel("energy / eV")
        ax.get_legend().remove()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside upper center",
        ncols=2,
        frameon=False,
        title="points: reference; grey: separations not trained on",
    )
    return figure
