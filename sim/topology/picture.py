"""A picture of a topology as inline SVG, which needs nothing from outside: nodes on a circle, what splits the mesh in red."""

from __future__ import annotations

from html import escape
from math import cos, pi, sin

from sim.plain import many
from sim.topology.analysis import say
from sim.topology.graph import Graph
from sim.topology.report import Report

SIZE = 640
ROOM = 110
"""Around the circle, for names."""
COLOURS = ("#4477aa", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#888888")
"""One for each region, in turn: told apart by who sees no red and green, too."""
RED = "#cc3311"
FONT = 'font-family="sans-serif" font-size="13"'


def svg(graph: Graph, report: Report) -> str:
    """Draw it. Names are escaped."""
    order = sorted(graph.regions, key=lambda node: (graph.regions[node], node))
    turn = {node: 2 * pi * index / len(order) - pi / 2 for index, node in enumerate(order)}
    radius = SIZE / 2 - ROOM
    at = {node: (SIZE / 2 + radius * cos(a), SIZE / 2 + radius * sin(a)) for node, a in turn.items()}
    colours = {region: COLOURS[index % len(COLOURS)] for index, region in enumerate(report.regions)}
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}" role="img" {FONT}>',
        f"<title>{many(len(graph.regions), 'node')}, {many(len(graph.links), 'link')}</title>",
    ]
    for link in sorted(graph.links):
        (x1, y1), (x2, y2) = at[link.one], at[link.other]
        cuts = say(link.pair) in report.cut_links
        style = f'stroke="{RED}" stroke-width="3"' if cuts else 'stroke="#bbbbbb" stroke-width="1"'
        tip = escape(f"{say(link.pair)}: {link.rtt_us / 1000:g} ms")
        lines.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {style}><title>{tip}</title></line>'
        )
    for node in order:
        (x, y), region = at[node], graph.regions[node]
        cuts = node in report.cut_nodes
        ring = f' stroke="{RED}" stroke-width="4"' if cuts else ""
        tip = escape(f"{node} in {region}" + (": its loss splits the mesh" if cuts else ""))
        lines.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="8" fill="{colours[region]}"{ring}><title>{tip}</title></circle>'
        )
        side = "start" if cos(turn[node]) > 0.1 else "end" if cos(turn[node]) < -0.1 else "middle"
        tx, ty = SIZE / 2 + (radius + 16) * cos(turn[node]), SIZE / 2 + (radius + 22) * sin(turn[node]) + 4
        lines.append(f'<text x="{tx:.1f}" y="{ty:.1f}" text-anchor="{side}">{escape(node)}</text>')
    return "\n".join([*lines, "</svg>"])
