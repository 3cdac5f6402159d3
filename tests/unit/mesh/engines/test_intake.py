"""Intake: what is taken, what is refused and why, how it is sealed, and what a failed append leaves behind."""

from dataclasses import replace

import pytest

from mesh.clocks.hybrid import HybridClock, stamp_of
from mesh.codes import Code
from mesh.effects import Count, Outcome, Placed, Tell
from mesh.engines.intake import (
    HOUR_US,
    NUMBER_STEP,
    RECORD_OVERHEAD_BYTES,
    SEQUENCE_MAX,
    Intake,
    IntakeConfig,
    draft_fault,
)
from mesh.errors import ConfigError
from mesh.log.batch import BATCH_BYTES_MAX, BATCH_RECORDS_MAX, NO_NAME
from mesh.log.holdings import Holdings
from mesh.log.record import HEADERS_MAX, RECORD_BYTES_MAX, TTL_DEFAULTED, TTL_MS_MAX
from mesh.operations import Draft, Publish, Refused
from mesh.rng import Rng
from mesh.types import LogId, SessionId
from tests.engine_samples import at, identity, keep
from tests.samples import ANA, DAY_MS, SUITE, WALL_MS, Writer

ME = identity("ana")
SEAT, OTHER = SessionId(1), SessionId(2)
CONFIG = IntakeConfig()
LIFE = 1 << 20
PLENTY = 1 << 40
LOG = LogId(ANA, LIFE)
OVERLOADED_MS, DISK_MS = 100, 1_000


def intake(config: IntakeConfig = CONFIG, *, holdings: Holdings | None = None, free_bytes: int = PLENTY) -> Intake:
    """An intake at which two sessions of two clients may publish."""
    rng = Rng(b"intake")
    one = Intake(config, ME, SUITE, holdings or Holdings(), HybridClock(), rng, free_bytes, life=LIFE)
    one.on_attached(SEAT, "me", 7)
    one.on_attached(OTHER, "other", 8)
    return one


def drafts(*sequences: int, payload: bytes = b"x", **fields: object) -> tuple[Draft, ...]:
    return tuple(Draft("room/1", sequence, payload, **fields) for sequence in sequences)  # type: ignore[arg-type]


def next_log(one: Intake) -> LogId:
    """The log that it has opened after the first."""
    assert one.epoch is not None and LIFE < one.epoch.number <= LIFE + NUMBER_STEP
    return LogId(ANA, one.epoch.number)


def publish(one: Intake, *sequences: int, seat: SessionId = SEAT, ms: float = 0, **fields: object) -> list[Outcome]:
    outcomes = one.publish(seat, Publish(drafts(*sequences, **fields)), at(ms))
    one.check_all()
    return outcomes


def sealed(one: Intake, ms: float = 0) -> list[Outcome]:
    _, outcomes = one.seal(at(ms), WALL_MS)
    one.check_all()
    return outcomes


def placed(first: int, last: int, start: int, *, seat: SessionId = SEAT, log: LogId = LOG, **want: int) -> Placed:
    end = start + last - first
    return Placed(seat, first, last, log, start, end, want.get("copies", 1), want.get("regions", 1))


def refused(code: Code, text: str, first: int, last: int, retry_ms: int, seat: SessionId = SEAT) -> Tell:
    return Tell((seat,), Refused(code, text, 0, first, last, retry_ms))


