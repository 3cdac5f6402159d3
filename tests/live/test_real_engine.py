"""The scenarios that play on both engines, on real processes: kept as they are, broken without the safeguard they name.

A run mostly waits, so three are under way at a time, in the order in which the tests ask for them. `make sims` plays the
same files on the heap.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sim.real.limits import VERBS
from sim.safeguards import SAFEGUARDS
from sim.scenario.reading import find, read
from tests.live.programs import hearing_ctrl_c

pytestmark = pytest.mark.live
COMMAND = [sys.executable, "-c", "from gossamer.command import main; main()", "sim", "run"]
EVERY_VERB = Path(__file__).with_name("every-verb.toml")
BITES = {
    "halves": ("figures", "slowest_us", 7_000_000),
    "one-way": ("figures", "slowest_us", 7_000_000),
    "power-cut": ("coverage", "node/killed", 4),
    "crash-loop": ("coverage", "node/killed", 8),
    "slow-link": ("figures", "slowest_us", 6_500_000),
    "moved-client": ("coverage", "node/killed", 1),
    "slow-reader": ("figures", "gaps", 1),
    "full-disk": ("figures", "unavailable_us", 4_000_000),
}
"""What shows that the fault was there at all, and at least how much of it: a run that nothing happens to proves nothing."""
NAMES = tuple(BITES)
AT_ONCE = 3
RUN_S = 55
END_S = 20
ALWAYS = {"nothing lost", "nothing invented", "once", "in order", "honest about gaps", "converges", "available"}


def sabotage_of(name: str) -> str:
    return read(find(name)).sabotage[0]


@dataclass
class Runs:
    """Runs as processes, of which some are under way at a time."""

    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(AT_ONCE))
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    """As it was: pytest changes it between tests, which these runs outlast, and none may read it while it is changed."""
    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    results: dict[tuple[str, str], Future[tuple[int, str, str]]] = field(default_factory=dict)

    def begin(self, name: str, without: str) -> None:
        self.results[name, without] = self.pool.submit(self._run, name, without)

    def _run(self, name: str, without: str) -> tuple[int, str, str]:
        flags = ["--without", without] if without else []
        command = [*COMMAND, name, "--engine", "real", "--json", *flags]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment
        )
        self.processes.append(process)
        said, complained = process.communicate(timeout=RUN_S)
        return process.returncode, said, complained

    def outcome(self, name: str, without: str) -> tuple[int, dict[str, Any]]:
        status, said, complained = self.results[name, without].result(timeout=RUN_S)
        assert said, complained
        found: dict[str, Any] = json.loads(said)
        return status, found

    def close(self) -> None:
        self.pool.shutdown(wait=False, cancel_futures=True)
        for process in self.processes:
            process.terminate()
        self.pool.shutdown()


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest) -> Iterator[Runs]:
    asked = [item for item in request.session.items if "runs" in getattr(item, "fixturenames", ())]
    started = Runs()
    try:
        for item in asked:
            params = item.callspec.params  # type: ignore[attr-defined]
            started.begin(params["name"], sabotage_of(params["name"]) if params.get("is_sabotaged") else "")
        yield started
    finally:
        started.close()


@pytest.mark.parametrize("is_sabotaged", [False, True], ids=["kept", "sabotaged"])
@pytest.mark.parametrize("name", NAMES)
def test_scenario_is_kept_on_real_processes_and_broken_without_its_safeguard(
    name: str, is_sabotaged: bool, runs: Runs
) -> None:
    without = sabotage_of(name) if is_sabotaged else ""

    status, outcome = runs.outcome(name, without)

    part, figure, least = BITES[name]
    assert outcome["engine"] == "real"
    assert is_sabotaged or outcome[part][figure] >= least
    assert outcome["figures"]["messages"] > 50
    if is_sabotaged:
        assert status == 1
        assert set(outcome["broken"]) & set(SAFEGUARDS[without].breaks), outcome["broken"]
        return
    assert (status, outcome["broken"], outcome["pending"]) == (0, [], []), outcome["breaches"]
    assert outcome["figures"]["acknowledged"] == outcome["figures"]["messages"]
    assert all(outcome["evaluated"].get(promise) for promise in ALWAYS)


@pytest.mark.parametrize("name", [str(EVERY_VERB)], ids=["every-verb"])
def test_contract_is_kept_through_every_other_verb(name: str, runs: Runs) -> None:
    verbs = {event.verb for scenario in (*NAMES, name) for event in read(find(scenario)).timeline}

    status, outcome = runs.outcome(name, "")

    assert verbs == set(VERBS)
    assert (status, outcome["broken"], outcome["pending"]) == (0, [], []), outcome["breaches"]
    done = {label.removeprefix("fault/") for label in outcome["coverage"] if label.startswith("fault/")}
    assert done == {event.verb for event in read(EVERY_VERB).timeline} - {"subscribe", "publish"}


def processes_in(folder: Path) -> list[str]:
    """The processes that were started with something in a folder."""
    listed = subprocess.run(["ps", "-eo", "pid,args", "-ww"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(folder) in line]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_that_is_stopped_leaves_neither_processes_nor_files_behind(number: signal.Signals, tmp_path: Path) -> None:
    command = hearing_ctrl_c([*COMMAND, "halves", "--engine", "real"])
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        deadline_s = time.monotonic() + END_S
        while len(running := processes_in(tmp_path)) < 3:
            assert process.poll() is None
            assert time.monotonic() < deadline_s
            time.sleep(0.05)

        for _ in range(40):  # whoever is impatient changes nothing
            process.send_signal(number)
            time.sleep(0.02)
        said, complained = process.communicate(timeout=END_S)
    finally:
        process.kill()
        process.wait()

    assert (process.returncode, said) == (128 + number, "")
    assert complained == "gossamer sim: stopped; the nodes have ended and their folder is gone.\n"
    assert len(running) == 3
    assert processes_in(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
