"""Files of structures that are damaged, odd, or no files: what is read, and what messages say."""

import bz2
import os
import tracemalloc

import ase.db
import pytest
from ase.io import write
from processes import python
from sklearn.base import clone
from written import DENSITY, labelled

from sklode import Composition
from sklode.inputs.xyz import read_file
from sklode.streaming import Source
from sklode.streaming.fitted import fitted_to


@pytest.fixture
def few():
    return [labelled(number) for number in range(6)]


@pytest.fixture
def xyz(few, tmp_path):
    path = tmp_path / "a.xyz"
    write(path, few)
    return path


def faults(path):
    return [record.fault for record in Source(path).records() if record.fault]


class TestWrongNumberOfAtoms:
    """Where the next structure begins is not known."""

    @pytest.mark.parametrize("count", ["five", "9" * 6000, "9" * 30, "-5", "³"])
    def test_says_that_the_rest_is_lost(self, count, xyz):
        xyz.write_text(xyz.read_text().replace("\n5\n", f"\n{count}\n", 1), encoding="utf-8")
        (fault,) = faults(xyz)
        assert "line 6 must be the number of atoms of X[1]" in fault
        assert "The file is not read from X[1] on: repair it." in fault
        assert len(list(Source(xyz).records())) == 2

    def test_more_than_there_are(self, xyz):
        xyz.write_text(xyz.read_text().replace("\n5\n", "\n888888888\n", 1))
        (fault,) = faults(xyz)
        assert "X[1] must have 888888888 atoms; after 5 of them, line 13 is the number 6" in fault
        assert "not read from X[1] on" in fault

    def test_the_rest_is_not_held(self, xyz):
        text = xyz.read_text()
        with xyz.open("w") as file:
            file.write("888888888\n\n")
            file.writelines(text for _ in range(2000))
        tracemalloc.start()
        try:
            assert len(faults(xyz)) == 1
            assert tracemalloc.get_traced_memory()[1] < 0.1 * xyz.stat().st_size
        finally:
            tracemalloc.stop()

    def test_a_number_at_the_end(self, tmp_path):
        (tmp_path / "a.xyz").write_text("0\n")
        assert faults(tmp_path / "a.xyz") == [
            "a.xyz: X[0] must have 0 atoms; the file ends after 0 of them. Complete it, or remove "
            "the structure."
        ]


class TestText:
    def test_with_the_mark_of_windows(self, xyz, few):
        xyz.write_bytes(b"\xef\xbb\xbf" + xyz.read_bytes())
        assert len(read_file(xyz)) == len(list(Source(xyz))) == len(few)

    @pytest.mark.slow
    def test_utf8_in_any_locale(self, xyz, monkeypatch):
        text = xyz.read_text().replace("number=0", 'number=0 name="Zoë"')
        xyz.write_text(text, encoding="utf-8")
        for name, value in {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}.items():
            monkeypatch.setenv(name, value)
        assert python(READ, xyz).split() == ["'Zo\\xeb'"] * 2

    def test_other_text(self, xyz):
        xyz.write_bytes(xyz.read_bytes().replace(b"number=0", b"number=0 name=\xe9"))
        (fault,) = faults(xyz)
        assert fault.startswith("a.xyz: is no UTF-8 text from X[0] on (")

    def test_lines_end_with_newlines_only(self, xyz):
        """A line separator in a comment does not hide what follows it."""
        text = xyz.read_text().replace("number=0", 'name="a\u2028b" number=0 number=1')
        xyz.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match="has the key 'number' more than once"):
            next(iter(Source(xyz)))


READ = """
import sys
from sklode.inputs.xyz import read_file
from sklode.streaming import Source
print(*(ascii(next(iter(X)).info["name"]) for X in (read_file(sys.argv[1]), Source(sys.argv[1]))))
"""


class TestNoFiles:
    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
    @pytest.mark.parametrize("read", [Source, read_file])
    def test_pipes(self, read, tmp_path):
        os.mkfifo(tmp_path / "a.xyz")
        with pytest.raises(OSError, match=r"a.xyz: is a pipe \(no regular file\).*to a file"):
            read(tmp_path / "a.xyz")

    @pytest.mark.skipif(not os.path.exists("/dev/null"), reason="needs devices")
    def test_devices(self):
        with pytest.raises(OSError, match="/dev/null: is no regular file"):
            Source("/dev/null")


class TestDamage:
    @pytest.mark.parametrize("content", [b"no archive", bz2.compress(b"1\n\nH 0 0 0\n" * 9)[:-30]])
    def test_compressed_by_bzip2(self, content, tmp_path):
        (tmp_path / "a.xyz.bz2").write_bytes(content)
        (fault,) = faults(tmp_path / "a.xyz.bz2")
        assert fault.startswith("a.xyz.bz2: the compressed file is damaged from X[0] on (")

    @pytest.mark.parametrize("name", ["b.xyz", "b.traj", "b.db", "b.xyz.gz"])
    def test_an_empty_file_among_others(self, name, xyz, tmp_path):
        (tmp_path / name).write_bytes(b"")
        assert faults(str(tmp_path / "*")) == [f"{name}: the file is empty. {AGAIN}"]

    def test_blank_lines(self, tmp_path):
        (tmp_path / "b.xyz").write_text("\n \n")
        fault = f"b.xyz: the file holds no structures. {AGAIN}"
        assert faults(tmp_path / "b.xyz") == [fault]

    def test_fits_say_why_nothing_is_there(self, tmp_path):
        (tmp_path / "a.xyz").write_text("five\n\n")
        with pytest.raises(ValueError, match=r"can be described. The first one: a.xyz: line 1"):
            fitted_to(clone(DENSITY), Source(tmp_path / "a.xyz"))
        with pytest.raises(ValueError, match=r"can be described. The first one: X\[0\] .*no atoms"):
            fitted_to(Composition(), Source([labelled(0)[:0]]))


AGAIN = "Remove it, or write it again."


def test_keys_of_databases(few, tmp_path):
    """The same however the file is read."""
    with ase.db.connect(tmp_path / "a.db") as database:
        for number, atoms in enumerate(few):
            database.write(atoms, dft_energy=-1.0 - number)
    for structures in (read_file(tmp_path / "a.db"), Source(tmp_path / "a.db")):
        energies = [atoms.info["dft_energy"] for atoms in structures]
        assert energies == [-1.0 - number for number in range(6)]
