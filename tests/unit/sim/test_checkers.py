"""Each promise, broken by hand: the checker says so, with the events that prove it."""

from dataclasses import replace
from typing import Any

import pytest

from mesh.client.effects import Missed
from mesh.clocks.hybrid import stamp_of
from mesh.log.record import Record
from mesh.operations import GapReason
from mesh.types import LogId
from sim.checkers import SAME_US, SKEW_US, Watch
from sim.clock import WALL_MS
from sim.diary import Diary, Entry, Matcher, Shown
from tests.samples import ANA, BEN

LOG = LogId(ANA, 1)
NAME = ("alice", 7, 1)


def record(sequence: int = 1, payload: bytes = b"x", channel: str = "room/1") -> Record:
    return Record(channel, "alice", 7, sequence, 0, 0, 0, [], {}, payload, b"")


def shown(sequence: int = 1, *, late: bool = False, at_us: int = 3_000_000, payload: bytes = b"x") -> Shown:
    return Shown(LOG, sequence, record(sequence, payload), late, at_us)


def entry(**changed: object) -> Entry:
    return replace(Entry("room/1", b"x", (1, 1), at_us=1_000_000, gateway="ana", told_us=2_000_000), **changed)  # type: ignore[arg-type]


def watch(*sequences: int, now_us: int = 9_000_000, **changed: object) -> tuple[Watch, Diary]:
    ledger = {("alice", 7, sequence): entry(**changed) for sequence in sequences or (1,)}
    return Watch(lambda: now_us, ledger), Diary(("room/+",), owner="bob")


def broken(found: Watch) -> list[tuple[str, str]]:
    return [(breach.promise, breach.about) for breach in found.breaches]


def test_what_is_shown_once_and_in_order_breaks_nothing() -> None:
    found, diary = watch(1, 2)

    found.on_shown(diary, shown(1))
    found.on_shown(diary, shown(2))
    found.nothing_lost(diary)
    found.honest_about_gaps(diary, lambda _: [])

    assert found.breaches == []
    assert found.evaluated == {
        "once": 2,
        "in order": 2,
        "nothing invented": 2,
        "nothing lost": 2,
        "honest about gaps": 2,
    }


def test_twice_is_proved_by_the_publish_and_both_times() -> None:
    found, diary = watch()

    found.on_shown(diary, shown(at_us=3_000_000))
    found.on_shown(diary, shown(at_us=4_000_000))

    assert broken(found) == [("once", "bob was shown alice/0007/1 twice, the second time at 1")]
    assert found.breaches[0].witness == (
        "1.000000 s: alice publishes alice/0007/1 on room/1, attached to ana",
        "3.000000 s: bob is shown it",
        f"4.000000 s: bob is shown it again, from {ANA.hex()[:8]}:1",
    )


def test_a_smaller_sequence_after_a_larger_one_must_be_marked_late() -> None:
    found, diary = watch(1, 2, 3)

    found.on_shown(diary, shown(3))
    found.on_shown(diary, shown(1, late=True))
    found.on_shown(diary, shown(2))

    assert broken(found) == [("in order", "bob was shown alice/0007/2 after 3, and it was not marked late")]
    assert len(found.breaches[0].witness) == 4


def test_what_was_never_published_or_published_otherwise_is_invented() -> None:
    found, diary = watch(1, 2)

    found.on_shown(diary, shown(1, payload=b"y"))
    found.on_shown(diary, shown(9))
    found.ledger["alice", 7, 2].refused = "GSM-2108"
    found.on_shown(diary, shown(10))

    assert [promise for promise, _ in broken(found)] == ["nothing invented"] * 3
    assert "published as b'x', and shown as b'y'" in broken(found)[0][1]


def test_headers_and_the_content_type_are_part_of_a_message() -> None:
    found, diary = watch(1, 2, headers={"a": "b"}, flags=3)
    dressed = replace(
        shown(1), record=record(1)._replace(headers={"a": "b"}, flags=0b11011)
    )  # the node's own bits, too

    found.on_shown(diary, dressed)
    assert found.breaches == []
    found.on_shown(diary, replace(shown(2), record=dressed.record._replace(sequence=2, headers={})))
    found.on_shown(diary, replace(shown(2), record=dressed.record._replace(sequence=2, flags=2)))

    assert [(breach.about, breach.kind) for breach in found.breaches if breach.promise == "nothing invented"] == [
        ("alice/0007/2 was published as {'a': 'b'}, and shown as {}", "headers"),
        ("alice/0007/2 was published as 3, and shown as 2", "content type"),
    ]


