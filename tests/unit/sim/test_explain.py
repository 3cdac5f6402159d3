"""The story of one message: only what concerns it, and why it did not reach those whom it did not."""

import re
from typing import Any

import pytest

from sim import recorder
from sim.errors import SimError
from sim.explain import STORY_MAX, explain, transcript
from sim.heap import Play
from sim.recorder import Kept
from sim.stays import positions_of
from tests.report_samples import played, scenario


def told(play: Play, message: str) -> list[str]:
    """The story, without its times and without the digits that are drawn."""
    head, *lines = explain(play, message)
    return [head.partition("/")[0], *(line[11:] for line in lines)]


def test_story_of_a_message_tells_of_no_other() -> None:
    say = {"at": "1s", "publish": {"client": ["app-1"], "channel": "room/1"}}
    play, outcome = played(scenario(timeline=[say, {**say, "at": "2s"}]))

    first, second = told(play, "app-1/1"), told(play, "app-1/2")

    assert outcome.is_kept
    log = min(play.world.machines["ana"].disk.image.rows).node.hex()[:4]
    common = [
        "app-1 publishes it on room/1, attached to ana",
        "ana has sealed it, and stores it, in the batch {}",
        "app-1 is told copies:1 regions:1",
        "app-1 is shown it (#)",
        "ben stores it, in the batch {}",
        "app-2 is shown it (#)",
        "ben says that it has it to ana: arrives",
    ]
    for position, lines in ((1, first), (2, second)):
        without_pushes = [line.partition(" at ")[0] for line in lines[1:] if "pushes it" not in line]
        assert sorted(without_pushes) == sorted(line.format(f"{log}:{position}") for line in common)
        assert [line.partition(":")[0] for line in lines if "pushes it" in line] == ["ana pushes it to ben"]


def test_lines_stand_in_the_order_of_their_times() -> None:
    play, _ = played(scenario())

    lines = explain(play, "app-1/1")[1:]

    times = [float(line[:10]) for line in lines]
    assert times == sorted(times)
    assert times[0] == 3.0


def test_cut_that_kept_a_message_away_is_told() -> None:
    cut = {"at": "500ms", "for": "2s", "partition": [["ana"], ["ben"]]}
    say = {"at": "1s", "publish": {"client": ["app-1"], "channel": "room/1"}}
    play, _ = played(scenario(timeline=[cut, say]))

    lines = told(play, "app-1/1")

    assert "-- partition ana | ben for 2s, until 4.500" in lines
    stored_us = next(kept.at_us for kept in play.recorder.kept if kept.node == "ben") if play.recorder else 0
    assert stored_us > 4_500_000


def test_node_that_never_got_a_message_is_told_with_the_reason() -> None:
    cut = {"at": "500ms", "partition": [["ana"], ["ben"]]}
    say = {"at": "1s", "publish": {"client": ["app-1"], "channel": "room/1"}}
    play, _ = played(scenario(timeline=[cut, say], core=["ana"]))

    lines = told(play, "app-1/1")

    assert lines[-1] == (
        "ben never stored it: no push of it arrived, the first sent by ana at 3.000379; ben is cut off for ever"
    )


def test_subscription_whose_gateway_has_nothing_is_told_so() -> None:
    cut = {"at": "500ms", "partition": [["ana"], ["ben"]]}
    say = {"at": "1s", "publish": {"client": ["app-1"], "channel": "room/1"}}
    client = [{"name": "app", "count": 2, "subscribe": [{"to": "#"}], "at": ["ana"], "gateways": ["ana"]}]
    far = {"name": "far", "subscribe": [{"to": "#"}], "at": ["ben"], "gateways": ["ben"]}
    play, _ = played(scenario(timeline=[cut, say], core=["ana"], client=[*client, far]))

    lines = told(play, "app-1/1")

    assert any(line.startswith("far was never shown it (#): ") for line in lines)


def test_node_that_is_dead_for_ever_is_told_to_be_down() -> None:
    say = {"at": "1s", "publish": {"client": ["app-1"], "channel": "room/1"}}
    play, _ = played(scenario(timeline=[{"at": "500ms", "crash": ["ben"]}, say]))
    machine = play.world.machines["ben"]
    if machine.node is not None:
        play.world.crash(machine)
    assert play.recorder is not None
    play.recorder.kept[:] = [kept for kept in play.recorder.kept if kept.node != "ben"]
    play.recorder.lives[:] = [life for life in play.recorder.lives if not (life.node == "ben" and life.is_up)]

    lines = told(play, "app-1/1")

    assert f"ben never stored it: it is down since {play.world.now_us / 1e6:.6f}" in lines


