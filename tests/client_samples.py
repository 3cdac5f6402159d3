"""A client's machine that is attached or subscribed, and what it is told: for the tests of the machine."""

from mesh.client import Client, ClientConfig
from mesh.client import effects as fx
from mesh.clocks.vector import VersionVector
from mesh.log.record import Record
from mesh.operations import (
    Attached,
    Messages,
    SlowPolicy,
    Subscribe,
    Subscribed,
)
from mesh.rng import Rng
from mesh.types import LogId
from tests.samples import ANA, BEN

LOG, OTHER = LogId(ANA, 1), LogId(BEN, 1)
G1, G2 = "ws://one", "ws://two"
CONFIG = ClientConfig(credit_messages=8, credit_bytes=800)
HELLO = Attached(ANA, "eu", "1")


def client(*gateways: str, config: ClientConfig = CONFIG) -> Client:
    return Client(config, "me", 7, list(gateways) or [G1, G2], Rng(b"seed"))


def attached(*gateways: str, config: ClientConfig = CONFIG) -> Client:
    me = client(*gateways, config=config)
    me.start(0)
    me.on_connected(0)
    me.on_operation(HELLO, 0)
    me.check_all()
    return me


def subscribed(cursor: VersionVector | None = None, config: ClientConfig = CONFIG) -> Client:
    """Attached, with subscription 1 standing."""
    me = attached(config=config)
    me.subscribe(("#",))
    me.on_operation(Subscribed(1, cursor or VersionVector()), 0)
    return me


def reattach(me: Client, now_us: int = 0) -> list[fx.ClientEffect]:
    me.on_disconnected("cut", now_us)
    me.on_connected(now_us)
    return me.on_operation(HELLO, now_us)


def messages(first: int, last: int, *records: Record, at: tuple[int, ...] = (), late: tuple[int, ...] = ()) -> Messages:
    positions = at or tuple(range(first, first + len(records)))
    return Messages(1, LOG, first, last, positions, records, late)


def delivered(first: int, position: int, one: Record, *, late: bool = False, log: LogId = LOG) -> fx.Delivered:
    return fx.Delivered(1, log, first, position, one, late)


def first_subscribe(me: Client, cursor: VersionVector | None = None, since_ms: int | None = None) -> fx.Transmit:
    credit = me.config.credit_messages, me.config.credit_bytes
    return fx.Transmit(Subscribe(1, ("#",), cursor, since_ms, SlowPolicy.ALL, *credit))
