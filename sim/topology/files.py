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

In GML a node may have a `region`, its own name without one; an edge has an `rtt`, and perhaps a `rate`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mesh.errors import ConfigError
from sim.errors import ScenarioError, SimError
from sim.regions.files import TIME, line_of, load_gml, load_toml, matrix_from_csv, matrix_from_table, read_text, time_of
from sim.regions.matrix import RegionMatrix
from sim.regions.presets import preset
from sim.topology.graph import Graph, Link, full_mesh, link
from sim.units import rate_bps

KEYS = ("preset", "rtt", "inside", "about", "links", "nodes", "link")
LINK_KEYS = ("between", "rtt", "rate")


def read_graph(path: Path) -> Graph:
    """Read a topology; the name's end says how. Raises `ScenarioError`."""
    text, name = read_text(path), str(path)
    match path.suffix.lower():
        case ".gml":
            return graph_from_gml(text, name)
        case ".toml":
            return graph_from_toml(text, name)
        case ".csv":
            matrix = matrix_from_csv(text, name)
            return full_mesh({region: region for region in matrix.names}, matrix)
        case other:
            raise ScenarioError(name, 0, f"the name ends in {other or 'nothing'!r}", ".toml, .gml or .csv")


def _graph(regions: dict[str, str], links: list[Link], path: str) -> Graph:
    try:
        return Graph(regions, tuple(links))
    except ConfigError as error:
        raise ScenarioError(path, 0, str(error), "nodes, and one link between two of them") from None


def _rate(value: object, path: str, line: int) -> int | None:
    if value is None:
        return None
    try:
        return rate_bps(value)
    except ValueError as error:
        raise ScenarioError(path, line, str(error), 'a rate such as "100Mbit/s"') from None


def graph_from_gml(text: str, path: str) -> Graph:
    """Read a graph in GML."""
    net = load_gml(text, path)
    regions = {str(node): str(about.get("region", node)) for node, about in net.nodes(data=True)}
    links = []
    for one, other, about in net.edges(data=True):
        if "rtt" not in about:
            raise ScenarioError(path, 0, f"the edge between {one} and {other} has no rtt", TIME)
        line = line_of(text, "rtt", str(about["rtt"]))
        rtt_us = time_of(about["rtt"], path, line)
        links.append(link(str(one), str(other), rtt_us, _rate(about.get("rate"), path, line)))
    return _graph(regions, links, path)


def graph_from_toml(text: str, path: str) -> Graph:
    """Read a topology in TOML."""
    table = load_toml(text, path)
    for key in table:
        if key not in KEYS:
            raise ScenarioError(path, line_of(text, key), f"an unknown key {key!r}", ", ".join(KEYS))
    nodes = table.get("nodes")
    if not isinstance(nodes, dict) or not nodes or not all(isinstance(region, str) for region in nodes.values()):
        raise ScenarioError(path, line_of(text, "nodes"), "no nodes", "a table [nodes], each with its region")
    matrix = _matrix(table, text, path)
    if matrix is not None:
        for node, region in nodes.items():
            if region not in matrix.names:
                line = line_of(text, node, region)
                raise ScenarioError(path, line, f"no round trips of {region!r}", f"one of {', '.join(matrix.names)}")
    if table.get("links") == "all":
        if matrix is None:
            raise ScenarioError(path, line_of(text, "links"), "links without round trips", "a preset, or a table [rtt]")
        return full_mesh(nodes, matrix)
    if "links" in table:
        raise ScenarioError(path, line_of(text, "links"), f"{table['links']!r}", 'links = "all", or tables [[link]]')
    listed = table.get("link", [])
    if not isinstance(listed, list):
        raise ScenarioError(path, line_of(text, "link"), "link is no list", "tables [[link]]")
    starts = [number for number, row in enumerate(text.splitlines(), 1) if row.strip().startswith("[[link]]")]
    starts += [0] * len(listed)
    links = [_link(each, nodes, matrix, path, line) for each, line in zip(listed, starts, strict=False)]
    return _graph(nodes, links, path)


def _matrix(table: dict[str, Any], text: str, path: str) -> RegionMatrix | None:
    if "preset" in table:
        try:
            return preset(str(table["preset"]))
        except SimError as error:
            raise ScenarioError(path, line_of(text, "preset"), str(error), "a preset that ships") from None
    if "rtt" in table:
        return matrix_from_table(table["rtt"], table.get("inside"), str(table.get("about", "")), text, path)
    return None


def _link(each: object, nodes: dict[str, str], matrix: RegionMatrix | None, path: str, line: int) -> Link:
    if not isinstance(each, dict):
        raise ScenarioError(path, line, "a link is no table", "a table [[link]]")
    for key in each:
        if key not in LINK_KEYS:
            raise ScenarioError(path, line, f"an unknown key {key!r} of a link", ", ".join(LINK_KEYS))
    between = each.get("between")
    if not isinstance(between, list) or len(between) != 2 or between[0] == between[1]:
        raise ScenarioError(path, line, "a link without two ends", 'between = ["one", "other"]')
    for node in between:
        if node not in nodes:
            raise ScenarioError(path, line, f"no node {node!r}", f"one of {', '.join(nodes)}")
    one, other = between
    if "rtt" in each:
        rtt_us = time_of(each["rtt"], path, line)
    elif matrix is not None:
        rtt_us = matrix.rtt_us(nodes[one], nodes[other])
    else:
        raise ScenarioError(path, line, "a link without a round trip", "rtt, a preset, or a table [rtt]")
    return link(one, other, rtt_us, _rate(each.get("rate"), path, line))
