"""A session that publishes: what it has to send again."""

from mesh.publisher import REFUSED_RUNS_MAX, Publisher
from mesh.types import SessionId


def publisher() -> Publisher:
    return Publisher(SessionId(1), "me", 7)


def test_the_least_that_was_refused_is_held_back_until_each_has_come_again() -> None:
    one = publisher()
    one.on_here(9)
    assert (one.held_back, list(one.refused)) == (0, [])

    for sequence in (5, 3, 4, 8):
        one.on_refused(sequence, sequence)
    assert (one.held_back, list(one.refused)) == (3, [(3, 5), (8, 8)])
    for sequence, least in ((7, 3), (4, 3), (3, 5), (5, 8), (8, 0)):
        one.on_here(sequence)
        assert one.held_back == least
    assert not one.refused


def test_who_skips_sequences_takes_no_memory_without_end() -> None:
    one = publisher()
    for number in range(REFUSED_RUNS_MAX + 2):
        one.on_refused(1 + 2 * number, 1 + 2 * number)

    assert len(one.refused) == REFUSED_RUNS_MAX
    last = 1 + 2 * (REFUSED_RUNS_MAX + 1)
    assert (one.held_back, list(one.refused)[-1]) == (1, (last - 4, last))
