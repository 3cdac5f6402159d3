"""What breaks a promise by a figure, or by what is not there, is proved by a few events all the same."""

import re
from pathlib import Path

import pytest

from mesh.certificates import Certificate, Genesis, verify_certificate
from mesh.client.machine import CONNECTING
from mesh.crypto import Suite
from mesh.engines.links import core
from mesh.errors import RemoteError
from mesh.frames import Alive
from mesh.log.record import Record
from mesh.types import LogId
from mesh.wire.frames import encode_frame
from sim import proof
from sim.checkers import Watch
from sim.diary import Diary, Entry, Shown
from sim.figures import measure_books, slowest_on
from sim.heap import Play
from sim.labels import looked_at
from sim.network import Network
from sim.outcome import Figures
from sim.safeguards import off
from sim.scenario.model import Scenario
from sim.scenario.reading import find, from_tables, read
from sim.workload import App
from sim.world import WALL_MS, World
from tests.samples import ANA

LOG = LogId(ANA, 1)


def shown(sequence: int, at_us: int, *, channel: str = "room/1", late: bool = False) -> Shown:
    return Shown(LOG, sequence, Record(channel, "alice", 7, sequence, 0, 0, 0, [], {}, b"x", b""), late, at_us)


def books() -> tuple[Watch, Diary]:
    """Two messages, of which the first is told late and the second shown late; and one that nobody published."""
    ledger = {
        ("alice", 7, 1): Entry("room/1", b"x", (2, 1), at_us=1_000_000, first_told_us=4_000_000, told_us=5_000_000),
        ("alice", 7, 2): Entry("room/2", b"x", at_us=2_000_000),
    }
    told = [shown(1, 3_000_000), shown(2, 9_000_000, channel="room/2", late=True), shown(8, 99_000_000)]
    return Watch(lambda: 0, ledger), Diary(("#",), owner="bob", shown=told)


def test_a_time_until_shown_is_proved_by_the_slowest_message() -> None:
    watch, diary = books()

    assert proof.of_time("p99_us", watch, [diary]) == [
        "2.000000 s: alice publishes alice/0007/2 on room/2, attached nowhere",
        "9.000000 s: bob is shown it, late",
    ]
    assert proof.slowest_shown(watch, [diary], "room/1") == [
        "1.000000 s: alice publishes alice/0007/1 on room/1, attached nowhere",
        "3.000000 s: bob is shown it",
        "5.000000 s: alice is told copies:2 regions:1",
    ]
    assert proof.slowest_shown(watch, [diary], "hall/+") == []


def test_lines_of_a_witness_stand_in_the_order_of_their_times() -> None:
    lines = ["9.5 s: nine", "10.000000 s: ten", "before that: nine", "2.000000 s: two"]

    assert proof.in_order(lines) == ["2.000000 s: two", "9.5 s: nine", "10.000000 s: ten", "before that: nine"]
    assert proof.in_order(["before that: nothing", "0.000000 s: begun"]) == [
        "before that: nothing",
        "0.000000 s: begun",
    ]


def test_what_a_bad_host_wrote_counts_for_no_figure() -> None:
    watch, diary = books()
    watch.ledger["eve-left", 7, 1] = Entry("room/1", b"x", at_us=1_000_000, strange=True)
    forged = Record("room/1", "eve-left", 7, 1, 0, 0, 0, [], {}, b"x", b"")
    diary.shown.append(Shown(LOG, 9, forged, late=False, at_us=50_000_000))
    figures = Figures()

    measure_books(figures, watch.ledger, [diary])

    assert (figures.messages, figures.acknowledged, figures.deliveries) == (2, 1, 4)
    assert (figures.median_us, figures.slowest_us) == (2_000_000, 7_000_000)
    assert slowest_on("#", watch.ledger, [diary]) == 7_000_000
    assert proof.slowest_shown(watch, [diary], "#")[-1] == "9.000000 s: bob is shown it, late"


def test_a_wait_is_proved_by_the_longest_and_a_count_by_no_message() -> None:
    watch, diary = books()

    for figure in ("acknowledge_p99_us", "unavailable_us"):
        assert proof.of_time(figure, watch, [diary]) == [
            "1.000000 s: alice publishes alice/0007/1 on room/1, attached nowhere",
            "4.000000 s: alice is told that it is durable",
        ]
    entry = watch.ledger["alice", 7, 1]
    assert proof.of_time("reach_p99_us", watch, [diary]) == []
    entry.wanted, entry.reached_us = (2, 1), 6_000_000
    assert proof.of_time("reach_p99_us", watch, [diary])[1:] == [
        "4.000000 s: alice is told that it is durable",
        "6.000000 s: alice is told copies:2 regions:1, as asked",
    ]
    assert proof.of_time("dials", watch, [diary]) == []
    assert proof.slowest_told(Watch()) == []


def alone() -> tuple[World, App]:
    """A client of a node that nobody else is linked with, and that begins later."""
    world = World(7, Network.even(delay_us=5_000))
    machine = world.add("ana", "eu")
    world.crash(machine)
    app = App(world, "app", ["ana"])
    app.watch = Watch(lambda: world.now_us)
    return world, app


