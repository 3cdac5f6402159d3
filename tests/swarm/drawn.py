"""Scenarios that are drawn whole: not faults alone, as a swarm draws them, but nodes, links, clients, settings and lives, too.

`python -m tests.swarm.drawn 17` prints the file of a number, to be played with the number as its seed:
`gossamer sim run FILE --seed 17`. From ten thousand on they last for minutes. What a number means changes with this module and
the simulator's tables; so what is found is kept as a regression of its own (`gossamer sim shrink`), not as a number.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from random import Random
from typing import Any, get_args

from sim.scenario.drawing import OF_OTHER_VERSIONS, TABLE
from sim.scenario.model import Audience, Scenario
from sim.scenario.reading import from_tables
from sim.scenario.writing import write

LONG_FROM = 10_000
"""From this number on a scenario lasts for minutes: names are forgotten and epochs spent."""
NAMES = ("ana", "ben", "cy", "dan", "eve", "fay")
REGIONS = ("eu", "us", "ap")
AUDIENCES = get_args(Audience)
HOSTILE = ("hostile", "hostile-client", "misdiscover")
"""Verbs of those who are bad: drawn with a bad member alone."""
HARMLESS = sorted(set(TABLE) - {*HOSTILE, "clock"})
DEEDS = ("garble", "tamper", "replay", "withhold", "forget", "deny", "boast", "flood", "forge", "fork", "eclipse")
SETTINGS: dict[str, tuple[int, ...]] = {
    "repair.ranges-waiting-max": (2, 8),
    "repair.want-positions-max": (16, 256),
    "intake.ttl-default-ms": (1_000, 20_000),
    "intake.batch-bytes-max": (1_024, 4_096),
    "intake.epochs-per-hour-max": (1, 3),
    "delivery.recent-bytes": (0, 2_048),
    "delivery.hole-ms": (1_000, 5_000),
    "delivery.loads-max": (1,),
    "delivery.backlog-max": (4, 100),
    "receipts.waiting-max": (12, 100),
    "receipts.session-waiting-max": (4, 64),
    "links.alive-ms": (2_000,),
}
"""Settings that make rare what is usual, and usual what is rare: a few of these, for all nodes or for one."""


def drawn(number: int) -> Scenario:
    """The scenario of a number, 0 or more."""
    rng = Random(number)
    is_long = number >= LONG_FROM
    names = NAMES[: rng.randint(2, 4 if is_long else 6)]
    bad = rng.choice(names) if len(names) > 2 and rng.random() < 1 / 3 else ""
    topology = _topology(rng, names)
    regions = len({node["region"] for node in topology["node"]})
    duration_s = rng.randint(100, 220) if is_long else rng.randint(8, 40)
    return from_tables(
        {
            "title": f"Drawn {number}",
            "promise": "Whatever is drawn, the contract holds.",
            "duration": f"{duration_s}s",
            "core": rng.choice(("all", "random")),
            "atlas": rng.random() < 0.8,
            "topology": topology,
            "config": _settings(rng, rng.randint(0, 3)),
            "client": (clients := _clients(rng, [name for name in names if name != bad])),
            "workload": [
                _work(rng, len(names), regions, is_long=is_long, is_narrow="rate" in topology)
                for _ in range(rng.randint(1, 2))
            ],
            "timeline": _timeline(rng, clients, names, duration_s),
            "random": _faults(rng, bad, is_long=is_long),
        },
        f"drawn {number}",
    )


def _topology(rng: Random, names: tuple[str, ...]) -> dict[str, Any]:
    """Nodes in up to three regions, and links that keep them together."""
    regions = REGIONS[: rng.randint(1, 3)]
    nodes: list[dict[str, Any]] = [{"name": name, "region": rng.choice(regions)} for name in names]
    if rng.random() < 0.25:
        rng.choice(nodes)["profile"] = _settings(rng, rng.randint(1, 2))
    kinds = ["full", "full", "line", "star", "sparse", "grid"] + ["ring"] * (len(names) > 2)
    topology = {
        "node": nodes,
        "links": rng.choice(kinds),
        "latency": f"{rng.choice((2, 20, 60, 150, 400))}ms",
        "jitter": f"{rng.choice((0, 2, 10))}ms",
        "loss": rng.choice(("0%", "0%", "0.2%", "2%")),
    }
    if rng.random() < 0.2:
        topology["shape"] = rng.choice(("constant", "exponential", "log-normal", "pareto"))
    if rng.random() < 0.1:
        topology["rate"] = rng.choice(("1Mbit/s", "4Mbit/s"))
    if rng.random() < 0.2:
        slow = {"between": rng.sample(names, 2), "latency": f"{rng.choice((300, 900))}ms", "jitter": "50ms"}
        topology["link"] = [slow]
    return topology


def _settings(rng: Random, count: int) -> dict[str, int]:
    return {name: rng.choice(SETTINGS[name]) for name in rng.sample(sorted(SETTINGS), count)}


def _clients(rng: Random, gateways: list[str]) -> list[dict[str, Any]]:
    """Some that publish and hear, and at times one that reads the past; at honest nodes: a bad one keeps what only it has."""
    policies = ("all", "all", "drop-oldest", "latest", "disconnect")

    def subscriptions() -> list[dict[str, str]]:
        mine = [{"to": rng.choice(("#", "room/+", "room/1")), "policy": rng.choice(policies)} for _ in range(2)]
        return [{"to": "#"}, *mine[: rng.randint(0, 2)]]

    groups: list[dict[str, Any]] = [
        {"name": "app", "count": rng.randint(1, 4), "credit": rng.choice((8, 64, 8_192)), "subscribe": subscriptions()}
    ]
    if rng.random() < 0.5:
        groups.append({"name": "other", "at": [rng.choice(gateways)], "subscribe": subscriptions()})
    if rng.random() < 0.3:
        often = [{"every": f"{rng.randint(1, 6)}s", "page": rng.choice((5, 20, 50)), "backwards": rng.random() < 0.5}]
        groups.append({"name": "reader", "history": often})
    for group in groups:
        group["gateways"] = gateways
        group["uplink"] = rng.choice(("beside", "beside", "fibre", "cafe"))
    return groups


def _work(rng: Random, nodes: int, regions: int, *, is_long: bool, is_narrow: bool) -> dict[str, Any]:
    """What is published: little where it lasts, so that it is played in seconds; and no more than links carry twice."""
    work: dict[str, Any] = {
        "clients": rng.choice(("app*", "*")),
        "channels": "room/{n}",
        "spread": rng.randint(2, 5),
        "audience": rng.choice(("steady", "steady", *AUDIENCES)),
        "zipf": rng.random() < 0.3,
        "rate": rng.choice((0.5, 1.0, 2.0)) if is_long else rng.choice((2.0, 6.0, 12.0)),
        "bytes": [1, rng.choice((16, 200)) if is_narrow else rng.choice((16, 200, 3_000, 20_000))],
        "copies": [1, *(rng.randint(1, nodes) for _ in range(rng.randint(0, 2)))],
        "regions": [1, 1, rng.randint(1, regions)],
    }
    if rng.random() < 0.6:
        work |= {"ttl": f"{rng.choice((300, 1_000, 3_000, 15_000))}ms", "mortal": rng.choice(("5%", "50%", "100%"))}
    return work


def _timeline(
    rng: Random, clients: list[dict[str, Any]], names: tuple[str, ...], duration_s: int
) -> list[dict[str, Any]]:
    """A few things that clients do of their own accord, at any moment."""
    who = [f"{group['name']}-1" if group.get("count", 1) > 1 else group["name"] for group in clients]
    deeds: tuple[Callable[[], dict[str, Any]], ...] = (
        lambda: {"publish": {"client": rng.choice(who), "channel": "room/1", "count": rng.choice((1, 40, 400))}},
        lambda: {"publish": {"client": rng.choice(who), "channel": "room/9", "copies": len(names), "ttl": "500ms"}},
        lambda: {"publish": {"client": rng.choice(who), "channel": "room/2", "bytes": 60_000, "count": 3}},
        lambda: {"subscribe": {"client": rng.choice(who), "to": "room/1", "since": rng.choice(("1s", "5s", "now"))}},
        lambda: {"unsubscribe": {"client": rng.choice(who), "to": "#"}},
    )
    return [{"at": f"{rng.randint(0, duration_s - 1)}s", **rng.choice(deeds)()} for _ in range(rng.randint(0, 4))]


def _faults(rng: Random, bad: str, *, is_long: bool) -> dict[str, Any]:
    """Some verbs, and whom they may make bad."""
    faults = rng.sample(HARMLESS, rng.randint(2, 8))
    if rng.random() < 1 / 3:
        faults.append("clock")
    found: dict[str, Any] = {
        "every": f"{rng.choice((2_000, 5_000)) if is_long else rng.choice((300, 600, 1_500))}ms",
        "longest": f"{rng.choice((2, 6, 15, 80 if is_long else 20))}s",
        "quiet": rng.choice((2, 6)),
        "faults": faults,
    }
    if bad:
        found["bad"] = bad
        found["faults"] = [*faults, *rng.sample(HOSTILE, rng.randint(1, 3))]
        if "hostile" in found["faults"] and rng.random() < 0.7:
            found["deeds"] = rng.sample(sorted(set(DEEDS) - set(OF_OTHER_VERSIONS)), rng.randint(1, 3))
    return found


def text_of(number: int) -> str:
    """The file of a number, which says how it was made."""
    return write(drawn(number), f"python -m tests.swarm.drawn {number}")


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].isdecimal():
        sys.exit("usage: python -m tests.swarm.drawn NUMBER > drawn.toml")
    sys.stdout.write(text_of(int(sys.argv[1])))
