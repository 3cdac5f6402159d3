"""Every frame that nodes send one another: read this file first.

A link carries frames in three lanes, control before live before backfill. On the wire a frame is an array by position,
its number first: missing trailing elements take their default, surplus ones are ignored, unknown frames are counted
and skipped (`mesh.wire.frames`). Nothing but `Hello` is accepted before HELLO.

    dialler                          acceptor
      Hello  ------------------------>            who I am, bound to this very connection
             <------------------------  Hello
      Members, Credit, RepairHello <-> the same   who else there is; how much may come; what differs
      Push   ------------------------>            a sealed batch, while it is being fsynced
             <------------------------  Stored    fsynced here through this position
"""

from __future__ import annotations

from enum import IntEnum
from typing import final

from mesh.log.batch import Batch
from mesh.types import Address, LogId, NodeId, value


class Lane(IntEnum):
    """The order in which what waits on a link is sent."""

    CONTROL = 0
    LIVE = 1
    BACKFILL = 2


@value
class Hello:
    """Proves who speaks: a certificate of membership, and the node key's signature over this connection's binding."""

    version: int
    mesh: bytes
    certificate: bytes
    life: int
    """The first epoch of the sender's process: two lives of one node differ in it."""
    wall_ms: int
    proof: bytes
    address: Address | None = None
    """Where the sender can be dialled; None if it cannot."""


@value
class Alive:
    """Says that the sender lives, and what its clock shows: where it has sent nothing for a second, and every ten seconds."""

    wall_ms: int


@value
class Credit:
    """Lets the receiver send batches until it has sent `until_bytes` in all on this link (a running total)."""

    until_bytes: int


@value
class Members:
    """Makes members known: their certificates, and where they can be dialled."""

    certificates: tuple[bytes, ...]
    addresses: tuple[tuple[NodeId, Address], ...] = ()


@final
@value
class Push:
    """A batch that was just sealed, was grafted, or is wanted by a repair: live if it is new, else backfill."""

    batch: Batch


@final
@value
class IHave:
    """Announces batches that the sender received, as ranges of positions: graft what is still missing soon."""

    ranges: tuple[tuple[LogId, int, int], ...]


@final
@value
class Graft:
    """Asks for announced batches that never came. Always answered: by `Push`, and `NotFound` for the rest.

    Only not if a newer link stands beside this one: it is asked again there.
    """

    ranges: tuple[tuple[LogId, int, int], ...]


@value
class NotFound:
    """Answers `Graft` or `Want` where the sender has nothing: ask another."""

    ranges: tuple[tuple[LogId, int, int], ...]


@final
@value
class Stored:
    """Receipts: `node` in `region` has fsynced these positions: all that it has of each log named. Merged by union."""

    node: NodeId
    region: str
    ranges: tuple[tuple[LogId, int, int], ...]


@value
class RepairHello:
    """Asks whether both have stored the same. `session` counts up per link; the answer names it."""

    session: int
    digest: int


@value
class RepairEqual:
    """Answers `RepairHello`: the digests agree."""

    session: int


@value
class LogState:
    """What the sender has stored of a log: its runs, each with the name of its last batch (empty: a damaged row took it)."""

    log: LogId
    stamp: int
    runs: tuple[tuple[int, int, bytes], ...]


@value
class Vector:
    """A page of the sender's stored version vector: want what you miss.

    Logs that did not change since the last vector on this link are left out; `more` says that another page follows;
    `answer` asks for the peer's own. Travels in the live lane, behind what was pushed before; if older batches are owed to the
    peer or under way, a last page without logs follows behind them.
    """

    session: int
    logs: tuple[LogState, ...]
    more: bool = False
    answer: bool = False


@value
class Want:
    """Asks for batches. Always answered, as a `Graft` is: by `Push` as credit allows, `NotFound`, or `Busy`."""

    ranges: tuple[tuple[LogId, int, int], ...]


@value
class Busy:
    """Refuses a `Want` for now: too many stand already."""

    ranges: tuple[tuple[LogId, int, int], ...]
    retry_ms: int = 1000


@value
class Forked:
    """Proves that a log has two histories: two batches that its node signed and that cannot both stand, without bodies."""

    one: Batch
    other: Batch


Frame = (
    Hello
    | Alive
    | Credit
    | Members
    | Push
    | IHave
    | Graft
    | NotFound
    | Stored
    | RepairHello
    | RepairEqual
    | Vector
    | Want
    | Busy
    | Forked
)
