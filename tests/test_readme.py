"""What the README shows is what happens."""

import contextlib
import io
import re
from pathlib import Path

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()


def run(code):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {"__name__": __name__})
    return printed.getvalue()


def test_the_example_ends_in_the_number_that_it_shows():
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL).group(1)
    shown = re.search(r"# (RMSE .*)\n", code).group(1)
    assert run(code) == f"{shown}\n"

    local = code.replace(", LongRangePotential(exponent=6)", "")
    number = re.search(r"in its place gives ([\d.]+) eV", README).group(1)
    assert run(local) == f"RMSE {number} eV\n"


def test_the_two_commands_are_there():
    assert '    pip install ".[plot]" && sklode demo\n' in README
    assert '    pip install ".[test]" && pytest\n' in README
