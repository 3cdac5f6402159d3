from pathlib import Path

import pytest

SCENARIO = """
title = "Two nodes"
promise = "They agree."
duration = "3s"

[[topology.node]]
name = "ana"

[[topology.node]]
name = "ben"

[[client]]
name = "app"
count = 2
subscribe = [{ to = "#" }]

[[workload]]
rate = 5
"""
TESTS = """
from sim.plugin import simulation

@simulation("two.toml", seeds=3)
def test_they_agree(outcome, tmp_path):
    assert outcome.figures.messages > 0
    assert tmp_path.exists()

@simulation("two.toml", seeds=range(4, 6))
def test_without_looking(seed):
    assert seed in (4, 5)

@simulation("broken.toml", seeds=1)
def test_broken():
    raise SystemExit("never asked")
"""


def test_each_seed_is_a_test_and_a_broken_promise_fails_with_its_witness(pytester: pytest.Pytester) -> None:
    Path(pytester.path, "two.toml").write_text(SCENARIO)
    Path(pytester.path, "broken.toml").write_text(SCENARIO + '\n[guarantees]\nsee = ["disk/wiped"]\n')
    pytester.makepyfile(TESTS)

    result = pytester.runpytest("-q", "-p", "no:cacheprovider")

    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines(
        ["*bounds: disk/wiped never happened*", "*again: gossamer sim run *broken.toml --seed 0*"]
    )
