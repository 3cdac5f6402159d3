"""The past, read at the end: what it asks, what it finds, and each way in which a node could show it wrongly."""

from dataclasses import replace
from typing import Any

import pytest

from mesh.clocks.hybrid import stamp_ms
from mesh.clocks.vector import VersionVector
from mesh.engines.delivery.history import Histories
from mesh.log.record import Record
from mesh.node import Node
from mesh.operations import History
from mesh.types import LogId
from sim.checkers import Watch
from sim.diary import Entry
from sim.historian import PAGE, Historian
from sim.network import Network
from sim.readings import Reading, Row, hold
from sim.safeguards import off
from sim.workload import App
from sim.world import World
from tests.samples import ANA, BEN

LOG, OTHER = LogId(ANA, 1), LogId(BEN, 1)
MESSAGES = PAGE + 5


def reader(now_us: int = 0) -> Historian:
    world = World(7, Network.even(delay_us=5_000))
    world.now_us = now_us
    return Historian(world, Watch(lambda: world.now_us), world.rng.fork("historian"))


def spoken(messages: int = MESSAGES) -> Historian:
    """Two nodes that have the same, and who reads them."""
    found = reader()
    world = found.world
    world.add("ana", "eu")
    world.add("ben", "us", ("ana",))
    apps = [App(world, name, [node]) for name, node in (("one", "ana"), ("two", "ben"))]
    for app in apps:
        app.watch, app.ledger = found.told, found.told.ledger
    world.run(2)
    for number in range(messages):
        apps[number % 2].publish("room/1", b"%d" % number)
        world.run(0.05)
        if number == messages // 2:
            found.remember()
    world.run(2)
    return found


def row(stamp: int, position: int = 1, *, log: LogId = LOG, sequence: int = 1, payload: bytes = b"x") -> Row:
    return log, position, Record("room/1", "alice", 7, sequence, stamp, 0, 0, [], {}, payload, b"")


def reading(*rows: Row, node: str = "ana", whole: bool = True, backwards: bool = False) -> Reading:
    cut = VersionVector((log, [(position, position)]) for log, position, _ in rows)
    return Reading(node, cut, backwards, list(rows), whole)


def broken(found: Historian) -> list[tuple[str, str]]:
    return [(breach.promise, breach.about) for breach in found.told.breaches]


def test_two_nodes_show_the_same_whole_past_and_leave_no_reader_behind() -> None:
    found = spoken()

    found.judge(["ana", "ben"], lambda _: True, found.world.now_us)

    assert broken(found) == []
    assert found.world.coverage["ask/History"] == 4 + 2 + 1  # two pages at each, one of the half, and one of a third
    assert found.told.evaluated == {"durable before acknowledged": MESSAGES}
    assert {name: found.watch.evaluated[name] for name in ("available", "in order", "once", "nothing lost")} == {
        "available": 5,
        "in order": 5,
        "once": 5,
        "nothing lost": 2 * MESSAGES,
    }
    assert [len(machine.sessions) for machine in found.world.machines.values()] == [1, 1]