def test_who_waits_is_said_with_what_it_was_told_and_where_it_is() -> None:
    world, app = alone()
    diary = app.diaries[app.subscribe("room/1", "room/2")]
    world.run(1)
    assert app.watch is not None
    asked, before, still = proof.of_beginning(app, diary)

    assert asked == "0.000000 s: app subscribes to room/1 room/2"
    assert before.startswith("before that: connecting ana")
    assert still == f"{world.now_us / 1e6:.6f} s: app, {CONNECTING}, has not begun"

    machine = world.machines["ana"]
    world.start(machine)
    world.run(20)
    _, _, sequence = app.publish("room/1", b"x", copies=2)
    world.run(1)
    published, told, still = proof.of_receipt(app, sequence, app.watch)
    assert "app publishes app/" in published and told.endswith("app is told copies:1 regions:1")
    assert still.endswith("app, attached to ana, which runs, waits for more")
    world.pause(machine)
    assert proof.of_receipt(app, sequence, app.watch)[-1].endswith("which stands still, waits for more")
    machine.node = None
    assert proof.of_receipt(app, sequence, app.watch)[-1].endswith("which is down, waits for more")


def test_a_client_that_has_just_begun_has_done_nothing_before() -> None:
    _, app = alone()
    app.states = app.states[:1]

    assert len(proof.of_beginning(app, app.diaries[app.subscribe("#")])) == 2


def test_frames_are_overheard_the_last_few_and_of_some_kinds_and_nothing_changes() -> None:
    traces, coverage = [], []
    for is_overheard in (True, False):
        world = World(7, Network.even(delay_us=5_000))
        world.add("ana", "eu"), world.add("ben", "us", ("ana",))
        world.run(2)
        if is_overheard:
            with proof.overheard(world, frozenset({"Alive"})) as lines:
                world.run(60)
            assert world.filter is None
            assert len(lines) == proof.OVERHEARD_MAX and all(line.endswith("Alive") for line in lines)
            assert " s: ana sends ben Alive" in "".join(lines)
        else:
            world.run(60)
        traces.append(world.trace)
        coverage.append(world.coverage)
    assert traces[0] == traces[1] and coverage[0] == coverage[1]


def nothing_from_ana(source: str, target: str, packed: bytes) -> bool:
    assert packed and target
    return source != "ana"


def test_who_overhears_lets_through_what_the_filter_before_it_did() -> None:
    world = World(7, Network.even(delay_us=5_000))
    world.filter = nothing_from_ana

    with proof.overheard(world, frozenset()):
        assert world.filter is not None
        assert [world.filter(source, "cy", encode_frame(Alive(1))) for source in ("ana", "ben")] == [False, True]

    assert world.filter is nothing_from_ana


def halves(**guarantees: object) -> Scenario:
    """Publishers ask for all three copies; bounds as given."""
    scenario = read(find("halves"))
    work = tuple(each.model_copy(update={"copies": (3,)}) for each in scenario.workload)
    bounds = scenario.guarantees.model_copy(update=guarantees)
    return scenario.model_copy(update={"guarantees": bounds, "workload": work})


def test_every_breach_of_a_run_that_does_not_repair_comes_with_events() -> None:
    with off("repair"):
        outcome = Play(halves(p99=1_000, slowest_on={"#": 1_000}), 0).run()

    proved: dict[str, set[int]] = {}
    for breach in outcome.breaches:
        proved.setdefault(breach.promise, set()).add(len(breach.witness))
    assert {"available", "bounds", "converges", "nothing lost"} <= proved.keys()
    assert all(2 <= count <= 5 for counts in proved.values() for count in counts), proved
    (p99,) = (breach for breach in outcome.breaches if breach.kind == "p99")
    assert p99.about.startswith("p99 is ") and p99.about.endswith(", and must be at most 1ms")
    assert " is shown it" in p99.witness[-1] and " publishes " in p99.witness[0]


def test_who_hangs_up_on_an_honest_node_is_named() -> None:
    with off("credit"):
        outcome = Play(read(find("slow-peer")), 0).run()

    (breach,) = (breach for breach in outcome.breaches if breach.promise == "invariants")
    assert breach.about == "an honest node was hung up on: GSM-3107 CREDIT_EXCEEDED"
    assert all(" hangs up on " in line and line.endswith(": GSM-3107") for line in breach.witness)
    assert 1 <= len(breach.witness) <= 3


def test_a_wrong_clock_that_finds_no_certificate_valid_is_excused_and_a_right_one_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scenario = read(Path(__file__).parents[2] / "regressions" / "dated-by-a-wrong-clock.toml")
    honest = Play(scenario, 0).run()

    def refused(raw: bytes, genesis: Genesis, suite: Suite, wall_ms: int) -> Certificate:
        if wall_ms > WALL_MS + 12_500:
            raise RemoteError("the certificate does not please")
        return verify_certificate(raw, genesis, suite, wall_ms)

    monkeypatch.setattr(core, "verify_certificate", refused)
    broken = Play(scenario, 0).run()

    assert honest.breaches == []
    (breach,) = (breach for breach in broken.breaches if breach.promise == "invariants")
    assert breach.about == "an honest node was hung up on: GSM-3106 CERTIFICATE_INVALID"
    assert all(line.endswith(": GSM-3106") for line in breach.witness)


