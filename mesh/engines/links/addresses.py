"""The address book: where peers may be, and when each is dialled next.

Every address is dialled until its node is linked and speaks, all in parallel, each with a back-off of full jitter (a wait drawn
from zero to a ceiling that doubles). The ceiling is low for peers that were linked within the last hour, so that a
healed cut is noticed: 3 s in the region, 15 s beyond. A peer that fell silent is dialled beside its link, for it may
have been started again, and its old link would be given up only much later. Nothing that an operator named is ever
forgotten, nor is where a member was met for what others tell of places where nobody was: see `mesh.engines.links.shares`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mesh.effects import Dial, Outcome, SetTimer, Timer
from mesh.engines.links.shares import Shares, Teller
from mesh.errors import require
from mesh.peers import Peers
from mesh.rng import Rng
from mesh.types import US_PER_MS, Address, NodeId, Now

DIAL = "links.dial"
LASTING_SOURCES = ("seed", "cli")
"""Addresses from these are kept however long they fail."""
CLAIMS_MAX = 64
"""Nodes that are said to be at one address; more than that is not listened to."""


@dataclass(frozen=True, slots=True)
class AddressConfig:
    """When to dial again."""

    backoff_first_ms: int = 200
    backoff_known_ms: int = 3_000
    """The longest wait before a peer of our region that was linked within the last hour is dialled again."""
    backoff_known_far_ms: int = 15_000
    """The same for a peer of another region."""
    backoff_max_ms: int = 60_000
    known_for_ms: int = 3_600_000
    stood_ms: int = 1_000
    """A link that fell sooner was no success: the back-off goes on from where it was. Else a peer that greets and is hung up
    on for what it says next would be dialled several times a second for ever."""
    addresses_max: int = 1_024
    learns_addresses: bool = True
    """Dial where peers say that others are, and tell them in turn: in the end every node links to every other.

    Turned off, only what an operator named is dialled, and no peer is told of another: the links are those that the
    seeds draw. For topologies that are chosen by hand, as simulations do; `Members` then carries certificates alone.
    """

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        require(0 < self.backoff_first_ms <= self.backoff_known_ms <= self.backoff_known_far_ms, "back-offs must rise")
        require(self.backoff_known_far_ms <= self.backoff_max_ms, "back-offs must rise")
        require(self.known_for_ms > 0 and self.addresses_max >= 1, "known_for_ms and addresses_max: positive")
        require(self.stood_ms >= 0, "stood_ms: not negative")


@dataclass(slots=True)
class Place:
    """An address, and how dialling it went. Times are monotonic microseconds."""

    address: Address
    source: str
    node: NodeId | None = None
    """Who answered there; before anybody has, who was first said to be there."""
    answered: bool = False
    said: dict[NodeId, None] = field(default_factory=dict)
    """Others who are said to be there, and may be."""
    refuted: dict[NodeId, None] = field(default_factory=dict)
    """Others who were said to be there, before another answered."""
    failures: int = 0
    due_us: int = 0
    dialing: bool = False
    is_self: bool = False
    known_until_us: int = 0
    linked_us: int = -1
    """Since when its node is linked; -1 where it is not."""
    near: bool = False


@dataclass(slots=True)
class AddressBook:
    """All addresses, and one timer for the next dial."""

    config: AddressConfig
    peers: Peers
    rng: Rng
    own: Address | None = None
    places: dict[Address, Place] = field(default_factory=dict)
    closed: bool = False
    shares: Shares = field(default_factory=Shares)
    """Who holds what is in the book, but for what an operator named."""
    _next_us: int | None = None
    """What the timer was set to."""

    def on_found(self, node: NodeId | None, address: Address, source: str, now: Now) -> list[Outcome]:
        """Somebody may be at an address: dial it now, unless that node is linked or the address is ours."""
        return self._plan(now) if self._learn(node, address, source, None, now) else []

    def on_told(self, places: Iterable[tuple[NodeId, Address]], teller: NodeId, now: Now) -> list[Outcome]:
        """A peer tells where others may be: the same for each, at a price that does not grow with the book."""
        told = [self._learn(node, address, "member", teller, now) for node, address in places]
        return self._plan(now) if any(told) else []

    def _learn(self, node: NodeId | None, address: Address, source: str, teller: Teller, now: Now) -> bool:
        """Write down that somebody may be at an address; return whether it was listened to."""
        if address == self.own or not 0 < address.port < 65_536:
            return False
        place = self.places.get(address)
        if place is None:
            if not self.config.learns_addresses and source not in LASTING_SOURCES:
                return False
            if len(self.places) >= self.config.addresses_max and not self._make_room(source, teller):
                return False
            place = self.places[address] = Place(address, source, due_us=now.mono_us)
        elif node is not None and self._is_news(place, node):
            place.is_self, place.failures, place.due_us = False, 0, now.mono_us
            if place.node is not None:
                place.said[node] = None
        if source in LASTING_SOURCES:
            place.source = source
            self.shares.forget(address)
        place.node = place.node or node
        if source == "peer" and node is not None:
            self._keep(place, node)
        elif place.source not in LASTING_SOURCES:
            self.shares.tell(address, teller)
        return True

    def _is_news(self, place: Place, node: NodeId) -> bool:
        """Whether nobody has said yet that a node is at an address, and no answer has refuted it."""
        if node == place.node or node in place.said or node in place.refuted:
            return False
        return len(place.said) + len(place.refuted) < CLAIMS_MAX

    def _make_room(self, source: str, teller: Teller) -> bool:
        """Forget the oldest claim of whoever made the most; its own is only forgotten for another that came to nothing."""
        while self.shares.told:
            greedy = self.shares.greediest(teller)
            address = next(iter(self.shares.told[greedy]))
            place = self.places[address]
            is_idle = not place.dialing and place.linked_us < 0 and (place.failures > 0 or place.is_self)
            if source not in (*LASTING_SOURCES, "peer") and greedy == teller and not is_idle:
                return False
            if self.shares.untell(address, greedy):
                del self.places[address]
                return True
        return False

    def _keep(self, place: Place, node: NodeId) -> None:
        """A node was met: where it is is kept, in place of what it left, or of where one is that was met the longest ago."""
        if place.source in LASTING_SOURCES:
            return
        left = self.shares.know(place.address, node)
        if left is not None:
            del self.places[left]
        if len(self.shares.known_by) > self.config.addresses_max - self.config.addresses_max // 4:
            self._forget_longest_ago(place.address)

    def _forget_longest_ago(self, but: Address) -> None:
        """A part of the book is for what is told, or nobody new would be found once enough were met."""
        known = ((address, node) for node, addresses in self.shares.known.items() for address in addresses)
        for address, node in known:
            if address != but and self.places[address].linked_us < 0:
                if self.shares.unknow(address, node):
                    del self.places[address]
                return

    def _wanted(self, place: Place) -> bool:
        if place.dialing or place.is_self or self.closed:
            return False
        if place.node is None or (not place.answered and place.source in LASTING_SOURCES):
            return True
        speaks = self.peers.speaks
        return not speaks(place.node) or not all(map(speaks, place.said))

    def _plan(self, now: Now) -> list[Outcome]:
        due = [place.due_us for place in self.places.values() if self._wanted(place)]
        self._next_us = max(min(due), now.mono_us) if due else None
        return [SetTimer(Timer(DIAL), self._next_us)]

    def _plan_also(self, place: Place, now: Now) -> list[Outcome]:
        """The same where nothing has changed but one place that was not to be dialled: all may fail at once."""
        if self._wanted(place):
            self._next_us = min(place.due_us, self._next_us) if self._next_us is not None else place.due_us
        return [SetTimer(Timer(DIAL), max(self._next_us, now.mono_us) if self._next_us is not None else None)]

    def on_timer(self, now: Now) -> list[Outcome]:
        """Dial whatever is due, all at once."""
        outcomes: list[Outcome] = []
        for place in self.places.values():
            if self._wanted(place) and place.due_us <= now.mono_us:
                place.dialing = True
                outcomes.append(Dial(place.address))
        return [*outcomes, *self._plan(now)]

    def _back_off(self, place: Place, now: Now) -> None:
        config = self.config
        ceiling = config.backoff_max_ms
        if now.mono_us < place.known_until_us:
            ceiling = config.backoff_known_ms if place.near else config.backoff_known_far_ms
        ceiling = min(ceiling, config.backoff_first_ms << min(place.failures, 20))
        place.failures += 1
        place.due_us = now.mono_us + self.rng.between(1, ceiling * US_PER_MS)

    def on_failed(self, address: Address, now: Now) -> list[Outcome]:
        """A dial came to nothing, or what answered was nobody we want."""
        place = self.places.get(address)
        if place is None:
            return []
        place.dialing = False
        self._back_off(place, now)
        return self._plan_also(place, now)

    def on_self(self, address: Address | None) -> None:
        """The address turned out to be our own."""
        if address in self.places:
            self._refute(self.places[address], None)
            self.places[address].is_self = True

    def _refute(self, place: Place, node: NodeId | None) -> None:
        """Somebody answered at an address: whoever else was said to be there is not."""
        others = [place.node] if place.node is not None and not place.answered else []
        place.refuted.update(dict.fromkeys([*others, *place.said]))
        place.said.clear()
        if node is not None:
            place.refuted.pop(node, None)
        place.node, place.answered = node, node is not None

    def on_answered(self, address: Address | None, node: NodeId, now: Now) -> list[Outcome]:
        """A node is linked; `address` is where it was dialled, if it was."""
        place = self.places.get(address) if address is not None else None
        if place is not None:
            self._refute(place, node)
            place.dialing = False
            place.due_us = now.mono_us + self.rng.between(1, self.config.backoff_first_ms * US_PER_MS)
            self._keep(place, node)
        for other in self.places.values():
            if other.node == node and other.linked_us < 0:
                other.linked_us = now.mono_us
        return self._plan(now)

    def on_lost(self, address: Address | None, node: NodeId, near: bool, now: Now) -> list[Outcome]:
        """A linked node is gone: dial it again soon, wherever it may be."""
        for place in self.places.values():
            if node in place.said:
                place.known_until_us, place.near = now.mono_us + self.config.known_for_ms * US_PER_MS, near
            if place.node == node or place.address == address:
                place.refuted.clear()
                place.known_until_us = now.mono_us + self.config.known_for_ms * US_PER_MS
                place.near = near
                if place.address == address:
                    place.dialing = False
                if place.linked_us >= 0 and now.mono_us - place.linked_us >= self.config.stood_ms * US_PER_MS:
                    place.failures = 0
                place.linked_us = -1
                self._back_off(place, now)
        return self._plan(now)

    def on_silent(self, node: NodeId, near: bool, now: Now) -> list[Outcome]:
        """A linked node says nothing any more: see whether it can be reached anew."""
        for place in self.places.values():
            if place.node == node or node in place.said:
                place.known_until_us = now.mono_us + self.config.known_for_ms * US_PER_MS
                place.near, place.failures = near, 0
                self._back_off(place, now)
        return self._plan(now)

    def close(self) -> list[Outcome]:
        """Dial no more: the node stops."""
        self.closed = True
        return [SetTimer(Timer(DIAL), None)]

    def check_all(self) -> None:
        """Assert that whatever no operator named is held by somebody, and nothing else is."""
        self.shares.check()
        held = self.shares.known_by.keys() | self.shares.told_by.keys()
        assert held == {place.address for place in self.places.values() if place.source not in LASTING_SOURCES}
        assert len(self.places) <= self.config.addresses_max
