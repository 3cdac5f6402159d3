"""`gossamer sim shrink` of a tape: what cannot be chosen any more is refused, and not left unheard."""

import gzip
from pathlib import Path

import pytest
from click.testing import CliRunner

from gossamer.command import command
from sim.heap import Play
from sim.replay import is_tape, record, save
from sim.scenario.reading import SHIPPED, read
from sim.tape import Tape


@pytest.fixture(params=["run.tape", "run.tape.gz", "run.toml"])
def tape(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A tape, whatever it is called."""
    path = tmp_path / request.param
    play = Play(read(SHIPPED / "halves.toml"), 0, Tape())
    save(record(play, play.run()), path)
    return path


@pytest.mark.parametrize(
    ("flags", "words", "instead"),
    [
        (["--without", "credit"], "--without would change nothing", "--seed N --without credit"),
        (["--seed", "4"], "--seed would change nothing", "--seed 4"),
        (["--seed", "4", "--without", "credit"], "--seed would change nothing", "--seed 4 --without credit"),
    ],
)
def test_a_tape_takes_neither_a_seed_nor_what_is_to_be_turned_off(
    tape: Path, flags: list[str], words: str, instead: str
) -> None:
    told = CliRunner().invoke(command, ["sim", "shrink", str(tape), *flags])

    assert (told.exit_code, told.stdout) == (2, "")
    assert f"{tape} is a tape, which holds its own seed and what was turned off: {words}." in told.stderr
    assert told.stderr.endswith(f"or shrink the scenario: gossamer sim shrink SCENARIO {instead}\n")


def test_a_tape_is_told_from_a_scenario_by_how_it_begins(tape: Path, tmp_path: Path) -> None:
    (tmp_path / "packed.toml").write_bytes(gzip.compress(b"{}"))
    (tmp_path / "empty").write_bytes(b"")

    assert is_tape(tape)
    assert is_tape(tmp_path / "packed.toml")
    assert [is_tape(path) for path in (SHIPPED / "halves.toml", tmp_path / "empty", tmp_path, tmp_path / "none")] == (
        [False] * 4
    )


def test_a_tape_that_fails_is_shrunk_as_far_as_the_runs_go(tmp_path: Path) -> None:
    tape, small = tmp_path / "run.tape", tmp_path / "small.toml"
    CliRunner().invoke(command, ["sim", "run", "halves", "--without", "repair", "--save", str(tape)])

    told = CliRunner().invoke(command, ["sim", "shrink", str(tape), "--runs", "10", "--out", str(small)])
    again = CliRunner().invoke(command, ["sim", "run", str(small), "--without", "repair"])
    least = CliRunner().invoke(command, ["sim", "shrink", str(tape), "--runs", "3"])
    none = CliRunner().invoke(command, ["sim", "shrink", str(tape), "--runs", "2"])

    assert (told.exit_code, again.exit_code, least.exit_code, none.exit_code) == (0, 1, 0, 2)
    assert " 10 runs; 0 of its draws matter." in told.stderr
    assert " 3 runs; at most " in least.stderr
    assert "2 is not in the range" in none.stderr
