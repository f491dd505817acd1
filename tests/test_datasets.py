"""Data sets: what they promise about counts, units, groups and physics, and their errors."""

import http.server
import os
import shutil
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pooch
import pytest
import requests
from ase.neighborlist import neighbor_list

from sklode import datasets
from sklode.datasets import fetch_charge_dimers, get_data_home, load_s22x5, make_point_charges
from sklode.inputs.dimers import molecule_numbers
from sklode.physics.lattice_sums import power_law_energy_and_forces

KCAL_PER_MOL = 0.0433641  # eV
SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "data"
LOCAL_DIMERS = SHARED / "charge_charge_dimers.xyz"


@pytest.fixture(scope="module")
def s22x5():
    return load_s22x5()


class TestS22x5:
    def test_five_separations_of_22_dimers(self, s22x5):
        names, counts = np.unique(s22x5.groups, return_counts=True)
        assert len(s22x5.data) == 110
        assert s22x5.target.shape == s22x5.distance.shape == s22x5.groups.shape == (110,)
        assert len(names) == 22
        assert set(counts) == {5}
        for name in names:
            rows = s22x5.groups == name
            np.testing.assert_array_equal(s22x5.distance[rows], [0.9, 1.0, 1.2, 1.5, 2.0])

    def test_info_repeats_the_columns(self, s22x5):
        for i, atoms in enumerate(s22x5.data):
            assert atoms.info["dimer"] == s22x5.groups[i]
            assert atoms.info["distance"] == s22x5.distance[i]
            assert atoms.info["interaction_energy"] == s22x5.target[i]
            assert not atoms.pbc.any()

    def test_energies_are_in_ev(self, s22x5):
        rows = s22x5.distance == 1.0
        equilibrium = dict(zip(s22x5.groups[rows], s22x5.target[rows], strict=True))
        assert equilibrium["Water_dimer"] == pytest.approx(-5.02 * KCAL_PER_MOL, abs=1e-4)
        assert equilibrium["Methane_dimer"] == pytest.approx(-0.53 * KCAL_PER_MOL, abs=1e-4)
        assert equilibrium["Formic_acid_dimer"] == pytest.approx(-18.8 * KCAL_PER_MOL, abs=1e-3)
        assert (s22x5.target < 0).all()

    def test_equilibrium_binds_most(self, s22x5):
        curves = s22x5.target.reshape(22, 5)
        assert (curves.argmin(axis=1) == 1).all()

    def test_fragments_are_the_two_molecules(self, s22x5):
        for atoms in s22x5.data:
            fragment = atoms.arrays["fragment"]
            assert np.issubdtype(fragment.dtype, np.integer)
            np.testing.assert_array_equal(fragment, molecule_numbers(atoms))
            assert set(fragment) == {0, 1}

    def test_molecules_move_rigidly_apart(self, s22x5):
        for first in range(0, 110, 5):
            gaps = []
            for atoms in s22x5.data[first : first + 5]:
                distances, fragment = atoms.get_all_distances(), atoms.arrays["fragment"]
                same = fragment[:, None] == fragment
                reference = s22x5.data[first].get_all_distances()
                np.testing.assert_allclose(distances[same], reference[same], atol=1e-3)
                gaps.append(distances[~same].min())
            assert (np.diff(gaps) > 0).all()

    def test_return_x_y(self, s22x5):
        data, target = load_s22x5(return_X_y=True)
        assert data == s22x5.data
        np.testing.assert_array_equal(target, s22x5.target)

    def test_sources_are_cited(self, s22x5):
        assert "8, 1985" in s22x5.DESCR
        assert "6, 2365 (2010)" in s22x5.DESCR


