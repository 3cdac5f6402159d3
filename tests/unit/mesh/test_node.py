"""A node: its boundary, the path of a batch, the disk, sessions, its end."""

from dataclasses import replace

import pytest

from mesh import effects as e
from mesh import frames as f
from mesh import operations as o
from mesh.clocks.hybrid import stamp_of
from mesh.clocks.vector import VersionVector
from mesh.codes import Code
from mesh.config import sim
from mesh.effects import Append, Count, Marks, Report, Send, Tell
from mesh.engines.receipts import AGAIN_TEXT
from mesh.errors import UsageError
from mesh.log.batch import NO_NAME, Batch
from mesh.log.log import Log, Run
from mesh.node import Node
from mesh.operations import Attach, Draft, Publish, Receipt, Refused, Subscribe
from mesh.types import Now, SessionId
from tests.engine_samples import TO_BEN, at
from tests.node_samples import ME, SEAT, SEED, Host, about, ben, linked, sent, started
from tests.samples import ANA, BEN, DAY_MS, SUITE, WALL_MS, Writer, received, record

# --- the boundary ----------------------------------------------------------------------------------------------------


def test_a_node_is_started_once_by_its_first_event() -> None:
    node = Node(sim(), ME, SUITE)
    with pytest.raises(UsageError):
        node.tick([e.Wakeup()], at())
    assert node.tick([], at()) == []
    node.tick([e.Started(e.Recovered(), b"e" * 32)], at())
    with pytest.raises(UsageError):
        node.tick([e.Started(e.Recovered(), b"e" * 32)], at())


def test_a_node_that_begins_keeps_its_certificate_and_dials_its_seeds() -> None:
    host = Host(Node(replace(sim(), seeds=(SEED,)), ME, SUITE))

    begun = host.tick(e.Started(e.Recovered(), b"e" * 32))

    assert begun == [Append(1, (), Marks(members=(ME.certificate_raw,)))]
    assert host.node.deadline_us == 0
    assert host.tick(e.Stored(1)) == [e.Dial(SEED)]
    assert host.node.deadline_us == 60_000_000


def test_names_beside_a_damaged_row_are_read_from_the_disk_so_that_digests_are_equal_again() -> None:
    writer = Writer(BEN)
    batches = [writer.write(1) for _ in range(3)]
    host = Host(Node(sim(), ME, SUITE))
    whole = Log(writer.log)
    for batch in batches:
        whole.add(batch)
    marks = e.LogMarks(writer.log, tuple(whole.runs), whole.stamp, whole.expires_ms)
    host.tick(e.Started(e.Recovered((marks,), (), (ME.certificate_raw,)), b"e" * 32))

    told = host.tick(e.RowsCorrupt(((writer.log, 2, 2),)))
    answer = e.Loaded(0, (batches[0], batches[2]))

    neighbors = e.Load(0, e.Ranges(writer.log, ((1, 1), (3, 3))), host.node.config.repair.want_bytes)
    assert told == [Report(Code.ROWS_CORRUPT, about(writer.log, first=2, last=2)), neighbors]
    assert host.tick(answer) == []
    assert [run.head for run in host.node.holdings.stored[writer.log].runs] == [batches[0].name, batches[2].name]
    assert [run.head for run in host.node.holdings.received[writer.log].runs] == [batches[0].name, batches[2].name]


def test_a_log_of_which_nothing_is_left_has_no_neighbors_to_read() -> None:
    writer = Writer(BEN)
    batch = writer.write(1)
    host = Host(Node(sim(), ME, SUITE))
    marks = e.LogMarks(writer.log, (Run(1, 1, NO_NAME, batch.name),), 0, WALL_MS + DAY_MS)
    host.tick(e.Started(e.Recovered((marks,), (), (ME.certificate_raw,)), b"e" * 32))

    told = host.tick(e.RowsCorrupt(((writer.log, 1, 1),)))

    assert told == [Report(Code.ROWS_CORRUPT, about(writer.log, first=1, last=1))]
    assert host.tick(e.Loaded(0, (batch,))) == []


