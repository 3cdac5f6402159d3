"""Small charts as inline SVG: lines and steps over a plain or logarithmic axis, bars, and tables that are shaded.

Colours are classes (`s0`, `s1`, …) whose values the page's style holds for light and dark. A line keeps at most
`POINTS_MAX` points; every chart has a title, which a reader that cannot see it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from sim.report.html import Html, join, tag, text

WIDTH, HEIGHT = 560, 250
LEFT, RIGHT, TOP, BOTTOM = 58, 24, 12, 40
POINTS_MAX = 400
COLOURS = 8
SHADES = 6

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Axis:
    """From where to where, what is measured, and how a value is said."""

    label: str
    low: float
    high: float
    say: Callable[[float], str]
    log: bool = False
    bare: bool = False
    """Without ticks: whoever draws on it names the places."""

    def at(self, value: float) -> float:
        """Where a value lies: from 0 to 1."""
        if self.log:
            low, high = log10(self.low), log10(self.high)
            return (log10(max(value, self.low)) - low) / (high - low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Round values, five or so."""
        if self.bare:
            return []
        if self.log:
            return [10.0**power for power in range(ceil(log10(self.low)), floor(log10(self.high)) + 1)]
        step = nice((self.high - self.low) / 5)
        first = ceil(self.low / step - 1e-9)
        return [index * step for index in range(first, floor(self.high / step + 1e-9) + 1)]


def nice(step: float) -> float:
    """The least of 1, 2 and 5, times a power of ten, that is not below a step."""
    power = 10.0 ** floor(log10(step)) if step > 0 else 1.0
    return next(power * each for each in (1, 2, 5, 10) if power * each >= step * 0.999999)


def line_chart(title: str, lines: Mapping[str, Points], x: Axis, y: Axis, *, steps: bool = False) -> Html:
    """Lines of one kind, each with its name in the legend."""
    inner_w, inner_h = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(point: tuple[float, float]) -> tuple[float, float]:
        return LEFT + inner_w * x.at(point[0]), TOP + inner_h * (1 - y.at(point[1]))

    drawn: list[Html] = []
    for index, (name, points) in enumerate(lines.items()):
        path = _path([place(point) for point in _fewer(points)], steps=steps)
        tip = tag("title", name)
        drawn.append(tag("path", tip, d=path, class_=f"line {_look(index)}"))
    picture = _svg(title, join(_frame(x, y), *drawn))
    return tag("figure", tag("figcaption", title), picture, legend(list(lines)) if len(lines) > 1 else "")


def _look(index: int) -> str:
    """The classes of a line, and of its place in the legend: where the colours are used up, they come again with dashes."""
    return f"s{index % COLOURS}{' dash' if index >= COLOURS else ''}"


def _fewer(points: Points) -> Points:
    if len(points) <= POINTS_MAX:
        return points
    step = len(points) / (POINTS_MAX - 1)
    return [*(points[int(index * step)] for index in range(POINTS_MAX - 1)), points[-1]]


def _path(points: Points, *, steps: bool) -> str:
    said, before = [], None
    for px, py in points:
        if before is None:
            said.append(f"M{px:.1f} {py:.1f}")
        elif steps:
            said.append(f"H{px:.1f}" + (f"V{py:.1f}" if py != before else ""))
        else:
            said.append(f"L{px:.1f} {py:.1f}")
        before = py
    return "".join(said)


