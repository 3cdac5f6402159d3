"""Events, effects and timers: the whole boundary of a node.

A host passes events to `Node.tick` and performs the effects that come back, in order, none waiting for another. A tick
returns at most one `Append`; `Stored` or `StoreFailed` answers it, in order, and after a failure the host fails all
behind it. Time is `Now`. Add to this file with care, for every host must learn what is added.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, NamedTuple, final

from mesh.frames import Frame, Lane
from mesh.log.batch import Batch
from mesh.log.log import Run
from mesh.log.names import NameRun
from mesh.log.record import Record
from mesh.operations import ClientOperation, NodeOperation
from mesh.types import Address, LinkId, LogId, NodeId, SessionId, value

# --- what crosses to the disk and back -------------------------------------------------------------------------------


@value
class LogMarks:
    """What a store holds of a log: all its runs, its newest stamp and its latest expiry."""

    log: LogId
    runs: tuple[Run, ...]
    stamp: int
    expires_ms: int


@value
class Marks:
    """What an append writes beside its batches, in the same transaction.

    The intervals of their logs change in it, too: the store adds the batches to them itself, for only it knows at that
    moment which rows it has (a damaged one may just have been dropped).
    """

    names: tuple[NameRun, ...] = ()
    channels: tuple[tuple[str, LogId, int], ...] = ()
    """One row for each distinct channel of each batch: channel, log, the batch's first position."""
    members: tuple[bytes, ...] = ()
    """Certificates that were learnt."""
    strip_before_ms: int = 0
    """Bodies of batches whose latest expiry is at or before this are dropped; 0 drops none."""
    forget_logs: tuple[LogId, ...] = ()
    """Logs that are wholly expired and vanish, with all their rows."""


@value
class Recovered:
    """What a store held when it was opened, checked: intervals equal to those derived from the rows."""

    logs: tuple[LogMarks, ...] = ()
    names: tuple[NameRun, ...] = ()
    members: tuple[bytes, ...] = ()
    corrupt: tuple[tuple[LogId, int, int], ...] = ()
    """Ranges whose rows failed their check and were deleted: they are wanted again."""
    clean: bool = False


@value
class Ranges:
    """Batches of a log that overlap any of these ranges, ascending."""

    log: LogId
    ranges: tuple[tuple[int, int], ...]


@value
class OfChannels:
    """Batches of a log, within the positions `after+1..through`, that hold a channel matching any of the patterns.

    Ascending, or descending if `backwards`. Where all patterns are plain channels the channel index answers; a
    store may give batches that do not match, never leave out one that does.
    """

    patterns: tuple[str, ...]
    log: LogId
    after: int
    through: int
    backwards: bool = False


@value
class Since:
    """For every log, the first position of the first batch whose last stamp is at or after this wall clock."""

    wall_ms: int


@value
class OfNames:
    """Batches that hold any of a publisher's sequences `first..last` (all copies)."""

    publisher: str
    incarnation: int
    first: int
    last: int


Query = Ranges | OfChannels | Since | OfNames

# --- timers ----------------------------------------------------------------------------------------------------------


class Timer(NamedTuple):
    """A named value: setting one again replaces it. `kind` says whose it is, `key` tells several apart."""

    kind: str
    key: tuple[Any, ...] = ()


# --- events ----------------------------------------------------------------------------------------------------------


@value
class Started:
    """The first event of a life: what the store held, 32 random bytes, and the free space of the disk."""

    recovered: Recovered
    entropy: bytes
    free_bytes: int = 1 << 40


@value
class LinkUp:
    """A connection stands; nobody is known on it yet. `binding` is equal at both ends and at no relay between."""

    link: LinkId
    binding: bytes
    dialed: Address | None


@value
class LinkDown:
    """A connection is gone."""

    link: LinkId
    why: str


@value
class DialFailed:
    """A `Dial` came to nothing. Each `Dial` ends in one `LinkUp` or one of these."""

    address: Address
    why: str


@value
class FrameReceived:
    """A frame came, decoded; `size` is its length on the wire in bytes."""

    link: LinkId
    frame: Frame
    size: int = 0


@value
class LinkBroken:
    """What came on a link could not be decoded, or exceeded a limit of the host (`code`). The node hangs up."""

    link: LinkId
    code: str
    about: str


@final
@value
class Stored:
    """An append is durable."""

    append: int
    free_bytes: int = 1 << 40


@value
class StoreFailed:
    """An append was not made, and left nothing behind; so with all that were pending after it."""

    append: int
    why: str
    free_bytes: int = 0


@value
class DiskSpace:
    """The free space of the disk, told every second while it is under the reserve."""

    free_bytes: int


@value
class Loaded:
    """Answers `Load`. `complete` is False where `bytes_max` cut the answer short (at least one batch is given).

    `corrupt` names ranges whose rows failed their check and were deleted; `positions` answers `Since`.
    """

    request: int
    batches: tuple[Batch, ...] = ()
    corrupt: tuple[tuple[LogId, int, int], ...] = ()
    complete: bool = True
    positions: tuple[tuple[LogId, int], ...] = ()


