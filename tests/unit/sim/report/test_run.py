"""The page of a run: its sections and their figures, and that it is one file that asks for nothing."""

from pathlib import Path

import pytest

from sim.checkers import Breach
from sim.diary import say_name
from sim.errors import SimError
from sim.heap import Play
from sim.outcome import COUNTED
from sim.recorder import Crossing
from sim.report import write_report
from sim.report.run import render
from tests.report_samples import HOSTILE, HOSTILE_REGION, Page, played, scenario

COMMAND = "gossamer sim run two-nodes --seed 0"


def test_page_of_a_kept_run_says_what_was_kept() -> None:
    play, outcome = played(scenario())

    page = Page(render(play, outcome, COMMAND))

    assert page.unbalanced == page.open_tags == []
    head = page.rows("")
    assert "Two nodes, seed 0 | Two nodes | seed 0 · heap engine · " in head
    assert "| ✓ kept | All 10 promises that this run looked at were kept. | Promised: | Both have it. |" in head
    assert f"| {COMMAND} | published | 3 | 3 acknowledged | delivered | 6 | 0 late, 0 gaps |" in head
    assert [attributes["id"] for tag, attributes in page.tags if tag == "section"] == [
        "contract",
        "run",
        "delivery",
        "convergence",
        "links",
        "figures",
        "topology",
    ]


def test_contract_has_a_row_for_every_promise() -> None:
    play, outcome = played(scenario())

    rows = Page(render(play, outcome)).rows("contract")

    assert "| available | ✓ kept | 2 |" in rows
    assert "| isolated | ○ not looked at | 0 |" in rows
    assert "| once | ✓ kept | 6 |" in rows
    assert f"| invariants | ✓ kept | {outcome.ticks:,} |" in rows
    assert "| copies:2 | any 1 of 2 disks may be lost |" in rows


def test_figures_are_those_of_the_outcome() -> None:
    play, outcome = played(scenario())

    page = Page(render(play, outcome))

    assert "| eu → eu | 3 |" in page.rows("delivery")
    assert "| eu → us | 3 |" in page.rows("delivery")
    assert f"| Push | {outcome.coverage['frame/Push']:,}" in page.rows("figures")
    assert "| messages | 3 | acknowledged | 3 | deliveries | 6 |" in page.rows("figures")
    assert "2 nodes in 2 regions, 1 link" in page.rows("topology")
    assert "The core had the same" in page.rows("convergence")


def test_broken_promise_comes_with_its_witness_as_lines_and_as_a_picture() -> None:
    play, outcome = played(scenario())
    lines = (
        "1.000000 s: app-1 publishes app-1/1/1 on room/1",
        "2.000000 s: all is quiet, and app-2 was never shown it",
    )
    outcome.breaches = [Breach("nothing lost", "app-1/1/1 was never shown to app-2", lines) for _ in range(6)]

    page = Page(render(play, outcome, COMMAND))

    assert "| ✗ broken | “nothing lost” was broken: app-1/1/1 was never shown to app-2. |" in page.rows("")
    assert "| nothing lost | ✗ broken | 6 | app-1/1/1 was never shown to app-2 (and 5 more) |" in page.rows("contract")
    assert "| 2.000000 s | all is quiet, and app-2 was never shown it |" in page.rows("witness")
    assert "… and 2 more." in page.rows("witness")
    dots = [attributes.get("class", "") for tag, attributes in page.tags if tag == "circle"]
    assert [each for each in dots if each.startswith("dot")] == ["dot", "dot last"] * 4


def test_lanes_of_a_witness_tell_long_names_apart() -> None:
    nodes = [{"name": f"edge-gateway-frankfurt-{last}"} for last in "ab"]
    play, outcome = played(scenario(topology={"node": nodes}))
    lines = tuple(f"{at}.000000 s: {node['name']} stores it" for at, node in enumerate(nodes, 1))
    outcome.breaches = [Breach("converges", "they differ", lines)]

    page = render(play, outcome)

    for last in "ab":
        name = f"edge-gateway-frankfurt-{last}"
        assert f'text-anchor="end"><title>{name}</title>edge-gat…nkfurt-{last}</text>' in page


def test_tables_with_long_words_give_them_a_line_alone_on_a_narrow_screen() -> None:
    play, outcome = played(scenario())

    page = render(play, outcome)

    for alone, beside, head in (("last", 3, "promise"), ("first", 5, "from → to")):
        opened = f'<div class="wide {alone}-alone" style="--beside:{beside}" tabindex="0"><table>'
        assert page.count(f'{opened}<thead><tr><th scope="col">{head}</th>') == 1


