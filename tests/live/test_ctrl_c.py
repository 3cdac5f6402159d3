"""Ctrl-C, once or many times, and SIGTERM: exit status 130 (143), a word on what is kept, no traceback, nobody left."""

import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from sim.safeguards import SAFEGUARDS
from tests.live.programs import COMMAND, hearing_ctrl_c

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]
BEGUN_WITHIN_S = 120
SLOW = """\
title = "A long time"
promise = "Nothing ends it but a person."
duration = "300d"

[[topology.node]]
name = "node"
count = 3

[[client]]
name = "app"
subscribe = [{}]

[[timeline]]
at = "1s"
publish = { client = "app", channel = "a" }
"""
CASES = {
    "run": (("run", "slow.toml"), "stopped; no file was written."),
    "sweep": (("sweep", "slow.toml", "--jobs", "2", "--journal", "j.jsonl"), ""),
    "replay": (("replay", "slow.tape"), "the tape is as it was"),
    "shrink": (("shrink", "slow.toml", "--seed", "0"), "what was given is as it was, and no file was written."),
    "topology": (("topology", "slow.toml", "--confirm", "--seeds", "1000"), ""),
    "safeguards": (("safeguards",), f" of {len(SAFEGUARDS)} were hunted"),
    "maelstrom": (("maelstrom", "--test", "--seconds", "60"), "all nodes have ended"),
}


def descendants(pid: int) -> list[int]:
    """All processes below one, the nearest first."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()[1:]]
    found, todo = [], [pid]
    while todo:
        parent = todo.pop(0)
        below = [child for child, above in pairs if above == parent]
        found += below
        todo += below
    return found


def stat_of(pid: int) -> list[str]:
    """What the system says of a process, from its state on; nothing of one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def gone(pids: list[int]) -> bool:
    """Whether processes have ended, within what the last of them takes to see that its parent has."""
    end_s = time.monotonic() + 5
    while any(stat_of(pid)[:1] not in ([], ["Z"]) for pid in pids):
        if time.monotonic() > end_s:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture(scope="module")
def begun_s(tmp_path_factory: pytest.TempPathFactory) -> float:
    """The seconds of a processor after which a command has read its code, and half a second of work is done."""
    folder = tmp_path_factory.mktemp("short")
    (folder / "short.toml").write_text(SLOW.replace("300d", "2s"))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*COMMAND, "sim", "run", "short.toml"], cwd=folder, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 2 * (after.ru_utime - before.ru_utime) + 0.5


@pytest.fixture(scope="module")
def slow_tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tape that takes long to play again."""
    folder = tmp_path_factory.mktemp("tape")
    (folder / "short.toml").write_text(SLOW.replace("300d", "15000s"))
    subprocess.run([*COMMAND, "sim", "run", "short.toml", "--save", "slow.tape"], cwd=folder, check=True)
    return folder / "slow.tape"


def busy(pid: int, begun_s: float) -> bool:
    """Whether a process, and two workers where it has any, have begun what takes long."""
    below = descendants(pid)
    begun_s *= 2 if below else 1
    ticks = sum(int(stat[11]) for stat in map(stat_of, [pid, *below]) if stat)
    return ticks / os.sysconf("SC_CLK_TCK") > begun_s


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_workers_of_a_sweep_end_with_it_whatever_ends_it(
    tmp_path: Path, number: signal.Signals, begun_s: float
) -> None:
    (tmp_path / "slow.toml").write_text(SLOW)
    process = subprocess.Popen([*COMMAND, "sim", "sweep", "slow.toml", "--jobs", "2"], cwd=tmp_path)
    try:
        end_s = time.monotonic() + BEGUN_WITHIN_S
        while not busy(process.pid, begun_s):
            assert time.monotonic() < end_s
            time.sleep(0.05)
        below = descendants(process.pid)
    finally:
        process.send_signal(number)
        process.wait()

    assert len(below) > 2
    assert gone(below)


@pytest.mark.parametrize(
    ("verb", "number", "times"),
    [
        *((verb, signal.SIGINT, times) for verb in CASES for times in (1, 4)),
        *((verb, signal.SIGTERM, 2) for verb in ("run", "sweep")),
    ],
)
def test_ctrl_c_ends_every_verb_with_130_and_leaves_nobody_behind(
    tmp_path: Path, verb: str, number: signal.Signals, times: int, begun_s: float, request: pytest.FixtureRequest
) -> None:
    (tmp_path / "slow.toml").write_text(SLOW)
    if verb == "replay":
        (tmp_path / "slow.tape").symlink_to(request.getfixturevalue("slow_tape"))
    arguments, kept = CASES[verb]
    process = subprocess.Popen(
        hearing_ctrl_c([*COMMAND, "sim", *arguments]),
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    below: list[int] = []
    try:
        end_s = time.monotonic() + BEGUN_WITHIN_S
        while not busy(process.pid, begun_s):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end_s
            time.sleep(0.05)
        below = descendants(process.pid)
        for _ in range(times):
            os.killpg(process.pid, signal.SIGINT) if number is signal.SIGINT else process.send_signal(number)
            time.sleep(0.1)  # as a person's finger
        began_s = time.monotonic()
        said, complained = process.communicate(timeout=15)
    finally:
        process.kill()
        process.wait()

    assert process.returncode == 128 + number, complained
    assert time.monotonic() - began_s < 10
    assert "Traceback" not in complained
    assert "Aborted" not in complained and "Warning" not in complained
    assert kept in complained
    if verb in ("sweep", "topology"):
        assert "interrupted" in said
    assert gone(below)
    assert bool(below) == (verb in ("sweep", "maelstrom"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("arguments", "first", "then"),
    [
        (("run", "halves", "--save", "a", "--report", "b"), "a", "b"),
        (("shrink", "broken.tape", "--runs", "3", "--out", "a", "--save", "b"), "a", "b"),
    ],
    ids=["run", "shrink"],
)
def test_who_is_stopped_between_two_files_is_told_which_there_are(
    tmp_path: Path, arguments: tuple[str, ...], first: str, then: str, number: signal.Signals
) -> None:
    """Whatever it is at when the signal comes: that may be before the second file, and after it."""
    saved = [*COMMAND, "sim", "run", "halves", "--without", "repair", "--save", "broken.tape"]
    assert subprocess.run(saved, cwd=tmp_path, capture_output=True).returncode == 1  # noqa: PLW1510  # a promise is broken
    process = subprocess.Popen(
        hearing_ctrl_c([*COMMAND, "sim", *arguments]),
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        end_s = time.monotonic() + BEGUN_WITHIN_S
        while not (tmp_path / first).exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end_s
            time.sleep(0.001)
        process.send_signal(number)
        _, complained = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()

    there = [name for name in (first, then) if (tmp_path / name).exists()]
    assert not list(tmp_path.glob(".gossamer-*"))
    if process.returncode != 0:  # else it was done before it heard
        assert process.returncode == 128 + number, complained
        assert f"{' and '.join(there)} {'were' if len(there) > 1 else 'was'} written." in complained
