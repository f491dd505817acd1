"""A search for faults by chance: random estimators, random structures, for a given time.

``pytest -m soak`` draws from a fresh seed, which it prints; SKLODE_SOAK_SEED gives one again, and
SKLODE_SOAK_SECONDS the time. What it finds becomes a fixed test.
"""

import os
import time
from collections import Counter
from dataclasses import replace

import pytest
from soak_cases import Case
from soak_checks import CHECKS

MOST = 5  # failures to be shown


def outcome(check, case):
    """None, or what is wrong."""
    try:
        check(case)
    except Exception as error:  # whatever it is, it is what we look for
        return error
    return None


def smallest(check, case, error):
    """The case of one structure alone, if that fails in the same way."""
    for i in range(len(case.structures)):
        alone = replace(case, chosen=(i,))
        if type(outcome(check, alone)) is type(error):
            return alone
    return case


@pytest.mark.soak
@pytest.mark.filterwarnings("error")
def test_anything_goes(capsys):
    seed = int(os.environ.get("SKLODE_SOAK_SEED") or time.time_ns() % 10**9)
    end = time.monotonic() + float(os.environ.get("SKLODE_SOAK_SECONDS") or 60)
    done, failures = Counter(), []
    number = 0
    while time.monotonic() < end:
        case = Case(seed, number)
        for check in CHECKS:
            error = outcome(check, case)
            if error is not None:
                failures.append((smallest(check, case, error), check.__name__, error))
                break
        done[type(case.estimator).__name__] += 1
        number += 1
    with capsys.disabled():
        print(f"\nSKLODE_SOAK_SEED={seed}: {number} cases, {len(failures)} failures, {dict(done)}")
    assert number > 0
    if failures:
        texts = [
            f"{case.snippet(check)}\n# {type(error).__name__}: {error}"
            for case, check, error in failures[:MOST]
        ]
        pytest.fail(
            f"seed {seed}: {len(failures)} failures\n\n" + "\n\n".join(texts), pytrace=False
        )
