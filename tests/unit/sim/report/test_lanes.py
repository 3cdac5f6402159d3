"""Lanes: what is drawn of frames, faults and nodes that are down, and what is not."""

import re

import pytest

from sim.recorder import PENDING, Crossing, Life
from sim.report import lanes
from sim.report.lanes import draw
from sim.stage import Band
from tests.report_samples import HOSTILE, HOSTILE_REGION, played, scenario


def drawn(picture: str, kind: str, part: str = "fly") -> int:
    found = re.search(rf'<g class="k k-{kind}[^"]*">(.*?)</g>', picture)
    paths = re.findall(rf'<path d="([^"]*)" class="{part}"', found[1]) if found else []
    return sum(path.count("M") for path in paths)


def test_every_frame_of_a_small_run_is_an_arrow_with_an_end() -> None:
    play, _ = played(scenario())
    assert play.recorder is not None

    picture = draw(play)

    pushes = [crossing for crossing in play.recorder.crossings if crossing.kind == "Push"]
    assert len(pushes) > 0
    assert drawn(picture, "Push") == drawn(picture, "Push", "end") == len(pushes)
    assert f"Push {len(pushes)}</label>" in picture
    assert "not drawn" not in picture


def test_frame_that_never_arrived_is_a_stub() -> None:
    play, _ = played(scenario())
    assert play.recorder is not None
    play.recorder.crossings[:] = [Crossing(1_000_000, PENDING, "ana", "ben", "Push", 10, ())]

    picture = draw(play)

    assert drawn(picture, "Push") == 0
    assert drawn(picture, "Push", "lost") == 1


def test_heartbeats_and_receipts_are_shown_only_when_asked_for() -> None:
    play, _ = played(scenario())

    picture = draw(play)

    checked = dict(re.findall(r'<input type="checkbox" class="t-(\w+)"( checked)?>', picture))
    assert checked["Push"] == " checked"
    assert checked["Stored"] == checked["heartbeats"] == ""


def test_of_too_many_frames_an_even_share_of_each_kind_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    play, _ = played(scenario())
    assert play.recorder is not None
    many = [Crossing(at * 1_000, at * 1_000 + 40, "ana", "ben", "Push", 10, ()) for at in range(4_000)]
    few = [Crossing(at * 1_000, at * 1_000 + 40, "ben", "ana", "Graft", 10, ()) for at in range(150)]
    play.recorder.crossings[:] = [*many, *few]
    play.recorder.dropped = 12
    monkeypatch.setattr(lanes, "ARROWS_MAX", 1_000)

    picture = draw(play)

    assert drawn(picture, "Graft") == 150, "what is rare is all drawn"
    assert drawn(picture, "Push") == 1_000 * 4_000 // 4_150
    assert f"{4_150 - 150 - 963:,} frames are not drawn" in picture
    assert "12 frames were not recorded." in picture


def test_node_that_is_down_is_a_piece_of_its_lane() -> None:
    play, outcome = played(scenario(timeline=[{"at": "1s", "for": "500ms", "crash": ["ben"]}]))

    picture = draw(play)

    assert outcome.is_kept
    assert picture.count('class="down"') == 1
    assert "<title>ben is down: 3.000 s to 3.500 s</title>" in picture


def test_node_that_never_came_back_is_down_to_the_end() -> None:
    play, _ = played(scenario())
    assert play.recorder is not None
    play.recorder.lives.append(Life(1_000_000, "ben", is_up=False))

    picture = draw(play)

    assert f"<title>ben is down: 1.000 s to {play.world.now_us / 1e6:.3f} s</title>" in picture


def test_fault_is_a_bar_and_a_moment_is_a_line() -> None:
    cut = {"at": "500ms", "for": "1s", "partition": [["ana"], ["ben"]]}
    play, _ = played(scenario(timeline=[cut, {"at": "2s", "restart": ["ben"]}]))

    picture = draw(play)

    assert [(band.verb, band.begin_us, band.end_us) for band in play.stage.bands] == [
        ("partition", 2_500_000, 3_500_000),
        ("restart", 4_000_000, 4_000_000),
    ]
    assert picture.count('class="band"') == 1
    assert "<title>partition ana | ben for 1s: 2.500 s to 3.500 s</title>" in picture
    assert picture.count('class="moment"') == 1


def test_faults_at_the_same_time_lie_in_rows_of_their_own() -> None:
    play, _ = played(scenario())
    play.stage.bands += [Band(1_000_000, "cut", f"fault {number}", 2_000_000) for number in range(20)]

    picture = draw(play)

    tops = re.findall(r'<rect y="(\d+)" height="14" class="band"', picture)
    assert len(tops) == len(set(tops)) == lanes.BAND_ROWS_MAX
    assert "6 of the faults have no bar" in picture


def test_names_of_faults_and_regions_are_escaped() -> None:
    node = {"name": "ana", "region": HOSTILE_REGION}
    play, _ = played(scenario(topology={"node": [node]}, timeline=[]))
    play.stage.bands.append(Band(0, "cut", HOSTILE, 1_000))

    picture = draw(play)

    assert "<script" not in picture
    assert "<img" not in picture


def test_labels_at_the_end_of_the_run_stand_before_their_bars_and_lie_on_no_other() -> None:
    play, _ = played(scenario())
    end_us = play.world.now_us
    play.stage.bands += [Band(end_us - 900_000 + at, "cut", f"a fault with a long name {at}", end_us) for at in (0, 1)]

    picture = draw(play)

    labels = re.findall(r'<text x="[\d.]+" y="(\d+)" class="what" text-anchor="end"', picture)
    assert len(labels) == len(set(labels)) == 2


@pytest.mark.parametrize(("seconds", "expected"), [(57, "10 s"), (1_200, "2 min"), (21_600, "1 h"), (864_000, "1 d")])
def test_axis_is_told_in_the_unit_of_so_long_a_run(seconds: int, expected: str) -> None:
    play, _ = played(scenario())
    play.world.now_us = seconds * 1_000_000

    picture = draw(play)

    assert f">{expected}</text>" in picture


def test_pages_of_history_are_marked_in_the_lane_of_who_reads_them() -> None:
    read = {"at": "2s", "read-history": {"client": ["app-2"], "page": 2}}
    say = {"at": "1s", "publish": {"client": ["app-1"], "channel": "room/1", "count": 3}}

    silent, reads = (draw(played(scenario(timeline=timeline))[0]) for timeline in ([say], [say, read]))

    marks = [
        [re.search(rf'<path d="([^"]*)" class="{kind}">', str(picture)) for kind in ("asked", "shown")]
        for picture in (silent, reads)
    ]
    counts = [[found[1].count("M") if found else -1 for found in each] for each in marks]
    assert counts == [[0, 6], [2, 8]]


def test_labels_of_long_names_that_differ_only_at_their_ends_differ() -> None:
    nodes = [{"name": f"edge-gateway-frankfurt-{last}"} for last in "ab"]
    readers = {"name": "dashboard-reader", "count": 2, "subscribe": [{"to": "#"}]}
    play, _ = played(scenario(topology={"node": nodes}, client=[readers], timeline=[]))

    picture = draw(play)

    labels = re.findall(r'<text x="18" [^>]*class="who[^>]*><title>([^<]+)</title>([^<]+)</text>', picture)
    assert labels == [
        ("edge-gateway-frankfurt-a in eu", "edge-ga…furt-a"),
        ("edge-gateway-frankfurt-b in eu", "edge-ga…furt-b"),
        ("dashboard-reader-1", "dashboa…ader-1"),
        ("dashboard-reader-2", "dashboa…ader-2"),
    ]
