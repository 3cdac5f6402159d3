"""What a node or a client does wrong, and what judges it: each is let do so in a file that plays where it shows."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mesh.client.machine import Client
from mesh.client.outbox import Outbox
from mesh.clocks.hybrid import ClockGuard
from mesh.clocks.vector import IntervalSet, VersionVector
from mesh.codes import Code
from mesh.effects import SetTimer, Tell, Timer
from mesh.engines import intake, repair
from mesh.engines.delivery import Delivery, history, skim
from mesh.engines.delivery.history import Histories, Page
from mesh.engines.delivery.tail import Tail
from mesh.engines.receipts import Receipts
from mesh.engines.repair import Repair
from mesh.node import Node
from mesh.operations import Gap, GapReason, HistoryPage, Messages
from sim.limits import PLACES, RETRIES
from sim.scenario.reading import SHIPPED, read
from tests.play_samples import breaches, first

MENDED = Path(__file__).parent.parent / "regressions"
LATE_US = 8_000_000


def _sends_again_in_reverse(resend_all: Callable[..., Any]) -> Callable[..., Any]:
    def resend(outbox: Outbox) -> None:
        resend_all(outbox)
        outbox._unsent.reverse()

    return resend


def _reads_history_as_it_is_now(ask: Callable[..., Any]) -> Callable[..., Any]:
    def asked(histories: Histories, session: Any, request: Any, expiry_ms: Any) -> Any:
        cut = None if request.cut is None else histories.holdings.stored_vector()
        return ask(histories, session, replace(request, cut=cut), expiry_ms)

    return asked


def _nothing_of_it(*_: Any) -> IntervalSet:
    return IntervalSet()


def _says_nothing_of_what_is_absent(look_for: Callable[..., Any]) -> Callable[..., Any]:
    def looked(histories: Histories, page: Page, *rest: Any) -> None:
        look_for(histories, page, *rest)
        page.absent.clear()

    return looked


def _denies_what_it_has(look_for: Callable[..., Any]) -> Callable[..., Any]:
    def looked(histories: Histories, page: Page, log: Any, wanted: IntervalSet) -> None:
        look_for(histories, page, log, wanted)
        page.absent[log] = wanted

    return looked


def _fixes_a_cut_of_what_is_not_stored(ask: Callable[..., Any]) -> Callable[..., Any]:
    def asked(histories: Histories, session: Any, request: Any, expiry_ms: Any) -> Any:
        received = VersionVector((log, held.positions) for log, held in histories.holdings.received.items())
        return ask(histories, session, replace(request, cut=request.cut or received), expiry_ms)

    return asked


def _fixes_a_cut_of_what_is_stored(ask: Callable[..., Any]) -> Callable[..., Any]:
    def asked(histories: Histories, session: Any, request: Any, expiry_ms: Any) -> Any:
        cut = request.cut or histories.holdings.stored_vector()
        return ask(histories, session, replace(request, cut=cut), expiry_ms)

    return asked


def _knows_what_it_has_delivered_alone(delivery: Delivery) -> VersionVector:
    return VersionVector((log, [(1, horizon)]) for log, horizon in delivery.horizon.items() if horizon)


def _covers_holes(delivery: Delivery) -> list[Tell]:
    """Who was concerned by nothing is told how far each log has come, as if it had no hole."""
    delivery._covering = False
    return [
        Tell(tuple(group.readers), Messages(group.key[1], log, 1, horizon, (), ()))
        for group in delivery.groups.groups.values()
        for log, horizon in delivery.horizon.items()
        if group.readers and horizon
    ]


def _tells_it_again(tell_holes: Callable[..., Any]) -> Callable[..., Any]:
    def told(delivery: Delivery, reader: Any, *rest: Any) -> Any:
        reader.told_missing = VersionVector()
        return tell_holes(delivery, reader, *rest)

    return told


def _shows_more_than_was_asked_for(ask: Callable[..., Any]) -> Callable[..., Any]:
    return lambda histories, session, request, *rest: ask(
        histories, session, replace(request, limit=request.limit + 1), *rest
    )


def _shows_nothing_to_who_comes_in_the_middle(finish: Callable[..., Any]) -> Callable[..., Any]:
    def finished(histories: Histories, page: Page) -> Any:
        met = histories.__dict__.setdefault("met", set())
        if page.operation.after is not None and page.session not in met:
            page.records.clear()
            page.places.clear()
        met.add(page.session)
        return finish(histories, page)

    return finished


def _expires(collect: Callable[..., Any], shift: Callable[[int], int]) -> Callable[..., Any]:
    def collected(tail: Tail, batch: Any) -> Any:
        right = tail.expiry_ms
        tail.expiry_ms = shift(right)
        collect(tail, batch)
        tail.expiry_ms = right

    return collected


def _lets_live_half_as_long(record: Callable[..., Any]) -> Callable[..., Any]:
    return lambda item, stamp: record(replace(item, ttl_ms=item.ttl_ms // 2), stamp)


def _dates_ahead(wall_ms: Callable[..., Any]) -> Callable[..., Any]:
    return lambda guard, now: wall_ms(guard, now) + 50_000


def _lets_live_twice_as_long_by_default(record: Callable[..., Any]) -> Callable[..., Any]:
    def made(item: Any, stamp: int) -> Any:
        return record(item if item.draft.ttl_ms else replace(item, ttl_ms=2 * item.ttl_ms), stamp)

    return made


def _shows_nothing_page_after_page(histories: Histories, session: Any, request: Any, _: Any) -> Any:
    cut = histories.holdings.stored_vector() if request.cut is None else request.cut.copy()
    return [Tell((session,), HistoryPage(request.request, cut, (), (), VersionVector()))]


def _takes_all_for_alive(on_loaded: Callable[..., Any]) -> Callable[..., Any]:
    return lambda histories, loaded, _: on_loaded(histories, loaded, 0)


def _skips_each_seventh(take: Callable[..., Any]) -> Callable[..., Any]:
    def taken(histories: Histories, page: Any, log: Any, position: int, record: Any) -> Any:
        is_taken = take(histories, page, log, position, record)
        if is_taken and record.sequence % 7 == 0 and page.records[-1:] == [record]:
            page.records.pop()
            page.places.pop()
        return is_taken

    return taken


def _begins_where_it_should_end(histories: Histories, page: Any) -> Any:
    heads = [(s.ready[0][1].stamp, log, s.ready[0][0]) for log, s in page.streams.items() if s.ready]
    return min(heads)[1] if page.operation.backwards and heads else max(heads)[1] if heads else None


def _shows_backwards(messages: Callable[..., Any]) -> Callable[..., Any]:
    def shown(client: Client, deliver: Any) -> Any:
        if deliver.late or deliver.conflicts:
            return messages(client, deliver)
        turned = {"records": deliver.records[::-1], "positions": deliver.positions[::-1]}
        return messages(client, replace(deliver, **turned))

    return shown


def _names_a_place_beyond(rise: Callable[..., Any]) -> Callable[..., Any]:
    def risen(receipts: Receipts, log: Any, queue: Any) -> Any:
        found = rise(receipts, log, queue)
        return [(session, replace(receipt, through=receipt.through + 1_000)) for session, receipt in found]

    return risen


def _shows_the_past_to_who_comes_now(subscribe: Callable[..., Any]) -> Callable[..., Any]:
    def subscribed(delivery: Delivery, session: Any, wish: Any) -> Any:
        return subscribe(delivery, session, replace(wish, cursor=wish.cursor or VersionVector()))

    return subscribed


def _shows_everything_whatever_the_time(subscribe: Callable[..., Any]) -> Callable[..., Any]:
    def subscribed(delivery: Delivery, session: Any, wish: Any) -> Any:
        cursor = wish.cursor if wish.since_ms is None else VersionVector()
        return subscribe(delivery, session, replace(wish, cursor=cursor))

    return subscribed


def _says_that_it_is_elsewhere(status: Callable[..., Any]) -> Callable[..., Any]:
    return lambda node, now: status(node, now) | {"region": "elsewhere"}


def _nothing(*_: Any) -> list[Any]:
    return []


def _refuses_each_seventh(draft_fault: Callable[..., Any]) -> Callable[..., Any]:
    def fault(draft: Any, ttl_max_ms: int) -> Any:
        return (Code.FIELD_INVALID, "no sevens") if draft.sequence % 7 == 0 else draft_fault(draft, ttl_max_ms)

    return fault


def _calls_it_missing(gap: Callable[..., Gap]) -> Callable[..., Gap]:
    return lambda *named: replace(gap(*named), reason=GapReason.MISSING, may_fill=True)


def _tells_it_missing(gap: Callable[..., Any]) -> Callable[..., Any]:
    def told(tail: Tail, reader: Any, log: Any, first: int, last: int, _: GapReason) -> Any:
        return gap(tail, reader, log, first, last, GapReason.MISSING)

    return told


def _holds_back_what_dies_soon(advance: Callable[..., Any]) -> Callable[..., Any]:
    def advanced(tail: Tail, log: Any, now: Any) -> Any:
        batch = tail.holdings.at_hand(log, tail.horizon.get(log, 0) + 1)
        lives = (record.expires_ms - tail.expiry_ms for record in batch.records()) if batch and batch.body else ()
        if any(0 < left_ms < 60_000 for left_ms in lives):
            tail.fresh[log] = None
            return []
        return advance(tail, log, now)

    return advanced


def _tells_what_it_has_not_written(rise: Callable[..., Any]) -> Callable[..., Any]:
    def risen(receipts: Receipts, log: Any, ending: Any) -> Any:
        for waiting in ending if log.node != receipts.own else ():
            waiting.told = max(waiting.told, (0, 1))  # what is not (0, 0) was told, and is not looked for here
        return rise(receipts, log, ending)

    return risen


def _gives_a_session_all_places(place: Callable[..., Any]) -> Callable[..., Any]:
    def placed(receipts: Receipts, publishes: Any) -> Any:
        stated = receipts.config
        receipts.config = replace(stated, session_waiting_max=stated.waiting_max)
        outcomes = place(receipts, publishes)
        receipts.config = stated
        return outcomes

    return placed


def _keeps_every_retry(again: list[Any], *retry: Any) -> None:
    again.append(retry)


def _compares_late(compare: Callable[..., Any]) -> Callable[..., Any]:
    asked_us: dict[tuple[int, int], int] = {}

    def compared(engine: Repair, link: Any, now: Any) -> Any:
        due_us = asked_us.setdefault((id(engine), link), now.mono_us) + LATE_US
        if now.mono_us < due_us:
            return [SetTimer(Timer(repair.DUE, (link,)), due_us)]
        del asked_us[id(engine), link]
        return compare(engine, link, now)

    return compared


Change = tuple[object, str, Callable[..., Any]]
BROKEN: dict[str, tuple[str, str, str, Change]] = {
    "sends again in reverse": (
        "swarm",
        "in order",
        "log",
        (Outbox, "resend_all", _sends_again_in_reverse(Outbox.resend_all)),
    ),
    "reads history as it is now": (
        "swarm",
        "in order",
        "cut",
        (Histories, "ask", _reads_history_as_it_is_now(Histories.ask)),
    ),
    "shows the dead": ("mortal", "stays dead", "", (Tail, "_collect", _expires(Tail._collect, lambda _: 0))),
    "calls the living dead": (
        "mortal",
        "honest about gaps",
        "expired",
        (Tail, "_collect", _expires(Tail._collect, lambda right: right + 50_000)),
    ),
    "lets live half as long": (
        "mortal",
        "nothing invented",
        "ttl",
        (intake, "_record", _lets_live_half_as_long(intake._record)),
    ),
    "names a place beyond": (
        "halves",
        "durable before acknowledged",
        "place",
        (Receipts, "_rise", _names_a_place_beyond(Receipts._rise)),
    ),
    "shows the past to who comes now": (
        "flash-crowd",
        "once",
        "before",
        (Delivery, "subscribe", _shows_the_past_to_who_comes_now(Delivery.subscribe)),
    ),
    "shows everything whatever the time": (
        "coming-and-going",
        "once",
        "before",
        (Delivery, "subscribe", _shows_everything_whatever_the_time(Delivery.subscribe)),
    ),
    "goes on telling": ("coming-and-going", "nothing invented", "left", (Delivery, "unsubscribe", _nothing)),
    "goes on showing": ("coming-and-going", "nothing invented", "left", (Client, "unsubscribe", _nothing)),
    "says that it is elsewhere": (
        "halves",
        "invariants",
        "status",
        (Node, "_status", _says_that_it_is_elsewhere(Node._status)),
    ),
    "refuses each seventh": (
        "halves",
        "available",
        "refused",
        (intake, "draft_fault", _refuses_each_seventh(intake.draft_fault)),
    ),
    "dates ahead": ("mortal", "nothing invented", "stamp", (ClockGuard, "wall_ms", _dates_ahead(ClockGuard.wall_ms))),
    "lets live twice as long by default": (
        "halves",
        "nothing invented",
        "ttl",
        (intake, "_record", _lets_live_twice_as_long_by_default(intake._record)),
    ),
    "shows nothing page after page": (
        "halves",
        "available",
        "pages",
        (Histories, "ask", _shows_nothing_page_after_page),
    ),
    "shows who died while the disk was asked": (
        "reading-the-past",
        "stays dead",
        "",
        (Histories, "on_loaded", _takes_all_for_alive(Histories.on_loaded)),
    ),
    "leaves out each seventh": (
        "reading-the-past",
        "in order",
        "left out",
        (Histories, "_take", _skips_each_seventh(Histories._take)),
    ),
    "shows nothing to who comes in the middle": (
        "reading-the-past",
        "in order",
        "left out",
        (Histories, "_finish", _shows_nothing_to_who_comes_in_the_middle(Histories._finish)),
    ),
    "shows more than was asked for": (
        "reading-the-past",
        "available",
        "pages",
        (Histories, "ask", _shows_more_than_was_asked_for(Histories.ask)),
    ),
    "begins where it should end": (
        "reading-the-past",
        "in order",
        "",
        (Histories, "_least", _begins_where_it_should_end),
    ),
    "shows the same page for ever": ("reading-the-past", "available", "pages", (history, "_behind", _nothing_of_it)),
    "passes over what it has not got": (
        "passed-over-without-a-word",
        "in order",
        "missing",
        (Histories, "_look_for", _says_nothing_of_what_is_absent(Histories._look_for)),
    ),
    "denies what it has": (
        "reading-the-past",
        "in order",
        "missing",
        (Histories, "_look_for", _denies_what_it_has(Histories._look_for)),
    ),
    "fixes a cut of what is not stored": (
        "reading-the-past",
        "in order",
        "missing",
        (Histories, "ask", _fixes_a_cut_of_what_is_not_stored(Histories.ask)),
    ),
    "fixes a cut of what is stored": (
        "silent-of-what-it-had-lost",
        "in order",
        "missing",
        (Histories, "ask", _fixes_a_cut_of_what_is_stored(Histories.ask)),
    ),
    "knows what it has delivered alone": (
        "silent-of-what-it-had-lost",
        "in order",
        "missing",
        (Delivery, "known", _knows_what_it_has_delivered_alone),
    ),
    "covers holes": (
        "hole-that-fills",
        "honest about gaps",
        "covered",
        (Delivery, "on_coverage_timer", _covers_holes),
    ),
    "tells a hole again": (
        "hole-that-fills",
        "honest about gaps",
        "missing",
        (Delivery, "_tell_holes", _tells_it_again(Delivery._tell_holes)),
    ),
    "shows backwards": ("swarm", "in order", "log", (Client, "_messages", _shows_backwards(Client._messages))),
    "calls the dropped missing": (
        "slow-reader",
        "honest about gaps",
        "missing",
        (skim, "Gap", _calls_it_missing(Gap)),
    ),
    "calls the dead missing": (
        "back-after-retention",
        "honest about gaps",
        "missing",
        (Tail, "_gap", _tells_it_missing(Tail._gap)),
    ),
    "holds back what dies soon": (
        "short-lives",
        "bounds",
        "never gap/expired",
        (Tail, "_advance", _holds_back_what_dies_soon(Tail._advance)),
    ),
    "hears no neighbor's clock": (
        "wrong-from-the-start",
        "honest about gaps",
        "expired",
        (ClockGuard, "observe", _nothing),
    ),
    "compares late": ("halves", "converges", "calm", (Repair, "compare", _compares_late(Repair.compare))),
    "counts on another's disk": (
        "retry-elsewhere",
        "durable before acknowledged",
        "",
        (Receipts, "_rise", _tells_what_it_has_not_written(Receipts._rise)),
    ),
    "gives a session all places": (
        "places-of-others",
        "invariants",
        PLACES,
        (Receipts, "on_placed", _gives_a_session_all_places(Receipts.on_placed)),
    ),
    "keeps every retry": (
        "sent-again-before-it-is-sealed",
        "invariants",
        RETRIES,
        (intake, "_wait_again", _keeps_every_retry),
    ),
}
"""By what is wrong: the file, the promise that it breaks and what of that, and who does it how."""


@pytest.mark.parametrize("wrong", BROKEN)
def test_what_is_wrong_breaks_the_promise_that_it_concerns(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, promise, kind, (owner, method, broken) = BROKEN[wrong]
    (path,) = (folder / f"{name}.toml" for folder in (SHIPPED, MENDED) if (folder / f"{name}.toml").exists())
    honest = breaches(path, 0)
    monkeypatch.setattr(owner, method, broken)

    played = first(read(path), [0], lambda breach: (breach.promise, breach.kind) == (promise, kind))

    assert honest == ()
    found = [breach for breach in played if (breach.promise, breach.kind) == (promise, kind)]
    assert found, [(breach.promise, breach.kind, breach.about) for breach in played[:3]]
    assert (promise != "bounds") <= len(found[0].witness) <= 6
