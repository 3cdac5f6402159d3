"""The native gateway: WebSocket, in MessagePack or JSON, with the node's metrics and health on the same port.

An adapter adds nothing of its own: it decodes what clients send, posts it to the node, and writes what the node tells,
encoded once for each subprotocol however many sessions are told. Writing never waits; what a client may have in its
buffer is bounded by its credit, and one that does not read is not read from.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from http import HTTPStatus

from websockets.asyncio.server import Server, ServerConnection, broadcast, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from mesh.codes import EXPLANATIONS, Code
from mesh.effects import Event, Requested, SessionClosed, SessionOpened
from mesh.errors import DecodeError, HostError
from mesh.io.quic.sockets import listen_fault
from mesh.operations import Goodbye, NodeOperation, Refused
from mesh.types import Address, SessionId
from mesh.wire.operations import decode_client, encode_operation
from mesh.wire.text import decode_client_text, encode_node_text
from nodes.addresses import is_loopback

BINARY, TEXT = Subprotocol("gossamer.v1.msgpack"), Subprotocol("gossamer.v1.json")
MESSAGE_BYTES_MAX = 4 << 20
"""Above the record's limit, which has its own coded error; larger messages close the connection (1009)."""
UNREAD_BYTES_MAX = 16 << 20
"""A client with so much unread is not read from: it may ask for no more ..."""
UNREAD_BYTES_MOST = 64 << 20
"""... and one with so much, whatever credit it gave, is cut off; it goes on from its cursor."""
PAUSE_S = 0.02
HANDSHAKE_TIMEOUT_S = 10
PING_EVERY_S = 20
CLOSE_TIMEOUT_S = 1
HANDSHAKES_AHEAD = 64
"""Connections beyond the sessions that a node takes, so that it can say why."""