def _svg(title: str, inside: Html) -> Html:
    return tag("svg", tag("title", title), inside, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", class_="chart")


def _frame(x: Axis, y: Axis) -> Html:
    """Grid, ticks and labels."""
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    said: list[Html] = []
    for value in x.ticks():
        px = LEFT + (right - LEFT) * x.at(value)
        said.append(tag("path", d=f"M{px:.1f} {TOP}V{bottom}", class_="grid"))
        said.append(tag("text", x.say(value), x=f"{px:.1f}", y=bottom + 16, text_anchor="middle"))
    for value in y.ticks():
        py = TOP + (bottom - TOP) * (1 - y.at(value))
        said.append(tag("path", d=f"M{LEFT} {py:.1f}H{right}", class_="grid"))
        said.append(tag("text", y.say(value), x=LEFT - 7, y=f"{py + 4:.1f}", text_anchor="end"))
    said.append(tag("path", d=f"M{LEFT} {TOP}V{bottom}H{right}", class_="axis"))
    said.append(tag("text", x.label, x=(LEFT + right) / 2, y=HEIGHT - 6, text_anchor="middle", class_="label"))
    middle = (TOP + bottom) / 2
    said.append(
        tag("text", y.label, x=12, y=middle, text_anchor="middle", class_="label", transform=f"rotate(-90 12 {middle})")
    )
    return join(*said)


def legend(names: Sequence[str]) -> Html:
    """Which colour is whose, and which dashes."""
    each = [tag("li", tag("i", class_=_look(index)), name) for index, name in enumerate(names)]
    return tag("ul", *each, class_="legend")


def bar_chart(title: str, bars: Sequence[tuple[str, float]], x_label: str, y_label: str) -> Html:
    """One bar for each name, its value above it."""
    most = max((value for _, value in bars), default=0) or 1
    y = Axis(y_label, 0, most * 1.1, lambda value: f"{value:,.0f}")
    x = Axis(x_label, 0, 1, str, bare=True)
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    room = (right - LEFT) / max(1, len(bars))
    said: list[Html] = []
    for index, (name, value) in enumerate(bars):
        tall = (bottom - TOP) * y.at(value)
        left, middle = LEFT + index * room + room * 0.15, LEFT + (index + 0.5) * room
        tip = tag("title", f"{name}: {value:,.0f}")
        size = {"x": f"{left:.1f}", "y": f"{bottom - tall:.1f}", "width": f"{room * 0.7:.1f}", "height": f"{tall:.1f}"}
        said.append(tag("rect", tip, class_="bar", **size))
        said.append(tag("text", name, x=f"{middle:.1f}", y=bottom + 16, text_anchor="middle"))
        said.append(tag("text", f"{value:,.0f}", x=f"{middle:.1f}", y=f"{bottom - tall - 4:.1f}", text_anchor="middle"))
    return tag("figure", tag("figcaption", title), _svg(title, join(_frame(x, y), *said)))


def cumulative(values: Sequence[float]) -> list[tuple[float, float]]:
    """Values as the points of their distribution: what share is at most so large."""
    ordered = sorted(values)
    return [(ordered[0], 0.0), *((value, (index + 1) / len(ordered)) for index, value in enumerate(ordered))]


def spread(label: str, values: Sequence[float], say: Callable[[float], str]) -> Axis:
    """An axis on which all values lie: logarithmic where they differ by more than a decade and a bit."""
    if max(values) > 20 * max(1e-9, min(values)):
        return Axis(label, *decades(values), say, log=True)
    return Axis(label, 0, max(1e-6, *values) * 1.1, say)


def decades(values: Sequence[float]) -> tuple[float, float]:
    """The ends of a logarithmic axis on which all values lie."""
    low, high = max(1, min(values)), max(1, *values)
    low_power, high_power = floor(log10(low)), ceil(log10(high))
    return 10.0**low_power, 10.0 ** max(high_power, low_power + 1)


def matrix(
    caption: str,
    rows: Sequence[str],
    columns: Sequence[str],
    value: Callable[[str, str], float],
    say: Callable[[float], str],
) -> Html:
    """A table of rows by columns, the larger the darker."""
    most = max((value(row, column) for row in rows for column in columns), default=0)
    body = []
    for row in rows:
        cells = []
        for column in columns:
            found = value(row, column)
            shade = ceil(SHADES * found / most) if most else 0
            cells.append(tag("td", say(found) if found else "–", class_=f"n h{shade}"))
        body.append(tag("tr", tag("th", row, scope="row"), *cells))
    head = tag("tr", tag("th", "from \\ to", scope="col"), *(tag("th", column, scope="col") for column in columns))
    shown = tag("table", tag("caption", text(caption)), tag("thead", head), tag("tbody", *body), class_="matrix")
    return tag("div", shown, class_="wide", tabindex="0")
