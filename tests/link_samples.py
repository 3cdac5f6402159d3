"""A links engine with its book and peers, and what others say to it: for the tests of links."""

from dataclasses import dataclass

from mesh.certificates import Identity
from mesh.codes import Code
from mesh.effects import (
    Count,
    Hangup,
    LinkUp,
    Outcome,
    Report,
    SetTimer,
)
from mesh.engines.links import AddressBook, AddressConfig, LinkConfig, Links
from mesh.engines.links.core import ALIVE, GREETING, VERSION, hello_statement
from mesh.frames import Hello, IHave
from mesh.peers import Peers
from mesh.rng import Rng
from mesh.types import Address, LinkId
from tests.engine_samples import LIFE, TO_BEN, at, identity, no_timer, set_timer
from tests.samples import SIGNER_OF, SUITE, WALL_MS

ME, BENS, CYS = identity("ana"), identity("ben"), identity("cy", "us")
SECOND = LinkId(22)
BINDING = b"b" * 32
AT_BEN, AT_ME = Address("ben", 1), Address("ana", 1)
CONFIG = LinkConfig()
MY_LIFE = 9
FRAME = IHave(())


@dataclass
class Net:
    """A links engine with its book and peers."""

    links: Links
    book: AddressBook
    peers: Peers


def net(config: LinkConfig = CONFIG, me: Identity = ME) -> Net:
    peers = Peers()
    book = AddressBook(AddressConfig(), peers, Rng(b"book"), AT_ME)
    return Net(Links(config, me, SUITE, peers, book, MY_LIFE, AT_ME), book, peers)


def up(link: LinkId = TO_BEN, dialed: Address | None = None) -> LinkUp:
    return LinkUp(link, BINDING, dialed)


def hello(
    who: Identity = BENS,
    *,
    dialler: bool = True,
    life: int = LIFE,
    address: Address | None = None,
    wall_ms: int = WALL_MS,
) -> Hello:
    """What another node says on this connection."""
    proof = SIGNER_OF[who.node].sign(hello_statement(dialler, who.mesh, who.node, BINDING))
    return Hello(VERSION, who.mesh, who.certificate_raw, life, wall_ms, proof, address)


def mine(*, dialler: bool, ms: float = 0) -> Hello:
    """What Ana says of herself."""
    return hello(ME, dialler=dialler, life=MY_LIFE, address=AT_ME, wall_ms=at(ms).wall_ms)


def alive(ms: float) -> SetTimer:
    return set_timer(ALIVE, ms=ms)


def greeted(config: LinkConfig = CONFIG, who: Identity = BENS, me: Identity = ME) -> Net:
    """A node that somebody dialled and said HELLO to."""
    one = net(config, me)
    one.links.on_link_up(up(), at())
    one.links.on_frame(one.links.links[TO_BEN], hello(who), 0, at())
    one.links.on_hello(TO_BEN, hello(who), at())
    one.links.check()
    one.links.check_all()
    return one


def double(me: Identity = ME) -> Net:
    """A node to which one life of Ben has two links, the second the newer."""
    one = greeted(me=me)
    one.links.on_link_up(up(SECOND, AT_BEN), at())
    one.links.on_frame(one.links.links[SECOND], hello(dialler=False), 0, at())
    one.links.on_hello(SECOND, hello(dialler=False), at())
    one.links.check()
    one.links.check_all()
    return one


def dropped(link: LinkId, code: Code, about: str = "", *, peer: bytes = b"") -> list[Outcome]:
    facts: dict[str, object] = {"link": link, "why": about} if about else {"link": link}
    if peer:
        facts["peer"] = peer.hex()[:16]
    return [
        Hangup(link, code, about),
        Count(f"links_dropped_total/{code}"),
        Report(code, facts),
        no_timer(GREETING, link),
    ]
