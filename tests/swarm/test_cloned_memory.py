"""A node's memory and disk are put back to an earlier moment while it runs, once or often: nothing is lost."""

import copyreg
from collections.abc import Callable
from copy import deepcopy
from hashlib import blake2b
from itertools import product
from typing import Any

import pytest

from mesh.clocks.vector import VersionVector
from mesh.effects import LinkDown, SessionClosed
from mesh.engines.forks import FORKS_MAX, Forks
from mesh.engines.intake import Intake
from mesh.frames import Forked
from mesh.log.batch import NO_NAME, Epoch, epoch_statement, seal
from mesh.operations import Goodbye
from mesh.types import LogId
from mesh.wire.frames import encode_frame
from sim import checkers
from sim.links import Pipe
from sim.network import Network
from sim.workload import App
from sim.world import Machine, World
from tests.samples import record


@pytest.fixture(autouse=True)
def hashes_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state of BLAKE2b copies itself, and knows no other way."""
    monkeypatch.setitem(copyreg.dispatch_table, type(blake2b()), lambda state: (state.copy, ()))


class Snapshot:
    """A virtual machine as it was, to be resumed later."""

    def __init__(self, machine: Machine) -> None:
        assert not machine.appending
        assert not machine.inbox
        self.node, self.disk = deepcopy((machine.node, machine.disk))

    def resume(self, world: World, machine: Machine) -> None:
        """It goes on from there: its connections are dead, and it does not know what it has published since."""
        for link in list(machine.links):
            world.links.close(machine, link, "resumed", silent=False)
        for session in list(machine.sessions):
            machine.sessions.pop(session)(Goodbye("", "resumed"))
        machine.life += 1
        machine.appending, machine.inbox, machine.ticking, machine.alarm_us = [], [], False, -1
        machine.node, machine.disk = self.node, self.disk
        assert machine.node is not None
        for link in list(machine.node.links.links):
            world.hear(machine, LinkDown(link, "resumed"))
        for seat in list(machine.node.sessions.sessions):
            world.hear(machine, SessionClosed(seat))


def played(seed: int, *, is_cut: bool) -> tuple[World, list[App]]:
    """Ana publishes 1 to 5, goes on from where she was after 2, cut off or not, and publishes 6 to 8; then all is healed."""
    world = World(seed, Network.even(delay_us=20_000))
    for at, name in enumerate(("ana", "ben", "cy")):
        world.add(name, "eu", ("ana", "ben", "cy")[:at])
    apps = [App(world, f"at-{name}", [name]) for name in ("ana", "ben", "cy")]
    for app in apps:
        app.subscribe("#", cursor=VersionVector())
    world.run(1)
    ana = world.machines["ana"]

    def say(app: App, *payloads: bytes) -> None:
        for payload in payloads:
            app.publish("room/1", payload, copies=2)
            world.run(0.1)

    say(apps[0], b"1", b"2")
    world.run(3)
    snapshot = Snapshot(ana)
    say(apps[0], b"3", b"4", b"5")
    world.run(3)
    if is_cut:
        world.cut(["ana"], ["ben", "cy"])
    snapshot.resume(world, ana)
    other = App(world, "another", ["ana"])
    other.subscribe("#", cursor=VersionVector())
    world.run(0.5)
    say(other, b"6", b"7")
    say(apps[0], b"8")
    world.run(2)
    world.heal()
    world.run(60)
    world.check_all()
    return world, [*apps, other]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("is_cut", [True, False])
def test_a_resumed_snapshot_loses_nothing_that_others_stored_and_nothing_that_it_takes_anew(
    seed: int, is_cut: bool
) -> None:
    world, apps = played(seed, is_cut=is_cut)

    assert world.converged()
    assert checkers.everything(apps) == []
    shown = {app.name: sorted(s.record.payload for s in app.diaries[1].shown) for app in apps}
    assert set(map(tuple, shown.values())) == {tuple(b"%d" % number for number in range(1, 9))}


class Liar:
    """A member's host that shows one peer two histories of each of ever more logs, of which it publishes nothing."""

    def __init__(self, world: World, name: str, victim: str, logs: int) -> None:
        self.machine, self.victim, self.left = world.machines[name], victim, logs
        assert self.machine.node is not None
        self.identity = self.machine.node.identity
        self.key = world.suite.signer(b"k" * 32)
        world.mangle = self.leave

    def proof(self, number: int) -> Forked:
        mine = self.identity
        signed = mine.signer.sign(epoch_statement(mine.mesh, mine.node, number, self.key.public))
        epoch, log = Epoch(mine.node, number, self.key.public, signed), LogId(mine.node, number)
        one, other = (seal(log, 1, NO_NAME, [record(1, text)], self.key, epoch) for text in (b"one", b"other"))
        return Forked(one.stripped(), other.stripped())

    def leave(self, machine: Machine, pipe: Pipe, packed: bytes) -> list[bytes]:
        frames = [packed]
        if machine is self.machine and pipe.path.target == self.victim:
            for _ in range(min(self.left, 200)):
                frames.append(encode_frame(self.proof(self.left)))
                self.left -= 1
        return frames


