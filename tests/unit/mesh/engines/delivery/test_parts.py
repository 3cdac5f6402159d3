"""The parts of delivery: groups of readers, what a slow reader is left with, and copies of a message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.clocks.hybrid import stamp_of
from mesh.codes import Code
from mesh.effects import Load, Loaded, OfNames, Report
from mesh.engines.delivery import readers as module
from mesh.engines.delivery import twins as twins_module
from mesh.engines.delivery.readers import Groups, Reader
from mesh.engines.delivery.skim import Skim
from mesh.engines.delivery.twins import COPIES_MAX, LOAD_BYTES, Twins
from mesh.log.batch import Batch
from mesh.log.holdings import Holdings
from mesh.log.record import Record
from mesh.operations import Gap, GapReason, Messages, SlowPolicy
from mesh.types import LogId, SessionId
from tests.engine_samples import held, keep, take
from tests.samples import ANA, BEN, CY, WALL_MS, Writer, record

LOG, OTHER = LogId(ANA, 1), LogId(BEN, 1)
SEAT, SECOND = SessionId(1), SessionId(2)


def reader(*patterns: str, session: SessionId = SEAT, number: int = 1) -> Reader:
    return Reader(session, number, patterns or ("#",), SlowPolicy.ALL, 10, 1_000)


# --- groups ----------------------------------------------------------------------------------------------------------


def test_readers_with_the_same_patterns_under_the_same_number_are_one_group() -> None:
    groups = Groups()
    one, same, other = reader("a"), reader("a", session=SECOND), reader("a", number=2)
    for each in (one, same, other):
        groups.join(each, {LOG: 4})

    concerned = groups.concerned("a")

    assert [(g.key, list(g.readers), g.told) for g in concerned] == [
        ((("a",), 1), [SEAT, SECOND], {LOG: 4}),
        ((("a",), 2), [SEAT], {LOG: 4}),
    ]
    assert groups.concerned("b") == ()
    assert (one in groups, reader("b") in groups) == (True, False)
    groups.check()


def test_literal_and_wild_groups_come_and_go() -> None:
    groups = Groups()
    literal, wild, level = reader("a/b", "c"), reader("#"), reader("a/+")
    seen = []
    for change, who in ((groups.join, wild), (groups.join, literal), (groups.join, level)):
        change(who, {})
        seen.append([g.key[0] for g in groups.concerned("a/b")])
    for who in (wild, literal, level, level):
        groups.leave(who)
        seen.append([g.key[0] for g in groups.concerned("a/b")])

    a, b, c = literal.patterns, wild.patterns, level.patterns
    assert seen == [[b], [a, b], [a, b, c], [a, c], [c], [], []]


def test_of_two_groups_on_one_channel_one_may_leave() -> None:
    groups = Groups()
    one, other = reader("a"), reader("a", number=2)
    groups.join(one, {})
    groups.join(other, {})

    groups.leave(one)

    assert [g.key[1] for g in groups.concerned("a")] == [2]


def test_a_group_stays_while_anybody_is_in_it() -> None:
    groups = Groups()
    one, other = reader("a"), reader("a", session=SECOND)
    groups.join(one, {})
    groups.join(other, {})

    groups.stall(one)
    groups.leave(other)

    (group,) = groups.concerned("a")
    assert list(group.stalled) == [SEAT]
    assert one not in groups
    groups.check()
    groups.join(one, {})
    assert (list(group.readers), list(group.stalled)) == ([SEAT], [])
    groups.leave(one)
    assert groups.groups == {}


def test_so_many_channels_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHANNELS_MAX", 2)
    groups = Groups()
    groups.join(reader("#"), {})

    found = [len(groups.concerned(channel)) for channel in ("a", "b", "c", "a")]

    assert found == [1, 1, 1, 1]
    assert len(groups._channels) == 2


# --- skimming --------------------------------------------------------------------------------------------------------


def test_the_newest_records_are_kept_and_what_went_is_a_gap_in_its_place() -> None:
    skim = Skim(by_channel=False, kept_max=2)
    one, two, three = record(1), record(2), record(3)
    for position, each in ((2, one), (4, two), (6, three)):
        skim.keep(LOG, position, each)
    skim.cover(LOG, 1, 8)
    skim.cover(OTHER, 1, 3)

    told = skim.told(5, 1 << 20)

    runs = {
        LOG: [Gap(5, LOG, 1, 2, GapReason.DROPPED), Messages(5, LOG, 3, 8, (4, 6), (two, three))],
        OTHER: [Messages(5, OTHER, 1, 3, (), ())],
    }
    assert told == [operation for _, operations in sorted(runs.items()) for operation in operations]


def test_of_each_channel_the_newest_is_kept_whichever_came_first() -> None:
    skim = Skim(by_channel=True, kept_max=9)
    newer, older, other = record(1, stamp=9), record(2, stamp=8), record(3, channel="b", stamp=1)
    skim.keep(LOG, 1, newer)
    skim.keep(LOG, 2, older)
    skim.keep(LOG, 3, other)
    skim.keep(LOG, 4, record(4, channel="b", stamp=2))
    skim.cover(LOG, 1, 5)

    assert skim.told(1, 1 << 20) == [
        Messages(1, LOG, 1, 1, (1,), (newer,)),
        Gap(1, LOG, 2, 3, GapReason.DROPPED),
        Messages(1, LOG, 4, 5, (4,), (record(4, channel="b", stamp=2),)),
    ]


def test_no_delivery_has_more_bytes_than_it_may_unless_one_record_has() -> None:
    skim = Skim(by_channel=False, kept_max=9)
    sizes = (3, 4, 1, 9, 2, 6, 1)
    for position, size in enumerate(sizes, 1):
        skim.keep(LOG, position, record(position, b"x" * size, stamp=position)._replace(raw=bytes(size)))
    skim.shrink(6, 99)
    skim.cover(LOG, 1, 8)

    told = skim.told(1, 7)

    assert [(each.first, each.last) for each in told] == [(1, 1), (2, 3), (4, 4), (5, 5), (6, 8)]
    assert isinstance(told[0], Gap)
    sizes_told = [[len(one.payload) for one in each.records] for each in told if isinstance(each, Messages)]
    assert sizes_told == [[4, 1], [9], [2], [6, 1]]


def test_so_many_bytes_are_kept_of_the_newest_and_one_record_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mesh.engines.delivery.skim.KEPT_BYTES_MAX", 5)
    skim, large = Skim(by_channel=False, kept_max=9), Skim(by_channel=False, kept_max=9)
    kept = []
    for position in range(1, 5):
        skim.keep(LOG, position, record(position, b"xx", stamp=position))
        large.keep(LOG, position, record(position, b"x" * 6, stamp=position))
        kept.append(([at for _, _, at in skim.kept], skim.size, [at for _, _, at in large.kept], large.size))

    assert kept == [([1], 2, [1], 6), ([1, 2], 4, [2], 6), ([2, 3], 4, [3], 6), ([3, 4], 4, [4], 6)]
    assert skim.dropped == {LOG: [1, 2]}


def test_of_a_channel_what_was_kept_before_weighs_no_more() -> None:
    skim = Skim(by_channel=True, kept_max=9)
    for position, payload in enumerate((b"xxx", b"x"), 1):
        skim.keep(LOG, position, record(position, payload, stamp=position))

    assert (skim.size, skim.dropped) == (1, {LOG: [1]})


def test_runs_with_a_hole_between_are_told_apart() -> None:
    skim = Skim(by_channel=False, kept_max=1)
    skim.keep(LOG, 1, record(1))
    skim.keep(LOG, 5, record(2))
    skim.cover(LOG, 1, 2)
    skim.cover(LOG, 5, 5)

    assert skim.told(1, 1 << 20) == [Gap(1, LOG, 1, 2, GapReason.DROPPED), Messages(1, LOG, 5, 5, (5,), (record(2),))]


# --- twins -----------------------------------------------------------------------------------------------------------


def moved(*pairs: tuple[bytes, bytes]) -> tuple[Batch, Batch, Twins, Holdings]:
    """A publisher's messages in two logs, each a pair of payloads, as the holdings of a node have them."""
    ana, ben = Writer(ANA), Writer(BEN)
    here = ana.seal([record(n, one) for n, (one, _) in enumerate(pairs, 1)])
    there = ben.seal([record(n, other) for n, (_, other) in enumerate(pairs, 1)])
    holdings = held(here, there)
    return here, there, Twins(holdings), holdings


