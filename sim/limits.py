"""What nodes hold for each session, counted from outside, stays within what one session may have.

Engines bound what they hold, and assert that by counts of their own. Here what lies in them is counted itself, now and then,
whoever bounds it: what has a limit only where somebody remembered to compare would be seen to grow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from mesh.engines.delivery.history import PAGES_WAITING_MAX
from mesh.node import Node
from mesh.publisher import REFUSED_RUNS_MAX
from mesh.types import SessionId
from mesh.waiting import NOTHING
from sim.checkers import Watch
from sim.units import MILLION
from sim.world import World

LOOK_US = MILLION
"""How often nodes are looked into."""
PLACES = "places among those who wait for receipts"
RETRIES = "retries of one message that waits for the disk"
SUBSCRIPTIONS = "subscriptions"
PATTERNS = "patterns"
PAGES = "pages of history in the making"
REFUSALS = "runs of refused messages"

Held = tuple[str, SessionId, int, int]
"""What a node holds, for which session, how much of it, and how much that may be."""


@dataclass
class Limits:
    """Looks into the nodes of a world. Of each node and each kind of thing the first excess is told."""

    world: World
    watch: Watch
    story: Sequence[str]
    """What was done, with its time."""
    _told: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Look now and then, from now on."""
        self.world.every(LOOK_US, self.look)

    def look(self) -> None:
        """Count what all nodes that run hold for each of their sessions."""
        for name, machine in self.world.machines.items():
            node = machine.node
            if node is None or not node.started:
                continue
            for what, session, count, most in excesses(node):
                if (name, what) not in self._told:
                    self._told.add((name, what))
                    seat = node.sessions.sessions.get(session)
                    whose = seat.client if seat is not None and seat.client else "a stranger"
                    about = f"{name} holds {count:,} {what} for one session of {whose}, which may have {most:,} at most"
                    line = f"{self.world.now_us / 1e6:.6f} s: {name} holds {count:,} {what} for {whose}"
                    self.watch.broken("invariants", about, *self.story[-3:], line, kind=what)


def excesses(node: Node) -> Iterator[Held]:
    """What a node holds for a session beyond what it may."""
    return (held for held in _held(node) if held[2] > held[3])


def _held(node: Node) -> Iterator[Held]:
    """What a node holds for its sessions; where all of them together have less than one may, they are not told apart."""
    most = node.config.receipts.session_waiting_max
    lines = list(node.receipts.waiting.lines.values())
    if sum(map(len, lines)) > most:
        yield from _each(PLACES, (each.session for line in lines for each in line if each.told != NOTHING), most)
    for again in node.intake.waiting.values():
        if len(again) > 1:
            yield from _each(RETRIES, (publisher.session for publisher, *_ in again), 1)
    most, readers = node.config.sessions.subscriptions_max, node.delivery.readers.values()
    if len(readers) > most:
        yield from _each(SUBSCRIPTIONS, (reader.session for reader in readers), most)
    most = node.config.sessions.session_patterns_max
    if sum(len(reader.patterns) for reader in readers) > most:
        yield from _each(PATTERNS, (reader.session for reader in readers for _ in reader.patterns), most)
    yield from ((PAGES, session, len(pages), PAGES_WAITING_MAX) for session, pages in node.histories.pages.items())
    publishers = node.intake.publishers.items()
    yield from ((REFUSALS, session, len(each.refused), REFUSED_RUNS_MAX) for session, each in publishers)


def _each(what: str, sessions: Iterable[SessionId], most: int) -> Iterator[Held]:
    return ((what, session, count, most) for session, count in Counter(sessions).items())
