"""Text of a file does nothing to a terminal."""

import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from sim.cli import sim
from sim.plain import many, plain, quoted
from sim.scenario.reading import from_tables
from sim.scenario.writing import write

NASTY = "red \x1b[31m\nnew\ttab \x9b2J \u202eback \x7f \U000e0041 ü 漢"
SCENARIO = """\
title = "red \\u001b[31m \\u009b2J \\u202e"
promise = "new\\nline \\u001b]0;title\\u0007"
duration = "2s"

[[topology.node]]
name = "ana"
region = "eu"
%s
"""


def test_control_and_format_characters_are_written_out() -> None:
    assert plain(NASTY) == r"red \x1b[31m\nnew\ttab \x9b2J \u202eback \x7f \U000e0041 ü 漢"
    assert plain("plain – ü") == "plain – ü"


def test_so_many_are_said_as_one_says_it() -> None:
    assert [many(count, "gap") for count in (0, 1, 2, 1_234)] == ["0 gaps", "1 gap", "2 gaps", "1,234 gaps"]


def test_documents_say_the_same_and_hold_none() -> None:
    tables = {"title": NASTY, "promise": "p", "topology": {"node": [{"name": "ana"}]}}

    document = quoted(json.dumps({"a": NASTY, NASTY: [1]}, ensure_ascii=False, indent=2))
    text = write(from_tables(tables), "a\x1bb")

    assert json.loads(document) == {"a": NASTY, NASTY: [1]}
    assert tomllib.loads(text)["title"] == NASTY
    assert (document + text).replace("\n", "").isprintable()


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "nasty.toml"),
        ("run", "nasty.toml", "--json"),
        ("run", "wrong.toml"),
        ("run", "none\x1b[31m.toml"),
        ("topology", "nasty.gml"),
        ("shrink", "see.toml", "--seed", "0"),
    ],
    ids=" ".join,
)
def test_a_terminal_shows_text_of_a_file_and_obeys_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("nasty.toml").write_text(SCENARIO % "")
    Path("wrong.toml").write_text(SCENARIO % '"a\\u001b[31m" = 1')
    Path("see.toml").write_text(SCENARIO % "[guarantees]\nsee = ['disk/wiped']")
    Path("nasty.gml").write_text('graph [ node [ id 0 label "a\x1b[31m" ] node [ id 1 label "b\x9b2J" ] ]')

    told = CliRunner().invoke(sim, arguments)

    assert told.exception is None or isinstance(told.exception, SystemExit), told.exception
    assert "\\" in told.output
    assert told.output.replace("\n", "").isprintable()


def test_lists_and_stories_are_json_where_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    CliRunner().invoke(sim, ["run", "silence", "--save", "a.tape"])

    known = json.loads(CliRunner().invoke(sim, ["safeguards", "--list", "--json"]).stdout)
    until = json.loads(CliRunner().invoke(sim, ["replay", "a.tape", "--until", "30s", "--json"]).stdout)
    name = next(line for line in until["transcript"] if "publishes" in line).split("publishes ")[1].split()[0]
    story = json.loads(CliRunner().invoke(sim, ["replay", "a.tape", "--explain", name, "--json"]).stdout)

    assert {"name", "without", "breaks"} == set(known[0])
    assert (until["until_us"], story["message"]) == (30_000_000, name)
    assert story["story"]