def test_append_that_only_a_crash_kept_is_found_at_the_next_start() -> None:
    say = {"at": "1s", "publish": {"client": ["app-1"], "channel": "room/1"}}
    play, _ = played(scenario(timeline=[say, {"at": "2s", "for": "500ms", "crash": ["ben"]}]))
    assert play.recorder is not None
    play.recorder.kept[:] = [kept for kept in play.recorder.kept if kept.node != "ben"]

    assert "ben finds it on its disk as it starts" in told(play, "app-1/1")


def test_subscription_from_now_is_owed_nothing_earlier() -> None:
    say = {"at": "1s", "publish": {"client": ["app-1"], "channel": "room/1"}}
    later = {"at": "2s", "subscribe": {"client": ["app-2"], "to": ["room/1"], "since": "now"}}
    play, _ = played(scenario(timeline=[say, later]))

    lines = told(play, "app-1/1")

    assert "app-2 was never shown it (room/1): its subscription began later than the message" in lines


def test_who_has_left_is_owed_nothing_later() -> None:
    leave = {"at": "1s", "unsubscribe": {"client": ["app-2"], "to": ["#"]}}
    say = {"at": "2s", "publish": {"client": ["app-1"], "channel": "room/1"}}
    play, outcome = played(scenario(timeline=[leave, say]))

    lines = told(play, "app-1/1")

    assert "app-2 was never shown it (#): it left its subscription at 3.000" in lines
    assert outcome.breaches == []


def test_refused_message_says_why() -> None:
    play, _ = played(scenario())
    next(iter(play.watch.ledger.values())).refused = "the channel is another's"

    assert "it is refused: the channel is another's" in told(play, "app-1/1")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"undated": True, "misdated": True}, "clocks that were wrong and agreed were believed while it lived"),
        ({"misdated": True}, "a node dated it that was alone with a wrong clock: nobody knows when it dies"),
        (
            {"disks_lost": ("ana", "ben"), "regions_lost": ("eu",), "sealed_lost": True},
            "ana, ben lost it with the disk, whoever told a level among them: copies:1 regions:1 need not survive that",
        ),
    ],
)
def test_why_a_message_is_excused_is_told(changes: dict[str, object], said: str) -> None:
    play, _ = played(scenario())
    (entry, *_) = play.watch.ledger.values()
    for name, value in changes.items():
        setattr(entry, name, value)

    lines = [line for line in told(play, "app-1/1") if any(word in line for word in ("believed", "dated", "survive"))]

    assert len(lines) == 1
    assert lines[0].startswith(said)


def test_broken_promise_about_a_message_is_part_of_its_story() -> None:
    play, _ = played(scenario())
    name = next(iter(play.watch.ledger))
    full = f"{name[0]}/{name[1] % 10_000:04d}/{name[2]}"
    play.watch.broken("nothing lost", f"{full} was never shown to app-2")

    lines = told(play, full)

    assert f"broken: nothing lost – {full} was never shown to app-2" in lines


def test_message_that_was_retried_stands_at_each_of_its_positions() -> None:
    play, _ = played(scenario())
    name = next(iter(play.watch.ledger))
    (place,) = positions_of(play, name)
    diary = play.apps["app-1"].diaries[min(play.apps["app-1"].diaries)]
    diary.shown.append(type(diary.shown[0])(place[0], 99, diary.shown[0].record, late=False))

    assert positions_of(play, name) == [place, (place[0], 99)]


def test_of_many_nodes_and_subscriptions_one_line_tells() -> None:
    nodes = [{"name": "ana", "region": "eu", "count": 12}]
    clients = [{"name": "app", "count": 12, "subscribe": [{"to": "#"}]}]
    play, _ = played(scenario(topology={"node": nodes, "latency": "40ms"}, client=clients))

    lines = told(play, "app-1/1")

    assert sum(line.startswith("11 other nodes store it, ") for line in lines) == 1
    assert sum(line.startswith("12 subscriptions are shown it, ") for line in lines) == 1


def test_long_story_keeps_what_weighs_most() -> None:
    nodes = [{"name": "ana", "region": "eu", "count": 50}]
    clients = [{"name": "app", "count": 2, "subscribe": [{"to": "#"}]}]
    topology = {"node": nodes, "latency": "40ms", "links": "random", "degree": 4}
    play, _ = played(scenario(topology=topology, client=clients))
    name = next(iter(play.watch.ledger))
    play.watch.broken("once", f"{name[0]}/{name[1] % 10_000:04d}/{name[2]} was shown twice")

    lines = explain(play, "app-1/1")

    assert len(lines) == STORY_MAX
    assert "lines that weigh less" in lines[-1]
    assert lines[-2].partition("broken: ")[2].startswith("once – ")
    assert sum("is shown it" in line for line in lines) == 2


