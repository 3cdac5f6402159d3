"""The bench's command: what makes no sense is refused before a process is started."""

from dataclasses import asdict

import pytest
from click.testing import CliRunner

from gossamer.command import command
from sim.maelstrom.trial import NODES_MAX, Trial


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--nodes", "0"], "--nodes 0; expected at least 1"),
        (["--nodes", "257"], "--nodes 257; expected at most 256, each is a process"),
        (["--nodes", "1000000"], "--nodes 1,000,000; expected at most 256, each is a process"),
        (["--rate", "0"], "--rate 0; expected at least 1"),
        (["--seconds", "0"], "--seconds 0; expected at least 1"),
        (["--latency-ms", "-1"], "--latency-ms -1; expected at least 0"),
        (["--cut-s", "-4"], "--cut-s -4; expected at least 0"),
        (["--seed", "-1"], "--seed -1; expected at least 0"),
        (
            ["--partitions", "9"],
            "--partitions 9 of --cut-s 4 take 36 s; expected less than the run, which is --seconds 20",
        ),
        (["--nodes", "many"], "is not a valid integer"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(words: list[str], told: str) -> None:
    said = CliRunner().invoke(command, ["sim", "maelstrom", "--test", *words])

    assert (said.exit_code, told in said.stderr) == (2, True), said.stderr


def test_so_many_nodes_as_there_may_be_are_a_trial() -> None:
    assert Trial(nodes=NODES_MAX).nodes == 256


def test_an_option_of_the_bench_alone_is_no_node() -> None:
    """Else a node would wait on a terminal for a protocol that nobody speaks there."""
    said = CliRunner().invoke(command, ["sim", "maelstrom", "--nodes", "3"])

    assert (said.exit_code, "--nodes is an option of the bench: say --test, too" in said.stderr) == (2, True)


def test_the_help_has_every_option_of_the_bench() -> None:
    said = CliRunner().invoke(command, ["sim", "maelstrom", "--help"]).stdout

    assert [name for name in asdict(Trial()) if f"--{name.replace('_', '-')} INTEGER" not in said] == []
