"""Round trips between regions: from a file beside a scenario, or in it; tapes and what was shrunk need no other file."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from sim.cli import sim
from sim.errors import ScenarioError
from sim.heap import Play
from sim.scenario.building import with_round_trips
from sim.scenario.reading import from_tables, read
from sim.scenario.writing import write

NODES = [{"name": "ana"}, {"name": "ben", "region": "us"}, {"name": "cy", "region": "südost"}]
TRIPS = {"eu": {"us": "90ms", "südost": "30ms"}, "us": {"südost": "110ms"}, "südost": {}}
FILE = """
title = "t"
promise = "p"
duration = "2s"
topology.matrix = "rtt.csv"
topology.node = [{ name = "ana" }, { name = "ben", region = "us" }]
client = [{ name = "app", count = 2, subscribe = [{ to = "#" }] }]
workload = [{ rate = 3 }]
guarantees.p99 = "1ms"
"""


def tables(matrix: object, nodes: object = NODES) -> dict[str, object]:
    return {"title": "t", "promise": "p", "duration": "2s", "topology": {"node": nodes, "matrix": matrix}}


def failing(folder: Path) -> Path:
    folder.mkdir()
    (folder / "rtt.csv").write_text("region,eu,us,ap\neu,,90,7\nus,90,,8\nap,7,8,\n")
    (folder / "m.toml").write_text(FILE)
    return folder / "m.toml"


def called(*arguments: object) -> str:
    done = CliRunner().invoke(sim, [str(each) for each in arguments])
    assert done.exit_code in (0, 1), done.output
    return done.output


def test_a_matrix_in_a_scenario_is_that_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "rtt.csv").write_text("from,to,rtt\neu,us,90\neu,südost,30\nus,südost,110\n")
    inside, beside = from_tables(tables(TRIPS)), from_tables(tables(str(tmp_path / "rtt.csv")))

    assert Play(inside, 1).run().trace == Play(beside, 1).run().trace
    assert with_round_trips(beside) == with_round_trips(inside)
    assert with_round_trips(beside).topology.matrix == {
        "eu": {"südost": 30_000, "us": 90_000},
        "südost": {"us": 110_000},
        "us": {},
    }


def test_it_is_written_as_it_is_read(tmp_path: Path) -> None:
    once = from_tables(tables(TRIPS))
    (tmp_path / "again.toml").write_text(write(once))

    assert read(tmp_path / "again.toml") == once


@pytest.mark.parametrize(
    ("matrix", "problem"),
    [
        ({"eu": {"us": "90ms"}, "südost": {}}, "topology.matrix: no round trip between eu and südost"),
        ({"eu": {"us": "90ms"}}, "topology.node.2.region: the matrix has no 'südost'; expected one of eu, us"),
        ({"eu": {"us": "-1ms"}}, "'-1ms' is negative"),
        ({"eu": {"us": "2h"}}, "topology.matrix: a round trip takes from 0 to an hour"),
        ({}, "topology.matrix: no regions"),
        (7, "topology.matrix: 7"),
    ],
)
def test_one_that_makes_no_sense_is_refused(matrix: object, problem: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        from_tables(tables(matrix))

    assert problem in str(caught.value)


@pytest.mark.parametrize("matrix", ["rtt.csv", "gcp"])
def test_a_tape_replays_anywhere_and_whatever_has_become_of_the_file(
    matrix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, tape = failing(tmp_path / "here"), tmp_path / "run.tape"
    if matrix == "gcp":
        path.write_text(
            FILE.replace("rtt.csv", matrix)
            .replace('"us"', '"us-east1"')
            .replace('"ana"', '"ana", region = "europe-west1"')
        )
    monkeypatch.chdir(path.parent)
    before = json.loads(called("run", "m.toml", "--seed", 3, "--save", tape, "--json"))
    (path.parent / "rtt.csv").write_text("region,eu,us\neu,,10\nus,10,\n")
    monkeypatch.chdir(tmp_path)

    again = json.loads(called("replay", "run.tape", "--json"))

    assert again["trace"] == before["trace"]
    assert len(json.loads(tape.read_text())["scenario"]["topology"]["matrix"]) == 2
    (path.parent / "rtt.csv").unlink()
    assert json.loads(called("replay", tape, "--json"))["trace"] == before["trace"]


def test_what_was_shrunk_plays_wherever_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(tmp_path / "sub")
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    called("run", "sub/m.toml", "--seed", 3, "--save", "run.tape")
    called("shrink", "sub/m.toml", "--seed", 3, "--runs", 40, "--out", "out/m.toml", "--save", "out/m.tape")
    called("shrink", "run.tape", "--runs", 40, "--out", "out/of-tape.toml")
    (tmp_path / "sub/rtt.csv").unlink()
    monkeypatch.chdir(tmp_path / "out")

    small, of_tape, tape = (
        json.loads(called(*each.split(), "--json"))
        for each in ("run m.toml --seed 3", "run of-tape.toml --seed 3", "replay m.tape")
    )

    assert small["broken"] == of_tape["broken"] == tape["broken"] == ["bounds"]
    assert small["trace"] == of_tape["trace"]
    assert "rtt.csv" not in Path("m.toml").read_text()
    assert '[topology.matrix]\neu = { us = "90ms" }' in Path("m.toml").read_text()
