"""The judge: the publishers' ledger against the subscribers' diaries. Pure.

Two questions. Was the contract kept (product.md)? And could it have been broken: did enough happen for the answer to
mean anything? A run that answers the second with no has failed, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from sim.demo.books import Books, Diary, Entry, Name

ACKNOWLEDGED_LEAST = 2_000
SIDE_LEAST = 200
"""Acknowledged on each side during the cut."""
ISOLATED_LEAST = 50
"""Acknowledged by the node that is killed while nobody could hear it."""
RETRIED_LEAST = 50
RETRY_MARGIN_S = 0.05
"""What was posted so shortly before the clients were dropped may not have been sent; it does not count as retried."""
ANSWER_S = 1.0
"""How long a receipt may take, on a machine that is busy, before a publish counts as not taken."""
CONVERGE_S = 18.0
"""The contract's bound: a redial between regions (15 s), and for each of 2 hops 1 s, two grafts of 0.3 s and two round
trips; rounded to what the backlog of a demo adds."""


@dataclass
class Facts:
    """What happened, as whoever made it happen saw it. Times are seconds of the run."""

    faults: bool = True
    cut_region: str = "eu"
    killed_region: str = "us"
    swallowed_region: str = "ap"
    mover: str = "roamer"
    cut_s: float = 0.0
    healed_s: float = 0.0
    isolated_s: float = 0.0
    killed_s: float = 0.0
    swallowed_s: float = 0.0
    dropped_s: float = 0.0
    packets_dropped: int = 0
    """By the cuts; what was lost by chance is not counted."""
    lag_cut: dict[str, int] = field(default_factory=dict)
    lag_after: dict[str, int] = field(default_factory=dict)
    pids: tuple[int, int] = (0, 0)
    """Of the killed node, before and after."""
    epochs: tuple[str, str] = ("", "")
    kill_status: int = 0
    """The exit status of the killed node: the negative number of its signal."""
    digests: dict[str, str] = field(default_factory=dict)
    """What each node says it has stored, at the end."""
    held: frozenset[Name] | None = None
    """The names that any node's history still shows; None: nothing is missing, nobody asked."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A promise of the contract that was not kept."""

    promise: str
    sentence: str

    def __str__(self) -> str:
        """Name the promise, and say what was seen."""
        return f"{self.promise}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class Row:
    """One subscriber in the table."""

    subscriber: str
    published: int
    delivered: int
    doubled: int
    lost: int
    gaps: int
    converged_s: float | None


@dataclass(frozen=True)
class Verdict:
    """The table, the promises that were broken, and the conditions under which the run would have meant something."""

    rows: list[Row]
    broken: list[Broken]
    unmet: list[str]
    happened: list[str]

    @property
    def passed(self) -> bool:
        """Whether the contract was kept, and could have been broken."""
        return not self.broken and not self.unmet


def judge(books: Books, facts: Facts) -> Verdict:
    """Compare the books."""
    rows = [_row(books, diary) for diary in books.diaries.values()]
    broken = [*_lost(books, facts), *_doubled(books), *_altered(books), *_disordered(books)]
    broken += [*_apart(books, facts), *_unavailable(books, facts)]
    happened, unmet = conditions(books, facts)
    return Verdict(rows, broken, unmet, happened)


def _row(books: Books, diary: Diary) -> Row:
    known = diary.seen & books.entries.keys()
    doubled = len(diary.lines) - len(diary.seen)
    lost = len(diary.missing)
    return Row(diary.subscriber, books.acknowledged, len(known), doubled, lost, len(diary.gaps), diary.converged_s)


# --- the contract ----------------------------------------------------------------------------------------------------


def _lost(books: Books, facts: Facts) -> Iterator[Broken]:
    """Acknowledged and not delivered: because no node has it any more, or although one has."""
    missing = {name for diary in books.diaries.values() for name in diary.missing}
    nowhere = missing - facts.held if facts.held is not None else set()
    if nowhere:
        region = books.entries[min(nowhere)].acknowledged_via
        one = len(nowhere) == 1
        were, them = ("message was", "it") if one else ("messages were", "them")
        text = f"{len(nowhere):,} {were} acknowledged as fsynced at {region}, and no node has {them}"
        yield Broken("Durable before acknowledged", f"{text} (the first: {_text(min(nowhere))})")
    behind = [diary for diary in books.diaries.values() if diary.missing]
    if behind:
        worst = max(behind, key=lambda diary: len(diary.missing))
        what = "message" if len(missing) == 1 else "messages"
        text = f"{len(missing):,} acknowledged {what} did not reach {len(behind)} of {len(books.diaries)} subscribers"
        yield Broken(
            "Nothing lost",
            f"{text}; {worst.subscriber} lacks {len(worst.missing):,} (the first: {_text(min(worst.missing))})",
        )


def _doubled(books: Books) -> Iterator[Broken]:
    shown: list[tuple[int, str, Name, int]] = []
    for diary in books.diaries.values():
        times = Counter(line.name for line in diary.lines)
        twice = sorted(name for name, count in times.items() if count > 1)
        if twice:
            shown.append((len(twice), diary.subscriber, twice[0], times[twice[0]]))
    if shown:
        count, who, first, times_shown = max(shown)
        text = f"{len(shown)} of {len(books.diaries)} subscribers were shown messages more than once"
        yield Broken("Once", f"{text}; {who} {count:,} of them (the first: {_text(first)}, {times_shown} times)")


