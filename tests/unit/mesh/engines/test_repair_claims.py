"""What a peer says to have of logs that nobody knows is believed as far as a limit goes; the rest is asked for later."""

import pytest

from mesh import partner as module
from mesh.effects import Outcome, Send
from mesh.engines.repair import PAGE_LOGS, Repair
from mesh.frames import LogState, NotFound, RepairEqual, RepairHello, Vector, Want
from mesh.types import LogId
from tests.engine_samples import TO_BEN, at, held, state, to_ben
from tests.repair_samples import desk, engine, vector
from tests.samples import ANA, BEN, Writer, received

WRITERS = [Writer(BEN, epoch) for epoch in range(1, 10)]
BATCHES = [writer.write() for writer in WRITERS]


@pytest.fixture(autouse=True)
def _limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CLAIMS_MAX", 4)


def begun() -> Repair:
    return desk(to_ben()).engine


def told(repair: Repair, *numbers: int, session: int = 1, answer: bool = True, more: bool = False) -> list[LogId]:
    """Ben tells of the first record of some logs; return which of them he is asked for."""
    states = (state(WRITERS[number], (1, 1)) for number in numbers)
    outcomes = repair.on_vector(TO_BEN, vector(*states, session=session, answer=answer, more=more), at())
    repair.check()
    repair.check_all()
    wants = (frame for frame in sent(outcomes) if isinstance(frame, Want))
    return sorted(log for want in wants for log, _, _ in want.ranges)


def sent(outcomes: list[Outcome]) -> list[object]:
    return [outcome.frame for outcome in outcomes if isinstance(outcome, Send)]


def come(repair: Repair, *numbers: int) -> list[Outcome]:
    """Batches come; return what follows the last."""
    outcomes: list[Outcome] = []
    for number in numbers:
        batch = BATCHES[number]
        repair.holdings.receive(received(batch))
        repair.holdings.store(batch)
        outcomes = repair.on_received(batch.log, 1, 1, at())
    return outcomes


def logs(*numbers: int) -> list[LogId]:
    return [WRITERS[number].log for number in numbers]


def test_of_logs_that_nobody_knows_so_many_are_believed() -> None:
    """A member told of 205,000 logs, 600 bytes each, and every word of it then cost 5.7 s."""
    repair = begun()

    assert told(repair, *range(9)) == logs(0, 1, 2, 3)
    assert told(repair, *range(9), answer=False) == []

    ben = repair.partners[TO_BEN]
    assert (ben.theirs.logs(), ben.missing.logs(), sorted(ben.stamps)) == (logs(0, 1, 2, 3),) * 3


def test_what_was_not_believed_is_told_once_more_when_what_was_has_come() -> None:
    """Its end has told us all, as far as it knows: it tells everything to whom it hears the first session of."""
    repair = begun()
    told(repair, *range(6))

    timers = come(repair, 0, 1, 2, 3)

    assert timers == [*desk(to_ben()).finished(TO_BEN, 5_000, 0)[:1], timers[1]]
    assert timers[1].at_us == at().mono_us, "the next follows at once"  # type: ignore[union-attr]
    assert sent(repair.compare(TO_BEN, at())) == [RepairHello(1, repair.holdings.digest)]
    assert not repair.partners[TO_BEN].has_given(0), "nobody knows what it has besides"
    assert told(repair, *range(6)) == logs(4, 5)
    come(repair, 4, 5)
    assert sent(repair.compare(TO_BEN, at())) == [RepairHello(2, repair.holdings.digest)]
    told(repair, session=2)
    assert repair.partners[TO_BEN].has_given(0)


def test_a_picture_is_begun_anew_only_where_half_of_it_has_room_and_no_page_is_under_way() -> None:
    repair = begun()
    told(repair, *range(6), more=True)
    ben = repair.partners[TO_BEN]
    come(repair, 0)
    assert not ben.is_untold, "three of four are missing still"
    come(repair, 1)
    assert ben.is_untold
    come(repair, 2, 3)

    assert sent(repair.compare(TO_BEN, at())) == [RepairHello(2, repair.holdings.digest)], "the last page comes yet"
    told(repair, session=2)
    assert not ben.has_given(0)

    assert sent(repair.compare(TO_BEN, at())) == [RepairHello(1, repair.holdings.digest)]


def test_a_word_that_was_on_its_way_is_not_all_that_was_asked_for_anew() -> None:
    repair = begun()
    told(repair, *range(6))
    come(repair, 0, 1, 2, 3)
    assert sent(repair.compare(TO_BEN, at(10))) == [RepairHello(1, repair.holdings.digest)]

    told(repair, session=7, answer=False)

    assert not repair.partners[TO_BEN].has_given(0)
    told(repair, *range(6))
    come(repair, 4, 5)
    repair.compare(TO_BEN, at(20))
    told(repair, session=2)
    assert repair.partners[TO_BEN].has_given(0)


