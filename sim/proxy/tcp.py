"""The TCP proxy before a gateway: passes streams on, until it is told to swallow or to drop.

Swallowing is the fault that makes receipts matter: clients go on sending, the node goes on accepting, and nothing that
the node says arrives. A stream that lost bytes cannot go on, so swallowing ends by dropping the clients, who must find
out at another node what became of their publishes.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from mesh.types import Address

CHUNK_BYTES = 64 << 10
LOOPBACK = "127.0.0.1"


@dataclass(slots=True)
class StreamCounts:
    """Bytes each way, and what was done to clients."""

    to_node: int = 0
    to_clients: int = 0
    swallowed: int = 0
    """Bytes that a node said and no client heard."""
    accepted: int = 0
    refused: int = 0
    """Clients that came while there was no node behind us."""
    dropped: int = 0


class TcpProxy:
    """Stands before one gateway. `target` may change: a node that was restarted may listen elsewhere."""

    def __init__(self, target: Address | None = None) -> None:
        """Use `TcpProxy.open`."""
        self.target = target
        self.counts = StreamCounts()
        self.swallowing = False
        self.address = Address("", 0)
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @classmethod
    async def open(cls, target: Address | None = None) -> TcpProxy:
        """Listen on loopback; `address` says where."""
        proxy = cls(target)
        proxy._server = await asyncio.start_server(proxy._serve, LOOPBACK, 0)
        host, port = proxy._server.sockets[0].getsockname()[:2]
        proxy.address = Address(host, port)
        return proxy

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, until either side ends or we drop it."""
        task = asyncio.current_task()
        assert task is not None
        self._clients[task] = writer
        try:
            await self._connect(reader, writer)
        except OSError:
            self.counts.refused += 1
        finally:
            del self._clients[task]
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.target is None:
            raise ConnectionRefusedError
        node_reader, node_writer = await asyncio.open_connection(*self.target)
        self.counts.accepted += 1
        ways = [
            asyncio.ensure_future(self._pump(reader, node_writer, from_node=False)),
            asyncio.ensure_future(self._pump(node_reader, writer, from_node=True)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            node_writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_node: bool) -> None:
        """Pass one direction on."""
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(CHUNK_BYTES):
                if from_node and self.swallowing:
                    self.counts.swallowed += len(chunk)
                    continue
                if from_node:
                    self.counts.to_clients += len(chunk)
                else:
                    self.counts.to_node += len(chunk)
                writer.write(chunk)
                await writer.drain()

    # --- faults ------------------------------------------------------------------------------------------------------

    def swallow(self) -> None:
        """Let clients speak, and keep from them whatever the node says, until `drop_clients`."""
        self.swallowing = True

    def drop_clients(self) -> int:
        """End every connection, and swallow no more; how many there were."""
        for writer in self._clients.values():
            writer.transport.abort()  # its pumps see the end, and so does the node
        self.counts.dropped += len(self._clients)
        self.swallowing = False
        return len(self._clients)

    async def close(self) -> None:
        """Listen no more, and end every connection."""
        if self._server is not None:
            self._server.close()
        clients = list(self._clients)
        self.drop_clients()
        await asyncio.gather(*clients, return_exceptions=True)
