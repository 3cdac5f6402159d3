"""What is told beside messages is held against the world: each lie is found, and nothing is that an honest node may say."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from mesh.client.effects import Missed
from mesh.clocks.hybrid import stamp_ms
from mesh.clocks.vector import VersionVector
from mesh.log.record import CONTENT_MASK
from mesh.operations import GapReason, Messages, SlowPolicy
from sim import telling
from sim.checkers import SAME_US, SKEW_US, Watch
from sim.clock import WALL_MS
from sim.diary import Diary, Entry, Shown, name_of
from sim.machine import TAKEN_IN_US
from sim.network import Network
from sim.units import MILLION
from sim.workload import App
from sim.world import Machine, World

DROPPED, EXPIRED, MISSING, LOST = GapReason.DROPPED, GapReason.EXPIRED, GapReason.MISSING, GapReason.LOST


@dataclass
class Told:
    """Three messages of one publisher in ana's log, which ben has too, and a diary that was shown nothing."""

    world: World
    watch: Watch
    app: App
    all: list[Shown]
    diary: Diary

    @property
    def home(self) -> Machine:
        return self.world.machines["ana"]

    def show(self, number: int, *, late: bool = False) -> None:
        telling.on_shown(self.watch, self.world, self.diary, replace(self.all[number], late=late))
        self.diary.shown.append(self.all[number])

    def miss(self, reason: GapReason, first: int = 0, last: int = 2) -> None:
        log, may_fill = self.all[0].log, reason in (MISSING, LOST)
        gap = Missed(1, log, self.all[first].position, self.all[last].position, reason, may_fill)
        self.diary.missed.append(gap)
        telling.on_missed(self.watch, self.world, self.home, self.diary, gap, self.world.now_us)

    def broken(self) -> list[tuple[str, str]]:
        """The promises that were broken, and how; names and places are left out."""
        return [(breach.promise, breach.kind) for breach in self.watch.breaches]


def told(policy: SlowPolicy = SlowPolicy.ALL, ttl_ms: int = 0) -> Told:
    world = World(7, Network.even(delay_us=5_000))
    world.add("ana", "eu"), world.add("ben", "us", ("ana",))
    app, other = App(world, "app", ["ana"]), App(world, "other", ["ben"])
    watch = Watch(lambda: world.now_us)
    number = other.subscribe("#", cursor=VersionVector())
    world.run(2)
    app.watch = watch
    for letter in b"abc":
        app.publish("room/1", bytes([letter]), ttl_ms=ttl_ms)
        world.run(0.5)
    shown = other.diaries[number].shown
    assert len(shown) == 3 and len({each.log for each in shown}) == 1
    return Told(world, watch, app, shown, Diary(("room/+",), policy, owner="reader"))


def test_what_is_shown_in_its_order_and_an_honest_gap_break_nothing() -> None:
    found = told(ttl_ms=1_000)
    found.show(0)
    found.world.now_us += SKEW_US + MILLION
    found.miss(EXPIRED, 1, 2)

    assert found.broken() == []
    assert found.diary.told_dead == {name_of(each.record) for each in found.all[1:]}
    assert found.watch.evaluated["honest about gaps"] == 1


def test_nothing_is_dropped_for_who_wants_everything() -> None:
    for policy in SlowPolicy:
        found = told(policy)
        found.miss(DROPPED)
        honest = policy in (SlowPolicy.LATEST, SlowPolicy.DROP_OLDEST)
        assert found.broken() == ([] if honest else [("honest about gaps", "dropped")]), policy


def test_what_lives_has_not_expired() -> None:
    found = told()

    found.miss(EXPIRED)

    (breach,) = found.watch.breaches
    place = f"{found.all[0].log.node.hex()[:8]}:{found.all[0].position}..{found.all[2].position}"
    name = f"app/{name_of(found.all[0].record)[1] % 10_000:04d}/1"
    assert breach.about == f"reader was told that {place} is expired, and {name} lives"
    assert breach.witness[-1].endswith(f"s: reader was told that {place} is expired (all)")


