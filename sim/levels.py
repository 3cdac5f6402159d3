"""What nodes say of how durable publishes are, held against the disks of that moment, and not of when a client hears it.

Of each message every node that says so has it on its own disk, and where the first receipt says that it stands; and as many
disks hold it, in as many regions, as the level counts. A machine whose disk has lost something since, or whose host is bad,
counts as one that holds it, for what it told was believed, until the teller has heard that it lives anew; so does one with a
wrong clock for what is mortal. Beyond the end of a forked log nothing is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.diary import Entry, Name, say_name

if TYPE_CHECKING:
    from mesh.node import Node
    from mesh.operations import Receipt
    from mesh.types import LogId
    from sim.checkers import Watch
    from sim.world import Machine, World

Places = list[tuple["LogId", int, int]]


def on_said(watch: Watch, world: World, home: Machine, name: Name, receipt: Receipt, before: tuple[int, int]) -> None:
    """A node says a level of a message, of which it had said another before, or (0, 0): none."""
    node, entry = home.node, watch.ledger[name]
    if node is None:
        return
    is_first, who = before == (0, 0), (name, home.name, home.life)
    if who not in watch.vouched:
        watch.vouched.add(who)
        is_new = is_first and entry.gateway == home.name and not entry.is_retried
        if is_new or home.lost_us < entry.at_us:  # what was retried may have rotted where it had been, unread
            _is_durable(watch, world, home, node, name)
        if is_first and name[2] == receipt.last:
            _stands_there(watch, home, node, name, receipt)
    if entry.said != before and entry.said > (1, 1):
        _is_held(watch, world, home, node, name, receipt)


def _is_durable(watch: Watch, world: World, home: Machine, node: Node, name: Name) -> None:
    """At the moment of its acknowledgement a message lies on the disk of the node that says so, if that is honest."""
    entry = watch.ledger[name]
    if home.disk.kept is not None or (entry.expires_us and world.now_us >= entry.expires_us):
        return
    places = _places_of(watch, home, node, name)
    is_durable = any(home.disk.has(log, place, place, name) for log, place in places.items())
    watch.on_acknowledged(name, entry, home.name, is_durable=is_durable)


def _places_of(watch: Watch, home: Machine, node: Node, name: Name) -> dict[LogId, int]:
    """Where a message stands in each log, by what a node knows and its disk shows; it is not looked for again."""
    known = watch.places.setdefault(name, {})
    for run in node.holdings.names.find(*name):
        if run.log not in known:
            low, high = run.from_position + name[2] - run.first, run.place_at_most(name[2])
            place = home.disk.find(run.log, low, high, name)
            if place:
                known[run.log] = place
    return known


def _stands_there(watch: Watch, home: Machine, node: Node, name: Name, receipt: Receipt) -> None:
    """The last message of a receipt stands where that says, if its node still knows where it stands."""
    runs = node.holdings.names.find(*name)
    least = [run.from_position + name[2] - run.first for run in runs]
    found = [
        run.log == receipt.log and low <= receipt.through <= run.place_at_most(name[2])
        for low, run in zip(least, runs, strict=True)
    ]
    if runs and not any(found):
        what = f"{say_name(name)} was acknowledged by {home.name} at {receipt.log.node.hex()[:8]}:{receipt.through}"
        watch.broken(
            "durable before acknowledged", f"{what}, and stands elsewhere", *watch.publish_of(name), kind="place"
        )


def _is_held(watch: Watch, world: World, home: Machine, node: Node, name: Name, receipt: Receipt) -> None:
    """At that moment it lies on as many disks and in as many regions as the node says."""
    entry, runs = watch.ledger[name], node.holdings.names.find(*name)
    if entry.expires_us and world.now_us + watch.skew_us >= entry.expires_us:
        return
    if not runs or any(run.log in node.holdings.forked for run in runs):
        return
    places = [(log, place, place) for log, place in _places_of(watch, home, node, name).items()]
    holders = _holders_of(world, home, name, entry, places)
    regions = {world.machines[each].region for each in holders}
    if len(holders) < receipt.copies or len(regions) < receipt.regions:  # it may stand elsewhere in a log
        everywhere = [(run.log, run.from_position, run.to_position) for run in runs]
        holders = _holders_of(world, home, name, entry, everywhere)
        regions = {world.machines[each].region for each in holders}
    watch.on_held(name, entry, home.name, (receipt.copies, receipt.regions), holders, regions)


def _holders_of(world: World, home: Machine, name: Name, entry: Entry, places: Places) -> set[str]:
    """The machines that hold a message in one of these places, and those that what they have told does not bind."""
    now_us, is_mortal = world.now_us, entry.expires_us > 0
    return {
        machine.name
        for machine in world.machines.values()
        if not machine.vouches(entry.at_us, home, now_us, mortal=is_mortal)
        or any(machine.disk.has(log, low, high, name) for log, low, high in places)
    }
