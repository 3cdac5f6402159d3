from itertools import count
from pathlib import Path
from typing import Any

import pytest

from sim.plugin import MisusedError, simulation

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


def test_seeds_may_be_listed_one_by_one(pytester: pytest.Pytester) -> None:
    Path(pytester.path, "two.toml").write_text(SCENARIO)
    forms = {
        "list": "[7, 4]",
        "tuple": "(7, 4)",
        "set": "{7, 4}",
        "once": "(n for n in (7, 4))",
        "range": "range(7, 3, -3)",
    }
    tests = [f"@simulation('two.toml', {seeds=!s})\ndef test_{form}(): pass" for form, seeds in forms.items()]
    pytester.makepyfile("\n".join(["from sim.plugin import simulation", *tests]))

    result = pytester.runpytest("--collect-only", "-q", "-p", "no:cacheprovider")

    collected = [line.rpartition("test_")[2] for line in result.outlines if "seed-" in line]
    orders = {form: (4, 7) if form == "set" else (7, 4) for form in forms}
    assert collected == [f"{form}[seed-{seed}-]" for form, seeds in orders.items() for seed in seeds]


def test_a_seed_that_is_listed_is_played(pytester: pytest.Pytester) -> None:
    Path(pytester.path, "two.toml").write_text(SCENARIO)
    pytester.makepyfile(
        "from sim.plugin import simulation\n\n"
        "@simulation('two.toml', seeds=[7])\ndef test_it(seed, outcome): assert seed == outcome.seed == 7"
    )

    result = pytester.runpytest("-q", "-p", "no:cacheprovider")

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("seeds", "problem"),
    [
        ([], "seeds=[]) is no test; expected at least one seed, such as 10, range(5, 9) or [4, 7]"),
        ([4, -7], "seeds=[4, -7]): -7 is no seed; expected whole numbers from 0 on, such as [4, 7]"),
        ([True], "True is no seed; expected whole"),
        ((4, "7"), "'7' is no seed; expected whole"),
        ([4, 7.0], "7.0 is no seed; expected whole"),
        ([4, 7, 4], "4 stands there twice; expected each seed once"),
        ([4, 2**63], "goes beyond the last seed; expected none above 9223372036854775807"),
        ("47", "seeds='47') is no test; expected how many, such as 10, or which, such as range(5, 9) or [4, 7]"),
        (b"47", "is no test; expected how many"),
        ({4: 7}, "is no test; expected how many"),
        (4.5, "seeds=4.5) is no test; expected how many"),
        (None, "seeds=None) is no test; expected how many"),
        (count(), "seeds=count(0)) is more than 100,000 tests; expected at most 100,000: `gossamer sim sweep`"),
    ],
    ids=str,
)
def test_what_is_no_list_of_seeds_is_refused_with_a_clear_word(seeds: Any, problem: str) -> None:
    with pytest.raises(MisusedError) as refused:
        simulation("two.toml", seeds)

    assert problem in str(refused.value)


def test_a_file_that_makes_no_sense_fails_in_a_line(pytester: pytest.Pytester) -> None:
    Path(pytester.path, "two.toml").write_text(SCENARIO.replace('"3s"', "3"))
    pytester.makepyfile("from sim.plugin import simulation\n\n@simulation('two.toml', seeds=1)\ndef test_it(): pass\n")

    result = pytester.runpytest("-q", "-p", "no:cacheprovider")

    result.assert_outcomes(failed=1)
    said = next(line for line in result.outlines if "expected a time" in line)
    assert said.endswith('two.toml:4: duration: 3; expected a time such as "250ms", "10s" or "5m"')
    assert len(result.outlines) < 12, "no frame of ours"


def test_a_folder_beside_the_test_hides_no_scenario_that_ships(pytester: pytest.Pytester) -> None:
    Path(pytester.path, "halves").mkdir()
    pytester.makepyfile(
        "from sim.plugin import simulation\n\n"
        "@simulation('halves', seeds=1)\ndef test_it(outcome): assert outcome.scenario.number"
    )

    result = pytester.runpytest("-q", "-p", "no:cacheprovider")

    result.assert_outcomes(passed=1)


METHODS = """
from sim.plugin import simulation

class TestMesh:
    @simulation("two.toml", seeds=2)
    def test_method(self, tmp_path, outcome, seed):
        assert isinstance(self, TestMesh)
        assert outcome.seed == seed
        assert tmp_path.exists()

    @simulation("two.toml", seeds=1)
    def test_without_looking(self):
        pass

    @staticmethod
    @simulation("two.toml", seeds=1)
    def test_static(outcome):
        assert outcome.is_kept

@simulation("two.toml", seeds=1)
def test_optional(tmp_path, *rest, outcome, deep=3, **more):
    assert (rest, deep, more, outcome.is_kept) == ((), 3, {}, True)

def test_inner(tmp_path):
    @simulation("two.toml", seeds=1)
    def inner(outcome):
        raise AssertionError("reached")
"""


def test_methods_are_tests_as_functions_are(pytester: pytest.Pytester) -> None:
    Path(pytester.path, "two.toml").write_text(SCENARIO)
    pytester.makepyfile(METHODS)

    result = pytester.runpytest("-q", "-p", "no:cacheprovider")

    result.assert_outcomes(passed=6)


@pytest.mark.parametrize(
    ("decorated", "problem"),
    [
        ("@simulation('two.toml')\nasync def test_it(outcome): pass", "expected a function or a method, neither async"),
        ("@simulation('two.toml')\ndef test_it(outcome, /): pass", "expected no `/`: outcome is given by its name"),
        ("@simulation('two.toml')\ndef test_it(outcome): yield", "expected a function or a method, neither async"),
        ("@simulation('two.toml')\nclass TestIt: pass", "expected a function or a method"),
        ("@simulation('two.toml', seeds=0)\ndef test_it(): pass", "seeds=0) is no test; expected at least one seed"),
        ("@simulation('two.toml', seeds=True)\ndef test_it(): pass", "seeds=True) is no test"),
        ("@simulation('two.toml', seeds=range(-1, 2))\ndef test_it(): pass", "is no test"),
        ("@simulation('two.toml', seeds=2**70)\ndef test_it(): pass", "expected at most 100,000: `gossamer sim sweep`"),
        ("@simulation('two.toml', seeds=100_001)\ndef test_it(): pass", "is 100,001 tests; expected at most 100,000"),
        (
            "@simulation('two.toml', seeds=range(0, 2**70, 2**60))\ndef test_it(): pass",
            "beyond the last seed; expected",
        ),
        (
            "@simulation('two.toml', seeds=range(2**63, 9, -2**62))\ndef test_it(): pass",
            "beyond the last seed; expected",
        ),
        (
            "@simulation\ndef test_it(outcome): pass",
            '@simulation without a scenario; expected @simulation("my-topology.',
        ),
        ("@simulation('none.toml')\ndef test_it(): pass", "none.toml: there is no such file; expected a file"),
        (f"@simulation('{'9' * 400}')\ndef test_it(): pass", "9: File name too long; expected"),
    ],
    ids=lambda part: part[:45],
)
def test_what_would_test_nothing_is_refused_with_a_clear_word(
    pytester: pytest.Pytester, decorated: str, problem: str
) -> None:
    Path(pytester.path, "two.toml").write_text(SCENARIO)
    pytester.makepyfile(f"from sim.plugin import simulation\n\n{decorated}\n")

    result = pytester.runpytest("-q", "-p", "no:cacheprovider")

    result.assert_outcomes(errors=1)
    assert problem in " ".join(result.outlines)
