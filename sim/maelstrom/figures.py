"""Maelstrom's figures, from a history of operations: what was lost, doubled or stale, and how soon a value was stable.

A value is *known* when its broadcast was acknowledged or a read first showed it, and *stable* from the moment at which the
last read that did not show it was asked for: from then on every read showed it. The stable latency is what lies between,
0 where no read came too early to show it. The facts are those of the `set-full` checker of Jepsen, which Maelstrom uses.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from mesh.types import US_PER_MS

QUANTILES = (0.0, 0.5, 0.95, 0.99, 1.0)


@dataclass(slots=True)
class Operation:
    """A broadcast of `value`, or a read that showed `shown`. Times in microseconds; `ended_us` None: no answer came."""

    kind: str
    node: str
    asked_us: int
    value: int = -1
    shown: tuple[int, ...] = ()
    ended_us: int | None = None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run came to. Latencies in milliseconds, by quantile."""

    operations: int
    broadcasts: int
    acknowledged: int
    unanswered: int
    refused: int
    server_messages: int
    messages_per_operation: float
    messages_per_broadcast: float
    stable_latencies_ms: dict[str, int]
    lost: int
    never_read: int
    doubled: int
    invented: int
    stale: int

    @property
    def kept(self) -> bool:
        """Whether nothing was lost, doubled or invented."""
        return not (self.lost or self.never_read or self.doubled or self.invented)

    def table(self) -> str:
        """The figures for people."""
        latencies = ", ".join(f"{name} {ms}" for name, ms in self.stable_latencies_ms.items())
        return "\n".join(
            [
                f"operations           {self.operations} ({self.broadcasts} broadcasts, {self.acknowledged} acknowledged)",
                f"not answered         {self.unanswered}, refused {self.refused}",
                f"messages             {self.server_messages} between servers",
                f"  an operation       {self.messages_per_operation}, as Maelstrom counts",
                f"  a broadcast        {self.messages_per_broadcast}",
                f"stable latencies     {latencies} (quantile, ms)",
                f"lost, never read     {self.lost}, {self.never_read}",
                f"doubled, invented    {self.doubled}, {self.invented}",
            ]
        )


def figures(operations: list[Operation], server_messages: int) -> Figures:
    """Hold a history against what was promised. The last read of each node must be in it."""
    broadcasts = [op for op in operations if op.kind == "broadcast"]
    answered = [op for op in broadcasts if op.ended_us is not None and not op.refused]
    reads = [op for op in operations if op.kind == "read" and op.ended_us is not None]
    possible = {op.value for op in broadcasts if not op.refused}
    known: dict[int, int] = {op.value: op.ended_us for op in answered if op.ended_us is not None}
    present: dict[int, int] = {}
    for read in sorted(reads, key=lambda op: op.ended_us or 0):
        assert read.ended_us is not None
        for value in read.shown:
            known[value] = min(known.get(value, read.ended_us), read.ended_us)
            present[value] = max(present.get(value, 0), read.asked_us)
    absent = _last_absent(reads, known)
    latencies, lost, never = [], 0, 0
    for value, known_us in known.items():
        if value not in present:
            never += 1
        elif absent.get(value, -1) > present[value]:
            lost += 1
        else:
            latencies.append(max(0, absent[value] - known_us) // US_PER_MS if value in absent else 0)
    latencies.sort()
    return Figures(
        operations=len(operations),
        broadcasts=len(broadcasts),
        acknowledged=len(answered),
        unanswered=sum(op.ended_us is None for op in operations),
        refused=sum(bool(op.refused) for op in operations),
        server_messages=server_messages,
        messages_per_operation=round(server_messages / max(len(operations), 1), 2),
        messages_per_broadcast=round(server_messages / max(len(broadcasts), 1), 2),
        stable_latencies_ms={str(q): _quantile(latencies, q) for q in QUANTILES},
        lost=lost,
        never_read=never,
        doubled=len({v for read in reads for v, times in Counter(read.shown).items() if times > 1}),
        invented=len({value for read in reads for value in read.shown} - possible),
        stale=sum(latency > 0 for latency in latencies),
    )


def _last_absent(reads: list[Operation], known: dict[int, int]) -> dict[int, int]:
    """When the last read that did not show each value was asked for, where it was asked after the value was known."""
    absent: dict[int, int] = {}
    waiting = set(known)
    for read in sorted(reads, key=lambda op: op.asked_us, reverse=True):
        missed = {value for value in waiting - set(read.shown) if known[value] <= read.asked_us}
        for value in missed:
            absent[value] = read.asked_us
        waiting -= missed
    return absent


def _quantile(ordered: list[int], quantile: float) -> int:
    return ordered[min(int(len(ordered) * quantile), len(ordered) - 1)] if ordered else 0