def looked_up(twins: Twins, *batches: Batch) -> list[Report]:
    """Have all copies of a batch compared."""
    names = twins.unknown(batches[0])
    twins.ask(names, 2)
    return twins.on_loaded(Loaded(2, batches))  # type: ignore[return-value]


def test_of_a_publisher_that_never_moved_nothing_has_to_be_looked_up() -> None:
    batch = Writer(ANA).write()
    twins = Twins(held(batch))

    assert twins.unknown(batch) == []
    assert twins.others(batch.records()[0], (batch.log, 1)) == ()


def test_of_another_that_moved_neither() -> None:
    holdings = moved((b"x", b"x"))[3]
    batch = Writer(CY).write(publisher="stays")
    keep(holdings, batch)

    assert Twins(holdings).unknown(batch) == []


def test_what_stands_in_one_log_has_no_copy_though_its_publisher_moved() -> None:
    holdings = moved((b"x", b"x"))[3]
    batch = Writer(CY).seal([record(9)])
    keep(holdings, batch)
    twins = Twins(holdings)

    assert twins.unknown(batch) == []
    assert twins.others(record(9), (batch.log, 1)) == ()


def test_equal_copies_know_one_another_once_they_were_compared() -> None:
    here, there, twins, _ = moved((b"x", b"x"), (b"y", b"y"))
    one, copy = here.records()[0], there.records()[0]

    assert twins.others(one, (here.log, 1)) is None
    assert [name.sequence for name in twins.unknown(here)] == [1, 2]
    assert twins.ask(twins.unknown(here), 6) == Load(6, OfNames("pub", 7, 1, 2), LOAD_BYTES)
    assert twins.on_loaded(Loaded(6, (here, there))) == []
    assert twins.others(one, (here.log, 1)) == ((copy.stamp, there.log, 1, copy.expires_ms),)
    assert twins.others(copy, (there.log, 1)) == ((one.stamp, here.log, 1, one.expires_ms),)
    assert twins.unknown(here) == []
    assert not twins.differs(one, (here.log, 1))


