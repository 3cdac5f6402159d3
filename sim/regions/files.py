"""Region matrices in files: CSV (a matrix, or a list of pairs), TOML and GML. An error names file, line and what was expected.

A number without a unit is milliseconds, as people and tables write them; "250us", "90ms" and "1.5s" say their unit.
Half of a matrix is enough: a cell that is empty, or misses at the end of a row, is that of the other direction. In GML an edge
of a region to itself is the round trip within regions, as the diagonal of a matrix is.

```text
region,eu,us,ap        from,to,rtt        [rtt]                               graph [ node [ id 0 label "eu" ]
eu,,90,150             eu,us,90           eu = { us = "90ms", ap = 150 }              node [ id 1 label "us" ]
us,90,,110             eu,ap,150          us = { ap = 110 }                           edge [ source 0 target 1 rtt 90 ] ]
ap,150,110,            us,ap,110          inside = "500us"   # before [rtt]
```
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mesh.errors import ConfigError
from sim.errors import ScenarioError
from sim.plain import cut, short
from sim.regions.matrix import INSIDE_US, Pair, RegionMatrix, pair
from sim.toml import Place, line_of, parse, read_text
from sim.units import duration_us

LIST_HEADS = ("from", "source", "sending_region", "a")
"""What the first cell of a list of pairs may be; any other begins a matrix."""
_BLOCK = re.compile(r'\b(node|edge)\s*\[((?:"[^"]*"|[^][])*)')
_FIELD = re.compile(r'\b(id|label|source|target)\s+("[^"]*"|\S+)')
_NO_TABLE = re.compile(r"\b(graph|node|edge)\s+([^\s\[\]]+)")
_NESTING = re.compile(r'"[^"]*"|#[^\n]*|[][\n]')
DEPTH_MAX = 100
"""So deep may a GML file be nested; a graph is nested two deep, and what else is said of it little more."""
TIME = 'milliseconds, or a time such as "90ms"'
NO_GML = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What the parser raises beside its own errors."""
SAID_MAX = 200
EXPECTED = "a file that can be read"


def read_matrix(path: Path) -> RegionMatrix:
    """Read a matrix; the name's end says how. Raises `ScenarioError`."""
    text = read_text(path, EXPECTED)
    match path.suffix.lower():
        case ".csv":
            return matrix_from_csv(text, str(path))
        case ".toml":
            return matrix_from_toml(text, str(path))
        case ".gml":
            return matrix_from_gml(text, str(path))
        case other:
            raise ScenarioError(str(path), 0, f"the name ends in {other or 'nothing'!r}", ".csv, .toml or .gml")


def time_of(value: object, path: str, line: int) -> int:
    """Microseconds of milliseconds, or of a time with its unit. Raises `ScenarioError`."""
    value = value.strip() if isinstance(value, str) else value
    text = f"{value}ms" if _is_number(value) else value
    try:
        return duration_us(text)
    except ValueError as error:
        raise ScenarioError(path, line, told(error), TIME) from None


def told(error: Exception) -> str:
    """What an error says, in a line that can be read."""
    said = str(error)
    return said if len(said) <= SAID_MAX else f"{said[: SAID_MAX - 1]}…"


def _is_number(value: object) -> bool:
    if isinstance(value, str):
        return re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)


class Gathering:
    """A matrix that is being read: pairs so far, the longer direction of each, and where regions first stood."""

    def __init__(self, path: str) -> None:
        """Begin with nothing."""
        self.path = path
        self.names: dict[str, int] = {}
        self.trips: dict[Pair, int] = {}
        self.inside_us = -1
        self._said: dict[tuple[str, str], int] = {}

    def name(self, name: str, line: int) -> str:
        """A region's name, which is not empty."""
        name = name.strip()
        if not name:
            raise ScenarioError(self.path, line, "a region without a name", "the name of a region")
        self.names.setdefault(name, line)
        return name

    def add(self, one: str, other: str, value: object, line: int) -> None:
        """A round trip of a pair; within a region the longest counts for all of them."""
        us = time_of(value, self.path, line)
        one, other = self.name(one, line), self.name(other, line)
        if one == other:
            self.inside_us = max(us, self.inside_us)
        else:
            self.trips[pair(one, other)] = max(us, self.trips.get(pair(one, other), 0))

    def add_once(self, one: str, other: str, value: object, line: int) -> None:
        """The same from a file that may say a direction twice, which is a slip: one of the two would count for nothing."""
        before = self._said.setdefault((one.strip(), other.strip()), line)
        if before != line:
            problem = (
                f"a second round trip from {cut(one.strip())} to {cut(other.strip())}, after that of line {before}"
            )
            raise ScenarioError(self.path, line, problem, "each direction once")
        self.add(one, other, value, line)

    def done(self, about: str = "") -> RegionMatrix:
        """The matrix, if every pair has a round trip."""
        if not self.names:
            raise ScenarioError(self.path, 0, "no regions", "at least one region")
        names = tuple(self.names)
        for index, one in enumerate(names):
            for other in names[index + 1 :]:
                if pair(one, other) not in self.trips:
                    line = max(self.names[one], self.names[other])
                    raise ScenarioError(
                        self.path, line, f"no round trip between {cut(one)} and {cut(other)}", "one for every pair"
                    )
        try:
            inside_us = INSIDE_US if self.inside_us < 0 else self.inside_us
            return RegionMatrix(names, self.trips, inside_us, about)
        except ConfigError as error:
            raise ScenarioError(self.path, 0, told(error), "times that can be") from None


