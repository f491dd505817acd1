"""What a file of a model may not do, and what cannot be put into one."""

import re
import zipfile

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklode import InteractionFeatures, LongRangePotential, load_model
from sklode.datasets import load_s22x5
from sklode.saving import save_model


def test_functions_of_the_package_are_not_trusted(tmp_path):
    """One that writes files would do so wherever the file says, as soon as the model is used."""
    victim = tmp_path / "victim"
    trap = FunctionTransformer(save_model, kw_args={"path": str(victim)})
    save_model(make_pipeline(trap, Ridge()), tmp_path / "model.skops")
    with pytest.raises(ValueError, match=r"holds functions.*sklode\.saving\.save_model"):
        load_model(tmp_path / "model.skops")
    assert not victim.exists()


@pytest.mark.parametrize("name", ["sklode.saving.Path", "sklode.nothing.Model", "sklode.cli.main"])
def test_names_that_only_look_like_ours(name, tmp_path):
    module, _, member = name.rpartition(".")
    save_model(LongRangePotential(), tmp_path / "model.skops")
    with zipfile.ZipFile(tmp_path / "model.skops") as old:
        contents = {entry: old.read(entry) for entry in old.namelist()}
    schema = contents["schema.json"].decode()
    schema = schema.replace('"LongRangePotential"', f'"{member}"', 1)
    schema = schema.replace('"sklode.long_range"', f'"{module}"', 1)
    with zipfile.ZipFile(tmp_path / "model.skops", "w") as new:
        for entry, content in (contents | {"schema.json": schema.encode()}).items():
            new.writestr(entry, content)
    with pytest.raises(ValueError, match=f"of other packages, {re.escape(name)}"):
        load_model(tmp_path / "model.skops")


def test_what_cannot_be_read_again_is_not_written(tmp_path):
    data = load_s22x5()
    features = InteractionFeatures(LongRangePotential(6, l_max=0))
    model = make_pipeline(features, FunctionTransformer(lambda rows: np.cbrt(rows)), Ridge())
    model.fit(data.data, data.target)
    with pytest.raises(ValueError, match=r"was not written, since the model holds .*<lambda>"):
        save_model(model, tmp_path / "model.skops")
    assert not list(tmp_path.iterdir())
