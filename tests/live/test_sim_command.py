"""`gossamer sim` as people call it: real processes, real files, exit codes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from distributed import LocalCluster, get_client

from sim.errors import SimError
from sim.heap import Play
from sim.scenario.reading import find, read
from sim.sweep import cluster, sweep
from tests.live.programs import hearing_ctrl_c

pytestmark = pytest.mark.live
GOSSAMER = str(Path(sys.executable).parent / "gossamer")


def sim(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GOSSAMER, "sim", *arguments],
        capture_output=True,
        text=True,
        timeout=55,
        cwd=cwd,
        env={**os.environ, **environment},
        check=False,
    )


def until(it_is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 40
    while not it_is_so():
        assert time.monotonic() < deadline, "it is not so after 40 s"
        time.sleep(0.05)


def test_run_says_what_was_kept_and_prints_json() -> None:
    told = sim("run", "halves", "--seed", "1")
    plain = json.loads(sim("run", "halves", "--seed", "1", "--json").stdout)

    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("Two halves")
    assert (plain["kept"], plain["seed"], plain["evaluated"]["once"] > 0) == (True, 1, True)


def test_a_broken_promise_names_itself_its_witness_and_the_command() -> None:
    told = sim("run", "halves", "--seed", "1", "--without", "repair")

    assert told.returncode == 1
    assert "broken: nothing lost" in told.stdout
    assert "again:   gossamer sim run halves --seed 1 --without repair" in told.stdout


def test_from_a_failure_to_its_tape_to_its_smallest_form(tmp_path: Path) -> None:
    saved = sim("run", "halves", "--without", "repair", "--save", "run.tape", cwd=tmp_path)
    replayed = sim("replay", "run.tape", cwd=tmp_path)
    shrunk = sim("shrink", "run.tape", "--out", "small.toml", "--save", "small.tape", cwd=tmp_path)
    again = sim("run", "small.toml", "--without", "repair", cwd=tmp_path)
    mended = sim("run", "small.toml", cwd=tmp_path)

    assert [each.returncode for each in (saved, replayed, shrunk, again, mended)] == [1, 1, 0, 1, 0]
    assert "Shrunk from" in shrunk.stderr
    assert sim("replay", "small.tape", cwd=tmp_path).returncode == 1
    assert "publishes" in sim("replay", "small.tape", "--until", "60s", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "no-such-scenario"), "there is no such file"),
        (("run", "halves", "--without", "luck"), "'luck' is none of"),
        (("run", "halves", "--seed", "-1"), "-1"),
        (("sweep",), "Give a scenario or --profile"),
        (("sweep", "halves", "--seeds", "9..1"), "no range of seeds"),
        (("sweep", "halves", "--cluster", "tcp://127.0.0.1:9", "--seeds", "0"), "no Dask scheduler answers"),
        (("replay", "halves"), "halves"),
        (("shrink", "halves"), "A scenario is shrunk with --seed"),
        (("shrink", "halves", "--seed", "0"), "nothing to shrink"),
        (("topology", "nothing.gml"), "nothing.gml"),
        (("safeguards", "--name", "luck"), "'luck' is none of"),
        (("maelstrom", "--speed"), "No such option"),
    ],
)
def test_whatever_is_called_wrongly_ends_with_2_and_says_why(arguments: tuple[str, ...], words: str) -> None:
    told = sim(*arguments)

    assert told.returncode == 2, told.stdout
    assert words in told.stderr
    assert "Traceback" not in told.stderr


def test_a_file_that_makes_no_sense_ends_with_2_and_its_line(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'title = "t"\npromise = "p"\nduration = "-5s"\n[topology]\nnode = [{ name = "ana" }]\n'
    )

    told = sim("run", "mine.toml", cwd=tmp_path)

    assert told.returncode == 2
    assert told.stderr.startswith("gossamer sim: mine.toml:3: duration: '-5s' is negative; expected")


def test_a_sweep_uses_processes_and_writes_json_and_junit(tmp_path: Path) -> None:
    told = sim("sweep", "silence", "--seeds", "0..9", "--jobs", "2", "--junit", "out.xml", "--json", cwd=tmp_path)
    broken = sim("sweep", "silence", "--seeds", "0..3", "--without", "repair", "--junit", "bad.xml", cwd=tmp_path)

    plain = json.loads(told.stdout)
    assert (told.returncode, plain["seeds"], plain["failed_count"], plain["gates_shut"]) == (0, 10, 0, [])
    assert ET.parse(tmp_path / "out.xml").getroot().attrib["failures"] == "0"
    assert broken.returncode == 1
    assert ET.parse(tmp_path / "bad.xml").getroot().attrib["failures"] == "4"
    assert "again: gossamer sim run silence --without repair --seed 0" in broken.stdout


def test_ctrl_c_keeps_partial_results_and_the_same_command_goes_on(tmp_path: Path) -> None:
    arguments = ["rolling-isolation", "--seeds", "0..39", "--jobs", "1", "--journal", "j.jsonl"]
    command = hearing_ctrl_c([GOSSAMER, "sim", "sweep", *arguments])
    journal = tmp_path / "j.jsonl"
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    until(lambda: journal.exists() and journal.read_text().count("\n") > 5)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=40)

    assert process.returncode == 130, err
    kept = journal.read_text().count("\n") - 2  # the heading, and what was asked for
    assert 4 <= kept < 40
    assert f"interrupted after {kept} of 40 seeds; the same command goes on from j.jsonl" in out
    again = sim(
        "sweep", "rolling-isolation", "--seeds", f"0..{kept - 1}", "--journal", "j.jsonl", "--json", cwd=tmp_path
    )
    assert (again.returncode, json.loads(again.stdout)["seeds"]) == (0, kept)


def test_shards_are_judged_together(tmp_path: Path) -> None:
    for shard in ("1", "2"):
        done = sim(
            "sweep", "silence", "--seeds", "0..7", "--shard", f"{shard}/2", "--journal", f"{shard}.jsonl", cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr

    merged = sim("sweep", "silence", "--merge", "1.jsonl", "--merge", "2.jsonl", "--json", cwd=tmp_path)

    assert (merged.returncode, json.loads(merged.stdout)["seeds"]) == (0, 8)


def test_a_cluster_of_two_workers_comes_to_the_same(tmp_path: Path) -> None:
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as workers:
        there = sim("sweep", "silence", "--seeds", "0..7", "--cluster", workers.scheduler_address, "--json")
    here = sim("sweep", "silence", "--seeds", "0..7", "--json")

    assert there.returncode == 0, there.stderr
    one, other = json.loads(there.stdout), json.loads(here.stdout)
    assert (one["seeds"], one["events"], one["coverage"]) == (other["seeds"], other["events"], other["coverage"])


FAR_TOML = """
title = "Far apart"
promise = "They agree."
duration = "2s"
topology = { matrix = "rtt.csv", node = [{ name = "ana", region = "eu" }, { name = "ben", region = "us" }] }
client = [{ name = "app", count = 2, subscribe = [{ to = "#" }] }]
workload = [{ rate = 5 }]
"""


class Elsewhere(Executor):
    """Hands out to others who do not have a file that is here."""

    def __init__(self, others: Executor, file: Path) -> None:
        """It goes before anything is handed out."""
        self.others, self.file = others, file

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Let the others do it."""
        self.file.unlink(missing_ok=True)
        return self.others.submit(function, *args, **kwargs)


