"""Text that a Python file may hold and no other could: bytes, and half a character, which neither a tape nor a page can say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sim.plain import short

DEPTH_MAX = 64
"""No scenario is so deep; a dict that holds itself is, and the schema says what is wrong with it."""
Loc = tuple[str | int, ...]


def unwritable(tables: Any) -> tuple[Loc, str] | None:
    """The first value, in order, that no file in TOML could say: where it stands, and what it is."""
    left: list[tuple[Loc, Any]] = [((), tables)]
    while left:
        loc, value = left.pop()
        problem = _no_text(value)
        if problem:
            return loc, problem
        if isinstance(value, dict):
            problem = next(filter(None, map(_no_text, value)), "")
            if problem:
                return loc, f"of its keys {problem}"
        if len(loc) < DEPTH_MAX:
            left += reversed([((*loc, key), each) for key, each in _inside(value)])
    return None


def _inside(value: Any) -> Iterable[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return ((key if isinstance(key, str | int) else short(key), each) for key, each in value.items())
    return enumerate(value) if isinstance(value, list | tuple) else ()


def _no_text(value: Any) -> str:
    if isinstance(value, bytes | bytearray):
        return f"{short(value)} is no text"
    if isinstance(value, str) and _is_half(value):
        return f"{short(value)} holds half of a character"
    return ""


def _is_half(text: str) -> bool:
    """A surrogate by itself: UTF-8 has no bytes for it."""
    return not text.isascii() and any("\ud800" <= each <= "\udfff" for each in text)
