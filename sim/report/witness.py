"""The first broken promises, each with the events that prove it: as a small picture of lanes, and as lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sim.checkers import Breach
from sim.diary import say_name
from sim.explain import explain
from sim.outcome import Outcome, foremost, say_more
from sim.report.html import Html, join, tag
from sim.report.words import shorten
from sim.scenario.cast import Cast

if TYPE_CHECKING:
    from sim.heap import Play

BREACHES_MAX = 4
STORIES_MAX = 2
LINE = re.compile(r"^\s*([0-9]+\.[0-9]+)(?: s:)? (.*)$", re.DOTALL)
WIDTH, LEFT, LANE, TOP = 760, 130, 34, 30
NAME_MAX = 17
"""Letters that the name of a lane has room for."""
ELSEWHERE = "the mesh"


def witnesses(outcome: Outcome, play: Play | None) -> Html:
    """The first breach of each promise, and a few more; with the story of a message where its play is there."""
    cast, chosen = Cast(outcome.scenario), foremost(outcome.breaches, BREACHES_MAX)
    shown = [_breach(cast, breach, _story(play, breach, index)) for index, breach in enumerate(chosen)]
    more = say_more(outcome, len(chosen))
    return join(*shown, tag("p", f"{more}.", class_="note") if more else "")


def _breach(cast: Cast, breach: Breach, story: Html) -> Html:
    events = [_parsed(line) for line in breach.witness]
    lines = [tag("li", tag("span", time, class_="time") if time else "", words) for time, words in events]
    known = {*cast.nodes, *cast.clients}
    picture = _picture(breach.promise, [(time, _who(words, known)) for time, words in events]) if events else ""
    return tag(
        "div",
        tag("h3", breach.promise),
        tag("p", breach.about),
        picture,
        tag("ol", *lines) if lines else "",
        story,
        class_="breach",
    )


def _story(play: Play | None, breach: Breach, index: int) -> Html:
    """What `explain` tells of the first message that a breach is about."""
    if play is None or index >= STORIES_MAX:
        return Html("")
    names = {say_name(name) for name in play.watch.ledger}
    words = (word.rstrip(",") for word in breach.about.split())
    found = next((word for word in words if word in names), "")
    if not found:
        return Html("")
    told = "\n".join(explain(play, found))
    return tag("details", tag("summary", f"The story of {found}"), tag("pre", told))


def _parsed(line: str) -> tuple[str, str]:
    found = LINE.match(line)
    return (f"{float(found[1]):.6f} s", found[2]) if found else ("", line)


def _who(words: str, known: set[str]) -> str:
    """Whose lane an event stands in: the first of all nodes and clients that it names."""
    return next((word for word in re.findall(r"[\w-]+", words) if word in known), ELSEWHERE)


def _picture(promise: str, events: list[tuple[str, str]]) -> Html:
    lanes = {who: TOP + LANE * index for index, who in enumerate(dict.fromkeys(who for _, who in events))}
    room = (WIDTH - LEFT - 80) / max(1, len(events) - 1) if len(events) > 1 else 0
    places = [(LEFT + 30 + index * room, lanes[who]) for index, (_, who) in enumerate(events)]
    height = TOP + LANE * len(lanes) - 4
    said = [tag("title", f"The events that show that “{promise}” was broken")]
    for who, y in lanes.items():
        said.append(tag("path", d=f"M{LEFT} {y}H{WIDTH - 10}", class_="grid"))
        said.append(tag("text", tag("title", who), shorten(who, NAME_MAX), x=LEFT - 10, y=y + 4, text_anchor="end"))
    path = "M" + "L".join(f"{x:.0f} {y}" for x, y in places)
    said.append(tag("path", d=path, class_="arrow"))
    for index, ((x, y), (time, _)) in enumerate(zip(places, events, strict=True)):
        last = " last" if index == len(events) - 1 else ""
        said.append(tag("circle", cx=f"{x:.0f}", cy=y, r=10, class_=f"dot{last}"))
        said.append(tag("text", index + 1, x=f"{x:.0f}", y=y + 4, text_anchor="middle", class_="num"))
        if time:
            said.append(tag("text", time, x=f"{x:.0f}", y=y - 15, text_anchor="middle", class_="label"))
    drawn = tag("svg", *said, viewBox=f"0 0 {WIDTH} {height}", role="img", class_="witness")
    return tag("div", drawn, class_="wide", tabindex="0")
