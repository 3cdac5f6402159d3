"""What a report counts, by hand for a run of two nodes and three messages."""

from sim.report.measures import copies, lag, latencies, region_bytes, wide_rates
from tests.report_samples import played, scenario


def test_deliveries_are_counted_by_the_regions_of_publisher_and_subscriber() -> None:
    play, _ = played(scenario())

    found = latencies(play)

    assert {pair: len(values) for pair, values in found.items()} == {("eu", "eu"): 3, ("eu", "us"): 3}
    assert all(us < 20_000 for us in found["eu", "eu"])
    assert all(40_000 < us < 60_000 for us in found["eu", "us"])


def test_every_batch_was_pushed_once_to_the_one_other_node() -> None:
    play, outcome = played(scenario())

    counts = copies(play)

    assert counts == [0, outcome.coverage["batch/sealed"], 0, 0, 0, 0]


def test_lag_is_what_a_node_lacks_of_all_that_is_stored() -> None:
    cut = {"at": "500ms", "for": "2s", "partition": [["ana"], ["ben"]]}
    say = {"at": "1s", "publish": {"client": ["app-1"], "channel": "room/1", "count": 3}}
    play, outcome = played(scenario(timeline=[cut, say]))

    found = lag(play)

    assert outcome.is_kept
    assert max(found.lacks["ana"]) == 0
    assert max(found.lacks["ben"]) == 3
    lacking_us = [us for us, lacks in zip(found.times, found.lacks["ben"], strict=True) if lacks]
    assert 2_900_000 < lacking_us[0] < 3_200_000
    assert 4_300_000 < lacking_us[-1] < 5_600_000
    assert found.lacks["ben"][-1] == 0


def test_what_a_node_finds_at_its_start_replaces_what_it_had() -> None:
    wipe = {"at": "2s", "for": "500ms", "wipe": ["ben"]}
    say = {"at": "1s", "publish": {"client": ["app-1"], "channel": "room/1", "count": 3}}
    play, _ = played(scenario(timeline=[say, wipe]))

    found = lag(play)

    last_us = max(us for us, lacks in zip(found.times, found.lacks["ben"], strict=True) if lacks == 3)
    assert last_us >= 4_400_000, "its empty disk lacks all until it was repaired"
    assert found.lacks["ben"][-1] == 0


def test_bytes_between_regions_are_those_of_the_links() -> None:
    play, outcome = played(scenario())

    sizes = region_bytes(play)

    assert set(sizes) == {("eu", "us"), ("us", "eu")}
    assert sum(sizes.values()) == outcome.figures.wide_bytes


def test_rates_over_time_add_up_to_the_bytes() -> None:
    play, outcome = played(scenario())

    rates = wide_rates(play)

    slice_s = play.world.now_us / 120 / 1e6
    assert (
        round(sum(rate * slice_s for points in rates.values() for _, rate in points))
        == sum(crossing.size for crossing in play.recorder.crossings)
        if play.recorder
        else False
    )
    assert set(rates) == {"eu", "us"}
    assert outcome.is_kept


def test_delivery_is_of_the_region_where_it_was_shown_wherever_the_client_is_at_home() -> None:
    move = {"at": "500ms", "move-client": {"client": ["app-2"], "to": ["ana"]}}
    say = {"at": "1s", "publish": {"client": ["app-1"], "channel": "room/1", "count": 3}}
    play, _ = played(scenario(timeline=[move, say]))

    found = latencies(play)

    assert {pair: len(values) for pair, values in found.items()} == {("eu", "eu"): 6}


def test_node_that_kept_its_disk_lacks_nothing_after_its_crash() -> None:
    say = {"at": "1s", "publish": {"client": ["app-1"], "channel": "room/1", "count": 3}}
    play, _ = played(scenario(timeline=[say, {"at": "2s", "for": "500ms", "crash": ["ben"]}]))

    found = lag(play)

    assert {lacks for us, lacks in zip(found.times, found.lacks["ben"], strict=True) if us > 3_500_000} == {0}
