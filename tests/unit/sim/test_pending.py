"""What clients still wait for at the end is told, with why it does not come, and breaks no promise."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from gossamer.command import command
from mesh.client.effects import Missed
from mesh.log.batch import OVERHEAD_BYTES
from mesh.operations import CreditGrant, GapReason, SlowPolicy
from mesh.types import LogId
from sim.contract import Backlog
from sim.diary import Diary, say_name
from sim.heap import Play
from sim.outcome import PENDING_MAX, Outcome
from sim.pending import CLIENTS_US, Patience, heard, unsent
from sim.scenario.model import Scenario
from sim.scenario.reading import from_tables, read
from sim.units import MILLION
from sim.workload import App

HOSTILE = "a\x1b[31m\u202e"


def scenario(**changes: Any) -> Scenario:
    """Three nodes, of which cy is lost for ever; app publishes at ana, and asks for more than the others can give."""
    plain: dict[str, Any] = {
        "title": "t", "promise": "p", "duration": "3s", "core": ["ana", "ben"],
        "topology": {"node": [{"name": "ana"}, {"name": "ben"}, {"name": "cy", "region": "us"}]},
        "client": [{"name": "app", "at": "ana", "subscribe": [{"to": "#"}]}],
        "timeline": [{"at": "1s", "crash": "cy"}, published(1, copies=3)],
    }  # fmt: skip
    return from_tables(plain | changes)


def published(count: int, at: str = "2s", **levels: int) -> dict[str, Any]:
    return {"at": at, "publish": {"client": "app", "channel": "x", "count": count, **levels}}


def told(what: Scenario, seed: int = 0) -> list[str]:
    """What is pending at the end, without the incarnation of `app`; nothing is broken by it."""
    play = Play(what, seed)
    outcome = play.run()
    assert outcome.breaches == []
    life = say_name(("app", play.apps["app"].client.incarnation, 0)).removesuffix("0")
    return [line.replace(life, "app/") for line in outcome.pending]


def test_a_level_that_the_core_cannot_give_is_pending() -> None:
    assert told(scenario()) == ["app waits for copies:3 of app/1: the core counts 2 (ana, ben)"]


@pytest.mark.parametrize(("most", "waits"), [(1, True), (2, False)])
def test_a_node_that_may_begin_no_other_log_takes_nothing_for_an_hour(most: int, waits: bool) -> None:
    timeline = [
        published(2, "500ms"),
        {"at": "1s", "for": "500ms", "io-error": "ana"},
        published(1, "1200ms"),
        published(2),
    ]
    reason = "app waits for local of 2 messages, the first app/4: ana has begun as many logs as it may in an hour"

    found = told(scenario(timeline=timeline, core="all", config={"intake.epochs-per-hour-max": most}))

    assert found == ([f"{reason}, and takes nothing new"] if waits else [])


def test_what_stands_beside_lost_rows_is_not_taken_either_where_no_other_log_may_begin() -> None:
    timeline = [
        {"at": "500ms", "isolate": "ana"},
        *(published(1, f"{at}ms", copies=2) for at in range(600, 1_000, 50)),
        {"at": "1100ms", "for": "500ms", "io-error": "ana"},
        published(1, "1200ms"),
        {"at": "1700ms", "bit-rot": {"nodes": "ana", "rows": 2}},
        {"at": "1800ms", "scrub": "ana"},
    ]
    config = {"intake.epochs-per-hour-max": 1, "receipts.session-waiting-max": 1}

    found = told(scenario(timeline=timeline, core=["ana", "ben"], atlas=False, config=config), seed=1)

    why = "ana has begun as many logs as it may in an hour, and takes nothing new"
    assert found == [
        f"app waits for copies:2 of 8 messages, the first app/1: {why}",
        f"app waits for local of app/9: {why}",
    ]


def test_what_waits_is_told_once_for_each_level_with_how_much_it_is_and_which_is_first() -> None:
    timeline = [{"at": "1s", "crash": "cy"}, published(4, copies=3), published(1, "2500ms", regions=2), published(1)]

    assert told(scenario(timeline=timeline)) == [
        "app waits for copies:3 of 4 messages, the first app/1: the core counts 2 (ana, ben)",
        "app waits for regions:2 of app/6: the core counts 1 (eu)",
    ]


def test_a_node_counts_only_those_that_it_is_linked_with() -> None:
    line = {"links": "line", "node": [{"name": "n", "count": 4}]}
    asked = scenario(core="all", topology=line, client=[{"name": "app"}], timeline=[published(2, copies=4)])

    assert told(asked) == ["app waits for copies:4 of 2 messages, the first app/1: n-1 counts 2 of the core (n-1, n-2)"]


def test_a_client_that_cannot_reach_the_core_is_told_with_all_that_it_waits_for() -> None:
    late = [{"subscribe": {"client": "app", "to": "x"}}, {"read-history": {"client": "app"}}, published(2)]
    timeline = [{"at": "1s", "crash": "cy"}, *({"at": "2s", **each} for each in late)]

    assert told(scenario(client=[{"name": "app", "gateways": "cy"}], timeline=timeline), seed=1) == [
        "app waits for local of 2 messages, the first app/1: it cannot reach the core",
        "app waits for the beginning of 1 of its subscriptions: it cannot reach the core",
        "app waits for history: it cannot reach the core",
    ]


def test_what_only_others_hold_is_waited_for_and_told() -> None:
    outcome = Play(read(Path("tests/regressions/told-and-then-lost.toml")), 0).run()

    waits = [line for line in outcome.pending if "lies only outside" not in line]
    assert len(waits) == 1 < len(outcome.pending) and outcome.pending[0] == waits[0]
    assert waits[0].startswith("app waits for copies:3 of ") and waits[0].endswith(
        ": only others than the core hold it still"
    )


def test_nothing_is_pending_where_everything_came() -> None:
    assert told(scenario(timeline=[published(3, copies=2)])) == []


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "waits.toml"
    path.write_text(
        'title = "t"\npromise = "p"\nduration = "2s"\ncore = ["ana"]\n[topology]\n'
        'node = [{ name = "ana" }, { name = "ben" }]\n[[client]]\nname = "app"\nat = "ana"\n'
        '[[timeline]]\nat = "1s"\ncrash = "ben"\n'
        '[[timeline]]\nat = "1500ms"\npublish = { client = "app", channel = "x", copies = 2 }\n',
        encoding="utf-8",
    )
    return path


def test_the_command_says_what_is_pending_in_text_in_json_and_in_its_report(file: Path, tmp_path: Path) -> None:
    page = tmp_path / "out.html"
    in_text = CliRunner().invoke(command, ["sim", "run", str(file), "--report", str(page)])
    in_json = CliRunner().invoke(command, ["sim", "run", str(file), "--json"])

    (line,) = json.loads(in_json.output)["pending"]
    assert (in_text.exit_code, in_json.exit_code) == (0, 0)
    assert line.endswith(": the core counts 1 (ana)")
    assert f"\n  pending: {line}\n" in in_text.output
    assert f"<li>{line}</li>" in page.read_text(encoding="utf-8")


def test_much_that_is_pending_is_counted_and_hostile_names_are_written_out(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def much(play: Play, outcome: Outcome) -> None:
        outcome.figures.excused = 4_000
        outcome.pending = [f"{HOSTILE} {number} lies only outside the core" for number in range(2 * PENDING_MAX)]

    monkeypatch.setattr(Play, "_judge", much)

    in_text = CliRunner().invoke(command, ["sim", "run", str(file)]).output
    in_json = CliRunner().invoke(command, ["sim", "run", str(file), "--json"]).output

    assert "  4,000 excused: disks were lost, or clocks wrong, beyond what the contract covers\n" in in_text
    assert in_text.count("  pending: a\\x1b[31m\\u202e ") == 5
    assert "  … and 195 more pending (--json has the first 100)\n" in in_text
    assert "\x1b" not in in_text + in_json and "\u202e" not in in_text + in_json
    assert len(json.loads(in_json)["pending"]) == PENDING_MAX


def test_a_slow_reader_is_waited_for_as_long_as_something_comes_to_it() -> None:
    """Two messages may be on their way to it, so that it takes more than the half minute that others get."""
    play = Play(
        from_tables(
            {
                "title": "t", "promise": "p", "duration": "10s", "topology": {"node": [{"name": "ana"}]},
                "client": [
                    {"name": "app"},
                    {"name": "slow", "uplink": "cafe", "credit": 2, "subscribe": [{"to": "#"}]},
                ],
                "workload": [{"clients": "app", "rate": 100}],
            }
        ),
        1,
    )  # fmt: skip

    outcome = play.run()

    published = len(play.watch.ledger)
    assert outcome.breaches == []
    assert published > 900
    assert outcome.figures.deliveries == published
    assert outcome.figures.slowest_us > outcome.figures.bound_us + CLIENTS_US + 10 * MILLION


def test_a_reader_to_whom_nothing_comes_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    play = Play(scenario(), 1)
    monkeypatch.setattr(play.watch, "on_shown", lambda *_: None)

    outcome = play.run()

    assert [breach.promise for breach in outcome.breaches] == ["nothing lost", "honest about gaps"]
    assert outcome.simulated_us < (5 + 20 + 30 + 10 + 10) * MILLION


@pytest.mark.parametrize("late_s", [5, 25])
def test_a_node_that_drips_is_not_waited_for(late_s: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each grant of four comes late, so that something new comes for minutes; a slow reader has its time meanwhile.

    Who reads history page after page waits for one at each moment, and ends nobody's time.
    """
    slow = {"name": "slow", "uplink": "cafe", "credit": 2, "subscribe": [{"to": "#"}]}
    reader = {"name": "reader", "credit": 4, "subscribe": [{"to": "#"}]}
    play = Play(
        from_tables(
            {
                "title": "t", "promise": "p", "duration": "10s", "topology": {"node": [{"name": "ana"}]},
                "client": [{"name": "app"}, reader, slow, {"name": "past", "uplink": "sleeping-phone"}],
                "workload": [{"clients": "app", "rate": 60}],
                "timeline": [{"at": "9s", "read-history": {"client": "past", "page": 1}}],
            }
        ),
        1,
    )  # fmt: skip
    transmit = App._transmit

    def late(app: App, home: Any, session: Any, operation: Any) -> None:
        if isinstance(operation, CreditGrant) and app.name == "reader":
            app.world.after(late_s * MILLION, app._request, home, session, operation)
        else:
            transmit(app, home, session, operation)

    monkeypatch.setattr(App, "_transmit", late)

    outcome = play.run()

    assert play.stage.readers.waiting(play.apps["past"])
    assert {breach.promise for breach in outcome.breaches} == {"nothing lost", "honest about gaps"}
    assert all("reader" in breach.about and "slow" not in breach.about for breach in outcome.breaches)
    assert outcome.pending == ["slow still gets what it waits for, and another's time is over"]


