"""`python -m bench.start`: what it takes to start a node that has a store already, and to end it in good order.

Seconds on the wall from its start until it says that it is ready, and seconds of the processor for its whole life, of each of
some lives. A mesh in a crash loop pays for nothing else, and whoever waits for `gossamer dev` pays for three.
"""

from __future__ import annotations

import json
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.machine import in_words, machine

COMMAND = [sys.executable, "-m", "bench.command"]
LIVES = 11
NODE = ("node", "--json", "--no-mdns", "--listen", "127.0.0.1:0", "--gateway", "127.0.0.1:0")


@dataclass(frozen=True)
class Start:
    """Medians of some lives: seconds until a node is ready, and of the processor until it has ended."""

    lives: int
    ready_s: float
    cpu_s: float

    def line(self) -> str:
        """For a person."""
        return f"a node: ready after {self.ready_s:.2f} s, {self.cpu_s:.2f} CPU s in its life; medians of {self.lives}"


def _spent_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def life(folder: Path, *more: str) -> tuple[float, float]:
    """One: until it is ready, and what it has spent at its end."""
    began, before = time.perf_counter(), _spent_s()
    arguments = [*COMMAND, *NODE, "--data", str(folder / "node"), *more]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "ready"
        ready_s = time.perf_counter() - began
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    return ready_s, _spent_s() - before


def measure(lives: int = LIVES) -> Start:
    """The first life joins the mesh, and does not count."""
    with tempfile.TemporaryDirectory(prefix="gossamer-bench-") as name:
        folder = Path(name)
        mesh = str(folder / "mesh")
        subprocess.run([*COMMAND, "mesh", "init", "bench", "--folder", mesh], stdout=subprocess.DEVNULL, check=True)
        invite = [*COMMAND, "mesh", "invite", "--folder", mesh, "--json"]
        ticket = json.loads(subprocess.run(invite, stdout=subprocess.PIPE, check=True).stdout)["ticket"]
        life(folder, "--join", ticket)
        found = [life(folder) for _ in range(lives)]
    return Start(lives, *(statistics.median(column) for column in zip(*found, strict=True)))


def main() -> None:
    """Measure, and print it."""
    start = measure()
    print(in_words(machine()))
    print(start.line())


if __name__ == "__main__":
    main()
