"""What a node or a client does wrong, and what judges it: each is let do so in a file that plays where it shows."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mesh.client.machine import Client
from mesh.client.outbox import Outbox
from mesh.clocks.hybrid import ClockGuard
from mesh.clocks.vector import VersionVector
from mesh.codes import Code
from mesh.effects import SetTimer, Tell, Timer
from mesh.engines import intake, repair
from mesh.engines.delivery import Delivery, skim
from mesh.engines.delivery.tail import Tail
from mesh.engines.receipts import Receipts
from mesh.engines.repair import Repair
from mesh.node import Node
from mesh.operations import Gap, GapReason, Messages, Receipt
from sim.limits import PLACES, RETRIES
from tests.play_samples import Wrong, breaks_its_promise

LATE_US = 8_000_000


def _sends_again_in_reverse(resend_all: Callable[..., Any]) -> Callable[..., Any]:
    def resend(outbox: Outbox, mono_us: int) -> Any:
        dead = resend_all(outbox, mono_us)
        outbox._unsent.reverse()
        return dead

    return resend


def _gives_up_half_a_second_early(on_receipt: Callable[..., bool]) -> Callable[..., bool]:
    def heard(outbox: Outbox, receipt: Receipt, mono_us: int) -> bool:
        return on_receipt(outbox, receipt, mono_us - 500_000)

    return heard


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


def _gives_a_session_all_places(shed: Callable[..., Any]) -> Callable[..., Any]:
    def shedding(receipts: Receipts) -> Any:
        stated = receipts.config
        receipts.config = replace(stated, session_waiting_max=stated.waiting_max)
        outcomes = shed(receipts)
        receipts.config = stated
        return outcomes

    return shedding


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


BROKEN: dict[str, Wrong] = {
    "sends again in reverse": (
        "swarm",
        "in order",
        "log",
        (Outbox, "resend_all", _sends_again_in_reverse(Outbox.resend_all)),
    ),
    "gives up the living": (
        "outlived-level",
        "available",
        "refused",
        (Outbox, "on_receipt", _gives_up_half_a_second_early(Outbox.on_receipt)),
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
        "credit-was-left",
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
        (Receipts, "shed", _gives_a_session_all_places(Receipts.shed)),
    ),
    "keeps every retry": (
        "sent-again-before-it-is-sealed",
        "invariants",
        RETRIES,
        (intake, "_wait_again", _keeps_every_retry),
    ),
}


@pytest.mark.parametrize("wrong", BROKEN)
def test_what_is_wrong_breaks_the_promise_that_it_concerns(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    breaks_its_promise(BROKEN[wrong], monkeypatch)