class TestPointCharges:
    @pytest.mark.parametrize("exponent", [1, 2.5, 3, 6])
    def test_energies_and_forces_are_lattice_sums(self, exponent):
        charges = make_point_charges(5, exponent=exponent, random_state=0)
        assert charges.exponent == exponent
        for atoms, target, forces in zip(charges.data, charges.target, charges.forces, strict=True):
            energy, gradient = power_law_energy_and_forces(
                atoms.positions,
                atoms.cell[:],
                atoms.get_initial_charges(),
                exponent,
                smearing=1.9,
            )
            assert atoms.get_potential_energy() == target == pytest.approx(energy, rel=1e-11)
            np.testing.assert_array_equal(atoms.get_forces(), forces)
            np.testing.assert_allclose(forces, gradient, atol=1e-11)

    @pytest.mark.parametrize(("n_samples", "n_atoms"), [(200, 8), (20, 64), (30, 2)])
    def test_composition_cells_and_distances(self, n_samples, n_atoms):
        charges = make_point_charges(n_samples, n_atoms, random_state=1)
        lengths = np.array([atoms.cell.lengths()[0] for atoms in charges.data])
        mean_length = np.cbrt(n_atoms / 0.008)
        assert len(charges.data) == len(charges.forces) == len(charges.target) == n_samples
        assert lengths.min() >= 0.8 * mean_length
        assert lengths.max() <= 1.2 * mean_length
        assert np.ptp(lengths) > 0.2 * mean_length
        for atoms in charges.data:
            assert (atoms.numbers == 11).sum() == (atoms.numbers == 17).sum() == n_atoms // 2
            np.testing.assert_array_equal(
                atoms.get_initial_charges(), np.where(atoms.numbers == 11, 1.0, -1.0)
            )
            assert atoms.pbc.all()
            np.testing.assert_allclose(atoms.cell[:], np.eye(3) * atoms.cell[0, 0])
            assert len(neighbor_list("i", atoms, 2.0)) == 0

    def test_tight_distances_are_kept(self):
        charges = make_point_charges(20, min_distance=3.0, random_state=0)
        assert all(len(neighbor_list("i", atoms, 3.0)) == 0 for atoms in charges.data)

    def test_random_state_determines_the_structures(self):
        first, again, other, longer = (
            make_point_charges(n, random_state=seed) for n, seed in ((3, 5), (3, 5), (3, 6), (4, 5))
        )
        assert first.data == again.data == longer.data[:3]
        np.testing.assert_array_equal(first.target, again.target)
        assert not np.isclose(first.target, other.target).any()
        assert make_point_charges(3, random_state=np.random.RandomState(5)).data == first.data

    def test_return_x_y(self):
        data, target = make_point_charges(2, random_state=0, return_X_y=True)
        assert [atoms.get_potential_energy() for atoms in data] == list(target)

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"n_samples": 0}, "n_samples"),
            ({"n_atoms": 7}, "n_atoms must be even"),
            ({"n_atoms": 0}, "n_atoms"),
            ({"exponent": 0}, "exponent"),
            ({"exponent": -1.0}, "exponent"),
            ({"exponent": np.inf}, "exponent must be finite"),
            ({"exponent": 200}, "exponent must be at most 100"),
            ({"density": 10**400}, "density must be finite"),
            ({"min_distance": np.nan}, "min_distance must be finite"),
            ({"density": 0.0}, "density"),
            ({"min_distance": 0.0}, "min_distance"),
        ],
    )
    def test_bad_values(self, parameters, message):
        with pytest.raises(ValueError, match=message):
            make_point_charges(**parameters)

    @pytest.mark.parametrize(
        "parameters",
        [
            {"n_atoms": 8.0},
            {"n_samples": True},
            *[
                {name: value}
                for name in ("exponent", "density", "min_distance")
                for value in ("1", True, None, 1j)
            ],
        ],
        ids=str,
    )
    def test_bad_types(self, parameters):
        with pytest.raises(TypeError, match=next(iter(parameters))):
            make_point_charges(**parameters)

    @pytest.mark.parametrize(
        "parameters",
        [
            {"min_distance": 20.0},
            {"min_distance": 6.0},
            {"n_atoms": 64, "min_distance": 3.6},
            {"density": 0.5},
        ],
    )
    def test_atoms_that_do_not_fit(self, parameters):
        with pytest.raises(ValueError, match=r"do not fit.*lower min_distance .* or density"):
            make_point_charges(random_state=0, **parameters)


def fake_retrieve(error):
    def retrieve(*args, **kwargs):
        raise error

    return retrieve


class TestDataHome:
    def test_argument_variable_and_default(self, monkeypatch, tmp_path):
        monkeypatch.setenv("SKLODE_DATA", str(tmp_path))
        assert get_data_home() == tmp_path
        assert get_data_home("elsewhere") == Path("elsewhere")
        monkeypatch.delenv("SKLODE_DATA")
        assert get_data_home() == Path.home() / "sklode_data"
        assert get_data_home("~/there") == Path.home() / "there"

    def test_no_path(self):
        with pytest.raises(TypeError, match="data_home must be a path or None; got 5"):
            get_data_home(5)
        with pytest.raises(ValueError, match="data_home='~nobody_at_all/x' has no home folder"):
            get_data_home("~nobody_at_all/x")


