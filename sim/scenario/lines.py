"""Which line of a TOML file a key stands on: the standard library's reader does not say.

A scan of headers and of keys at the beginning of lines; what lies within an inline table has the line of its key.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

Place = tuple[str | int, ...]

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=(.*)$"""
)
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


def _parts(dotted: str) -> list[str]:
    return [part.strip("\"'") for part in _PART.findall(dotted)]


def lines_of(text: str) -> dict[Place, int]:
    """The line of each table and key, by its path; elements of arrays of tables have a number in theirs."""
    found: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    quote = ""
    depth = 0
    for number, line in enumerate(text.splitlines(), 1):
        if quote:
            quote = "" if quote in line else quote
            continue
        if depth > 0:
            depth += _depth(line)
            continue
        header = _HEADER.match(line)
        if header is not None and "=" not in line.partition("#")[0]:
            table = _table(_parts(header[2]), header[1] == "[[", counts)
            found.setdefault(table, number)
            continue
        key = _KEY.match(line)
        if key is not None:
            found.setdefault((*table, *_parts(key[1])), number)
            opened = next((mark for mark in ('"""', "'''") if key[2].count(mark) == 1), "")
            quote = opened
            depth = 0 if opened else max(0, _depth(key[2]))
    return found


def _table(parts: Sequence[str], many: bool, counts: dict[Place, int]) -> Place:
    place: Place = ()
    for index, part in enumerate(parts):
        place = (*place, part)
        if index == len(parts) - 1 and many:
            counts[place] = counts.get(place, -1) + 1
        if place in counts:
            place = (*place, counts[place])
    return place


def _depth(text: str) -> int:
    bare = re.sub(r"""\"[^"]*\"|'[^']*'|#.*""", "", text)
    return bare.count("[") + bare.count("{") - bare.count("]") - bare.count("}")


def line_of(lines: dict[Place, int], place: Sequence[str | int]) -> int:
    """The line of a path, or of the nearest table around it; 0 where the file has none."""
    for length in range(len(place), 0, -1):
        line = lines.get(tuple(place[:length]))
        if line is not None:
            return line
    return 0
