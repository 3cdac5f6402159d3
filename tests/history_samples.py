"""Histories for tests of history: a shelf of batches, and a disk that answers its reads."""

from mesh.clocks.hybrid import stamp_ms, stamp_of
from mesh.effects import Load, Loaded, OfChannels, OfNames, Outcome, Since, Tell
from mesh.engines.delivery import Histories
from mesh.engines.delivery.twins import Twins
from mesh.log.batch import Batch
from mesh.operations import History, HistoryPage
from mesh.types import SessionId, pattern_matches
from tests.engine_samples import held
from tests.samples import ANA, BEN, WALL_MS, Writer, record

SEAT = SessionId(1)
READ = 1 << 18


class Shelf:
    """Histories, and a disk that answers their reads."""

    def __init__(self, *batches: Batch, cut_short: bool = False) -> None:
        self.batches = batches
        self.cut_short = cut_short
        self.holdings = held(*batches, recent_bytes=0)
        self.histories = Histories(self.holdings, Twins(self.holdings), READ, self.holdings.stored_vector)
        self.reads = 0

    def answer(self, load: Load) -> Loaded:
        query = load.query
        self.reads += 1
        if isinstance(query, OfNames):
            return Loaded(load.request, self.batches)
        if isinstance(query, Since):
            later = [b for b in self.batches if stamp_ms(b.head.stamp) >= query.wall_ms]
            firsts = {b.log: b.first for b in sorted(later, key=lambda b: b.first, reverse=True)}
            return Loaded(load.request, positions=tuple(sorted(firsts.items())))
        assert isinstance(query, OfChannels)
        found = [b for b in self.batches if b.log == query.log and b.last > query.after and b.first <= query.through]
        matching = [b for b in found if any(_matches(query.patterns, r.channel) for r in b.records())]
        ordered = sorted(matching, key=lambda b: b.first, reverse=query.backwards)
        if self.cut_short and len(ordered) > 1:
            return Loaded(load.request, tuple(ordered[:1]), complete=False)
        return Loaded(load.request, tuple(ordered))

    def page(self, operation: History, expiry_ms: int = WALL_MS) -> HistoryPage:
        return self.run(self.histories.ask(SEAT, operation, expiry_ms), expiry_ms)

    def run(self, outcomes: list[Outcome], expiry_ms: int = WALL_MS) -> HistoryPage:
        for _ in range(200):
            first = outcomes.pop(0)
            if isinstance(first, Tell):
                assert first.sessions == (SEAT,)
                assert isinstance(first.operation, HistoryPage)
                assert outcomes == []
                return first.operation
            assert isinstance(first, Load)
            outcomes += self.histories.on_loaded(self.answer(first), expiry_ms)
            self.histories.check_all()
        raise AssertionError("no page came")


def _matches(patterns: tuple[str, ...], channel: str) -> bool:
    return any(pattern_matches(pattern, channel) for pattern in patterns)


def two_logs() -> tuple[Writer, Writer]:
    """Ana's records are stamped 1, 3, 5, … and Ben's 2, 4, 6, …"""
    ana, ben = Writer(ANA), Writer(BEN)
    for n in (1, 3, 5):
        ana.seal([record(n, b"%d" % n, publisher="a", stamp=stamp_of(WALL_MS) + n)])
        ben.seal([record(n, b"%d" % (n + 1), publisher="b", stamp=stamp_of(WALL_MS) + n + 1)])
    return ana, ben


def shown(page: HistoryPage) -> list[bytes]:
    return [one.payload for one in page.records]


def shelf(*writers: Writer, cut_short: bool = False) -> Shelf:
    return Shelf(*(batch for writer in writers for batch in writer.batches), cut_short=cut_short)
