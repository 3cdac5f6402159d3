"""The report of one run: what came of it, why, and what it looked like."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from sim.checkers import PROMISES
from sim.labels import looked_at
from sim.outcome import COUNTED
from sim.outputs import put
from sim.plain import many
from sim.report.charts import Axis, bar_chart, cumulative, decades, line_chart, matrix
from sim.report.html import Html, join, table, tag
from sim.report.lanes import draw
from sim.report.measures import COPIES_MAX, Pair, copies, lag, latencies, region_bytes, wide_rates
from sim.report.page import contents, page, section, tiles, verdict
from sim.report.witness import witnesses
from sim.report.words import clock_unit, say_count, say_ms, say_size, say_time, size_step
from sim.topology import Graph, analyse, svg
from sim.topology.graph import link

if TYPE_CHECKING:
    from pathlib import Path

    from sim.heap import Play
    from sim.outcome import Figures, Outcome

INVARIANTS = ("quiet", "bounds", "invariants")
"""What is held against a run beside the promises to users: idle traffic, the scenario's own bounds, `check` of the node."""
PICTURED_MAX = 60
"""Nodes of a topology that a circle still shows."""
LAGGARDS_MAX = 8
LINES_MAX, ROWS_MAX = 9, 12
"""Lines that one picture still shows, and rows that are not folded away."""
STORY_MAX = 2_000
PENDING_MAX = 50


def write_report(play: Play | None, outcome: Outcome, path: Path, command: str = "") -> None:
    """Write the page of a recorded run; `command` plays it again. Raises `OutputError` where the file cannot be written.

    A run on real processes has no recorded play: its page says what came of it, and has no pictures.
    """
    put(path, render(play, outcome, command))


def render(play: Play | None, outcome: Outcome, command: str = "") -> str:
    """The page as text."""
    broken = witnesses(outcome, play) if outcome.breaches else Html("")
    sections = {"contract": ("The contract", _contract(outcome)), "witness": ("What broke it", broken)}
    if play is None:
        sections["run"] = "The run", _story(outcome)
    else:
        sections["run"] = "The run", _trace(play, outcome)
        sections["delivery"] = "Delivery", _delivery(play)
        sections["convergence"] = "Convergence", _convergence(play, outcome)
        sections["links"] = "Between regions", _wide(play)
    sections["figures"] = "Figures", _figures(outcome)
    if play is not None:
        sections["topology"] = "Topology", _topology(play)
    kept = {anchor: (title, inside) for anchor, (title, inside) in sections.items() if inside}
    return page(
        f"{outcome.scenario.title}, seed {outcome.seed}",
        _headline(outcome, command),
        contents({anchor: title for anchor, (title, _) in kept.items()}),
        *(section(anchor, title, inside) for anchor, (title, inside) in kept.items()),
    )


# --- the headline and the contract -----------------------------------------------------------------------------------------


def sentence(outcome: Outcome) -> str:
    """The verdict in a sentence."""
    if outcome.is_kept:
        looked = sum(1 for promise in (*PROMISES, *INVARIANTS) if _looked(outcome, promise))
        return f"All {looked} promises that this run looked at were kept."
    names = [f"“{name}”" for name in outcome.broken]
    said = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{said} {'was' if len(names) == 1 else 'were'} broken: {outcome.breaches[0].about}."


def _headline(outcome: Outcome, command: str) -> Html:
    scenario, figures = outcome.scenario, outcome.figures
    is_counted = outcome.engine == "heap"
    time = f"{outcome.simulated_us / 1e6:,.1f} {'simulated ' if is_counted else ''}seconds"
    what = f"seed {outcome.seed} · {outcome.engine} engine · {time}"
    counts = [
        ("copies", f"{figures.copies_per_message:g}", "pushes a message and node"),
        ("events", say_count(outcome.events), f"{outcome.ticks:,} ticks"),
    ]
    return join(
        tag("h1", scenario.title),
        tag("p", what, class_="meta"),
        verdict(kept=outcome.is_kept, sentence=sentence(outcome)),
        tag("p", "Promised: ", tag("strong", scenario.promise)),
        tag("p", scenario.story.strip()) if scenario.story else "",
        join(tag("p", "Play it again:", class_="note"), tag("pre", command)) if command else "",
        tiles(
            [
                ("published", say_count(figures.messages), f"{figures.acknowledged:,} acknowledged"),
                ("delivered", say_count(figures.deliveries), f"{figures.late:,} late, {figures.gaps:,} gaps"),
                ("median", say_time(figures.median_us), "publish to shown"),
                ("p99", say_time(figures.p99_us), f"slowest {say_time(figures.slowest_us)}"),
                ("converged", say_time(figures.converged_us), f"bound {say_time(figures.bound_us)}"),
                *(counts if is_counted else ()),
            ]
        ),
    )


