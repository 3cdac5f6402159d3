"""Where two plain values differ that ought to be equal, each place in a phrase."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

SHOWN_MAX = 60


def differences(
    theirs: Any, ours: Any, there: str = "there", here: str = "here", place: Sequence[str] = ()
) -> Iterator[str]:
    """What one says otherwise than the other, in the order of ours."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in dict.fromkeys((*ours, *theirs)):
            yield from differences(theirs.get(key), ours.get(key), there, here, (*place, str(key)))
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for index, (one, other) in enumerate(zip(theirs, ours, strict=True)):
            yield from differences(one, other, there, here, (*place, str(index)))
    elif theirs != ours or isinstance(theirs, bool) != isinstance(ours, bool):
        yield f"{'.'.join(place)} is {short(theirs)} {there} and {short(ours)} {here}"


def short(value: Any) -> str:
    """A value in a few words."""
    if value is None:
        return "not said"
    said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return said if len(said) <= SHOWN_MAX else f"{said[: SHOWN_MAX - 1]}…"
