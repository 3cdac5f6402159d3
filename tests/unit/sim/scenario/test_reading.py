"""Bad input: the file, the line, what is wrong and what was expected."""

from pathlib import Path

import pytest

from sim.errors import ScenarioError
from sim.scenario.cast import Cast
from sim.scenario.reading import INCLUDE_DEPTH_MAX, INCLUDES_MAX, SHIPPED, find, from_tables, read
from sim.scenario.writing import write

GOOD = """\
title = "Two nodes"
promise = "They agree."

[topology]
latency = "10ms"

[[topology.node]]
name = "ana"

[[topology.node]]
name = "ben"
region = "us"

[[client]]
name = "app"
count = 2
subscribe = [{ to = "#" }]

[[workload]]
rate = 5

[[timeline]]
at = "1s"
for = "2s"
partition = [["ana"], ["ben"]]
"""
TITLE = 'title = "Two nodes"'
PARTITION = 'partition = [["ana"], ["ben"]]'
BAD = [
    (TITLE, f"{TITLE}\nconfig = {{ links.alive-ms = 9 }}", 2, "config: links.alive-ms"),
    ('to = "#"', 'to = "room/{m}/+"', 17, "client.0.subscribe.0.to.0: 'room/{m}/+'"),
    ('to = "#"', 'to = "room/#/{n}"', 17, "client.0.subscribe.0.to.0: 'room/#/{n}'"),
    *(
        ('to = "#"', f'to = "#", since = "{since}"', 17, f"client.0.subscribe.0.since: {since!r}")
        for since in ("begining", "0s", "-5s", "5")
    ),
    ('to = "#"', 'to = "#", since = 5.5', 17, "client.0.subscribe.0.since: 5.5"),
    ('to = "#"', 'to = "#", spread = 1_025', 17, "client.0.subscribe.0.spread: 1025"),
    (
        'count = 2\nsubscribe = [{ to = "#" }]',
        'count = 200\nsubscribe = [{ to = "#", spread = 1_024 }]',
        14,
        "client.0: 204,800 subscriptions",
    ),
    ("rate = 5", 'rate = 5\nspeed = "fast"', 21, "workload.0.speed: nobody knows this key"),
    ('partition = [["ana"], ["ben"]]', 'partition = [["ana"], ["ana", "ben"]]', 25, "'ana' is on two sides"),
    ('partition = [["ana"], ["ben"]]', 'partition = [["ana"]]', 25, "timeline.0.partition"),
    ('partition = [["ana"], ["ben"]]', 'crash = "cy"', 25, "no node is called 'cy'"),
    ('partition = [["ana"], ["ben"]]', 'crash = "@ap"', 25, "no node is called '@ap'"),
    ('partition = [["ana"], ["ben"]]', 'kill-client = "cy"', 25, "no client is called 'cy'"),
    ('partition = [["ana"], ["ben"]]', "", 22, "an event without a verb"),
    ('partition = [["ana"], ["ben"]]', "crash = 7", 25, "timeline.0.crash: 7"),
    (
        'partition = [["ana"], ["ben"]]',
        'crash = "ana"\npause = "ben"',
        22,
        "an event with crash and pause",
    ),
    ('partition = [["ana"], ["ben"]]', 'ring = ["ana", "ben"]', 25, "fewer than 4"),
    ('at = "1s"', 'at = "-1s"', 23, "'-1s' is negative"),
    ('for = "2s"', 'for = "0s"', 24, "timeline.0.for: '0s'"),
    ('at = "1s"', 'at = "soon"', 23, "'soon'"),
    ('at = "1s"', "at = 1.5", 23, "1.5"),
    ('latency = "10ms"', 'latency = "10 lightyears"', 5, "'10 lightyears'"),
    ('name = "ben"', 'name = "ana"', 10, "two nodes are named 'ana'"),
    ('name = "ben"', 'name = "Ben!"', 11, "'Ben!'"),
    ('region = "us"', f'region = "{"u" * 64}"', 12, "topology.node.1.region: 'uuu"),
    ('region = "us"', 'region = "u s"', 12, "topology.node.1.region: 'u s'"),
    ('title = "Two nodes"', "title = 7", 1, "title"),
    ('title = "Two nodes"\n', "", 1, "title: it is missing"),
    ('name = "ben"\n', "", 10, "topology.node.1.name: it is missing"),
    ('name = "app"\n', "", 14, "client.0.name: it is missing"),
    ('at = "1s"\n', "", 22, "timeline.0.at: it is missing"),
    ('title = "Two nodes"', 'title = "Two nodes"\nformat = 2', 2, "format 2 is not known here"),
    ("rate = 5", "rate = 0", 20, "workload.0.rate"),
    ("rate = 5", 'rate = 5\nclients = "nobody-*"', 21, "no client is called 'nobody-*'"),
    (
        'title = "Two nodes"',
        'title = "Two nodes"\nconfig = { "links.speed" = 7 }',
        2,
        "no node has a setting 'links.speed'",
    ),
    ('region = "us"', 'region = "us"\nprofile = { "links.alive-ms" = 0 }', 13, "alive_ms < silent_ms"),
    ("[[workload]]", "[[workload]", 19, "no TOML"),
    ('title = "Two nodes"', 'title = "Two nodes"\ncore = ["cy"]', 2, "no node is called 'cy'"),
    ("[[workload]]", '[random]\nfaults = ["meteor"]\n\n[[workload]]', 20, "no fault is called 'meteor'"),
    ("[[workload]]", '[random]\nfaults = ["publish"]\n\n[[workload]]', 20, "'publish' is never drawn"),
    (TITLE, f'{TITLE}\nduration = "0s"', 2, "duration"),
    (TITLE, f'{TITLE}\nduration = "99999999999999h"', 2, "duration: '99999999999999h'"),
    (TITLE, f'{TITLE}\nduration = "367d"', 2, "duration: '367d'"),
    (TITLE, f"{TITLE}\nseeds = {'9' * 90}", 2, "seeds: 99999"),
    (TITLE, f"{TITLE}\natlas = 1", 2, "atlas: 1"),
    (TITLE, f"{TITLE}\nengines = []", 2, "engines: []"),
    (TITLE, f"{TITLE}\ncore = []", 2, "core: []"),
    (TITLE, f"{TITLE}\nguarantees = {{ idle-frames = nan }}", 2, "guarantees.idle-frames: nan"),
    (TITLE, f"{TITLE}\nguarantees = {{ dials = -1 }}", 2, "guarantees.dials: -1"),
    (TITLE, f'{TITLE}\nsabotage = ["repair", "luck"]', 2, "sabotage.1: no safeguard is called 'luck'"),
    (
        TITLE,
        f'{TITLE}\ngates = [\n  "frame/*",\n  "frame/Nothing",\n]',
        4,
        "gates.1: nothing is ever called 'frame/Nothing'",
    ),
    (TITLE, f'{TITLE}\ngates = ["luck/*"]', 2, "gates.0: nothing is ever called 'luck/*'"),
    (TITLE, f'{TITLE}\nguarantees = {{ see = ["disk/melted"] }}', 2, "nothing is ever called 'disk/melted'"),
    (TITLE, f'{TITLE}\nguarantees = {{ never = ["disk/melted"] }}', 2, "nothing is ever called 'disk/melted'"),
    (
        TITLE,
        f'{TITLE}\nguarantees = {{ see = ["fault/crash"], never = ["gap/lost", "fault/crash"] }}',
        2,
        "'fault/crash' is to be seen, too",
    ),
    (TITLE, f'{TITLE}\nguarantees = {{ see = ["promise/once"] }}', 2, "nothing is ever called 'promise/once'"),
    (TITLE, f'{TITLE}\nconfig = {{ "links.alive-ms" = 1.5 }}', 2, "config.links.alive-ms: 1.5"),
    (TITLE, f'{TITLE}\nconfig = {{ "links.alive-ms" = "fast" }}', 2, "config.links.alive-ms: 'fast'"),
    (TITLE, f'{TITLE}\nconfig = {{ "links.alive-ms" = true }}', 2, "config.links.alive-ms: True"),
    ("[topology]", '[topology]\nrate = "0bit/s"', 5, "topology.rate: '0bit/s'"),
    ("[topology]", "[topology]\nrate = true", 5, "topology.rate: True"),
    ("[topology]", '[topology]\nlinks = [["ana", "ana"]]', 5, "topology.links.0: a link of 'ana' to itself"),
    ("[topology]", '[topology]\nlinks = [["ana", "b*"]]', 5, "no node is called 'b*'"),
    ("[topology]", '[topology]\nlinks = [["ana", "ben"], ["ben", "ana"]]', 5, "'ben' and 'ana' are linked twice"),
    ("[topology]", "[topology]\nlinks = []", 5, "topology.links: no links lead from 'ana' to 'ben'"),
    ("[topology]", '[topology]\nlinks = "mesh"', 5, "topology.links: 'mesh'"),
    ("[topology]", '[topology]\nlink = [{ between = ["ana", "ana"] }]', 5, "a path from ana to itself"),
    ("[topology]", '[topology]\nmatrix = "none.csv"', 5, "none.csv': there is no such file"),
    ("[topology]", '[topology]\nmatrix = "/dev/null"', 5, "topology.matrix: '/dev/null': it is no file"),
    ("[topology]", f'[topology]\nmatrix = "{"9" * 400}"', 5, "9': there is no such file"),
    ("[topology]", '[topology]\nmatrix = "aws"', 8, "topology.node.0.region: the matrix 'aws' has no 'eu'"),
    ('name = "ben"', 'name = "ben"\ncount = 1_000', 10, "topology.node.1: 1,001 nodes"),
    ("count = 2", 'count = 10_000\n[[client]]\nname = "b"', 17, "client.1: 10,001 clients"),
    ("count = 2", "count = true", 16, "client.0.count: True"),
    ('to = "#"', 'to = "#/orders"', 17, "client.0.subscribe.0.to.0: '#/orders'"),
    ("rate = 5", "rate = true", 20, "workload.0.rate: True"),
    ("rate = 5", "rate = 5\nbytes = [400, 100]", 21, "workload.0.bytes: [400, 100]"),
    ("rate = 5", 'rate = 5\nbytes = [100, "900GB"]', 21, "workload.0.bytes.1: '900GB'"),
    ("rate = 5", 'rate = 5\nbytes = [100, "-9KiB"]', 21, "workload.0.bytes.1: '-9KiB'"),
    ("rate = 5", 'rate = 50\nbytes = ["1MB", "1MB"]', 20, "publishes about 1,500,000,000 bytes"),
    ("rate = 5", 'rate = 5\nbytes = [1, "1MiB"]', 21, "workload.0.bytes.1: '1MiB'"),
    ("rate = 5", 'rate = 5\nttl = "3650d"', 21, "workload.0.ttl: '3650d'"),
    ("rate = 5", 'rate = 5\nttl = "999us"', 21, "workload.0.ttl: '999us'"),
    (PARTITION, 'publish = { client = "*", channel = "a", ttl = "3650d" }', 25, "timeline.0.publish.ttl: '3650d'"),
    (TITLE, f'{TITLE}\nsettle = "2d"', 2, "settle: '2d'"),
    (TITLE, f'{TITLE}\nguarantees = {{ converge = "0s" }}', 2, "guarantees.converge: '0s'"),
    ("[topology]", '[topology]\nloss = "100%"', 5, "topology.loss: '100%'"),
    ("rate = 5", "rate = 100_000", 20, "that comes to about 3,000,003 steps"),
    ("rate = 5", 'rate = 100_000\naudience = "sensor-fleet"', 20, "that comes to about 3,000,003 steps"),
    ("count = 2", 'count = 2\nhistory = [{ every = "10us" }]', 17, "0.every: that comes to about 6,000,000 readings"),
    ("count = 2", 'count = 2\nhistory = [{ every = "0s" }]', 17, "client.0.history.0.every: '0s'"),
    ("count = 2", "count = 2\nhistory = [{}, { page = 1_001 }]", 17, "client.0.history.1.page: 1001"),
    (
        'region = "us"\n\n[[client]]\n',
        'region = "us"\nprofile = { "sessions.history-page-max" = 40 }\n\n[[client]]\nhistory = [{}]\n',
        16,
        "client.0.history.0.page: page = 50",
    ),
    (
        PARTITION,
        'read-history = { client = "*" }\n[config]\n"sessions.history-page-max" = 40',
        25,
        "timeline.0.read-history.page: page = 50",
    ),
    (PARTITION, 'read-history = { client = "*", to = "a/#/b" }', 25, "timeline.0.read-history.to.0: 'a/#/b'"),
    (PARTITION, 'read-history = { client = "eve" }', 25, "no client is called 'eve'"),
    ("rate = 5", "rate = 5\ncopies = [0]", 21, "workload.0.copies.0: 0"),
    ("rate = 5", "rate = 5\ncopies = [3]", 21, "workload.0.copies: copies = 3"),
    ("rate = 5", "rate = 5\nregions = [1, 3]", 21, "workload.0.regions: regions = 3"),
    ("rate = 5", 'rate = 5\nfrom = "9s"\nuntil = "9s"', 22, "workload.0.until: '9s'"),
    ("rate = 5", 'rate = 5\nfrom = "30s"', 21, "workload.0.from: '30s' is after the end"),
    ("rate = 5", "rate = 5\nclients = []", 21, "workload.0.clients: []"),
    ("rate = 5", "rate = 5\nchannels = []", 21, "workload.0.channels: []"),
    ("rate = 5", 'rate = 5\nchannels = "orders//"', 21, "workload.0.channels.0: 'orders//'"),
    ("rate = 5", 'rate = 5\nchannels = ["a", "#"]', 21, "workload.0.channels.1: '#'"),
    ("rate = 5", 'rate = 5\nchannels = "orders/{n}/{x}"', 21, "workload.0.channels.0: 'orders/{n}/{x}'"),
    ("[[workload]]", '[random]\nfrom = "30s"\n\n[[workload]]', 20, "random.from: '30s' is after the end"),
    (
        "[[workload]]",
        '[random]\nevery = "1us"\n\n[[workload]]',
        20,
        "random.every: that comes to about 29,000,001 faults",
    ),
    ("[[workload]]", "[random]\nfaults = []\n\n[[workload]]", 20, "random.faults: []"),
    (PARTITION, 'partition = [[], ["ben"]]', 25, "timeline.0.partition.0: []"),
    (PARTITION, "crash = []", 25, "timeline.0.crash: []"),
    (PARTITION, 'clock = { nodes = "ana", offset = "99999999999h" }', 25, "timeline.0.clock.offset: '99999999999h'"),
    (PARTITION, 'restore = { node = "ana" }', 25, "timeline.0.restore: nobody took 'image' of 'ana' before"),
    (PARTITION, 'misdiscover = { nodes = "*", who = "eva", at = "ben" }', 25, "no node is called 'eva'"),
    (PARTITION, 'misdiscover = { nodes = "*", who = "ben", at = "*" }', 25, "'*' are several nodes"),
    (PARTITION, 'crash-loop = { node = "*" }', 25, "timeline.0.crash-loop: '*' are several nodes"),
    (PARTITION, 'publish = { client = "app-1", channel = "#" }', 25, "timeline.0.publish.channel: '#'"),
    (PARTITION, 'publish = { client = "app-1", channel = "a/{n}/+" }', 25, "timeline.0.publish.channel: 'a/{n}/+'"),
    (
        PARTITION,
        'publish = { client = "*", channel = "a", bytes = "1MB", count = 1000 }',
        25,
        "about 2,000,005,400 bytes",
    ),
    (PARTITION, 'publish = { client = "*", channel = "a", regions = 3 }', 25, "timeline.0.publish: regions = 3"),
    (PARTITION, 'subscribe = { client = "app-1", to = ["a/#", "a+"] }', 25, "timeline.0.subscribe.to.1: 'a+'"),
    ('at = "1s"', 'at = "30s"', 23, "timeline.0.at: '30s' is after the end"),
]


