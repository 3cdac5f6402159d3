"""Dissemination: who is pushed to, and who is told."""

import pytest

from mesh.effects import Send
from mesh.engines.dissemination import ANNOUNCE, DisseminationConfig
from mesh.errors import ConfigError
from mesh.frames import Lane, Push
from mesh.types import LogId
from tests.engine_samples import (
    TO_ANA,
    TO_BEN,
    TO_CY,
    at,
    held,
    set_timer,
    take,
    to_ana,
    to_ben,
    to_cy,
)
from tests.samples import BEN, Writer
from tests.spread_samples import LOG, engine, ihave


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"graft_near_ms": 0}, "graft_near_ms <= graft_ms must hold"),
        ({"graft_near_ms": 301}, "graft_near_ms <= graft_ms must hold"),
        ({"ihave_ms": -1}, "ihave_entries_max: 1 to 1024"),
        ({"ihave_entries_max": 0}, "ihave_entries_max: 1 to 1024"),
        ({"ihave_entries_max": 1_025}, "ihave_entries_max: 1 to 1024"),
        ({"fresh_ms": -1}, "fresh_ms: at least 0"),
        ({"answer_ms": -1}, "answer_ms: at least 0"),
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


def test_a_silent_link_is_told_nothing_and_not_called_starved() -> None:
    ben = to_ben()
    ben.silent = True
    one = engine(ben, to_cy())

    assert one.push([Writer().write()], at()) == [Send((TO_CY,), Push(Writer().write()), Lane.LIVE)]
    assert one.on_received(Writer(BEN).write(), TO_CY, at()) == []
    assert not ben.starved


def test_a_link_that_begins_to_be_told_hears_of_what_no_repair_can_find_yet() -> None:
    ana = Writer()
    holdings = held(ana.write())
    one = engine(to_ben(), holdings=holdings)
    assert one.on_peer_back(TO_BEN, at()) == []
    take(holdings, ana.write(), Writer(BEN).write())

    assert one.on_peer_back(TO_BEN, at()) == [set_timer(ANNOUNCE, ms=20)]
    assert one.on_announce_timer() == [Send((TO_BEN,), ihave((LOG, 2, 2), (LogId(BEN, 1 << 20), 1, 1)))]


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