def put_back(seed: int, *cuts: bool, before: int = 2, lies: int = 0) -> tuple[World, list[App], set[bytes]]:
    """After so many publishes comes a moment of Ana that is gone back to once for each of these, cut off or not."""
    world = World(seed, Network.even(delay_us=20_000))
    names = ("ana", "ben", "cy", "dan")[: 4 if lies else 3]
    for at, name in enumerate(names):
        world.add(name, "eu", names[:at])
    apps = [App(world, f"at-{name}", [name]) for name in ("ana", "ben", "cy")]
    for app in apps:
        app.subscribe("#", cursor=VersionVector())
    world.run(1)
    if lies:
        liar = Liar(world, "dan", "ben", lies)
        world.run(60)
        assert liar.left == 0
    ana = world.machines["ana"]
    said: set[bytes] = set()

    def say(app: App, count: int) -> None:
        for _ in range(count):
            said.add(payload := b"%d" % len(said))
            app.publish("room/1", payload, copies=2)
            world.run(0.1)

    say(apps[0], before)
    world.run(3)
    snapshots = [Snapshot(ana) for _ in cuts]
    say(apps[0], 3)
    world.run(3)
    for number, (snapshot, is_cut) in enumerate(zip(snapshots, cuts, strict=True)):
        if is_cut:
            world.cut(["ana"], names[1:])
        snapshot.resume(world, ana)
        apps.append(App(world, f"another-{number}", ["ana"]))
        apps[-1].subscribe("#", cursor=VersionVector())
        world.run(0.5)
        say(apps[-1], 2)
        say(apps[0], 1)
        world.run(2)
        world.heal()
        world.run(20)
    world.run(60)
    world.check_all()
    return world, apps, said


@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "cuts", [*product([True, False], repeat=2), (True, True, True), (False, False, False), (True, False, True)]
)
def test_a_memory_that_is_put_back_again_and_again_loses_nothing(
    seed: int, cuts: tuple[bool, ...], before: int
) -> None:
    world, apps, said = put_back(seed, *cuts, before=before)

    assert world.converged()
    assert checkers.everything(apps) == []
    for app in apps:
        assert {shown.record.payload for shown in app.diaries[1].shown} == said


def test_a_member_that_forks_logs_by_the_thousand_takes_no_room_of_the_proof_of_anothers() -> None:
    world, apps, said = put_back(1, *[True], lies=4_200)

    assert world.converged()
    assert checkers.everything(apps) == []
    for app in apps:
        assert {shown.record.payload for shown in app.diaries[1].shown} == said
    for machine in world.machines.values():
        assert machine.node is not None
        assert len(machine.node.forks.proofs) == FORKS_MAX + 1


def _nothing(*_: Any) -> list[Any]:
    return []


def _sees_no_clone(_: Intake) -> bool:
    return False


@pytest.mark.parametrize(
    ("owner", "rule", "broken", "is_cut"),
    [(Forks, "_rescue", _nothing, True), (Intake, "_is_anothers", _sees_no_clone, False)],
)
def test_without_its_rules_something_is_lost_or_broken(
    owner: type, rule: str, broken: Callable[..., Any], is_cut: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, rule, broken)

    try:
        _, apps = played(1, is_cut=is_cut)
    except AssertionError:
        return  # the node's own check of its invariants
    assert {breach.promise for breach in checkers.everything(apps)} >= {"nothing lost"}
