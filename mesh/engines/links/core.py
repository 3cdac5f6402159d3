"""Links: who is at the other end, who is dialled when, what may be sent.

A connection begins without identity. The dialler says HELLO: its certificate of membership, and its node key's
signature over the binding of this very connection, which no relay in between can make equal. The acceptor verifies it
and answers with its own. Nothing else is accepted before. From then on the link is written to, the peer is granted
credit, and both say `Alive` when they have said nothing else for a second.

Two links to one life of a node: both are read, the newer is written to, and the side with the smaller identity closes
the older once the newer has carried a frame each way. Addresses are dialled until their node is linked, with full
jitter, seeds and members for ever.

Invariants, checked by `check`: every link that is written to is greeted; no two of them lead to one life of a node.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mesh.certificates import Identity, verify_certificate
from mesh.codes import Code
from mesh.crypto import Suite
from mesh.effects import (
    Count,
    CreditCame,
    Hangup,
    LinkUp,
    Outcome,
    PeerBack,
    PeerDown,
    PeerSilent,
    PeerUp,
    Report,
    Send,
    SetTimer,
    Timer,
)
from mesh.engines.links.addresses import AddressBook
from mesh.errors import RemoteError, require
from mesh.frames import Alive, Credit, Frame, Hello, Push
from mesh.log.batch import BODY_BYTES_MAX, OVERHEAD_BYTES
from mesh.peers import Peer, Peers
from mesh.types import US_PER_MS, Address, LinkId, NodeId, Now

VERSION = 1
"""The version of the protocol that this code speaks."""
GREETING = "links.greeting"
ALIVE = "links.alive"
CONTROL_BURST_S = 10
CONTROL_BYTES_MIN = 16
"""What a control frame counts for at least."""
ALIVE_EARLY = 2
"""Where one link is due to be told `Alive`, those that will be within half of the time are told, too: after a
while all quiet links are told together, and an idle node wakes once for all of them."""
ALIVE_BUSY = 10
"""`Alive` goes over a busy link after so many times `alive_ms`, too: it says what our clock shows, and that may be set."""


def reserve_of(ahead_bytes: int) -> int:
    """Of a peer's credit repair leaves so much to what is new. Half may be granted at a time, and has to hold any batch."""
    return max(0, min(ahead_bytes // 4, ahead_bytes // 2 - BODY_BYTES_MAX - OVERHEAD_BYTES))


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """HELLO, dialling, credit, silence."""

    greeting_timeout_ms: int = 5_000
    """A connection that has not said HELLO by then is dropped. Guess: far above any handshake, far below a nuisance.

    Who answered with HELLO hears the next frame a round trip later, too, and calls nobody silent before."""
    alive_ms: int = 1_000
    """Say `Alive` after so long without another frame (protocol.md, 4: a healed cut is noticed within 1.4 s)."""
    silent_ms: int = 3_000
    """A link that was silent for so long gets no live batches until it speaks."""
    dead_ms: int = 60_000
    """A link that was silent for so long is closed."""
    credit_ahead_bytes: int = 4 << 20
    """What a peer may send before we have stored it (live and backfill together)."""
    credit_step_bytes: int = 1 << 20
    """Credit is told when it has grown by so much."""
    control_bytes_per_s: int = 2 << 20
    """Control frames beyond this rate, and their burst of ten seconds, are a flood. Guess."""
    links_max: int = 64

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        require(0 < self.alive_ms < self.silent_ms < self.dead_ms, "alive_ms < silent_ms < dead_ms must hold")
        require(
            0 < self.credit_step_bytes <= self.credit_ahead_bytes // 2, "credit_step_bytes: half the credit at most"
        )
        # Half of it may be granted at a time: that has to hold the largest batch.
        least = 2 * (BODY_BYTES_MAX + OVERHEAD_BYTES)
        require(self.credit_ahead_bytes >= least, f"credit_ahead_bytes: two of the largest batches, {least}, at least")
        require(self.links_max >= 1 and self.greeting_timeout_ms > 0, "links_max and greeting_timeout_ms: positive")
        require(self.control_bytes_per_s > 0, "control_bytes_per_s: positive")


@dataclass(slots=True)
class Link:
    """A connection, and what is known of it. Times are monotonic microseconds, bytes are running totals."""

    link: LinkId
    binding: bytes
    dialed: Address | None
    heard_us: int
    spoke_us: int
    told_us: int
    """When we last said what our clock shows."""
    budget: int
    peer: Peer | None = None
    greeted: bool = False
    """HELLO was said both ways."""
    carried: bool = False
    """A frame came after the greeting."""
    granted_until: int = 0
    got: int = 0
    done: int = 0


def hello_statement(dialler: bool, mesh: bytes, node: NodeId, binding: bytes) -> bytes:
    """What a node's key signs in HELLO: a role, so that no proof can be sent back to its maker, and the connection."""
    return b"gossamer-hello-1" + (b"d" if dialler else b"a") + mesh + node + binding


@dataclass(slots=True)
class Links:
    """All connections of a node."""

    config: LinkConfig
    identity: Identity
    suite: Suite
    peers: Peers
    book: AddressBook
    life: int
    advertise: Address | None = None
    links: dict[LinkId, Link] = field(default_factory=dict)
    draining: bool = False
    rate: int = field(init=False)
    """What may come on a link of all but batches, in bytes a second ..."""
    burst: int = field(init=False)
    """... and at a time."""

    def __post_init__(self) -> None:
        """Reckon once what is asked at each frame."""
        self.rate = self.config.control_bytes_per_s
        self.burst = self.rate * CONTROL_BURST_S

    # --- connections -------------------------------------------------------------------------------------------------

    def on_link_up(self, event: LinkUp, now: Now) -> list[Outcome]:
        """A connection stands: the dialler says HELLO, both wait for the other's."""
        if self.draining or len(self.links) >= self.config.links_max:
            code = Code.NODE_STOPPING if self.draining else Code.LINKS_TOO_MANY
            return [Hangup(event.link, code), *self._dial_failed(event.dialed, now)]
        link = Link(event.link, event.binding, event.dialed, now.mono_us, now.mono_us, now.mono_us, self.burst)
        self.links[event.link] = link
        greeting = SetTimer(Timer(GREETING, (event.link,)), now.mono_us + self.config.greeting_timeout_ms * US_PER_MS)
        outcomes: list[Outcome] = [greeting, *self._set_alive(now)]
        if event.dialed is not None:
            outcomes.insert(0, Send((event.link,), self._hello(link, now)))
        return outcomes

    def _hello(self, link: Link, now: Now) -> Hello:
        identity = self.identity
        statement = hello_statement(link.dialed is not None, identity.mesh, identity.node, link.binding)
        proof = identity.signer.sign(statement)
        certificate = identity.certificate_raw
        return Hello(VERSION, identity.mesh, certificate, self.life, now.wall_ms, proof, self.advertise)

    def on_greeting_timer(self, link: LinkId, now: Now) -> list[Outcome]:
        """Nobody said HELLO in time."""
        return [] if self.links[link].greeted else self._drop(link, Code.GREETING_LATE, "", now)

    def _drop(self, link: LinkId, code: Code, about: str, now: Now) -> list[Outcome]:
        """Hang up for a peer's fault: counted, reported."""
        facts: dict[str, object] = {"link": link, "why": about} if about else {"link": link}
        gone = self.links[link]
        if gone.peer is not None:
            facts["peer"] = gone.peer.node.hex()[:16]
        outcomes: list[Outcome] = [
            Hangup(link, code, about),
            Count(f"links_dropped_total/{code}"),
            Report(code, facts),
        ]
        return outcomes + self._forget(link, now)

    def on_broken(self, link: LinkId, code: str, about: str, now: Now) -> list[Outcome]:
        """The host could not read what came, or an engine found a fault: drop the link."""
        return self._drop(link, Code(code), about, now) if link in self.links else []

    def on_link_down(self, link: LinkId, now: Now) -> list[Outcome]:
        """A connection is gone."""
        return self._forget(link, now) if link in self.links else []

    def _dial_failed(self, address: Address | None, now: Now) -> list[Outcome]:
        return self.book.on_failed(address, now) if address is not None else []

    def _forget(self, link: LinkId, now: Now) -> list[Outcome]:
        gone = self.links.pop(link)
        outcomes: list[Outcome] = [SetTimer(Timer(GREETING, (link,)), None)]
        peer = self.peers.remove(link)
        if peer is None:
            kept = self.peers.of(gone.peer.node, gone.peer.life) if gone.peer is not None else None
            if kept is not None:  # the older of two took with it what was under way on it
                outcomes.append(PeerBack(kept.link, anew=True))
            return [*outcomes, *self._dial_failed(gone.dialed, now)]
        outcomes.append(PeerDown(link))
        other = next((o for o in self.links.values() if o.peer and _same(o.peer, peer)), None)
        if other is not None and other.peer is not None:  # the older of two is the only one now: write to it again
            self.peers.add(other.peer)
            return [*outcomes, PeerUp(other.link), *self.book.on_answered(gone.dialed, peer.node, now)]
        return [*outcomes, *self.book.on_lost(gone.dialed, peer.node, peer.near, now)]

    # --- greeting ----------------------------------------------------------------------------------------------------

    def on_hello(self, link_id: LinkId, hello: Hello, now: Now) -> list[Outcome]:
        """Verify who speaks; answer as the acceptor; begin to write to the link."""
        link = self.links[link_id]
        if link.greeted:
            return self._drop(link_id, Code.HELLO_FORGED, "HELLO was said twice", now)
        if hello.version < 1:
            return self._drop(link_id, Code.VERSION_UNKNOWN, f"version {hello.version}", now)
        if hello.mesh != self.identity.mesh:
            return self._drop(link_id, Code.MESH_WRONG, f"mesh {hello.mesh.hex()[:16]}", now)
        try:
            genesis = self.identity.genesis
            certificate = verify_certificate(hello.certificate, genesis, self.suite, now.wall_ms)
        except RemoteError as error:
            return self._drop(link_id, Code.CERTIFICATE_INVALID, str(error), now)
        node = certificate.node
        statement = hello_statement(link.dialed is None, self.identity.mesh, node, link.binding)
        if not self.suite.verify(node, statement, hello.proof):
            return self._drop(link_id, Code.HELLO_FORGED, "the proof is not of this connection", now)
        if node == self.identity.node and hello.life == self.life:
            self.book.on_self(link.dialed)
            return [Hangup(link_id, Code.LINK_SUPERSEDED, "this is myself"), *self._forget(link_id, now)]
        peer = Peer(link_id, node, hello.life, certificate.region, certificate.region == self.identity.region)
        peer.address = hello.address
        return self._greeted(link, peer, now)

    def _greeted(self, link: Link, peer: Peer, now: Now) -> list[Outcome]:
        link.greeted, link.peer = True, peer
        link.granted_until = self.config.credit_ahead_bytes
        outcomes: list[Outcome] = [SetTimer(Timer(GREETING, (link.link,)), None)]
        if peer.node == self.identity.node:
            outcomes.append(Report(Code.IDENTITY_TWICE, {"link": link.link, "life": peer.life}))
        if link.dialed is None:
            outcomes.append(Send((link.link,), self._hello(link, now)))
        outcomes.append(Send((link.link,), Credit(link.granted_until)))
        older = self.peers.of(peer.node, peer.life)
        if older is not None:
            self.peers.remove(older.link)
            outcomes.append(PeerDown(older.link))
        self.peers.add(peer)
        outcomes.append(PeerUp(link.link))
        outcomes += self.book.on_answered(link.dialed, peer.node, now)
        if peer.address is not None:
            outcomes += self.book.on_found(peer.node, peer.address, "peer", now)
        link.spoke_us = now.mono_us
        return [*outcomes, *self._set_alive(now)]

    # --- frames ------------------------------------------------------------------------------------------------------

    def on_frame(self, link: Link, frame: Frame, size: int, now: Now) -> list[Outcome]:
        """Account for a frame that came; all but batches, which have credit, count against the rate of its link.

        The link is gone afterwards if it may not say this now, or says too much.
        """
        if not link.greeted and not isinstance(frame, Hello):
            return self._drop(link.link, Code.HELLO_MISSING, type(frame).__name__, now)
        mono_us, rate = now.mono_us, self.rate
        budget, most = link.budget + (mono_us - link.heard_us) * rate // 1_000_000, self.burst
        link.heard_us = mono_us
        if budget > most:  # noqa: PLR1730  # without a call, at each frame
            budget = most
        if type(frame) is not Push:
            budget -= size if size > CONTROL_BYTES_MIN else CONTROL_BYTES_MIN  # noqa: FURB136  # as above
        link.budget = budget
        if budget < 0:
            return self._on_flood(link.link, now)
        peer = link.peer
        if link.carried and peer is not None and not peer.silent:  # as nearly always
            return []
        outcomes: list[Outcome] = []
        if peer is not None and not link.carried:
            link.carried = True
            outcomes += self._settle_double(link, peer, now)
        if peer is not None and peer.silent:
            peer.silent = False
            outcomes += self._set_alive(now)
            if link.link in self.peers and not peer.behind:
                outcomes.append(PeerBack(link.link))
        return outcomes

    def _on_flood(self, link_id: LinkId, now: Now) -> list[Outcome]:
        return self._drop(link_id, Code.CONTROL_FLOOD, "", now)

    def _settle_double(self, link: Link, peer: Peer, now: Now) -> list[Outcome]:
        """The newer of two links has carried a frame each way: the smaller identity closes the older."""
        if self.identity.node > peer.node:
            return []
        older = [o.link for o in self.links.values() if o is not link and o.peer and _same(o.peer, peer)]
        outcomes: list[Outcome] = []
        for other in older:
            gone = self.links.pop(other)
            outcomes += [Hangup(other, Code.LINK_SUPERSEDED), Count(f"links_dropped_total/{Code.LINK_SUPERSEDED}")]
            if self.peers.remove(other) is not None:
                outcomes.append(PeerDown(other))
            outcomes += self.book.on_answered(gone.dialed, peer.node, now)
        if older and link.link not in self.peers:
            self.peers.add(peer)
            outcomes.append(PeerUp(link.link))
        elif older:  # what was under way on it is lost
            outcomes.append(PeerBack(link.link, anew=True))
        return outcomes

    def reading(self, link_id: LinkId) -> Peer | None:
        """The peer to answer a frame that came on a link: its newer link, if this one is the older of two."""
        peer = self.links[link_id].peer
        if peer is None or link_id in self.peers:
            return peer
        return self.peers.of(peer.node, peer.life)

    # --- credit ------------------------------------------------------------------------------------------------------

    def on_credit(self, link_id: LinkId, frame: Credit) -> list[Outcome]:
        """A peer granted more; totals never fall."""
        peer = self.links[link_id].peer
        if peer is None or frame.until_bytes <= peer.credit_until:
            return []
        if not peer.credit_until:  # the first tells how much it ever takes
            peer.reserve = reserve_of(frame.until_bytes)
        peer.credit_until = frame.until_bytes
        starved, peer.starved = peer.starved, False
        if link_id not in self.peers:  # should it be written to again, that begins with a repair
            return []
        outcomes: list[Outcome] = [CreditCame(link_id)]
        if starved and not peer.silent:
            outcomes.append(PeerBack(link_id))
        return outcomes

    def on_batch(self, link_id: LinkId, size: int, now: Now) -> list[Outcome]:
        """Count a batch that came against what we granted. The link is gone afterwards if it was too much."""
        link = self.links[link_id]
        link.got += size
        if link.got <= link.granted_until:
            return []
        self.peers.touched.add(link_id)  # for `check`, should it not be gone
        return self._drop(link_id, Code.CREDIT_EXCEEDED, "", now)

    def on_batch_done(self, link_id: LinkId, size: int) -> list[Outcome]:
        """A batch that came is stored, or was refused: its room is free again."""
        link = self.links.get(link_id)
        if link is None:
            return []
        link.done += size
        # Looked at where it changes, so that `check` need not look at the link of each batch that comes and is stored.
        assert link.done <= link.got <= link.granted_until, "more is done with than came, or has come than was granted"
        until = link.done + self.config.credit_ahead_bytes
        if until - link.granted_until < self.config.credit_step_bytes:
            return []
        link.granted_until = until
        return [Send((link_id,), Credit(until))]

    # --- silence -----------------------------------------------------------------------------------------------------

    def on_sent(self, links: tuple[LinkId, ...], now: Now) -> None:
        """The node sent something on these links."""
        mono_us, known = now.mono_us, self.links
        for link_id in links:
            link = known.get(link_id)
            if link is not None:
                link.spoke_us = mono_us

    def _set_alive(self, now: Now) -> list[Outcome]:
        """Wake when the first link will have been quiet for long enough, on either side."""
        if not self.links:
            return [SetTimer(Timer(ALIVE), None)]
        config = self.config
        due = []
        for link in self.links.values():
            if link.greeted:
                due.append(self._alive_due_us(link))
            silent = link.peer is not None and link.peer.silent
            wait_ms = config.dead_ms if silent or not link.greeted else self._silent_ms(link)
            due.append(link.heard_us + wait_ms * US_PER_MS)
        return [SetTimer(Timer(ALIVE), max(min(due), now.mono_us + 1))]

    def _silent_ms(self, link: Link) -> int:
        config = self.config
        return config.silent_ms if link.carried else max(config.silent_ms, config.greeting_timeout_ms)

    def _alive_due_us(self, link: Link) -> int:
        alive_us = self.config.alive_ms * US_PER_MS
        return min(link.spoke_us + alive_us, link.told_us + ALIVE_BUSY * alive_us)

    def on_alive_timer(self, now: Now) -> list[Outcome]:
        """Speak where we were quiet or did not say the time, mark who is silent, close what is dead."""
        outcomes: list[Outcome] = []
        config = self.config
        soon_us = now.mono_us + config.alive_ms * US_PER_MS // ALIVE_EARLY
        quiet: list[Link] = []
        for link in list(self.links.values()):
            silence_ms = (now.mono_us - link.heard_us) // US_PER_MS
            if silence_ms >= config.dead_ms:
                outcomes += [Hangup(link.link, Code.LINK_SILENT), *self._forget(link.link, now)]
                continue
            peer = link.peer
            if peer is not None and silence_ms >= self._silent_ms(link):
                if not peer.silent:
                    peer.silent = True
                    outcomes += [PeerSilent(link.link), *self.book.on_silent(peer.node, peer.near, now)]
                if self.peers.speaks(peer.node):  # in another life: it was started again
                    outcomes += [Hangup(link.link, Code.LINK_SILENT), *self._forget(link.link, now)]
                    continue
            if link.greeted and self._alive_due_us(link) <= soon_us:
                quiet.append(link)
        if any(self._alive_due_us(link) <= now.mono_us for link in quiet):
            outcomes.append(Send(tuple(link.link for link in quiet), Alive(now.wall_ms)))
            for link in quiet:
                link.spoke_us = link.told_us = now.mono_us
        return outcomes + self._set_alive(now)

    def drain(self) -> list[Outcome]:
        """Say farewell on every link."""
        self.draining = True
        return [Hangup(link, Code.NODE_STOPPING) for link in self.links]

    def check(self) -> None:
        """Assert the invariants of the links that were touched."""
        for link_id in self.peers.touched:
            self._check_link(link_id)

    def check_all(self) -> None:
        """Assert the invariants of every link."""
        for link_id in (*self.links, *(peer.link for peer in self.peers)):
            self._check_link(link_id)

    def _check_link(self, link_id: LinkId) -> None:
        link, peer = self.links.get(link_id), self.peers.by_link.get(link_id)
        if peer is not None:
            assert link is not None and link.peer is peer and link.greeted
            assert self.peers.of(peer.node, peer.life) is peer
        if link is not None and link.greeted:
            assert link.peer is not None
            assert link.peer is peer or self.peers.of(link.peer.node, link.peer.life) is not None
            assert link.done <= link.got <= link.granted_until


def _same(one: Peer, other: Peer) -> bool:
    return (one.node, one.life) == (other.node, other.life)
