"""From where: "1h", "30m", "all", a datetime, milliseconds since 1970, or a cursor."""

from __future__ import annotations

import datetime as dt
import re
import time

from mesh.clocks.vector import VersionVector
from mesh.codes import Code
from nodes.sdk.cursor import PREFIX, Cursor
from nodes.sdk.messages import GossamerError

UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)", re.ASCII)
FORMS = 'a span ("90s", "30m", "1h", "2d"), "all", an ISO date and time, ms since 1970, or a cursor'


def since_of(value: object) -> int | Cursor | None:
    """Milliseconds since 1970, a cursor, or None for now. Raises `GossamerError` (FIELD_INVALID)."""
    if value is None:
        return None
    if isinstance(value, Cursor):
        return value
    if isinstance(value, dt.datetime):
        return int(value.timestamp() * 1_000)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str):
        return _since_text(value.strip())
    raise GossamerError(Code.FIELD_INVALID, f"from where is {FORMS}; found {value!r}")


def _since_text(text: str) -> int | Cursor | None:
    if text in ("now", ""):
        return None
    if text == "all":
        return Cursor(VersionVector())
    if text.startswith(PREFIX):
        return Cursor.parse(text)
    span = SPAN.fullmatch(text)
    if span is not None:
        return max(time.time_ns() // 1_000_000 - int(float(span[1]) * UNIT_MS[span[2]]), 0)
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise GossamerError(Code.FIELD_INVALID, f"from where is {FORMS}; found {text!r}") from None
    return int(moment.timestamp() * 1_000)
