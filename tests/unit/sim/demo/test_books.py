"""Ledger and diaries: what is missing, what is overdue, when a subscriber had caught up."""

from sim.demo.books import Books, Line, Name, payload_hash

FIRST: Name = ("pub-eu", 7, 1)
SECOND: Name = ("pub-eu", 7, 2)


def line(name: Name, at_s: float) -> Line:
    return Line(name, "demo/eu", payload_hash(b"x"), at_s, "us", late=False)


def books_with_two_publishes() -> Books:
    books = Books()
    books.diary("sub")
    for name in (FIRST, SECOND):
        books.post(name, "demo/eu", b"x", 0.0, "eu")
    return books


def test_what_is_acknowledged_and_not_written_down_is_missing_and_overdue_after_a_second() -> None:
    books = books_with_two_publishes()

    books.acknowledge(FIRST, 0.5, "eu")
    books.acknowledge(SECOND, 1.0, "eu")

    assert books.diary("sub").missing == {FIRST: 0.5, SECOND: 1.0}
    assert [books.lags(now_s)["sub"] for now_s in (1.4, 1.5, 2.0)] == [0, 1, 2]
    assert not books.complete


def test_message_that_came_before_its_receipt_was_never_missing() -> None:
    books = books_with_two_publishes()

    books.diary("sub").write(line(FIRST, 0.1))
    books.acknowledge(FIRST, 0.2, "eu")

    assert books.complete
    assert books.acknowledged == 1


def test_subscriber_has_converged_when_the_last_message_that_the_cut_withheld_has_come() -> None:
    books = books_with_two_publishes()
    books.acknowledge(FIRST, 1.0, "eu")
    diary = books.diary("sub")

    books.heal(2.0)
    before = diary.converged_s
    diary.write(line(SECOND, 2.5))
    still = diary.converged_s
    diary.write(line(FIRST, 3.0))

    assert (before, still, diary.converged_s) == (None, None, 1.0)


def test_subscriber_that_lacked_nothing_has_converged_at_once() -> None:
    books = books_with_two_publishes()

    books.heal(2.0)

    assert books.diary("sub").converged_s == 0.0
