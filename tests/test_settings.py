"""What the settings of the tests let through, and what not."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

ANNOUNCED = [DeprecationWarning, PendingDeprecationWarning, FutureWarning]
CODE = "import warnings; warnings.warn('old', category)"


def run(code, module, **names):
    """Run code as that of a module, and give the warnings that are no errors."""
    with warnings.catch_warnings(record=True) as caught:
        exec(code, {"__name__": module, **names})
    return caught


@pytest.mark.parametrize("category", [*ANNOUNCED, UserWarning, ResourceWarning, RuntimeWarning])
@pytest.mark.parametrize("module", ["sklode", "sklode.physics.radial", __name__, "toy", "draw"])
def test_a_warning_in_a_module_of_ours_is_an_error(module, category):
    with pytest.raises(category, match="old"):
        run(CODE, module, category=category)


def test_a_warning_about_what_a_module_of_ours_does_is_an_error():
    def warn_the_caller():
        warnings.warn("old", DeprecationWarning, stacklevel=2)

    with pytest.raises(DeprecationWarning, match="old"):
        run("warn_the_caller()", "sklode.cli", warn_the_caller=warn_the_caller)


@pytest.mark.parametrize("category", [*ANNOUNCED, UserWarning, ResourceWarning])
@pytest.mark.parametrize("module", ["ase.atoms", "numpy", "pandas.core.frame", "my.sklode"])
def test_a_warning_of_other_packages_is_none(module, category):
    assert [w.category for w in run(CODE, module, category=category)] == [category]


@pytest.mark.parametrize("module", ["sklode.physics.radial.bases", "scipy.special", "ase.atoms"])
def test_wrong_numbers_are_errors_everywhere(module):
    with pytest.raises(RuntimeWarning, match="divide by zero"):
        run("ones / 0", module, ones=np.ones(2))


def test_scikit_learn_speaks_about_its_callers():
    with pytest.raises(UserWarning, match="old"):
        run(CODE, "sklearn.base", category=UserWarning)
    assert run(CODE, "sklearn.base", category=FutureWarning)


def test_errors_that_nobody_could_raise_are_errors():
    with pytest.raises(pytest.PytestUnraisableExceptionWarning):
        run(CODE, "_pytest.unraisableexception", category=pytest.PytestUnraisableExceptionWarning)


def test_examples_are_the_same_on_every_machine():
    assert settings().derandomize
    assert settings().deadline is None
    assert HealthCheck.too_slow in settings().suppress_health_check


def test_only_the_profile_says_how_examples_are_drawn():
    for path in Path(__file__).parent.glob("test_*.py"):
        for arguments in re.findall(r"@settings\((.*?)\)\n", path.read_text(), re.DOTALL):
            assert arguments.startswith("max_examples"), path.name
