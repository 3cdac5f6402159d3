"""A report for people in a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mesh.types import US_PER_MS, US_PER_S
from sim.plain import many, plain
from sim.topology.analysis import MB
from sim.topology.report import Loss, Report, Span
from sim.units import say_rate

LOSSES_SHOWN_MAX = 20
FAILING_SHOWN_MAX = 5
MB_SAID_US = 10_000
"""What each megabyte adds is worth a line from here on."""


def render(report: Report, console: Console) -> None:
    """Print it."""
    console.print(
        _line(f"{many(report.nodes, 'node')} in {many(len(report.regions), 'region')}, {many(report.links, 'link')}")
    )
    if report.never:
        late = f"Too slow for a greeting, so that they hardly ever come up, if at all: {', '.join(report.never)}"
        console.print(_line(late, style="red"))
    if report.failing:
        some = ", ".join(f"{what} ({many(count, 'time')})" for what, count in report.failing[:FAILING_SHOWN_MAX])
        more = ", …" if len(report.failing) > FAILING_SHOWN_MAX else ""
        console.print(_line(f"A greeting may come too late, so that a dial fails, at most in a row: {some}{more}"))
    if report.silent:
        some = ", ".join(f"{what} ({_seconds(us)})" for what, us in report.silent[:FAILING_SHOWN_MAX])
        more = ", …" if len(report.silent) > FAILING_SHOWN_MAX else ""
        what = f"Links silent for {report.silent_us / US_PER_S:g} s (links.silent-ms) or more at times, and dialled anew then"
        console.print(_line(f"{what}: {some}{more}. No time is promised over them", style="red"))
    if not report.connected:
        console.print(_line(f"It is in {len(report.parts)} parts: {_parts(report.parts)}", style="red"))
        console.print(_line("Of a mesh in parts no distances are told, no fewest losses and no pairs of links"))
    console.print(_line(f"Farthest apart: {_distance(report.span)}"))
    console.print(_line(f"Converges after a heal within {_bounds(report.span)}"))
    if report.us_per_mb >= MB_SAID_US and report.connected:
        rate_bps = report.narrowest_bps or 0
        is_narrow = rate_bps and report.us_per_mb <= -(-2 * MB * 8 * US_PER_S // rate_bps)
        why = f"half of {say_rate(rate_bps)}" if is_narrow else f"{report.sure_bytes / (1 << 20):.3g} MiB a round trip"
        each = f"{report.us_per_mb / US_PER_S:.2f} s more for each MB that has gathered on a side, at {why}"
        console.print(_line(f"and {each}"))
    console.print(_line(f"Cut nodes: {_names(report.cut_nodes)}. Cut links: {_names(report.cut_links)}"))
    if report.least_nodes is not None:
        console.print(
            _line(f"Fewest nodes whose loss splits it: {len(report.least_nodes)} ({', '.join(report.least_nodes)})")
        )
    if report.least_links is not None:
        console.print(
            _line(f"Fewest links whose loss splits it: {len(report.least_links)} ({', '.join(report.least_links)})")
        )
    _losses(report, console)
    _levels(report, console)


def _line(text: str, style: str = "") -> Text:
    """A line, in which names of a file stand."""
    return Text(plain(text), style)


def _losses(report: Report, console: Console) -> None:
    table = Table(
        "lost", "what is left", "bound, redialled", title="Losses that split the mesh, then those that slow it most"
    )
    slow = sorted(
        (loss for loss in report.losses if not loss.splits), key=lambda loss: -(loss.span.redial_bound_us or 0)
    )
    shown = [*report.splitting, *slow][:LOSSES_SHOWN_MAX]
    for loss in shown:
        style = "red" if loss.splits else ""
        table.add_row(_line(_what(loss), style), _line(_parts(loss.parts), style), _seconds(loss.span.redial_bound_us))
    console.print(table)
    more = len(report.losses) - len(shown)
    untold = report.pair_count - len(report.pairs)
    if more or untold:
        beside = f"; {untold:,} more pairs of links split it as well, and are not listed" if untold else ""
        console.print(_line(f"{more:,} more losses are in --json{beside}"))


def _levels(report: Report, console: Console) -> None:
    table = Table("level", "can be told at", "disks it survives", "regions it survives", "after any single loss")
    for level in report.levels:
        stays = "still reached somewhere" if level.stays_reachable else "not always reached"
        table.add_row(
            level.name, level.told_at(report.nodes), str(level.disks_survived), str(level.regions_survived), stays
        )
    console.print(table)


def _what(loss: Loss) -> str:
    return f"{loss.kind} {' and '.join(loss.what)}"


def _parts(parts: tuple[tuple[str, ...], ...]) -> str:
    if not parts:
        return "nothing"
    if len(parts) == 1:
        return f"{many(len(parts[0]), 'node')} in one part"
    return " | ".join(", ".join(part) if len(part) <= 4 else f"{len(part)} nodes" for part in parts)


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"


def _distance(span: Span) -> str:
    if span.hops is None or span.round_trip_us is None:
        return "nodes that cannot reach one another"
    return f"{many(span.hops, 'hop')}, {span.round_trip_us / US_PER_MS:g} ms round trip"


def _bounds(span: Span) -> str:
    if span.bound_us is None:
        return "no time that can be said, being in parts"
    return (
        f"{_seconds(span.bound_us)} where links outlived the cut, {_seconds(span.redial_bound_us)} where they did not"
    )


def _seconds(us: int | None) -> str:
    return "–" if us is None else f"{us / US_PER_S:.2f} s"