def test_unequal_copies_are_no_twins_and_are_reported() -> None:
    here, there, twins, _ = moved((b"x", b"y"))

    reports = looked_up(twins, here, there)

    assert reports == [Report(Code.NAMES_CONFLICT, {"publisher": "pub", "sequence": 1})]
    assert twins.others(here.records()[0], (here.log, 1)) == ()
    assert twins.differs(here.records()[0], (here.log, 1))
    assert twins.differs(there.records()[0], (there.log, 1))


def test_what_nobody_compared_does_not_differ() -> None:
    here, _, twins, _ = moved((b"x", b"y"))

    assert not twins.differs(here.records()[0], (here.log, 1))


def test_copies_in_memory_count_and_those_of_other_names_do_not() -> None:
    ana, ben, holdings = Writer(ANA), Writer(BEN), Holdings()
    here = ana.seal([record(1)])
    there = ben.seal([record(1), record(1, publisher="other"), record(8)])
    take(holdings, here, there)
    twins, copy = Twins(holdings), there.records()[0]

    assert looked_up(twins, here) == []
    assert twins.others(here.records()[0], (here.log, 1)) == ((copy.stamp, there.log, 1, copy.expires_ms),)


def test_a_copy_whose_body_is_gone_has_no_twin_and_is_not_looked_up_again() -> None:
    here, there, twins, _ = moved((b"x", b"y"))

    assert looked_up(twins, here, there.stripped()) == []
    assert twins.others(here.records()[0], (here.log, 1)) == ()
    assert not twins.differs(here.records()[0], (here.log, 1))


def test_a_copy_whose_row_comes_again_is_compared_once_more_each_time_it_was_there() -> None:
    here, there, twins, _ = moved((b"x", b"x"))
    copy = there.records()[0]
    looked_up(twins, here, there.stripped())

    assert twins.others(copy, (there.log, 1)) is None
    looked_up(twins, there, here)
    assert [log for _, log, _, _ in twins.others(copy, (there.log, 1)) or ()] == [here.log]
    twins.ask([copy.name], 9)
    twins.on_loaded(Loaded(9, (here, there.stripped())))
    assert twins.others(copy, (there.log, 1)) is None
    assert not twins.differs(copy, (there.log, 1)), "it was compared with nothing"
    twins.ask([copy.name], 13)
    twins.on_loaded(Loaded(13, (here, there.stripped())))
    assert twins.others(copy, (there.log, 1)) == (), "nobody asks for ever"
    assert not twins.differs(copy, (there.log, 1))


def test_a_copy_that_was_lost_and_comes_again_is_found_though_its_name_was_compared_often() -> None:
    here, there, twins, holdings = moved((b"x", b"x"))
    third = Writer(CY).seal([record(1, b"x")])
    keep(holdings, third)
    copy = there.records()[0]
    for request in (5, 9):
        twins.ask([copy.name], request)
        twins.on_loaded(Loaded(request, (here, third)))

    assert twins.others(copy, (there.log, 1)) is None
    looked_up(twins, there, here, third)
    assert {log for _, log, _, _ in twins.others(copy, (there.log, 1)) or ()} == {here.log, third.log}


