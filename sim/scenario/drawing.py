"""Random faults: for each verb, how its object is drawn. A draw of zero is the mildest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from sim.scenario.cast import Cast
from sim.scenario.events import ClientDeed, Event, HostileDeed
from sim.scenario.model import RandomFaults
from sim.tape import Stream

SHORTEST_US = 200_000
CLOCK_WRONG_US = (600_000_000, 3_600_000_000)
PAGE_LEAST, PAGE_SPREAD = 10, 50
"""Messages on a page: few, so that a reading takes several pages, and none takes a hundred."""

Drawn = Callable[[Cast, Stream], dict[str, Any] | None]


def of_this_seed(faults: RandomFaults, rng: Stream) -> RandomFaults:
    """The faults that a seed draws from: all, or a subset that is not empty."""
    if not faults.subset:
        return faults
    kept = tuple(fault for fault in dict.fromkeys(faults.faults) if rng.below(2))
    return faults.model_copy(update={"faults": kept or faults.faults[:1]})


def draw_fault(cast: Cast, faults: RandomFaults, at: int, rng: Stream) -> Event | None:
    """A fault that begins at `at`, or none."""
    index = rng.below(len(faults.faults) + faults.quiet)
    if index < faults.quiet:
        return None
    verb = faults.faults[index - faults.quiet]
    drawn = TABLE[verb](cast, rng)
    if drawn is None:
        return None
    lasting = {} if verb in MOMENTARY else {"for": SHORTEST_US + rng.below(faults.longest)}
    return Event.model_validate({"at": at, verb: drawn[verb], **lasting})


def _node(cast: Cast, rng: Stream) -> str:
    return rng.choice(list(cast.nodes))


def _client(cast: Cast, rng: Stream) -> str:
    return rng.choice(list(cast.clients))


def _halves(cast: Cast, rng: Stream) -> list[list[str]] | None:
    names = rng.shuffled(list(cast.nodes))
    if len(names) < 2:
        return None
    at = 1 + rng.below(len(names) - 1)
    return [sorted(names[:at]), sorted(names[at:])]


def _sides(verb: str) -> Drawn:
    def drawn(cast: Cast, rng: Stream) -> dict[str, Any] | None:
        sides = _halves(cast, rng)
        return None if sides is None else {verb: sides}

    return drawn


def _one_way(cast: Cast, rng: Stream) -> dict[str, Any] | None:
    sides = _halves(cast, rng)
    return None if sides is None else {"one-way": {"from": sides[0], "to": sides[1]}}


def _of_node(verb: str) -> Drawn:
    return lambda cast, rng: {verb: _node(cast, rng)}


def _of_client(verb: str) -> Drawn:
    return lambda cast, rng: {verb: _client(cast, rng)} if cast.clients else None


def _ring(cast: Cast, rng: Stream) -> dict[str, Any] | None:
    return {"ring": rng.shuffled(list(cast.nodes))} if len(cast.nodes) >= 4 else None


def _swizzle(cast: Cast, rng: Stream) -> dict[str, Any]:
    names = rng.shuffled(list(cast.nodes))
    return {"swizzle": names[: 1 + rng.below(len(names))]}


def _flap(cast: Cast, rng: Stream) -> dict[str, Any] | None:
    sides = _halves(cast, rng)
    if sides is None:
        return None
    return {
        "flap": {
            "between": sides,
            "up": 200_000 + rng.below(2_000_000),
            "down": 200_000 + rng.below(2_000_000),
            "times": 5,
        }
    }


def _link(cast: Cast, rng: Stream) -> dict[str, Any] | None:
    sides = _halves(cast, rng)
    if sides is None:
        return None
    change: dict[str, Any] = {"between": sides}
    match rng.below(6):
        case 0:
            change["extra"] = rng.below(2_000_000)
        case 1:
            change["loss"] = rng.below(500_000)
        case 2:
            change["burst"] = {"good": 500_000 + rng.below(5_000_000), "bad": 100_000 + rng.below(2_000_000)}
        case 3:
            change |= {"duplicate": 200_000, "reorder": 200_000, "corrupt": 50_000}
        case 4:
            change["rate"] = 64_000 + rng.below(2_000_000)
        case _:
            change["mtu"] = 400 + rng.below(1_000)
    return {"link": change}


def _clock(cast: Cast, rng: Stream) -> dict[str, Any]:
    change: dict[str, Any] = {"nodes": rng.choice(_bad(cast))}
    match rng.below(3):
        case 0:
            change["offset"] = rng.choice(CLOCK_WRONG_US) * rng.choice((1, -1))
        case 1:
            change["drift-ppm"] = rng.choice((500, -500, 20_000))
        case _:
            change["freeze"] = True
    return {"clock": change}


def _bad(cast: Cast) -> list[str]:
    faults = cast.scenario.random
    return cast.nodes_of(faults.bad) if faults is not None and faults.bad else list(cast.nodes)


OF_OTHER_VERSIONS = ("past", "future")
"""What a host says of itself as it greets: drawn at any other moment it does nothing."""

ONLY_IN_FILES = ("crowd", "bomb", "copy")
"""What does nothing for as long as books have room, which they have in what a seed draws; and what costs a link each time."""


def _hostile(cast: Cast, rng: Stream) -> dict[str, Any]:
    faults = cast.scenario.random
    named = () if faults is None else faults.deeds
    any_ = [deed for deed in get_args(HostileDeed) if deed not in (*OF_OTHER_VERSIONS, *ONLY_IN_FILES)]
    deed = rng.choice(list(named) or any_)
    return {"hostile": {"node": rng.choice(_bad(cast)), "does": deed, "share": 100_000 + rng.below(900_000)}}


def _hostile_client(cast: Cast, rng: Stream) -> dict[str, Any]:
    return {"hostile-client": {"gateways": _node(cast, rng), "does": rng.choice(get_args(ClientDeed))}}


def _move(cast: Cast, rng: Stream) -> dict[str, Any] | None:
    if not cast.clients:
        return None
    client = _client(cast, rng)
    gateways = list(cast.clients[client].gateways)
    return {"move-client": {"client": client, "to": rng.choice(gateways)}}


def _subscribe(cast: Cast, rng: Stream) -> dict[str, Any] | None:
    return {"subscribe": {"client": _client(cast, rng), "to": "#"}} if cast.clients else None


def _unsubscribe(cast: Cast, rng: Stream) -> dict[str, Any] | None:
    return {"unsubscribe": {"client": _client(cast, rng), "to": "#"}} if cast.clients else None


def _read_history(cast: Cast, rng: Stream) -> dict[str, Any] | None:
    if not cast.clients:
        return None
    how = {"page": PAGE_LEAST + rng.below(PAGE_SPREAD), "backwards": rng.below(2) == 1}
    return {"read-history": {"client": _client(cast, rng), **how}}


TABLE: dict[str, Drawn] = {
    "partition": _sides("partition"),
    "clog": _sides("clog"),
    "one-way": _one_way,
    "isolate": _of_node("isolate"),
    "ring": _ring,
    "swizzle": _swizzle,
    "flap": _flap,
    "link": _link,
    "misdiscover": lambda cast, rng: {"misdiscover": {"nodes": "*", "who": _node(cast, rng), "at": _node(cast, rng)}},
    "rebind": _of_node("rebind"),
    "crash": _of_node("crash"),
    "restart": _of_node("restart"),
    "crash-loop": lambda cast, rng: {"crash-loop": {"node": _node(cast, rng), "times": 1 + rng.below(5)}},
    "pause": _of_node("pause"),
    "slow-cpu": lambda cast, rng: {"slow-cpu": {"nodes": _node(cast, rng), "factor": 2 + rng.below(200)}},
    "drain": _of_node("drain"),
    "full-disk": _of_node("full-disk"),
    "slow-disk": lambda cast, rng: {"slow-disk": {"nodes": _node(cast, rng), "by": 1 + rng.below(500_000)}},
    "io-error": _of_node("io-error"),
    "fsync-fails": _of_node("fsync-fails"),
    "fsync-lies": _of_node("fsync-lies"),
    "bit-rot": lambda cast, rng: {"bit-rot": {"nodes": _node(cast, rng), "rows": 1 + rng.below(3)}},
    "misdirect": _of_node("misdirect"),
    "wipe": _of_node("wipe"),
    "snapshot": lambda cast, rng: {"snapshot": {"node": _node(cast, rng)}},
    "restore": lambda cast, rng: {"restore": {"node": _node(cast, rng)}},
    "scrub": _of_node("scrub"),
    "clock": _clock,
    "drop-client": _of_client("drop-client"),
    "offline": _of_client("offline"),
    "move-client": _move,
    "kill-client": _of_client("kill-client"),
    "give-up": _of_client("give-up"),
    "stop-reading": _of_client("stop-reading"),
    "subscribe": _subscribe,
    "unsubscribe": _unsubscribe,
    "read-history": _read_history,
    "hostile": _hostile,
    "hostile-client": _hostile_client,
}
MOMENTARY = frozenset(
    (
        "swizzle",
        "flap",
        "misdiscover",
        "rebind",
        "restart",
        "crash-loop",
        "bit-rot",
        "misdirect",
        "snapshot",
        "restore",
        "scrub",
        "subscribe",
        "unsubscribe",
        "read-history",
        "drop-client",
        "move-client",
        "kill-client",
        "give-up",
        "hostile-client",
    )
)
"""Verbs that have no duration of their own."""
