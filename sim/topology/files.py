"""Topologies in files: GML, TOML, or a region matrix (one node a region, all linked). Errors name file and line.

```text
preset = "aws"                                  # round trips of links that name none: a cloud's, or a table [rtt]
links = "all"                                   # every node to every other; or leave it out and list them

[nodes]                                         # each with its region
ana = "eu-west-1"
ben = "us-east-1"

[[link]]
between = ["ana", "ben"]
rtt = "90ms"
rate = "100Mbit/s"
```

Round trips alone (a preset, or a table [rtt]) are a mesh of one node a region. In GML a node may have a `region`, its own
name without one; an edge has an `rtt`, and perhaps a `rate`. Of two directions of a directed graph the worse counts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from mesh.errors import ConfigError
from sim.errors import ScenarioError, SimError
from sim.plain import cut, listed, short
from sim.regions.files import EXPECTED, Gml, matrix_from_csv, matrix_from_table, time_of, told
from sim.regions.matrix import Pair, RegionMatrix
from sim.regions.presets import preset
from sim.toml import Place, line_of, parse, read_text
from sim.topology.graph import Graph, Link, full_mesh, link
from sim.units import rate_bps

KEYS = ("preset", "rtt", "inside", "about", "links", "nodes", "link")
LINK_KEYS = ("between", "rtt", "rate")
NODES_MAX = 1_000
"""As many as a scenario may have."""


def read_graph(path: Path) -> Graph:
    """Read a topology; the name's end says how. Raises `ScenarioError`."""
    text, name = read_text(path, EXPECTED), str(path)
    match path.suffix.lower():
        case ".gml":
            return graph_from_gml(text, name)
        case ".toml":
            return graph_from_toml(text, name)
        case ".csv":
            return _mesh(matrix_from_csv(text, name), name)
        case other:
            raise ScenarioError(name, 0, f"the name ends in {other or 'nothing'!r}", ".toml, .gml or .csv")


def _graph(regions: dict[str, str], links: list[tuple[int, Link]], path: str) -> Graph:
    """A graph of links, each with its line."""
    seen: set[Pair] = set()
    for line, each in links:
        if each.one == each.other:
            raise ScenarioError(path, line, f"a link of {cut(each.one)} to itself", "a link between two nodes")
        if each.pair in seen:
            raise ScenarioError(
                path, line, f"a second link between {' and '.join(map(cut, each.pair))}", "one between two nodes"
            )
        seen.add(each.pair)
    try:
        return Graph(regions, tuple(each for _, each in links))
    except ConfigError as error:
        raise ScenarioError(path, 0, told(error), "nodes, and one link between two of them") from None


def _rate(value: object, path: str, line: int) -> int | None:
    if value is None:
        return None
    try:
        return rate_bps(value)
    except ValueError as error:
        raise ScenarioError(path, line, str(error), 'a rate such as "100Mbit/s"') from None


def _mesh(matrix: RegionMatrix, path: str) -> Graph:
    """A matrix alone: one node a region, all linked."""
    _bounded(matrix.names, path)
    return full_mesh({region: region for region in matrix.names}, matrix)


def _bounded(nodes: Collection[str], path: str) -> None:
    if len(nodes) > NODES_MAX:
        raise ScenarioError(path, 0, f"{len(nodes):,} nodes", f"at most {NODES_MAX:,}")


def graph_from_gml(text: str, path: str) -> Graph:
    """Read a graph in GML."""
    net = Gml(text, path)
    regions: dict[str, str] = {}
    for node, about in net.nodes():
        region = about.get("region", node)
        if not isinstance(region, str | int):
            raise ScenarioError(path, net.line(node), f"{cut(node)}: a region that is {short(region)}", "a name")
        regions[node] = str(region)
    _bounded(regions, path)
    links: list[tuple[int, Link]] = []
    waiting: dict[tuple[str, str], int] = {}
    """Which link an edge has become that has not met the one that leads back."""
    for one, other, rtt_us, about in net.edges():
        line = about["line"]
        made = link(one, other, rtt_us, _rate(about.get("rate"), path, line))
        back = waiting.pop((other, one), None) if net.is_directed else None
        if back is None:
            waiting.setdefault((one, other), len(links))
            links.append((line, made))
        else:
            links[back] = (links[back][0], _both_ways(links[back][1], made))
    return _graph(regions, links, path)


def _both_ways(one: Link, back: Link) -> Link:
    """A link of two directions: of round trips the longer counts, and of rates the lower."""
    rates = [each.rate_bps for each in (one, back) if each.rate_bps is not None]
    return replace(one, rtt_us=max(one.rtt_us, back.rtt_us), rate_bps=min(rates, default=None))


