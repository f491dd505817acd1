"""What the gallery shares: stored numbers, data files, ridge regression, choices by validation."""

import json
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from sklode import BlockScaler
from sklode.datasets import get_data_home

ALPHAS = 10.0 ** np.arange(-8, 3)
DIGITS = 6  # of stored numbers

SPECIES = ["H", "C", "N", "O"]  # of the ion pairs
LONGEST = 6.0  # of the separations of ion pairs in the training part

_RAW = "https://raw.githubusercontent.com"
_REFDATA = "aoterodelaroza/refdata, commit f96148aa1739077c55b394b4c9d7e4f42f65dce0"
_PSI4 = f"{_RAW}/psi4/psi4/886caaabe23dd7c3cefc1210c0813f5bf9cd6282/psi4/share/psi4/databases"
_N2P2 = f"{_RAW}/CompPhysVienna/n2p2/61daa0dfd065c842eaabc40ab283658510e066a5/examples/nnp-train"
_SOURCES = {
    "bfdb_dimer_classes.xyz": (
        f"{_RAW}/BingqingCheng/cace-lr-fit/d7bd8c86b70edb15bd8358fe44da89ae77815247/"
        "fit-lode/lode-datasets/ (train- and test-id0, 2, 3, 4, 5, 6.xyz, joined)"
    ),
    "s66x8.xyz": f"{_PSI4}/S66by8.py",
    "rgc10.xyz": f"{_PSI4}/RGC10.py",
    "nbc10ext.xyz": f"https://github.com/{_REFDATA}: 10_din/nbc10ext.din and 20_nbc10ext",
    "ionichb.xyz": f"https://github.com/{_REFDATA}: 10_din/ionichb.din and 20_ionichb",
    "phosphorus_exfoliation.xyz": (
        f"{_RAW}/haoran-ni/MasterThesis/70bb0fc57589c51827f8bc642f599a4306661357/"
        "exfoliation_data_set/exfoliation_mbd_reference.xyz"
    ),
    "water_rpbe_d3.xyz": (
        f"{_RAW}/ChengUCB/les_fit/f9937a51f699c506bff91c077f70340e7d1924b2/"
        "data-benchmark/test-H2O_RPBE-D3.xyz"
    ),
    "nacl_water_revpbe0_d3.xyz": (
        f"{_RAW}/niamhon/nacl-water/459f90fdce1e68647f1acfa9ef43f4e8b00e69e3/"
        "data-sets/revPBE0-D3/BP-NNP/gen3.data"
    ),
    "ssi.xyz": f"https://github.com/{_REFDATA}: 10_din/ssi.din and 20_ssi",
    "carbon_chain_4g.xyz": f"{_N2P2}/Carbon_chain_4G/input.data",
    "au2_mgo_4g.xyz": f"{_N2P2}/AlAuMgO_4G/input.data",
}


def frozen(name):
    """Numbers that an example gave earlier, from the folder ``frozen``, or None."""
    path = Path(__file__).parent / "frozen" / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def freeze(name, numbers):
    """Store the numbers of an example; dicts, lists, texts and numbers."""
    path = Path(__file__).parent / "frozen" / f"{name}.json"
    path.write_text(json.dumps(rounded(numbers), indent=1) + "\n")


def rounded(numbers):
    """The same as plain dicts, lists and floats of few digits."""
    if isinstance(numbers, dict):
        return {str(key): rounded(value) for key, value in numbers.items()}
    if isinstance(numbers, (list, tuple, np.ndarray)):
        return [rounded(value) for value in numbers]
    if isinstance(numbers, (float, np.floating)):
        return float(f"{numbers:.{DIGITS}g}")
    return numbers.item() if isinstance(numbers, np.generic) else numbers


def find(name, data_home=None):
    """Path of a data file, which this package does not contain."""
    path = get_data_home(data_home) / name
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing. Get the data from {_SOURCES[name]}, write them as extended XYZ "
            f"(keys: see the page of this example) and save them as {path}, or give `data_home`."
        )
    return path


def rmse(errors):
    return float(np.sqrt(np.mean(np.square(errors))))


def kernel(block, train):
    """Scalar products of the rows of a block, scaled as the training part tells."""
    block = BlockScaler().fit(block[train]).transform(block)
    return block @ block.T


