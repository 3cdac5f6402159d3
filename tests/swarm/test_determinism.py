"""The same seed gives the same trace, in another process and under another hash seed."""

import os
import subprocess
import sys
from pathlib import Path

SWARM = Path(__file__).parent
ROOT = SWARM.parent.parent
PROGRAM = """
import sys
sys.path[:0] = [sys.argv[1], sys.argv[2]]
from test_contract import swarm
traces, events, done = [], 0, 0
for seed in (4, 28, 35, 37):
    world, apps, faults = swarm(seed)
    faults.heal()
    world.run(30)
    traces.append(world.trace)
    events += world.events
    done += len(faults.done)
print("".join(traces), events, done)
"""


def traced(hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", PROGRAM, str(ROOT), str(SWARM)]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=50
    ).stdout.strip()


def test_trace_is_the_same_under_three_hash_seeds() -> None:
    first, second, third = (traced(seed) for seed in ("0", "1", "4242"))

    assert first == second == third
    assert int(first.split()[1]) >= 10_000, "too few events to mean anything"
    assert int(first.split()[2]) >= 10, "too few faults to mean anything"
