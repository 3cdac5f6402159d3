"""Under strace: no acknowledgement leaves before the `fdatasync` of its batch has returned.

In CI a missing strace is a failure: the order of these two calls is the promise.
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from nodes.processes import NodeProcess
from nodes.sdk.client import connect
from tests.live.programs import mesh_of, play

pytestmark = pytest.mark.live
PUBLISHES = 40
CALLS = "fdatasync,fsync,sendto,sendmsg,write,pwrite64"
SYNCS = ("fdatasync", "fsync")
OFF = """
from mesh.io.store import store
open_store = store.Store.__init__
def without(self, path, mesh, *, synchronous="FULL"):
    open_store(self, path, mesh, synchronous="OFF")
store.Store.__init__ = without
from nodes.processes import run_child
run_child()
"""


def traced(folder: Path, launcher: str | None) -> list[str]:
    """What a node called while it acknowledged publishes one after the other, in the order in which calls returned."""
    strace = shutil.which("strace")
    if strace is None and not os.environ.get("CI"):
        pytest.skip("`which strace` finds nothing; on Debian: apt install strace")
    assert strace is not None, "strace is not installed: on Debian, apt install strace"
    trace = folder / "trace"

    async def work() -> None:
        async with mesh_of(folder) as mesh:
            node: NodeProcess = await (mesh.add("eu", "eu", launcher=launcher) if launcher else mesh.add("eu", "eu"))
            flags = ["-f", "-qq", "-tt", "-e", f"trace={CALLS}", "-s", "16", "-o", str(trace), "-p", str(node.pid)]
            tracing = subprocess.Popen([strace, *flags], stderr=subprocess.PIPE)
            await asyncio.sleep(1)
            assert tracing.poll() is None, tracing.stderr and tracing.stderr.read()
            async with connect(node.ready["gateway"]) as client:
                for number in range(PUBLISHES):
                    await client.publish("c", b"%d" % number)
            os.kill(tracing.pid, signal.SIGINT)
            tracing.communicate(timeout=10)

    play(work)
    return trace.read_text(encoding="utf-8", errors="replace").splitlines()


def premature(lines: list[str]) -> tuple[int, int]:
    """How many WebSocket frames left between a write to the store and the return of its sync; and how many syncs returned."""
    early = syncs = 0
    dirty = False
    for line in lines:
        if re.search(r"\bpwrite64\(", line):
            dirty = True
        elif re.search(rf"({'|'.join(SYNCS)})(\(\d+\)| resumed>\))\s+= 0", line):
            dirty = False
            syncs += 1
        elif dirty and re.search(r'(write|sendto|sendmsg)\(\d+, [^"]*"\\20[26]', line):
            early += 1  # a binary frame of the gateway: 0x82
    return early, syncs


def test_no_acknowledgement_leaves_before_its_fdatasync_returned(tmp_path: Path) -> None:
    early, syncs = premature(traced(tmp_path, None))

    assert syncs >= PUBLISHES
    assert early == 0


def test_without_synchronous_the_test_sees_it(tmp_path: Path) -> None:
    early, syncs = premature(traced(tmp_path, OFF))

    assert syncs < PUBLISHES
    assert early >= PUBLISHES // 2
