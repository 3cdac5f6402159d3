"""Dissemination: who is pushed to, who is told, who is asked, and when repair has to do it."""

import pytest

from mesh.effects import Count, Outcome, RepairDue, Send
from mesh.engines.dissemination import ANNOUNCE, GRAFT, Dissemination, DisseminationConfig
from mesh.errors import ConfigError
from mesh.frames import Graft, IHave, Lane, Push
from mesh.log.holdings import Holdings
from mesh.peers import Peer
from mesh.types import LinkId, LogId
from tests.engine_samples import (
    TO_ANA,
    TO_BEN,
    TO_CY,
    at,
    held,
    no_timer,
    set_timer,
    table,
    take,
    to_ana,
    to_ben,
    to_cy,
)
from tests.samples import ANA, BEN, Writer

LOG = LogId(ANA, 1 << 20)


def engine(*peers: Peer, holdings: Holdings | None = None, **fields: int) -> Dissemination:
    return Dissemination(DisseminationConfig(**fields), holdings or Holdings(), table(*peers))


def announced(*peers: Peer, holdings: Holdings | None = None, **fields: int) -> Dissemination:
    """An engine to which Ben has announced the positions 1 to 3 of a log."""
    one = engine(*peers, holdings=holdings, **fields)
    one.on_ihave(TO_BEN, ihave((LOG, 1, 3)), at())
    one.check_all()
    return one


def ihave(*ranges: tuple[LogId, int, int]) -> IHave:
    return IHave(ranges)


