"""Address books for tests."""

from dataclasses import dataclass, field

from mesh.effects import Outcome, SetTimer, Timer
from mesh.engines.links import AddressBook, AddressConfig
from mesh.engines.links.addresses import DIAL
from mesh.peers import Peer
from mesh.rng import Rng
from mesh.types import Address
from tests.engine_samples import at, table

ME, ONE, TWO, THREE = (Address(name, 7421) for name in ("me", "one", "two", "three"))


@dataclass
class Book:
    """An address book, and a twin of its random numbers."""

    book: AddressBook
    rng: Rng = field(default_factory=lambda: Rng(b"book"))

    def waits(self, ceiling_ms: int, ms: float = 0) -> Outcome:
        """The next dial, drawn from nothing to a ceiling."""
        return SetTimer(Timer(DIAL), at(ms).mono_us + self.rng.between(1, ceiling_ms * 1_000))


def book(*peers: Peer, **fields: int) -> Book:
    return Book(AddressBook(AddressConfig(**fields), table(*peers), Rng(b"book"), ME))


def dialing(*peers: Peer, **fields: int) -> Book:
    """A book that dials one seed."""
    one = book(*peers, **fields)
    one.book.on_found(None, ONE, "seed", at())
    one.book.on_timer(at())
    return one
