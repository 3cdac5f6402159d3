"""The bench's command: what makes no sense is refused before a process is started."""

import pytest
from click.testing import CliRunner

from gossamer.command import command
from sim.maelstrom.__main__ import test as bench


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
        (["--nodes", "many"], "invalid int value"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        bench(words)

    assert ended.value.code == 2
    assert told in capsys.readouterr().err
    said = CliRunner().invoke(command, ["sim", "maelstrom", "--test", *words])
    assert (said.exit_code, told in said.stderr) == (2, True)
