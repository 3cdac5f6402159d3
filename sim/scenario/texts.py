"""Text that a Python file may hold and no other could: bytes, and half a character, which neither a tape nor a page can say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sim.plain import short
from sim.scenario.quantities import Part

DEPTH_MAX = 64
"""No scenario is so deep: what is in there the schema refuses, whatever it is."""
Loc = tuple[str | int, ...]


def unwritable(tables: Any) -> tuple[Loc, str] | None:
    """The first value, in order, that no file in TOML could say: where it stands, and what it is."""
    left: list[tuple[Loc, Any]] = [((), tables)]
    seen: set[int] = set()
    """What is held in several places, or holds itself: once is enough."""
    while left:
        loc, value = left.pop()
        if id(value) in seen:
            continue
        problem = _no_text(value) or _no_list(value)
        if problem:
            return loc, problem
        if isinstance(value, dict):
            problem = next(filter(None, map(_no_text, value)), "")
            if problem:
                return loc, f"of its keys {problem}"
        if isinstance(value, dict | list | tuple | Part) and len(loc) < DEPTH_MAX:
            seen.add(id(value))
            left += reversed([((*loc, key), each) for key, each in _inside(value)])
    return None


def _inside(value: Any) -> Iterable[tuple[str | int, Any]]:
    if isinstance(value, Part):
        return ((name, getattr(value, name, None)) for name in value.model_fields_set)
    if isinstance(value, dict):
        return ((key if isinstance(key, str | int) else short(key), each) for key, each in value.items())
    return enumerate(value)


def _no_text(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{short(value)} is no text"
    if isinstance(value, str) and _is_half(value):
        return f"{short(value)} holds half of a character"
    return ""


def _no_list(value: Any) -> str:
    """What has no order, or can be read once alone: the same seed would not play the same."""
    is_plain = isinstance(value, str | dict | list | tuple | Part)
    return f"{short(value)} is no list" if isinstance(value, Iterable) and not is_plain else ""


def _is_half(text: str) -> bool:
    """A surrogate by itself: UTF-8 has no bytes for it."""
    return not text.isascii() and any("\ud800" <= each <= "\udfff" for each in text)
