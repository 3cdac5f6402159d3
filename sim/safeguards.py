"""Safeguards, each with a switch: turned off, it must break the promise that it stands for, or nobody would know it matters.

A switch patches the classes of the core (or of the host) for as long as it lasts; there is no setting for it, and nothing
of it is in the product. `hunt` plays seeds with a safeguard off until a promise is seen to be broken: that is the proof
that the simulator checks what the documents say. The table of docs/internals/safeguards.md is made of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from mesh.client.machine import Client
from mesh.client.outbox import Outbox
from mesh.client.seen import Seen
from mesh.clocks.hybrid import ClockGuard, HybridClock
from mesh.effects import Append, Effect, Stored
from mesh.engines.delivery.history import Histories, Page
from mesh.engines.delivery.tail import Tail
from mesh.engines.delivery.twins import Twins
from mesh.engines.dissemination import Dissemination
from mesh.engines.intake import Intake
from mesh.engines.links.addresses import AddressBook
from mesh.engines.receipts import Receipts
from mesh.engines.repair import Repair
from mesh.log.batch import NO_NAME, Batch, Epoch, epoch_statement
from mesh.log.names import NameIndex
from mesh.peers import Peer
from mesh.types import LogId, Now
from mesh.waiting import Waiting
from sim.disk import Disk
from sim.world import Machine, World

LATE_US = 2_000_000
"""How long after its acknowledgement an append reaches the disk, without the safeguard."""
Patch = tuple[Any, str, Any]


@dataclass(frozen=True, slots=True)
class Safeguard:
    """One of them: its switch, what breaks without it, and where that is looked for."""

    name: str
    about: str
    """What happens without it."""
    breaks: tuple[str, ...]
    """The promises of which at least one must be seen to be broken."""
    profile: str
    """The scenario whose seeds are played."""
    seeds: int
    """It has to be found within so many."""
    patches: Callable[[], list[Patch]]


def _always(value: Any) -> Callable[..., Any]:
    return lambda *_args, **_named: value


# --- the switches --------------------------------------------------------------------------------------------------------


def _acknowledge_first() -> list[Patch]:
    perform = World._perform

    def early(world: World, machine: Machine, effect: Effect) -> None:
        perform(world, machine, effect)
        if isinstance(effect, Append):
            life = machine.life
            machine.appending = [each for each in machine.appending if each is not effect]
            world.after(LATE_US, _write_if, machine, life, effect)
            world.hear(machine, Stored(effect.append, machine.disk.free_bytes))

    def _write_if(machine: Machine, life: int, append: Append) -> None:
        if machine.life == life and machine.node is not None:
            machine.disk.write(append)

    return [(World, "_perform", early)]


def _forget_names() -> list[Patch]:
    note = Seen.note

    def anew(seen: Seen, record: Any) -> tuple[bool, bool]:
        new, late = note(seen, record)
        return True, late or not new

    return [
        (NameIndex, "newest", _always(0)),
        (Twins, "unknown", _always([])),
        (Twins, "others", _always(())),
        (Tail, "_told_twin", _always(False)),  # noqa: FBT003  # whatever is asked, it says no
        (Seen, "note", anew),
    ]


def _continue_old_log() -> list[Patch]:
    """Write on where the disk ends, with a key that does not change, as if a counter that was loaded could be trusted."""

    def reopen(intake: Intake, *_: Any) -> bool:
        identity = intake.identity
        log = LogId(identity.node, 1)
        intake.signer = intake.suite.signer(blake2b(identity.node, digest_size=32).digest())
        statement = epoch_statement(identity.mesh, identity.node, 1, intake.signer.public)
        intake.epoch = Epoch(identity.node, 1, intake.signer.public, identity.signer.sign(statement))
        held = intake.holdings.stored.get(log)
        intake.position = held.frontier if held is not None else 0
        intake.head = held.name_at(intake.position) if held is not None and intake.position else NO_NAME
        return True

    return [(Intake, "_open_epoch", reopen), (Intake, "_is_anothers", _always(False))]  # noqa: FBT003


def _write_rows_alone() -> list[Patch]:
    """Rows are kept, intervals are not: the two halves of what one transaction has to hold."""
    write = Disk.write

    def rows(disk: Disk, append: Append, now_us: int = 0) -> None:
        write(disk, append, now_us)
        for batch in append.batches:
            disk.image.held.pop(batch.log, None)

    return [(Disk, "write", rows)]


def _late_is_early(*_args: Any, **_named: Any) -> tuple[int, ...]:
    return ()


def _note_without_late() -> list[Patch]:
    note = Seen.note

    def never_late(seen: Seen, record: Any) -> tuple[bool, bool]:
        return note(seen, record)[0], False

    return [(Tail, "_late_marks", _late_is_early), (Seen, "note", never_late)]


def _trust_every_clock() -> list[Patch]:
    return [
        (ClockGuard, "trusted", _always(True)),  # noqa: FBT003  # whatever is asked, it says yes
        (ClockGuard, "wall_ms", lambda _guard, now: now.wall_ms),
        (ClockGuard, "on_now", _follow),
    ]


def _follow(guard: ClockGuard, now: Now) -> None:
    guard.expiry_ms = max(guard.expiry_ms, now.wall_ms)


def _follow_every_stamp() -> list[Patch]:
    def follow(clock: HybridClock, stamp: int, _wall_ms: int) -> bool:
        clock.high = max(clock.high, stamp)
        return True

    return [(HybridClock, "observe", follow), (HybridClock, "runs_ahead", _always(False))]  # noqa: FBT003


def _dial_with_leisure() -> list[Patch]:
    back_off = AddressBook._back_off

    def leisurely(book: AddressBook, place: Any, now: Now) -> None:
        back_off(book, place, now)
        place.due_us = now.mono_us + 60_000_000

    return [(AddressBook, "_back_off", leisurely)]


def _forget_cursor() -> list[Patch]:
    subscribe = Client._subscribe

    def from_now(client: Client, subscription: Any) -> Any:
        kept, subscription.cursor = subscription.cursor, None
        try:
            return subscribe(client, subscription)
        finally:
            subscription.cursor = kept

    return [(Client, "_subscribe", from_now)]


def _no_verification() -> list[Patch]:
    from mesh.engines import journal  # noqa: PLC0415  # where the name is looked up

    def trusting(*_: Any) -> str:
        return ""

    return [(journal, "verify", trusting), (Batch, "matches_name", _always(True))]  # noqa: FBT003


def _count_the_linked() -> list[Patch]:
    rise = Receipts._rise

    def counting(self: Receipts, log: LogId, ending: list[Waiting]) -> Any:
        known, stored = self.elsewhere, self.holdings.stored_of(log)
        self.elsewhere = {**known, log: {peer.node: stored for peer in self.peers}}
        self.regions.update({peer.node: peer.region for peer in self.peers})
        try:
            return rise(self, log, ending)
        finally:
            self.elsewhere = known

    return [(Receipts, "_rise", counting)]


def _log_after_log() -> list[Patch]:
    def first(_: Histories, page: Page) -> LogId | None:
        return min((log for log, stream in page.streams.items() if stream.ready), default=None)

    return [(Histories, "_least", first)]


SAFEGUARDS: dict[str, Safeguard] = {
    each.name: each
    for each in (
        Safeguard(
            "fsync-before-acknowledge",
            "nodes acknowledge at once and append 2 s later",
            ("durable before acknowledged", "nothing lost"),
            "swarm",
            5,
            _acknowledge_first,
        ),
        Safeguard(
            "de-duplication",
            "names do not de-duplicate, neither in nodes nor in clients",
            ("once",),
            "swarm",
            20,
            _forget_names,
        ),
        Safeguard(
            "repair",
            "nodes neither compare what they have nor ask for what was announced",
            ("nothing lost", "converges", "available"),
            "swarm",
            20,
            lambda: [(Repair, "compare", _always([])), (Dissemination, "on_ihave", _always([]))],
        ),
        Safeguard(
            "signatures",
            "batches are taken whatever their signature and their hash say",
            ("nothing invented",),
            "tampering",
            3,
            _no_verification,
        ),
        Safeguard(
            "epoch-per-life",
            "a node that starts again writes on in the log that it finds on its disk",
            ("nothing lost", "converges", "available", "honest about gaps", "invariants"),
            "swarm",
            40,
            _continue_old_log,
        ),
        Safeguard(
            "row-check",
            "rows are served as they lie, flipped bits and all",
            ("nothing invented",),
            "bit-rot",
            5,
            lambda: [(Batch, "matches_name", _always(True))],  # noqa: FBT003
        ),
        Safeguard(
            "credit",
            "nodes send as much as they like, whatever their peers have granted",
            ("invariants",),
            "slow-peer",
            3,
            lambda: [(Peer, "can_take", _always(True))],  # noqa: FBT003
        ),
        Safeguard(
            "clock-guard",
            "a node believes its own clock, whatever its neighbors' say",
            ("nothing lost", "converges", "stays dead"),
            "clocks",
            40,
            _trust_every_clock,
        ),
        Safeguard(
            "stamp-clamp",
            "a node stamps above every stamp that it sees, however far ahead of the time",
            ("nothing invented",),
            "stamps-ahead",
            3,
            _follow_every_stamp,
        ),
        Safeguard(
            "cursor",
            "a client that comes back subscribes from now instead of from its cursor",
            ("nothing lost", "honest about gaps"),
            "swarm",
            20,
            _forget_cursor,
        ),
        Safeguard(
            "outbox",
            "a client that comes back does not send again what has no receipt",
            ("available",),
            "swarm",
            20,
            lambda: [(Outbox, "resend_all", _always([]))],
        ),
        Safeguard(
            "late-mark",
            "what comes after its successor is not marked late",
            ("in order",),
            "swarm",
            60,
            _note_without_late,
        ),
        Safeguard(
            "gap-report",
            "what is not delivered is not reported",
            ("honest about gaps",),
            "mortal",
            20,
            lambda: [(Client, "_gap", _always([]))],
        ),
        Safeguard(
            "intervals-with-rows",
            "the disk keeps rows, and not in the same transaction what it has of each log",
            ("invariants",),
            "swarm",
            10,
            _write_rows_alone,
        ),
        Safeguard(
            "redial",
            "peers that were linked are dialled once a minute instead of within seconds",
            ("converges", "nothing lost", "available"),
            "swarm",
            40,
            _dial_with_leisure,
        ),
        Safeguard(
            "ask-again",
            "who waits for receipts of rows that were lost is not asked to send them again",
            ("available",),
            "rot-before-its-copy",
            8,
            lambda: [(Receipts, "on_lost", _always([]))],
        ),
        Safeguard(
            "counted-copies",
            "nodes count whom they are linked with, and not who has said that it is stored there",
            ("durable before acknowledged",),
            "swarm",
            5,
            _count_the_linked,
        ),
        Safeguard(
            "one-history",
            "history shows log after log, and not by stamps",
            ("in order",),
            "swarm",
            5,
            _log_after_log,
        ),
    )
}


@contextmanager
def off(*names: str) -> Iterator[None]:
    """Turn safeguards off for as long as this lasts."""
    undo: list[Patch] = []
    try:
        for name in names:
            for owner, attribute, replacement in SAFEGUARDS[name].patches():
                undo.append((owner, attribute, vars(owner)[attribute]))
                setattr(owner, attribute, replacement)
        yield
    finally:
        for owner, attribute, original in reversed(undo):
            setattr(owner, attribute, original)
