"""Who had us write which addresses down, so that nobody can have us forget what others told.

An address is *known* by a node that answered there, or that told it as its own on a link; a node has a few of these. It
is *told* by whoever said that somebody else may be there, as long as nobody knows it. A full book gives up what was told,
never for it what is known: the oldest claim of whoever made the most. So a liar drives out nothing but its own lies.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mesh.types import Address, NodeId

Teller = NodeId | None
"""A peer; None for what was found in the local network."""
KNOWN_MAX = 8
"""Addresses of one node that are kept: who has more, or moves on, gives up that at which it was met the longest ago."""
TELLERS_MAX = 4
"""Of one address; all of them must have told too much before it goes. Others that tell it are not written down."""


@dataclass(slots=True)
class Shares:
    """The same addresses by who knows or told them, and the other way round. Oldest first."""

    known: dict[NodeId, dict[Address, None]] = field(default_factory=dict)
    """The node that was met the longest ago first."""
    known_by: dict[Address, dict[NodeId, None]] = field(default_factory=dict)
    told: dict[Teller, dict[Address, None]] = field(default_factory=dict)
    told_by: dict[Address, dict[Teller, None]] = field(default_factory=dict)

    def tell(self, address: Address, teller: Teller) -> None:
        """Somebody said that an address is another's; what is known needs nobody's word."""
        if address in self.known_by:
            return
        tellers = self.told_by.setdefault(address, {})
        if len(tellers) < TELLERS_MAX and teller not in tellers:
            tellers[teller] = None
            self.told.setdefault(teller, {})[address] = None

    def know(self, address: Address, node: NodeId) -> Address | None:
        """A node answered at an address, or told it as its own; return one that nobody holds any more for it."""
        for teller in list(self.told_by.get(address, ())):
            self.untell(address, teller)
        mine = self.known.pop(node, {})
        mine.pop(address, None)
        mine[address] = None
        self.known[node] = mine
        self.known_by.setdefault(address, {})[node] = None
        oldest = next(iter(mine))
        return oldest if len(mine) > KNOWN_MAX and self.unknow(oldest, node) else None

    def unknow(self, address: Address, node: NodeId) -> bool:
        """A node is looked for elsewhere; return whether nobody holds the address any more."""
        del self.known_by[address][node], self.known[node][address]
        if not self.known[node]:
            del self.known[node]
        if self.known_by[address]:
            return False
        del self.known_by[address]
        return True

    def untell(self, address: Address, teller: Teller) -> bool:
        """Take a claim back; return whether nobody holds the address any more."""
        del self.told_by[address][teller], self.told[teller][address]
        if not self.told[teller]:
            del self.told[teller]
        if self.told_by[address]:
            return False
        del self.told_by[address]
        return True

    def forget(self, address: Address) -> None:
        """An address that others vouch for: nobody has to hold it."""
        for node in list(self.known_by.get(address, ())):
            self.unknow(address, node)
        for teller in list(self.told_by.get(address, ())):
            self.untell(address, teller)

    def greediest(self, teller: Teller) -> Teller:
        """Who has made the most claims, the one asked about if it is among those; there must be some."""
        most = max(map(len, self.told.values()))
        if len(self.told.get(teller, ())) == most:
            return teller
        return next(other for other, claims in self.told.items() if len(claims) == most)

    def check(self) -> None:
        """Assert that both ways say the same, and that what is known is not told."""
        for there, back in ((self.known, self.known_by), (self.told, self.told_by)):
            pairs = {(address, who) for who, addresses in there.items() for address in addresses}
            assert pairs == {(address, who) for address, several in back.items() for who in several}
            assert all(there.values()) and all(back.values())
        assert not self.known_by.keys() & self.told_by.keys()
        assert all(len(addresses) <= KNOWN_MAX for addresses in self.known.values())
        assert all(len(tellers) <= TELLERS_MAX for tellers in self.told_by.values())