def test_patience_is_renewed_by_what_is_new_alone() -> None:
    patience = Patience(50 * MILLION)

    ends = []
    for count, at_s in ((3, 10), (4, 47), (4, 49), (8, 49), (9, 52), (9, 53), (29, 54)):
        patience.renew({"ana": count, "ben": 1}, at_s * MILLION)
        ends.append(patience.last_us // MILLION)

    assert ends == [50, 51, 51, 55, 56, 56, 60], "a second for each, and never more than six from now"
    assert patience.ran_out(49 * MILLION) == set()
    assert [patience.ran_out(at_s * MILLION) for at_s in (54, 55, 60)] == [{"ben"}, set(), {"ana"}]
    assert patience.asked == {"ana", "ben"}


def test_copies_that_a_client_keeps_to_itself_are_something_that_comes_to_it() -> None:
    """So are gaps, and what fills them; places in an order of which one is never counted twice."""
    log, other = LogId(b"n" * 32, 1), LogId(b"m" * 32, 1)
    diary = Diary(("#",), owner="app")
    app = SimpleNamespace(name="app", books=[diary])
    counts = [heard([app], {})]
    diary.seen[("app", 1, 1)] = 5
    counts.append(heard([app], {}))
    for where, last in ((log, 4), (log, 4), (log, 3), (other, 2)):
        diary.heard.pass_to(where, last)
        counts.append(heard([app], {}))
    diary.heard.late += 1
    counts.append(heard([app], {}))

    assert [count["app"] for count in counts] == [0, 1, 4, 4, 4, 6, 7]


def test_what_clients_hold_and_no_node_that_they_can_reach_has_is_still_to_come() -> None:
    """Whatever they were told: who was told that ana has it brings it again where ana is lost."""
    nodes = [{"name": name} for name in ("ana", "ben", "cy")]
    clients = [
        {"name": "app", "at": "ana", "gateways": ["ana", "ben"]},
        {"name": "other", "at": "cy", "gateways": "cy"},
    ]
    play = Play(scenario(topology={"node": nodes}, client=clients, workload=[], timeline=[], duration="1s"), 0)
    world, app, other = play.world, play.apps["app"], play.apps["other"]
    world.run(1)
    world.cut(["ana"], ["ben", "cy"])
    for size in (10, 20):
        app.publish("x", bytes(size), copies=3)
    world.run(1)
    told = [entry.first_told_us >= 0 for entry in app.ledger.values()]
    app.offline = other.offline = True
    app.publish("x", bytes(40))
    other.publish("x", bytes(160))

    found = [unsent(play, nodes) for nodes in (["ana", "ben"], ["ben"], ["cy"], [])]

    assert told == [True, True]
    assert found == [
        Backlog(40 + OVERHEAD_BYTES, 1, 1, 40 + OVERHEAD_BYTES),
        Backlog(70 + 3 * OVERHEAD_BYTES, 3, 1, 40 + OVERHEAD_BYTES),
        Backlog(160 + OVERHEAD_BYTES, 1, 1, 160 + OVERHEAD_BYTES),
        Backlog(),
    ]
    app.limit_to(["ben"])
    assert [unsent(play, nodes).positions for nodes in (["ana"], ["ben"])] == [0, 3]


@pytest.mark.parametrize("policy", list(SlowPolicy))
def test_who_is_owed_everything_is_waited_for_also_where_a_gap_was_told(policy: SlowPolicy) -> None:
    play = Play(scenario(duration="4s", timeline=[published(2)]), 0)
    assert play.run().breaches == []
    (diary,) = play.apps["app"].diaries.values()
    assert not play.is_unfinished
    first = diary.shown[0]
    diary.policy = policy
    diary.missed.append(Missed(1, first.log, first.position, first.position, GapReason.MISSING, may_fill=True))

    del diary.seen["app", first.record.incarnation, 1]

    assert play.is_unfinished == (policy is not SlowPolicy.LATEST), "of few messages all fit"