def matrix_from_csv(text: str, path: str) -> RegionMatrix:
    """Read a matrix or a list of pairs. Lines that begin with `#` say where it is from."""
    about = " ".join(line[1:].strip() for line in text.splitlines() if line.startswith("#"))
    kept = "\n".join(
        "" if line.startswith("#") else line for line in text.splitlines()
    )  # so that lines keep their number
    reader = csv.reader(io.StringIO(kept), strict=True)
    gathering = Gathering(path)
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise ScenarioError(path, reader.line_num, str(error), "comma-separated values") from None
    if not rows:
        raise ScenarioError(path, 0, "no regions", "a line of names")
    if len(rows) == 1:
        problem, expected = (
            "nothing stands below this line",
            "names, and a line of round trips for each; or from,to,rtt and pairs",
        )
        raise ScenarioError(path, rows[0][0], problem, expected)
    if rows[0][1][0].strip().lower() in LIST_HEADS:
        _pairs(rows[1:], gathering)
    else:
        _cells(rows, gathering)
    return gathering.done(about)


def _pairs(rows: list[tuple[int, list[str]]], gathering: Gathering) -> None:
    for line, row in rows:
        if len(row) < 3 or any(map(str.strip, row[3:])):  # a comma within a number makes two cells of it
            raise ScenarioError(gathering.path, line, f"{len(row)} cells", "from, to, round trip")
        gathering.add_once(row[0], row[1], row[2], line)


def _cells(rows: list[tuple[int, list[str]]], gathering: Gathering) -> None:
    head, columns = rows[0][0], [cell.strip() for cell in rows[0][1][1:]]
    if len(set(columns)) != len(columns):
        raise ScenarioError(gathering.path, head, "a region twice", "each region once")
    for name in columns:
        gathering.name(name, head)
    for line, row in rows[1:]:
        name = row[0].strip()
        if name not in columns:
            raise ScenarioError(
                gathering.path, line, f"{short(name)} is not in line {head}", "a region of the first line"
            )
        if len(row) > len(columns) + 1:
            raise ScenarioError(gathering.path, line, f"{len(row) - 1} values", f"at most {len(columns)}")
        for column, cell in zip(columns, row[1:], strict=False):
            if cell.strip():
                gathering.add_once(name, column, cell.strip(), line)


def matrix_from_toml(text: str, path: str) -> RegionMatrix:
    """Read a table `rtt` of tables, one for each region, and perhaps `inside` and `about`."""
    table, lines = parse(text, path)
    for key in table:
        if key not in ("rtt", "inside", "about"):
            raise ScenarioError(path, line_of(lines, (key,)), f"an unknown key {short(key)}", "rtt, inside or about")
    return matrix_from_table(table, lines, path)


def matrix_from_table(table: dict[str, Any], lines: dict[Place, int], path: str) -> RegionMatrix:
    """Read such tables where they are part of a larger file."""
    gathering = Gathering(path)
    rtt, inside, about = table.get("rtt"), table.get("inside"), table.get("about", "")
    if not isinstance(about, str):
        raise ScenarioError(path, line_of(lines, ("about",)), f"about: {short(about)}", "a text")
    if not isinstance(rtt, dict):
        raise ScenarioError(path, line_of(lines, ("rtt",)), "no table rtt", "a table [rtt]")
    for one, others in rtt.items():
        line = line_of(lines, ("rtt", one))
        if not isinstance(others, dict):
            raise ScenarioError(path, line, f"{short(one)} is no table", "a round trip to each other region")
        gathering.name(one, line)
        for other, value in others.items():
            gathering.add(one, other, value, line_of(lines, ("rtt", one, other)))
    if inside is not None:
        gathering.inside_us = time_of(inside, path, line_of(lines, ("inside",)))
    return gathering.done(about)