def written(folder: Path, text: str, name: str = "two.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read_as_it_is_written(tmp_path: Path) -> None:
    scenario = read(written(tmp_path, GOOD))

    assert [group.name for group in scenario.topology.node] == ["ana", "ben"]
    assert (scenario.topology.latency, scenario.timeline[0].for_) == (10_000, 2_000_000)
    assert (scenario.timeline[0].verb, scenario.timeline[0].what) == ("partition", (("ana",), ("ben",)))


@pytest.mark.parametrize(("was", "becomes", "line", "problem"), BAD, ids=lambda part: str(part)[:40])
def test_whatever_is_wrong_names_file_line_and_what_was_expected(
    tmp_path: Path, was: str, becomes: str, line: int, problem: str
) -> None:
    assert was in GOOD
    path = written(tmp_path, GOOD.replace(was, becomes))

    with pytest.raises(ScenarioError) as caught:
        read(path)

    error = caught.value
    assert (error.path, error.line) == (str(path), line)
    assert problem in error.problem
    assert error.expected
    assert str(error) == f"{path}:{line}: {error.problem}; expected {error.expected}".replace(":0:", ":")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('settle = "2d"', "settle: '2d'; expected at most 1d"),
        ('settle = "86401s"', "settle: '86401s'; expected at most 1d"),
        ('duration = "9000h"', "duration: '375d'; expected at most 366d"),
        ('duration = "0ms"', "duration: '0s'; expected longer than 0s"),
        ('guarantees.converge = "0s"', "guarantees.converge: '0s'; expected longer than 0s"),
    ],
)
def test_the_bounds_of_times_are_told_as_times(tmp_path: Path, said: str, told: str) -> None:
    path = written(tmp_path, GOOD.replace(TITLE, f"{TITLE}\n{said}"))

    with pytest.raises(ScenarioError) as caught:
        read(path)

    assert str(caught.value) == f"{path}:2: {told}"


