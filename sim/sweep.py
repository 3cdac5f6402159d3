"""Sweeps: one scenario, many seeds, on all cores or many machines; interrupted and resumed; judged by what they have seen.

There is no scheduler of our own. Seeds go to an `Executor` (`concurrent.futures`): a pool of processes here, or the one
that Dask makes of a cluster (`gossamer[cluster]`). Each result is written to a file of JSON lines as it comes, so that
whatever is interrupted goes on where it was. A sweep fails where a seed breaks a promise, and also where its *gates* stay
shut: a fault that was never done, a frame that was never sent, a situation that never came about, a promise that was
never looked at.
"""

from __future__ import annotations

import logging
import os
import time
from array import array
from asyncio import run_coroutine_threadsafe
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from multiprocessing import get_context, parent_process
from pathlib import Path
from queue import SimpleQueue
from signal import SIG_BLOCK, SIG_IGN, SIG_SETMASK, SIGINT, pthread_sigmask, signal
from threading import Thread
from typing import Any, TypeVar

from sim.errors import JournalError, SimError
from sim.gates import gates_of
from sim.heap import Play
from sim.journal import Gathered, Journal, Subject
from sim.journal import Result as Result
from sim.replay import fingerprint
from sim.safeguards import off
from sim.scenario.building import with_round_trips
from sim.scenario.model import Scenario
from sim.seeds import Seeds, listed, seeds_among, together
from sim.stops import undisturbed
from sim.twice import play_twice

T = TypeVar("T")
AGAIN_EVERY = 20
"""One run in so many is played twice, and the traces compared."""
CHUNK = 1
"""Seeds that a worker plays before it answers: an interrupted sweep loses what is under way, and nothing that was played.
Handing out costs a millisecond, and playing some hundred."""
PIECES_MAX = 1_024
"""So many chunks are handed out and not yet answered; the others are not even made."""
MEASURED = ("converged_us", "median_us", "p99_us", "unavailable_us")
"""The figures that are kept of each seed."""


def play_seeds(
    scenario: Scenario, seeds: Sequence[int], without: Sequence[str] = (), sources: str = ""
) -> list[Result]:
    """Play some seeds, one after another. Runs in a worker. Raises `SimError` if that is not of the same sources."""
    if sources not in ("", fingerprint()):
        raise SimError(
            f"a worker has other sources than those that sweep ({fingerprint()}, and here {sources}); "
            "expected the same version on all machines, and none that is changed while it plays"
        )
    return [play_seed(scenario, seed, without) for seed in seeds]


def play_seed(scenario: Scenario, seed: int, without: Sequence[str] = ()) -> Result:
    """Play one seed; one in twenty twice."""
    begun = time.perf_counter()
    again, parting = None, None
    with off(*without):
        if seed % AGAIN_EVERY == AGAIN_EVERY - 1:
            outcome, again, parting = play_twice(scenario, seed)
        else:
            outcome = Play(scenario, seed).run()
    first = outcome.breaches[0] if outcome.breaches else None
    result = Result(
        seed,
        outcome.broken,
        first.about if first else "",
        list(first.witness) if first else [],
        outcome.trace,
        outcome.events,
        outcome.simulated_us,
        time.perf_counter() - begun,
        outcome.coverage,
        outcome.evaluated,
        asdict(outcome.figures),
    )
    if again is not None:
        result.events += again.events
        result.evaluated["deterministic"] = 1
        if parting is not None:
            result.broken = [*result.broken, "deterministic"]
            result.about = f"the same seed went two ways, first {parting.about}"
            result.witness = list(parting.witness)
    return result


