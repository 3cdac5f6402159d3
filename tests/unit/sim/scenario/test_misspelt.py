"""Keys that are misspelt: which, where, and what may be meant."""

from pathlib import Path

import pytest

from tests.unit.sim.scenario.test_idle import refusal
from tests.unit.sim.scenario.test_reading import GOOD, TITLE


@pytest.mark.parametrize(
    ("was", "becomes", "line", "told"),
    [
        (TITLE, 'titel = "Two nodes"', 1, "titel: nobody knows this key; expected 'title', or another key"),
        (
            'name = "ben"',
            'names = "ben"',
            11,
            "topology.node.1.names: nobody knows this key; expected 'name', or another key",
        ),
        ('at = "1s"', 'att = "1s"', 23, "timeline.0.att: nobody knows this key; expected 'at', or another key"),
        (
            "rate = 5",
            "seeds = 5",
            20,
            "workload.0.seeds: nobody knows this key; expected audience, clients, channels, ",
        ),
        (
            TITLE,
            f"{TITLE}\nnodes = 3",
            2,
            "nodes: nobody knows this key; expected format, include, title, promise, ",
        ),
        (
            "rate = 5",
            "rate = 5\n[topology.foo.bar]\nx = 1",
            21,
            "topology.foo: nobody knows this key; expected node, link, ",
        ),
        (
            "rate = 5",
            "rate = 5\n[workload.foo.bar]\nx = 1",
            21,
            "workload.0.foo: nobody knows this key; expected audience, ",
        ),
        (
            "rate = 5",
            'rate = 5\n[guarantees.slowest-on]\n"a#" = "1s"',
            22,
            "guarantees.slowest-on.a#: 'a#'; expected a pattern that can be",
        ),
        ("rate = 5", "rate = nan", 20, "workload.0.rate: nan; expected a number"),
    ],
)
def test_a_key_that_is_misspelt_is_told_and_what_may_be_meant(
    tmp_path: Path, was: str, becomes: str, line: int, told: str
) -> None:
    assert was in GOOD

    found = refusal(tmp_path, GOOD.replace(was, becomes))

    assert (found.line, f"{found.problem}; expected {found.expected}"[: len(told)]) == (line, told)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("intake.ttl-defalt-ms", "'intake.ttl-default-ms', or another setting"),
        ("intake.ttl_defalt_ms", "'intake.ttl-default-ms', or another setting"),
        ("expire-evry-ms", "'expire-every-ms', or another setting"),
        ("alive-ms", "'links.alive-ms', or another setting"),
        ("node.fresh-ms", "'dissemination.fresh-ms' or 'repair.fresh-ms', or another setting"),
        ("receipts.speed", "a setting of receipts: receipts.waiting-max, receipts.gather-ms, "),
        ("speed", "engine.setting, as `links.alive-ms`; the engines are links, addresses, intake, "),
    ],
)
def test_a_setting_that_is_misspelt_is_told_and_what_may_be_meant(tmp_path: Path, said: str, meant: str) -> None:
    for was, becomes, line, place in (
        (TITLE, f'{TITLE}\nconfig."{said}" = 3', 2, "config"),
        ('name = "ben"', f'name = "ben"\nprofile = {{ "{said}" = 3 }}', 12, "topology.node.1.profile"),
    ):
        found = refusal(tmp_path, GOOD.replace(was, becomes))

        assert (found.line, found.problem) == (line, f"{place}.{said}: no node has a setting {said!r}")
        assert found.expected[: len(meant)] == meant
