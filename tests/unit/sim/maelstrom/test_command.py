"""The bench's command: what makes no sense is refused before a process is started."""

from dataclasses import asdict

import pytest
from click.testing import CliRunner

from gossamer.command import command
from sim.maelstrom.trial import Trial


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--nodes", "0"], "nodes, rate and seconds: at least 1"),
        (["--rate", "0"], "nodes, rate and seconds: at least 1"),
        (["--seconds", "0"], "nodes, rate and seconds: at least 1"),
        (["--latency-ms", "-1"], "no negative times or counts"),
        (["--cut-s", "-4"], "no negative times or counts"),
        (["--seed", "-1"], "no negative times or counts"),
        (["--partitions", "9"], "the cuts fit into the run"),
        (["--nodes", "many"], "is not a valid integer"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(words: list[str], told: str) -> None:
    said = CliRunner().invoke(command, ["sim", "maelstrom", "--test", *words])

    assert (said.exit_code, told in said.stderr) == (2, True), said.stderr


def test_an_option_of_the_bench_alone_is_no_node() -> None:
    """Else a node would wait on a terminal for a protocol that nobody speaks there."""
    said = CliRunner().invoke(command, ["sim", "maelstrom", "--nodes", "3"])

    assert (said.exit_code, "--nodes is an option of the bench: say --test, too" in said.stderr) == (2, True)


def test_the_help_has_every_option_of_the_bench() -> None:
    said = CliRunner().invoke(command, ["sim", "maelstrom", "--help"]).stdout

    assert [name for name in asdict(Trial()) if f"--{name.replace('_', '-')} INTEGER" not in said] == []
