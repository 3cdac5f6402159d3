"""Nodes as child processes: for `gossamer dev`, the demo and tests. Each is started, watched and ended by its id."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mesh.codes import EXPLANATIONS, Code
from mesh.errors import HostError
from mesh.types import Address
from nodes.ports import LOOPBACK, Ports

READY_S = 20.0
STOP_S = 6.0
STARTS_MAX = 3
"""A stranger who listens at a number that was just free is rare; three in a row are a fault of ours."""
TICKET_LIFE_MS = 3_600_000
PDEATHSIG_CODE = "from nodes.processes import run_child; run_child()"


@dataclass
class NodeProcess:
    """A node that runs in a process of its own."""

    name: str
    arguments: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    stderr: Path | None = None
    launcher: str = PDEATHSIG_CODE
    """The program that becomes the node, given the command's arguments."""
    process: asyncio.subprocess.Process | None = None
    ready: dict[str, Any] = field(default_factory=dict)

    async def start(self) -> dict[str, Any]:
        """Start it and wait until it is ready. Raises `HostError` with its last words if it does not come up."""
        sink = self.stderr.open("ab") if self.stderr is not None else tempfile.TemporaryFile()  # noqa: SIM115  # closed below
        try:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                self.launcher,
                "node",
                "--json",
                *self.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=sink,
                env={**os.environ, **self.environment, "GOSSAMER_PARENT": str(os.getpid())},
                start_new_session=True,
            )
            assert self.process.stdout is not None
            try:
                async with asyncio.timeout(READY_S):
                    line = await self.process.stdout.readline()
            except TimeoutError:
                line = b""
            if not line:
                await self.stop()
                sink.seek(0) if self.stderr is None else None
                words = (self.stderr.read_bytes() if self.stderr is not None else sink.read()).decode(
                    "utf-8", "replace"
                )
                last = words.strip().splitlines()[-1:] or ["it said nothing"]
                raise _why_not(self.name, last[0][:500])
        finally:
            sink.close()
        self.ready = json.loads(line)
        return self.ready

    async def start_at(
        self, ports: Ports, tell: Callable[[Address, Address], object] = lambda _listen, _gateway: None
    ) -> dict[str, Any]:
        """Start it at ports that are held for it, and at others if somebody listens there by now. Raises `HostError`.

        Where it will listen, and where its gateway will, is told before it starts.
        """
        starts = 0
        while True:
            listen, gateway = (Address(LOOPBACK, ports.draw(kind)) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM))
            self._place("--listen", str(listen))
            self._place("--gateway", str(gateway))
            tell(listen, gateway)
            try:
                return await self.start()
            except HostError as error:
                starts += 1
                if error.code != Code.PORT_TAKEN or starts == STARTS_MAX:
                    raise

    async def restart(self) -> dict[str, Any]:
        """Start it again, at the addresses that it had. Raises `HostError`."""
        for flag, key in (("--listen", "listen"), ("--gateway", "gateway")):
            if self.ready.get(key):
                self._place(flag, self.ready[key].rpartition("/")[2])
        return await self.start()

    def _place(self, flag: str, address: str) -> None:
        if flag in self.arguments:
            self.arguments[self.arguments.index(flag) + 1] = address
        else:
            self.arguments += [flag, address]

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process is not None
        return self.process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.process is not None and self.process.returncode is None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self.process is not None and self.process.returncode is None:
            _signal(self.process.pid, number)

    async def kill(self) -> None:
        """End it without a word (SIGKILL)."""
        if self.process is not None and self.process.returncode is None:
            _signal(self.process.pid, signal.SIGKILL)
            await self.process.wait()

    async def stop(self) -> int:
        """Ask it to end in good order, and return its exit status; after `STOP_S` it is killed."""
        process = self.process
        if process is None:
            return 0
        if process.returncode is None:
            _signal(process.pid, signal.SIGTERM)
            try:
                async with asyncio.timeout(STOP_S):
                    await process.wait()
            except TimeoutError:
                await self.kill()
        return process.returncode or 0


def _signal(pid: int, number: signal.Signals) -> None:
    """Send a signal to a child that may have ended.

    `Process.send_signal` would look whether it has, and so take its exit status away from the loop, which then reports
    255 and a warning.
    """
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _why_not(name: str, words: str) -> HostError:
    """Why a node did not start, from its last words: its own code, if it said one."""
    code, _, text = words.removeprefix("gossamer: ").partition(" ")
    if code not in set(Code):
        return HostError(Code.GATEWAY_UNREACHABLE, f"the node {name} did not start: {words}")
    return HostError(
        code, f"the node {name} did not start: {text.removesuffix(EXPLANATIONS[Code(code)].remedy).strip()}"
    )


class LocalMesh:
    """A mesh of child processes on this machine, in a folder; each node has those before it as seeds."""

    def __init__(self, folder: Path, label: str = "local") -> None:
        """Found the mesh, unless the folder holds it already."""
        from mesh.io.keys import MESH_KEY, create_mesh, make_ticket

        self.folder = folder
        self.nodes: list[NodeProcess] = []
        self.ports = Ports()
        if not (folder / "mesh" / MESH_KEY).exists():
            create_mesh(folder / "mesh", label)
        wall_ms = time.time_ns() // 1_000_000
        self.ticket = make_ticket(folder / "mesh", wall_ms, regions=("*",), seeds=(), life_ms=TICKET_LIFE_MS).text()

    async def add(
        self,
        name: str,
        region: str,
        *,
        gateway: str = "",
        environment: Mapping[str, str] | None = None,
        launcher: str = PDEATHSIG_CODE,
    ) -> NodeProcess:
        """Start a node, whose data and log are in the folder under its name. Raises `HostError`.

        Without a gateway given it listens at ports that stay its own while it is killed and started again.
        """
        arguments = ["--data", str(self.folder / name), "--region", region, "--no-mdns", "--join", self.ticket]
        for other in self.nodes:
            arguments += ["--seed", other.ready["listen"]]
        node = NodeProcess(name, arguments, environment or {}, self.folder / f"{name}.log", launcher)
        self.nodes.append(node)
        if gateway:
            node.arguments += ["--listen", f"{LOOPBACK}:0", "--gateway", gateway]
            await node.start()
        else:
            await node.start_at(self.ports)
        return node

    async def stop(self) -> list[int]:
        """End all nodes in good order; their exit statuses."""
        statuses = await asyncio.gather(*(node.stop() for node in self.nodes))
        self.ports.close()
        return list(statuses)


def run_child() -> None:
    """The child: ends when its parent does, whatever becomes of that; then it is the command."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
        if os.getppid() != int(os.environ.get("GOSSAMER_PARENT", os.getppid())):
            raise SystemExit(1)
    from click import Command

    from nodes.cli.node import node

    assert isinstance(node, Command)
    node.main(sys.argv[2:], prog_name="gossamer node")
