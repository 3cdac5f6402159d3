"""The run in lanes: a lane for each node and client, arrows for frames, bands for what was done to the world.

Everything within `<g class="scale">` lies at x = milliseconds of the run, and one transform brings that to the page, so a
zoom is another transform. Strokes do not scale; a round end of no length stays a dot. A frame is `M x y L x y` in the one
path of its kind: tens of thousands of them are a megabyte, and the page's script reads them for its tooltips.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sim.recorder import PENDING, Crossing
from sim.report.charts import COLOURS, nice
from sim.report.html import Html, join, tag
from sim.report.measures import recorder_of
from sim.report.words import clock_unit, say_time, shorten
from sim.stage import LASTS, Band

if TYPE_CHECKING:
    from sim.heap import Play

WIDTH, LEFT, RIGHT = 1180, 112, 12
PLOT = WIDTH - LEFT - RIGHT
AXIS = 24
BAND_HEIGHT, BAND_ROWS_MAX = 17, 14
NODES_MAX, CLIENTS_MAX = 60, 24
ARROWS_MAX = 24_000
"""Frames that are drawn at most; of each kind the same share, evenly over the run."""
SLICES = 240
LETTER = 6.4
"""Width of a letter of a label."""
NAME_MAX = 14
"""Letters that the name of a lane has room for."""
EXACT = re.compile(r"\b(\d{4,})us\b")
"""A time that was drawn, to the microsecond: its label needs less."""
KINDS = (
    "Push",
    "Graft",
    "Want",
    "NotFound",
    "Busy",
    "IHave",
    "Stored",
    "Vector",
    "RepairHello",
    "RepairEqual",
    "Forked",
)
SHOWN = ("Push", "Graft", "Want", "NotFound", "Busy", "Forked")
"""Kinds that are shown at first; the others are asked for in the legend."""
OTHERS = "heartbeats"
"""Whatever is of none of the kinds: Alive, Hello, Credit, Members."""


@dataclass
class Lanes:
    """Where everything lies."""

    play: Play
    y: dict[str, float] = field(default_factory=dict)
    top: float = 0
    height: float = 0
    gap: float = 0

    def __post_init__(self) -> None:
        """Give every node and client a lane, below the rows of bands."""
        self.end_us = max(1, self.play.world.now_us)
        self.rows = _packed(self.play.stage.bands, self.end_us)
        self.top = AXIS + min(BAND_ROWS_MAX, len(self.rows)) * BAND_HEIGHT + 8
        nodes = sorted(self.play.cast.nodes, key=lambda name: self.play.cast.nodes[name].region)[:NODES_MAX]
        clients = list(self.play.apps)[:CLIENTS_MAX]
        self.gap = 46 if len(nodes) <= 4 else 34 if len(nodes) <= 10 else 22 if len(nodes) <= 30 else 14
        at = self.top + self.gap / 2
        for name in nodes:
            self.y[f"node/{name}"] = at
            at += self.gap
        at += 6 - self.gap / 2 + 10
        for name in clients:
            self.y[f"client/{name}"] = at
            at += 16
        self.height = at + 4
        self.regions = {region: index % COLOURS for index, region in enumerate(self.play.cast.regions)}


def ms(us: float) -> str:
    """Microseconds as the page's x: milliseconds, as short as they can be."""
    return f"{us / 1000:.3f}".rstrip("0").rstrip(".")


def draw(play: Play) -> Html:
    """Legend, controls and picture, and a line about what is not drawn."""
    lanes = Lanes(play)
    picked, left_out = _picked(recorder_of(play).crossings, lanes)
    scale = PLOT / (lanes.end_us / 1000)
    scaled = tag(
        "g",
        _shades(lanes),
        _bands(lanes),
        _gaps(lanes),
        _arrows(picked, lanes),
        _marks(lanes),
        class_="scale",
        transform=f"translate({LEFT} 0) scale({scale:.8f} 1)",
    )
    clip = tag("clipPath", tag("rect", x=LEFT, y=0, width=PLOT, height=lanes.height), id="plot")
    svg = tag(
        "svg",
        tag("title", "Lanes of nodes and clients over time"),
        tag("defs", clip),
        tag("g", scaled, clip_path="url(#plot)"),
        tag("g", *_band_labels(lanes, scale), clip_path="url(#plot)"),
        _names(lanes),
        tag("g", *_axis(lanes, scale), class_="time"),
        viewBox=f"0 0 {WIDTH} {lanes.height:.0f}",
        role="img",
        class_="lanes",
        data_left=LEFT,
        data_width=PLOT,
        data_end=ms(lanes.end_us),
    )
    return join(
        _controls(picked, recorder_of(play).crossings), tag("div", svg, class_="wide"), _left_out(lanes, left_out)
    )


