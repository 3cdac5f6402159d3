"""Peers: the links on which somebody is known, and what each may be sent.

The links engine writes this table; the others read it, and spend credit as they send batches. A peer that may not be
sent live batches, for want of credit or because it was silent, is *behind*: it gets announcements, and a repair when
it is back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from mesh.types import Address, LinkId, NodeId

NOBODY: Mapping[int, Peer] = {}


@dataclass(slots=True)
class Peer:
    """A link on which HELLO has been said both ways. Bytes are running totals over the link's life."""

    link: LinkId
    node: NodeId
    life: int
    region: str
    near: bool
    """Whether it is in our own region."""
    address: Address | None = None
    credit_until: int = 0
    """We may send batches until we have sent so many bytes."""
    sent: int = 0
    starved: bool = False
    """A live batch was not sent for want of credit."""
    silent: bool = False
    reserve: int = 0
    """Credit that answers to repair leave for what is new."""

    @property
    def behind(self) -> bool:
        """Whether it gets no live batches for now."""
        return self.starved or self.silent

    def can_take(self, size: int) -> bool:
        """Whether its credit holds a batch of this size."""
        return self.sent + size <= self.credit_until

    def can_take_old(self, size: int) -> bool:
        """Whether its credit holds a batch of this size, and the reserve besides."""
        return self.can_take(size + self.reserve)

    def spend(self, size: int) -> bool:
        """Spend credit on a batch; False, and nothing spent, where there is not enough."""
        if not self.can_take(size):
            return False
        self.sent += size
        return True


class Peers:
    """The links that are written to: at most one for each life of a node. Iterates in the order of their coming up."""

    __slots__ = ("_nodes", "by_link", "touched")

    def __init__(self) -> None:
        """Start alone."""
        self.by_link: dict[LinkId, Peer] = {}
        """Read only: a look-up at each frame costs no call."""
        self._nodes: dict[NodeId, dict[int, Peer]] = {}
        """The same by node and life: who asks for one node looks at no other."""
        self.touched: set[LinkId] = set()
        """Links of which something changed in this tick, for `check`; the node clears it as the next begins."""

    def add(self, peer: Peer) -> None:
        """Begin to write to a link, and to no other of this life of its node."""
        self.by_link[peer.link] = self._nodes.setdefault(peer.node, {})[peer.life] = peer
        self.touched.add(peer.link)

    def remove(self, link: LinkId) -> Peer | None:
        """Stop writing to a link."""
        peer = self.by_link.pop(link, None)
        if peer is not None:
            lives = self._nodes[peer.node]
            del lives[peer.life]
            if not lives:
                del self._nodes[peer.node]
            self.touched.add(link)
        return peer

    def get(self, link: LinkId) -> Peer | None:
        """The peer of a link, if it is written to."""
        return self.by_link.get(link)

    def of(self, node: NodeId, life: int) -> Peer | None:
        """The link to this life of a node, if there is one."""
        return self._nodes.get(node, NOBODY).get(life)

    def lives_of(self, node: NodeId) -> Collection[Peer]:
        """The links to all lives of a node."""
        return self._nodes.get(node, NOBODY).values()

    def linked(self, node: NodeId) -> bool:
        """Whether any life of a node is linked."""
        return node in self._nodes

    def speaks(self, node: NodeId) -> bool:
        """Whether any life of a node is linked and not silent."""
        for peer in self._nodes.get(node, NOBODY).values():  # noqa: SIM110  # without a generator, for each announcement
            if not peer.silent:
                return True
        return False

    def links(self) -> list[LinkId]:
        """All links, in the order of their coming up."""
        return list(self.by_link)

    def __iter__(self) -> Iterator[Peer]:
        return iter(list(self.by_link.values()))

    def __len__(self) -> int:
        return len(self.by_link)

    def __contains__(self, link: LinkId) -> bool:
        return link in self.by_link