def _looked(outcome: Outcome, promise: str) -> int:
    """How often a promise was looked at. The node's own invariants are looked at after each of its ticks."""
    return outcome.ticks if promise == "invariants" else looked_at(outcome.evaluated, promise)


def _contract(outcome: Outcome) -> Html:
    rows: list[list[object]] = []
    for promise in (*PROMISES, *INVARIANTS):
        found = [breach for breach in outcome.breaches if breach.promise == promise]
        looked = _looked(outcome, promise)
        word, look = ("broken", "bad") if found else ("kept", "good") if looked else ("not looked at", "idle")
        mark = {"bad": "✗ ", "good": "✓ ", "idle": "○ "}[look]
        about = found[0].about if found else ""
        more = f" (and {len(found) - 1:,} more)" if len(found) > 1 else ""
        rows.append(
            [tag("strong", promise), tag("span", mark + word, class_=f"state {look}"), f"{looked:,}", about + more]
        )
    parts: list[object] = [table(["promise", "", "looked at", "what broke it"], rows, numbers=(2,), alone="last")]
    budget: list[list[object]] = [[tag("code", level), words] for level, words in outcome.budget.items()]
    if budget:
        parts.append(tag("h3", "What each durability level survives here"))
        parts.append(table(["level", "losses it survives"], budget))
    if outcome.figures.excused:
        why = "more of the disks that held them were lost than their level survives, a node dated them that was alone with"
        words = f"messages were excused: {why} a wrong clock, or clocks that were wrong and agreed were believed."
        parts.append(tag("p", f"{outcome.figures.excused:,} {words}"))
    if outcome.pending:
        shown = [tag("li", line) for line in outcome.pending[:PENDING_MAX]]
        if len(outcome.pending) > PENDING_MAX:
            shown.append(tag("li", f"… and {len(outcome.pending) - PENDING_MAX:,} more"))
        title = f"What is pending, and no breach: {len(outcome.pending):,}"
        parts.append(tag("details", tag("summary", title), tag("ul", *shown)))
    return join(*parts)


# --- pictures --------------------------------------------------------------------------------------------------------------


def _trace(play: Play, outcome: Outcome) -> Html:
    words = (
        "Time runs to the right. A line is a frame, and its dot is where it arrives; a red stub never arrived. Orange is what"
        " was done to the world; a red piece of a lane is a node that is down. Of clients, ticks publish and dots are shown."
    )
    return tag("div", tag("p", words, class_="note"), draw(play), _story(outcome), class_="trace")


def _story(outcome: Outcome) -> Html:
    if not outcome.story:
        return Html("")
    title = f"What was done to the world, in {len(outcome.story):,} lines"
    return tag("details", tag("summary", title), tag("pre", "\n".join(outcome.story[:STORY_MAX])))


def _delivery(play: Play) -> Html:
    found = latencies(play)
    if not found:
        return tag("p", "Nobody was shown anything.")
    every = [us / 1000 for values in found.values() for us in values]
    x = Axis("from publish to shown", *decades(every), say_ms, log=True)
    y = Axis("share of deliveries", 0, 1, lambda share: f"{share:.0%}")
    lines = {name: cumulative([us / 1000 for us in values]) for name, values in _grouped(found).items()}
    counts = copies(play)
    names = [str(count) for count in range(COPIES_MAX)] + [f"{COPIES_MAX}+"]
    bars = list(zip(names, counts, strict=True))
    rows = [
        [f"{here} → {there}", f"{len(us):,}", *(say_time(_nearest(us, share)) for share in (50, 90, 99, 100))]
        for (here, there), us in found.items()
    ]
    heads = ["from → to", "deliveries", "median", "p90", "p99", "slowest"]
    shown = table(heads, rows, numbers=(1, 2, 3, 4, 5), alone="first")
    return join(
        tag(
            "div",
            line_chart("How long deliveries took, by region", lines, x, y, steps=True),
            bar_chart("How often a node was pushed a batch", bars, "pushes of one batch to one node", "pairs"),
            class_="charts",
        ),
        shown if len(rows) <= ROWS_MAX else tag("details", tag("summary", f"{len(rows)} pairs of regions"), shown),
    )


def _grouped(found: dict[Pair, list[int]]) -> dict[str, list[int]]:
    """A line for each pair of regions; where they are too many, one for all within a region and one for each that left it."""
    if len(found) <= LINES_MAX:
        return {f"{here} → {there}": values for (here, there), values in found.items()}
    grouped: dict[str, list[int]] = {}
    for (here, there), values in found.items():
        grouped.setdefault("within a region" if here == there else f"{here} → others", []).extend(values)
    return grouped