def test_of_the_last_reading_the_times_are_those_of_the_middle_third(monkeypatch: pytest.MonkeyPatch) -> None:
    found = spoken()
    asked: list[History] = []
    ask = Histories.ask

    def listens(histories: Histories, session: Any, request: History, expiry_ms: Any) -> Any:
        asked.append(request)
        return ask(histories, session, request, expiry_ms)

    monkeypatch.setattr(Histories, "ask", listens)
    found.judge(["ana", "ben"], lambda _: True, found.world.now_us)

    stamps = sorted(
        stamp_ms(record.stamp) for batch in found.world.machines["ana"].disk.batches() for record in batch.records()
    )
    (last,) = [each for each in asked if each.since_ms]
    assert (last.since_ms, last.until_ms) == (stamps[MESSAGES // 3], stamps[2 * MESSAGES // 3])
    assert (asked[-1], last.backwards, found.told.breaches) == (last, True, [])


def test_of_a_past_of_two_messages_no_part_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    found = spoken(2)
    ask = Histories.ask

    def listens(histories: Histories, session: Any, request: History, expiry_ms: Any) -> Any:
        assert not request.since_ms
        return ask(histories, session, request, expiry_ms)

    monkeypatch.setattr(Histories, "ask", listens)
    found.judge(["ana", "ben"], lambda _: True, found.world.now_us)

    assert found.told.breaches == []


def test_what_history_leaves_out_is_lost() -> None:
    found = spoken(3)
    name = ("never", 1, 1)
    found.told.ledger[name] = Entry("room/1", b"acknowledged, and nowhere", (1, 1))

    later = ("later", 1, 1)
    found.told.ledger[later] = Entry("room/1", b"on its way", (1, 1), first_told_us=found.world.now_us + 1)

    found.judge(["ben"], lambda each: each in (name, later), found.world.now_us)

    assert [about for promise, about in broken(found) if promise == "nothing lost"] == [
        "never/0001/1 was acknowledged at copies:1 and never shown to history at ben"
    ]


def test_what_comes_to_any_node_behind_the_cut_was_not_there() -> None:
    """It had been sent by a node that is dead since, and comes once all were equal."""
    found = spoken(3)
    ana, name, now_us = found.world.machines["ana"].node, next(iter(found.told.ledger)), found.world.now_us
    assert ana is not None
    whole, none = reading(node="cy"), reading(node="cy")
    whole.cut = ana.holdings.stored_vector()

    assert found._was_there(whole, lambda _: True, now_us, name)
    assert not found._was_there(whole, lambda _: False, now_us, name)
    assert not found._was_there(none, lambda _: True, now_us, name)
    found.world.crash(found.world.machines["ben"])
    assert not found._was_there(none, lambda _: True, now_us, name)


def test_who_has_not_got_all_of_a_cut_says_so_and_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a node that is dead since had sent came to one of them before the other."""
    found = spoken(3)
    world, equal_us = found.world, found.world.now_us
    world.cut(["ana"], ["ben"])
    App(world, "more", ["ana"], ledger=found.told.ledger).publish("room/1", b"only there")
    world.run(1)
    monkeypatch.setattr(type(found.rng), "shuffled", lambda _rng, options: list(options))
    compared: list[tuple[int, int]] = []
    monkeypatch.setattr(
        found, "_lasting", lambda reading: compared.append((len(reading.rows), reading.missing.count)) or []
    )

    found.judge(["ana", "ben"], lambda _: True, equal_us)

    assert broken(found) == []
    assert compared == [
        (4, 0),
        (4, 0),
        (2, 0),
        (2, 0),
    ]  # what was shown forwards is looked for backwards; then these are compared


def test_log_after_log_is_not_the_order_of_stamps() -> None:
    found = spoken(6)

    with off("one-history"):
        found.judge(["ana", "ben"], lambda _: True, found.world.now_us)

    assert {promise for promise, _ in broken(found)} == {"in order"}
    assert "out of the order of stamps" in broken(found)[0][1]


def test_a_node_that_shows_nothing_is_not_available() -> None:
    found = spoken(1)
    found.world.pause(found.world.machines["ana"])

    found.judge(["ana"], lambda _: True, found.world.now_us)

    assert broken(found) == [("available", "ana did not show page 1 of its history within 5.0 s")]


def test_a_page_that_is_larger_than_was_asked_for_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    found, ask = spoken(), Histories.ask
    monkeypatch.setattr(Histories, "ask", lambda *given: ask(*given[:2], replace(given[2], limit=2 * PAGE), given[3]))

    found.judge(["ana"], lambda _: True, found.world.now_us)

    what = f"history at ana has {MESSAGES} messages on page 1, and was asked for {PAGE} at the most"
    assert broken(found) == [("available", what)]


@pytest.mark.parametrize("what", ["down", "full", "alone with a wrong clock"])
def test_who_cannot_answer_is_not_asked(what: str) -> None:
    found = spoken(1)
    ana = found.world.machines["ana"]
    if what == "down":
        found.world.crash(ana)
    elif what == "full":
        ana.config = replace(ana.config, sessions=replace(ana.config.sessions, sessions_max=1))
    else:
        ana.began_wrong = True
        for link in list(ana.links):
            found.world.links.close(ana, link, "alone")

    found.judge(["ana"], lambda _: True, found.world.now_us)

    assert broken(found) == []
    assert "ask/History" not in found.world.coverage


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({}, ""),
        ({"node": "0" * 64}, "ana says of itself that node is 000"),
        ({"region": "us"}, "ana says of itself that region is us, and not eu"),
        ({"draining": True}, "ana says of itself that draining is True, and not False"),
        ({"peers": [{"node": "0" * 64}]}, "ana says of itself that it is linked with 00000000, to whom no link stands"),
    ],
)
def test_a_node_is_asked_once_what_it_is_and_says_what_is_so(
    about: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = spoken(1)
    status = Node._status
    monkeypatch.setattr(Node, "_status", lambda node, now: status(node, now) | about)

    found.judge(["ana"], lambda _: True, found.world.now_us)

    assert found.world.coverage["ask/Inspect"] == 1
    assert [(breach.promise, breach.kind) for breach in found.told.breaches] == [("invariants", "status")] * bool(said)
    assert all(about.startswith(said) for _, about in broken(found))


def test_a_node_that_does_not_say_what_it_is_is_not_available(monkeypatch: pytest.MonkeyPatch) -> None:
    found = spoken(1)
    ask = App.ask
    monkeypatch.setattr(App, "ask", lambda app, request: ask(app, request) if isinstance(request, History) else None)

    found.judge(["ana"], lambda _: True, found.world.now_us)

    assert broken(found) == [("available", "ana did not say within 5.0 s what it is")]


def test_a_row_twice_or_before_its_time_or_never_published_is_told() -> None:
    found = reader()
    found.told.ledger[("alice", 7, 1)] = Entry("room/1", b"x")

    hold(found.watch, found.world, reading(row(5), row(4, 2)))
    hold(found.watch, found.world, reading(row(4), row(5, 2, sequence=9), backwards=True))

    assert broken(found) == [
        ("once", "history at ana shows alice/0007/1 twice"),
        ("in order", "history at ana shows alice/0007/1 out of the order of stamps"),
        ("nothing invented", "alice/0007/9 was shown to history at ana, and never published"),
        ("in order", "history at ana shows alice/0007/9 out of the order of stamps"),
    ]


def test_a_row_beyond_its_cut_and_one_that_an_early_cut_holds_and_is_left_out_are_told() -> None:
    found = reader()
    found.told.ledger |= {("alice", 7, sequence): Entry("room/1", b"x") for sequence in (1, 2, 3)}
    first, second, third = row(1, 1), row(2, 2, sequence=2), row(3, 3, sequence=3)
    beyond, early = reading(first, second), reading(first, second).cut
    beyond.rows.append(third)

    hold(found.watch, found.world, beyond)
    found._leaves_out(beyond, reading(second, first, backwards=True), early)
    found._leaves_out(beyond, reading(first, backwards=True, whole=False), early)
    found._leaves_out(beyond, reading(first, node="ben", backwards=True), early)

    assert broken(found) == [
        ("in order", "history at ana shows alice/0007/3, which lies beyond its cut"),
        ("in order", "history at ben leaves out alice/0007/2, which lies in its cut"),
    ]


def test_stamps_may_fall_in_a_log_of_a_member_gone_bad_alone() -> None:
    found = reader()
    machine = found.world.add("ana", "eu")
    machine.is_bad, machine.node_id = True, BEN
    for sequence in (1, 2, 3):
        found.told.ledger[("alice", 7, sequence)] = Entry("room/1", b"x")

    hold(found.watch, found.world, reading(row(5), row(4, 1, log=OTHER, sequence=2), row(6, 2, sequence=3)))

    assert broken(found) == []


def test_rows_that_differ_between_nodes_are_told_and_those_that_die_are_not() -> None:
    found = reader()
    found.told.ledger |= {("alice", 7, 1): Entry("room/1", b"x"), ("alice", 7, 2): Entry("room/1", b"x", expires_us=1)}
    lives, dies = row(1), row(2, 2, sequence=2)

    found._compare(reading(lives, dies), reading(lives, node="ben"))
    found._compare(reading(lives, whole=False), reading(lives, whole=True, node="ben"))
    found._compare(reading(lives, lives, whole=True), reading(lives, whole=False, node="ben"))
    same = broken(found)
    found._compare(reading(lives), reading(node="ben"))
    found._compare(reading(lives, lives, whole=False), reading(lives, whole=True, node="ben"))
    found._compare(reading(lives, whole=False), reading(row(9), whole=False, node="ben", backwards=True))
    found._compare(reading(lives, whole=True), reading(lives, lives, whole=False, node="ben"))

    assert same == []
    assert [about for _, about in broken(found)] == [
        "read forwards at one cut, row 1 of history is alice/0007/1 at ana and nothing at ben",
        "read forwards at one cut, row 2 of history is alice/0007/1 at ana and nothing at ben",
        "read forwards at one cut, row 1 of history is alice/0007/1 at ana and alice/0007/1 at ben",
        "read forwards at one cut, row 2 of history is nothing at ana and alice/0007/1 at ben",
    ]


def test_without_a_node_that_runs_no_cut_is_remembered() -> None:
    found = reader()

    found.remember()

    assert found.early is None
