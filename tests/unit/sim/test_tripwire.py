# ruff: noqa: PLW0108, DTZ001, DTZ002, DTZ003, DTZ011  # a name is looked up as it is called, and clocks are read on purpose
"""Each way out of a simulation to the world: told while a simulation lasts, untouched before and after it."""

import _thread
import datetime as dt
import importlib
import os
import random
import secrets
import threading
import time
import uuid
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import pytest

from sim.tripwire import ALWAYS, CLOCKS, GIVEN, TripwireError, tripwires

CALLS: dict[str, Callable[[], Any]] = {
    "random.random": lambda: random.random(),
    "random.randint": lambda: random.randint(1, 6),
    "random.randrange": lambda: random.randrange(6),
    "random.getrandbits": lambda: random.getrandbits(8),
    "random.randbytes": lambda: random.randbytes(8),
    "random.choice": lambda: random.choice("ab"),
    "random.choices": lambda: random.choices("ab"),
    "random.sample": lambda: random.sample("ab", 1),
    "random.shuffle": lambda: random.shuffle([1, 2]),
    "random.uniform": lambda: random.uniform(0, 1),
    "random.triangular": lambda: random.triangular(),
    "random.gauss": lambda: random.gauss(),
    "random.normalvariate": lambda: random.normalvariate(),
    "random.lognormvariate": lambda: random.lognormvariate(0, 1),
    "random.expovariate": lambda: random.expovariate(1),
    "random.vonmisesvariate": lambda: random.vonmisesvariate(0, 1),
    "random.gammavariate": lambda: random.gammavariate(1, 1),
    "random.betavariate": lambda: random.betavariate(1, 1),
    "random.paretovariate": lambda: random.paretovariate(1),
    "random.weibullvariate": lambda: random.weibullvariate(1, 1),
    "random.seed": lambda: random.seed(7),
    "random.getstate": lambda: random.getstate(),
    "random.setstate": lambda: random.setstate((3, (), None)),
    "random.Random.seed": lambda: random.Random(),
    "random.SystemRandom.random": lambda: random.SystemRandom().random(),
    "random.SystemRandom.getrandbits": lambda: random.SystemRandom().getrandbits(8),
    "random.SystemRandom.randbytes": lambda: random.SystemRandom().randbytes(8),
    "secrets.token_bytes": lambda: secrets.token_bytes(8),
    "secrets.token_hex": lambda: secrets.token_hex(8),
    "secrets.token_urlsafe": lambda: secrets.token_urlsafe(8),
    "secrets.randbelow": lambda: secrets.randbelow(8),
    "secrets.randbits": lambda: secrets.randbits(8),
    "secrets.choice": lambda: secrets.choice("ab"),
    "os.urandom": lambda: os.urandom(8),
    "os.getrandom": lambda: os.getrandom(8),
    "uuid.uuid1": lambda: uuid.uuid1(),
    "uuid.uuid4": lambda: uuid.uuid4(),
    "uuid.uuid6": lambda: uuid.uuid6(),  # from Python 3.14 on
    "uuid.uuid7": lambda: uuid.uuid7(),
    "uuid.getnode": lambda: uuid.getnode(),
    "time.time": lambda: time.time(),
    "time.time_ns": lambda: time.time_ns(),
    "time.monotonic": lambda: time.monotonic(),
    "time.monotonic_ns": lambda: time.monotonic_ns(),
    "time.perf_counter": lambda: time.perf_counter(),
    "time.perf_counter_ns": lambda: time.perf_counter_ns(),
    "time.process_time": lambda: time.process_time(),
    "time.process_time_ns": lambda: time.process_time_ns(),
    "time.thread_time": lambda: time.thread_time(),
    "time.thread_time_ns": lambda: time.thread_time_ns(),
    "time.clock_gettime": lambda: time.clock_gettime(0),
    "time.clock_gettime_ns": lambda: time.clock_gettime_ns(0),
    "time.sleep": lambda: time.sleep(0),
    "time.localtime": lambda: time.localtime(),
    "time.gmtime": lambda: time.gmtime(None),
    "time.ctime": lambda: time.ctime(),
    "time.asctime": lambda: time.asctime(),
    "time.strftime": lambda: time.strftime("%H"),
    "_thread.start_new_thread": lambda: _thread.start_new_thread(int, ()),
    "_thread.start_new": lambda: _thread.start_new(int, ()),
    "_thread.start_joinable_thread": lambda: _thread.start_joinable_thread(int),
    "threading.Thread.start": lambda: threading.Thread().start(),
    "datetime.datetime.now": lambda: dt.datetime.now(dt.UTC),
    "datetime.datetime.utcnow": lambda: dt.datetime.utcnow(),
    "datetime.datetime.today": lambda: dt.datetime.today(),
    "datetime.date.today": lambda: dt.date.today(),
}


def found(path: str) -> Any:
    module, *parts = path.split(".")
    here: Any = importlib.import_module(module)
    for part in parts:
        here = getattr(here, part, None)
    return here


HERE = [path for path in CALLS if found(path) is not None]


def test_everything_that_is_watched_is_called_here() -> None:
    clocks = [f"datetime.{kind}.{name}" for kind in ("datetime", "date") for name in CLOCKS]

    assert set(ALWAYS) | set(GIVEN) | {path for path in clocks if found(path) is not None} == set(CALLS)
    assert len(HERE) > 55


@pytest.mark.parametrize("path", HERE)
def test_it_is_told_inside_a_simulation(path: str) -> None:
    with tripwires(), pytest.raises(TripwireError) as told:
        CALLS[path]()

    assert str(told.value) == f"{path} was called inside a simulation: its result would differ at the next run"


@pytest.mark.parametrize("path", HERE)
def test_afterwards_all_is_as_it_was(path: str) -> None:
    before = found(path)

    with tripwires():
        within = found(path)
        with pytest.raises(TripwireError), tripwires():
            CALLS[path]()
        assert found(path) == within != before

    assert found(path) == before


def test_draws_from_a_seed_and_times_that_are_given_pass() -> None:
    with tripwires():
        assert random.Random(7).random() == random.Random(x=7).random()
        assert time.gmtime(0).tm_year == 1970
        assert time.strftime("%Y", time.gmtime(0)) == "1970"
        assert time.asctime(time.gmtime(0)).endswith("1970")
        assert time.localtime(0).tm_year in (1969, 1970)
        assert time.ctime(0)


def test_another_thread_lives_on() -> None:
    asked: SimpleQueue[str | None] = SimpleQueue()
    told: SimpleQueue[object] = SimpleQueue()

    def beside() -> None:
        while (path := asked.get()) is not None:
            told.put(CALLS[path]())

    thread = threading.Thread(target=beside)
    thread.start()
    with tripwires():
        for path in ("random.random", "time.time", "os.urandom", "datetime.date.today", "random.Random.seed"):
            asked.put(path)
            assert told.get(timeout=10)
    asked.put(None)
    thread.join()


def test_a_date_is_a_date_all_the_while() -> None:
    epoch, day = dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.date(1970, 1, 1)

    with tripwires():
        again = dt.datetime.fromtimestamp(0, dt.UTC)
        assert (again, dt.date.fromisoformat("1970-01-01")) == (epoch, day)
        assert isinstance(epoch, dt.datetime) and isinstance(epoch, dt.date)
        assert not isinstance(day, dt.datetime) and issubclass(type(epoch), dt.date)
        assert type(dt.datetime(1970, 1, 1)) is type(epoch) is type(again)
        assert dt.datetime.combine(day, epoch.timetz()) == epoch
