"""Lessons that others paid for, and a file each that would catch us: with our rule broken, the file breaks, too.

The rules that safeguards stand for are taken away by their files' own `sabotage` (`test_shipped.py`); these are others.
"""

from collections.abc import Callable
from typing import Any

import pytest

from mesh.clocks.hybrid import ClockGuard, HybridClock, stamp_ms
from mesh.composition import LIFE_SHIFT
from mesh.effects import Send
from mesh.engines.delivery import Delivery
from mesh.engines.dissemination import Dissemination
from mesh.engines.journal import Journal, Verdict
from mesh.engines.links import AddressBook, LinkConfig, Links
from mesh.engines.repair import Repair
from mesh.frames import Lane, Push
from mesh.log.holdings import Holdings
from mesh.node import Node
from mesh.operations import Publish
from sim.scenario.reading import SHIPPED, read
from sim.world import WALL_MS
from tests.play_samples import first


def _nothing(*_: Any) -> list[Any]:
    return []


def _remembers_the_first_announcer_alone(on_ihave: Callable[..., Any]) -> Callable[..., Any]:
    def forgetful(engine: Dissemination, link: Any, frame: Any, now: Any) -> Any:
        before = {key: wanted.announcers[:1] for key, wanted in engine.wanted.items()}
        outcomes = on_ihave(engine, link, frame, now)
        for key, announcers in before.items():
            engine.wanted[key].announcers = announcers
        return outcomes

    return forgetful


def _pushes_instead_of_announcing(_: Dissemination, links: Any, batch: Any, __: Any) -> Any:
    return [Send(links, Push(batch), Lane.LIVE)] if links else []


def _lets_nothing_expire(guard: ClockGuard, _: Any) -> None:
    guard.expiry_ms = 0


def _follows_every_stamp(clock: HybridClock, stamp: int, _: int) -> bool:
    clock.high = max(clock.high, stamp)
    return True


def _follows_by_half_an_hour(clock: HybridClock, stamp: int, wall_ms: int) -> bool:
    is_believed = stamp_ms(stamp) <= wall_ms + 1_800_000
    return is_believed and _follows_every_stamp(clock, stamp, wall_ms)


def _takes_the_slow_for_dead(config: LinkConfig) -> None:
    object.__setattr__(config, "silent_ms", 1_100)
    object.__setattr__(config, "dead_ms", 1_500)


def _takes_whatever_verifies(journal: Journal, link: Any, batch: Any, *_: Any) -> Verdict:
    journal.holdings.receive(batch)
    journal.incoming.append((batch, link))
    return Verdict.TAKEN


def _forgets_addresses_that_fail(on_failed: Callable[..., Any]) -> Callable[..., Any]:
    def failed(book: AddressBook, address: Any, now: Any) -> Any:
        outcomes = on_failed(book, address, now)
        if address in book.places and book.places[address].failures >= 3:
            del book.places[address]
        return outcomes

    return failed


def _waits_until_its_history_is_back(on_request: Callable[..., Any]) -> Callable[..., Any]:
    def requested(node: Node, session: Any, operation: Any, now: Any) -> Any:
        waits = isinstance(operation, Publish) and not node.repair.has_asked_everyone(0)
        return [] if waits else on_request(node, session, operation, now)

    return requested


def _believes_that_a_later_life_has_all(tell: Callable[..., Any]) -> Callable[..., Any]:
    def told(repair: Repair, link: Any, partner: Any, session: Any, *, answer: bool) -> Any:
        if repair.peers.by_link[link].life >> LIFE_SHIFT > WALL_MS + 5_000:
            partner.told_revision = repair.holdings.revision
        return tell(repair, link, partner, session, answer=answer)

    return told


def _joins_without_reading(delivery: Delivery, reader: Any, _: Any) -> Any:
    return delivery._join(reader, delivery.deliverable.copy())


BROKEN: dict[tuple[int, str], tuple[type, str, Callable[..., Any]]] = {
    (1, "long-split"): (AddressBook, "on_failed", _forgets_addresses_that_fail(AddressBook.on_failed)),
    (3, "halves"): (Links, "_settle_double", _nothing),
    (5, "flood"): (Links, "_on_flood", _nothing),
    (9, "second-announcer"): (
        Dissemination,
        "on_ihave",
        _remembers_the_first_announcer_alone(Dissemination.on_ihave),
    ),
    (10, "cold-start"): (Repair, "on_peer_up", _nothing),
    (11, "replayed-frames"): (Journal, "on_push", _takes_whatever_verifies),
    (12, "large-messages"): (Dissemination, "_announce", _pushes_instead_of_announcing),
    (13, "back-after-retention"): (ClockGuard, "on_now", _lets_nothing_expire),
    (16, "soak"): (Holdings, "forget", _nothing),
    (17, "island"): (Node, "_on_request", _waits_until_its_history_is_back(Node._on_request)),
    (17, "wiped"): (Node, "_on_request", _waits_until_its_history_is_back(Node._on_request)),
    (18, "wiped"): (Repair, "_tell_vector", _believes_that_a_later_life_has_all(Repair._tell_vector)),
    (19, "forgetful"): (Repair, "on_stall_timer", _nothing),
    (20, "silence"): (Repair, "on_due_timer", _nothing),
    (21, "stamps-ahead"): (HybridClock, "observe", _follows_every_stamp),
    (21, "stamps-minutes-ahead"): (HybridClock, "observe", _follows_by_half_an_hour),
    (22, "coming-and-going"): (Delivery, "_read", _joins_without_reading),
    (22, "late-joiner"): (Delivery, "_read", _joins_without_reading),
    (22, "moved-client"): (Delivery, "_read", _joins_without_reading),
    (23, "latency-step"): (LinkConfig, "__post_init__", _takes_the_slow_for_dead),
}
"""By lesson and file: whose rule is broken, and by what."""


@pytest.mark.parametrize(("lesson", "name"), BROKEN, ids=str)
def test_a_file_that_names_a_lesson_would_catch_us(lesson: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = read(SHIPPED / f"{name}.toml")
    owner, method, broken = BROKEN[lesson, name]
    monkeypatch.setattr(owner, method, broken)

    found = first(scenario, range(scenario.seeds))

    assert lesson in scenario.lessons
    assert found, f"{name} does not notice that {owner.__name__}.{method} is broken"
