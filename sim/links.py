"""Simulated links: ordered streams over paths, from the handshake to the idle time-out, with the real codec's bytes.

A frame that meets a cut is held: QUIC sends it again once something passes, at the latest a second later, unless the
connection is given up first, 60 s after an end last heard anything. A clogged one arrives as soon as it may. A frame
that is larger than a path carries blocks its stream, as a packet that never arrives does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from mesh.codes import Code
from mesh.effects import DialFailed, FrameReceived, LinkBroken, LinkDown, LinkUp
from mesh.errors import DecodeError
from mesh.frames import Frame, Lane
from mesh.types import Address, LinkId
from mesh.wire.frames import decode_frame
from mesh.wire.operations import decode_node
from sim.network import PACKET_BYTES, STEPS, Condition, Network, Path
from sim.units import MILLION

if TYPE_CHECKING:
    from sim.tape import Stream
    from sim.world import Machine, World

IDLE_US = 60_000_000
"""A connection over which nothing came for so long is given up, unless the nodes say `Alive` more seldom than that."""
DIAL_TIMEOUT_US = 5_000_000
HANDSHAKE_US = (1_000_000, 2_000_000, 2_000_000)
"""When the first packet of a handshake is sent again, as its timer doubles; then the dial has failed."""
AHEAD_BYTES = 64 << 10
"""What a connection takes from its writer ahead of time at most, within which nothing is more urgent ..."""
AHEAD_US = 100_000
"""... for it takes what its path carries in so long (`mesh.io.quic.wire`) ..."""
AHEAD_LEAST_BYTES = PACKET_BYTES
"""... but a packet at least. A larger frame leaves in pieces of that, between which more urgent ones go."""
PROBE_US = 1_000_000
"""What was lost in a cut is sent again at the latest so long after it."""
FADE_US = 2_000_000
"""So long after an end is gone without a word what it sent may still come, beside what its path takes: jitter, a queue."""
NEVER = 0
"""No frame has this number: they are counted from 1."""


decoded = lru_cache(maxsize=4_096)(decode_frame)
"""Frames are immutable and go to many peers: the bytes are decoded once, and anew when they have not come for long."""
told = lru_cache(maxsize=1_024)(decode_node)
"""The same for operations: what several nodes tell is often the same."""


def ahead_bytes(rate_bps: int) -> int:
    """What a connection takes from its writer ahead of time, over a path of this rate (0: any)."""
    carried = rate_bps * AHEAD_US // (8 * MILLION) if rate_bps else AHEAD_BYTES
    return min(AHEAD_BYTES, max(AHEAD_LEAST_BYTES, carried))


class _Pipe:
    """What each frame looks at, as in `sim.network`."""

    __slots__ = ("clear", "due", "free_us", "number", "path", "rng", "target", "target_link")


@dataclass(eq=False, slots=True)
class Pipe(_Pipe):
    """One direction of a link. Times are true microseconds of the world."""

    path: Path
    target: Machine
    source_link: LinkId
    target_link: LinkId
    rng: Stream
    began_us: int = 0
    free_us: int = 0
    """Nothing arrives before what was sent before it."""
    number: int = 0
    """Of the last frame that left: the place of each in the stream."""
    due: int = 1
    """The number of the frame that the other end takes next."""
    heard_us: int = -1
    """When the first one came there, in which a node says what its clock shows; -1: none has."""
    early: dict[int, bytes] = field(default_factory=dict)
    """What came there before what left before it."""
    held: list[tuple[int, bytes]] = field(default_factory=list)
    """What waits until something passes, with its number."""
    held_bytes: int = 0
    clear: bool = True
    """Nothing is early, held or waiting."""
    waiting: list[tuple[int, int, bytes, int]] = field(default_factory=list)
    """What waits behind a bottleneck or a cut, by lane and number, as a heap: real links have lanes (`mesh.wire.framing`).

    Of each, how many bytes have not left yet."""


HUNG_UP_MAX = 3
SUPERSEDED_US = 2 * MILLION
"""When a second link stands for so long, and two round trips, the first is gone: both ends have said HELLO and heard it, and
one has hung up."""
MISDATED = f"{Code.CERTIFICATE_INVALID.value} by a wrong clock"


class Links:
    """All links of a world."""

    def __init__(self, world: World, network: Network) -> None:
        """Know of none."""
        self.world = world
        self.network = network
        self.dials = 0
        self.hung_up: dict[str, list[str]] = {}
        """The first that were closed for each reason: when, and by whom."""
        self.misdated = 0
        """How many were closed by nodes by whose wrong clocks no certificate is valid: they are right to do so."""
        self.idle_us = IDLE_US
        self.bend: Callable[[Machine, LinkId, Frame], Frame] | None = None
        """What a node hears in place of a frame; for members gone bad, whose hosts stand between."""
        self._numbers = 0
        self._number = 0
        self._rng = world.rng.fork("links")
        self._streams: dict[tuple[str, str], Stream] = {}
        self._arriving = self._arrive  # kept, for each look at a method makes an object

    def _stream(self, source: str, target: str) -> Stream:
        stream = self._streams.get((source, target))
        if stream is None:
            stream = self._streams[source, target] = self.world.rng.fork(f"link/{source}/{target}")
        return stream

    @property
    def sent(self) -> dict[tuple[str, str], int]:
        """What left each node for each other, in bytes of frames."""
        return {pair: path.sent_bytes for pair, path in self.network.paths.items() if path.sent_bytes}

    def held_up_us(self, names: Sequence[str]) -> int:
        """How long from now something between these machines is under way that was slowed by what has ended.

        What leaves now is no sooner there. 0 where nothing comes later than what is lost is sent again anyhow.
        """
        now_us, network, machines = self.world.now_us, self.network, self.world.machines
        pipes = [(name, pipe) for name in names for pipe in machines[name].links.values() if pipe.target.name in names]
        late = [pipe.free_us - now_us - network.round_trip_us(name, pipe.target.name) for name, pipe in pipes]
        return max((late_us for late_us in late if late_us > PROBE_US), default=0)

    # --- beginning ---------------------------------------------------------------------------------------------------

    def doubled(self, machine: Machine, others: Container[str]) -> list[str]:
        """Those of some machines with whom one has several links, of which none is new.

        A seed that nobody has answered at yet is dialled beside a link that its node began itself.
        """
        old_us, longest_us = self.world.now_us - SUPERSEDED_US, self.network.longest_us
        counts = Counter(
            pipe.target.name
            for pipe in machine.links.values()
            if pipe.target.name in others
            and pipe.target_link in pipe.target.links
            and pipe.began_us < old_us - 2 * longest_us(machine.name, pipe.target.name)
        )
        return sorted(name for name, count in counts.items() if count > 1)

    def dial(self, machine: Machine, address: Address) -> None:
        """Try to connect: two round trips of a handshake, or a failure."""
        self.dials += 1
        network, world = self.network, self.world
        target = address.host
        if target not in world.machines or (machine.name, target) in network.closed:
            world.after(DIAL_TIMEOUT_US, self._failed, machine, machine.life, address)
            return
        delay_us = network.path(machine.name, target).delay.base_us
        world.after(3 * delay_us, self._shaken, machine, machine.life, address, 0)

    def _failed(self, machine: Machine, life: int, address: Address) -> None:
        if machine.life == life:
            self.world.hear(machine, DialFailed(address, ""))

    def _shaken(self, machine: Machine, life: int, address: Address, tries: int) -> None:
        if machine.life != life:
            return
        target = self.world.machines[address.host]
        if target.node is None or target.paused or not self.network.passes(machine.name, target.name):
            if tries < len(HANDSHAKE_US):
                self.world.after(HANDSHAKE_US[tries], self._shaken, machine, life, address, tries + 1)
            else:
                self._failed(machine, life, address)
            return
        self._numbers += 2
        mine, theirs = LinkId(self._numbers - 1), LinkId(self._numbers)
        there, back = self.network.path(machine.name, target.name), self.network.path(target.name, machine.name)
        machine.links[mine] = Pipe(there, target, mine, theirs, self._stream(machine.name, target.name))
        target.links[theirs] = Pipe(back, machine, theirs, mine, self._stream(target.name, machine.name))
        machine.links[mine].began_us = target.links[theirs].began_us = self.world.now_us
        binding = self._rng.bytes(32)
        self.world.hear(machine, LinkUp(mine, binding, address))
        self.world.hear(target, LinkUp(theirs, binding, None))

    # --- frames ------------------------------------------------------------------------------------------------------

    def send_all(self, machine: Machine, links: Sequence[LinkId], packed: bytes, lane: Lane) -> None:
        """A frame leaves on several links: as `send` on each, without its questions where nothing is in the way."""
        pipes, world, arriving, size = machine.links, self.world, self._arriving, len(packed)
        due, now_us = world.due, world.now_us
        for link in links:
            pipe = pipes.get(link)
            if pipe is None:  # it is gone
                continue
            path = pipe.path
            if not path.clear or not pipe.clear:
                self.send(pipe, packed, lane)
                continue
            path.sent_bytes += size
            pipe.number = number = pipe.number + 1
            draws = path.draws
            at_us = now_us + (draws[pipe.rng.below(STEPS)] if draws else path.delay.draw(pipe.rng))
            if at_us < pipe.free_us:
                at_us = pipe.free_us
            else:
                pipe.free_us = at_us
            due(at_us, arriving, pipe, (number, packed))

    def send(self, pipe: Pipe, packed: bytes, lane: Lane = Lane.CONTROL) -> None:
        """A frame leaves, or waits in its lane for a bottleneck that has much to do; it arrives after what left before it."""
        path = pipe.path
        pipe.clear = not (pipe.early or pipe.held or pipe.waiting)
        if pipe.waiting or pipe.held_bytes > ahead_bytes(path.rate_bps) or self._has_to_wait(path, packed):
            self._number += 1
            pipe.clear = False
            heappush(pipe.waiting, (lane, self._number, packed, len(packed)))
            if len(pipe.waiting) == 1:
                self._pump(pipe)
        else:
            self._leave(pipe, packed, len(packed))

    def _has_to_wait(self, path: Path, packed: bytes) -> bool:
        """Whether a bottleneck has much to do, or a frame is too large for it to leave in one piece."""
        return path.rate_bps > 0 and (len(packed) > ahead_bytes(path.rate_bps) or self._is_far_behind(path))

    def _is_far_behind(self, path: Path) -> bool:
        """Whether a bottleneck has as much to send as a connection takes from its writer ahead of time."""
        return (path.free_us - self.world.now_us) * path.rate_bps > ahead_bytes(path.rate_bps) * 8 * MILLION

    def _pump(self, pipe: Pipe) -> None:
        """Let go of what waits, the most urgent first, as far as the bottleneck takes it."""
        path, now_us = pipe.path, self.world.now_us
        if self.world.machines[path.source].links.get(pipe.source_link) is not pipe:  # it was closed
            pipe.waiting.clear()
        has_gone = False
        while pipe.waiting and not path.stands and not pipe.held:
            ahead = ahead_bytes(path.rate_bps)
            if self._is_far_behind(path):
                free_us = path.free_us - ahead * 8 * MILLION // path.rate_bps
                self.world.at(max(free_us, now_us) + 1 + has_gone, self._pump, pipe)  # next is another's turn
                return
            has_gone = True
            lane, number, packed, left = pipe.waiting[0]
            if path.rate_bps and left > ahead:
                path.free_us = max(now_us, path.free_us) + ahead * 8 * MILLION // path.rate_bps
                path.sent_bytes += ahead
                pipe.waiting[0] = lane, number, packed, left - ahead
            else:
                heappop(pipe.waiting)
                self._leave(pipe, packed, left)

    def _leave(self, pipe: Pipe, packed: bytes, left: int) -> None:
        """The last piece of a frame leaves, or all of it."""
        pipe.number += 1
        self._cross(pipe, (pipe.number, packed), left)

    def _cross(self, pipe: Pipe, frame: tuple[int, bytes], size: int) -> None:
        """Send a frame, or what is left of it, for the first time or again."""
        path, world = pipe.path, self.world
        path.sent_bytes += size
        if pipe.held or path.cuts or path.clogs or (path.mtu_bytes and size > path.mtu_bytes):
            pipe.held.append(frame)
            pipe.held_bytes += size
            pipe.clear = False
            return
        if path.plain:
            at_us = world.now_us + (path.draws[pipe.rng.below(STEPS)] if path.draws else path.delay.draw(pipe.rng))
        else:
            at_us = world.now_us + path.crossing_us(size, world.now_us, pipe.rng)
            if path.duplicate_ppm and pipe.rng.chance(path.duplicate_ppm):
                path.sent_bytes += size
        if at_us < pipe.free_us:
            at_us = pipe.free_us
        else:
            pipe.free_us = at_us
        world.due(at_us, self._arriving, pipe, frame)

    def _arrive(self, pipe: Pipe, frame: tuple[int, bytes]) -> None:
        target = pipe.target
        if pipe.target_link not in target.links:
            return
        number, packed = frame
        path = pipe.path
        if not path.clear and (path.cuts or path.clogs):  # it was under way when nothing passed any more
            pipe.held.append(frame)
            pipe.held_bytes += len(packed)
            pipe.clear = False
            return
        if number != pipe.due:  # what left before it was held up on its way, and comes again
            pipe.early[number] = packed
            pipe.clear = False
            return
        world = self.world
        if number == 1:
            pipe.heard_us = world.now_us
        while True:
            pipe.due += 1
            if world.recorder is not None:
                world.recorder.on_arrived(pipe, packed)
            try:
                heard = decoded(packed)
            except DecodeError as error:
                world.hear(target, LinkBroken(pipe.target_link, Code.FRAME_UNDECODABLE, str(error)))
                heard = None
            if heard is not None:  # a node that has a link runs: what `World.hear` would ask is known
                if self.bend is not None:
                    heard = self.bend(target, pipe.target_link, heard)
                target.inbox.append(FrameReceived(pipe.target_link, heard, len(packed)))
                if not target.ticking and not target.paused:
                    world.plan(target)
            if pipe.clear or pipe.due not in pipe.early or pipe.target_link not in target.links:
                return
            packed = pipe.early.pop(pipe.due)

    # --- the end of a link -------------------------------------------------------------------------------------------

    def close(self, machine: Machine, link: LinkId, why: str, *, silent: bool = False) -> None:
        """An end closes; the other hears it, or notices that it hears nothing (`silent`: the process is gone)."""
        is_misdated = why == Code.CERTIFICATE_INVALID and machine.misdates(self.world.now_us)
        self.misdated += is_misdated
        pipe = machine.links.pop(link, None)
        if pipe is None:
            return
        lines = self.hung_up.setdefault(MISDATED if is_misdated else why, [])
        if len(lines) < HUNG_UP_MAX:
            lines.append(f"{self.world.now_us / 1e6:.6f} s: {machine.name} hangs up on {pipe.target.name}: {why}")
        self.world.hear(machine, LinkDown(link, why))
        if silent:
            self.world.after(pipe.path.delay.base_us + pipe.path.extra_us + FADE_US, self._fade, pipe)
        lost = silent or pipe.path.stands
        delay_us = self.idle_us if lost else pipe.path.delay.base_us
        self.world.after(delay_us, self._far_end, pipe, "idle" if lost else why)

    def _fade(self, pipe: Pipe) -> None:
        """Whoever sent it is gone, and sends nothing again: what was lost on its way, and all behind it, never arrives."""
        pipe.due = NEVER
        pipe.early.clear()

    def _far_end(self, pipe: Pipe, why: str) -> None:
        target = pipe.target
        if target.links.pop(pipe.target_link, None) is not None:
            self.world.hear(target, LinkDown(pipe.target_link, why))

    def _idle(self, pipe: Pipe, since_us: int) -> None:
        """Nothing came over a path for so long that the end which listened gives the connection up."""
        if pipe.path.stands and pipe.path.since_us == since_us:
            target = pipe.target
            if pipe.target_link in target.links:
                self.close(target, pipe.target_link, "idle")

    # --- conditions --------------------------------------------------------------------------------------------------

    def impose(self, condition: Condition) -> None:
        """A condition begins to lie on paths."""
        for path in self.network.impose(condition, self.world.now_us):
            if path.stands and path.since_us == self.world.now_us:
                for pipe in self._upon(path):
                    self.world.after(self.idle_us, self._idle, pipe, path.since_us)
            self._release(path, condition.cut)

    def lift(self, condition: Condition) -> None:
        """A condition ends, if it has not yet."""
        for path in self.network.lift(condition, self.world.now_us):
            self._release(path, condition.cut)

    def _upon(self, path: Path) -> list[Pipe]:
        source = self.world.machines.get(path.source)
        return [] if source is None else [pipe for pipe in source.links.values() if pipe.path is path]

    def _release(self, path: Path, was_lost: bool) -> None:
        """Send on what waited, if anything passes now; what was lost has to be missed first."""
        if path.stands:
            return
        for pipe in self._upon(path):
            if pipe.held:
                held, pipe.held, pipe.held_bytes = sorted(pipe.held), [], 0
                if was_lost:
                    pipe.free_us = max(pipe.free_us, self.world.now_us + pipe.rng.below(PROBE_US))
                for frame in held:
                    self._cross(pipe, frame, len(frame[1]))
            self._pump(pipe)