@pytest.mark.parametrize("why", ["alone", "elsewhere", "skew", "gone"])
def test_an_expiry_is_excused_where_nobody_could_know_better(why: str) -> None:
    found = told(ttl_ms=60_000 if why == "skew" else 0)
    if why == "alone":
        found.home.began_wrong = True
        found.world.links.close(found.home, next(iter(found.home.links)), "alone")
    elif why == "elsewhere":
        found.diary.patterns = ("hall/+",)
    elif why == "skew":
        found.world.now_us += MILLION
    else:
        for machine in found.world.machines.values():
            for row in machine.disk.rows.values():
                row.stripped = True

    found.miss(EXPIRED)

    assert found.broken() == []


def test_what_a_disk_has_is_not_lost() -> None:
    found = told()

    found.miss(LOST, 1, 1)

    assert found.broken() == [("honest about gaps", "lost")]
    assert found.watch.breaches[0].about.endswith("is lost, and ana ben has it")


@pytest.mark.parametrize("why", ["bad", "lies", "rotten"])
def test_what_only_a_bad_host_or_disk_has_may_be_lost(why: str) -> None:
    found = told()
    for machine in found.world.machines.values():
        if why == "bad":
            machine.is_bad = True
        elif why == "lies":
            machine.disk.lie()
        else:
            for log, first in machine.disk.rows:
                machine.disk.corrupt(log, first)

    found.miss(LOST)

    assert found.broken() == []


def test_no_gap_covers_what_was_shown_before() -> None:
    found = told(SlowPolicy.LATEST)
    found.show(1)

    found.miss(DROPPED)

    assert found.broken() == [("honest about gaps", "dropped")]
    assert "is shown app/" in found.watch.breaches[0].witness[0]


def test_what_a_gap_closed_is_not_shown_after_all() -> None:
    found = told(SlowPolicy.LATEST)
    found.miss(DROPPED, 0, 1)

    found.show(1)
    found.show(2)

    assert found.broken() == [("honest about gaps", "shown after all")]
    (published, gap, shown) = found.watch.breaches[0].witness
    assert "app publishes app/" in published and "is dropped" in gap and "not marked late" in shown


def test_what_lies_on_its_own_disk_for_long_no_node_calls_missing() -> None:
    found = told()
    found.world.run(TAKEN_IN_US / MILLION)

    found.miss(MISSING, 1, 1)

    (breach,) = found.watch.breaches
    assert (breach.promise, breach.kind) == ("honest about gaps", "missing")
    assert breach.about.endswith("is missing, and ana, which told it so, has it")
    lies, gap = breach.witness
    row = found.home.disk.image.rows[found.all[1].log][found.all[1].position]
    assert lies == f"{row.since_us / 1e6:.6f} s: it lies on ana’s disk" and "is missing (all)" in gap


@pytest.mark.parametrize("why", ["new", "rotten", "elsewhere", "bad"])
def test_what_a_node_calls_missing_may_have_come_just_now_or_be_of_no_use(why: str) -> None:
    found = told()
    if why != "new":
        found.world.run(TAKEN_IN_US / MILLION)
    if why == "rotten":
        found.home.disk.corrupt(found.all[2].log, found.all[2].position)
    elif why == "elsewhere":
        found.home.disk._delete(found.all[2].log, found.all[2].position)
    elif why == "bad":
        found.home.is_bad = True

    found.miss(MISSING, 2, 2)

    assert found.broken() == []


def test_a_node_that_has_a_message_does_not_say_that_it_misses_it_and_then_show_it() -> None:
    found = told()
    found.miss(MISSING, 2, 2)

    found.show(2)

    assert found.broken() == [("honest about gaps", "shown after all")]


@pytest.mark.parametrize(("late", "is_behind"), [(True, True), (True, False), (False, False), (False, True)])
def test_what_was_missing_comes_late_behind_what_came_meanwhile(*, late: bool, is_behind: bool) -> None:
    found = told()
    found.home.disk.image.rows.clear()
    found.miss(MISSING, 0, 0)
    if is_behind:
        found.show(1)

    found.show(0, late=late)

    assert found.broken() == ([("honest about gaps", "shown after all")] if is_behind and not late else [])


