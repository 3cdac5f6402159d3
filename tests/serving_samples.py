"""What the tests of serving talk about: an engine, batches in memory or on the disk, and what is said of them."""

from __future__ import annotations

from mesh.effects import Load, Outcome, Ranges, Send
from mesh.engines.serving import Serving
from mesh.frames import Lane, NotFound, Push
from mesh.log.batch import BODY_BYTES_MAX, OVERHEAD_BYTES, Batch
from mesh.log.holdings import Holdings
from mesh.peers import Peer
from mesh.types import LinkId, LogId
from tests.engine_samples import TO_BEN, held, table
from tests.samples import ANA, WALL_MS, Writer

LOG = LogId(ANA, 1 << 20)
FRESH_MS = 1_000
LATER_MS = WALL_MS + FRESH_MS
"""When what the tests write is not new any more."""
READ_BYTES = BODY_BYTES_MAX + OVERHEAD_BYTES
"""Credit for the largest batch: without it nothing is read."""


def engine(*peers: Peer, holdings: Holdings, ranges_waiting_max: int = 65_536) -> Serving:
    return Serving(1 << 18, ranges_waiting_max, 1_000, 2 * FRESH_MS, FRESH_MS, holdings, table(*peers))


def written(count: int, size: int = 1) -> list[Batch]:
    ana = Writer()
    return [ana.write(size) for _ in range(count)]


def on_disk(*batches: Batch) -> Holdings:
    """Holdings that have stored these and keep none in memory."""
    return held(*batches, recent_bytes=0)


def load(request: int, *ranges: tuple[int, int], log: LogId = LOG) -> Load:
    return Load(request, Ranges(log, ranges), 1 << 18)


def pushed(*batches: Batch, link: LinkId = TO_BEN, lane: Lane = Lane.BACKFILL) -> list[Outcome]:
    return [Send((link,), Push(batch), lane) for batch in batches]


def not_found(*ranges: tuple[LogId, int, int]) -> Send:
    return Send((TO_BEN,), NotFound(ranges))
