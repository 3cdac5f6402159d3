"""Patterns with wildcards, so that a channel finds those which match it without asking each.

A tree by levels: what a look-up costs depends on the levels of a channel and on how many ways wildcards can stand for
them, not on how many patterns there are.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

ONE, REST = "+", "#"


@dataclass(slots=True)
class _Level(Generic[K]):
    """What follows a part of a pattern."""

    below: dict[str, _Level[K]] = field(default_factory=dict)
    ends: dict[K, None] | None = None
    """Whose patterns end here. At most levels none do, and None takes no room."""
    rests: dict[K, None] | None = None
    """Whose patterns go on with `#`: all that follows matches, and nothing as well."""

    @property
    def is_empty(self) -> bool:
        """Whether nobody needs it."""
        return not (self.below or self.ends or self.rests)


class Patterns(Generic[K]):
    """Valid patterns, each of somebody."""

    def __init__(self) -> None:
        """Start with none."""
        self._top: _Level[K] = _Level()

    def __bool__(self) -> bool:
        return not self._top.is_empty

    def add(self, pattern: str, whose: K) -> None:
        """Add a pattern of somebody; once more changes nothing."""
        level = self._top
        for part in pattern.split("/"):
            if part == REST:
                level.rests = level.rests or {}
                level.rests[whose] = None
                return
            below = level.below.get(part)
            level = level.below.setdefault(part, _Level()) if below is None else below
        level.ends = level.ends or {}
        level.ends[whose] = None

    def remove(self, pattern: str, whose: K) -> None:
        """Remove it, with the levels that nobody needs any more; what is not there is not missed."""
        path: list[tuple[_Level[K], str]] = []
        level = self._top
        for part in pattern.split("/"):
            if part == REST:
                (level.rests or {}).pop(whose, None)
                break
            if part not in level.below:
                return
            path.append((level, part))
            level = level.below[part]
        else:
            (level.ends or {}).pop(whose, None)
        for above, part in reversed(path):
            if not above.below[part].is_empty:
                break
            del above.below[part]

    def matching(self, channel: str) -> set[K]:
        """Whose patterns match a valid channel, as `mesh.types.pattern_matches` has it."""
        found: set[K] = set()
        for ends in self._ends(channel):
            found.update(ends)  # from table to table, without hashing anew: whose they are may be long
        return found

    def _ends(self, channel: str) -> Iterator[dict[K, None]]:
        parts = channel.split("/")
        is_hidden = channel.startswith("$")  # no wildcard matches a leading `$`
        levels = [self._top]
        for depth, part in enumerate(parts):
            wild = depth > 0 or not is_hidden
            if wild:
                yield from (level.rests for level in levels if level.rests)
            wanted = (part, ONE) if wild else (part,)
            levels = [below for level in levels for name in wanted if (below := level.below.get(name)) is not None]
        for level in levels:
            if level.ends:
                yield level.ends
            if level.rests:
                yield level.rests
