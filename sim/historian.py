"""The past, read at the end: history has one order at a cut, the same on every node, and leaves out nothing.

Once the core is equal, two of its nodes are asked for the history of everything, page by page: forwards at the cut that the
first of them fixes, and backwards at one that some node had in the middle of the run. Rows are compared by where they
stand (log and position) and what they are; none lies beyond its cut, and backwards at the early one nothing is left out
that was shown forwards and lies in it. Then one is asked for the times of a part of it alone. What may expire within the skew
of clocks is left out, and all of it where a log has two histories: beyond its end each node shows its own. Each is also asked
what it is, and says what is so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mesh.clocks.hybrid import stamp_ms
from mesh.clocks.vector import VersionVector
from mesh.operations import UNTIL_ALWAYS_MS, History, Inspect
from mesh.types import NodeId, node_text
from sim.checkers import Watch
from sim.diary import Diary, Name, name_of, say_name
from sim.readings import EVERYTHING, Moments, Reading, Row, at_one_cut, hold, not_too_large, nothing_left_out, passes
from sim.workload import App

if TYPE_CHECKING:
    from sim.tape import Stream
    from sim.world import Machine, World

PAGE = 37
"""Records asked for at a time: so that pages end in the middle of batches."""
PAGES_MAX = 30
NODES_MAX = 2
PARTS = 3
"""The last reading is of the times of the middle one of so many parts."""
ALWAYS = 0, UNTIL_ALWAYS_MS
ANSWER_S = 5.0
"""A page is there by then, in simulated seconds."""


@dataclass
class Historian:
    """Reads and compares the past in a world."""

    world: World
    told: Watch
    """Hears what is broken; that it was looked at is not counted there, for no subscription was."""
    rng: Stream
    early: VersionVector | None = None
    """The cut of a node in the middle of the run."""
    watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        """Share the ledger."""
        self.watch = Watch(self.told.now_us, self.told.ledger, self.told.breaches)
        self.watch.follow(self.told)

    def remember(self) -> None:
        """Take the cut of some node that runs, without its knowing."""
        nodes = [machine.node for machine in self.world.machines.values() if machine.node is not None]
        if nodes:
            self.early = self.rng.choice(nodes).holdings.stored_vector()

    def judge(self, core: list[str], is_owed: Callable[[Name], bool], equal_us: int) -> None:
        """Read at nodes of a core that was equal at a moment, and hold what they show against one another and the ledger."""
        forwards = self._both_ways(core, is_owed, equal_us)
        if forwards is not None and len(forwards.rows) >= PARTS:
            stamps = sorted(stamp_ms(record.stamp) for *_, record in forwards.rows)
            since_ms, until_ms = (stamps[part * len(stamps) // PARTS] for part in (1, 2))
            between = self._read(forwards.node, forwards.cut, backwards=True, times=(since_ms, until_ms))
            if between is not None:
                hold(self.watch, self.world, between)

    def _both_ways(self, core: list[str], is_owed: Callable[[Name], bool], equal_us: int) -> Reading | None:
        """Read forwards at a cut of now, and backwards at an early one; what one node showed forwards."""
        machines = self.world.machines
        nodes = self.rng.shuffled([name for name in core if self._can_ask(machines[name])])[:NODES_MAX]
        is_forked = any(machine.node.holdings.forked for machine in machines.values() if machine.node is not None)
        cut: VersionVector | None = None
        forwards: Reading | None = None
        first: Reading | None = None
        for backwards in (False, True):
            readings: list[Reading] = []
            for node in nodes:
                reading = self._read(node, cut, backwards=backwards)
                if reading is None:
                    return None
                cut = reading.cut
                hold(self.watch, self.world, reading)
                if reading.whole and not is_forked and not backwards:
                    diary = Diary(EVERYTHING, owner=f"history at {node}")
                    diary.seen = dict.fromkeys((name_of(record) for *_, record in reading.rows), 0)
                    self.watch.nothing_lost(diary, partial(self._was_there, reading, is_owed, equal_us))
                if forwards is not None and self.early is not None and not is_forked:
                    self._leaves_out(forwards, reading, self.early)
                readings.append(reading)
            forwards = readings[0] if readings else None
            first = first or forwards
            if len(readings) == NODES_MAX and not is_forked:
                self._compare(*readings)
            cut = self.early
            if cut is None:
                break
        return first

    def _was_there(self, reading: Reading, is_owed: Callable[[Name], bool], equal_us: int, name: Name) -> bool:
        """Whether a message is owed that was acknowledged while all were equal: what came later may lie beyond the cut.

        So may what nodes that are dead had sent: it comes within seconds of their end, and to one before the other.
        """
        if self.watch.ledger[name].first_told_us > equal_us or not is_owed(name):
            return False
        stands = [
            (run.log, at)
            for machine in self.world.machines.values()
            for run in (machine.node.holdings.names.find(*name) if machine.node is not None else ())
            if (at := machine.disk.find(run.log, run.from_position, run.to_position, name))
        ]
        asked = reading.cut.difference(reading.missing)
        return not stands or any(asked.covers(log, at, at) for log, at in stands)

    def _can_ask(self, machine: Machine) -> bool:
        """Whether a node runs by a right clock, and has room for a client more."""
        has_room = len(machine.sessions) < machine.config.sessions.sessions_max
        return machine.node is not None and not machine.is_misled(self.world.now_us) and has_room

    def _read(
        self, node: str, cut: VersionVector | None, *, backwards: bool, times: tuple[int, int] = ALWAYS
    ) -> Reading | None:
        """Ask a node for page after page; None, and a promise broken, if one does not come."""
        how = ("back" if backwards else "on") if times == ALWAYS else "between"
        app = App(self.world, f"historian-{node}-{how}", [node])
        since_ms, until_ms = times
        reading = Reading(
            node, cut if cut is not None else VersionVector(), backwards, since_ms=since_ms, until_ms=until_ms
        )
        request = History(0, EVERYTHING, PAGE, since_ms, until_ms, backwards, cut)
        self.watch.look("available")
        began_us = self.world.now_us
        for number in range(1, PAGES_MAX + 1):
            asked_us = self.world.now_us
            app.ask(request)
            if not self.world.run_until(partial(_has_pages, app, number), ANSWER_S):
                self.watch.broken("available", f"{node} did not show page {number} of its history within {ANSWER_S} s")
                return None
            page = app.pages[-1]
            places = zip(page.places, page.records, strict=True)
            reading.rows += [(log, position, record) for (log, position), record in places]
            if cut is None:
                cut = reading.cut = page.cut
            reading.page = number
            at_one_cut(self.watch, reading, number, page.cut)
            not_too_large(self.watch, reading, PAGE, page)
            machine = self.world.machines[node]
            if machine.node is not None:
                after = request.after if request.cut is None or request.after is not None else VersionVector()
                passes(self.watch, reading, machine, page, after, Moments(asked_us, self.world.now_us))
            if page.next is None:
                reading.whole = True
                nothing_left_out(self.watch, self.world, reading, began_us)
                break
            request = replace(request, cut=cut, after=page.next, missing=reading.missing.copy())
        if not reading.whole and len(reading.rows) < PAGES_MAX:
            what = f"{node} showed {len(reading.rows)} messages on {PAGES_MAX} pages of its history, and no end of it"
            self.watch.broken(
                "available", what, f"{self.world.now_us / 1e6:.6f} s: the last of them comes", kind="pages"
            )
        if not backwards:
            self._inspect(app, self.world.machines[node])
        app.end()
        return reading

    def _inspect(self, app: App, machine: Machine) -> None:
        """Ask a node what it is: it says who and where it is, only whom it is linked with, and that it does not drain."""
        linked = _linked(machine)
        app.ask(Inspect(0))
        if not self.world.run_until(lambda: bool(app.statuses), ANSWER_S):
            self.watch.broken("available", f"{machine.name} did not say within {ANSWER_S} s what it is")
            return
        about: Any = app.statuses[-1].about
        linked |= _linked(machine)
        so = {"node": node_text(NodeId(machine.node_id)), "region": machine.region, "draining": False}
        wrong = [f"{key} is {about[key]}, and not {value}" for key, value in so.items() if about[key] != value]
        wrong += [
            f"it is linked with {peer['node'][:8]}, to whom no link stands"
            for peer in about["peers"]
            if peer["node"] not in linked
        ]
        for each in wrong:
            line = f"{self.world.now_us / 1e6:.6f} s: {machine.name} is asked what it is, and says so"
            self.watch.broken("invariants", f"{machine.name} says of itself that {each}", line, kind="status")

    def _leaves_out(self, forwards: Reading, backwards: Reading, cut: VersionVector) -> None:
        """What was shown forwards, at a later cut, is shown backwards as far as it lies in an early one."""
        if not (forwards.whole and backwards.whole):
            return
        shown = {
            name_of(record) for *_, record in backwards.rows
        }  # of copies each way shows the one that it reads first
        asked = cut.difference(backwards.missing)
        for log, position, record in self._lasting(forwards):
            if asked.covers(log, position, position) and name_of(record) not in shown:
                what = f"history at {backwards.node} leaves out {say_name(name_of(record))}, which lies in its cut"
                self.watch.broken("in order", what, *self.watch.publish_of(name_of(record)), kind="left out")
                return

    def _compare(self, one: Reading, other: Reading) -> None:
        """Both show the same, as far as both were read; unless one lacks what the other has: of copies it may show another."""
        if one.missing != other.missing:
            return
        rows, others = self._lasting(one), self._lasting(other)
        same = all(a == b for a, b in zip(rows, others, strict=False))
        # who was read whole has all that the other shows; what has died between the readings may have made a page of difference
        same = same and not (one.whole and len(others) > len(rows)) and not (other.whole and len(rows) > len(others))
        if same:
            return
        at = next(
            (i for i, (a, b) in enumerate(zip(rows, others, strict=False)) if a != b), min(len(rows), len(others))
        )
        shown = [say_name(name_of(found[at][2])) if at < len(found) else "nothing" for found in (rows, others)]
        way = "backwards" if one.backwards else "forwards"
        what = (
            f"read {way} at one cut, row {at + 1} of history is {shown[0]} at {one.node} and {shown[1]} at {other.node}"
        )
        self.watch.broken("in order", what)

    def _lasting(self, reading: Reading) -> list[Row]:
        """The rows that no clock's skew takes away."""
        soon_us = self.world.now_us + 2 * self.watch.skew_us
        ledger = self.watch.ledger

        def dies(row: Row) -> bool:
            entry = ledger.get(name_of(row[2]))
            return entry is not None and (entry.undated or 0 < entry.expires_us < soon_us)

        return [row for row in reading.rows if not dies(row)]


def _linked(machine: Machine) -> set[str]:
    """To whom a link stands from a machine."""
    return {node_text(NodeId(pipe.target.node_id)) for pipe in machine.links.values()}


def _has_pages(app: App, number: int) -> bool:
    return len(app.pages) == number