def test_story_of_the_message_is_told_where_it_broke_a_promise() -> None:
    play, outcome = played(scenario())
    name = say_name(next(iter(play.watch.ledger)))
    outcome.breaches = [Breach("once", f"app-2 was shown {name} twice, the second time at 3")]

    rows = Page(render(play, outcome)).rows("witness")

    assert f"| The story of {name} | {name} stands at " in rows
    assert "app-1 publishes it on room/1, attached to ana" in rows


def test_breach_without_events_has_no_picture() -> None:
    play, outcome = played(scenario())
    outcome.breaches = [Breach("bounds", "copies per message is 3, and must be at most 1")]

    page = Page(render(play, outcome))

    assert "witness" not in [attributes.get("class") for tag, attributes in page.tags if tag == "svg"]
    assert "copies per message is 3" in page.rows("witness")


def test_excused_and_pending_messages_are_told() -> None:
    play, outcome = played(scenario())
    outcome.figures.excused = 4
    outcome.pending = ["app-1/1/1 lies only outside the core"]

    rows = Page(render(play, outcome)).rows("contract")

    assert "4 messages were excused: more of the disks" in rows
    assert (
        "a node dated them that was alone with a wrong clock, or clocks that were wrong and agreed were believed."
        in rows
    )
    assert "What is pending, and no breach: 1 | app-1/1/1 lies only outside the core" in rows


def test_of_much_that_is_pending_the_page_says_how_much_it_leaves_out() -> None:
    play, outcome = played(scenario())
    outcome.pending = [f"app-1/1/{number} lies only outside the core" for number in range(1_052)]

    rows = Page(render(play, outcome)).rows("contract")

    assert "What is pending, and no breach: 1,052 | app-1/1/0 " in rows
    assert rows.endswith("app-1/1/49 lies only outside the core | … and 1,002 more")


def test_page_asks_for_nothing_and_runs_nothing_but_its_own_script() -> None:
    play, outcome = played(scenario())

    page = Page(render(play, outcome, COMMAND))

    assert page.asks_for() == []
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    policy = next(attributes["content"] for _, attributes in page.tags if "http-equiv" in attributes)
    assert policy.startswith("default-src 'none';")
    assert "script-src 'sha256-" in policy


def test_hostile_words_stay_words() -> None:
    say = {"at": "1s", "publish": {"client": ["app-1"], "channel": "room/" + HOSTILE.replace("#", ""), "count": 1}}
    topology = {"node": [{"name": "ana", "region": HOSTILE_REGION}, {"name": "ben", "region": "us"}]}
    play, outcome = played(scenario(title=HOSTILE, promise=HOSTILE, story=HOSTILE, timeline=[say], topology=topology))
    outcome.breaches = [Breach(HOSTILE, HOSTILE, (f"1.000000 s: {HOSTILE}", HOSTILE))]
    outcome.story.append(HOSTILE)
    outcome.pending = [HOSTILE]
    outcome.coverage[HOSTILE] = 1

    page = Page(render(play, outcome, HOSTILE))

    assert page.unbalanced == page.open_tags == []
    assert page.asks_for() == []
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert outcome.figures.messages == 1


def test_run_without_a_message_has_a_page() -> None:
    play, outcome = played(scenario(timeline=[], client=[]))

    page = Page(render(play, outcome))

    assert "Nobody was shown anything." in page.rows("delivery")
    assert "| median | – | publish to shown |" in page.rows("")


def test_run_of_one_node_has_a_page_without_what_lies_between() -> None:
    play, outcome = played(scenario(topology={"node": [{"name": "ana"}]}))

    page = Page(render(play, outcome))

    anchors = [attributes["id"] for tag, attributes in page.tags if tag == "section"]
    assert anchors == ["contract", "run", "delivery", "convergence", "figures"]
    assert "| eu → eu | 6 |" in page.rows("delivery")


def test_run_that_an_invariant_ended_has_a_page_that_says_which() -> None:
    play = Play(scenario(), 0, recorded=True)
    play.world.at(3_500_000, lambda: assert_never_true(play))
    outcome = play.run()

    page = Page(render(play, outcome))

    assert outcome.broken == ["invariants"]
    assert "| invariants | ✗ broken |" in page.rows("contract")
    assert "| converges | ○ not looked at | 0 |" in page.rows("contract")
    assert "The core never had the same." in page.rows("convergence")


