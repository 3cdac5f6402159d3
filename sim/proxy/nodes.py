"""Real nodes, each behind proxies of ours: what the demo and the real engine play on.

A node advertises only its proxy's address, knows the others by theirs, and does not look for anyone by mDNS: there is
no way round the proxies.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mesh.codes import Code
from mesh.errors import HostError
from mesh.io.keys import create_mesh, make_ticket
from mesh.rng import Rng
from mesh.types import Address
from nodes.ports import Ports
from nodes.processes import PDEATHSIG_CODE, NodeProcess
from nodes.sdk import connect
from sim.proxy.path import Link, Weather
from sim.proxy.tcp import TcpProxy
from sim.proxy.udp import UdpProxy

TICKET_LIFE_MS = 3_600_000
ASK_S = 3.0
LINKED_S = 15.0
CREDIT_S = 0.3
"""A long round trip: the first credit of a link that stands is still on its way."""
POLL_S = 0.05


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


class ProxiedNodes:
    """Nodes and proxies. `close` must be called however it ends."""

    def __init__(
        self,
        folder: Path,
        regions: Mapping[str, str],
        weather: Mapping[tuple[str, str], Weather],
        rng: Rng,
        program: Callable[[str], str] = lambda _: PDEATHSIG_CODE,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Use a folder that is thrown away. `regions` by the names of nodes; `program` is what becomes each of them."""
        self.folder = folder
        self.regions = dict(regions)
        self.nodes: dict[str, NodeProcess] = {}
        self.gateways: dict[str, TcpProxy] = {}
        self.ports = Ports()
        self._weather = weather
        self._rng = rng
        self._program = program
        self._settings = dict(settings or {})
        self._mesh: UdpProxy | None = None

    async def open(self) -> None:
        """Start everything. Raises `HostError` with a node's last words if it does not come up."""
        create_mesh(self.folder / "mesh", "proxied")
        mesh = self._mesh = await UdpProxy.open(self.regions, self._rng.fork("weather"))
        for (one, other), weather in self._weather.items():
            mesh.set_weather(one, other, weather)
        now_ms = time.time_ns() // 1_000_000
        regions = tuple(dict.fromkeys(self.regions.values()))
        ticket = make_ticket(self.folder / "mesh", now_ms, regions=regions, seeds=(), life_ms=TICKET_LIFE_MS).text()
        for name in self.regions:
            self.gateways[name] = await TcpProxy.open()
            self.nodes[name] = self._node(name, ticket)
        await self._start()
        await asyncio.gather(*(self._linked(name) for name in self.regions))
        await asyncio.sleep(CREDIT_S)

    async def _start(self) -> None:
        """Start every node. Who fails ends the others' trying: nobody starts anything once we are closed."""
        starting = [
            asyncio.ensure_future(node.start_at(self.ports, partial(self._place, name)))
            for name, node in self.nodes.items()
        ]
        try:
            await asyncio.gather(*starting)
        finally:
            for task in starting:
                task.cancel()
            await asyncio.gather(*starting, return_exceptions=True)

    def _place(self, name: str, listen: Address, gateway: Address) -> None:
        """Proxies know whose address is whose before a node speaks."""
        self.mesh.place(name, listen)
        self.gateways[name].target = gateway

    async def _linked(self, name: str) -> None:
        """Wait until a node is linked to every other. Raises `HostError` if that takes too long."""
        try:
            async with asyncio.timeout(LINKED_S), connect(f"ws://{self.gateways[name].target}", timeout=None) as client:
                while len(_list((await client.status())["peers"])) < len(self.regions) - 1:  # noqa: ASYNC110  # no event tells
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            text = f"{name} was not linked to the others within {LINKED_S:.0f} s"
            raise HostError(Code.GATEWAY_UNREACHABLE, text) from None

    def _node(self, name: str, ticket: str) -> NodeProcess:
        mesh, gateway = self.mesh, self.gateways[name]
        arguments = ["--data", str(self.folder / name), "--region", self.regions[name], "--no-mdns", "--join", ticket]
        arguments += ["--advertise", str(mesh.address(name))]
        for other in self.regions:
            if other != name:
                arguments += ["--seed", str(mesh.address(other))]
        environment = {"GOSSAMER_GATEWAY_ADVERTISE": f"ws://{gateway.address}", "GOSSAMER_LOG_LEVEL": "warning"}
        log = self.folder / f"{name}.log"
        return NodeProcess(name, arguments, {**environment, **self._settings}, log, self._program(name))

    @property
    def mesh(self) -> UdpProxy:
        """The proxy between the nodes."""
        assert self._mesh is not None, "the nodes were not opened"
        return self._mesh

    def links_of(self, name: str) -> list[Link]:
        """A node's links to the others."""
        return [self.mesh.link(name, other) for other in self.regions if other != name]

    async def ask(self, name: str) -> dict[str, Any]:
        """What a node says of itself; empty if it does not answer."""
        try:
            async with asyncio.timeout(ASK_S), connect(f"ws://{self.gateways[name].target}", timeout=None) as client:
                return await client.status()
        except TimeoutError:
            return {}

    async def kill_all(self) -> None:
        """End every node without a word."""
        await asyncio.gather(*(node.kill() for node in self.nodes.values()))

    async def close(self, *, gently: bool) -> list[str]:
        """End everything; names the nodes that did not end in good order although they were asked gently."""
        nodes = [node for node in self.nodes.values() if node.process is not None]
        statuses: list[int] = [0] * len(nodes)
        if gently:
            statuses = await asyncio.gather(*(node.stop() for node in nodes))
        else:
            await self.kill_all()
        for gateway in self.gateways.values():
            await gateway.close()
        if self._mesh is not None:
            self._mesh.close()
        self.ports.close()
        return [f"{node.name} (status {status})" for node, status in zip(nodes, statuses, strict=True) if status]


async def leave(nodes: ProxiedNodes, *, gently: bool, look: Callable[[], None] = lambda: None) -> list[str]:
    """Close, `look` at what the disks hold, and remove the folder; who is stopped meanwhile waits for no farewells."""
    closing = asyncio.ensure_future(nodes.close(gently=gently))
    try:
        hung = await asyncio.shield(closing)
        look()
        return hung
    except asyncio.CancelledError:
        await nodes.kill_all()
        await closing
        raise
    finally:
        shutil.rmtree(nodes.folder, ignore_errors=True)
