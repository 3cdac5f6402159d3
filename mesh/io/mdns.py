"""Finding nodes on the LAN: mDNS (`_gossamer._udp.local.`) through zeroconf; and seeds, resolved again and again.

The service's name is short; its TXT record carries the mesh's and the node's identity, so that strangers are not
dialled. Registering takes over a second and is never waited for. Where there is no multicast, seeds alone suffice.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Callable

from zeroconf import IPVersion, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from mesh.codes import Code
from mesh.effects import AddressFound, Report
from mesh.errors import RemoteError
from mesh.types import Address, NodeId, node_from_text, node_short, node_text

SERVICE = "_gossamer._udp.local."
MESH_CHARACTERS = 32
"""Of the mesh's name in hex; enough to tell meshes apart."""
RESOLVE_TIMEOUT_MS = 3_000


class Discovery:
    """Announces a node on the LAN and finds others of its mesh."""

    def __init__(self, mesh: bytes, node: NodeId, port: int, tell: Callable[[AddressFound], None]) -> None:
        """Announce `node` at a UDP port; `tell` hears of others."""
        self._mesh = mesh.hex()[:MESH_CHARACTERS]
        self._node = node
        self._port = port
        self._tell = tell
        self._zeroconf: AsyncZeroconf | None = None
        self._browser: AsyncServiceBrowser | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> Report | None:
        """Begin, without waiting; a report says if there is no multicast here."""
        try:
            self._zeroconf = AsyncZeroconf(ip_version=IPVersion.All)
        except (OSError, RuntimeError) as error:  # zeroconf raises RuntimeError where there is no interface at all
            try:
                self._zeroconf = AsyncZeroconf(ip_version=IPVersion.V4Only)
            except (OSError, RuntimeError):
                return Report(Code.NO_MULTICAST, {"why": getattr(error, "strerror", None) or str(error)})
        self._browser = AsyncServiceBrowser(self._zeroconf.zeroconf, SERVICE, handlers=[self._changed])
        self._spawn(self._register())
        return None

    def _spawn(self, work: object) -> None:
        assert asyncio.iscoroutine(work)
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _register(self) -> None:
        assert self._zeroconf is not None
        info = AsyncServiceInfo(
            SERVICE,
            f"gossamer-{node_short(self._node)}.{SERVICE}",
            port=self._port,
            parsed_addresses=_own_addresses(),
            properties={"mesh": self._mesh, "node": node_text(self._node)},
            server=f"gossamer-{node_short(self._node)}.local.",
        )
        with contextlib.suppress(OSError, asyncio.CancelledError):  # the network may be gone; the browser still listens
            await (await self._zeroconf.async_register_service(info, allow_name_change=True))

    def _changed(self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if state_change is not ServiceStateChange.Removed:
            self._spawn(self._resolve(zeroconf, service_type, name))

    async def _resolve(self, zeroconf: Zeroconf, service_type: str, name: str) -> None:
        info = AsyncServiceInfo(service_type, name)
        if not await info.async_request(zeroconf, RESOLVE_TIMEOUT_MS) or info.port is None:
            return
        mesh, node_name = (info.decoded_properties.get(key) for key in ("mesh", "node"))
        if mesh != self._mesh or node_name is None:
            return
        try:
            node = node_from_text(node_name)
        except RemoteError:
            return
        if node == self._node or not 0 < info.port < 65_536:
            return
        for text in info.parsed_addresses():
            ip = ipaddress.ip_address(text)
            if (
                ip.version == 4 or not ip.is_link_local
            ):  # a link-local address needs a scope, which no other node shares
                self._tell(AddressFound(node, Address(text, info.port), "mdns"))

    async def stop(self) -> None:
        """Take the announcement back."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._browser is not None:
            await self._browser.async_cancel()
        if self._zeroconf is not None:
            with contextlib.suppress(OSError):
                await self._zeroconf.async_unregister_all_services()
            await self._zeroconf.async_close()


def _own_addresses() -> list[str]:
    """The addresses of this machine that others may reach, loopback only if there is no other."""
    import ifaddr  # noqa: PLC0415  # zeroconf's own way to list interfaces

    found: list[str] = []
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            text = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            address = ipaddress.ip_address(text)
            if not address.is_loopback and not address.is_link_local:
                found.append(text)
    return found or ["127.0.0.1"]