def test_what_came_to_its_node_since_it_was_told_as_missing_may_come_in_its_order() -> None:
    found = told()
    found.world.now_us += MILLION
    for rows in found.home.disk.image.rows.values():
        for row in rows.values():
            row.since_us = found.world.now_us
    found.miss(MISSING, 0, 0)

    found.show(0)

    assert found.broken() == []


def test_what_was_missing_is_not_late_for_what_expired_behind_it() -> None:
    """A node tells what expired in a run before it shows the rest of the run."""
    found = told(ttl_ms=1_000)
    found.world.now_us += SKEW_US + MILLION
    found.home.disk.image.rows.clear()
    found.miss(MISSING, 0, 0)
    found.miss(EXPIRED, 2, 2)

    found.show(0)
    found.show(1)

    assert found.broken() == []


def test_a_gap_is_told_once_to_who_does_not_come_back() -> None:
    found = told()
    found.home.disk.image.rows.clear()
    found.miss(MISSING, 0, 1)
    found.diary.heard.behind = found.diary.heard.awaited.copy()  # it has come back since

    found.miss(MISSING, 1, 1)
    once = found.broken()
    found.miss(MISSING, 2, 2)
    found.miss(MISSING, 1, 2)

    assert (once, found.broken()) == ([], [("honest about gaps", "missing")])
    assert found.watch.breaches[0].about.endswith(" is missing, and was told so before, since it last began")


def test_late_comes_only_what_is_behind_something() -> None:
    found = told()

    found.show(0, late=True)
    found.show(2)
    found.show(1, late=True)

    assert found.broken() == [("in order", "late"), ("in order", "log")]  # of the third no gap had told
    assert "as late, and nothing that comes after it before" in found.watch.breaches[0].about
    assert len(found.watch.breaches[0].witness) == 2


def test_a_publisher_that_nodes_know_from_two_logs_may_be_late() -> None:
    found = told()
    record = found.all[0].record
    assert found.home.node is not None
    found.home.node.holdings.names.movers[record.publisher, record.incarnation] = {}

    found.show(0, late=True)

    assert found.broken() == []


def test_who_begins_now_is_owed_what_is_published_from_then_on_and_only_once_it_stands() -> None:
    found = told()
    world = found.world
    reader = App(world, "reader", ["ben"])
    reader.watch = found.watch
    diary = reader.diaries[reader.subscribe("room/+")]
    matching = [(("app", 1, n), Entry("room/1", b"", at_us=world.now_us + n * MILLION)) for n in (0, 3)]

    assert diary.from_now and not diary.whole and diary.owed_of(matching) == []
    world.run(1)
    assert 0 < diary.began_us < world.now_us and diary.heard.passed == {found.all[0].log: found.all[2].position}
    assert diary.owed_of(matching) == matching[1:]
    began_us = diary.began_us
    reader.drop()
    world.run(5)
    assert reader.session is not None and diary.began_us == began_us
    found.app.publish("room/1", b"d")
    world.run(1)
    assert [shown.record.payload for shown in diary.shown] == [b"d"] and found.broken() == []
    whole = reader.diaries[reader.subscribe("room/+", cursor=VersionVector())]
    assert whole.owed_of(matching) == matching


