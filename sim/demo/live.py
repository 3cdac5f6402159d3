"""The demo in a terminal: the nodes and links as they are, the subscribers with their lag, and what happened."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sim.demo.judge import Verdict
from sim.demo.screen import LinkView, NodeView, SubscriberView, View, table, verdict_lines

BARS = " ▁▂▃▄▅▆▇█"
LAGS_KEPT = 40
FRAMES_PER_S = 10


class LiveScreen:
    """Draws over itself while it runs; what happened and the verdict stay."""

    def __init__(self) -> None:
        """Take the terminal."""
        self._console = Console(highlight=False)
        self._lags: dict[str, deque[int]] = {}
        self._frames = 0
        self._live = Live(console=self._console, refresh_per_second=FRAMES_PER_S, transient=True)
        self._live.start()

    def say(self, at_s: float, event: str, text: str, about: Mapping[str, Any]) -> None:
        """A line above the picture, which stays."""
        style = {"cut": "yellow", "isolate": "yellow", "kill": "red", "incomplete": "red", "heal": "green"}.get(
            event, ""
        )
        self._live.console.print(Text(f"{at_s:6.1f} s  ", "dim") + Text(text, style))

    def show(self, view: View) -> None:
        """Draw the picture again."""
        self._frames += 1
        self._live.update(self._picture(view))

    def _picture(self, view: View) -> RenderableType:
        head = Text.assemble(
            ("  Gossamer", "bold"),
            f"   {view.published:,} published, {view.acknowledged:,} acknowledged   ",
            (view.phase, "italic"),
        )
        head.truncate(self._console.width, overflow="ellipsis")
        return Group("", head, Padding(self._map(view), (1, 0, 0, 2)), Padding(self._people(view), (1, 0, 0, 2)))

    @staticmethod
    def _map(view: View) -> Table:
        grid = Table.grid(padding=(0, 2))
        rows = max(len(view.nodes), len(view.links))
        for index in range(rows):
            cells = [_node(view.nodes[index]) if index < len(view.nodes) else Text()]
            if index < len(view.links):
                cells += _link(view.links[index])
            grid.add_row(*cells)
        return grid

    def _people(self, view: View) -> Table:
        people = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
        for title in ("subscriber", "at"):
            people.add_column(title)
        for title in ("delivered", "doubled", "behind"):
            people.add_column(title, justify="right")
        people.add_column("")
        for subscriber in view.subscribers:
            lags = self._lags.setdefault(subscriber.name, deque(maxlen=LAGS_KEPT))
            if self._frames % 4 == 0:  # a bar for each 0.4 s, so that a whole cut fits
                lags.append(subscriber.lag)
            people.add_row(*_person(subscriber), Text(_bars(lags), "yellow"))
        return people

    def end(self, verdict: Verdict, seconds: float) -> None:
        """What happened, the table, the verdict."""
        self.close()
        console = self._console
        console.print("\n  What had to happen, and did:", style="dim")
        for condition in verdict.happened:
            console.print(Text(f"    {condition}", "dim"))
        shown = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
        titles, *rows = table(verdict)
        for index, title in enumerate(titles):
            shown.add_column(title, justify="right" if index else "left")
        for row in rows:
            shown.add_row(*(Text(cell, _alarm(titles[index], cell)) for index, cell in enumerate(row)))
        console.print(Padding(shown, (1, 0, 1, 2)))
        for line in verdict_lines(verdict, seconds):
            console.print(Text(f"  {line}", "bold green" if verdict.passed else "bold red"))

    def close(self) -> None:
        """Give the terminal back."""
        self._live.stop()


def _alarm(title: str, cell: str) -> str:
    return "bold red" if (title in ("doubled", "lost") and cell != "0") or cell == "never" else ""


def _node(node: NodeView) -> Text:
    state = ("up    ", "green") if node.up else ("killed", "bold red")
    return Text.assemble((node.region, "bold"), "  ", state, f"  pid {node.pid:<7}")


def _link(link: LinkView) -> list[Text]:
    line, style = ("╌╌ ✂ ╌╌", "red") if link.cut else ("───────", "green")
    state = "cut" if link.cut else f"{link.delay_ms} ms"
    return [
        Text.assemble(f"{link.one} ", (line, style), f" {link.other}"),
        Text(state, style),
        Text(f"{link.passed:,} passed, {link.dropped:,} dropped", "dim", no_wrap=True),
    ]


def _person(subscriber: SubscriberView) -> list[Text]:
    return [
        Text(subscriber.name),
        Text(subscriber.via),
        Text(f"{subscriber.delivered:,}"),
        Text(f"{subscriber.doubled:,}", "bold red" if subscriber.doubled else ""),
        Text(f"{subscriber.lag:,}", "yellow" if subscriber.lag else ""),
    ]


def _bars(lags: deque[int]) -> str:
    most = max(lags, default=0) or 1
    return "".join(BARS[(lag * (len(BARS) - 1) + most - 1) // most] for lag in lags)
