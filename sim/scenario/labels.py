"""The words of the coverage table: all that can happen in a run, and what a pattern such as `frame/*` stands for."""

from __future__ import annotations

from functools import cache
from typing import get_args

from mesh.codes import Code
from mesh.operations import GapReason
from sim.labels import ASK, FRAME, OCCASIONS, PROMISES, TELL
from sim.scenario.events import VERBS, ClientDeed, HostileDeed

LOOKED_AT = (*PROMISES, "quiet", "invariants", "bounds", "deterministic")
"""What a sweep counts how often it was looked at."""


@cache
def happenings() -> tuple[str, ...]:
    """All labels that coverage can have."""
    codes = [f"{kind}/{code}" for kind in ("report", "hangup", "refused", "rejected") for code in Code]
    deeds = [f"hostile/{deed}" for deed in (*get_args(HostileDeed), *get_args(ClientDeed))]
    gaps = [f"gap/{reason}" for reason in GapReason]
    verbs = [f"fault/{verb}" for verb in VERBS]
    return tuple(sorted({*FRAME.values(), *TELL.values(), *ASK.values(), *codes, *deeds, *gaps, *verbs, *OCCASIONS}))


@cache
def gates() -> tuple[str, ...]:
    """All labels that a sweep can ask for."""
    return (*happenings(), *(f"promise/{name}" for name in LOOKED_AT))


def meant_by(label: str) -> tuple[str, ...]:
    """The labels that one stands for: itself, or every one of a kind; none where it means nothing."""
    kind, _, name = label.partition("/")
    if name == "*":
        return tuple(each for each in gates() if each.startswith(f"{kind}/"))
    return (label,) if label in gates() else ()
