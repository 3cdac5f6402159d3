"""A node's engines together: what is checked after each tick, and what now and then."""

from collections.abc import Callable

import pytest

from mesh import frames as f
from mesh import operations as o
from mesh.log.log import Run
from mesh.node import Node
from mesh.types import LogId
from tests.engine_samples import TO_BEN, at
from tests.node_samples import ben, linked


def busy() -> Node:
    """A node that has just stored a batch of Ben's."""
    host = linked()
    host.attach()
    host.say(o.Subscribe(1, ("#",)))
    host.frame(f.Push(ben().write(2)))
    host.stored()
    return host.node


def the_log(node: Node) -> LogId:
    return next(iter(node.holdings.stored))


def _lost_position(node: Node) -> None:
    node.holdings.received[the_log(node)].positions.remove(2, 2)


def _other_head(node: Node) -> None:
    held = node.holdings.stored[the_log(node)]
    held.runs[0] = Run(1, 2, held.runs[0].before, b"?" * 32)


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


def _asked_for_what_is_here(node: Node) -> None:
    node.repair.partners[TO_BEN].asked.add(the_log(node), 1, 1)


TOUCHED = [
    _lost_position,
    _other_head,
    _delivered_too_much,
    _horizon_too_low,
    _untold,
    _too_much_done,
    _not_greeted,
    _asked_for_what_is_here,
]


@pytest.mark.parametrize("break_it", TOUCHED)
def test_check_sees_what_broke_where_the_last_tick_changed_something(break_it: Callable[[Node], None]) -> None:
    node = busy()
    node.check()

    break_it(node)

    with pytest.raises(AssertionError):
        node.check()


@pytest.mark.parametrize("break_it", TOUCHED)
def test_check_all_sees_it_long_after(break_it: Callable[[Node], None]) -> None:
    node = busy()
    break_it(node)

    node.tick([], at(1))

    node.check()
    with pytest.raises(AssertionError):
        node.check_all()
