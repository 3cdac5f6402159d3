"""The judge: each promise that is broken, and each thing that did not happen, makes the demo fail."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from sim.demo.books import Books, Line, Name, payload_hash
from sim.demo.judge import Facts, Row, judge, retried

Spoil = Callable[[Books, Facts], None]
RATES = {"eu": 80, "us": 80, "ap": 160}
CUT_S, HEALED_S, ISOLATED_S, KILLED_S, SWALLOWED_S, DROPPED_S, END_S = 1, 6, 2, 3, 8, 8.5, 10
US_ALONE: Name = ("pub-us", 1, 200)
"""Published at 2.5 s: while us could not be heard."""


def a_run() -> tuple[Books, Facts]:
    """A run in which all that must happen happens, and every promise is kept."""
    books = Books()
    diaries = [books.diary("sub-eu"), books.diary("roamer")]
    for region, rate in RATES.items():
        for number in range(1, END_S * rate + 1):
            name, at_s = (f"pub-{region}", 1, number), number / rate
            moved = region == "ap" and at_s >= SWALLOWED_S
            books.post(name, f"demo/{region}", b"%d" % number, at_s, "ap" if at_s < DROPPED_S and moved else region)
            for diary in diaries:
                via = "eu" if at_s < CUT_S else "ap"
                diary.write(Line(name, f"demo/{region}", payload_hash(b"%d" % number), at_s, via, late=False))
            books.acknowledge(name, max(at_s, DROPPED_S) if moved else at_s, "eu" if moved else region)
    books.heal(HEALED_S)
    facts = Facts(
        cut_s=CUT_S,
        healed_s=HEALED_S,
        isolated_s=ISOLATED_S,
        killed_s=KILLED_S,
        swallowed_s=SWALLOWED_S,
        dropped_s=DROPPED_S,
        packets_dropped=100,
        lag_cut={"sub-eu": 300, "roamer": 200},
        lag_after={"sub-eu": 0, "roamer": 0},
        pids=(10, 11),
        epochs=("1", "2"),
        kill_status=-9,
        digests={"eu": "aa", "us": "aa", "ap": "aa"},
    )
    return books, facts


def test_run_that_kept_everything_passes_with_a_row_for_each_subscriber() -> None:
    books, facts = a_run()

    verdict = judge(books, facts)

    assert verdict.passed
    assert (verdict.broken, verdict.unmet) == ([], [])
    assert verdict.rows == [Row("sub-eu", 3_200, 3_200, 0, 0, 0, 0.0), Row("roamer", 3_200, 3_200, 0, 0, 0, 0.0)]
    assert len(verdict.happened) == 14


def lose(books: Books, facts: Facts) -> None:
    """One subscriber lacks what us alone had acknowledged."""
    diary = books.diary("sub-eu")
    diary.lines = [line for line in diary.lines if line.name != US_ALONE]
    diary.seen.remove(US_ALONE)
    diary.missing[US_ALONE] = 2.5


def lose_it_with_the_node(books: Books, facts: Facts) -> None:
    lose(books, facts)
    facts.held = frozenset(books.entries.keys() - {US_ALONE})


def lose_it_although_a_node_has_it(books: Books, facts: Facts) -> None:
    lose(books, facts)
    facts.held = frozenset(books.entries)


def double(books: Books, facts: Facts) -> None:
    diary = books.diary("roamer")
    diary.write(diary.lines[5])


def alter(books: Books, facts: Facts) -> None:
    lines = books.diary("sub-eu").lines
    lines[7] = replace(lines[7], hash=payload_hash(b"something else"))


def deliver_elsewhere(books: Books, facts: Facts) -> None:
    lines = books.diary("sub-eu").lines
    lines[7] = replace(lines[7], channel="demo/other")


def invent(books: Books, facts: Facts) -> None:
    diary = books.diary("sub-eu")
    diary.write(replace(diary.lines[0], name=("nobody", 1, 1)))


def swap(books: Books, facts: Facts) -> None:
    lines = books.diary("sub-eu").lines
    lines[3], lines[4] = lines[4], lines[3]


def be_slow(books: Books, facts: Facts) -> None:
    books.diary("sub-eu").caught_up_s = HEALED_S + 18.5


def never_catch_up(books: Books, facts: Facts) -> None:
    books.diary("sub-eu").caught_up_s = None


def stay_apart(books: Books, facts: Facts) -> None:
    facts.digests["us"] = "bb"


PROMISES: list[tuple[Spoil, list[str]]] = [
    (lose, ["Nothing lost"]),
    (lose_it_with_the_node, ["Durable before acknowledged", "Nothing lost"]),
    (lose_it_although_a_node_has_it, ["Nothing lost"]),
    (double, ["Once"]),
    (alter, ["Nothing invented, nothing altered"]),
    (deliver_elsewhere, ["Nothing invented, nothing altered"]),
    (invent, ["Nothing invented, nothing altered"]),
    (swap, ["In order"]),
    (be_slow, ["Converges"]),
    (never_catch_up, ["Converges"]),
    (stay_apart, ["Converges"]),
]


@pytest.mark.parametrize(("spoil", "promises"), PROMISES)
def test_broken_promise_is_named_and_fails_the_run(spoil: Spoil, promises: list[str]) -> None:
    books, facts = a_run()
    spoil(books, facts)

    verdict = judge(books, facts)

    assert [broken.promise for broken in verdict.broken] == promises
    assert not verdict.passed


def test_message_that_comes_after_its_successor_is_in_order_if_it_is_marked_late() -> None:
    books, facts = a_run()
    swap(books, facts)
    lines = books.diary("sub-eu").lines
    lines[4] = replace(lines[4], late=True)

    assert judge(books, facts).passed


def test_loss_is_told_with_its_first_witness() -> None:
    books, facts = a_run()
    lose_it_with_the_node(books, facts)

    broken = [str(one) for one in judge(books, facts).broken]

    durable = "1 message was acknowledged as fsynced at us, and no node has it"
    lost = "1 acknowledged message did not reach 1 of 2 subscribers; sub-eu lacks 1"
    assert broken == [
        f"Durable before acknowledged: {durable} (the first: pub-us 200)",
        f"Nothing lost: {lost} (the first: pub-us 200)",
    ]


def test_doubled_messages_are_told_in_one_sentence_with_the_worst_case() -> None:
    books, facts = a_run()
    double(books, facts)
    double(books, facts)
    diary = books.diary("sub-eu")
    for line in diary.lines[10:13]:
        diary.write(line)

    broken = [str(one) for one in judge(books, facts).broken]

    assert broken == [
        "Once: 2 of 2 subscribers were shown messages more than once; sub-eu 3 of them (the first: pub-eu 11, 2 times)"
    ]


def forget(region: str, first_s: float, last_s: float, keep: int) -> Spoil:
    """Of what a region acknowledged within a time, only so much was acknowledged there and then."""

    def spoil(books: Books, facts: Facts) -> None:
        found = [
            e
            for e in books.entries.values()
            if e.acknowledged_via == region and e.acknowledged_s is not None and first_s <= e.acknowledged_s <= last_s
        ]
        for entry in found[keep:]:
            entry.acknowledged_s = float(END_S)

    return spoil


def forget_the_other_side(books: Books, facts: Facts) -> None:
    forget("us", CUT_S, ISOLATED_S - 0.001, 0)(books, facts)
    forget("us", KILLED_S + 0.001, HEALED_S, 0)(books, facts)
    forget("ap", CUT_S, HEALED_S, 199 - 81)(books, facts)


def answer_here(books: Books, facts: Facts) -> None:
    """All but 49 of the names whose receipts were swallowed are acknowledged by the node that swallowed them."""
    hidden = [e for e in books.entries.values() if e.posted_via == "ap" and SWALLOWED_S <= e.posted_s < DROPPED_S]
    for entry in hidden[49:]:
        entry.acknowledged_via = "ap"


def setting(**fields: object) -> Spoil:
    def spoil(books: Books, facts: Facts) -> None:
        for name, value in fields.items():
            setattr(facts, name, value)

    return spoil


def publish_little(books: Books, facts: Facts) -> None:
    books.acknowledged = 1_999
    for name in list(books.entries)[1_999:]:
        del books.entries[name]


def stay(books: Books, facts: Facts) -> None:
    diary = books.diary("roamer")
    diary.lines = [replace(line, via="eu") for line in diary.lines]


def refuse(books: Books, facts: Facts) -> None:
    name = ("pub-eu", 1, 9_999)
    books.post(name, "demo/eu", b"", 1.0, "eu")
    books.refused.append("pub-eu 9999")


def wait_for_ever(books: Books, facts: Facts) -> None:
    books.post(("pub-eu", 1, 9_999), "demo/eu", b"", 1.0, "eu")


CONDITIONS: list[tuple[Spoil, str]] = [
    (forget("eu", CUT_S, HEALED_S, 199), "acknowledged in eu during the cut: 199 (at least 200)"),
    (forget_the_other_side, "acknowledged on the other side during the cut: 199 (at least 200)"),
    (setting(lag_cut={"sub-eu": 300, "roamer": 0}), "lag in the cut: sub-eu 300, roamer 0"),
    (setting(lag_cut={}), "lag in the cut: "),
    (setting(lag_after={"sub-eu": 1}), "lag at the end: 1"),
    (setting(lag_after={}), "lag at the end: 0"),
    (setting(packets_dropped=0), "datagrams that the proxies dropped in the cuts: 0 (at least 1)"),
    (forget("us", ISOLATED_S, KILLED_S, 49), "acknowledged by us alone before it was killed: 49 (at least 50)"),
    (setting(kill_status=0), "us ended by SIGKILL (status 0)"),
    (setting(pids=(10, 10)), "us is another process: 10 -> 10"),
    (setting(epochs=("1", "1")), "us has another epoch: 1 -> 1"),
    (setting(epochs=("1", "")), "us has another epoch: 1 -> "),
    (stay, "roamer was served in more than one region: eu"),
    (answer_here, "names retried at another node: 49 (at least 50)"),
    (refuse, "publishes refused for good: 1"),
    (wait_for_ever, "publishes that still wait for a receipt at the end: 1"),
]


@pytest.mark.parametrize(("spoil", "condition"), CONDITIONS)
def test_run_in_which_too_little_happened_fails_and_says_what(spoil: Spoil, condition: str) -> None:
    books, facts = a_run()
    spoil(books, facts)

    verdict = judge(books, facts)

    assert verdict.unmet == [condition]
    assert not verdict.passed


def test_run_with_too_few_receipts_fails() -> None:
    books, facts = a_run()
    publish_little(books, facts)

    verdict = judge(books, facts)

    assert "publishes acknowledged: 1,999 (at least 2,000)" in verdict.unmet


def test_region_that_takes_little_while_it_is_cut_off_is_not_available() -> None:
    books, facts = a_run()
    inside = [e for e in books.entries.values() if e.posted_via == "eu" and CUT_S <= e.posted_s <= HEALED_S]
    for entry in inside[::2] + inside[1:200:2]:
        entry.acknowledged_s = float(END_S)

    verdict = judge(books, facts)

    assert [str(broken) for broken in verdict.broken] == [
        "Available: eu took 60 of 321 messages while the network was cut"
    ]
    assert not verdict.passed


def test_run_without_faults_needs_receipts_and_nothing_else() -> None:
    books, _ = a_run()

    verdict = judge(books, Facts(faults=False, lag_after={"sub-eu": 0, "roamer": 0}, digests={"eu": "a", "us": "a"}))

    assert verdict.passed
    assert len(verdict.happened) == 4


def test_name_counts_as_retried_only_if_it_was_surely_sent_and_another_node_answered() -> None:
    books, facts = a_run()

    assert retried(books, facts) == 73  # from 8.00 s through 8.45 s, 160 a second
