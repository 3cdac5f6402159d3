"""The same seed gives the same trace: twice, in other processes, under other hash seeds, and under a newer Python."""

import os
import random
import shutil
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import pytest

from sim.heap import Play
from sim.scenario.reading import find, read
from sim.tripwire import TripwireError, tripwires

ROOT = Path(__file__).parent.parent.parent
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from sim.heap import Play
from sim.scenario.reading import find, read
traces, events, done = [], 0, 0
for profile, seed in (("swarm", 3), ("hostile", 1), ("clocks", 7)):
    outcome = Play(read(find(profile)), seed).run()
    traces.append(outcome.trace)
    events += outcome.events
    done += len(outcome.story)
print("".join(traces), events, done)
"""
NEWER = ("python3.14", "python3.13", "python3.12")
PARTS = ("click", "cryptography", "msgpack", "networkx", "pydantic", "sortedcontainers")
"""What the heap engine imports that is not ours."""


@cache
def traced(hash_seed: str, python: str = sys.executable) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [python, "-c", PROGRAM, str(ROOT)], env=environment, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.timeout(200)
def test_trace_is_the_same_under_three_hash_seeds() -> None:
    first, second, third = (traced(seed) for seed in ("0", "1", "4242"))

    assert first == second == third
    assert int(first.split()[1]) >= 10_000, "too few events to mean anything"
    assert int(first.split()[2]) >= 10, "too few faults to mean anything"


def newer_python() -> str | None:
    """A newer Python than ours on this machine, if there is one: on the path, or among those of pyenv."""
    ours = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for name in NEWER:
        if name == ours:
            return None
        homes = sorted(Path.home().glob(f".pyenv/versions/{name.removeprefix('python')}.*/bin/{name}"), reverse=True)
        for found in (shutil.which(name), *map(str, homes)):
            if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
                return found
    return None


@pytest.mark.timeout(280)
def test_trace_is_the_same_under_a_newer_python(tmp_path: Path) -> None:
    python = newer_python()
    if python is None:
        pytest.skip(f"no newer Python here: looked for {', '.join(NEWER)} on the path and in ~/.pyenv/versions")
    lock = (ROOT / "requirements-dev.lock").read_text().splitlines()
    pins = [line for line in lock if line.partition("==")[0].lower() in PARTS]
    assert len(pins) == len(PARTS), pins
    subprocess.run([python, "-m", "venv", str(tmp_path / "venv")], check=True, timeout=60)
    there = str(tmp_path / "venv" / "bin" / "python")
    install = [there, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *pins]
    subprocess.run(install, check=True, timeout=180)

    assert traced("7", there) == traced("0")


def test_a_run_is_the_same_twice_and_recorded() -> None:
    scenario = read(find("swarm"))

    traces = {
        Play(scenario, 5).run().trace,
        Play(scenario, 5).run().trace,
        Play(scenario, 5, recorded=True).run().trace,
    }

    assert len(traces) == 1


def test_whoever_reads_a_clock_inside_a_simulation_is_told() -> None:
    with tripwires():
        for call in (time.time, time.monotonic, random.random):
            with pytest.raises(TripwireError, match="was called inside a simulation"):
                call()
        with pytest.raises(TripwireError):
            os.urandom(8)

    assert time.time() > 0
