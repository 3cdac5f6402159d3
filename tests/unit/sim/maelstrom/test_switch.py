"""The switch: through the hub while it is heard, directly when it is not; gathered, and nothing overtakes."""

from sim.maelstrom.config import AdapterConfig
from sim.maelstrom.packets import Entry, Kind, Target
from sim.maelstrom.switch import Switch

CONFIG = AdapterConfig(hub_gather_ms=80, leaf_gather_ms=5, direct_gather_ms=150, patient_ms=400, hub_silent_ms=2_000)
MS = 1_000
LATE = 2_000 * MS
"""The hub has not been heard for too long."""


def switch(own: int, nodes: int = 4) -> Switch:
    return Switch(CONFIG, own, nodes, started_us=0)


def entry(*dests: int, origin: int = 1, patient: bool = False, body: bytes = b"x") -> Entry:
    targets = tuple(Target(dest, dest, 1, 1) for dest in dests)
    return Entry(Kind.FRAME, origin, patient=patient, targets=targets, body=body)


def test_a_leaf_sends_one_entry_to_the_hub_for_everyone() -> None:
    leaf = switch(1)

    leaf.send(entry(0, 2, 3), 0)

    assert leaf.due_us() == 5 * MS
    assert leaf.take(5 * MS - 1) == []
    assert leaf.take(5 * MS) == [(0, [entry(0, 2, 3)])]
    assert leaf.due_us() is None


def test_a_leaf_that_does_not_hear_the_hub_sends_to_each_directly_and_tries_the_hub_too() -> None:
    leaf = switch(1)

    leaf.send(entry(0, 2, 3), LATE)

    assert leaf.take(LATE + 150 * MS) == [(0, [entry(0)]), (2, [entry(2)]), (3, [entry(3)])]


def test_a_leaf_that_hears_the_hub_again_sends_through_it_again() -> None:
    leaf = switch(1)
    leaf.on_packet(0, [], LATE)

    leaf.send(entry(2, 3), LATE + 1)

    assert leaf.take(LATE + 5 * MS + 1) == [(0, [entry(2, 3)])]


def test_who_sends_directly_is_answered_directly_for_a_while() -> None:
    leaf = switch(1)
    leaf.on_packet(0, [], LATE)
    leaf.on_packet(2, [], LATE)

    soon, later = LATE + 1, LATE + CONFIG.direct_for_ms * MS
    assert (leaf.hop(2, soon), leaf.hop(3, soon)) == (2, 0)
    leaf.on_packet(0, [], later)
    assert leaf.hop(2, later) == 0


def test_the_hub_keeps_what_is_its_own_and_sends_on_the_rest() -> None:
    hub = switch(0)

    ours = hub.on_packet(1, [entry(0, 2, 3)], 0)

    assert ours == [(entry(0, 2, 3), Target(0, 0, 1, 1))]
    assert hub.take(80 * MS) == [(2, [entry(2)]), (3, [entry(3)])]


def test_a_leaf_sends_nothing_on() -> None:
    leaf = switch(1)

    assert leaf.on_packet(0, [entry(2, 3)], 0) == []
    assert leaf.due_us() is None


def test_the_hub_sends_to_its_nodes_in_turn() -> None:
    hub = switch(0)

    for dest in (1, 2, 3):
        hub.send(entry(dest, origin=0), 10 * MS)

    assert {hop: box.due_us // MS for hop, box in hub.outboxes.items()} == {1: 20, 2: 40, 3: 60}


def test_what_is_patient_goes_with_the_next_packet_in_order_or_after_its_time() -> None:
    leaf = switch(1)
    leaf.send(entry(2, patient=True, body=b"first"), 0)
    assert leaf.due_us() == 400 * MS

    leaf.send(entry(3, body=b"second"), 100 * MS)

    assert leaf.take(105 * MS) == [(0, [entry(2, patient=True, body=b"first"), entry(3, body=b"second")])]


def test_nothing_goes_to_oneself_or_to_nobody() -> None:
    leaf = switch(1)

    leaf.send(entry(1, 4), 0)

    assert leaf.due_us() is None