def _nearest(values: list[int], per_cent: int) -> int:
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * per_cent // 100) - 1)]


def _convergence(play: Play, outcome: Outcome) -> Html:
    found = lag(play)
    worst = sorted(found.lacks, key=lambda name: -sum(found.lacks[name]))[:LAGGARDS_MAX]
    most = max((lack for name in worst for lack in found.lacks[name]), default=0)
    unit_s, word = clock_unit(found.times[-1] / 1e6)
    times = [us / 1e6 / unit_s for us in found.times]
    x = Axis("time", 0, max(times[-1], 1e-6), lambda value: f"{value:g} {word}")
    y = Axis("positions a node lacks", 0, max(1, most) * 1.05, lambda value: f"{value:,.0f}")
    lines = {name: list(zip(times, found.lacks[name], strict=True)) for name in sorted(worst)}
    few = (
        f"The {LAGGARDS_MAX} of {len(found.lacks)} nodes that lacked most are drawn. "
        if len(found.lacks) > len(worst)
        else ""
    )
    figures = outcome.figures
    when = (
        f"The core had the same {say_time(figures.converged_us)} after the last fault;"
        f" the bound is {say_time(figures.bound_us)}."
        if figures.converged_us >= 0
        else "The core never had the same."
    )
    words = "Of all that was stored anywhere by then. "
    return join(tag("p", few + words + when), line_chart("What each node lacks", lines, x, y, steps=True))


def _wide(play: Play) -> Html:
    regions = play.cast.regions
    if len(regions) < 2:
        return Html("")
    sizes, rates = region_bytes(play), wide_rates(play)
    unit_s, clock = clock_unit(play.world.now_us / 1e6)
    end = max(1e-6, play.world.now_us / 1e6 / unit_s)
    most = max(1.0, *(rate for points in rates.values() for _, rate in points))
    unit = size_step(most)
    x = Axis("time", 0, end, lambda value: f"{value:g} {clock}")
    word = say_size(unit).split()[1]
    y = Axis(f"{word}/s to other regions", 0, most / unit * 1.05, lambda value: f"{value:g}")
    lines = {name: [(at / unit_s, rate / unit) for at, rate in points] for name, points in rates.items()}
    return tag(
        "div",
        line_chart("What left each region for others", lines, x, y),
        matrix("Bytes of frames, from region to region", regions, regions, lambda a, b: sizes.get((a, b), 0), say_size),
        class_="charts",
    )


def _figures(outcome: Outcome) -> Html:
    rows: list[list[object]] = [
        [name.removesuffix("_us").replace("_", " "), _say(name, value)]
        for name, value in _of(outcome.figures)
        if outcome.engine == "heap" or name not in COUNTED
    ]
    frames, seen = _counts(outcome, is_frame=True), _counts(outcome, is_frame=False)
    title = f"{len(seen)} things that happened"
    return join(
        tag(
            "div",
            table(["figure", ""], rows, numbers=(1,)),
            table(["frame", "sent"], frames, numbers=(1,)) if frames else "",
            class_="charts",
        ),
        tag("details", tag("summary", title), table(["", "times"], seen, numbers=(1,))) if seen else "",
        tag("p", f"Trace {outcome.trace}: the same seed gives the same.", class_="note") if outcome.trace else "",
    )


def _counts(outcome: Outcome, *, is_frame: bool) -> list[list[object]]:
    return [
        [tag("code", label.removeprefix("frame/")), f"{count:,}"]
        for label, count in sorted(outcome.coverage.items())
        if label.startswith("frame/") == is_frame
    ]


def _of(figures: Figures) -> list[tuple[str, float]]:
    return list(asdict(figures).items())


def _say(name: str, value: float) -> str:
    if name.endswith("_us"):
        return say_time(int(value))
    return say_size(value) if name == "wide_bytes" else say_count(value)


def _topology(play: Play) -> Html:
    nodes, pairs = play.cast.nodes, play.pairs
    if len(nodes) > PICTURED_MAX or not pairs:
        return Html("")
    links = {each.pair: each for each in (link(a, b, play.world.network.round_trip_us(a, b)) for a, b in pairs)}
    graph = Graph({name: member.region for name, member in nodes.items()}, tuple(links.values()))
    report = analyse(graph)
    there = f"{many(len(nodes), 'node')} in {many(len(play.cast.regions), 'region')}, {many(len(links), 'link')}"
    words = f"{there}; what splits the mesh is red."
    return join(tag("p", words), tag("div", Html(svg(graph, report)), class_="topology"))
