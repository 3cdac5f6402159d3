"""Simulated links between nodes: streams with delay, loss and cuts, over the real codec.

A link is an ordered stream, as QUIC gives one: a lost packet delays what follows it by a retransmission, and a cut
holds everything back until it heals or the connection's idle time-out ends it. Frames cross as bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mesh.types import LinkId

RETRANSMIT_US = 50_000
"""What a lost packet costs beyond a round trip."""


@dataclass
class Pipe:
    """One direction of a link. Times are monotonic microseconds of the world."""

    source: str
    target: str
    source_link: LinkId
    target_link: LinkId
    free_us: int = 0
    """Nothing arrives before what was sent before it."""
    held: list[bytes] = field(default_factory=list)
    """What waits behind a cut."""


@dataclass
class Network:
    """Delays, losses and cuts between named nodes."""

    delay_us: int = 20_000
    jitter_us: int = 2_000
    loss_per_mille: int = 0
    delays: dict[tuple[str, str], int] = field(default_factory=dict)
    cuts: set[frozenset[str]] = field(default_factory=set)

    def is_cut(self, one: str, other: str) -> bool:
        """Whether nothing passes between two nodes."""
        return frozenset((one, other)) in self.cuts

    def delay(self, one: str, other: str) -> int:
        """The one-way delay between two nodes, without jitter."""
        return self.delays.get((one, other), self.delays.get((other, one), self.delay_us))
