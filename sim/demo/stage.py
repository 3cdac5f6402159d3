"""The stage: three real node processes, and proxies before every address that anybody is told.

A node advertises only its proxy's address, knows the others by theirs, and does not look for anyone by mDNS: there is
no way round the proxies. The delays are those of fibre between Frankfurt, Virginia and Singapore, and so is the loss: ten
times as much would cap a QUIC connection at 180 KB/s over 220 ms, and the demo would measure that and not the mesh.
"""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path
from typing import Any

from mesh.codes import Code
from mesh.errors import HostError
from mesh.io.keys import create_mesh, make_ticket
from mesh.rng import Rng
from mesh.types import Address
from nodes.processes import PDEATHSIG_CODE, NodeProcess
from nodes.sdk import connect
from sim.demo import sabotage as sabotages
from sim.proxy import Link, TcpProxy, UdpProxy, Weather

REGIONS = ("eu", "us", "ap")
WEATHER = {
    ("eu", "us"): Weather(delay_us=45_000, jitter_us=4_000, loss_per_million=200),
    ("us", "ap"): Weather(delay_us=75_000, jitter_us=6_000, loss_per_million=200),
    ("eu", "ap"): Weather(delay_us=110_000, jitter_us=8_000, loss_per_million=200),
}
TICKET_LIFE_MS = 3_600_000
LOOPBACK = "127.0.0.1"
ASK_S = 3.0
LINKED_S = 15.0
CREDIT_S = 0.3
"""The longest round trip: the first credit of a link that stands is still on its way."""
POLL_S = 0.05


def free_port(kind: socket.SocketKind) -> int:
    """A port that nobody has now: nodes are told theirs before they start, so that the proxies know whose it is."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind((LOOPBACK, 0))
        port: int = sock.getsockname()[1]
        return port


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


class Stage:
    """Nodes and proxies. `close` must be called however it ends."""

    def __init__(self, folder: Path, rng: Rng, sabotage: str) -> None:
        """Use a folder that is thrown away. `sabotage` names a safeguard to turn off in every node, or is empty."""
        self.folder = folder
        self.nodes: dict[str, NodeProcess] = {}
        self.gateways: dict[str, TcpProxy] = {}
        self.restarting: set[str] = set()
        self._rng = rng
        self._sabotage = sabotage
        self._mesh: UdpProxy | None = None

    async def open(self) -> None:
        """Start everything. Raises `HostError` with a node's last words if it does not come up."""
        create_mesh(self.folder / "mesh", "demo")
        mesh = self._mesh = await UdpProxy.open(REGIONS, self._rng.fork("weather"))
        for (one, other), weather in WEATHER.items():
            mesh.set_weather(one, other, weather)
        now_ms = time.time_ns() // 1_000_000
        ticket = make_ticket(self.folder / "mesh", now_ms, regions=REGIONS, seeds=(), life_ms=TICKET_LIFE_MS).text()
        for region in REGIONS:
            self.gateways[region] = await TcpProxy.open(Address(LOOPBACK, free_port(socket.SOCK_STREAM)))
            mesh.place(region, Address(LOOPBACK, free_port(socket.SOCK_DGRAM)))
            self.nodes[region] = self._node(region, ticket)
        await asyncio.gather(*(node.start() for node in self.nodes.values()))
        await asyncio.gather(*(self._linked(region) for region in REGIONS))
        await asyncio.sleep(CREDIT_S)

    async def _linked(self, region: str) -> None:
        """Wait until a node is linked to every other. Raises `HostError` if that takes too long."""
        try:
            async with (
                asyncio.timeout(LINKED_S),
                connect(f"ws://{self.gateways[region].target}", timeout=None) as client,
            ):
                while len(_list((await client.status())["peers"])) < len(REGIONS) - 1:  # noqa: ASYNC110  # no event tells
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            text = f"{region} was not linked to the others within {LINKED_S:.0f} s"
            raise HostError(Code.GATEWAY_UNREACHABLE, text) from None

    def _node(self, region: str, ticket: str) -> NodeProcess:
        mesh, gateway = self.mesh, self.gateways[region]
        arguments = ["--data", str(self.folder / region), "--region", region, "--no-mdns", "--join", ticket]
        arguments += ["--listen", str(mesh.home(region)), "--advertise", str(mesh.address(region))]
        arguments += ["--gateway", str(gateway.target)]
        for other in REGIONS:
            if other != region:
                arguments += ["--seed", str(mesh.address(other))]
        environment = {"GOSSAMER_GATEWAY_ADVERTISE": f"ws://{gateway.address}", "GOSSAMER_LOG_LEVEL": "warning"}
        program = sabotages.launcher(self._sabotage) if self._sabotage else PDEATHSIG_CODE
        return NodeProcess(region, arguments, environment, self.folder / f"{region}.log", program)

    @property
    def mesh(self) -> UdpProxy:
        """The proxy between the nodes."""
        assert self._mesh is not None, "the stage is not open"
        return self._mesh

    def urls(self, *regions: str) -> list[str]:
        """Where clients attach: the proxies before these regions' gateways."""
        return [f"ws://{self.gateways[region].address}" for region in regions]

    def region_of(self, url: str) -> str:
        """The region of a gateway's URL; empty if it is none of ours."""
        return next((r for r, proxy in self.gateways.items() if url == f"ws://{proxy.address}"), "")

    def links_of(self, region: str) -> list[Link]:
        """A region's links to the others."""
        return [self.mesh.link(region, other) for other in REGIONS if other != region]

    async def kill(self, region: str) -> int:
        """End a node without a word; its exit status."""
        node = self.nodes[region]
        self.restarting.add(region)
        await node.kill()
        assert node.process is not None
        return node.process.returncode or 0

    async def restart(self, region: str) -> None:
        """Start a killed node again, on what its disk kept."""
        await self.nodes[region].start()
        self.restarting.discard(region)

    async def ask(self, region: str) -> dict[str, Any]:
        """What a node says of itself; empty if it does not answer."""
        try:
            async with asyncio.timeout(ASK_S), connect(f"ws://{self.gateways[region].target}", timeout=None) as client:
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
        return [f"{node.name} (status {status})" for node, status in zip(nodes, statuses, strict=True) if status]