def test_what_was_refused_or_does_not_match_is_invented() -> None:
    found, diary = watch(1, refused="GSM-2108")
    found.on_shown(diary, shown(1))
    other = Diary(("sea/+",), owner="bob")
    again, _ = watch(1)
    again.on_shown(other, shown(1))

    assert "was refused (GSM-2108), and shown to bob" in broken(found)[0][1]
    assert broken(again) == [("nothing invented", "room/1 matches none of ('sea/+',)")]


def test_nothing_is_shown_long_after_its_death() -> None:
    found, diary = watch(1, 2, expires_us=2_000_000)

    found.on_shown(diary, shown(1, at_us=2_000_000 + SKEW_US))
    found.on_shown(diary, shown(2, at_us=2_000_001 + SKEW_US))

    assert broken(found) == [("stays dead", "alice/0007/2 was shown to bob after it had expired")]


def test_what_a_lone_wrong_clock_dated_lives_from_its_stamp_whatever_clocks_differ_by() -> None:
    ahead = Record(
        "room/1", "alice", 7, 1, stamp_of(WALL_MS + 10_000), 0, 0, [], {}, b"x", b""
    )  # it lives for no time at all
    until_us = 10_000_000 + SKEW_US
    for misdated, at_us, is_fine in ((True, until_us, True), (True, until_us + 1, False), (False, until_us, False)):
        found, diary = watch(1, expires_us=2_000_000, misdated=misdated)

        found.on_shown(diary, Shown(LOG, 1, ahead, late=False, at_us=at_us))

        said = [("stays dead", "alice/0007/1 was shown to bob after it had expired")]
        assert broken(found) == ([] if is_fine else said)


def test_what_waited_lives_from_the_stamp_of_a_right_clock_and_from_when_a_disk_had_it_where_it_was_wrong() -> None:
    stamped = Record("room/1", "alice", 7, 1, stamp_of(WALL_MS + 10_000), 0, 0, [], {}, b"x", b"")
    until_us = 10_000_000 + SKEW_US
    accused = [("stays dead", "alice/0007/1 was shown to bob after it had expired")]
    for steady, came_us, said_us, at_us, expected in (
        ((ANA,), -1, -1, until_us, []),
        ((ANA,), -1, -1, until_us + 1, accused),
        ((BEN,), -1, -1, until_us, accused),
        ((BEN,), -1, 10_000_000, until_us, []),
        ((BEN,), -1, 10_000_000, until_us + 1, accused),
        ((BEN,), 10_000_000, -1, until_us, []),  # its node died before it said a word
        ((BEN,), 10_000_000, 99_000_000, until_us + 1, accused),  # its first word was cut off
    ):
        found, diary = watch(1, expires_us=2_000_000, said_us=said_us)
        found.steady, found.came_us = steady, lambda log, at, us=came_us: us if (log, at) == (LOG, 1) else -1

        found.on_shown(diary, Shown(LOG, 1, stamped, late=False, at_us=at_us))

        assert broken(found) == expected, (steady, came_us, said_us, at_us)


def test_what_died_is_shown_by_a_node_that_doubts_its_clock_and_where_wrong_clocks_were_believed() -> None:
    def asked(doubting: str = "", since_us: int = 2_000_000, *, undated: bool = False) -> list[tuple[str, str]]:
        found, diary = watch(1, expires_us=2_000_000, undated=undated)
        found.doubts_since_us = lambda node, at_us: since_us if (node, at_us) == (doubting, 2_000_001 + SKEW_US) else -1
        late = replace(shown(1, at_us=9_000_000 + SKEW_US), gateway="ana", told_us=2_000_001 + SKEW_US)
        found.on_shown(diary, late)
        return broken(found)

    said = [("stays dead", "alice/0007/1 was shown to bob after it had expired")]
    assert asked() == said == asked("ben")
    assert asked("ana") == [] == asked(undated=True)
    assert asked("ana", 2_000_000 + SKEW_US) == [] != asked("ana", 2_000_001 + SKEW_US), "it was dead before that"