def test_what_was_damaged_while_the_node_was_off_is_told() -> None:
    log = Writer(BEN).log
    runs = (Run(1, 2, b"", b"x"),)
    marks = e.LogMarks(log, runs, stamp_of(WALL_MS) + 7, WALL_MS + DAY_MS)
    host = Host(Node(sim(), ME, SUITE))

    begun = host.tick(e.Started(e.Recovered((marks,), (), (ME.certificate_raw,), ((log, 3, 4),)), b"e" * 32))

    neighbors = e.Load(0, e.Ranges(log, ((1, 1),)), host.node.config.repair.want_bytes)
    assert begun == [Report(Code.ROWS_CORRUPT, about(log, first=3, last=4)), neighbors]
    assert list(host.node.holdings.stored_of(log)) == [(1, 2)]
    assert host.node.clock.high == stamp_of(WALL_MS) + 7


def test_a_timer_that_nobody_knows_is_our_own_bug() -> None:
    host = started()
    host.node._timers.set(e.SetTimer(e.Timer("nobody"), 0))

    with pytest.raises(AssertionError, match="a timer that nobody knows"):
        host.tick()


def test_a_timer_that_another_moved_does_not_fire() -> None:
    host = linked()

    expire = Append(3, (), Marks(strip_before_ms=WALL_MS))
    assert host.tick(e.Wakeup(), ms=60_000) == [e.Hangup(TO_BEN, Code.LINK_SILENT), expire]


# --- the path of a batch ---------------------------------------------------------------------------------------------


def test_a_publish_is_sealed_pushed_and_appended_at_once_and_acknowledged_when_it_is_durable() -> None:
    host = linked()
    host.attach()
    host.say(Subscribe(1, ("#",)))

    first = host.say(Publish((Draft("a", 1, b"hello"),)))
    second = host.stored()

    append = first[3]
    assert isinstance(append, Append)
    (batch,) = append.batches
    assert first[:3] == [Count("epochs_total"), Count("published_total"), sent(f.Push(batch), f.Lane.LIVE)]
    assert (append.marks.channels, [run.last for run in append.marks.names]) == ((("a", batch.log, 1),), [1])
    assert second == [
        Tell((SEAT,), o.Receipt(1, 1, 1, 1, batch.log, 1)),
        sent(f.Stored(ANA, "eu", ((batch.log, 1, 1),))),
        Tell((SEAT,), o.Messages(1, batch.log, 1, 1, (1,), tuple(batch.records()))),
    ]


def test_a_batch_that_came_is_announced_to_others_appended_and_delivered_when_it_is_durable() -> None:
    host = linked()
    host.attach()
    host.say(Subscribe(1, ("#",)))
    batch = ben().write()

    taken = host.frame(f.Push(received(batch)))
    told = host.stored()

    assert [type(one) for one in taken] == [Append]
    assert told == [
        sent(f.Stored(ANA, "eu", ((batch.log, 1, 1),))),
        Tell((SEAT,), o.Messages(1, batch.log, 1, 1, (1,), tuple(batch.records()))),
    ]
    assert host.frame(f.Push(received(batch))) == [Count("batches_refused_total/duplicate")]


def test_at_most_two_appends_are_pending_and_the_rest_gathers() -> None:
    host = started()
    host.attach()
    for sequence in (1, 2, 3):
        host.say(Publish((Draft("a", sequence, b""),)))

    assert [one.append for one in host.appends] == [2, 3]
    host.stored()
    assert [one.append for one in host.appends] == [3, 4]


def test_a_batch_that_does_not_verify_costs_its_sender_the_link() -> None:
    host = linked()
    batch = ben().write()
    bad = Batch(batch.header, b"other", batch.signature, batch.epoch_public, batch.epoch_proof)
    why = "the body is not the one that was signed"

    assert host.frame(f.Push(bad)) == [
        Count("batches_refused_total/invalid"),
        e.Hangup(TO_BEN, Code.BATCH_INVALID, why),
        Count(f"links_dropped_total/{Code.BATCH_INVALID}"),
        Report(Code.BATCH_INVALID, {"link": TO_BEN, "why": why, "peer": BEN.hex()[:16]}),
    ]
    assert host.frame(f.Push(bad)) == []


def test_a_peer_that_sends_more_than_it_was_granted_is_dropped() -> None:
    host = linked(replace(sim(), links=replace(sim().links, credit_ahead_bytes=4 << 20)))
    host.node.links.links[TO_BEN].got = 4 << 20

    effects = host.frame(f.Push(received(ben().write())))

    facts = {"link": TO_BEN, "peer": BEN.hex()[:16]}
    count = Count(f"links_dropped_total/{Code.CREDIT_EXCEEDED}")
    assert effects == [e.Hangup(TO_BEN, Code.CREDIT_EXCEEDED), count, Report(Code.CREDIT_EXCEEDED, facts)]


