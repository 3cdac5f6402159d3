"""`gossamer sim run`, `replay` and `sweep` write reports where they are asked to, and explain a message."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gossamer.command import command
from tests.report_samples import Page

SCENARIO = """
format = 1
title = "Two nodes"
promise = "Both have it."
duration = "2s"

[topology]
node = [{ name = "ana", region = "eu" }, { name = "ben", region = "us" }]

[[client]]
name = "app"
count = 2
subscribe = [{ to = "#" }]

[[timeline]]
at = "1s"
publish = { client = ["app-1"], channel = "room/1", count = 3 }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "two nodes.toml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


def said(*words: object, status: int = 0) -> str:
    result = CliRunner().invoke(command, ["sim", *map(str, words)])
    assert result.exit_code == status, result.output
    return result.output


def test_run_writes_a_report_with_its_command_and_says_what_it_says_without(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.html"

    with_report = said("run", file, "--seed", 3, "--report", out)

    assert with_report == said("run", file, "--seed", 3)
    page = Page(out.read_text(encoding="utf-8"))
    assert f"gossamer sim run '{file}' --seed 3" in page.rows("")
    assert "| messages | 3 |" in page.rows("figures")


def test_run_tells_its_events_and_not_how_fast_the_machine_was(file: Path) -> None:
    """Equal runs print the same; a sweep says how many events there were in a second."""
    told, plain = said("run", file, "--seed", 3), json.loads(said("run", file, "--seed", 3, "--json"))

    assert f"  {plain['events']:,} events in {plain['simulated_us'] / 1e6:,.1f} simulated seconds\n" in told
    assert plain["events"] > 100
    assert told == said("run", file, "--seed", 3)


def test_replay_writes_a_report_with_its_command(file: Path, tmp_path: Path) -> None:
    tape, out = tmp_path / "run.tape", tmp_path / "out.html"
    said("run", file, "--seed", 3, "--save", tape)

    said("replay", tape, "--report", out)

    assert f"gossamer sim replay {tape}" in Page(out.read_text(encoding="utf-8")).rows("")


def test_replay_explains_a_message_and_names_those_near_a_wrong_one(file: Path, tmp_path: Path) -> None:
    tape = tmp_path / "run.tape"
    said("run", file, "--save", tape)

    story = said("replay", tape, "--explain", "app-1/2")
    wrong = said("replay", tape, "--explain", "app-1/22", status=2)

    assert "app-1 publishes it on room/1, attached to ana" in story
    assert story.count("is shown it") == 2
    assert "no message is called 'app-1/22'; expected one such as app-1/2" in wrong


def test_replay_refuses_a_story_until_a_time_which_would_be_told_to_its_end(file: Path, tmp_path: Path) -> None:
    tape, out = tmp_path / "run.tape", tmp_path / "out.html"
    said("run", file, "--save", tape)

    both = said("replay", tape, "--explain", "app-1/2", "--until", "1s", "--report", out, status=2)
    until = json.loads(said("replay", tape, "--until", "1.2s", "--json"))

    assert "--explain tells all of a message's story, whatever --until says: give one of them." in " ".join(
        both.split()
    )
    assert not out.exists()
    assert (until.keys(), until["until_us"]) == ({"until_us", "transcript"}, 1_200_000)


def test_sweep_writes_a_report_of_all_its_seeds(file: Path, tmp_path: Path) -> None:
    journal, out = tmp_path / "journal", tmp_path / "out.html"

    said("sweep", file, "--seeds", "0..1", "--jobs", 1, "--journal", journal)
    said("sweep", file, "--seeds", "0..1", "--merge", journal, "--report", out, "--no-gates")

    page = Page(out.read_text(encoding="utf-8"))
    assert "All 2 seeds kept every promise." in page.rows("")
    assert "| median delivery | 2 |" in page.rows("measures")