@dataclass
class Tally:
    """What all seeds of a sweep came to."""

    scenario: Scenario
    seeds: int = 0
    events: int = 0
    simulated_us: int = 0
    busy_s: float = 0.0
    """Of all workers together."""
    failed: list[Result] = field(default_factory=list)
    coverage: dict[str, int] = field(default_factory=dict)
    evaluated: dict[str, int] = field(default_factory=dict)
    played: array[int] = field(default_factory=lambda: array("q"))
    """The seeds, as they came ..."""
    took_s: array[float] = field(default_factory=lambda: array("d"))
    """... how long each took ..."""
    measured: dict[str, array[int]] = field(default_factory=lambda: {name: array("q") for name in MEASURED})
    """... and its figures, -1 where there is none."""
    interrupted: bool = False
    missing: Seeds = field(default_factory=lambda: Seeds(()))
    """What was asked for, and is in none of the journals that were merged, or was not played before Ctrl-C."""

    def add(self, result: Result) -> None:
        """Count one seed."""
        self.seeds += 1
        self.events += result.events
        self.simulated_us += result.simulated_us
        self.busy_s += result.seconds
        self.played.append(result.seed)
        self.took_s.append(result.seconds)
        for name, values in self.measured.items():
            values.append(int(result.figures.get(name, -1)))
        if result.broken:
            self.failed.append(replace(result, coverage={}, evaluated={}))
        for found, kept in ((result.coverage, self.coverage), (result.evaluated, self.evaluated)):
            for label, count in found.items():
                kept[label] = kept.get(label, 0) + count

    def shut(self) -> list[str]:
        """The gates that stay shut: what these seeds should have come to, and did not."""
        return [f"{label}: {meaning}" for label, meaning in self.gates().items() if not self._seen(label)]

    def _seen(self, label: str) -> bool:
        kind, _, name = label.partition("/")
        return bool(self.evaluated.get(name) if kind == "promise" else self.coverage.get(label))

    def gates(self) -> dict[str, str]:
        """All that a sweep of this scenario has to see, and what it means."""
        return gates_of(self.scenario)

    @property
    def is_kept(self) -> bool:
        """Whether every seed that was asked for was played, and kept every promise."""
        return not (self.failed or self.interrupted or self.missing)

    @property
    def asked(self) -> int:
        """How many seeds it should have been."""
        return self.seeds + len(self.missing)

    def to_json(self, *, gates: bool = True) -> dict[str, Any]:
        """Plain values; none of gates where nobody asked for them."""
        return {
            "title": self.scenario.title,
            "seeds": self.seeds,
            "kept": self.is_kept,
            "failed": [asdict(result) for result in self.failed[:100]],
            "failed_count": len(self.failed),
            "gates_shut": self.shut() if gates else [],
            "events": self.events,
            "events_per_s_of_a_core": round(self.events / self.busy_s) if self.busy_s else 0,
            "simulated_s": self.simulated_us / 1e6,
            "simulated_s_per_s_of_a_core": round(self.simulated_us / 1e6 / self.busy_s) if self.busy_s else 0,
            "coverage": dict(sorted(self.coverage.items())),
            "evaluated": dict(sorted(self.evaluated.items())),
            "interrupted": self.interrupted,
            "missing": str(self.missing),
            "missing_count": len(self.missing),
        }


# --- who plays the seeds -------------------------------------------------------------------------------------------------


@contextmanager
def pool(jobs: int) -> Iterator[Executor]:
    """Processes on this machine. Spawned, so that they share nothing with whatever runs here."""
    executor = Pool(jobs)
    try:
        yield executor
    finally:
        executor.end()


class Pool(ProcessPoolExecutor):
    """Processes that hear no Ctrl-C, not even while they start; and that are gone when it has ended, whatever they did."""

    def __init__(self, jobs: int) -> None:
        """Nothing is started before the first seed."""
        super().__init__(jobs, mp_context=get_context("spawn"), initializer=_begin_work)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Hand something out. What is started for it begins with Ctrl-C blocked, as we have it here."""
        before = pthread_sigmask(SIG_BLOCK, {SIGINT})
        try:
            return super().submit(fn, *args, **kwargs)
        finally:
            pthread_sigmask(SIG_SETMASK, before)

    def end(self) -> None:
        """Nobody wants what is not answered yet. A pool that has lost its processes ends by itself, and at once."""
        for process in list((self._processes or {}).values()):
            process.terminate()
        self.shutdown(wait=True)


def _begin_work() -> None:
    """Ctrl-C is for whoever sweeps; and a worker ends with it, whatever ended that."""
    signal(SIGINT, SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None, "this is a worker"
    parent.join()
    os._exit(1)


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """The workers of a Dask cluster. Raises `SimError` where Dask is not installed or not there."""
    try:
        from distributed import Client  # noqa: PLC0415  # an extra
        from distributed.comm.addressing import get_address_host_port  # noqa: PLC0415
    except ImportError as error:
        raise SimError("Dask is not installed: pip install 'gossamer[cluster]'") from error
    for name in ("distributed", "distributed.client"):  # it writes whole tracebacks about what is told here in a line
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        if not address.startswith("ucx://"):  # before Dask begins anything
            get_address_host_port(address)
        client: Any = Client(address, timeout="10s")  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError) as error:
        raise SimError(f"no Dask scheduler answers at {address}: start one with `dask scheduler`") from error
    except ValueError as error:
        raise SimError(f"{address!r} is no address ({error}); expected one such as tcp://scheduler:8786") from error
    with client:
        yield Workers(client)


class Workers(Executor):
    """Those of a Dask cluster.

    Dask has an executor itself, which takes a result for an error if its worker or scheduler leaves in the moment in which
    it arrives.
    """

    def __init__(self, client: Any) -> None:
        """Of a client that whoever calls opens and closes."""
        self._client = client

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Hand something out."""
        asked = self._client.submit(fn, *args, pure=False, **kwargs)
        return run_coroutine_threadsafe(_answer(asked), self._client.loop.asyncio_loop)