def test_where_a_list_belongs_one_is_expected(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD.replace('partition = [["ana"], ["ben"]]', "crash = 7"))

    with pytest.raises(ScenarioError, match=r"timeline\.0\.crash: 7; expected a list$"):
        read(path)


def test_what_is_at_a_limit_makes_sense(tmp_path: Path) -> None:
    read(written(tmp_path, GOOD.replace("rate = 5", "rate = 60_000")))
    read(written(tmp_path, GOOD.replace("rate = 5", 'rate = 30\nbytes = ["1MB", "1MB"]')))
    read(written(tmp_path, GOOD.replace("rate = 5", 'rate = 5\nchannels = "orders/{n}"\nspread = 3')))
    read(written(tmp_path, GOOD.replace(TITLE, f'{TITLE}\nduration = "366d"').replace("rate = 5", "rate = 0.05")))
    images = 'snapshot = { node = "ana" }\n\n[[timeline]]\nat = "2s"\nrestore = { node = "ana" }'
    read(written(tmp_path, GOOD.replace(PARTITION, images).replace('for = "2s"\n', "")))
    line = '[topology]\nlinks = "line"'
    read(written(tmp_path, GOOD.replace("[topology]", line)))
    named = GOOD.replace("[topology]", line).replace(TITLE, f'{TITLE}\ncore = ["ana", "cy"]')
    three = written(tmp_path, named.replace("[[client]]", '[[topology.node]]\nname = "cy"\n\n[[client]]'))
    with pytest.raises(ScenarioError, match=r"two\.toml:2: core: no links lead from 'ana' to 'cy'; expected a core"):
        read(three)
    drawn = three.read_text().replace('"line"', '"random"')
    read(written(tmp_path, drawn))  # a ring of three
    with pytest.raises(ScenarioError, match=r"two\.toml:2: core: no links lead from 'ana' to 'cy'"):
        read(
            written(
                tmp_path,
                drawn.replace(
                    'name = "cy"', 'name = "bob"\n\n[[topology.node]]\nname = "cy"\n\n[[topology.node]]\nname = "dee"'
                ),
            )
        )


