"""What both engines' stages share: the conditions that network verbs impose, and faults that overlap on one node."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from sim.network import BURST_STEP_US, Burst, Condition, Delay
from sim.scenario.cast import Cast
from sim.scenario.events import LinkChange
from sim.units import MILLION

End = Callable[[], None]
Pairs = frozenset[tuple[str, str]]


class Named(Protocol):
    """A node, whatever engine has it."""

    @property
    def name(self) -> str:
        """Its name in the scenario."""
        ...


N = TypeVar("N", bound=Named)


@dataclass
class Holds:
    """How many faults of a kind lie on each node: it is well again when the last of them ends."""

    counts: dict[tuple[str, str], int] = field(default_factory=dict)

    def begin(self, kind: str, machines: Sequence[N], apply: Callable[[N, bool], None]) -> End:
        """Something is wrong with machines, until the last that says so has ended."""
        for machine in machines:
            key = kind, machine.name
            self.counts[key] = self.counts.get(key, 0) + 1
            apply(machine, True)  # noqa: FBT003  # whether it is so, and nothing else

        def end() -> None:
            for machine in machines:
                key = kind, machine.name
                self.counts[key] -= 1
                if not self.counts[key]:
                    apply(machine, False)  # noqa: FBT003

        return end

    def is_first(self, kind: str, name: str) -> bool:
        """Whether what began last is the only one of its kind that lies on a node."""
        return self.counts.get((kind, name)) == 1

    def lies_on(self, kind: str, name: str) -> bool:
        """Whether something of a kind is wrong with a node."""
        return bool(self.counts.get((kind, name)))


def condition_of(cast: Cast, verb: str, what: Any) -> Condition:
    """What a verb of the network imposes while it lasts (of `flap`, while it is down)."""
    match verb:
        case "partition":
            return Condition(between(cast, what), cut=True)
        case "clog":
            return Condition(between(cast, what), clog=True)
        case "one-way":
            source, target = cast.sides_of((what.from_, what.to))
            return Condition(frozenset((a, b) for a in source for b in target), cut=True)
        case "isolate":
            return Condition(frozenset(pair for name in cast.nodes_of(what) for pair in around(cast, name)), cut=True)
        case "ring":
            return Condition(_apart(cast, what), cut=True)
        case "flap":
            return Condition(between(cast, what.between), cut=True)
        case "link":
            return _changed(cast, what)
        case _:
            raise AssertionError(f"{verb} imposes nothing on the network")


def between(cast: Cast, sides: Sequence[Iterable[str]]) -> Pairs:
    """All directed pairs of nodes on different sides."""
    found = cast.sides_of(sides)
    return frozenset((a, b) for one in found for other in found if one is not other for a in one for b in other)


def around(cast: Cast, name: str) -> Pairs:
    """All directed pairs of a node with any other."""
    return frozenset(pair for other in cast.nodes if other != name for pair in ((name, other), (other, name)))


def _apart(cast: Cast, names: Iterable[str]) -> Pairs:
    """All that are no neighbors in the ring that names make, in their order."""
    ring = list(dict.fromkeys(node for name in names for node in cast.nodes_of((name,))))
    size = len(ring)
    places = [(i, j) for i in range(size) for j in range(size) if min((i - j) % size, (j - i) % size) > 1]
    return frozenset((ring[i], ring[j]) for i, j in places)


def _changed(cast: Cast, what: LinkChange) -> Condition:
    delay = None
    if what.latency is not None or what.measured:
        delay = Delay.of(what.latency or 0, what.jitter, what.shape, what.measured)
    burst = None
    if what.burst is not None:
        begin, end = (max(1, MILLION * BURST_STEP_US // us) for us in (what.burst.good, what.burst.bad))
        burst = Burst(min(MILLION, begin), min(MILLION, end), what.burst.loss)
    return Condition(
        between(cast, what.between),
        delay=delay,
        extra_us=what.extra,
        loss_ppm=what.loss,
        burst=burst,
        duplicate_ppm=what.duplicate,
        reorder_ppm=what.reorder,
        corrupt_ppm=what.corrupt,
        rate_bps=what.rate or 0,
        mtu_bytes=what.mtu,
    )