@pytest.mark.parametrize(
    ("message", "near"),
    [("app-1/4", "app-1/3, app-1/2, app-1/1"), ("ap-1/2", "app-1/2"), ("nonsense", "app-1/")],
)
def test_wrong_name_is_answered_with_near_ones(message: str, near: str) -> None:
    play, _ = played(scenario())

    with pytest.raises(SimError, match="no message is called") as raised:
        explain(play, message)

    assert near in str(raised.value)


def test_wrong_name_in_a_run_without_messages_says_that_there_are_none() -> None:
    play, _ = played(scenario(timeline=[]))

    with pytest.raises(SimError, match="none at all"):
        explain(play, "app-1/1")


def test_transcript_ends_where_it_is_told_to() -> None:
    play, _ = played(scenario(timeline=[{"at": "500ms", "restart": ["ben"]}]))

    lines = transcript(play, 2_600_000)

    assert any(line.endswith("-- restart ben") for line in lines)
    assert all(float(line[:10]) <= 2.6 for line in lines)


def _read_once(times: int = 1) -> Play:
    """A client without a subscription reads the past."""
    say = {"at": "1s", "publish": {"client": ["app-1"], "channel": "room/1", "count": 3}}
    reads = [
        {"at": f"{1_500 + at}ms", "read-history": {"client": ["far"], "page": 2}} for at in range(0, 100 * times, 100)
    ]
    client = [{"name": "app", "count": 2, "subscribe": [{"to": "#"}]}, {"name": "far", "at": ["ben"]}]
    return played(scenario(timeline=[say, *reads], client=client))[0]


def test_who_reads_the_past_is_told_in_the_story_of_what_it_was_shown() -> None:
    play = _read_once()

    (line,) = [line for line in told(play, "app-1/3") if line.startswith("far")]

    log = min(play.world.machines["ana"].disk.image.rows).node.hex()[:4]
    assert line == f"far is shown it on page 2 of history by ben, at {log}:3"
    (gathered,) = [line for line in told(_read_once(9), "app-1/1") if "pages of history" in line]
    assert gathered.startswith("9 pages of history show it, far first, the last at ")


def test_transcript_has_the_pages_that_are_asked_for_and_shown() -> None:
    play = _read_once()

    lines = [line[11:] for line in transcript(play, 60_000_000) if " history" in line and "--" not in line]

    assert lines == [
        "far asks for page 1 of history",
        "far is shown page 1 of history by ben, 2 messages",
        "far asks for page 2 of history",
        "far is shown page 2 of history by ben, 1 messages",
    ]
    assert [line for line in transcript(play, 3_400_000) if "page" in line] == []


def test_of_very_many_pages_the_first_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "CROSSINGS_MAX", 3)

    kept = _read_once().recorder

    assert kept is not None
    assert [(read.page, read.node) for read in kept.reads] == [(1, ""), (1, "ben"), (2, "")]


def three(*timeline: dict[str, Any], subscribers: bool = True, **changes: Any) -> Play:
    """Three nodes; at 1 s app-1 publishes at ana-1, and at 3 s again, so that the run goes on."""
    say = {"at": "1s", "publish": {"client": ["app-1"], "channel": "room/1"}}
    client = {"name": "app", "count": 2, "at": ["ana-1"], "gateways": ["ana-1"]}
    tables = {
        "duration": "5s",
        "topology": {"node": [{"name": "ana", "count": 3}]},
        "client": [client | ({"subscribe": [{"to": "#"}]} if subscribers else {})],
        "timeline": [*timeline, say, {**say, "at": "3s"}],
    }
    return played(scenario(**(tables | changes)))[0]


WIPE: list[dict[str, Any]] = [{"at": "2s", "for": "500ms", "wipe": ["ana-3"]}]
RESTORE: list[dict[str, Any]] = [
    {"at": "500ms", "snapshot": {"node": "ana-3"}},
    {"at": "2s", "restore": {"node": "ana-3"}},
]
LIE: list[dict[str, Any]] = [{"at": "500ms", "for": "1500ms", "fsync-lies": ["ana-3"]}]


