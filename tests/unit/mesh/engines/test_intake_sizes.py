"""Intake by the byte: what is sealed can be read by everyone, whatever it is that makes it large."""

from dataclasses import replace

import pytest

from mesh.clocks.hybrid import HybridClock
from mesh.engines.intake import Intake, IntakeConfig, draft_fault
from mesh.log.batch import BATCH_BYTES_MAX
from mesh.log.holdings import Holdings
from mesh.log.record import RECORD_BYTES_MAX, TTL_MS_MAX
from mesh.operations import Draft, Publish
from mesh.rng import Rng
from mesh.types import SessionId
from tests.engine_samples import at, identity
from tests.samples import SUITE, WALL_MS, received

SEAT = SessionId(1)


def intake(config: IntakeConfig | None = None) -> Intake:
    me = identity("ana")
    one = Intake(config or IntakeConfig(), me, SUITE, Holdings(), HybridClock(), Rng(b"intake"), 1 << 40, life=1 << 20)
    one.on_attached(SEAT, "me", 7)
    return one


@pytest.mark.parametrize(
    ("count", "headers"),
    [(200, {"h": "a" * 2_000}), (4, {"h": "a" * 900_000}), (60, {f"{n}": "é" * 400 for n in range(64)})],
)
def test_what_is_sealed_can_be_read_however_heavy_its_headers(count: int, headers: dict[str, str]) -> None:
    one = intake()
    drafts = tuple(Draft("room/1", sequence, b"x", 0, 0, headers) for sequence in range(1, count + 1))

    assert one.publish(SEAT, Publish(drafts), at()) == []
    assert one.gathered_bytes > count * sum(len(value.encode()) for value in headers.values())
    batches, _ = one.seal(at(), WALL_MS)

    read = [received(batch).records() for batch in batches]
    assert [record.sequence for records in read for record in records] == list(range(1, count + 1))
    assert all(len(records) == 1 or sum(len(r.raw) for r in records) <= BATCH_BYTES_MAX for records in read)


def test_a_message_at_the_limit_fits_whatever_its_numbers_take() -> None:
    """What is refused as too large is decided with the widest numbers: a long life takes more bytes than a short one."""
    room = next(
        size
        for size in range(RECORD_BYTES_MAX - 150, 0, -1)
        if draft_fault(Draft("c", 1, bytes(size), 0, TTL_MS_MAX), TTL_MS_MAX) is None
    )
    one = intake(replace(IntakeConfig(), ttl_max_ms=TTL_MS_MAX))

    assert one.publish(SEAT, Publish((Draft("c", 1, bytes(room), 7, TTL_MS_MAX),)), at()) == []
    ((batch,), _) = one.seal(at(), WALL_MS)

    assert len(received(batch).records()[0].raw) <= RECORD_BYTES_MAX
