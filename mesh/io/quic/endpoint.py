"""The endpoint: one UDP socket, all connections, and the dialling.

Datagrams are read in turns of the event loop and sorted by connection id; what a turn brought is decoded and told to
the host at its end. Whatever a peer's bytes do to aioquic costs that connection and nothing else. How large datagrams
may be is found out by dialling (`probe`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aioquic._buffer import Buffer
from aioquic.quic import events as quic_events
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import (
    QuicHeader,
    QuicPacketType,
    QuicProtocolVersion,
    encode_quic_retry,
    encode_quic_version_negotiation,
    pull_quic_header,
)
from aioquic.quic.retry import QuicRetryTokenHandler

from mesh.codes import Code
from mesh.effects import Count, DialFailed, FrameReceived, LinkBroken, LinkDown, LinkUp
from mesh.errors import DecodeError
from mesh.frames import Lane
from mesh.io.quic.certificate import self_signed
from mesh.io.quic.probe import Probe
from mesh.io.quic.sockets import address_of, bound_socket, resolve
from mesh.io.quic.wire import SecretsInMemory, Wire, configuration
from mesh.types import Address, LinkId
from mesh.wire.frames import decode_frame
from mesh.wire.framing import FramingError

CONNECTION_ID_BYTES = 8
DATAGRAM_LEAST = 1_200
DATAGRAM_MOST = 65_000
READ_DATAGRAMS = 64
"""Datagrams read in one turn of the loop."""
LINK_CLOSED = 0x100
"""Our application error code; the reason phrase carries the registry's."""
SUPPORTED_VERSIONS = [QuicProtocolVersion.VERSION_1, QuicProtocolVersion.VERSION_2]

Told = LinkUp | LinkDown | DialFailed | FrameReceived | LinkBroken | Count


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """What an endpoint is allowed."""

    datagram_bytes: tuple[int, ...] = (1_452, 1_200)
    """Sizes to dial with, the largest first. The first is what an Ethernet path carries."""
    probe_ms: int = 300
    """How long before the next size is tried, and how long a larger one may come after a smaller."""
    dial_timeout_ms: int = 5_000
    handshakes_max: int = 64
    """Connections that are half open; above, who dials has to prove its address first (Retry)."""
    connections_max: int = 256


