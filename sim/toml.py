"""TOML that a stranger may have written: read within limits, and with the line of every key.

The standard library's reader says no lines, gives up with a traceback where arrays are nested too deep or an integer has
too many digits, and takes for ever over a key of many parts. So a scan comes first: it finds the line of each table,
key and element, and refuses what no file of ours needs. `parse` raises `ScenarioError` and nothing else.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from errno import ELOOP
from pathlib import Path
from typing import Any

from sim.errors import ScenarioError

FILE_BYTES_MAX = 4 << 20
"""Of any file that is read whole: a thousand nodes take a hundred kilobytes."""
DEPTH_MAX = 16
"""Arrays and inline tables within one another; no file needs more than six."""
KEY_PARTS_MAX = 16
"""Parts of a dotted key, or of the name of a table."""
DIGITS_MAX = 100
"""Characters of a number: what is longer means nothing to anybody."""

Place = tuple[str | int, ...]
"""Where something stands: the keys that lead to it; elements of arrays have a number in it."""

_TOKEN = re.compile(
    r"""
    (?P<newline>\n)
  | (?P<space>[ \t\r]+|\#[^\n]*)
  | (?P<string>\"\"\"|'''|["'])
  | (?P<mark>[\[\]{}=,.])
  | (?P<bare>[^\s\[\]{}=,."'\#]+)
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_ENDS = {
    '"""': re.compile(r'\\.|"{3,5}', re.DOTALL),
    "'''": re.compile(r"'{3,5}"),
    '"': re.compile(r'\\.|["\n]', re.DOTALL),
    "'": re.compile(r"['\n]"),
}
"""What a string ends with, by what it begins with, and what is escaped in it. One pattern for a whole string needs possessive
quantifiers, which CPython 3.11.2 (Debian 12) matches wrongly, or memory for each of its characters."""


def missing(path: Path) -> str:
    """Why there is nothing at a path; empty where something is. Raises `OSError` for a path that cannot be asked for."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return "there is no such file"
    except OSError as error:
        if error.errno != ELOOP:
            raise
        return "its links lead in a circle"
    return ""


def read_text(path: Path, expected: str) -> str:
    """The text of a file that a person named. Raises `ScenarioError`."""
    try:
        problem = missing(path)
        if problem:
            raise ScenarioError(str(path), 0, problem, expected)
        if not path.is_file():
            raise ScenarioError(str(path), 0, "it is no file", expected)
        if path.stat().st_size > FILE_BYTES_MAX:
            raise ScenarioError(str(path), 0, "the file is too large", f"at most {FILE_BYTES_MAX >> 20} MiB")
        packed = path.read_bytes()
        return packed.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except OSError as error:
        raise ScenarioError(str(path), 0, error.strerror or str(error), expected) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        problem = f"the file is not UTF-8 at byte {error.start}"
        raise ScenarioError(str(path), line, problem, f"{expected}, in UTF-8") from error
    except ValueError as error:  # a NUL in its name
        raise ScenarioError(str(path), 0, str(error), expected) from error


def parse(text: str, path: str) -> tuple[dict[str, Any], dict[Place, int]]:
    """The tables of a file, and the line of each table, key and element. Raises `ScenarioError`."""
    lines = _Scan(path).run(text)
    try:
        return tomllib.loads(text), lines
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        raise ScenarioError(path, line, f"no TOML: {error}", "what https://toml.io describes") from error


def line_of(lines: dict[Place, int], place: Sequence[str | int]) -> int:
    """The line of a path, or of the nearest table around it; 0 where the file has none."""
    for length in range(len(place), 0, -1):
        line = lines.get(tuple(place[:length]))
        if line is not None:
            return line
    return 0


def nearest_line(lines: dict[Place, int], place: Sequence[str | int]) -> int:
    """The same; of a table without a line of its own it is the first of what is in it, and 1 of the file as a whole."""
    for length in range(len(place), 0, -1):
        near = tuple(place[:length])
        line = lines.get(near) or min((at for within, at in lines.items() if within[:length] == near), default=0)
        if line:
            return line
    return 1


@dataclass(slots=True)
class _Around:
    """An array or an inline table that is open: its place, and how many elements were begun."""

    place: Place
    is_array: bool
    elements: int = 0


@dataclass
class _Scan:
    """Goes through a file token by token. What is no TOML is left to the reader, who says it better."""

    path: str
    lines: dict[Place, int] = field(default_factory=dict)
    table: Place = ()
    counts: dict[Place, int] = field(default_factory=dict)
    """Tables of each array of tables, less one."""
    around: list[_Around] = field(default_factory=list)
    key: list[str] = field(default_factory=list)
    """The parts of a key, as long as it is one ..."""
    dots: int = 0
    """... and the dots between them."""
    header: int = 0
    """How many brackets a header began with; 0: this is none."""
    place: Place = ()
    """Of the key whose value this is."""
    is_value: bool = False

    def run(self, text: str) -> dict[Place, int]:
        """Find the lines. Raises `ScenarioError` for what is beyond a limit."""
        for line, kind, token in _tokens(text):
            match kind:
                case "newline":
                    if not self.around:
                        self._statement(line)
                case "mark":
                    self._mark(token, line)
                case _:
                    self._word(kind, token, line)
        self._statement(text.count("\n") + 1)
        return self.lines

    def _refuse(self, line: int, problem: str, expected: str) -> ScenarioError:
        return ScenarioError(self.path, line, problem, expected)

    def _statement(self, line: int) -> None:
        """A line ends that is not within brackets."""
        if self.header and self.key:
            self.table = self._named(self.key, many=self.header > 1)
            self.lines.setdefault(self.table, line)
        self.key, self.dots, self.header, self.is_value = [], 0, 0, False

    def _named(self, parts: list[str], *, many: bool) -> Place:
        place: Place = ()
        for index, part in enumerate(parts):
            place = (*place, part)
            if many and index == len(parts) - 1:
                self.counts[place] = self.counts.get(place, -1) + 1
            if place in self.counts:
                place = (*place, self.counts[place])
        return place

    def _word(self, kind: str, token: str, line: int) -> None:
        if kind == "bare" and len(token) > DIGITS_MAX and token[0] in "+-0123456789" and self._expects_value:
            raise self._refuse(line, f"a number of {len(token):,} characters", f"at most {DIGITS_MAX}")
        if self._expects_value:
            self._element(line)
            return
        self.key.append(_part(token))

    @property
    def _expects_value(self) -> bool:
        return self.around[-1].is_array if self.around and not self.is_value else self.is_value

    def _element(self, line: int) -> Place:
        """A value begins: its place. An element of an array is remembered where it stands on a line of its own."""
        if self.is_value:
            self.is_value = False
            return self.place
        around = self.around[-1]
        place = (*around.place, around.elements)
        if line != line_of(self.lines, around.place):
            self.lines.setdefault(place, line)
        return place

    def _mark(self, mark: str, line: int) -> None:
        match mark:
            case "=" if self.key and not self.header:
                above = self.around[-1].place if self.around else self.table
                self.place = (*above, *self.key)
                self.lines.setdefault(self.place, line)
                self.key, self.dots, self.is_value = [], 0, True
            case "[" | "{" if self._expects_value:
                self.around.append(_Around(self._element(line), mark == "["))
                if len(self.around) > DEPTH_MAX:
                    raise self._refuse(
                        line, f"brackets within brackets, more than {DEPTH_MAX} deep", "a value that means something"
                    )
            case "[" if not self.around:
                self.header += 1
            case "]" | "}" if self.around:
                self.around.pop()
                self.key, self.dots, self.is_value = [], 0, False
            case "." if self.key and not self._expects_value:
                self.dots += 1
                if self.dots >= KEY_PARTS_MAX:
                    raise self._refuse(line, f"a key of more than {KEY_PARTS_MAX} parts", "a key that means something")
            case "," if self.around:
                self.around[-1].elements += 1
                self.key, self.dots, self.is_value = [], 0, False
            case _:  # the dot of a number, the end of a header, and what is no TOML
                pass


def _part(token: str) -> str:
    """A part of a key as the reader has it; what is no TOML is left as it is."""
    if "\\" in token and token[0] == '"':
        try:
            return str(tomllib.loads(f"key = {token}")["key"])
        except tomllib.TOMLDecodeError:
            return token
    return token.strip("\"'")


def _tokens(text: str) -> Iterator[tuple[int, str, str]]:
    """The tokens with their lines, without spaces and comments."""
    line, at = 1, 0
    while match := _TOKEN.match(text, at):
        kind, at = match.lastgroup or "", match.end()
        if kind == "string":
            at = _end(text, match[0], at)
        token = text[match.start() : at]
        if kind != "space":
            yield line, kind, token
        if kind in ("newline", "string"):
            line += token.count("\n")


def _end(text: str, opening: str, at: int) -> int:
    """Where a string ends that has begun: behind its quotes, or where its line or the file ends without any."""
    for match in _ENDS[opening].finditer(text, at):
        if match[0] == "\n":
            return match.start()
        if match[0][0] != "\\":
            return match.end()
    return len(text)
