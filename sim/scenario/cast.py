"""Who takes part in a scenario: nodes and clients by name, and whom a pattern means.

`Cast` also holds what cannot be said by a schema: every name in a timeline is somebody's, and no partition has a node on
two sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from sim.plain import short
from sim.scenario.events import DRAWN, VERBS, Event, HostileClient, PublishTo
from sim.scenario.model import CLIENTS_MAX, NODES_MAX, SUBSCRIPTIONS_MAX, ClientGroup, Group, Scenario

Loc = tuple[str | int, ...]


class CastError(Exception):
    """A name that is nobody's, or sides that overlap: where in the file, what is wrong, what was expected."""

    def __init__(self, loc: Loc, problem: str, expected: str) -> None:
        """Keep the parts."""
        self.loc, self.problem, self.expected = loc, problem, expected
        super().__init__(f"{problem}; expected {expected}")


@dataclass(frozen=True, slots=True)
class Member:
    """A node."""

    name: str
    region: str
    group: Group


@dataclass(frozen=True, slots=True)
class Person:
    """A client; its gateways are names of nodes, in the order in which it tries them."""

    name: str
    group: ClientGroup
    gateways: tuple[str, ...]


class Cast:
    """All nodes and clients of a scenario, in order."""

    def __init__(self, scenario: Scenario) -> None:
        """Name everybody. Raises `CastError`."""
        self.scenario = scenario
        for most, what, groups, place in (
            (NODES_MAX, "nodes", scenario.topology.node, ("topology", "node")),
            (CLIENTS_MAX, "clients", scenario.client, ("client",)),
        ):
            count = sum(group.count for group in groups)
            if count > most:
                raise CastError((*place, len(groups) - 1), f"{count:,} {what}", f"at most {most:,}")
        asked = sum(group.count * each.spread for group in scenario.client for each in group.subscribe)
        if asked > SUBSCRIPTIONS_MAX:
            raise CastError(
                ("client", len(scenario.client) - 1), f"{asked:,} subscriptions", f"at most {SUBSCRIPTIONS_MAX:,}"
            )
        self.nodes: dict[str, Member] = {}
        for index, group in enumerate(scenario.topology.node):
            for name in _numbered(group.name, group.count):
                if name in self.nodes:
                    raise CastError(("topology", "node", index), f"two nodes are named {name!r}", "names that differ")
                self.nodes[name] = Member(name, group.region, group)
        self.regions = sorted({member.region for member in self.nodes.values()})
        self.clients: dict[str, Person] = {}
        for index, crowd in enumerate(scenario.client):
            self._add_clients(crowd, ("client", index))
        self._check()

    def _add_clients(self, group: ClientGroup, loc: Loc) -> None:
        at = self.nodes_of(group.at or group.gateways or ("*",), (*loc, "at" if group.at else "gateways"))
        may = self.nodes_of(group.gateways or ("*",), (*loc, "gateways"))
        for index, name in enumerate(_numbered(group.name, group.count)):
            if name in self.clients:
                raise CastError(loc, f"two clients are named {name!r}", "names that differ")
            home = at[index % len(at)]
            region = self.nodes[home].region
            others = [node for node in may if node != home]
            near = [node for node in others if self.nodes[node].region == region]
            self.clients[name] = Person(name, group, (home, *near, *(node for node in others if node not in near)))

    # --- whom a pattern means ----------------------------------------------------------------------------------------

    def nodes_of(self, names: Iterable[str], loc: Loc = ()) -> list[str]:
        """The nodes that patterns mean, in order. Raises `CastError` for one that means nobody."""
        wanted: set[str] = set()
        for name in names:
            if name.startswith("@"):
                found = {m.name for m in self.nodes.values() if fnmatchcase(m.region, name[1:])}
            else:
                found = {node for node in self.nodes if fnmatchcase(node, name)}
            if not found:
                raise CastError(
                    loc, f"no node is called {short(name)}", f"one of {_some(self.nodes)}, or @ and a region"
                )
            wanted |= found
        return [node for node in self.nodes if node in wanted]

    def clients_of(self, names: Iterable[str], loc: Loc = ()) -> list[str]:
        """The clients that patterns mean, in order. Raises `CastError` for one that means nobody."""
        wanted: set[str] = set()
        for name in names:
            found = {client for client in self.clients if fnmatchcase(client, name)}
            if not found:
                raise CastError(loc, f"no client is called {short(name)}", f"one of {_some(self.clients)}")
            wanted |= found
        return [client for client in self.clients if client in wanted]

    def sides_of(self, sides: Sequence[Iterable[str]], loc: Loc = ()) -> list[list[str]]:
        """The sides of a partition. Raises `CastError` where a node is on two."""
        found = [self.nodes_of(side, (*loc, index)) for index, side in enumerate(sides)]
        seen: set[str] = set()
        for side in found:
            both = seen.intersection(side)
            if both:
                raise CastError(loc, f"{min(both)!r} is on two sides", "sides that have no node in common")
            seen.update(side)
        return found

    # --- what a schema cannot say ------------------------------------------------------------------------------------

    def _check(self) -> None:
        scenario = self.scenario
        for index, link in enumerate(scenario.topology.link):
            for side in link.between:
                self.nodes_of(side, ("topology", "link", index, "between"))
        if isinstance(scenario.topology.links, tuple):
            for index, pair in enumerate(scenario.topology.links):
                self.nodes_of(pair, ("topology", "links", index))
        for index, work in enumerate(scenario.workload):
            self.clients_of(work.clients, ("workload", index, "clients"))
        for index, event in enumerate(scenario.timeline):
            self.check_event(event, ("timeline", index))
        if scenario.random is not None:
            self._check_drawn(scenario.random.faults)
            if scenario.random.bad:
                self.nodes_of(scenario.random.bad, ("random", "bad"))
        if not isinstance(scenario.core, str):
            self.nodes_of(scenario.core, ("core",))

    def _check_drawn(self, faults: Iterable[str]) -> None:
        """Every verb that is to be drawn is one that can be. Raises `CastError`."""
        found = next((fault for fault in faults if fault not in DRAWN), None)
        if found is not None:
            no = f"{short(found)} is never drawn" if found in VERBS else f"no fault is called {short(found)}"
            raise CastError(("random", "faults"), no, f"some of {', '.join(DRAWN)}")

    def check_event(self, event: Event, loc: Loc) -> None:
        """Everybody whom an event names exists. Raises `CastError`."""
        what: Any = event.what
        loc = (*loc, event.verb)
        match event.verb:
            case "partition" | "clog":
                self.sides_of(what, loc)
            case "one-way":
                self.sides_of((what.from_, what.to), loc)
            case "flap" | "link":
                self.sides_of(what.between, loc)
            case "ring":
                if len(self.nodes_of(what, loc)) < 4:
                    raise CastError(loc, "a ring of fewer than 4 nodes is no partition", "at least 4 nodes")
            case "move-client":
                self.clients_of(what.client, loc)
                self.nodes_of(what.to, loc)
            case "subscribe" | "unsubscribe" | "read-history" | "publish":
                self.clients_of(what.client, loc)
                if isinstance(what, PublishTo) and what.copies > len(self.nodes):
                    raise CastError(
                        loc, f"copies = {what.copies}", f"at most the {len(self.nodes)} nodes that there are"
                    )
                if isinstance(what, PublishTo) and what.regions > len(self.regions):
                    raise CastError(
                        loc, f"regions = {what.regions}", f"at most the {len(self.regions)} regions that there are"
                    )
            case "snapshot" | "restore" | "crash-loop" | "hostile":
                if len(self.nodes_of((what.node,), loc)) > 1:
                    raise CastError(loc, f"{short(what.node)} are several nodes", "one node")
            case "misdiscover":
                self.nodes_of(what.nodes, loc)
                for name in (what.who, what.at):
                    if len(self.nodes_of((name,), loc)) > 1:
                        raise CastError(loc, f"{short(name)} are several nodes", "one node")
            case "drop-client" | "offline" | "kill-client" | "give-up" | "stop-reading":
                self.clients_of(what, loc)
            case _:
                self.nodes_of(_nodes_in(what), loc)


def _nodes_in(what: Any) -> tuple[str, ...]:
    """The names of nodes in what a verb of nodes has."""
    if isinstance(what, tuple):
        return what
    if isinstance(what, HostileClient):
        return what.gateways
    names: tuple[str, ...] = what.nodes
    return names


def _numbered(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}-{number}" for number in range(1, count + 1)]


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:6]) + (", …" if len(listed) > 6 else "") if listed else "none: there is nobody"
