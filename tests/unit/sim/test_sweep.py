from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from sim.errors import SimError
from sim.replay import fingerprint
from sim.scenario.reading import find, read
from sim.sweep import CHUNK, PIECES_MAX, Result, cluster, play_seeds, sweep
from tests.sweep_samples import Here, scenario


def test_a_sweep_counts_what_its_seeds_came_to() -> None:
    told: list[int] = []

    tally = sweep(scenario(), range(20), Here(), told=lambda result: told.append(result.seed))

    assert (tally.seeds, tally.is_kept, sorted(told)) == (20, True, list(range(20)))
    assert tally.evaluated["deterministic"] == 1
    assert tally.coverage["frame/Push"] > 20
    assert tally.to_json()["gates_shut"] == []


def test_a_failing_seed_is_kept_with_its_witness_and_its_gates() -> None:
    tally = sweep(scenario(guarantees={"see": ["disk/wiped"]}), range(3), Here(), first_failure=True)

    assert [result.broken for result in tally.failed] == [["bounds"]] * len(tally.failed)
    assert tally.failed[0].about == "disk/wiped never happened, so this run proves nothing"
    assert tally.shut() == ["disk/wiped: the scenario says that it must happen"]


def test_an_interrupted_sweep_keeps_what_it_has_and_goes_on(tmp_path: Path) -> None:
    journal = tmp_path / "sweep.jsonl"
    first = sweep(scenario(), range(20), Here(), journal=journal)
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join(lines[:8]) + '\n{"seed": 7, "bro')  # as one that was killed leaves it

    went_on = Here()
    again = sweep(scenario(), range(20), went_on, journal=journal)

    assert went_on.calls == 14
    assert (again.seeds, again.events, again.coverage) == (first.seeds, first.events, first.coverage)


def test_ctrl_c_is_told_and_loses_nothing(tmp_path: Path) -> None:
    journal = tmp_path / "sweep.jsonl"

    tally = sweep(scenario(), range(20), Here(interrupted_at=2), journal=journal)

    told = tally.to_json()
    assert (tally.interrupted, tally.is_kept, tally.seeds, tally.asked) == (True, False, 0, 20)
    assert (told["interrupted"], told["kept"], told["missing"], told["missing_count"]) == (True, False, "0..19", 20)
    assert sweep(scenario(), range(20), Here(), journal=journal).seeds == 20


class Failing(Here):
    """Answers at once that every seed failed."""

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        return super().submit(lambda _, seeds, *__: [Result(seed, ["once"]) for seed in seeds], *args, **kwargs)


def test_of_many_seeds_only_so_many_are_handed_out() -> None:
    """A sweep of millions lists neither its seeds nor its pieces: the first failure ends it at once."""
    executor = Failing()

    sweep(scenario(), range(10**12), executor, first_failure=True)

    assert executor.calls == PIECES_MAX
    assert executor.seeds == list(range(PIECES_MAX * CHUNK))


class Dying(Here):
    """A pool whose processes have ended by themselves."""

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(BrokenProcessPool("a process was killed"))
        return future


def test_a_worker_that_died_is_told() -> None:
    with pytest.raises(SimError, match="a worker ended by itself, most often for want of memory; expected room"):
        sweep(scenario(), range(3), Dying())


class TakingBack(Here):
    """A cluster whose scheduler has ended."""

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.cancel()
        return future


def test_a_scheduler_that_gives_back_what_it_was_to_have_played_is_told() -> None:
    with pytest.raises(SimError, match=r"the scheduler gave back .*; expected one that runs until the sweep is done"):
        sweep(scenario(), range(3), TakingBack())


def test_a_worker_with_other_sources_plays_nothing() -> None:
    assert [result.seed for result in play_seeds(scenario(), [3], sources=fingerprint())] == [3]
    with pytest.raises(SimError, match=r"a worker has other sources .*; expected the same version on all machines"):
        play_seeds(scenario(), [3], sources="0123")


def test_what_did_not_converge_comes_with_what_was_done_last_and_what_is_missing() -> None:
    (failed,) = sweep(read(find("halves")), [1], Here(), without=["repair"]).failed

    assert failed.broken[0] == "converges"
    assert failed.witness[-2].endswith("end of partition ana | ben cy for 8s")
    assert " has not got " in failed.witness[-1]


@pytest.mark.parametrize("address", ["nonsense", "tcp://", "carrier-pigeon://coop:1", ""])
def test_what_is_no_address_is_told(address: str) -> None:
    with (
        pytest.raises(SimError, match=r"is no address .*; expected one such as tcp://scheduler:8786"),
        cluster(address),
    ):
        pass


def test_a_cluster_that_is_not_there_is_told() -> None:
    with (
        pytest.raises(SimError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"),
        cluster("tcp://127.0.0.1:9"),
    ):
        pass
