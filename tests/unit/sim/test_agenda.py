"""What is due happens in the order of its time, and of being asked for where times are equal."""

from __future__ import annotations

from random import Random

from sim.agenda import SLOT_BITS, Agenda

SLOT_US = 1 << SLOT_BITS


class Diary:
    """Writes down what happens, and asks for more while it does."""

    def __init__(self, seed: int) -> None:
        self.agenda = Agenda()
        self.asked: list[tuple[int, int]] = []
        self.done: list[tuple[int, int]] = []
        self._random = Random(seed)

    def ask(self) -> None:
        agenda, number = self.agenda, len(self.asked)
        t_us = agenda.now_us + self._random.choice([-5, 0, 0, 1, SLOT_US - 1, SLOT_US, 3 * SLOT_US, 40 * SLOT_US])
        self.asked.append((max(t_us, agenda.now_us), number))
        if t_us < agenda.now_us or self._random.random() < 0.2:
            agenda.at(t_us, self._do, number, None)
        else:
            agenda.due(t_us, self._do, number, None)

    def _do(self, number: int, _: object) -> None:
        self.done.append((self.agenda.now_us, number))
        if len(self.asked) < 300:
            for _ in range(self._random.randrange(3)):
                self.ask()


def test_whatever_is_asked_for_happens_in_the_order_of_time_and_then_of_asking() -> None:
    for seed in range(50):
        diary = Diary(seed)

        for _ in range(20):
            diary.ask()
        for until_us in (10, SLOT_US, SLOT_US + 1, 7 * SLOT_US):
            diary.agenda.run_to(until_us)
            assert diary.done == sorted(each for each in diary.asked if each[0] <= until_us)
            diary.ask()
        diary.agenda.run(60)

        assert diary.done == sorted(diary.asked)


def test_what_is_asked_for_between_runs_waits_for_what_was_asked_for_before_it() -> None:
    diary = Diary(1)
    agenda = diary.agenda
    agenda.run_to(5 * SLOT_US)

    agenda.due(5 * SLOT_US, diary._do, 1, None)
    agenda.at(4 * SLOT_US, diary._do, 2, None)
    agenda.run_to(5 * SLOT_US)

    assert diary.done[:2] == [(5 * SLOT_US, 1), (5 * SLOT_US, 2)]


def test_time_passes_until_something_holds_and_no_further() -> None:
    agenda, seen = Agenda(), list[int]()
    for t_us in (7, 2 * SLOT_US, 9 * SLOT_US):
        agenda.at(t_us, seen.append, t_us)

    assert agenda.run_until(lambda: len(seen) == 2, 1)

    assert (agenda.now_us, seen) == (2 * SLOT_US, [7, 2 * SLOT_US])
    assert not agenda.run_until(lambda: False, 0.001)
    assert (agenda.now_us, seen) == (2 * SLOT_US + 1_000, [7, 2 * SLOT_US])
    assert not agenda.run_until(lambda: len(seen) == 4, 1)
    assert seen == [7, 2 * SLOT_US, 9 * SLOT_US]


def test_what_is_done_every_so_often_is_done_after_each_period() -> None:
    agenda, seen = Agenda(), list[int]()
    agenda.run_to(5)
    agenda.every(2 * SLOT_US, lambda: seen.append(agenda.now_us))

    agenda.run_to(5 + 6 * SLOT_US)

    assert seen == [5 + each * SLOT_US for each in (2, 4, 6)]
