"""One QUIC connection as a link: its identity-free binding, its single stream, its frames.

The binding is BLAKE2b-256 over the client's, then the server's first application traffic secret, which both ends hold
and no relay in between can make equal. aioquic writes them to a `secrets_log_file`; ours is an object in memory that
hashes and forgets them. The bytes handed to aioquic never exceed what it has sent by more than 64 KiB, for its buffers
have no bound; what waits here waits in lanes. Nor do they exceed it by more than the connection has sent within a tenth of
a second, or one datagram: what is handed over goes in its order, and over a narrow link 64 KiB of an old backlog would
hold up what is new for seconds.

A cut that begins while the congestion window is full stays full: nothing in it is acknowledged, so nothing else may be
sent, not even `Alive`, and aioquic's own probes come at intervals that double. After a cut of 20 s the next one may be
18 s away. So a connection that has bytes to send and has heard nothing for a second is allowed one probe a second,
which is what RFC 9002 lets exceed the window; its acknowledgement shows what was lost, and all goes on.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, TextIO, cast

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection

from mesh.io.quic.certificate import TlsCertificate
from mesh.types import Address, LinkId
from mesh.wire.framing import FrameReader, FrameWriter

ALPN = "gossamer/1"
AHEAD_BYTES = 64 << 10
"""What aioquic may hold that it has not sent, at most ..."""
AHEAD_LEAST_BYTES = 1_200
"""... at least ..."""
AHEAD_S = 0.1
"""... and in between what it has sent within so long. Guess: half of what a bottleneck queues."""
WINDOW_BYTES = 8 << 20
"""Flow control of the one stream: the delay of the widest area times the bandwidth of a fast link."""
IDLE_TIMEOUT_S = 60.0
BINDING_BYTES = 32
PROBE_EVERY_S = 1.0
"""How long nothing was heard before a probe is sent past a full congestion window, and how often."""
CLIENT_SECRET, SERVER_SECRET = "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"


class SecretsInMemory:
    """Stands in for aioquic's secrets log: keeps the two that make the binding until they are hashed."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._secrets: dict[str, bytes] = {}

    def write(self, line: str) -> None:
        """Take a line `LABEL client_random secret`."""
        label, _, secret = line.split()
        if label in (CLIENT_SECRET, SERVER_SECRET):
            self._secrets[label] = bytes.fromhex(secret)

    def flush(self) -> None:
        """Nothing is ever written anywhere."""

    def binding(self) -> bytes | None:
        """Hash the secrets and forget them; None if one is not known."""
        if len(self._secrets) < 2:
            return None
        both = self._secrets[CLIENT_SECRET] + self._secrets[SERVER_SECRET]
        self._secrets.clear()
        return blake2b(both, digest_size=BINDING_BYTES, person=b"gsm-binding").digest()


def configuration(
    certificate: TlsCertificate | None, datagram_bytes: int, secrets: SecretsInMemory
) -> QuicConfiguration:
    """Settings of one connection: the dialler's without a certificate, the acceptor's with one."""
    settings = QuicConfiguration(
        alpn_protocols=[ALPN],
        is_client=certificate is None,
        idle_timeout=IDLE_TIMEOUT_S,
        max_data=WINDOW_BYTES,
        max_stream_data=WINDOW_BYTES,
        max_datagram_size=datagram_bytes,
        secrets_log_file=cast("TextIO", secrets),
    )
    settings.verify_mode = ssl.CERT_NONE  # who speaks is proved by HELLO, over the binding
    if certificate is not None:
        settings.certificate, settings.private_key = certificate.certificate, certificate.private_key
    return settings


@dataclass(eq=False)
class Wire:
    """A connection on the socket. `link` is None until the handshake is done and the dial was decided."""

    quic: QuicConnection
    secrets: SecretsInMemory
    dialed: Address | None
    link: LinkId | None = None
    stream: int | None = None
    shaken: bool = False
    closed: bool = False
    reader: FrameReader = field(default_factory=FrameReader)
    writer: FrameWriter = field(default_factory=FrameWriter)
    on_settled: Callable[[str], None] | None = None
    """The dial that it belongs to hears when it stands (with nothing), or why it does not."""
    alarm: Any = None
    alarm_at: float | None = None
    heard_at: float = 0.0
    """When the last datagram came."""
    moved_at: float = 0.0
    """When aioquic last held nothing that it could not send, or was last told to probe."""
    counted_at: float = 0.0
    counted: int = 0
    """What it had sent by then ..."""
    lately: int = 0
    """... and within the `AHEAD_S` before."""

    def outgoing(self, now: float) -> list[tuple[bytes, Any]]:
        """The datagrams that may be sent now, and where to."""
        if self.unsent() == 0:
            self.moved_at = now
        elif now - max(self.moved_at, self.heard_at) >= PROBE_EVERY_S:
            self.moved_at = now
            self.quic._send_probe()
        out: list[tuple[bytes, Any]] = []
        while True:
            self.pump(now)
            datagrams = self.quic.datagrams_to_send(now)
            out += datagrams
            if not datagrams or not self.writer.waiting:
                return out

    def unsent(self) -> int:
        """Bytes that aioquic holds and has not sent. This and the probe are the private names of aioquic that we use."""
        if self.stream is None or self.stream not in self.quic._streams:
            return 0
        sender = self.quic._streams[self.stream].sender
        return int(sender._buffer_stop - sender.highest_offset)

    def pump(self, now: float) -> None:
        """Hand aioquic as much as it may hold."""
        if self.stream is None or self.closed or not self.writer.waiting:
            return
        room = self._ahead(now) - self.unsent()
        if room > 0:
            self.quic.send_stream_data(self.stream, self.writer.take(room))

    def _ahead(self, now: float) -> int:
        """How much it may hold: what it sends in a moment. It doubles with each round of a burst."""
        sent = self.quic._streams[self.stream].sender.highest_offset if self.stream in self.quic._streams else 0
        if now - self.counted_at >= AHEAD_S:
            self.lately = sent - self.counted if now - self.counted_at < 2 * AHEAD_S else 0
            self.counted, self.counted_at = sent, now
        return max(AHEAD_LEAST_BYTES, min(AHEAD_BYTES, max(self.lately, sent - self.counted)))