def test_a_stamp_in_the_future_is_kept_and_told_once_for_each_node() -> None:
    host = linked()
    writer = ben()
    ahead = [writer.seal([record(n, stamp=stamp_of(WALL_MS + 61_000) + n)]) for n in (1, 2)]

    first, second = (host.frame(f.Push(received(batch))) for batch in ahead)

    assert [one for one in first if isinstance(one, Report)] == [Report(Code.STAMP_AHEAD, {"node": BEN.hex()[:16]})]
    assert [one for one in second if isinstance(one, Report)] == []
    assert len(host.node.holdings.pending) == 2


# --- the disk --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("why", "code"), [("database or disk is full", Code.DISK_FULL), ("broken", Code.APPEND_FAILED)]
)
def test_a_failed_append_was_never_and_its_publishers_are_told_so(why: str, code: Code) -> None:
    host = linked()
    host.attach()
    host.say(Publish((Draft("a", 1, b"hello"),)))
    came = ben().write()
    host.frame(f.Push(received(came)))

    failed = host.tick(e.StoreFailed(host.appends.pop(0).append, why, 1 << 40))

    text = "it was sealed, but could not be written here"
    assert failed == [
        Tell((SEAT,), Refused(Code.OUTCOME_UNKNOWN, text, 0, 1, 1, 1_000)),
        Report(code, {"why": why, "free_bytes": 1 << 40}),
    ]
    assert host.node.holdings.received == {}
    assert host.tick(e.StoreFailed(host.appends.pop(0).append, why, 1 << 40)) == []
    assert host.say(Publish((Draft("a", 1, b"hello"),))) == [
        Tell((SEAT,), Refused(Code.DISK_RESERVED, "the last append failed", 0, 1, 1, 1_000))
    ]
    again = host.tick(ms=host.ms + 1_001)
    assert any(isinstance(one, Send) and isinstance(one.frame, f.RepairHello) for one in again)


def test_what_was_sent_before_its_append_failed_is_looked_for_as_soon_as_a_peer_says_to_have_it() -> None:
    host = linked()
    host.attach()
    host.say(Publish((Draft("a", 1, b"hello"),)))
    (batch,) = host.appends[0].batches
    host.tick(e.StoreFailed(host.appends.pop(0).append, "broken", 1 << 40))
    host.tick(ms=host.ms + 1_001)
    host.frame(f.RepairEqual(2))

    asked = host.frame(f.Stored(BEN, "us", ((batch.log, 1, 1),)))

    assert asked == [sent(f.RepairHello(3, 0)), Count("repair_sessions_total")]


def test_where_no_epoch_may_be_opened_what_gathered_is_refused_and_nothing_is_appended() -> None:
    host = started(replace(sim(), intake=replace(sim().intake, epochs_per_hour_max=1)))
    host.attach()
    host.say(Publish((Draft("a", 1, b"hello"),)))
    host.tick(e.StoreFailed(host.appends.pop(0).append, "broken", 1 << 40))
    host.ms += 1_001

    (refusal,) = host.say(Publish((Draft("a", 1, b"hello"),)))

    text = "too many epochs were opened within the hour"
    assert refusal == Tell((SEAT,), Refused(Code.OVERLOADED, text, 0, 1, 1, 1_000))


def test_below_the_reserve_publishes_are_refused() -> None:
    host = started()
    host.attach()
    host.tick(e.DiskSpace(0))

    (refusal,) = host.say(Publish((Draft("a", 1, b""),)))

    assert isinstance(refusal, Tell)
    assert isinstance(refusal.operation, Refused)
    assert refusal.operation.code == Code.DISK_RESERVED


def test_damaged_rows_are_told_and_asked_for() -> None:
    host = linked()
    batch = ben().write()
    host.frame(f.Push(received(batch)))
    host.stored()

    effects = host.tick(e.RowsCorrupt(((batch.log, 1, 1),)))

    report = Report(Code.ROWS_CORRUPT, about(batch.log, first=1, last=1))
    assert effects == [report, sent(f.RepairHello(2, 0)), Count("repair_sessions_total")]
    assert host.tick(e.RowsCorrupt(())) == []


