"""The words of errors: what was found and what was expected, as a person says it who knows the file and not the code."""

from pathlib import Path

import pytest

from sim.errors import ScenarioError
from sim.scenario.reading import SHIPPED, find, from_tables, read
from tests.unit.sim.scenario.test_reading import GOOD, PARTITION, TITLE, written

LINK_KEYS = "between, latency, jitter, shape, measured, extra, loss, burst, …"
TIME = 'a time such as "250ms", "10s" or "5m"'
NOT_NEGATIVE = 'a time of 0 or more, such as "250ms" or "10s"'
LASTING = 'a time longer than 0s, such as "250ms" or "10s"'
TOLD = [
    ('at = "1s"', 'at = "-1s"', f"23: timeline.0.at: '-1s' is negative; expected {NOT_NEGATIVE}"),
    ('for = "2s"', 'for = "-2s"', f"24: timeline.0.for: '-2s' is negative; expected {LASTING}"),
    (
        "count = 2",
        'count = 2\nhistory = [{ every = "-5s" }]',
        f"17: client.0.history.0.every: '-5s' is negative; expected {LASTING}",
    ),
    ("count = 2", "count = 2\nhistory = [{ every = 5 }]", f"17: client.0.history.0.every: 5; expected {TIME}"),
    ('at = "1s"', "at = 5", f"23: timeline.0.at: 5; expected {TIME}"),
    ('to = "#"', 'to = "#", since = 5', f"17: client.0.subscribe.0.since: 5; expected {TIME}"),
    ("[topology]", "[topology]\nmatrix = { eu = { us = 7 } }", f"5: topology.matrix.eu.us: 7; expected {TIME}"),
    ("[topology]", "[topology]\nloss = 7", '5: topology.loss: 7; expected a share such as "30%"'),
    ("[topology]", "[topology]\nrate = 7", '5: topology.rate: 7; expected a rate such as "64kbit/s" or "10Mbit/s"'),
    (PARTITION, 'clock = { nodes = "ana", offset = 7 }', f"25: timeline.0.clock.offset: 7; expected {TIME}"),
    (
        "count = 2",
        "count = 2\nhistory = [[]]",
        "17: client.0.history.0: []; expected a table of to, every, page, backwards, since, until",
    ),
    (
        PARTITION,
        'read-history = "app-1"',
        "25: timeline.0.read-history: 'app-1'; expected a table of client, to, page, backwards, since, until",
    ),
    (
        PARTITION,
        'read-history = { client = "app-1", since = "2s", until = "2s" }',
        "25: timeline.0.read-history: since 2s ago until 2s ago; expected a time that begins before it ends",
    ),
    (
        "count = 2",
        'count = 2\nhistory = [{ since = "1s", until = "2s" }]',
        "17: client.0.history.0: since 1s ago until 2s ago; expected a time that begins before it ends",
    ),
    ("count = 2", "count = 2\nhistory = [{ since = 5 }]", f"17: client.0.history.0.since: 5; expected {TIME}"),
    (PARTITION, "link = true", f"25: timeline.0.link: True; expected a table of {LINK_KEYS}"),
    ('name = "ana"', 'name = "ana"\nprofile = 7', "9: topology.node.0.profile: 7; expected a table"),
    ('name = "ana"', "name = 7", "8: topology.node.0.name: 7; expected a text"),
    ("count = 2", "count = 2.5", "16: client.0.count: 2.5; expected a whole number"),
    ("rate = 5", 'rate = "5"', "20: workload.0.rate: '5'; expected a number"),
    (TITLE, f'{TITLE}\natlas = "on"', "2: atlas: 'on'; expected true or false"),
    (TITLE, f"{TITLE}\nguarantees.isolated = 1", "2: guarantees.isolated: 1; expected true or false"),
]
CIRCLE = "its links lead in a circle"


@pytest.mark.parametrize(("was", "becomes", "said"), TOLD, ids=lambda part: str(part)[:40])
def test_what_was_expected_is_said_in_the_words_of_files(tmp_path: Path, was: str, becomes: str, said: str) -> None:
    assert was in GOOD
    path = written(tmp_path, GOOD.replace(was, becomes))

    with pytest.raises(ScenarioError) as caught:
        read(path)

    assert str(caught.value) == f"{path}:{said}"


def test_tables_of_our_own_may_give_times_in_microseconds() -> None:
    nodes = {"node": [{"name": "ana"}], "latency": 7}

    scenario = from_tables({"title": "One", "promise": "It runs.", "topology": nodes, "duration": 9_000_000})

    assert (scenario.topology.latency, scenario.duration) == (7, 9_000_000)


def test_links_in_a_circle_are_told(tmp_path: Path) -> None:
    one, other = tmp_path / "one.toml", tmp_path / "other.toml"
    one.symlink_to(other)
    other.symlink_to(one)
    top = written(tmp_path, f'include = ["one.toml"]\n{GOOD}')
    named = written(tmp_path, GOOD.replace("[topology]", '[topology]\nmatrix = "one.toml"'), "named.toml")

    for ask in (lambda: find(str(one)), lambda: read(one)):
        with pytest.raises(ScenarioError, match=f"^{one}: {CIRCLE}; expected a"):
            ask()
    with pytest.raises(ScenarioError, match=f"^{top}:1: include 'one.toml': {CIRCLE}; expected a file beside this one"):
        read(top)
    with pytest.raises(ScenarioError, match=rf"^{named}:5: topology\.matrix: '.*one\.toml': {CIRCLE}; expected a file"):
        read(named)


def test_a_folder_hides_no_scenario_that_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "halves").mkdir()
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)

    assert find("halves") == SHIPPED / "halves.toml"
    with pytest.raises(ScenarioError, match=r"^mine: it is no file; expected a scenario file$"):
        read(find("mine"))


@pytest.mark.parametrize("begins", [b"", b"\xef\xbb\xbf"], ids=["plain", "marked"])
def test_a_file_that_is_not_utf_8_names_the_line(tmp_path: Path, begins: bytes) -> None:
    path = tmp_path / "two.toml"
    path.write_bytes(begins + GOOD.encode().replace(b'"ben"', b'"b\xe9n"'))

    with pytest.raises(ScenarioError) as caught:
        read(path)

    assert (caught.value.line, caught.value.problem[:27]) == (11, "the file is not UTF-8 at by")