def _altered(books: Books) -> Iterator[Broken]:
    for diary in books.diaries.values():
        for line in diary.lines:
            entry = books.entries.get(line.name)
            if entry is None:
                text = f"{diary.subscriber} was shown {_text(line.name)}, which nobody published"
            elif (entry.hash, entry.channel) != (line.hash, line.channel):
                text = f"{diary.subscriber} was shown {_text(line.name)} with another content than was published"
            else:
                continue
            yield Broken("Nothing invented, nothing altered", text)
            break


def _disordered(books: Books) -> Iterator[Broken]:
    """A message after its successor that is not marked late. Copies are the business of *Once*."""
    for diary in books.diaries.values():
        newest: dict[tuple[str, int, str], int] = {}
        seen: set[Name] = set()
        for line in diary.lines:
            publisher, incarnation, sequence = line.name
            key = publisher, incarnation, line.channel
            if sequence < newest.get(key, 0) and not line.late and line.name not in seen:
                text = f"{diary.subscriber} was shown {_text(line.name)} after {newest[key]}, not marked late"
                yield Broken("In order", text)
                break
            newest[key] = max(newest.get(key, 0), sequence)
            seen.add(line.name)


def _apart(books: Books, facts: Facts) -> Iterator[Broken]:
    slow = [d for d in books.diaries.values() if d.converged_s is None or d.converged_s > CONVERGE_S]
    if slow:
        names = ", ".join(diary.subscriber for diary in slow)
        yield Broken("Converges", f"{CONVERGE_S:.0f} s after the network healed {names} had not caught up")
    if len(set(facts.digests.values())) != 1:
        text = ", ".join(f"{region} {digest[:8] or 'unknown'}" for region, digest in facts.digests.items())
        yield Broken("Converges", f"the nodes' digests differ at the end: {text}")


def _unavailable(books: Books, facts: Facts) -> Iterator[Broken]:
    """In the cut a region took less than half of what its clients published, and had a second to answer."""
    if not facts.faults:
        return
    for region in (facts.cut_region, facts.swallowed_region):
        last_s = facts.healed_s - ANSWER_S
        asked = [e for e in books.entries.values() if e.posted_via == region and facts.cut_s <= e.posted_s <= last_s]
        taken = sum(e.acknowledged_s is not None and e.acknowledged_s <= facts.healed_s for e in asked)
        if taken * 2 < len(asked):
            yield Broken("Available", f"{region} took {taken:,} of {len(asked):,} messages while the network was cut")


def _text(name: Name) -> str:
    return f"{name[0]} {name[2]}"


# --- did enough happen? ----------------------------------------------------------------------------------------------


def _acknowledged(books: Books, first_s: float, last_s: float) -> Iterator[Entry]:
    for entry in books.entries.values():
        if entry.acknowledged_s is not None and first_s <= entry.acknowledged_s <= last_s:
            yield entry


def retried(books: Books, facts: Facts) -> int:
    """Names that went to the gateway whose receipts were swallowed, and were acknowledged at another."""
    last_s = facts.dropped_s - RETRY_MARGIN_S
    return sum(
        entry.posted_via == facts.swallowed_region
        and facts.swallowed_s <= entry.posted_s <= last_s
        and entry.acknowledged_s is not None
        and entry.acknowledged_via != facts.swallowed_region
        for entry in books.entries.values()
    )


def conditions(books: Books, facts: Facts) -> tuple[list[str], list[str]]:
    """What has happened of what must, and what has not."""
    happened: list[str] = []
    unmet: list[str] = []

    def need(number: int, least: int, what: str) -> None:
        (happened if number >= least else unmet).append(f"{what}: {number:,} (at least {least:,})")

    def must(held: bool, what: str) -> None:
        (happened if held else unmet).append(what)

    need(books.acknowledged, ACKNOWLEDGED_LEAST, "publishes acknowledged")
    must(not books.refused, f"publishes refused for good: {len(books.refused)}")
    waiting = len(books.entries) - books.acknowledged - len(books.refused)
    must(waiting == 0, f"publishes that still wait for a receipt at the end: {waiting}")
    lag_after = max(facts.lag_after.values(), default=0)
    must(bool(facts.lag_after) and lag_after == 0, f"lag at the end: {lag_after}")
    if not facts.faults:
        return happened, unmet
    during = list(_acknowledged(books, facts.cut_s, facts.healed_s))
    inside = sum(entry.acknowledged_via == facts.cut_region for entry in during)
    need(inside, SIDE_LEAST, f"acknowledged in {facts.cut_region} during the cut")
    need(len(during) - inside, SIDE_LEAST, "acknowledged on the other side during the cut")
    lags = ", ".join(f"{name} {lag}" for name, lag in facts.lag_cut.items())
    must(bool(facts.lag_cut) and min(facts.lag_cut.values()) > 0, f"lag in the cut: {lags}")
    need(facts.packets_dropped, 1, "datagrams that the proxies dropped in the cuts")
    isolated = _acknowledged(books, facts.isolated_s, facts.killed_s)
    alone = sum(entry.acknowledged_via == facts.killed_region for entry in isolated)
    need(alone, ISOLATED_LEAST, f"acknowledged by {facts.killed_region} alone before it was killed")
    must(facts.kill_status == -9, f"{facts.killed_region} ended by SIGKILL (status {facts.kill_status})")
    before, after = facts.pids
    must(before != after and after > 0, f"{facts.killed_region} is another process: {before} -> {after}")
    first, second = facts.epochs
    must(bool(first and second) and first != second, f"{facts.killed_region} has another epoch: {first} -> {second}")
    vias = {line.via for line in books.diary(facts.mover).lines}
    must(len(vias) > 1, f"{facts.mover} was served in more than one region: {', '.join(sorted(vias))}")
    need(retried(books, facts), RETRIED_LEAST, "names retried at another node")
    return happened, unmet
