"""Every limit and every time of a node, with its unit, its origin and its check: one frozen config per engine.

`NodeConfig()` is for the wide area; `sim()` is what simulations use. Parameters that make no sense, alone or together,
raise `ConfigError` here, before anything runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mesh.errors import ConfigError
from mesh.log.batch import BATCH_BYTES_MAX, BODY_BYTES_MAX
from mesh.log.record import RECORD_BYTES_MAX, TTL_MS_MAX
from mesh.types import Address

MS_PER_DAY = 86_400_000


def _check(fine: bool, complaint: str) -> None:  # reads as a sentence where it is called
    if not fine:
        raise ConfigError(complaint)


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """HELLO, dialling, credit, silence."""

    greeting_timeout_ms: int = 5_000
    """A connection that has not said HELLO by then is dropped. Guess: far above any handshake, far below a nuisance."""
    alive_ms: int = 1_000
    """Say `Alive` after so long without another frame (protocol.md, 4: a healed cut is noticed within 1.4 s)."""
    silent_ms: int = 3_000
    """A link that was silent for so long gets no live batches until it speaks."""
    dead_ms: int = 60_000
    """A link that was silent for so long is closed: the idle time-out of QUIC, for hosts that have none."""
    backoff_first_ms: int = 200
    backoff_known_ms: int = 3_000
    """The longest wait before a peer of our region that was linked within the last hour is dialled again."""
    backoff_known_far_ms: int = 15_000
    """The same for a peer of another region."""
    backoff_max_ms: int = 60_000
    known_for_ms: int = 3_600_000
    credit_ahead_bytes: int = 4 << 20
    """What a peer may send before we have stored it (live and backfill together)."""
    credit_step_bytes: int = 1 << 20
    """Credit is told when it has grown by so much."""
    control_bytes_per_s: int = 2 << 20
    """Control frames beyond this rate, and their burst of ten seconds, are a flood. Guess."""
    links_max: int = 64
    addresses_max: int = 1_024

    def __post_init__(self) -> None:
        _check(0 < self.alive_ms < self.silent_ms < self.dead_ms, "alive_ms < silent_ms < dead_ms must hold")
        _check(0 < self.credit_step_bytes <= self.credit_ahead_bytes // 2, "credit_step_bytes: at most half the credit")
        _check(self.credit_ahead_bytes >= 2 * BODY_BYTES_MAX, "credit_ahead_bytes must hold two of the largest batches")
        _check(0 < self.backoff_first_ms <= self.backoff_known_ms <= self.backoff_known_far_ms, "back-offs must rise")
        _check(self.backoff_known_far_ms <= self.backoff_max_ms, "back-offs must rise")
        _check(self.links_max >= 1 and self.addresses_max >= 1, "a node needs a link and an address")
        _check(self.greeting_timeout_ms > 0 and self.control_bytes_per_s > 0, "time-outs and rates are positive")


@dataclass(frozen=True, slots=True)
class IntakeConfig:
    """Publishing: what is accepted, and when it is refused."""

    batch_bytes_max: int = BATCH_BYTES_MAX
    expiry_ratio_max: int = 4
    """A batch closes where the lifetimes in it would differ by more (protocol.md, 2): a body is dropped as a whole."""
    gathered_bytes_max: int = 16 << 20
    """Publishes that wait for the next append, beyond which the node says *slow down*. Guess: 0.2 s of a fast disk."""
    appends_pending_max: int = 2
    overloaded_retry_ms: int = 100
    disk_retry_ms: int = 1_000
    disk_reserve_bytes: int = 64 << 20
    """Publishes are refused while less is free, so that repair, marks and the system keep some room."""
    ttl_default_ms: int = 7 * MS_PER_DAY
    ttl_max_ms: int = TTL_MS_MAX
    epochs_per_hour_max: int = 200

    def __post_init__(self) -> None:
        _check(0 < self.batch_bytes_max <= BATCH_BYTES_MAX, f"batch_bytes_max: at most {BATCH_BYTES_MAX}")
        _check(self.expiry_ratio_max >= 1, "expiry_ratio_max: at least 1")
        _check(self.gathered_bytes_max >= 2 * RECORD_BYTES_MAX, "gathered_bytes_max must hold two large records")
        _check(self.appends_pending_max >= 1, "appends_pending_max: at least 1")
        _check(0 < self.ttl_default_ms <= self.ttl_max_ms <= TTL_MS_MAX, "ttl_default_ms <= ttl_max_ms <= 400 days")
        _check(self.disk_reserve_bytes >= 0 and self.epochs_per_hour_max >= 1, "limits are positive")


@dataclass(frozen=True, slots=True)
class DisseminationConfig:
    """Push, announce, graft."""

    ihave_ms: int = 20
    """Announcements are gathered for so long (protocol.md, 7) ..."""
    ihave_entries_max: int = 64
    """... or until there are so many."""
    graft_ms: int = 300
    """Wait so long for an announced batch before asking, between regions (protocol.md, 7)."""
    graft_near_ms: int = 100
    """The same inside a region."""
    graft_tries_max: int = 3
    """Then the range is left to repair."""
    wanted_max: int = 4_096
    """Announced ranges that are waited for; beyond, repair finds them."""

    def __post_init__(self) -> None:
        _check(0 < self.graft_near_ms <= self.graft_ms, "graft_near_ms <= graft_ms must hold")
        _check(self.ihave_ms >= 0 and 1 <= self.ihave_entries_max <= 1_024, "ihave_entries_max: 1 to 1024")
        _check(self.graft_tries_max >= 1 and self.wanted_max >= 1, "graft_tries_max and wanted_max: at least 1")


@dataclass(frozen=True, slots=True)
class RepairConfig:
    """Anti-entropy: when, with whom, how much at a time."""

    near_ms: int = 5_000
    """Compare with a peer of the region so often, ± half; grows by half while nothing differs (protocol.md, 8) ..."""
    near_max_ms: int = 60_000
    """... up to this."""
    far_ms: int = 20_000
    far_max_ms: int = 300_000
    answer_ms: int = 5_000
    """A session without any progress for so long is given up; the next one needs less."""
    sessions_max: int = 3
    """Sessions that this node runs at a time."""
    want_bytes: int = 1 << 18
    """What is read from the disk for a peer at a time."""
    wants_max: int = 64
    """Wants of one peer that may stand; beyond, `Busy`."""
    busy_retry_ms: int = 1_000
    want_ranges_max: int = 1_024
    """Ranges asked of one peer at a time."""
    want_positions_max: int = 65_536
    """Positions asked of one peer at a time, so that two peers share the work."""
    incomplete_alarm: int = 3

    def __post_init__(self) -> None:
        _check(0 < self.near_ms <= self.near_max_ms and 0 < self.far_ms <= self.far_max_ms, "intervals must rise")
        _check(self.sessions_max >= 1 and self.wants_max >= 1 and self.answer_ms > 0, "limits are positive")
        _check(1 <= self.want_ranges_max <= 1_024 and self.want_positions_max >= 4_096, "a want has 1 to 1024 ranges")
        _check(self.want_bytes >= BATCH_BYTES_MAX, "want_bytes must hold a batch")


@dataclass(frozen=True, slots=True)
class ReceiptConfig:
    """Durability levels."""

    waiting_max: int = 262_144
    """Publishes (in runs) whose receipts may still rise; the oldest are told no more. A retry asks again."""
    logs_max: int = 4_096

    def __post_init__(self) -> None:
        _check(self.waiting_max >= 1 and self.logs_max >= 1, "limits are positive")


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """A client's seat on this node."""

    sessions_max: int = 10_000
    subscriptions_max: int = 1_024
    patterns_max: int = 256
    attach_timeout_ms: int = 10_000
    publisher_bytes_max: int = 128
    history_page_max: int = 1_000
    histories_max: int = 4
    """Pages that one session may have under way."""
    goaway_ms: int = 3_000

    def __post_init__(self) -> None:
        _check(self.sessions_max >= 1 and self.subscriptions_max >= 1 and self.patterns_max >= 1, "limits are positive")
        _check(self.history_page_max >= 1 and self.histories_max >= 1, "limits are positive")


