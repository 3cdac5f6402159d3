"""The one registry of coded errors: what a person is told, and what they can do.

`gossamer explain CODE` and the page `docs/reference/errors.md` are made from it. 1xxx is this machine and its
configuration, 2xxx what a client asked for, 3xxx what a peer did on a link, 4xxx what was found in logs and clocks,
5xxx what a client's own side ran into, 6xxx what the simulator was given. A code keeps its meaning for ever; one that
is retired is not given again.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Code(StrEnum):
    """Every code there is."""

    CONFIG_UNREADABLE = "GSM-1001"
    CONFIG_UNKNOWN_KEY = "GSM-1002"
    CONFIG_INVALID = "GSM-1003"
    PORT_TAKEN = "GSM-1101"
    NO_IPV6 = "GSM-1102"
    NO_MULTICAST = "GSM-1103"
    CLOCK_UNSET = "GSM-1104"
    KEY_CORRUPT = "GSM-1201"
    STORE_UNREADABLE = "GSM-1202"
    SYNC_FAILED = "GSM-1203"
    DISK_FULL = "GSM-1204"
    DATA_IN_USE = "GSM-1205"
    STORE_NEWER = "GSM-1206"
    STORE_FOREIGN = "GSM-1207"
    TICKET_INVALID = "GSM-1301"

    OPERATION_MALFORMED = "GSM-2101"
    OPERATION_UNKNOWN = "GSM-2102"
    CHANNEL_INVALID = "GSM-2103"
    RECORD_TOO_LARGE = "GSM-2104"
    PATTERN_INVALID = "GSM-2105"
    NOT_ATTACHED = "GSM-2106"
    SUBPROTOCOL_WRONG = "GSM-2107"
    FIELD_INVALID = "GSM-2108"
    SUBSCRIPTIONS_TOO_MANY = "GSM-2109"
    OVERLOADED = "GSM-2110"
    DISK_RESERVED = "GSM-2111"
    OUTCOME_UNKNOWN = "GSM-2112"
    DRAINING = "GSM-2113"
    SESSIONS_TOO_MANY = "GSM-2114"
    READER_TOO_SLOW = "GSM-2115"
    ORDER_WAITS = "GSM-2116"
    RECEIPTS_DROPPED = "GSM-2117"
    LEVEL_OUTLIVED = "GSM-2118"

    FRAME_UNDECODABLE = "GSM-3101"
    BATCH_INVALID = "GSM-3102"
    MESH_WRONG = "GSM-3103"
    HELLO_FORGED = "GSM-3104"
    HELLO_MISSING = "GSM-3105"
    CERTIFICATE_INVALID = "GSM-3106"
    CREDIT_EXCEEDED = "GSM-3107"
    FRAME_TOO_LARGE = "GSM-3108"
    VERSION_UNKNOWN = "GSM-3109"
    GREETING_LATE = "GSM-3110"
    LINK_SUPERSEDED = "GSM-3111"
    IDENTITY_TWICE = "GSM-3112"
    CONTROL_FLOOD = "GSM-3113"
    LINKS_TOO_MANY = "GSM-3114"
    NODE_STOPPING = "GSM-3115"
    LINK_SILENT = "GSM-3116"

    LOG_FORKED = "GSM-4101"
    ROWS_CORRUPT = "GSM-4102"
    CLOCK_DOUBTED = "GSM-4103"
    STAMP_AHEAD = "GSM-4104"
    NAMES_CONFLICT = "GSM-4105"
    APPEND_FAILED = "GSM-4106"
    REPAIR_STALLED = "GSM-4107"

    GATEWAY_UNREACHABLE = "GSM-5101"
    WAIT_TIMED_OUT = "GSM-5102"
    OUTBOX_FULL = "GSM-5103"
    CLIENT_CLOSED = "GSM-5104"
    GAP_IN_RAW = "GSM-5105"
    LINE_TOO_LONG = "GSM-5106"
    ONCE_AT_RISK = "GSM-5107"

    JOURNAL_INVALID = "GSM-6101"
    JOURNAL_FOREIGN = "GSM-6102"
    OUTPUT_UNWRITABLE = "GSM-6103"
    SEED_TWO_WAYS = "GSM-6104"
    TAPE_INVALID = "GSM-6105"
    TAPE_FOREIGN = "GSM-6106"


class Explanation(NamedTuple):
    """What a code means: a short title, why it happens, what to do."""

    title: str
    cause: str
    remedy: str


_TABLE: dict[Code, tuple[str, str, str]] = {
    Code.CONFIG_UNREADABLE: (
        "the configuration cannot be read",
        "The file is missing, may not be read, or is no TOML.",
        "Check the path and its permissions; `gossamer config check` names the line.",
    ),
    Code.CONFIG_UNKNOWN_KEY: (
        "the configuration has an unknown key",
        "A key, a flag's twin or a GOSSAMER_ variable is not one that Gossamer knows; nothing is ignored silently.",
        "Use the suggested name, or see them all with `gossamer config schema`.",
    ),
    Code.CONFIG_INVALID: (
        "a setting makes no sense",
        "A value has the wrong type, or lies outside what is possible.",
        "Correct the value; `gossamer config schema` lists what each key takes.",
    ),
    Code.PORT_TAKEN: (
        "the port is taken",
        "Another process listens on this address.",
        "Stop it, or choose another port (0 lets the system choose).",
    ),
    Code.NO_IPV6: (
        "this machine has no IPv6",
        "The address asked for is an IPv6 address and the system has none.",
        "Listen on an IPv4 address such as 0.0.0.0.",
    ),
    Code.NO_MULTICAST: (
        "there is no multicast",
        "mDNS could not use any interface, so nodes on the LAN are not found by themselves.",
        "Name a seed address with --seed; seeds alone suffice. `--no-mdns` silences this.",
    ),
    Code.CLOCK_UNSET: (
        "the clock is not set",
        "The wall clock shows a year before 2020, and would date messages wrongly.",
        "Set the clock (NTP), then start the node.",
    ),
    Code.KEY_CORRUPT: (
        "a key file is not usable",
        "The file is damaged, incomplete, or others may read it. A key is never replaced: the node would be another.",
        "Restore it from a backup and `chmod 600` it; or use a new data directory and join as a new node.",
    ),
    Code.STORE_UNREADABLE: (
        "the store cannot be opened",
        "The file is no database, or its first page is damaged; or its folder cannot be written to.",
        "Check the path and its permissions. If it is damaged, move it away: the node fetches what others hold.",
    ),
    Code.SYNC_FAILED: (
        "the disk failed to make data durable",
        "An fsync failed. What the system says afterwards about that data cannot be believed, so the process ends.",
        "Check the disk; then start the node again. Nothing that was acknowledged depends on that append.",
    ),
    Code.DISK_FULL: (
        "the disk is full",
        "An append found no space. Publishes are refused; reading and repair outwards go on.",
        "Make space. The node accepts publishes again by itself.",
    ),
    Code.DATA_IN_USE: (
        "the data directory is in use",
        "Another process has locked it. Two processes on one store would each believe that they own it.",
        "Stop the other process, or choose another directory with --data.",
    ),
    Code.STORE_NEWER: (
        "the store is of a newer format",
        "It was written by a later version of Gossamer.",
        "Run that version, or move the store away and fetch everything anew.",
    ),
    Code.STORE_FOREIGN: (
        "the store belongs to another mesh",
        "The data directory holds messages of a mesh that this configuration does not name.",
        "Use the right directory or the right ticket.",
    ),
    Code.TICKET_INVALID: (
        "the ticket cannot be used",
        "It is damaged or expired, or does not allow this region.",
        "Ask for a new one: `gossamer mesh invite`.",
    ),
    Code.OPERATION_MALFORMED: (
        "an operation does not decode",
        "The message is no MessagePack or JSON, or a field has another type than the protocol says.",
        "Compare it with docs/reference/protocol.md; the session goes on.",
    ),
    Code.OPERATION_UNKNOWN: (
        "an unknown operation",
        "The node does not know this operation: a misspelling, or a client newer than the node.",
        "Check its name or number; the session goes on.",
    ),
    Code.CHANNEL_INVALID: (
        "an invalid channel",
        "Channels have 1 to 16 levels, none empty, of 255 bytes in all; no control characters, + or #, no first $.",
        "Correct the name.",
    ),
    Code.RECORD_TOO_LARGE: (
        "a message is too large",
        "With channel and headers a message may take 1 MiB.",
        "Split it; `gossamer pub --chunk` does so for files.",
    ),
    Code.PATTERN_INVALID: (
        "an invalid pattern",
        "Patterns are channels in which `+` stands for one level and a last `#` for the rest.",
        "Correct the pattern; quote it in a shell.",
    ),
    Code.NOT_ATTACHED: (
        "the session is not attached",
        "The first operation of a session is `attach`, once.",
        "Attach first.",
    ),
    Code.SUBPROTOCOL_WRONG: (
        "a wrong WebSocket subprotocol",
        "The gateway speaks gossamer.v1.msgpack and gossamer.v1.json.",
        "Name one of them when connecting.",
    ),
    Code.FIELD_INVALID: (
        "a field is out of range",
        "A number, time to live, header or cursor lies outside its limits.",
        "The text says which and what is allowed.",
    ),
    Code.SUBSCRIPTIONS_TOO_MANY: (
        "too many subscriptions",
        "A session has a limited number of subscriptions, each with its own number, and of patterns in them; so has a node.",
        "Use wildcards, or another session, or another node.",
    ),
    Code.OVERLOADED: (
        "slow down",
        "More publishes wait for the disk than the node keeps in memory.",
        "Send again after the time given; every SDK does so by itself.",
    ),
    Code.DISK_RESERVED: (
        "publishes are refused: no disk space",
        "The disk is full or under its reserve, or the last append failed. Nothing was accepted.",
        "Make space on the node's disk, or publish at another node: the same name makes that safe.",
    ),
    Code.OUTCOME_UNKNOWN: (
        "the outcome is unknown: retry",
        "The publish was sealed but could not be written here; a peer may have it.",
        "Publish again under the same name, here or elsewhere: it stays one message.",
    ),
    Code.DRAINING: (
        "the node is stopping",
        "It finishes what it has accepted and takes nothing new.",
        "Attach to another node; every SDK does so by itself.",
    ),
    Code.SESSIONS_TOO_MANY: (
        "too many sessions",
        "The node has as many clients as it is allowed.",
        "Attach to another node, or raise `gateway.sessions_max`.",
    ),
    Code.READER_TOO_SLOW: (
        "the subscriber was too slow",
        "Its policy is `disconnect` and it fell too far behind.",
        "Attach again with the cursor, or choose another policy.",
    ),
    Code.ORDER_WAITS: (
        "an earlier publish was refused",
        "A publish before this one was refused for now; taking this one would change their order.",
        "Send the earlier one again first; every SDK does so by itself.",
    ),
    Code.RECEIPTS_DROPPED: (
        "receipts were given up: ask for them again",
        "So many publishes waited here for a higher level that the node gave up following the oldest. They stay published.",
        "Publish again, under the same names, those that wait and live; SDKs do so. Or raise `receipts.waiting-max`.",
    ),
    Code.LEVEL_OUTLIVED: (
        "a publish expired before it reached its level",
        "A node took it and said so; its time to live was over before so many nodes, or regions, were known to hold it.",
        "Do not repeat it: it was published. See who is away (`gossamer status`); ask for a lower level or a longer life.",
    ),
    Code.FRAME_UNDECODABLE: (
        "a peer sent bytes that are no frame",
        "A broken or hostile peer, or a version that is not compatible. The link was dropped.",
        "Compare versions; look at the peer's log.",
    ),
    Code.BATCH_INVALID: (
        "a peer sent a batch that does not verify",
        "Its signature, its body or its records are not what its node sealed. It was dropped, with the link.",
        "If it repeats, the peer is damaged or hostile: stop it and run `gossamer doctor` there, or block its address.",
    ),
    Code.MESH_WRONG: (
        "a peer belongs to another mesh",
        "Two meshes share an address or a LAN. They never mix; the link was dropped.",
        "Check the seeds and the ticket.",
    ),
    Code.HELLO_FORGED: (
        "a peer could not prove who it is",
        "The proof is not the node's over this very connection: a forgery, or a relay in between.",
        "Check what stands between the nodes. The link was dropped.",
    ),
    Code.HELLO_MISSING: (
        "a peer sent frames before HELLO",
        "Nothing is accepted from a peer that has not said who it is.",
        "Compare versions; the link was dropped.",
    ),
    Code.CERTIFICATE_INVALID: (
        "a certificate of membership does not hold",
        "It is expired, signed by nobody with the right, or exceeds what its ticket allows.",
        "Give the node a new ticket: `gossamer mesh invite`.",
    ),
    Code.CREDIT_EXCEEDED: (
        "a peer sent more than it was granted",
        "Links carry only what the receiver has granted. The link was dropped.",
        "Compare versions; look at the peer's log.",
    ),
    Code.FRAME_TOO_LARGE: (
        "a peer sent a frame over the limit",
        "Frames are at most 1.25 MiB, 16 KiB before HELLO. The link was dropped.",
        "Compare versions; look at the peer's log.",
    ),
    Code.VERSION_UNKNOWN: (
        "a peer speaks another version",
        "There is no version of the protocol that both know.",
        "Upgrade the older node.",
    ),
    Code.GREETING_LATE: (
        "a peer did not say HELLO in time",
        "A connection was opened and nothing followed.",
        "Nothing, unless it repeats: then look at what connects.",
    ),
    Code.LINK_SUPERSEDED: (
        "a link was replaced by a newer one",
        "Two links to one peer stood; the older was closed once the newer had carried frames.",
        "Nothing: this is how double connections are settled.",
    ),
    Code.IDENTITY_TWICE: (
        "a node's identity lives twice",
        "Two processes run with one key: a copied data directory, or a cloned machine. Nothing is lost.",
        "Stop one and give it a data directory of its own.",
    ),
    Code.CONTROL_FLOOD: (
        "a peer sent too many control frames",
        "Control frames are limited by rate. The link was dropped.",
        "Compare versions; look at the peer's log.",
    ),
    Code.LINKS_TOO_MANY: (
        "too many links",
        "The node has as many links as it is allowed.",
        "Look at what connects. A full mesh has as many nodes as that, and no more.",
    ),
    Code.NODE_STOPPING: (
        "a node is stopping",
        "It closed its links in good order.",
        "Nothing.",
    ),
    Code.LINK_SILENT: (
        "a link was silent for too long",
        "Nothing came on it for a minute: the network between the nodes is cut, or the peer hangs.",
        "Nothing: the peer is dialled again by itself, for ever.",
    ),
    Code.LOG_FORKED: (
        "a log has two histories",
        "Two valid batches claim one place: a cloned memory, or a hostile node. Nothing from there on is taken any more.",
        "Find the node named and give it a new identity.",
    ),
    Code.ROWS_CORRUPT: (
        "damaged rows were found on the disk",
        "Their checksum did not hold. They were deleted, are not served, and are fetched again from a peer.",
        "Check the disk.",
    ),
    Code.CLOCK_DOUBTED: (
        "the clock is doubted",
        "It is over 60 s from its neighbors' clocks, or has leapt. Nothing expires until they agree; alone, for an hour.",
        "Set the clocks (NTP).",
    ),
    Code.STAMP_AHEAD: (
        "a stamp lies in the future",
        "A node's clock is over 60 s ahead. Its messages are kept; no other clock follows it.",
        "Set the clock of the node named.",
    ),
    Code.NAMES_CONFLICT: (
        "one name, two messages",
        "A publisher used one name for two messages, or a member wrote it too often to be compared. All are delivered.",
        "Make the client draw a new incarnation at every start.",
    ),
    Code.APPEND_FAILED: (
        "an append failed",
        "The store refused a transaction and nothing of it was kept.",
        "See the reason beside it; most often the disk is full.",
    ),
    Code.REPAIR_STALLED: (
        "a repair makes no progress",
        "A peer says that it has batches, and does not send them: it is damaged, overloaded or hostile.",
        "Look at the disk and the log of the node named; other peers are asked meanwhile.",
    ),
    Code.GATEWAY_UNREACHABLE: (
        "no gateway can be reached",
        "None of the addresses answers, or what answers is no gateway.",
        "Start a node (`gossamer dev`), or check the address (--gateway).",
    ),
    Code.WAIT_TIMED_OUT: (
        "the durability asked for was not reached in time",
        "The message stays: it is stored where its receipt says, and goes on being replicated.",
        "Wait longer, ask for less, or look at `gossamer status`.",
    ),
    Code.OUTBOX_FULL: (
        "the outbox is full",
        "No gateway has taken the publishes that wait, and the outbox is bounded.",
        "Wait for receipts, or raise the outbox's limit.",
    ),
    Code.CLIENT_CLOSED: (
        "the client is closed",
        "It was closed while this was under way, or before.",
        "Open a new one.",
    ),
    Code.GAP_IN_RAW: (
        "a raw stream has a gap",
        "A message is missing or came late, and raw output cannot show it.",
        "Subscribe again from a cursor or time before it, ask for the history again later, or use another format.",
    ),
    Code.LINE_TOO_LONG: (
        "a line is too long",
        "A line, with its terminator, is one message, and a message takes at most 1 MiB.",
        "Send the file by --chunk.",
    ),
    Code.ONCE_AT_RISK: (
        "a duplicate may be delivered",
        "The client moved among so many publishers that it forgot names which it had seen.",
        "Nothing, unless duplicates matter: then read the messages' names.",
    ),
    Code.JOURNAL_INVALID: (
        "the journal of a sweep is damaged",
        "The file is no journal, or a line of it is not what a sweep writes. Only the last line may be torn.",
        "Remove the line that is named, whose seed is then played again; or give another file.",
    ),
    Code.JOURNAL_FOREIGN: (
        "the journal is of another sweep",
        "The scenario, what was taken away, or the code is no longer what it was, so that its results prove nothing now.",
        "Give another file, or remove this one; or play again what it was made of.",
    ),
    Code.OUTPUT_UNWRITABLE: (
        "a result cannot be written",
        "The folder is missing, the file may not be written, or the disk is full.",
        "Name a file that can be written.",
    ),
    Code.SEED_TWO_WAYS: (
        "one seed, two results",
        "Two journals of one sweep, or two lines of one, say different things of a seed. A seed decides a run wholly.",
        "If neither file was changed by hand, the simulation is not deterministic: report it, with both files.",
    ),
    Code.TAPE_INVALID: (
        "a tape cannot be replayed",
        "The file is no tape, was changed or cut off, or the run asks for other draws than it holds.",
        "Record it again: `gossamer sim run SCENARIO --seed N --save FILE`.",
    ),
    Code.TAPE_FOREIGN: (
        "a tape of another version",
        "A tape means something only to the code that recorded it.",
        "Check that version out, or play the scenario and its seed again.",
    ),
}

EXPLANATIONS: dict[Code, Explanation] = {code: Explanation(*texts) for code, texts in _TABLE.items()}
