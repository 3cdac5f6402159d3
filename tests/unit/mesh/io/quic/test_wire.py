"""A connection after a cut and over a narrow path, in virtual time: two real QUIC connections, no socket, no clock."""

import heapq
import itertools
from dataclasses import dataclass, field

import pytest
from aioquic.quic import events
from aioquic.quic.connection import QuicConnection

from mesh.frames import Lane
from mesh.io.quic.certificate import self_signed
from mesh.io.quic.wire import AHEAD_BYTES, SecretsInMemory, Wire, configuration
from mesh.types import Address

DELAY_S = 0.11
ADDRESSES = (("ana", 1), ("ben", 2))
FRAME = bytes(20_000)
ALIVE = b"alive"
QUEUE_S = 0.5


@dataclass
class Pair:
    """Ana and Ben, and the datagrams under way between them."""

    ana: Wire
    ben: Wire
    now: float = 1.0
    cut: bool = False
    heard: int = 0
    """Bytes that Ben has read from the stream ..."""
    frames: list[bytes] = field(default_factory=list)
    """... and the frames in them."""
    bytes_per_s: float = 0.0
    """What the path from Ana to Ben carries; 0: any."""
    free: float = 0.0
    under_way: list[tuple[float, int, int, bytes]] = field(default_factory=list)
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def run(self, until: float) -> None:
        """Let time pass."""
        while True:
            self._flush()
            alarms = [(wire.quic.get_timer(), index) for index, wire in enumerate((self.ana, self.ben))]
            due = min((at, index) for at, index in alarms if at is not None)
            arrival = self.under_way[0][0] if self.under_way else until
            self.now = max(self.now, min(due[0], arrival, until))
            if self.now >= until:
                return
            if arrival <= due[0]:
                _, _, index, datagram = heapq.heappop(self.under_way)
                wire = (self.ana, self.ben)[index]
                wire.heard_at = self.now
                wire.quic.receive_datagram(datagram, ADDRESSES[1 - index], self.now)
            else:
                (self.ana, self.ben)[due[1]].quic.handle_timer(self.now)

    def _flush(self) -> None:
        for index, wire in enumerate((self.ana, self.ben)):
            if wire.quic.get_peer_address() is None:
                continue
            while (event := wire.quic.next_event()) is not None:
                if isinstance(event, events.StreamDataReceived):
                    self.heard += len(event.data)
                    self.frames += wire.reader.feed(event.data)
            for datagram, _ in wire.outgoing(self.now):
                if not self.cut and (at := self._leaves(index, datagram)) is not None:
                    entry = (at + DELAY_S, next(self.numbers), 1 - index, datagram)
                    heapq.heappush(self.under_way, entry)

    def _leaves(self, index: int, datagram: bytes) -> float | None:
        """When a datagram has passed the bottleneck; None if too much waits there already."""
        if index or not self.bytes_per_s:
            return self.now
        begins = max(self.now, self.free)
        if begins - self.now > QUEUE_S:
            return None
        self.free = begins + len(datagram) / self.bytes_per_s
        return self.free


@pytest.fixture
def pair() -> Pair:
    """Two ends that have shaken hands, with a stream from Ana to Ben."""
    client, server = SecretsInMemory(), SecretsInMemory()
    dialler = QuicConnection(configuration=configuration(None, 1_452, client))
    acceptor = QuicConnection(
        configuration=configuration(self_signed(), 1_452, server),
        original_destination_connection_id=dialler.original_destination_connection_id,
    )
    ours = Pair(Wire(dialler, client, Address("ben", 2)), Wire(acceptor, server, None))
    dialler.connect(ADDRESSES[1], now=ours.now)
    for datagram, _ in ours.ana.outgoing(ours.now):
        acceptor.receive_datagram(datagram, ADDRESSES[0], ours.now)
    ours.run(3.0)
    ours.ben.reader.greeted = True
    ours.ana.stream = dialler.get_next_available_stream_id()
    return ours


@pytest.mark.parametrize("cut_s", range(4, 31, 2))
def test_connection_whose_window_was_full_carries_on_soon_after_a_cut_of_any_length(pair: Pair, cut_s: int) -> None:
    written = 0
    pair.ana.writer.put(FRAME, Lane.LIVE)
    written += 1
    pair.run(4.0)
    pair.cut = True
    pair.under_way.clear()
    for _ in range(3):
        pair.ana.writer.put(FRAME, Lane.LIVE)
        written += 1
        pair.run(pair.now + 1)
    for _ in range(cut_s - 3):
        pair.ana.writer.put(ALIVE, Lane.CONTROL)
        pair.run(pair.now + 1)

    pair.cut = False
    healed = pair.now
    for _ in range(10):
        pair.ana.writer.put(ALIVE, Lane.CONTROL)
        pair.run(pair.now + 0.5)
        if pair.heard >= written * len(FRAME):
            break

    assert pair.heard >= written * len(FRAME)
    assert pair.now - healed <= 3.0


def test_connection_that_is_heard_keeps_to_its_window(pair: Pair) -> None:
    probes: list[float] = []
    probe = pair.ana.quic._send_probe
    pair.ana.quic._send_probe = lambda: probes.append(pair.now) or probe()

    for _ in range(20):
        pair.ana.writer.put(FRAME, Lane.LIVE)
    pair.run(8.0)

    assert pair.heard >= 20 * len(FRAME)
    assert probes == []


@pytest.mark.parametrize(("kbit_per_s", "within_s"), [(64, 3.0), (512, 1.5)])
def test_what_is_new_does_not_wait_for_the_backlog_of_a_narrow_path(
    pair: Pair, kbit_per_s: int, within_s: float
) -> None:
    pair.bytes_per_s = kbit_per_s * 125
    for _ in range(kbit_per_s):
        pair.ana.writer.put(FRAME, Lane.BACKFILL)
    pair.run(8.0)
    new = [b"new %d" % number for number in range(20)]
    waited: list[float] = []
    for frame in new:
        pair.ana.writer.put(frame, Lane.LIVE)
        put = pair.now
        while frame not in pair.frames and pair.now < put + 10:
            pair.run(pair.now + 0.02)
        waited.append(pair.now - put)

    assert pair.ana.writer.waiting > 0
    assert max(waited) <= within_s, waited


def test_a_wide_path_is_given_all_that_is_allowed(pair: Pair) -> None:
    held: list[int] = []
    for _ in range(200):
        pair.ana.writer.put(FRAME, Lane.BACKFILL)
    while len(pair.frames) < 200:
        pair.run(pair.now + 0.01)
        held.append(pair.ana.unsent())

    assert max(held) > AHEAD_BYTES // 2
    assert pair.now < 8.0