def test_a_retry_is_asked_for_again_where_the_row_may_be_lost_in_which_it_stands() -> None:
    host, other = linked(), SessionId(7)
    host.attach()
    host.attach(other, "other")
    host.tick(
        *(e.Requested(seat, Publish((Draft("a", number, b""),))) for seat, number in ((SEAT, 1), (other, 1), (SEAT, 2)))
    )
    host.stored()
    (told,) = host.say(Publish((Draft("a", 1, b""),), copies=3))
    assert isinstance(told, Tell) and isinstance(told.operation, Receipt)

    (refusal, *_) = host.tick(e.RowsCorrupt(((told.operation.log, 1, 3),)))

    text = "it may have stood in a row that was damaged"
    assert refusal == Tell((SEAT,), Refused(Code.OUTCOME_UNKNOWN, text, 0, 1, 1, 1_000))
    assert host.node.intake.publishers[SEAT].held_back == 0, (
        "it was told that it stands there: what follows it may go on"
    )


def test_who_waits_for_more_receipts_than_are_followed_is_asked_again_and_hears_of_all() -> None:
    config = sim()
    host = linked(replace(config, receipts=replace(config.receipts, session_waiting_max=2)))
    host.attach()
    drafts = tuple(Draft("a", number, b"") for number in range(1, 5))
    for some in (drafts[:2], drafts[2:3], drafts[3:]):
        host.say(Publish(some, copies=2))
        (receipt, *_) = host.stored()
    assert isinstance(receipt, Tell) and isinstance(receipt.operation, Receipt)
    assert host.node.receipts.dropped.keys() == {SEAT}
    log, asked = receipt.operation.log, Tell((SEAT,), Refused(Code.RECEIPTS_DROPPED, AGAIN_TEXT, 0, 1, 2, 0))

    assert host.frame(f.Stored(BEN, "us", ((log, 1, 4),)))[:1] == [Tell((SEAT,), Receipt(3, 4, 2, 1, log, 4))]
    assert host.node.deadline_us == at(host.ms + config.receipts.again_ms).mono_us
    assert host.tick(e.Wakeup(), ms=host.ms + config.receipts.again_ms) == [asked]
    assert host.say(Publish(drafts[:2], copies=2)) == [Tell((SEAT,), Receipt(1, 2, 2, 1, log, 2))]


def test_what_died_while_a_node_stood_still_is_not_told_by_the_first_thing_that_it_hears() -> None:
    host = started()
    host.attach()
    host.say(Subscribe(1, ("#",), credit_messages=0))
    host.say(Publish((Draft("a", 1, b"", ttl_ms=1_000),)))
    host.stored()
    host.ms += 2_000

    told = host.say(o.CreditGrant(1, 1, 100))

    log = next(iter(host.node.holdings.stored))
    assert told == [
        Tell((SEAT,), o.Gap(1, log, 1, 1, o.GapReason.EXPIRED, may_fill=False)),
        Tell((SEAT,), o.Messages(1, log, 1, 1, (), ())),
    ]


def test_a_node_without_a_time_expires_nothing() -> None:
    host = Host(Node(sim(), ME, SUITE))
    host.node.tick([e.Started(e.Recovered(members=(ME.certificate_raw,)), b"e" * 32)], Now(0, 5))

    assert host.node.tick([], Now(60_000_000, 59_000)) == []


def test_a_clock_that_leapt_is_doubted_aloud_once() -> None:
    host = started()

    leapt = host.tick(ms=1, wall_ms=WALL_MS + DAY_MS)
    again = host.tick(ms=2, wall_ms=WALL_MS + DAY_MS)

    clocks = {"wall_ms": WALL_MS + DAY_MS, "stamped_by_ms": WALL_MS + 1}
    assert leapt == [Report(Code.CLOCK_DOUBTED, clocks)]
    assert again == []


# --- sessions --------------------------------------------------------------------------------------------------------


def test_a_client_that_does_not_attach_is_told_goodbye() -> None:
    host = started()
    host.tick(e.SessionOpened(SEAT))

    assert host.tick(ms=10_000) == [Tell((SEAT,), o.Goodbye(Code.NOT_ATTACHED, "attach within the time given"))]
    assert host.tick(e.SessionClosed(SEAT)) == []


def test_operations_go_where_they_belong() -> None:
    host = started()
    host.attach()

    subscribed = host.say(Subscribe(1, ("#",)), o.CreditGrant(1, 1, 1), o.Unsubscribe(1))
    page = host.say(o.History(4, ("#",)))
    refused = host.say(Attach("again", 8))

    assert subscribed == [Tell((SEAT,), o.Subscribed(1, VersionVector()))]
    assert page == [Tell((SEAT,), o.HistoryPage(4, VersionVector(), (), (), None))]
    assert refused == [Tell((SEAT,), Refused(Code.NOT_ATTACHED, "a session attaches once"))]


