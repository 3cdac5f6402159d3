"""The program of a node whose safeguards are off, or whose disk can be made ill: patched, and then the daemon as it is.

There is no setting for any of this, and nothing of it is in the daemon. The patches of `sim.safeguards` act on the
classes of the core, so they hold in a real node as in a simulated one; what belongs to a host is patched here.

An ill disk is a shim above SQLite, because a file system of our own needs root. A file in the folder of `faults` says what
is wrong: with `full-disk` the node sees no free space, and appends fail with the error and the roll-back of SQLite's own
full disk; with `io-error` they fail with its input/output error; `slow-disk` holds how many microseconds each takes longer.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from mesh.effects import Append, Load, Stored
from mesh.io.store.store import Store
from mesh.io.store.writing import Writer
from nodes.processes import run_child

LATE_S = 2.0
"""How long after its acknowledgement a batch is appended, where that safeguard is off."""
NOT_HERE = ("intervals-with-rows",)
"""Safeguards of the simulated disk, which a real one does not have in that form."""
DISK_FAULTS = ("full-disk", "io-error", "slow-disk")


def launcher(without: Sequence[str] = (), faults: Path | None = None) -> str:
    """The program that becomes such a node."""
    folder = str(faults) if faults is not None else ""
    return f"from sim.proxy.child import run_node; run_node({tuple(without)!r}, {folder!r})"


def run_node(without: tuple[str, ...], faults: str) -> None:
    """Turn safeguards off, let the disk be made ill, then be the node that the command runs."""
    with ExitStack() as stack:
        if without:
            from sim.safeguards import off  # noqa: PLC0415  # only a sabotaged node loads the simulator

            stack.enter_context(off(*without))
        if "fsync-before-acknowledge" in without:
            _acknowledge_first()
        if faults:
            _ill_disk(Path(faults))
        run_child()


def _acknowledge_first() -> None:
    """Answer before the disk has anything. Reads are as late as appends, else they would not find what was answered."""

    def append(store: Store, asked: Append) -> None:
        store._answer(Stored(asked.append, store.free_bytes()))
        _late(store._appends.put, lambda: store.writer.append(asked))

    def load(store: Store, asked: Load) -> None:
        _late(store._loads.put, lambda: store._load(asked))

    Store.append, Store.load = append, load  # type: ignore[assignment,method-assign]


def _late(call: Callable[..., Any], *arguments: Any) -> None:
    asyncio.get_running_loop().call_later(LATE_S, call, *arguments)


def _ill_disk(folder: Path) -> None:
    full, failing, slow = (folder / name for name in DISK_FAULTS)
    free_bytes, write = Store.free_bytes, Writer._write

    def free(store: Store) -> int:
        return 0 if full.exists() else free_bytes(store)

    def ill(writer: Writer, append: Append) -> None:
        with suppress(OSError, ValueError):  # it is not there, or not any more
            time.sleep(int(slow.read_text()) / 1e6)  # on the store's own thread
        if full.exists():
            raise sqlite3.OperationalError("database or disk is full")
        if failing.exists():
            raise sqlite3.OperationalError("disk I/O error")
        write(writer, append)

    Store.free_bytes, Writer._write = free, ill  # type: ignore[assignment,method-assign]
