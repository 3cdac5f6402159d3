"""A node that has some messages on its disk, and a reading of them: for tests of those who judge history."""

from dataclasses import dataclass, field

from mesh.clocks.vector import VersionVector
from mesh.operations import HistoryPage
from mesh.types import LogId
from sim.checkers import Watch
from sim.diary import Entry
from sim.disk import Row
from sim.network import Network
from sim.readings import Moments, Reading, nothing_left_out, passes
from sim.workload import App
from sim.world import Machine, World
from tests.samples import BEN

OTHER = LogId(BEN, 1)
ASKED = ("0.000000 s: app asks for page 1 of history",)


@dataclass
class Shelf:
    """A node that has three messages on its disk, and a reading that shows the first and the last of them."""

    world: World
    watch: Watch
    home: Machine
    pages: Reading
    since_us: int
    missing: VersionVector = field(default_factory=VersionVector)

    @property
    def log(self) -> LogId:
        return next(iter(self.home.disk.image.rows))

    @property
    def middle(self) -> Row:
        return list(self.home.disk.image.rows[self.log].values())[1]

    @property
    def entry(self) -> Entry:
        return list(self.watch.ledger.values())[1]

    def come(
        self, after: VersionVector | None = None, following: VersionVector | None = None, told_us: int = 0
    ) -> None:
        places = tuple((log, position) for log, position, _ in self.pages.rows)
        records = tuple(record for *_, record in self.pages.rows)
        page = HistoryPage(1, self.pages.cut, places, records, following, self.missing)
        moments = Moments(self.since_us, told_us or self.world.now_us)
        passes(self.watch, self.pages, self.home, page, after, moments)

    def broken(self) -> list[tuple[str, str, str]]:
        self.come(VersionVector())
        nothing_left_out(self.watch, self.world, self.pages, self.since_us)
        return [(breach.promise, breach.kind, breach.about.split("/")[-1]) for breach in self.watch.breaches]


def shelf(ttl_ms: int = 0) -> Shelf:
    world = World(7, Network.even(delay_us=5_000))
    home = world.add("ana", "eu")
    watch = Watch(lambda: world.now_us)
    app = App(world, "app", ["ana"], ledger=watch.ledger)
    world.run(1)
    for number in range(3):
        app.publish("room/1", b"%d" % number, ttl_ms=ttl_ms)
        world.run(0.5)
    assert home.node is not None
    stored = [(log, first, row) for log, rows in home.disk.image.rows.items() for first, row in rows.items()]
    rows = [(log, first, record) for log, first, row in stored for record in row.batch().records()]
    pages = Reading("ana", home.node.holdings.stored_vector(), backwards=False, rows=[rows[0], rows[2]], asked=ASKED)
    return Shelf(world, watch, home, pages, world.now_us)