# --- the config ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"batch_bytes_max": 0}, "batch_bytes_max: at most"),
        ({"batch_bytes_max": BATCH_BYTES_MAX + 1}, "batch_bytes_max: at most"),
        ({"expiry_ratio_max": 0}, "expiry_ratio_max: at least 1"),
        ({"gathered_bytes_max": 2 * RECORD_BYTES_MAX - 1}, "gathered_bytes_max must hold two large records"),
        ({"appends_pending_max": 0}, "appends_pending_max: at least 1"),
        ({"ttl_default_ms": 0}, "ttl_default_ms <= ttl_max_ms <= 400 days"),
        ({"ttl_default_ms": 2, "ttl_max_ms": 1}, "ttl_default_ms <= ttl_max_ms <= 400 days"),
        ({"ttl_max_ms": TTL_MS_MAX + 1}, "ttl_default_ms <= ttl_max_ms <= 400 days"),
        ({"disk_reserve_bytes": -1}, "limits are positive"),
        ({"epochs_per_hour_max": 0}, "limits are positive"),
        ({"overloaded_retry_ms": 0}, "retries are positive"),
        ({"disk_retry_ms": 0}, "retries are positive"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(fields: dict[str, int], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        IntakeConfig(**fields)


# --- what can never be accepted --------------------------------------------------------------------------------------

LARGE = b"x" * (RECORD_BYTES_MAX - 200)


@pytest.mark.parametrize(
    ("draft", "code", "text"),
    [
        (Draft("a//b", 1, b""), Code.CHANNEL_INVALID, "a channel has no empty level"),
        (Draft("a", 1, b"", ttl_ms=TTL_MS_MAX + 1), Code.FIELD_INVALID, "a message lives at most"),
        (Draft("a", 0, b""), Code.FIELD_INVALID, "sequences start at 1 and end at 2"),
        (Draft("a", SEQUENCE_MAX, b""), Code.FIELD_INVALID, "sequences start at 1 and end at 2"),
        (
            Draft("a", 1, b"x" * RECORD_BYTES_MAX),
            Code.RECORD_TOO_LARGE,
            "a message takes at most 1048576 bytes, this one",
        ),
        (
            Draft("a", 1, LARGE, headers={"k": "v" * 300}),
            Code.RECORD_TOO_LARGE,
            "a message takes at most 1048576 bytes",
        ),
        (Draft("a", 1, b"", headers={"k": 5}), Code.FIELD_INVALID, "headers are at most 64 pairs"),  # type: ignore[dict-item]
        (Draft("a", 1, b"", headers={5: "v"}), Code.FIELD_INVALID, "headers are at most 64 pairs"),  # type: ignore[dict-item]
        (
            Draft("a", 1, b"", headers={str(n): "" for n in range(HEADERS_MAX + 1)}),
            Code.FIELD_INVALID,
            "headers are at most 64 pairs",
        ),
    ],
)
def test_a_message_that_no_node_may_take_says_why(draft: Draft, code: Code, text: str) -> None:
    fault = draft_fault(draft, TTL_MS_MAX)

    assert fault is not None
    assert fault[0] is code
    assert fault[1].startswith(text)


@pytest.mark.parametrize(
    "draft",
    [
        Draft("a", 1, b"", ttl_ms=TTL_MS_MAX),
        Draft("a", SEQUENCE_MAX - 1, b"", headers={"k": "v"}),
        Draft("a", 1, LARGE),
        Draft("a", 1, b"", headers={str(n): "" for n in range(HEADERS_MAX)}),
    ],
)
def test_a_message_at_the_limits_is_taken(draft: Draft) -> None:
    assert draft_fault(draft, TTL_MS_MAX) is None


def test_a_faulty_message_is_refused_for_good_and_others_beside_it_are_taken() -> None:
    one = intake()
    bad = Draft("", 2, b"")

    outcomes = one.publish(SEAT, Publish((*drafts(1), bad, *drafts(3))), at())

    assert outcomes == [refused(Code.CHANNEL_INVALID, "a channel is not empty", 2, 2, -1)]
    assert sealed(one) == [Count("epochs_total"), placed(1, 1, 1), placed(3, 3, 2), Count("published_total", 2)]


# --- gathering and sealing -------------------------------------------------------------------------------------------


def test_what_has_gathered_is_sealed_into_one_batch_of_a_new_epoch() -> None:
    one = intake()
    assert publish(one, 1, 2, payload=b"hello", headers={"k": "v"}) == []

    batches, outcomes = one.seal(at(), WALL_MS)

    (batch,) = batches
    assert outcomes == [Count("epochs_total"), placed(1, 2, 1), Count("published_total", 2)]
    assert (batch.log, batch.first, batch.last, batch.head.previous) == (LOG, 1, 2, NO_NAME)
    assert [(r.publisher, r.incarnation, r.sequence, r.stamp, r.ttl_ms, r.flags) for r in batch.records()] == [
        ("me", 7, n, stamp_of(WALL_MS) + n - 1, 7 * DAY_MS, TTL_DEFAULTED) for n in (1, 2)
    ]
    assert [(r.channel, r.headers, r.payload) for r in batch.records()] == [("room/1", {"k": "v"}, b"hello")] * 2
    assert one.holdings.pending == {(LOG, 1): batch}
    one.check_all()
    assert one.seal(at(), WALL_MS) == ([], [])


def test_batches_of_one_epoch_are_chained() -> None:
    one = intake()
    publish(one, 1, ttl_ms=5)
    (first,), _ = one.seal(at(), WALL_MS)
    publish(one, 2, ttl_ms=5)

    (second,), outcomes = one.seal(at(), WALL_MS)

    assert outcomes == [placed(2, 2, 2), Count("published_total", 1)]
    assert (second.first, second.head.previous) == (2, first.name)
    assert (second.records()[0].ttl_ms, second.records()[0].flags) == (5, 0)


def test_publishes_of_two_sessions_stand_in_the_order_of_their_coming() -> None:
    one = intake()
    publish(one, 1, 2)
    publish(one, 1, seat=OTHER)
    one.publish(SEAT, Publish(drafts(3), 2, 1), at())
    one.publish(SEAT, Publish(drafts(4), 2, 1), at())
    one.publish(SEAT, Publish(drafts(5), 2, 2), at())
    publish(one, 7)

    assert sealed(one)[1:-1] == [
        placed(1, 2, 1),
        placed(1, 1, 3, seat=OTHER),
        placed(3, 4, 4, copies=2),
        placed(5, 5, 6, copies=2, regions=2),
        placed(7, 7, 7),
    ]


def test_batches_are_cut_by_bytes_by_number_and_where_lifetimes_differ_too_much() -> None:
    probe = intake()
    publish(probe, 1)
    ((one,), _) = probe.seal(at(), WALL_MS)
    cost = len(one.records()[0].raw)
    by_bytes = intake(replace(CONFIG, batch_bytes_max=2 * cost))
    by_number, by_life = intake(), intake()
    publish(by_bytes, *range(1, 6))
    publish(by_number, *range(1, BATCH_RECORDS_MAX + 2), payload=b"")
    by_number.config = replace(CONFIG)
    for sequence, ttl_ms in enumerate((100, 400, 401, 1_604, 300, 1_200, 1), 1):
        publish(by_life, sequence, ttl_ms=ttl_ms)

    cuts = [[(b.first, b.last) for b in one.seal(at(), WALL_MS)[0]] for one in (by_bytes, by_life)]

    assert cuts == [[(1, 2), (3, 4), (5, 5)], [(1, 2), (3, 4), (5, 6), (7, 7)]]
    lengths = [b.head.length for b in by_number.seal(at(), WALL_MS)[0]]
    assert max(lengths) <= BATCH_RECORDS_MAX
    assert sum(lengths) == BATCH_RECORDS_MAX + 1


def test_a_batch_holds_so_many_records_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mesh.engines.intake.BATCH_RECORDS_MAX", 2)
    one = intake()
    publish(one, 1, 2, 3)

    assert [(b.first, b.last) for b in one.seal(at(), WALL_MS)[0]] == [(1, 2), (3, 3)]


# --- names -----------------------------------------------------------------------------------------------------------


def test_a_retry_of_what_is_held_is_told_where_it_stands_and_makes_no_second_record() -> None:
    one = intake()
    publish(one, 1, 2, 3)
    sealed(one)

    outcomes = one.publish(SEAT, Publish(drafts(2), 3, 2), at())

    assert outcomes == [placed(2, 2, 2, copies=3, regions=2)]
    assert one.gathered == []


def test_a_retry_of_what_came_from_elsewhere_is_told_where_that_stands_at_most() -> None:
    elsewhere, holdings = Writer(), Holdings()
    keep(
        holdings, elsewhere.write(2, publisher="me"), elsewhere.write(publisher="you"), elsewhere.write(publisher="me")
    )
    one = intake(holdings=holdings)

    (outcome,) = publish(one, 2)

    assert isinstance(outcome, Placed)
    assert (outcome.log, outcome.from_position) == (elsewhere.log, 2)


def test_a_retry_of_what_a_damaged_row_took_is_new() -> None:
    one = intake()
    publish(one, 1, 2, 3)
    sealed(one)
    one.holdings.lose(LOG, 1, 3)

    assert publish(one, 2) == []
    assert [item.draft.sequence for item in one.gathered] == [2]


def test_a_retry_of_what_was_lost_from_our_log_goes_into_another_for_others_may_bring_it_back() -> None:
    one = intake()
    publish(one, 1, 2, 3)
    sealed(one)
    one.holdings.lose(LOG, 2, 2)

    publish(one, 2)
    first = sealed(one)
    other = next_log(one)
    publish(one, 4)
    one.holdings.lose(LOG, 3, 3)
    publish(one, 3)

    assert first == [Count("epochs_total"), placed(2, 2, 1, log=other), Count("published_total", 1)]
    assert sealed(one) == [placed(3, 4, 2, log=other), Count("published_total", 2)]


def test_a_sequence_below_the_newest_that_is_not_held_is_new() -> None:
    one = intake()
    publish(one, 5)
    sealed(one)

    assert publish(one, 3) == []
    assert sealed(one) == [placed(3, 3, 2), Count("published_total", 1)]


def test_a_retry_of_what_waits_to_be_sealed_joins_it() -> None:
    one = intake()
    one.on_attached(SessionId(3), "me", 7)
    publish(one, 1)

    again = one.publish(SessionId(3), Publish(drafts(1), 2, 1), at())

    assert again == []
    assert sealed(one)[1:-1] == [placed(1, 1, 1, seat=SessionId(3), copies=2), placed(1, 1, 1)]


# --- refused for now -------------------------------------------------------------------------------------------------


def test_a_node_that_stops_takes_nothing() -> None:
    one = intake()
    one.draining = True

    assert publish(one, 1, 2) == [refused(Code.DRAINING, "the node is stopping", 1, 2, DISK_MS)]


def test_below_the_reserve_publishes_are_refused_until_there_is_space() -> None:
    one = intake(free_bytes=(64 << 20) - 1)
    text = "63 MiB of disk are free, 64 are the reserve"

    assert publish(one, 1) == [refused(Code.DISK_RESERVED, text, 1, 1, DISK_MS)]
    one.on_space(64 << 20)
    assert publish(one, 1) == []


def test_beyond_what_memory_holds_publishers_are_told_to_slow_down() -> None:
    config = replace(CONFIG, gathered_bytes_max=2 * RECORD_BYTES_MAX)
    one = intake(config)
    half = b"x" * (RECORD_BYTES_MAX - RECORD_OVERHEAD_BYTES - 200)
    publish(one, 1, 2, payload=half)
    room = config.gathered_bytes_max - one.gathered_bytes - RECORD_OVERHEAD_BYTES - len("room/1")

    assert publish(one, 3, payload=b"x" * (room + 1)) == [
        refused(Code.OVERLOADED, "too many publishes wait for the disk", 3, 3, OVERLOADED_MS)
    ]
    assert publish(one, 3, payload=b"x" * room) == []


@pytest.mark.parametrize("how", ["faulty", "held", "gathered"])
def test_a_refused_publish_is_waited_for_no_more_once_it_is_here_or_never_will_be(how: str) -> None:
    one = intake()
    one.on_attached(SessionId(3), "me", 7)
    one.on_space(0)
    publish(one, 1)
    one.on_space(PLENTY)
    if how != "faulty":
        publish(one, 1, seat=SessionId(3))
    if how == "held":
        sealed(one)

    if how == "faulty":
        one.publish(SEAT, Publish((Draft("", 1, b""),)), at())
    else:
        publish(one, 1)

    assert publish(one, 2) == []


def test_a_fault_of_another_message_frees_nothing() -> None:
    one = intake(free_bytes=0)
    publish(one, 1)
    one.on_space(PLENTY)
    one.publish(SEAT, Publish((Draft("", 2, b""),)), at())

    assert publish(one, 3)[0] == refused(
        Code.ORDER_WAITS, "1 was refused before it: send that again first", 3, 3, OVERLOADED_MS
    )


# --- epochs ----------------------------------------------------------------------------------------------------------


def test_a_clock_that_ran_ahead_is_abandoned_with_its_epoch() -> None:
    one = intake()
    publish(one, 1)
    sealed(one)
    one.clock.high = stamp_of(WALL_MS + 60_001)
    publish(one, 2)

    (batch,), outcomes = one.seal(at(), WALL_MS)

    assert outcomes == [Count("epochs_total"), placed(2, 2, 1, log=next_log(one)), Count("published_total", 1)]
    assert batch.records()[0].stamp == stamp_of(WALL_MS)


def test_too_many_epochs_within_the_hour_are_refused_and_an_hour_later_they_are_not() -> None:
    one = intake(replace(CONFIG, epochs_per_hour_max=1))
    publish(one, 1)
    sealed(one)
    one.on_append_failed(at())
    hour_ms = HOUR_US // 1_000
    publish(one, 2, 3, ms=hour_ms - 1)

    too_many = sealed(one, hour_ms - 1)
    publish(one, 2, ms=hour_ms)
    opened = sealed(one, hour_ms)

    assert too_many == [refused(Code.OVERLOADED, "too many epochs were opened within the hour", 2, 3, DISK_MS)]
    assert opened[0] == Count("epochs_total")


def test_where_no_epoch_may_be_opened_a_clock_that_was_set_back_goes_on_above_what_it_gave() -> None:
    one = intake(replace(CONFIG, epochs_per_hour_max=1))
    publish(one, 1)
    sealed(one)
    one.clock.high = ahead = stamp_of(WALL_MS + 600_000)
    publish(one, 2)

    (batch,), outcomes = one.seal(at(), WALL_MS)

    assert outcomes == [placed(2, 2, 2), Count("published_total", 1)]
    assert batch.records()[0].stamp == ahead + 1


# --- a failed append -------------------------------------------------------------------------------------------------


def test_after_a_failed_append_what_gathered_is_refused_and_a_new_epoch_begins_a_moment_later() -> None:
    one = intake()
    one.on_attached(SessionId(3), "me", 7)
    publish(one, 1)
    batches, _ = one.seal(at(), WALL_MS)
    publish(one, 2, 3)
    publish(one, 2, seat=SessionId(3))
    one.holdings.take_back(*batches)

    outcomes = one.on_append_failed(at(5))

    text = "the last append failed"
    assert outcomes == [
        refused(Code.DISK_RESERVED, text, 2, 2, DISK_MS),
        refused(Code.DISK_RESERVED, text, 2, 2, DISK_MS, SessionId(3)),
        refused(Code.DISK_RESERVED, text, 3, 3, DISK_MS),
    ]
    one.check_all()
    assert publish(one, 2, ms=1_004) == [refused(Code.DISK_RESERVED, text, 2, 2, DISK_MS)]
    assert publish(one, 2, ms=1_005) == []
    assert sealed(one) == [Count("epochs_total"), placed(2, 2, 1, log=next_log(one)), Count("published_total", 1)]


def test_what_came_to_an_unknown_end_holds_back_what_follows() -> None:
    one = intake()
    one.hold_back(SEAT, 5, 5)
    one.hold_back(SEAT, 6, 7)
    one.hold_back(SEAT, 4, 4)
    one.hold_back(SessionId(9), 1, 1)

    text = "4 was refused before it: send that again first"
    assert publish(one, 5) == [refused(Code.ORDER_WAITS, text, 5, 5, OVERLOADED_MS)]


def test_a_session_that_closed_waits_for_nothing_and_what_it_published_goes_on() -> None:
    one = intake()
    publish(one, 1)
    publish(one, 1, seat=OTHER)

    one.on_session_closed(SEAT)
    one.on_session_closed(SEAT)
    batches, outcomes = one.seal(at(), WALL_MS)

    assert [record.sequence for batch in batches for record in batch.records()] == [1, 1]
    assert outcomes == [Count("epochs_total"), placed(1, 1, 2, seat=OTHER), Count("published_total", 2)]
    assert list(one.publishers) == [OTHER]


def test_refusals_are_joined_only_where_they_follow_one_another_for_one_reason() -> None:
    one = intake(free_bytes=0)

    outcomes = one.publish(SEAT, Publish((*drafts(1, 2, 4), Draft("", 5, b""))), at())

    text = "0 MiB of disk are free, 64 are the reserve"
    order = "1 was refused before it: send that again first"
    assert outcomes == [
        refused(Code.DISK_RESERVED, text, 1, 1, DISK_MS),
        refused(Code.ORDER_WAITS, order, 2, 2, OVERLOADED_MS),
        refused(Code.ORDER_WAITS, order, 4, 4, OVERLOADED_MS),
        refused(Code.CHANNEL_INVALID, "a channel is not empty", 5, 5, -1),
    ]
