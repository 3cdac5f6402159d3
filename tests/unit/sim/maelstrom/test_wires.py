"""Wires: dials and answers, order kept, losses that break a link."""

from mesh.codes import Code
from mesh.effects import DialFailed, FrameReceived, LinkBroken, LinkDown, LinkUp
from mesh.frames import Alive
from mesh.types import Address, LinkId
from mesh.wire.frames import encode_frame
from sim.maelstrom.config import AdapterConfig
from sim.maelstrom.packets import Entry, Kind, Target
from sim.maelstrom.wires import Wires

CONFIG = AdapterConfig(reorder_ms=1_500, dial_timeout_ms=3_000, reorder_max=4)
MS = 1_000
LINK = LinkId(1)
BEN_AT = Address("1", 1)


def pair() -> tuple[Wires, Wires]:
    """Node 0 has dialled node 1, and both know."""
    ana, ben = Wires(CONFIG, 0, b"a" * 32), Wires(CONFIG, 1, b"b" * 32)
    ana.dial(BEN_AT, 0)
    carry(ana, ben)
    carry(ben, ana)
    return ana, ben


def carry(source: Wires, dest: Wires, now_us: int = 0) -> None:
    entries, source.entries = source.entries, []
    for entry in entries:
        for target in entry.targets:
            dest.on_entry(entry, target, now_us)


def frame(number: int, source: Wires, body: bytes | None = None) -> tuple[Entry, Target]:
    """The next frame on the only link."""
    targets = source.targets((LINK,))
    packed = encode_frame(Alive(number)) if body is None else body
    return Entry(Kind.FRAME, source.own, patient=True, targets=targets, body=packed), targets[0]


def got(wires: Wires) -> list[object]:
    """What the node hears: frames as their number."""
    events, wires.events = wires.events, []
    return [
        event.frame.wall_ms if isinstance(event, FrameReceived) and isinstance(event.frame, Alive) else event
        for event in events
    ]


def test_both_ends_of_a_dial_get_a_link_with_one_binding() -> None:
    ana, ben = pair()

    (mine,), (theirs,) = ana.events, ben.events
    assert isinstance(mine, LinkUp) and isinstance(theirs, LinkUp)
    assert (mine, theirs) == (LinkUp(LINK, mine.binding, BEN_AT), LinkUp(LINK, mine.binding, None))
    assert len(mine.binding) == 32 and ana.due_us() is None


def test_two_dials_have_two_bindings() -> None:
    ana, ben = pair()
    ana.dial(BEN_AT, 0)
    carry(ana, ben)

    bindings = {event.binding for event in ben.events if isinstance(event, LinkUp)}
    assert len(bindings) == 2


def test_an_open_that_comes_twice_opens_once() -> None:
    ana, ben = Wires(CONFIG, 0, b"a" * 32), Wires(CONFIG, 1, b"b" * 32)
    ana.dial(BEN_AT, 0)
    ana.entries *= 2

    carry(ana, ben)

    assert len(ben.events) == len(ben.entries) == 1


def test_a_dial_without_an_answer_fails_and_a_late_answer_is_nothing() -> None:
    ana, ben = Wires(CONFIG, 0, b"a" * 32), Wires(CONFIG, 1, b"b" * 32)
    ana.dial(BEN_AT, 0)
    carry(ana, ben)
    assert ana.due_us() == 3_000 * MS

    ana.on_time(3_000 * MS)
    carry(ben, ana)

    assert ana.events == [DialFailed(BEN_AT, "no answer")]
    assert ana.by_link == {}


def test_frames_come_in_the_order_in_which_they_were_sent() -> None:
    ana, ben = pair()
    got(ben)
    first, second, third = frame(1, ana), frame(2, ana), frame(3, ana)

    for entry, target in (third, first, first, second):
        ben.on_entry(entry, target, 0)

    assert got(ben) == [1, 2, 3]
    assert ben.due_us() is None


def test_a_frame_that_is_lost_breaks_the_link_at_both_ends() -> None:
    ana, ben = pair()
    got(ana), got(ben)
    first, _, third = frame(1, ana), frame(2, ana), frame(3, ana)
    ben.on_entry(*first, 0)
    ben.on_entry(*third, 10 * MS)
    assert ben.due_us() == 1_510 * MS

    ben.on_time(1_510 * MS - 1)
    assert got(ben) == [1]
    ben.on_time(1_510 * MS)
    carry(ben, ana)

    assert (got(ben), got(ana)) == ([LinkDown(LINK, "lost")], [LinkDown(LINK, "lost")])


def test_a_link_that_waits_for_too_much_is_broken() -> None:
    ana, ben = pair()
    got(ben)
    frame(0, ana)

    for number in range(5):
        ben.on_entry(*frame(number, ana), 0)

    assert got(ben) == [LinkDown(LINK, "lost")]


def test_a_frame_on_a_link_that_is_gone_is_answered_with_its_end() -> None:
    ana, ben = pair()
    got(ana)
    ben.hangup(LINK, "GSM-3110")
    ben.entries.clear()

    ben.on_entry(*frame(1, ana), 0)
    carry(ben, ana)

    assert got(ana) == [LinkDown(LINK, "gone")]
    assert ana.targets((LINK,)) == ()


def test_a_frame_that_cannot_be_read_is_told_to_the_node() -> None:
    ana, ben = pair()
    got(ben)

    ben.on_entry(*frame(0, ana, b"\xc1"), 0)

    (event,) = got(ben)
    assert isinstance(event, LinkBroken) and (event.link, event.code) == (LINK, Code.FRAME_UNDECODABLE)


def test_hanging_up_what_is_gone_says_nothing() -> None:
    ana, _ = pair()
    got(ana)

    ana.hangup(LinkId(9), "x")

    assert (ana.entries, ana.events) == ([], [])