def test_who_begins_at_a_time_is_owed_what_was_stamped_from_then_on() -> None:
    found = told()
    world = found.world
    reader = App(world, "reader", ["ben"])
    reader.watch = found.watch
    diary = reader.diaries[reader.subscribe_from(5 * MILLION, ("room/+",), SlowPolicy.ALL)]
    since_us = world.now_us - 5 * MILLION
    edge_us = since_us + telling.EDGE_MS * 1_000
    published = [(("app", 1, n), Entry("room/1", b"", at_us=at)) for n, at in enumerate((since_us, edge_us))]
    waited = ("app", 2, 1), Entry("room/1", b"", at_us=since_us - MILLION)
    found.watch.stamps[waited[0]] = (found.all[2].record.stamp, found.all[2].record.stamp)
    matching = [*published, waited]
    own = diary.since_ms
    assert own == WALL_MS + since_us // 1_000 and not diary.whole and not diary.from_now
    found.watch.skew_us = SAME_US

    assert telling.owed_of(found.watch, world, diary, matching) == []
    world.run(1)
    diary.since_ms = stamp_ms(found.all[2].record.stamp) - telling.EDGE_MS
    assert telling.owed_of(found.watch, world, diary, [waited]) == [waited]
    assert found.home.node is not None
    found.home.node.holdings.names.movers["app", 2] = {}
    assert telling.owed_of(found.watch, world, diary, [waited]) == []
    diary.since_ms = own
    assert telling.owed_of(found.watch, world, diary, published) == published[1:]
    found.watch.skew_us = SKEW_US
    later = ("app", 1, 9), Entry("room/1", b"", at_us=world.now_us)
    assert telling.owed_of(found.watch, world, diary, [*matching, later]) == [later]
    assert len(diary.shown) == 3 and found.broken() == []


def test_what_was_stamped_before_a_time_and_was_there_is_not_shown_where_clocks_are_right() -> None:
    found = told()
    found.diary.whole, found.diary.before = False, ("ana", 1, VersionVector([(found.all[0].log, [(1, 9)])]))
    found.diary.since_ms = stamp_ms(found.all[1].record.stamp) + telling.EDGE_MS

    found.show(0)
    found.watch.skew_us = SAME_US
    found.show(0)
    found.show(1)

    assert found.broken() == [("once", "before")]
    assert "was shown app/" in found.watch.breaches[0].about and len(found.watch.breaches[0].witness) == 3


def test_who_leaves_a_subscription_is_told_nothing_more_by_a_client_or_by_a_node_that_heard_of_it() -> None:
    found = told()
    world, reader = found.world, App(found.world, "reader", ["ana"])
    reader.watch = found.watch
    numbers = [reader.subscribe_from("beginning", (pattern,), SlowPolicy.ALL) for pattern in ("room/+", "#")]
    world.run(1)
    assert not reader.unsubscribe(("room/1",)) and reader.unsubscribe(("#",))
    (diary,) = reader.past
    late = Messages(numbers[1], found.all[0].log, 9, 9, (), (), (), ())
    assert reader.session is not None

    reader._arrives(reader.life, reader.session, late)
    world.run(1)
    found.app.publish("room/1", b"d")
    world.run(1)
    assert found.broken() == [] and world.coverage["ask/Unsubscribe"] == 1
    assert [len(each.shown) for each in reader.books] == [4, 3] and diary.left_us == reader.books[1].left_us
    reader._arrives(reader.life, reader.session, late)
    reader._perform(Missed(numbers[1], found.all[0].log, 9, 9, MISSING, may_fill=True))
    assert found.broken() == [("nothing invented", "left")] * 2
    reader.kill()
    assert reader.left == {} and reader.past == [diary]
    reader.watch = None
    reader._hear_of_what_was_left(diary, "nobody")


def test_a_process_that_ends_before_its_subscription_stands_asks_for_the_same_time_again() -> None:
    found = told()
    reader = App(found.world, "reader", ["ben"])
    diary = reader.diaries[reader.subscribe_from(MILLION * 60, ("#",), SlowPolicy.ALL)]

    reader.kill()
    found.world.run(1)

    assert [shown.record.payload for shown in diary.shown] == [b"a", b"b", b"c"]


def newest(found: Told, room: int = 9, size: int = 9) -> list[int]:
    matching = list(found.watch.ledger.items())
    return [sequence for (_, _, sequence), _ in telling.newest_unseen(found.watch, found.diary, matching, room, size)]


def seen_elsewhere(policy: SlowPolicy) -> Told:
    """Somebody else was shown all three, of which the second is on a channel of its own."""
    found = told(policy)
    names = list(found.watch.ledger)
    found.watch.ledger[names[1]].channel = "room/2"
    for name, number in zip(names, (1, 2, 3), strict=True):
        found.watch.stamps[name] = number, number
    return found