def test_a_copy_that_came_later_is_compared_anew() -> None:
    here, there, twins, holdings = moved((b"x", b"x"))
    looked_up(twins, here, there)
    keep(holdings, Writer(CY).seal([record(1, b"x")]))

    assert twins.others(here.records()[0], (here.log, 1)) is None


def test_names_are_looked_up_together_while_they_follow_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    twins = moved((b"x", b"x"))[2]
    names = [record(n).name for n in (1, 2, 4)]
    monkeypatch.setattr(twins_module, "NAMES_MAX", 2)

    assert twins.ask(names, 2) == Load(2, OfNames("pub", 7, 1, 2), LOAD_BYTES)
    assert twins.ask([record(n).name for n in (5, 6, 7)], 6) == Load(6, OfNames("pub", 7, 5, 6), LOAD_BYTES)
    assert twins.ask([names[2]], 10) == Load(10, OfNames("pub", 7, 4, 4), LOAD_BYTES)


def crowded(*payloads: bytes) -> tuple[Batch, Batch, Twins]:
    """One message of Ana's log, and what Ben's log has under the same name."""
    ana, ben = Writer(ANA), Writer(BEN)
    here = ana.seal([record(1, b"x")])
    there = ben.seal([record(1, payload, stamp=stamp_of(WALL_MS) + at) for at, payload in enumerate(payloads, 1)])
    return here, there, Twins(held(here, there))


