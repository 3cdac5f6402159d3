"""The report of a sweep: which seeds broke what, what all of them came to, and what the gates saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.checkers import PROMISES
from sim.labels import looked_at
from sim.outputs import put
from sim.report.charts import Axis, cumulative, line_chart, spread
from sim.report.html import Html, join, table, tag
from sim.report.page import contents, page, section, tiles, verdict
from sim.report.run import INVARIANTS
from sim.report.words import say_count, say_ms, say_time

if TYPE_CHECKING:
    from pathlib import Path

    from sim.sweep import Tally

FAILED_MAX = 200
SAID = {
    "converged_us": "converged after the last fault",
    "median_us": "median delivery",
    "p99_us": "p99 delivery",
    "unavailable_us": "longest wait for a receipt",
}


def write_sweep(tally: Tally, path: Path, command: str, *, gates: bool = True) -> None:
    """Write the page of a sweep; `command` and ` --seed N` play one seed again. Raises `OutputError`."""
    put(path, render(tally, command, gates=gates))


def render(tally: Tally, command: str, *, gates: bool = True) -> str:
    """The page as text."""
    sections = {
        "failures": ("Seeds that failed", _failures(tally, command)),
        "contract": ("The contract", _contract(tally)),
        "measures": ("Over all seeds", _measures(tally)),
        "gates": ("Gates", _gates(tally, judged=gates)),
        "coverage": ("What happened", _coverage(tally)),
    }
    kept = {anchor: (title, inside) for anchor, (title, inside) in sections.items() if inside}
    return page(
        f"{tally.scenario.title}: {tally.seeds:,} seeds",
        _headline(tally, gates=gates),
        contents({anchor: title for anchor, (title, _) in kept.items()}),
        *(section(anchor, title, inside) for anchor, (title, inside) in kept.items()),
    )


def _sentence(tally: Tally, shut: list[str]) -> str:
    """The verdict, and what it is of."""
    whole = ""
    if tally.interrupted:
        whole = f"The sweep was interrupted after {tally.seeds:,} of {tally.asked:,} seeds. "
    elif tally.missing:
        whole = f"{len(tally.missing):,} of {tally.asked:,} seeds are missing. "
    if tally.failed:
        return f"{whole}{len(tally.failed):,} of {tally.seeds:,} seeds broke a promise."
    if shut:
        return f"Every seed kept every promise, but {len(shut)} gates stay shut: what they wait for never happened."
    if not tally.seeds:
        return f"{whole}Nothing was played."
    return f"{whole}{'The' if whole else 'All'} {tally.seeds:,} seeds {'that were played ' if whole else ''}kept every promise."


def _headline(tally: Tally, *, gates: bool) -> Html:
    shut = tally.shut() if gates and tally.is_kept else []
    is_kept = False if tally.failed or shut else tally.is_kept or None
    rate = f"{tally.events / tally.busy_s:,.0f}" if tally.busy_s else "–"
    simulated = f"{tally.simulated_us / 1e6 / tally.busy_s:,.0f}" if tally.busy_s else "–"
    return join(
        tag("h1", tally.scenario.title),
        verdict(kept=is_kept, sentence=_sentence(tally, shut)),
        tag("p", "Promised: ", tag("strong", tally.scenario.promise)),
        tiles(
            [
                ("seeds", say_count(tally.seeds), f"{len(tally.failed):,} failed"),
                ("events", say_count(tally.events), ""),
                ("events a second", rate, "and core"),
                ("simulated", f"{tally.simulated_us / 1e6:,.0f} s", f"{simulated} a second and core"),
            ]
        ),
    )


def _failures(tally: Tally, command: str) -> Html:
    rows: list[list[object]] = []
    for result in tally.failed[:FAILED_MAX]:
        witness = tag("ol", *(tag("li", line) for line in result.witness)) if result.witness else ""
        again = tag("pre", f"{command} --seed {result.seed}")
        rows.append([result.seed, ", ".join(result.broken), join(result.about, witness, again)])
    if not rows:
        return Html("")
    more = len(tally.failed) - len(rows)
    return join(
        table(["seed", "broken", "how it is known, and how to see it again"], rows, numbers=(0,)),
        tag("p", f"… and {more:,} more.", class_="note") if more else "",
    )


def _contract(tally: Tally) -> Html:
    broken: dict[str, int] = {}
    for result in tally.failed:
        for promise in result.broken:
            broken[promise] = broken.get(promise, 0) + 1
    rows: list[list[object]] = []
    for promise in dict.fromkeys((*PROMISES, *INVARIANTS, "deterministic", *broken)):
        count, looked = broken.get(promise, 0), looked_at(tally.evaluated, promise)
        word, look = ("✗ broken", "bad") if count else ("✓ kept", "good") if looked else ("○ not looked at", "idle")
        if promise == "invariants" and not count and tally.events:
            word, look = "✓ kept", "good"
        shown = f"{looked:,}" if looked or promise != "invariants" else "each tick"
        rows.append(
            [tag("strong", promise), tag("span", word, class_=f"state {look}"), shown, f"{count:,}" if count else ""]
        )
    return table(["promise", "", "looked at", "seeds that broke it"], rows, numbers=(2, 3), alone="first")


def _measures(tally: Tally) -> Html:
    charts: list[Html] = []
    rows: list[list[object]] = []
    for name, words in SAID.items():
        measured = tally.measured[name]
        values = sorted(value for value in measured if value >= 0)
        if not values:
            continue
        x = spread(words, [us / 1000 for us in values], say_ms)
        y = Axis("share of seeds", 0, 1, lambda share: f"{share:.0%}")
        charts.append(line_chart(words, {words: cumulative([us / 1000 for us in values])}, x, y, steps=True))
        middle = values[(len(values) - 1) // 2]
        worst = min(seed for seed, value in zip(tally.played, measured, strict=True) if value == values[-1])
        rows.append([words, f"{len(values):,}", say_time(values[0]), say_time(middle), say_time(values[-1]), worst])
    if not charts:
        return Html("")
    heads: list[object] = ["measure", "seeds", "least", "median", "most", "seed of the most"]
    return join(tag("div", *charts, class_="charts"), table(heads, rows, numbers=(1, 2, 3, 4, 5), alone="first"))


def _gates(tally: Tally, *, judged: bool) -> Html:
    shut = {line.partition(": ")[0] for line in tally.shut()}
    rows: list[list[object]] = []
    for label, meaning in tally.gates().items():
        word, look = ("✗ shut", "bad") if label in shut else ("✓ open", "good")
        kind, _, name = label.partition("/")
        seen = tally.evaluated.get(name, 0) if kind == "promise" else tally.coverage.get(label, 0)
        rows.append(
            [
                tag("code", label),
                tag("span", word, class_=f"state {look}"),
                f"{seen:,}",
                meaning if label in shut else "",
            ]
        )
    words = "What these seeds should have come to, each at least once."
    if not judged:
        words += " They were not asked for here."
    elif tally.interrupted or tally.missing:
        words += " They are not judged: seeds are missing that could open them."
    return join(tag("p", words), table(["gate", "", "times", "what is missing"], rows, numbers=(2,), alone="last"))


def _coverage(tally: Tally) -> Html:
    rows: list[list[object]] = [[tag("code", label), f"{count:,}"] for label, count in sorted(tally.coverage.items())]
    title = f"{len(rows)} things were counted"
    return tag("details", tag("summary", title), table(["", "times"], rows, numbers=(1,)))
