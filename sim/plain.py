"""Text of a file as a terminal may show it: what would move the cursor, colour the screen or turn letters is written out."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

SHOWN_MAX = 80
"""Characters of a value, or of a name, that an error shows ..."""
WORDS_SHOWN_MAX = 8
"""... and words of a list."""


def plain(text: str) -> str:
    """The same in one line, control and format characters as their escapes."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in text)


def quoted(document: str, long: str = "") -> str:
    """A document of JSON whose strings hold nothing that a terminal would obey; with `long` one of TOML."""
    return "".join(c if c.isprintable() or c == "\n" else _unicode(c, long) for c in document)


def _escape(c: str) -> str:
    return c.encode("unicode_escape").decode()


def _unicode(c: str, long: str) -> str:
    if ord(c) <= 0xFFFF:
        return f"\\u{ord(c):04x}"
    if long:
        return long % ord(c)
    high, low = divmod(ord(c) - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"


def as_argument(name: str) -> str:
    """The name of a file or a scenario as a shell takes it, and no command for an option."""
    return shlex.quote(f"./{name}" if name.startswith("-") else name)


def many(count: int, what: str) -> str:
    """So many of something, as one says it."""
    return f"{count} {what}" if count == 1 else f"{count:,} {what}s"


def short(value: Any) -> str:
    """A value as an error shows it."""
    try:
        said = repr(value)
    except Exception as error:  # noqa: BLE001  # a Python file may hold what raises anything, or is nested without end
        is_number = isinstance(value, int) and isinstance(error, ValueError)  # of thousands of digits
        kind = f"a value of the type {type(value).__name__}"
        return "a number of too many digits" if is_number else f"{kind} that cannot be shown"
    return cut(said)


def cut(text: str) -> str:
    """A text of a file, as an error repeats it."""
    return text if len(text) <= SHOWN_MAX else f"{text[: SHOWN_MAX - 1]}…"


def listed(words: Sequence[str]) -> str:
    """Words as an error names them: the first, and whether there are more."""
    return ", ".join(map(cut, words[:WORDS_SHOWN_MAX])) + (", …" if len(words) > WORDS_SHOWN_MAX else "")