def test_workers_need_no_file_that_the_scenario_names(tmp_path: Path) -> None:
    (tmp_path / "rtt.csv").write_text("from,to,rtt\neu,us,90\n")
    (tmp_path / "far.toml").write_text(FAR_TOML)
    scenario = read(tmp_path / "far.toml")
    here = {seed: Play(scenario, seed).run().trace for seed in range(8)}
    there: dict[int, str] = {}

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as workers,
        cluster(workers.scheduler_address) as executor,
    ):
        tally = sweep(
            scenario,
            range(8),
            Elsewhere(executor, tmp_path / "rtt.csv"),
            told=lambda result: there.update({result.seed: result.trace}),
        )

    assert not (tmp_path / "rtt.csv").exists()
    assert (tally.seeds, tally.failed, there) == (8, [], here)


def _forget() -> str:
    """Runs where a result arrives: its client hears in that moment that all that it asked for is lost."""
    for state in get_client().futures.values():
        state.lose()
    return "played"


class Played:
    """A result that is on its way as its worker ends."""

    def __reduce__(self) -> tuple[Callable[[], str], tuple[()]]:
        return _forget, ()


def test_a_result_that_arrives_as_its_worker_ends_counts() -> None:
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as workers,
        cluster(workers.scheduler_address) as executor,
    ):
        assert executor.submit(Played).result(timeout=50) == "played"


def test_what_nobody_waits_for_is_taken_back_from_a_cluster() -> None:
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as workers,
        cluster(workers.scheduler_address) as executor,
    ):
        asked = [executor.submit(time.sleep, 1) for _ in range(200)]
        until(lambda: bool(workers.scheduler.tasks))
        assert asked[-1].cancel() and all(future.cancel() or future.done() for future in asked)
        until(lambda: not workers.scheduler.tasks)


def test_a_scheduler_that_ends_is_told_and_what_was_played_is_kept(tmp_path: Path) -> None:
    scenario, journal = read(find("silence")), tmp_path / "kept.jsonl"
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as workers,
        cluster(workers.scheduler_address) as executor,
        pytest.raises(SimError, match=r"the scheduler gave back .*; expected one that runs until the sweep is done"),
    ):
        sweep(scenario, range(400), executor, journal=journal, told=lambda _: workers.close())

    kept = sim("sweep", "silence", "--merge", str(journal), "--json")
    assert 1 <= json.loads(kept.stdout)["seeds"] < 400


def test_a_scheduler_that_ends_is_told_in_one_line(tmp_path: Path) -> None:
    journal = tmp_path / "kept.jsonl"
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as workers:
        asked = ["silence", "--seeds", "0..400", "--cluster", workers.scheduler_address, "--journal", str(journal)]
        process = subprocess.Popen([GOSSAMER, "sim", "sweep", *asked], stderr=subprocess.PIPE, text=True)
        until(lambda: journal.exists() and journal.read_text().count("\n") > 5)
        workers.close()
        _, complaint = process.communicate(timeout=50)

    assert process.returncode == 2
    assert re.fullmatch(r"gossamer sim: the scheduler gave back what it was to have played, .*\n", complaint), complaint


def test_what_ships_is_listed_and_the_schema_is_printed() -> None:
    listed = json.loads(sim("list", "--json").stdout)
    schema = json.loads(sim("schema").stdout)

    assert len(listed) >= 25
    assert {"halves", "swarm"} <= {each["name"] for each in listed}
    assert schema["properties"]["timeline"]["items"]
    assert "fsync-before-acknowledge" in sim("safeguards", "--list").stdout


def test_a_topology_is_predicted_and_confirmed() -> None:
    told = sim("topology", "bridge", "--confirm", "--seeds", "1", "--json")

    plain = json.loads(told.stdout)
    assert told.returncode == 0
    assert plain["cut_nodes"] == ["bridge", "left-1", "right-1"]
    assert all(each["is_true"] for each in plain["confirmed"]) and len(plain["confirmed"]) > 10
