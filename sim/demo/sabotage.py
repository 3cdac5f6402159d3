"""Sabotage: the daemon as it is, with one safeguard turned off, to see that the demo notices.

The switches are those of the simulator (`sim.safeguards`); nodes are patched before they begin (`sim.proxy.child`), and
the demo's own clients for as long as it runs.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from sim.proxy import child

SAFEGUARDS = {"fsync": "fsync-before-acknowledge", "dedupe": "de-duplication", "repair": "repair"}
SABOTAGES = tuple(SAFEGUARDS)
ABOUT = {
    "fsync": "nodes acknowledge at once and append 2 s later",
    "dedupe": "names do not de-duplicate, neither in nodes nor in clients",
    "repair": "nodes neither compare what they have nor ask for what was announced",
}


def launcher(name: str) -> str:
    """The program of a node whose safeguard is off."""
    return child.launcher((SAFEGUARDS[name],))


def in_clients(name: str) -> AbstractContextManager[None]:
    """Turn the clients' share of a safeguard off for as long as the demo runs."""
    if not name:
        return nullcontext()
    from sim.safeguards import off

    return off(SAFEGUARDS[name])