def test_a_second_attach_frees_nothing_that_waits_for_an_earlier_publish() -> None:
    host = started()
    host.attach()
    host.tick(e.DiskSpace(0))
    host.say(Publish((Draft("a", 1, b""),)))
    host.tick(e.DiskSpace(1 << 40))

    host.say(Attach("me", 7))
    (refusal,) = host.say(Publish((Draft("a", 2, b""),)))

    assert isinstance(refusal, Tell)
    assert isinstance(refusal.operation, Refused)
    assert refusal.operation.code == Code.ORDER_WAITS


def test_what_is_read_for_readers_and_histories_goes_to_them() -> None:
    host = started(replace(sim(), delivery=replace(sim().delivery, recent_bytes=0)))
    host.attach()
    host.say(Publish((Draft("a", 1, b""),)))
    batch = host.appends[0].batches[0]
    host.stored()

    _, reading = host.say(Subscribe(1, ("#",), VersionVector()))
    (paging,) = host.say(o.History(4, ("#",)))
    assert isinstance(reading, e.Load)
    assert isinstance(paging, e.Load)
    delivered = host.tick(e.Loaded(reading.request, (batch,)))
    (page,) = host.tick(e.Loaded(paging.request, (), ((batch.log, 1, 1),)))[-1:]

    assert delivered == [Tell((SEAT,), o.Messages(1, batch.log, 1, 1, (1,), tuple(batch.records())))]
    assert isinstance(page, Tell)
    assert isinstance(page.operation, o.HistoryPage)


def test_a_node_says_how_it_is() -> None:
    host = linked()
    host.attach()
    host.say(Publish((Draft("a", 1, b""),)))

    (told,) = host.say(o.Inspect(3))

    assert isinstance(told, Tell)
    assert isinstance(told.operation, o.Status)
    said = told.operation.about
    assert {key: said[key] for key in ("region", "version", "members", "appends_pending", "publishes_waiting")} == {
        "region": "eu",
        "version": "sim",
        "members": 2,
        "appends_pending": 1,
        "publishes_waiting": 0,
    }
    assert (said["clock_trusted"], said["draining"], said["epoch"], said["life"]) == (
        True,
        False,
        str(host.node.life),
        str(host.node.life),
    )


def test_readers_are_told_how_far_logs_have_come_and_of_holes() -> None:
    host = linked()
    host.attach()
    host.say(Subscribe(1, ("nothing",)))
    writer = ben()
    batches = [writer.write() for _ in range(3)]
    host.frame(f.Push(received(batches[0])), f.Push(received(batches[2])))
    host.stored()
    start = host.ms
    host.tick(e.LinkDown(TO_BEN, "gone"))

    covered = host.tick(ms=start + 5_000)
    hole = host.tick(ms=start + 30_000)

    assert covered == [Tell((SEAT,), o.Messages(1, writer.log, 1, 1, (), ()))]
    assert hole == [Tell((SEAT,), o.Gap(1, writer.log, 2, 2, o.GapReason.MISSING, may_fill=True))]


# --- the end ---------------------------------------------------------------------------------------------------------


def test_a_node_that_stops_finishes_what_it_has_accepted_and_says_goodbye() -> None:
    host = linked()
    host.attach()
    host.say(Publish((Draft("a", 1, b""),)))

    draining = host.tick(e.Draining(9_000_000))
    refused = host.say(Publish((Draft("a", 2, b""),)))
    ended = host.stored()

    assert draining == [Tell((SEAT,), o.GoAway((), 3_000))]
    assert refused == [Tell((SEAT,), Refused(Code.DRAINING, "the node is stopping", 0, 2, 2, 1_000))]
    assert ended[-3:] == [
        Tell((SEAT,), o.Goodbye(Code.DRAINING, "the node is stopping")),
        e.Hangup(TO_BEN, Code.NODE_STOPPING),
        e.Drained(),
    ]
    assert host.tick(e.Draining(1)) == []


def test_a_node_whose_disk_does_not_answer_ends_at_the_time_given() -> None:
    host = started()
    host.attach()
    host.say(Publish((Draft("a", 1, b""),)))
    host.tick(e.Draining(9_000_000))

    goodbye = Tell((SEAT,), o.Goodbye(Code.DRAINING, "the node is stopping"))

    assert host.tick(ms=9_000) == [goodbye, e.Drained()]
    host.tick(e.Stored(host.appends.pop(0).append))
    assert host.node._finish() == []
