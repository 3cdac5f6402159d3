"""Intake where another process writes in our log: a new epoch, and what has to be sealed in it once more."""

from mesh.clocks.hybrid import HybridClock
from mesh.effects import Count, Outcome, Placed
from mesh.engines.intake import NUMBER_STEP, RESCUED_BYTES_MAX, Intake, IntakeConfig
from mesh.log.batch import Batch, seal
from mesh.log.holdings import Holdings
from mesh.operations import Draft, Publish
from mesh.rng import Rng
from mesh.types import LogId, SessionId
from tests.engine_samples import at, identity, keep
from tests.samples import ANA, SUITE, WALL_MS, Writer, record

SEAT = SessionId(1)
LIFE = 1 << 20
LOG = LogId(ANA, LIFE)
OPENED = Count("epochs_total")


def intake(*sequences: int) -> Intake:
    """An intake that has sealed these in its first log."""
    one = Intake(IntakeConfig(), identity("ana"), SUITE, Holdings(), HybridClock(), Rng(b"intake"), 1 << 40, life=LIFE)
    one.on_attached(SEAT, "me", 7)
    if sequences:
        publish(one, *sequences)
        sealed(one)
    return one


def next_log(one: Intake) -> LogId:
    """The log that it has opened after the first."""
    assert one.epoch is not None and LIFE < one.epoch.number <= LIFE + NUMBER_STEP
    return LogId(ANA, one.epoch.number)


def publish(one: Intake, *sequences: int) -> list[Outcome]:
    outcomes = one.publish(SEAT, Publish(tuple(Draft("room/1", sequence, b"x") for sequence in sequences)), at())
    one.check_all()
    return outcomes


def sealed(one: Intake) -> tuple[list[Batch], list[Outcome]]:
    batches, outcomes = one.seal(at(), WALL_MS)
    one.check()
    one.check_all()
    one.holdings.check_all()
    return batches, outcomes


def placed(sequence: int, log: LogId, position: int) -> Placed:
    return Placed(SEAT, sequence, sequence, log, position, position, 1, 1)


def test_a_log_of_our_own_that_was_forked_takes_nothing_more() -> None:
    one = intake(1)
    one.holdings.fork(LOG, 0)
    publish(one, 2)

    assert sealed(one)[1] == [OPENED, placed(2, next_log(one), 1), Count("published_total", 1)]


def test_a_fork_of_another_log_changes_nothing_here() -> None:
    one = intake(1)
    one.holdings.fork(LogId(ANA, LIFE + 1), 0)
    publish(one, 2)

    assert sealed(one)[1] == [placed(2, LOG, 2), Count("published_total", 1)]


def test_a_log_in_which_a_cloned_memory_wrote_on_is_left_to_it() -> None:
    one = intake(1)
    assert one.epoch is not None and one.signer is not None
    clones = seal(LOG, 2, one.head, [record(9)], one.signer, one.epoch)
    one.holdings.receive(clones)
    publish(one, 2)

    assert sealed(one)[1] == [OPENED, placed(2, next_log(one), 1), Count("published_total", 1)]


def test_what_was_rescued_is_sealed_as_it_was_before_what_is_new() -> None:
    one = intake(1)
    one.holdings.fork(LOG, 0)
    old = record(5, b"old", publisher="other"), record(6, b"old", stamp=record(5).stamp + 1, publisher="other")
    one.rescue(old)
    one.rescue((record(8, b"older", publisher="other"),))
    publish(one, 2)

    batches, outcomes = sealed(one)

    assert [batch.records() for batch in batches[:2]] == [list(old), [record(8, b"older", publisher="other")]]
    assert [(batch.log, batch.first, batch.last) for batch in batches] == [
        (next_log(one), 1, 2),
        (next_log(one), 3, 3),
        (next_log(one), 4, 4),
    ]
    assert outcomes == [OPENED, placed(2, next_log(one), 4), Count("published_total", 1)]
    assert sealed(one) == ([], [])


def test_what_was_rescued_needs_nothing_new_to_be_sealed() -> None:
    one = intake()
    one.rescue((record(5),))

    batches, outcomes = sealed(one)

    assert [batch.log for batch in batches] == [LOG]
    assert outcomes == [OPENED]
    assert one.rescued == []


def test_a_name_beyond_the_end_of_a_forked_log_is_new_and_one_before_it_is_not() -> None:
    one = intake(1)
    publish(one, 2)
    sealed(one)
    one.holdings.fork(LOG, 1)

    assert publish(one, 1, 2) == [placed(1, LOG, 1)]
    assert sealed(one)[1] == [OPENED, placed(2, next_log(one), 1), Count("published_total", 1)]


def test_a_memory_that_is_put_back_twice_opens_no_epoch_twice() -> None:
    def opened(binding: bytes = b"", ms: int = 0) -> tuple[int, bytes]:
        one = intake(1)
        one.holdings.fork(LOG, 0)
        one.rng.mix(binding)
        publish(one, 2)
        one.seal(at(ms), WALL_MS)
        assert one.epoch is not None
        return one.epoch.number, one.epoch.public

    assert opened() == opened()
    seen = [opened(), opened(b"a connection"), opened(b"another"), opened(ms=1)]
    assert [len(set(each)) for each in zip(*seen, strict=True)] == [4, 4]


def test_no_epoch_takes_a_number_under_which_something_of_ours_is_known() -> None:
    one = intake()
    keep(one.holdings, Writer(ANA, epoch=LIFE).write())
    publish(one, 1)
    sealed(one)
    known = intake()
    first = next_log(one)
    known.holdings.fork(first, 0)
    keep(known.holdings, Writer(ANA, epoch=LIFE).write())
    publish(known, 1)
    sealed(known)

    assert known.epoch is not None and known.epoch.number > first.epoch


def test_what_stands_in_a_log_by_now_is_not_sealed_anew() -> None:
    one = intake()
    both, first = (record(5), record(6, stamp=record(5).stamp + 1)), (record(5),)
    for records in (first, both, first):
        one.rescue(records)

    batches, _ = sealed(one)

    assert [batch.records() for batch in batches] == [[both[0]], [both[1]]]


def test_there_is_room_to_rescue_so_much_and_only_while_the_disk_takes_publishes() -> None:
    one = intake()
    reserve, text = IntakeConfig().disk_reserve_bytes, record(5)
    assert one.rescue_room(at()) == RESCUED_BYTES_MAX
    one.rescue((text,))
    assert one.rescue_room(at()) == RESCUED_BYTES_MAX - len(text.raw)
    one.check()

    one.on_space(reserve - 1)
    assert one.rescue_room(at()) == 0
    one.on_space(reserve)
    one.on_append_failed(at())
    assert one.rescue_room(at(999)) == 0
    assert one.rescue_room(at(1_000)) == RESCUED_BYTES_MAX
    one.draining = True
    assert one.rescue_room(at(1_000)) == 0


def test_a_failed_append_says_whether_it_took_with_it_what_was_rescued() -> None:
    one = intake()
    one.rescue((record(5),))
    first, _ = sealed(one)
    one.holdings.store(first[0])
    one.rescue((record(6),))
    second, _ = sealed(one)
    assert one.resealed == second
    one.holdings.take_back(*second)
    one.on_append_failed(at())
    assert one.lost_rescued

    one.on_append_failed(at())
    assert not one.lost_rescued
    one.rescue((record(7),))
    one.on_append_failed(at())
    assert one.lost_rescued
    assert (one.rescued, one.rescued_bytes) == ([], 0)
