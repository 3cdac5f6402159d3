"""The real store, its write-ahead log cut off at every frame boundary of a run: what was answered is there, whole."""

import queue
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh.effects import Append, Marks, Stored
from mesh.errors import HostError
from mesh.io.store import Store
from mesh.log.holdings import Holdings
from mesh.log.log import Log, Run
from tests.samples import BEN, MESH, Writer

pytestmark = pytest.mark.live
APPENDS = 20
WAL_HEADER_BYTES, FRAME_HEADER_BYTES = 32, 24


def appends() -> Iterator[Append]:
    """A run of appends: one to three batches of two logs each, with names and channels, as a node makes them."""
    writers = [Writer(), Writer(BEN)]
    holdings = Holdings(0)
    for number in range(1, APPENDS + 1):
        turns = [(number + i) % 2 for i in range(1 + number % 3)]
        batches = tuple(writers[turn].write(1 + number % 4, publisher=f"pub-{turn}") for turn in turns)
        for batch in batches:
            holdings.receive(batch)
        channels = tuple((c, b.log, b.first) for b in batches for c in {r.channel for r in b.records()})
        yield Append(number, batches, Marks(holdings.named(), channels))


def filled(folder: Path, *, keep_intervals: bool = True) -> tuple[Path, list[tuple[int, Append]]]:
    """A store after a run whose end never came; with each append, how long the write-ahead log was when it was answered."""
    path = folder / "store.sqlite3"
    store = Store(path, MESH)
    store.writer.keep_intervals = keep_intervals
    answers: queue.Queue[object] = queue.Queue()
    store.start(answers.put, answers.put)
    made: list[tuple[int, Append]] = []
    for append in appends():
        store.append(append)
        assert isinstance(answers.get(timeout=5), Stored)
        made.append((path.with_name(path.name + "-wal").stat().st_size, append))
    (folder / "cut").mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", folder / "cut" / f"{path.name}{suffix}")
    store.close(clean=False)
    return folder / "cut" / path.name, made


def cut_at(path: Path, size: int) -> Path:
    """A copy of a store whose write-ahead log ends after so many bytes."""
    target = path.with_name("copy")
    for suffix in ("", "-wal", "-shm"):
        target.with_name(f"{target.name}{suffix}").unlink(missing_ok=True)
    shutil.copy(path, target)
    with path.with_name(f"{path.name}-wal").open("rb") as wal:
        target.with_name(f"{target.name}-wal").write_bytes(wal.read(size))
    return target


def boundaries(path: Path) -> list[int]:
    """Where frames end in a write-ahead log."""
    wal = path.with_name(f"{path.name}-wal").read_bytes()
    (page,) = struct.unpack(">I", wal[8:12])
    frame = FRAME_HEADER_BYTES + page
    return list(range(WAL_HEADER_BYTES, len(wal) + 1, frame))


def test_store_cut_off_at_every_frame_keeps_all_that_it_answered(tmp_path: Path) -> None:
    path, made = filled(tmp_path)
    ends = boundaries(path)
    assert len(ends) > APPENDS

    for size in ends:
        store = None
        try:
            store = Store(cut_at(path, size), MESH)
        except HostError:
            assert size < made[0][0], "before the first append the file is still being made"
            continue
        answered = [append for length, append in made if length <= size]
        logs = {marks.log: marks for marks in store.recovered.logs}
        for append in answered:
            for batch in append.batches:
                assert any(run.first <= batch.first and batch.last <= run.last for run in logs[batch.log].runs), size
        for log, marks in logs.items():
            number = store.writer._numbers.find(log)
            assert number is not None
            assert list(marks.runs) == store.writer.derive(log, number).runs, (
                f"intervals differ from the rows at {size}"
            )
        names = {(run.publisher, run.log, run.first, run.last) for run in store.recovered.names}
        assert len(names) == len(store.recovered.names) <= 2
        assert store.recovered.corrupt == ()
        store.close(clean=False)


def test_rows_without_intervals_are_seen(tmp_path: Path) -> None:
    path, _ = filled(tmp_path, keep_intervals=False)

    store = Store(path, MESH)
    logs = {marks.log: marks for marks in store.recovered.logs}
    differing = [
        log
        for log in store.writer._numbers.all()
        if list(logs[log].runs) != store.writer.derive(log, store.writer._numbers.find(log) or 0).runs
    ]
    store.close(clean=False)

    assert len(differing) == 2, "the safeguard was off, and nobody noticed"


def test_intervals_are_those_of_the_rows_after_each_append(tmp_path: Path) -> None:
    path, _ = filled(tmp_path)

    store = Store(path, MESH)
    derived = {
        log: store.writer.derive(log, store.writer._numbers.find(log) or 0) for log in store.writer._numbers.all()
    }
    found = {marks.log: Log(marks.log, tuple(Run(*run) for run in marks.runs)) for marks in store.recovered.logs}
    store.close(clean=False)

    assert {log: held.runs for log, held in found.items()} == {log: held.runs for log, held in derived.items()}
