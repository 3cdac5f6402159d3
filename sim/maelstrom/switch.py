"""The switch: which way an entry goes, and how long it waits for company.

All packets go through the hub, node 0, which takes entries out and sends them on; so 25 nodes need 24 packets a gathering
time, not 600. Who has not heard the hub for a while sends directly, and who was sent something directly answers so, until
the hub is heard again: what any two nodes can tell each other gets through, whatever else is cut.

Nothing overtakes on the way to a node: a packet takes all that waits.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mesh.types import US_PER_MS
from sim.maelstrom.config import AdapterConfig
from sim.maelstrom.packets import Entry, Target

HUB = 0


@dataclass(slots=True)
class Outbox:
    """What waits to go to a node, and until when."""

    due_us: int
    entries: list[Entry] = field(default_factory=list)


@dataclass
class Switch:
    """Packets of one node."""

    config: AdapterConfig
    own: int
    nodes: int
    started_us: int
    heard_us: dict[int, int] = field(default_factory=dict)
    """When a packet last came from each node itself."""
    direct_us: dict[int, int] = field(default_factory=dict)
    """Until when each node is answered directly."""
    outboxes: dict[int, Outbox] = field(default_factory=dict)

    def hop(self, dest: int, now_us: int) -> int:
        """Whom a packet for a node is sent to."""
        if HUB in (self.own, dest) or now_us < self.direct_us.get(dest, 0):
            return dest
        silent_us = now_us - self.heard_us.get(HUB, self.started_us)
        return HUB if silent_us < self.config.hub_silent_ms * US_PER_MS else dest

    def send(self, entry: Entry, now_us: int) -> None:
        """Put an entry where its targets' packets wait, once for each hop."""
        hops: dict[int, list[Target]] = {}
        for target in entry.targets:
            if 0 <= target.dest < self.nodes and target.dest != self.own:
                hops.setdefault(self.hop(target.dest, now_us), []).append(target)
        for hop, targets in hops.items():
            self._put(hop, entry._replace(targets=tuple(targets)), now_us)

    def _put(self, hop: int, entry: Entry, now_us: int) -> None:
        due_us = self._due_us(hop, entry.patient, now_us)
        outbox = self.outboxes.get(hop)
        if outbox is None:
            outbox = self.outboxes[hop] = Outbox(due_us)
        outbox.due_us = min(outbox.due_us, due_us)
        outbox.entries.append(entry)

    def _due_us(self, hop: int, patient: bool, now_us: int) -> int:
        """When an entry is to go at the latest. The hub's nodes take turns, so that not all have work at the same moment."""
        config = self.config
        if patient:
            return now_us + config.patient_ms * US_PER_MS
        if self.own == HUB:
            period_us = config.hub_gather_ms * US_PER_MS
            turn_us = hop * period_us // self.nodes
            return now_us + (turn_us - now_us) % period_us if period_us else now_us
        return now_us + (config.leaf_gather_ms if hop == HUB else config.direct_gather_ms) * US_PER_MS

    def on_packet(self, sender: int, entries: list[Entry], now_us: int) -> list[tuple[Entry, Target]]:
        """A packet came from a node: what is for us is returned, what is for others goes on if we are the hub."""
        self.heard_us[sender] = now_us
        if HUB not in (self.own, sender):
            self.direct_us[sender] = now_us + self.config.direct_for_ms * US_PER_MS
        ours: list[tuple[Entry, Target]] = []
        for entry in entries:
            others = [target for target in entry.targets if target.dest != self.own]
            ours += [(entry, target) for target in entry.targets if target.dest == self.own]
            if others and self.own == HUB:
                self.send(entry._replace(targets=tuple(others)), now_us)
        return ours

    def due_us(self) -> int | None:
        """When the first packet is to go."""
        return min((outbox.due_us for outbox in self.outboxes.values()), default=None)

    def take(self, now_us: int) -> list[tuple[int, list[Entry]]]:
        """The packets that are due, each with the node that it is sent to."""
        due = [hop for hop, outbox in self.outboxes.items() if outbox.due_us <= now_us]
        return [(hop, self.outboxes.pop(hop).entries) for hop in sorted(due)]