def test_of_few_drawn_links_a_core_can_be_everybody_or_drawn_itself(tmp_path: Path) -> None:
    few = GOOD.replace("[topology]", '[topology]\nlinks = "sparse"')
    three = few.replace("[[client]]", '[[topology.node]]\nname = "cy"\n\n[[client]]')
    read(written(tmp_path, three))
    read(written(tmp_path, three.replace(TITLE, f'{TITLE}\ncore = "random"')))
    read(written(tmp_path, three.replace(TITLE, f'{TITLE}\ncore = ["cy", "ana", "ben"]')))

    with pytest.raises(ScenarioError, match=r"two\.toml:2: core: no links lead from 'ana' to 'cy'"):
        read(written(tmp_path, three.replace(TITLE, f'{TITLE}\ncore = ["ana", "cy"]')))


def test_includes_are_taken_over_and_errors_in_them_name_their_file(tmp_path: Path) -> None:
    base = written(tmp_path, GOOD.replace("rate = 5", 'rate = 5\nspeed = "fast"'), "base.toml")
    top = written(tmp_path, 'include = ["base.toml"]\ntitle = "Above"\n', "top.toml")

    with pytest.raises(ScenarioError) as caught:
        read(top)

    assert (caught.value.path, caught.value.line) == (str(base), 21)
    written(tmp_path, GOOD, "base.toml")
    assert (read(top).title, len(read(top).topology.node)) == ("Above", 2)


