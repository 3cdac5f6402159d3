"""The roster: who is a member of the mesh, by certificate.

Certificates flood: all that a node knows go to every peer that comes up, and what is new goes on to the others, before
any batch does (control frames overtake live ones). So whoever is sent a batch knows its node, and a batch of a
stranger is not taken. Certificates are kept on the disk with the next append.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mesh.certificates import Certificate, Identity, verify_certificate
from mesh.codes import Code
from mesh.crypto import Suite
from mesh.effects import Count, Outcome, Report, Send
from mesh.errors import RemoteError
from mesh.frames import Members
from mesh.peers import Peers
from mesh.types import Address, LinkId, NodeId

MEMBERS_MAX = 4_096
"""Certificates kept; a mesh beyond it needs the overlay, which is another release's."""
PAGE_CERTIFICATES = 256


@dataclass(slots=True)
class Roster:
    """Knows members; `learnt` waits for the next append."""

    identity: Identity
    suite: Suite
    peers: Peers
    tells_addresses: bool = True
    """Whether peers are told where others can be dialled."""
    members: dict[NodeId, Certificate] = field(default_factory=dict)
    raw: dict[NodeId, bytes] = field(default_factory=dict)
    learnt: list[bytes] = field(default_factory=list)
    is_blind: bool = False
    """By our clock our own certificate was not valid as we started, nor perhaps those of others; no peer was up since."""
    _known: set[bytes] = field(default_factory=set)
    """The same certificates as in `raw`: each comes again over every link."""

    def __post_init__(self) -> None:
        """Be a member oneself."""
        self._keep(self.identity.certificate, self.identity.certificate_raw)

    def _keep(self, certificate: Certificate, raw: bytes) -> bool:
        """Keep a certificate that is new, or ends later than the one we have; return whether it was kept."""
        known = self.members.get(certificate.node)
        if known is not None and known.not_after_ms >= certificate.not_after_ms:
            return False
        if known is None and len(self.members) >= MEMBERS_MAX:
            return False
        self.members[certificate.node] = certificate
        self._known.discard(self.raw.get(certificate.node, b""))
        self._known.add(raw)
        self.raw[certificate.node] = raw
        self.learnt.append(raw)
        return True

    def recover(self, raws: tuple[bytes, ...], wall_ms: int) -> None:
        """Take in what the store held; certificates that have ended since are left out."""
        for raw in raws:
            self._learn(raw, wall_ms)
        self.is_blind = not self.identity.certificate.is_valid(wall_ms)
        self.learnt = [self.identity.certificate_raw] if self.identity.certificate_raw not in raws else []

    def _learn(self, raw: bytes, wall_ms: int) -> Certificate | None:
        try:
            certificate = verify_certificate(raw, self.identity.genesis, self.suite, wall_ms)
        except RemoteError:
            return None
        return certificate if self._keep(certificate, raw) else None

    def region(self, node: NodeId) -> str:
        """The region of a member; empty for a stranger."""
        certificate = self.members.get(node)
        return certificate.region if certificate else ""

    def everyone_speaks(self) -> bool:
        """Whether every other member is linked and not silent; not where a wrong clock hides who they are."""
        return not self.is_blind and all(self.peers.speaks(node) for node in self.members if node != self.identity.node)

    def on_hello(self, link: LinkId, raw: bytes, wall_ms: int) -> list[Outcome]:
        """A peer showed its certificate, which the links engine has verified."""
        return self._tell_others(link, [raw]) if self._learn(raw, wall_ms) else []

    def on_peer_up(self, link: LinkId) -> list[Outcome]:
        """Tell a peer who there is, and where the peers that we are linked to can be dialled."""
        self.is_blind = False  # it tells whom it knows before it tells what it has
        places: list[tuple[NodeId, Address]] = []
        if self.tells_addresses:
            others = (peer for peer in self.peers if peer.link != link)
            places = [(peer.node, peer.address) for peer in others if peer.address is not None]
        raws = [raw for _, raw in sorted(self.raw.items())]
        pages = [raws[i : i + PAGE_CERTIFICATES] for i in range(0, len(raws), PAGE_CERTIFICATES)]
        outcomes: list[Outcome] = [
            Send((link,), Members(tuple(page), tuple(places) if i == 0 else ())) for i, page in enumerate(pages)
        ]
        peer = self.peers.get(link)
        if self.tells_addresses and peer is not None and peer.address is not None:
            outcomes += self._send_others(link, Members((), ((peer.node, peer.address),)))
        return outcomes

    def on_members(self, link: LinkId, frame: Members, wall_ms: int) -> list[Outcome]:
        """Learn members from a peer; what is new goes on to the others. Addresses are for the address book."""
        new: list[bytes] = []
        refused = 0
        for raw in frame.certificates:
            if raw in self._known:
                continue
            if self._learn(raw, wall_ms) is not None:
                new.append(raw)
            else:
                refused += 1
        outcomes: list[Outcome] = []
        if refused:
            outcomes += [
                Count("certificates_refused_total", refused),
                Report(Code.CERTIFICATE_INVALID, {"link": link, "certificates": refused}),
            ]
        return outcomes + (self._tell_others(link, new) if new else [])

    def _tell_others(self, link: LinkId, raws: list[bytes]) -> list[Outcome]:
        return self._send_others(link, Members(tuple(raws)))

    def _send_others(self, link: LinkId, frame: Members) -> list[Outcome]:
        others = tuple(peer.link for peer in self.peers if peer.link != link)
        return [Send(others, frame)] if others else []

    def take_learnt(self) -> tuple[bytes, ...]:
        """What the next append has to keep."""
        learnt, self.learnt = tuple(self.learnt), []
        return learnt

    def check(self) -> None:
        """Assert that both tables have as many members."""
        assert len(self.members) == len(self.raw) == len(self._known)

    def check_all(self) -> None:
        """Assert that both tables name the same members."""
        assert self.members.keys() == self.raw.keys()
        assert self._known == set(self.raw.values())
