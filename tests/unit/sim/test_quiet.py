"""The end of a run: who is quiet, who may still be busy, and whether what was equal is so to the end."""

import pytest

from mesh.effects import Send
from mesh.frames import IHave, NotFound, Push
from mesh.wire.frames import decode_frame
from sim.heap import Play
from sim.network import Network
from sim.quiet import DYING_US
from sim.scenario.reading import from_tables
from sim.units import MILLION
from sim.workload import App
from tests.play_samples import instead

CORE, PART = ["ana", "ben"], ["cy", "dan"]


def tables(gateway: str, **others: object) -> dict[str, object]:
    """A client that comes back with half a minute of messages at the heal."""
    return {
        "title": "What is brought late",
        "promise": "It has its time.",
        "duration": "30s",
        "topology": {
            "latency": "40ms",
            "jitter": "0s",
            "node": [{"name": name, "region": "eu"} for name in [*CORE, *PART]],
        },
        "client": [{"name": "app", "at": gateway, "gateways": gateway}],
        "workload": [{"clients": "app", "rate": 10, "bytes": [1_200, 1_200]}],
        "timeline": [{"at": "1s", "offline": "app", "for": "29s"}],
        **others,
    }


@pytest.mark.parametrize("seed", range(3))
def test_a_part_that_is_cut_off_has_its_time_for_what_its_own_client_brings(seed: int) -> None:
    found = tables("cy", core=CORE)
    timeline = found["timeline"]
    assert isinstance(timeline, list)
    timeline += [
        {"at": "0s", "for": "30s", "link": {"between": [["cy"], ["dan"]], "rate": "64kbit/s"}},
        {"at": "0s", "for": "30s", "link": {"between": [CORE, PART], "loss": "100%"}},
    ]
    play = Play(from_tables(found), seed)

    outcome = play.run()

    assert outcome.breaches == []
    assert outcome.evaluated["quiet"] == 1


def _hide(play: Play) -> None:
    """From now on ana says nothing of what she has, and gives nothing; and a message comes to her."""
    ana = play.world.machines["ana"].node
    assert ana is not None
    instead(ana.serving, "ask", lambda link, frame, _: [Send((link,), NotFound(frame.ranges))])
    play.world.filter = lambda source, _, packed: source != "ana" or type(decode_frame(packed)) not in (Push, IHave)
    App(play.world, "late", ["ana"]).publish("room/1", b"x")


def test_who_was_equal_has_to_be_so_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Network, "silence_us", lambda *_: 2_500_000)
    found = tables("ana", core="all")
    for what in ("timeline", "client", "workload"):
        del found[what]
    play = Play(from_tables(found), 0)
    play.world.at(33_000_000, _hide, play)

    converges = play.run().breaches[0]

    assert converges.about.startswith(
        "ana ben cy dan had equal digests, and have them no more; ana and ben may hear nothing"
    )
    assert converges.witness[-1].endswith("and ana has")


def forked(wiped_s: int) -> Play:
    """Far apart, where a member has signed two histories, and another begins anew with an empty disk near the end."""
    nodes = zip(["ana", "ben", "cy", "dan", "eve"], ["eu", "us", "ap", "eu", "us"], strict=True)
    return Play(
        from_tables(
            {
                "title": "A wiped disk",
                "promise": "What two nodes tell each other as they meet is no unrest.",
                "duration": "60s",
                "topology": {"latency": "2s", "node": [{"name": name, "region": region} for name, region in nodes]},
                "client": [{"name": "app", "count": 5}],
                "workload": [{"rate": 2}],
                "timeline": [
                    {"at": "10s", "for": "30s", "hostile": {"node": "cy", "does": "fork"}},
                    {"at": f"{wiped_s}s", "for": "6s", "wipe": "ben"},
                ],
            }
        ),
        0,
    )


def test_what_two_nodes_have_to_tell_as_they_meet_is_no_unrest() -> None:
    outcome = forked(53).run()

    assert outcome.breaches == []
    assert outcome.evaluated["quiet"] == 1


def test_whoever_meets_again_and_again_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.quiet._meet", lambda *_: True)
    monkeypatch.setattr("sim.quiet._busy", lambda sent: {"frame/Forked": len(sent)})
    play = forked(53)

    outcome = play.run()

    assert [breach.promise for breach in outcome.breaches] == ["quiet"]
    healed_us = 60 * MILLION
    assert healed_us + DYING_US < play.world.now_us < healed_us + DYING_US + 60 * MILLION


@pytest.mark.parametrize("every_s", [6, 11, 14, 20])
def test_who_hangs_up_and_meets_again_and_again_is_not_quiet(every_s: int) -> None:
    play = forked(40)

    def hang_up() -> None:
        ana = play.world.machines["ana"]
        link = next(iter(ana.links), None)
        if link is not None:
            play.world.links.close(ana, link, "test")
        play.world.after(every_s * MILLION, hang_up)

    play.world.after(71 * MILLION, hang_up)

    assert "quiet" in {breach.promise for breach in play.run().breaches}
