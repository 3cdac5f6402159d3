"""Wires: links of the node over a network that loses, delays and overtakes.

A link is opened by a dial (`OPEN`, `ACCEPT`), and its frames are numbered each way. What was overtaken is waited for; what
was lost breaks the link, for the node counts on a link that loses nothing while it stands. The node dials anew, and its
repair finds what was lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b

from mesh.codes import Code
from mesh.effects import DialFailed, Event, FrameReceived, LinkBroken, LinkDown, LinkUp
from mesh.errors import DecodeError
from mesh.types import US_PER_MS, Address, LinkId
from mesh.wire.frames import decode_frame
from sim.maelstrom.config import AdapterConfig
from sim.maelstrom.packets import Entry, Kind, Target

PORT = 1
"""Addresses need one; the host of an address is a node's number."""

Name = tuple[int, int]
"""A link's name at both ends: who dialled it, as which of its dials."""


@dataclass(slots=True)
class Wire:
    """One link. Times are monotonic microseconds."""

    link: LinkId
    name: Name
    peer: int
    sent: int = 0
    taken: int = 0
    early: dict[int, bytes] = field(default_factory=dict)
    """Frames that overtook others, by their number."""
    gap_us: int | None = None
    """Since when others are waited for."""


@dataclass
class Wires:
    """All links of a node; what they mean for it is gathered in `events`, what is to be sent in `entries`."""

    config: AdapterConfig
    own: int
    entropy: bytes
    by_name: dict[Name, Wire] = field(default_factory=dict)
    by_link: dict[LinkId, Wire] = field(default_factory=dict)
    dialing: dict[Name, tuple[Address, bytes, int]] = field(default_factory=dict)
    """Dials without an answer: the address, the nonce, and until when it is waited for."""
    events: list[Event] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    _dials: int = 0
    _links: int = 0

    def dial(self, address: Address, now_us: int) -> None:
        """Open a link."""
        self._dials += 1
        name = self.own, self._dials
        nonce = blake2b(b"%d/%d" % name, key=self.entropy, digest_size=16).digest()
        self.dialing[name] = address, nonce, now_us + self.config.dial_timeout_ms * US_PER_MS
        self._say(Kind.OPEN, int(address.host), name, nonce)

    def targets(self, links: tuple[LinkId, ...]) -> tuple[Target, ...]:
        """Number the next frame on each of these links, as far as they still stand."""
        targets = []
        for link in links:
            wire = self.by_link.get(link)
            if wire is not None:
                wire.sent += 1
                targets.append(Target(wire.peer, *wire.name, wire.sent))
        return tuple(targets)

    def hangup(self, link: LinkId, code: str) -> None:
        """Close a link from this side."""
        wire = self.by_link.get(link)
        if wire is not None:
            self._say(Kind.CLOSE, wire.peer, wire.name, code.encode())
            self._down(wire, code)

    def on_entry(self, entry: Entry, target: Target, now_us: int) -> None:
        """Something came for a link of ours."""
        name = target.dialer, target.dial
        match entry.kind:
            case Kind.OPEN:
                if name not in self.by_name:
                    self._up(name, entry.origin, entry.body, None)
                    self._say(Kind.ACCEPT, entry.origin, name, b"")
            case Kind.ACCEPT:
                dialed = self.dialing.pop(name, None)
                if dialed is not None:
                    self._up(name, entry.origin, dialed[1], dialed[0])
            case Kind.CLOSE:
                wire = self.by_name.get(name)
                if wire is not None:
                    self._down(wire, entry.body.decode("ascii", "replace"))
            case _:
                self._on_frame(entry, target, now_us)

    def _on_frame(self, entry: Entry, target: Target, now_us: int) -> None:
        wire = self.by_name.get((target.dialer, target.dial))
        if wire is None:  # it is gone here, and the other end does not know
            self._say(Kind.CLOSE, entry.origin, (target.dialer, target.dial), b"gone")
            return
        if target.sequence > wire.taken:
            wire.early[target.sequence] = entry.body
        while (frame := wire.early.pop(wire.taken + 1, None)) is not None:
            wire.taken += 1
            wire.gap_us = None
            self._read(wire, frame)
        if len(wire.early) > self.config.reorder_max:
            self.hangup(wire.link, "lost")
        elif wire.early and wire.gap_us is None:
            wire.gap_us = now_us

    def _read(self, wire: Wire, body: bytes) -> None:
        try:
            frame = decode_frame(body)
        except DecodeError as error:
            self.events.append(LinkBroken(wire.link, Code.FRAME_UNDECODABLE, str(error)))
            return
        if frame is not None:
            self.events.append(FrameReceived(wire.link, frame, len(body)))

    def _up(self, name: Name, peer: int, nonce: bytes, dialed: Address | None) -> None:
        self._links += 1
        wire = Wire(LinkId(self._links), name, peer)
        self.by_name[name] = self.by_link[wire.link] = wire
        binding = blake2b(nonce, person=b"gsm-maelstrom", digest_size=32).digest()
        self.events.append(LinkUp(wire.link, binding, dialed))

    def _down(self, wire: Wire, why: str) -> None:
        del self.by_name[wire.name], self.by_link[wire.link]
        self.events.append(LinkDown(wire.link, why))

    def _say(self, kind: Kind, dest: int, name: Name, body: bytes) -> None:
        self.entries.append(Entry(kind, self.own, patient=False, targets=(Target(dest, *name, 0),), body=body))

    def due_us(self) -> int | None:
        """When the first dial or overtaken frame has been waited for long enough."""
        dials = [until_us for _, _, until_us in self.dialing.values()]
        gaps = [wire.gap_us + self._reorder_us for wire in self.by_link.values() if wire.gap_us is not None]
        return min([*dials, *gaps], default=None)

    @property
    def _reorder_us(self) -> int:
        return self.config.reorder_ms * US_PER_MS

    def on_time(self, now_us: int) -> None:
        """Give up what has been waited for long enough."""
        for name, (address, _, until_us) in list(self.dialing.items()):
            if until_us <= now_us:
                del self.dialing[name]
                self.events.append(DialFailed(address, "no answer"))
        for wire in list(self.by_link.values()):
            if wire.gap_us is not None and wire.gap_us + self._reorder_us <= now_us:
                self.hangup(wire.link, "lost")
