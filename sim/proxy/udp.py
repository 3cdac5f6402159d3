"""The UDP proxy: real nodes, each behind an address of ours, with weather between any two.

A node has one socket for all of its links, so its own address says who speaks, and the proxy's address that it speaks
to says to whom. What node A sends to B's address leaves, when it arrives, from A's address to where B really is: to B
it comes from where A claims to be, and the answer takes the same way back. It is a NAT for every node at once; nobody
needs to be told that it is there, and nobody can go round it who was only told our addresses.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Iterable
from typing import Any

from mesh.rng import Rng
from mesh.types import US_PER_S, Address
from sim.proxy.path import Counts, Link, Path, Weather

SOCKET_BUFFER_BYTES = 4 << 20
LOOPBACK = "127.0.0.1"


class _Face(asyncio.DatagramProtocol):
    """The proxy's address for one node."""

    def __init__(self, proxy: UdpProxy, name: str) -> None:
        self._proxy = proxy
        self._name = name

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._proxy._take(data, addr[1], self._name)

    def error_received(self, exc: Exception) -> None:
        """A node that was killed answers with ICMP; that is what a fault proxy is for."""


class UdpProxy:
    """Stands between all nodes; runs on the event loop that it was opened in."""

    def __init__(self, names: Iterable[str], rng: Rng) -> None:
        """Use `UdpProxy.open`."""
        self.names = tuple(names)
        self.links: dict[frozenset[str], Link] = {}
        self.strangers = 0
        """Datagrams from nobody that we were told of; they go nowhere."""
        self._paths: dict[tuple[str, str], Path] = {}
        for one, other in itertools.combinations(self.names, 2):
            there = Path(Weather(), rng.fork(f"{one}/{other}"))
            back = Path(Weather(), rng.fork(f"{other}/{one}"))
            self.links[frozenset((one, other))] = Link(one, other, there, back)
            self._paths[one, other], self._paths[other, one] = there, back
        self._loop = asyncio.get_running_loop()
        self._alarms: dict[tuple[str, str], asyncio.TimerHandle] = {}
        self._faces: dict[str, asyncio.DatagramTransport] = {}
        self._homes: dict[str, Address] = {}
        self._names_by_port: dict[int, str] = {}

    @classmethod
    async def open(cls, names: Iterable[str], rng: Rng) -> UdpProxy:
        """Open an address for each node, on loopback. Call `place` for each node before it speaks."""
        proxy = cls(names, rng)
        for name in proxy.names:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                sock.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
            sock.bind((LOOPBACK, 0))
            transport, _ = await proxy._loop.create_datagram_endpoint(
                lambda name=name: _Face(proxy, name),  # type: ignore[misc]  # mypy loses the default's type
                sock=sock,
            )
            proxy._faces[name] = transport
        return proxy

    def address(self, name: str) -> Address:
        """Where others reach a node: the only address that they may be told."""
        host, port = self._faces[name].get_extra_info("sockname")[:2]
        return Address(host, port)

    def place(self, name: str, home: Address) -> None:
        """Say where a node really listens (on loopback)."""
        self._names_by_port = {port: other for port, other in self._names_by_port.items() if other != name}
        self._homes[name] = home
        self._names_by_port[home.port] = name

    def link(self, one: str, other: str) -> Link:
        """The link between two nodes, to change its weather, cut it, or read its counts."""
        return self.links[frozenset((one, other))]

    def set_weather(self, one: str, other: str, weather: Weather) -> None:
        """Give both directions between two nodes the same weather."""
        link = self.link(one, other)
        link.there.weather = link.back.weather = weather

    @property
    def counts(self) -> Counts:
        """What became of the datagrams of all links."""
        every = [path.counts for path in self._paths.values()]
        return Counts(
            sum(c.passed for c in every),
            sum(c.lost for c in every),
            sum(c.cut for c in every),
            sum(c.overflowed for c in every),
        )

    # --- datagrams ---------------------------------------------------------------------------------------------------

    def _take(self, datagram: bytes, source_port: int, target: str) -> None:
        source = self._names_by_port.get(source_port)
        if source is None or source == target:
            self.strangers += 1
            return
        path = self._paths[source, target]
        path.send(datagram, self._now_us())
        self._plan(source, target, path)

    def _now_us(self) -> int:
        return int(self._loop.time() * US_PER_S)

    def _plan(self, source: str, target: str, path: Path) -> None:
        if path.next_us is not None and (source, target) not in self._alarms:
            at = path.next_us / US_PER_S
            self._alarms[source, target] = self._loop.call_at(at, self._deliver, source, target, path)

    def _deliver(self, source: str, target: str, path: Path) -> None:
        del self._alarms[source, target]
        home = self._homes.get(target)
        # An alarm may ring within the clock's resolution before its time: what is due in a moment is due.
        for datagram in path.due(self._now_us() + 1_000):
            if home is not None:
                self._faces[source].sendto(datagram, home)
        self._plan(source, target, path)

    def close(self) -> None:
        """Close every address; what is under way is gone."""
        for alarm in self._alarms.values():
            alarm.cancel()
        self._alarms.clear()
        for face in self._faces.values():
            face.abort()
