"""A node's engines together: what is checked after each tick, and what now and then."""

from collections.abc import Callable

import pytest

from mesh import frames as f
from mesh import operations as o
from mesh.effects import Effect, Event, LinkUp
from mesh.log.log import Run
from mesh.node import Node
from mesh.types import LogId
from tests.engine_samples import TO_BEN, at
from tests.node_samples import BINDING, Host, ben, hello, linked, started
from tests.samples import received


def busy() -> Node:
    """A node that has just stored a batch of Ben's."""
    host = linked()
    host.attach()
    host.say(o.Subscribe(1, ("#",)))
    host.frame(f.Push(ben().write(2)))
    host.stored()
    return host.node


def greeted() -> Node:
    """A node that has just heard Ben's greeting."""
    host = started()
    host.tick(LinkUp(TO_BEN, BINDING, None))
    host.frame(hello())
    return host.node


def the_log(node: Node) -> LogId:
    return next(iter(node.holdings.stored))


def _lost_position(node: Node) -> None:
    node.holdings.received[the_log(node)].positions.remove(2, 2)


def _other_head(node: Node) -> None:
    held = node.holdings.stored[the_log(node)]
    held.runs = [Run(1, 2, held.runs[0].before, b"?" * 32)]


def _delivered_too_much(node: Node) -> None:
    node.delivery.deliverable.add(the_log(node), 3, 3)


def _horizon_too_low(node: Node) -> None:
    node.delivery.horizon[the_log(node)] = 1


def _untold(node: Node) -> None:
    node.delivery.groups.due.update(node.delivery.groups.groups)


def _too_much_done(node: Node) -> None:
    node.links.links[TO_BEN].done += 1 << 30


def _not_greeted(node: Node) -> None:
    node.links.links[TO_BEN].greeted = False


def _asked_for_what_is_not_missing(node: Node) -> None:
    node.repair.partners[TO_BEN].asked.add(LogId(b"?" * 32, 1), 1, 1)


TOUCHED_LOGS = [_lost_position, _other_head, _delivered_too_much, _horizon_too_low, _untold]
TOUCHED_LINKS = [_not_greeted, _asked_for_what_is_not_missing]
TOUCHED = [
    *[(busy, break_it) for break_it in TOUCHED_LOGS],
    *[(greeted, break_it) for break_it in TOUCHED_LINKS],
]


@pytest.mark.parametrize(("touch", "break_it"), TOUCHED)
def test_check_sees_what_broke_where_the_last_tick_changed_something(
    touch: Callable[[], Node], break_it: Callable[[Node], None]
) -> None:
    node = touch()
    node.check()

    break_it(node)

    with pytest.raises(AssertionError):
        node.check()


@pytest.mark.parametrize(("touch", "break_it"), [*TOUCHED, (busy, _too_much_done)])
def test_check_all_sees_it_long_after(touch: Callable[[], Node], break_it: Callable[[Node], None]) -> None:
    node = touch()
    break_it(node)

    node.tick([], at(1))

    node.check()
    with pytest.raises(AssertionError):
        node.check_all()


def _publish(host: Host) -> None:
    host.say(o.Publish((o.Draft("room/1", 1, b"own"),)))


def _seal_what_waited(host: Host) -> None:
    host.node.journal.pending_max = 0
    _publish(host)
    host.node.journal.pending_max = 1
    host.node.check()
    host.tick()


def _two_histories() -> list[f.Push]:
    ours, theirs = ben(), ben()
    ours.write()
    theirs.write(payload=b"other")
    return [f.Push(received(writer.batches[0])) for writer in (ours, theirs)]


def _show_both(host: Host) -> None:
    host.frame(*_two_histories())


def _prove(host: Host) -> None:
    one, other = _two_histories()
    host.frame(f.Forked(one.batch.stripped(), other.batch.stripped()))


def _tell_of_it(host: Host) -> None:
    _show_both(host)
    host.node.check()
    host.tick(ms=host.ms + 100)


def _deny(host: Host) -> None:
    host.frame(f.NotFound(((LogId(b"?" * 32, 1), 1, 1),)))


def _refuse(host: Host) -> None:
    host.frame(f.Busy(((LogId(b"?" * 32, 1), 1, 1),), 1_000))


def _come_too_early(host: Host) -> None:
    host.node.journal.blocked_until_us = 1 << 60
    host.frame(f.Push(ben().write()))


def _expire(host: Host) -> None:
    host.tick(ms=host.ms + host.node.config.expire_every_ms)


def _miscounted(node: Node) -> None:
    node.intake.gathered_bytes += 1


def _unproven(node: Node) -> None:
    node.holdings.forked[LogId(b"?" * 32, 1)] = 1


class Unchecked(Host):
    """A host that looks at nothing."""

    def tick(self, *events: Event, ms: float | None = None, wall_ms: int | None = None) -> list[Effect]:
        self.ms = self.ms if ms is None else ms
        return self.node.tick(list(events), at(self.ms, wall_ms))


@pytest.mark.parametrize(
    ("touch", "break_it"),
    [
        (_publish, _miscounted),
        (_seal_what_waited, _miscounted),
        (_show_both, _unproven),
        (_prove, _unproven),
        (_tell_of_it, _unproven),
        (_expire, _unproven),
        (_deny, _asked_for_what_is_not_missing),
        (_refuse, _asked_for_what_is_not_missing),
        (_come_too_early, _asked_for_what_is_not_missing),
    ],
)
def test_what_seldom_changes_is_looked_at_where_it_may_have(
    touch: Callable[[Host], None], break_it: Callable[[Node], None]
) -> None:
    host = linked()
    host.attach()
    host.tick()

    touch(Unchecked(host.node, host.ms))
    break_it(host.node)

    with pytest.raises(AssertionError):
        host.node.check()