def test_the_newest_of_each_channel_is_owed_to_latest_and_so_many_of_all_as_fit_to_drop_oldest() -> None:
    latest, oldest = seen_elsewhere(SlowPolicy.LATEST), seen_elsewhere(SlowPolicy.DROP_OLDEST)
    assert (newest(latest), newest(oldest)) == ([3, 2], [3, 2, 1])
    assert newest(latest, room=1) == []  # it may keep one, and of which channel nobody says
    assert (newest(oldest, room=2), newest(oldest, room=1)) == ([3, 2], [3])
    assert (newest(oldest, size=2), newest(oldest, size=0), newest(latest, size=1)) == ([3, 2], [3], [])

    for found in (latest, oldest):
        found.diary.seen[name_of(found.all[2].record)] = 1
    assert (newest(latest), newest(oldest)) == ([2], [2, 1])
    assert newest(oldest, room=1) == []


@pytest.mark.parametrize("why", ["copies", "unacknowledged", "excused", "dying", "mortal", "unknown"])
def test_which_is_the_newest_has_to_be_known_and_it_has_to_live(why: str) -> None:
    found = seen_elsewhere(SlowPolicy.DROP_OLDEST)
    name = name_of(found.all[2].record)
    entry = found.watch.ledger[name]
    if why == "copies":
        found.watch.stamps["app", name[1], 2] = 2, 9
    elif why == "unacknowledged":
        entry.level = (0, 0)
    elif why == "excused":
        entry.disks_lost, entry.regions_lost, entry.sealed_lost = ("ana",), ("eu",), True
    elif why == "dying":
        entry.expires_us = found.world.now_us + SKEW_US - 1
    elif why == "mortal":
        entry.mortal = True
    else:
        found.watch.stamps.clear()

    assert newest(found, room=1) == []


def test_stamps_are_kept_of_all_copies_that_are_shown() -> None:
    found = told()
    found.show(0)
    first = found.all[0]
    low = first.record.stamp
    found.all[1] = replace(found.all[1], record=first.record._replace(stamp=low + 5))

    found.show(1)

    assert found.watch.stamps == {name_of(first.record): (low, low + 5)}


def test_one_message_in_eight_has_headers_and_a_content_type_and_they_are_shown_as_they_were_given() -> None:
    found = told()
    for number in range(80):
        found.app.publish("room/1", b"%d" % number)
    found.world.run(2)

    ledger = found.app.ledger
    dressed = [entry for entry in ledger.values() if entry.headers]
    assert 5 <= len(dressed) <= 20 and len({entry.flags for entry in dressed}) > 3
    assert len(found.all) == len(ledger) == 83
    for shown in found.all:
        entry = ledger[name_of(shown.record)]
        assert (shown.record.headers, shown.record.flags & CONTENT_MASK) == (entry.headers, entry.flags)


# --- what is said to be covered ----------------------------------------------------------------------------------------


def _dropped_since(found: Told) -> None:
    found.home.dropped_us = found.world.now_us + 1


def _vanished(found: Told) -> None:
    assert found.home.node is not None
    found.home.node.holdings.gone[found.all[0].log] = 1


def _is_bad(found: Told) -> None:
    found.home.is_bad = True


@pytest.mark.parametrize("excuse", [None, _dropped_since, _vanished, _is_bad])
@pytest.mark.parametrize("whole", [False, True])
def test_a_node_says_to_cover_what_it_has(whole: bool, excuse: Callable[[Told], None] | None) -> None:
    found = told()
    log, first, last = found.all[0].log, found.all[0].position, found.all[2].position
    telling.on_covered(found.watch, found.home, found.diary, log, first, last, found.world.now_us)
    assert found.broken() == []
    held = found.home.disk.image.held
    held.pop(log) if whole else held[log].positions.remove(first, first)
    if excuse is not None:
        excuse(found)

    telling.on_covered(found.watch, found.home, found.diary, log, first, last, found.world.now_us)
    telling.on_covered(found.watch, None, found.diary, log, first, last, found.world.now_us)

    assert found.broken() == ([("honest about gaps", "covered")] if excuse is None else [])