def test_includes_in_a_circle_name_the_circle(tmp_path: Path) -> None:
    written(tmp_path, 'title = "b"\ninclude = ["a.toml"]\n', "b.toml")
    path = written(tmp_path, 'include = ["b.toml"]\n', "a.toml")

    with pytest.raises(ScenarioError) as caught:
        read(path)

    assert (caught.value.path, caught.value.line) == (str(tmp_path / "b.toml"), 2)
    assert "a.toml -> b.toml -> a.toml" in caught.value.problem


def test_an_include_that_is_not_there_or_no_list_is_told(tmp_path: Path) -> None:
    for name, problem in (
        ("gone.toml", "there is no such file"),
        ("..", "it is no file"),
        ("a\\u0000b", "null byte"),
        ("n" * 300, "File name too long"),
    ):
        with pytest.raises(
            ScenarioError, match=rf"two\.toml:3: include '.*: .*{problem}; expected a file beside this one"
        ):
            read(written(tmp_path, f'title = "t"\ninclude = [\n  "{name}",\n]\n'))
    with pytest.raises(ScenarioError, match=r"two\.toml:1: include is no list"):
        read(written(tmp_path, 'include = "gone.toml"\n'))


def test_each_included_file_is_read_once_and_there_are_so_many_at_most(tmp_path: Path) -> None:
    written(tmp_path, GOOD, "0.toml")
    for number in range(1, INCLUDE_DEPTH_MAX + 1):
        written(tmp_path, f'include = ["{number - 1}.toml", "{number - 1}.toml"]\n', f"{number}.toml")
    twice = written(tmp_path, f'include = ["{INCLUDE_DEPTH_MAX}.toml"]\n', "top.toml")
    many = written(tmp_path, f"include = {[f'{n}.many' for n in range(INCLUDES_MAX)]}\n", "many.toml")
    for number in range(INCLUDES_MAX):
        written(tmp_path, GOOD, f"{number}.many")

    assert read(tmp_path / f"{INCLUDE_DEPTH_MAX}.toml").title == "Two nodes"
    for path, place in ((twice, "1.toml:1"), (many, "many.toml:1")):
        with pytest.raises(ScenarioError, match=rf"{place}: too many includes; expected at most"):
            read(path)