class TestChargeDimersWithoutTheFile:
    def test_absent_and_not_to_be_downloaded(self, tmp_path):
        with pytest.raises(OSError, match="download_if_missing` is False") as raised:
            fetch_charge_dimers(data_home=tmp_path, download_if_missing=False)
        assert str(tmp_path / "charge_charge_dimers.xyz") in str(raised.value)

    @pytest.mark.parametrize(
        "error",
        [
            requests.ConnectionError("no route to host"),
            requests.Timeout("timed out"),
            requests.HTTPError("404 Not Found"),
            PermissionError("read-only folder"),
            ValueError("SHA256 hash of downloaded file does not match"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_failed_download_says_how_to_go_on(self, tmp_path, monkeypatch, error):
        monkeypatch.setattr(pooch, "retrieve", fake_retrieve(error))
        with pytest.raises(OSError, match="Could not download https://raw") as raised:
            fetch_charge_dimers(data_home=tmp_path)
        message = str(raised.value)
        assert str(error) in message
        assert f"by hand from that address and save it as {tmp_path}" in message
        assert raised.value.__cause__ is error

    @pytest.mark.parametrize("download_if_missing", [True, False])
    def test_folder_in_the_place_of_the_file(self, tmp_path, monkeypatch, download_if_missing):
        monkeypatch.setattr(pooch, "retrieve", fake_retrieve(AssertionError("downloaded")))
        (tmp_path / "charge_charge_dimers.xyz").mkdir()
        with pytest.raises(OSError, match=r"charge_charge_dimers.xyz is a folder, not a file\."):
            fetch_charge_dimers(data_home=tmp_path, download_if_missing=download_if_missing)

    @pytest.mark.parametrize("below", ["", "deeper/still"])
    def test_file_in_the_place_of_a_folder(self, tmp_path, monkeypatch, below):
        monkeypatch.setattr(pooch, "retrieve", fake_retrieve(AssertionError("downloaded")))
        (tmp_path / "file").write_text("here")
        with pytest.raises(OSError, match=r"file is not a folder\. Remove it, or .* `data_home`"):
            fetch_charge_dimers(data_home=tmp_path / "file" / below)

    def test_file_that_cannot_be_read(self, tmp_path, monkeypatch):
        (tmp_path / "charge-charge.xyz").write_text("here")
        monkeypatch.setattr(Path, "read_bytes", fake_retrieve(PermissionError("not yours")))
        with pytest.raises(OSError, match=r"charge-charge.xyz cannot be read: not yours\. Make it"):
            fetch_charge_dimers(data_home=tmp_path)

    @pytest.mark.parametrize("name", ["charge_charge_dimers.xyz", "charge-charge.xyz"])
    def test_corrupt_file_is_refused_and_kept(self, tmp_path, monkeypatch, name):
        monkeypatch.setattr(pooch, "retrieve", fake_retrieve(AssertionError("downloaded")))
        corrupt = tmp_path / name
        corrupt.write_bytes(b"half a file")
        with pytest.raises(OSError, match="SHA-256") as raised:
            fetch_charge_dimers(data_home=tmp_path)
        message = str(raised.value)
        found = pooch.file_hash(str(corrupt), alg="sha256")
        for part in (str(corrupt), found, datasets._CHARGE_DIMERS_SHA256, "Delete it"):
            assert part in message
        assert corrupt.read_bytes() == b"half a file"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Folder served at the address that the data set is downloaded from."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as http_server:
        thread = threading.Thread(target=http_server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{http_server.server_port}/charge-charge.xyz"
        monkeypatch.setattr(datasets, "_CHARGE_DIMERS_URL", url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield folder
        http_server.shutdown()
        thread.join()


class TestDownload:
    def test_missing_page_leaves_no_file(self, server, tmp_path):
        with pytest.raises(OSError, match="404"):
            fetch_charge_dimers(data_home=tmp_path / "home")
        assert list((tmp_path / "home").iterdir()) == []

    def test_wrong_contents_leave_no_file(self, server, tmp_path):
        (server / "charge-charge.xyz").write_text("an error page")
        with pytest.raises(OSError, match="does not match the known hash"):
            fetch_charge_dimers(data_home=tmp_path / "home")
        assert list((tmp_path / "home").iterdir()) == []

    @pytest.mark.skipif(not LOCAL_DIMERS.exists(), reason=f"needs {LOCAL_DIMERS.name}")
    def test_downloads_once(self, server, tmp_path, capsys):
        shutil.copy(LOCAL_DIMERS, server / "charge-charge.xyz")
        home = tmp_path / "new" / "home"
        assert len(fetch_charge_dimers(data_home=home).data) == 130
        assert "100%" in capsys.readouterr().err
        assert [path.name for path in home.iterdir()] == ["charge_charge_dimers.xyz"]
        (server / "charge-charge.xyz").unlink()
        assert len(fetch_charge_dimers(data_home=home).data) == 130


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    if not LOCAL_DIMERS.exists():
        pytest.skip(f"needs {LOCAL_DIMERS.name}")
    folder = tmp_path_factory.mktemp("home")
    shutil.copy(LOCAL_DIMERS, folder / "charge_charge_dimers.xyz")
    return folder


@pytest.fixture(scope="module")
def dimers(home):
    return fetch_charge_dimers(data_home=home, download_if_missing=False)


class TestChargeDimers:
    def test_thirteen_separations_of_ten_pairs(self, dimers):
        names, counts = np.unique(dimers.groups, return_counts=True)
        assert len(dimers.data) == len(dimers.forces) == 130
        assert len(names) == 10
        assert set(counts) == {13}
        changes = np.flatnonzero(dimers.groups[1:] != dimers.groups[:-1]) + 1
        np.testing.assert_array_equal(changes, np.arange(13, 130, 13))
        assert dimers.groups[0] == "0_C3H10N3+_C2H3O2-"
        assert dimers.groups[-1] == "9_C2H3O2-_C2H8N3+"

    def test_fragments_are_two_molecules_one_after_the_other(self, dimers):
        for atoms in dimers.data:
            fragment = atoms.arrays["fragment"]
            assert np.issubdtype(fragment.dtype, np.integer)
            assert set(fragment) == {0, 1}
            assert (np.diff(fragment) >= 0).all()

    def test_distance_is_between_the_fragments(self, dimers):
        for atoms, distance in zip(dimers.data, dimers.distance, strict=True):
            molecules = [atoms[atoms.arrays["fragment"] == i] for i in (0, 1)]
            centers = [molecule.get_center_of_mass() for molecule in molecules]
            assert np.linalg.norm(centers[1] - centers[0]) == pytest.approx(distance, abs=1e-6)

    def test_pairs_are_moved_rigidly_apart(self, dimers):
        for name in np.unique(dimers.groups):
            rows = np.flatnonzero(dimers.groups == name)
            assert (np.diff(dimers.distance[rows]) > 0.2).all()
            first = dimers.data[rows[0]]
            shifts = [dimers.data[row].positions - first.positions for row in rows]
            for fragment in (0, 1):
                own = first.arrays["fragment"] == fragment
                assert all(np.ptp(shift[own], axis=0).max() < 1e-6 for shift in shifts)

    def test_energies(self, dimers):
        assert dimers.target.min() == pytest.approx(-13961.035, abs=1e-3)
        assert dimers.target.max() == pytest.approx(-8840.861, abs=1e-3)
        for atoms, target, interaction in zip(
            dimers.data, dimers.target, dimers.interaction_energy, strict=True
        ):
            assert atoms.get_potential_energy() == target
            monomers = atoms.info["energyA"] + atoms.info["energyB"]
            assert interaction == atoms.info["interaction_energy"]
            assert interaction == pytest.approx(target - monomers, abs=1e-9)
        assert (dimers.interaction_energy < 0).all()

    def test_forces_are_slopes_of_the_curves(self, dimers):
        for name in np.unique(dimers.groups):
            rows = np.flatnonzero(dimers.groups == name)[-3:]
            behind, middle, ahead = (dimers.data[row] for row in rows)
            second = middle.arrays["fragment"] == 1
            shifts = [atoms.positions - middle.positions for atoms in (behind, ahead)]
            relative = [s[second][0] - s[~second][0] for s in shifts]
            step = relative[1] - relative[0]
            slope = -(dimers.target[rows[2]] - dimers.target[rows[0]])
            pull = dimers.forces[rows[1]][second].sum(axis=0)
            assert pull @ step == pytest.approx(slope, rel=0.02)

    def test_hand_made_copy_and_read_only_folder(self, dimers, tmp_path):
        copy = tmp_path / "charge-charge.xyz"
        shutil.copy(LOCAL_DIMERS, copy)
        os.chmod(tmp_path, 0o555)
        try:
            found = fetch_charge_dimers(data_home=str(tmp_path))
        finally:
            os.chmod(tmp_path, 0o755)
        np.testing.assert_array_equal(found.target, dimers.target)

    def test_return_x_y(self, dimers, home):
        data, target = fetch_charge_dimers(data_home=home, return_X_y=True)
        assert len(data) == 130
        np.testing.assert_array_equal(target, dimers.target)

    def test_licence_and_sources(self, dimers):
        assert "BSD-3-Clause" in dimers.DESCR
        assert "12, 2078 (2021)" in dimers.DESCR
