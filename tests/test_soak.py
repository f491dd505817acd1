"""A search for faults by chance: random estimators, random structures, for a given time.

``pytest -m soak`` draws from a fresh seed, which it prints; SKLODE_SOAK_SEED gives one again, and
SKLODE_SOAK_SECONDS the time. What it finds becomes a fixed test.
"""

import os
import sys
import time
from collections import Counter
from dataclasses import replace

import pytest
from soak_cases import Case
from soak_checks import CHECKS

MOST = 5  # failures to be shown
# what is refused with reason, before the work: messages name the parameters to change
REFUSALS = ("Waves of up to ", "would need ")


def outcome(check, case):
    """None, or what is wrong."""
    try:
        check(case)
    except Exception as error:  # whatever it is, it is what we look for
        return error
    return None


def is_refused(error):
    return isinstance(error, ValueError) and any(text in str(error) for text in REFUSALS)


def smallest(check, case, error):
    """The case of one structure alone, if that fails in the same way."""
    for i in range(len(case.structures)):
        alone = replace(case, chosen=(i,))
        if type(outcome(check, alone)) is type(error):
            return alone
    return case


def first_failure(case):
    """The first check that fails, and how; None and None if all is well."""
    for check in CHECKS:
        error = outcome(check, case)
        if error is not None:
            return check, error
    return None, None


@pytest.mark.soak
@pytest.mark.filterwarnings("error")
def test_anything_goes(capsys):
    seed = int(os.environ.get("SKLODE_SOAK_SEED") or time.time_ns() % 10**9)
    end = time.monotonic() + float(os.environ.get("SKLODE_SOAK_SECONDS") or 60)
    done, refused, failures, number = Counter(), 0, [], 0

    def say(text):
        with capsys.disabled():  # the workers of xdist show nothing but this
            print(f"\nSKLODE_SOAK_SEED={seed}: {text}", file=sys.stderr)

    say("begins")
    while time.monotonic() < end:
        case = Case(seed, number)
        check, error = first_failure(case)
        if is_refused(error):
            refused += 1
        elif error is not None:
            alone = smallest(check, case, error)
            failures.append(f"{alone.snippet(check.__name__)}\n# {type(error).__name__}: {error}")
        done[type(case.estimator).__name__] += 1
        number += 1
    say(f"{number} cases, {len(failures)} failures, {refused} refused, {dict(done)}")
    assert number > 0
    if failures:
        text = "\n\n".join(failures[:MOST])
        pytest.fail(f"seed {seed}: {len(failures)} failures\n\n{text}", pytrace=False)