@pytest.mark.parametrize(("timeline", "fault"), [(WIPE, "wipe"), (RESTORE, "restore"), (LIE, "fsync-lies")])
def test_what_took_it_from_a_disk_the_loss_and_the_refill_are_told(timeline: list[dict[str, Any]], fault: str) -> None:
    lines = told(three(*timeline), "app-1/1")

    begins = [f"-- {fault} ", "ana-3 starts, and its disk holds it no longer", "ana-3 wants it from ", "ana-"]
    (lost,) = (index for index, line in enumerate(lines) if line == begins[1])
    after = [line.partition(" from ")[0].partition(": arrives")[0] for line in lines[lost:]]
    assert sum(line.startswith(begins[0]) for line in lines[:lost]) == 1
    assert [line.partition(", in the batch")[0] for line in lines if "ana-3 stores it" in line] == [
        "ana-3 stores it",
        "ana-3 stores it again",
    ]
    assert after[1] == "ana-3 wants it" and after[2].endswith(" pushes it to ana-3")
    assert after[3].startswith("ana-3 stores it again") and after[4].startswith("ana-3 says that it has it to ana-1")
    assert "had it already" not in " ".join(lines)


def test_row_that_rots_is_stored_again_and_its_push_is_needed() -> None:
    rot = {"at": "2s", "bit-rot": {"nodes": ["ana-3"], "rows": 8}}
    lines = told(three(rot, {"at": "2500ms", "scrub": ["ana-3"]}), "app-1/1")

    begins = ["-- bit-rot ", "-- scrub ana-3", "ana-3 wants it from ", "ana-", "ana-3 stores it again, in the batch "]
    (rotten,) = (index for index, line in enumerate(lines) if line.startswith(begins[0]))
    assert [line.startswith(begin) for line, begin in zip(lines[rotten:], begins, strict=False)] == [True] * 5
    assert " pushes it to ana-3" in lines[rotten + 3]
    assert "had it already" not in " ".join(lines)


def test_push_that_refilled_a_rotten_row_unasked_is_needed() -> None:
    play = three({"at": "2s", "bit-rot": {"nodes": ["ana-3"], "rows": 8}}, {"at": "2500ms", "scrub": ["ana-3"]})
    assert play.recorder is not None
    play.recorder.crossings[:] = [each for each in play.recorder.crossings if each.kind not in ("Want", "Graft")]

    lines = told(play, "app-1/1")

    assert sum("pushes it to" in line and "ana-3" in line for line in lines) == 2
    assert "had it already" not in " ".join(lines)


def test_who_lost_it_for_ever_is_told_with_the_reason() -> None:
    cut = {"at": "500ms", "partition": [["ana-1"], ["ana-2", "ana-3"]], "for": "4s"}
    far = {"name": "far", "at": ["ana-2"], "gateways": ["ana-2"], "subscribe": [{"to": "#"}]}
    client = [{"name": "app", "count": 2, "at": ["ana-1"], "gateways": ["ana-1"], "subscribe": [{"to": "#"}]}, far]
    client.append({"name": "later", "at": ["ana-1"], "gateways": ["ana-1"]})
    later = {"at": "3s", "subscribe": {"client": ["later"], "to": ["#"], "since": "beginning"}}
    play = three(cut, {**WIPE[0], "wipe": ["ana-1"]}, later, client=client, atlas=False)

    lines = told(play, "app-1/1")

    assert "ana-1 starts, and its disk holds it no longer" in lines
    assert "ana-1 did not store it again: nobody pushed it there" in lines
    assert any(line.startswith("ana-2 never stored it: no push of it arrived") for line in lines)
    assert "later was never shown it (#): its gateway ana-1 has lost it" in lines


def test_disk_that_holds_it_no_longer_at_the_end_is_told() -> None:
    play = three()
    image = play.world.machines["ana-3"].disk.image
    image.held.clear()

    assert "ana-3 holds it no longer at the end" in told(play, "app-1/1")


def test_message_that_no_disk_holds_and_nobody_was_shown_stood_where_it_was_acknowledged() -> None:
    cut = {"at": "500ms", "partition": [["ana-1"], ["ana-2", "ana-3"]], "for": "4s"}
    lines = told(three(cut, {**WIPE[0], "wipe": ["ana-1"]}, subscribers=False, atlas=False), "app-1/1")

    assert any(line.startswith("ana-1 has sealed it, and stores it, in the batch ") for line in lines)
    assert "ana-1 starts, and its disk holds it no longer" in lines


