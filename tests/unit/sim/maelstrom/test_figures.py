"""Figures: what is lost, doubled, stale, and how soon a value is stable, on histories written by hand."""

from sim.maelstrom.figures import Operation, figures

MS = 1_000


def broadcast(value: int, asked_ms: int, ended_ms: int | None, refused: str = "") -> Operation:
    ended_us = None if ended_ms is None else ended_ms * MS
    return Operation("broadcast", "n0", asked_ms * MS, value, ended_us=ended_us, refused=refused)


def read(asked_ms: int, *shown: int, node: str = "n1") -> Operation:
    return Operation("read", node, asked_ms * MS, shown=shown, ended_us=(asked_ms + 1) * MS)


def test_a_value_is_stable_from_the_last_read_that_did_not_show_it() -> None:
    found = figures([broadcast(1, 0, 10), read(50), read(110), read(150, 1), read(200, 1)], 12)

    assert found.stable_latencies_ms == {"0.0": 100, "0.5": 100, "0.95": 100, "0.99": 100, "1.0": 100}
    assert (found.operations, found.broadcasts, found.acknowledged, found.stale) == (5, 1, 1, 1)
    assert (found.messages_per_operation, found.messages_per_broadcast) == (2.4, 12.0)
    assert found.kept


def test_a_read_before_a_value_was_known_says_nothing_of_it() -> None:
    found = figures([read(5), broadcast(1, 0, 10), read(20, 1)], 0)

    assert (found.stable_latencies_ms["1.0"], found.stale) == (0, 0)


def test_a_read_makes_known_what_was_not_acknowledged() -> None:
    found = figures([broadcast(1, 0, None), read(10, 1), read(31), read(40, 1)], 0)

    assert (found.stable_latencies_ms["1.0"], found.unanswered, found.acknowledged) == (20, 1, 0)


def test_a_value_that_was_shown_and_is_not_shown_any_more_is_lost() -> None:
    found = figures([broadcast(1, 0, 10), read(20, 1), read(30)], 0)

    assert (found.lost, found.never_read, found.kept) == (1, 0, False)


def test_an_acknowledged_value_that_no_read_shows_was_never_read() -> None:
    found = figures([broadcast(1, 0, 10), broadcast(2, 0, None), read(30)], 0)

    assert (found.lost, found.never_read, found.kept) == (0, 1, False)


def test_a_value_twice_in_a_read_is_doubled() -> None:
    found = figures([broadcast(1, 0, 10), read(20, 1, 1)], 0)

    assert (found.doubled, found.kept) == (1, False)


def test_what_nobody_broadcast_or_was_refused_is_invented() -> None:
    found = figures([broadcast(1, 0, 10, refused="full"), read(20, 1, 2)], 0)

    assert (found.invented, found.refused, found.kept) == (2, 1, False)


def test_quantiles_are_those_of_all_values() -> None:
    operations = [broadcast(value, 0, 0) for value in range(100)]
    operations += [read(value, *range(value)) for value in range(101)]

    found = figures(operations, 0)

    assert found.stable_latencies_ms == {"0.0": 0, "0.5": 50, "0.95": 95, "0.99": 99, "1.0": 99}
    assert "0.5 50" in found.table()


def test_an_empty_history_has_figures() -> None:
    assert figures([], 0).stable_latencies_ms["0.5"] == 0