@dataclass(frozen=True, slots=True)
class DeliveryConfig:
    """Readers of the log."""

    hole_ms: int = 30_000
    """A hole that no reachable peer can fill is reported after so long (protocol.md, 11)."""
    load_bytes: int = 1 << 18
    """What is read from the disk for a reader at a time."""
    loads_max: int = 16
    """Reads under way for all readers."""
    backlog_max: int = 1_000
    """What `drop-oldest` keeps, and `disconnect` allows."""
    recent_bytes: int = 16 << 20
    """Recent batches kept in memory, so that who is a little behind costs the disk nothing."""
    messages_max: int = 1_024
    """Records in one delivery."""

    def __post_init__(self) -> None:
        _check(self.hole_ms > 0 and self.loads_max >= 1 and self.backlog_max >= 1, "limits are positive")
        _check(self.load_bytes >= BATCH_BYTES_MAX and self.recent_bytes >= 0, "load_bytes must hold a batch")
        _check(1 <= self.messages_max <= 4_096, "messages_max: 1 to 4096")


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """All of a node. `advertise` is where it can be dialled; `gateways` what clients are told."""

    links: LinkConfig = field(default_factory=LinkConfig)
    intake: IntakeConfig = field(default_factory=IntakeConfig)
    dissemination: DisseminationConfig = field(default_factory=DisseminationConfig)
    repair: RepairConfig = field(default_factory=RepairConfig)
    receipts: ReceiptConfig = field(default_factory=ReceiptConfig)
    sessions: SessionConfig = field(default_factory=SessionConfig)
    delivery: DeliveryConfig = field(default_factory=DeliveryConfig)
    advertise: Address | None = None
    seeds: tuple[Address, ...] = ()
    gateways: tuple[str, ...] = ()
    version: str = "0"
    expiry_every_ms: int = 60_000
    """How often expired bodies and logs are dropped. Visibility is exact at any time."""

    def __post_init__(self) -> None:
        _check(self.expiry_every_ms > 0, "expiry_every_ms: positive")


def sim() -> NodeConfig:
    """What simulations use: the real times, small tables, so that every limit is met."""
    return NodeConfig(
        intake=IntakeConfig(gathered_bytes_max=2 * RECORD_BYTES_MAX, disk_reserve_bytes=1 << 16),
        delivery=DeliveryConfig(recent_bytes=1 << 18, loads_max=4),
        sessions=SessionConfig(sessions_max=64),
        version="sim",
    )
