"""Names that lie in many pieces, out of order, or twice in a log: what they cost, and that none is lost."""

import pytest

from mesh.clocks.vector import IntervalSet, VersionVector
from mesh.log import names
from mesh.log.names import NameIndex, NameRun
from mesh.types import LogId
from tests.name_samples import ALL, batch_of, p, run_of
from tests.samples import ANA, BEN, Writer, record


@pytest.mark.parametrize("order", ["rising", "falling", "shuffled"])
def test_a_batch_is_compared_with_its_neighbors_however_many_holes_its_log_has(
    monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    """4,000 messages of which every second one is missing took three seconds, and 8,000 ten."""
    index, compared = NameIndex(), 0

    def counted(run: NameRun, new: NameRun, held: IntervalSet) -> bool:
        nonlocal compared
        compared += 1
        return follows(run, new, held)

    follows = names._follows
    monkeypatch.setattr(names, "_follows", counted)
    writer = Writer()
    sequences = {
        "rising": range(2, 402, 2),
        "falling": range(400, 0, -2),
        "shuffled": [1 + 7 * number % 400 for number in range(0, 400, 2)],
    }[order]
    for sequence in sequences:
        index.note(batch_of(writer, *p(sequence)), ALL)

    assert compared <= 3 * 200
    assert len(index._runs["p", 7]) == 200
    assert all(len(index.find("p", 7, sequence)) == 1 for sequence in sequences)
    index.check()


def test_what_is_found_of_many_runs_is_what_holds_it_and_no_more() -> None:
    index, writer = NameIndex(), Writer()
    for sequence in (9, 3, 7, 5, 1):
        index.note(batch_of(writer, *p(sequence)), ALL)

    assert [len(index.find("p", 7, sequence)) for sequence in range(11)] == [0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0]
    assert index.newest("p", 7) == 9
    assert [index._window(index._runs["p", 7], sequence) for sequence in (0, 1, 2, 9, 10)] == [
        (0, 0),
        (0, 1),
        (1, 1),
        (4, 5),
        (5, 5),
    ]


def test_a_name_that_lies_twice_in_a_log_is_found_twice() -> None:
    """No honest node writes such a log. Whoever reads it must not lose a name in it."""
    index, writer = NameIndex(), Writer()
    long, again, next_one = batch_of(writer, *p(1, 2, 3, 4)), batch_of(writer, *p(2)), batch_of(writer, *p(5))
    for batch in (long, again, next_one):
        index.note(batch, ALL)

    index.check()
    whole, inner, after = run_of(long, 1, 4, 1, 4), run_of(again, 2, 2, 5, 5), run_of(next_one, 5, 5, 6, 6)
    assert [index.find("p", 7, number) for number in (1, 2, 5)] == [[whole], [whole, inner], [after]]
    assert index.newest("p", 7) == 5
    index.forget(next_one)
    assert index.newest("p", 7) == 4
    index.forget(again)
    index.forget(long)
    assert (len(index), index._twice) == (0, {})


def test_however_often_a_log_holds_a_name_few_of_its_runs_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A member wrote one name a hundred thousand times, and whoever looked for any name of that publisher read them all."""
    monkeypatch.setattr(names, "REPEATS_MAX", 3)
    index, writer = NameIndex(), Writer()
    batches = [batch_of(writer, *p(1)) for _ in range(9)]

    noted = [index.note(batch, ALL) for batch in batches]

    index.check()
    assert noted == [[run_of(batch, 1, 1, at, at)] for at, batch in enumerate(batches, 1)], "a disk is told of all"
    assert index.find("p", 7, 1) == [run for runs in noted[:3] for run in runs]
    again = NameIndex([run for runs in noted for run in runs])
    assert again.find("p", 7, 1) == index.find("p", 7, 1)
    again.check()


def test_what_repeats_too_many_names_is_found_where_its_log_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "REPEATS_MAX", 1)
    index, writer = NameIndex(), Writer()
    second, fifth = batch_of(writer, *p(2)), batch_of(writer, *p(5))
    long = batch_of(writer, *p(1, 2, 3, 4, 5, 6))
    for batch in (second, fifth, long):
        index.note(batch, ALL)

    index.check()
    assert index._runs["p", 7] == [
        run_of(long, 1, 1, 3, 3),
        run_of(second, 2, 2, 1, 1),
        run_of(long, 3, 4, 5, 6),
        run_of(fifth, 5, 5, 2, 2),
        run_of(long, 6, 6, 8, 8),
    ]
    index.forget(long)
    assert index._runs["p", 7] == [run_of(second, 2, 2, 1, 1), run_of(fifth, 5, 5, 2, 2)]


def test_a_name_that_is_not_found_twice_is_found_for_as_long_as_its_last_copy_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(names, "REPEATS_MAX", 0)
    index, writer = NameIndex(), Writer()
    first = writer.seal([record(n, publisher="p", stamp=writer._stamp + n, ttl_ms=5_000) for n in (1, 3, 5)])
    writer._stamp += 9
    copy = writer.seal([record(n, publisher="p", stamp=writer._stamp + n, ttl_ms=9_000) for n in (3, 4, 5)])
    for batch in (first, copy):
        index.note(batch, ALL)

    index.check()
    assert index.expire(first.head.expires_ms) == 0
    assert [(run.first, run.from_position) for run in index._runs["p", 7]] == [(3, 2), (4, 5), (5, 3)]


def test_a_long_run_is_found_behind_all_that_overlap_it() -> None:
    index, writer, many = NameIndex(), Writer(), IntervalSet([(1, 4_000)])
    index.note(batch_of(writer, *p(*range(1, 1_001))), many)
    for sequence in range(2, 1_000, 2):
        index.note(batch_of(writer, *p(sequence)), many)

    index.check()
    assert [len(index.find("p", 7, sequence)) for sequence in (1, 2, 512, 514, 999, 1_000)] == [1, 2, 2, 1, 1, 1]
    assert index.newest("p", 7) == 1_000
    start, end = index._window(index._runs["p", 7], 1_000)
    assert end - start <= names.REPEATS_MAX + 1


def test_of_a_batch_whose_sequences_do_not_rise_all_names_are_taken_back() -> None:
    """What was joined to one of them was cut behind the batch, and was then taken for the place of another of them."""
    index, writer = NameIndex(), Writer()
    first, second = batch_of(writer, *p(2, 1, 3)), batch_of(writer, *p(4))
    index.note(second, IntervalSet([(4, 4)]))
    index.note(first, ALL)
    assert [(run.first, run.last) for run in index._runs["p", 7]] == [(1, 1), (2, 4)]

    index.forget(first)
    index.tighten(first, IntervalSet([(1, 3)]))

    index.check()
    assert index._runs == {("p", 7): [run_of(second, 4, 4, 4, 4)]}


def test_a_run_of_which_something_was_told_does_not_hide_a_later_one_that_lies_twice_in_its_log() -> None:
    index, ana, ben = NameIndex(), Writer(ANA), Writer(BEN)
    twice, here = batch_of(ana, *p(1, 5, 5)), batch_of(ben, *p(3))
    for batch in (twice, here):
        index.note(batch, ALL)

    (message,) = here.records()

    assert [index.overtaken(message, here.log, VersionVector([(ana.log, [(at, at)])])) for at in range(1, 5)] == [
        False,
        True,
        True,
        False,
    ]


def test_a_check_trips_over_runs_out_of_order_and_such_as_overlap_unknown() -> None:
    log = LogId(ANA, 1)
    first, second, inner = (NameRun("p", 7, *at, log, *at, 5) for at in ((1, 3), (5, 9), (6, 7)))
    for broken in ([second, first], [second, inner]):
        index = NameIndex([first])
        index._runs["p", 7] = broken
        with pytest.raises(AssertionError):
            index.check()
    index = NameIndex([first])
    index._twice[("p", 7), log] = names.REPEATS_MAX + 1
    with pytest.raises(AssertionError):
        index.check()
