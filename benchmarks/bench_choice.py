"""What the choices of the demo are worth on files of binding curves; nothing is timed.

For each file the experiment of ``sklode demo --data`` is run: errors of the farthest 40 % of the
separations, and of groups that were left out. Each is divided by that of a local model in which
one candidate is chosen by one split (the farthest third of the training part, or groups). Their
geometric mean and their worst are the line that is taken in the table of rules of the
documentation, for the sets that are given. In addition the model of the README, rho x V with p = 6,
is judged on left-out groups, with its penalty chosen by leaving out single points or whole groups.

Without files the S22x5 dimers are taken. ``--energy``, ``--group``, ``--distance``, ``--fragments``
and ``--charges`` are those of ``sklode demo`` and hold for all files.
"""

import harness  # before numpy

# isort: split

import argparse
from pathlib import Path

import numpy as np
import records
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline

from sklode import (
    BlockScaler,
    DensityProjector,
    InteractionFeatures,
    LongRangePotential,
    PowerSpectrum,
)
from sklode.demo.candidates import LOCAL
from sklode.demo.experiment import FAR, UNSEEN, Demo
from sklode.demo.files import read_dimers
from sklode.model_selection import StructureSearchCV

KEYS = ("energy", "group", "distance", "fragments", "charges")
RMSE = "neg_root_mean_squared_error"
ALPHAS = (0.01, 0.1, 1.0, 10.0, 100.0)  # of the local model of old
PENALTIES = np.logspace(-6, 3, 10)  # those of the README
POINTS, GROUPS = "rho x V, left-out points", "rho x V, left-out groups"


def part_of(dimers, count, seed):
    """The structures of some groups, drawn at random."""
    names = np.unique(dimers.groups)
    chosen = np.random.default_rng(seed).permutation(names)[:count]
    kept = np.flatnonzero(np.isin(dimers.groups, chosen))
    dimers.structures = [dimers.structures[i] for i in kept]
    for name in ("energies", "groups", "distance"):
        setattr(dimers, name, getattr(dimers, name)[kept])
    return dimers


def outer_folds(dimers):
    """Those of the demo."""
    folds = GroupKFold(min(5, len(set(dimers.groups))))
    return list(folds.split(dimers.groups, groups=dimers.groups))


def one_cut(distance):
    """The farthest third of the training part is left out."""
    beyond = distance > np.quantile(distance, 2 / 3)
    return [(np.flatnonzero(~beyond), np.flatnonzero(beyond))]


def local_of_old(demo, is_far):
    """Errors of the local model, one candidate chosen by one split."""
    dimers = demo.dimers
    grids = [{**grid, "ridge__alpha": ALPHAS} for grid in demo.candidates.grids(LOCAL)]

    def errors(train, test, splits):
        search = StructureSearchCV(demo.candidates.estimator(), grids, scoring=RMSE, cv=splits)
        search.fit([dimers.structures[i] for i in train], dimers.energies[train])
        return search.predict([dimers.structures[i] for i in test]) - dimers.energies[test]

    near, far = np.flatnonzero(~is_far), np.flatnonzero(is_far)
    unseen = []
    for train, test in outer_folds(dimers):
        groups = dimers.groups[train]
        splits = GroupKFold(min(4, len(set(groups)))).split(train, groups=groups)
        unseen.append(errors(train, test, list(splits)))
    return {
        FAR: rms(errors(near, far, one_cut(dimers.distance[near]))),
        UNSEEN: rms(np.concatenate(unseen)),
    }


def penalties(dimers):
    """Errors of the README's model for groups that were left out, by what is left out to choose."""
    species = sorted({symbol for atoms in dimers.structures for symbol in atoms.symbols})
    rho = DensityProjector(cutoff=3.0, species=species)
    rho_v = PowerSpectrum(rho, LongRangePotential(exponent=6, species=species))
    rows = InteractionFeatures(rho_v).fit_transform(dimers.structures)
    predicted = {POINTS: np.empty(len(rows)), GROUPS: np.empty(len(rows))}
    for train, test in outer_folds(dimers):
        points = RidgeCV(PENALTIES, fit_intercept=False)
        groups = GroupKFold(min(5, len(set(dimers.groups[train]))))
        splits = list(groups.split(train, groups=dimers.groups[train]))
        whole = RidgeCV(PENALTIES, fit_intercept=False, cv=splits, scoring=RMSE)
        for name, ridge in ((POINTS, points), (GROUPS, whole)):
            model = make_pipeline(BlockScaler(), ridge).fit(rows[train], dimers.energies[train])
            predicted[name][test] = model.predict(rows[test])
    return {name: rms(values - dimers.energies) for name, values in predicted.items()}


def rms(errors):
    return float(np.sqrt(np.mean(np.square(errors))))


def judge(name, dimers):
    """Rows of one file."""
    demo = Demo(dimers)
    results = demo.run()
    base = local_of_old(demo, (results.predictions["part"] == "far").to_numpy())
    rows = []
    for experiment, errors in results.errors.items():
        found = {**errors, "local, one split": base[experiment]}
        if experiment == UNSEEN:
            found |= penalties(dimers)
        rows += [
            {
                "benchmark": "choice",
                "system": name,
                "n_structures": len(dimers.structures),
                "n_groups": len(set(dimers.groups)),
                "experiment": experiment,
                "code": model,
                "rmse_ev": error,
                "ratio": error / base[experiment],
            }
            for model, error in found.items()
        ]
    return rows


def show(rows):
    for row in rows:
        line = f"{row['system'][:24]:24}  {row['experiment']:16}  {row['code']:30}"
        print(f"{line}  {row['rmse_ev']:.4f} eV  ratio {row['ratio']:.2f}", flush=True)


def summarize(rows):
    """Geometric mean and worst ratio of what all sets have."""
    systems = {row["system"] for row in rows}
    for key in dict.fromkeys((row["experiment"], row["code"]) for row in rows):
        ratios = [row["ratio"] for row in rows if (row["experiment"], row["code"]) == key]
        if len(ratios) == len(systems):
            mean = np.exp(np.mean(np.log(ratios)))
            print(f"{key[0]:16}  {key[1]:30}  mean {mean:.2f}  worst {max(ratios):.2f}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path, help="extended XYZ files")
    for key in KEYS:
        parser.add_argument(f"--{key}", metavar="KEY")
    parser.add_argument("--groups", type=int, metavar="N", help="draw so many groups of each file")
    parser.add_argument("--seed", type=int, default=0, help="of the drawing")
    parser.add_argument("--output", type=Path, default=records.RESULTS / "choice.csv")
    arguments = parser.parse_args()
    print(f"{harness.THREADS} thread(s), on {records.cpu_model()}")
    keys = {key: getattr(arguments, key) for key in KEYS}
    rows = []
    for path in arguments.files or [None]:
        dimers = read_dimers(path, **(keys if path else {}))
        if arguments.groups:
            dimers = part_of(dimers, arguments.groups, arguments.seed)
        rows += (found := judge(path.stem if path else "S22x5", dimers))
        show(found)
    print("\nover all sets:")
    summarize(rows)
    environment = records.environment()
    records.write(arguments.output, [{**row, **environment} for row in rows])
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