class Endpoint:
    """All links of a node. Everything runs on the event loop that it was opened in."""

    def __init__(self, config: EndpointConfig, sock: socket.socket, tell: Callable[[Told], None]) -> None:
        """Use `Endpoint.open`."""
        self.config = config
        self._loop = asyncio.get_running_loop()
        self._socket = sock
        self._tell = tell
        self._certificate = self_signed()
        self._retry = QuicRetryTokenHandler()
        self._wires: dict[bytes, Wire] = {}
        self._links: dict[LinkId, Wire] = {}
        self._count = 0
        self._dirty: dict[Wire, None] = {}
        self._flushing = False
        self._half_open = 0
        self._dials: set[asyncio.Task[None]] = set()
        self.address = address_of(sock.getsockname())
        self.receive_buffer_bytes = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        self._loop.add_reader(sock.fileno(), self._read)

    @classmethod
    def open(cls, listen: Address, tell: Callable[[Told], None], config: EndpointConfig | None = None) -> Endpoint:
        """Open the socket. Raises `HostError` (PORT_TAKEN, NO_IPV6, CONFIG_INVALID)."""
        return cls(config or EndpointConfig(), bound_socket(listen), tell)

    # --- datagrams ---------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        """Take what has arrived; the rest of it in the next turn of the loop."""
        for _ in range(READ_DATAGRAMS):
            try:
                datagram, source = self._socket.recvfrom(65_535)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:  # an ICMP error of some earlier datagram: QUIC finds out by itself
                continue
            wire = self._wire_of(datagram, source)
            if wire is not None:
                wire.heard_at = self._now()
                self._guarded(wire, wire.quic.receive_datagram, datagram, source, wire.heard_at)

    def _now(self) -> float:
        return self._loop.time()

    def _guarded(self, wire: Wire, call: Callable[..., None], *arguments: Any) -> bool:
        """Call into aioquic: whatever a peer's bytes make of it costs that connection, and nothing else."""
        try:
            call(*arguments)
        except Exception as error:  # noqa: BLE001  # mutated datagrams raise IndexError, AssertionError and their kin
            self._tell(Count("quic_errors_total"))
            self._drop(wire, f"{type(error).__name__} in QUIC")
            return False
        self._touch(wire)
        return True

    def _wire_of(self, datagram: bytes, source: Any) -> Wire | None:
        """The connection that a datagram belongs to; a new one for an acceptable Initial."""
        try:
            header = pull_quic_header(Buffer(data=datagram), host_cid_length=CONNECTION_ID_BYTES)
        except Exception:  # noqa: BLE001  # no QUIC
            return None
        wire = self._wires.get(header.destination_cid)
        if wire is not None:
            return wire
        is_initial = header.packet_type == QuicPacketType.INITIAL and len(datagram) >= DATAGRAM_LEAST
        if header.version is not None and header.version not in SUPPORTED_VERSIONS:
            if len(datagram) >= DATAGRAM_LEAST and header.packet_type != QuicPacketType.VERSION_NEGOTIATION:
                self._send(
                    encode_quic_version_negotiation(
                        source_cid=header.destination_cid,
                        destination_cid=header.source_cid,
                        supported_versions=list(SUPPORTED_VERSIONS),
                    ),
                    source,
                )
            return None
        if not is_initial or len(self._links) + self._half_open >= self.config.connections_max:
            return None
        return self._accept(header, len(datagram), source)

    def _accept(self, header: QuicHeader, size: int, source: Any) -> Wire | None:
        original, retry_source = header.destination_cid, None
        if self._half_open >= self.config.handshakes_max or header.token:
            if not header.token:
                self._ask_again(header, source)
                return None
            try:
                original = self._retry.validate_token(
                    address=source, destination_cid=header.destination_cid, token=header.token, now=self._now()
                )
            except Exception:  # noqa: BLE001  # no token of ours
                return None
            retry_source = header.destination_cid
        secrets = SecretsInMemory()
        settings = configuration(self._certificate, min(max(size, DATAGRAM_LEAST), DATAGRAM_MOST), secrets)
        quic = QuicConnection(
            configuration=settings,
            original_destination_connection_id=original,
            retry_source_connection_id=retry_source,
        )
        wire = Wire(quic, secrets, None)
        self._half_open += 1
        self._wires[header.destination_cid] = self._wires[quic.host_cid] = wire
        self._loop.call_later(self.config.dial_timeout_ms / 1000, self._expire_handshake, wire)
        return wire

    def _ask_again(self, header: QuicHeader, source: Any) -> None:
        """Answer with Retry: who dials proves that it is where it says before it costs us anything."""
        assert header.version is not None
        connection_id = os.urandom(CONNECTION_ID_BYTES)
        token = self._retry.create_token(
            address=source,
            original_destination_connection_id=header.destination_cid,
            retry_source_connection_id=connection_id,
            now=self._now(),
        )
        packet = encode_quic_retry(
            version=header.version,
            source_cid=connection_id,
            destination_cid=header.source_cid,
            original_destination_cid=header.destination_cid,
            retry_token=token,
        )
        self._send(packet, source)

    def _expire_handshake(self, wire: Wire) -> None:
        if not wire.shaken and not wire.closed:
            self._drop(wire, "the handshake took too long")

    def _send(self, datagram: bytes, target: Any) -> None:
        with contextlib.suppress(OSError):  # a full buffer or no route: QUIC sends it again
            self._socket.sendto(datagram, target)

    # --- turns -------------------------------------------------------------------------------------------------------

    def _touch(self, wire: Wire) -> None:
        """A connection has something to tell or to send, at the end of this turn."""
        self._dirty[wire] = None
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        dirty, self._dirty = self._dirty, {}
        for wire in dirty:
            self._events(wire)
            self._transmit(wire)

    def _transmit(self, wire: Wire) -> None:
        """Send what may be sent, and set the connection's alarm."""
        quic = wire.quic
        if quic.get_peer_address() is None:
            return  # it was registered and has not received its first datagram
        try:
            for datagram, target in wire.outgoing(self._now()):
                self._send(datagram, target)
            at = quic.get_timer()
        except Exception as error:  # noqa: BLE001  # see _guarded
            self._drop(wire, f"{type(error).__name__} in QUIC")
            return
        if at == wire.alarm_at:
            return
        if wire.alarm is not None:
            wire.alarm.cancel()
        wire.alarm_at = at
        wire.alarm = None if at is None else self._loop.call_at(at, self._ring, wire)

    def _ring(self, wire: Wire) -> None:
        wire.alarm = wire.alarm_at = None
        self._guarded(wire, wire.quic.handle_timer, self._now())

    def _events(self, wire: Wire) -> None:
        while (event := wire.quic.next_event()) is not None:
            match event:
                case quic_events.StreamDataReceived():
                    self._stream(wire, event)
                case quic_events.HandshakeCompleted():
                    self._shaken(wire)
                case quic_events.ConnectionIdIssued(connection_id):
                    self._wires[connection_id] = wire
                case quic_events.ConnectionIdRetired(connection_id):
                    self._wires.pop(connection_id, None)
                case quic_events.ConnectionTerminated():
                    self._ended(wire, event.reason_phrase or "the connection ended")
                case quic_events.StreamReset() | quic_events.StopSendingReceived():
                    self.hangup_wire(wire, Code.FRAME_UNDECODABLE, "its stream was reset")
                case _:
                    pass  # acknowledged pings, negotiated protocols, datagrams: nothing of ours

    def _stream(self, wire: Wire, event: quic_events.StreamDataReceived) -> None:
        if wire.closed or (wire.link is None and wire.dialed is not None):
            return
        if wire.stream is None:
            wire.stream = event.stream_id
        if event.stream_id != wire.stream or wire.link is None:
            self.hangup_wire(wire, Code.FRAME_UNDECODABLE, "a link is one stream")
            return
        try:
            for packed in wire.reader.feed(event.data):
                frame = decode_frame(packed)
                self._tell(
                    Count("frames_unknown_total") if frame is None else FrameReceived(wire.link, frame, len(packed))
                )
        except FramingError as error:
            self._tell(LinkBroken(wire.link, error.code, str(error)))
        except DecodeError as error:
            self._tell(LinkBroken(wire.link, Code.FRAME_UNDECODABLE, str(error)))

    # --- coming up and going down ------------------------------------------------------------------------------------

    def _shaken(self, wire: Wire) -> None:
        wire.shaken = True
        if wire.dialed is None:
            self._half_open -= 1
            self._up(wire)
        elif wire.on_settled is not None:
            wire.on_settled("")

    def _up(self, wire: Wire) -> None:
        """A connection stands: number it, and tell."""
        binding = wire.secrets.binding()
        if binding is None:
            self._drop(wire, "it has no binding")
            return
        self._count += 1
        wire.link = LinkId(self._count)
        self._links[wire.link] = wire
        if wire.dialed is not None:
            wire.stream = wire.quic.get_next_available_stream_id()
        self._tell(LinkUp(wire.link, binding, wire.dialed))

    def _ended(self, wire: Wire, why: str) -> None:
        """A connection is over: forget it, and tell whoever has not heard."""
        for connection_id in [c for c, other in self._wires.items() if other is wire]:
            del self._wires[connection_id]
        if wire.alarm is not None:
            wire.alarm.cancel()
            wire.alarm = wire.alarm_at = None
        self._quit(wire, why)

    def _quit(self, wire: Wire, why: str) -> None:
        if wire.closed:
            return
        wire.closed = True
        if wire.dialed is None and not wire.shaken:
            self._half_open -= 1
        if wire.link is not None:
            del self._links[wire.link]
            self._tell(LinkDown(wire.link, why))
        elif wire.on_settled is not None:
            wire.on_settled(why)

    def _drop(self, wire: Wire, why: str) -> None:
        """End a connection whose state cannot be trusted, without another word."""
        self._quit(wire, why)
        self._ended(wire, why)

    def hangup_wire(self, wire: Wire, code: str, about: str) -> None:
        """Close a connection in good order; who uses it hears at once."""
        if not wire.closed:
            wire.quic.close(error_code=LINK_CLOSED, reason_phrase=f"{code} {about}".strip()[:120])
            self._quit(wire, code)
            self._touch(wire)

    # --- what a host asks --------------------------------------------------------------------------------------------

    def send(self, links: tuple[LinkId, ...], packed: bytes, lane: Lane, *, greeting: bool) -> None:
        """Queue an encoded frame on links; ones that are gone are left out."""
        for link in links:
            wire = self._links.get(link)
            if wire is not None:
                wire.writer.put(packed, lane)
                if not greeting:
                    wire.reader.greeted = True  # a node sends nothing but HELLO before it has accepted one
                self._touch(wire)

    def waiting(self, link: LinkId) -> int:
        """Bytes that wait to be sent on a link."""
        wire = self._links.get(link)
        return wire.writer.waiting if wire is not None else 0

    def hangup(self, link: LinkId, code: str, about: str) -> None:
        """Close a link and tell the peer why."""
        wire = self._links.get(link)
        if wire is not None:
            self.hangup_wire(wire, code, about)

    def dial(self, address: Address) -> None:
        """Open a connection; `LinkUp` or `DialFailed` answers."""
        task = self._loop.create_task(self._dial(address))
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)

    async def _dial(self, address: Address) -> None:
        try:
            target = await resolve(self._loop, address, self._socket.family)
        except OSError as error:
            self._tell(DialFailed(address, error.strerror or str(error)))
            return
        probe_s, timeout_s = self.config.probe_ms / 1000, self.config.dial_timeout_ms / 1000
        probe = Probe(lambda size: self._connect(address, target, size), self.config.datagram_bytes, probe_s)
        try:
            winner = await probe.run(timeout_s)
        finally:
            for wire in probe.losers():
                wire.on_settled = None
                self.hangup_wire(wire, Code.LINK_SUPERSEDED, "probe")
        if winner is None:
            self._tell(DialFailed(address, probe.why or "nobody answers"))
            return
        winner.on_settled = None
        self._up(winner)
        self._touch(winner)

    def _connect(self, address: Address, target: Any, size: int) -> Wire:
        secrets = SecretsInMemory()
        quic = QuicConnection(configuration=configuration(None, size, secrets))
        wire = Wire(quic, secrets, address)
        self._wires[quic.host_cid] = wire
        self._guarded(wire, quic.connect, target, self._now())
        return wire

    async def close(self) -> None:
        """Close every link, let the farewells out, and close the socket."""
        for task in list(self._dials):
            task.cancel()
        await asyncio.gather(*self._dials, return_exceptions=True)
        for wire in list(self._links.values()):
            self.hangup_wire(wire, Code.NODE_STOPPING, "")
        self._flush()
        for wire in set(self._wires.values()):
            if wire.alarm is not None:
                wire.alarm.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