@value
class RowsCorrupt:
    """A background check found rows that fail their check, and deleted them: they are wanted again."""

    ranges: tuple[tuple[LogId, int, int], ...]


@value
class SessionOpened:
    """A client's connection stands; `client_at` says where it comes from, for reports."""

    session: SessionId
    client_at: str = ""


@value
class Requested:
    """A client's operation came, decoded."""

    session: SessionId
    operation: ClientOperation


@value
class SessionClosed:
    """A client's connection is gone."""

    session: SessionId


@value
class AddressFound:
    """A peer may be at this address; `node` is None where only the address is known. `source`: seed, mdns, cli."""

    node: NodeId | None
    address: Address
    source: str


@final
@value
class Wakeup:
    """The deadline has come."""


@value
class Draining:
    """The node is asked to stop: finish what is pending, at the latest by `until_us` (monotonic)."""

    until_us: int


Event = (
    Started
    | LinkUp
    | LinkDown
    | DialFailed
    | FrameReceived
    | LinkBroken
    | Stored
    | StoreFailed
    | DiskSpace
    | Loaded
    | RowsCorrupt
    | SessionOpened
    | Requested
    | SessionClosed
    | AddressFound
    | Wakeup
    | Draining
)

# --- effects ---------------------------------------------------------------------------------------------------------


@value
class Dial:
    """Open a connection to this address; answered by `LinkUp` or `DialFailed`."""

    address: Address


@value
class Hangup:
    """Close a link, telling the peer the code. `LinkDown` follows from the host like any other."""

    link: LinkId
    code: str
    about: str = ""


@final
@value
class Send:
    """Send a frame on every one of these links, encoded once. May be lost with the link."""

    links: tuple[LinkId, ...]
    frame: Frame
    lane: Lane = Lane.CONTROL


@value
class Append:
    """Make these batches and marks durable, all in one transaction. `append` counts up by one."""

    append: int
    batches: tuple[Batch, ...]
    marks: Marks


@value
class Load:
    """Read from the store, about `bytes_max` at most; answered by `Loaded`."""

    request: int
    query: Query
    bytes_max: int


@value
class Tell:
    """Tell every one of these sessions the same operation, encoded once per subprotocol."""

    sessions: tuple[SessionId, ...]
    operation: NodeOperation


@value
class Count:
    """A metric rises (counters) or is set (`gauge`)."""

    metric: str
    by: int = 1
    gauge: bool = False


@value
class Report:
    """Something that a person should know: a code of the registry and the facts."""

    code: str
    about: Mapping[str, object] = field(default_factory=dict)


@value
class Drained:
    """Nothing is pending: the host writes the clean mark and ends."""


Effect = Dial | Hangup | Send | Append | Load | Tell | Count | Report | Drained

# --- inside the node: what engines say to the node that composes them; no host ever sees these -----------------------


@final
@value
class SetTimer:
    """Wake this timer's engine at `at_us` (monotonic); setting it again replaces it, None takes it away."""

    timer: Timer
    at_us: int | None


@value
class PeerUp:
    """A peer is known on a link, which is written to from now on."""

    link: LinkId


@value
class PeerDown:
    """A link is not written to any more: it is gone, or a newer one to the same peer stands."""

    link: LinkId


@value
class PeerSilent:
    """Nothing came from a peer for a while: what it was asked for is asked of others."""

    link: LinkId


@value
class PeerBack:
    """A peer that was behind can be sent live batches again, or lost a second link; what it missed needs a repair.

    Of a second link, what either end had asked on it, or answered, is lost (`anew`).
    """

    link: LinkId
    anew: bool = False


@value
class CreditCame:
    """A peer granted more."""

    link: LinkId


@value
class Served:
    """All that a peer has asked for has left, and something was to follow it."""

    link: LinkId


@value
class RepairDue:
    """Something is missing that pushing and grafting did not bring."""


@value
class Placed:
    """The publishes `first..last` of a session stand in a log, at positions of at most `from_position..to_position`.

    Their publisher wants them on `copies` nodes in `regions` regions.
    """

    session: SessionId
    first: int
    last: int
    log: LogId
    from_position: int
    to_position: int
    copies: int
    regions: int


@value
class ForkFound:
    """A log has two histories, which agree through `end` at most."""

    log: LogId
    end: int


@value
class Rescued:
    """Messages of ours that stand where a log of ours has two histories: they have to be sealed anew, as they are."""

    records: tuple[Record, ...]


Fact = (
    ForkFound
    | Rescued
    | Placed
    | SetTimer
    | PeerUp
    | PeerDown
    | PeerSilent
    | PeerBack
    | CreditCame
    | Served
    | RepairDue
)
Outcome = Effect | Fact
"""What an engine returns: effects for the host, facts for its siblings, in order."""
