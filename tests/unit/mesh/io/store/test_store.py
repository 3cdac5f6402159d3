"""The store's threads: whatever ends one is told, so that nobody waits for it."""

import queue
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh.clocks.vector import IntervalSet
from mesh.codes import Code
from mesh.effects import Append, Load, Marks, OfNames, Ranges, Stored
from mesh.errors import HostError
from mesh.io.store import Store
from mesh.log.names import NameIndex
from tests.samples import MESH, Writer, record

WAIT_S = 5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "node"


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    store = Store(folder / "store.sqlite3", MESH)
    yield store
    store.close(clean=False)


def started(store: Store) -> tuple["queue.Queue[object]", "queue.Queue[Exception]"]:
    answers: queue.Queue[object] = queue.Queue()
    faults: queue.Queue[Exception] = queue.Queue()
    store.start(answers.put, faults.put)
    return answers, faults


def test_data_directory_that_vanishes_ends_the_store_with_its_code(store: Store, folder: Path) -> None:
    answers, faults = started(store)
    batch = Writer().write()
    store.append(Append(1, (batch,), Marks()))
    assert isinstance(answers.get(timeout=WAIT_S), Stored)

    shutil.rmtree(folder)
    store.append(Append(2, (), Marks()))

    fault = faults.get(timeout=WAIT_S)
    assert isinstance(fault, HostError)
    assert fault.code == Code.STORE_UNREADABLE


@pytest.mark.parametrize("thread", ["reader", "writer"])
def test_bug_in_a_thread_is_told_and_not_swallowed(store: Store, thread: str) -> None:
    _, faults = started(store)
    nonsense = "no load and no append"

    if thread == "reader":
        store.load(nonsense)  # type: ignore[arg-type]
    else:
        store.append(nonsense)  # type: ignore[arg-type]

    assert isinstance(faults.get(timeout=WAIT_S), AttributeError)


def test_load_is_answered_while_the_store_lives(store: Store) -> None:
    answers, faults = started(store)
    batch = Writer().write()
    store.append(Append(1, (batch,), Marks()))
    answers.get(timeout=WAIT_S)

    store.load(Load(3, Ranges(batch.log, ((1, 1),)), 1 << 20))

    loaded = answers.get(timeout=WAIT_S)
    assert [found.name for found in loaded.batches] == [batch.name]  # type: ignore[attr-defined]
    assert faults.empty()


def test_a_batch_that_holds_a_name_often_is_read_once(store: Store) -> None:
    """Whoever wrote one name a thousand times into one batch had it read, and all of it compared, a thousand times."""
    answers, faults = started(store)
    writer = Writer()
    often = writer.seal([record(1, stamp=writer._stamp + at) for at in range(1, 51)])
    writer._stamp += 50
    once = writer.write()
    held = IntervalSet([(1, 51)])
    named = (*NameIndex().note(often, held), *NameIndex().note(once, held))
    assert len(named) == 51
    marks = Marks(named)
    store.append(Append(1, (often, once), marks))
    assert isinstance(answers.get(timeout=WAIT_S), Stored)

    store.load(Load(3, OfNames("pub", 7, 1, 1), 1 << 20))

    loaded = answers.get(timeout=WAIT_S)
    assert [found.name for found in loaded.batches] == [often.name, once.name]  # type: ignore[attr-defined]
    assert faults.empty()
