"""Keys that nothing would come of, and keys that are not spelt as the schema has them: refused, with file and line."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sim.cli import sim
from sim.errors import ScenarioError
from sim.scenario.events import AT_ONCE, VERBS
from sim.scenario.reading import from_tables, read
from sim.stage import Stage

HEAD = 'title = "t"\npromise = "p"\nduration = "5s"\n'
NODES = '[[topology.node]]\nname = "ana"\n[[topology.node]]\nname = "ben"\n'
CLIENTS = '[[client]]\nname = "app"\n[[workload]]\n'
OBJECTS = {
    "misdiscover": '{ nodes = "ana", who = "ana", at = "ben" }',
    "bit-rot": '{ nodes = "ana" }',
    "snapshot": '{ node = "ana" }',
    "restore": '{ node = "ana" }',
    "drop-client": '"app"',
    "kill-client": '"app"',
    "give-up": '"app"',
    "move-client": '{ client = "app", to = "ben" }',
    "subscribe": '{ client = "app", to = "#" }',
    "unsubscribe": '{ client = "app", to = "#" }',
    "read-history": '{ client = "app" }',
    "publish": '{ client = "app", channel = "a" }',
    "hostile-client": '{ gateways = "ana", does = "huge" }',
}


def refusal(folder: Path, text: str) -> ScenarioError:
    path = folder / "s.toml"
    path.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        read(path)
    assert caught.value.path == str(path)
    return caught.value


def test_more_readings_of_a_client_at_one_moment_than_there_may_be_are_refused(tmp_path: Path) -> None:
    event = '[[timeline]]\nat = "{}s"\nread-history = {{ client = "{}" }}\n'
    text = HEAD + NODES + '[[client]]\nname = "app"\ncount = 2\n'
    most = text + "".join(event.format(at, who) for at in (1, 2) for who in ("app-1", "app-2") for _ in range(8))

    found = refusal(tmp_path, most + event.format(2, "app-*"))

    assert found.problem == "timeline.32.read-history: more readings of 'app-1' at one moment"
    assert (found.line, found.expected) == (len(most.splitlines()) + 3, "at most 8 at a time")
    (tmp_path / "s.toml").write_text(most)
    assert len(read(tmp_path / "s.toml").timeline) == 32


@pytest.mark.parametrize(
    ("verb", "nothing", "something"),
    [
        ("clock", '{ nodes = "ana" }', '{ nodes = "ana", drift-ppm = -5 }'),
        ("clock", '{ nodes = "ana", offset = "0s", freeze = false }', '{ nodes = "ana", freeze = true }'),
        ("clock", '{ nodes = "ana", offset = "999us" }', '{ nodes = "ana", offset = "-1ms" }'),
        ("link", '{ between = ["ana", "ben"] }', '{ between = ["ana", "ben"], latency = "0s" }'),
        ("link", '{ between = ["ana", "ben"], loss = "0%", mtu = 0 }', '{ between = ["ana", "ben"], mtu = 1 }'),
        ("link", '{ between = ["ana", "ben"], extra = "0s" }', '{ between = ["ana", "ben"], burst = {} }'),
        (
            "hostile",
            '{ node = "ana", does = "garble", share = "0%" }',
            '{ node = "ana", does = "garble", share = "0.1%" }',
        ),
        (
            "flap",
            '{ between = ["ana", "ben"], up = "0s", down = "0s" }',
            '{ between = ["ana", "ben"], up = "1us", down = "0s" }',
        ),
    ],
)
def test_an_event_changes_something(verb: str, nothing: str, something: str, tmp_path: Path) -> None:
    text = HEAD + NODES + '[[timeline]]\nat = "1s"\n' + verb + " = {}\n"

    found = refusal(tmp_path, text.format(nothing))

    assert (found.line, found.problem) == (10, f"timeline.0.{verb}: it changes nothing")
    (tmp_path / "s.toml").write_text(text.format(something))
    assert read(tmp_path / "s.toml").timeline[0].verb == verb


@pytest.mark.parametrize("verb", sorted(AT_ONCE))
def test_what_is_over_at_once_lasts_for_nothing(verb: str, tmp_path: Path) -> None:
    image = '[[timeline]]\nat = "1s"\nsnapshot = { node = "ana" }\n'
    what = OBJECTS.get(verb, '"ana"')
    event = f'[[timeline]]\nat = "2s"\nfor = "1s"\n{verb} = {what}\n'
    text = HEAD + NODES + '[[client]]\nname = "app"\n' + image + event

    found = refusal(tmp_path, text)

    assert found.line == text.splitlines().index('for = "1s"') + 1
    assert found.problem == f"timeline.1.for: {verb} is over at once"
    (tmp_path / "s.toml").write_text(text.replace('for = "1s"\n', ""))
    assert read(tmp_path / "s.toml").timeline[1].verb == verb


def test_those_verbs_are_the_ones_that_a_stage_has_done_at_once() -> None:
    ends: dict[str, Any] = {
        verb: inspect.get_annotations(getattr(Stage, f"_do_{verb.replace('-', '_')}"))["return"] for verb in VERBS
    }

    assert {verb for verb, end in ends.items() if end == "None"} == AT_ONCE


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (
            HEAD + "[topology]\ndegree = 4\n" + NODES,
            5,
            'topology.degree: it changes nothing|links = "random" beside it',
        ),
        (HEAD + NODES + CLIENTS + "spread = 3\n", 11, "workload.0.spread: it changes nothing|{n} in one of"),
        (HEAD + NODES + CLIENTS + "zipf = true\n", 11, "workload.0.zipf: it changes nothing|several channels"),
        (
            HEAD + NODES + CLIENTS + 'channels = "a/{n}"\nzipf = true\n',
            12,
            "workload.0.zipf: it changes nothing|several",
        ),
        (HEAD + NODES + CLIENTS + 'mortal = "5%"\n', 11, "workload.0.mortal: it changes nothing|a ttl"),
        (
            HEAD + NODES + '[[timeline]]\nat = "1s"\nlink = { between = ["ana", "ben"], jitter = "0s" }\n',
            10,
            "timeline.0.link.jitter: it changes nothing|a latency beside it",
        ),
        (
            HEAD + NODES + '[[timeline]]\nat = "1s"\nlink = { between = ["ana", "ben"], shape = "pareto" }\n',
            10,
            "timeline.0.link.shape: it changes nothing|a latency beside it",
        ),
        (
            HEAD + NODES + '[[client]]\nname = "app"\nhistory = [{}, { every = "6s" }]\n',
            10,
            "client.0.history.1.every: '6s': it may never be read|at most the duration, 5s",
        ),
        (HEAD + NODES + '[random]\ndeeds = ["flood"]\n', 9, "random.deeds: it changes nothing|`hostile` among"),
    ],
)
def test_a_key_that_changes_nothing_is_refused(text: str, line: int, said: str, tmp_path: Path) -> None:
    problem, expected = said.split("|")

    found = refusal(tmp_path, text)

    assert (found.line, found.problem) == (line, problem)
    assert expected in found.expected


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (HEAD + NODES + '[[timeline]]\nat = "1s"\nfor_ = "1s"\ncrash = "ana"\n', 10, "timeline.0.for_|'for'"),
        (HEAD + NODES + CLIENTS + 'from_ = "1s"\n', 11, "workload.0.from_|'from'"),
        (HEAD + NODES + CLIENTS + "bytes_ = [1, 2]\n", 11, "workload.0.bytes_|'bytes'"),
        (HEAD + NODES + "[guarantees]\nidle_frames = 3\n", 9, "guarantees.idle_frames|'idle-frames'"),
        (HEAD + NODES + "[guarantees]\nidle_frames = 3\nidle-frames = 3\n", 9, "guarantees.idle_frames|'idle-frames'"),
        (HEAD + NODES + "[guarantees]\nidle-frames = 3\nidle_frames = 3\n", 10, "guarantees.idle_frames|'idle-frames'"),
        (HEAD + "format_ = 1\n" + NODES, 4, "format_|'format'"),
        (HEAD + NODES + "[guarantees]\nspeed_ = 3\n", 9, "guarantees.speed_|converge, converge-late, "),
    ],
)
def test_a_key_is_spelt_in_one_way(text: str, line: int, said: str, tmp_path: Path) -> None:
    place, expected = said.split("|")

    found = refusal(tmp_path, text)

    assert (found.line, found.problem) == (line, f"{place}: nobody knows this key")
    assert found.expected.startswith(expected)


def test_a_setting_is_said_once(tmp_path: Path) -> None:
    text = HEAD + NODES + '[config]\n"links.alive-ms" = 900\n"links.alive_ms" = 800\n'

    found = refusal(tmp_path, text)

    assert (found.line, found.problem) == (10, "config.links.alive_ms: another key says the same")


def test_tables_of_python_are_spelt_as_those_of_files() -> None:
    with pytest.raises(ScenarioError, match=r"timeline.0.for_: nobody knows this key; expected 'for', or another key"):
        from_tables(
            {
                "title": "t",
                "promise": "p",
                "topology": {"node": [{"name": "ana"}]},
                "timeline": [{"at": "1s", "for_": "1s", "crash": "ana"}],
            }
        )


@pytest.mark.parametrize("command", ["run s.toml", "sweep s.toml --seeds 0", "shrink s.toml --seed 0"])
def test_a_scenario_for_the_real_engine_alone_is_not_played_on_another(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.toml").write_text(HEAD + 'engines = ["real"]\n' + NODES)

    done = CliRunner().invoke(sim, command.split())

    assert done.exit_code == 2
    said = r"s\.toml:4: engines: the heap engine is none of those that it names: real; expected .*--engine real"
    assert re.search(said, done.output)


def test_nor_is_one_in_python(tmp_path: Path) -> None:
    path = tmp_path / "s.py"
    path.write_text("scenario = dict(title='t', promise='p', engines=['real'], topology=dict(node=[dict(name='ana')]))")

    assert read(path).engines == ("real",)
    with pytest.raises(ScenarioError, match="the heap engine is none of those that it names"):
        read(path, "heap")
