import pytest

from mesh.clocks.hybrid import stamp_ms
from mesh.clocks.vector import VersionVector
from mesh.effects import Append, Load, Marks, OfChannels, OfNames, Ranges, Since
from mesh.log.batch import Batch
from sim.atlas import Atlas
from sim.checkers import Watch
from sim.disk import FOUND_MAX, Disk, Image
from sim.heap import Play
from sim.network import Network
from sim.scenario.reading import from_tables
from sim.workload import App
from sim.world import WALL_MS, World
from tests.samples import ANA, BEN, Writer


def written(count: int = 4) -> tuple[World, App, Watch]:
    """Two nodes that have stored some messages of one application."""
    world = World(7, Network.even(10_000, 0))
    world.add("ana", "eu")
    world.add("ben", "us", ("ana",))
    watch = Watch(lambda: world.now_us)
    app = App(world, "app", ["ana"], watch=watch)
    world.run(1)
    for number in range(count):
        app.publish(f"room/{number % 2}", b"%d" % number)
        world.run(0.1)
    world.run(1)
    return world, app, watch


def firsts(batches: tuple[Batch, ...]) -> list[int]:
    return [batch.first for batch in batches]


def test_queries_are_answered_in_order_and_within_bytes() -> None:
    disk = written()[0].machines["ana"].disk
    (log,) = disk.image.rows

    assert firsts(disk.load(Load(1, Ranges(log, ((2, 3),)), 1 << 20)).batches) == [2, 3]
    assert firsts(disk.load(Load(1, OfChannels(("room/1",), log, 0, 9), 1 << 20)).batches) == [2, 4]
    assert firsts(disk.load(Load(1, OfChannels(("#",), log, 1, 3, backwards=True), 1 << 20)).batches) == [3, 2]
    cut = disk.load(Load(1, Ranges(log, ((1, 4),)), 1))
    assert (firsts(cut.batches), cut.complete) == ([1], False)
    (batch, *_) = disk.batches()
    record = batch.records()[0]
    names = OfNames(record.publisher, record.incarnation, 1, 2)
    assert firsts(disk.load(Load(1, names, 1 << 20)).batches) == [1, 2]
    assert disk.load(Load(1, Since(WALL_MS), 1)).positions == ((log, 1),)


def test_a_disk_that_is_asked_for_ever_remembers_so_much_and_says_the_same() -> None:
    disk = written()[0].machines["ana"].disk
    (log,) = disk.image.rows
    ours = [
        (record.publisher, record.incarnation, record.sequence) for each in disk.batches() for record in each.records()
    ]

    for number in range(2 * FOUND_MAX):
        assert disk.has(log, 1, 4, ours[number % 4])
        assert not disk.has(log, 1, 4, ("nobody", 1, number))
        assert len(disk._found) <= FOUND_MAX

    assert [disk.has(log, at, at, name) for at in (1, 4) for name in ours] == [True, *[False] * 6, True]


def test_a_row_is_found_by_each_of_its_positions_until_it_is_gone() -> None:
    ana, disk = Writer(ANA), Disk()
    for at, count in enumerate((1, 3, 2)):
        disk.write(Append(at, (ana.write(count),), Marks()), 100 + at)

    found = [disk.row_at(ana.log, position) for position in range(8)]
    assert [row and row.since_us for row in found] == [None, 100, 101, 101, 101, 102, 102, None]
    disk.corrupt(ana.log, 2)
    assert disk.scrub() == ((ana.log, 2, 4),)
    assert [disk.row_at(ana.log, position) for position in range(2, 5)] == [None, None, None]
    assert disk.row_at(Writer(BEN).log, 1) is None


def test_a_flipped_bit_and_a_misdirected_write_are_found_and_dropped() -> None:
    disk = written()[0].machines["ana"].disk
    (log,) = disk.image.rows
    disk.corrupt(log, 2)
    disk.misdirect(log, 4, log, 1)
    for first in (2, 4):  # where a time begins is looked up without reading
        since = Since(stamp_ms(disk.image.rows[log][first].stamp))
        assert disk.load(Load(1, since, 1)).positions == ((log, first),)
    assert disk.flipped == {(log, 2), (log, 4)}

    found = disk.load(Load(1, Ranges(log, ((1, 4),)), 1 << 20))

    assert (firsts(found.batches), found.corrupt) == ([1, 3], ((log, 2, 2), (log, 4, 4)))
    assert [(run.first, run.last) for run in disk.image.held[log].runs] == [(1, 1), (3, 3)]
    assert disk.scrub() == ()


def test_of_a_log_whose_rows_are_all_damaged_each_is_found_when_it_is_read() -> None:
    disk = written(2)[0].machines["ana"].disk
    (log,) = disk.image.rows
    disk.corrupt(log, 1)
    disk.misdirect(log, 2, log, 1)

    found = disk.load(Load(1, Ranges(log, ((1, 1),)), 1 << 20))
    left = [(run.first, run.last) for run in disk.image.held[log].runs]

    assert (found.corrupt, left) == (((log, 1, 1),), [(2, 2)])
    assert disk.scrub() == ((log, 2, 2),)
    assert (disk.image.rows, disk.image.held) == ({}, {})


