"""Files of features that were damaged: never read as if they were not."""

import numpy as np
import pandas as pd
import pytest
from written import DENSITY, labelled

import sklode
from sklode.parquet.parts import part_path, part_paths, read_part
from sklode.streaming import FeatureDataset

parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra io")

OPTIONS = {"batch_atoms": 40, "info_keys": ["number"]}


@pytest.fixture(scope="module")
def few():
    return [labelled(number) for number in range(20)]


@pytest.fixture(scope="module")
def written(few, tmp_path_factory):
    """Contents of the files, and the rows."""
    folder = tmp_path_factory.mktemp("written")
    rows = sklode.featurize(DENSITY, few, folder, **OPTIONS).read()
    return {path.name: path.read_bytes() for path in folder.iterdir()}, rows


@pytest.fixture
def folder(written, tmp_path):
    for name, content in written[0].items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def flip(path, place, bit=0):
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(bytes(content))


def first_page(path):
    """The middle of the features that come first."""
    column = parquet.read_metadata(path).row_group(0).column(5)
    return column.data_page_offset + column.total_compressed_size // 2


def test_a_bit_of_a_feature(few, written, folder):
    path = part_path(folder, 1)
    flip(path, first_page(path))
    for read in (FeatureDataset(folder).read, lambda: list(FeatureDataset(folder).parts())):
        with pytest.raises(ValueError, match=r"part-000001.parquet is damaged. Remove it and call"):
            read()
    path.unlink()
    again = sklode.featurize(DENSITY, few, folder, **OPTIONS)
    pd.testing.assert_frame_equal(again.read(), written[1])


@pytest.mark.parametrize("text", [b'"digest"', b'"number"', b'"cutoff"', b"n_atoms"])
@pytest.mark.parametrize("bit", [0, 7])
def test_a_bit_of_what_a_file_says_of_itself(text, bit, few, written, folder):
    path = part_path(folder, 1)
    content = path.read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    flip(path, content.index(text, footer) + 2, bit)
    again = sklode.featurize(DENSITY, few, folder, **OPTIONS)
    pd.testing.assert_frame_equal(again.read(), written[1])
    assert path.read_bytes() == written[0][path.name]


def rows_or_reason(few, folder):
    try:
        return sklode.featurize(DENSITY, few, folder, **OPTIONS).read()
    except ValueError as error:
        return str(error)


def test_any_bit(few, written, folder):
    """Rows are right, or there is an error that names the file."""
    path, rng = part_path(folder, 1), np.random.default_rng(0)
    good, n_refused = path.read_bytes(), 0
    for _ in range(60):
        path.write_bytes(good)
        flip(path, rng.integers(len(good)), rng.integers(8))
        found = rows_or_reason(few, folder)
        if isinstance(found, str):
            assert "part-000001.parquet" in found
            n_refused += 1
        else:
            pd.testing.assert_frame_equal(found, written[1])
    assert n_refused > 0


def test_columns_that_are_not_there(folder):
    with pytest.raises(ValueError, match="has no column 'none'; it has structure, formula"):
        FeatureDataset(folder).read(["formula", "none"])


def test_files_of_earlier_versions(few, folder):
    path = part_path(folder, 0)
    table = parquet.read_table(path)
    metadata = {k: v for k, v in table.schema.metadata.items() if k != b"sklode.checksum"}
    parquet.write_table(table.replace_schema_metadata(metadata), path)
    with pytest.raises(ValueError, match="or by another version of it"):
        sklode.featurize(DENSITY, few, folder, **OPTIONS)


def test_more_than_a_million(tmp_path):
    paths = [part_path(tmp_path, number) for number in (999_999, 1_000_000, 5)]
    for path in paths:
        path.touch()
    assert part_paths(tmp_path) == [paths[2], paths[0], paths[1]]
    assert read_part(paths[0]) is None