def ridge(products, target, train, test, groups=None):
    """Predict with linear ridge regression, from scalar products; one row for each of ``ALPHAS``.

    With ``groups``, each group has an offset of its own, without penalty: rows and targets are
    taken relative to the mean of the group's training part.
    """
    mean = np.zeros((len(target), len(train)))
    if groups is not None:
        mean[:] = groups[:, None] == groups[train]
        mean /= np.maximum(mean.sum(axis=1, keepdims=True), 1)
    products = products - mean @ products[train]
    products = products - products[:, train] @ mean.T
    sizes, vectors = np.linalg.eigh(products[np.ix_(train, train)])
    offset = mean @ target[train]
    shares = vectors.T @ (target - offset)[train] / (sizes + ALPHAS[:, None])
    return shares @ (products[np.ix_(test, train)] @ vectors).T + offset[test]


def near_to_far(distance, groups, train, share):
    """Split the training part: the nearest share of every group, and the rest of it."""
    near, far = [], []
    for group in np.unique(groups[train]):
        members = train[groups[train] == group]
        members = members[np.argsort(distance[members], kind="stable")]
        cut = max(1, min(int(np.ceil(share * len(members))), len(members) - 1))
        near.extend(members[:cut])
        far.extend(members[cut:])
    return np.array(near), np.array(far)


def ions_alone(atoms):
    """Two ions in space, not in a cell, the charge of each spread evenly over its atoms."""
    atoms = atoms.copy()
    atoms.pbc = False
    fragment = atoms.arrays["fragment"]
    charges = np.array([atoms.info["chargeA"], atoms.info["chargeB"]])
    atoms.set_initial_charges((charges / np.bincount(fragment))[fragment])
    return atoms


def ion_pair_tasks(distance, curves, train):
    """Tasks like the real one: farther along all curves, and along one hardly known curve."""
    halves, thirds = (near_to_far(distance, curves, train, share) for share in (1 / 2, 2 / 3))
    hardly_known = []
    for curve in np.unique(curves[train]):
        members = train[curves[train] == curve]
        rest = members[np.argsort(distance[members])][2:]  # its two nearest frames stay
        if len(rest) > 2:
            hardly_known.append((np.setdiff1d(train, rest), rest))
    return [[halves], [thirds], hardly_known]


class Search:
    """Choose blocks, their weights and the ridge penalty by validation inside the training part.

    ``tasks`` is a list of lists of (train, test): errors are pooled inside a task, and the sum of
    the tasks' RMSE decides.
    """

    def __init__(self, blocks, target, train, tasks, groups=None):
        self.target, self.train, self.groups, self.tasks = target, train, groups, tasks
        parts = [split[0] for task in tasks for split in task] + [train]
        self._kernels = {
            name: [kernel(block, part) for part in parts] for name, block in blocks.items()
        }

    def best(self, candidates, test):
        """Predictions for ``test``, score and choice (with alpha) of the best candidate.

        A candidate is a dict of block names and their weights.
        """
        return self.ranked(candidates, test, 1)[0]

    @threadpool_limits.wrap(limits=1)  # many small problems: threads would only wait
    def ranked(self, candidates, test, count):
        """The same for each of the ``count`` best candidates."""
        scored = [(*self._score(candidate), candidate) for candidate in candidates]
        scored.sort(key=lambda entry: entry[0])
        return [
            (
                self._predict(candidate, -1, self.train, test)[alpha],
                score,
                {**candidate, "alpha": float(ALPHAS[alpha])},
            )
            for score, alpha, candidate in scored[:count]
        ]

    def _predict(self, candidate, part, train, test):
        products = sum(w**2 * self._kernels[name][part] for name, w in candidate.items())
        return ridge(products, self.target, train, test, self.groups)

    def _score(self, candidate):
        part, total = 0, np.zeros(len(ALPHAS))
        for task in self.tasks:
            errors = []
            for train, test in task:
                predicted = self._predict(candidate, part, train, test)
                errors.append(predicted - self.target[test])
                part += 1
            total += np.sqrt(np.mean(np.hstack(errors) ** 2, axis=1))
        return total.min(), int(total.argmin())