def test_an_error_is_told_of_the_file_that_counts(tmp_path: Path) -> None:
    written(tmp_path, GOOD, "first.toml")
    second = written(tmp_path, 'title = "t"\npromise = "p"\n[topology]\nlatency = "fast"\n', "second.toml")
    top = written(tmp_path, 'include = ["first.toml", "second.toml"]\n[topology]\njitter = "1ms"\n', "top.toml")

    with pytest.raises(ScenarioError) as caught:
        read(top)

    assert (caught.value.path, caught.value.line) == (str(second), 4)
    written(tmp_path, 'include = ["first.toml", "second.toml"]\ntimeline = [{ for = "1s" }]\n', "top.toml")
    written(tmp_path, "", "second.toml")
    with pytest.raises(ScenarioError) as caught:
        read(top)
    assert (caught.value.path, caught.value.line) == (str(top), 2)


def test_a_matrix_lies_beside_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "rtt.csv").write_text("region,eu,us\neu,,90\n")
    path = written(tmp_path, GOOD.replace("[topology]", '[topology]\nmatrix = "rtt.csv"'))
    python = written(
        tmp_path,
        "from sim.scenario.model import Scenario\nscenario = Scenario.model_validate(dict("
        "title='t', promise='p', topology=dict(matrix='rtt.csv', node=[dict(name='ana')])))",
        "s.py",
    )

    assert read(path).topology.matrix == read(python).topology.matrix == str(tmp_path / "rtt.csv")


