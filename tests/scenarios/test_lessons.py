"""Lessons that others paid for, and a file each that would catch us: with our rule broken, the file breaks, too.

The rules that safeguards stand for are taken away by their files' own `sabotage` (`test_shipped.py`); these are others.
"""

from collections.abc import Callable
from typing import Any

import pytest

from mesh.clocks.hybrid import HybridClock
from mesh.effects import Send
from mesh.engines.dissemination import Dissemination
from mesh.engines.links import LinkConfig, Links
from mesh.engines.repair import Repair
from mesh.frames import Lane, Push
from mesh.log.holdings import Holdings
from mesh.node import Node
from sim.heap import Play
from sim.scenario.reading import SHIPPED, read


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


def _lets_nothing_expire(settle: Callable[..., Any]) -> Callable[..., Any]:
    def settled(node: Node, now: Any) -> None:
        node.guard.expiry_ms = 0
        settle(node, now)

    return settled


def _follows_every_stamp(clock: HybridClock, stamp: int, _: int) -> bool:
    clock.high = max(clock.high, stamp)
    return True


def _takes_the_slow_for_dead(config: LinkConfig) -> None:
    object.__setattr__(config, "silent_ms", 1_100)
    object.__setattr__(config, "dead_ms", 1_500)


def _knows_nothing_that_it_has(*_: Any) -> bool:
    return False


BROKEN: dict[tuple[int, str], tuple[type, str, Callable[..., Any]]] = {
    (3, "halves"): (Links, "_settle_double", _nothing),
    (5, "flood"): (Links, "_on_flood", _nothing),
    (9, "second-announcer"): (
        Dissemination,
        "on_ihave",
        _remembers_the_first_announcer_alone(Dissemination.on_ihave),
    ),
    (10, "cold-start"): (Repair, "on_peer_up", _nothing),
    (11, "replayed-frames"): (Holdings, "has", _knows_nothing_that_it_has),
    (12, "large-messages"): (Dissemination, "_announce", _pushes_instead_of_announcing),
    (13, "back-after-retention"): (Node, "_settle", _lets_nothing_expire(Node._settle)),
    (16, "soak"): (Holdings, "forget", _nothing),
    (19, "forgetful"): (Repair, "on_stall_timer", _nothing),
    (20, "silence"): (Repair, "on_due_timer", _nothing),
    (21, "stamps-ahead"): (HybridClock, "observe", _follows_every_stamp),
    (23, "latency-step"): (LinkConfig, "__post_init__", _takes_the_slow_for_dead),
}
"""By lesson and file: whose rule is broken, and by what."""


@pytest.mark.parametrize(("lesson", "name"), BROKEN, ids=str)
def test_a_file_that_names_a_lesson_would_catch_us(lesson: int, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = read(SHIPPED / f"{name}.toml")
    owner, method, broken = BROKEN[lesson, name]
    monkeypatch.setattr(owner, method, broken)

    found = [breach.about for seed in range(scenario.seeds) for breach in Play(scenario, seed).run().breaches[:1]]

    assert lesson in scenario.lessons
    assert found, f"{name} does not notice that {owner.__name__}.{method} is broken"
