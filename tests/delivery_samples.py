"""Delivery over holdings that a test fills: for the tests of its tail and its readers."""

from mesh.effects import Load, Loaded, OfChannels, Outcome, Ranges, Tell
from mesh.engines.delivery import COVERAGE, Delivery, DeliveryConfig
from mesh.log.batch import Batch
from mesh.log.holdings import Holdings
from mesh.log.record import Record
from mesh.operations import (
    CreditGrant,
    Gap,
    GapReason,
    Messages,
    Subscribe,
)
from mesh.types import LogId, SessionId
from tests.engine_samples import at, keep, set_timer
from tests.samples import ANA, BEN, WALL_MS, Writer

SEAT, OTHER = SessionId(1), SessionId(2)
LOG = LogId(ANA, 1 << 20)
BENS = LogId(BEN, 1 << 20)
READ = 1 << 18


class Desk:
    """Delivery over holdings that a test fills."""

    def __init__(self, *, recent_bytes: int = 1 << 20, fillable: bool = False, **config: int) -> None:
        self.holdings = Holdings(recent_bytes)
        self.fillable = fillable
        self.delivery = Delivery(DeliveryConfig(**config), self.holdings, lambda *_: self.fillable)
        self.batches: list[Batch] = []
        self.covering = False

    def store(self, *batches: Batch) -> None:
        keep(self.holdings, *batches)
        for batch in batches:
            self.batches.append(batch)
            self.delivery.on_stored(batch.log, batch.first, batch.last)

    def settle(self, ms: float = 0, expiry_ms: int = WALL_MS) -> list[Outcome]:
        """Settle; the timer that tells how far logs have come is set once, and left out here."""
        self.delivery.expiry_ms = expiry_ms
        is_due = self.delivery.is_due
        outcomes = self.delivery.settle(at(ms))
        assert is_due or not outcomes, "a node would not have asked"
        self.delivery.check()
        self.delivery.check_all()
        return [outcome for outcome in outcomes if outcome != set_timer(COVERAGE, ms=ms + 5_000)]

    def subscribe(self, *patterns: str, seat: SessionId = SEAT, number: int = 1, **fields: object) -> list[Outcome]:
        operation = Subscribe(number, patterns or ("#",), **fields)  # type: ignore[arg-type]
        outcomes = self.delivery.subscribe(seat, operation)
        self.delivery.check()
        self.delivery.check_all()
        return outcomes

    def grant(self, count: int, size: int = 0, seat: SessionId = SEAT) -> list[Outcome]:
        outcomes = self.delivery.on_credit(seat, CreditGrant(1, count, size))
        self.delivery.check()
        self.delivery.check_all()
        return outcomes

    def load(self, load: Outcome, *, complete: bool = True, count: int = 99) -> list[Outcome]:
        """Answer a read as a disk would."""
        assert isinstance(load, Load)
        found: list[Batch] = self.batches
        if isinstance(load.query, Ranges):
            ((first, last),) = load.query.ranges
            found = [b for b in found if b.log == load.query.log and b.last >= first and b.first <= last]
        if isinstance(load.query, OfChannels):
            query = load.query
            found = [b for b in found if b.log == query.log and b.last > query.after and b.first <= query.through]
        outcomes = self.delivery.on_loaded(Loaded(load.request, tuple(found[:count]), complete=complete), at())
        self.delivery.check()
        self.delivery.check_all()
        return outcomes


def messages(
    first: int,
    last: int,
    *records: Record,
    positions: tuple[int, ...] = (),
    log: LogId = LOG,
    seats: tuple[SessionId, ...] = (SEAT,),
    late: tuple[int, ...] = (),
    conflicts: tuple[int, ...] = (),
    number: int = 1,
) -> Tell:
    places = positions or tuple(range(first, first + len(records)))
    return Tell(seats, Messages(number, log, first, last, places, records, late, conflicts))


def gap(first: int, last: int, reason: GapReason, *, log: LogId = LOG, seat: SessionId = SEAT) -> Tell:
    return Tell((seat,), Gap(1, log, first, last, reason, reason is GapReason.MISSING))


def written(count: int, writer: Writer | None = None, **fields: object) -> list[Batch]:
    ana = writer or Writer()
    return [ana.write(**fields) for _ in range(count)]  # type: ignore[arg-type]


def of(*batches: Batch) -> tuple[Record, ...]:
    return tuple(one for batch in batches for one in batch.records())
