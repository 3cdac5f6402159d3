"""The store, as a host sees it: appends and loads go in, answers come back on threads of the store's.

Appends are made durable by one thread, in order; when one fails, all that were handed over behind it before the host
heard of it fail, too. Loads are answered by another thread from another connection. A failed fsync is fatal: what the
system says afterwards about the data cannot be believed, so the host is told to end.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from mesh.codes import Code
from mesh.effects import Append, Load, Loaded, RowsCorrupt, Stored, StoreFailed
from mesh.errors import HostError
from mesh.io.store.database import connect, open_database
from mesh.io.store.reading import Findings, Range, Reader, recover
from mesh.io.store.writing import Writer, is_fsync_failure
from mesh.types import LogId

VERIFY_ROWS = 64
"""Rows that the background check reads at a time ..."""
VERIFY_PAUSE_S = 0.05
"""... with a pause between."""
VERIFY_EVERY_S = 30.0
"""How often it looks for more."""
VERIFY_AGAIN_S = 86_400.0
"""When it begins anew."""

Answer = Stored | StoreFailed | Loaded | RowsCorrupt
Task = Callable[[], None]


class Store:
    """One node's disk. Not safe for two processes: the caller holds the data directory's lock."""

    def __init__(self, path: Path, mesh: bytes, *, synchronous: str = "FULL") -> None:
        """Open or make the store; `recovered` is what it holds. Raises `HostError`."""
        self.path = path
        connection = open_database(path, mesh, synchronous=synchronous)
        self._writing = connection
        self.writer = Writer(connection)
        try:
            clean = connection.execute("SELECT value FROM meta WHERE key='clean'").fetchone() == (1,)
            self.recovered = recover(connection, self.writer, clean=clean)
            self.writer.mark("clean", 0)
            self._reading = connect(path, synchronous=synchronous)
        except sqlite3.DatabaseError as error:
            connection.close()
            raise HostError(Code.STORE_UNREADABLE, f"{path}: {error}") from error
        self._reader = Reader(self._reading)
        self._appends: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._loads: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._generation = 0
        self._failed_generation = -1
        self._answer: Callable[[Answer], None] = lambda _: None
        self._fatal: Callable[[Exception], None] = lambda _: None
        self._closing = threading.Event()
        self._checked: dict[LogId, int] = {}
        """How far the background check has come in each log."""
        self._threads: list[threading.Thread] = []

    def start(self, answer: Callable[[Answer], None], fatal: Callable[[Exception], None]) -> None:
        """Begin to work. Both are called from the store's threads: hand over to your own.

        After `fatal` the store does nothing any more: a `HostError`, or what a bug of ours raised.
        """
        self._answer, self._fatal = answer, fatal
        jobs = (("writer", self._appends), ("reader", self._loads))
        self._threads = [threading.Thread(target=self._work, args=(tasks,), name=f"store-{n}") for n, tasks in jobs]
        self._threads.append(threading.Thread(target=self._verify, name="store-verifier"))
        for thread in self._threads:
            thread.daemon = True
            thread.start()

    def _work(self, tasks: queue.SimpleQueue[Task | None]) -> None:
        while (task := tasks.get()) is not None:
            try:
                task()
            except sqlite3.Error as error:
                code = Code.SYNC_FAILED if is_fsync_failure(error) else Code.STORE_UNREADABLE
                self._fatal(HostError(code, f"{self.path}: {error}"))
                return
            except OSError as error:  # the data directory is gone, or its disk
                self._fatal(HostError(Code.STORE_UNREADABLE, f"{self.path.parent}: {error.strerror}"))
                return
            except Exception as error:  # noqa: BLE001  # a thread that ended in silence would leave everyone waiting
                self._fatal(error)
                return

    def free_bytes(self) -> int:
        """Free space of the disk, as far as this user may take it."""
        found = os.statvfs(self.path.parent)
        return found.f_bavail * found.f_frsize

    # --- appends -----------------------------------------------------------------------------------------------------

    def append(self, append: Append) -> None:
        """Make an append durable; `Stored` or `StoreFailed` answers, in order."""
        generation = self._generation
        self._appends.put(lambda: self._append(append, generation))

    def heard_failure(self) -> None:
        """The host has heard of a failed append: what it hands over from now on is tried again."""
        self._generation += 1

    def _append(self, append: Append, generation: int) -> None:
        if generation <= self._failed_generation:
            self._answer(StoreFailed(append.append, "the append before it failed", self.free_bytes()))
            return
        try:
            self.writer.append(append)
        except sqlite3.Error as error:
            if is_fsync_failure(error):
                raise
            self._failed_generation = generation
            self._answer(StoreFailed(append.append, str(error), self.free_bytes()))
            return
        self._answer(Stored(append.append, self.free_bytes()))

    # --- loads -------------------------------------------------------------------------------------------------------

    def load(self, load: Load) -> None:
        """Read; `Loaded` answers."""
        self._loads.put(lambda: self._load(load))

    def _load(self, load: Load) -> None:
        loaded, findings = self._reader.load(load)
        self._mend(findings, lambda corrupt: self._answer(replace(loaded, corrupt=corrupt)))

    def _mend(self, findings: Findings, then: Callable[[tuple[Range, ...]], None]) -> None:
        """Have what is damaged dropped before anybody is told, so that it is not found again; `then` hears what was lost."""
        if not findings.damaged and not findings.reindex:
            then(())
            return

        def mend() -> None:
            lost = tuple(lost for log in sorted(findings.damaged) for lost in self.writer.mend(log))
            for log in sorted(findings.reindex):
                self.writer.reindex(log)
            then(lost)

        self._appends.put(mend)

    # --- the background check ----------------------------------------------------------------------------------------

    def _verify(self) -> None:
        """Read everything, slowly, from the beginning in each life and again every day; keep how far it was whole."""
        again_s = time.monotonic() + VERIFY_AGAIN_S
        while not self._closing.wait(VERIFY_PAUSE_S):
            busy = self.verify_some()
            if time.monotonic() >= again_s:
                again_s = time.monotonic() + VERIFY_AGAIN_S
                self._checked.clear()
            if not busy and self._closing.wait(VERIFY_EVERY_S):
                return

    def verify_some(self) -> bool:
        """Check the next rows of every log that has any which were not checked; whether there were any."""
        found = threading.Event()
        busy = [False]

        def check() -> None:
            for log in self._reader.logs():
                through, findings = self._reader.check(log, self._checked.get(log, 0), VERIFY_ROWS)
                if through:
                    busy[0] = True
                    self._checked[log] = through
                    self._appends.put(partial(self.writer.verified, log, through))
                self._mend(findings, self._tell_lost)
            found.set()

        self._loads.put(check)
        while not found.wait(0.05):
            if self._closing.is_set():
                return False
        return busy[0]

    def _tell_lost(self, lost: tuple[Range, ...]) -> None:
        if lost:
            self._answer(RowsCorrupt(lost))

    # --- the end -----------------------------------------------------------------------------------------------------

    def close(self, *, clean: bool) -> None:
        """Finish what was handed over, leave the clean mark if all went well, and close the file."""
        self._closing.set()
        if clean:
            self._appends.put(lambda: self.writer.mark("clean", 1))
        self._appends.put(None)
        self._loads.put(None)
        deadline = time.monotonic() + 5
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))
        if any(thread.is_alive() for thread in self._threads):
            return  # the disk hangs: the process ends without waiting for it, and the next start checks
        for connection in (self._reading, self._writing):
            with contextlib.suppress(sqlite3.Error):  # the data is safe; closing only tidies up
                connection.close()
