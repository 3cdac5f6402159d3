"""One QUIC connection as a link: its identity-free binding, its single stream, its frames.

The binding is BLAKE2b-256 over the client's, then the server's first application traffic secret, which both ends hold
and no relay in between can make equal. aioquic writes them to a `secrets_log_file`; ours is an object in memory that
hashes and forgets them. The bytes handed to aioquic never exceed what it has sent by more than 64 KiB, for its buffers
have no bound; what waits here waits in lanes.
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
"""What aioquic may hold that it has not sent."""
WINDOW_BYTES = 8 << 20
"""Flow control of the one stream: the delay of the widest area times the bandwidth of a fast link."""
IDLE_TIMEOUT_S = 60.0
BINDING_BYTES = 32
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

    def unsent(self) -> int:
        """Bytes that aioquic holds and has not sent. The one private name of aioquic that we use."""
        assert self.stream is not None
        sender = self.quic._streams[self.stream].sender
        return int(sender._buffer_stop - sender.highest_offset)

    def pump(self) -> None:
        """Hand aioquic as much as it may hold."""
        if self.stream is None or self.closed or not self.writer.waiting:
            return
        room = AHEAD_BYTES - (self.unsent() if self.stream in self.quic._streams else 0)
        if room > 0:
            self.quic.send_stream_data(self.stream, self.writer.take(room))
