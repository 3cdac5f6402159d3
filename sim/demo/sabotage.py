"""Sabotage: the daemon as it is, with one safeguard turned off, to see that the demo notices.

A safeguard is turned off by patching the program that is about to become a node (`run_node`) and, where clients share
in it, the demo's own. There is no setting for this, and nothing of it is in the daemon.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mesh.log.record import Record

LATE_S = 2.0
"""How long after its acknowledgement a batch is appended."""
SABOTAGES = ("fsync", "dedupe", "repair")
ABOUT = {
    "fsync": "nodes acknowledge at once and append 2 s later",
    "dedupe": "names do not de-duplicate, neither in nodes nor in clients",
    "repair": "nodes neither compare what they have nor ask for what was announced",
}


def launcher(name: str) -> str:
    """The program of a node whose safeguard is off."""
    assert name in SABOTAGES
    return f"from sim.demo.sabotage import run_node; run_node({name!r})"


def run_node(name: str) -> None:
    """Turn a safeguard off, then be the node that the command runs."""
    {"fsync": _acknowledge_first, "dedupe": _forget_names, "repair": _never_repair}[name]()
    from nodes.processes import run_child

    run_child()


def _acknowledge_first() -> None:
    """Answer before the disk has anything. Reads are as late as appends, else they would not find what was answered."""
    from mesh.effects import Append, Load, Stored
    from mesh.io.store.store import Store

    def append(store: Store, asked: Append) -> None:
        store._answer(Stored(asked.append, store.free_bytes()))
        _late(store._appends.put, lambda: store.writer.append(asked))

    def load(store: Store, asked: Load) -> None:
        _late(store._loads.put, lambda: store._load(asked))

    Store.append, Store.load = append, load  # type: ignore[assignment,method-assign]


def _late(call: Callable[..., Any], *arguments: Any) -> None:
    asyncio.get_running_loop().call_later(LATE_S, call, *arguments)


def _nothing(value: Any) -> Callable[..., Any]:
    return lambda *_args, **_named: value


def _forget_names() -> None:
    from mesh.engines.delivery.twins import Twins
    from mesh.log.names import NameIndex

    NameIndex.newest = _nothing(0)  # type: ignore[method-assign]
    Twins.unknown = _nothing([])  # type: ignore[method-assign]
    Twins.others = _nothing(())  # type: ignore[method-assign]


def _never_repair() -> None:
    from mesh.engines.dissemination import Dissemination
    from mesh.engines.repair import Repair

    Repair.compare = _nothing([])  # type: ignore[method-assign]
    Dissemination.on_ihave = _nothing([])  # type: ignore[method-assign]


@contextmanager
def in_clients(name: str) -> Iterator[None]:
    """Turn the clients' share of a safeguard off for as long as the demo runs."""
    from mesh.client.seen import Seen

    kept = Seen.note

    def note(seen: Seen, record: Record) -> tuple[bool, bool]:
        new, late = kept(seen, record)
        return True, late or not new

    if name == "dedupe":
        Seen.note = note  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        Seen.note = kept  # type: ignore[method-assign]