class Gml:
    """A graph in GML, parsed with networkx, which says no lines: they are looked for once."""

    def __init__(self, text: str, path: str) -> None:
        """Parse it. Raises `ScenarioError` with the line, where there is one."""
        import networkx as nx
        from networkx.readwrite.gml import unescape

        self.path = path
        _check_depth(text, path)
        self._lines: dict[str, int] = {}
        """Where a node stands, by its label ..."""
        self._ways: list[tuple[str, str, int]] = []
        """... and each edge, from where it leads and where to ..."""
        self._blocks: dict[str, list[int]] = {"node": [], "edge": []}
        """... all of them, in their order ..."""
        self._named: dict[tuple[str, str], list[int]] = {}
        """... and nodes by their ids, and by their labels, in quotes."""
        labels: dict[str, str] = {}
        at, line = 0, 1
        for found in _BLOCK.finditer(text):
            line, at = line + text.count("\n", at, found.start()), found.start()
            said = {
                key: unescape(value.strip('"')) for key, value in _FIELD.findall(found[2])
            }  # as the parser has them
            self._blocks[found[1]].append(line)
            if found[1] == "node":
                for key, value in said.items():
                    self._named.setdefault((key, repr(value)), []).append(line)
                labels[said.get("id", "")] = said.get("label", "")
                self._lines.setdefault(said.get("label", ""), line)
            else:
                one, other = (labels.get(said.get(key, ""), "") for key in ("source", "target"))
                self._ways.append((one, other, line))
        try:
            self.net: Any = nx.parse_gml(text.splitlines(), label="label")
        except AttributeError as error:  # it takes for a table what is none
            line, bare = self._bare(text)
            raise ScenarioError(path, line, f"no graph: {bare}", "brackets, with what is said of it") from error
        except (nx.NetworkXException, *NO_GML) as error:
            raise ScenarioError(
                path, self._line_of(str(error)), f"no graph: {told(error)}", "a graph in GML, with labels"
            ) from None

    @staticmethod
    def _bare(text: str) -> tuple[int, str]:
        """The line of a graph, a node or an edge that has no brackets, and what stands there."""
        found = _NO_TABLE.search(text)
        if found is None:
            return 0, "what should be in brackets is not"
        return text.count("\n", 0, found.start()) + 1, f"{found[1]} {told(ValueError(found[2]))}"

    def _line_of(self, problem: str) -> int:
        """Where that is of which the parser says something; 0 where it does not say of what."""
        numbered = re.match(r"(node|edge) #(\d{1,9}) ", problem)
        if numbered:
            return dict(enumerate(self._blocks[numbered[1]])).get(int(numbered[2]), 0)
        twice = re.fullmatch(r"node (id|label) (.*) is duplicated", problem)
        if twice:
            name = twice[2] if twice[2].startswith(("'", '"')) else repr(twice[2])
            return next(iter(self._named.get((twice[1], name), [])[1:]), 0)
        place = re.search(r"\((\d+), \d+\)", problem)
        return int(place[1]) if place else 0

    def line(self, label: object) -> int:
        """Where the node of a label begins; 0 where that cannot be told."""
        return self._lines.get(str(label), 0)

    @property
    def is_directed(self) -> bool:
        """Whether an edge leads from one node to the other, and another edge may lead back."""
        return bool(self.net.is_directed())

    def ends(self, one: object, other: object) -> tuple[str, str]:
        """What edges have in common of which the parser keeps the order: their ends, in an order where that counts."""
        low, high = str(one), str(other)
        return (high, low) if high < low and not self.is_directed else (low, high)

    def nodes(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The nodes with what is said of them."""
        for node, about in self.net.nodes(data=True):
            if not isinstance(node, str | int):
                raise ScenarioError(self.path, 0, f"a label that is {told(ValueError(node))}", "a name")
            yield str(node), about

    def edges(self) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
        """The edges with their round trip in µs, and what else is said of them."""
        lines: dict[tuple[str, str], list[int]] = {}
        for source, target, at in reversed(self._ways):
            lines.setdefault(self.ends(source, target), []).append(at)
        for one, other, about in self.net.edges(data=True):
            left = lines.get(self.ends(one, other))
            line = left.pop() if left else 0
            if "rtt" not in about:
                raise ScenarioError(
                    self.path, line, f"the edge between {cut(str(one))} and {cut(str(other))} has no rtt", TIME
                )
            yield str(one), str(other), time_of(about["rtt"], self.path, line), {**about, "line": line}


def _check_depth(text: str, path: str) -> None:
    """The parser calls itself for each bracket, and says of one too many neither what is wrong nor where."""
    depth, line = 0, 1
    for found in _NESTING.finditer(text):
        line += found[0].count("\n")
        depth += {"[": 1, "]": -1}.get(found[0], 0)
        if depth > DEPTH_MAX:
            raise ScenarioError(path, line, "it is nested too deep", f"at most {DEPTH_MAX} brackets in one another")


def matrix_from_gml(text: str, path: str) -> RegionMatrix:
    """Read a graph whose nodes are regions and whose edges have an `rtt`."""
    graph, gathering = Gml(text, path), Gathering(path)
    for name, _ in graph.nodes():
        gathering.name(name, graph.line(name))
    for one, other, _, about in graph.edges():
        gathering.add_once(*graph.ends(one, other), about["rtt"], about["line"])
    return gathering.done(str(graph.net.graph.get("comment", "")))