def grafted(link: LinkId, *ranges: tuple[LogId, int, int], again_ms: float) -> list[Outcome]:
    """What asks an announcer; the next is asked at `again_ms`."""
    return [Send((link,), Graft(ranges)), Count("grafts_total"), set_timer(GRAFT, *ranges[0][:2], ms=again_ms)]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"graft_near_ms": 0}, "graft_near_ms <= graft_ms must hold"),
        ({"graft_near_ms": 301}, "graft_near_ms <= graft_ms must hold"),
        ({"ihave_ms": -1}, "ihave_entries_max: 1 to 1024"),
        ({"ihave_entries_max": 0}, "ihave_entries_max: 1 to 1024"),
        ({"ihave_entries_max": 1_025}, "ihave_entries_max: 1 to 1024"),
        ({"graft_tries_max": 0}, "graft_tries_max and wanted_max: at least 1"),
        ({"wanted_max": 0}, "graft_tries_max and wanted_max: at least 1"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(fields: dict[str, int], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        DisseminationConfig(**fields)


# --- pushing ---------------------------------------------------------------------------------------------------------


def test_a_batch_that_was_sealed_here_is_pushed_to_every_link_in_one_encoding() -> None:
    batch = Writer().write()
    ben, cy = to_ben(credit=batch.size), to_cy(credit=batch.size + 1)
    one = engine(ben, cy)

    assert one.push([batch], at()) == [Send((TO_BEN, TO_CY), Push(batch), Lane.LIVE)]
    assert (ben.sent, cy.sent) == (batch.size, batch.size)
    assert (ben.starved, cy.starved) == (False, False)


def test_a_lone_node_pushes_to_nobody() -> None:
    assert engine().push([Writer().write()], at()) == []


def test_a_link_without_credit_is_told_instead_and_is_behind() -> None:
    batch = Writer().write()
    ben, cy = to_ben(credit=batch.size - 1), to_cy()
    one = engine(ben, cy)

    outcomes = one.push([batch], at(5))

    assert outcomes == [set_timer(ANNOUNCE, ms=25), Send((TO_CY,), Push(batch), Lane.LIVE)]
    assert (ben.starved, ben.sent, cy.starved) == (True, 0, False)
    assert one.on_announce_timer() == [Send((TO_BEN,), ihave((LOG, 1, 1)))]


def test_a_link_that_is_behind_stays_so_though_it_has_credit_again() -> None:
    ana = Writer()
    first, second = ana.write(), ana.write()
    ben = to_ben(credit=0)
    one = engine(ben)
    one.push([first], at())
    ben.credit_until = 1 << 20

    assert one.push([second], at()) == []
    assert ben.starved
    assert one.on_announce_timer() == [Send((TO_BEN,), ihave((LOG, 1, 2)))]


def test_a_silent_link_is_told_and_not_called_starved() -> None:
    ben = to_ben()
    ben.silent = True

    assert engine(ben).push([Writer().write()], at()) == [set_timer(ANNOUNCE, ms=20)]
    assert not ben.starved


def test_several_batches_are_pushed_one_by_one() -> None:
    ana = Writer()
    first, second = ana.write(), ana.write()
    one = engine(to_ben(credit=first.size))

    assert one.push([first, second], at()) == [Send((TO_BEN,), Push(first), Lane.LIVE), set_timer(ANNOUNCE, ms=20)]


# --- announcing ------------------------------------------------------------------------------------------------------


def test_a_batch_that_came_is_announced_to_all_but_its_sender() -> None:
    batch = Writer().write(3)
    one = engine(to_ana(), to_ben(), to_cy())

    assert one.on_received(batch, TO_ANA, at(1)) == [set_timer(ANNOUNCE, ms=21)]
    assert one.on_announce_timer() == [Send((TO_BEN, TO_CY), ihave((LOG, 1, 3)))]
    assert one.on_announce_timer() == []


def test_what_came_over_several_links_is_told_to_each_of_the_others_at_once() -> None:
    ana, ben = Writer(), Writer(BEN)
    one = engine(to_ana(), to_ben(), to_cy())
    one.on_received(ana.write(2), TO_ANA, at())
    one.on_received(ben.write(), TO_BEN, at())

    from_ana, from_ben = (ana.log, 1, 2), (ben.log, 1, 1)
    assert one.on_announce_timer() == [
        Send((TO_ANA,), ihave(from_ben)),
        Send((TO_BEN,), ihave(from_ana)),
        Send((TO_CY,), ihave(from_ana, from_ben)),
    ]


def test_a_link_that_announces_itself_or_goes_is_left_out_and_the_others_are_told() -> None:
    ana = Writer()
    one = engine(to_ana(), to_ben(), to_cy())
    for _ in range(2):
        batch = ana.write()
        take(one.holdings, batch)
        one.on_received(batch, TO_ANA, at())

    one.on_ihave(TO_BEN, ihave((LOG, 2, 2)), at(1))
    one.on_peer_down(TO_CY)

    assert one.on_announce_timer() == [Send((TO_BEN,), ihave((LOG, 1, 1)))]


def test_a_batch_is_not_announced_to_those_that_announced_it() -> None:
    one = engine(to_ana(), to_ben(), to_cy())
    one.on_ihave(TO_BEN, ihave((LOG, 1, 3)), at())

    one.on_received(Writer().write(3), TO_ANA, at(1))

    assert one.on_announce_timer() == [Send((TO_CY,), ihave((LOG, 1, 3)))]


def test_a_batch_that_is_larger_than_what_was_announced_is_announced_to_all() -> None:
    one = engine(to_ana(), to_ben())
    one.on_ihave(TO_BEN, ihave((LOG, 1, 2)), at())

    one.on_received(Writer().write(3), TO_ANA, at(1))

    assert one.on_announce_timer() == [Send((TO_BEN,), ihave((LOG, 1, 3)))]


def test_what_a_peer_announces_while_it_waits_to_be_told_of_it_is_not_told() -> None:
    ana = Writer()
    one = engine(to_ana(), to_ben(), holdings=held(ana.write(2), ana.write()))
    for batch in ana.batches:
        one.on_received(batch, TO_ANA, at())

    assert one.on_ihave(TO_BEN, ihave((LOG, 1, 2)), at(10)) == []

    assert one.on_announce_timer() == [Send((TO_BEN,), ihave((LOG, 3, 3)))]


def test_what_a_peer_announces_that_is_not_about_to_be_told_changes_nothing() -> None:
    one = engine(to_ana(), to_ben(), to_cy())
    batch = Writer().write()
    take(one.holdings, batch)
    one.on_received(batch, TO_CY, at())

    one.on_ihave(TO_BEN, ihave((LOG, 2, 3)), at())
    one.on_ihave(TO_CY, ihave((LOG, 1, 1)), at())

    assert one.on_announce_timer() == [Send((TO_ANA, TO_BEN), ihave((LOG, 1, 1)))]


def test_announcements_gather_for_a_moment_and_the_next_ones_anew() -> None:
    ana = Writer()
    one = engine(to_ben(), to_cy())

    gathered = [one.on_received(ana.write(), TO_CY, at(ms)) for ms in (0, 10)]
    told = one.on_announce_timer()

    assert gathered == [[set_timer(ANNOUNCE, ms=20)], []]
    assert told == [Send((TO_BEN,), ihave((LOG, 1, 2)))]
    assert one.on_received(ana.write(), TO_CY, at(30)) == [set_timer(ANNOUNCE, ms=50)]


def test_announcements_of_many_logs_are_told_at_once() -> None:
    batches = [Writer(epoch=epoch).write() for epoch in (1, 2)]
    one = engine(to_ben(), to_cy(), ihave_entries_max=2)

    first, second = (one.on_received(batch, TO_CY, at()) for batch in batches)

    assert first == [set_timer(ANNOUNCE, ms=20)]
    assert second == [Send((TO_BEN,), ihave(*((batch.log, 1, 1) for batch in batches)))]
    assert one.on_announce_timer() == []


def test_ranges_beyond_a_page_are_told_in_the_next() -> None:
    ana = Writer()
    batches = [ana.write() for _ in range(5)]
    one = engine(to_ben(), to_cy(), ihave_entries_max=2)
    for batch in batches[::2]:
        one.on_received(batch, TO_CY, at())

    assert one.on_announce_timer() == [
        Send((TO_BEN,), ihave((LOG, 1, 1), (LOG, 3, 3))),
        Send((TO_BEN,), ihave((LOG, 5, 5))),
    ]


def test_what_waits_for_a_link_that_is_gone_is_left_to_repair() -> None:
    one = engine(to_ben(), to_cy())
    one.on_received(Writer().write(), TO_CY, at())

    one.on_peer_down(TO_BEN)
    one.on_peer_down(TO_BEN)

    assert one.on_announce_timer() == []


# --- grafting --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("near", "wait_ms"), [(True, 100), (False, 300)])
def test_an_announced_batch_is_waited_for_as_long_as_distance_asks(near: bool, wait_ms: int) -> None:
    one = engine(to_ben(near=near))

    assert one.on_ihave(TO_BEN, ihave((LOG, 1, 3)), at(1)) == [set_timer(GRAFT, LOG, 1, ms=1 + wait_ms)]


def test_what_is_here_is_not_waited_for() -> None:
    ana = Writer()
    batches = [ana.write() for _ in range(3)]
    one = engine(to_ben(), holdings=held(batches[1]))

    outcomes = one.on_ihave(TO_BEN, ihave((LOG, 1, 3), (LOG, 2, 2)), at())

    assert outcomes == [set_timer(GRAFT, LOG, 1, ms=100), set_timer(GRAFT, LOG, 3, ms=100)]
    one.check_all()


def test_an_announcement_of_nobody_is_not_heard() -> None:
    assert engine(to_cy()).on_ihave(TO_BEN, ihave((LOG, 1, 3)), at()) == []


def test_more_announcers_of_one_range_wait_for_one_timer() -> None:
    one = announced(to_ben(), to_cy())

    assert one.on_ihave(TO_CY, ihave((LOG, 1, 5)), at(50)) == []
    assert one.on_ihave(TO_CY, ihave((LOG, 1, 2)), at(50)) == []
    assert one.on_graft_timer(LOG, 1, at(100)) == grafted(TO_BEN, (LOG, 1, 5), again_ms=200)
    assert one.wanted[LOG, 1].announcers == [TO_CY, TO_BEN]


def test_announcers_are_asked_in_turn_ever_sooner_and_then_repair_is_due() -> None:
    one = announced(to_ben(), to_cy())
    one.on_ihave(TO_CY, ihave((LOG, 1, 3)), at())

    tries = [one.on_graft_timer(LOG, 1, at(ms)) for ms in (100, 200, 250, 300)]

    assert tries == [
        grafted(TO_BEN, (LOG, 1, 3), again_ms=200),
        grafted(TO_CY, (LOG, 1, 3), again_ms=250),
        grafted(TO_BEN, (LOG, 1, 3), again_ms=275),
        [RepairDue()],
    ]
    assert one.wanted == {}
    assert one.on_graft_timer(LOG, 1, at(300)) == []


def test_a_wait_does_not_shrink_below_a_millisecond() -> None:
    one = announced(to_ben(), graft_near_ms=1)

    one.on_graft_timer(LOG, 1, at(1))

    assert one.wanted[LOG, 1].wait_us == 1_000


def test_only_what_is_still_missing_is_asked_for() -> None:
    ana, holdings = Writer(), Holdings()
    batches = [ana.write() for _ in range(3)]
    one = announced(to_ben(), holdings=holdings)
    take(holdings, batches[1])

    assert one.on_graft_timer(LOG, 1, at(100)) == grafted(TO_BEN, (LOG, 1, 1), (LOG, 3, 3), again_ms=200)


def test_a_range_whose_beginning_came_is_asked_for_from_what_is_missing() -> None:
    ana, holdings = Writer(), Holdings()
    batches = [ana.write() for _ in range(3)]
    one = announced(to_ben(), holdings=holdings)
    take(holdings, batches[0])

    assert one.on_graft_timer(LOG, 1, at(100)) == grafted(TO_BEN, (LOG, 2, 3), again_ms=200)
    assert list(one.wanted) == [(LOG, 2)]


def test_a_range_that_came_is_asked_for_no_more() -> None:
    ana, holdings = Writer(), Holdings()
    batch = ana.write(3)
    one = announced(to_ben(), to_cy(), holdings=holdings)
    take(holdings, batch)

    assert one.on_graft_timer(LOG, 1, at(100)) == []
    again = announced(to_ben(), to_cy(), holdings=holdings)
    assert again.wanted == {}


def test_what_came_is_waited_for_no_more() -> None:
    one = announced(to_ben(), to_cy())
    batch = Writer().write(3)
    take(one.holdings, batch)

    assert one.on_received(batch, TO_CY, at()) == [no_timer(GRAFT, LOG, 1)]
    assert one.wanted == {}


def test_when_the_beginning_of_a_range_came_the_rest_is_waited_for() -> None:
    one = announced(to_ben(), to_cy())
    batch = Writer().write(1)
    take(one.holdings, batch)

    outcomes = one.on_received(batch, TO_BEN, at(50))

    assert outcomes[:2] == [no_timer(GRAFT, LOG, 1), set_timer(GRAFT, LOG, 2, ms=150)]
    assert one.on_graft_timer(LOG, 2, at(150)) == grafted(TO_BEN, (LOG, 2, 3), again_ms=250)


def test_a_rest_that_is_waited_for_already_or_has_come_needs_no_second_timer() -> None:
    ana = Writer()
    batches = [ana.write() for _ in range(3)]
    one = announced(to_ben(), to_cy())
    one.wanted[LOG, 2] = one.wanted[LOG, 1]
    take(one.holdings, batches[0])
    other = announced(to_ben())
    take(other.holdings, *batches)

    waited = one.on_received(batches[0], TO_BEN, at())
    here = other.on_received(batches[0], TO_BEN, at())

    assert waited == [no_timer(GRAFT, LOG, 1), set_timer(ANNOUNCE, ms=20)]
    assert list(one.wanted) == [(LOG, 2)]
    assert here == [no_timer(GRAFT, LOG, 1)]
    assert other.wanted == {}


def test_announcers_that_are_gone_or_silent_are_not_asked() -> None:
    ben, cy = to_ben(), to_cy()
    one = announced(ben, cy)
    one.on_ihave(TO_CY, ihave((LOG, 1, 3)), at())
    ben.silent = True

    assert one.on_graft_timer(LOG, 1, at(100)) == grafted(TO_CY, (LOG, 1, 3), again_ms=200)
    one.peers.remove(TO_CY)
    assert one.on_graft_timer(LOG, 1, at(200)) == [RepairDue()]


def test_who_does_not_have_what_it_announced_is_not_asked_for_it_again() -> None:
    one = announced(to_ben(), to_cy())
    one.on_ihave(TO_BEN, ihave((LogId(BEN, 1), 1, 3), (LOG, 10, 12)), at())
    one.on_ihave(TO_CY, ihave((LOG, 1, 3)), at())

    one.on_not_found(TO_BEN, LOG, 3, 9)
    one.on_not_found(TO_ANA, LOG, 1, 12)

    announcers = {place: wanted.announcers for place, wanted in one.wanted.items()}
    assert announcers == {(LOG, 1): [TO_CY], (LogId(BEN, 1), 1): [TO_BEN], (LOG, 10): [TO_BEN]}


def test_beyond_the_limit_announcements_are_left_to_repair() -> None:
    one = announced(to_ben(), wanted_max=1)

    assert one.on_ihave(TO_BEN, ihave((LOG, 7, 7)), at()) == [RepairDue()]
    assert one.on_ihave(TO_BEN, ihave((LOG, 1, 4)), at()) == []
    one.check_all()


def test_check_sees_too_many_tries() -> None:
    one = announced(to_ben())
    one.wanted[LOG, 1].tries = 4

    with pytest.raises(AssertionError):
        one.check_all()