def test_of_many_places_few_are_named_and_each_batch_once() -> None:
    play = three()
    assert play.recorder is not None
    name = next(iter(play.watch.ledger))
    ((log, _),) = positions_of(play, name)
    diary = next(iter(play.apps["app-1"].diaries.values()))
    copy = diary.shown[0].record
    diary.shown += [type(diary.shown[0])(log, position, copy, late=False) for position in range(1201, 1601)]
    play.recorder.kept += [Kept(4_000_000, "ana-2", (log, first, first + 9)) for first in range(1201, 1601, 10)]

    head, *lines = explain(play, "app-1/1")

    short = log.node.hex()[:4]
    assert head.partition(" stands at ")[2] == f"{short}:1 and {short}:1201 and 399 more:"
    assert len(lines) == len(set(lines)) < STORY_MAX
    assert sum("ana-2 stores it" in line for line in lines) == 1


def test_owner_that_sealed_it_many_times_has_one_line() -> None:
    play = three()
    assert play.recorder is not None
    ((log, _),) = positions_of(play, next(iter(play.watch.ledger)))
    diary = next(iter(play.apps["app-1"].diaries.values()))
    copy = diary.shown[0].record
    diary.shown += [type(diary.shown[0])(log, position, copy, late=False) for position in range(11, 21)]
    play.recorder.kept += [Kept(4_000_000 + at, "ana-1", (log, at, at)) for at in range(11, 21)]

    lines = told(play, "app-1/1")

    (line,) = (line for line in lines if "sealed" in line)
    assert line == "11 batches with it are sealed and stored by ana-1, ana-1 first, the last at 4.000020: ana-1"


def test_what_subscribers_and_promises_know_is_never_dropped() -> None:
    nodes = [{"name": "ana", "region": "eu", "count": 50}]
    topology = {"node": nodes, "latency": "40ms", "links": "random", "degree": 4}
    play, _ = played(scenario(topology=topology))
    assert play.recorder is not None
    play.recorder.kept[:] = [kept for kept in play.recorder.kept if kept.node == "ana-1"]
    name = next(iter(play.watch.ledger))
    full = f"{name[0]}/{name[1] % 10_000:04d}/{name[2]}"
    for _ in range(2):
        play.watch.broken("once", f"{full} was shown twice")
    for number in range(12):
        play.watch.broken("nothing lost", f"{full} was never shown to app-{number}")

    lines = told(play, full)

    assert len(lines) == STORY_MAX
    assert sum("never stored it" in line for line in lines) > 10
    assert sum("is shown it (#)" in line for line in lines) == 2
    broken = [line for line in lines if line.startswith("broken: ")]
    assert len(broken) == len(set(broken)) == 9
    assert broken[0] == f"broken: once – {full} was shown twice"
    assert broken[-1] == "broken: 5 more promises about it"


def test_many_who_were_never_shown_it_for_one_reason_have_one_line() -> None:
    cut = {"at": "500ms", "partition": [["ana"], ["ben"]]}
    say = {"at": "1s", "publish": {"client": ["app-1"], "channel": "room/1"}}
    client = [{"name": "app", "count": 2, "at": ["ana"], "gateways": ["ana"]}]
    far = {"name": "far", "count": 12, "subscribe": [{"to": "#"}], "at": ["ben"], "gateways": ["ben"]}
    play, _ = played(scenario(timeline=[cut, say], core=["ana"], client=[*client, far]))

    (line,) = (line for line in told(play, "app-1/1") if "never shown" in line)

    assert line.startswith("12 subscriptions were never shown it, such as far-1: its ")


def test_of_very_many_reasons_why_it_was_not_shown_some_are_told() -> None:
    nodes = [{"name": "ana", "count": 24}]
    clients = [{"name": "app", "count": 2, "at": ["ana-1"], "gateways": ["ana-1"]}]
    clients += [
        {"name": f"far-{at}", "at": [f"ana-{at}"], "gateways": [f"ana-{at}"], "subscribe": [{"to": "#"}]}
        for at in range(2, 25)
    ]
    cut = {"at": "500ms", "partition": [["ana-1"], [f"ana-{at}" for at in range(2, 25)]]}
    say = {"at": "1s", "publish": {"client": ["app-1"], "channel": "room/1"}}
    play, _ = played(scenario(topology={"node": nodes}, client=clients, timeline=[cut, say], core=["ana-1"]))

    lines = [line for line in told(play, "app-1/1") if "never shown" in line]

    assert len(lines) == 9
    assert re.fullmatch(r"\d+ more subscriptions were never shown it", lines[-1])


def test_broken_promise_that_says_more_of_a_message_is_part_of_its_story() -> None:
    play = three()
    ((name, entry), *_) = play.watch.ledger.items()
    diary = next(iter(play.apps["app-2"].diaries.values()))
    play.watch.never_shown(diary, name, entry, "the newest on its channel")

    (line,) = (line for line in told(play, "app-1/1") if line.startswith("broken: "))

    assert "/1, the newest on its channel, was acknowledged at " in line
