"""Real processes under our bench, with a cut; and a bench that notices a node which breaks its promises."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sim.maelstrom.runner import Bench
from sim.maelstrom.trial import Trial

pytestmark = pytest.mark.live

GOSSAMER = str(Path(sys.executable).parent / "gossamer")

LIAR = """
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    body, kind = message["body"], message["body"]["type"]
    if kind == "init":
        own, seen = body["node_id"], []
    if kind == "broadcast":
        seen.append(body["message"])
    answer = {"type": kind + "_ok", "in_reply_to": body["msg_id"]}
    if kind == "read":
        answer["messages"] = seen + seen[-1:]
    print(json.dumps({"src": own, "dest": message["src"], "body": answer}), flush=True)
"""


DEAF = """
import json, os, sys, time
message = json.loads(sys.stdin.readline())
os.close(0)
answer = {"type": "init_ok", "in_reply_to": message["body"]["msg_id"]}
print(json.dumps({"src": "n0", "dest": message["src"], "body": answer}), flush=True)
time.sleep(20)
"""
"""It says that it is up, and hears nothing more: as one that is ending."""


def test_five_processes_keep_everything_through_a_cut() -> None:
    told: list[str] = []
    trial = Trial(nodes=5, rate=40, seconds=6, latency_ms=50, partitions=1, cut_s=3, settle_s=8)

    found = Bench(trial, tell=told.append).run()

    assert told == ["5 nodes are up", "cut into 2 | 3", "healed", "healed"]
    assert found.kept and found.acknowledged == found.broadcasts > 80, found
    assert found.unanswered == found.refused == 0
    assert found.stale > 0, "the cut was never felt"


def test_the_bench_notices_nodes_that_tell_one_another_nothing_and_show_things_twice() -> None:
    trial = Trial(nodes=2, rate=40, seconds=1, settle_s=0)

    found = Bench(trial, command=(sys.executable, "-c", LIAR)).run()

    assert not found.kept
    assert found.doubled > 0 and found.server_messages == 0


def test_one_node_is_told_as_one() -> None:
    told: list[str] = []

    Bench(Trial(nodes=1, rate=1, seconds=1, settle_s=0), tell=told.append).run()

    assert told[:1] == ["1 node is up"]


@pytest.mark.parametrize("program", ["", DEAF])
def test_the_bench_says_which_node_ended(program: str) -> None:
    with pytest.raises(RuntimeError, match="n0 ended"):
        Bench(Trial(nodes=1, seconds=1), command=(sys.executable, "-c", program)).run()


def test_the_command_prints_its_figures_as_json() -> None:
    words = ["--nodes", "2", "--rate", "20", "--seconds", "1", "--latency-ms", "10", "--settle-s", "1"]

    done = subprocess.run([GOSSAMER, "sim", "maelstrom", "--test", *words], capture_output=True, timeout=50, check=True)

    assert json.loads(done.stdout)["operations"] == 22
    assert b"stable latencies" in done.stderr


def test_a_node_ends_when_its_input_ends() -> None:
    done = subprocess.run([GOSSAMER, "sim", "maelstrom"], input=b"\n", capture_output=True, timeout=50, check=True)

    assert (done.stdout, done.stderr) == (b"", b"")