def test_a_run_that_ends_by_a_crash_or_where_it_was_to_stop_tells_what_came_until_then() -> None:
    whole = Play(scenario(), 0).run().figures
    crashed, stopped = Play(scenario(), 0), Play(scenario(), 0, stop_at="once")
    at_us = crashed.scenario.settle + 1_500_000
    crashed.world.at(at_us, lambda: assert_never_true(crashed))
    stopped.world.at(at_us, lambda: stopped.watch.broken("once", "it was seen twice"))

    for play in (crashed, stopped):
        figures = play.run().figures
        assert 0 < figures.messages == figures.acknowledged <= whole.messages
        assert 0 < figures.deliveries <= whole.deliveries
        assert (figures.median_us > 0, figures.frames_per_message > 0, figures.dials > 0, figures.rows > 0) == (
            True,
        ) * 4
        assert figures.converged_us == -1


def test_a_node_that_could_not_even_start_is_a_crash_like_any_other() -> None:
    play = Play(scenario(), 0)
    ben = play.world.machines["ben"]

    def start_on_half_a_disk() -> None:
        play.world.crash(ben)
        ben.disk.image.held.clear()
        play.world.start(ben)

    play.world.at(play.scenario.settle + 1_500_000, start_on_half_a_disk)
    outcome = play.run()

    assert [breach.about for breach in outcome.breaches] == ["AssertionError: intervals differ from the rows"]
    assert (outcome.figures.messages, outcome.figures.acknowledged) == (3, 3)


def test_a_crash_once_all_was_measured_counts_nothing_twice() -> None:
    whole, crashed = Play(scenario(), 0), Play(scenario(), 0)
    crashed.world.check_all = lambda: assert_never_true(crashed)  # type: ignore[method-assign]

    figures, after = whole.run().figures, crashed.run()

    assert (after.broken, after.figures) == (["invariants"], figures)


def assert_never_true(play: Play) -> None:
    assert play.seed == 7, "the seed is seven"


def test_run_on_real_processes_has_a_page_without_pictures() -> None:
    _, outcome = played(scenario())
    outcome.engine, outcome.trace, outcome.ticks, outcome.coverage = "real", "", 0, {"fault/partition": 1}
    outcome.story = ["    1.000 partition ana | ben for 1s"]
    outcome.breaches = [Breach("once", "app-1/1/1 was shown twice", ("1.000000 s: app-1 is shown it",))]

    page = Page(render(None, outcome, f"{COMMAND} --engine real"))

    assert page.unbalanced == page.open_tags == page.asks_for() == []
    anchors = [attributes["id"] for tag, attributes in page.tags if tag == "section"]
    assert anchors == ["contract", "witness", "run", "figures"]
    assert "· real engine · " in page.rows("")
    assert "copies" not in page.rows("")
    assert "simulated" not in page.rows("")
    assert "copies per message" not in page.rows("figures")
    assert "1.000 partition ana | ben for 1s" in page.rows("run")
    assert "| invariants | ○ not looked at | 0 |" in page.rows("contract")


def test_what_an_engine_does_not_measure_it_does_not_tell() -> None:
    _, outcome = played(scenario())
    counted = outcome.to_json()
    outcome.engine = "real"

    told = outcome.to_json()

    silent = {name for name, value in told["figures"].items() if value is None}
    assert silent == COUNTED
    assert {name: told[name] for name in ("trace", "events", "ticks")} == dict.fromkeys(("trace", "events", "ticks"))
    assert told["figures"] | dict.fromkeys(COUNTED) == counted["figures"] | dict.fromkeys(COUNTED)
    assert None not in (*counted.values(), *counted["figures"].values())


def test_page_of_a_very_long_run_stays_small() -> None:
    play, outcome = played(scenario())
    assert play.recorder is not None
    kinds = ("Push", "IHave", "Stored", "Vector")
    place = play.recorder.kept[0].place
    play.recorder.crossings[:] = [
        Crossing(25 * at, 25 * at + 40_123, "ana", "ben", kinds[at % 4], 100, (place,)) for at in range(100_000)
    ]
    play.world.now_us = 3_000_000

    size = len(render(play, outcome).encode())

    assert 500_000 < size < 3_000_000


def test_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    play, outcome = played(scenario())

    with pytest.raises(SimError, match="expected a file that can be written"):
        write_report(play, outcome, tmp_path / "missing" / "out.html", COMMAND)


def test_recorded_run_goes_as_one_that_is_not() -> None:
    what = scenario(timeline=[{"at": "1s", "for": "500ms", "crash": ["ben"]}])

    assert played(what)[1].trace == Play(what, 0).run().trace