def test_of_the_copies_in_one_nodes_logs_so_many_are_compared_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A member that wrote one name 2,000 times, 5 kB, kept every other node busy for seconds."""
    compared = 0

    def counted(one: Record, other: Record) -> bool:
        nonlocal compared
        compared += 1
        return same_message(one, other)

    same_message = Record.same_message
    monkeypatch.setattr(Record, "same_message", counted)
    here, there, twins = crowded(*[b"x"] * 100, *(b"%d" % n for n in range(100)))

    assert looked_up(twins, here, there) == [Report(Code.NAMES_CONFLICT, {"publisher": "pub", "sequence": 1})]

    one, copies = here.records()[0], there.records()
    assert compared == COPIES_MAX
    assert twins.others(one, (here.log, 1)) == tuple(
        (copies[at - 1].stamp, there.log, at, copies[at - 1].expires_ms) for at in range(1, COPIES_MAX + 1)
    )
    beyond = [twins.others(copies[at - 1], (there.log, at)) for at in (COPIES_MAX + 1, 200)]
    assert beyond == [((one.stamp, here.log, 1, one.expires_ms), *twins.others(one, (here.log, 1))), ()]  # type: ignore[misc]
    assert twins.unknown(there) == []


def test_who_writes_a_name_too_often_may_have_written_another_message_so_nothing_is_taken_for_its_copy() -> None:
    here, there, twins = crowded(*[b"x"] * COPIES_MAX, b"y")
    assert looked_up(twins, here, there) != []

    assert twins.differs(here.records()[0], (here.log, 1))
    marked = [twins.differs(one, (there.log, at)) for at, one in enumerate(there.records(), 1)]
    assert not any(marked), "or a client would show each of them"

    here, there, twins = crowded(*[b"x"] * COPIES_MAX)
    assert looked_up(twins, here, there) == []
    assert not twins.differs(here.records()[0], (here.log, 1))


def test_who_writes_one_message_too_often_has_written_no_other() -> None:
    """Else who was shown a copy of it, and is shown it at another node, would be shown it twice."""
    here, there, twins = crowded(*[b"x"] * (COPIES_MAX + 1))

    assert looked_up(twins, here, there) == [Report(Code.NAMES_CONFLICT, {"publisher": "pub", "sequence": 1})]

    assert not twins.differs(here.records()[0], (here.log, 1))
    assert not any(twins.differs(one, (there.log, at)) for at, one in enumerate(there.records(), 1))


def test_what_repeats_a_message_beyond_those_that_are_compared_shows_nothing() -> None:
    here, there, twins = crowded(*[b"x"] * (COPIES_MAX + 1), b"y")
    copies = there.records()
    assert not twins.repeats(copies[COPIES_MAX], (there.log, COPIES_MAX + 1)), "nobody has looked"
    looked_up(twins, here, there)

    repeats = [twins.repeats(one, (there.log, at)) for at, one in enumerate(copies, 1)]

    assert repeats == [*[False] * COPIES_MAX, True, False]
    assert not twins.repeats(here.records()[0], (here.log, 1))
    assert not twins.repeats(here.records()[0], (here.log, 2)), "its node has written it once"


def test_a_node_may_write_one_message_into_many_logs() -> None:
    """One whose disk fails opens a new one each time, and whoever waits sends it again."""
    writers = [Writer(BEN, epoch) for epoch in range(1, 4 * COPIES_MAX)]
    batches = [writer.seal([record(1, b"x")]) for writer in writers]
    twins = Twins(held(*batches, recent_bytes=0))

    assert looked_up(twins, batches[0], *batches) == []

    for batch in batches:
        (one,) = batch.records()
        assert len(twins.others(one, (batch.log, 1)) or ()) == len(batches) - 1
        assert not twins.differs(one, (batch.log, 1)) and not twins.repeats(one, (batch.log, 1))


def test_where_names_are_too_much_to_be_read_at_once_fewer_are_asked_for() -> None:
    here, there, twins, _ = moved(*[(b"x", b"x")] * 8)
    asked = []
    for request in range(8):
        names = twins.unknown(here)
        load = twins.ask(names, request)
        assert isinstance(load.query, OfNames)
        asked.append((load.query.first, load.query.last))
        is_whole = load.query.last - load.query.first < 2
        batches = (here, there) if is_whole else (here,)
        assert twins.on_loaded(Loaded(request, batches, complete=is_whole)) == []

    assert asked == [(1, 8), (1, 4), (1, 2), (3, 6), (3, 4), (5, 8), (5, 6), (7, 8)], "as many more as went before"
    assert twins.unknown(here) == []
    assert len(twins.others(here.records()[7], (here.log, 8)) or ()) == 1


@pytest.mark.parametrize("payload", [b"forged", b"x"])
def test_of_a_name_that_is_too_much_to_be_read_only_what_is_equal_is_taken_for_a_copy(payload: bytes) -> None:
    """A member wrote so much under a name that what its publisher sent was not reached."""
    here, there, twins = crowded(payload)
    (mine,), (other,) = here.records(), there.records()
    twins.ask(twins.unknown(here), 1)

    found = twins.on_loaded(Loaded(1, (there,), complete=False))

    assert found == [Report(Code.NAMES_CONFLICT, {"publisher": "pub", "sequence": 1})]
    assert twins.unknown(here) == twins.unknown(there) == []
    copy = other.stamp, there.log, 1, other.expires_ms
    assert twins.others(mine, (here.log, 1)) == ((copy,) if payload == b"x" else ())
    assert twins.differs(mine, (here.log, 1)) is (payload == b"forged")
    assert twins.differs(other, (there.log, 1)) and not twins.repeats(mine, (here.log, 1))


def test_copies_that_are_equal_share_what_is_kept_of_them() -> None:
    here, there, twins = crowded(b"x", b"y", b"x")
    looked_up(twins, here, there)

    groups = twins._known[record(1).name].groups
    assert groups[here.log, 1] is groups[there.log, 1] is groups[there.log, 3]
    assert [copy[1:3] for copy in groups[there.log, 2]] == [(there.log, 2)]
    assert all(twins.differs(one, (there.log, at)) for at, one in enumerate(there.records(), 1))


def test_so_many_names_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twins_module, "TWINS_MAX", 1)
    here, there, twins, _ = moved((b"x", b"x"), (b"y", b"y"))

    looked_up(twins, here, there)

    assert [name.sequence for name in twins.unknown(here)] == [1]


reads = st.permutations([(log, position) for log in (LOG, OTHER) for position in range(1, 9)])


@given(reads, st.lists(st.integers(0, 3), min_size=16, max_size=16), st.integers(0, 16), st.booleans())
def test_a_reader_keeps_the_newest_in_whatever_order_logs_were_read(
    order: list[tuple[LogId, int]], steps: list[int], kept_max: int, by_channel: bool
) -> None:
    stamps = [1 + sum(steps[: at + 1]) for at in range(16)]
    records = {
        place: record(at + 1, channel="abc"[at % 3], stamp=stamp)
        for at, (place, stamp) in enumerate(zip(sorted(order), stamps, strict=True))
    }
    skim = Skim(by_channel, kept_max)

    for place in order:
        skim.keep(*place, records[place])

    oldest_first = sorted(records, key=lambda place: (records[place].stamp, *place))
    if by_channel:
        oldest_first = sorted(
            {records[place].channel: place for place in oldest_first}.values(), key=oldest_first.index
        )
    newest = oldest_first[max(0, len(oldest_first) - kept_max) :]
    kept = [(log, position) for _, log, position in skim.kept]
    gone = {(log, position) for log, positions in skim.dropped.items() for position in positions}
    assert kept == newest
    assert gone == set(order) - set(newest)