def graph_from_toml(text: str, path: str) -> Graph:
    """Read a topology in TOML."""
    table, lines = parse(text, path)
    _check_keys(table, lines, path)
    matrix = _matrix(table, lines, path)
    if matrix is not None and not {"nodes", "link", "links"} & table.keys():
        return _mesh(matrix, path)
    nodes = _nodes(table, lines, path)
    _bounded(nodes, path)
    if matrix is not None:
        for node, region in nodes.items():
            if region not in matrix.names:
                line = line_of(lines, ("nodes", node))
                raise ScenarioError(path, line, f"no round trips of {short(region)}", f"one of {listed(matrix.names)}")
    if table.get("links") == "all":
        if matrix is None:
            line = line_of(lines, ("links",))
            raise ScenarioError(path, line, "links without round trips", "a preset, or a table [rtt]")
        return full_mesh(nodes, matrix)
    if "links" in table:
        line = line_of(lines, ("links",))
        raise ScenarioError(path, line, f"{table['links']!r:.80}", 'links = "all", or tables [[link]]')
    tables = table.get("link", [])
    if not isinstance(tables, list):
        raise ScenarioError(path, line_of(lines, ("link",)), "link is no list", "tables [[link]]")
    places: list[Place] = [("link", index) for index in range(len(tables))]
    links = [
        (line_of(lines, place), _link(each, nodes, matrix, path, partial(_line, lines, place)))
        for place, each in zip(places, tables, strict=True)
    ]
    return _graph(nodes, links, path)


def _line(lines: dict[Place, int], place: Place, *keys: str | int) -> int:
    return line_of(lines, (*place, *keys))


def _check_keys(table: dict[str, Any], lines: dict[Place, int], path: str) -> None:
    """Every key is known, and says something beside the others."""
    for key in table:
        if key not in KEYS:
            raise ScenarioError(path, line_of(lines, (key,)), f"an unknown key {short(key)}", ", ".join(KEYS))
    if not isinstance(table.get("about", ""), str):
        raise ScenarioError(path, line_of(lines, ("about",)), f"about: {short(table['about'])}", "a text")
    for key, other in (("rtt", "preset"), ("inside", "preset"), ("link", "links")):
        if {key, other} <= table.keys():
            line = line_of(lines, (key,)) or line_of(lines, (key, 0))
            raise ScenarioError(path, line, f"{key} beside {other} would say nothing", f"{key} or {other}")
    if "inside" in table and "rtt" not in table:
        raise ScenarioError(
            path, line_of(lines, ("inside",)), "inside without rtt would say nothing", "a table [rtt], too"
        )


def _nodes(table: dict[str, Any], lines: dict[Place, int], path: str) -> dict[str, str]:
    nodes = table.get("nodes")
    if not isinstance(nodes, dict) or not nodes:
        raise ScenarioError(path, line_of(lines, ("nodes",)), "no nodes", "a table [nodes], each with its region")
    for node, region in nodes.items():
        if not isinstance(region, str) or not region:
            line = line_of(lines, ("nodes", node))
            raise ScenarioError(
                path, line, f"{cut(node)}: a region that is {short(region)}", 'the name of a region, as "eu"'
            )
    return nodes


def _matrix(table: dict[str, Any], lines: dict[Place, int], path: str) -> RegionMatrix | None:
    if "preset" in table:
        try:
            return preset(str(table["preset"]))
        except SimError as error:
            raise ScenarioError(path, line_of(lines, ("preset",)), told(error), "a preset that ships") from None
    if "rtt" in table:
        return matrix_from_table(table, lines, path)
    return None


def _link(
    each: object, nodes: dict[str, str], matrix: RegionMatrix | None, path: str, line: Callable[..., int]
) -> Link:
    """A link of a table, where it is told in which line that begins, and in which each of its keys stands."""
    if not isinstance(each, dict):
        raise ScenarioError(path, line(), "a link is no table", "a table [[link]]")
    for key in each:
        if key not in LINK_KEYS:
            raise ScenarioError(path, line(key), f"an unknown key {short(key)} of a link", ", ".join(LINK_KEYS))
    between = each.get("between")
    if not (isinstance(between, list) and len(between) == len({*map(str, between)}) == 2):
        raise ScenarioError(path, line("between"), "a link without two ends", 'between = ["one", "other"]')
    for index, node in enumerate(between):
        if not isinstance(node, str) or node not in nodes:
            raise ScenarioError(path, line("between", index), f"no node {short(node)}", f"one of {listed(list(nodes))}")
    one, other = between
    if "rtt" in each:
        rtt_us = time_of(each["rtt"], path, line("rtt"))
    elif matrix is not None:
        rtt_us = matrix.rtt_us(nodes[one], nodes[other])
    else:
        raise ScenarioError(path, line(), "a link without a round trip", "rtt, a preset, or a table [rtt]")
    return link(one, other, rtt_us, _rate(each.get("rate"), path, line("rate")))
