"""What a world calls things in its trace and in its coverage, looked up by type."""

from __future__ import annotations

from typing import get_args

from mesh.effects import Event
from mesh.frames import Frame
from mesh.operations import ClientOperation, NodeOperation

EVENT = {kind: kind.__name__.encode() for kind in get_args(Event)}
FRAME = {kind: f"frame/{kind.__name__}" for kind in get_args(Frame)}
TELL = {kind: f"tell/{kind.__name__}" for kind in get_args(NodeOperation)}
ASK = {kind: f"ask/{kind.__name__}" for kind in get_args(ClientOperation)}

OCCASIONS = (
    "tick/over-16",
    "batch/sealed",
    "disk/flipped",
    "disk/misdirected",
    "disk/restored",
    "disk/wiped",
    "disk/lied",
    "disk/fsync-failed",
    "atlas/kept",
    "atlas/refused",
    "node/killed",
    "gap/expired-by-a-lone-wrong-clock",
    "clock/wrong-ones-believed",
    "hole/filled-behind-a-cursor",
    "history/whole",
    "history/under-faults",
    "history/moved",
    "history/missing",
    "history/died-while-read",
)
"""What coverage counts that is in no table of the protocol."""
PROMISES = (
    "available",
    "durable before acknowledged",
    "nothing lost",
    "nothing invented",
    "once",
    "in order",
    "honest about gaps",
    "converges",
    "stays dead",
    "isolated",
)
"""The contract (docs/concepts/contract.md), as far as a run can break it."""
HISTORY = "history/"


def of_history(evaluated: dict[str, int]) -> dict[str, int]:
    """How often promises were looked at for pages of history, as it is counted beside all else: no gate opens by that."""
    return {f"{HISTORY}{promise}": count for promise, count in evaluated.items()}


def looked_at(evaluated: dict[str, int], promise: str) -> int:
    """How often a promise was looked at, for subscriptions or for pages of history."""
    return evaluated.get(promise, 0) + evaluated.get(f"{HISTORY}{promise}", 0)


SAFEGUARDS = (
    "fsync-before-acknowledge",
    "de-duplication",
    "repair",
    "signatures",
    "epoch-per-life",
    "row-check",
    "credit",
    "clock-guard",
    "stamp-clamp",
    "cursor",
    "outbox",
    "late-mark",
    "gap-report",
    "intervals-with-rows",
    "redial",
    "ask-again",
    "counted-copies",
    "one-history",
)
"""What can be turned off; the switches are in `sim.safeguards`."""