def test_whoever_has_the_same_as_we_has_nothing_to_tell() -> None:
    repair = begun()
    told(repair, *range(6), more=True)
    ben = repair.partners[TO_BEN]

    repair.on_equal(TO_BEN, RepairEqual(1), at())

    assert (ben.crowded, ben.stamps, ben.missing.logs(), ben.has_given(0)) == (False, {}, [], True)
    assert sent(repair.compare(TO_BEN, at())) == [RepairHello(2, repair.holdings.digest)]


def test_a_log_that_we_have_some_of_and_one_that_was_believed_are_heard_of_for_ever() -> None:
    ana = Writer(ANA)
    ana.write(2)
    ana.write(2)
    repair = engine(to_ben(), holdings=held(ana.batches[0]))
    repair.on_peer_up(TO_BEN, at())
    told(repair, *range(4))

    repair.on_vector(TO_BEN, vector(state(ana, (1, 4))), at())
    told(repair, 0)

    ben = repair.partners[TO_BEN]
    assert list(ben.missing.get(ana.log)) == [(3, 4)]
    assert ben.missing.logs() == sorted([ana.log, *logs(0, 1, 2, 3)])
    assert not ben.crowded


def test_what_was_denied_takes_its_place_and_what_was_taken_back_leaves_nothing() -> None:
    repair = begun()
    told(repair, 0, 1, 2, 3)
    ben = repair.partners[TO_BEN]

    repair.on_not_found(TO_BEN, NotFound(((WRITERS[0].log, 1, 1),)), at())
    assert told(repair, 4, more=True) == []
    none = (LogState(log, 1, ()) for log in logs(0, 1, 2, 3))
    repair.on_vector(TO_BEN, Vector(1, tuple(none), more=True), at())
    assert (ben.stamps, ben.missing.logs(), ben.denied.logs()) == ({}, [], [])
    assert told(repair, 4, 5) == logs(4, 5)


def test_stamps_of_what_was_denied_go_with_it() -> None:
    repair = begun()
    told(repair, 0, 1)
    repair.on_not_found(TO_BEN, NotFound(((WRITERS[0].log, 1, 1),)), at())
    ben = repair.partners[TO_BEN]
    assert sorted(ben.stamps) == logs(0, 1)
    (other,) = logs(1)
    ben.theirs.add(other, 2, 2)  # which we have

    ben.unclaim()

    assert list(ben.stamps) == [other]


def test_a_peer_is_asked_for_so_many_logs_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each batch that came had all that a peer has sorted anew."""
    monkeypatch.setattr(module, "CLAIMS_MAX", 1 << 14)
    repair = begun()
    states = [LogState(LogId(BEN, epoch), epoch, ((1, 1, bytes(8)),)) for epoch in range(1, 2 * PAGE_LOGS + 1)]

    (want,) = sent(repair.on_vector(TO_BEN, Vector(1, tuple(states)), at()))

    newest = [LogId(BEN, epoch) for epoch in range(2 * PAGE_LOGS, PAGE_LOGS, -1)]
    assert want == Want(tuple((log, 1, 1) for log in newest))
    came = [repair.on_received(log, 1, 1, at()) for log in newest[: PAGE_LOGS // 2]]
    assert [outcomes for outcomes in came if outcomes] == came[-1:]
    (want,) = sent(came[-1])
    assert want == Want(tuple((LogId(BEN, epoch), 1, 1) for epoch in range(PAGE_LOGS, 0, -1)))


def test_a_picture_that_is_begun_anew_knows_of_no_session_before() -> None:
    repair = begun()
    for session in 1, 2, 3:
        told(repair, session=session)
        repair.compare(TO_BEN, at())
    ben = repair.partners[TO_BEN]
    assert ben.has_given(0)
    told(repair, *range(6), session=4)
    come(repair, 0, 1, 2, 3)
    repair.on_lost(WRITERS[0].log, 1, 1)

    repair.compare(TO_BEN, at())
    assert ben.session == 1
    assert not ben.has_given(0)
    told(repair, 4, 5)
    come(repair, 4, 5)
    told(repair, session=1)
    assert not ben.has_given(0), "what we lost is missing"
    repair.compare(TO_BEN, at())
    told(repair, 0, session=2)
    come(repair, 0)
    repair.compare(TO_BEN, at())
    told(repair, session=ben.session)
    assert ben.has_given(0)
