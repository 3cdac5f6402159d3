import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import TapeError
from sim.tape import Tape


def test_equal_seeds_and_labels_give_equal_draws() -> None:
    one, other = Tape().stream(b"7", "world"), Tape().stream(b"7", "world")

    assert [one.below(1_000) for _ in range(20)] == [other.below(1_000) for _ in range(20)]
    assert one.fork("link").bytes(32) == other.fork("link").bytes(32)


def test_one_more_draw_disturbs_no_other_stream_and_no_key() -> None:
    one, other = Tape().stream(b"7", "world"), Tape().stream(b"7", "world")
    one.below(10)

    assert one.bytes(16) == other.bytes(16)
    assert one.fork("a").below(1 << 40) == other.fork("a").below(1 << 40)


def test_what_is_mixed_in_changes_the_draws_behind_what_was_hashed_ahead() -> None:
    plain, mixed, other = (Tape().stream(b"7", "world") for _ in range(3))
    mixed.mix(b"one")
    other.mix(b"other")

    drawn = [[stream.below(1 << 60) for _ in range(8)] for stream in (plain, mixed, other)]

    assert len({tuple(draws) for draws in drawn}) == 3
    assert mixed.bytes(8) != plain.bytes(8)


def test_all_draws_stand_on_the_tape_by_stream() -> None:
    tape = Tape()
    root = tape.stream(b"7", "world")
    drawn = [root.below(100), root.below(100)]
    forked = root.fork("link").between(5, 9)

    assert tape.draws == {"world": drawn, "world/link": [forked - 5]}
    assert tape.length == 3


def test_a_tape_that_does_not_record_gives_the_same_draws_and_keeps_none() -> None:
    kept, unkept = Tape(), Tape(recording=False)
    one, other = kept.stream(b"7", "world"), unkept.stream(b"7", "world")

    draws = [one.below(100) for _ in range(20)], [other.below(100) for _ in range(20)]

    assert draws[0] == draws[1]
    assert (kept.length, unkept.length) == (20, 0)


def test_a_label_that_is_begun_again_gets_a_number() -> None:
    tape = Tape()
    tape.stream(b"7", "app")
    tape.stream(b"7", "app").below(2)

    assert sorted(tape.draws) == ["app", "app#2"]


@given(st.lists(st.integers(1, 1 << 40), min_size=1, max_size=50))
def test_a_strict_replay_makes_the_same_draws(bounds: list[int]) -> None:
    tape = Tape()
    drawn = [tape.stream(b"7", "a").below(bound) for bound in bounds[:1]]
    again = Tape(given=tape.draws)

    assert again.stream(b"other", "a").below(bounds[0]) == drawn[0]
    again.check_used()


def test_a_strict_replay_refuses_another_run() -> None:
    short = Tape(given={"a": [5]}).stream(b"7", "a")

    assert short.below(6) == 5
    with pytest.raises(TapeError, match="the tape ends after 1 draws of a"):
        short.below(6)
    with pytest.raises(TapeError, match="draw 0 of a is 5 on the tape, and must be below 3"):
        Tape(given={"a": [5]}).stream(b"7", "a").below(3)
    unused = Tape(given={"a": [5]})
    with pytest.raises(TapeError, match="1 draws for a, and this run made 0"):
        unused.check_used()


def test_beyond_the_end_of_a_lenient_tape_nothing_happens() -> None:
    stream = Tape(given={"a": [5]}, strict=False).stream(b"7", "a")

    assert [stream.below(3), stream.below(3), stream.chance(999_999)] == [2, 0, False]


def test_a_chance_comes_as_often_as_it_says() -> None:
    stream = Tape().stream(b"7", "a")

    assert 200 < sum(stream.chance(250_000) for _ in range(1_000)) < 300
    assert not any(stream.chance(0) for _ in range(10))
    assert all(stream.chance(1_000_000) for _ in range(10))
