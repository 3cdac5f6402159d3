"""Clients that read the past while things go wrong: what they ask for, what becomes of it, and how a node can fail them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from mesh.clocks.vector import VersionVector
from mesh.codes import Code
from mesh.effects import Tell
from mesh.engines.delivery.history import Histories
from mesh.operations import History, HistoryPage, Refused
from sim import proof
from sim.checkers import SAME_US, Watch
from sim.network import Network
from sim.reader import READINGS_MAX, Past, Readers
from sim.scenario.events import ReadHistory
from sim.units import MILLION
from sim.workload import App
from sim.world import Machine, World

MESSAGES = 9
MANY = 150


@dataclass
class Scene:
    """Two nodes that have the same nine messages, and who reads them."""

    world: World
    readers: Readers
    app: App
    read: list[Past] = field(default_factory=list)

    def begin(self, *, page: int = 4, backwards: bool = False, to: str = "#", **times: int) -> bool:
        what = ReadHistory(client=("app",), to=(to,), page=page, backwards=backwards, **times)  # type: ignore[arg-type]
        begun = self.readers.begin(self.app, what)
        self.read = self.readers.waiting(self.app)
        return begun

    def machine(self, name: str) -> Machine:
        return self.world.machines[name]

    def broken(self) -> list[tuple[str, str, str]]:
        return [(breach.promise, breach.kind, breach.about) for breach in self.readers.told.breaches]

    def seen(self) -> dict[str, int]:
        return {what: count for what, count in self.world.coverage.items() if what.startswith("history/")}


def scene(ttl_ms: int = 0, *, rough: bool = False) -> Scene:
    world = World(7, Network.even(delay_us=5_000))
    world.add("ana", "eu"), world.add("ben", "us", ("ana",))
    watch = Watch(lambda: world.now_us, skew_us=SAME_US)
    apps = [App(world, name, [node]) for name, node in (("one", "ana"), ("two", "ben"))]
    for app in apps:
        app.watch, app.ledger = watch, watch.ledger
    world.run(2)
    for number in range(MESSAGES):
        apps[number % 2].publish(f"room/{number % 3}", b"%d" % number, ttl_ms=ttl_ms)
        world.run(0.05)
    world.run(1)
    reader = App(world, "app", ["ana", "ben"])
    world.run(0.1)
    return Scene(world, Readers(world, watch, ["a cut"] if rough else []), reader)


def rows(past: Past) -> list[int]:
    return [int(record.payload) for *_, record in past.reading.rows]


@pytest.mark.parametrize("backwards", [False, True])
def test_a_reading_takes_page_after_page_until_it_is_whole(backwards: bool) -> None:
    found = scene()

    assert found.begin(backwards=backwards)
    found.world.run(1)

    assert rows(found.read[0]) == sorted(range(MESSAGES), reverse=backwards)
    assert (found.world.coverage["ask/History"], found.read[0].pages) == (3, 3)
    assert (found.broken(), found.seen(), found.readers.waiting(found.app)) == ([], {"history/whole": 1}, [])
    assert (found.app.pages, found.readers.told.evaluated) == ([], {"durable before acknowledged": MESSAGES})


@pytest.mark.parametrize(
    ("times", "shown"),
    [
        ({"since": 1_300_000}, range(5, 9)),
        ({"until": 1_300_000}, range(5)),
        ({"since": 1_450_000, "until": 1_300_000}, range(2, 5)),
    ],
)
def test_times_lie_so_long_before_the_moment_of_asking(times: dict[str, int], shown: range) -> None:
    found = scene()

    found.begin(page=2, **times)
    found.world.run(1)

    assert (rows(found.read[0]), found.read[0].reading.whole, found.broken()) == (list(shown), True, [])


def test_what_matches_alone_is_read_and_faults_beside_it_are_covered() -> None:
    found = scene(rough=True)

    found.begin(to="room/1")
    found.world.run(1)

    assert rows(found.read[0]) == [1, 4, 7]
    assert found.seen() == {"history/whole": 1, "history/under-faults": 1}


def test_a_client_reads_several_times_at_once_and_not_too_often() -> None:
    found = scene()

    begun = [found.begin() for _ in range(READINGS_MAX + 1)]
    found.world.run(1)

    assert begun == [True] * READINGS_MAX + [False]
    assert found.seen() == {"history/whole": READINGS_MAX}
    assert found.broken() == []


def test_who_waits_for_a_page_asks_again_where_it_goes_and_its_reading_ends_with_its_process() -> None:
    found = scene()
    found.machine("ana").slow_disk_us = MILLION
    found.begin()
    first = found.read[0]
    found.world.run(0.5)
    found.app.move("ben")
    found.world.run(0.2)
    there = found.seen()
    found.begin()
    found.app.kill()
    found.world.run(1)

    assert (rows(first), first.reading.node, there) == (list(range(MESSAGES)), "ben", {"history/whole": 1})
    assert (rows(found.read[0]), found.readers.waiting(found.app), found.broken()) == ([], [], [])


def test_pages_of_two_nodes_make_one_reading_of_which_nothing_is_said_to_be_left_out() -> None:
    found = scene()
    found.begin()
    past = found.read[0]
    while past.pages < 1:
        found.world.run(0.001)
    found.app.move("ben")
    found.world.run(1)

    assert (rows(past), past.moves, past.reading.node) == (list(range(MESSAGES)), 1, "ben")
    assert found.seen() == {"history/whole": 1, "history/moved": 1}
    assert found.broken() == []


def _knows_no_clock_but_its_own(found: Scene) -> None:
    found.read[0].is_sure = False


def _was_rotten_there(found: Scene) -> None:
    for rows_of in found.machine("ben").disk.image.rows.values():
        for row in rows_of.values():
            row.damaged = True


MAY_LEAVE_OUT: dict[str, Callable[[Scene], None]] = {
    "who went before knew no clock but its own": _knows_no_clock_but_its_own,
    "it had rotted there": _was_rotten_there,
}


@pytest.mark.parametrize("why", ["", *MAY_LEAVE_OUT])
def test_who_goes_on_leaves_out_nothing_that_it_passes(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = scene()
    found.begin()
    past = found.read[0]
    while past.pages < 1:
        found.world.run(0.001)
    monkeypatch.setattr(Histories, "ask", _answers(lambda request, _: _no_more(request)))
    found.app.move("ben")
    if why:
        MAY_LEAVE_OUT[why](found)
    found.world.run(1)

    assert (len(rows(past)), past.moves, past.reading.whole) == (4, 1, True)
    assert [(promise, kind) for promise, kind, _ in found.broken()] == ([] if why else [("in order", "left out")])
    if not why:
        line = found.readers.told.breaches[0].witness[-1]
        assert line.split(" s: ")[1].startswith("it is read to its end, and ben had it at")


def test_who_goes_on_names_what_it_has_not_got() -> None:
    found = scene()
    found.begin()
    past = found.read[0]
    while past.pages < 1:
        found.world.run(0.001)
    ben = found.machine("ben")
    assert ben.node is not None
    log = next(log for log, _, _ in reversed(past.reading.rows))
    last = ben.node.holdings.stored_of(log).last
    for each in (ben.disk.image.held, ben.node.holdings.stored, ben.node.holdings.received):
        each[log].positions.remove(last, last)
    found.app.move("ben")
    found.world.run(1)

    assert (len(rows(past)), past.reading.missing) == (MESSAGES - 1, VersionVector([(log, [(last, last)])]))
    assert found.seen() == {"history/whole": 1, "history/moved": 1, "history/missing": 1}
    assert found.broken() == []


def test_what_a_page_shows_was_there_though_the_disk_dropped_it_as_it_was_read() -> None:
    found = scene()
    found.app.uplink = replace(found.app.uplink, base_us=50_000)
    found.begin(page=5)
    past = found.read[0]
    while past.pages < 1:
        found.world.run(0.001)
    found.world.run(0.075)
    ana = found.machine("ana")
    held, ana.dropped_us = ana.disk.image.held, past.asked_us + 1
    for log in held:
        last = held[log].positions.last
        held[log].positions.remove(last, last)
    found.world.run(1)

    assert (rows(past), past.reading.missing) == (list(range(MESSAGES)), VersionVector())
    assert found.broken() == []


def test_a_page_that_is_heard_once_its_node_is_down_is_of_nobody() -> None:
    found = scene()
    found.app.uplink = replace(found.app.uplink, base_us=50_000)
    found.begin(page=MESSAGES)
    past = found.read[0]
    while not found.world.coverage.get("tell/HistoryPage"):
        found.world.run(0.001)
    found.world.run(0.002)
    found.world.crash(found.machine("ana"))
    found.machine("ana").disk.image.rows.clear()
    found.world.run(0.06)

    assert (len(rows(past)), past.at, past.reading.whole) == (MESSAGES, ("", 0), True)
    assert found.broken() == []


@pytest.mark.parametrize("is_down", [False, True])
def test_rows_have_one_order_whatever_has_become_of_who_showed_them(
    is_down: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = scene()
    monkeypatch.setattr(Histories, "_least", _turned)
    found.app.uplink = replace(found.app.uplink, base_us=50_000)
    found.begin(page=MESSAGES)
    while not found.world.coverage.get("tell/HistoryPage"):
        found.world.run(0.001)
    found.world.run(0.002)
    if is_down:
        found.world.crash(found.machine("ana"))
    found.world.run(0.06)

    assert sorted(rows(found.read[0])) == list(range(MESSAGES))
    assert {(promise, kind) for promise, kind, _ in found.broken()} == {("in order", "")}


def test_a_place_stood_if_it_is_there_whole_and_was_before_it_was_asked_for() -> None:
    found = scene()
    found.begin()
    found.world.run(1)
    (past,), home = found.read, found.machine("ana")
    log, position, _ = past.reading.rows[0]
    row = next(row for first, row in home.disk.image.rows[log].items() if first <= position <= row.last)

    assert past.stood(home, log, position)
    assert not past.stood(home, log, position + 100)
    row.since_us = past.since_us
    assert not past.stood(home, log, position)
    row.since_us, row.damaged = 0, True
    assert not past.stood(home, log, position)


# --- how a node can fail them ------------------------------------------------------------------------------------------


def _answers(answer: Callable[[History, Histories], Any]) -> Callable[..., Any]:
    return lambda histories, session, request, _: [Tell((session,), answer(request, histories))]


def _leads_to_itself(request: History, histories: Histories) -> HistoryPage:
    cut = histories.holdings.stored_vector()
    return HistoryPage(request.request, request.cut or cut, (), (), request.after or VersionVector())


def _refuses(request: History, _: Histories) -> Refused:
    return Refused(Code.OVERLOADED, "come later", request.request)


def _is_empty(request: History, histories: Histories) -> HistoryPage:
    return HistoryPage(request.request, histories.holdings.stored_vector(), (), (), None)


def _no_more(request: History) -> HistoryPage:
    assert request.cut is not None
    return HistoryPage(request.request, request.cut, (), (), None)


def _turned(_: Histories, page: Any) -> Any:
    heads = [(stream.ready[0][1].stamp, log) for log, stream in page.streams.items() if stream.ready]
    return max(heads)[1] if heads else None


def _answers_at_another_cut(request: History, histories: Histories) -> HistoryPage:
    if request.cut is None:
        cut = histories.holdings.stored_vector()
        return HistoryPage(request.request, cut, (), (), cut)
    return HistoryPage(request.request, VersionVector(), (), (), None)


FAILS = {
    "is at another cut": (
        _answers_at_another_cut,
        "in order",
        "cut",
        "ana was asked for history at one cut, and answers at another",
    ),
    "leads to itself": (_leads_to_itself, "available", "pages", "history at ana has a page 1 that leads to itself"),
    "is refused": (
        _refuses,
        "available",
        "refused",
        "app was refused a page of history, and nothing is wrong with what it asked for: GSM-2110 come later",
    ),
    "is empty": (_is_empty, "in order", "left out", "history at ana leaves out two/"),
}


@pytest.mark.parametrize("how", FAILS)
def test_a_page_that_fails_its_reader_is_told(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer, promise, kind, about = FAILS[how]
    found = scene()
    monkeypatch.setattr(Histories, "ask", _answers(answer))

    found.begin()
    found.world.run(1)

    breach = found.readers.told.breaches[0]
    assert (breach.promise, breach.kind, breach.about[: len(about)]) == (promise, kind, about)
    assert found.readers.waiting(found.app) == []
    assert any("app asks for page" in line for line in breach.witness)


def test_a_page_that_is_larger_than_was_asked_for_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    found, ask = scene(), Histories.ask
    monkeypatch.setattr(Histories, "ask", lambda *given: ask(*given[:2], replace(given[2], limit=5), given[3]))

    found.begin(page=4)
    found.world.run(1)

    what = "history at ana has 5 messages on page 1, and was asked for 4 at the most"
    assert found.broken() == [("available", "pages", what)]
    assert found.readers.told.breaches[0].witness[-1].endswith(": ana answers with page 1, and 5 messages on it")


def test_a_reading_of_many_pages_comes_to_its_end() -> None:
    found = scene()
    writer = App(found.world, "writer", ["ana"])
    writer.watch, writer.ledger = found.readers.told, found.readers.told.ledger
    for number in range(MESSAGES, MANY):
        writer.publish("room/1", b"%d" % number)
    found.world.run(1)

    found.begin(page=1)
    found.world.run(5)

    assert (found.read[0].pages, len(rows(found.read[0])), found.seen()) == (MANY, MANY, {"history/whole": 1})
    assert found.broken() == []


def _has_no_end(request: History, histories: Histories) -> HistoryPage:
    cut = request.cut or histories.holdings.stored_vector()
    after = request.after.copy() if request.after is not None else VersionVector()
    log, _ = next(iter(cut.items()))
    after.add(log, 1, after.get(log).last + 1)
    return HistoryPage(request.request, cut, (), (), after)


def test_who_comes_to_no_end_leaves_its_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    found = scene()
    monkeypatch.setattr(Histories, "ask", _answers(_has_no_end))

    found.begin()
    found.world.run(5)

    assert (found.read[0].pages, found.read[0].reading.whole) == (MESSAGES + 1, False)
    assert found.broken() == [
        ("available", "pages", f"history at ana has no end after page {MESSAGES + 1}, and {MESSAGES} places in its cut")
    ]
    assert found.readers.waiting(found.app) == []


def _alone(machine: Machine, world: World) -> None:
    """It began with a wrong clock, and nobody has shown it so."""
    machine.began_wrong = True
    for link in list(machine.links):
        world.links.close(machine, link, "alone")


@pytest.mark.parametrize("is_alone", [False, True])
def test_the_dead_are_not_shown_but_by_who_knows_no_clock_but_its_own(
    is_alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = scene(ttl_ms=1_000)
    ask, on_loaded = Histories.ask, Histories.on_loaded
    monkeypatch.setattr(Histories, "ask", lambda *given: ask(*given[:3], 0))
    monkeypatch.setattr(Histories, "on_loaded", lambda *given: on_loaded(*given[:2], 0))
    found.world.run(3)
    if is_alone:
        _alone(found.machine("ana"), found.world)

    found.begin()
    found.world.run(1)

    assert len(rows(found.read[0])) == MESSAGES
    assert {(promise, about.partition(" ")[2]) for promise, _, about in found.broken()} == (
        set() if is_alone else {("stays dead", "was shown to history at ana after it had expired")}
    )


def test_who_knows_no_clock_but_its_own_may_take_for_dead_what_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    found = scene()
    monkeypatch.setattr(Histories, "ask", _answers(_is_empty))
    _alone(found.machine("ana"), found.world)

    found.begin()
    found.world.run(1)

    assert (found.broken(), found.seen()) == ([], {"history/whole": 1})


def test_an_answer_to_nobody_is_nobodys() -> None:
    found = scene()
    found.begin()
    found.world.run(1)

    found.readers.on_page(found.app, HistoryPage(99, VersionVector(), (), (), None), 0)
    found.readers.on_refused(found.app, 99, "late")

    assert (found.broken(), found.seen()) == ([], {"history/whole": 1})


def test_who_waits_for_a_page_says_since_when_and_where() -> None:
    found = scene()
    found.world.pause(found.machine("ana"))
    found.begin()
    found.world.run(1)

    asked, still = proof.of_page(found.app, found.readers.waiting(found.app)[0])

    assert asked.endswith(" s: app asks for page 1 of history")
    assert still.endswith("app, attached to ana, which stands still, waits for it")
