"""A node of Ana's with a host that a test plays: for the tests of the node."""

from dataclasses import dataclass, field

from mesh import effects as e
from mesh import frames as f
from mesh import operations as o
from mesh.config import NodeConfig, sim
from mesh.effects import Append, Effect, Send
from mesh.engines.links.core import VERSION, hello_statement
from mesh.node import Node
from mesh.operations import Attach
from mesh.types import Address, LinkId, LogId, SessionId
from tests.engine_samples import TO_BEN, at, identity
from tests.samples import BEN, SIGNER_OF, SUITE, WALL_MS, Writer

ME, BENS, CYS = identity("ana"), identity("ben"), identity("cy", "us")
SEAT = SessionId(1)
SEED = Address("seed", 1)
BINDING = b"b" * 32
CREDIT = 4 << 20
HELLO_MS = 10


@dataclass
class Host:
    """A node, and what it was given of the world."""

    node: Node
    ms: float = 0
    appends: list[Append] = field(default_factory=list)

    def tick(self, *events: e.Event, ms: float | None = None, wall_ms: int | None = None) -> list[Effect]:
        self.ms = self.ms if ms is None else ms
        effects = self.node.tick(list(events), at(self.ms, wall_ms))
        self.appends += [one for one in effects if isinstance(one, Append)]
        self.node.check()
        self.node.check_all()
        return effects

    def stored(self) -> list[Effect]:
        """The disk answers the append that waits longest."""
        return self.tick(e.Stored(self.appends.pop(0).append))

    def attach(self, seat: SessionId = SEAT, client: str = "me") -> None:
        self.tick(e.SessionOpened(seat), e.Requested(seat, Attach(client, 7)))

    def say(self, *operations: o.ClientOperation, seat: SessionId = SEAT) -> list[Effect]:
        return self.tick(*(e.Requested(seat, operation) for operation in operations))

    def frame(self, *frames: f.Frame, link: LinkId = TO_BEN) -> list[Effect]:
        return self.tick(*(e.FrameReceived(link, frame, 50) for frame in frames))


def started(config: NodeConfig | None = None, recovered: e.Recovered | None = None) -> Host:
    """A node of Ana's that has begun, and whose certificate is stored."""
    host = Host(Node(config or sim(), ME, SUITE))
    host.tick(e.Started(recovered or e.Recovered(), b"e" * 32))
    host.stored()
    return host


def hello(who: str = "ben", life: int = 5) -> f.Hello:
    one = {"ben": BENS, "cy": CYS, "ana": ME}[who]
    proof = SIGNER_OF[one.node].sign(hello_statement(True, one.mesh, one.node, BINDING))  # noqa: FBT003
    return f.Hello(VERSION, one.mesh, one.certificate_raw, life, WALL_MS, proof)


def linked(config: NodeConfig | None = None) -> Host:
    """A node to which Ben has a link with credit, and that has stored his certificate."""
    host = started(config)
    host.tick(e.LinkUp(TO_BEN, BINDING, None))
    host.frame(hello())
    host.frame(f.Credit(CREDIT), f.Members((BENS.certificate_raw,)))
    host.stored()
    host.frame(f.RepairEqual(1))
    return host


def ben(**fields: object) -> Writer:
    return Writer(BEN, mesh=BENS.mesh, **fields)  # type: ignore[arg-type]


def sent(frame: f.Frame, lane: f.Lane = f.Lane.CONTROL, link: LinkId = TO_BEN) -> Send:
    return Send((link,), frame, lane)


def about(log: LogId, **rest: object) -> dict[str, object]:
    return {"node": log.node.hex()[:16], "epoch": log.epoch, **rest}
