"""The JSON Schema, which an editor holds a file against while it is written."""

import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from sim.errors import ScenarioError
from sim.scenario.model import json_schema
from sim.scenario.reading import SHIPPED, from_tables

ROOT = Path(__file__).parents[4]
FILES = [*SHIPPED.glob("*.toml"), *(SHIPPED / "parts").glob("*.toml"), *(ROOT / "tests").rglob("*.toml")]
SCHEMA = Draft202012Validator(json_schema())
GOOD = """
title = "Two nodes"
promise = "They agree."

[[topology.node]]
name = "ana"
count = 2

[[timeline]]
at = "1s"
for = "2s"
isolate = "ana-1"
"""
TEXTS = {"title": "Two nodes", "promise": "They agree."}


def refused(text: str) -> list[str]:
    return [error.message for error in SCHEMA.iter_errors(tomllib.loads(text))]


def is_taken(text: str) -> bool:
    """Whether the reader takes it."""
    try:
        from_tables(tomllib.loads(text))
    except ScenarioError:
        return False
    return True


def test_the_schema_is_one() -> None:
    of_schemas = Draft202012Validator(Draft202012Validator.META_SCHEMA)

    assert [error.message for error in of_schemas.iter_errors(json_schema())] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_accepts_every_file_that_there_is(path: Path) -> None:
    assert refused(path.read_text()) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('title = "Two nodes"', 'title = "Two nodes"\nspeed = 7', "'speed' was unexpected"),
        ('for = "2s"', 'for = "2s"\nhow = "fast"', "'how' was unexpected"),
        ("count = 2", "count = 2\nname_ = 2", "'name_' was unexpected"),
        ('at = "1s"', 'at = "-1s"', "'-1s' does not match"),
        ('at = "1s"', "at = 1", "1 is not of type 'string'"),
        ('isolate = "ana-1"', "isolate = []", "[] is not valid under any of the given"),
        ('isolate = "ana-1"', 'publish = { client = "app", channel = "a/#" }', "'channel': 'a/#'} is not valid"),
        *(
            (
                "[[timeline]]",
                f'[[client]]\nname = "app"\nsubscribe = [{{ to = {to} }}]\n[[timeline]]',
                "is not valid under any of the given",
            )
            for to in ("[]", '"a/#/b"', '["#", "a//b"]', '"a+"', '""')
        ),
        ('for = "2s"', 'for = "0s"', "'0s' is not valid under any of the given"),
        ('for = "2s"', 'for = "0.0s"', "'0.0s' is not valid under any of the given"),
        ('isolate = "ana-1"', 'isolate = "ana-1"\ncrash = "ana-2"', "is valid under each of"),
        ('isolate = "ana-1"', "", "is not valid under any of the given schemas"),
        ('title = "Two nodes"', 'title = "Two nodes"\nduration = "0s"', "'0s' does not match"),
        ('title = "Two nodes"', 'title = "Two nodes"\ntopology.loss = "130%"', "'130%' does not match"),
        ('title = "Two nodes"', "", "is not valid under any of the given schemas"),
        ('promise = "They agree."', "", "is not valid under any of the given schemas"),
        ('[[topology.node]]\nname = "ana"\ncount = 2', "", "is not valid under any of the given schemas"),
    ],
)
def test_it_refuses_what_a_scenario_cannot_say(old: str, new: str, problem: str) -> None:
    assert old in GOOD

    found = refused(GOOD.replace(old, new))

    assert len(found) == 1 and problem in found[0], found


@pytest.mark.parametrize(
    ("key", "taken"),
    [
        ("number = 62", True),
        ("number = 63", False),
        ("number = 0", False),
        ("lessons = [1, 24]", True),
        ("lessons = [1, 25]", False),
    ],
)
def test_a_row_and_a_lesson_are_those_of_the_catalogue(key: str, taken: bool) -> None:
    text = f"{key}\n{GOOD}"

    assert (refused(text) == [], is_taken(text)) == (taken, taken)


def test_a_file_that_includes_another_needs_nothing_of_its_own() -> None:
    assert refused('include = ["parts/two-nodes.toml"]\n[topology]\nlatency = "1ms"') == []
    assert refused(GOOD) == []


@pytest.mark.parametrize("share", ["0%", "100%", "100.0%", "99.99 %", "007.5%", "100.1%", "101%", "1000%", "30", "-1%"])
def test_it_takes_the_shares_that_a_file_may_have(share: str) -> None:
    text = f'title = "t"\npromise = "p"\n[topology]\nloss = "{share}"\n[[topology.node]]\nname = "ana"\n'

    assert (refused(text) == []) == is_taken(text)


@pytest.mark.parametrize("number", ["4", "4.5", "+4", "-4", "٤", "4.٤", " 4", "4 ", "4.", ".4", "1e3", ""])
@pytest.mark.parametrize(
    "said",
    [
        'topology = {{ latency = "{}ms", node = [{{ name = "ana" }}] }}',
        'topology = {{ rate = "{}kbit/s", node = [{{ name = "ana" }}] }}',
        'topology = {{ loss = "{}%", node = [{{ name = "ana" }}] }}',
        'duration = "{}s"\ntopology = {{ node = [{{ name = "ana" }}] }}',
        'topology = {{ node = [{{ name = "ana" }}] }}\n[[timeline]]\nat = "1s"\nclock = {{ nodes = "*", offset = "{}s" }}',
    ],
    ids=["time", "rate", "share", "lasting", "offset"],
)
def test_it_takes_the_numbers_that_a_file_may_have(said: str, number: str) -> None:
    text = f'title = "t"\npromise = "p"\n{said.format(number)}\n'

    assert (refused(text) == []) == is_taken(text)


@pytest.mark.parametrize(
    "to", ["#", "+", "a/#", "+/b/#", "room/{n}/+", "{client}", "$a/b", "ä b", "a//b", "/a", "a/", "a#", "a/b+", "#/a"]
)
def test_it_takes_the_patterns_that_a_file_may_have(to: str) -> None:
    client = f'[[client]]\nname = "app"\nsubscribe = [{{ to = "{to}" }}]\n'
    text = f'title = "t"\npromise = "p"\n[[topology.node]]\nname = "ana"\n{client}'

    assert (refused(text) == []) == is_taken(text)


@pytest.mark.parametrize("channel", ["a", "a/b", "$a", "a/$b", "ä b", "a//b", "a/+", "#", ""])
def test_it_takes_the_channels_that_a_file_may_have(channel: str) -> None:
    work = f'[[client]]\nname = "app"\n[[workload]]\nchannels = "{channel}"\n'
    text = f'title = "t"\npromise = "p"\n[[topology.node]]\nname = "ana"\n{work}'

    assert (refused(text) == []) == is_taken(text)


@pytest.mark.parametrize("text", ["T", " T ", "", " ", "\\n\\t"])
@pytest.mark.parametrize("key", ["title", "promise"])
def test_it_takes_the_titles_and_promises_that_a_file_may_have(key: str, text: str) -> None:
    said = GOOD.replace(TEXTS[key], text)

    assert (refused(said) == []) == is_taken(said) == ("T" in text)
