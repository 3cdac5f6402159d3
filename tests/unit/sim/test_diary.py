"""What a ledger keeps of a message: the highest level, and when each part of it was told."""

from sim.diary import Entry
from sim.network import Network
from sim.workload import App
from sim.world import World


def test_a_level_rises_by_each_part_and_is_reached_once() -> None:
    entry = Entry("room/1", b"x", wanted=(2, 2))

    rises = [entry.rise(*level, now_us=at) for at, level in enumerate([(1, 1), (1, 1), (2, 1), (1, 2), (3, 2)], 10)]

    assert rises == [True, False, True, True, True]
    assert (entry.level, entry.first_told_us, entry.reached_us, entry.told_us) == ((3, 2), 10, 13, 14)


def test_a_subscription_is_named_by_its_patterns_where_its_client_has_several() -> None:
    world = World(1, Network.even(1_000, 0))
    world.add("ana", "eu")
    one, two = App(world, "one", ["ana"]), App(world, "two", ["ana"])
    one.subscribe("#")
    for patterns in (("#",), ("room/1", "sea/+")):
        two.subscribe(*patterns)

    assert [diary.who for app in (one, two) for diary in app.diaries.values()] == [
        "one",
        "two (#)",
        "two (room/1 sea/+)",
    ]
