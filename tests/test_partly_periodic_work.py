"""How much work slabs and wires are: boxes, splits, and tables that frames share."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list

from sklode import LongRangePotential, MultipoleFeatures
from sklode.inputs.atoms import read_structures
from sklode.physics.planning import planner
from sklode.physics.planning.splitting import sources_of
from sklode.physics.radial import window_tables
from sklode.physics.system.boxes import extent_across
from sklode.physics.system.structures import Batch, Channels

SLAB, WIRE = [True, True, False], [True, False, False]


def salt(pbc, repeats=(6, 2)):
    """A layer or wire of rock salt, rattled."""
    along, across = repeats
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    atoms = atoms.repeat([along if repeat else across for repeat in pbc])
    atoms.rattle(0.1, seed=0)
    atoms.pbc = pbc
    return atoms


def sources(atoms):
    """What the planner knows of a structure with one channel."""
    channels = Channels(np.zeros(len(atoms), int), np.ones(len(atoms)), 1)
    (found,) = sources_of(Batch(read_structures([atoms]), channels))
    return found


class TestSources:
    @pytest.mark.parametrize("pbc", [SLAB, WIRE, [False, True, False]])
    @pytest.mark.parametrize("distance", [5.0, 12.0, 30.0])
    def test_neighbors(self, pbc, distance):
        """Within a factor, from balls inside to lines of images."""
        atoms = salt(pbc, (3, 2))
        counted = len(neighbor_list("i", atoms, distance)) / len(atoms)
        assert 0.5 < sources(atoms).neighbors(np.array([distance]))[0] / counted < 2.5

    @pytest.mark.parametrize("pbc", [SLAB, WIRE])
    @pytest.mark.parametrize("n_atoms", [1, 3, 50])
    def test_spacing(self, pbc, n_atoms):
        """Someone is at most so far from the nearest one, and that is not far from true."""
        rng = np.random.default_rng(n_atoms)
        for _ in range(5):
            lengths = 10 ** rng.uniform(0, 2, 3)
            places = rng.uniform(0, 1, (n_atoms, 3)) * lengths
            atoms = Atoms(f"H{n_atoms}", places, cell=np.diag(lengths), pbc=pbc)
            bound = sources(atoms).spacing(n_atoms)
            assert len(neighbor_list("i", atoms, bound)) > 0

    def test_vacuum_does_not_matter(self):
        atoms, other = salt(WIRE), salt(WIRE)
        other.cell[1:] *= 10.0
        assert sources(atoms) == sources(other)


def test_a_round_wire_is_as_wide_as_its_diameter():
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False) + 0.1
    ring = np.stack([0 * angles, 5 * np.cos(angles), 5 * np.sin(angles)], axis=1)
    (structure,) = read_structures([Atoms("H40", ring, cell=[3.0, 0, 0], pbc=WIRE)])
    assert 10.0 <= extent_across(structure) * (1 + 1e-12) < 10.05


@pytest.mark.parametrize("field", [LongRangePotential, MultipoleFeatures])
@pytest.mark.parametrize("pbc", [SLAB, WIRE])
def test_frames_share_tables(field, pbc, monkeypatch):
    """Also where the cell changes along the periodic directions."""
    made, transforms = [], window_tables.WindowTables._transforms

    def counted(tables, *points):
        made.append(tables)
        return transforms(tables, *points)

    monkeypatch.setattr(window_tables.WindowTables, "_transforms", counted)
    window_tables.window_tables.cache_clear()
    atoms = salt(pbc)
    model = field((1, 6), 3.0, 1, 2).fit([atoms])
    model.transform([atoms])
    first = len(made)
    frames = [atoms.copy() for _ in range(5)]
    for n, frame in enumerate(frames):
        frame.set_cell(atoms.cell * (1.001 + 1e-4 * n), scale_atoms=True)
        model.transform([frame])
    assert first > 0
    assert len(made) <= 2 * first  # once more where a length crosses a step


@pytest.mark.parametrize("exponent", [1, 6])
@pytest.mark.parametrize("length", [4, 60])
def test_a_wire_is_summed_like_a_padded_one(exponent, length, monkeypatch):
    """Over about as many k-vectors and pairs, whatever the length."""
    chosen, plans = [], planner.Planner.plans

    def noted(self, contents, accuracies):
        found = plans(self, contents, accuracies)
        chosen.append((contents[0].n_waves(found[0].k_cutoff), self._laws[0].smearing))
        return found

    monkeypatch.setattr(planner.Planner, "plans", noted)
    wire = salt(WIRE, (length, 2))
    padded = wire.copy()
    padded.cell[1], padded.cell[2] = [0, 31.28, 0], [0, 0, 31.28]
    padded.pbc = True
    model = LongRangePotential(exponent, 3.0, 2, 3).fit([wire])
    model.transform([wire])
    n_waves, smearing = chosen[-1]
    model.transform([padded])
    assert n_waves < 4 * chosen[-1][0]
    assert smearing < 2.5 * chosen[-1][1]
