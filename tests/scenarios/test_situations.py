"""Files whose rule no safeguard of the table stands for: with the rule broken, the file breaks, too."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from mesh.clocks.hybrid import ClockGuard
from mesh.clocks.vector import IntervalSet, VersionVector
from mesh.codes import Code
from mesh.effects import Loaded
from mesh.engines import journal
from mesh.engines.delivery import Delivery
from mesh.engines.delivery import engine as reading
from mesh.engines.delivery.patterns import Patterns
from mesh.engines.dissemination import Dissemination
from mesh.engines.forks import Forks
from mesh.engines.intake import Intake
from mesh.engines.links import AddressBook, Links
from mesh.engines.receipts import Receipts
from mesh.engines.serving import Serving
from mesh.frames import Lane
from mesh.log.holdings import Holdings
from mesh.types import LinkId
from sim.scenario.reading import SHIPPED, read
from tests.play_samples import first


def _believes_the_last_word(_: AddressBook, place: Any, node: Any) -> bool:
    if node != place.node:
        place.node, place.answered, place.linked_us = node, True, -1
    return False


def _dials_at_once(_: AddressBook, place: Any, now: Any) -> None:
    place.failures += 1
    place.due_us = now.mono_us + 1


matching = Patterns.matching


@cache
def _has_rest(patterns: tuple[str, ...]) -> bool:
    return any(each.endswith("#") for each in patterns)


def _matches_no_rest(patterns: Patterns[Any], channel: str) -> set[Any]:
    return {whose for whose in matching(patterns, channel) if not _has_rest(whose[0])}


def _passes_nothing_on(engine: Forks, *_: Any) -> list[Any]:
    engine.fault = ""
    return []


def _nothing(*_: Any) -> list[Any]:
    return []


def _takes_holes_for_what_lies_before(stored: VersionVector, positions: dict[Any, int]) -> VersionVector:
    cursor = VersionVector()
    for log, held in stored.items():
        if log not in positions:
            cursor.replace(log, held)
        elif positions[log] > 1:
            cursor.add(log, 1, positions[log] - 1)
    return cursor


def _compares_all_that_it_has(holdings: Holdings, log: Any) -> Any:
    held = holdings.stored.get(log)
    return [] if held is None else held.runs


def _takes_every_leap_for_true(on_now: Callable[..., Any]) -> Callable[..., Any]:
    def believing(guard: ClockGuard, now: Any) -> None:
        guard._base_ms, guard._leapt = now.wall_ms - now.mono_us // 1_000, False
        on_now(guard, now)

    return believing


def _takes_a_cursor_for_one_without_holes(begin: Callable[..., Any]) -> Callable[..., Any]:
    def begun(delivery: Delivery, session: Any, operation: Any, cursor: Any) -> Any:
        for log, positions in list(cursor.items()) if operation.cursor is not None else ():
            cursor.add(log, 1, positions.last)
        return begin(delivery, session, operation, cursor)

    return begun


def _reads_what_is_dead(process: Callable[..., Any]) -> Callable[..., Any]:
    def processed(delivery: Delivery, *given: Any) -> Any:
        expiry_ms, delivery.expiry_ms = delivery.expiry_ms, 0
        try:
            return process(delivery, *given)
        finally:
            delivery.expiry_ms = expiry_ms

    return processed


def _counts_whomever_a_receipt_names(receipts: Receipts, link: LinkId, frame: Any) -> None:
    for log, begin, end in frame.ranges if frame.node != receipts.own else ():
        receipts.regions[frame.node] = frame.region
        receipts.elsewhere.setdefault(log, {}).setdefault(frame.node, IntervalSet()).add(begin, end)
        receipts.risen.add(log, begin, end)


def _takes_publishes_whatever_room_there_is(refusal: Callable[..., Any]) -> Callable[..., Any]:
    def refused(intake: Intake, publisher: Any, draft: Any, now: Any) -> Any:
        free_bytes, config = intake.free_bytes, intake.config
        intake.free_bytes, intake.config = 1 << 60, replace(config, gathered_bytes_max=1 << 50)
        try:
            return refusal(intake, publisher, draft, now)
        finally:
            intake.free_bytes, intake.config = free_bytes, config

    return refused


def _says_that_all_is_new(*_: Any) -> Lane:
    return Lane.LIVE


def _begins_at_the_first_hole(recover: Callable[..., Any]) -> Callable[..., Any]:
    def recovered(delivery: Delivery) -> None:
        recover(delivery)
        delivery.fresh.clear()

    return recovered


def _takes_a_part_for_all(on_loaded: Callable[..., Any]) -> Callable[..., Any]:
    def loaded(engine: Any, answer: Loaded, *rest: Any) -> Any:
        return on_loaded(engine, replace(answer, complete=True), *rest)

    return loaded


def _forgets_what_waits_for_its_copy(deliver: Callable[..., Any]) -> Callable[..., Any]:
    def delivered(tail: Delivery, log: Any, first: int, last: int, *, late: bool) -> Any:
        outcomes = deliver(tail, log, first, last, late=late)
        if log in tail.held_up:
            tail.late.pop(log, None)
        return outcomes

    return delivered


def _forgets_whom_it_has_asked(on_graft_timer: Callable[..., Any]) -> Callable[..., Any]:
    def forgetful(engine: Dissemination, log: Any, first: int, now: Any) -> Any:
        wanted = engine.wanted.get((log, first))
        if wanted is not None:
            wanted.asked = tuple(LinkId(-number) for number in range(1, len(wanted.asked) + 1))
        return on_graft_timer(engine, log, first, now)

    return forgetful


def _refuses_what_is_newer(on_hello: Callable[..., Any]) -> Callable[..., Any]:
    def greeted(links: Links, link: Any, hello: Any, now: Any) -> Any:
        return (
            links._drop(link, Code.VERSION_UNKNOWN, "", now) if hello.version > 1 else on_hello(links, link, hello, now)
        )

    return greeted


BROKEN: dict[tuple[str, str], tuple[object, Callable[..., Any] | str]] = {
    ("coming-and-going", "_before"): (reading, _takes_holes_for_what_lies_before),
    ("eclipse", "_is_news"): (AddressBook, _believes_the_last_word),
    ("flapping", "_back_off"): (AddressBook, _dials_at_once),
    ("fork", "on_conflict"): (Forks, _nothing),
    ("fork", "on_forked"): (Forks, _passes_nothing_on),
    ("fork", "told"): (Holdings, _compares_all_that_it_has),
    ("fork", "OTHER_KEY"): (journal, "nothing that is ever said"),
    ("other-versions", "on_hello"): (Links, _refuses_what_is_newer(Links.on_hello)),
    ("full-disk", "_refusal"): (Intake, _takes_publishes_whatever_room_there_is(Intake._refusal)),
    ("overload", "_refusal"): (Intake, _takes_publishes_whatever_room_there_is(Intake._refusal)),
    ("hole-that-fills", "_begin"): (Delivery, _takes_a_cursor_for_one_without_holes(Delivery._begin)),
    ("more-than-a-read", "on_loaded"): (Delivery, _takes_a_part_for_all(Delivery.on_loaded)),
    ("hole-with-copies", "_deliver"): (Delivery, _forgets_what_waits_for_its_copy(Delivery._deliver)),
    ("hole-that-stays", "recover"): (Delivery, _begins_at_the_first_hole(Delivery.recover)),
    ("lone-leap", "on_now"): (ClockGuard, _takes_every_leap_for_true(ClockGuard.on_now)),
    ("wrong-clock", "_process"): (Delivery, _reads_what_is_dead(Delivery._process)),
    ("lying-digest", "on_stored_there"): (Receipts, _counts_whomever_a_receipt_names),
    ("many-subscriptions", "matching"): (Patterns, _matches_no_rest),
    ("narrow-link", "_lane_of"): (Serving, _says_that_all_is_new),
    ("narrow-link", "on_graft_timer"): (Dissemination, _forgets_whom_it_has_asked(Dissemination.on_graft_timer)),
}
"""By file and rule: where it stands, and what breaks it."""


@pytest.mark.parametrize(("name", "rule"), BROKEN, ids=str)
def test_a_file_notices_that_its_rule_is_broken(name: str, rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = read(SHIPPED / f"{name}.toml")
    owner, broken = BROKEN[name, rule]
    monkeypatch.setattr(owner, rule, broken)

    found = first(scenario, range(scenario.seeds))

    assert found, f"{name} does not notice that {rule} is broken"
