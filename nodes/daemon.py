"""The daemon: one node with its store, endpoint and gateway, from settings to a clean end.

Whatever keeps it from starting is one line with a code and a remedy. SIGINT and SIGTERM drain: nothing new is taken,
what was accepted is finished, links and sessions are told, and the store is marked clean, all within 5 s.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mesh.certificates import Identity
from mesh.codes import Code
from mesh.config import NodeConfig
from mesh.effects import AddressFound, Report
from mesh.engines.intake import IntakeConfig
from mesh.engines.sessions import SessionConfig
from mesh.errors import HostError
from mesh.io.host import Host, too_early
from mesh.io.keys import STORE, SUITE, FolderLock, check_ticket, is_member, join_mesh, load_identity, read_seeds
from mesh.io.quic import Endpoint, EndpointConfig
from mesh.io.store import Store
from mesh.node import Node
from mesh.operations import NodeOperation
from mesh.types import Address, SessionId, node_text
from nodes import logging
from nodes.addresses import gateway_url, parse_address
from nodes.checks import shortage
from nodes.gateway.native import NativeGateway
from nodes.metrics import Metrics
from nodes.settings import Settings

if TYPE_CHECKING:
    from mesh.io.mdns import Discovery

DRAIN_S = 4.0
"""For what was accepted; the rest of the 5 s is for farewells."""
ANY_HOSTS = ("0.0.0.0", "::")  # noqa: S104  # compared with, not bound to
PROBE_SIZES_LEAST = 1_200


class Daemon:
    """Runs one node until it is told to stop."""

    def __init__(
        self, settings: Settings, ticket: str = "", announce: Callable[[dict[str, Any]], None] | None = None
    ) -> None:
        """`ticket` joins a mesh if the data directory belongs to none; `announce` hears when the node is ready."""
        self.settings = settings
        self.ticket = ticket
        self.metrics = Metrics()
        self.log = logging.logger()
        self.node: Node | None = None
        self.host: Host | None = None
        self.gateway: NativeGateway | None = None
        self._announce = announce or (lambda _: None)
        self._draining = False

    # --- what the host tells -----------------------------------------------------------------------------------------

    def tell(self, sessions: tuple[SessionId, ...], operation: NodeOperation) -> None:
        """Tell clients."""
        if self.gateway is not None:
            self.gateway.tell(sessions, operation)

    def count(self, metric: str, by: int, *, gauge: bool) -> None:
        """Count."""
        self.metrics.count(metric, by, gauge=gauge)

    def report(self, code: str, about: Mapping[str, object]) -> None:
        """Tell a person."""
        self.metrics.count("reports_total", 1, gauge=False)
        logging.report(self.log, code, about)

    # --- life --------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Start, run, and end in good order. Raises `HostError` for whatever keeps it from starting or going on."""
        settings = self.settings.node
        wall_ms = time.time_ns() // 1_000_000
        early = too_early(wall_ms)
        if early is not None:
            raise early
        folder = Path(settings.data)
        self._check_ticket(folder, wall_ms)
        lock = FolderLock(folder)
        try:
            identity = self._identity(folder, wall_ms)
            seeds = dict.fromkeys((*settings.seeds, *read_seeds(folder)))
            await self._run(folder, identity, tuple(parse_address(seed, what="a seed") for seed in seeds))
        finally:
            lock.release()

    def _check_ticket(self, folder: Path, wall_ms: int) -> None:
        """Refuse a ticket that does not fit, and a new directory without one, before anything is made there."""
        if self.ticket:
            check_ticket(folder, self.ticket, self.settings.node.region, wall_ms)
        elif not is_member(folder):
            text = f"{folder} belongs to no mesh, and no ticket was given (--join TICKET)"
            raise HostError(Code.TICKET_INVALID, text)

    def _identity(self, folder: Path, wall_ms: int) -> Identity:
        """Who the node is: as its directory says, or by a ticket."""
        if is_member(folder):
            return load_identity(folder, wall_ms)
        return join_mesh(folder, self.ticket, self.settings.node.region, wall_ms)

    async def _run(self, folder: Path, identity: Identity, seeds: tuple[Address, ...]) -> None:
        settings = self.settings
        store = Store(folder / STORE, identity.mesh)
        hosts: list[Host] = []
        endpoint: Endpoint | None = None

        def post(event: Any) -> None:
            hosts[0].post(event)

        try:
            sizes = tuple(dict.fromkeys((settings.node.datagram_bytes, PROBE_SIZES_LEAST)))
            endpoint = Endpoint.open(
                parse_address(settings.node.listen, what="node.listen"),
                post,
                EndpointConfig(datagram_bytes=sizes),
            )
            await self._open_gateway(post)
        except BaseException:
            if endpoint is not None:
                await endpoint.close()
            store.close(clean=True)
            raise
        self.node = Node(self._config(endpoint.address, seeds), identity, SUITE)
        self.host = Host(self.node, store, self, reserve_bytes=settings.node.disk_reserve_bytes)
        self.host.endpoint = endpoint
        hosts.append(self.host)
        self.metrics.watch(self._present)
        discovery = self._discover(identity, endpoint.address.port)
        running = asyncio.ensure_future(self.host.run())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        try:
            self._ready(identity, endpoint.address)
            await running
        finally:
            if discovery is not None:
                await discovery.stop()
            if self.gateway is not None:
                await self.gateway.close()

    def _config(self, listens: Address, seeds: tuple[Address, ...]) -> NodeConfig:
        node = self.settings.node
        advertise = parse_address(node.advertise, what="node.advertise") if node.advertise else listens
        config = NodeConfig()
        return replace(
            config,
            advertise=None if advertise.host in ANY_HOSTS else advertise,
            seeds=seeds,
            gateways=(self._gateway_url(),) if self.gateway is not None else (),
            version=version("gossamer"),
            intake=IntakeConfig(ttl_default_ms=node.retention_ms, disk_reserve_bytes=node.disk_reserve_bytes),
            sessions=SessionConfig(sessions_max=self.settings.gateway.sessions_max),
        )

    def _gateway_url(self) -> str:
        assert self.gateway is not None
        return gateway_url(self.settings.gateway.advertise or str(self.gateway.address))

    async def _open_gateway(self, post: Callable[[Any], None]) -> None:
        settings = self.settings.gateway
        if not settings.enabled:
            return
        gateway = NativeGateway(
            post, sessions_max=settings.sessions_max, metrics=self.metrics.page, ready=self._why_not_ready
        )
        await gateway.open(parse_address(settings.listen, what="gateway.listen"), to_anyone=settings.open)
        self.gateway = gateway
        if settings.open:
            self.log.warning("anyone who can reach the gateway may attach", listen=str(gateway.address))

    def _discover(self, identity: Identity, port: int) -> Discovery | None:
        if not self.settings.node.mdns:
            return None

        def found(event: AddressFound) -> None:
            if self.host is not None:
                self.host.post(event)

        from mesh.io.mdns import Discovery  # who does not look for others on the LAN does not wait for it

        discovery = Discovery(identity.mesh, identity.node, port, found)
        report = discovery.start()
        if isinstance(report, Report):
            self.report(report.code, report.about)
            return None
        return discovery

    def _ready(self, identity: Identity, listens: Address) -> None:
        about = {
            "node": node_text(identity.node),
            "region": identity.region,
            "listen": str(listens),
            "gateway": self._gateway_url() if self.gateway is not None else "",
            "data": self.settings.node.data,
        }
        self.log.info("ready", **about)
        self._announce(about)

    def _why_not_ready(self) -> str:
        if self.node is None or not self.node.started:
            return "starting"
        free_bytes, reserve_bytes = self.node.intake.free_bytes, self.settings.node.disk_reserve_bytes
        if free_bytes < reserve_bytes and not self._draining:
            return f"publishes are refused: {shortage(free_bytes, reserve_bytes)} ({Code.DISK_RESERVED})"
        return "draining" if self._draining else ""

    def _present(self) -> dict[str, float]:
        """The node's state as numbers."""
        node = self.node
        if node is None or not node.started:
            return {}
        return {
            "links": len(node.peers),
            "logs": len(node.holdings.stored),
            "records": sum(held.positions.count for held in node.holdings.stored.values()),
            "sessions": len(node.sessions.sessions),
            "sessions_cut_off": self.gateway.cut_off if self.gateway is not None else 0,
            "subscriptions": len(node.delivery.readers),
            "missing_records": max((partner.missing.count for partner in node.repair.partners.values()), default=0),
            "appends_pending": len(node.journal.pending),
            "disk_free_bytes": node.intake.free_bytes,
        }

    def stop(self) -> None:
        """Drain and end."""
        if self.host is not None and not self._draining:
            self._draining = True
            self.log.info("draining")
            self.host.drain(DRAIN_S)


def run_daemon(
    settings: Settings, *, ticket: str = "", as_json: bool = False, prepare: Callable[[Daemon], None] | None = None
) -> None:
    """Run a node in this process until it ends. `prepare` may change the daemon before it starts."""
    logging.configure(settings.log.level, settings.log.format)

    def announce(about: dict[str, Any]) -> None:
        if as_json:
            print(json.dumps({"event": "ready", **about}), flush=True)  # noqa: T201  # what whoever started us waits for

    async def main() -> None:
        daemon = Daemon(settings, ticket, announce)
        if prepare is not None:
            prepare(daemon)
        await daemon.run()

    try:
        import uvloop  # where it exists
    except ImportError:
        asyncio.run(main())
    else:
        uvloop.run(main())