def test_beside_a_row_that_is_dropped_names_are_known_as_soon_as_no_damage_is_left() -> None:
    disk = written()[0].machines["ana"].disk
    (log,) = disk.image.rows
    disk.misdirect(log, 3, log, 1)
    disk.corrupt(log, 2)
    stamp = disk.image.held[log].stamp
    disk.load(Load(1, Ranges(log, ((2, 2),)), 1 << 20))
    unnamed = disk.image.held[log].unnamed()

    disk.scrub()

    assert (unnamed, disk.image.held[log].unnamed()) == ([3], [])
    marks = disk.recover().logs[0]  # asserts that they are what follows from the rows
    assert (list(marks.runs), marks.stamp) == (disk.derived()[log].runs, stamp)


def test_a_disk_that_lies_keeps_what_it_had_before() -> None:
    world, app, _ = written()
    machine = world.machines["ana"]
    machine.disk.lie()
    app.publish("room/1", b"lost")
    world.run(1)
    (log,) = machine.disk.image.rows
    assert len(machine.disk.image.rows[log]) == 5

    world.crash(machine)

    assert len(machine.disk.image.rows[log]) == 4


def test_an_image_is_as_it_was_whatever_becomes_of_the_disk() -> None:
    disk = written()[0].machines["ana"].disk
    (log,) = disk.image.rows
    image = disk.image.copy()
    disk.corrupt(log, 1)
    disk.scrub()

    disk.restore(image)

    assert firsts(disk.load(Load(1, Ranges(log, ((1, 4),)), 1 << 20)).batches) == [1, 2, 3, 4]
    assert disk.recover().logs[0].runs[0].last == 4


def test_the_atlas_refuses_to_take_the_last_good_copy() -> None:
    world, _, watch = written()
    ana, ben = world.machines["ana"], world.machines["ben"]
    atlas = Atlas(world, watch.ledger)
    (log,) = ana.disk.image.rows
    assert [first for _, first in atlas.spare_rows(ana)] == [1, 2, 3, 4]

    ben.disk.corrupt(log, 2)

    assert [first for _, first in atlas.spare_rows(ana)] == [1, 3, 4]
    assert not atlas.may_replace(ana, Image())
    assert atlas.may_replace(ben, Image())


def test_with_the_atlas_off_a_loss_is_booked_and_excuses_only_what_need_not_survive_it() -> None:
    world, app, watch = written()
    app.publish("room/1", b"two copies", copies=2)
    world.run(1)
    atlas = Atlas(world, watch.ledger, is_on=False)

    excused = []
    for name in ("ben", "ana", "ana"):
        assert atlas.may_replace(world.machines[name], Image())
        excused.append([entry.is_excused for entry in watch.ledger.values()])

    assert excused == [[False] * 5, [True] * 5, [True] * 5]
    assert {entry.disks_lost for entry in watch.ledger.values()} == {("ben", "ana")}
    assert {entry.regions_lost for entry in watch.ledger.values()} == {("us", "eu")}
    assert atlas.rows_lost == 5 * len(excused)


def test_the_loss_of_one_disk_again_and_again_excuses_no_second_copy() -> None:
    world, app, watch = written()
    app.publish("room/1", b"two copies", copies=2)
    world.run(1)
    atlas = Atlas(world, watch.ledger, is_on=False)

    for _ in range(2):
        assert atlas.may_replace(world.machines["ana"], Image())

    assert [entry.disks_lost for entry in watch.ledger.values()] == [("ana",)] * 5
    assert [entry.is_excused for entry in watch.ledger.values()] == [True] * 4 + [False]


@pytest.mark.parametrize("is_on", [True, False])
def test_what_a_disk_lied_about_is_booked_where_no_copy_of_it_is_known_to_stay(*, is_on: bool) -> None:
    world, app, watch = written()
    ana = world.machines["ana"]
    ana.disk.lie()
    app.publish("room/1", b"lost")
    world.run(1)

    atlas = Atlas(world, watch.ledger, is_on)

    atlas.before_power_cut(ana)

    assert [entry.is_excused for entry in watch.ledger.values()] == [False] * 4 + [not is_on]
    assert world.coverage["disk/lied"] == 1
    assert atlas.rows_lost == 1


def test_what_a_lost_disk_gets_again_is_no_copy_too_many() -> None:
    scenario = from_tables({
        "title": "t", "promise": "p", "duration": "3s",
        "topology": {"node": [{"name": name} for name in ("ana", "ben", "cy")]},
        "client": [{"name": "app", "at": "ana"}],
        "timeline": [
            {"at": "1s", "publish": {"client": "app", "channel": "x", "count": 4}}, {"at": "2s", "wipe": "cy"},
        ],
    })  # fmt: skip
    play = Play(scenario, 0)

    outcome = play.run()

    assert (outcome.breaches, play.stage.atlas.rows_lost) == ([], play.world.coverage["batch/sealed"])
    assert (outcome.figures.copies_per_message, outcome.figures.repeats) == (1, 0)


def test_a_wiped_disk_is_empty() -> None:
    assert (Disk().batches(), Disk().recover().logs, VersionVector()) == ([], (), VersionVector())
