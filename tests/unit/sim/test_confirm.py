"""What is predicted of a topology is played; what is predicted wrongly is refuted."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from mesh.engines.links import LinkConfig
from sim.confirm import PAIRS_MAX, LevelVerdict, LossVerdict, Verdict, confirm, not_played, predicted
from sim.heap import Play
from sim.scenario.reading import from_tables
from sim.topology import Graph, Report, analyse
from sim.topology.graph import link
from sim.topology.played import graph_of, question_of
from sim.topology.report import Kind, Level, Loss

HOP_US = 20_000
LINE = Graph(
    {"New York": "us east", "new york": "us west", "ben": "eu"},
    (link("New York", "ben", HOP_US), link("ben", "new york", HOP_US, 10_000_000)),
)


def played(graph: Graph, report: Report, seeds: int = 1) -> list[Verdict]:
    return list(confirm(graph, report, seeds))


@pytest.fixture(scope="module")
def report() -> Report:
    return analyse(LINE)


def only(report: Report, **fields: object) -> Report:
    return replace(report, **{"losses": (), "levels": (), **fields})  # type: ignore[arg-type]


def test_every_single_loss_and_every_level_that_can_be_told_is_confirmed(report: Report) -> None:
    found = played(LINE, report, seeds=2)

    assert [each.line() for each in found if not each.is_true] == []
    losses = [each for each in found if isinstance(each, LossVerdict)]
    levels = [each for each in found if isinstance(each, LevelVerdict)]
    assert len(losses) == 2 * (3 + 2 + 3)  # nodes, links, regions
    assert {each.what for each in losses if each.splits} == {"ben", "New York – ben", "ben – new york", "eu"}
    assert [(each.what, each.seed) for each in levels] == [
        (name, seed) for name in ("local", "copies:2", "copies:3", "regions:2", "regions:3") for seed in (0, 1)
    ]
    assert len(found) == 2 * len(predicted(report))


def test_a_level_is_played_where_nobody_else_has_the_message_and_all_but_one_lose_it(report: Report) -> None:
    (level,) = [each for each in report.levels if each.name == "regions:3"]

    one, other = played(LINE, only(report, levels=(level,)), seeds=2)

    assert isinstance(one, LevelVerdict) and isinstance(other, LevelVerdict)
    assert (one.holders, one.lost, one.wiped) == (("ben", "New York", "new york"), ("ben", "New York"), 2)
    assert (other.holders, other.lost, other.wiped) == (one.holders, ("ben", "new york"), 2)
    assert (one.copies, one.regions, one.arrived, one.broken, one.is_true) == (3, 3, True, [], True)
    assert one.line() == (
        "regions:3, seed 0: acknowledged at copies 3, regions 3; 2 of 2 disks lost (ben, New York); "
        "it arrived everywhere, kept"
    )


def test_a_loss_that_splits_and_is_said_not_to_is_refuted(report: Report) -> None:
    (loss,) = [each for each in report.losses if each.kind is Kind.NODE and each.what == ("ben",)]
    (wrong,) = played(LINE, only(report, losses=(replace(loss, parts=(sum(loss.parts, ()),)),)))

    assert isinstance(wrong, LossVerdict)
    assert (wrong.crossed, wrong.splits, wrong.is_true) == (False, False, False)
    assert wrong.line().startswith("ben, seed 0: predicted no split and ")


@pytest.mark.parametrize("name", ["copies:3", "regions:3"])
def test_a_level_that_a_node_of_one_link_cannot_tell_is_refuted(report: Report, name: str) -> None:
    wrong = Level(name, reachable=True, disks_survived=2, regions_survived=2, stays_reachable=False, at=("New York",))

    (verdict,) = played(LINE, only(report, levels=(wrong,)))

    assert isinstance(verdict, LevelVerdict)
    assert ((verdict.copies, verdict.regions), verdict.is_enough, verdict.is_true) == ((2, 2), False, False)


def test_a_bound_that_is_too_short_is_refuted(report: Report) -> None:
    (loss,) = [each for each in report.losses if each.kind is Kind.NODE and each.what == ("ben",)]

    (wrong,) = played(LINE, only(report, losses=(loss,), span=replace(report.span, redial_bound_us=1)))

    assert isinstance(wrong, LossVerdict)
    assert (wrong.crossed, wrong.is_true) == (False, False) and wrong.converged_us > 1


def test_who_never_converged_is_not_said_to_have_done_so_before_the_heal() -> None:
    verdict = LossVerdict(
        "ben", 0, splits=True, crossed=False, converged_us=-1, bound_us=7_500_000, broken=["converges"]
    )

    assert not verdict.is_true
    assert verdict.line() == "ben, seed 0: predicted a split and 7.50 s; seen not all reached, never, ['converges']"


# --- links that are as slow as nodes wait for a greeting ---------------------------------------------------------------

SLOW_US = 4_990_000


def slow_ring() -> Graph:
    """Of seven nodes, each in a region of its own; without one of them, what is left is six hops long."""
    names = [f"n{number}" for number in range(7)]
    links = (link(name, names[number - 1], SLOW_US) for number, name in enumerate(names))
    return Graph({name: f"r-{name}" for name in names}, tuple(links))


@pytest.fixture(scope="module")
def slow() -> Report:
    return analyse(slow_ring())


def test_losses_and_levels_have_the_time_that_the_slowest_link_takes(slow: Report) -> None:
    found = played(slow_ring(), slow)

    assert [each.line() for each in found if not each.is_true] == []
    assert {each.what for each in found} >= {"n3", "n2 – n3", "copies:3", "regions:3"}


def test_links_that_never_come_up_are_played_however_slow_they_are() -> None:
    three = Graph(LINE.regions, (*LINE.links, link("New York", "new york", 3 * 3_600_000_000)))

    found = played(three, analyse(three))

    assert [each.line() for each in found if not each.is_true] == []


def test_a_loss_that_splits_nothing_and_is_said_to_is_refuted_over_slow_links_too(slow: Report) -> None:
    (loss,) = [each for each in slow.losses if each.kind is Kind.LINK and each.what == ("n0 – n6",)]
    split = replace(loss, parts=(loss.parts[0][:3], loss.parts[0][3:]))

    (wrong,) = played(slow_ring(), only(slow, losses=(split,), span=loss.span))

    assert isinstance(wrong, LossVerdict)
    assert (wrong.splits, wrong.crossed, wrong.is_true) == (True, True, False)


def test_who_is_linked_by_a_link_that_never_comes_up_holds_no_copy() -> None:
    never = link("ben", "new york", 6_000_000)
    graph = Graph(LINE.regions, (never, link("New York", "ben", HOP_US), link("New York", "new york", HOP_US)))
    report = analyse(graph)
    assert report.never == ("ben – new york",)

    found = played(graph, report, seeds=3)

    assert [each.line() for each in found if not each.is_true] == []


def ring(size: int) -> Graph:
    names = [f"n{index}" for index in range(size)]
    links = tuple(link(one, other, HOP_US) for one, other in pairwise([*names, names[0]]))
    return Graph(dict.fromkeys(names, "eu"), links)


def test_two_links_that_split_where_neither_does_are_played() -> None:
    graph = ring(4)
    found = analyse(graph)

    verdicts = played(graph, only(found, losses=tuple(found.pairs)))

    assert len(verdicts) == 6
    assert all(isinstance(each, LossVerdict) and each.splits and not each.crossed for each in verdicts)
    assert [each.line() for each in verdicts if not each.is_true] == []
    assert {each.what for each in verdicts} >= {"n0 – n1 and n0 – n3", "n0 – n1 and n2 – n3"}


def test_two_links_that_do_not_split_are_refuted() -> None:
    graph = ring(3)
    wrong = Loss(Kind.LINKS, ("n0 – n1",), (("n0",), ("n1", "n2")))

    (verdict,) = played(graph, only(analyse(graph), losses=(wrong,)))

    assert isinstance(verdict, LossVerdict)
    assert (verdict.crossed, verdict.is_true) == (True, False)


def test_of_very_many_pairs_some_are_played_and_that_is_said() -> None:
    found = analyse(ring(12))
    asked = [each for each in predicted(found) if isinstance(each, Loss) and each.kind is Kind.LINKS]

    assert (len(found.pairs), len(asked), len({each.what for each in asked})) == (66, PAIRS_MAX, PAIRS_MAX)
    assert (asked[0], asked[-1]) == (found.pairs[0], found.pairs[64])
    assert not_played(found) == "16 of 66 pairs of links were not played"
    assert not_played(analyse(ring(4))) == ""


def test_what_is_played_has_the_settings_of_each_node_and_outlives_what_lives_briefly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ana's publishes are dead within 2 s by default, and nobody is missed for a minute."""
    config: dict[str, int | bool | str] = {"intake.ttl-default-ms": 2_000}
    profiles: dict[str, dict[str, int | bool | str]] = {
        "ana": {"links.alive-ms": 2_000, "links.silent-ms": 60_000, "links.dead-ms": 90_000}
    }
    node = [{"name": name, "region": name, "profile": profiles.get(name, {})} for name in ("ana", "ben", "cy")]
    scenario = from_tables({"title": "T", "promise": "p", "config": config, "topology": {"node": node}})
    graph = graph_of(scenario)
    found = analyse(graph, question_of(scenario))

    seen: list[LinkConfig] = []

    def seeing(*given: Any) -> Play:
        play = Play(*given)
        seen.extend(machine.config.links for machine in play.world.machines.values())
        return play

    monkeypatch.setattr("sim.confirm.Play", seeing)

    verdicts = [*confirm(graph, found, 2, "t", config, profiles)]

    assert found.span.redial_bound_us is not None and found.span.redial_bound_us > 60_000_000
    assert [each.line() for each in verdicts if not each.is_true] == []
    assert {links.silent_ms for links in seen} == {3_000, 60_000}