def test_only_what_has_expired_by_the_end_is_looked_at_as_dead_and_quiet_is_only_a_mesh_that_has_nothing_to_do() -> (
    None
):
    tables = {
        "title": "t", "promise": "p", "duration": "3s", "topology": {"node": [{"name": "ana"}, {"name": "ben"}]},
        "client": [{"name": "app", "count": 2, "subscribe": [{"to": "#"}]}],
        "workload": [{"rate": 5, "channels": "room/1"}],
    }  # fmt: skip
    mortal = {**tables, "workload": [{"rate": 5, "channels": "room/1", "ttl": "2s"}]}

    looked = [Play(from_tables(each), 0).run() for each in (tables, mortal)]

    assert "stays dead" not in looked[0].evaluated
    assert looked[1].evaluated["stays dead"] == looked[1].figures.messages
    assert looked[0].evaluated["quiet"] == looked[1].evaluated["quiet"] == 1
    with off("repair"):
        assert "quiet" not in Play(halves(), 0).run().evaluated


def _read_alone(uplink: str, page: int, duration: str) -> Play:
    """Somebody publishes, and another client reads it once as history."""
    tables = {
        "title": "t", "promise": "p", "duration": duration, "topology": {"node": [{"name": "ana"}, {"name": "ben"}]},
        "client": [{"name": "app"}, {"name": "reader", "uplink": uplink}],
        "workload": [{"clients": "app", "rate": 40, "channels": "room/1"}],
        "timeline": [{"at": "9s", "read-history": {"client": "reader", "page": page}}],
    }  # fmt: skip
    return Play(from_tables(tables), 0)


def test_what_pages_are_judged_by_is_counted_apart_and_told_with_all_else() -> None:
    outcome = _read_alone("beside", 50, "10s").run()

    shown = outcome.evaluated["history/nothing invented"]
    assert shown > 300 and outcome.evaluated["history/once"] == outcome.evaluated["history/available"] == -(
        -shown // 50
    )
    assert "once" not in outcome.evaluated and "nothing invented" not in outcome.evaluated
    assert (looked_at(outcome.evaluated, "nothing invented"), looked_at({"once": 2}, "once")) == (shown, 2)


def test_a_reading_that_goes_on_beyond_the_end_is_not_one_that_waits_for_a_page() -> None:
    outcome = _read_alone("sleeping-phone", 1, "10s").run()

    assert 100 < outcome.evaluated["history/available"] < outcome.figures.messages
    assert outcome.breaches == []


def test_what_is_pending_is_called_as_elsewhere() -> None:
    outcome = Play(read(Path("tests/regressions/words-of-the-dead.toml")), 0).run()

    (line,) = outcome.pending
    assert re.fullmatch(r"writer/\d{4}/1 lies only outside the core", line)


def test_a_bound_on_a_number_is_proved_by_who_has_most_of_it() -> None:
    nodes = [{"name": name} for name in ("ana", "ben", "cy")]
    bounds = dict.fromkeys(("connects", "logs", "names", "rows", "dials"), 0)
    scenario = from_tables({
        "title": "t", "promise": "p", "duration": "3s", "topology": {"node": nodes, "links": "full"},
        "client": [{"name": "app", "at": "ana", "subscribe": [{"to": "#"}]}],
        "timeline": [
            {"at": "1s", "publish": {"client": "app", "channel": "x", "count": 4}}, {"at": "2s", "wipe": "cy"},
        ],
        "guarantees": bounds | {"copies-per-message": 0.5, "frames-per-message": 1, "repair-sessions": 0},
    })  # fmt: skip

    breaches = {breach.kind: breach for breach in Play(scenario, 0).run().breaches}

    assert breaches["copies per message"].witness == (
        "pushes: 3", "nodes: 3", "batches sealed: 1", "batches lost with a disk: 1",
    )  # fmt: skip
    assert breaches["connects"].witness == ("connections of app: 1",)
    assert breaches["logs"].witness == tuple(f"logs known to {name}: 1" for name in ("ana", "ben", "cy"))
    assert breaches["names"].witness == tuple(f"runs of names known to {name}: 1" for name in ("ana", "ben", "cy"))
    assert breaches["rows"].witness == tuple(f"rows on the disk of {name}: 1" for name in ("ana", "ben", "cy"))
    assert breaches["frames per message"].witness[0].startswith(("Push frames: ", "IHave frames: "))
    assert all(line.startswith("sessions begun by ") for line in breaches["repair sessions"].witness)
    assert len(breaches["repair sessions"].witness) in range(1, 4)
    assert breaches["dials"].witness == (), "nobody in particular has them"