def test_what_is_no_text_and_what_is_not_there_is_told(tmp_path: Path) -> None:
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")

    with pytest.raises(ScenarioError, match="not UTF-8"):
        read(binary)
    with pytest.raises(ScenarioError, match="there is no such file"):
        find("no-such-scenario")
    with pytest.raises(ScenarioError, match="File name too long"):
        find("n" * 300)
    assert find("halves") == SHIPPED / "halves.toml"


def test_python_scenarios_are_tables_objects_or_functions(tmp_path: Path) -> None:
    tables = "dict(title='t', promise='p', topology=dict(node=[dict(name='ana')]))"
    for text in (
        f"scenario = {tables}",
        f"def scenario():\n    return {tables}",
        f"from sim.scenario.model import Scenario\nscenario = Scenario.model_validate({tables})",
    ):
        assert read(written(tmp_path, text, "s.py")).topology.node[0].name == "ana"


def test_python_scenarios_that_are_none_are_told(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="defines no `scenario`"):
        read(written(tmp_path, "x = 1", "s.py"))
    with pytest.raises(ScenarioError, match=r"s.py:2: no Python"):
        read(written(tmp_path, "x = 1\ndef (", "s.py"))
    with pytest.raises(ScenarioError, match="topology"):
        read(written(tmp_path, "scenario = dict(title='t', promise='p')", "s.py"))


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("import nothing_of_this_name", 2, "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("raise ValueError('a\\x1bb')", 2, r"ValueError: a\x1bb"),
        ("def scenario():\n    return 1 / 0", 3, "ZeroDivisionError: division by zero"),
        ("def scenario(seed):\n    return {}", 2, "TypeError: scenario() missing 1 required positional"),
        ("import sys\nsys.exit(3)", 3, "SystemExit: 3"),
        ("from broken import scenario", 2, "SyntaxError"),
        ("from sim.scenario.model import Scenario\nScenario(title=7)", 3, "ValidationError: title"),
        ("scenario = dict(title=10**9999)", 0, "title: a number of too many digits"),
        ("\0", 0, "null bytes"),
    ],
    ids=lambda part: str(part)[:30],
)
def test_what_a_python_file_raises_is_one_error_at_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, line: int, problem: str
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    written(tmp_path, "def (", "broken.py")
    path = written(tmp_path, f"x = 1\n{text}", "s.py")

    with pytest.raises(ScenarioError) as caught:
        read(path)

    assert (caught.value.path, caught.value.line) == (str(path), line)
    assert problem in caught.value.problem


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_what_is_written_is_read_as_the_same(path: Path, tmp_path: Path) -> None:
    scenario = read(path)

    again = read(written(tmp_path, write(scenario, "a remark\nof two lines")))

    assert again == scenario.model_copy(update={"include": ()})


def test_a_scenario_of_tables_names_what_is_wrong() -> None:
    with pytest.raises(ScenarioError, match="no node is called 'cy'"):
        from_tables({"title": "t", "promise": "p", "core": ["cy"], "topology": {"node": [{"name": "ana"}]}})


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_a_file_that_is_copied_without_its_parts_says_the_same(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "mine.toml"
    copy.write_text(path.read_text())

    assert read(copy) == read(path)


def test_a_part_of_ones_own_goes_before_one_that_ships(tmp_path: Path) -> None:
    path = written(tmp_path, f'include = ["parts/three-regions.toml"]\n{GOOD}')
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "three-regions.toml").write_text('story = "mine"\n')

    assert read(path).story == "mine"


def test_a_client_attaches_to_its_gateways_unless_it_is_told_where() -> None:
    nodes = [{"name": name} for name in ("ana", "ben", "cy")]
    groups = [
        {"name": "any", "count": 2},
        {"name": "few", "count": 3, "gateways": ["ben", "cy"]},
        {"name": "told", "at": "ana", "gateways": "cy"},
    ]
    cast = Cast(from_tables({"title": "t", "promise": "p", "topology": {"node": nodes}, "client": groups}))

    assert {name: client.gateways for name, client in cast.clients.items()} == {
        "any-1": ("ana", "ben", "cy"),
        "any-2": ("ben", "ana", "cy"),
        "few-1": ("ben", "cy"),
        "few-2": ("cy", "ben"),
        "few-3": ("ben", "cy"),
        "told": ("ana", "cy"),
    }