def test_stamps_are_between_publication_and_showing_as_far_as_clocks_are_right() -> None:
    def stamped(at_us: int, *, skew_us: int = SKEW_US, steady: tuple[bytes, ...] = ()) -> list[tuple[str, str, str]]:
        found, diary = watch(1)
        found.skew_us, found.steady = skew_us, steady
        dated = Record("room/1", "alice", 7, 1, stamp_of(WALL_MS + at_us // 1_000), 0, 0, [], {}, b"x", b"")
        found.on_shown(diary, Shown(LOG, 1, dated, late=False, at_us=3_000_000))
        return [(breach.promise, breach.kind, breach.about.split(" is ")[1]) for breach in found.breaches]

    said = "nothing invented", "stamp"
    assert stamped(0, skew_us=SAME_US) == [] == stamped(4_000_000, skew_us=SAME_US)
    assert stamped(-1_000, skew_us=SAME_US) == [(*said, "stamped with -0.001000 s")]
    assert stamped(4_001_000, skew_us=SAME_US) == [(*said, "stamped with 4.001000 s")]
    assert (
        stamped(64_000_000, steady=(ANA,)) == [] == stamped(-600_000_000, steady=(ANA,))
    )  # two that are behind outvote it
    assert stamped(64_001_000, steady=(ANA,)) == [(*said, "stamped with 64.001000 s")]
    assert stamped(86_400_000_000) == []  # whoever stamps may have a clock that is a day ahead
    assert stamped(86_400_000_000, steady=(BEN,)) == []


def test_what_was_acknowledged_and_never_shown_is_lost() -> None:
    found, diary = watch()

    found.nothing_lost(diary)

    assert broken(found) == [("nothing lost", "alice/0007/1 was acknowledged at copies:1 and never shown to bob")]
    assert found.breaches[0].witness == (
        "1.000000 s: alice publishes alice/0007/1 on room/1, attached to ana",
        "2.000000 s: alice is told copies:1 regions:1",
        "9.000000 s: all is quiet, and bob was never shown it",
    )


def test_what_was_not_acknowledged_expired_or_excused_is_owed_to_nobody() -> None:
    for changed in (
        {"level": (0, 0)},
        {"expires_us": 9_000_000 + SKEW_US - 1},
        {"disks_lost": ("ana",), "regions_lost": ("eu",), "sealed_lost": True},
        {"channel": "sea/1"},
        {"mortal": True},
    ):
        found, diary = watch(1, **changed)
        found.nothing_lost(diary)
        assert found.breaches == [], changed


@pytest.mark.parametrize(
    ("seen", "changed", "held"),
    [
        (False, {}, 1),
        (True, {}, 1),
        (False, {"level": (0, 0)}, 0),
        (True, {"level": (0, 0)}, 0),
        (False, {"channel": "sea/1"}, 0),
        (False, {"undated": True}, 0),
    ],
)
def test_a_promise_is_counted_as_looked_at_for_what_it_was_held_against_alone(
    *, seen: bool, changed: dict[str, Any], held: int
) -> None:
    found, diary = watch(1, **changed)
    if seen:
        diary.seen = dict.fromkeys(found.ledger, 2_000_000)

    found.nothing_lost(diary)
    found.honest_about_gaps(diary, lambda _: [(LOG, 4, 4)])

    assert found.evaluated == {"nothing lost": held, "honest about gaps": held}


def test_where_no_clock_is_wrong_what_dies_a_second_after_the_end_is_owed() -> None:
    for skew_us, owed in ((SKEW_US, 0), (SAME_US, 1)):
        found, diary = watch(1, expires_us=9_000_000 + SAME_US)
        found.skew_us = skew_us
        found.nothing_lost(diary)
        assert len(found.breaches) == owed


def test_what_proves_a_breach_stands_in_the_order_in_which_it_happened() -> None:
    found, _ = watch()

    found.broken(
        "once", "twice", "3.000000 s: it is shown", "10.000000 s: it is shown again", "2.000000 s: it is published"
    )
    found.prove(0, "2.500000 s: it is sent")

    assert found.breaches[0].witness == (
        "2.000000 s: it is published",
        "2.500000 s: it is sent",
        "3.000000 s: it is shown",
        "10.000000 s: it is shown again",
    )


@pytest.mark.parametrize(
    ("level", "regions_lost", "sealed_lost"),
    [
        ((1, 1), ("eu", "us"), False),
        ((3, 1), ("eu", "us"), True),
        ((2, 2), ("eu",), True),
        ((3, 2), ("eu", "us"), False),
    ],
)
def test_a_level_outlives_fewer_lost_disks_than_it_counts_and_any_but_the_first(
    level: tuple[int, int], regions_lost: tuple[str, ...], *, sealed_lost: bool
) -> None:
    lost = {"disks_lost": ("ana", "ben"), "regions_lost": regions_lost, "sealed_lost": sealed_lost}
    found, diary = watch(1, level=level, **lost)

    found.nothing_lost(diary)

    assert [promise for promise, _ in broken(found)] == ["nothing lost"]


@pytest.mark.parametrize(
    ("said_by", "sealed_lost", "is_owed"),
    [
        ((), True, False),
        (("ana",), False, False),
        (("ben", "ana"), False, False),
        (("cy",), True, True),
        (("ana", "cy"), True, True),
    ],
)
def test_a_level_is_lost_with_the_disks_of_all_who_told_it(
    said_by: tuple[str, ...], *, sealed_lost: bool, is_owed: bool
) -> None:
    lost = {"disks_lost": ("ana", "ben"), "regions_lost": ("eu", "us"), "sealed_lost": sealed_lost}
    found, diary = watch(1, level=(2, 1), said_by=said_by, **lost)

    found.nothing_lost(diary)

    assert [promise for promise, _ in broken(found)] == ["nothing lost"] * is_owed


def test_a_gap_has_to_name_the_place() -> None:
    found, diary = watch()
    diary.missed.append(Missed(1, LOG, 5, 9, GapReason.EXPIRED, may_fill=False))

    found.honest_about_gaps(diary, lambda _: [(LOG, 4, 4)])
    assert [promise for promise, _ in broken(found)] == ["honest about gaps"]

    told, _ = watch()
    told.honest_about_gaps(diary, lambda _: [(LOG, 4, 5)])
    assert told.breaches == []

    diary.told_dead.add(("alice", 7, 1))  # where it stood in another log, that nobody remembers
    told.honest_about_gaps(diary, lambda _: [(LOG, 4, 4)])
    assert told.breaches == []


def test_many_diaries_are_each_given_what_they_match_in_the_order_of_the_ledger() -> None:
    ledger = {("alice", 7, number): entry(channel=f"room/{number % 3}") for number in range(1, 7)}
    diaries = [Diary(("room/1",)), Diary(("room/+", "room/1")), Diary(("hall/#",)), Diary(("room/2", "room/0"))]

    matcher = Matcher()
    assert [len(each) for each in matcher.of(dict(list(ledger.items())[:2]), diaries)] == [1, 2, 0, 1]

    found = matcher.of(ledger, diaries)  # which has grown

    assert [[name[2] for name, _ in each] for each in found] == [[1, 4], [1, 2, 3, 4, 5, 6], [], [2, 3, 5, 6]]
    assert all(ledger[name] is held for each in found for name, held in each)
    for diary, each in zip(diaries, found, strict=True):
        assert [name for name, held in ledger.items() if diary.matches(held.channel)] == [name for name, _ in each]


def test_a_level_is_held_by_so_many_disks_in_so_many_regions() -> None:
    found, _ = watch()

    found.on_held(NAME, entry(), "ana", (2, 2), {"ana", "ben"}, {"eu", "us"})
    kept = broken(found)
    found.on_held(NAME, entry(), "ana", (2, 1), set(), set())
    found.on_held(NAME, entry(), "ana", (2, 2), {"ana", "ben"}, {"eu"})

    assert kept == []
    assert found.evaluated == {"durable before acknowledged": 3}
    assert [about for _, about in broken(found)] == [
        "alice/0007/1 was acknowledged by ana at copies:2 regions:1, and lies nowhere",
        "alice/0007/1 was acknowledged by ana at copies:2 regions:2, and lies at ana, ben in eu",
    ]
    assert found.breaches[0].witness[1] == "9.000000 s: alice is told copies:2 regions:1 by ana"