async def _answer(asked: Any) -> Any:
    try:
        return await asked
    finally:
        asked.release()  # what is cancelled is taken back by that


# --- sweeping ------------------------------------------------------------------------------------------------------------


def sweep(
    scenario: Scenario,
    seeds: Collection[int],
    executor: Executor,
    *,
    without: Sequence[str] = (),
    journal: Path | None = None,
    told: Callable[[Result], None] = lambda _: None,
    first_failure: bool = False,
) -> Tally:
    """Play all seeds. With a journal, what it holds already is not played again. Ctrl-C keeps what there is.

    Who plays is on another machine, perhaps, and reads no file: the round trips of a matrix go along.
    """
    tally, done = Tally(scenario), Gathered()
    written = None if journal is None else Journal(journal, Subject(scenario, tuple(without)))
    for result in done.of(written, seeds.__contains__) if written is not None else ():
        tally.add(result)
    left = (seed for seed in seeds if seed not in done)
    kept = None if written is None else written.open(seeds_among(seeds))
    try:
        with closing(_played(executor, with_round_trips(scenario), left, tuple(without))) as results:
            for result in results:
                with undisturbed():  # it counts, and is kept, or neither
                    tally.add(result)
                    if written is not None and kept is not None:
                        written.write(kept, result)
                told(result)
                if first_failure and tally.failed:
                    break
    except KeyboardInterrupt:
        tally.interrupted = True
        played = set(tally.played)
        tally.missing = listed(seed for seed in seeds_among(seeds) if seed not in played)
    finally:
        if kept is not None:
            kept.close()
    tally.failed.sort(key=lambda result: result.seed)
    return tally


def _played(
    executor: Executor, scenario: Scenario, seeds: Iterator[int], without: tuple[str, ...]
) -> Generator[Result, None, None]:
    """Results as they come. Of many seeds only so many are handed out at a time; what is left at the end is taken back."""
    answered: SimpleQueue[Future[list[Result]]] = SimpleQueue()
    under_way: set[Future[list[Result]]] = set()

    def hand_out(pieces: int) -> None:
        for _ in range(pieces):
            piece = list(islice(seeds, CHUNK))
            if not piece:
                return
            future = executor.submit(play_seeds, scenario, piece, without, fingerprint())
            under_way.add(future)
            future.add_done_callback(answered.put)

    try:
        hand_out(PIECES_MAX)
        while under_way:
            future = answered.get()
            under_way.remove(future)
            try:
                found = future.result()
            except BrokenExecutor as error:
                raise SimError(
                    "a worker ended by itself, most often for want of memory; expected room for each of --jobs runs"
                ) from error
            except CancelledError as error:
                raise SimError(
                    "the scheduler gave back what it was to have played, most often because it ended; expected one that runs "
                    "until the sweep is done (with --journal nothing that was played is lost, and the sweep can go on)"
                ) from error
            yield from found
            hand_out(1)
    finally:
        if not isinstance(executor, Pool):  # which ends as a whole
            for future in under_way:
                future.cancel()


def merge(
    scenario: Scenario, journals: Iterable[Path], asked: Seeds | None = None, without: Sequence[str] = ()
) -> Tally:
    """Judge journals together, each seed once. What was asked for and is in none of them is `missing`.

    Without `asked`, all that any of them was asked for is: of a sweep in shards, all shards. Raises `JournalError` for
    a journal of something else, and where two say different things of a seed.
    """
    tally, found, known = Tally(scenario), Gathered(), []
    for path in journals:
        journal = Journal(path, Subject(scenario, tuple(without)))
        for result in found.of(journal, lambda seed: asked is None or seed in asked):
            tally.add(result)
        if asked is None and not journal.asked:
            problem = "it does not say which seeds its sweep was asked for, so nothing can be said to be missing"
            raise JournalError(str(path), 0, problem, "a journal that a sweep has written on, or --seeds")
        known += journal.asked
    wanted = together(known) if asked is None else asked
    tally.missing = listed(seed for seed in wanted if seed not in found)
    tally.failed.sort(key=lambda result: result.seed)
    return tally


def cores() -> int:
    """How many processes this machine may run at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
