"""What a person sees: live in a terminal, lines in a pipe, one JSON object a line for programs.

All three are told the same: what happens (`say`), how things stand ten times a second (`show`), and the verdict
(`end`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import click

from sim.demo.judge import Row, Verdict

SAMPLE_EVERY_S = 1.0
"""How often JSON tells how things stand."""


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node."""

    region: str
    node: str
    pid: int
    up: bool


@dataclass(frozen=True, slots=True)
class LinkView:
    """A link between two nodes: its delay one way, and what became of its datagrams."""

    one: str
    other: str
    delay_ms: int
    cut: bool
    passed: int
    dropped: int


@dataclass(frozen=True, slots=True)
class SubscriberView:
    """A subscriber: where it is attached, and how it fares."""

    name: str
    via: str
    delivered: int
    doubled: int
    lag: int


@dataclass(frozen=True, slots=True)
class View:
    """How things stand."""

    at_s: float
    phase: str
    nodes: list[NodeView]
    links: list[LinkView]
    published: int
    acknowledged: int
    subscribers: list[SubscriberView]


class Screen(Protocol):
    """Whatever shows the demo."""

    def say(self, at_s: float, event: str, text: str, about: Mapping[str, Any]) -> None:
        """Something happens."""

    def show(self, view: View) -> None:
        """How things stand now."""

    def end(self, verdict: Verdict, seconds: float) -> None:
        """The verdict."""

    def close(self) -> None:
        """Give the terminal back."""


COLUMNS = ("subscriber", "published", "delivered", "doubled", "lost", "gaps", "converged")


def table(verdict: Verdict) -> list[tuple[str, ...]]:
    """The table at the end, as text: a row of titles, then one for each subscriber."""
    rows: list[tuple[str, ...]] = [COLUMNS]
    for row in verdict.rows:
        converged = f"{row.converged_s:.2f} s" if row.converged_s is not None else "never"
        numbers = (row.published, row.delivered, row.doubled, row.lost, row.gaps)
        rows.append((row.subscriber, *(f"{number:,}" for number in numbers), converged))
    return rows


def verdict_lines(verdict: Verdict, seconds: float) -> list[str]:
    """The verdict in words."""
    lines = [f"BROKEN  {broken}" for broken in verdict.broken]
    lines += [f"NOT ENOUGH HAPPENED  {condition}" for condition in verdict.unmet]
    if verdict.passed:
        lines.append(f"The contract was kept, in {seconds:.1f} s.")
    elif verdict.broken:
        lines.append(f"The contract was broken: {', '.join(dict.fromkeys(b.promise for b in verdict.broken))}.")
    else:
        lines.append("The contract was not broken, but too little happened for that to mean anything.")
    return lines


def _row_object(row: Row) -> dict[str, Any]:
    converged_s = None if row.converged_s is None else round(row.converged_s, 3)
    return {**asdict(row), "converged_s": converged_s}


class PlainScreen:
    """Lines, for a pipe."""

    def say(self, at_s: float, event: str, text: str, about: Mapping[str, Any]) -> None:
        """One line."""
        click.echo(f"{at_s:6.1f} s  {text}")

    def show(self, view: View) -> None:
        """Nothing: a pipe wants to know what happened, not how it looks."""

    def end(self, verdict: Verdict, seconds: float) -> None:
        """What happened, the table, the verdict."""
        click.echo("\nWhat happened:")
        for condition in verdict.happened:
            click.echo(f"  {condition}")
        rows = table(verdict)
        widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
        click.echo()
        for row in rows:
            cells = [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
            click.echo("  ".join(cells))
        click.echo()
        for line in verdict_lines(verdict, seconds):
            click.echo(line)

    def close(self) -> None:
        """Nothing to give back."""


class JsonScreen:
    """One JSON object a line."""

    def __init__(self) -> None:
        """Tell how things stand from the start."""
        self._shown_s = -SAMPLE_EVERY_S

    def _line(self, event: str, about: Mapping[str, Any]) -> None:
        click.echo(json.dumps({"event": event, **about}, ensure_ascii=False, separators=(",", ":")))

    def say(self, at_s: float, event: str, text: str, about: Mapping[str, Any]) -> None:
        """An event."""
        self._line(event, {"at_s": round(at_s, 3), "text": text, **about})

    def show(self, view: View) -> None:
        """A sample, once a second."""
        if view.at_s - self._shown_s >= SAMPLE_EVERY_S:
            self._shown_s = view.at_s
            about = asdict(view)
            self._line("sample", {**about, "at_s": round(view.at_s, 3)})

    def end(self, verdict: Verdict, seconds: float) -> None:
        """The verdict: table, broken promises, conditions."""
        about = {
            "passed": verdict.passed,
            "seconds": round(seconds, 3),
            "subscribers": [_row_object(row) for row in verdict.rows],
            "broken": [asdict(broken) for broken in verdict.broken],
            "unmet": verdict.unmet,
            "happened": verdict.happened,
        }
        self._line("verdict", about)

    def close(self) -> None:
        """Nothing to give back."""
