"""What a ledger keeps of a message: the highest level, and when each part of it was told."""

from sim.diary import Entry


def test_a_level_rises_by_each_part_and_is_reached_once() -> None:
    entry = Entry("room/1", b"x", wanted=(2, 2))

    rises = [entry.rise(*level, now_us=at) for at, level in enumerate([(1, 1), (1, 1), (2, 1), (1, 2), (3, 2)], 10)]

    assert rises == [True, False, True, True, True]
    assert (entry.level, entry.first_told_us, entry.reached_us, entry.told_us) == ((3, 2), 10, 13, 14)