# --- what is drawn of many frames ------------------------------------------------------------------------------------------


def kind_of(crossing: Crossing) -> str:
    """The name in the legend."""
    return crossing.kind if crossing.kind in KINDS else OTHERS


def _picked(crossings: list[Crossing], lanes: Lanes) -> tuple[dict[str, list[Crossing]], int]:
    by_kind: dict[str, list[Crossing]] = {}
    for crossing in crossings:
        if f"node/{crossing.source}" in lanes.y and f"node/{crossing.target}" in lanes.y:
            by_kind.setdefault(kind_of(crossing), []).append(crossing)
    total = sum(map(len, by_kind.values()))
    picked = {}
    for kind in (*KINDS, OTHERS):
        found = by_kind.get(kind, [])
        room = len(found) if total <= ARROWS_MAX else max(min(len(found), 200), ARROWS_MAX * len(found) // total)
        if found:
            picked[kind] = [found[index * len(found) // room] for index in range(room)]
    return picked, len(crossings) - sum(map(len, picked.values()))


def _left_out(lanes: Lanes, frames: int) -> Html:
    said = []
    if frames:
        said.append(
            f"{frames:,} frames are not drawn: of each kind an even share is. The shade of a lane counts them all."
        )
    if recorder_of(lanes.play).dropped:
        said.append(f"{recorder_of(lanes.play).dropped:,} frames were not recorded.")
    for what, all_of, most in (("nodes", lanes.play.cast.nodes, NODES_MAX), ("clients", lanes.play.apps, CLIENTS_MAX)):
        if len(all_of) > most:
            said.append(f"{len(all_of) - most:,} of {len(all_of):,} {what} have no lane.")
    if len(lanes.rows) > BAND_ROWS_MAX:
        said.append(f"{sum(map(len, lanes.rows[BAND_ROWS_MAX:])):,} of the faults have no bar; the list below has all.")
    return tag("p", " ".join(said), class_="note") if said else Html("")


def _arrows(picked: dict[str, list[Crossing]], lanes: Lanes) -> Html:
    said = []
    many = " many" if sum(len(picked.get(kind, ())) for kind in SHOWN) > 3_000 else ""
    for kind, crossings in picked.items():
        lines, ends, lost = [], [], []
        for crossing in crossings:
            y1, y2 = lanes.y[f"node/{crossing.source}"], lanes.y[f"node/{crossing.target}"]
            x1 = ms(crossing.sent_us)
            if crossing.arrived_us == PENDING:
                lost.append(f"M{x1} {y1:g}L{x1} {y1 + (y2 - y1) * 0.3:.4g}")
            else:
                x2 = ms(crossing.arrived_us)
                lines.append(f"M{x1} {y1:g}L{x2} {y2:g}")
                ends.append(f"M{x2} {y2:g}h0")
        paths = [
            tag("path", d="".join(lines), class_="fly", data_kind=kind),
            tag("path", d="".join(ends), class_="end"),
            tag("path", d="".join(lost), class_="lost", data_kind=kind) if lost else "",
        ]
        said.append(tag("g", *paths, class_=f"k k-{kind}{many}"))
    return join(*said)


def _shades(lanes: Lanes) -> Html:
    """How busy each node was in each slice of the run, in four shades; all frames are counted."""
    counts: dict[str, list[int]] = {}
    for crossing in recorder_of(lanes.play).crossings:
        index = min(SLICES - 1, crossing.sent_us * SLICES // lanes.end_us)
        for name in (crossing.source, crossing.target):
            counts.setdefault(name, [0] * SLICES)[index] += 1
    most = max((count for each in counts.values() for count in each), default=0)
    width = ms(lanes.end_us / SLICES)
    said = []
    for shade in range(1, 5):
        path = []
        for name, each in counts.items():
            y = lanes.y.get(f"node/{name}")
            if y is None:
                continue
            tall = lanes.gap * 0.5
            path += [
                f"M{ms(index * lanes.end_us / SLICES)} {y - tall / 2:g}h{width}v{tall:g}h-{width}z"
                for index, count in enumerate(each)
                if count and -(-4 * count // most) == shade
            ]
        said.append(tag("path", d="".join(path), class_=f"shade shade{shade}"))
    return join(*said)


# --- faults ----------------------------------------------------------------------------------------------------------------


def _end_us(band: Band, end_us: int) -> int:
    return end_us if band.end_us == LASTS else band.end_us


def _packed(bands: list[Band], end_us: int) -> list[list[Band]]:
    """Bands in rows, so that neither they nor their labels overlap."""
    rows: list[tuple[list[Band], list[int]]] = []
    for band in sorted(bands, key=lambda each: each.begin_us):
        label_us = int((len(_label(band)) * LETTER + 14) / PLOT * end_us)
        begin_us, until_us = band.begin_us, max(_end_us(band, end_us), band.begin_us + label_us)
        if until_us > end_us:  # its label stands before it
            begin_us, until_us = begin_us - label_us, _end_us(band, end_us)
        for row, free in rows:
            if free[0] <= begin_us:
                row.append(band)
                free[0] = until_us
                break
        else:
            rows.append(([band], [until_us]))
    return [row for row, _ in rows]


def _label(band: Band) -> str:
    said = EXACT.sub(lambda found: say_time(int(found[1])), band.what)
    return said if len(said) <= 44 else said[:43] + "…"


def _bands(lanes: Lanes) -> Html:
    said = []
    for index, row in enumerate(lanes.rows[:BAND_ROWS_MAX]):
        y = AXIS + index * BAND_HEIGHT
        for band in row:
            end_us = _end_us(band, lanes.end_us)
            tip = tag("title", f"{band.what}: {band.begin_us / 1e6:.3f} s to {end_us / 1e6:.3f} s")
            x = ms(band.begin_us)
            if end_us == band.begin_us:
                said.append(tag("path", tip, d=f"M{x} {y + 2}V{lanes.height:.0f}", class_="moment"))
                continue
            width = ms(end_us - band.begin_us)
            box = {"x": x, "width": width}
            said.append(tag("rect", y=y, height=f"{lanes.height - y:.0f}", class_="under", **box))
            said.append(tag("rect", tip, y=y + 1, height=BAND_HEIGHT - 3, class_="band", **box))
    return join(*said)


def _band_labels(lanes: Lanes, scale: float) -> list[Html]:
    said = []
    for index, row in enumerate(lanes.rows[:BAND_ROWS_MAX]):
        for band in row:
            x = LEFT + band.begin_us / 1000 * scale
            label = _label(band)
            turned = x + len(label) * LETTER + 14 > WIDTH - RIGHT
            said.append(
                tag(
                    "text",
                    label,
                    x=f"{x - 4 if turned else x + 5:.1f}",
                    y=AXIS + index * BAND_HEIGHT + 12,
                    class_="what",
                    text_anchor="end" if turned else None,
                    data_ms=ms(band.begin_us),
                    data_until=ms(_end_us(band, lanes.end_us)),
                    data_shift=-4 if turned else 5,
                )
            )
    return said


def _gaps(lanes: Lanes) -> Html:
    """When nodes did not run: a hatched piece of their lane."""
    said = []
    down: dict[str, int] = {}
    gaps: list[tuple[str, int, int]] = []
    for life in recorder_of(lanes.play).lives:
        if not life.is_up:
            down.setdefault(life.node, life.at_us)
        elif life.node in down:
            gaps.append((life.node, down.pop(life.node), life.at_us))
    gaps += [(node, at_us, lanes.end_us) for node, at_us in down.items()]
    for node, begin_us, end_us in gaps:
        y = lanes.y.get(f"node/{node}")
        if y is not None:
            tip = tag("title", f"{node} is down: {begin_us / 1e6:.3f} s to {end_us / 1e6:.3f} s")
            box = {"x": ms(begin_us), "width": ms(max(1, end_us - begin_us))}
            said.append(
                tag("rect", tip, y=f"{y - lanes.gap * 0.3:.1f}", height=f"{lanes.gap * 0.6:.1f}", class_="down", **box)
            )
    return join(*said)


# --- who, and when ---------------------------------------------------------------------------------------------------------


def _names(lanes: Lanes) -> Html:
    said = []
    for key, y in lanes.y.items():
        kind, _, name = key.partition("/")
        if kind == "node":
            region = lanes.play.cast.nodes[name].region
            line = tag("path", d=f"M{LEFT} {y:g}H{WIDTH - RIGHT}", class_=f"lane s{lanes.regions[region]}")
            dot = tag("circle", cx=8, cy=y, r=4, class_=f"s{lanes.regions[region]}")
            label = tag(
                "text", tag("title", f"{name} in {region}"), shorten(name, NAME_MAX), x=18, y=f"{y + 4:g}", class_="who"
            )
            said.append(tag("g", line, dot, label, class_="node", data_y=f"{y:g}", data_name=name))
        else:
            line = tag("path", d=f"M{LEFT} {y:g}H{WIDTH - RIGHT}", class_="lane client")
            label = tag("text", tag("title", name), shorten(name, NAME_MAX), x=18, y=f"{y + 4:g}", class_="who client")
            said.append(tag("g", line, label))
    return join(*said)


def _marks(lanes: Lanes) -> Html:
    """What clients published and were shown, and the pages of history that they asked for."""
    published: list[str] = []
    for name, entry in lanes.play.watch.ledger.items():
        y = lanes.y.get(f"client/{name[0]}")
        if y is not None:
            published.append(f"M{ms(entry.at_us)} {y - 4:g}v8")
    shown: list[str] = []
    for app in lanes.play.apps.values():
        y = lanes.y.get(f"client/{app.name}")
        if y is not None:
            shown += [f"M{ms(each.at_us)} {y:g}h0" for diary in app.books for each in diary.shown[:4_000]]
    asked: list[str] = []
    for read in recorder_of(lanes.play).reads:
        y = lanes.y.get(f"client/{read.client}")
        if y is not None and read.node:
            shown.append(f"M{ms(read.at_us)} {y:g}h0")
        elif y is not None:
            asked.append(f"M{ms(read.at_us)} {y - 4:g}v4")
    return join(
        tag("path", d="".join(shown), class_="shown"),
        tag("path", d="".join(published), class_="published"),
        tag("path", d="".join(asked), class_="asked"),
    )


def _axis(lanes: Lanes, scale: float) -> list[Html]:
    """Ticks of the whole run; the page's script draws others when it zooms."""
    end_s = lanes.end_us / 1e6
    unit_s, word = clock_unit(end_s)
    step = nice(end_s / unit_s / 10)
    said = []
    for index in range(int(end_s / unit_s / step) + 1):
        x = LEFT + index * step * unit_s * 1000 * scale
        said.append(tag("path", d=f"M{x:.1f} {AXIS - 6}V{lanes.height:.0f}", class_="grid"))
        said.append(tag("text", f"{index * step:g} {word}", x=f"{x:.1f}", y=12, text_anchor="middle"))
    return said


def _controls(picked: dict[str, list[Crossing]], crossings: list[Crossing]) -> Html:
    counts: dict[str, int] = {}
    for crossing in crossings:
        counts[kind_of(crossing)] = counts.get(kind_of(crossing), 0) + 1
    toggles = [
        tag(
            "label",
            tag("input", type="checkbox", class_=f"t-{kind}", checked=kind in SHOWN),
            tag("i", class_=f"k-{kind}"),
            f"{kind} {counts[kind]:,}",
        )
        for kind in picked
    ]
    buttons = [
        tag("button", label, type="button", data_do=what, aria_label=words)
        for what, label, words in (
            ("left", "◀", "earlier"),
            ("right", "▶", "later"),
            ("in", "+", "zoom in"),
            ("out", "−", "zoom out"),
            ("all", "all", "show the whole run"),
        )
    ]
    hint = tag("span", "drag over the picture to zoom", class_="note")
    return tag(
        "div", tag("div", *toggles, class_="toggles"), tag("div", *buttons, hint, class_="zoom"), class_="controls"
    )