class NativeGateway:
    """Accepts clients and lets them speak to the node."""

    def __init__(
        self,
        post: Callable[[Event], None],
        *,
        sessions_max: int,
        metrics: Callable[[], bytes],
        ready: Callable[[], str],
    ) -> None:
        """`ready` says why the node is not ready, or nothing."""
        self._post = post
        self._sessions_max = sessions_max
        self._metrics = metrics
        self._ready = ready
        self._numbers = itertools.count(1)
        self._sessions: dict[SessionId, ServerConnection] = {}
        self._binary: set[SessionId] = set()
        self._server: Server | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._cut_off = 0
        self.address = Address("", 0)

    async def open(self, listen: Address, *, to_anyone: bool) -> None:
        """Begin to listen. Raises `HostError` (PORT_TAKEN, NO_IPV6, CONFIG_INVALID)."""
        if not to_anyone and not is_loopback(listen.host):
            text = f"gateway.listen is {listen}, which others can reach; without tokens that needs gateway.open = true"
            raise HostError(Code.CONFIG_INVALID, text)
        try:
            self._server = await serve(
                self._serve,
                listen.host,
                listen.port,
                subprotocols=[BINARY, TEXT],
                process_request=self._request,
                compression=None,
                max_size=MESSAGE_BYTES_MAX,
                open_timeout=HANDSHAKE_TIMEOUT_S,
                ping_interval=PING_EVERY_S,
                ping_timeout=PING_EVERY_S,
                close_timeout=CLOSE_TIMEOUT_S,
                server_header=None,
            )
        except OSError as error:
            raise listen_fault(listen, "TCP", error) from error
        host, port = next(iter(self._server.sockets)).getsockname()[:2]
        self.address = Address(host, port)

    @property
    def cut_off(self) -> int:
        """How many clients were cut off because they did not read."""
        return self._cut_off

    # --- before a session --------------------------------------------------------------------------------------------

    def _request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer plain HTTP, and refuse who does not speak one of our subprotocols."""
        if request.path == "/metrics":
            return _response(HTTPStatus.OK, self._metrics(), "text/plain; version=0.0.4; charset=utf-8")
        if request.path == "/healthz":
            return connection.respond(HTTPStatus.OK, "ok\n")
        if request.path == "/readyz":
            why = self._ready()
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE if why else HTTPStatus.OK, (why or "ready") + "\n")
        if "upgrade" not in request.headers.get("Connection", "").lower():
            return connection.respond(
                HTTPStatus.NOT_FOUND, "A Gossamer gateway: WebSocket, /metrics, /healthz, /readyz\n"
            )
        offered = [
            name.strip() for value in request.headers.get_all("Sec-WebSocket-Protocol") for name in value.split(",")
        ]
        if BINARY not in offered and TEXT not in offered:
            about = EXPLANATIONS[Code.SUBPROTOCOL_WRONG]
            return connection.respond(
                HTTPStatus.BAD_REQUEST, f"{Code.SUBPROTOCOL_WRONG} {about.title}. {about.cause}\n"
            )
        if len(self._sessions) >= self._sessions_max + HANDSHAKES_AHEAD:
            about = EXPLANATIONS[Code.SESSIONS_TOO_MANY]
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, f"{Code.SESSIONS_TOO_MANY} {about.title}.\n")
        return None

    # --- a session ---------------------------------------------------------------------------------------------------

    async def _serve(self, connection: ServerConnection) -> None:
        session = SessionId(next(self._numbers))
        self._sessions[session] = connection
        if connection.subprotocol == BINARY:
            self._binary.add(session)
        host, port = connection.remote_address[:2]
        self._post(SessionOpened(session, f"{host}:{port}"))
        try:
            async for message in connection:
                self._hear(session, message)
                while connection.transport.get_write_buffer_size() > UNREAD_BYTES_MAX:  # noqa: ASYNC110  # no event tells
                    await asyncio.sleep(PAUSE_S)
        except ConnectionClosed:
            pass  # however it ended, the session is over
        finally:
            self._sessions.pop(session, None)
            self._binary.discard(session)
            self._post(SessionClosed(session))

    def _hear(self, session: SessionId, message: str | bytes) -> None:
        """Decode an operation and post it; what cannot be decoded is refused, and the session goes on."""
        binary = session in self._binary
        if isinstance(message, str) == binary:
            kind = "binary" if binary else "text"
            self.tell((session,), Refused(Code.OPERATION_MALFORMED, f"this subprotocol takes {kind} messages"))
            return
        try:
            operation = decode_client_text(message) if isinstance(message, str) else decode_client(message)
        except DecodeError as error:
            self.tell((session,), Refused(Code.OPERATION_MALFORMED, str(error)))
            return
        if operation is None:
            self.tell((session,), Refused(Code.OPERATION_UNKNOWN, "the node does not know this operation"))
            return
        self._post(Requested(session, operation))

    def tell(self, sessions: tuple[SessionId, ...], operation: NodeOperation) -> None:
        """Write an operation to sessions, encoded once for each subprotocol, without waiting."""
        binary = [self._sessions[s] for s in sessions if s in self._binary]
        text = [self._sessions[s] for s in sessions if s in self._sessions and s not in self._binary]
        if binary:
            broadcast(binary, encode_operation(operation))
        if text:
            broadcast(text, encode_node_text(operation))
        for connection in (*binary, *text):
            if connection.transport.get_write_buffer_size() > UNREAD_BYTES_MOST:
                self._cut_off += 1
                connection.transport.abort()
        if isinstance(operation, Goodbye):
            for connection in (*binary, *text):
                task = asyncio.ensure_future(connection.close(1000, operation.code))
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Stop to listen, and end what is still open; a client that does not read is cut off."""
        if self._server is None:
            return
        self._server.close(close_connections=True)
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S * 2):
                await self._server.wait_closed()
        except TimeoutError:
            for connection in list(self._sessions.values()):
                connection.transport.abort()


def _response(status: HTTPStatus, body: bytes, content_type: str) -> Response:
    headers = Headers([("Content-Type", content_type), ("Content-Length", str(len(body))), ("Connection", "close")])
    return Response(status.value, status.phrase, headers, body)
